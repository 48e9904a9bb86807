//! Engines that share one store: each thing is one node's, a node that ends or dies is replaced, and what is said to one
//! counts for all. Nobody hears hints here: what is found is found by looking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::identity::Digest;
use domain::{ChargeKind, DeliveryState, Tenant, Timestamp};
use engine::clock::SharedClock;
use engine::nodes::{LEASE, MayGo, may_go_by, now_goes_by, of_cluster};
use engine::spec::Specs;
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use store::Store;
use store::dispatch::Owner;
use store::nodes::{NodeSelf, Nodes};
use store::people::{ReplaySelection, ReplayState};
use store::read::EventFilter;
use store::registry::{FILE, Registry};
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore, Refusal};

use crate::rig::{Rig, answered, clock, destination, route, source};

/// Longer than anything that is done at once takes.
const SOON: Duration = Duration::from_secs(8);

/// One request that a destination got.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    node: u64,
    to: String,
    event: String,
    at: Timestamp,
}

/// What all nodes sent, in order.
type Log = Arc<Mutex<Vec<Sent>>>;

/// The network as one node sees it.
struct Wire {
    node: u64,
    log: Log,
    clock: SharedClock,
    took: Duration,
    unplugged: Arc<AtomicBool>,
}

impl Transport for Wire {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async move {
            if self.unplugged.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            let event = request.headers.get("trireme-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
            let to = request.target.origin();
            let sent = Sent { node: self.node, to, event: event.to_owned(), at: self.clock.now() };
            self.log.lock().expect("nobody panicked").push(sent);
            self.clock.sleep(self.took).await;
            Ok(answered(200, bytes::Bytes::new()))
        })
    }
}

/// How one node's store fares.
#[derive(Default)]
struct Link {
    cut: AtomicBool,
}

impl Fates for Link {
    fn next(&self, _verb: &'static str) -> Fate {
        if self.cut.load(Ordering::SeqCst) { Fate::Refused(Refusal::Overloaded) } else { Fate::Happens }
    }
}

/// Nodes on one store.
struct Cluster {
    store: Arc<dyn Store>,
    clock: SharedClock,
    log: Log,
    specs: Specs,
}

struct Node {
    rig: Rig,
    link: Arc<Link>,
    death: Arc<Death>,
    unplugged: Arc<AtomicBool>,
}

impl Node {
    /// It is gone, as by `kill -9`: it asks nothing, sends nothing, hears nothing any more.
    fn die(&self) {
        self.unplugged.store(true, Ordering::SeqCst);
        self.death.strike();
    }
}

impl Cluster {
    fn of(specs: Specs) -> Self {
        let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
        Self { store: Arc::new(store.expect("a store in memory opens")), clock: clock(), log: Log::default(), specs }
    }

    async fn node(&self, number: u64) -> Node {
        self.slow_node(number, Duration::ZERO).await
    }

    /// One whose requests take so long.
    async fn slow_node(&self, number: u64, took: Duration) -> Node {
        let (link, death, unplugged) = (Arc::new(Link::default()), Arc::new(Death::default()), Arc::default());
        let faulty = FaultyStore::new(Arc::clone(&self.store), Arc::clone(&link) as Arc<dyn Fates>, Arc::clone(&death));
        let faulty = faulty.beside_others();
        let wire = Wire {
            node: number,
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            took,
            unplugged: Arc::clone(&unplugged),
        };
        let (store, clock) = (Arc::new(faulty) as Arc<dyn Store>, Arc::clone(&self.clock));
        let rig = Rig::node(number, store, self.specs.clone(), clock, Arc::new(wire)).await;
        Node { rig, link, death, unplugged }
    }

    fn sent(&self) -> Vec<Sent> {
        self.log.lock().expect("nobody panicked").clone()
    }

    async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// Looks every few milliseconds; gives how long it took.
    async fn until(&self, what: &str, done: impl AsyncFn() -> bool) -> Duration {
        let began = self.clock.monotonic();
        while !done().await {
            let waited = self.clock.monotonic() - began;
            assert!(waited < Duration::from_secs(120), "{what}: not in two minutes");
            self.pass(Duration::from_millis(10)).await;
        }
        self.clock.monotonic() - began
    }

    /// Names of the destinations that each living node is in charge of.
    async fn destinations(&self, asked: &Node) -> BTreeMap<u64, Vec<String>> {
        let nodes = asked.rig.engine.nodes(&Tenant::default_tenant()).await.expect("nodes");
        let living = nodes.into_iter().filter(|node| !node.left.is_zero());
        let of = |mut node: engine::nodes::NodeView| {
            let number = node.name.trim_start_matches('n').parse().expect("a number");
            (number, node.charges.remove(&ChargeKind::Destination).unwrap_or_default())
        };
        living.map(of).collect()
    }

    async fn is_quiet(&self, asked: &Node) -> bool {
        for state in [DeliveryState::Pending, DeliveryState::InFlight, DeliveryState::Retrying] {
            if !asked.rig.deliveries(state).await.is_empty() {
                return false;
            }
        }
        true
    }
}

/// A source of its own, and so many destinations, each with a route from it.
fn fan_out(count: usize) -> Specs {
    let names: Vec<String> = (0..count).map(|number| format!("d{number}")).collect();
    let mut specs = Specs { sources: vec![source("own", None)], ..Specs::default() };
    for name in &names {
        specs.destinations.push(destination(name));
        specs.routes.push(engine::spec::RouteSpec { name: name.parse().expect("a name"), ..route(name) });
    }
    specs
}

fn limited(rate: &str) -> Specs {
    let mut specs = fan_out(1);
    specs.destinations[0].rate_limit = Some(rate.parse().expect("a rate"));
    specs
}

#[tokio::test(start_paused = true)]
async fn each_destination_is_one_nodes_whoever_takes_the_event_in() {
    let cluster = Cluster::of(fan_out(7));
    let nodes = [cluster.node(1).await, cluster.node(2).await, cluster.node(3).await];
    cluster.pass(LEASE).await;
    let shares = cluster.destinations(&nodes[0]).await;
    let counts: Vec<usize> = shares.values().map(Vec::len).collect();
    assert_eq!((counts.iter().sum::<usize>(), counts.iter().max(), counts.iter().min()), (7, Some(&3), Some(&2)));
    let node_of = |to: &str| {
        let of = |names: &Vec<String>| names.iter().any(|name| to.starts_with(&format!("https://{name}.")));
        shares.iter().find(|(_, names)| of(names)).map(|(number, _)| *number)
    };
    for node in &nodes {
        node.rig.publish().await;
    }
    cluster.until("all is delivered", async || cluster.sent().len() >= 21 && cluster.is_quiet(&nodes[0]).await).await;
    let sent = cluster.sent();
    assert_eq!(sent.len(), 21, "each event once to each destination");
    assert!(sent.iter().all(|sent| Some(sent.node) == node_of(&sent.to)), "only who is in charge sends: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_joins_takes_its_share_and_one_that_stops_hands_over_at_once() {
    let cluster = Cluster::of(fan_out(4));
    let first = cluster.node(1).await;
    let has_all = async || cluster.destinations(&first).await.get(&1).is_some_and(|names| names.len() == 4);
    cluster.until("one node has all", has_all).await;
    let second = cluster.node(2).await;
    let shared = async || cluster.destinations(&first).await.get(&2).is_some_and(|names| names.len() == 2);
    let took = cluster.until("the second has its share", shared).await;
    assert!(took <= LEASE, "{took:?}");
    assert!(first.rig.engine.stop(SOON).await);
    let all = async || cluster.destinations(&second).await.get(&2).is_some_and(|names| names.len() == 4);
    let took = cluster.until("the other has all", all).await;
    assert!(took <= LEASE / 3 + Duration::from_secs(1), "found by looking, without any lease running out: {took:?}");
    assert_eq!(cluster.destinations(&second).await.len(), 1, "who stopped is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_is_replaced_within_its_lease_and_what_it_had_in_its_hands_is_sent_again() {
    let cluster = Cluster::of(fan_out(1));
    let first = cluster.slow_node(1, Duration::from_secs(3600)).await;
    let second = cluster.node(2).await;
    cluster.pass(SOON).await;
    let owner = cluster.destinations(&second).await.into_iter().find(|(_, names)| !names.is_empty());
    assert_eq!(owner.map(|(number, _)| number), Some(1));
    first.rig.publish().await;
    cluster.until("it is on its way", async || cluster.sent().len() == 1).await;
    first.die();
    second.rig.publish().await;
    let took = cluster.until("the other sends both", async || cluster.sent().len() == 3).await;
    assert!(took <= LEASE + Duration::from_secs(2), "{took:?}");
    let sent = cluster.sent();
    assert_eq!((sent[0].node, sent[1].node, sent[2].node), (1, 2, 2));
    let again: BTreeSet<&String> = sent[1..].iter().map(|sent| &sent.event).collect();
    assert!(again.len() == 2 && again.contains(&sent[0].event));
    cluster.until("all is delivered", async || cluster.is_quiet(&second).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_sends_nothing_once_another_may() {
    let cluster = Cluster::of(limited("1/s"));
    let first = cluster.node(1).await;
    let second = cluster.node(2).await;
    cluster.pass(SOON).await;
    // More than the lease lasts for, all in the first one's memory.
    for _ in 0..12 {
        first.rig.publish().await;
    }
    for _ in 0..30 {
        second.rig.publish().await;
    }
    cluster.pass(Duration::from_secs(3)).await;
    assert!(cluster.sent().iter().all(|sent| sent.node == 1) && !cluster.sent().is_empty());
    first.link.cut.store(true, Ordering::SeqCst);
    cluster.until("the other goes on", async || cluster.sent().iter().any(|sent| sent.node == 2)).await;
    cluster.pass(Duration::from_secs(5)).await;
    first.link.cut.store(false, Ordering::SeqCst);
    cluster.until("all is delivered", async || cluster.is_quiet(&second).await).await;
    let sent = cluster.sent();
    let turns: Vec<u64> = sent.iter().map(|sent| sent.node).collect();
    let changes = turns.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes >= 1, "{turns:?}");
    // Whoever sends last of its turn does so before the other begins; two of one second would be two at once.
    for pair in sent.windows(2) {
        let apart = pair[1].at.since(pair[0].at);
        assert!(apart >= Duration::from_millis(999), "{pair:?} are {apart:?} apart");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_a_destination_holds_while_it_changes_hands_again_and_again() {
    let cluster = Cluster::of(limited("10/s"));
    let first = cluster.node(1).await;
    cluster.pass(SOON).await;
    for _ in 0..200 {
        first.rig.publish().await;
    }
    cluster.pass(Duration::from_secs(3)).await;
    let second = cluster.node(2).await;
    cluster.pass(SOON).await;
    assert!(first.rig.engine.stop(SOON).await);
    cluster.until("all is delivered", async || cluster.is_quiet(&second).await).await;
    let sent = cluster.sent();
    assert_eq!(sent.len(), 200, "nothing is sent twice");
    assert!(sent.iter().any(|sent| sent.node == 1) && sent.iter().any(|sent| sent.node == 2));
    // As one bucket of ten that fills by ten a second: in any span no more than that.
    for (from, begin) in sent.iter().enumerate() {
        for (count, end) in sent[from..].iter().enumerate() {
            let most = 10.0 + 10.0 * end.at.since(begin.at).as_secs_f64();
            assert!(count as f64 + 1.0 <= most + 0.1, "{} in {:?}", count + 1, end.at.since(begin.at));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_one_node_counts_for_all() {
    let cluster = Cluster::of(fan_out(2));
    let nodes = [cluster.node(1).await, cluster.node(2).await];
    cluster.pass(LEASE).await;
    let tenant = Tenant::default_tenant;
    let shares = cluster.destinations(&nodes[0]).await;
    assert_eq!((shares[&1].len(), shares[&2].len()), (1, 1));
    // Each is told to pause what the other is in charge of.
    for (number, other) in [(1, 0), (2, 1)] {
        let name = shares[&number][0].parse().expect("a name");
        nodes[1 - other].rig.engine.pause(tenant(), name, "a person wants so".to_owned()).await.expect("paused");
    }
    cluster.pass(LEASE / 3 + Duration::from_secs(1)).await;
    nodes[0].rig.publish().await;
    cluster.pass(SOON).await;
    assert_eq!((cluster.sent(), nodes[0].rig.deliveries(DeliveryState::Held).await.len()), (vec![], 2));
    for name in [&shares[&1][0], &shares[&2][0]] {
        nodes[0].rig.engine.resume(tenant(), name.parse().expect("a name")).await.expect("resumed");
    }
    cluster.until("both go on", async || cluster.sent().len() == 2).await;
    // A destination and a route that one node was told of.
    let (kind, definition) = (store::registry::ObjectKind::Destination, "https://more.example/hook");
    let definition = serde_json::json!({ "http": { "url": definition, "unsigned": true } });
    let engine = &nodes[0].rig.engine;
    engine.put_object(kind, tenant(), "more", definition, true).await.expect("made");
    let definition = serde_json::json!({ "from": "own", "to": "more" });
    let kind = store::registry::ObjectKind::Route;
    engine.put_object(kind, tenant(), "own-more", definition, true).await.expect("made");
    cluster.pass(LEASE / 3 + Duration::from_secs(1)).await;
    nodes[1].rig.publish().await;
    cluster.until("it is delivered there too", async || cluster.sent().len() == 5).await;
    engine.remove_object(kind, tenant(), "own-more").await.expect("removed");
    cluster.pass(LEASE / 3 + Duration::from_secs(1)).await;
    nodes[1].rig.publish().await;
    cluster.pass(SOON).await;
    assert_eq!(cluster.sent().len(), 7, "two to those that are left");
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_at_one_node_is_not_sent_by_another() {
    let cluster = Cluster::of(limited("1/m"));
    let first = cluster.node(1).await;
    let second = cluster.node(2).await;
    cluster.pass(SOON).await;
    for _ in 0..3 {
        first.rig.publish().await;
    }
    // They wait in the first one's memory for their rate.
    let waits = async || first.rig.deliveries(DeliveryState::InFlight).await.len() == 3;
    cluster.until("they are in memory", waits).await;
    let ids = first.rig.deliveries(DeliveryState::InFlight).await.into_iter().map(|row| row.id).collect();
    second.rig.engine.cancel(Tenant::default_tenant(), ids).await.expect("cancelled");
    cluster.pass(Duration::from_secs(600)).await;
    assert_eq!(cluster.sent(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_one_node_raised_is_resolved_by_the_next() {
    let cluster = Cluster::of(fan_out(1));
    let first = cluster.node(1).await;
    let second = cluster.node(2).await;
    cluster.pass(SOON).await;
    let (tenant, kind) = (Tenant::default_tenant(), engine::alert::BREAKER_OPEN.into());
    let id = domain::AlertId::from_uuid(uuid::Uuid::from_u128(7));
    let detail = "as its node saw it".to_owned();
    let alert = store::registry::Alert::new(id, tenant, kind, "destination/d0".into(), detail, cluster.clock.now());
    cluster.store.raise_alert(alert).await.expect("raised");
    first.die();
    second.rig.publish().await;
    cluster.until("it is delivered", async || cluster.sent().len() == 1).await;
    cluster.until("it is resolved", async || second.rig.open().await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_one_nodes_and_goes_on_at_another_when_that_dies() {
    let cluster = Cluster::of(fan_out(1));
    let first = cluster.node(1).await;
    cluster.pass(SOON).await;
    for _ in 0..40 {
        first.rig.publish().await;
    }
    cluster.until("all is delivered", async || cluster.is_quiet(&first).await).await;
    let second = cluster.node(2).await;
    cluster.pass(LEASE).await;
    let request = engine::replay::ReplayRequest {
        tenant: Tenant::default_tenant(),
        selection: ReplaySelection::Filter(EventFilter::default()),
        destination: None,
        rate: Some(2),
        new_ids: false,
    };
    let replay = second.rig.engine.start_replay(request).await.expect("started");
    let state = async || {
        let found = cluster.store.replay(Tenant::default_tenant(), replay.id).await.expect("a replay");
        found.expect("it is there")
    };
    cluster.until("it goes on", async || state().await.deliveries_made > 4).await;
    let nodes = second.rig.engine.nodes(&Tenant::default_tenant()).await.expect("nodes");
    let has = |node: &engine::nodes::NodeView| node.counts.get(&ChargeKind::Replay) == Some(&1);
    let runs: Vec<String> = nodes.iter().filter(|node| has(node)).map(|node| node.name.clone()).collect();
    assert_eq!(runs.len(), 1, "{nodes:?}");
    if runs[0] == "n1" {
        first.die()
    } else {
        second.die()
    }
    cluster.until("it is done", async || state().await.state == ReplayState::Done).await;
    let done = state().await;
    assert_eq!((done.events_done, done.deliveries_made), (40, 40));
}

#[tokio::test(start_paused = true)]
async fn another_file_is_hindered_only_by_nodes_that_stay_and_becomes_everybodys_only_when_it_runs() {
    let (theirs, ours, now) = (Digest::of(b"theirs"), Digest::of(b"ours"), clock().now());
    let node = |owner: u64, leaving: bool| NodeSelf {
        owner: Owner(owner),
        name: "n".into(),
        address: "".into(),
        version: "".into(),
        started_at: now,
        wanted: Digest::of(b""),
        leaving,
    };
    for (other, lease, apply, may) in [
        (node(2, false), LEASE, false, MayGo::No),
        (node(2, false), LEASE, true, MayGo::Yes),
        (node(2, true), LEASE, false, MayGo::Yes),
        (node(2, false), Duration::ZERO, false, MayGo::IfTheyStayAway),
        (node(1, false), LEASE, false, MayGo::Yes),
    ] {
        let shared = OpenOptions { shared: true, ..OpenOptions::memory().inline() };
        let store = SqliteStore::open(shared).expect("a store in memory opens");
        assert_eq!(may_go_by(&store, theirs, false, Owner(2), now).await, Ok(MayGo::Yes), "the first one's counts");
        store.beat(other.clone(), lease, now).await.expect("beat");
        assert_eq!(may_go_by(&store, ours, apply, Owner(1), now).await, Ok(may), "{other:?} {lease:?} {apply}");
        assert_eq!(of_cluster(&store).await, Ok(Some(theirs)), "asking changes nothing");
        now_goes_by(&store, ours).await.expect("it is kept");
        assert_eq!(of_cluster(&store).await, Ok(Some(ours)));
    }
    let alone = SqliteStore::open(OpenOptions::memory().inline()).expect("a store in memory opens");
    // As a store that was several nodes' once, and was moved.
    alone.put_setting(FILE.into(), theirs.0.to_vec().into()).await.expect("put_setting");
    assert_eq!(may_go_by(&alone, ours, false, Owner(1), now).await, Ok(MayGo::Yes));
    assert_eq!(of_cluster(&alone).await, Ok(None), "nobody else is there to differ from");
}
