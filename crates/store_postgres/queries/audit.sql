-- name: insert_audit_chain
INSERT INTO audit_chains (tenant, node, sequence, digest) VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING

-- name: lock_audit_chain
SELECT sequence, digest FROM audit_chains WHERE tenant = $1 AND node = $2 FOR UPDATE

-- name: put_audit_head
UPDATE audit_chains SET sequence = $3, digest = $4 WHERE tenant = $1 AND node = $2

-- name: insert_audit
INSERT INTO audit (tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, began, previous,
  digest)
SELECT $1, $2, u.sequence, u.at, u.who, u.who_id, u.address, u.action, u.object, u.detail, u.outcome, u.began,
  u.previous, u.digest
FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
  $11::text[], $12::bigint[], $13::bytea[], $14::bytea[])
  AS u (sequence, at, who, who_id, address, action, object, detail, outcome, began, previous, digest)

-- One that was begun and has ended is told as such.
-- name: audit_by_time
SELECT tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, began, previous, digest,
  a.outcome = 'begun' AND EXISTS
    (SELECT 1 FROM audit e WHERE e.tenant = $1 AND e.node = a.node AND e.began = a.sequence)
FROM audit a WHERE tenant = $1 AND (at, sequence, node) < ($2, $3, $4) AND at >= $5
ORDER BY at DESC, sequence DESC, node DESC LIMIT $6

-- name: audit_chain
SELECT tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, began, previous, digest
FROM audit WHERE tenant = $1 AND node = $2 AND sequence > $3 ORDER BY sequence LIMIT $4

-- name: audit_chains
SELECT tenant, node, sequence, digest, cut_sequence, cut_digest, cut_at, cut_key, cut_signature FROM audit_chains
ORDER BY tenant, node

-- name: audit_chains_of
SELECT tenant, node, sequence, digest, cut_sequence, cut_digest, cut_at, cut_key, cut_signature FROM audit_chains
WHERE tenant = $1 ORDER BY node

-- name: insert_audit_statement
INSERT INTO audit_statements (tenant, signer, number, at, heads, key, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING

-- name: audit_statements
SELECT tenant, signer, number, at, heads, key, signature FROM audit_statements
WHERE tenant = $1 AND (signer, number) > ($2, $3) ORDER BY signer, number LIMIT $4

-- name: last_audit_statement
SELECT tenant, signer, number, at, heads, key, signature FROM audit_statements
WHERE tenant = $1 AND signer = $2 ORDER BY number DESC LIMIT 1

-- name: cut_audit
UPDATE audit_chains SET cut_sequence = $3, cut_digest = $4, cut_at = $5, cut_key = $6, cut_signature = $7
WHERE tenant = $1 AND node = $2 AND coalesce(cut_sequence, 0) < $3

-- name: delete_audit
DELETE FROM audit WHERE tenant = $1 AND node = $2 AND sequence <= $3

-- name: delete_audit_statements
DELETE FROM audit_statements WHERE tenant = $1 AND at < $2
