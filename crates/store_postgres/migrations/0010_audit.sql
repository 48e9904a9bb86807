-- The audit log. An entry is written once and never changed; it goes only with all before it, for its age.

-- Every field but `digest` is digested, `previous` being the digest of the entry before: domain::audit says how.
CREATE TABLE audit (
  tenant   text NOT NULL,
  node     text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0),
  at       bigint NOT NULL,
  who      text NOT NULL,
  who_id   text NOT NULL,
  address  text NOT NULL,
  action   text NOT NULL,
  object   text NOT NULL,
  detail   text NOT NULL,
  outcome  text NOT NULL CHECK (outcome IN ('begun', 'done', 'failed', 'refused')),
  began    bigint,
  previous bytea NOT NULL CHECK (length(previous) = 32),
  digest   bytea NOT NULL CHECK (length(digest) = 32),
  PRIMARY KEY (tenant, node, sequence)
);
CREATE INDEX audit_time ON audit (tenant, at, sequence, node);
CREATE INDEX audit_began ON audit (tenant, node, began) WHERE began IS NOT NULL;

-- Where each chain ends, and the last entry that was removed for its age, signed. Whoever appends locks the row, so
-- that the numbers have no gaps.
CREATE TABLE audit_chains (
  tenant        text NOT NULL,
  node          text COLLATE "C" NOT NULL,
  sequence      bigint NOT NULL,
  digest        bytea NOT NULL CHECK (length(digest) = 32),
  cut_sequence  bigint,
  cut_digest    bytea,
  cut_at        bigint,
  cut_key       text,
  cut_signature bytea,
  PRIMARY KEY (tenant, node)
);

-- What nodes say about the ends of chains; `heads` is JSON.
CREATE TABLE audit_statements (
  tenant    text NOT NULL,
  signer    text COLLATE "C" NOT NULL,
  number    bigint NOT NULL CHECK (number > 0),
  at        bigint NOT NULL,
  heads     text NOT NULL,
  key       text NOT NULL,
  signature bytea NOT NULL CHECK (length(signature) = 32),
  PRIMARY KEY (tenant, signer, number)
);
CREATE INDEX audit_statements_time ON audit_statements (tenant, at);
