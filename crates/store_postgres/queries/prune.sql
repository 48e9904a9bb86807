-- Gives nothing if another node is at it.
-- name: take_duty
SELECT name FROM duties WHERE name = $1 FOR UPDATE SKIP LOCKED

-- Whether an event has to stay (an open delivery, or a dead one that is young enough), and how many deliveries would
-- go with it.
-- name: weigh_events
SELECT u.id,
  EXISTS (SELECT 1 FROM open_deliveries o WHERE o.tenant = $1 AND o.event = u.id)
  OR u.id IN (SELECT b.event FROM born b WHERE b.tenant = $1)
  OR EXISTS (SELECT 1 FROM ended_deliveries d
             WHERE d.tenant = $1 AND d.event = u.id AND d.state = 7 AND d.finished_at >= $3),
  (SELECT count(*) FROM ended_deliveries d WHERE d.tenant = $1 AND d.event = u.id)
FROM unnest($2::uuid[]) AS u (id)

-- name: delete_events
DELETE FROM events WHERE tenant = $1 AND id = ANY ($2::uuid[])

-- name: delete_ended_of
DELETE FROM ended_deliveries WHERE tenant = $1 AND event = ANY ($2::uuid[])

-- name: delete_attempts_of
DELETE FROM attempts WHERE tenant = $1 AND event = ANY ($2::uuid[])

-- name: delete_prepared_of
DELETE FROM prepared WHERE tenant = $1 AND event = ANY ($2::uuid[])

-- name: delete_sightings_of
DELETE FROM sightings WHERE tenant = $1 AND event = ANY ($2::uuid[])

-- Numbers are never given twice, even if the events that had the highest are gone.
-- name: raise_floor
UPDATE tenants SET floor = m.seq
FROM (SELECT max(e.seq) AS seq FROM events e WHERE e.tenant = $1 AND e.id = ANY ($2::uuid[])) AS m
WHERE tenants.tenant = $1 AND tenants.floor < m.seq

-- Of all tenants.
-- name: identities_from
SELECT tenant, digest, seen_at FROM identities WHERE (tenant, digest) > ($1, $2) ORDER BY tenant, digest LIMIT $3

-- name: delete_old_identities
DELETE FROM identities WHERE tenant = $1 AND digest = ANY ($2::bytea[]) AND seen_at < $3

-- Of all tenants.
-- name: lanes_from
SELECT tenant, destination, lane, head IS NULL, used_at FROM lanes WHERE (tenant, destination, lane) > ($1, $2, $3)
ORDER BY tenant, destination, lane LIMIT $4

-- name: delete_lanes
DELETE FROM lanes USING unnest($2::text[], $3::text[]) AS u (destination, lane)
WHERE lanes.tenant = $1 AND lanes.destination = u.destination AND lanes.lane = u.lane AND lanes.head IS NULL
  AND lanes.used_at < $4

-- Pending ones stay: what they bring was answered 2xx.
-- name: delete_old_requests
DELETE FROM requests WHERE tenant = $1 AND id IN
  (SELECT id FROM requests WHERE tenant = $1 AND received_at < $2 AND verdict <> 3 ORDER BY received_at LIMIT $3)

-- name: old_idempotency
DELETE FROM idempotency WHERE tenant = $1 AND key IN
  (SELECT key FROM idempotency WHERE tenant = $1 AND begun_at < $2 ORDER BY begun_at LIMIT $3)

-- name: old_alerts
DELETE FROM alerts WHERE tenant = $1 AND id IN
  (SELECT id FROM alerts WHERE tenant = $1 AND resolved_at < $2 ORDER BY opened_at LIMIT $3)

-- name: old_notices
DELETE FROM notices WHERE tenant = $1 AND id IN
  (SELECT id FROM notices WHERE tenant = $1 AND ended_at < $2 AND (closed OR stage = 'digest') ORDER BY made_at LIMIT $3)

-- name: old_replays
DELETE FROM replays WHERE tenant = $1 AND id IN
  (SELECT r.id FROM replays r WHERE r.tenant = $1 AND r.finished_at < $2
     AND NOT EXISTS (SELECT 1 FROM open_deliveries o WHERE o.tenant = $1 AND o.replay = r.id
       AND o.replay <> '00000000-0000-0000-0000-000000000000')
     AND NOT EXISTS (SELECT 1 FROM ended_deliveries d WHERE d.tenant = $1 AND d.replay = r.id
       AND d.replay <> '00000000-0000-0000-0000-000000000000')
   ORDER BY r.id LIMIT $3)

-- Those whose partitions were made, and how large their events are.
-- name: spans
SELECT suffix, from_id, to_id, coalesce(pg_total_relation_size(to_regclass('events_' || suffix)), 0) FROM spans
WHERE to_regclass('events_' || suffix) IS NOT NULL ORDER BY from_id

-- name: insert_span
INSERT INTO spans (suffix, from_id, to_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: delete_span
DELETE FROM spans WHERE suffix = $1
