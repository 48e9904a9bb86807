-- The records that were fetched for a delivery, for people.
ALTER TABLE prepared ADD COLUMN enriched BLOB;
