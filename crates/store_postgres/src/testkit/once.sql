-- What does not grow with the events. See store::conformance::growth.

INSERT INTO tenants (tenant) VALUES ('default') ON CONFLICT DO NOTHING;

INSERT INTO replays (tenant, id, selection, new_ids, state, planned, events_done, deliveries_made, created_at, finished_at)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008006' || lpad(to_hex(i), 12, '0'))::uuid,
  '{"events":[]}', false, 'done', 1, 1, 1, @begin_us@, @begin_us@
FROM generate_series(0::bigint, least(200, @others@) - 1) AS i;

INSERT INTO subjects (tenant, source, connection, subject, deleted, change)
SELECT 'default', 's0', 'c0', 'orders/' || i, false, 1 FROM generate_series(0::bigint, @subjects@ - 1) AS i;

-- The first five are open, and the five after them are not settled yet.
INSERT INTO alerts (tenant, id, kind, object, detail, opened_at, last_at, count, resolved_at, settled)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008007' || lpad(to_hex(i), 12, '0'))::uuid,
  'dead_letters', 'destination/d' || i, '', @begin_us@ + i, @begin_us@ + i, 1,
  CASE WHEN i < 5 THEN NULL ELSE @begin_us@ + i END, i >= 10
FROM generate_series(0::bigint, @others@ - 1) AS i;

INSERT INTO notices (tenant, id, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem,
  closed)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008008' || lpad(to_hex(i), 12, '0'))::uuid,
  'destination/d' || i, NULL, 'mail', 'opened', 'warning', CASE WHEN i < 5 THEN 'waiting' ELSE 'sent' END, @begin_us@ + i,
  4000000000000000, 1, CASE WHEN i < 5 THEN NULL ELSE @begin_us@ + i END, '', i >= 10
FROM generate_series(0::bigint, @others@ - 1) AS i;

INSERT INTO audit (tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, previous, digest)
SELECT 'default', 'n' || (i % 3), i / 3 + 1, @begin_us@ + i * @step_us@, 'key', 'k0', '127.0.0.1', 'retry', 'delivery', '', 'done',
  sha256(convert_to((i - 3)::text, 'UTF8')), sha256(convert_to(i::text, 'UTF8'))
FROM generate_series(0::bigint, @others@ - 1) AS i;

INSERT INTO audit_chains (tenant, node, sequence, digest)
SELECT tenant, node, max(sequence), sha256('') FROM audit GROUP BY tenant, node;

INSERT INTO audit_statements (tenant, signer, number, at, heads, key, signature)
SELECT tenant, node, sequence, at, '[]', '', digest FROM audit;

INSERT INTO listeners (tenant, name, filter, position, generation, created_at, seen_at)
SELECT 'default', 'l' || i, '{}', '0', 1, @begin_us@, @begin_us@ FROM generate_series(0, @listeners@ - 1) AS i;

INSERT INTO calls (tenant, source, connection, ended, instance, started_at, duration_us, bytes, purpose, status, stream, method,
  url)
SELECT 'default', 's0', 'c' || i % @polled@, (@begin_us@ + i) * 1024, gen_random_uuid(), @begin_us@ + i, 1000, 100, 5, 200,
  'orders', 'GET', 'https://api.example/orders'
FROM generate_series(0::bigint, @others@ - 1) AS i;

INSERT INTO runs (tenant, id, source, connection, stream, kind, state, dry, started_at, finished_at, figures)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008004' || lpad(to_hex(i), 12, '0'))::uuid,
  's0', 'c' || i % @polled@, 'orders', 1 + i % 3, 2, false, @begin_us@ + i, @begin_us@ + i, '{}'
FROM generate_series(0::bigint, @others@ - 1) AS i;

INSERT INTO gaps (tenant, run, nth, source, connection, stream, subject, action, found_at)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i / 50 * @step_us@) / 1000), 12, '0') || '70008004' || lpad(to_hex(i / 50), 12, '0'))::uuid,
  i % 50, 's0', 'c0', 'orders', 'orders/' || i, 1, @begin_us@
FROM generate_series(0::bigint, @others@ - 1) AS i;

INSERT INTO figures (tenant, series, step, at, object, count, failed, latencies)
SELECT 'default', 2, 1, @begin_us@ + i * 60000000, 's' || s, 1, 0, ''
FROM generate_series(0::bigint, 1499) AS i, generate_series(0, @sources@ - 1) AS s;

INSERT INTO checkpoints (tenant, source, connection, stream, state, generation, lease_until, polls, empty, failed, changes,
  requests, learned)
SELECT 'default', 's0', 'c' || i, 'orders', '', 0, 0, 0, 0, 0, 0, 0, '' FROM generate_series(0, @polled@ - 1) AS i;

INSERT INTO budgets (tenant, scope, account) VALUES ('default', 'source/s0', '{}');

INSERT INTO api_keys (id, tenant, hash, scopes, note, created_at)
SELECT 'k' || i, 'default', decode(repeat('00', 32), 'hex'), '[]', '', @begin_us@ FROM generate_series(0, 2) AS i
