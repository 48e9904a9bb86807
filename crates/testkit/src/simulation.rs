//! The whole engine on a virtual clock, with a faulty network, a store that refuses, and a process that dies at any
//! step and starts again. Everything follows from one seed.
//!
//! The oracle: whatever was acknowledged is delivered, filtered by its route, dead-lettered, held or cancelled by a
//! person, exactly once as an event, in order where order is promised, with the same bytes on every try. What was
//! cancelled is not sent any more.

mod network;
mod nodes;
mod oracle;
mod person;
mod plan;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{Tenant, Timestamp};
use engine::entropy::SeededEntropy;
use engine::transport::EgressPolicy;
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use store::keep::Retention;
use store::{Store, StoreError};
use store_sqlite::{OpenOptions, SqliteStore};

use crate::faulty_store::{Death, Fates, FaultyStore};
use crate::sim_clock::SimClock;

pub use network::SimTransport;
pub use nodes::run_nodes;
pub use plan::{CrashAt, Dice, Plan, SECRET};
pub use world::World;

/// Virtual time that the world is given to come to rest after its last fault: longer than any retry schedule.
const REST: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// How often the world is asked whether it has come to rest.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Most deaths of one simulation.
const LIVES_MAX: usize = 12;

/// What a simulation did, for those who want to know that it did something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub lives: usize,
    pub acknowledged: usize,
    pub duplicates: usize,
    pub delivered: usize,
    pub dead: usize,
    pub filtered: usize,
    pub held: usize,
    pub cancelled: usize,
    /// Wishes of a person that were carried out.
    pub wishes: usize,
    pub tries: usize,
    /// Verbs that reached the store: a plan that dies at a step later than this dies not at all.
    pub verbs: u64,
    /// Digest of everything that happened, in order: the same for the same seed.
    pub trace: u64,
}

/// Runs one simulation on a SQLite file to its end and judges it. The error is what the oracle found, for a person to
/// read.
pub fn run(plan: &Plan, folder: &Path) -> Result<Report, String> {
    let file = folder.join("sim.db");
    run_on(plan, || {
        let options = OpenOptions { disk_reserve_bytes: 0, ..OpenOptions::file(&file).inline() };
        Ok(Arc::new(SqliteStore::open(options)?))
    })
}

/// The same on whatever store `open` gives for each life of the process. It must work inline: while a verb runs, the
/// world's time stands still.
pub fn run_on(plan: &Plan, open: impl Fn() -> Result<Arc<dyn Store>, StoreError>) -> Result<Report, String> {
    let world = Arc::new(World::new(plan));
    let mut now = Timestamp::from_secs(1_767_225_600);
    let mut lives = 0;
    loop {
        lives += 1;
        let store = open().map_err(|error| format!("life {lives}: the store does not open: {error}"))?;
        let life = live(plan, &world, store, now, lives)?;
        now = life.until + Duration::from_secs(1);
        if life.rested {
            break;
        }
        if lives >= LIVES_MAX {
            world.heal();
        }
    }
    let mut report = oracle::judge(&world)?;
    report.lives = lives;
    Ok(report)
}

struct Life {
    until: Timestamp,
    rested: bool,
}

/// One life of the process: from its start to its death, or to the world's rest.
fn live(plan: &Plan, world: &Arc<World>, store: Arc<dyn Store>, from: Timestamp, life: usize) -> Result<Life, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let death = Arc::new(Death::default());
    let lived = runtime.block_on(async {
        let clock: engine::clock::SharedClock = Arc::new(SimClock::starting_at(from));
        let faulty = FaultyStore::new(Arc::clone(&store), Arc::clone(world) as Arc<dyn Fates>, Arc::clone(&death));
        let parts = Parts {
            store: Arc::new(faulty),
            clock: Arc::clone(&clock),
            entropy: Arc::new(SeededEntropy::new(plan.seed.wrapping_mul(31).wrapping_add(life as u64))),
            transport: Arc::new(SimTransport::new(Arc::clone(world), Arc::clone(&clock))),
            policies: Arc::new(Arc::new(EgressPolicy::default())),
            vault: Arc::new(Vault::new(master_key())),
            retention: Retention::default(),
            in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
            node: Default::default(),
        };
        let engine = Engine::start(parts);
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

/// Configures the engine, lets the senders send what is still to be sent, and waits for rest.
async fn carry_on(
    plan: &Plan,
    world: &Arc<World>,
    engine: &Engine,
    store: &dyn Store,
    clock: &engine::clock::SharedClock,
) -> Result<bool, String> {
    while let Err(error) = engine.configure(plan.specs()).await {
        if !matches!(error, engine::EngineError::Store(_)) {
            return Err(format!("the plan's configuration is refused: {error:?}"));
        }
        clock.sleep(Duration::from_secs(1)).await;
    }
    let senders: Vec<_> =
        world.senders().map(|sender| tokio::spawn(sender.run(engine.clone(), Arc::clone(clock)))).collect();
    person::Person::new(Arc::clone(world)).run(engine.clone(), Arc::clone(clock)).await;
    for sender in senders {
        sender.await.map_err(|error| format!("a sender broke: {error}"))?;
    }
    world.heal();
    person::resume_all(engine, clock).await;
    let gives_up = clock.now() + REST;
    while clock.now() < gives_up {
        clock.sleep(LOOK_EVERY).await;
        if world::is_at_rest(store, &Tenant::default_tenant()).await? {
            world.take_account(store).await?;
            engine.stop(Duration::from_secs(60)).await;
            return Ok(true);
        }
    }
    let mut desks = String::new();
    for spec in plan.specs().destinations {
        let live = engine.destination_live(spec.tenant, spec.name.clone()).await;
        desks.push_str(&format!("\n{}: {live:?}", spec.name));
    }
    Err(format!("nothing moves any more, but deliveries are still open: {}{desks}", world::open_ones(store).await))
}

fn master_key() -> MasterKey {
    MasterKey::from_hex(&"00".repeat(32)).expect("64 digits are a key")
}
