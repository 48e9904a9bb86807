-- Alerts are looked after by people, and told of through channels.

ALTER TABLE alerts ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE alerts ADD COLUMN acknowledged_by TEXT;
ALTER TABLE alerts ADD COLUMN resolved_by TEXT;
ALTER TABLE alerts ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;
-- 1: resolved, and nothing of it is to be told any more.
ALTER TABLE alerts ADD COLUMN settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1));
UPDATE alerts SET settled = 1 WHERE resolved_at IS NOT NULL;
CREATE INDEX alerts_unsettled ON alerts (tenant, kind, object) WHERE settled = 0;

-- Messages to channels. `stage`, `severity` and `state` are the words of the API.
CREATE TABLE notices (
  seq      INTEGER PRIMARY KEY,
  id       BLOB NOT NULL CHECK (length(id) = 16),
  tenant   INTEGER NOT NULL,
  cause    TEXT NOT NULL,
  alert    BLOB CHECK (length(alert) = 16),
  channel  TEXT NOT NULL,
  stage    TEXT NOT NULL CHECK (stage IN ('opened', 'worse', 'acknowledged', 'resolved', 'digest')),
  severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  state    TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'dropped')),
  made_at  INTEGER NOT NULL,
  due_at   INTEGER NOT NULL,
  tries    INTEGER NOT NULL,
  ended_at INTEGER,
  problem  TEXT NOT NULL,
  closed   INTEGER NOT NULL CHECK (closed IN (0, 1)),
  CHECK ((state = 'waiting') = (ended_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX notices_id ON notices (id);
CREATE UNIQUE INDEX notices_of_cause ON notices (tenant, cause, stage, channel) WHERE closed = 0;
CREATE INDEX notices_due ON notices (tenant, channel, due_at) WHERE state = 'waiting';
CREATE INDEX notices_tenant ON notices (tenant);
