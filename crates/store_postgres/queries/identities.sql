-- Gives those that nobody had. In the order of their digests, so that two who claim the same keys do not wait for
-- each other.
-- name: insert_identities
INSERT INTO identities (tenant, digest, event, seen_at, native)
SELECT $1, u.digest, u.event, u.seen_at, u.native
FROM (SELECT unnest($2::bytea[]) AS digest, unnest($3::uuid[]) AS event, unnest($4::bigint[]) AS seen_at,
  unnest($5::boolean[]) AS native) AS u
ORDER BY u.digest ON CONFLICT DO NOTHING RETURNING digest

-- Those that nobody is expected to have: one that is there fails the statement.
-- name: insert_new_identities
INSERT INTO identities (tenant, digest, event, seen_at, native)
SELECT $1, u.digest, u.event, u.seen_at, u.native
FROM (SELECT unnest($2::bytea[]) AS digest, unnest($3::uuid[]) AS event, unnest($4::bigint[]) AS seen_at,
  unnest($5::boolean[]) AS native) AS u
ORDER BY u.digest

-- name: lock_identities
SELECT digest, event, seen_at, native FROM identities
WHERE tenant = $1 AND digest = ANY ($2::bytea[]) ORDER BY digest FOR UPDATE

-- name: put_identities
INSERT INTO identities (tenant, digest, event, seen_at, native)
SELECT $1, u.digest, u.event, u.seen_at, u.native
FROM unnest($2::bytea[], $3::uuid[], $4::bigint[], $5::boolean[]) AS u (digest, event, seen_at, native)
ORDER BY u.digest
ON CONFLICT (tenant, digest) DO UPDATE SET event = excluded.event, seen_at = excluded.seen_at,
  native = excluded.native

-- name: delete_identities
DELETE FROM identities WHERE tenant = $1 AND digest = ANY ($2::bytea[])

-- name: insert_subjects
INSERT INTO subjects (tenant, source, connection, subject, deleted, change)
SELECT $1, u.source, u.connection, u.subject, false, 0
FROM unnest($2::text[], $3::text[], $4::text[]) AS u (source, connection, subject)
ORDER BY u.source, u.connection, u.subject ON CONFLICT DO NOTHING RETURNING source, connection, subject

-- name: lock_subjects
SELECT source, connection, subject, version_kind, version, digest, deleted, change, event FROM subjects
WHERE tenant = $1 AND (source, connection, subject) IN
  (SELECT u.source, u.connection, u.subject
   FROM unnest($2::text[], $3::text[], $4::text[]) AS u (source, connection, subject))
ORDER BY source, connection, subject FOR UPDATE

-- name: put_subjects
UPDATE subjects SET version_kind = u.version_kind, version = u.version, digest = u.digest, deleted = u.deleted,
  change = u.change, event = u.event
FROM unnest($2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bytea[], $8::boolean[],
  $9::bigint[], $10::uuid[])
  AS u (source, connection, subject, version_kind, version, digest, deleted, change, event)
WHERE subjects.tenant = $1 AND subjects.source = u.source AND subjects.connection = u.connection
  AND subjects.subject = u.subject

-- An event that retention has removed is sighted no more.
-- name: sight
INSERT INTO sightings AS s (tenant, event, path, first_at, last_at, count)
SELECT $1, u.event, u.path, u.first_at, u.last_at, u.count
FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS u (event, path, first_at, last_at, count)
WHERE EXISTS (SELECT 1 FROM events e WHERE e.tenant = $1 AND e.id = u.event OFFSET 0)
ORDER BY u.event, u.path
ON CONFLICT (tenant, event, path) DO UPDATE SET first_at = least(s.first_at, excluded.first_at),
  last_at = greatest(s.last_at, excluded.last_at), count = s.count + excluded.count
