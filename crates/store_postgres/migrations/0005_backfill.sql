-- Backfilled deliveries let all others go first, and a first scan that was broken off goes on where it was.

-- True: backfilled, and nobody who is not waits behind it. Each delivery is in one of the two indexes at most.
ALTER TABLE open_deliveries ADD COLUMN backfill boolean NOT NULL DEFAULT false;
DROP INDEX open_deliveries_due;
CREATE INDEX open_deliveries_due ON open_deliveries (tenant, destination, due_at, id)
  WHERE state IN (1, 3) AND NOT behind AND NOT backfill;
CREATE INDEX open_deliveries_due_backfill ON open_deliveries (tenant, destination, due_at, id)
  WHERE state IN (1, 3) AND NOT behind AND backfill;

-- Where a first scan goes on, as JSON of the engine; NULL where it begins with a slice.
ALTER TABLE checkpoints ADD COLUMN page text;
