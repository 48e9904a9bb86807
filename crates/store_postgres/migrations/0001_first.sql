-- The whole schema of the first release.
--
-- `tenant` leads every key, no key refers across tenants and no sequence serves two of them, so that each table can
-- be distributed by it. Node-wide tables, which have no tenant: settings, api_keys, duties, spans, schema_migrations.
--
-- Times are microseconds since 1970-01-01 UTC. What belongs to one event lies in partitions by the event's id, which
-- begins with its time: a span of time is dropped as a whole. Identities, subjects and what is open outlive spans.
--
-- Codes. Deliveries: 1 pending, 2 in flight, 3 retrying, 4 held, 5 delivered, 6 filtered, 7 dead, 8 cancelled.
-- events.action: 1 created, 2 updated, 3 deleted. events.origin: 1 native, 2 virtual, 3 reconciled, 4 backfill,
-- 5 published. events.assurance: 1 none, 2 shared, 3 origin, 4 partial, 5 body. version_kind: 1 time, 2 number.
-- requests.verdict: 1 accepted, 2 rejected, 3 pending. calls.purpose: 1 read, 2 check, 3 token, 4 enrich, 5 poll,
-- 6 reconcile, 7 backfill, 8 subscribe. figures.series: 1 calls, 2 events, 3 attempts, 4 rejected. figures.step:
-- 1 minute, 2 hour. A replay of all zeroes means none.

-- The row that whoever gives numbers to a tenant's events locks until its commit: numbers become visible in their
-- order. It is not written to, except when the events that had the highest numbers are removed.
CREATE TABLE tenants (
  tenant text PRIMARY KEY,
  floor  bigint NOT NULL DEFAULT 0
);

CREATE TABLE events (
  tenant       text NOT NULL,
  id           uuid NOT NULL,
  seq          bigint NOT NULL,
  received_at  bigint NOT NULL,
  occurred_at  bigint,
  version      bigint,
  version_kind smallint CHECK (version_kind IN (1, 2)),
  origin       smallint NOT NULL CHECK (origin BETWEEN 1 AND 5),
  assurance    smallint NOT NULL CHECK (assurance BETWEEN 1 AND 5),
  action       smallint CHECK (action BETWEEN 1 AND 3),
  request      uuid,
  source       text NOT NULL,
  connection   text NOT NULL,
  type         text NOT NULL,
  native_type  text,
  subject      text,
  content_type text NOT NULL,
  head         bytea NOT NULL,
  payload      bytea NOT NULL,
  PRIMARY KEY (tenant, id),
  CHECK ((version_kind IS NULL) = (version IS NULL))
) PARTITION BY RANGE (id);
-- Compressing costs more than the disk does.
ALTER TABLE events ALTER head SET STORAGE EXTERNAL, ALTER payload SET STORAGE EXTERNAL;
CREATE INDEX events_seq ON events (tenant, seq);
CREATE INDEX events_time ON events (tenant, received_at, seq);
CREATE INDEX events_source ON events (tenant, source, connection, received_at, seq);
CREATE INDEX events_subject ON events (tenant, subject, received_at, seq) WHERE subject IS NOT NULL;

CREATE TABLE sightings (
  tenant   text NOT NULL,
  event    uuid NOT NULL,
  path     text NOT NULL,
  first_at bigint NOT NULL,
  last_at  bigint NOT NULL,
  count    bigint NOT NULL,
  PRIMARY KEY (tenant, event, path)
) PARTITION BY RANGE (event);

-- Deliveries that are still owed: few, narrow, and the only ones that are updated. `place` is the order of entering
-- the lane; `behind` says that another of the lane goes first. Every claim raises `generation`.
CREATE TABLE open_deliveries (
  tenant       text NOT NULL,
  id           uuid NOT NULL,
  event        uuid NOT NULL,
  replay       uuid NOT NULL,
  created_at   bigint NOT NULL,
  due_at       bigint NOT NULL,
  generation   bigint NOT NULL,
  owner        bigint,
  lease_until  bigint,
  place        bigint,
  version      bigint,
  version_kind smallint,
  state        smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
  behind       boolean NOT NULL,
  attempts     integer NOT NULL,
  tried        integer NOT NULL,
  route        text NOT NULL,
  destination  text NOT NULL,
  lane         text,
  cause_code   text,
  cause_detail text,
  PRIMARY KEY (tenant, id),
  CHECK ((state = 2) = (lease_until IS NOT NULL)),
  CHECK ((state = 2) = (owner IS NOT NULL)),
  CHECK ((lane IS NULL) = (place IS NULL)),
  CHECK (lane IS NOT NULL OR NOT behind)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX open_deliveries_event ON open_deliveries (tenant, event, route, replay);
CREATE INDEX open_deliveries_due ON open_deliveries (tenant, destination, due_at, id)
  WHERE state IN (1, 3) AND NOT behind;
CREATE INDEX open_deliveries_lease ON open_deliveries (tenant, lease_until) WHERE state = 2;
CREATE INDEX open_deliveries_behind ON open_deliveries (tenant, destination, lane, place) WHERE behind;
CREATE INDEX open_deliveries_behind_version ON open_deliveries (tenant, destination, lane, version_kind, version, place)
  WHERE behind;
CREATE INDEX open_deliveries_replay ON open_deliveries (tenant, replay, id)
  WHERE replay <> '00000000-0000-0000-0000-000000000000';

-- Deliveries that are owed no more: written once, read by people, gone with their event.
CREATE TABLE ended_deliveries (
  tenant       text NOT NULL,
  id           uuid NOT NULL,
  event        uuid NOT NULL,
  replay       uuid NOT NULL,
  created_at   bigint NOT NULL,
  finished_at  bigint NOT NULL,
  generation   bigint NOT NULL,
  place        bigint,
  version      bigint,
  version_kind smallint,
  state        smallint NOT NULL CHECK (state BETWEEN 5 AND 8),
  attempts     integer NOT NULL,
  tried        integer NOT NULL,
  route        text NOT NULL,
  destination  text NOT NULL,
  lane         text,
  cause_code   text,
  cause_detail text,
  PRIMARY KEY (tenant, id, event)
) PARTITION BY RANGE (event);
CREATE INDEX ended_deliveries_event ON ended_deliveries (tenant, event);
CREATE INDEX ended_deliveries_dead ON ended_deliveries (tenant, id) INCLUDE (destination, created_at) WHERE state = 7;
CREATE INDEX ended_deliveries_replay ON ended_deliveries (tenant, replay, id)
  WHERE replay <> '00000000-0000-0000-0000-000000000000';

CREATE VIEW deliveries AS
  SELECT tenant, id, event, replay, state, attempts, created_at, due_at, NULL::bigint AS finished_at, behind, route,
    destination, cause_code, cause_detail
  FROM open_deliveries
  UNION ALL
  SELECT tenant, id, event, replay, state, attempts, created_at, NULL, finished_at, false, route, destination,
    cause_code, cause_detail
  FROM ended_deliveries;

CREATE TABLE attempts (
  tenant        text NOT NULL,
  event         uuid NOT NULL,
  delivery      uuid NOT NULL,
  number        integer NOT NULL,
  id            uuid NOT NULL,
  started_at    bigint NOT NULL,
  duration_us   bigint NOT NULL,
  connect_us    bigint,
  first_byte_us bigint,
  status        integer,
  outcome       text NOT NULL,
  error         text,
  peer          text,
  response      bytea NOT NULL,
  PRIMARY KEY (tenant, event, delivery, number)
) PARTITION BY RANGE (event);

CREATE TABLE prepared (
  tenant       text NOT NULL,
  event        uuid NOT NULL,
  delivery     uuid NOT NULL,
  stale        boolean NOT NULL,
  content_type text NOT NULL,
  body         bytea NOT NULL,
  PRIMARY KEY (tenant, event, delivery)
) PARTITION BY RANGE (event);
ALTER TABLE prepared ALTER body SET STORAGE EXTERNAL;

-- What came before the first span, after the last one, or is carried over from a span that was dropped.
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE sightings_rest PARTITION OF sightings DEFAULT;
CREATE TABLE ended_deliveries_rest PARTITION OF ended_deliveries DEFAULT;
CREATE TABLE attempts_rest PARTITION OF attempts DEFAULT;
CREATE TABLE prepared_rest PARTITION OF prepared DEFAULT;

-- `head` is the delivery that the others wait for: the first open one, or a dead one that blocks. `last` is the last
-- place that was given.
CREATE TABLE lanes (
  tenant      text NOT NULL,
  destination text NOT NULL,
  lane        text NOT NULL,
  head        uuid,
  blocked     boolean NOT NULL DEFAULT false,
  last        bigint NOT NULL DEFAULT 0,
  sent        bigint,
  sent_kind   smallint CHECK (sent_kind IN (1, 2)),
  used_at     bigint NOT NULL,
  PRIMARY KEY (tenant, destination, lane),
  CHECK (NOT blocked OR head IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX lanes_blocked ON lanes (tenant, head) WHERE blocked;

-- What makes an arrival known again. It outlives its event. `native` tells that a native arrival has this state key:
-- another native one is another fact.
CREATE TABLE identities (
  tenant  text NOT NULL,
  digest  bytea NOT NULL CHECK (length(digest) = 32),
  event   uuid NOT NULL,
  seen_at bigint NOT NULL,
  native  boolean NOT NULL,
  PRIMARY KEY (tenant, digest)
);

-- The last known state of each subject, and the event that told it.
CREATE TABLE subjects (
  tenant       text NOT NULL,
  source       text NOT NULL,
  connection   text NOT NULL,
  subject      text COLLATE "C" NOT NULL,
  version      bigint,
  version_kind smallint CHECK (version_kind IN (1, 2)),
  digest       bytea CHECK (length(digest) = 32),
  deleted      boolean NOT NULL,
  change       bigint NOT NULL,
  event        uuid,
  PRIMARY KEY (tenant, source, connection, subject),
  CHECK ((version_kind IS NULL) = (version IS NULL))
) WITH (fillfactor = 80);

CREATE TABLE requests (
  tenant        text NOT NULL,
  id            uuid NOT NULL,
  received_at   bigint NOT NULL,
  due_at        bigint,
  bytes         bigint NOT NULL,
  verdict       smallint NOT NULL CHECK (verdict BETWEEN 1 AND 3),
  source        text NOT NULL,
  reason_code   text,
  reason_detail text,
  connection    text NOT NULL,
  method        text NOT NULL,
  url           text NOT NULL,
  remote        text NOT NULL,
  headers       bytea NOT NULL,
  body          bytea NOT NULL,
  PRIMARY KEY (tenant, id),
  CHECK ((verdict = 3) = (due_at IS NOT NULL))
);
ALTER TABLE requests ALTER headers SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL;
CREATE INDEX requests_rejected ON requests (tenant, source, reason_code, id) INCLUDE (bytes) WHERE verdict = 2;
CREATE INDEX requests_rejected_id ON requests (tenant, source, id) WHERE verdict = 2;
CREATE INDEX requests_due ON requests (tenant, due_at, id) WHERE verdict = 3;
CREATE INDEX requests_age ON requests (tenant, received_at, id);

CREATE TABLE replays (
  tenant          text NOT NULL,
  id              uuid NOT NULL,
  selection       text NOT NULL,      -- JSON
  destination     text,
  rate            bigint,
  new_ids         boolean NOT NULL,
  state           text NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
  planned         bigint NOT NULL,
  events_done     bigint NOT NULL,
  deliveries_made bigint NOT NULL,
  position        text,
  created_at      bigint NOT NULL,
  finished_at     bigint,
  PRIMARY KEY (tenant, id),
  CHECK ((state <> 'running') = (finished_at IS NOT NULL))
);
CREATE INDEX replays_running ON replays (tenant, id) WHERE state = 'running';

CREATE TABLE destinations (
  tenant      text NOT NULL,
  destination text NOT NULL,
  state       text NOT NULL CHECK (state IN ('paused', 'disabled', 'retired')),
  since       bigint NOT NULL,
  reason      text NOT NULL,
  PRIMARY KEY (tenant, destination)
);

CREATE TABLE objects (
  tenant     text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('source', 'destination', 'route')),
  name       text NOT NULL,
  managed_by text NOT NULL CHECK (managed_by IN ('file', 'api')),
  definition text NOT NULL,           -- JSON, secrets sealed
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  retired_at bigint,
  PRIMARY KEY (tenant, kind, name)
);

-- `instance` is the running process that works on the answer.
CREATE TABLE idempotency (
  tenant   text NOT NULL,
  key      text NOT NULL,
  request  bytea NOT NULL CHECK (length(request) = 32),
  begun_at bigint NOT NULL,
  instance uuid NOT NULL,
  status   integer,
  body     bytea,
  PRIMARY KEY (tenant, key),
  CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_age ON idempotency (tenant, begun_at);

CREATE TABLE alerts (
  tenant      text NOT NULL,
  id          uuid NOT NULL,
  kind        text NOT NULL,
  object      text NOT NULL,
  detail      text NOT NULL,
  opened_at   bigint NOT NULL,
  last_at     bigint NOT NULL,
  count       bigint NOT NULL,
  resolved_at bigint,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX alerts_open ON alerts (tenant, kind, object) WHERE resolved_at IS NULL;
CREATE INDEX alerts_newest ON alerts (tenant, opened_at, id);

-- `ended` grows with the order in which the calls ended: the database's clock and a number within the batch.
CREATE TABLE calls (
  tenant      text NOT NULL,
  source      text NOT NULL,
  connection  text NOT NULL,
  ended       bigint NOT NULL,
  instance    uuid NOT NULL,
  started_at  bigint NOT NULL,
  duration_us bigint NOT NULL,
  bytes       bigint NOT NULL,
  budget_left bigint,
  purpose     smallint NOT NULL CHECK (purpose BETWEEN 1 AND 8),
  status      integer,
  stream      text,
  method      text NOT NULL,
  url         text NOT NULL,
  error       text,
  PRIMARY KEY (tenant, source, connection, ended, instance)
);
CREATE INDEX calls_newest ON calls (tenant, ended);

-- `at` is the beginning of the minute or hour; `latencies` is what domain::Latencies writes.
CREATE TABLE figures (
  tenant    text NOT NULL,
  series    smallint NOT NULL CHECK (series BETWEEN 1 AND 4),
  step      smallint NOT NULL CHECK (step BETWEEN 1 AND 2),
  at        bigint NOT NULL,
  object    text NOT NULL,
  count     bigint NOT NULL CHECK (count >= 0),
  failed    bigint NOT NULL CHECK (failed >= 0),
  latencies bytea NOT NULL,
  PRIMARY KEY (tenant, series, step, at, object)
) WITH (fillfactor = 70);

-- From here on: node-wide.

CREATE TABLE settings (
  name  text PRIMARY KEY,
  value bytea NOT NULL
);

-- A key's text names no tenant, so it is looked up without one.
CREATE TABLE api_keys (
  id           text PRIMARY KEY,
  tenant       text NOT NULL,
  hash         bytea NOT NULL CHECK (length(hash) = 32),
  scopes       text NOT NULL,         -- JSON
  note         text NOT NULL,
  created_at   bigint NOT NULL,
  expires_at   bigint,
  revoked_at   bigint,
  last_used_at bigint
);

-- Duties that one node at a time sees to, by locking the row.
CREATE TABLE duties (name text PRIMARY KEY);
INSERT INTO duties (name) VALUES ('prune'), ('spans');

-- The spans of time that have partitions of their own: their names end with `suffix`.
CREATE TABLE spans (
  suffix  text PRIMARY KEY,
  from_id uuid NOT NULL,
  to_id   uuid NOT NULL
);
