//! Dispatch: which delivery is tried next. One task owns all desks, so nothing here needs a lock.
//!
//! Fair between destinations: desks with something to send take turns in a ring, each has a window of its own, and
//! a destination that hangs fills only its own.

mod alarm;
mod charge;
mod claim;
mod desk;
mod message;
mod queue;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::delivery::{Outcome, settle};
use domain::ordering::Ordering;
use domain::{DeliveryId, DeliveryState, Timestamp};
use futures_util::future::{BoxFuture, OptionFuture};
use rustc_hash::{FxHashMap, FxHashSet};
use store::Store;
use store::dispatch::{Owner, Settlement};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::alert::Alerts;
use crate::clock::SharedClock;
use crate::deliver::Deliverer;
use crate::entropy::SharedEntropy;
use crate::gate::Place;
use crate::nodes::Tenure;
use crate::telemetry::{self, InFlight};
use crate::topology::{Destination, Topology};
use crate::work::{DestinationKey, Settling, Tried, Work, dead_letter};
use claim::ClaimResult;
use desk::{Alarm, Desk, Turn};
pub use message::{DestinationLive, DispatchHandle, Message, channel};

/// Tries under way at once, of all destinations, unless fewer sockets may be open: each holds one.
pub const IN_FLIGHT_MAX: u32 = 4_096;
/// While more than half of those are taken, no destination starts more than so many: those that hang may have taken
/// the half, the others share what is left.
const IN_FLIGHT_CROWDED: u32 = 4;
/// Longest sleep without looking at the clock again: the wall clock may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Messages handled before anything else is looked at.
const MESSAGES_AT_ONCE: usize = 1_024;

pub struct Dispatcher {
    store: Arc<dyn Store>,
    clock: SharedClock,
    entropy: SharedEntropy,
    owner: Owner,
    tenure: Arc<Tenure>,
    deliverer: Arc<Deliverer>,
    handle: DispatchHandle,
    inbox: mpsc::UnboundedReceiver<Message>,
    settler: mpsc::UnboundedSender<Settling>,
    gone: mpsc::UnboundedSender<DestinationKey>,
    alerts: Alerts,
    topology: Arc<Topology>,
    desks: FxHashMap<DestinationKey, Desk>,
    /// Desks that may have something to send, each once, in turn.
    ring: VecDeque<DestinationKey>,
    timers: BinaryHeap<Reverse<(Timestamp, DestinationKey)>>,
    in_flight: u32,
    in_flight_max: u32,
    /// Desks that may want to ask the store.
    hungry: Vec<DestinationKey>,
    /// To be asked about one by one: together the store refused.
    suspects: VecDeque<DestinationKey>,
    claiming: Option<BoxFuture<'static, ClaimResult>>,
    /// Cancelled since the store was asked: its answer may still give them.
    withdrawn: FxHashSet<DeliveryId>,
    draining: bool,
}

/// What a dispatcher is built of.
pub struct DispatchParts {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub owner: Owner,
    pub tenure: Arc<Tenure>,
    pub deliverer: Arc<Deliverer>,
    pub settler: mpsc::UnboundedSender<Settling>,
    /// Told of destinations that answered 410 and are to be disabled.
    pub gone: mpsc::UnboundedSender<DestinationKey>,
    pub alerts: Alerts,
    pub in_flight_max: u32,
}

impl Dispatcher {
    #[must_use]
    pub fn new(parts: DispatchParts, handle: DispatchHandle, inbox: mpsc::UnboundedReceiver<Message>) -> Self {
        let DispatchParts { store, clock, entropy, owner, tenure, deliverer, settler, gone, alerts, in_flight_max } =
            parts;
        Self {
            store,
            clock,
            entropy,
            owner,
            tenure,
            deliverer,
            handle,
            inbox,
            settler,
            gone,
            alerts,
            topology: Arc::default(),
            desks: FxHashMap::default(),
            ring: VecDeque::new(),
            timers: BinaryHeap::new(),
            in_flight: 0,
            in_flight_max,
            hungry: Vec::new(),
            suspects: VecDeque::new(),
            claiming: None,
            withdrawn: FxHashSet::default(),
            draining: false,
        }
    }

    /// Runs until it was told to drain and nothing is under way.
    pub async fn run(mut self) {
        let mut messages = Vec::with_capacity(MESSAGES_AT_ONCE);
        let in_flight = InFlight::look_up();
        while !(self.draining && self.in_flight == 0 && self.is_answered()) {
            let sleep = self.next_look();
            let clock = Arc::clone(&self.clock);
            tokio::select! {
                biased;
                count = self.inbox.recv_many(&mut messages, MESSAGES_AT_ONCE) => {
                    if count == 0 { break; }
                    for message in messages.drain(..) { self.handle(message); }
                }
                Some(result) = OptionFuture::from(self.claiming.as_mut()) => {
                    self.claiming = None;
                    self.absorb(result);
                }
                () = async { clock.sleep(sleep).await } => {}
            }
            let now = self.clock.now();
            self.ring_timers(now);
            self.pump(now);
            self.ask_store(now);
            in_flight.tell(self.in_flight);
        }
        in_flight.tell(0);
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Fresh(work) => self.enqueue(work),
            Message::Waiting(key) => self.hint(&key),
            Message::Tried(tried) => self.tried(*tried),
            Message::Freed(key, due) => self.freed(key, due),
            Message::LookAround => self.look_around(),
            Message::Cancelled(ids) => self.withdraw(ids),
            Message::Changed(key) => self.changed(key),
            Message::Topology(topology) => self.reconfigure(topology),
            Message::Ask(key, reply) => drop(reply.send(self.live(&key))),
            Message::Charged(key) => self.charged(key),
            Message::Leave(key, left) => self.leave(&key, left),
            Message::Queued(reply) => drop(reply.send(self.queued())),
            Message::Drain => self.draining = true,
        }
    }

    fn live(&self, key: &DestinationKey) -> Option<DestinationLive> {
        let desk = self.desks.get(key)?;
        let queued = u32::try_from(desk.queue.len()).unwrap_or(u32::MAX);
        let gate = &desk.destination.gate;
        Some(DestinationLive {
            breaker: desk.breaker(),
            in_flight: desk.in_flight,
            queued,
            backlog: desk.backlog(),
            room: gate.room(),
            held: gate.held(),
            in_charge: gate.in_charge(),
        })
    }

    fn enqueue(&mut self, work: Work) {
        let key = work.destination();
        let now = self.clock.now();
        let destination = Arc::clone(&work.route.destination);
        let desk = self.desks.entry(key.clone()).or_insert_with(|| Desk::new(destination, now));
        desk.queue.push(work);
        enter_ring(&mut self.ring, key, desk);
    }

    fn hint(&mut self, key: &DestinationKey) {
        if let Some(desk) = self.desks.get_mut(key) {
            desk.hint_backlog();
            self.hungry.push(key.clone());
        }
    }

    fn freed(&mut self, key: DestinationKey, due: Option<Timestamp>) {
        if let (Some(desk), Some(due)) = (self.desks.get_mut(&key), due) {
            desk.due_at(due);
            self.wake_at(&key, due);
        }
        self.hungry.push(key);
    }

    fn look_around(&mut self) {
        for (key, desk) in &mut self.desks {
            desk.hint_backlog();
            self.hungry.push(key.clone());
        }
    }

    /// Lets go of what waits in memory and is owed no more. An answer of the store that is still on its way may bring
    /// some of it: that is passed over when it comes.
    fn withdraw(&mut self, ids: FxHashSet<DeliveryId>) {
        for (key, desk) in &mut self.desks {
            let before = desk.queue.len();
            desk.queue.retain(|work| !ids.contains(&work.id));
            if desk.queue.len() < before {
                self.hungry.push(key.clone());
            }
        }
        if self.claiming.is_some() {
            self.withdrawn.extend(ids);
        }
    }

    fn changed(&mut self, key: DestinationKey) {
        self.hint(&key);
        if let Some(desk) = self.desks.get_mut(&key) {
            enter_ring(&mut self.ring, key, desk);
        }
    }

    fn reconfigure(&mut self, topology: Arc<Topology>) {
        let now = self.clock.now();
        self.topology = topology;
        let topology = Arc::clone(&self.topology);
        for destination in topology.destinations() {
            let key = key_of(destination);
            match self.desks.get_mut(&key) {
                Some(desk) => desk.reconfigure(Arc::clone(destination), now),
                None => drop(self.desks.insert(key.clone(), Desk::new(Arc::clone(destination), now))),
            }
            self.requeue(&key, now);
            self.hungry.push(key);
        }
        self.close_desks(now);
    }

    /// What waits in memory goes on under the configuration of now; what lost its route is held.
    fn requeue(&mut self, key: &DestinationKey, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(key) else { return };
        for mut work in desk.queue.take() {
            let route = self.topology.route(key.tenant.as_str(), work.route.spec.name.as_str());
            match route.filter(|route| route.spec.to == key.name) {
                Some(route) => {
                    work.place = route.destination.gate.take(work.event.payload.len() as u64, work.backfill);
                    work.route = Arc::clone(route);
                    desk.queue.push(work);
                }
                None => {
                    let remark = alarm::routeless(&self.topology, key, &work.route.spec.name);
                    let settling = Settling::put_back_work(work, DeliveryState::Held, now).remarked(remark);
                    let _ = self.settler.send(settling);
                }
            }
        }
        if !desk.queue.is_empty() {
            enter_ring(&mut self.ring, key.clone(), desk);
        }
    }

    /// Desks of destinations that are configured no more: what they hold in memory is held in the store.
    fn close_desks(&mut self, now: Timestamp) {
        let configured =
            |key: &DestinationKey| self.topology.destination(key.tenant.as_str(), key.name.as_str()).is_some();
        let closing: Vec<_> = self.desks.keys().filter(|key| !configured(key)).cloned().collect();
        for key in closing {
            let Some(desk) = self.desks.get_mut(&key) else { continue };
            desk.destination.gate.set_held(true);
            let queue = desk.queue.take();
            if desk.in_flight == 0 {
                self.desks.remove(&key);
            }
            self.put_back(queue, now);
        }
    }

    /// Lets desks take turns until none can send.
    fn pump(&mut self, now: Timestamp) {
        self.give_back_when_draining(now);
        while !self.draining && self.in_flight < self.in_flight_max {
            let Some(key) = self.ring.pop_front() else { break };
            let Some(desk) = self.desks.get_mut(&key) else { continue };
            desk.in_ring = false;
            if desk.destination.gate.held() {
                let queue = desk.queue.take();
                self.put_back(queue, now);
                continue;
            }
            if !desk.destination.gate.in_charge() {
                let queue = desk.queue.take();
                self.give_back(queue, now);
                continue;
            }
            let max = self.in_flight_max;
            let share = if self.in_flight > max / 2 { IN_FLIGHT_CROWDED } else { max };
            match desk.turn(now, share) {
                Turn::Send(work) => {
                    enter_ring(&mut self.ring, key, desk);
                    self.start(*work);
                }
                Turn::Wait(until) => self.wake_at(&key, until),
                Turn::Idle => self.hungry.push(key),
            }
        }
    }

    /// Its destination was paused, disabled or retired: what waits in memory is held in the store instead.
    fn put_back(&self, queue: impl Iterator<Item = Work>, now: Timestamp) {
        for work in queue {
            let _ = self.settler.send(Settling::put_back_work(work, DeliveryState::Held, now));
        }
    }

    fn start(&mut self, work: Work) {
        self.in_flight += 1;
        let (deliverer, handle) = (Arc::clone(&self.deliverer), self.handle.clone());
        // Boxed, because a task is moved a few times before and after it runs, with all that it keeps while it does.
        tokio::spawn(Box::pin(async move {
            let span = telemetry::deliver_span(&work);
            let tried = deliverer.try_once(work).instrument(span).await;
            handle.tell(Message::Tried(Box::new(tried)));
        }));
    }

    fn tried(&mut self, mut tried: Tried) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let now = self.clock.now();
        let key = tried.work.destination();
        if tried.outcome == Outcome::Gone && !self.is_current(&tried.work) {
            // It was another address that is gone: the one of now has not been asked yet.
            tried.outcome = Outcome::Failed { retry_after: None };
        }
        let policy = tried.work.route.spec.retry.as_ref().unwrap_or(&tried.work.route.destination.spec.retry);
        let transition = settle(&tried.outcome, tried.work.attempts, policy, now, self.entropy.unit());
        if let Some(desk) = self.desks.get_mut(&key) {
            desk.ended(&tried.work);
            if desk.learn(&tried.outcome, overloaded_for(&tried), now) {
                alarm::tell_working(&self.alerts, &key);
            }
            if !desk.queue.is_empty() {
                enter_ring(&mut self.ring, key.clone(), desk);
            }
        }
        self.sound_alarm(&key, now);
        if transition.disable_destination {
            tried.work.route.destination.gate.set_held(true);
            let _ = self.gone.send(key.clone());
        }
        telemetry::tried(&tried, transition.state);
        let code = tried.cause.as_ref().map_or("unknown", |cause| &cause.code);
        let route = tried.work.route.spec.name.clone();
        let remark = (transition.state == DeliveryState::Dead).then(|| dead_letter(&key, &route, code));
        let (settlement, place) = settled(tried, &transition);
        let settling = Settling { settlement, destination: key, route, place: Some(place), remark };
        // The settler outlives the dispatcher; if it is gone the claim lapses and the try is repeated.
        let _ = self.settler.send(settling);
    }

    /// Whether the work was sent to where its destination is now.
    fn is_current(&self, work: &Work) -> bool {
        let spec = &work.route.destination.spec;
        let current = self.topology.destination(spec.tenant.as_str(), spec.name.as_str());
        current.is_some_and(|current| current.spec.http.url == spec.http.url)
    }

    /// Looks at a desk again at this time, or earlier if it is to be woken earlier already: one timer per desk is
    /// enough, because a desk that was woken says when it is next to be woken.
    fn wake_at(&mut self, key: &DestinationKey, at: Timestamp) {
        let Some(desk) = self.desks.get_mut(key) else { return };
        if desk.wakes_at.is_none_or(|known| at < known) {
            desk.wakes_at = Some(at);
            self.timers.push(Reverse((at, key.clone())));
        }
    }

    fn ring_timers(&mut self, now: Timestamp) {
        while self.timers.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((due, key))) = self.timers.pop() else { break };
            let Some(desk) = self.desks.get_mut(&key) else { continue };
            if desk.wakes_at != Some(due) {
                // An earlier timer took its place.
                continue;
            }
            desk.wakes_at = None;
            desk.tell_gate(now);
            if desk.next_due.is_some_and(|due| due <= now) {
                desk.next_due = None;
                desk.hint_backlog();
            }
            if !desk.queue.is_empty() {
                enter_ring(&mut self.ring, key.clone(), desk);
            }
            if let Some(due) = desk.next_due {
                self.wake_at(&key, due);
            }
            self.sound_alarm(&key, now);
            self.hungry.push(key);
        }
    }

    /// Tells people of a breaker that has been open for too long, or looks again when it will have been.
    fn sound_alarm(&mut self, key: &DestinationKey, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(key) else { return };
        match desk.alarm(now) {
            None => {}
            Some(Alarm::At(at)) => self.wake_at(key, at),
            Some(Alarm::Now(since)) => alarm::tell_broken(&self.alerts, key, since),
        }
    }

    fn next_look(&self) -> Duration {
        let next = self.timers.peek().map(|Reverse((due, _))| due.since(self.clock.now()));
        next.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)
    }
}

fn key_of(destination: &Destination) -> DestinationKey {
    DestinationKey { tenant: destination.spec.tenant.clone(), name: destination.spec.name.clone() }
}

fn enter_ring(ring: &mut VecDeque<DestinationKey>, key: DestinationKey, desk: &mut Desk) {
    if !desk.in_ring {
        desk.in_ring = true;
        ring.push_back(key);
    }
}

/// A destination that names a time with 429 or 503 speaks for itself, not only for this one message.
fn overloaded_for(tried: &Tried) -> Option<Duration> {
    let status = tried.attempt.as_ref()?.status?;
    match tried.outcome {
        Outcome::Failed { retry_after } if status == 429 || status == 503 => retry_after,
        _ => None,
    }
}

/// What the store is told of a try, and the room that its work took.
fn settled(tried: Tried, transition: &domain::delivery::Transition) -> (Settlement, Place) {
    let Tried { work, attempt, cause, sent, .. } = tried;
    let settlement = Settlement {
        tenant: work.event.tenant.clone(),
        id: work.id,
        claim: work.claim,
        state: transition.state,
        due: transition.due,
        attempts: transition.attempts,
        attempt,
        cause,
        on_dead: work.route.spec.on_dead,
        sent_version: work.event.version.filter(|_| sent),
        ordered: work.route.spec.ordering != Ordering::None,
    };
    (settlement, work.place)
}
