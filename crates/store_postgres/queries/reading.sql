-- name: insert_checkpoint
INSERT INTO checkpoints (tenant, source, connection, stream, state, generation, lease_until, polls, empty, failed,
  changes, requests, learned)
VALUES ($1, $2, $3, $4, '', 0, 0, 0, 0, 0, 0, 0, '')
ON CONFLICT DO NOTHING

-- The last column says whether somebody's lease holds.
-- name: lock_checkpoint
SELECT state, baseline_at, owner, generation, asked_at, read_at, changed_at, polls, empty, failed, changes, requests,
  learned, source, connection, stream,
  owner IS NOT NULL AND lease_until >
    $5::bigint + $6::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
  unmodified, page
FROM checkpoints WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4 FOR UPDATE

-- name: lease_checkpoint
UPDATE checkpoints SET owner = $5, generation = $6, lease_until =
  $7::bigint + $8::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $9::bigint
WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4

-- name: renew_checkpoint
UPDATE checkpoints SET lease_until =
  $6::bigint + $7::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $8::bigint
WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4 AND generation = $5 AND owner IS NOT NULL

-- name: leave_checkpoint
UPDATE checkpoints SET owner = NULL, lease_until = 0
WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4 AND generation = $5

-- name: move_checkpoint
UPDATE checkpoints SET state = coalesce($5, state), baseline_at = coalesce(baseline_at, $6), page = $7
WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4

-- A higher generation, so that whoever reads it now cannot write its state back.
-- name: forget_checkpoint
UPDATE checkpoints SET state = '', baseline_at = NULL, page = NULL, generation = generation + 1, owner = NULL, lease_until = 0
WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4

-- Polls of one stream, added to what is known.
-- name: add_progress
UPDATE checkpoints SET asked_at = greatest(asked_at, $5), read_at = greatest(read_at, $6),
  changed_at = greatest(changed_at, $7), polls = polls + $8, empty = empty + $9, failed = failed + $10,
  changes = changes + $11, requests = requests + $12, learned = coalesce($13, learned),
  unmodified = unmodified + $14
WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4

-- name: checkpoints
SELECT state, baseline_at, owner, generation, asked_at, read_at, changed_at, polls, empty, failed, changes, requests,
  learned, source, connection, stream, false, unmodified, page
FROM checkpoints WHERE tenant = $1 AND ($2::text IS NULL OR source = $2)

-- name: known_subjects
SELECT s.subject, s.version_kind, s.version, s.digest, s.deleted, s.change, s.event, e.origin, e.received_at
FROM subjects s
LEFT JOIN LATERAL (SELECT origin, received_at FROM events WHERE tenant = $1 AND id = s.event OFFSET 0) AS e ON true
WHERE s.tenant = $1 AND s.source = $2 AND s.connection = $3 AND s.subject = ANY ($4::text[])

-- Those that are there, from behind a subject, while they begin with the object's name.
-- name: subjects_from
SELECT subject, version_kind, version, digest, deleted, change FROM subjects
WHERE tenant = $1 AND source = $2 AND connection = $3 AND subject > $4 AND subject < $5 AND NOT deleted
ORDER BY subject LIMIT $6

-- name: absent_of
SELECT subject FROM absent WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4 ORDER BY subject

-- name: forget_absent
DELETE FROM absent WHERE tenant = $1 AND source = $2 AND connection = $3 AND stream = $4

-- name: insert_absent
INSERT INTO absent (tenant, source, connection, stream, subject)
SELECT $1, $2, $3, $4, u.subject FROM unnest($5::text[]) AS u (subject) ON CONFLICT DO NOTHING

-- name: put_run
INSERT INTO runs (tenant, id, source, connection, stream, kind, dry, state, started_at, finished_at, figures, trust,
  problem)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
  figures = excluded.figures, trust = excluded.trust, problem = excluded.problem

-- Of each stream and kind the newest so many stay, with their gaps.
-- name: trim_runs
WITH old AS (
  DELETE FROM runs WHERE tenant = $1 AND id IN
    (SELECT o.id FROM runs o
     WHERE o.tenant = $1 AND o.source = $2 AND o.connection = $3 AND o.stream = $4 AND o.kind = $5
     ORDER BY o.id DESC OFFSET $6)
  RETURNING id
)
DELETE FROM gaps WHERE tenant = $1 AND run IN (SELECT id FROM old)

-- Of all tenants.
-- name: lost_runs
SELECT r.tenant, r.id FROM runs r WHERE r.state = 1 AND NOT EXISTS
  (SELECT 1 FROM checkpoints c
   WHERE c.tenant = r.tenant AND c.source = r.source AND c.connection = r.connection AND c.stream = r.stream
     AND c.owner IS NOT NULL AND c.lease_until >
       $1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint)

-- name: interrupt_runs
UPDATE runs SET state = 4, finished_at = $3 WHERE tenant = $1 AND id = ANY ($2::uuid[]) AND state = 1

-- name: run_by_id
SELECT tenant, id, source, connection, stream, kind, dry, state, started_at, finished_at, figures, trust, problem
FROM runs WHERE tenant = $1 AND id = $2

-- name: insert_gaps
INSERT INTO gaps (tenant, run, nth, source, connection, stream, subject, action, version_kind, version, event, found_at)
SELECT $1, $2, n.known + u.nth, u.source, u.connection, u.stream, u.subject, u.action, u.version_kind, u.version,
  u.event, u.found_at
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::smallint[], $9::bigint[], $10::uuid[],
  $11::bigint[]) WITH ORDINALITY
  AS u (source, connection, stream, subject, action, version_kind, version, event, found_at, nth),
  (SELECT count(*) AS known FROM gaps g WHERE g.tenant = $1 AND g.run = $2) AS n
WHERE n.known + u.nth <= $12
ON CONFLICT DO NOTHING

-- name: gaps_of_run
SELECT source, connection, stream, subject, action, version_kind, version, event, found_at, late_at FROM gaps
WHERE tenant = $1 AND run = $2 ORDER BY nth

-- name: mark_late
UPDATE gaps SET late_at = s.first_at FROM sightings s
WHERE gaps.tenant = $1 AND gaps.source = $2 AND gaps.connection = $3 AND gaps.stream = $4
  AND gaps.event IS NOT NULL AND gaps.late_at IS NULL
  AND s.tenant = $1 AND s.event = gaps.event AND s.path = 'native'

-- name: insert_budget
INSERT INTO budgets (tenant, scope, account) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: lock_budget
SELECT account FROM budgets WHERE tenant = $1 AND scope = $2 FOR UPDATE

-- name: put_budget
UPDATE budgets SET account = $3 WHERE tenant = $1 AND scope = $2

-- name: budgets
SELECT scope, account FROM budgets WHERE tenant = $1 ORDER BY scope
