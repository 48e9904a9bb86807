-- name: bookkeeping
CREATE TABLE IF NOT EXISTS schema_migrations (
  version    bigint PRIMARY KEY,
  checksum   text NOT NULL,
  applied_at bigint NOT NULL
);
INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (0, '', 0) ON CONFLICT DO NOTHING

-- name: encoding
SELECT current_setting('server_encoding')

-- name: has_bookkeeping
SELECT to_regclass('schema_migrations') IS NOT NULL

-- Row 0 stands for the schema as a whole.
-- name: lock_schema
SELECT version FROM schema_migrations WHERE version = 0 FOR UPDATE

-- name: applied_migrations
SELECT version, checksum FROM schema_migrations WHERE version > 0 ORDER BY version

-- name: note_migration
INSERT INTO schema_migrations (version, checksum, applied_at) VALUES ($1, $2, $3)

-- Whether what is written would be kept: a standby or a database that is shutting down says no.
-- name: ping
SELECT pg_is_in_recovery()

-- name: database_bytes
SELECT pg_database_size(current_database())

-- name: new_instance
SELECT gen_random_uuid()
