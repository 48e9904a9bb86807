-- Requests of polls that were answered that nothing changed since the answer before.

ALTER TABLE checkpoints ADD COLUMN unmodified INTEGER NOT NULL DEFAULT 0;
