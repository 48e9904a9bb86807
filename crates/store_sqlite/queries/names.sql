-- name: name_id
SELECT id FROM names WHERE name = ?1

-- name: name_text
SELECT name FROM names WHERE id = ?1

-- name: insert_name
INSERT INTO names (name) VALUES (?1) RETURNING id
