-- name: insert_tenant
INSERT INTO tenants (tenant) VALUES ($1) ON CONFLICT DO NOTHING

-- name: lock_tenant
SELECT floor FROM tenants WHERE tenant = $1 FOR UPDATE

-- name: tenants
SELECT tenant FROM tenants ORDER BY tenant

-- The numbers go on after the highest: whoever runs this has locked the tenant. Without the tenant's row there is no
-- number, and the statement fails.
-- What is written for each event is unnested in a select list: as a table in FROM each of its columns would be written
-- down apart first, which takes as long as the row itself.
-- name: insert_events
INSERT INTO events (tenant, id, seq, source, connection, origin, assurance, action, version_kind, version,
  occurred_at, received_at, request, type, native_type, subject, content_type, head, payload)
SELECT $1, u.id,
  (SELECT greatest(t.floor, (SELECT max(e.seq) FROM events e WHERE e.tenant = $1)) FROM tenants t
   WHERE t.tenant = $1) + u.nth,
  u.source, u.connection, u.origin, u.assurance, u.action, u.version_kind, u.version, u.occurred_at, u.received_at,
  u.request, u.type, u.native_type, u.subject, u.content_type, u.head, u.payload
FROM (SELECT generate_subscripts($2::uuid[], 1) AS nth, unnest($2::uuid[]) AS id, unnest($3::text[]) AS source,
  unnest($4::text[]) AS connection, unnest($5::smallint[]) AS origin, unnest($6::smallint[]) AS assurance,
  unnest($7::smallint[]) AS action, unnest($8::smallint[]) AS version_kind, unnest($9::bigint[]) AS version,
  unnest($10::bigint[]) AS occurred_at, unnest($11::bigint[]) AS received_at, unnest($12::uuid[]) AS request,
  unnest($13::text[]) AS type, unnest($14::text[]) AS native_type, unnest($15::text[]) AS subject,
  unnest($16::text[]) AS content_type, unnest($17::bytea[]) AS head, unnest($18::bytea[]) AS payload) AS u

-- name: event_by_id
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, payload
FROM events WHERE tenant = $1 AND id = $2

-- Whole ones, in the order of acceptance.
-- name: events_whole
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, payload
FROM events WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY seq

-- Locked, so that retention does not take them from under the deliveries that are made of them.
-- name: event_versions
SELECT id, version_kind, version FROM events WHERE tenant = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR SHARE

-- The connections of a source that have events, found by leaping from each to the next, as far as it matters.
-- name: connections
WITH RECURSIVE found AS (
  (SELECT connection, 1::bigint AS nth FROM events WHERE tenant = $1 AND source = $2 ORDER BY connection LIMIT 1)
  UNION ALL
  SELECT (SELECT e.connection FROM events e
          WHERE e.tenant = $1 AND e.source = $2 AND e.connection > f.connection
          ORDER BY e.connection LIMIT 1), f.nth + 1
  FROM found f WHERE f.connection IS NOT NULL AND f.nth < $3::bigint
)
SELECT connection FROM found WHERE connection IS NOT NULL

-- name: last_seq
SELECT greatest((SELECT max(e.seq) FROM events e WHERE e.tenant = $1),
  (SELECT t.floor FROM tenants t WHERE t.tenant = $1), 0)

-- The one that was received first since then. Not the one that was accepted first: that is looked for before it.
-- name: first_since
SELECT seq FROM events WHERE tenant = $1 AND received_at >= $2 ORDER BY received_at, seq LIMIT 1

-- name: accepted_before
SELECT seq FROM events WHERE tenant = $1 AND seq >= $3 AND seq < $4 AND received_at >= $2 ORDER BY seq LIMIT 1

-- The columns of event_by_id; the payload's length is in its place.
-- name: event_heads
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, octet_length(payload)
FROM events WHERE tenant = $1 AND id = ANY ($2::uuid[])
