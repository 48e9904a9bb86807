-- name: begin
BEGIN IMMEDIATE

-- One snapshot for all that a read looks at.
-- name: begin_read
BEGIN

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: savepoint
SAVEPOINT part

-- name: savepoint_rollback
ROLLBACK TO part

-- name: savepoint_release
RELEASE part
