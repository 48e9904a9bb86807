//! An engine between a scripted source and nobody, on a clock of its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use domain::event::Origin;
use domain::{ConnectionName, Tenant, Timestamp, Version};
use engine::clock::{Clock, SharedClock};
use engine::connector::{Connector, Named};
use engine::dispatch::IN_FLIGHT_MAX;
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{ConnectionConfig, ConnectorSpec, SourceSpec, Specs, StreamSpec, WebhookSpec};
use engine::transport::EgressPolicy;
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use futures_util::future::BoxFuture;
use serde_json::json;
use store::Store;
use store::keep::Retention;
use store::read::{EventFilter, Page};
use store::registry::ManagedBy;
use store_sqlite::{OpenOptions, SqliteStore};

use super::Failed;
use super::source::Source;

/// When every simulation begins.
pub const BEGINS: Timestamp = Timestamp::from_secs(1_767_225_600);
pub const SOURCE: &str = "shop";
const MANIFEST: &str = include_str!("shop.yaml");
const LEAVING: Duration = Duration::from_secs(60);

/// Time that passes when nothing is left to do.
#[derive(Default)]
pub struct Ahead(Arc<Mutex<Sleepers>>);

#[derive(Default)]
struct Sleepers {
    now: Duration,
    came: u64,
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    wakers: BTreeMap<u64, Waker>,
}

impl Ahead {
    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        locked(&self.0)
    }

    /// Goes on to when the next one is woken.
    fn advance(&self) {
        let mut sleepers = self.sleepers();
        let mut woken = Vec::new();
        while let Some(Reverse((due, number))) = sleepers.due.peek().copied() {
            if due > sleepers.now && !woken.is_empty() {
                break;
            }
            sleepers.due.pop();
            // Whoever does not wait any more has taken its waker along.
            if let Some(waker) = sleepers.wakers.remove(&number) {
                sleepers.now = sleepers.now.max(due);
                woken.push(waker);
            }
        }
        drop(sleepers);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        BEGINS + self.sleepers().now
    }

    fn monotonic(&self) -> Duration {
        self.sleepers().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut sleepers = self.sleepers();
        sleepers.came += 1;
        let (number, due) = (sleepers.came, sleepers.now.saturating_add(duration));
        drop(sleepers);
        let sleep = Sleep { sleepers: Arc::clone(&self.0), number, due };
        Box::pin(async move { poll_fn(|context| sleep.poll(context.waker())).await })
    }
}

struct Sleep {
    sleepers: Arc<Mutex<Sleepers>>,
    number: u64,
    due: Duration,
}

impl Sleep {
    fn poll(&self, waker: &Waker) -> Poll<()> {
        let mut sleepers = locked(&self.sleepers);
        if sleepers.now >= self.due {
            return Poll::Ready(());
        }
        if sleepers.wakers.insert(self.number, waker.clone()).is_none() {
            sleepers.due.push(Reverse((self.due, self.number)));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        locked(&self.sleepers).wakers.remove(&self.number);
    }
}

fn locked(sleepers: &Mutex<Sleepers>) -> MutexGuard<'_, Sleepers> {
    // Entries are put in and taken out whole.
    sleepers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is simulated: one stream, `orders`, of so many connections.
pub struct Scene {
    pub stream: StreamSpec,
    pub webhook: Option<WebhookSpec>,
    pub lists: Vec<Vec<Timestamp>>,
    pub validates: bool,
}

pub struct World {
    pub clock: SharedClock,
    pub engine: Engine,
    pub source: Arc<Source>,
    store: Arc<dyn Store>,
}

impl Scene {
    /// Runs it for so long, with whatever else goes on meanwhile; gives the world as it is then.
    pub fn run<T>(
        self,
        span: Duration,
        beside: impl AsyncFnOnce(&World),
        judge: impl AsyncFnOnce(&World) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let clock = Arc::new(Ahead::default());
        let going_on = Arc::clone(&clock);
        let runtime =
            tokio::runtime::Builder::new_current_thread().on_thread_park(move || going_on.advance()).build()?;
        runtime.block_on(async {
            let world = self.open(clock).await?;
            beside(&world).await;
            let left = (BEGINS + span).since(world.clock.now());
            world.clock.sleep(left).await;
            let judged = judge(&world).await;
            world.engine.stop(LEAVING).await;
            judged
        })
    }

    async fn open(self, clock: SharedClock) -> Result<World, Failed> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(OpenOptions::memory().inline())?);
        let (specs, entropy): (_, SharedEntropy) = (self.specs(&clock)?, Arc::new(SeededEntropy::new(1)));
        let source = Source::new(Arc::clone(&clock), self.lists, self.validates);
        let engine = Engine::start(Parts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy,
            transport: Arc::clone(&source) as _,
            policies: Arc::new(Arc::new(EgressPolicy::default())),
            vault: Arc::new(Vault::new(MasterKey::from_hex(&"00".repeat(32))?)),
            retention: Retention::default(),
            in_flight_max: IN_FLIGHT_MAX,
            node: Default::default(),
        });
        engine.configure(specs).await?;
        Ok(World { clock, engine, source, store })
    }

    fn specs(&self, clock: &SharedClock) -> Result<Specs, Failed> {
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
        let named = Named { name: "shop.yaml", text: MANIFEST };
        let connector = Connector::load(named, None, Arc::new(|_| None), clock, &entropy)?;
        let names = (0..self.lists.len()).map(|list| Ok((list, connection(list)?)));
        let names = names.collect::<Result<Vec<(usize, ConnectionName)>, Failed>>()?;
        let config = |list: usize| ConnectionConfig::new(json!({ "list": list.to_string() }));
        let source = SourceSpec {
            tenant: Tenant::default_tenant(),
            name: SOURCE.parse()?,
            managed_by: ManagedBy::File,
            webhook: self.webhook.clone(),
            publish: false,
            connections: names.iter().map(|(_, name)| (name.clone(), Vec::new())).collect(),
            connector: Some(ConnectorSpec {
                name: "./shop.yaml".to_owned(),
                overrides: None,
                connector: Arc::new(connector),
                configs: names.iter().map(|(list, name)| (name.clone(), config(*list))).collect(),
                streams: [(Arc::from("orders"), self.stream.clone())].into(),
                budget: None,
                normalize: false,
                subscribe: false,
            }),
        };
        Ok(Specs { sources: vec![source], ..Specs::default() })
    }
}

/// The connection that reads a list.
pub fn connection(list: usize) -> Result<ConnectionName, Failed> {
    Ok(format!("c{list}").parse()?)
}

/// A change, and when its event was there.
pub struct Told {
    pub changed_at: Timestamp,
    pub told_at: Timestamp,
    pub origin: Origin,
}

impl Told {
    pub fn delay_s(&self) -> f64 {
        self.told_at.since(self.changed_at).as_secs_f64()
    }
}

impl World {
    /// The changes of a time that were told.
    pub async fn told(&self, since: Timestamp, until: Timestamp) -> Result<Vec<Told>, Failed> {
        let mut told = Vec::new();
        let mut page = Page::first(store::read::PAGE_MAX);
        loop {
            let listed = self.store.events(Tenant::default_tenant(), EventFilter::default(), page).await?;
            for row in &listed.rows {
                let (told_at, origin) = (row.event.received_at, row.event.origin);
                let Some(Version::Time(at)) = row.event.version else { continue };
                let changed_at = Some(at).filter(|at| *at >= since && *at < until);
                told.extend(changed_at.map(|changed_at| Told { changed_at, told_at, origin }));
            }
            match listed.next {
                Some(next) => page = Page { after: Some(next), ..Page::first(store::read::PAGE_MAX) },
                None => return Ok(told),
            }
        }
    }
}
