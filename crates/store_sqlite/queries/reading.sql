-- name: checkpoint
SELECT state, baseline_at, owner, generation, lease_until, asked_at, read_at, changed_at, polls, empty, failed, changes,
  requests, learned, unmodified, page
FROM checkpoints WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4

-- name: insert_checkpoint
INSERT INTO checkpoints (tenant, source, connection, stream, state, generation, lease_until, polls, empty, failed,
  changes, requests, learned)
VALUES (?1, ?2, ?3, ?4, '', 0, 0, 0, 0, 0, 0, 0, x'')
ON CONFLICT DO NOTHING

-- name: lease_checkpoint
UPDATE checkpoints SET owner = ?5, generation = ?6, lease_until = ?7
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4

-- name: renew_checkpoint
UPDATE checkpoints SET lease_until = ?6
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4 AND generation = ?5 AND owner IS NOT NULL

-- name: leave_checkpoint
UPDATE checkpoints SET owner = NULL, lease_until = 0
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4 AND generation = ?5

-- name: move_checkpoint
UPDATE checkpoints SET state = ?5, baseline_at = coalesce(baseline_at, ?6), page = ?7
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4

-- A higher generation, so that whoever reads it now cannot write its state back.
-- name: forget_checkpoint
UPDATE checkpoints SET state = '', baseline_at = NULL, page = NULL, generation = generation + 1, owner = NULL, lease_until = 0
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4

-- name: put_progress
UPDATE checkpoints SET asked_at = ?5, read_at = ?6, changed_at = ?7, polls = ?8, empty = ?9, failed = ?10, changes = ?11,
  requests = ?12, learned = ?13, unmodified = ?14
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4

-- name: checkpoints
SELECT state, baseline_at, owner, generation, lease_until, asked_at, read_at, changed_at, polls, empty, failed, changes,
  requests, learned, unmodified, page, source, connection, stream
FROM checkpoints WHERE tenant = ?1

-- name: end_leases
UPDATE checkpoints SET owner = NULL, lease_until = 0 WHERE owner IS NOT NULL

-- name: known_subject
SELECT s.version_kind, s.version, s.digest, s.deleted, s.change, s.event, e.origin, e.received_at
FROM subjects s LEFT JOIN events e ON e.tenant = s.tenant AND e.id = s.event
WHERE s.tenant = ?1 AND s.source = ?2 AND s.connection = ?3 AND s.subject = ?4

-- Those that are there, from behind a subject, while they begin with the object's name.
-- name: subjects_from
SELECT subject, version_kind, version, digest, deleted, change FROM subjects
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND subject > ?4 AND subject < ?5 AND deleted = 0
ORDER BY subject LIMIT ?6

-- name: absent_of
SELECT subject FROM absent WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4 ORDER BY subject

-- name: forget_absent
DELETE FROM absent WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4

-- name: insert_absent
INSERT INTO absent (tenant, source, connection, stream, subject) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING

-- name: insert_run
INSERT INTO runs (id, tenant, source, connection, stream, kind, dry, state, started_at, finished_at, figures, trust,
  problem)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT (tenant, id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
  figures = excluded.figures, trust = excluded.trust, problem = excluded.problem

-- name: old_runs
SELECT seq, id FROM runs INDEXED BY runs_stream
WHERE tenant = ?1 AND source = ?2 AND connection = ?3 AND stream = ?4 AND kind = ?5
ORDER BY seq DESC LIMIT -1 OFFSET ?6

-- name: delete_run
DELETE FROM runs WHERE seq = ?1

-- name: delete_gaps
DELETE FROM gaps WHERE tenant = ?1 AND run = ?2

-- name: running_runs
SELECT r.seq, c.owner, c.lease_until
FROM runs r INDEXED BY runs_running LEFT JOIN checkpoints c
  ON c.tenant = r.tenant AND c.source = r.source AND c.connection = r.connection AND c.stream = r.stream
WHERE r.state = 1

-- name: interrupt_run
UPDATE runs SET state = 4, finished_at = ?2 WHERE seq = ?1

-- name: run_by_id
SELECT seq, id, tenant, source, connection, stream, kind, dry, state, started_at, finished_at, figures, trust, problem
FROM runs WHERE tenant = ?1 AND id = ?2

-- name: runs_by_seq
SELECT seq, id, tenant, source, connection, stream, kind, dry, state, started_at, finished_at, figures, trust, problem
FROM runs NOT INDEXED WHERE seq < ?2 AND tenant = ?1 ORDER BY seq DESC

-- name: insert_gap
INSERT INTO gaps (tenant, run, source, connection, stream, subject, action, version_kind, version, event, found_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)

-- name: count_gaps
SELECT count(*) FROM gaps INDEXED BY gaps_run WHERE tenant = ?1 AND run = ?2

-- name: gaps_of_run
SELECT source, connection, stream, subject, action, version_kind, version, event, found_at, late_at
FROM gaps INDEXED BY gaps_run WHERE tenant = ?1 AND run = ?2 ORDER BY seq

-- name: late_gaps
SELECT g.seq, s.first_at
FROM gaps g INDEXED BY gaps_open
  JOIN events e ON e.tenant = g.tenant AND e.id = g.event
  JOIN sightings s ON s.event = e.seq AND s.path = 'native'
WHERE g.tenant = ?1 AND g.source = ?2 AND g.connection = ?3 AND g.stream = ?4 AND g.event IS NOT NULL
  AND g.late_at IS NULL

-- name: mark_late_gap
UPDATE gaps SET late_at = ?2 WHERE seq = ?1

-- name: budget
SELECT account FROM budgets WHERE tenant = ?1 AND scope = ?2

-- name: put_budget
INSERT INTO budgets (tenant, scope, account) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET account = excluded.account

-- name: budgets
SELECT scope, account FROM budgets WHERE tenant = ?1
