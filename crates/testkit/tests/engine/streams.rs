//! Streams that are read by themselves: a small shop whose records the test changes, read on simulated time.

use std::sync::Arc;
use std::time::Duration;

use domain::budget::{Allowance, Counting};
use domain::run::{RunKind, RunState, StreamKey};
use domain::{ConnectionName, Origin, Tenant, Timestamp};
use engine::spec::{BudgetScope, BudgetSpec, PollBudget, PollSpec, ReconcileSpec, Schedule, Specs, Start, StreamSpec};
use engine::streams::Wish;
use store::Store;
use store::read::{EventFilter, Page};
use store::reading::RunFilter;

use testkit::faulty_store::{Death, Fate, Fates, FaultyStore, Stall};

use crate::rig::{Rig, clock, memory};
use crate::shop::{GET, RECENT, Shop, specs};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

pub struct World {
    pub rig: Rig,
    pub shop: Arc<Shop>,
}

pub fn every(interval: Duration) -> StreamSpec {
    StreamSpec { poll: Some(PollSpec::On(Schedule::Every(interval))), ..StreamSpec::default() }
}

pub fn reconciled(interval: Duration) -> ReconcileSpec {
    ReconcileSpec {
        schedule: Schedule::Every(interval),
        lookback: None,
        grace: Some(Duration::ZERO),
        max_deletes: None,
    }
}

impl World {
    pub async fn start(streams: &[(&str, StreamSpec)]) -> Self {
        Self::with(streams, None, "").await
    }

    pub async fn with(streams: &[(&str, StreamSpec)], budget: Option<BudgetSpec>, get: &str) -> Self {
        let clock = clock();
        let shop = Shop::new(&clock);
        let specs = specs(&clock, streams, budget, get);
        let rig = Rig::reaching(memory(), Specs::default(), clock, Arc::clone(&shop) as _).await;
        shop.order(1, "there before");
        shop.item(1, "there before");
        rig.engine.configure(specs).await.expect("the specs are valid");
        Self { rig, shop }
    }

    pub fn key(stream: &str) -> StreamKey {
        StreamKey {
            tenant: Tenant::default_tenant(),
            source: "shop".parse().expect("a name"),
            connection: ConnectionName::default_connection(),
            stream: stream.into(),
        }
    }

    /// Type, subject and origin of every event, oldest first.
    pub async fn told(&self) -> Vec<(String, String, Origin)> {
        let listed = self.rig.store.events(Tenant::default_tenant(), EventFilter::default(), Page::first(500)).await;
        let mut rows = listed.expect("events").rows;
        rows.reverse();
        let row = |row: &store::read::EventRow| {
            let subject = row.event.subject.as_ref().map(ToString::to_string).unwrap_or_default();
            (row.event.event_type.to_string(), subject, row.event.origin)
        };
        rows.iter().map(row).collect()
    }

    pub async fn types(&self) -> Vec<String> {
        self.told().await.into_iter().map(|(own, subject, _)| format!("{own} {subject}")).collect()
    }

    pub async fn runs(&self, kind: RunKind) -> Vec<domain::Run> {
        let filter = RunFilter { kind: Some(kind), ..RunFilter::default() };
        self.rig.store.runs(Tenant::default_tenant(), filter, Page::first(100)).await.expect("runs").rows
    }

    pub async fn stop(&self) {
        self.rig.engine.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_polled_stream_tells_what_changes_after_its_first_scan() {
    let world = World::start(&[("orders", every(10 * SECOND))]).await;
    world.rig.pass(SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new(), "what was there before is known, not told");
    world.rig.pass(20 * SECOND).await;
    world.shop.order(2, "new");
    world.rig.pass(11 * SECOND).await;
    assert_eq!(world.told().await, [("orders.created".into(), "orders/2".into(), Origin::Virtual)]);
    world.shop.order(2, "changed");
    world.shop.order(1, "changed");
    world.rig.pass(60 * SECOND).await;
    let expected = ["orders.created orders/2", "orders.updated orders/1", "orders.updated orders/2"];
    assert_eq!(world.types().await, expected, "each change once, however often it is read again");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_changes_within_one_tick_are_both_told() {
    let world = World::start(&[("orders", every(10 * SECOND))]).await;
    world.rig.pass(20 * SECOND).await;
    world.shop.order(2, "first");
    world.rig.engine.stream_orders().order(World::key("orders"), Wish::Poll).await.expect("it is polled");
    world.rig.pass(Duration::from_millis(100)).await;
    world.shop.order(2, "second, in the same second");
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2", "orders.updated orders/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_scan_tells_as_much_as_it_is_told_to() {
    let all = StreamSpec { start: Start::All, ..every(10 * SECOND) };
    let world = World::start(&[("orders", all)]).await;
    world.rig.pass(SECOND).await;
    assert_eq!(world.told().await, [("orders.created".into(), "orders/1".into(), Origin::Backfill)]);
    let runs = world.runs(RunKind::Backfill).await;
    assert_eq!((runs.len(), runs[0].state, runs[0].figures.told, runs[0].figures.requests), (1, RunState::Done, 1, 1));
    world.stop().await;
    let later = Timestamp::from_micros(i64::MAX / 2);
    let since = StreamSpec { start: Start::Since(later), ..every(10 * SECOND) };
    let world = World::start(&[("orders", since)]).await;
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_whole_list_does_not_have_any_more_is_gone_once_it_is_confirmed() {
    let world = World::with(&[("items", every(10 * SECOND))], None, GET).await;
    world.shop.item(2, "b");
    world.rig.pass(15 * SECOND).await;
    world.shop.state().items.remove(&2);
    world.shop.item(1, "changed");
    world.shop.item(3, "c");
    world.rig.pass(30 * SECOND).await;
    assert_eq!(world.types().await, ["item.updated item/1", "item.created item/3", "item.deleted item/2"]);
    world.shop.item(2, "b");
    world.rig.pass(30 * SECOND).await;
    assert_eq!(world.types().await.last().map(String::as_str), Some("item.created item/2"), "it is made again");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_way_to_ask_two_complete_scans_have_to_miss_it() {
    let world = World::start(&[("items", every(10 * SECOND))]).await;
    world.shop.item(2, "b");
    world.rig.pass(5 * SECOND).await;
    world.shop.state().items.remove(&2);
    world.rig.pass(10 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new(), "it was missing once");
    world.shop.item(2, "b");
    world.rig.pass(10 * SECOND).await;
    world.shop.state().items.remove(&2);
    world.rig.pass(10 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new(), "it was there in between");
    world.rig.pass(10 * SECOND).await;
    assert_eq!(world.types().await, ["item.deleted item/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_list_has_left_behind_is_not_gone() {
    let reconciled = StreamSpec { reconcile: Some(reconciled(360 * MINUTE)), ..StreamSpec::default() };
    let world = World::with(&[("orders", reconciled)], None, RECENT).await;
    for _ in 0..4 {
        world.rig.pass(24 * 60 * MINUTE).await;
    }
    assert!(world.runs(RunKind::Reconcile).await.len() > 10);
    assert_eq!(world.types().await, Vec::<String>::new(), "it is only older than what is listed");
    world.shop.order(2, "new");
    world.rig.pass(400 * MINUTE).await;
    world.shop.state().orders.remove(&2);
    world.rig.pass(800 * MINUTE).await;
    assert_eq!(world.types().await, ["orders.created orders/2", "orders.deleted orders/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_suddenly_empty_deletes_nothing_until_a_person_says_so() {
    let spec = StreamSpec { reconcile: Some(reconciled(3_600 * SECOND)), ..every(10 * SECOND) };
    let world = World::with(&[("items", spec)], None, GET).await;
    (2..=30).for_each(|id| world.shop.item(id, "x"));
    world.rig.pass(5 * SECOND).await;
    world.shop.state().items.clear();
    world.rig.pass(40 * SECOND).await;
    assert_eq!(world.types().await, Vec::<String>::new());
    assert!(world.rig.open().await.iter().any(|(kind, _)| kind == "deletes_waiting"), "{:?}", world.rig.open().await);
    let wish = |deletes_confirmed| Wish::Reconcile { dry: false, deletes_confirmed };
    world.rig.engine.stream_orders().order(World::key("items"), wish(false)).await.expect("a run");
    world.rig.pass(SECOND).await;
    assert_eq!(world.runs(RunKind::Reconcile).await[0].state, RunState::Waiting);
    world.rig.engine.stream_orders().order(World::key("items"), wish(true)).await.expect("a run");
    world.rig.pass(SECOND).await;
    let runs = world.runs(RunKind::Reconcile).await;
    assert_eq!((runs[0].state, runs[0].figures.deleted), (RunState::Done, 30), "{:?}", runs[0]);
    assert_eq!(world.told().await.len(), 30);
    assert!(!world.rig.open().await.iter().any(|(kind, _)| kind == "deletes_waiting"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reconciliation_tells_what_nobody_told_and_reports_what_it_saw() {
    let spec = StreamSpec { reconcile: Some(reconciled(600 * SECOND)), ..StreamSpec::default() };
    let world = World::start(&[("orders", spec)]).await;
    let order = |dry| {
        world.rig.engine.stream_orders().order(World::key("orders"), Wish::Reconcile { dry, deletes_confirmed: false })
    };
    order(false).await.expect("the first scan");
    world.rig.pass(20 * SECOND).await;
    world.shop.order(2, "missed by all");
    world.rig.pass(SECOND).await;
    let dry = order(true).await.expect("a run");
    world.rig.pass(SECOND).await;
    let reported = world.rig.store.run(Tenant::default_tenant(), dry.id).await.expect("run").expect("it is there");
    assert_eq!((reported.state, reported.figures.missed, reported.figures.told), (RunState::Done, 1, 0));
    assert_eq!(world.types().await, Vec::<String>::new(), "it only reports");
    let run = order(false).await.expect("a run");
    world.rig.pass(SECOND).await;
    assert_eq!(world.told().await, [("orders.created".into(), "orders/2".into(), Origin::Reconciled)]);
    let gaps = world.rig.store.gaps(Tenant::default_tenant(), run.id).await.expect("gaps");
    assert_eq!((gaps.len(), gaps[0].subject.as_str()), (1, "orders/2"));
    assert!(world.rig.open().await.iter().any(|(kind, _)| kind == "gap_found"), "{:?}", world.rig.open().await);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_keeps_its_checkpoint_and_is_asked_less_often() {
    let world = World::start(&[("orders", every(10 * SECOND))]).await;
    world.rig.pass(15 * SECOND).await;
    let state = async || {
        let rows = world.rig.store.checkpoints(Tenant::default_tenant(), None).await.expect("checkpoints");
        rows[0].state.clone()
    };
    let before = state().await;
    world.shop.state().status = Some(400);
    world.rig.pass(300 * SECOND).await;
    assert_eq!(state().await, before);
    assert!(world.shop.asked() < 20, "{} requests", world.shop.asked());
    assert!(world.rig.open().await.iter().any(|(kind, _)| kind == "stream_failing"), "{:?}", world.rig.open().await);
    let failed = world.runs(RunKind::Poll).await;
    assert!(failed.iter().all(|run| run.state == RunState::Failed && run.problem.is_some()) && !failed.is_empty());
    world.shop.state().status = None;
    world.shop.order(2, "meanwhile");
    world.rig.pass(600 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2"]);
    assert!(!world.rig.open().await.iter().any(|(kind, _)| kind == "stream_failing"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn streams_go_on_where_they_were_after_a_restart() {
    let store: Arc<dyn Store> = memory();
    let clock = clock();
    let shop = Shop::new(&clock);
    let specs = specs(&clock, &[("orders", every(10 * SECOND))], None, "");
    shop.order(1, "there before");
    let first = Rig::reaching(Arc::clone(&store), specs.clone(), Arc::clone(&clock), Arc::clone(&shop) as _).await;
    first.pass(15 * SECOND).await;
    drop(first);
    shop.order(2, "while nobody looked");
    let world = World { rig: Rig::reaching(store, specs, clock, Arc::clone(&shop) as _).await, shop };
    world.rig.pass(90 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_never_exceeded_whoever_asks() {
    let allowance = Allowance { rate: "10/m".parse().expect("a rate"), counting: Counting::Moving };
    let budget = BudgetSpec { allowance, scope: BudgetScope::Connection };
    let world = World::with(&[("orders", every(2 * SECOND)), ("items", every(3 * SECOND))], Some(budget), GET).await;
    for _ in 0..20 {
        world.rig.pass(15 * SECOND).await;
    }
    let asked: Vec<Timestamp> = world.shop.state().asked.iter().map(|(at, _)| *at).collect();
    for (index, first) in asked.iter().enumerate() {
        let within = asked[index..].iter().take_while(|at| at.since(*first) < MINUTE).count();
        assert!(within <= 10, "{within} requests in a minute");
    }
    assert!(asked.len() >= 40, "and what is allowed is used: {}", asked.len());
    let views = world.rig.engine.budget_views(&Tenant::default_tenant()).await.expect("views");
    assert_eq!((views.len(), views[0].allowance), (1, Some(allowance)));
    assert!(views[0].used <= 10 && views[0].by_purpose.contains_key(&domain::Purpose::Poll), "{views:?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_too_many_requests_is_obeyed_by_all() {
    let world = World::start(&[("orders", every(2 * SECOND)), ("items", every(2 * SECOND))]).await;
    world.rig.pass(SECOND).await;
    world.shop.state().status = Some(429);
    world.shop.state().headers = vec![("retry-after", "60".to_owned())];
    world.rig.pass(2 * SECOND).await;
    let before = world.shop.asked();
    world.rig.pass(50 * SECOND).await;
    assert!(world.shop.asked() <= before + 1, "nobody asks while the source says no");
    world.shop.state().status = None;
    world.shop.state().headers.clear();
    world.shop.order(2, "meanwhile");
    world.rig.pass(120 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_share_a_budget_spend_it_where_changes_are() {
    let share =
        PollBudget { rate: "20/m".parse().expect("a rate"), at_least: SECOND, at_most: 300 * SECOND, weight: 1.0 };
    let spec = StreamSpec { poll: Some(PollSpec::Budget(share)), ..StreamSpec::default() };
    let world = World::start(&[("orders", spec.clone()), ("items", spec)]).await;
    for round in 0..600_u64 {
        world.rig.pass(SECOND).await;
        if round % 3 == 0 {
            world.shop.order(2, &format!("{round}"));
        }
    }
    let asked = world.shop.state().asked.clone();
    let of = |path: &str| asked.iter().skip(asked.len() / 2).filter(|(_, url)| url.contains(path)).count();
    assert!((150..=201).contains(&asked.len()), "{} requests", asked.len());
    assert!(of("/orders") > 2 * of("/items") && of("/items") > 0, "{} and {}", of("/orders"), of("/items"));
    let streams = world.rig.engine.streams(&Tenant::default_tenant()).await.expect("streams");
    assert!(streams.iter().all(|stream| stream.changes_per_hour.is_some() && stream.baseline_at.is_some()));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_polls_at_once() {
    let world = World::start(&[("orders", every(3_600 * SECOND))]).await;
    world.rig.pass(5 * SECOND).await;
    world.shop.order(2, "new");
    world.rig.engine.stream_orders().hint(World::key("orders"), false);
    world.rig.pass(Duration::from_millis(100)).await;
    assert_eq!(world.types().await, ["orders.created orders/2"]);
    world.stop().await;
}

tokio::task_local! {
    /// Whoever has this waits for the store.
    static SLOW: ();
}

struct Kind;

impl Fates for Kind {
    fn next(&self, _: &'static str) -> Fate {
        Fate::Happens
    }
}

#[tokio::test(start_paused = true)]
async fn polls_that_are_written_down_while_somebody_looks_are_counted_once() {
    let clock = clock();
    let shop = Shop::new(&clock);
    let slow = Arc::clone(&clock);
    let stall: Stall = Arc::new(move || {
        let (clock, waits) = (Arc::clone(&slow), SLOW.try_with(|()| ()).is_ok());
        Box::pin(async move {
            if waits {
                clock.sleep(Duration::from_millis(700)).await;
            }
        })
    });
    let store = FaultyStore::new(memory(), Arc::new(Kind), Arc::new(Death::default())).stalled_by(stall);
    let specs = specs(&clock, &[("orders", every(SECOND))], None, "");
    let rig = Rig::reaching(Arc::new(store), Specs::default(), clock, Arc::clone(&shop) as _).await;
    rig.engine.configure(specs).await.expect("the specs are valid");
    let (mut shown, mut seen) = (0, 0);
    for _ in 0..60 {
        rig.pass(Duration::from_millis(100)).await;
        // The first request was the first scan, which is no poll.
        let before = shop.asked() as u64 - 1;
        let streams = SLOW.scope((), rig.engine.streams(&Tenant::default_tenant())).await.expect("streams");
        let polls = streams[0].progress.polls;
        assert!(polls < shop.asked() as u64, "{polls} polls with {} requests", shop.asked());
        assert!(polls >= shown, "{polls} polls after {shown}");
        shown = polls;
        seen += u64::from(polls >= before);
    }
    assert!(shown > 60 && seen > 30, "{shown} polls, up to date {seen} times");
    rig.engine.stop(MINUTE).await;
}
