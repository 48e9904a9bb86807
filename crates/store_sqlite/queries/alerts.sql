-- name: count_alert
UPDATE alerts SET last_at = max(last_at, ?4), count = count + ?5, detail = ?6
WHERE tenant = ?1 AND kind = ?2 AND object = ?3 AND resolved_at IS NULL

-- name: open_alert
INSERT INTO alerts (id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)

-- Of this kind and object there is one at most: the newest, unless a person resolved it.
-- name: reopen_alert
UPDATE alerts SET resolved_at = NULL, reopened = reopened + 1, last_at = max(last_at, ?4), count = count + ?5, detail = ?6
WHERE seq = (SELECT max(seq) FROM alerts WHERE tenant = ?1 AND kind = ?2 AND object = ?3 AND settled = 0)
  AND resolved_by IS NULL

-- name: resolve_alert
UPDATE alerts SET resolved_at = ?4, resolved_by = ?5
WHERE tenant = ?1 AND kind = ?2 AND object = ?3 AND resolved_at IS NULL

-- name: acknowledge_alert
UPDATE alerts SET acknowledged_at = coalesce(acknowledged_at, ?3), acknowledged_by = coalesce(acknowledged_by, ?4)
WHERE tenant = ?1 AND id = ?2 AND resolved_at IS NULL

-- name: open_alert_by_id
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM alerts
WHERE tenant = ?1 AND id = ?2 AND resolved_at IS NULL

-- name: unsettled_alerts
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM alerts INDEXED BY alerts_unsettled
WHERE settled = 0

-- name: settle_alert
UPDATE alerts SET settled = 1 WHERE tenant = ?1 AND id = ?2 AND settled = 0 AND resolved_at IS NOT NULL

-- name: alerts
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened, seq FROM alerts
WHERE tenant = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3

-- The few that are open are not looked for among all that there ever was.
-- name: open_alerts_of
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened, seq FROM alerts INDEXED BY alerts_open
WHERE tenant = ?1 AND resolved_at IS NULL AND seq < ?2 ORDER BY seq DESC LIMIT ?3

-- name: open_alerts
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM alerts INDEXED BY alerts_open
WHERE resolved_at IS NULL ORDER BY tenant, kind, object
