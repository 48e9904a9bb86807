-- name: insert_requests
INSERT INTO requests (tenant, id, received_at, due_at, bytes, verdict, source, reason_code, reason_detail,
  connection, method, url, remote, headers, body)
SELECT $1, u.* FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[]) AS u

-- name: lock_requests
SELECT verdict FROM requests WHERE tenant = $1 AND id = $2 FOR UPDATE

-- name: set_verdict
UPDATE requests SET verdict = $3, reason_code = $4, reason_detail = $5, due_at = $6 WHERE tenant = $1 AND id = $2

-- name: request
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, body
FROM requests WHERE tenant = $1 AND id = $2

-- Without their bodies.
-- name: request_heads
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, octet_length(body)
FROM requests WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY id DESC

-- name: rejected_total
SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM requests
WHERE tenant = $1 AND source = $2 AND reason_code = $3 AND verdict = 2

-- name: rejected_of
SELECT id, bytes FROM requests WHERE tenant = $1 AND source = $2 AND reason_code = $3 AND verdict = 2
ORDER BY id OFFSET $4 LIMIT $5

-- name: delete_requests
DELETE FROM requests WHERE tenant = $1 AND id = ANY ($2::uuid[])

-- name: rejected_ids
SELECT id FROM requests WHERE tenant = $1 AND source = $2 AND verdict = 2 AND id < $3
ORDER BY id DESC LIMIT $4

-- name: waiting
SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM requests WHERE tenant = $1 AND verdict = 3 AND source = $2

-- Of all tenants.
-- name: pending_requests
SELECT id, tenant, source, verdict, reason_code, reason_detail, due_at, received_at, connection, method, url, remote,
  headers, body
FROM requests WHERE verdict = 3 AND due_at <= $1 ORDER BY due_at, id LIMIT $2
