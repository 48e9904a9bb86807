-- name: lane
SELECT l.id, l.head, l.sent_kind, l.sent, d.state, d.attempts, d.version_kind, d.version,
  d.backfill IS NOT NULL
FROM lanes l LEFT JOIN deliveries d ON d.seq = l.head
WHERE l.tenant = ?1 AND l.destination = ?2 AND l.lane = ?3

-- name: insert_lane
INSERT INTO lanes (tenant, destination, lane, head, used_at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id

-- name: set_head
UPDATE lanes SET head = ?2, used_at = ?3 WHERE id = ?1

-- name: set_sent
UPDATE lanes SET sent_kind = ?2, sent = ?3, used_at = ?4
WHERE id = ?1 AND (sent_kind IS NOT ?2 OR sent < ?3)

-- name: lane_head
SELECT l.id, l.head, l.sent_kind, l.sent, d.state, d.attempts, d.version_kind, d.version,
  d.backfill IS NOT NULL
FROM lanes l LEFT JOIN deliveries d ON d.seq = l.head
WHERE l.id = ?1

-- The two that can be next: the first accepted, and the earliest version of its kind.
-- name: first_behind
SELECT seq, state, version_kind FROM deliveries INDEXED BY deliveries_behind
WHERE lane = ?1 AND due_at = 9223372036854775807 ORDER BY seq LIMIT 1

-- name: first_behind_version
SELECT seq, state, version_kind FROM deliveries INDEXED BY deliveries_behind_version
WHERE lane = ?1 AND version_kind = ?2 AND due_at = 9223372036854775807 ORDER BY version, seq LIMIT 1
