//! Everything outside of the gateway: the shop, the destination, and the dice. It outlives the gateway's lives, so it
//! knows what each of them was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::request::InboundRequest;
use domain::{DeliveryState, Tenant, Timestamp};
use engine::Engine;
use engine::clock::SharedClock;
use engine::receive::Receipt;
use engine::spec::Start;
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use store::Store;
use store::read::{DeliveryFilter, Page};

use super::OPENED;
use super::plan::{CRM, Plan, SOURCE};
use crate::faulty_store::{Fate, Fates, Refusal};
use crate::simulation::{Dice, SECRET};
use crate::upstream::oracle::{Companions, Message, Promise};
use crate::upstream::{Hook, Object, Shop};

/// Deaths by chance in one simulation.
const DEATHS_MAX: u64 = 5;
/// What the faults of a story last longer than the story.
const AFTERMATH: Duration = Duration::from_secs(5);

pub struct World {
    plan: Plan,
    shop: Arc<Mutex<Shop>>,
    dice: Mutex<Dice>,
    /// Everything that reached a destination, in order.
    arrivals: Mutex<Vec<Arrival>>,
    promise: Mutex<Promise>,
    healed: AtomicBool,
    spared: AtomicBool,
    deaths: AtomicU64,
}

/// A message that reached a destination.
struct Arrival {
    at: Timestamp,
    is_crm: bool,
    webhook_id: String,
    body: Bytes,
}

impl World {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut shop = Shop::new(plan.seed, plan.habits.clone(), plan.script.clone(), OPENED);
        // Whoever subscribes later hears nothing of how it began.
        shop.advance(OPENED);
        if plan.hooks && !plan.subscribes {
            for (number, account) in plan.habits.accounts.iter().enumerate() {
                shop.listen(number, &format!("https://hooks.example/in/{SOURCE}/{account}"), SECRET);
            }
        }
        Self {
            plan: plan.clone(),
            shop: Arc::new(Mutex::new(shop)),
            dice: Mutex::new(Dice::new(plan.seed ^ 0xFA7E)),
            arrivals: Mutex::default(),
            promise: Mutex::default(),
            healed: AtomicBool::new(false),
            spared: AtomicBool::new(false),
            deaths: AtomicU64::new(0),
        }
    }

    pub fn shop(&self) -> MutexGuard<'_, Shop> {
        lock(&self.shop)
    }

    pub(super) fn shared_shop(&self) -> Arc<Mutex<Shop>> {
        Arc::clone(&self.shop)
    }

    pub(super) fn begin_life(&self, now: Timestamp) {
        let mut shop = self.shop();
        shop.next_life();
        shop.hooks_broken_off(now);
    }

    pub(super) fn story_ends_after(&self) -> Duration {
        self.plan.script.ends_after() + AFTERMATH
    }

    /// Every account has the one subscription that the gateway makes, if it makes any.
    pub(super) fn is_subscribed(&self) -> bool {
        let shop = self.shop();
        let one_each =
            |account| shop.subscriptions().iter().filter(|own| own.account == account && own.active).count() == 1;
        !self.plan.subscribes || (0..self.plan.habits.accounts.len()).all(one_each)
    }

    /// From now on everything works.
    pub(super) fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
        self.shop().heal();
    }

    /// The gateway dies no more; everything else goes on.
    pub(super) fn spare(&self) {
        self.spared.store(true, Ordering::SeqCst);
    }

    fn is_healed(&self) -> bool {
        self.healed.load(Ordering::SeqCst)
    }

    /// Reads from the store since when each list was told.
    pub(super) async fn take_account(&self, plan: &Plan, store: &dyn Store) -> Result<(), String> {
        let rows = store.checkpoints(Tenant::default_tenant(), None).await.map_err(|error| error.to_string())?;
        let mut told_since = BTreeMap::new();
        let mut activities_since = BTreeMap::new();
        for row in rows {
            let account = plan.habits.accounts.iter().position(|account| *account == *row.key.connection.as_str());
            let (Some(account), Some(spec)) = (account, plan.streams.get(&row.key.stream)) else { continue };
            let baseline_at = row.baseline_at.ok_or_else(|| format!("{:?} never ended its first scan", row.key))?;
            let since = if spec.start == Start::All { Timestamp::EPOCH } else { baseline_at };
            match Object::ALL.into_iter().find(|object| object.plural() == &*row.key.stream) {
                Some(object) => drop(told_since.insert((account, object), since)),
                None => drop(activities_since.insert(account, since)),
            }
        }
        let filter = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
        let dead = store.deliveries(Tenant::default_tenant(), filter, Page::first(store::read::PAGE_MAX)).await;
        let dead = dead.map_err(|error| error.to_string())?.rows;
        if let Some(wrong) = dead.iter().find(|row| row.destination.as_str() != CRM) {
            return Err(format!("none may die at the first destination: {wrong:?}"));
        }
        let dead: BTreeSet<String> = dead.iter().map(|row| row.event.to_string()).collect();
        let messages = self.arrived(true)?;
        *lock(&self.promise) = Promise {
            told_since,
            activities_since,
            ordered: plan.ordered,
            sight: plan.sight(),
            limit_known: plan.tells_limit,
            whole: plan.normalize || plan.thin,
            companions: plan.enriching.map(|how| Companions { how, messages, dead }),
        };
        Ok(())
    }

    pub(super) fn promise(&self) -> Promise {
        lock(&self.promise).clone()
    }

    /// Everything that arrived at the first destination, in order.
    pub fn messages(&self) -> Result<Vec<Message>, String> {
        self.arrived(false)
    }

    fn arrived(&self, at_crm: bool) -> Result<Vec<Message>, String> {
        let arrivals = lock(&self.arrivals);
        let own = arrivals.iter().filter(|arrival| arrival.is_crm == at_crm);
        own.map(|arrival| Message::read(arrival.at, &arrival.webhook_id, &arrival.body)).collect()
    }
}

impl Fates for World {
    fn next(&self, _verb: &'static str) -> Fate {
        if self.is_healed() {
            return Fate::Happens;
        }
        let mut dice = lock(&self.dice);
        let may_die = !self.spared.load(Ordering::SeqCst) && self.deaths.load(Ordering::SeqCst) < DEATHS_MAX;
        if self.plan.crash_about.is_some_and(|verbs| may_die && dice.below(verbs) == 0) {
            self.deaths.fetch_add(1, Ordering::SeqCst);
            return if dice.percent(50) { Fate::DiesAfter } else { Fate::DiesBefore };
        }
        match dice.below(1_000) < self.plan.store_faults {
            true if dice.percent(50) => Fate::Refused(Refusal::Overloaded),
            true => Fate::Refused(Refusal::DiskFull),
            false => Fate::Happens,
        }
    }
}

/// The destination: it remembers what came, and stumbles now and then.
pub(super) struct Sink {
    world: Arc<World>,
    clock: SharedClock,
}

impl Sink {
    pub fn new(world: Arc<World>, clock: SharedClock) -> Self {
        Self { world, clock }
    }

    async fn take(&self, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
        let (fault, latency) = {
            let mut dice = lock(&self.world.dice);
            let fails = !self.world.is_healed() && dice.percent(self.world.plan.network_faults);
            (fails.then(|| dice.below(4)), Duration::from_millis(1 + dice.below(50)))
        };
        self.clock.sleep(latency).await;
        match fault {
            Some(0) => return Err(SendError::ConnectFailed("the simulation refuses".to_owned())),
            Some(1) => return Ok(answer(503)),
            _ => {}
        }
        let id = request.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let is_crm = request.target.url().contains(CRM);
        let (at, webhook_id, body) = (self.clock.now(), id.to_owned(), request.body.clone());
        lock(&self.world.arrivals).push(Arrival { at, is_crm, webhook_id, body });
        match fault {
            Some(_) => Err(SendError::ConnectionReset { kept: false, problem: "the simulation resets".to_owned() }),
            None => Ok(answer(204)),
        }
    }
}

impl Transport for Sink {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(self.take(request))
    }
}

fn answer(status: u16) -> OutboundResponse {
    OutboundResponse {
        status,
        headers: HeaderMap::new(),
        body_head: Bytes::new(),
        body_end: BodyEnd::Complete,
        timings: Timings::default(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
        reused: true,
    }
}

/// Lets the story happen and sends the shop's webhooks, each as it is due.
pub(super) async fn send_hooks(world: Arc<World>, engine: Engine, clock: SharedClock) {
    loop {
        let now = clock.now();
        let (due, next) = {
            let mut shop = world.shop();
            (shop.due(now), shop.next_due())
        };
        for hook in due {
            let (world, engine, clock) = (Arc::clone(&world), engine.clone(), Arc::clone(&clock));
            tokio::spawn(async move {
                let number = hook.number;
                let receipt = engine.receive(inbound(&engine, hook, clock.now())).await;
                let status = status_of(&receipt);
                world.shop().told(number, Some(status), clock.now());
            });
        }
        // What is answered in the meantime may make something due sooner.
        let pause = next.map_or(LOOK_EVERY, |next| next.since(clock.now()).min(LOOK_EVERY));
        clock.sleep(pause.max(Duration::from_millis(1))).await;
    }
}

/// Longest pause between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

fn inbound(engine: &Engine, hook: Hook, now: Timestamp) -> InboundRequest {
    InboundRequest {
        id: engine.new_request_id(),
        tenant: Tenant::default_tenant(),
        source: SOURCE.parse().expect("a name"),
        connection: hook.url.rsplit('/').next().unwrap_or_default().into(),
        method: "POST".into(),
        url: hook.url.as_str().into(),
        headers: hook.headers.into_iter().map(|(name, value)| (name.into(), Bytes::from(value))).collect(),
        body: hook.body,
        remote: "192.0.2.1".into(),
        received_at: now,
    }
}

/// What the sender is answered.
fn status_of(receipt: &Receipt) -> u16 {
    match receipt {
        Receipt::Accepted { .. } => 200,
        Receipt::Unavailable { .. } => 503,
        _ => 401,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
