-- What the events of a type and the records of a stream look like.
--
-- Codes. shapes.kind: 1 the events of a type, 2 the records of a stream.

-- `shape` and `change` are JSON of domain::shape. `generation` moves with each writing.
CREATE TABLE shapes (
  tenant     text NOT NULL,
  source     text NOT NULL,
  kind       smallint NOT NULL CHECK (kind BETWEEN 1 AND 2),
  name       text COLLATE "C" NOT NULL,
  version    integer NOT NULL,
  seen       bigint NOT NULL,
  first_at   bigint NOT NULL,
  last_at    bigint NOT NULL,
  changed_at bigint,
  generation bigint NOT NULL,
  shape      text NOT NULL,
  PRIMARY KEY (tenant, source, kind, name)
) WITH (fillfactor = 70);

-- `seq` is the order in which they were found.
CREATE TABLE shape_changes (
  tenant  text NOT NULL,
  source  text NOT NULL,
  kind    smallint NOT NULL,
  name    text COLLATE "C" NOT NULL,
  seq     bigint NOT NULL,
  version integer NOT NULL,
  at      bigint NOT NULL,
  event   uuid,
  change  text NOT NULL,
  example text NOT NULL,
  PRIMARY KEY (tenant, source, kind, name, seq)
);
