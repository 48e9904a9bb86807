-- Backfilled deliveries let all others go first, and a first scan that was broken off goes on where it was.

-- 1: backfilled, and nobody who is not waits behind it; NULL otherwise. Each delivery is in one of the two indexes at
-- most, and one that was claimed at birth in none: live ones pay a byte for this, and nothing else.
ALTER TABLE deliveries ADD COLUMN backfill INTEGER CHECK (backfill = 1);
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (tenant, destination, due_at)
  WHERE state IN (3, 4) AND due_at < 9223372036854775807 AND backfill IS NULL;
CREATE INDEX deliveries_due_backfill ON deliveries (tenant, destination, due_at)
  WHERE state IN (3, 4) AND due_at < 9223372036854775807 AND backfill = 1;

-- Where a first scan goes on, as JSON of the engine; NULL where it begins with a slice.
ALTER TABLE checkpoints ADD COLUMN page TEXT;
