//! A source that answers nonsense: its checkpoint stays, nothing is told, and the run says what it saw.

use std::time::Duration;

use domain::Tenant;
use domain::run::{RunKind, RunState};
use engine::streams::Wish;

use crate::streams::{World, every};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn nonsense_moves_no_checkpoint_and_the_run_says_what_was_seen() {
    for (raw, says) in [
        ("<html><body>Down for maintenance</body></html>", "as web pages"),
        ("[{\"id\": 2, \"updated_at\": \"2027-01-15T", "JSON"),
        ("{\"error\": \"down for maintenance\"}", "without what names a record of 'orders'"),
        ("[1, 2, 3]", "a number where a record of 'orders' was expected"),
    ] {
        let world = World::start(&[("orders", every(3_600 * SECOND))]).await;
        world.rig.pass(15 * SECOND).await;
        let state = async || {
            let rows = world.rig.store.checkpoints(Tenant::default_tenant(), None).await.expect("checkpoints");
            rows[0].state.clone()
        };
        let before = state().await;
        world.shop.state().raw = Some(raw);
        world.rig.engine.stream_orders().order(World::key("orders"), Wish::Poll).await.expect("a run");
        world.rig.pass(300 * SECOND).await;
        let runs = world.runs(RunKind::Poll).await;
        let run = runs.last().expect("it is listed");
        assert_eq!(run.state, RunState::Failed, "{raw}: {run:?}");
        let problem = run.problem.as_deref().unwrap_or_default();
        assert!(problem.contains(says), "{raw}: {problem}");
        assert_eq!(state().await, before, "{raw}");
        assert_eq!(world.types().await, Vec::<String>::new(), "{raw}");
        world.shop.state().raw = None;
        world.shop.order(2, "meanwhile");
        world.rig.pass(3_600 * SECOND).await;
        assert_eq!(world.types().await, ["orders.created orders/2"], "{raw}: it goes on as if nothing had been");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_time_is_no_time_is_told_and_moves_no_checkpoint() {
    let world = World::start(&[("orders", every(3_600 * SECOND))]).await;
    world.rig.pass(15 * SECOND).await;
    let state = async || {
        let rows = world.rig.store.checkpoints(Tenant::default_tenant(), None).await.expect("checkpoints");
        rows[0].state.clone()
    };
    let before = state().await;
    world.shop.state().raw = Some("[{\"id\": 2, \"updated_at\": \"yesterday\"}]");
    for _ in 0..2 {
        world.rig.engine.stream_orders().order(World::key("orders"), Wish::Poll).await.expect("a run");
        world.rig.pass(SECOND).await;
    }
    assert_eq!(world.types().await, ["orders.created orders/2"], "once, however often it is read");
    assert_eq!(state().await, before);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_list_of_a_streams_records_is_no_list_that_lacks_them() {
    let world = World::start(&[("items", every(10 * SECOND))]).await;
    world.rig.pass(15 * SECOND).await;
    world.shop.state().raw = Some("{\"error\": \"down for maintenance\"}");
    world.rig.pass(300 * SECOND).await;
    world.shop.state().raw = None;
    world.rig.pass(3_600 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new());
    world.stop().await;
}
