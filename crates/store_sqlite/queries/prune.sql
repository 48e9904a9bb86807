-- name: old_events
SELECT seq, received_at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2

-- What keeps an event: an open delivery, or a dead letter that is not old enough.
-- name: deliveries_left
SELECT count(*), coalesce(sum(state < 6 OR (state = 8 AND finished_at >= ?2)), 0) FROM deliveries WHERE event = ?1

-- name: delete_attempts
DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?1)

-- name: delete_prepared_of
DELETE FROM prepared WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?1)

-- name: delete_deliveries
DELETE FROM deliveries WHERE event = ?1

-- name: delete_sightings
DELETE FROM sightings WHERE event = ?1

-- name: delete_event
DELETE FROM events WHERE seq = ?1

-- Lanes that stand still for a dead delivery of this event.
-- name: blocked_lanes
SELECT d.seq, d.lane FROM deliveries d JOIN lanes l ON l.id = d.lane AND l.head = d.seq WHERE d.event = ?1

-- name: identities_from
SELECT tenant, digest, seen_at FROM identities WHERE (tenant, digest) > (?1, ?2) ORDER BY tenant, digest LIMIT ?3

-- name: delete_identity
DELETE FROM identities WHERE tenant = ?1 AND digest = ?2

-- name: old_requests
SELECT seq, received_at, verdict, tenant, source, reason_code, bytes FROM requests WHERE seq > ?1
ORDER BY seq LIMIT ?2

-- name: old_idempotency
DELETE FROM idempotency WHERE (tenant, key) IN
  (SELECT tenant, key FROM idempotency WHERE begun_at < ?1 ORDER BY begun_at LIMIT ?2)

-- name: old_alerts
DELETE FROM alerts WHERE seq IN (SELECT seq FROM alerts WHERE resolved_at < ?1 ORDER BY seq LIMIT ?2)

-- name: old_notices
DELETE FROM notices WHERE seq IN
  (SELECT seq FROM notices WHERE ended_at < ?1 AND (closed = 1 OR stage = 'digest') ORDER BY seq LIMIT ?2)

-- name: old_replays
DELETE FROM replays WHERE seq IN (SELECT r.seq FROM replays r WHERE r.finished_at < ?1
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.replay = r.seq AND d.replay <> 0) ORDER BY r.seq LIMIT ?2)

-- name: lanes_from
SELECT id, head, used_at, lane FROM lanes WHERE id > ?1 ORDER BY id LIMIT ?2

-- name: delete_lane
DELETE FROM lanes WHERE id = ?1
