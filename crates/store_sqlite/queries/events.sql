-- name: insert_event
INSERT INTO events (seq, id, tenant, source, connection, origin, assurance, action, version_kind, version,
  occurred_at, received_at, request, type, native_type, subject, content_type, head, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)

-- name: event_by_id
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, payload
FROM events WHERE tenant = ?1 AND id = ?2

-- name: event_by_seq
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, payload
FROM events WHERE seq = ?1

-- The columns of event_by_seq; the payload's length, which is read without the payload, is in its place.
-- name: event_row
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, length(payload)
FROM events WHERE seq = ?1

-- By the order of acceptance, of all tenants: whoever reads it looks at each row, so that it can stop in time.
-- name: events_after
SELECT seq, id, tenant, source, connection, origin, assurance, action, version_kind, version, occurred_at,
  received_at, request, type, native_type, subject, content_type, head, payload
FROM events WHERE seq > ?1 ORDER BY seq

-- name: last_seq
SELECT coalesce(max(seq), 0) FROM events

-- The one that was received first since then. Not the one that was accepted first: that is looked for before it.
-- name: first_since
SELECT seq FROM events INDEXED BY events_time WHERE tenant = ?1 AND received_at >= ?2 ORDER BY received_at, seq LIMIT 1

-- name: accepted_before
SELECT seq FROM events NOT INDEXED
WHERE tenant = ?1 AND seq >= ?3 AND seq < ?4 AND received_at >= ?2 ORDER BY seq LIMIT 1

-- The lists go by time and, where times are equal, by acceptance: ?2 and ?3 are where the page before ended.
-- name: events_by_time
SELECT received_at, seq FROM events INDEXED BY events_time
WHERE tenant = ?1 AND received_at <= ?2 AND (received_at < ?2 OR seq < ?3) AND received_at >= ?4
ORDER BY received_at DESC, seq DESC LIMIT ?5

-- name: events_by_source
SELECT received_at, seq FROM events INDEXED BY events_source
WHERE tenant = ?1 AND source = ?6 AND connection = ?7
  AND received_at <= ?2 AND (received_at < ?2 OR seq < ?3) AND received_at >= ?4
ORDER BY received_at DESC, seq DESC LIMIT ?5

-- name: events_by_subject
SELECT received_at, seq FROM events INDEXED BY events_subject
WHERE tenant = ?1 AND subject = ?6
  AND received_at <= ?2 AND (received_at < ?2 OR seq < ?3) AND received_at >= ?4
ORDER BY received_at DESC, seq DESC LIMIT ?5

-- name: next_connection
SELECT connection FROM events INDEXED BY events_source
WHERE tenant = ?1 AND source = ?2 AND connection > ?3 ORDER BY connection LIMIT 1
