-- The events from @from@ to before @to@, with what belongs to each. See store::conformance::growth.

INSERT INTO events (tenant, id, seq, received_at, origin, assurance, source, connection, type, subject, content_type, head,
  payload)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008001' || lpad(to_hex(i), 12, '0'))::uuid,
  i + 1, @begin_us@ + i * @step_us@, 1, 5, 's' || i % @sources@,
  'c' || CASE i % @sources@ WHEN @sources@ - 1 THEN i / @sources@ % @connections_many@
    ELSE i / @sources@ % @connections@ END,
  CASE i % 3 WHEN 0 THEN 'orders.updated' WHEN 1 THEN 'orders.created' ELSE 'push' END, 'orders/' || i % @subjects@,
  'application/json', '',
  convert_to('{"number":' || i || ',"text":"' || repeat('x', @payload_bytes@ - 30) || '"}', 'UTF8')
FROM generate_series(@from@::bigint, @to@ - 1) AS i;

INSERT INTO identities (tenant, digest, event, seen_at, native)
SELECT 'default', sha256(convert_to(i::text, 'UTF8')),
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008001' || lpad(to_hex(i), 12, '0'))::uuid,
  @begin_us@ + i * @step_us@, true
FROM generate_series(@from@::bigint, @to@ - 1) AS i;

INSERT INTO open_deliveries (tenant, id, event, replay, created_at, due_at, generation, state, behind, attempts, tried, route,
  destination)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008002' || lpad(to_hex(i), 12, '0'))::uuid,
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008001' || lpad(to_hex(i), 12, '0'))::uuid,
  '00000000-0000-0000-0000-000000000000', @begin_us@ + i * @step_us@, 4000000000000000, 1,
  CASE WHEN i % 1000 @pending@ THEN 1 WHEN i % 1000 @retrying@ THEN 3 ELSE 4 END, false, 1, 1,
  'r' || i % @destinations@, 'd' || i % @destinations@
FROM generate_series(@from@::bigint, @to@ - 1) AS i
WHERE i % 1000 @pending@ OR i % 1000 @retrying@ OR i % 1000 @held@;

INSERT INTO ended_deliveries (tenant, id, event, replay, created_at, finished_at, generation, state, attempts, tried, route,
  destination, cause_code, attempt, started_at, duration_us, status, outcome, peer, response)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008002' || lpad(to_hex(i), 12, '0'))::uuid,
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008001' || lpad(to_hex(i), 12, '0'))::uuid,
  CASE WHEN i % 1000 @replayed@
    THEN (lpad(to_hex(@begin_us@ / 1000), 12, '0') || '70008006' || lpad('', 12, '0'))::uuid
    ELSE '00000000-0000-0000-0000-000000000000' END,
  @begin_us@ + i * @step_us@, @begin_us@ + i * @step_us@, 1,
  CASE WHEN i % 1000 @filtered@ THEN 6 WHEN i % 1000 @dead@ THEN 7 WHEN i % 1000 @cancelled@ THEN 8 ELSE 5 END, 1, 1,
  'r' || i % @destinations@, 'd' || i % @destinations@, CASE WHEN i % 1000 @dead@ THEN 'status' END,
  t.id, CASE WHEN t.id IS NOT NULL THEN @begin_us@ + i * @step_us@ END, CASE WHEN t.id IS NOT NULL THEN 1000 END,
  CASE WHEN t.id IS NOT NULL THEN 200 END, CASE WHEN t.id IS NOT NULL THEN 'delivered' END,
  CASE WHEN t.id IS NOT NULL THEN '127.0.0.1:9000' END, CASE WHEN t.id IS NOT NULL THEN ''::bytea END
FROM generate_series(@from@::bigint, @to@ - 1) AS i
CROSS JOIN LATERAL (SELECT CASE
  WHEN NOT (i % 1000 @filtered@ OR i % 1000 @dead@ OR i % 1000 @cancelled@ OR i % 1000 @replayed@)
  THEN (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008005' || lpad(to_hex(i), 12, '0'))::uuid
  END AS id) AS t
WHERE NOT (i % 1000 @pending@ OR i % 1000 @retrying@ OR i % 1000 @held@);

INSERT INTO attempts (tenant, event, delivery, number, id, started_at, duration_us, status, outcome, peer, response)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008001' || lpad(to_hex(i), 12, '0'))::uuid,
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008002' || lpad(to_hex(i), 12, '0'))::uuid,
  1,
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008005' || lpad(to_hex(i), 12, '0'))::uuid,
  @begin_us@ + i * @step_us@, 1000, 200, 'delivered', '127.0.0.1:9000', ''
FROM generate_series(@from@::bigint, @to@ - 1) AS i
WHERE i % 1000 @pending@ OR i % 1000 @retrying@ OR i % 1000 @held@ OR i % 1000 @filtered@ OR i % 1000 @dead@
  OR i % 1000 @cancelled@ OR i % 1000 @replayed@;

INSERT INTO requests (tenant, id, received_at, due_at, bytes, verdict, source, reason_code, connection, method, url, remote,
  headers, body)
SELECT 'default',
  (lpad(to_hex((@begin_us@ + i * @step_us@) / 1000), 12, '0') || '70008003' || lpad(to_hex(i), 12, '0'))::uuid,
  @begin_us@ + i * @step_us@, CASE i % 1000 WHEN 0 THEN @begin_us@ + i * @step_us@ END, 100,
  CASE i % 1000 WHEN 0 THEN 3 ELSE 2 END, 's' || i % @sources@, CASE i % 1000 WHEN 0 THEN NULL ELSE 'signature' END,
  'default', 'POST', '/in/s0', '127.0.0.1', '', ''
FROM generate_series(@from@::bigint, @to@ - 1) AS i WHERE i % @per_other@ = 0
