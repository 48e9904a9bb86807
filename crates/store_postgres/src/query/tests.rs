//! What every statement and every table keeps to, so that tables can be distributed by tenant.

use super::*;
use crate::testkit::Database;

/// Tables without a tenant, or that are looked up without one: the same on every node of a distributed database.
const NODE_WIDE: [&str; 7] = ["settings", "api_keys", "duties", "spans", "schema_migrations", "nodes", "counters"];

/// Statements that look among all tenants, and only look: what they find is changed tenant by tenant.
const AMONG_ALL: [Query; 21] = [
    Query::tenants,
    Query::tenants_in_charge,
    Query::charges,
    Query::lapsed,
    Query::lost_runs,
    Query::backlog_open,
    Query::backlog_dead,
    Query::identities_from,
    Query::lanes_from,
    Query::pending_requests,
    Query::running_replays,
    Query::objects,
    Query::open_alerts,
    Query::unsettled_alerts,
    Query::waiting_notices,
    Query::destinations,
    Query::last_numbers,
    Query::count_lanes,
    Query::notify,
    Query::listen,
    Query::audit_chains,
];

fn is_node_wide(text: &str) -> bool {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    NODE_WIDE.iter().any(|table| words.contains(table))
}

#[test]
fn every_statement_in_the_files_is_used() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/queries")).expect("the folder");
    let mut named = 0;
    for file in files {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        for name in text.lines().filter_map(|line| line.strip_prefix("-- name: ")) {
            named += 1;
            assert!(ALL.iter().any(|query| format!("{query:?}") == name), "nothing runs '{name}'");
        }
    }
    assert_eq!(named, ALL.len());
}

#[test]
fn every_statement_names_one_tenant_unless_it_only_looks_among_all() {
    for query in ALL {
        let text = query.text();
        let bare = ["ping", "database_bytes", "new_instance", "has_bookkeeping"];
        if is_node_wide(text) || bare.contains(&format!("{query:?}").as_str()) {
            continue;
        }
        let writes = ["INSERT", "UPDATE", "DELETE"].iter().any(|verb| text.trim_start().starts_with(verb));
        let one = text.contains("tenant = $1")
            || text.contains("(tenant") && text.contains("SELECT $1")
            || text.contains("VALUES ($1");
        if AMONG_ALL.contains(query) {
            assert!(!writes && !text.contains("FOR UPDATE"), "{query:?} may only look");
        } else {
            assert!(one, "{query:?} names no tenant:\n{text}");
        }
    }
}

#[test]
fn every_table_that_a_statement_reads_is_read_by_tenant() {
    for query in ALL.iter().filter(|query| !AMONG_ALL.contains(query)) {
        let text = query.text();
        if is_node_wide(text) {
            continue;
        }
        // Each table that is named after FROM, JOIN, UPDATE or INTO needs a tenant of its own.
        let tables =
            ["FROM", "JOIN", "UPDATE", "INTO"].iter().flat_map(|word| text.match_indices(word)).filter(|(at, word)| {
                let next = text[at + word.len()..].trim_start();
                let own = ["SET", "SKIP", "unnest", "(", "CURRENT", "found", "gone", "chosen", "old", "LATERAL"];
                // `FOR UPDATE`, `DO UPDATE`, `EXTRACT(epoch FROM …)` and what a statement made itself are no tables.
                !own.iter().any(|own| next.starts_with(own))
                    && !next.starts_with("clock_timestamp")
                    && !text[..*at].trim_end().ends_with("FOR")
                    && !text[..*at].trim_end().ends_with("DO")
                    && !text[..*at].trim_end().ends_with("DISTINCT")
                    && !next.is_empty()
            });
        let tables = tables.count();
        let tenants = text.matches("tenant").count();
        assert!(tenants >= tables, "{query:?} reads {tables} tables by {tenants} tenants:\n{text}");
    }
}

#[test]
fn nothing_locks_outside_of_rows() {
    // Poolers and distributed databases lose such locks, or do not have them.
    for query in ALL {
        assert!(!query.text().contains("advisory"), "{query:?}");
        assert!(!query.text().contains("LOCK TABLE"), "{query:?}");
    }
}

#[test]
fn the_guide_keeps_the_same_tables_whole_when_the_others_are_distributed() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/scale.md"));
    let guide = guide.expect("the guide");
    let list = guide.split("create_reference_table(t) FROM unnest(ARRAY[").nth(1).expect("it distributes");
    let named: std::collections::BTreeSet<&str> =
        list.split(']').next().expect("a list").split(',').map(|name| name.trim_matches('\'')).collect();
    assert_eq!(named, std::collections::BTreeSet::from(NODE_WIDE));
}

#[test]
fn every_unique_index_begins_with_the_tenant() {
    let database = Database::new();
    let indexes = database.sql(
        "SELECT i.indrelid::regclass || ' ' || a.attname FROM pg_index i \
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE i.indisunique AND n.nspname = 'public' ORDER BY 1",
    );
    let mut tables = 0;
    for line in indexes.lines() {
        let (table, first) = line.split_once(' ').expect("a table and a column");
        tables += 1;
        assert!(first == "tenant" || NODE_WIDE.contains(&table), "a unique index of {table} begins with {first}");
    }
    assert!(tables > 20, "{indexes}");
    let sequences = database.sql("SELECT count(*) FROM pg_class WHERE relkind = 'S'");
    let foreign_keys = database.sql("SELECT count(*) FROM pg_constraint WHERE contype = 'f'");
    assert_eq!((sequences.as_str(), foreign_keys.as_str()), ("0", "0"));
}
