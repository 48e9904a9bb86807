-- name: counter
SELECT value FROM counters WHERE name = ?1

-- name: put_counter
INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value

-- name: last_event
SELECT coalesce(max(seq), 0) FROM events

-- name: last_delivery
SELECT coalesce(max(seq), 0) FROM deliveries
