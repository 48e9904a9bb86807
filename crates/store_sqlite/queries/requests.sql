-- name: insert_request
INSERT INTO requests (id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, bytes,
  connection, method, url, remote, headers, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)

-- name: request
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, body, seq, bytes
FROM requests WHERE tenant = ?1 AND id = ?2

-- name: set_verdict
UPDATE requests SET verdict = ?2, reason_code = ?3, reason_detail = ?4, due_at = ?5 WHERE seq = ?1

-- name: requests_by_id
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, length(body)
FROM requests INDEXED BY requests_id WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC

-- name: requests_by_source
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, length(body)
FROM requests INDEXED BY requests_rejected_id
WHERE tenant = ?1 AND id < ?2 AND source = ?3 AND verdict = 2 ORDER BY id DESC

-- name: rejected_ids
SELECT id FROM requests INDEXED BY requests_rejected_id
WHERE tenant = ?1 AND source = ?2 AND verdict = 2 AND id < ?3 ORDER BY id DESC LIMIT ?4

-- name: pending_requests
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, body, seq, bytes
FROM requests INDEXED BY requests_due WHERE verdict = 3 AND due_at <= ?1 ORDER BY due_at, seq LIMIT ?2

-- name: waiting
SELECT count(*), coalesce(sum(bytes), 0) FROM requests INDEXED BY requests_due
WHERE verdict = 3 AND due_at >= 0 AND tenant = ?1 AND source = ?2

-- name: count_rejected
INSERT INTO rejected (tenant, source, reason, count, bytes) VALUES (?1, ?2, ?3, max(?4, 0), max(?5, 0))
ON CONFLICT DO UPDATE SET count = max(count + ?4, 0), bytes = max(bytes + ?5, 0)

-- name: rejected_total
SELECT count, bytes FROM rejected WHERE tenant = ?1 AND source = ?2 AND reason = ?3

-- The oldest behind those that stay. Those are stepped over in the index alone.
-- name: next_rejected
SELECT seq, bytes FROM requests INDEXED BY requests_rejected
WHERE tenant = ?1 AND source = ?2 AND reason_code = ?3 AND verdict = 2 ORDER BY seq LIMIT 1 OFFSET ?4

-- name: delete_request
DELETE FROM requests WHERE seq = ?1
