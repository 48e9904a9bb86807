-- The audit log. An entry is written once and never changed; it goes only with all before it, for its age.

-- Every field but `digest` is digested, `previous` being the digest of the entry before: domain::audit says how.
CREATE TABLE audit (
  tenant   TEXT NOT NULL,
  node     TEXT NOT NULL,
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  at       INTEGER NOT NULL,
  who      TEXT NOT NULL,
  who_id   TEXT NOT NULL,
  address  TEXT NOT NULL,
  action   TEXT NOT NULL,
  object   TEXT NOT NULL,
  detail   TEXT NOT NULL,
  outcome  TEXT NOT NULL CHECK (outcome IN ('begun', 'done', 'failed', 'refused')),
  began    INTEGER,
  previous BLOB NOT NULL CHECK (length(previous) = 32),
  digest   BLOB NOT NULL CHECK (length(digest) = 32),
  PRIMARY KEY (tenant, node, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_time ON audit (tenant, at, sequence, node);
CREATE INDEX audit_began ON audit (tenant, node, began) WHERE began IS NOT NULL;

-- Where each chain ends, and the last entry that was removed for its age, signed.
CREATE TABLE audit_chains (
  tenant        TEXT NOT NULL,
  node          TEXT NOT NULL,
  sequence      INTEGER NOT NULL,
  digest        BLOB NOT NULL CHECK (length(digest) = 32),
  cut_sequence  INTEGER,
  cut_digest    BLOB,
  cut_at        INTEGER,
  cut_key       TEXT,
  cut_signature BLOB,
  PRIMARY KEY (tenant, node)
) STRICT, WITHOUT ROWID;

-- What nodes say about the ends of chains; `heads` is JSON.
CREATE TABLE audit_statements (
  tenant    TEXT NOT NULL,
  signer    TEXT NOT NULL,
  number    INTEGER NOT NULL CHECK (number > 0),
  at        INTEGER NOT NULL,
  heads     TEXT NOT NULL,
  key       TEXT NOT NULL,
  signature BLOB NOT NULL CHECK (length(signature) = 32),
  PRIMARY KEY (tenant, signer, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_statements_time ON audit_statements (tenant, at);
