//! How each table that is copied is kept here: where its columns come from and go to, and the order of its rows.
//!
//! The texts are put together from the list of columns that both stores share, so that a column which is added there
//! is read and written here, or fails a test.

use store::copying::PAGE_ROWS;
use store::copying::table::{Of, Table};

/// One table of the schema, as it is read and written.
pub(super) struct Shape {
    pub(super) table: &'static str,
    /// What its rows are joined with to be read.
    joined: &'static str,
    filter: &'static str,
    /// What orders the rows; an index serves it.
    pub(super) key: &'static [(&'static str, Of)],
    /// Columns that are read as something else than their name.
    read: &'static [(&'static str, &'static str)],
    /// Columns that are written as something else than their value; those with an empty text are not written, and
    /// those that are nobody's columns are constants.
    written: &'static [(&'static str, &'static str)],
    /// A single row may be as large as a request: a page is measured before it is read.
    pub(super) heavy: bool,
    /// Where more of its rows are read from, in the same order.
    also: Option<&'static Self>,
}

const BARE: Shape =
    Shape { table: "", joined: "", filter: "TRUE", key: &[], read: &[], written: &[], heavy: false, also: None };

const TENANT: (&str, Of) = ("tenant", Of::Name);
const SOURCE: (&str, Of) = ("source", Of::Name);
const CONNECTION: (&str, Of) = ("connection", Of::Name);
const DESTINATION: (&str, Of) = ("destination", Of::Name);
const ID: (&str, Of) = ("id", Of::Uuid);
const EVENT: (&str, Of) = ("event", Of::Uuid);
const DELIVERY: (&str, Of) = ("delivery", Of::Uuid);
const SUBJECT: (&str, Of) = ("subject", Of::Text);
const STREAM: (&str, Of) = ("stream", Of::Text);
const KIND: (&str, Of) = ("kind", Of::Int);
const NAME: (&str, Of) = ("name", Of::Text);

const WITH_LANE: &str = "LEFT JOIN replays r ON r.tenant = t.tenant AND r.id = t.replay \
    LEFT JOIN lanes l ON l.tenant = t.tenant AND l.destination = t.destination AND l.lane = t.lane";
/// Of a replay that retention has forgotten both stores know only the end of its id.
const REPLAY: &str = "CASE WHEN t.replay = '00000000-0000-0000-0000-000000000000' THEN NULL \
    WHEN r.id IS NOT NULL THEN t.replay \
    ELSE ('0000000000000000' || right(replace(t.replay::text, '-', ''), 16))::uuid END";
const REPLAY_WRITTEN: &str = "coalesce(u.replay, '00000000-0000-0000-0000-000000000000')";
/// A claim ends with its process.
const STATE: &str = "CASE t.state WHEN 2 THEN CASE t.attempts WHEN 0 THEN 1 ELSE 3 END ELSE t.state END::bigint";
const PLACE_WRITTEN: &str = "CASE WHEN u.lane IS NOT NULL THEN u.place END";

/// Tries in the rows of the deliveries that they delivered.
const LAST_TRIES: Shape = Shape {
    filter: "t.attempt IS NOT NULL",
    read: &[("delivery", "t.id"), ("number", "t.tried::bigint"), ("id", "t.attempt")],
    ..keyed("ended_deliveries", &[TENANT, EVENT, ID, ("tried", Of::Int)])
};

const fn keyed(table: &'static str, key: &'static [(&'static str, Of)]) -> Shape {
    Shape { table, key, ..BARE }
}

pub(super) fn shape(table: Table) -> Shape {
    match table {
        Table::Settings => Shape {
            filter: "t.name NOT IN ('copy_unfinished', 'copied_as')",
            ..keyed("settings", &[("name", Of::Text)])
        },
        Table::ApiKeys => keyed("api_keys", &[("id", Of::Text)]),
        Table::Objects => keyed("objects", &[TENANT, ("kind", Of::Text), ("name", Of::Text)]),
        Table::Destinations => keyed("destinations", &[TENANT, DESTINATION]),
        Table::Events => Shape { heavy: true, ..keyed("events", &[TENANT, ID]) },
        Table::Sightings => keyed("sightings", &[TENANT, EVENT, ("path", Of::Text)]),
        Table::Identities => keyed("identities", &[TENANT, ("digest", Of::Bytes)]),
        Table::Subjects => keyed("subjects", &[TENANT, SOURCE, CONNECTION, SUBJECT]),
        Table::Replays => keyed("replays", &[TENANT, ID]),
        // Their heads are told by deliveries.
        Table::Lanes => keyed("lanes", &[TENANT, DESTINATION, ("lane", Of::Text)]),
        Table::EndedDeliveries => Shape {
            joined: WITH_LANE,
            read: &[("replay", REPLAY), ("head", "coalesce(l.head = t.id AND t.state = 7, FALSE)")],
            written: &[("replay", REPLAY_WRITTEN), ("place", PLACE_WRITTEN), ("head", ""), ("generation", "0")],
            ..keyed("ended_deliveries", &[TENANT, ID, EVENT])
        },
        Table::OpenDeliveries => Shape {
            joined: WITH_LANE,
            filter: "NOT t.behind",
            read: &[("replay", REPLAY), ("state", STATE), ("head", "coalesce(l.head = t.id, FALSE)")],
            written: &[
                ("replay", REPLAY_WRITTEN),
                ("place", PLACE_WRITTEN),
                ("head", ""),
                ("behind", "FALSE"),
                ("generation", "0"),
            ],
            ..keyed("open_deliveries", &[TENANT, ID])
        },
        Table::WaitingDeliveries => Shape {
            joined: WITH_LANE,
            filter: "t.behind",
            read: &[("replay", REPLAY), ("state", STATE)],
            // When it is due is decided when its turn comes.
            written: &[("replay", REPLAY_WRITTEN), ("behind", "TRUE"), ("generation", "0"), ("due_at", "u.created_at")],
            // A lane that was forgotten and made anew may give a place twice.
            ..keyed("open_deliveries", &[TENANT, DESTINATION, ("lane", Of::Text), ("place", Of::Int), ID])
        },
        Table::Attempts => {
            Shape { also: Some(&LAST_TRIES), ..keyed("attempts", &[TENANT, EVENT, DELIVERY, ("number", Of::Int)]) }
        }
        Table::Prepared => Shape { heavy: true, ..keyed("prepared", &[TENANT, EVENT, DELIVERY]) },
        Table::Requests => Shape { heavy: true, ..keyed("requests", &[TENANT, ID]) },
        // What was being worked on ended with its process, which is nobody's any more.
        Table::Idempotency => Shape {
            filter: "t.status IS NOT NULL",
            written: &[("instance", "'00000000-0000-0000-0000-000000000000'::uuid")],
            heavy: true,
            ..keyed("idempotency", &[TENANT, ("key", Of::Text)])
        },
        Table::Alerts => keyed("alerts", &[TENANT, ID]),
        Table::Notices => keyed("notices", &[TENANT, ID]),
        Table::Checkpoints => {
            Shape { written: &[("lease_until", "0")], ..keyed("checkpoints", &[TENANT, SOURCE, CONNECTION, STREAM]) }
        }
        Table::Absent => keyed("absent", &[TENANT, SOURCE, CONNECTION, STREAM, SUBJECT]),
        Table::Runs => keyed("runs", &[TENANT, ID]),
        Table::Gaps => keyed("gaps", &[TENANT, ("run", Of::Uuid), ("nth", Of::Int)]),
        Table::Budgets => keyed("budgets", &[TENANT, ("scope", Of::Text)]),
        // Whatever tells two of them apart does.
        Table::Calls => Shape {
            written: &[("instance", "gen_random_uuid()")],
            ..keyed("calls", &[TENANT, ("ended", Of::Int), SOURCE, CONNECTION, ("instance", Of::Uuid)])
        },
        Table::Figures => {
            keyed("figures", &[TENANT, ("series", Of::Int), ("step", Of::Int), ("at", Of::Int), ("object", Of::Name)])
        }
        Table::Shapes => keyed("shapes", &[TENANT, SOURCE, KIND, NAME]),
        Table::ShapeChanges => keyed("shape_changes", &[TENANT, SOURCE, KIND, NAME, ("seq", Of::Int)]),
        Table::Listeners => keyed("listeners", &[TENANT, NAME]),
        Table::Audit => keyed("audit", &[TENANT, ("node", Of::Text), ("sequence", Of::Int)]),
        Table::AuditChains => keyed("audit_chains", &[TENANT, ("node", Of::Text)]),
        Table::AuditStatements => keyed("audit_statements", &[TENANT, ("signer", Of::Text), ("number", Of::Int)]),
    }
}

fn exception(of: &[(&'static str, &'static str)], column: &str) -> Option<&'static str> {
    of.iter().find(|(name, _)| *name == column).map(|(_, text)| *text)
}

/// Numbers are read as the widest there are.
fn as_read(expression: String, of: Of) -> String {
    if matches!(of, Of::Int | Of::Order) { format!("{expression}::bigint") } else { expression }
}

impl Shape {
    fn own(&self, column: &str) -> String {
        format!("t.{column}")
    }

    fn ordered(&self) -> String {
        self.key.iter().map(|(name, _)| self.own(name)).collect::<Vec<_>>().join(", ")
    }

    /// What the rows behind a key come from; a key has as many values as there are columns in it.
    fn source(&self, after: bool) -> String {
        let (own, joined, filter, key) = (self.table, self.joined, self.filter, self.ordered());
        if !after {
            return format!("FROM {own} t {joined} WHERE {filter}");
        }
        let marks: Vec<String> = (1..=self.key.len()).map(|nth| format!("${nth}")).collect();
        let marks: Vec<String> = marks
            .into_iter()
            .zip(self.key)
            .map(|(mark, (_, of))| if *of == Of::Int { format!("{mark}::bigint") } else { mark })
            .collect();
        format!("FROM {own} t {joined} WHERE {filter} AND ({key}) > ({})", marks.join(", "))
    }

    /// The next rows with their keys behind them; how many at most is the parameter behind those of the key.
    pub(super) fn select(&self, table: Table, after: bool) -> String {
        let own = self.select_own(table, after, "");
        let Some(also) = self.also else { return own };
        let (columns, key) = (table.columns().len(), self.key.len());
        let names: Vec<String> = (1..=columns + key).map(|nth| format!("c{nth}")).collect();
        let (all, order) = (names.join(", "), names[columns..].join(", "));
        let last: Vec<String> = names[columns..].iter().map(|name| format!("(SELECT {name} FROM last)")).collect();
        // No further than the others go: most of its rows may have nothing to give, and no index knows which.
        let as_far = also.select_own(table, after, &format!(" AND ({}) <= ({})", also.ordered(), last.join(", ")));
        let all_left = also.select_own(table, after, " AND NOT EXISTS (SELECT FROM last)");
        let limit = if after { key + 1 } else { 1 };
        format!(
            "WITH own ({all}) AS MATERIALIZED ({own}), \
             last AS MATERIALIZED (SELECT * FROM own ORDER BY {order} OFFSET ${limit}::bigint - 1 LIMIT 1) \
             SELECT * FROM own UNION ALL ({as_far}) UNION ALL ({all_left}) ORDER BY {order} LIMIT ${limit}"
        )
    }

    fn select_own(&self, table: Table, after: bool, within: &str) -> String {
        let limit = if after { self.key.len() + 1 } else { 1 };
        let columns = table.columns().iter().map(|column| match exception(self.read, column.name) {
            Some(text) => text.to_owned(),
            None => as_read(self.own(column.name), column.of),
        });
        let key = self.key.iter().map(|(name, of)| as_read(self.own(name), *of));
        let columns: Vec<String> = columns.chain(key).collect();
        let (columns, source, order) = (columns.join(", "), self.source(after), self.ordered());
        format!("SELECT {columns} {source}{within} ORDER BY {order} LIMIT ${limit}")
    }

    /// How many of the next rows have at most so many bytes together. Lengths are known without reading the values.
    pub(super) fn measure(&self, table: Table, after: bool, bytes: usize) -> String {
        let bytes_columns = table.columns().iter().filter(|column| column.of == Of::Bytes);
        let lengths: Vec<String> =
            bytes_columns.map(|column| format!("coalesce(octet_length({}), 0)", self.own(column.name))).collect();
        let (key, lengths) = (self.ordered(), lengths.join(" + "));
        format!(
            "SELECT count(*) FILTER (WHERE m.bytes <= {bytes}) FROM (SELECT sum({lengths}) OVER (ORDER BY {key}) AS bytes \
             {} ORDER BY {key} LIMIT {PAGE_ROWS}) AS m",
            self.source(after)
        )
    }

    pub(super) fn count(&self) -> String {
        let own = self.count_own();
        let Some(also) = self.also else { return own };
        format!("SELECT sum(n.count)::bigint FROM ({own} UNION ALL {}) AS n", also.count_own())
    }

    fn count_own(&self) -> String {
        format!("SELECT count(*) FROM {} t WHERE {}", self.table, self.filter)
    }

    /// Writes the rows of one tenant, which is the first parameter; each other column is an array.
    pub(super) fn insert(&self, table: Table) -> String {
        let arrays = table.columns().iter().filter(|column| column.name != TENANT.0);
        let has_tenant = table.at(TENANT.0).is_some();
        let (mut names, mut values): (Vec<&str>, Vec<String>) =
            if has_tenant { (vec![TENANT.0], vec!["$1".to_owned()]) } else { (Vec::new(), Vec::new()) };
        let (mut arguments, mut arrived) = (Vec::new(), Vec::new());
        for (nth, column) in (1 + usize::from(has_tenant)..).zip(arrays) {
            arguments.push(format!("${nth}::{}[]", sql_type(column.of)));
            arrived.push(column.name);
            match exception(self.written, column.name) {
                Some("") => {}
                Some(text) => {
                    names.push(column.name);
                    values.push(text.to_owned());
                }
                None => {
                    names.push(column.name);
                    values.push(format!("u.{}", column.name));
                }
            }
        }
        for (name, text) in self.written.iter().filter(|(name, _)| table.at(name).is_none()) {
            names.push(name);
            values.push((*text).to_owned());
        }
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS u ({})",
            self.table,
            names.join(", "),
            values.join(", "),
            arguments.join(", "),
            arrived.join(", ")
        )
    }
}

const fn sql_type(of: Of) -> &'static str {
    match of {
        Of::Name | Of::Text | Of::Json | Of::Loose => "text",
        Of::Int | Of::Order => "bigint",
        Of::Flag => "boolean",
        Of::Uuid => "uuid",
        Of::Bytes => "bytea",
    }
}

/// All that is put together here: what writes the rows of one tenant (or of nobody), and what reads among all of them.
#[cfg(test)]
pub(crate) fn texts() -> (Vec<String>, Vec<String>) {
    let (mut writing, mut reading) = (Vec::new(), Vec::new());
    for table in Table::ALL.iter().copied() {
        let shape = shape(table);
        writing.push(shape.insert(table));
        // What is read from two tables is these parts one after another: what they join, each shows by itself.
        for part in [Some(&shape), shape.also].into_iter().flatten() {
            reading.push(part.count_own());
            reading.extend([false, true].map(|after| part.select_own(table, after, "")));
        }
        if shape.heavy {
            reading.extend([false, true].map(|after| shape.measure(table, after, 1)));
        }
    }
    (writing, reading)
}

#[cfg(test)]
mod tests;
