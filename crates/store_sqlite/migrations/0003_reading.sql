-- How far each stream was read, what runs found, and what of each budget is used.
--
-- Codes. runs.kind: 1 poll, 2 backfill, 3 reconcile. runs.state: 1 running, 2 done, 3 failed, 4 interrupted, 5 waiting.

-- `owner` has the stream until `lease_until`; each taking has a higher `generation`, and only the last may move it.
CREATE TABLE checkpoints (
  tenant      INTEGER NOT NULL,
  source      INTEGER NOT NULL,
  connection  INTEGER NOT NULL,
  stream      TEXT NOT NULL,
  state       TEXT NOT NULL,          -- JSON of the connector format, or empty
  baseline_at INTEGER,
  owner       INTEGER,
  generation  INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  asked_at    INTEGER,
  read_at     INTEGER,
  changed_at  INTEGER,
  polls       INTEGER NOT NULL,
  empty       INTEGER NOT NULL,
  failed      INTEGER NOT NULL,
  changes     INTEGER NOT NULL,
  requests    INTEGER NOT NULL,
  learned     BLOB NOT NULL,
  PRIMARY KEY (tenant, source, connection, stream)
) STRICT, WITHOUT ROWID;

-- Subjects that the last complete scan did not have: what is missing from two in a row is gone.
CREATE TABLE absent (
  tenant     INTEGER NOT NULL,
  source     INTEGER NOT NULL,
  connection INTEGER NOT NULL,
  stream     TEXT NOT NULL,
  subject    TEXT NOT NULL,
  PRIMARY KEY (tenant, source, connection, stream, subject)
) STRICT, WITHOUT ROWID;

-- `figures` and `trust` are JSON. The newest is never removed, so no number is given twice.
CREATE TABLE runs (
  seq         INTEGER PRIMARY KEY,
  id          BLOB NOT NULL CHECK (length(id) = 16),
  tenant      INTEGER NOT NULL,
  source      INTEGER NOT NULL,
  connection  INTEGER NOT NULL,
  stream      TEXT NOT NULL,
  kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
  dry         INTEGER NOT NULL CHECK (dry IN (0, 1)),
  state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
  started_at  INTEGER NOT NULL,
  finished_at INTEGER,
  figures     TEXT NOT NULL,
  trust       TEXT,
  problem     TEXT,
  UNIQUE (tenant, id)
) STRICT;
CREATE INDEX runs_stream ON runs (tenant, source, connection, stream, kind, seq);
CREATE INDEX runs_running ON runs (seq) WHERE state = 1;

CREATE TABLE gaps (
  seq          INTEGER PRIMARY KEY,
  tenant       INTEGER NOT NULL,
  run          BLOB NOT NULL CHECK (length(run) = 16),
  source       INTEGER NOT NULL,
  connection   INTEGER NOT NULL,
  stream       TEXT NOT NULL,
  subject      TEXT NOT NULL,
  action       INTEGER NOT NULL CHECK (action BETWEEN 1 AND 3),
  version_kind INTEGER CHECK (version_kind IN (1, 2)),
  version      INTEGER,
  event        BLOB,
  found_at     INTEGER NOT NULL,
  late_at      INTEGER
) STRICT;
CREATE INDEX gaps_run ON gaps (tenant, run, seq);
CREATE INDEX gaps_open ON gaps (tenant, source, connection, stream) WHERE event IS NOT NULL AND late_at IS NULL;

-- `account` is what domain::budget writes, as JSON.
CREATE TABLE budgets (
  tenant  INTEGER NOT NULL,
  scope   TEXT NOT NULL,
  account TEXT NOT NULL,
  PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;
