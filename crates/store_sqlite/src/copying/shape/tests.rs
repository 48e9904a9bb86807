//! The list of what is copied against the schema, and the order of each table against its indexes.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use rusqlite::Connection;

use super::*;

/// Tables that are not copied, and why.
const NOT_COPIED: [(&str, &str); 4] = [
    ("names", "the numbers of names are this store's own"),
    ("counters", "what settle_in makes of the rows and numbers"),
    ("rejected", "what settle_in counts"),
    ("schema_migrations", "of this schema"),
];

/// Columns that are not copied, and why.
const COLUMNS_NOT_COPIED: [(&str, &str, &str); 12] = [
    ("checkpoints", "owner", "leases end with their process"),
    ("checkpoints", "lease_until", "leases end with their process"),
    ("lanes", "id", "a number of this store's own"),
    ("lanes", "head", "told by the delivery"),
    ("replays", "seq", "a number of this store's own"),
    ("deliveries", "seq", "told as the place"),
    ("requests", "seq", "a number of this store's own"),
    ("alerts", "seq", "a number of this store's own"),
    ("notices", "seq", "a number of this store's own"),
    ("runs", "seq", "a number of this store's own"),
    ("gaps", "seq", "told as the order"),
    ("calls", "seq", "told as the order"),
];

fn schema() -> Connection {
    let mut connection = Connection::open_in_memory().expect("a database");
    crate::migrate::migrate(&mut connection, Timestamp::EPOCH).expect("the schema");
    connection
}

fn texts(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).expect("a statement");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}

#[test]
fn every_table_and_every_column_is_copied_or_there_is_a_reason() {
    let connection = schema();
    let mut copied: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for table in Table::ALL.iter().copied() {
        let columns = table.columns().iter().map(|column| column.name);
        copied.entry(shape(table).table()).or_default().extend(columns);
    }
    let tables = texts(&connection, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables.iter().filter(|table| !table.starts_with("sqlite_")) {
        let Some(columns) = copied.get(table.as_str()) else {
            assert!(NOT_COPIED.iter().any(|(name, _)| name == table), "nothing copies the table {table}");
            continue;
        };
        for column in texts(&connection, &format!("SELECT name FROM pragma_table_info('{table}')")) {
            let excused = COLUMNS_NOT_COPIED.iter().any(|(of, name, _)| of == table && *name == column);
            assert!(columns.contains(column.as_str()) || excused, "nothing copies {table}.{column}");
        }
    }
}

#[test]
fn pages_are_found_in_an_index_and_rows_are_written_as_they_are_read() {
    let connection = schema();
    for table in Table::ALL.iter().copied() {
        let shape = shape(table);
        connection.prepare(&shape.insert(table)).expect("a statement");
        connection.prepare(&shape.count()).expect("a statement");
        for after in [false, true] {
            let text = shape.select(table, after);
            let unbound = std::iter::repeat_n(rusqlite::types::Null, if after { shape.key_columns() } else { 0 });
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).expect("a plan");
            let plan = explain.query_map(rusqlite::params_from_iter(unbound), |row| row.get::<_, String>(3));
            let plan: Vec<String> = plan.expect("a plan").map(|step| step.expect("a step")).collect();
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{table:?} sorts: {plan:#?}");
            let first = plan.iter().find(|step| step.contains(" t ") || step.ends_with(" t"));
            let found = first.is_some_and(|step| !after || step.starts_with("SEARCH t"));
            assert!(found, "{table:?} begins at its first row again: {plan:#?}");
        }
    }
}
