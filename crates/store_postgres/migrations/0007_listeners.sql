-- Listeners: named places in the order of acceptance, for programs that fetch events themselves.

CREATE TABLE listeners (
  tenant     text NOT NULL,
  name       text NOT NULL,
  filter     text NOT NULL,           -- JSON
  position   text NOT NULL,
  generation bigint NOT NULL CHECK (generation > 0),
  created_at bigint NOT NULL,
  seen_at    bigint NOT NULL,
  PRIMARY KEY (tenant, name)
);
