//! Statements about a partition, whose name is not known before: put together here and nowhere else, so that a test can look
//! at all of them.

/// The next events of a partition that may be old enough. Only looked for, because no distributed database locks what it
/// finds among all tenants.
pub(super) fn old_events(table: &str) -> String {
    format!(
        "SELECT tenant, id, received_at FROM {table} \
         WHERE received_at < $1 AND (received_at, id) > ($2, $3) \
         ORDER BY received_at, id LIMIT $4"
    )
}

/// Those of one tenant that are still there and that nobody else is at.
pub(super) fn lock_events(table: &str) -> String {
    format!("SELECT id FROM {table} WHERE tenant = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE SKIP LOCKED")
}

/// Lanes that stand still for a dead delivery of these events of a tenant.
pub(super) fn blocked_lanes(ended: &str) -> String {
    format!(
        "SELECT l.destination, l.lane FROM lanes l JOIN {ended} d ON d.tenant = $1 AND d.id = l.head \
         WHERE l.tenant = $1 AND l.blocked AND d.event = ANY ($2)"
    )
}

/// Events of which a dead delivery stops a lane. Of all tenants.
pub(super) fn blocking_events(ended: &str) -> String {
    format!(
        "SELECT l.tenant, d.event FROM lanes l JOIN {ended} d ON d.tenant = l.tenant AND d.id = l.head \
         WHERE l.blocked"
    )
}

/// Whether one of these ids lies in a table. Of all tenants.
pub(super) fn has_ids(table: &str, id: &str) -> String {
    format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {id} >= $1 AND {id} < $2)")
}

/// Of all tenants.
pub(super) fn count_rows(table: &str) -> String {
    format!("SELECT count(*) FROM {table}")
}

pub(super) fn bytes_of_events(events: &str) -> String {
    format!(
        "SELECT coalesce(sum(octet_length(head) + octet_length(payload)), 0)::bigint FROM {events} \
         WHERE tenant = $1 AND id = ANY ($2)"
    )
}

/// What has to stay of a span, found from the few that are open or dead, not from the many that are neither. Of all tenants.
pub(super) fn staying(suffix: &str) -> String {
    format!(
        "SELECT t.tenant, s.event FROM tenants t CROSS JOIN LATERAL ( \
           SELECT event FROM open_deliveries WHERE tenant = t.tenant AND event >= $1 AND event < $2 \
           UNION SELECT event FROM born WHERE tenant = t.tenant AND event >= $1 AND event < $2 \
           UNION SELECT event FROM ended_deliveries_{suffix} \
             WHERE tenant = t.tenant AND state = 7 AND finished_at >= $3 \
           UNION SELECT id FROM events_{suffix} WHERE tenant = t.tenant AND received_at >= $4) AS s LIMIT $5"
    )
}

pub(super) fn carry(table: &str, suffix: &str, id: &str) -> String {
    format!("INSERT INTO {table} SELECT * FROM {table}_{suffix} WHERE tenant = $1 AND {id} = ANY ($2)")
}

/// The highest number of each tenant, where its floor is lower. Of all tenants.
pub(super) fn low_floors(events: &str) -> String {
    format!(
        "SELECT o.tenant, o.seq FROM (SELECT t.tenant, t.floor, (SELECT max(e.seq) FROM {events} e \
         WHERE e.tenant = t.tenant) AS seq FROM tenants t) AS o WHERE o.floor < o.seq ORDER BY o.tenant"
    )
}

/// All of them, about partitions that are always there; those about one tenant first.
#[cfg(test)]
pub(crate) fn all() -> (Vec<String>, Vec<String>) {
    let (events, ended) = (super::span::REST, "ended_deliveries_rest");
    let tables = || super::span::TABLES.into_iter();
    let mut of_one = vec![lock_events(events), blocked_lanes(ended), bytes_of_events(events)];
    of_one.extend(tables().map(|(table, id)| carry(table, "rest", id)));
    let mut among_all = vec![old_events(events), blocking_events(ended), staying("rest"), low_floors(events)];
    among_all.extend(tables().map(|(table, id)| has_ids(&format!("{table}_rest"), id)));
    among_all.extend([events, ended].map(count_rows));
    (of_one, among_all)
}
