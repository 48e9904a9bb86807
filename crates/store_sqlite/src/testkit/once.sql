-- What there is of once: names, and what does not grow with the events. See store::conformance::growth.

INSERT INTO names (id, name) VALUES (1, 'default');
INSERT INTO names (id, name)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @sources@ - 1) SELECT 10 + i, 's' || i FROM n;
INSERT INTO names (id, name)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < max(@connections_many@, @polled@) - 1)
SELECT 100 + i, 'c' || i FROM n;
INSERT INTO names (id, name)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @destinations@ - 1)
SELECT 300 + i, 'r' || i FROM n UNION ALL SELECT 400 + i, 'd' || i FROM n;
-- A start looks no further back for deliveries that were claimed at birth.
INSERT OR REPLACE INTO counters (name, value) VALUES ('fresh_from', @last@ + 2);

INSERT INTO replays (seq, id, tenant, selection, new_ids, state, planned, events_done, deliveries_made, created_at,
  finished_at)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < min(200, @others@) - 1)
SELECT i + 1, unhex(format('%012x70008006%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, '{"events":[]}', 0, 'done',
  1, 1, 1, @begin_us@, @begin_us@ FROM n;

INSERT INTO subjects (tenant, source, connection, subject, deleted, change)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @subjects@ - 1)
SELECT 1, 10, 100, 'orders/' || i, 0, 1 FROM n;

-- The first five are open, and the five after them are not settled yet.
INSERT INTO alerts (id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at, settled)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @others@ - 1)
SELECT unhex(format('%012x70008007%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, 'dead_letters',
  'destination/d' || i, '', @begin_us@ + i, @begin_us@ + i, 1, CASE WHEN i < 5 THEN NULL ELSE @begin_us@ + i END, i >= 10
FROM n;

INSERT INTO notices (id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem,
  closed)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @others@ - 1)
SELECT unhex(format('%012x70008008%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, 'destination/d' || i, NULL, 'mail',
  'opened', 'warning', CASE WHEN i < 5 THEN 'waiting' ELSE 'sent' END, @begin_us@ + i, 4000000000000000, 1,
  CASE WHEN i < 5 THEN NULL ELSE @begin_us@ + i END, '', i >= 10 FROM n;

INSERT INTO audit (tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, previous, digest)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @others@ - 1)
SELECT 'default', 'n' || (i % 3), i / 3 + 1, @begin_us@ + i * @step_us@, 'key', 'k0', '127.0.0.1', 'retry', 'delivery', '', 'done',
  zeroblob(32), zeroblob(32) FROM n;

INSERT INTO audit_chains (tenant, node, sequence, digest)
SELECT tenant, node, max(sequence), zeroblob(32) FROM audit GROUP BY tenant, node;

INSERT INTO audit_statements (tenant, signer, number, at, heads, key, signature)
SELECT tenant, node, sequence, at, '[]', '', digest FROM audit;

INSERT INTO listeners (tenant, name, filter, position, generation, created_at, seen_at)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @listeners@ - 1)
SELECT 'default', 'l' || i, '{}', '0', 1, @begin_us@, @begin_us@ FROM n;

INSERT INTO calls (tenant, source, connection, purpose, started_at, duration_us, status, bytes, stream, method, url)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @others@ - 1)
SELECT 1, 10, 100 + i % @polled@, 5, @begin_us@ + i, 1000, 200, 100, 'orders', 'GET', 'https://api.example/orders' FROM n;

INSERT INTO runs (id, tenant, source, connection, stream, kind, dry, state, started_at, finished_at, figures)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @others@ - 1)
SELECT unhex(format('%012x70008004%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, 10, 100 + i % @polled@, 'orders',
  1 + i % 3, 0, 2, @begin_us@ + i, @begin_us@ + i, '{}' FROM n;

INSERT INTO gaps (tenant, run, source, connection, stream, subject, action, found_at)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @others@ - 1)
SELECT 1, unhex(format('%012x70008004%012x', (@begin_us@ + i / 50 * @step_us@) / 1000, i / 50)), 10, 100, 'orders',
  'orders/' || i, 1, @begin_us@ FROM n;

INSERT INTO figures (tenant, series, step, at, object, count, failed, latencies)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 1499)
SELECT 1, 2, 1, @begin_us@ + i * 60000000, s.id, 1, 0, x'' FROM n, names s WHERE s.id BETWEEN 10 AND 9 + @sources@;

INSERT INTO checkpoints (tenant, source, connection, stream, state, generation, lease_until, polls, empty, failed, changes,
  requests, learned)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < @polled@ - 1)
SELECT 1, 10, 100 + i, 'orders', '', 0, 0, 0, 0, 0, 0, 0, x'' FROM n;

INSERT INTO budgets (tenant, scope, account) VALUES (1, 'source/s0', '{}');

INSERT INTO api_keys (id, tenant, hash, scopes, note, created_at)
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 2)
SELECT 'k' || i, 'default', zeroblob(32), '[]', '', @begin_us@ FROM n
