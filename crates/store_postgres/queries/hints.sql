-- name: notify_due
SELECT pg_notify('trireme_due', u.text) FROM unnest($1::text[]) AS u (text)

-- name: listen_due
LISTEN trireme_due
