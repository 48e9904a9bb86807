//! Every statement fits the schema, and none looks at more rows than it has to.

use rusqlite::{Connection, StatementStatus, params};

use super::*;
use crate::connection::open_writer;
use crate::options::OpenOptions;

fn store() -> Connection {
    open_writer(&OpenOptions::memory()).expect("a store")
}

/// What the planner says of a statement, a line per step.
fn plan(connection: &Connection, query: Query) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.text())).expect("a statement");
    let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
    let rows = explain.query_map(rusqlite::params_from_iter(unbound), |row| row.get(3)).expect("a plan");
    rows.collect::<Result<_, _>>().expect("a plan")
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
fn no_statement_scans_a_table_that_grows() {
    // Small by nature, or looked through on purpose: the configuration, what is running, and what a start or a round
    // of pruning walks through.
    let may_scan = [
        Query::objects,
        Query::api_keys,
        Query::api_keys_of,
        Query::destinations,
        Query::running_replays,
        Query::open_alerts,
        Query::unsettled_alerts,
        Query::waiting_notices,
        Query::open_groups,
        Query::forget_unanswered,
        Query::old_alerts,
        Query::old_notices,
        Query::old_replays,
        Query::old_listeners,
        Query::end_leases,
        Query::running_runs,
        Query::count_lanes,
        Query::recount_rejected,
        Query::audit_chains,
    ];
    // A handful of rows of one event or round each, or of what is open.
    let may_sort = [Query::sightings, Query::deliveries_of_event, Query::open_alerts_of];
    let connection = store();
    for query in ALL {
        let plan = plan(&connection, *query);
        let scans = plan.iter().any(|step| step.starts_with("SCAN") && !step.contains("CONSTANT ROW"));
        assert_eq!(scans, may_scan.contains(query), "{query:?}: {plan:#?}");
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert_eq!(sorts, may_sort.contains(query), "{query:?}: {plan:#?}");
    }
}

/// 100,000 events of one tenant and as many deliveries, a tenth of them waiting, behind in one lane, or dead.
fn large() -> Connection {
    let connection = store();
    let fill = "
        WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO events (seq, id, tenant, source, connection, origin, assurance, received_at, type, subject,
          content_type, head, payload)
        SELECT i, unhex(format('%032x', i)), 1, 2 + i % 7, 10 + i % 3, 1, 5, i, 'push', 'orders/' || (i % 1000),
          '', x'', x'' FROM n;
        WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO deliveries (seq, id, tenant, event, route, destination, replay, state, attempts, tried, created_at,
          due_at, finished_at, lane, version_kind, version)
        SELECT i, unhex(format('%032x', i)), 1, i, 20, 30 + i % 5, 0,
          CASE i % 10 WHEN 0 THEN 3 WHEN 1 THEN 3 WHEN 2 THEN 8 ELSE 6 END, 0, 0, i,
          CASE i % 10 WHEN 0 THEN i WHEN 1 THEN 9223372036854775807 END,
          CASE WHEN i % 10 IN (0, 1) THEN NULL ELSE i END,
          CASE i % 10 WHEN 1 THEN 1 END, CASE i % 10 WHEN 1 THEN 2 END, CASE i % 10 WHEN 1 THEN -i END FROM n;
        INSERT INTO lanes (id, tenant, destination, lane, head, used_at) VALUES (1, 1, 30, 'x', 11, 0);";
    connection.execute_batch(fill).expect("rows");
    connection
}

/// Steps of SQLite's machine that a statement takes, the first rows of it read.
fn steps(connection: &Connection, query: Query, params: impl rusqlite::Params) -> (usize, i32) {
    let mut statement = connection.prepare(query.text()).expect("a statement");
    let mut rows = statement.query(params).expect("rows");
    let mut read = 0;
    while read < 20 && rows.next().expect("a row").is_some() {
        read += 1;
    }
    drop(rows);
    assert_eq!(statement.get_status(StatementStatus::FullscanStep), 0, "{query:?} steps through a table");
    (read, statement.get_status(StatementStatus::VmStep))
}

#[test]
fn a_hundred_thousand_rows_cost_no_more_than_a_few() {
    /// A page of twenty takes a few hundred; a walk through everything takes a million.
    const STEPS_MAX: i32 = 1_500;
    let connection = large();
    let last = vec![0xffu8; 17];
    let id = [&[0u8; 13][..], &[1, 134, 160]].concat();
    let (now, never) = (1_000_000i64, i64::MAX);
    let page = |query, wanted| {
        let (rows, steps) = match query {
            Query::events_by_time => steps(&connection, query, params![1, now, never, 0, 20]),
            Query::events_by_source => steps(&connection, query, params![1, now, never, 0, 20, 2, 10]),
            Query::events_by_subject => steps(&connection, query, params![1, now, never, 0, 20, "orders/7"]),
            Query::event_by_id | Query::delivery_by_id | Query::delivery_head => {
                steps(&connection, query, params![1, id])
            }
            Query::events_after => steps(&connection, query, params![50_000]),
            Query::deliveries_by_id => steps(&connection, query, params![1, last, 20]),
            Query::deliveries_by_state => steps(&connection, query, params![1, last, 20, 8, 32]),
            Query::due_deliveries => steps(&connection, query, params![1, 30]),
            Query::deliveries_of_event | Query::event_by_seq => steps(&connection, query, params![777]),
            Query::first_behind => steps(&connection, query, params![1]),
            Query::first_behind_version => steps(&connection, query, params![1, 2]),
            Query::next_connection => steps(&connection, query, params![1, 2, 10]),
            Query::next_open_destination => steps(&connection, query, params![1, 8, 30]),
            Query::oldest_open => steps(&connection, query, params![1, 8, 32]),
            other => panic!("no parameters for {other:?}"),
        };
        assert_eq!(rows, wanted, "{query:?} finds what is there");
        assert!(steps < STEPS_MAX, "{query:?} takes {steps} steps");
    };
    for query in [
        Query::events_by_time,
        Query::events_by_source,
        Query::events_by_subject,
        Query::events_after,
        Query::deliveries_by_id,
        Query::deliveries_by_state,
        Query::due_deliveries,
        Query::oldest_open,
    ] {
        page(query, 20);
    }
    for query in [
        Query::event_by_id,
        Query::delivery_by_id,
        Query::delivery_head,
        Query::event_by_seq,
        Query::deliveries_of_event,
        Query::first_behind,
        Query::first_behind_version,
        Query::next_connection,
        Query::next_open_destination,
    ] {
        page(query, 1);
    }
}
