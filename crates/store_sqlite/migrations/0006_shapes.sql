-- What the events of a type and the records of a stream look like.
--
-- Codes. shapes.kind: 1 the events of a type, 2 the records of a stream.

-- `shape` and `change` are JSON of domain::shape. `generation` moves with each writing.
CREATE TABLE shapes (
  tenant     INTEGER NOT NULL,
  source     INTEGER NOT NULL,
  kind       INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2),
  name       TEXT NOT NULL,
  version    INTEGER NOT NULL,
  seen       INTEGER NOT NULL,
  first_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  changed_at INTEGER,
  generation INTEGER NOT NULL,
  shape      TEXT NOT NULL,
  PRIMARY KEY (tenant, source, kind, name)
) STRICT, WITHOUT ROWID;

-- `seq` is the order in which they were found.
CREATE TABLE shape_changes (
  tenant  INTEGER NOT NULL,
  source  INTEGER NOT NULL,
  kind    INTEGER NOT NULL,
  name    TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  version INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  event   BLOB,
  change  TEXT NOT NULL,
  example TEXT NOT NULL,
  PRIMARY KEY (tenant, source, kind, name, seq)
) STRICT, WITHOUT ROWID;
