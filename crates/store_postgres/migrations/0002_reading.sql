-- How far each stream was read, what runs found, and what of each budget is used.
--
-- Codes. runs.kind: 1 poll, 2 backfill, 3 reconcile. runs.state: 1 running, 2 done, 3 failed, 4 interrupted, 5 waiting.

-- `owner` has the stream until `lease_until`; each taking has a higher `generation`, and only the last may move it.
CREATE TABLE checkpoints (
  tenant      text NOT NULL,
  source      text NOT NULL,
  connection  text NOT NULL,
  stream      text NOT NULL,
  state       text NOT NULL,          -- JSON of the connector format, or empty
  baseline_at bigint,
  owner       bigint,
  generation  bigint NOT NULL,
  lease_until bigint NOT NULL,
  asked_at    bigint,
  read_at     bigint,
  changed_at  bigint,
  polls       bigint NOT NULL,
  empty       bigint NOT NULL,
  failed      bigint NOT NULL,
  changes     bigint NOT NULL,
  requests    bigint NOT NULL,
  learned     bytea NOT NULL,
  PRIMARY KEY (tenant, source, connection, stream)
) WITH (fillfactor = 70);

-- Subjects that the last complete scan did not have: what is missing from two in a row is gone.
CREATE TABLE absent (
  tenant     text NOT NULL,
  source     text NOT NULL,
  connection text NOT NULL,
  stream     text NOT NULL,
  subject    text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, source, connection, stream, subject)
);

-- `figures` and `trust` are JSON.
CREATE TABLE runs (
  tenant      text NOT NULL,
  id          uuid NOT NULL,
  source      text NOT NULL,
  connection  text NOT NULL,
  stream      text NOT NULL,
  kind        smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
  state       smallint NOT NULL CHECK (state BETWEEN 1 AND 5),
  dry         boolean NOT NULL,
  started_at  bigint NOT NULL,
  finished_at bigint,
  figures     text NOT NULL,
  trust       text,
  problem     text,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX runs_stream ON runs (tenant, source, connection, stream, kind, id);
CREATE INDEX runs_running ON runs (tenant, id) WHERE state = 1;

-- `nth` is the order within the run.
CREATE TABLE gaps (
  tenant       text NOT NULL,
  run          uuid NOT NULL,
  nth          bigint NOT NULL,
  source       text NOT NULL,
  connection   text NOT NULL,
  stream       text NOT NULL,
  subject      text NOT NULL,
  action       smallint NOT NULL CHECK (action BETWEEN 1 AND 3),
  version_kind smallint CHECK (version_kind IN (1, 2)),
  version      bigint,
  event        uuid,
  found_at     bigint NOT NULL,
  late_at      bigint,
  PRIMARY KEY (tenant, run, nth)
);
CREATE INDEX gaps_open ON gaps (tenant, source, connection, stream) WHERE event IS NOT NULL AND late_at IS NULL;

-- `account` is what domain::budget writes, as JSON.
CREATE TABLE budgets (
  tenant  text NOT NULL,
  scope   text NOT NULL,
  account text NOT NULL,
  PRIMARY KEY (tenant, scope)
) WITH (fillfactor = 70);
