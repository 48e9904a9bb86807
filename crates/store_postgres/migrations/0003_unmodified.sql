-- Requests of polls that were answered that nothing changed since the answer before.

ALTER TABLE checkpoints ADD COLUMN unmodified bigint NOT NULL DEFAULT 0;
