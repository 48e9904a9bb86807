-- The processes that share the store, and what each is in charge of.
--
-- Codes. charges.kind: destination, connection, replay; `name` is unique within its tenant and kind.

-- Written by its node every few seconds, and by nobody else. Node-wide, as are counters.
CREATE TABLE nodes (
  owner      bigint PRIMARY KEY,
  name       text NOT NULL,
  address    text NOT NULL,
  version    text NOT NULL,
  started_at bigint NOT NULL,
  beat_at    bigint NOT NULL,
  until      bigint NOT NULL,
  wanted     bytea NOT NULL CHECK (length(wanted) = 32),
  leaving    boolean NOT NULL
) WITH (fillfactor = 50);

-- `configured` and `charged`: a change of theirs tells that there is something to read again.
CREATE TABLE counters (
  name  text PRIMARY KEY,
  value bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO counters (name, value) VALUES ('configured', 0), ('charged', 0);

-- What is nobody's has no row. A generation is the value of the counter `charged` when its owner took it.
CREATE TABLE charges (
  tenant     text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('destination', 'connection', 'replay')),
  name       text NOT NULL,
  owner      bigint NOT NULL,
  generation bigint NOT NULL,
  PRIMARY KEY (tenant, kind, name)
);
