//! Engines that share one store and read one source: one of them polls, another goes on when that dies, and all of them
//! together keep the source's budget.

use std::sync::Arc;
use std::time::Duration;

use domain::budget::{Allowance, Counting};
use domain::{ConnectionName, Tenant, Timestamp};
use engine::clock::SharedClock;
use engine::nodes::LEASE;
use engine::spec::{BudgetScope, BudgetSpec, PollSpec, Schedule, Specs, StreamSpec};
use engine::upstream::Account;
use store::Store;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore};

use crate::rig::{Rig, clock};
use crate::shop::{GET, Shop, specs};

const MINUTE: Duration = Duration::from_secs(60);

struct Fine;

impl Fates for Fine {
    fn next(&self, _verb: &'static str) -> Fate {
        Fate::Happens
    }
}

struct World {
    store: Arc<dyn Store>,
    clock: SharedClock,
    shop: Arc<Shop>,
    specs: Specs,
}

impl World {
    fn of(poll: Duration, budget: Option<BudgetSpec>) -> Self {
        let clock = clock();
        let shop = Shop::new(&clock);
        let polled = StreamSpec { poll: Some(PollSpec::On(Schedule::Every(poll))), ..StreamSpec::default() };
        let specs = specs(&clock, &[("orders", polled)], budget, GET);
        let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
        Self { store: Arc::new(store.expect("a store in memory opens")), clock, shop, specs }
    }

    async fn node(&self, number: u64) -> (Rig, Arc<Death>) {
        let death = Arc::new(Death::default());
        let faulty = FaultyStore::new(Arc::clone(&self.store), Arc::new(Fine), Arc::clone(&death)).beside_others();
        let transport = Arc::clone(&self.shop) as _;
        let rig = Rig::node(number, Arc::new(faulty), self.specs.clone(), Arc::clone(&self.clock), transport).await;
        (rig, death)
    }

    fn asked(&self) -> Vec<Timestamp> {
        self.shop.state().asked.iter().map(|(at, _)| *at).collect()
    }
}

fn account() -> Account {
    Account {
        tenant: Tenant::default_tenant(),
        source: "shop".parse().expect("a name"),
        connection: ConnectionName::default_connection(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_polled_by_one_node_and_by_the_next_when_that_dies() {
    let world = World::of(Duration::from_secs(10), None);
    let (first, death) = world.node(1).await;
    let (second, _) = world.node(2).await;
    world.clock.sleep(MINUTE).await;
    let before = world.asked().len();
    world.clock.sleep(MINUTE).await;
    let within = world.asked().len() - before;
    assert!((5..=7).contains(&within), "two would ask twice as often: {within}");
    for rig in [&first, &second] {
        let streams = rig.engine.streams(&Tenant::default_tenant()).await.expect("streams");
        assert_eq!(streams.len(), 1, "each of them shows it");
    }
    death.strike();
    let dead_at = world.clock.now();
    world.clock.sleep(MINUTE).await;
    let after: Vec<Timestamp> = world.asked().into_iter().filter(|at| *at > dead_at).collect();
    let first_after = after.first().expect("the other goes on").since(dead_at);
    assert!(first_after <= 2 * LEASE + Duration::from_secs(12), "{first_after:?}");
    assert!(after.len() >= 2, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_over_all_nodes_whoever_asks_and_whoever_dies() {
    let allowance = Allowance { rate: "10/m".parse().expect("a rate"), counting: Counting::Moving };
    let budget = BudgetSpec { allowance, scope: BudgetScope::Connection };
    let world = World::of(Duration::from_secs(5), Some(budget));
    let nodes = [world.node(1).await, world.node(2).await, world.node(3).await];
    for (number, (rig, _)) in nodes.iter().enumerate() {
        let (engine, clock) = (rig.engine.clone(), Arc::clone(&world.clock));
        tokio::spawn(async move {
            loop {
                // Persons at every node ask as often as they are let.
                let _ = engine.read_records(&account(), "orders", 10).await;
                clock.sleep(Duration::from_millis(700 + 300 * number as u64)).await;
            }
        });
    }
    world.clock.sleep(4 * MINUTE).await;
    nodes[0].1.strike();
    world.clock.sleep(4 * MINUTE).await;
    let asked = world.asked();
    for (index, first) in asked.iter().enumerate() {
        let within = asked[index..].iter().take_while(|at| at.since(*first) < MINUTE).count();
        assert!(within <= 10, "{within} requests in a minute from {first}");
    }
    assert!(asked.len() >= 50, "and what is allowed is used: {}", asked.len());
}

#[tokio::test(start_paused = true)]
async fn an_alert_about_a_budget_does_not_outlive_the_node_that_raised_it() {
    let allowance = Allowance { rate: "3/h".parse().expect("a rate"), counting: Counting::Fixed };
    let budget = BudgetSpec { allowance, scope: BudgetScope::Connection };
    let world = World::of(Duration::from_secs(6 * 60 * 60), Some(budget));
    let (first, _) = world.node(1).await;
    let (second, death) = world.node(2).await;
    world.clock.sleep(MINUTE).await;
    // Persons ask by the node that does not lead: no other node's requests wait.
    for _ in 0..4 {
        let engine = second.engine.clone();
        tokio::spawn(async move { engine.read_records(&account(), "orders", 10).await });
    }
    world.clock.sleep(15 * MINUTE).await;
    let exhausted = ("budget_exhausted".to_owned(), "budget/connection/shop/default".to_owned());
    assert_eq!(first.open().await, std::slice::from_ref(&exhausted));
    world.clock.sleep(5 * MINUTE).await;
    assert_eq!(first.open().await, [exhausted], "it is used up still, whoever looks");
    death.strike();
    world.clock.sleep(2 * 60 * MINUTE).await;
    assert_eq!(first.open().await, [], "there is something left, and nobody waits");
}
