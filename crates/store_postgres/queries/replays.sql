-- name: insert_replay
INSERT INTO replays (tenant, id, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made,
  position, created_at, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: replay
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at
FROM replays WHERE tenant = $1 AND id = $2

-- name: lock_replay
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at
FROM replays WHERE tenant = $1 AND id = $2 FOR UPDATE

-- name: replays
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at
FROM replays WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3

-- Of all tenants.
-- name: running_replays
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at
FROM replays WHERE state = 'running' ORDER BY created_at, id

-- name: step_replay
UPDATE replays SET events_done = $3, deliveries_made = $4, position = $5, state = $6, finished_at = $7
WHERE tenant = $1 AND id = $2

-- name: end_replay
UPDATE replays SET state = $3, finished_at = $4 WHERE tenant = $1 AND id = $2
