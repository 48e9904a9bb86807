-- Nothing happens if the identity is known: the caller then asks for it.
-- name: insert_identity
INSERT INTO identities (tenant, digest, event, seen_at, native) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING

-- name: identity
SELECT event, seen_at, native FROM identities WHERE tenant = ?1 AND digest = ?2

-- name: put_identity
INSERT INTO identities (tenant, digest, event, seen_at, native) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET event = excluded.event, seen_at = excluded.seen_at, native = excluded.native

-- A native arrival met this state key: the next native one is another fact.
-- name: join_identity
UPDATE identities SET native = 1 WHERE tenant = ?1 AND digest = ?2

-- name: subject
SELECT version_kind, version, digest, deleted, change, event FROM subjects
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND subject = ?4

-- name: put_subject
INSERT INTO subjects (tenant, source, connection, subject, version_kind, version, digest, deleted, change, event)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT DO UPDATE SET version_kind = excluded.version_kind, version = excluded.version,
  digest = excluded.digest, deleted = excluded.deleted, change = excluded.change, event = excluded.event

-- An event that retention has removed is sighted no more.
-- name: sight
INSERT INTO sightings (event, path, first_at, last_at, count)
SELECT seq, ?3, ?4, ?4, 1 FROM events WHERE tenant = ?1 AND id = ?2
ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at),
  count = count + 1

-- name: sightings
SELECT path, first_at, last_at, count FROM sightings WHERE event = ?1 ORDER BY first_at, path
