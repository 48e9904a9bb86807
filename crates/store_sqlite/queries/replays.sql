-- name: insert_replay
INSERT INTO replays (id, tenant, selection, destination, rate, new_ids, state, planned, events_done,
  deliveries_made, position, created_at, finished_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)

-- name: replay
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at, seq
FROM replays WHERE tenant = ?1 AND id = ?2

-- name: replays
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at, seq
FROM replays WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3

-- name: running_replays
SELECT id, tenant, selection, destination, rate, new_ids, state, planned, events_done, deliveries_made, position,
  created_at, finished_at, seq
FROM replays INDEXED BY replays_running WHERE state = 'running' ORDER BY seq

-- name: replay_seq
SELECT seq FROM replays WHERE tenant = ?1 AND id = ?2

-- name: event_of_replay
SELECT seq, version_kind, version FROM events WHERE tenant = ?1 AND id = ?2

-- name: step_replay
UPDATE replays SET events_done = events_done + ?2, deliveries_made = deliveries_made + ?3, position = ?4
WHERE seq = ?1

-- name: end_replay
UPDATE replays SET state = ?2, finished_at = ?3 WHERE seq = ?1
