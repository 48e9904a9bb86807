-- The time that judges leases is one number, and another as often as the database's clock counts: once or never. No CASE or
-- COALESCE, and no function that is VOLATILE: distributed databases refuse both where they change rows.
-- name: beat
INSERT INTO nodes (owner, name, address, version, started_at, wanted, leaving, beat_at, until)
SELECT $1, $2, $3, $4, $5, $6, $7, t.now, t.now + $10::bigint
FROM (SELECT $8::bigint + $9::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now) AS t
ON CONFLICT (owner) DO UPDATE SET name = excluded.name, address = excluded.address, version = excluded.version,
  wanted = excluded.wanted, leaving = excluded.leaving, beat_at = excluded.beat_at, until = excluded.until

-- Those with charges stay until somebody takes them. Of all tenants.
-- name: gone_nodes
SELECT n.owner FROM nodes n
WHERE n.until <= $1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - $3::bigint
  AND NOT EXISTS (SELECT 1 FROM charges c WHERE c.owner = n.owner)

-- Apart from how they are found: no distributed database deletes from a table that each of its servers has by what lies
-- in one that is spread over them.
-- name: forget_nodes
DELETE FROM nodes
WHERE owner = ANY ($4::bigint[])
  AND until <= $1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - $3::bigint

-- name: nodes
SELECT owner, name, address, version, started_at, wanted, leaving, beat_at,
  until - ($1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint)
FROM nodes ORDER BY started_at, owner

-- name: counters
SELECT name, value FROM counters

-- name: counter
SELECT value FROM counters WHERE name = $1

-- name: count_up
UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value

-- Whoever had to wait for the row looks at its value again.
-- name: count_up_from
UPDATE counters SET value = value + 1 WHERE name = $1 AND value = $2

-- Of all tenants.
-- name: charges
SELECT tenant, kind, name, owner, generation FROM charges

-- Locked, so that none of those whose lease is over beats again before what it had has changed hands.
-- name: lock_lapsed_nodes
SELECT owner FROM nodes
WHERE until <= $1::bigint + $2::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint
ORDER BY owner FOR SHARE

-- name: lock_living_node
SELECT owner FROM nodes
WHERE owner = $1
  AND until > $2::bigint + $3::bigint * (extract(epoch FROM statement_timestamp()) * 1000000)::bigint
FOR SHARE

-- Takes what has no owner, and what the nodes in $5 had.
-- name: take_charges
WITH free AS (
  SELECT u.kind, u.name FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u (kind, name, nth)
  WHERE NOT EXISTS (SELECT 1 FROM charges c
    WHERE c.tenant = $1 AND c.kind = u.kind AND c.name = u.name AND c.owner <> ALL ($5::bigint[]))
  ORDER BY u.nth LIMIT $7)
INSERT INTO charges (tenant, kind, name, owner, generation)
SELECT $1, free.kind, free.name, $4, $6 FROM free
ON CONFLICT (tenant, kind, name) DO UPDATE SET owner = excluded.owner, generation = excluded.generation
  WHERE charges.owner = ANY ($5::bigint[])
RETURNING kind, name

-- name: leave_charges
DELETE FROM charges USING unnest($2::text[], $3::text[]) AS u (kind, name)
WHERE charges.tenant = $1 AND charges.kind = u.kind AND charges.name = u.name AND charges.owner = $4

-- name: leave_all_charges
DELETE FROM charges WHERE tenant = $1 AND owner = $2

-- Of all tenants.
-- name: tenants_in_charge
SELECT DISTINCT tenant FROM charges WHERE owner = $1

-- name: forget_node
DELETE FROM nodes WHERE owner = $1

-- name: own_claims
SELECT id FROM born WHERE tenant = $1 AND owner = $3 AND (id IN (SELECT unnest($2::uuid[]))) IS TRUE
UNION ALL
SELECT id FROM open_deliveries WHERE tenant = $1 AND id = ANY ($2::uuid[]) AND state = 2 AND owner = $3
