-- name: insert_calls
INSERT INTO calls (tenant, instance, ended, source, connection, started_at, duration_us, bytes, budget_left, purpose,
  status, stream, method, url, error)
SELECT $1, $2, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint * 1024 + u.nth, u.source, u.connection,
  u.started_at, u.duration_us, u.bytes, u.budget_left, u.purpose, u.status, u.stream, u.method, u.url, u.error
FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::smallint[],
  $10::integer[], $11::text[], $12::text[], $13::text[], $14::text[]) WITH ORDINALITY
  AS u (source, connection, started_at, duration_us, bytes, budget_left, purpose, status, stream, method, url, error,
    nth)

-- The newest so many of a connection stay.
-- name: trim_calls
DELETE FROM calls c USING unnest($2::text[], $3::text[]) AS u (source, connection)
WHERE c.tenant = $1 AND c.source = u.source AND c.connection = u.connection AND c.ended <=
  (SELECT o.ended FROM calls o WHERE o.tenant = $1 AND o.source = u.source AND o.connection = u.connection
   ORDER BY o.ended DESC OFFSET $4 LIMIT 1)

-- name: insert_figures
INSERT INTO figures (tenant, series, step, at, object, count, failed, latencies)
SELECT $1, u.series, u.step, u.at, u.object, 0, 0, $6
FROM unnest($2::smallint[], $3::smallint[], $4::bigint[], $5::text[]) AS u (series, step, at, object)
ORDER BY u.series, u.step, u.at, u.object ON CONFLICT DO NOTHING

-- name: lock_figures
SELECT series, step, at, object, count, failed, latencies FROM figures
WHERE tenant = $1 AND (series, step, at, object) IN
  (SELECT u.series, u.step, u.at, u.object
   FROM unnest($2::smallint[], $3::smallint[], $4::bigint[], $5::text[]) AS u (series, step, at, object))
ORDER BY series, step, at, object FOR UPDATE

-- name: put_figures
UPDATE figures SET count = u.count, failed = u.failed, latencies = u.latencies
FROM unnest($2::smallint[], $3::smallint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bytea[])
  AS u (series, step, at, object, count, failed, latencies)
WHERE figures.tenant = $1 AND figures.series = u.series AND figures.step = u.step AND figures.at = u.at
  AND figures.object = u.object

-- name: forget_figures
DELETE FROM figures WHERE tenant = $1 AND series = $2 AND step = $3 AND at < $4

-- name: figures
SELECT at, object, count, failed, latencies FROM figures
WHERE tenant = $1 AND series = $2 AND step = $3 AND at >= $4 ORDER BY at, object
