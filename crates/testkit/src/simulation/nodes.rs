//! Several engines as nodes of one store: senders reach them in turn, they die, stand still and start again, and their
//! clocks differ. Judged by the same oracle as one process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Tenant, Timestamp};
use engine::clock::{SharedClock, timeout};
use engine::entropy::SeededEntropy;
use engine::nodes::Identity;
use engine::transport::{EgressPolicy, OutboundRequest, OutboundResponse, SendError, Transport};
use engine::vault::Vault;
use engine::{Engine, Parts};
use futures_util::future::BoxFuture;
use store::Store;
use store::keep::Retention;
use tokio::sync::Notify;

use super::plan::Dice;
use super::{LOOK_EVERY, Plan, REST, Report, SimTransport, World, master_key, oracle, person, world};
use crate::faulty_store::{Death, Fates, FaultyStore};
use crate::sim_clock::SimClock;

/// Clocks differ by at most so much. What a store of one process judges leases by is its caller's clock; how a database
/// judges them, whatever its callers believe, is tested where that is.
const OFFSET_MAX_MS: u64 = 400;
/// Longest that a sender waits for an answer before it asks another node.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a cancellation may take to reach the node that has the delivery in its memory: until it asks, or may not act.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// A node, from its start to its death.
struct Node {
    engine: Engine,
    death: Arc<Death>,
    pause: Arc<Pause>,
}

/// Whether a node stands still: whatever it asks waits, and what it would send is not sent.
#[derive(Default)]
struct Pause {
    on: AtomicBool,
    ended: Notify,
}

impl Pause {
    fn is_on(&self) -> bool {
        self.on.load(Ordering::SeqCst)
    }

    fn begin(&self) {
        self.on.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.on.store(false, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    /// Those who wait go on in the order in which they came.
    async fn over(&self) {
        loop {
            let ended = self.ended.notified();
            if !self.is_on() {
                return;
            }
            ended.await;
        }
    }
}

/// The network as a node sees it that may stand still or be dead.
struct Wire {
    inner: SimTransport,
    death: Arc<Death>,
    pause: Arc<Pause>,
}

impl Transport for Wire {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async move {
            if self.pause.is_on() {
                self.pause.over().await;
                return Err(SendError::ConnectFailed("it stood still".to_owned()));
            }
            if self.death.happened() {
                return std::future::pending().await;
            }
            let answer = self.inner.send(request).await;
            self.pause.over().await;
            if self.death.happened() { std::future::pending().await } else { answer }
        })
    }
}

/// The nodes that senders and a person can reach.
pub(super) struct Cluster {
    plan: Plan,
    world: Arc<World>,
    store: Arc<dyn Store>,
    clock: SharedClock,
    base: Timestamp,
    nodes: Vec<Mutex<Option<Arc<Node>>>>,
    dice: Mutex<Dice>,
    /// Nothing dies or stands still any more.
    calm: AtomicBool,
    lives: Mutex<usize>,
}

/// Runs one simulation with so many nodes on a store that they share, and judges it.
pub fn run_nodes(plan: &Plan, nodes: usize, store: Arc<dyn Store>) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let world = Arc::new(World::of_nodes(plan, HEARD_WITHIN));
    let lives = runtime.block_on(async {
        let base = Timestamp::from_secs(1_767_225_600);
        let cluster = Arc::new(Cluster {
            plan: plan.clone(),
            world: Arc::clone(&world),
            store,
            clock: Arc::new(SimClock::starting_at(base)),
            base,
            nodes: (0..nodes).map(|_| Mutex::default()).collect(),
            dice: Mutex::new(Dice::new(plan.seed ^ 0x000D_E5ED)),
            calm: AtomicBool::new(false),
            lives: Mutex::new(0),
        });
        cluster.live().await
    })?;
    let mut report = oracle::judge(&world)?;
    report.lives = lives;
    Ok(report)
}

impl Cluster {
    async fn live(self: Arc<Self>) -> Result<usize, String> {
        for place in 0..self.nodes.len() {
            tokio::spawn(Arc::clone(&self).keep_alive(place));
        }
        let senders: Vec<_> =
            self.world.senders().map(|sender| tokio::spawn(sender.run_among(Arc::clone(&self)))).collect();
        self.have_wishes().await;
        for sender in senders {
            sender.await.map_err(|error| format!("a sender broke: {error}"))?;
        }
        self.world.heal();
        self.calm.store(true, Ordering::SeqCst);
        let gives_up = self.clock.now() + REST;
        let engine = self.any().await;
        person::resume_all(&engine, &self.clock).await;
        while self.clock.now() < gives_up {
            self.clock.sleep(LOOK_EVERY).await;
            if world::is_at_rest(&*self.store, &Tenant::default_tenant()).await? {
                self.world.take_account(&*self.store).await?;
                return Ok(*self.lives.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
        let charges = self.store.charges().await.map_err(|error| error.to_string())?;
        let open = world::open_ones(&*self.store).await;
        Err(format!("nothing moves any more, but deliveries are still open: {open}\n{charges:?}"))
    }

    fn roll(&self, sides: u64) -> u64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).below(sides)
    }

    /// Starts the node of a place, has it stand still now and then, and starts another when it dies.
    async fn keep_alive(self: Arc<Self>, place: usize) {
        loop {
            let node = Arc::new(self.start(place));
            let life = async {
                while let Err(error) = node.engine.configure(self.plan.specs()).await {
                    assert!(matches!(error, engine::EngineError::Store(_)), "the plan is refused: {error:?}");
                    self.clock.sleep(Duration::from_secs(1)).await;
                }
                *self.place(place) = Some(Arc::clone(&node));
                self.stand_still_at_times(&node).await;
            };
            tokio::select! {
                biased;
                () = node.death.wait() => {}
                () = life => {}
            }
            *self.place(place) = None;
            let gone = Duration::from_millis(500 + self.roll(30_000));
            self.clock.sleep(gone).await;
        }
    }

    fn place(&self, place: usize) -> std::sync::MutexGuard<'_, Option<Arc<Node>>> {
        self.nodes[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never ends.
    async fn stand_still_at_times(&self, node: &Node) {
        loop {
            self.clock.sleep(Duration::from_secs(5 + self.roll(60))).await;
            if self.calm.load(Ordering::SeqCst) || self.roll(100) >= 60 {
                continue;
            }
            node.pause.begin();
            self.clock.sleep(Duration::from_secs(1 + self.roll(40))).await;
            node.pause.end();
        }
    }

    fn start(&self, place: usize) -> Node {
        let life = {
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            *lives += 1;
            *lives
        };
        let (death, pause) = (Arc::new(Death::default()), Arc::new(Pause::default()));
        let offset = Duration::from_millis(self.roll(OFFSET_MAX_MS));
        let now = self.base + self.clock.monotonic();
        let clock: SharedClock = Arc::new(SimClock::starting_at(now + offset));
        let faulty =
            FaultyStore::new(Arc::clone(&self.store), Arc::clone(&self.world) as Arc<dyn Fates>, Arc::clone(&death));
        let stalled = Arc::clone(&pause);
        let faulty = faulty.beside_others().stalled_by(Arc::new(move || {
            let pause = Arc::clone(&stalled);
            Box::pin(async move { pause.over().await })
        }));
        let inner = SimTransport::new(Arc::clone(&self.world), Arc::clone(&clock));
        let wire = Wire { inner, death: Arc::clone(&death), pause: Arc::clone(&pause) };
        let seed = self.plan.seed.wrapping_mul(31).wrapping_add(life as u64);
        let engine = Engine::start(Parts {
            store: Arc::new(faulty),
            clock,
            entropy: Arc::new(SeededEntropy::new(seed)),
            transport: Arc::new(wire),
            policies: Arc::new(Arc::new(EgressPolicy::default())),
            vault: Arc::new(Vault::new(master_key())),
            retention: Retention::default(),
            in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
            node: Identity { name: format!("n{place}").into(), ..Identity::default() },
        });
        Node { engine, death, pause }
    }

    /// A node that can be reached, whether it stands still or not: that nobody sees from outside.
    pub(super) async fn any(&self) -> Engine {
        loop {
            let place = usize::try_from(self.roll(self.nodes.len() as u64)).unwrap_or(0);
            if let Some(node) = &*self.place(place) {
                return node.engine.clone();
            }
            self.clock.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives up on a node that does not answer.
    pub(super) async fn within_patience<T>(&self, asked: impl Future<Output = Option<T>>) -> Option<T> {
        timeout(&*self.clock, PATIENCE, asked).await.unwrap_or(None)
    }

    pub(super) const fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// A person's, each at whatever node can be reached.
    async fn have_wishes(&self) {
        let person = person::Person::new(Arc::clone(&self.world));
        while let Some((pause, wish)) = self.world.next_wish() {
            self.clock.sleep(pause).await;
            let engine = self.any().await;
            // Whether it was carried out is noted by whoever wishes.
            let _ = timeout(&*self.clock, PATIENCE, person.wish(&engine, &self.clock, wish)).await;
        }
    }
}
