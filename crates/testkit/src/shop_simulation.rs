//! A gateway between a shop and a destination, on a virtual clock: the shop's API fails and lags, its webhooks are lost,
//! doubled and late, the destination stumbles, the store refuses, and the gateway dies at any step and starts again.
//! Everything follows from one seed.
//!
//! The oracle is [`crate::upstream::oracle`]: the destination ends up believing what is so in the shop, every change that
//! could be seen was told, none twice, and the shop was never asked more often than it allows.

mod plan;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::run::{RunKind, RunState};
use domain::{DeliveryState, Tenant, Timestamp};
use engine::clock::SharedClock;
use engine::entropy::SeededEntropy;
use engine::streams::StreamView;
use engine::subscriptions::Covering;
use engine::transport::EgressPolicy;
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use store::Store;
use store::keep::Retention;
use store::read::{DeliveryFilter, Page};
use store::reading::RunFilter;
use store_sqlite::{OpenOptions, SqliteStore};

use crate::faulty_store::{Death, Fates, FaultyStore};
use crate::sim_clock::SimClock;
use crate::upstream::ShopTransport;
use crate::upstream::oracle::{Figures, Message, judge};

pub use plan::{Plan, every};
pub use world::World;

/// When every shop opens.
pub const OPENED: Timestamp = Timestamp::from_secs(1_767_225_600);
/// The shop has been open for a while when the gateway first starts.
const BEFORE: Duration = Duration::from_secs(600);
/// Virtual time that the world is given to come to rest after its last fault: longer than any back-off.
const REST: Duration = Duration::from_secs(4 * 60 * 60);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Polls of every stream, begun and ended well after all is healed: two complete scans for a deletion, and one to spare.
const POLLS_AFTER: u64 = 3;
/// Most deaths of one simulation.
const LIVES_MAX: usize = 8;

/// What a simulation did, for those who want to know that it did something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub lives: usize,
    pub figures: Figures,
    /// Everything that reached the destination, in order.
    pub messages: Vec<Message>,
}

/// Runs one simulation to its end and judges it. The error is what the oracle found, for a person to read.
pub fn run(plan: &Plan, folder: &Path) -> Result<Report, String> {
    let world = Arc::new(World::new(plan));
    let mut now = OPENED + BEFORE;
    let mut lives = 0;
    loop {
        lives += 1;
        world.begin_life(now);
        let life = live(plan, &world, folder, now, lives)?;
        now = life.until + Duration::from_secs(1);
        if life.rested {
            break;
        }
        if lives >= LIVES_MAX {
            world.spare();
        }
    }
    let messages = world.messages()?;
    let figures = judge(&world.shop(), &messages, &world.promise())?;
    Ok(Report { lives, figures, messages })
}

struct Life {
    until: Timestamp,
    rested: bool,
}

/// One life of the gateway: from its start to its death, or to the world's rest.
fn live(plan: &Plan, world: &Arc<World>, folder: &Path, from: Timestamp, life: usize) -> Result<Life, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let store =
        SqliteStore::open(OpenOptions { disk_reserve_bytes: 0, ..OpenOptions::file(folder.join("sim.db")).inline() })
            .map_err(|error| format!("life {life}: the store does not open: {error}"))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let death = Arc::new(Death::default());
    let lived = runtime.block_on(async {
        let clock: SharedClock = Arc::new(SimClock::starting_at(from));
        let engine = start(plan, world, &store, &clock, &death, life);
        let rested = tokio::select! {
            biased;
            () = death.wait() => false,
            rested = carry_on(plan, world, &engine, &*store, &clock) => rested?,
        };
        Ok::<_, String>(Life { until: clock.now(), rested })
    });
    // Dropping the runtime kills every task where it stands, as `kill -9` does.
    drop(runtime);
    lived
}

fn start(
    plan: &Plan,
    world: &Arc<World>,
    store: &Arc<dyn Store>,
    clock: &SharedClock,
    death: &Arc<Death>,
    life: usize,
) -> Engine {
    let seed = plan.seed.wrapping_mul(31).wrapping_add(life as u64);
    let sink = Arc::new(world::Sink::new(Arc::clone(world), Arc::clone(clock)));
    let transport = ShopTransport::new(world.shared_shop(), Arc::clone(clock), seed, sink);
    let faulty = FaultyStore::new(Arc::clone(store), Arc::clone(world) as Arc<dyn Fates>, Arc::clone(death));
    Engine::start(Parts {
        store: Arc::new(faulty),
        clock: Arc::clone(clock),
        entropy: Arc::new(SeededEntropy::new(seed)),
        transport: Arc::new(transport),
        policies: Arc::new(Arc::new(EgressPolicy::default())),
        vault: Arc::new(Vault::new(MasterKey::from_hex(&"00".repeat(32)).expect("64 digits are a key"))),
        retention: Retention::default(),
        in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
        node: Default::default(),
    })
}

/// Configures the gateway, lets the story happen, and waits for rest.
async fn carry_on(
    plan: &Plan,
    world: &Arc<World>,
    engine: &Engine,
    store: &dyn Store,
    clock: &SharedClock,
) -> Result<bool, String> {
    while let Err(error) = engine.configure(plan.specs(clock)).await {
        if !matches!(error, engine::EngineError::Store(_)) {
            return Err(format!("the plan's configuration is refused: {error:?}"));
        }
        clock.sleep(Duration::from_secs(1)).await;
    }
    let hooks = tokio::spawn(world::send_hooks(Arc::clone(world), engine.clone(), Arc::clone(clock)));
    let ends_at = OPENED + world.story_ends_after();
    clock.sleep(ends_at.since(clock.now())).await;
    world.heal();
    let rested = rest(plan, world, engine, store, clock).await?;
    hooks.abort();
    engine.stop(Duration::from_secs(60)).await;
    Ok(rested)
}

/// Waits until every stream was read again and again, and nothing is owed any more.
async fn rest(
    plan: &Plan,
    world: &Arc<World>,
    engine: &Engine,
    store: &dyn Store,
    clock: &SharedClock,
) -> Result<bool, String> {
    let (healed_at, gives_up) = (clock.now(), clock.now() + REST);
    let mut read = None;
    while clock.now() < gives_up {
        clock.sleep(LOOK_EVERY).await;
        if !world.shop().is_quiet() {
            continue;
        }
        let polls = polls(engine).await?;
        let goals: &Vec<u64> = read.get_or_insert_with(|| polls.iter().map(|done| done + POLLS_AFTER).collect());
        let is_read = polls.len() == goals.len() && polls.iter().zip(goals).all(|(done, goal)| done >= goal);
        if polls.len() != goals.len() {
            read = None;
        } else if is_read
            && is_reconciled(plan, store, healed_at).await?
            && is_at_rest(store).await?
            && world.is_subscribed()
        {
            world.take_account(plan, store).await?;
            return Ok(true);
        }
    }
    Err(format!("it never comes to rest: {:?}", engine.streams(&Tenant::default_tenant()).await))
}

/// Successful readings of every stream that is read by itself.
async fn polls(engine: &Engine) -> Result<Vec<u64>, String> {
    let streams = engine.streams(&Tenant::default_tenant()).await.map_err(|error| error.to_string())?;
    // Those whose polls rest are reconciled.
    let is_polled = |stream: &&StreamView| stream.spec.poll.is_some() && stream.covering != Some(Covering::Covers);
    let polled = streams.iter().filter(is_polled);
    Ok(polled.map(|stream| stream.progress.polls - stream.progress.failed).collect())
}

/// Whether every stream that is reconciled was, twice, since it could be without a fault.
async fn is_reconciled(plan: &Plan, store: &dyn Store, healed_at: Timestamp) -> Result<bool, String> {
    let filter = RunFilter { kind: Some(RunKind::Reconcile), state: Some(RunState::Done), ..RunFilter::default() };
    let runs = store.runs(Tenant::default_tenant(), filter, Page::first(store::read::PAGE_MAX)).await;
    let runs = runs.map_err(|error| error.to_string())?.rows;
    let since = runs.iter().filter(|run| run.started_at > healed_at);
    let per_stream = since.fold(BTreeMap::<_, usize>::new(), |mut counts, run| {
        *counts.entry(&run.key).or_default() += 1;
        counts
    });
    let streams = plan.streams.values().filter(|spec| spec.reconcile.is_some()).count() * plan.habits.accounts.len();
    Ok(per_stream.values().filter(|runs| **runs >= 2).count() == streams)
}

async fn is_at_rest(store: &dyn Store) -> Result<bool, String> {
    for state in [DeliveryState::Pending, DeliveryState::Retrying, DeliveryState::InFlight] {
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        let found = store.deliveries(Tenant::default_tenant(), filter, Page::first(1)).await;
        if !found.map_err(|error| error.to_string())?.rows.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
