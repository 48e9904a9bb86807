-- name: count_lanes
SELECT count(*) FROM lanes

-- name: number_is_taken
SELECT 1 FROM deliveries WHERE seq = ?1

-- name: put_head
UPDATE lanes SET head = ?2 WHERE id = ?1

-- name: forget_rejected
DELETE FROM rejected

-- name: recount_rejected
INSERT INTO rejected (tenant, source, reason, count, bytes)
SELECT tenant, source, coalesce(reason_code, ''), count(*), sum(bytes) FROM requests INDEXED BY requests_rejected
WHERE verdict = 2 GROUP BY tenant, source, reason_code
