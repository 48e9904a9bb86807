//! What every statement and every table keeps to, so that tables can be distributed by tenant.

use std::collections::BTreeSet;

use serde_json::Value;

use super::plans::steps;
use super::*;
use crate::testkit::Database;

/// Tables without a tenant, or that are looked up without one: the same on every node of a distributed database.
pub(super) const NODE_WIDE: [&str; 7] =
    ["settings", "api_keys", "duties", "spans", "schema_migrations", "nodes", "counters"];

/// Statements that look among all tenants, and only look: what they find is changed tenant by tenant.
pub(super) const AMONG_ALL: [Query; 25] = [
    Query::tenants,
    Query::gone_nodes,
    Query::tenants_in_charge,
    Query::charges,
    Query::lapsed,
    Query::lapsed_births,
    Query::all_births,
    Query::lost_runs,
    Query::backlog_open,
    Query::backlog_born,
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

pub(super) fn is_node_wide(text: &str) -> bool {
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
        let bare = ["ping", "database_bytes", "unknown_tables", "new_instance", "has_bookkeeping", "server"];
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

/// The conditions of a plan, with the names that its tables have in it.
pub(super) fn conditions(plan: &Value) -> Vec<&str> {
    let kinds = ["Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond"];
    steps(plan).into_iter().flat_map(|step| kinds.iter().filter_map(|kind| step[*kind].as_str())).collect()
}

/// Whether one of the conditions compares this table's tenant with something.
pub(super) fn is_bound(conditions: &[&str], alias: &str) -> bool {
    let column = format!("{alias}.tenant");
    let is_end = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    conditions.iter().any(|condition| {
        condition.match_indices(&column).any(|(at, found)| {
            let (before, after) = (&condition[..at], &condition[at + found.len()..]);
            let compared = after.starts_with(" = ") || before.ends_with(" = ");
            compared && is_end(before.chars().next_back()) && is_end(after.chars().next())
        })
    })
}

/// What a plan reads of these tables without naming a tenant.
pub(super) fn read_without_tenant(plan: &Value, tables: &BTreeSet<String>) -> Vec<String> {
    let conditions = conditions(plan);
    let reads = steps(plan).into_iter().filter(|step| step["Node Type"] != "ModifyTable");
    let reads = reads.filter(|step| step["Relation Name"].as_str().is_some_and(|table| tables.contains(table)));
    let unbound = reads.filter(|step| !is_bound(&conditions, step["Alias"].as_str().unwrap_or_default()));
    unbound.map(|step| step["Relation Name"].to_string()).collect()
}

/// Tables that have a tenant, partitions included.
pub(super) fn tables_of_tenants(database: &Database) -> BTreeSet<String> {
    let named = database.sql(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'api_keys'",
    );
    named.lines().map(str::to_owned).collect()
}

/// Whether the server makes a plan for it.
pub(super) fn is_planned(text: &str) -> bool {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| text.trim_start().starts_with(verb))
}

/// The plans that the server makes for these statements, whatever their values are.
pub(super) fn plans_of(database: &Database, texts: &[&str]) -> Vec<Value> {
    let mut script = String::from("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;");
    for (nth, text) in texts.iter().enumerate() {
        let count = (1..=40).filter(|number| text.contains(&format!("${number}"))).max().unwrap_or(0);
        let values = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
        script.push_str(&format!("PREPARE s{nth} AS {text}; EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE s{nth}{values};\n"));
    }
    let plans = database.sql(&script);
    let plans = serde_json::Deserializer::from_str(&plans).into_iter::<Value>();
    let plans: Vec<Value> = plans.map(|plan| plan.expect("a plan is JSON")[0]["Plan"].clone()).collect();
    assert_eq!(plans.len(), texts.len());
    plans
}

#[test]
fn the_server_reads_every_table_by_its_tenant() {
    let database = Database::new();
    let tables = tables_of_tenants(&database);
    let planned = ALL.iter().filter(|query| is_planned(query.text()) && !AMONG_ALL.contains(query));
    let texts: Vec<&str> = planned.map(|query| query.text()).collect();
    let (of_one, _) = crate::keep::texts();
    let planned: Vec<&str> = texts.into_iter().chain(of_one.iter().map(String::as_str)).collect();
    let mut looked = 0;
    for (text, plan) in planned.iter().zip(&plans_of(&database, &planned)) {
        let unbound = read_without_tenant(plan, &tables);
        assert!(unbound.is_empty(), "{unbound:?} is read of all tenants:\n{text}\n{plan:#}");
        looked += steps(plan).iter().filter(|step| !step["Relation Name"].is_null()).count();
    }
    assert!(planned.len() > 150 && looked > planned.len(), "{} statements, {looked} tables", planned.len());
}

#[test]
fn a_table_that_is_read_of_all_tenants_is_seen() {
    let tables = BTreeSet::from(["events".to_owned(), "gaps".to_owned()]);
    let gaps = serde_json::json!({ "Node Type": "Index Scan", "Relation Name": "gaps", "Alias": "g",
        "Index Cond": "(g.run = $2)" });
    let events = |condition: &str| {
        serde_json::json!({ "Node Type": "Index Scan", "Relation Name": "events", "Alias": "e",
            "Index Cond": condition })
    };
    let joined = |one: Value| serde_json::json!({ "Node Type": "Nested Loop", "Plans": [one, gaps.clone()] });
    for (condition, found) in [
        ("(e.tenant = $1)", vec!["\"gaps\""]),
        ("(e.tenant = g.tenant)", vec![]),
        ("((g.tenant = $1) AND (e.id = $2))", vec!["\"events\""]),
        ("(ge.tenant = $1)", vec!["\"events\"", "\"gaps\""]),
        ("(e.tenant IS NOT NULL)", vec!["\"events\"", "\"gaps\""]),
    ] {
        assert_eq!(read_without_tenant(&joined(events(condition)), &tables), found, "{condition}");
    }
}

/// Everything that is written in a folder of this crate, file by file.
pub(super) fn texts_in(folder: &std::path::Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let read = |path: std::path::PathBuf| match path.is_dir() {
        true => texts_in(&path),
        false => vec![(path.display().to_string(), std::fs::read_to_string(&path).expect("text"))],
    };
    entries.flat_map(read).collect()
}

#[test]
fn nothing_locks_outside_of_rows_but_a_span_that_is_dropped() {
    // Poolers and distributed databases lose such locks, or do not have them.
    let (advisory, table) = (["pg_", "advisory"].concat(), ["LOCK ", "TABLE"].concat());
    let mut seen = 0;
    for folder in ["src", "queries", "migrations"] {
        for (path, text) in texts_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            seen += 1;
            assert!(!text.contains(&advisory), "{path}");
            assert!(!text.contains(&table) || path.ends_with("keep/span.rs"), "{path}");
        }
    }
    assert!(seen > 60, "only {seen} files");
}

#[test]
fn the_guide_keeps_the_same_tables_whole_when_the_others_are_distributed() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/scale.md"));
    let guide = guide.expect("the guide");
    let list = guide.split("create_reference_table(t) FROM unnest(ARRAY[").nth(1).expect("it distributes");
    let named: BTreeSet<&str> =
        list.split(']').next().expect("a list").split(',').map(|name| name.trim_matches('\'')).collect();
    assert_eq!(named, BTreeSet::from(NODE_WIDE));
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
    let none_of = [
        "SELECT count(*) FROM pg_class WHERE relkind = 'S'",
        "SELECT count(*) FROM pg_constraint WHERE contype IN ('f', 'x')",
        "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
    ];
    assert_eq!(none_of.map(|counted| database.sql(counted)), ["0", "0", "0"], "no sequence, foreign key or trigger");
}

/// A table that is believed to have a single row is read as a whole rather than searched, with all its dead rows.
#[test]
fn births_are_searched_within_their_range_however_few_there_seem_to_be() {
    let database = Database::new();
    let _ = database.sql("ANALYZE births");
    let queries = [
        Query::end_born,
        Query::end_plain,
        Query::lock_births,
        Query::lock_free_births,
        Query::share_births,
        Query::unfold_births,
    ];
    let texts = queries.map(Query::text);
    let mut seen = 0;
    for (text, plan) in texts.iter().zip(&plans_of(&database, &texts)) {
        let steps = steps(plan).into_iter();
        for step in steps.filter(|step| step["Relation Name"] == "births" && step["Node Type"] != "ModifyTable") {
            let condition = step["Index Cond"].as_str().unwrap_or_default();
            let bounds = ["tenant = ", "owner = ", "first >= ", "first <= "];
            assert!(bounds.iter().all(|bound| condition.contains(bound)), "{text}\n{plan:#}");
            seen += 1;
        }
    }
    assert_eq!(seen, 11);
}
