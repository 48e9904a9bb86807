//! Every question that a store can be asked, put to one with a hundred thousand events: which statements answer it, what
//! SQLite plans for them, and how many steps of its machine they take.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::Connection;
use store::Store;
use store::conformance::growth::Growth;
use store::conformance::questions::{Answer, Cost, PAGE, Question, all};
use store::keep::Keep;

use super::{ALL, Query};
use crate::{OpenOptions, SqliteStore, testkit};

/// Steps for each row of a page, and for each row that a search may look at before its time counts. A walk through a
/// hundred thousand rows takes a million.
const STEPS_PER_ROW: i64 = 400;
/// As many rows as are looked at without time, or are read ahead of a page from several ranges.
const ROWS_MAX: i64 = 500;
/// Rounds, each about another event.
const ROUNDS: u64 = 3;

/// What a question ran, and what it took.
struct Ran {
    queries: BTreeSet<usize>,
    steps: i64,
}

async fn ask(store: &SqliteStore, question: &Question) -> (Answer, Ran) {
    let counted =
        || std::mem::take(&mut *store.shared.statements.steps.lock().expect("no test panics while it counts"));
    counted();
    let answer = question.ask(store as &dyn Store).await.unwrap_or_else(|error| panic!("{}: {error}", question.name()));
    let steps = counted();
    let ran = Ran { queries: steps.keys().copied().collect(), steps: steps.values().sum() };
    (answer, ran)
}

/// What the planner says of a statement, a line per step.
fn plan(connection: &Connection, query: Query) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.text())).expect("a statement");
    let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
    let rows = explain.query_map(rusqlite::params_from_iter(unbound), |row| row.get(3)).expect("a plan");
    rows.collect::<Result<_, _>>().expect("a plan")
}

/// Looks through no table and sorts nothing but a page.
fn check_plan(connection: &Connection, question: &Question, ran: &Ran) {
    for number in &ran.queries {
        let plan = plan(connection, ALL[*number]);
        let scans = plan.iter().any(|step| step.starts_with("SCAN") && !step.contains("CONSTANT ROW"));
        assert!(!scans, "{} runs {:?}: {plan:#?}", question.name(), ALL[*number]);
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        let few = [Query::sightings, Query::deliveries_of_event, Query::open_alerts_of];
        assert!(!sorts || few.contains(&ALL[*number]), "{} runs {:?}: {plan:#?}", question.name(), ALL[*number]);
    }
}

#[tokio::test]
async fn every_question_is_answered_by_an_index_or_within_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let growth = Growth::tested();
    testkit::grow(&path, &growth);
    let plans = Connection::open(&path).expect("a second connection");
    // Once as it is, and once as after a person's ANALYZE: the plans must not depend on it.
    for statistics in [false, true] {
        if statistics {
            plans.execute_batch("ANALYZE").expect("statistics");
        }
        let store = SqliteStore::open(OpenOptions::file(&path)).expect("a store");
        for round in 0..ROUNDS {
            for question in all(&growth, round, Duration::ZERO) {
                let (answer, ran) = ask(&store, &question).await;
                assert!(!question.finds || answer.rows > 0, "{} finds nothing", question.name());
                assert!(answer.rows <= PAGE as usize || !matches!(question.cost, Cost::Indexed), "{}", question.name());
                if matches!(question.cost, Cost::Whole(_)) {
                    continue;
                }
                check_plan(&plans, &question, &ran);
                let most = STEPS_PER_ROW * ROWS_MAX;
                assert!(ran.steps < most, "{} takes {} steps: {:?}", question.name(), ran.steps, named(&ran));
            }
        }
        store.close().await.expect("it closes");
    }
}

fn named(ran: &Ran) -> Vec<Query> {
    ran.queries.iter().map(|number| ALL[*number]).collect()
}
