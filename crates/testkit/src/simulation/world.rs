//! Everything outside of the process: senders that try again, destinations that remember, and the dice.
//! It outlives the process, so it knows what was promised.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use domain::request::InboundRequest;
use domain::{DeliveryState, EventId, Tenant, Timestamp};
use engine::Engine;
use engine::clock::SharedClock;
use engine::publish::Publication;
use engine::receive::Receipt;
use engine::transport::OutboundRequest;
use ring::hmac;
use rustc_hash::FxHasher;
use store::Store;
use store::read::{DeliveryFilter, DeliveryRow, Page};

use super::network::{LATENCY_MAX, Way};
use super::nodes::Cluster;
use super::person::Wished;
use super::plan::{CrashAt, Dice, HOOKS, OWN, Plan, SECRET};
use crate::faulty_store::{Fate, Fates, Refusal};

/// One message that a sender wants to be known, and what it was told.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub number: u64,
    pub source: &'static str,
    pub subject: String,
    /// Ids it was acknowledged under: one, if the promise is kept.
    pub ids: Vec<EventId>,
    /// The order in which it was first acknowledged, among those of its sender.
    pub order: usize,
}

/// One request that reached a destination.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub destination: String,
    pub message_id: String,
    pub event_id: String,
    pub body: Bytes,
    /// Whether the destination's 2xx got back.
    pub answered: bool,
    pub at: usize,
    pub time: Timestamp,
}

#[derive(Default)]
pub(super) struct Record {
    pub sent: Vec<Sent>,
    pub received: Vec<Received>,
    pub wishes: Vec<Wished>,
    /// The store at the end.
    pub deliveries: Vec<DeliveryRow>,
    trace: FxHasher,
}

pub struct World {
    pub(super) plan: Plan,
    dice: Mutex<Dice>,
    /// A person's own.
    whims: Mutex<Dice>,
    pub(super) record: Mutex<Record>,
    healed: AtomicBool,
    verbs: AtomicU64,
    deaths: AtomicU64,
    /// How far each sender got, over all lives of the process.
    progress: [Arc<Mutex<u64>>; 2],
    wishes_made: AtomicU64,
    /// What a cancellation may take to be heard by whoever has the delivery in its memory.
    pub(super) heard_within: Duration,
}

/// Deaths by chance in one simulation.
const DEATHS_MAX: u64 = 6;

impl World {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self::of_nodes(plan, Duration::ZERO)
    }

    /// One in which there are several processes.
    #[must_use]
    pub fn of_nodes(plan: &Plan, heard_within: Duration) -> Self {
        Self {
            heard_within,
            plan: plan.clone(),
            dice: Mutex::new(Dice::new(plan.seed ^ 0x5EED)),
            whims: Mutex::new(Dice::new(plan.seed ^ 0x0000_3117)),
            record: Mutex::default(),
            healed: AtomicBool::new(false),
            verbs: AtomicU64::new(0),
            deaths: AtomicU64::new(0),
            progress: Default::default(),
            wishes_made: AtomicU64::new(0),
        }
    }

    /// From now on everything works.
    pub fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }

    pub(super) fn verbs(&self) -> u64 {
        self.verbs.load(Ordering::SeqCst)
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trace(&self, what: &str) {
        self.record().trace.write(what.as_bytes());
    }

    pub(super) fn trace_digest(&self) -> u64 {
        self.record().trace.finish()
    }

    /// How the next request of the process fares, and how long it takes.
    pub(super) fn way(&self) -> (Way, Duration) {
        let mut dice = self.dice();
        let latency = Duration::from_millis(1 + dice.below(LATENCY_MAX.as_millis() as u64));
        let healed = self.healed.load(Ordering::SeqCst);
        if healed || !dice.percent(self.plan.network_faults) {
            return (Way::Fine, latency);
        }
        let way = match dice.below(12) {
            0..=3 => Way::Status(500),
            4 => Way::Status(404),
            5 => Way::Busy(1 + dice.below(90)),
            6 | 7 => Way::NoConnection,
            8 | 9 => Way::ArrivesThenReset,
            10 => Way::ArrivesThenHangs,
            _ => Way::Status(302),
        };
        (way, latency)
    }

    /// A destination was reached.
    pub(super) fn arrived(&self, request: &OutboundRequest, answered: bool, now: Timestamp) {
        let header =
            |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let destination = request.target.origin();
        let (message_id, event_id) = (header("webhook-id"), header("trireme-event-id"));
        self.trace(&format!("{destination} {message_id} {answered} {now}"));
        let mut record = self.record();
        let at = record.received.len();
        record.received.push(Received {
            destination,
            message_id,
            event_id,
            body: request.body.clone(),
            answered,
            at,
            time: now,
        });
    }

    /// How long a person waits before the next wish, and a number to choose it by; `None` when all were made, over
    /// all lives of the process.
    pub(super) fn next_wish(&self) -> Option<(Duration, u64)> {
        let made = self.wishes_made.fetch_add(1, Ordering::SeqCst);
        let mut whims = self.whims();
        (made < self.plan.wishes).then(|| (Duration::from_millis(whims.below(4_000)), whims.below(6)))
    }

    /// One of so many.
    pub(super) fn pick(&self, of: u64) -> u64 {
        self.whims().below(of)
    }

    fn whims(&self) -> MutexGuard<'_, Dice> {
        self.whims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a wish down; gives its number.
    pub(super) fn wished(&self, wish: Wished) -> usize {
        self.trace(&format!("{:?} {}", wish.asked, wish.delivery));
        let mut record = self.record();
        record.wishes.push(wish);
        record.wishes.len() - 1
    }

    pub(super) fn wish_done(&self, number: usize, now: Timestamp) {
        self.trace(&format!("done {number} {now}"));
        if let Some(wish) = self.record().wishes.get_mut(number) {
            wish.done_at = Some(now);
        }
    }

    /// The senders, each going on where it stood.
    pub(super) fn senders(self: &Arc<Self>) -> impl Iterator<Item = Sender> + use<> {
        let world = Arc::clone(self);
        [HOOKS, OWN].into_iter().zip(self.progress.clone()).map(move |(source, progress)| Sender {
            world: Arc::clone(&world),
            source,
            progress,
        })
    }

    fn acknowledged(&self, number: u64, source: &'static str, id: EventId) {
        self.trace(&format!("{source} {number} {id}"));
        let mut record = self.record();
        if let Some(known) = record.sent.iter_mut().find(|sent| sent.number == number && sent.source == source) {
            if !known.ids.contains(&id) {
                known.ids.push(id);
            }
            return;
        }
        let order = record.sent.len();
        record.sent.push(Sent { number, source, subject: subject_of(number), ids: vec![id], order });
    }

    /// Reads the store at the end.
    pub(super) async fn take_account(&self, store: &dyn Store) -> Result<(), String> {
        let rows = all_deliveries(store, DeliveryFilter::default()).await.map_err(|error| error.to_string())?;
        self.record().deliveries = rows;
        Ok(())
    }
}

pub(super) fn subject_of(number: u64) -> String {
    format!("things/{}", number % 3)
}

impl Fates for World {
    fn next(&self, verb: &'static str) -> Fate {
        let number = self.verbs.fetch_add(1, Ordering::SeqCst);
        self.trace(verb);
        if self.healed.load(Ordering::SeqCst) {
            return Fate::Happens;
        }
        match self.plan.crash {
            CrashAt::Verb { number: at, after } if at == number => {
                return if after { Fate::DiesAfter } else { Fate::DiesBefore };
            }
            CrashAt::About(verbs)
                if self.dice().below(verbs) == 0 && self.deaths.load(Ordering::SeqCst) < DEATHS_MAX =>
            {
                self.deaths.fetch_add(1, Ordering::SeqCst);
                return if self.dice().percent(50) { Fate::DiesAfter } else { Fate::DiesBefore };
            }
            _ => {}
        }
        let mut dice = self.dice();
        match dice.below(1_000) < self.plan.store_faults {
            true if dice.percent(50) => Fate::Refused(Refusal::Overloaded),
            true => Fate::Refused(Refusal::DiskFull),
            false => Fate::Happens,
        }
    }
}

/// A sender: says each thing until it is acknowledged, now and then once more, in order.
pub(super) struct Sender {
    world: Arc<World>,
    source: &'static str,
    progress: Arc<Mutex<u64>>,
}

impl Sender {
    pub async fn run(self, engine: Engine, clock: SharedClock) {
        loop {
            let number = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            if number >= self.world.plan.messages {
                return;
            }
            let (pause, again) = {
                let mut dice = self.world.dice();
                (Duration::from_millis(dice.below(3_000)), dice.percent(15))
            };
            clock.sleep(pause).await;
            let Some(id) = self.say(number, &engine, &clock).await else { continue };
            self.world.acknowledged(number, self.source, id);
            *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = number + 1;
            if again && let Some(id) = self.say(number, &engine, &clock).await {
                self.world.acknowledged(number, self.source, id);
            }
        }
    }

    /// The same with several nodes, of which each message goes to any.
    pub(super) async fn run_among(self, cluster: Arc<Cluster>) {
        let clock = Arc::clone(cluster.clock());
        loop {
            let number = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            if number >= self.world.plan.messages {
                return;
            }
            let (pause, again) = {
                let mut dice = self.world.dice();
                (Duration::from_millis(dice.below(3_000)), dice.percent(15))
            };
            clock.sleep(pause).await;
            let engine = cluster.any().await;
            let said = cluster.within_patience(self.say(number, &engine, &clock)).await;
            let Some(id) = said else { continue };
            self.world.acknowledged(number, self.source, id);
            *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = number + 1;
            let other = cluster.any().await;
            if again && let Some(id) = cluster.within_patience(self.say(number, &other, &clock)).await {
                self.world.acknowledged(number, self.source, id);
            }
        }
    }

    /// Says one thing; gives the id under which it was acknowledged.
    async fn say(&self, number: u64, engine: &Engine, clock: &SharedClock) -> Option<EventId> {
        let body = format!(r#"{{"type":"thing.changed","number":{number},"subject":"{}"}}"#, subject_of(number));
        if self.source == OWN {
            let publication = Publication {
                tenant: Tenant::default_tenant(),
                source: OWN.parse().expect("a name"),
                event_type: "thing.changed".to_owned(),
                subject: Some(subject_of(number)),
                data: body.into(),
                idempotency_key: Some(format!("key-{number}")),
            };
            return engine.publish(publication).await.ok().map(|published| published.id);
        }
        let request = signed(engine, number, body, clock.now());
        match engine.receive(request).await {
            Receipt::Accepted { events, .. } => events.first().map(|(id, _)| *id),
            Receipt::Unavailable { .. } => None,
            other => panic!("a correctly signed request was answered {other:?}"),
        }
    }
}

/// A request signed as the Standard Webhooks specification says.
fn signed(engine: &Engine, number: u64, body: String, now: Timestamp) -> InboundRequest {
    let key = BASE64.decode(SECRET.trim_start_matches("whsec_").as_bytes()).expect("the secret is base64");
    let (id, timestamp) = (format!("msg_{number}"), now.as_secs());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{timestamp}.{body}").as_bytes());
    let headers = BTreeMap::from([
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", format!("v1,{}", BASE64.encode(tag.as_ref()))),
    ]);
    InboundRequest {
        id: engine.new_request_id(),
        tenant: Tenant::default_tenant(),
        source: HOOKS.parse().expect("a name"),
        connection: "".into(),
        method: "POST".into(),
        url: "https://hooks.example/in/hooks".into(),
        headers: headers.into_iter().map(|(name, value)| (name.into(), Bytes::from(value))).collect(),
        body: body.into(),
        remote: "192.0.2.1".into(),
        received_at: now,
    }
}

/// Whether nothing is owed any more, held ones aside.
pub(super) async fn is_at_rest(store: &dyn Store, tenant: &Tenant) -> Result<bool, String> {
    for state in [DeliveryState::Pending, DeliveryState::Retrying, DeliveryState::InFlight] {
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        let found =
            store.deliveries(tenant.clone(), filter, Page::first(1)).await.map_err(|error| error.to_string())?;
        if !found.rows.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn open_ones(store: &dyn Store) -> String {
    let rows = all_deliveries(store, DeliveryFilter::default()).await.unwrap_or_default();
    let open: Vec<_> = rows.iter().filter(|row| row.state.is_open()).collect();
    let mut places = BTreeMap::<_, usize>::new();
    for row in &open {
        *places.entry((row.destination.to_string(), row.state.as_str())).or_default() += 1;
    }
    format!("{} of {} {places:?}, such as {:?}", open.len(), rows.len(), open.first())
}

async fn all_deliveries(store: &dyn Store, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, store::StoreError> {
    let mut rows = Vec::new();
    let mut page = Page::first(store::read::PAGE_MAX);
    loop {
        let listed = store.deliveries(Tenant::default_tenant(), filter.clone(), page.clone()).await?;
        rows.extend(listed.rows);
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(rows),
        }
    }
}
