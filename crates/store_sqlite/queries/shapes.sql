-- What values look like, and what changed about that.

-- name: shape
SELECT version, seen, first_at, last_at, changed_at, generation, shape FROM shapes
WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4

-- name: count_shapes
SELECT count(*) FROM shapes WHERE tenant = ?1 AND source = ?2

-- name: insert_shape
INSERT INTO shapes (tenant, source, kind, name, version, seen, first_at, last_at, changed_at, generation, shape)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10) ON CONFLICT DO NOTHING

-- name: move_shape
UPDATE shapes
SET version = ?5, seen = ?6, first_at = ?7, last_at = ?8, changed_at = ?9, shape = ?10, generation = generation + 1
WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4 AND generation = ?11

-- name: shapes
SELECT source, kind, name, version, seen, first_at, last_at, changed_at FROM shapes
WHERE tenant = ?1 AND (source, kind, name) > (?2, ?3, ?4) AND source <= ?5 ORDER BY source, kind, name LIMIT ?6

-- name: last_shape_change
SELECT coalesce(max(seq), 0) FROM shape_changes WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4

-- name: insert_shape_change
INSERT INTO shape_changes (tenant, source, kind, name, seq, version, at, event, change, example)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)

-- name: trim_shape_changes
DELETE FROM shape_changes WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4 AND seq <= ?5

-- name: shape_changes
SELECT version, at, event, change, example FROM shape_changes
WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4 ORDER BY seq DESC

-- name: delete_shape
DELETE FROM shapes WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4

-- name: delete_shape_changes
DELETE FROM shape_changes WHERE tenant = ?1 AND source = ?2 AND kind = ?3 AND name = ?4
