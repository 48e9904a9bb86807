-- name: insert_lanes
INSERT INTO lanes (tenant, destination, lane, used_at)
SELECT $1, u.destination, u.lane, $4 FROM unnest($2::text[], $3::text[]) AS u (destination, lane)
ORDER BY u.destination, u.lane ON CONFLICT DO NOTHING

-- name: lock_lanes
SELECT destination, lane, head, blocked, last, sent_kind, sent, used_at FROM lanes
WHERE tenant = $1 AND (destination, lane) IN
  (SELECT u.destination, u.lane FROM unnest($2::text[], $3::text[]) AS u (destination, lane))
ORDER BY destination, lane FOR UPDATE

-- name: put_lanes
UPDATE lanes SET head = u.head, blocked = u.blocked, last = u.last, sent_kind = u.sent_kind, sent = u.sent,
  used_at = u.used_at
FROM unnest($2::text[], $3::text[], $4::uuid[], $5::boolean[], $6::bigint[], $7::smallint[], $8::bigint[],
  $9::bigint[]) AS u (destination, lane, head, blocked, last, sent_kind, sent, used_at)
WHERE lanes.tenant = $1 AND lanes.destination = u.destination AND lanes.lane = u.lane

-- name: lane_heads
SELECT id, place, state, version_kind, version, destination, lane, attempts, backfill FROM open_deliveries
WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE

-- The two that can be next: the first that entered, and the earliest version of its kind.
-- name: next_of_lanes
SELECT n.id, n.place, n.state, n.version_kind, n.version, u.destination, u.lane, n.attempts, n.backfill
FROM unnest($2::text[], $3::text[]) AS u (destination, lane)
CROSS JOIN LATERAL (
  SELECT version_kind FROM open_deliveries
  WHERE tenant = $1 AND destination = u.destination AND lane = u.lane AND behind
  ORDER BY place LIMIT 1) AS f
CROSS JOIN LATERAL (
  (SELECT id, place, state, version_kind, version, attempts, backfill FROM open_deliveries
   WHERE f.version_kind IS NULL
     AND tenant = $1 AND destination = u.destination AND lane = u.lane AND behind
   ORDER BY place LIMIT 1)
  UNION ALL
  (SELECT id, place, state, version_kind, version, attempts, backfill FROM open_deliveries
   WHERE version_kind = f.version_kind
     AND tenant = $1 AND destination = u.destination AND lane = u.lane AND behind
   ORDER BY version, place LIMIT 1)) AS n
