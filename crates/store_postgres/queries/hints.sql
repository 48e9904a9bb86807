-- name: notify
SELECT pg_notify('trireme_hints', u.text) FROM unnest($1::text[]) AS u (text)

-- name: listen
LISTEN trireme_hints
