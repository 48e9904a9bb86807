//! What a list does not have says nothing where it is known not to be the whole list, and two streams or partitions that
//! give different records one name are refused.

use std::time::Duration;

use domain::run::{RunKind, RunState};
use engine::spec::StreamSpec;
use engine::streams::Wish;
use serde_json::{Value as Json, json};

use crate::depot::{World, load, page};
use crate::rig::clock;
use crate::streams::{every, reconciled};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: &str = "PT1H";

fn shelved() -> Vec<(&'static str, Json)> {
    vec![("/shelves", page(&[1, 2], None)), ("/parts/1", page(&[11, 12], None)), ("/parts/2", page(&[21, 22], None))]
}

#[tokio::test(start_paused = true)]
async fn a_partition_whose_error_is_ignored_deletes_nothing_and_the_run_says_so() {
    let world = World::start(("parts", every(10 * SECOND)), HOUR, &shelved()).await;
    world.rig.pass(25 * SECOND).await;
    world.answer("/parts/2", 403, &json!({ "error": "the plan is suspended" }));
    world.answer("/parts/1", 200, &page(&[11], None));
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new(), "nobody knows what is on the second shelf");
    let runs = world.runs(RunKind::Poll).await;
    assert_eq!(runs.len(), 1, "it is listed once: {runs:?}");
    let problem = runs[0].problem.as_deref().unwrap_or_default();
    assert!(runs[0].state == RunState::Done && problem.contains("parts/2 answered with status 403"), "{:?}", runs[0]);
    let run = world.order("parts", Wish::Reconcile { dry: false, deletes_confirmed: false }).await;
    assert!(run.state == RunState::Done && run.problem.as_deref() == Some(problem), "{run:?}");
    assert!(world.rig.open().await.is_empty(), "{:?}", world.rig.open().await);
    world.answer("/parts/2", 200, &page(&[21, 22], None));
    world.rig.pass(30 * SECOND).await;
    assert_eq!(world.types().await, ["parts.deleted parts/12"], "what is known again to be gone is told");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_not_there_any_more_takes_its_records_along() {
    let world = World::start(("parts", every(10 * SECOND)), HOUR, &shelved()).await;
    world.rig.pass(25 * SECOND).await;
    world.answer("/parts/2", 404, &json!({}));
    world.rig.pass(30 * SECOND).await;
    assert_eq!(world.types().await, ["parts.deleted parts/21", "parts.deleted parts/22"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_parents_ignored_error_deletes_nothing_of_its_children() {
    let world = World::start(("parts", every(10 * SECOND)), HOUR, &shelved()).await;
    world.rig.pass(25 * SECOND).await;
    world.answer("/shelves", 500, &json!({}));
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_error_is_ignored_deletes_nothing() {
    for status in [404, 500] {
        let pages = [("/entries", page(&[1], Some(2))), ("/entries?page=2", page(&[2], None))];
        let world = World::start(("entries", every(10 * SECOND)), HOUR, &pages).await;
        world.rig.pass(25 * SECOND).await;
        world.answer("/entries?page=2", status, &json!({}));
        world.rig.pass(60 * SECOND).await;
        assert_eq!(world.types().await, Vec::<String>::new(), "{status}");
        world.answer("/entries", 200, &page(&[1], None));
        world.rig.pass(30 * SECOND).await;
        assert_eq!(world.types().await, ["entries.deleted entries/2"], "{status}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_first_page_has_a_number_is_not_empty_because_it_is_not_there() {
    let world = World::start(("drawers", every(10 * SECOND)), HOUR, &[("/drawers?page=1", page(&[1, 2], None))]).await;
    world.rig.pass(25 * SECOND).await;
    world.answer("/drawers?page=1", 404, &json!({}));
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new());
    assert!(world.runs(RunKind::Poll).await[0].problem.is_some());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_scan_that_lists_each_state_of_a_record_tells_none_of_them() {
    let state = |text: &str, next: Json| json!({ "data": [{ "id": 1, "says": text }], "next": next });
    let pages = [("/entries", state("was", json!(2))), ("/entries?page=2", state("is", Json::Null))];
    let world = World::start(("entries", every(3_600 * SECOND)), HOUR, &pages).await;
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_ends_before_now_deletes_nothing() {
    let record = |id: u64| json!({ "id": id, "updated_at": "2024-05-01T00:00:00Z" });
    let wish = Wish::Reconcile { dry: false, deletes_confirmed: false };
    for (lag, told) in [(HOUR, vec![]), ("PT0S", vec!["settled.deleted settled/1".to_owned()])] {
        let spec = StreamSpec { reconcile: Some(reconciled(3_600 * SECOND)), ..StreamSpec::default() };
        let both = [("/settled", json!({ "data": [record(1), record(2)] }))];
        let world = World::start(("settled", spec), lag, &both).await;
        world.rig.pass(25 * SECOND).await;
        // It changed now, and is listed again in an hour.
        world.answer("/settled", 200, &json!({ "data": [record(2)] }));
        let first = world.order("settled", wish).await;
        world.order("settled", wish).await;
        assert_eq!(world.types().await, told, "{lag}");
        let says = first.problem.as_deref().is_some_and(|problem| problem.contains("the list ends before now"));
        assert_eq!((first.state, says), (RunState::Done, lag == HOUR), "{first:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_name_for_two_records_of_two_partitions_ends_the_run() {
    let labels = |name: &str| json!({ "data": [{ "id": 77, "name": name }] });
    let shelves = ("/shelves", page(&[1, 2], None));
    let answers = [shelves, ("/labels/1", labels("Ada")), ("/labels/2", labels("Ada"))];
    let world = World::start(("labels", every(10 * SECOND)), HOUR, &answers).await;
    world.rig.pass(300 * SECOND).await;
    let runs = world.runs(RunKind::Backfill).await;
    let problem = runs[0].problem.as_deref().unwrap_or_default();
    assert_eq!(runs[0].state, RunState::Failed, "{:?}", runs[0]);
    for part in ["the primary key does not name one record: 'labels/77'", r#"{"shelf":1}"#, r#"{"shelf":2}"#] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
    assert_eq!(world.types().await, Vec::<String>::new());
    world.stop().await;
}

#[test]
fn two_streams_of_one_object_are_refused_if_the_list_of_one_says_what_is_gone() {
    let refused = |says: &str| load(&clock(), says, HOUR).err().map(|error| error.to_string());
    for says in [
        "entries: { object: parts }",
        "entries: { object: part }\n      parts: { object: part }",
        "entries: { object: part, deletes: none }\n      parts: { object: part, deletes: scan }",
    ] {
        let error = refused(says).unwrap_or_else(|| panic!("{says}"));
        assert!(error.contains("names records 'part") && error.contains("as 'parts' does"), "{error}");
    }
    for says in [
        "entries: { object: part, deletes: none }\n      parts: { object: part, deletes: none }",
        "entries: { object: part }\n      parts: { object: part, deletes: { feed: entries } }",
        "entries: { object: entry }",
    ] {
        assert_eq!(refused(says), None, "{says}");
    }
}
