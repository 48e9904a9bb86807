//! Budgets, counted where it matters: by the source, when a request arrives. In no window of it there is one too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::budget::{Allowance, Counting};
use domain::run::StreamKey;
use domain::{ConnectionName, Purpose, Tenant, Timestamp};
use engine::clock::SharedClock;
use engine::spec::{BudgetScope, BudgetSpec, ConnectionConfig, Specs, StreamSpec};
use engine::streams::Wish;
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use engine::upstream::Account;
use futures_util::future::BoxFuture;
use serde_json::json;
use store::Store;
use store_sqlite::{OpenOptions, SqliteStore};

use crate::rig::{Rig, clock, memory};
use crate::shop::{GET, Shop, specs};
use crate::streams::{World, every};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Requests that the source takes in a minute.
const LIMIT: usize = 12;
/// How long requests take to the source, one after another: some come in the window after the one they were sent in.
const WAYS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(400), Duration::from_millis(1_500), Duration::from_millis(50)];

/// A source that counts in fixed minutes and says how many are left, if it is to.
struct Metered {
    shop: Arc<Shop>,
    clock: SharedClock,
    says: bool,
    sent: AtomicUsize,
    arrived: Mutex<Vec<Timestamp>>,
}

impl Metered {
    fn new(clock: &SharedClock, says: bool) -> Arc<Self> {
        Arc::new(Self {
            shop: Shop::new(clock),
            clock: Arc::clone(clock),
            says,
            sent: AtomicUsize::new(0),
            arrived: Mutex::default(),
        })
    }

    fn arrived(&self) -> Vec<Timestamp> {
        self.arrived.lock().expect("nobody panicked").clone()
    }

    fn per_minute(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        self.arrived().iter().for_each(|at| *counts.entry(at.as_secs() / 60).or_default() += 1);
        counts
    }

    /// The most in any span of a minute.
    fn most(&self) -> usize {
        let arrived = self.arrived();
        let within = |(index, first): (usize, &Timestamp)| {
            arrived[index..].iter().take_while(|at| at.since(*first) < MINUTE).count()
        };
        arrived.iter().enumerate().map(within).max().unwrap_or_default()
    }
}

impl Transport for Metered {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async move {
            let way = WAYS[self.sent.fetch_add(1, Ordering::SeqCst) % WAYS.len()];
            if !self.says && way > Duration::ZERO {
                self.clock.sleep(way).await;
            }
            let now = self.clock.now();
            self.arrived.lock().expect("nobody panicked").push(now);
            let used = self.per_minute()[&(now.as_secs() / 60)];
            let mut answer = self.shop.send(request).await?;
            if self.says {
                let headers = [
                    ("x-ratelimit-remaining", LIMIT.saturating_sub(used).to_string()),
                    ("x-ratelimit-reset", (60 - now.as_secs() % 60).to_string()),
                ];
                for (name, value) in headers {
                    answer.headers.insert(name, value.parse().expect("a value"));
                }
            }
            if used > LIMIT {
                answer.status = 429;
            }
            Ok(answer)
        })
    }
}

fn budget(counting: Counting, scope: BudgetScope) -> BudgetSpec {
    BudgetSpec { allowance: Allowance { rate: format!("{LIMIT}/m").parse().expect("a rate"), counting }, scope }
}

fn wanting() -> [(&'static str, StreamSpec); 2] {
    [("orders", every(2 * SECOND)), ("items", every(3 * SECOND))]
}

/// Ten minutes of streams that want five times what is allowed.
async fn ten_minutes(metered: &Arc<Metered>, specs: Specs) -> Rig {
    let rig = Rig::reaching(memory(), Specs::default(), Arc::clone(&metered.clock), Arc::clone(metered) as _).await;
    (1..=3).for_each(|id| metered.shop.item(id, "there"));
    metered.shop.order(1, "there");
    rig.engine.configure(specs).await.expect("the specs are valid");
    for round in 0..600 {
        rig.pass(SECOND).await;
        if round % 7 == 0 {
            metered.shop.order(2 + round, "new");
        }
    }
    rig
}

#[tokio::test(start_paused = true)]
async fn of_a_fixed_window_not_one_request_too_many_arrives() {
    let clock = clock();
    let metered = Metered::new(&clock, false);
    let own = budget(Counting::Fixed, BudgetScope::Connection);
    let rig = ten_minutes(&metered, specs(&clock, &wanting(), Some(own), GET)).await;
    let counts = metered.per_minute();
    assert!(counts.values().all(|count| *count <= LIMIT), "{counts:?}");
    assert!(counts.values().filter(|count| **count + 2 >= LIMIT).count() >= 8, "what is allowed is used: {counts:?}");
    let scopes = async || {
        let views = rig.engine.budget_views(&Tenant::default_tenant()).await.expect("views");
        views.iter().map(|view| view.scope.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(scopes().await, ["connection/shop/default"]);
    rig.engine.configure(Specs::default()).await.expect("nothing is asked any more");
    assert_eq!(scopes().await, Vec::<String>::new(), "a budget that nobody pays from is not told");
    rig.engine.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wished_for_at_the_end_of_a_window_does_not_arrive_in_the_next_beside_what_is_sent_there() {
    let clock = clock();
    let metered = Metered::new(&clock, false);
    let quiet = [("orders", every(86_400 * SECOND))];
    let mut specs = specs(&clock, &quiet, Some(budget(Counting::Fixed, BudgetScope::Source)), GET);
    let names: Vec<ConnectionName> = (0..LIMIT).map(|n| format!("c{n}").parse().expect("a name")).collect();
    connect(&mut specs, &names);
    let rig = Rig::reaching(memory(), Specs::default(), clock, Arc::clone(&metered) as _).await;
    rig.engine.configure(specs).await.expect("the specs are valid");
    let poll_all = async || {
        let wish = |name: &ConnectionName| {
            let key = StreamKey { connection: name.clone(), ..World::key("orders") };
            let orders = rig.engine.stream_orders().clone();
            tokio::spawn(async move { orders.order(key, Wish::Poll).await.map(drop) })
        };
        for wished in names.iter().map(wish).collect::<Vec<_>>() {
            wished.await.expect("nobody panicked").expect("it is polled");
        }
    };
    // One second before the end of a minute in which nothing was asked, and again in the next.
    rig.pass(179 * SECOND).await;
    poll_all().await;
    rig.pass(4 * SECOND).await;
    poll_all().await;
    rig.pass(120 * SECOND).await;
    let counts = metered.per_minute();
    assert!(counts.values().all(|count| *count <= LIMIT), "{counts:?}");
    assert_eq!(metered.arrived().len(), 3 * LIMIT, "{counts:?}");
    rig.engine.stop(MINUTE).await;
}

/// Gives the source these connections instead of its one.
fn connect(specs: &mut Specs, names: &[ConnectionName]) {
    let source = &mut specs.sources[0];
    source.connections = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    let connector = source.connector.as_mut().expect("it has one");
    connector.configs = names.iter().map(|name| (name.clone(), ConnectionConfig::new(json!({})))).collect();
}

#[tokio::test(start_paused = true)]
async fn connections_and_sources_that_share_a_quota_keep_it_together() {
    for scope in [BudgetScope::Source, BudgetScope::Named("app".to_owned())] {
        let clock = clock();
        let metered = Metered::new(&clock, false);
        let mut specs = specs(&clock, &wanting(), Some(budget(Counting::Moving, scope.clone())), GET);
        connect(&mut specs, &["acme", "blue"].map(|name| name.parse().expect("a name")));
        if scope != BudgetScope::Source {
            let twin = engine::spec::SourceSpec { name: "twin".parse().expect("a name"), ..specs.sources[0].clone() };
            specs.sources.push(twin);
        }
        let rig = ten_minutes(&metered, specs).await;
        assert!(metered.most() <= LIMIT, "{scope:?}: {} requests in a minute", metered.most());
        assert!(metered.arrived().len() > 8 * LIMIT, "{scope:?}: what is allowed is used: {}", metered.arrived().len());
        let views = rig.engine.budget_views(&Tenant::default_tenant()).await.expect("views");
        assert_eq!(views.len(), 1, "{views:?}");
        let streams = rig.engine.streams(&Tenant::default_tenant()).await.expect("streams");
        assert!(
            streams.len() >= 4 && streams.iter().all(|stream| stream.baseline_at.is_some()),
            "all have their share"
        );
        rig.engine.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_learned_from_headers_is_kept_from_the_first_answer_on() {
    let clock = clock();
    let metered = Metered::new(&clock, true);
    let rig = ten_minutes(&metered, specs(&clock, &wanting(), None, GET)).await;
    let counts = metered.per_minute();
    assert!(counts.values().all(|count| *count <= LIMIT), "{counts:?}");
    assert!(counts.values().filter(|count| **count + 1 >= LIMIT).count() >= 8, "what is allowed is used: {counts:?}");
    rig.engine.stop(MINUTE).await;
}

/// A source that does not answer its first requests, and says of the others how many more it takes.
struct Mute {
    shop: Arc<Shop>,
    unanswered: AtomicUsize,
    left: AtomicUsize,
}

impl Transport for Mute {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async move {
            let less = |count: usize| count.checked_sub(1);
            if self.unanswered.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                std::future::pending::<()>().await;
            }
            let mut answer = self.shop.send(request).await?;
            let left = self.left.fetch_sub(1, Ordering::SeqCst);
            for (name, value) in [("x-ratelimit-remaining", left), ("x-ratelimit-reset", 3_600)] {
                answer.headers.insert(name, value.to_string().parse().expect("a value"));
            }
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_given_up_are_under_way_no_more() {
    let clock = clock();
    let shop = Shop::new(&clock);
    shop.item(7, "an item");
    let mute = Arc::new(Mute { shop, unanswered: AtomicUsize::new(3), left: AtomicUsize::new(3) });
    let rig = Rig::reaching(memory(), specs(&clock, &[], None, GET), Arc::clone(&clock), mute).await;
    let StreamKey { tenant, source, connection, .. } = World::key("items");
    let upstream =
        rig.engine.upstream(&Account { tenant: tenant.clone(), source, connection }).await.expect("it opens");
    for _ in 0..3 {
        tokio::select! {
            answer = upstream.record(Purpose::Read, "items", "7") => panic!("it was answered: {answer:?}"),
            () = clock.sleep(SECOND) => {}
        }
    }
    let began = clock.now();
    for left in [3, 2, 1] {
        upstream.record(Purpose::Read, "items", "7").await.expect("it is answered").expect("it is there");
        let views = rig.engine.budget_views(&tenant).await.expect("views");
        assert_eq!(views[0].left, Some(left), "what is given up does not count for what is left");
        // Of two that are sent at the same time nobody knows which the source counted first.
        clock.sleep(Duration::from_millis(1)).await;
    }
    assert!(clock.now().since(began) < MINUTE, "nobody waited for more");
    rig.engine.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_says_when_to_come_back_is_obeyed_by_all_whatever_its_status() {
    for status in [403, 500] {
        let world = World::with(&[("orders", every(2 * SECOND))], None, GET).await;
        world.rig.pass(SECOND).await;
        world.shop.state().status = Some(status);
        world.shop.state().headers = vec![("retry-after", "60".to_owned())];
        world.rig.pass(3 * SECOND).await;
        let StreamKey { tenant, source, connection, .. } = World::key("items");
        let views = world.rig.engine.budget_views(&tenant).await.expect("views");
        assert!(views[0].stopped_until.is_some(), "{status}: {views:?}");
        let account = Account { tenant, source, connection };
        let upstream = world.rig.engine.upstream(&account).await.expect("it opens");
        let before = world.shop.asked();
        tokio::select! {
            answer = upstream.record(Purpose::Read, "items", "1") => panic!("{status}: it was asked: {answer:?}"),
            () = world.rig.clock.sleep(50 * SECOND) => {}
        }
        assert_eq!(world.shop.asked(), before, "{status}: nobody asks while the source says no");
        world.shop.state().status = None;
        world.shop.state().headers.clear();
        upstream.record(Purpose::Read, "items", "1").await.expect("it is answered").expect("it is there");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_node_was_told_the_others_obey_as_soon_as_somebody_waits_for_it() {
    obeyed_by_both(403).await;
}

/// Of a 429 the error handler knows a wait of its own, which is shorter than what the source asked for.
#[tokio::test(start_paused = true)]
async fn of_two_waits_that_one_node_knows_the_others_obey_the_longer() {
    obeyed_by_both(429).await;
}

async fn obeyed_by_both(status: u16) {
    let clock = clock();
    let shop = Shop::new(&clock);
    shop.item(1, "an item");
    shop.state().status = Some(status);
    shop.state().headers = vec![("retry-after", "60".to_owned())];
    let shared = OpenOptions { shared: true, ..OpenOptions::memory().inline() };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(shared).expect("a store in memory opens"));
    let specs = specs(&clock, &[], Some(budget(Counting::Moving, BudgetScope::Connection)), GET);
    let StreamKey { tenant, source, connection, .. } = World::key("items");
    let account = Account { tenant, source, connection };
    let (mut nodes, mut upstreams) = (Vec::new(), Vec::new());
    for number in 1..=2 {
        let transport = Arc::clone(&shop) as _;
        let node = Rig::node(number, Arc::clone(&store), specs.clone(), Arc::clone(&clock), transport).await;
        upstreams.push(node.engine.upstream(&account).await.expect("it opens"));
        nodes.push(node);
    }
    tokio::select! {
        answer = upstreams[0].record(Purpose::Read, "items", "1") => assert!(answer.is_err(), "it is refused"),
        () = clock.sleep(SECOND) => {}
    }
    for (upstream, patience) in upstreams.iter().zip([SECOND, 50 * SECOND]) {
        tokio::select! {
            answer = upstream.record(Purpose::Read, "items", "1") => panic!("it was asked: {answer:?}"),
            () = clock.sleep(patience) => {}
        }
    }
    assert_eq!(shop.asked(), 1);
    for node in nodes {
        node.engine.stop(MINUTE).await;
    }
}
