-- What is delivered by its first try, as nearly everything is, has that try in its own row: a row and an index entry less.
-- Where `attempt` is empty, all tries are among the attempts.
ALTER TABLE ended_deliveries ADD attempt uuid, ADD started_at bigint, ADD duration_us bigint, ADD connect_us bigint,
  ADD first_byte_us bigint, ADD status integer, ADD outcome text, ADD error text, ADD peer text, ADD response bytea;

-- All tries, wherever they are kept.
CREATE VIEW tries AS
  SELECT tenant, event, delivery, number, id, started_at, duration_us, connect_us, first_byte_us, status, outcome, error,
    peer, response
  FROM attempts
  UNION ALL
  SELECT tenant, event, id, tried, attempt, started_at, duration_us, connect_us, first_byte_us, status, outcome, error,
    peer, response
  FROM ended_deliveries WHERE attempt IS NOT NULL;
