//! The list of what is copied against the schema, and the order of each table against its indexes.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::testkit::Database;

/// Tables that are not copied, and why.
const NOT_COPIED: [(&str, &str); 8] = [
    ("tenants", "made for each tenant that has rows; settle_in raises their numbers"),
    ("nodes", "nobody runs while a store is copied"),
    ("charges", "nobody runs while a store is copied"),
    ("births", "unfolded before anything is copied"),
    ("counters", "they tell running nodes of changes"),
    ("duties", "of this schema"),
    ("spans", "the partitions of this database"),
    ("schema_migrations", "of this schema"),
];

/// Columns that are not copied, and why.
const COLUMNS_NOT_COPIED: [(&str, &str, &str); 10] = [
    ("checkpoints", "owner", "leases end with their process"),
    ("checkpoints", "lease_until", "leases end with their process"),
    ("open_deliveries", "owner", "claims end with their process"),
    ("open_deliveries", "lease_until", "claims end with their process"),
    ("open_deliveries", "generation", "claims end with their process"),
    ("ended_deliveries", "generation", "claims end with their process"),
    ("open_deliveries", "behind", "told by the table they are copied as"),
    ("lanes", "head", "told by the delivery"),
    ("lanes", "blocked", "told by the delivery"),
    ("idempotency", "instance", "the process that answered is gone"),
];
/// The same, where it only tells two rows apart.
const TELLS_APART: (&str, &str) = ("calls", "instance");

#[test]
fn every_table_and_every_column_is_copied_or_there_is_a_reason() {
    let database = Database::new();
    let mut copied: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for table in Table::ALL.iter().copied() {
        let columns = table.columns().iter().map(|column| column.name);
        let shape = shape(table);
        if let Some(also) = shape.also {
            let read = also.read.iter().filter_map(|(_, text)| text.strip_prefix("t."));
            copied.entry(also.table).or_default().extend(columns.clone().chain(read));
        }
        copied.entry(shape.table).or_default().extend(columns);
    }
    let columns = database.sql(
        "SELECT c.relname || ' ' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
           AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1",
    );
    let mut seen = 0;
    for line in columns.lines() {
        let (table, column) = line.split_once(' ').expect("a table and a column");
        let Some(known) = copied.get(table) else {
            assert!(NOT_COPIED.iter().any(|(name, _)| *name == table), "nothing copies the table {table}");
            continue;
        };
        seen += 1;
        let excused = COLUMNS_NOT_COPIED.iter().any(|(of, name, _)| *of == table && *name == column);
        let excused = excused || (table, column) == TELLS_APART;
        assert!(known.contains(column) || excused, "nothing copies {table}.{column}");
    }
    assert!(seen > 150, "{columns}");
}

#[test]
fn pages_are_found_in_an_index_and_rows_are_written_as_they_are_read() {
    let database = Database::new();
    for table in Table::ALL.iter().copied() {
        let shape = shape(table);
        let plans = |text: &str| database.sql(&format!("SET enable_seqscan = off; PREPARE p AS {text}"));
        let _ = (plans(&shape.insert(table)), plans(&shape.count()));
        if shape.heavy {
            let _ = plans(&shape.measure(table, true, 1));
        }
        let text = shape.select(table, true);
        let unknown = vec!["NULL"; shape.key.len() + 1].join(", ");
        let plan = database.sql(&format!(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; PREPARE p AS {text}; \
             EXPLAIN (COSTS off) EXECUTE p({unknown})"
        ));
        assert!(plan.contains("Index Cond") && !plan.contains(" Seq Scan on "), "{table:?}:\n{plan}");
    }
}

/// As after a copy, or after an update from before tries lay in rows of deliveries.
#[test]
fn a_page_of_tries_goes_no_further_among_deliveries_than_among_tries() {
    let database = Database::new();
    let _ = database.sql(
        "INSERT INTO ended_deliveries (tenant, id, event, replay, created_at, finished_at, generation, state, attempts, \
           tried, route, destination) \
         SELECT 'default', lpad(to_hex(i), 32, '0')::uuid, lpad(to_hex(i), 32, '0')::uuid, \
           '00000000-0000-0000-0000-000000000000', 1, 1, 1, 5, 1, 1, 'r', 'd' FROM generate_series(1, 5000) AS i; \
         INSERT INTO attempts (tenant, event, delivery, number, id, started_at, duration_us, outcome, response) \
         SELECT tenant, event, id, 1, id, 1, 1, 'delivered', '' FROM ended_deliveries; \
         ANALYZE ended_deliveries, attempts",
    );
    let text = shape(Table::Attempts).select(Table::Attempts, true);
    let nil = "'00000000-0000-0000-0000-000000000000'";
    let plan = database.sql(&format!(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; PREPARE p AS {text}; \
         EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) EXECUTE p('default', {nil}, {nil}, 0, 10)"
    ));
    let removed: Vec<u64> =
        plan.lines().filter_map(|line| line.trim().strip_prefix("Rows Removed by Filter: ")?.parse().ok()).collect();
    assert!(!removed.is_empty() && removed.iter().sum::<u64>() < 20, "{plan}");
}
