-- Listeners: named places in the order of acceptance, for programs that fetch events themselves.

CREATE TABLE listeners (
  tenant     TEXT NOT NULL,
  name       TEXT NOT NULL,
  filter     TEXT NOT NULL,           -- JSON
  position   TEXT NOT NULL,
  generation INTEGER NOT NULL CHECK (generation > 0),
  created_at INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL,
  PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
