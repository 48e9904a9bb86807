-- Figures of what waits: figures.series 5. A CHECK cannot be changed, so the table is made anew.
CREATE TABLE figures_of_five (
  tenant    INTEGER NOT NULL,
  series    INTEGER NOT NULL CHECK (series BETWEEN 1 AND 5),
  step      INTEGER NOT NULL CHECK (step BETWEEN 1 AND 2),
  at        INTEGER NOT NULL,
  object    INTEGER NOT NULL,
  count     INTEGER NOT NULL CHECK (count >= 0),
  failed    INTEGER NOT NULL CHECK (failed >= 0),
  latencies BLOB NOT NULL,
  PRIMARY KEY (tenant, series, step, at, object)
) STRICT, WITHOUT ROWID;
INSERT INTO figures_of_five SELECT tenant, series, step, at, object, count, failed, latencies FROM figures;
DROP TABLE figures;
ALTER TABLE figures_of_five RENAME TO figures;
