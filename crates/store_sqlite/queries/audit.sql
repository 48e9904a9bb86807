-- name: insert_audit
INSERT INTO audit (tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, began, previous,
  digest)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)

-- name: audit_head
SELECT sequence, digest FROM audit_chains WHERE tenant = ?1 AND node = ?2

-- name: put_audit_head
INSERT INTO audit_chains (tenant, node, sequence, digest) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest

-- One that was begun and has ended is told as such.
-- name: audit_by_time
SELECT tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, began, previous, digest,
  a.outcome = 'begun' AND EXISTS
    (SELECT 1 FROM audit e INDEXED BY audit_began WHERE e.tenant = a.tenant AND e.node = a.node AND e.began = a.sequence)
FROM audit a INDEXED BY audit_time
WHERE tenant = ?1 AND (at, sequence, node) < (?2, ?3, ?4) AND at >= ?5
ORDER BY at DESC, sequence DESC, node DESC

-- name: audit_chain
SELECT tenant, node, sequence, at, who, who_id, address, action, object, detail, outcome, began, previous, digest
FROM audit WHERE tenant = ?1 AND node = ?2 AND sequence > ?3 ORDER BY sequence LIMIT ?4

-- name: audit_chains
SELECT tenant, node, sequence, digest, cut_sequence, cut_digest, cut_at, cut_key, cut_signature FROM audit_chains
ORDER BY tenant, node

-- name: audit_chains_of
SELECT tenant, node, sequence, digest, cut_sequence, cut_digest, cut_at, cut_key, cut_signature FROM audit_chains
WHERE tenant = ?1 ORDER BY node

-- name: insert_audit_statement
INSERT INTO audit_statements (tenant, signer, number, at, heads, key, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING

-- name: audit_statements
SELECT tenant, signer, number, at, heads, key, signature FROM audit_statements
WHERE tenant = ?1 AND (signer, number) > (?2, ?3) ORDER BY signer, number LIMIT ?4

-- name: last_audit_statement
SELECT tenant, signer, number, at, heads, key, signature FROM audit_statements
WHERE tenant = ?1 AND signer = ?2 ORDER BY number DESC LIMIT 1

-- name: cut_audit
UPDATE audit_chains SET cut_sequence = ?3, cut_digest = ?4, cut_at = ?5, cut_key = ?6, cut_signature = ?7
WHERE tenant = ?1 AND node = ?2 AND coalesce(cut_sequence, 0) < ?3

-- name: delete_audit
DELETE FROM audit WHERE tenant = ?1 AND node = ?2 AND sequence <= ?3

-- name: delete_audit_statements
DELETE FROM audit_statements WHERE tenant = ?1 AND at < ?2
