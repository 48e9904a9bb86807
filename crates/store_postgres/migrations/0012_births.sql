-- Deliveries that were claimed as they were made: those of one transaction and one claimer in one row, for as long as one of
-- them is under way for the first time. They are in no lane. The n-th, from 0, is claimed under the generation `first` + n,
-- and owed no more once its bit in `ended` is set. Who has anything else to do with one than to end it unfolds the row
-- first: makes open deliveries of what is left of it.
CREATE TABLE births (
  tenant       text NOT NULL,
  owner        bigint NOT NULL,
  first        bigint NOT NULL,
  lease_until  bigint NOT NULL,
  ended        bit varying NOT NULL,
  ids          uuid[] NOT NULL,
  events       uuid[] NOT NULL,
  created_at   bigint[] NOT NULL,
  routes       text[] NOT NULL,
  destinations text[] NOT NULL,
  PRIMARY KEY (tenant, owner, first)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_scale_factor = 0.01,
        toast.autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_cost_delay = 0);
-- They live for milliseconds: not worth compressing.
ALTER TABLE births ALTER ids SET STORAGE EXTERNAL, ALTER events SET STORAGE EXTERNAL,
  ALTER created_at SET STORAGE EXTERNAL, ALTER routes SET STORAGE EXTERNAL, ALTER destinations SET STORAGE EXTERNAL;

-- Those of them that are still owed, one by one.
CREATE VIEW born AS
  SELECT b.tenant, b.id, b.event, b.created_at, b.owner, b.route, b.destination
  FROM (SELECT tenant, owner, ended, generate_subscripts(ids, 1) - 1 AS nth, unnest(ids) AS id, unnest(events) AS event,
      unnest(created_at) AS created_at, unnest(routes) AS route, unnest(destinations) AS destination
    FROM births) AS b
  WHERE get_bit(b.ended, b.nth) = 0;

-- All that is owed, however it is kept.
CREATE VIEW owed AS
  SELECT tenant, id, event, replay, state, created_at, route, destination, cause_code FROM open_deliveries
  UNION ALL
  SELECT tenant, id, event, '00000000-0000-0000-0000-000000000000'::uuid, 2::smallint, created_at, route, destination, NULL
  FROM born;

ALTER VIEW deliveries RENAME TO kept_deliveries;
CREATE VIEW deliveries AS
  SELECT tenant, id, event, replay, state, attempts, created_at, due_at, finished_at, behind, route, destination,
    cause_code, cause_detail
  FROM kept_deliveries
  UNION ALL
  SELECT tenant, id, event, '00000000-0000-0000-0000-000000000000'::uuid, 2::smallint, 0, created_at, created_at, NULL,
    false, route, destination, NULL, NULL
  FROM born;
