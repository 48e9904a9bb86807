//! Backfilled events beside those that happen now: whoever waits for the new ones does not wait for the old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Timestamp;
use domain::ordering::Ordering;
use engine::clock::SharedClock;
use engine::spec::{PollSpec, RouteSpec, Schedule, Specs, Start, StreamSpec};
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use http::Method;
use serde_json::Value as Json;

use crate::rig::{Rig, clock, destination, memory, route, source};
use crate::shop::{Shop, specs};

const SECOND: Duration = Duration::from_secs(1);
/// Records that were there before: at four at a time and a second each, hours of deliveries.
const OLD: u64 = 2_000;

/// The shop, and a destination that takes a second for each message.
struct Slow {
    shop: Arc<Shop>,
    clock: SharedClock,
    taken: Mutex<Vec<(Timestamp, Json)>>,
}

impl Transport for Slow {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async move {
            if request.method == Method::POST {
                self.clock.sleep(SECOND).await;
                let body = serde_json::from_slice(&request.body).expect("a message is JSON");
                self.taken.lock().expect("nobody panicked").push((self.clock.now(), body));
            }
            self.shop.send(request).await
        })
    }
}

struct World {
    rig: Rig,
    network: Arc<Slow>,
}

impl World {
    /// A shop of old records that are all told, and a source of events that happen now, both to one destination.
    async fn start() -> Self {
        let clock = clock();
        let shop = Shop::new(&clock);
        (1..=OLD).for_each(|id| shop.order(id, "old"));
        let network = Arc::new(Slow { shop, clock: Arc::clone(&clock), taken: Mutex::default() });
        let poll = Some(PollSpec::On(Schedule::Every(10 * SECOND)));
        let all = StreamSpec { start: Start::All, poll, ..StreamSpec::default() };
        let mut specs: Specs = specs(&clock, &[("orders", all)], None, "");
        specs.sources.push(source("own", None));
        specs.destinations.push(destination("app"));
        let ordered = |from: &str, name: &str| RouteSpec {
            from: from.parse().expect("a name"),
            name: name.parse().expect("a name"),
            ordering: Ordering::Subject,
            ..route("app")
        };
        specs.routes = vec![ordered("shop", "old"), ordered("own", "new")];
        let rig = Rig::reaching(memory(), specs, clock, Arc::clone(&network) as _).await;
        let world = Self { rig, network };
        world.rig.pass(5 * SECOND).await;
        assert!(world.of("orders.created").len() > 4, "the backfill is being delivered");
        world
    }

    /// When messages of a type were taken.
    fn of(&self, own: &str) -> Vec<Timestamp> {
        let taken = self.network.taken.lock().expect("nobody panicked");
        taken.iter().filter(|(_, body)| body["type"] == own).map(|(at, _)| *at).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_happens_now_does_not_wait_for_a_backfill() {
    let world = World::start().await;
    let published_at = world.rig.clock.now();
    world.rig.publish().await;
    world.rig.pass(2 * SECOND).await;
    let taken = world.of("thing.changed");
    assert_eq!(taken.iter().map(|at| at.since(published_at)).collect::<Vec<_>>(), [SECOND], "sent at once");
    let burst_at = world.rig.clock.now();
    for _ in 0..60 {
        world.rig.publish().await;
    }
    world.rig.pass(25 * SECOND).await;
    let taken = world.of("thing.changed");
    let last = taken.last().expect("they were taken").since(burst_at);
    assert_eq!(taken.len(), 61);
    assert!(last <= 18 * SECOND, "more than there is room for in memory take four at a time: {last:?}");
    let (before, from) = (world.of("orders.created").len(), world.rig.clock.now());
    world.rig.pass(10 * SECOND).await;
    let since = world.of("orders.created").len() - before;
    assert!((28..=40).contains(&since), "then the backfill goes on at three of four places: {since} since {from:?}");
    world.rig.engine.stop(60 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_what_still_waits_takes_it_along_in_order() {
    let world = World::start().await;
    let last = OLD - 1;
    world.network.shop.order(last, "changed");
    world.rig.pass(16 * SECOND).await;
    let taken = world.network.taken.lock().expect("nobody panicked").clone();
    let about: Vec<&Json> = taken.iter().map(|(_, body)| body).filter(|body| body["data"]["id"] == last).collect();
    let notes: Vec<_> = about.iter().map(|body| (body["origin"].as_str(), body["data"]["note"].as_str())).collect();
    assert_eq!(notes, [(Some("backfill"), Some("old")), (Some("virtual"), Some("changed"))]);
    assert!(taken.len() < OLD as usize / 4, "most of the others still wait");
    let mut per_subject: HashMap<String, usize> = HashMap::new();
    taken.iter().for_each(|(_, body)| *per_subject.entry(body["subject"].to_string()).or_default() += 1);
    assert!(per_subject.values().all(|count| *count <= 2));
    world.rig.engine.stop(60 * SECOND).await;
}
