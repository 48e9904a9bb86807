-- name: bookkeeping
CREATE TABLE IF NOT EXISTS schema_migrations (
  version    bigint PRIMARY KEY,
  checksum   text NOT NULL,
  applied_at bigint NOT NULL
);
INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (0, '', 0) ON CONFLICT DO NOTHING

-- name: server
SELECT current_setting('server_encoding'), current_setting('server_version_num')::int, current_setting('server_version')

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

-- Tables of ours that hold something of which the planner has no statistics.
-- name: unknown_tables
SELECT quote_ident(c.relname) FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0
  AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant')
  AND NOT EXISTS (SELECT 1 FROM pg_stats s WHERE s.schemaname = current_schema() AND s.tablename = c.relname)
ORDER BY c.relname
