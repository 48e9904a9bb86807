-- name: open_listener
INSERT INTO listeners (tenant, name, filter, position, generation, created_at, seen_at) VALUES ($1, $2, $3, $4, 1, $5, $5)
ON CONFLICT (tenant, name) DO UPDATE SET filter = excluded.filter, generation = listeners.generation + 1,
  seen_at = excluded.seen_at

-- name: listener
SELECT tenant, name, filter, position, generation, created_at, seen_at FROM listeners WHERE tenant = $1 AND name = $2

-- name: listeners
SELECT tenant, name, filter, position, generation, created_at, seen_at FROM listeners WHERE tenant = $1 ORDER BY name

-- name: move_listener
UPDATE listeners SET position = coalesce($4::text, position), seen_at = greatest(seen_at, $5)
WHERE tenant = $1 AND name = $2 AND generation = $3

-- name: forget_listener
DELETE FROM listeners WHERE tenant = $1 AND name = $2

-- name: old_listeners
DELETE FROM listeners WHERE tenant = $1 AND name IN
  (SELECT name FROM listeners WHERE tenant = $1 AND seen_at < $2 ORDER BY name LIMIT $3)
