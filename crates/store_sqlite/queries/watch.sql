-- name: insert_call
INSERT INTO calls (tenant, source, connection, purpose, started_at, duration_us, status, bytes, budget_left, stream,
  method, url, error)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)

-- The newest so many of a connection stay.
-- name: trim_calls
DELETE FROM calls WHERE seq IN
  (SELECT seq FROM calls INDEXED BY calls_connection WHERE tenant = ?1 AND source = ?2 AND connection = ?3
   ORDER BY seq DESC LIMIT -1 OFFSET ?4)

-- name: calls_by_seq
SELECT seq, tenant, source, connection, purpose, started_at, duration_us, status, bytes, budget_left, stream, method,
  url, error
FROM calls NOT INDEXED WHERE seq < ?2 AND tenant = ?1 ORDER BY seq DESC

-- name: calls_of_connection
SELECT seq, tenant, source, connection, purpose, started_at, duration_us, status, bytes, budget_left, stream, method,
  url, error
FROM calls INDEXED BY calls_connection
WHERE tenant = ?1 AND seq < ?2 AND source = ?3 AND connection = ?4 ORDER BY seq DESC

-- name: figure
SELECT count, failed, latencies FROM figures
WHERE tenant = ?1 AND series = ?2 AND step = ?3 AND at = ?4 AND object = ?5

-- name: put_figure
INSERT INTO figures (tenant, series, step, at, object, count, failed, latencies)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO UPDATE SET count = excluded.count, failed = excluded.failed, latencies = excluded.latencies

-- name: forget_figures
DELETE FROM figures WHERE tenant = ?1 AND series = ?2 AND step = ?3 AND at < ?4

-- name: figures
SELECT at, object, count, failed, latencies FROM figures
WHERE tenant = ?1 AND series = ?2 AND step = ?3 AND at >= ?4 ORDER BY at, object
