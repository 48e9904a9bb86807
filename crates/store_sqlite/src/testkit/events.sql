-- The events from @from@ to before @to@, with what belongs to each. See store::conformance::growth.

INSERT INTO events (seq, id, tenant, source, connection, origin, assurance, received_at, type, subject, content_type, head,
  payload)
WITH RECURSIVE n(i) AS (VALUES (@from@) UNION ALL SELECT i + 1 FROM n WHERE i < @to@ - 1)
SELECT i + 1, unhex(format('%012x70008001%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, 10 + i % @sources@,
  100 + CASE i % @sources@ WHEN @sources@ - 1 THEN i / @sources@ % @connections_many@
    ELSE i / @sources@ % @connections@ END,
  1, 5, @begin_us@ + i * @step_us@,
  CASE i % 3 WHEN 0 THEN 'orders.updated' WHEN 1 THEN 'orders.created' ELSE 'push' END, 'orders/' || (i % @subjects@),
  'application/json', x'', CAST(format('{"number":%d,"text":"%.*c"}', i, @payload_bytes@ - 30, 'x') AS BLOB) FROM n;

INSERT INTO identities (tenant, digest, event, seen_at, native)
WITH RECURSIVE n(i) AS (VALUES (@from@) UNION ALL SELECT i + 1 FROM n WHERE i < @to@ - 1)
SELECT 1, randomblob(32), unhex(format('%012x70008001%012x', (@begin_us@ + i * @step_us@) / 1000, i)),
  @begin_us@ + i * @step_us@, 1 FROM n;

INSERT INTO deliveries (seq, id, tenant, event, route, destination, replay, state, attempts, tried, created_at, due_at,
  finished_at, cause_code)
WITH RECURSIVE n(i, k) AS
  (VALUES (@from@, @from@ % 1000) UNION ALL SELECT i + 1, (i + 1) % 1000 FROM n WHERE i < @to@ - 1)
SELECT i + 1, unhex(format('%012x70008002%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, i + 1,
  300 + i % @destinations@, 400 + i % @destinations@, k @replayed@,
  CASE WHEN k @pending@ THEN 3 WHEN k @retrying@ THEN 4 WHEN k @held@ THEN 5 WHEN k @filtered@ THEN 7
    WHEN k @dead@ THEN 8 WHEN k @cancelled@ THEN 9 ELSE 6 END,
  1, 1, @begin_us@ + i * @step_us@,
  CASE WHEN k @pending@ OR k @retrying@ OR k @held@ THEN 4000000000000000 END,
  CASE WHEN k @pending@ OR k @retrying@ OR k @held@ THEN NULL ELSE @begin_us@ + i * @step_us@ END,
  CASE WHEN k @dead@ THEN 'status' END FROM n;

INSERT INTO attempts (delivery, number, id, started_at, duration_us, outcome, status, peer, response)
WITH RECURSIVE n(i) AS (VALUES (@from@) UNION ALL SELECT i + 1 FROM n WHERE i < @to@ - 1)
SELECT i + 1, 1, unhex(format('%012x70008005%012x', (@begin_us@ + i * @step_us@) / 1000, i)), @begin_us@ + i * @step_us@,
  1000, 'delivered', 200, '127.0.0.1:9000', x'' FROM n;

INSERT INTO requests (id, tenant, source, verdict, reason_code, due_at, received_at, bytes, connection, method, url, remote,
  headers, body)
WITH RECURSIVE n(i) AS
  (VALUES (@from@ / @per_other@) UNION ALL SELECT i + 1 FROM n WHERE (i + 1) * @per_other@ < @to@),
  e(i) AS (SELECT i * @per_other@ FROM n WHERE i * @per_other@ >= @from@)
SELECT unhex(format('%012x70008003%012x', (@begin_us@ + i * @step_us@) / 1000, i)), 1, 10 + i % @sources@,
  CASE i % 1000 WHEN 0 THEN 3 ELSE 2 END, CASE i % 1000 WHEN 0 THEN NULL ELSE 'signature' END,
  CASE i % 1000 WHEN 0 THEN @begin_us@ + i * @step_us@ END, @begin_us@ + i * @step_us@, 100, 'default', 'POST', '/in/s0',
  '127.0.0.1', x'', x'' FROM e
