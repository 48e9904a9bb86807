-- name: insert_births
INSERT INTO births (tenant, owner, first, lease_until, ended, ids, events, created_at, routes, destinations)
SELECT $1, $2, $3, $4::bigint + $5::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $6::bigint,
  repeat('0', cardinality($7::uuid[]))::bit varying, $7::uuid[], $8::uuid[], $9::bigint[], $10::text[], $11::text[]

-- name: lock_births
SELECT first FROM births
WHERE tenant = $1 AND owner = $2 AND first BETWEEN $4 AND $5 AND first = ANY ($3::bigint[]) ORDER BY first FOR UPDATE

-- Those of them that nobody is at.
-- name: lock_free_births
SELECT first FROM births
WHERE tenant = $1 AND owner = $2 AND first BETWEEN $4 AND $5 AND first = ANY ($3::bigint[]) ORDER BY first
FOR UPDATE SKIP LOCKED

-- Those that are still under these claims, which they stay until the commit.
-- name: share_births
WITH held AS (
  SELECT first, ended, ids, events FROM births
  WHERE tenant = $1 AND owner = $2 AND first BETWEEN $4 AND $5 AND first = ANY ($3::bigint[]) ORDER BY first FOR SHARE
)
SELECT b.id, b.first + b.nth, b.event
FROM (SELECT first, ended, generate_subscripts(ids, 1) - 1 AS nth, unnest(ids) AS id, unnest(events) AS event
  FROM held) AS b
WHERE get_bit(b.ended, b.nth) = 0
  AND ((b.id, b.first + b.nth) IN (SELECT unnest($6::uuid[]), unnest($7::bigint[]))) IS TRUE

-- Waits for who ends some of them: what has been ended by then is owed no more.
-- name: unfold_births
WITH held AS (
  SELECT first FROM births
  WHERE tenant = $1 AND owner = $2 AND first BETWEEN $4 AND $5 AND first = ANY ($3::bigint[]) ORDER BY first FOR UPDATE
), gone AS (
  DELETE FROM births USING held h
  WHERE births.tenant = $1 AND births.owner = $2 AND births.first BETWEEN $4 AND $5 AND births.first = h.first
  RETURNING births.owner, births.first, births.lease_until, births.ended, births.ids, births.events, births.created_at,
    births.routes, births.destinations
)
INSERT INTO open_deliveries (tenant, id, event, replay, created_at, due_at, generation, owner, lease_until, state, behind,
  backfill, attempts, tried, route, destination)
SELECT $1, b.id, b.event, '00000000-0000-0000-0000-000000000000', b.created_at, b.created_at, b.first + b.nth, b.owner,
  b.lease_until, 2, false, false, 0, 0, b.route, b.destination
FROM (SELECT owner, first, lease_until, ended, generate_subscripts(ids, 1) - 1 AS nth, unnest(ids) AS id,
    unnest(events) AS event, unnest(created_at) AS created_at, unnest(routes) AS route,
    unnest(destinations) AS destination
  FROM gone) AS b
WHERE get_bit(b.ended, b.nth) = 0

-- name: births_of
SELECT DISTINCT b.owner, b.first FROM (SELECT owner, first, unnest(ids) AS id FROM births WHERE tenant = $1) AS b
WHERE (b.id IN (SELECT unnest($2::uuid[]))) IS TRUE

-- name: born_among
SELECT id FROM born WHERE tenant = $1 AND (id IN (SELECT unnest($2::uuid[]))) IS TRUE

-- Of all tenants, in whichever state their claimers are.
-- name: all_births
SELECT tenant, owner, first FROM births

-- Of all tenants. The claims of a node hold as long as it lives; those of nobody that is known, as long as their lease.
-- name: lapsed_births
WITH t AS MATERIALIZED (
  SELECT $1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now)
SELECT b.tenant, b.owner, b.first FROM births b CROSS JOIN t LEFT JOIN nodes n ON n.owner = b.owner
WHERE coalesce(n.until, b.lease_until) <= t.now
ORDER BY b.tenant, b.owner, b.first LIMIT $3

-- Of all tenants: each is in flight.
-- name: backlog_born
SELECT tenant, destination, 2::smallint, count(*), min(created_at) FROM born GROUP BY tenant, destination
