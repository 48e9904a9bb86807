-- What is kept to look back at: calls to sources, and figures over time.
--
-- Codes. calls.purpose: 1 read, 2 check, 3 token, 4 enrich, 5 poll, 6 reconcile, 7 backfill, 8 subscribe.
-- figures.series: 1 calls, 2 events, 3 attempts, 4 rejected. figures.step: 1 minute, 2 hour.

-- `seq` is the order in which they ended. The newest is never removed, so no number is given twice.
CREATE TABLE calls (
  seq         INTEGER PRIMARY KEY,
  tenant      INTEGER NOT NULL,
  source      INTEGER NOT NULL,
  connection  INTEGER NOT NULL,
  purpose     INTEGER NOT NULL CHECK (purpose BETWEEN 1 AND 8),
  started_at  INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  status      INTEGER,
  bytes       INTEGER NOT NULL,
  budget_left INTEGER,
  stream      TEXT,
  method      TEXT NOT NULL,
  url         TEXT NOT NULL,
  error       TEXT
) STRICT;
CREATE INDEX calls_connection ON calls (tenant, source, connection, seq);

-- `at` is the beginning of the minute or hour; `latencies` is what domain::Latencies writes.
CREATE TABLE figures (
  tenant    INTEGER NOT NULL,
  series    INTEGER NOT NULL CHECK (series BETWEEN 1 AND 4),
  step      INTEGER NOT NULL CHECK (step BETWEEN 1 AND 2),
  at        INTEGER NOT NULL,
  object    INTEGER NOT NULL,
  count     INTEGER NOT NULL CHECK (count >= 0),
  failed    INTEGER NOT NULL CHECK (failed >= 0),
  latencies BLOB NOT NULL,
  PRIMARY KEY (tenant, series, step, at, object)
) STRICT, WITHOUT ROWID;
