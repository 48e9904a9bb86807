-- name: insert_delivery
INSERT INTO deliveries (seq, id, tenant, event, route, destination, replay, state, attempts, tried, created_at,
  due_at, lane, version_kind, version, backfill)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9, ?10, ?11, ?12, ?13, ?14)

-- Claims at birth end with the process that made them.
-- name: recover_fresh
UPDATE deliveries SET state = 3 WHERE seq >= ?1 AND state = 2

-- name: due_deliveries
SELECT seq, due_at FROM deliveries INDEXED BY deliveries_due
WHERE tenant = ?1 AND destination = ?2 AND state IN (3, 4) AND due_at < 9223372036854775807 AND backfill IS NULL
ORDER BY due_at, seq

-- name: due_backfill
SELECT seq, due_at FROM deliveries INDEXED BY deliveries_due_backfill
WHERE tenant = ?1 AND destination = ?2 AND state IN (3, 4) AND due_at < 9223372036854775807 AND backfill = 1
ORDER BY due_at, seq

-- name: claim_delivery
SELECT e.seq, e.id, e.tenant, e.source, e.connection, e.origin, e.assurance, e.action, e.version_kind, e.version,
  e.occurred_at, e.received_at, e.request, e.type, e.native_type, e.subject, e.content_type, e.head, e.payload,
  d.id, d.route, d.state, d.attempts, d.tried, d.lane, d.version_kind, d.version,
  l.lane, l.sent_kind, l.sent, r.id, r.new_ids, p.content_type, p.stale, p.body, d.backfill IS NOT NULL
FROM deliveries d JOIN events e ON e.seq = d.event
  LEFT JOIN lanes l ON l.id = d.lane
  LEFT JOIN replays r ON r.seq = d.replay
  LEFT JOIN prepared p ON p.delivery = d.seq
WHERE d.seq = ?1

-- name: move_delivery
UPDATE deliveries SET state = ?2, due_at = ?3, finished_at = ?4, attempts = ?5, tried = ?6, cause_code = ?7,
  cause_detail = ?8
WHERE seq = ?1

-- What cannot be read cannot be sent: a person sees why, and its lane goes on.
-- name: bury_delivery
UPDATE deliveries SET state = 8, due_at = NULL, finished_at = ?2, cause_code = ?3, cause_detail = ?4
WHERE seq = ?1 RETURNING lane, id, route

-- name: delivery_head
SELECT seq, state, attempts, tried, lane, version_kind, version, event, destination
FROM deliveries WHERE tenant = ?1 AND id = ?2

-- A person retries it: tries start over, the causes of its death are history that its attempts tell, and nobody else
-- goes first.
-- name: reopen_delivery
UPDATE deliveries SET state = 3, due_at = ?2, lane = ?3, finished_at = NULL, attempts = 0, cause_code = NULL,
  cause_detail = NULL, backfill = NULL
WHERE seq = ?1

-- name: count_try
UPDATE deliveries SET tried = tried + 1 WHERE seq = ?1

-- name: hurry
UPDATE deliveries SET backfill = NULL WHERE seq = ?1

-- name: set_due
UPDATE deliveries SET due_at = ?2 WHERE seq = ?1

-- name: hold_delivery
UPDATE deliveries SET state = 5 WHERE seq = ?1 AND state IN (3, 4)

-- name: resume_delivery
UPDATE deliveries SET state = CASE attempts WHEN 0 THEN 3 ELSE 4 END WHERE seq = ?1 AND state = 5

-- name: delivery_row
SELECT d.seq, d.id, d.route, d.destination, d.state, d.attempts, d.created_at, d.due_at, d.finished_at,
  d.cause_code, d.cause_detail, e.id, e.type, e.source, e.connection, e.subject, r.id
FROM deliveries d JOIN events e ON e.seq = d.event LEFT JOIN replays r ON r.seq = d.replay
WHERE d.seq = ?1

-- name: delivery_by_id
SELECT d.seq, d.id, d.route, d.destination, d.state, d.attempts, d.created_at, d.due_at, d.finished_at,
  d.cause_code, d.cause_detail, e.id, e.type, e.source, e.connection, e.subject, r.id
FROM deliveries d JOIN events e ON e.seq = d.event LEFT JOIN replays r ON r.seq = d.replay
WHERE d.tenant = ?1 AND d.id = ?2

-- name: deliveries_of_event
SELECT d.seq, d.id, d.route, d.destination, d.state, d.attempts, d.created_at, d.due_at, d.finished_at,
  d.cause_code, d.cause_detail, e.id, e.type, e.source, e.connection, e.subject, r.id
FROM deliveries d JOIN events e ON e.seq = d.event LEFT JOIN replays r ON r.seq = d.replay
WHERE d.event = ?1 ORDER BY d.seq

-- name: deliveries_by_id
SELECT id, seq FROM deliveries INDEXED BY deliveries_id WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3

-- name: deliveries_by_state
SELECT id, seq FROM deliveries INDEXED BY deliveries_open
WHERE tenant = ?1 AND id < ?2 AND state = ?4 AND destination = ?5 AND state IN (3, 4, 5, 8)
ORDER BY id DESC LIMIT ?3

-- name: deliveries_by_replay
SELECT id, seq FROM deliveries INDEXED BY deliveries_replay
WHERE tenant = ?1 AND id < ?2 AND replay = ?4 AND replay <> 0 ORDER BY id DESC LIMIT ?3

-- name: next_open_destination
SELECT destination FROM deliveries INDEXED BY deliveries_open
WHERE tenant = ?1 AND state = ?2 AND state IN (3, 4, 5, 8) AND destination > ?3 ORDER BY destination LIMIT 1

-- name: open_of_destination
SELECT seq, route FROM deliveries INDEXED BY deliveries_open
WHERE tenant = ?1 AND state = ?2 AND state IN (3, 4, 5, 8) AND destination = ?3 ORDER BY id

-- name: open_groups
SELECT tenant, state, destination, count(*) FROM deliveries INDEXED BY deliveries_open
WHERE state IN (3, 4, 5, 8) GROUP BY tenant, state, destination

-- name: oldest_open
SELECT seq, created_at FROM deliveries INDEXED BY deliveries_open
WHERE tenant = ?1 AND state = ?2 AND state IN (3, 4, 5, 8) AND destination = ?3 ORDER BY id

-- name: prepared
SELECT content_type, stale, body, enriched FROM prepared WHERE delivery = ?1

-- name: put_prepared
INSERT INTO prepared (delivery, content_type, stale, body, enriched) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET content_type = excluded.content_type, stale = excluded.stale, body = excluded.body,
  enriched = excluded.enriched

-- name: delete_prepared
DELETE FROM prepared WHERE delivery = ?1

-- name: insert_attempt
INSERT INTO attempts (delivery, number, id, started_at, duration_us, outcome, status, error, connect_us,
  first_byte_us, peer, response)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)

-- name: attempts
SELECT number, id, started_at, duration_us, outcome, status, error, connect_us, first_byte_us, peer, response
FROM attempts WHERE delivery = ?1 ORDER BY number
