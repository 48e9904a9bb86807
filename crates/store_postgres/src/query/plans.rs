//! Every question that a store can be asked, put to one with a hundred thousand events: what the server did to answer it,
//! by the plan that it makes once for all values, as it does for the product.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use store::conformance::growth::Growth;
use store::conformance::questions::{Cost, PAGE, Question, all};
use store::keep::Keep;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::tests::{AMONG_ALL, read_without_tenant, tables_of_tenants};
use crate::testkit::{self, Database};
use crate::{OpenOptions, PostgresStore};

/// Rows that one question may touch in all of its tables: a page with what is read ahead for it, by each connection of a
/// source, and the rows beside them; of a hundred thousand.
const TOUCHED_MAX: f64 = 5_000.0;
/// Rows that may be read in a table's own order: as many as one page of the disk holds.
const SCANNED_MAX: f64 = 100.0;
/// Rounds, each about another event.
const ROUNDS: u64 = 3;

/// What the server did for each statement since somebody began to look.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<Option<Vec<(String, Value)>>>);

impl Plans {
    fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    fn take(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// Has the server run the statement by its generic plan and tell what it did.
    pub(crate) async fn look(&self, client: &Client, text: &str, types: &[Type], params: &[&(dyn ToSql + Sync)]) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        let names: Vec<&str> = types.iter().map(Type::name).collect();
        let typed = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
        let values = literals(client, &names, params).await;
        let given = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        client.batch_execute(&format!("PREPARE looked {typed} AS {text}")).await.expect("it was prepared before");
        let explain = format!("EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, FORMAT JSON) EXECUTE looked {given}");
        let answered = client.simple_query(&explain).await;
        let lines: Vec<String> = answered.expect("a plan").iter().filter_map(line).collect();
        client.batch_execute("DEALLOCATE looked").await.expect("it was prepared");
        let plan: Value = serde_json::from_str(&lines.join("\n")).expect("a plan is JSON");
        if let Some(plans) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            plans.push((text.to_owned(), plan[0]["Plan"].clone()));
        }
    }
}

/// Values as the server writes them: it knows how.
async fn literals(client: &Client, types: &[&str], params: &[&(dyn ToSql + Sync)]) -> Vec<String> {
    if types.is_empty() {
        return Vec::new();
    }
    let quoted = types.iter().enumerate().map(|(at, name)| format!("quote_nullable((${}::{name})::text)", at + 1));
    let text = format!("SELECT {}", quoted.collect::<Vec<_>>().join(", "));
    let row = client.query_one(&text, params).await.expect("values of these types");
    types.iter().enumerate().map(|(at, name)| format!("{}::{name}", row.get::<_, String>(at))).collect()
}

fn line(message: &SimpleQueryMessage) -> Option<String> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }
}

/// A plan's step with those below it.
pub(super) fn steps(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(steps);
    std::iter::once(plan).chain(below).collect()
}

/// Rows that a step looked at, wanted or not.
fn looked_at(step: &Value) -> f64 {
    let number = |name: &str| step[name].as_f64().unwrap_or(0.0);
    let once = number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    once * number("Actual Loops")
}

fn check(question: &Question, plans: &[(String, Value)]) {
    let mut touched = 0.0;
    for (text, plan) in plans {
        for step in steps(plan) {
            let kind = step["Node Type"].as_str().unwrap_or_default();
            if step["Relation Name"].is_null() {
                continue;
            }
            touched += looked_at(step);
            let scans = kind == "Seq Scan" && looked_at(step) > SCANNED_MAX;
            assert!(!scans, "{} scans {}:\n{text}\n{plan:#}", question.name(), step["Relation Name"]);
        }
    }
    let shown = || plans.iter().map(|(text, plan)| format!("{text}\n{plan:#}\n")).collect::<String>();
    let most = if let Cost::Looks(rows) = question.cost { f64::from(rows) } else { TOUCHED_MAX };
    assert!(touched <= most, "{} touches {touched} rows:\n{}", question.name(), shown());
}

/// Statements that are put together from pieces are in no file: here they are seen as the server was asked.
fn check_tenants(question: &Question, plans: &[(String, Value)], tables: &BTreeSet<String>) {
    let among_all = |text: &str| AMONG_ALL.iter().any(|query| query.text() == text);
    for (text, plan) in plans.iter().filter(|(text, _)| !among_all(text)) {
        let unbound = read_without_tenant(plan, tables);
        assert!(unbound.is_empty(), "{} reads {unbound:?} of all tenants:\n{text}\n{plan:#}", question.name());
    }
}

#[tokio::test]
async fn every_question_is_answered_by_an_index_or_within_its_time() {
    let database = Database::new();
    let growth = Growth::tested();
    testkit::grow(&database, &growth).await;
    // Nothing but what is asked runs meanwhile.
    let options = OpenOptions { listen: false, connections: 2, ..database.options() };
    let store = PostgresStore::open(options).await.expect("a store");
    let tables = tables_of_tenants(&database);
    for round in 0..ROUNDS {
        for question in all(&growth, round, Duration::ZERO) {
            store.inner.figures.plans.begin();
            let answer = question.ask(&store).await.unwrap_or_else(|error| panic!("{}: {error}", question.name()));
            let plans = store.inner.figures.plans.take();
            assert!(!question.finds || answer.rows > 0, "{} finds nothing", question.name());
            assert!(!plans.is_empty(), "{} asked the server nothing", question.name());
            check_tenants(&question, &plans, &tables);
            if matches!(question.cost, Cost::Whole(_)) {
                continue;
            }
            assert!(answer.rows <= PAGE as usize || question.cost != Cost::Indexed, "{}", question.name());
            check(&question, &plans);
        }
    }
    store.close().await.expect("it closes");
}
