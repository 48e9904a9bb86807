-- Of all tenants.
-- name: last_numbers
SELECT t.tenant, greatest(t.floor, (SELECT max(e.seq) FROM events e WHERE e.tenant = t.tenant), 0)
FROM tenants t ORDER BY t.tenant

-- Of all tenants.
-- name: count_lanes
SELECT count(*) FROM lanes

-- name: put_heads
UPDATE lanes SET head = u.id, blocked = u.blocked
FROM unnest($2::text[], $3::text[], $4::uuid[], $5::boolean[]) AS u (destination, lane, id, blocked)
WHERE lanes.tenant = $1 AND lanes.destination = u.destination AND lanes.lane = u.lane

-- name: raise_floor_to
UPDATE tenants SET floor = greatest(floor, $2) WHERE tenant = $1
