//! How each table that is copied is kept here: where its columns come from and go to, and the order of its rows.
//!
//! The texts are put together from the list of columns that both stores share, so that a column which is added there
//! is read and written here, or fails a test.

use store::copying::table::Table;

/// One table of the schema, as it is read and written.
pub(super) struct Shape {
    table: &'static str,
    /// What its rows are joined with to be read.
    joined: &'static str,
    filter: &'static str,
    /// What orders the rows; an index serves it.
    key: &'static [&'static str],
    /// Columns that are read as something else than their name.
    read: &'static [(&'static str, &'static str)],
    /// Columns that are written as something else than their value; those with an empty text are not written, and
    /// those that are nobody's columns are constants.
    written: &'static [(&'static str, &'static str)],
}

const BARE: Shape = Shape { table: "", joined: "", filter: "TRUE", key: &["seq"], read: &[], written: &[] };

const OF_EVENT: &str = "(SELECT seq FROM events WHERE tenant = :tenant AND id = :event)";
const OF_DELIVERY: &str = "(SELECT seq FROM deliveries WHERE tenant = :tenant AND id = :delivery)";
const WITH_DELIVERY: &str = "CROSS JOIN deliveries d ON d.seq = t.delivery CROSS JOIN events e ON e.seq = d.event";
const WITH_EVENT: &str = "CROSS JOIN events e ON e.seq = t.event";

/// The state as both stores know it: what was claimed at birth is pending.
const STATE: &str = "CASE WHEN t.state <= 3 THEN 1 ELSE t.state - 1 END";
const STATE_WRITTEN: &str = "CASE :state WHEN 1 THEN 3 ELSE :state + 1 END";
/// Replays that retention has forgotten are known by their number, below zero.
const REPLAY: &str = "CASE WHEN t.replay = 0 THEN NULL \
    ELSE coalesce(r.id, unhex('0000000000000000' || format('%016x', -abs(t.replay)))) END";
const HEAD: &str = "coalesce(l.head = t.seq AND t.state IN (2, 3, 4, 5, 8), FALSE)";
/// One that was forgotten is made anew, for the subject of the event, should a person retry the delivery.
const LANE: &str = "CASE WHEN t.lane IS NOT NULL THEN coalesce(l.lane, (SELECT name FROM names WHERE id = e.source) || \
    '/' || (SELECT name FROM names WHERE id = e.connection) || '/' || e.subject) END";
const WITH_ALL: &str = "CROSS JOIN events e ON e.seq = t.event \
    LEFT JOIN lanes l ON l.id = t.lane LEFT JOIN replays r ON r.seq = t.replay";

const DELIVERIES: Shape = Shape {
    table: "deliveries",
    joined: WITH_ALL,
    read: &[
        ("event", "e.id"),
        ("replay", REPLAY),
        ("state", STATE),
        ("lane", LANE),
        ("place", "t.seq"),
        ("backfill", "t.backfill IS NOT NULL"),
        ("head", HEAD),
    ],
    written: &[
        ("seq", ":number"),
        ("event", OF_EVENT),
        ("replay", ":replay_number"),
        ("state", STATE_WRITTEN),
        ("lane", ":lane_number"),
        ("place", ""),
        ("head", ""),
        ("backfill", "CASE :backfill WHEN 1 THEN 1 END"),
    ],
    ..BARE
};

/// A plain table without a number of its own.
const fn keyed(table: &'static str, key: &'static [&'static str]) -> Shape {
    Shape { table, key, ..BARE }
}

pub(super) fn shape(table: Table) -> Shape {
    match table {
        Table::Settings => {
            Shape { filter: "t.name NOT IN ('copy_unfinished', 'copied_as')", ..keyed("settings", &["name"]) }
        }
        Table::ApiKeys => keyed("api_keys", &["id"]),
        Table::Objects => keyed("objects", &["tenant", "kind", "name"]),
        Table::Destinations => keyed("destinations", &["tenant", "destination"]),
        Table::Events => Shape {
            table: "events",
            read: &[("request", "CASE WHEN length(t.request) = 0 THEN t.id ELSE t.request END")],
            written: &[("request", "CASE WHEN :request = :id THEN x'' ELSE :request END")],
            ..BARE
        },
        Table::Sightings => Shape {
            joined: WITH_EVENT,
            read: &[("tenant", "e.tenant"), ("event", "e.id")],
            written: &[("tenant", ""), ("event", OF_EVENT)],
            ..keyed("sightings", &["event", "path"])
        },
        Table::Identities => keyed("identities", &["tenant", "digest"]),
        Table::Subjects => keyed("subjects", &["tenant", "source", "connection", "subject"]),
        Table::Replays => keyed("replays", BARE.key),
        Table::Lanes => Shape {
            read: &[("last", "coalesce((SELECT max(seq) FROM deliveries), 0)")],
            written: &[("last", "")],
            ..keyed("lanes", &["id"])
        },
        Table::EndedDeliveries => Shape { filter: "t.state >= 6", ..DELIVERIES },
        Table::OpenDeliveries => Shape { filter: "t.state < 6 AND t.due_at < 9223372036854775807", ..DELIVERIES },
        Table::WaitingDeliveries => Shape {
            filter: "t.due_at = 9223372036854775807",
            key: &["lane", "seq"],
            written: &[
                ("seq", ":number"),
                ("event", OF_EVENT),
                ("replay", ":replay_number"),
                ("state", STATE_WRITTEN),
                ("lane", ":lane_number"),
                ("place", ""),
                ("backfill", "CASE :backfill WHEN 1 THEN 1 END"),
                ("due_at", "9223372036854775807"),
            ],
            ..DELIVERIES
        },
        Table::Attempts => Shape {
            joined: WITH_DELIVERY,
            read: &[("tenant", "d.tenant"), ("event", "e.id"), ("delivery", "d.id")],
            written: &[("tenant", ""), ("event", ""), ("delivery", OF_DELIVERY)],
            ..keyed("attempts", &["delivery", "number"])
        },
        Table::Prepared => Shape {
            joined: WITH_DELIVERY,
            read: &[("tenant", "d.tenant"), ("event", "e.id"), ("delivery", "d.id")],
            written: &[("tenant", ""), ("event", ""), ("delivery", OF_DELIVERY)],
            ..keyed("prepared", &["delivery"])
        },
        Table::Requests => keyed("requests", BARE.key),
        // What was being worked on ended with its process.
        Table::Idempotency => Shape { filter: "t.status IS NOT NULL", ..keyed("idempotency", &["tenant", "key"]) },
        Table::Alerts => keyed("alerts", BARE.key),
        Table::Notices => keyed("notices", BARE.key),
        Table::Checkpoints => Shape {
            written: &[("lease_until", "0")],
            ..keyed("checkpoints", &["tenant", "source", "connection", "stream"])
        },
        Table::Absent => keyed("absent", &["tenant", "source", "connection", "stream", "subject"]),
        Table::Runs => keyed("runs", BARE.key),
        Table::Gaps => Shape { read: &[("nth", "t.seq")], written: &[("nth", "")], ..keyed("gaps", BARE.key) },
        Table::Budgets => keyed("budgets", &["tenant", "scope"]),
        Table::Calls => Shape { read: &[("ended", "t.seq")], written: &[("ended", "")], ..keyed("calls", BARE.key) },
        Table::Figures => keyed("figures", &["tenant", "series", "step", "at", "object"]),
        Table::Shapes => keyed("shapes", &["tenant", "source", "kind", "name"]),
        Table::ShapeChanges => keyed("shape_changes", &["tenant", "source", "kind", "name", "seq"]),
        Table::Listeners => keyed("listeners", &["tenant", "name"]),
        Table::Audit => keyed("audit", &["tenant", "node", "sequence"]),
        Table::AuditChains => keyed("audit_chains", &["tenant", "node"]),
        Table::AuditStatements => keyed("audit_statements", &["tenant", "signer", "number"]),
    }
}

fn exception(of: &[(&'static str, &'static str)], column: &str) -> Option<&'static str> {
    of.iter().find(|(name, _)| *name == column).map(|(_, text)| *text)
}

impl Shape {
    /// Columns of the key, behind those of the row.
    pub(super) fn key_columns(&self) -> usize {
        self.key.len()
    }

    /// Every row behind a key of so many values, in order.
    pub(super) fn select(&self, table: Table, after: bool) -> String {
        let own = |column: &&str| format!("t.{column}");
        let columns = table.columns().iter().map(|column| match exception(self.read, column.name) {
            Some(text) => text.to_owned(),
            None => own(&column.name),
        });
        let key: Vec<String> = self.key.iter().map(own).collect();
        let key = key.join(", ");
        let columns: Vec<String> = columns.collect();
        let behind = if after {
            let marks: Vec<String> = (1..=self.key.len()).map(|nth| format!("?{nth}")).collect();
            format!(" AND ({key}) > ({})", marks.join(", "))
        } else {
            String::new()
        };
        let (columns, own, joined, filter) = (columns.join(", "), self.table, self.joined, self.filter);
        format!("SELECT {columns}, {key} FROM {own} t {joined} WHERE {filter}{behind} ORDER BY {key}")
    }

    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM {} t WHERE {}", self.table, self.filter)
    }

    /// Writes one row, each value under the name of its column.
    pub(super) fn insert(&self, table: Table) -> String {
        let mut names = Vec::new();
        let mut values = Vec::new();
        for column in table.columns() {
            match exception(self.written, column.name) {
                Some("") => {}
                Some(text) => {
                    names.push(column.name);
                    values.push(text.to_owned());
                }
                None => {
                    names.push(column.name);
                    values.push(format!(":{}", column.name));
                }
            }
        }
        for (name, text) in self.written.iter().filter(|(name, _)| table.at(name).is_none()) {
            names.push(name);
            values.push((*text).to_owned());
        }
        format!("INSERT INTO {} ({}) VALUES ({})", self.table, names.join(", "), values.join(", "))
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &'static str {
        self.table
    }
}

#[cfg(test)]
mod tests;
