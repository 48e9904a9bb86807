//! What a database that spreads its tables over servers, by tenant, refuses beyond that: Citus above all. Looked at in every
//! statement there is, also in those that are put together from pieces.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::plans::steps;
use super::tests::{AMONG_ALL, conditions, is_bound, is_node_wide, is_planned, plans_of, tables_of_tenants, texts_in};
use super::*;
use crate::testkit::Database;

/// The database's time, as it has to be written: evaluated once, wherever that is, and from no column.
const TIME: &str = "extract(epoch FROM statement_timestamp())";

/// Files that put statements together. Those of lists only read; which tables of all tenants they come to is seen where the
/// server is asked every question (`plans`).
const PUT_TOGETHER: [&str; 2] = ["copying/shape.rs", "keep/text.rs"];
const LISTS: [&str; 5] =
    ["read/deliveries.rs", "read/events.rs", "read/requests.rs", "reading/runs.rs", "watch/calls.rs"];

/// Statements about one tenant, or about none.
fn of_one() -> Vec<String> {
    let files = ALL.iter().filter(|query| !AMONG_ALL.contains(query)).map(|query| query.text().to_owned());
    files.chain(crate::keep::texts().0).chain(crate::copying::texts().0).collect()
}

/// Statements that look among all tenants.
fn among_all() -> Vec<String> {
    let files = AMONG_ALL.iter().map(|query| query.text().to_owned()).filter(|text| is_planned(text));
    files.chain(crate::keep::texts().1).chain(crate::copying::texts().1).collect()
}

fn locks(text: &str) -> bool {
    text.contains("FOR UPDATE") || text.contains("FOR SHARE")
}

fn changes(text: &str) -> bool {
    // A lock is written with the same word.
    let text = text.replace("FOR UPDATE", "");
    ["INSERT INTO ", "UPDATE ", "DELETE FROM "].iter().any(|verb| text.contains(verb))
}

/// Words of a statement with what stands right behind each of them.
fn words(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.char_indices().filter_map(move |(at, c)| {
        let begins = is_word(c) && !text[..at].ends_with(is_word);
        let end = text[at..].find(|c| !is_word(c)).map_or(text.len(), |length| at + length);
        begins.then(|| (at, &text[at..end], &text[end..]))
    })
}

/// The functions that a statement calls and these are among.
fn calls<'t>(text: &'t str, of: &BTreeSet<String>) -> Vec<&'t str> {
    let called = words(text).filter(|(_, _, behind)| behind.starts_with('(')).map(|(_, word, _)| word);
    called.filter(|word| of.contains(&word.to_lowercase())).collect()
}

/// Whether what stands there is evaluated only under a condition.
fn is_conditional(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let mut open: Vec<bool> = Vec::new();
    for (at, c) in before.char_indices() {
        match c {
            '(' => open.push(before[..at].to_lowercase().ends_with("coalesce")),
            ')' => drop(open.pop()),
            _ => {}
        }
    }
    let count = |wanted: &str| words(before).filter(|(_, word, _)| word.eq_ignore_ascii_case(wanted)).count();
    open.contains(&true) || count("CASE") > count("END")
}

/// Functions of which some are not `IMMUTABLE`. Of `length` that is the one that is told an encoding, which nobody asks here.
fn changing_functions(database: &Database) -> BTreeSet<String> {
    let named = database.sql("SELECT DISTINCT proname FROM pg_proc WHERE provolatile <> 'i' AND proname <> 'length'");
    named.lines().map(str::to_owned).collect()
}

/// What is wrong with a statement, for a database that evaluates what is not `IMMUTABLE` before it sends the rest on.
fn refused(text: &str, changing: &BTreeSet<String>) -> Option<&'static str> {
    if text.match_indices(TIME).any(|(at, _)| is_conditional(text, at)) {
        return Some("the time stands in a COALESCE or CASE");
    }
    if !changes(text) {
        return None;
    }
    let ends = ["DO UPDATE SET", "RETURNING"];
    if ends.iter().filter_map(|end| text.split_once(end)).any(|(_, end)| !calls(end, changing).is_empty()) {
        return Some("DO UPDATE SET and RETURNING are evaluated where the row is");
    }
    let mut others = calls_beside_the_time(text, changing);
    if text.trim_start().starts_with("INSERT INTO ") {
        // A row that is new may have an id of its own.
        others.retain(|function| function != "gen_random_uuid");
    }
    (!others.is_empty()).then_some("it calls a function that is not IMMUTABLE")
}

fn calls_beside_the_time(text: &str, changing: &BTreeSet<String>) -> Vec<String> {
    let text = text.replace(TIME, "");
    calls(&text, changing).into_iter().map(str::to_owned).collect()
}

#[test]
fn what_changes_rows_calls_nothing_that_has_to_be_called_for_each_of_them() {
    let changing = changing_functions(&Database::new());
    let mut timed = 0;
    for text in of_one().into_iter().chain(among_all()) {
        assert_eq!(refused(&text, &changing), None, "{text}");
        assert!(!text.contains("clock_timestamp"), "{text}");
        timed += usize::from(text.contains(TIME));
    }
    assert!(timed > 10, "only {timed} statements look at the time");
}

#[test]
fn a_statement_that_would_be_refused_is_seen() {
    let changing = ["extract", "statement_timestamp", "clock_timestamp", "random", "gen_random_uuid"];
    let changing: BTreeSet<String> = changing.map(str::to_owned).into();
    let refuses = |text: &str| refused(&text.replace("@", TIME), &changing).is_some();
    for text in [
        "UPDATE t SET a = random()",
        "UPDATE t SET a = extract(epoch FROM clock_timestamp())",
        "UPDATE t SET a = coalesce($1::bigint, (@ * 1000000)::bigint + $2)",
        "UPDATE t SET a = CASE WHEN b THEN CASE c WHEN 1 THEN 2 END ELSE @ END",
        "SELECT a FROM t WHERE b > COALESCE($1, @) FOR UPDATE",
        "DELETE FROM t WHERE id = gen_random_uuid()",
        "WITH gone AS (DELETE FROM t WHERE a < random() RETURNING id) SELECT id FROM gone",
        "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO UPDATE SET a = @",
        "UPDATE t SET a = 1 RETURNING @",
    ] {
        assert!(refuses(text), "{text}");
    }
    for text in [
        "UPDATE t SET a = $1 + $2 * (@ * 1000000)::bigint, b = coalesce(b, 1)",
        "UPDATE t SET b = CASE b WHEN 1 THEN 2 END, a = coalesce(a, 1) + @",
        "INSERT INTO t (id, a) SELECT gen_random_uuid(), @",
        "SELECT random() FROM t FOR UPDATE",
    ] {
        assert!(!refuses(text), "{text}");
    }
}

#[test]
fn rows_are_locked_within_one_tenant() {
    let mut locked = 0;
    for text in of_one().iter().filter(|text| locks(text)) {
        assert!(text.contains("tenant = $1") || is_node_wide(text), "{text}");
        locked += 1;
    }
    assert!(locked > 20, "only {locked} statements lock");
    for text in among_all() {
        assert!(!locks(&text) && !changes(&text), "it may only look:\n{text}");
    }
    for text in crate::keep::texts().0.iter().filter(|text| changes(text)) {
        assert!(text.contains("tenant = $1"), "{text}");
    }
    for text in crate::copying::texts().0.iter().filter(|text| !is_node_wide(text)) {
        assert!(text.contains("(tenant,") && text.contains("SELECT $1,"), "{text}");
    }
}

/// A table, or the one that it is a partition of.
fn whole(table: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_span = |end: &str| end == "rest" || end.strip_prefix('p').is_some_and(is_number);
    table.rsplit_once('_').filter(|(_, end)| is_span(end)).map_or(table, |(table, _)| table)
}

/// The tables of tenants that a plan reads, and those of them whose tenant it compares with nothing.
fn read_and_unbound<'p>(plan: &'p Value, tables: &BTreeSet<String>) -> (BTreeSet<&'p str>, BTreeSet<&'p str>) {
    let conditions = conditions(plan);
    let (mut read, mut unbound) = (BTreeSet::new(), BTreeSet::new());
    for step in steps(plan) {
        let Some(table) = step["Relation Name"].as_str().filter(|table| tables.contains(*table)) else { continue };
        let alias = step["Alias"].as_str().unwrap_or_default();
        // Partitions of one table are numbered, and joined by the name of the whole.
        let of_all = alias.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
        read.insert(whole(table));
        if !is_bound(&conditions, alias) && !is_bound(&conditions, of_all) {
            unbound.insert(whole(table));
        }
    }
    (read, unbound)
}

#[test]
fn what_looks_among_all_tenants_joins_by_the_tenant() {
    let database = Database::new();
    let tables = tables_of_tenants(&database);
    let texts = among_all();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut joined = 0;
    for (text, plan) in texts.iter().zip(&plans_of(&database, &texts)) {
        let (read, unbound) = read_and_unbound(plan, &tables);
        joined += usize::from(read.len() > 1);
        assert!(read.len() < 2 || unbound.is_empty(), "{unbound:?} is joined by something else:\n{text}\n{plan:#}");
    }
    assert!(joined > 6, "only {joined} of {} join", texts.len());
}

#[test]
fn a_join_by_something_else_is_seen() {
    let tables = ["lanes", "events_rest", "events_p1800000000000"].map(str::to_owned).into();
    let lanes = serde_json::json!({ "Node Type": "Index Scan", "Relation Name": "lanes", "Alias": "l" });
    let events = |table: &str, condition: &str| serde_json::json!({ "Node Type": "Index Scan", "Relation Name": table, "Alias": "e_1", "Index Cond": condition });
    for (condition, found) in [
        ("(e_1.tenant = l.tenant)", vec![]),
        ("(l.tenant = e.tenant)", vec![]),
        ("(e_1.id = l.head)", vec!["events", "lanes"]),
    ] {
        for table in ["events_rest", "events_p1800000000000"] {
            let plan = serde_json::json!({ "Node Type": "Nested Loop", "Plans": [lanes, events(table, condition)] });
            let (read, unbound) = read_and_unbound(&plan, &tables);
            assert_eq!((read.len(), unbound.into_iter().collect::<Vec<_>>()), (2, found.clone()), "{condition}");
        }
    }
}

#[test]
fn statements_are_put_together_only_where_these_tests_look() {
    let mut seen = 0;
    for (path, text) in texts_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let of_tests = ["/tests.rs", "/query/", "/testkit", "/scratch.rs"].iter().any(|part| path.contains(part));
        if of_tests || PUT_TOGETHER.iter().any(|file| path.ends_with(file)) {
            continue;
        }
        let code: String = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        let has = |verbs: &[&str]| verbs.iter().any(|verb| code.contains(verb));
        assert!(!has(&["INSERT INTO ", "DELETE FROM ", "FOR UPDATE", "FOR SHARE"]), "{path}");
        let is_list = LISTS.iter().any(|file| path.ends_with(file));
        assert!(is_list || !has(&["SELECT "]), "{path}");
        seen += usize::from(is_list);
    }
    assert_eq!(seen, LISTS.len());
}
