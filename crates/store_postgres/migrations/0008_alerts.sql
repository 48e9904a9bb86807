-- Alerts are looked after by people, and told of through channels.

ALTER TABLE alerts ADD COLUMN acknowledged_at bigint;
ALTER TABLE alerts ADD COLUMN acknowledged_by text;
ALTER TABLE alerts ADD COLUMN resolved_by text;
ALTER TABLE alerts ADD COLUMN reopened integer NOT NULL DEFAULT 0;
-- True: resolved, and nothing of it is to be told any more.
ALTER TABLE alerts ADD COLUMN settled boolean NOT NULL DEFAULT false;
UPDATE alerts SET settled = true WHERE resolved_at IS NOT NULL;
CREATE INDEX alerts_unsettled ON alerts (tenant, kind, object) WHERE NOT settled;

-- Messages to channels. `stage`, `severity` and `state` are the words of the API.
CREATE TABLE notices (
  tenant   text NOT NULL,
  id       uuid NOT NULL,
  cause    text NOT NULL,
  alert    uuid,
  channel  text NOT NULL,
  stage    text NOT NULL CHECK (stage IN ('opened', 'worse', 'acknowledged', 'resolved', 'digest')),
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  state    text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'dropped')),
  made_at  bigint NOT NULL,
  due_at   bigint NOT NULL,
  tries    integer NOT NULL,
  ended_at bigint,
  problem  text NOT NULL,
  closed   boolean NOT NULL,
  PRIMARY KEY (tenant, id),
  CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX notices_of_cause ON notices (tenant, cause, stage, channel) WHERE NOT closed;
CREATE INDEX notices_due ON notices (tenant, channel, due_at) WHERE state = 'waiting';
CREATE INDEX notices_newest ON notices (tenant, made_at, id);
