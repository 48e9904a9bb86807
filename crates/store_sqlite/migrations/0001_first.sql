-- The whole schema of the first release.
--
-- Times are microseconds since 1970-01-01 UTC; ids and digests are raw bytes; names of tenants, sources,
-- connections, destinations and routes are numbers of the table `names`, so that rows and indexes stay small.
-- Every secondary index costs each event more than the disk's sync does: there is one only where a promise needs it.
--
-- Codes. deliveries.state: 2 pending and claimed at birth ("fresh"), 3 pending, 4 retrying, 5 held, 6 delivered,
-- 7 filtered, 8 dead, 9 cancelled. They start at 2 because SQLite stores 0 and 1 in no byte at all: a row whose
-- size does not change is overwritten in place. events.action: 1 created, 2 updated, 3 deleted. events.origin:
-- 1 native, 2 virtual, 3 reconciled, 4 backfill, 5 published. events.assurance: 1 none, 2 shared, 3 origin,
-- 4 partial, 5 body. version_kind: 1 time, 2 number. requests.verdict: 1 accepted, 2 rejected, 3 pending.

CREATE TABLE names (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- Marks that outlive the rows they were read from: the highest numbers that pruning removed, and the number
-- from which a start looks for deliveries that were claimed at birth.
CREATE TABLE counters (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `seq` is the order of acceptance. The payload comes last, so that reading the rest touches no overflow page.
CREATE TABLE events (
  seq          INTEGER PRIMARY KEY,
  id           BLOB NOT NULL CHECK (length(id) = 16),
  tenant       INTEGER NOT NULL,
  source       INTEGER NOT NULL,
  connection   INTEGER NOT NULL,
  origin       INTEGER NOT NULL CHECK (origin BETWEEN 1 AND 5),
  assurance    INTEGER NOT NULL CHECK (assurance BETWEEN 1 AND 5),
  action       INTEGER CHECK (action BETWEEN 1 AND 3),
  version_kind INTEGER CHECK (version_kind IN (1, 2)),
  version      INTEGER,
  occurred_at  INTEGER,
  received_at  INTEGER NOT NULL,
  request      BLOB,     -- NULL: none; empty: the UUID of the event itself
  type         TEXT NOT NULL,
  native_type  TEXT,
  subject      TEXT,
  content_type TEXT NOT NULL,
  head         BLOB NOT NULL,
  payload      BLOB NOT NULL,
  CHECK ((version_kind IS NULL) = (version IS NULL))
) STRICT;
CREATE UNIQUE INDEX events_id ON events (tenant, id);
CREATE INDEX events_time ON events (tenant, received_at);
CREATE INDEX events_source ON events (tenant, source, connection, received_at);
CREATE INDEX events_subject ON events (tenant, subject, received_at) WHERE subject IS NOT NULL;

-- What makes an arrival known again. It outlives its event, so it holds the event's id. `native` tells that a
-- native arrival has this state key: another native one is another fact.
CREATE TABLE identities (
  tenant  INTEGER NOT NULL,
  digest  BLOB NOT NULL CHECK (length(digest) = 32),
  event   BLOB NOT NULL,
  seen_at INTEGER NOT NULL,
  native  INTEGER NOT NULL CHECK (native IN (0, 1)),
  PRIMARY KEY (tenant, digest)
) STRICT, WITHOUT ROWID;

-- The last known state of each subject, and the event that told it.
CREATE TABLE subjects (
  tenant       INTEGER NOT NULL,
  source       INTEGER NOT NULL,
  connection   INTEGER NOT NULL,
  subject      TEXT NOT NULL,
  version_kind INTEGER CHECK (version_kind IN (1, 2)),
  version      INTEGER,
  digest       BLOB CHECK (length(digest) = 32),
  deleted      INTEGER NOT NULL CHECK (deleted IN (0, 1)),
  change       INTEGER NOT NULL,
  event        BLOB,
  PRIMARY KEY (tenant, source, connection, subject),
  CHECK ((version_kind IS NULL) = (version IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE sightings (
  event    INTEGER NOT NULL,
  path     TEXT NOT NULL,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (event, path)
) STRICT, WITHOUT ROWID;

-- `due_at` of the last moment there is (9223372036854775807) means: behind another one of its lane.
-- `attempts` is what is used up since a person last retried it, `tried` counts them all.
CREATE TABLE deliveries (
  seq          INTEGER PRIMARY KEY,
  id           BLOB NOT NULL CHECK (length(id) = 16),
  tenant       INTEGER NOT NULL,
  event        INTEGER NOT NULL,
  route        INTEGER NOT NULL,
  destination  INTEGER NOT NULL,
  replay       INTEGER NOT NULL,      -- 0: none
  state        INTEGER NOT NULL CHECK (state BETWEEN 2 AND 9),
  attempts     INTEGER NOT NULL,
  tried        INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  due_at       INTEGER,
  finished_at  INTEGER,
  lane         INTEGER,
  version_kind INTEGER,
  version      INTEGER,
  cause_code   TEXT,
  cause_detail TEXT,
  CHECK ((state >= 6) = (finished_at IS NOT NULL)),
  CHECK ((state >= 6) = (due_at IS NULL)),
  CHECK (due_at < 9223372036854775807 OR lane IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX deliveries_id ON deliveries (tenant, id);
CREATE UNIQUE INDEX deliveries_event ON deliveries (event, route, replay);
-- Those that wait for a person or for their turn. Fresh ones are claimed, so they are found in memory; what is
-- delivered at its first try never enters any of these.
CREATE INDEX deliveries_open ON deliveries (tenant, state, destination, id) WHERE state IN (3, 4, 5, 8);
CREATE INDEX deliveries_due ON deliveries (tenant, destination, due_at)
  WHERE state IN (3, 4) AND due_at < 9223372036854775807;
CREATE INDEX deliveries_behind ON deliveries (lane) WHERE due_at = 9223372036854775807;
CREATE INDEX deliveries_behind_version ON deliveries (lane, version_kind, version)
  WHERE due_at = 9223372036854775807;
CREATE INDEX deliveries_replay ON deliveries (replay, id) WHERE replay <> 0;

-- `head` is the delivery that the others wait for: the first open one, or a dead one that blocks.
CREATE TABLE lanes (
  id          INTEGER PRIMARY KEY,
  tenant      INTEGER NOT NULL,
  destination INTEGER NOT NULL,
  lane        TEXT NOT NULL,
  head        INTEGER,
  sent_kind   INTEGER CHECK (sent_kind IN (1, 2)),
  sent        INTEGER,
  used_at     INTEGER NOT NULL,
  UNIQUE (tenant, destination, lane)
) STRICT;

CREATE TABLE prepared (
  delivery     INTEGER PRIMARY KEY,
  content_type TEXT NOT NULL,
  stale        INTEGER NOT NULL CHECK (stale IN (0, 1)),
  body         BLOB NOT NULL
) STRICT;

CREATE TABLE attempts (
  delivery      INTEGER NOT NULL,
  number        INTEGER NOT NULL,
  id            BLOB NOT NULL CHECK (length(id) = 16),
  started_at    INTEGER NOT NULL,
  duration_us   INTEGER NOT NULL,
  outcome       TEXT NOT NULL,
  status        INTEGER,
  error         TEXT,
  connect_us    INTEGER,
  first_byte_us INTEGER,
  peer          TEXT,
  response      BLOB NOT NULL,
  PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
  seq           INTEGER PRIMARY KEY,
  id            BLOB NOT NULL CHECK (length(id) = 16),
  tenant        INTEGER NOT NULL,
  source        INTEGER NOT NULL,
  verdict       INTEGER NOT NULL CHECK (verdict BETWEEN 1 AND 3),
  reason_code   TEXT,
  reason_detail TEXT,
  due_at        INTEGER,
  received_at   INTEGER NOT NULL,
  bytes         INTEGER NOT NULL,
  connection    TEXT NOT NULL,
  method        TEXT NOT NULL,
  url           TEXT NOT NULL,
  remote        TEXT NOT NULL,
  headers       BLOB NOT NULL,
  body          BLOB NOT NULL,
  CHECK ((verdict = 3) = (due_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX requests_id ON requests (tenant, id);
CREATE INDEX requests_rejected ON requests (tenant, source, reason_code) WHERE verdict = 2;
CREATE INDEX requests_rejected_id ON requests (tenant, source, id) WHERE verdict = 2;
CREATE INDEX requests_due ON requests (due_at) WHERE verdict = 3;

-- What the bounds of rejected requests are counted in, so that a flood of them is not summed up row by row.
CREATE TABLE rejected (
  tenant INTEGER NOT NULL,
  source INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count  INTEGER NOT NULL CHECK (count >= 0),
  bytes  INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (tenant, source, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE replays (
  seq             INTEGER PRIMARY KEY,
  id              BLOB NOT NULL CHECK (length(id) = 16),
  tenant          INTEGER NOT NULL,
  selection       TEXT NOT NULL,      -- JSON
  destination     TEXT,
  rate            INTEGER,
  new_ids         INTEGER NOT NULL CHECK (new_ids IN (0, 1)),
  state           TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
  planned         INTEGER NOT NULL,
  events_done     INTEGER NOT NULL,
  deliveries_made INTEGER NOT NULL,
  position        TEXT,
  created_at      INTEGER NOT NULL,
  finished_at     INTEGER,
  UNIQUE (tenant, id),
  CHECK ((state <> 'running') = (finished_at IS NOT NULL))
) STRICT;
CREATE INDEX replays_running ON replays (seq) WHERE state = 'running';

CREATE TABLE destinations (
  tenant      INTEGER NOT NULL,
  destination INTEGER NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('paused', 'disabled', 'retired')),
  since       INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  PRIMARY KEY (tenant, destination)
) STRICT, WITHOUT ROWID;

CREATE TABLE objects (
  tenant     TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('source', 'destination', 'route')),
  name       TEXT NOT NULL,
  managed_by TEXT NOT NULL CHECK (managed_by IN ('file', 'api')),
  definition TEXT NOT NULL,           -- JSON, secrets sealed
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  retired_at INTEGER,
  PRIMARY KEY (tenant, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id           TEXT PRIMARY KEY,
  tenant       TEXT NOT NULL,
  hash         BLOB NOT NULL CHECK (length(hash) = 32),
  scopes       TEXT NOT NULL,         -- JSON
  note         TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,
  revoked_at   INTEGER,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  tenant     INTEGER NOT NULL,
  key        TEXT NOT NULL,
  request    BLOB NOT NULL CHECK (length(request) = 32),
  begun_at   INTEGER NOT NULL,
  status     INTEGER,
  body       BLOB,
  PRIMARY KEY (tenant, key),
  CHECK ((status IS NULL) = (body IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (begun_at);

CREATE TABLE alerts (
  seq         INTEGER PRIMARY KEY,
  id          BLOB NOT NULL CHECK (length(id) = 16),
  tenant      INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  object      TEXT NOT NULL,
  detail      TEXT NOT NULL,
  opened_at   INTEGER NOT NULL,
  last_at     INTEGER NOT NULL,
  count       INTEGER NOT NULL,
  resolved_at INTEGER
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (tenant, kind, object) WHERE resolved_at IS NULL;
CREATE INDEX alerts_tenant ON alerts (tenant);

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
