-- The lease begins at $9, and as often the database's time later as $20 says: once or never.
-- name: insert_open
INSERT INTO open_deliveries (tenant, id, event, replay, created_at, due_at, generation, owner, lease_until, place,
  version_kind, version, state, behind, backfill, attempts, tried, route, destination, lane)
SELECT $1, u.id, u.event, u.replay, u.created_at, u.due_at, u.generation, u.owner,
  u.lease_from + $20::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + u.span,
  u.place, u.version_kind, u.version, u.state, u.behind, u.backfill, 0, u.tried, u.route, u.destination, u.lane
FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::uuid[]) AS event, unnest($4::uuid[]) AS replay,
  unnest($5::bigint[]) AS created_at, unnest($6::bigint[]) AS due_at, unnest($7::bigint[]) AS generation,
  unnest($8::bigint[]) AS owner, unnest($9::bigint[]) AS lease_from, unnest($10::bigint[]) AS span,
  unnest($11::bigint[]) AS place, unnest($12::smallint[]) AS version_kind, unnest($13::bigint[]) AS version,
  unnest($14::smallint[]) AS state, unnest($15::boolean[]) AS behind, unnest($16::integer[]) AS tried,
  unnest($17::text[]) AS route, unnest($18::text[]) AS destination, unnest($19::text[]) AS lane,
  unnest($21::boolean[]) AS backfill) AS u

-- name: set_behind
UPDATE open_deliveries SET behind = true, backfill = false WHERE tenant = $1 AND id = ANY ($2::uuid[])

-- name: hurry
UPDATE open_deliveries SET backfill = false WHERE tenant = $1 AND id = ANY ($2::uuid[])

-- name: promote
UPDATE open_deliveries SET behind = false, due_at = $3 WHERE tenant = $1 AND id = ANY ($2::uuid[])

-- name: peek_lanes
SELECT DISTINCT destination, lane FROM open_deliveries
WHERE tenant = $1 AND id = ANY ($2::uuid[]) AND lane IS NOT NULL

-- name: lock_open
SELECT id, event, state, owner, generation, attempts, tried, destination, lane FROM open_deliveries
WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE

-- name: move_open
UPDATE open_deliveries SET state = u.state, due_at = u.at, attempts = u.attempts, tried = u.tried,
  cause_code = u.cause_code, cause_detail = u.cause_detail, owner = NULL, lease_until = NULL
FROM unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::integer[], $6::integer[], $7::text[], $8::text[])
  AS u (id, state, at, attempts, tried, cause_code, cause_detail)
WHERE open_deliveries.tenant = $1 AND open_deliveries.id = u.id

-- Those of births that are known to have these members ($3 to $5 say which rows, $25 the first member of each, and $6 has a
-- bit for each member that ends): kept as ended, delivered by their first tries, and the bits set, or the rows taken out with
-- their last one. If any row is there no more, begins with another member, or has one of these bits already, nothing is done:
-- who knew it was wrong. Gives whether it was done, and which rows are taken out.
-- name: end_born
WITH held AS (
  SELECT first, ended, (($6::text[])[array_position($3::bigint[], first)])::bit varying AS ends,
    ids[1] = ($25::uuid[])[array_position($3::bigint[], first)] AS known
  FROM births
  WHERE tenant = $1 AND owner = $2 AND first BETWEEN $4 AND $5 AND first = ANY ($3::bigint[])
  ORDER BY first FOR UPDATE
), marked AS MATERIALIZED (
  SELECT first, ended | ends AS ended FROM held
  WHERE (SELECT count(*) = cardinality($3::bigint[])
      AND bool_and(CASE WHEN known THEN bit_count(ended & ends) = 0 ELSE false END) FROM held)
), noted AS (
  UPDATE births SET ended = m.ended FROM marked m
  WHERE births.tenant = $1 AND births.owner = $2 AND births.first BETWEEN $4 AND $5 AND births.first = m.first
    AND bit_count(m.ended) < length(m.ended)
), emptied AS (
  DELETE FROM births USING marked m
  WHERE births.tenant = $1 AND births.owner = $2 AND births.first BETWEEN $4 AND $5 AND births.first = m.first
    AND bit_count(m.ended) = length(m.ended)
  RETURNING births.first
), ended AS (
  INSERT INTO ended_deliveries (tenant, id, event, replay, created_at, finished_at, generation, state, attempts, tried,
    route, destination, attempt, started_at, duration_us, connect_us, first_byte_us, status, outcome, error, peer, response)
  SELECT $1, unnest($7::uuid[]), unnest($8::uuid[]), '00000000-0000-0000-0000-000000000000'::uuid, unnest($9::bigint[]),
    unnest($10::bigint[]), unnest($11::bigint[]), 5, unnest($12::integer[]), 1, unnest($13::text[]), unnest($14::text[]),
    unnest($15::uuid[]), unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bigint[]), unnest($19::bigint[]),
    unnest($20::integer[]), unnest($21::text[]), unnest($22::text[]), unnest($23::text[]), unnest($24::bytea[])
  WHERE EXISTS (SELECT FROM marked)
)
SELECT EXISTS (SELECT FROM marked), ARRAY(SELECT first FROM emptied)

-- Those in no lane that are still under their claims, which only those in flight are: taken out, kept as ended, and their
-- tries appended, in one statement. Gives those that were; who was in a lane, or under another claim, is left as it was.
-- Of one that is among births the bit is set, and with the last of a row's bits the row goes ($20 to $22 say which);
-- the others are open. They are found by their ids alone, and their claims by a look into a hash (`IS TRUE` keeps it from
-- being made a join): joined, a table that is believed to be small would be read as a whole, with all its dead rows of the
-- last minute.
-- name: end_plain
WITH held AS (
  SELECT first, ended, ids, events, created_at, routes, destinations FROM births
  WHERE tenant = $1 AND owner = $3 AND first BETWEEN $21 AND $22 AND first = ANY ($20::bigint[])
  ORDER BY first FOR UPDATE
), born AS (
  SELECT b.first, b.nth, b.id, b.event, b.created_at, b.route, b.destination
  FROM (SELECT first, ended, generate_subscripts(ids, 1) - 1 AS nth, unnest(ids) AS id, unnest(events) AS event,
      unnest(created_at) AS created_at, unnest(routes) AS route, unnest(destinations) AS destination
    FROM held) AS b
  WHERE get_bit(b.ended, b.nth) = 0 AND ((b.id, b.first + b.nth) IN
    (SELECT unnest($2::uuid[]), unnest($4::bigint[]))) IS TRUE
), marked AS (
  SELECT h.first, bit_or(set_bit(h.ended, b.nth, 1)) AS ended FROM held h JOIN born b ON b.first = h.first
  GROUP BY h.first
), noted AS (
  UPDATE births SET ended = m.ended FROM marked m
  WHERE births.tenant = $1 AND births.owner = $3 AND births.first BETWEEN $21 AND $22 AND births.first = m.first
    AND bit_count(m.ended) < length(m.ended)
), emptied AS (
  DELETE FROM births USING marked m
  WHERE births.tenant = $1 AND births.owner = $3 AND births.first BETWEEN $21 AND $22 AND births.first = m.first
    AND bit_count(m.ended) = length(m.ended)
), opened AS (
  DELETE FROM open_deliveries
  WHERE tenant = $1 AND id = ANY ($2::uuid[]) AND lane IS NULL
    AND owner = $3 AND ((id, generation) IN (SELECT unnest($2::uuid[]), unnest($4::bigint[]))) IS TRUE
  RETURNING id, event, replay, created_at, generation, version_kind, version, tried, route, destination
), gone AS (
  SELECT id, event, '00000000-0000-0000-0000-000000000000'::uuid AS replay, created_at, first + nth AS generation,
    NULL::smallint AS version_kind, NULL::bigint AS version, 0 AS tried, route, destination
  FROM born
  UNION ALL
  SELECT id, event, replay, created_at, generation, version_kind, version, tried, route, destination FROM opened
), ended AS (
  INSERT INTO ended_deliveries (tenant, id, event, replay, created_at, finished_at, generation, version_kind, version,
    state, attempts, tried, route, destination, cause_code, cause_detail)
  SELECT $1, g.id, g.event, g.replay, g.created_at, u.at, g.generation, g.version_kind, g.version, u.state, u.attempts,
    g.tried + CASE WHEN u.attempt IS NULL THEN 0 ELSE 1 END, g.route, g.destination, u.cause_code, u.cause_detail
  FROM gone g, (SELECT unnest($2::uuid[]) AS id, unnest($5::smallint[]) AS state, unnest($6::bigint[]) AS at,
    unnest($7::integer[]) AS attempts, unnest($8::text[]) AS cause_code, unnest($9::text[]) AS cause_detail,
    unnest($10::uuid[]) AS attempt) AS u
  WHERE g.id = u.id
), tries AS (
  INSERT INTO attempts (tenant, event, delivery, number, id, started_at, duration_us, connect_us, first_byte_us, status,
    outcome, error, peer, response)
  SELECT $1, g.event, g.id, g.tried + 1, u.attempt, u.started_at, u.duration_us, u.connect_us, u.first_byte_us, u.status,
    u.outcome, u.error, u.peer, u.response
  FROM gone g, (SELECT unnest($2::uuid[]) AS id, unnest($10::uuid[]) AS attempt, unnest($11::bigint[]) AS started_at,
    unnest($12::bigint[]) AS duration_us, unnest($13::bigint[]) AS connect_us, unnest($14::bigint[]) AS first_byte_us,
    unnest($15::integer[]) AS status, unnest($16::text[]) AS outcome, unnest($17::text[]) AS error,
    unnest($18::text[]) AS peer, unnest($19::bytea[]) AS response) AS u
  WHERE g.id = u.id AND u.attempt IS NOT NULL
)
SELECT id FROM gone

-- name: end_open
WITH gone AS (
  DELETE FROM open_deliveries WHERE tenant = $1 AND id = ANY ($2::uuid[])
  RETURNING id, event, replay, created_at, generation, place, version_kind, version, route, destination, lane
)
INSERT INTO ended_deliveries (tenant, id, event, replay, created_at, finished_at, generation, place, version_kind,
  version, state, attempts, tried, route, destination, lane, cause_code, cause_detail)
SELECT $1, g.id, g.event, g.replay, g.created_at, u.at, g.generation, g.place, g.version_kind, g.version, u.state,
  u.attempts, u.tried, g.route, g.destination, g.lane, u.cause_code, u.cause_detail
FROM gone g, unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::integer[], $6::integer[], $7::text[], $8::text[])
  AS u (id, state, at, attempts, tried, cause_code, cause_detail)
WHERE g.id = u.id

-- For each ask the first that are due and that nobody else is looking at, from where its queue begins. The lengths of
-- the payloads are known without reading them. What stands behind OFFSET 0 is looked up by its key for each row, however
-- few rows the planner believes there are: plans are made while a span is empty.
-- name: due_deliveries
SELECT a.nth, q.id, e.bytes, q.due_at
FROM unnest($2::text[], $3::bigint[], $5::bigint[]) WITH ORDINALITY AS a (destination, most, begins, nth)
CROSS JOIN LATERAL (
  SELECT id, event, due_at FROM open_deliveries
  WHERE tenant = $1 AND destination = a.destination AND state IN (1, 3) AND NOT behind AND NOT backfill
    AND due_at >= a.begins AND due_at <= $4
  ORDER BY due_at, id LIMIT a.most FOR UPDATE SKIP LOCKED) AS q
LEFT JOIN LATERAL (
  SELECT octet_length(payload) AS bytes FROM events WHERE tenant = $1 AND id = q.event OFFSET 0) AS e ON true
ORDER BY a.nth, q.due_at, q.id

-- name: due_backfill
SELECT a.nth, q.id, e.bytes, q.due_at
FROM unnest($2::text[], $3::bigint[], $5::bigint[]) WITH ORDINALITY AS a (destination, most, begins, nth)
CROSS JOIN LATERAL (
  SELECT id, event, due_at FROM open_deliveries
  WHERE tenant = $1 AND destination = a.destination AND state IN (1, 3) AND NOT behind AND backfill
    AND due_at >= a.begins AND due_at <= $4
  ORDER BY due_at, id LIMIT a.most FOR UPDATE SKIP LOCKED) AS q
LEFT JOIN LATERAL (
  SELECT octet_length(payload) AS bytes FROM events WHERE tenant = $1 AND id = q.event OFFSET 0) AS e ON true
ORDER BY a.nth, q.due_at, q.id

-- name: next_due
SELECT a.nth, q.due_at
FROM unnest($2::text[]) WITH ORDINALITY AS a (destination, nth)
CROSS JOIN LATERAL (
  (SELECT due_at FROM open_deliveries
   WHERE tenant = $1 AND destination = a.destination AND state IN (1, 3) AND NOT behind AND NOT backfill AND due_at > $3
   ORDER BY due_at LIMIT 1)
  UNION ALL
  (SELECT due_at FROM open_deliveries
   WHERE tenant = $1 AND destination = a.destination AND state IN (1, 3) AND NOT behind AND backfill AND due_at > $3
   ORDER BY due_at LIMIT 1)
  ORDER BY due_at LIMIT 1) AS q

-- A generation is higher than every earlier one of its delivery. Where who asks says under which generation it is in
-- charge of the destination, it has to be so still.
-- name: claim_deliveries
UPDATE open_deliveries SET state = 2, owner = $4,
  generation = greatest(generation + 1, ($3::bigint[])[array_position($2::uuid[], id)]),
  lease_until = $5::bigint + $6::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint
    + $7::bigint
WHERE tenant = $1 AND id = ANY ($2::uuid[])
  AND (($8::bigint[])[array_position($2::uuid[], id)] IS NULL OR EXISTS (SELECT 1 FROM charges c
    WHERE c.tenant = $1 AND c.kind = 'destination' AND c.name = open_deliveries.destination AND c.owner = $4
      AND c.generation = ($8::bigint[])[array_position($2::uuid[], open_deliveries.id)]))
RETURNING id, generation

-- name: claimed_whole
SELECT e.seq, e.id, e.tenant, e.source, e.connection, e.origin, e.assurance, e.action, e.version_kind, e.version,
  e.occurred_at, e.received_at, e.request, e.type, e.native_type, e.subject, e.content_type, e.head, e.payload,
  q.id, q.route, q.destination, q.attempts, q.replay, r.new_ids, q.lane, q.version_kind, q.version, l.sent_kind, l.sent,
  p.stale, p.content_type, p.body, q.backfill
FROM unnest($2::uuid[]) AS a (id)
CROSS JOIN LATERAL (SELECT * FROM open_deliveries WHERE tenant = $1 AND id = a.id OFFSET 0) AS q
LEFT JOIN LATERAL (SELECT * FROM events WHERE tenant = $1 AND id = q.event OFFSET 0) AS e ON true
LEFT JOIN LATERAL (
  SELECT * FROM lanes WHERE tenant = $1 AND destination = q.destination AND lane = q.lane OFFSET 0) AS l ON true
LEFT JOIN LATERAL (SELECT * FROM replays WHERE tenant = $1 AND id = q.replay OFFSET 0) AS r ON true
LEFT JOIN LATERAL (
  SELECT * FROM prepared WHERE tenant = $1 AND event = q.event AND delivery = q.id OFFSET 0) AS p ON true

-- name: insert_attempts
INSERT INTO attempts (tenant, event, delivery, number, id, started_at, duration_us, connect_us, first_byte_us, status,
  outcome, error, peer, response)
SELECT $1, u.* FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::uuid[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::integer[], $11::text[], $12::text[], $13::text[], $14::bytea[]) AS u

-- name: put_prepared
INSERT INTO prepared (tenant, event, delivery, stale, content_type, body, enriched)
SELECT $1, u.* FROM unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::text[], $6::bytea[], $7::bytea[]) AS u
ON CONFLICT (tenant, event, delivery) DO UPDATE SET stale = excluded.stale, content_type = excluded.content_type,
  body = excluded.body, enriched = excluded.enriched

-- name: delete_prepared
DELETE FROM prepared WHERE tenant = $1 AND event = ANY ($2::uuid[]) AND delivery = ANY ($3::uuid[])

-- Of all tenants. The claims of a node hold as long as it lives; those of nobody that is known, as long as their lease.
-- name: lapsed
WITH t AS MATERIALIZED (
  SELECT $1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now)
SELECT o.tenant, o.id FROM open_deliveries o CROSS JOIN t LEFT JOIN nodes n ON n.owner = o.owner
WHERE o.state = 2 AND coalesce(n.until, o.lease_until) <= t.now
ORDER BY o.tenant, o.lease_until LIMIT $3

-- Those that are still lapsed when it is their turn.
-- name: lock_lapsed
SELECT id, event, state, owner, generation, attempts, tried, destination, lane FROM open_deliveries
WHERE tenant = $1 AND id = ANY ($2::uuid[]) AND state = 2
  AND coalesce((SELECT n.until FROM nodes n WHERE n.owner = open_deliveries.owner), lease_until)
    <= $3::bigint + $4::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint
ORDER BY id FOR UPDATE SKIP LOCKED

-- name: lock_ended
SELECT id, event, replay, created_at, generation, tried, place, version_kind, version, state, route, destination, lane
FROM ended_deliveries WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE

-- Retention does not take an event from under who makes a delivery of it.
-- name: lock_event
SELECT id FROM events WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR SHARE

-- name: delete_ended
DELETE FROM ended_deliveries WHERE tenant = $1 AND event = ANY ($2::uuid[]) AND id = ANY ($3::uuid[])

-- Only the try under the last claim: an earlier one was somebody else's.
-- name: count_late_tries
UPDATE ended_deliveries SET tried = ended_deliveries.tried + 1
FROM unnest($2::uuid[], $3::bigint[]) AS u (id, generation)
WHERE ended_deliveries.tenant = $1 AND ended_deliveries.id = u.id AND ended_deliveries.state = 8
  AND ended_deliveries.generation = u.generation
RETURNING ended_deliveries.id, ended_deliveries.event, ended_deliveries.tried

-- Looked for once, however the update goes about it: else it could take more than it was told.
-- name: hold_destination
WITH chosen AS MATERIALIZED (
  SELECT id FROM open_deliveries WHERE tenant = $1 AND destination = $2 AND state IN (1, 3)
  ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE open_deliveries SET state = 4 WHERE tenant = $1 AND id IN (SELECT id FROM chosen)

-- name: hold_route
WITH chosen AS MATERIALIZED (
  SELECT id FROM open_deliveries WHERE tenant = $1 AND route = $2 AND state IN (1, 3)
  ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE open_deliveries SET state = 4 WHERE tenant = $1 AND id IN (SELECT id FROM chosen)

-- name: resume_destination
WITH chosen AS MATERIALIZED (
  SELECT id FROM open_deliveries WHERE tenant = $1 AND destination = $2 AND state = 4
  ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE open_deliveries SET state = CASE attempts WHEN 0 THEN 1 ELSE 3 END WHERE tenant = $1 AND id IN (SELECT id FROM chosen)

-- name: resume_route
WITH chosen AS MATERIALIZED (
  SELECT id FROM open_deliveries WHERE tenant = $1 AND route = $2 AND state = 4
  ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE open_deliveries SET state = CASE attempts WHEN 0 THEN 1 ELSE 3 END WHERE tenant = $1 AND id IN (SELECT id FROM chosen)

-- name: open_ids
SELECT d.id FROM owed d
CROSS JOIN LATERAL (SELECT source FROM events WHERE tenant = $1 AND id = d.event OFFSET 0) AS e
WHERE d.tenant = $1 AND ($2::smallint IS NULL OR d.state = $2) AND ($3::text IS NULL OR d.destination = $3)
  AND ($4::text IS NULL OR d.route = $4) AND ($5::text IS NULL OR e.source = $5)
  AND ($6::uuid IS NULL OR d.replay = $6) AND ($7::text IS NULL OR d.cause_code = $7)
  AND ($8::bigint IS NULL OR d.created_at >= $8) AND ($9::bigint IS NULL OR d.created_at < $9)
ORDER BY d.id LIMIT $10

-- name: delivery_by_id
SELECT d.id, d.event, d.replay, d.state, d.attempts, d.created_at, d.due_at, d.finished_at, d.behind, d.route,
  d.destination, d.cause_code, d.cause_detail, e.type, e.source, e.connection, e.subject
FROM deliveries d CROSS JOIN LATERAL (
  SELECT type, source, connection, subject FROM events WHERE tenant = $1 AND id = d.event OFFSET 0) AS e
WHERE d.tenant = $1 AND d.id = $2

-- By their events too: those that ended lie with them.
-- name: delivery_rows
WITH now_born AS MATERIALIZED (
  SELECT id, event, created_at, route, destination FROM born
  WHERE tenant = $1 AND (id IN (SELECT unnest($2::uuid[]))) IS TRUE)
SELECT d.id, d.event, d.replay, d.state, d.attempts, d.created_at, d.due_at, d.finished_at, d.behind, d.route,
  d.destination, d.cause_code, d.cause_detail, e.type, e.source, e.connection, e.subject
FROM unnest($2::uuid[], $3::uuid[]) AS a (id, event)
CROSS JOIN LATERAL (
  SELECT id, event, replay, state, attempts, created_at, due_at, finished_at, behind, route, destination, cause_code,
    cause_detail
  FROM kept_deliveries WHERE tenant = $1 AND id = a.id AND event = a.event
  UNION ALL
  SELECT id, event, '00000000-0000-0000-0000-000000000000', 2::smallint, 0, created_at, created_at, NULL, false, route,
    destination, NULL, NULL
  FROM now_born WHERE id = a.id
  OFFSET 0) AS d
CROSS JOIN LATERAL (
  SELECT type, source, connection, subject FROM events WHERE tenant = $1 AND id = d.event OFFSET 0) AS e
ORDER BY d.id DESC

-- name: deliveries_of_event
SELECT d.id, d.event, d.replay, d.state, d.attempts, d.created_at, d.due_at, d.finished_at, d.behind, d.route,
  d.destination, d.cause_code, d.cause_detail, e.type, e.source, e.connection, e.subject
FROM deliveries d CROSS JOIN LATERAL (
  SELECT type, source, connection, subject FROM events WHERE tenant = $1 AND id = d.event OFFSET 0) AS e
WHERE d.tenant = $1 AND d.event = $2 ORDER BY d.id

-- name: attempts
SELECT number, id, started_at, duration_us, outcome, status, error, connect_us, first_byte_us, peer, response
FROM tries WHERE tenant = $1 AND event = $2 AND delivery = $3 ORDER BY number

-- name: prepared
SELECT content_type, stale, body, enriched FROM prepared WHERE tenant = $1 AND event = $2 AND delivery = $3

-- name: sightings
SELECT path, first_at, last_at, count FROM sightings WHERE tenant = $1 AND event = $2 ORDER BY first_at, path

-- Of all tenants.
-- name: backlog_open
SELECT tenant, destination, state, count(*), min(created_at) FROM open_deliveries GROUP BY tenant, destination, state

-- name: backlog_dead
SELECT tenant, destination, state, count(*), min(created_at) FROM ended_deliveries WHERE state = 7
GROUP BY tenant, destination, state
