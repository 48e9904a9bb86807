//! Who is looked after when: once an hour, when something is due, when a stream of theirs is reconciled, when a person
//! asks, and again with growing pauses after a failure. Nothing is asked here; looks are begun and their end awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::charge::Charge;
use domain::{SourceName, Tenant, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Desk;
use super::desk::{Looked, fingerprint, wanted};
use crate::latest;
use crate::nodes::Held;
use crate::topology::Topology;
use crate::upstream::Account;

/// Connections that are looked after at once: each is a request under way.
const LOOKS_MAX: usize = 16;
/// A stream that is reconciled often does not have its source asked as often for this.
const NUDGE_EVERY: Duration = Duration::from_secs(30);
/// Longest sleep: what is due is looked through again then, whatever was missed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

pub(crate) enum Message {
    /// A stream of it is being reconciled.
    Nudge(Account),
    /// A person wants to know how all connections of a source stand now.
    Check(Tenant, SourceName, oneshot::Sender<()>),
}

/// Where wishes go.
#[derive(Clone)]
pub(crate) struct SubscriptionsHandle {
    inbox: mpsc::UnboundedSender<Message>,
}

impl SubscriptionsHandle {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (inbox, messages) = mpsc::unbounded_channel();
        (Self { inbox }, messages)
    }

    /// Has a connection looked after soon.
    pub fn nudge(&self, account: Account) {
        // Nobody listens only while the engine stops.
        let _ = self.inbox.send(Message::Nudge(account));
    }

    /// Has all connections of a source looked after now; completes when they were.
    pub async fn check(&self, tenant: Tenant, source: SourceName) {
        let (answer, done) = oneshot::channel();
        let _ = self.inbox.send(Message::Check(tenant, source, answer));
        // An error says that the engine stops.
        let _ = done.await;
    }
}

struct Slot {
    due_at: Timestamp,
    running: bool,
    /// It is to be looked after once more when the look under way has ended.
    again: bool,
    failures: u32,
    looked_at: Option<Timestamp>,
    fingerprint: Option<String>,
    /// This node is in charge of the connection, or nobody is: what is not configured any more is ended by whoever is first.
    is_ours: bool,
    /// A person wants to know, whoever is in charge.
    is_asked: bool,
}

impl Slot {
    fn new(due_at: Timestamp) -> Self {
        Self {
            due_at,
            running: false,
            again: false,
            failures: 0,
            looked_at: None,
            fingerprint: None,
            is_ours: false,
            is_asked: false,
        }
    }
}

/// Those that somebody waits for.
struct Waiting {
    left: BTreeSet<Account>,
    answer: oneshot::Sender<()>,
}

pub(crate) struct Duty {
    desk: Arc<Desk>,
    topology: latest::Receiver<Arc<Topology>>,
    held: latest::Receiver<Arc<Held>>,
    inbox: mpsc::UnboundedReceiver<Message>,
    slots: BTreeMap<Account, Slot>,
    due: BTreeSet<(Timestamp, Account)>,
    looks: JoinSet<(Account, Looked)>,
    waiting: Vec<Waiting>,
}

impl Duty {
    pub fn new(
        desk: Arc<Desk>,
        topology: latest::Receiver<Arc<Topology>>,
        held: latest::Receiver<Arc<Held>>,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let (slots, due) = (BTreeMap::new(), BTreeSet::new());
        Self { desk, topology, held, inbox, slots, due, looks: JoinSet::new(), waiting: Vec::new() }
    }

    /// Looks after what is due until the engine stops; then waits for what is under way, which stops by itself.
    pub async fn run(mut self) {
        let (clock, stop) = (Arc::clone(&self.desk.parts.clock), self.desk.parts.stop.clone());
        self.redefine().await;
        loop {
            let now = clock.now();
            self.begin_due(now);
            let next = self.due.first().filter(|_| self.looks.len() < LOOKS_MAX).map(|(at, _)| *at);
            let wait = next.map_or(SLEEP_MAX, |at| at.since(now).clamp(Duration::from_millis(1), SLEEP_MAX));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = self.topology.changed() => match changed {
                    Ok(()) => self.redefine().await,
                    Err(_) => break,
                },
                Ok(()) = self.held.changed() => self.redefine().await,
                Some(looked) = self.looks.join_next(), if !self.looks.is_empty() => {
                    if let Ok((account, looked)) = looked {
                        self.ended(&account, looked, clock.now());
                    }
                }
                message = self.inbox.recv() => match message {
                    Some(message) => self.hear(message, clock.now()),
                    None => break,
                },
                () = clock.sleep(wait) => {}
            }
        }
        while self.looks.join_next().await.is_some() {}
    }

    /// Takes up what is configured now, and what is left of what was.
    async fn redefine(&mut self) {
        let topology = Arc::clone(&self.topology.borrow_and_update());
        let held = Arc::clone(&self.held.borrow_and_update());
        let now = self.desk.parts.clock.now();
        let wanted: BTreeSet<Account> = wanted(&topology).collect();
        if let Err(error) = self.desk.parts.book.enlist(wanted.iter().cloned()).await {
            // Each is written down once more before anything is asked for it, and the list with the next change.
            self.desk.parts.alerts.store_failed("subscriptions", &error);
        }
        for account in wanted.into_iter().chain(self.desk.parts.book.accounts()) {
            let fingerprint = fingerprint(&topology, &account);
            let is_ours = fingerprint.is_none() || held.has(&charge_of(&account));
            let is_known = |slot: &Slot| slot.fingerprint == fingerprint && (slot.is_ours || !is_ours);
            if !self.slots.get(&account).is_some_and(is_known) {
                self.put_off(&account, now);
            }
            if let Some(slot) = self.slots.get_mut(&account) {
                if !is_known(slot) {
                    (slot.fingerprint, slot.failures, slot.again) = (fingerprint, 0, slot.running);
                }
                slot.is_ours = is_ours;
            }
        }
    }

    /// Has a connection looked after at this time, or after the look that is under way.
    fn put_off(&mut self, account: &Account, until: Timestamp) {
        let fresh = || Slot::new(until);
        let slot = self.slots.entry(account.clone()).or_insert_with(fresh);
        if slot.running {
            slot.again = true;
            return;
        }
        self.due.remove(&(slot.due_at, account.clone()));
        slot.due_at = until;
        self.due.insert((until, account.clone()));
    }

    fn begin_due(&mut self, now: Timestamp) {
        while self.looks.len() < LOOKS_MAX
            && let Some((at, account)) = self.due.first().cloned().filter(|(at, _)| *at <= now)
        {
            self.due.remove(&(at, account.clone()));
            let Some(slot) = self.slots.get_mut(&account) else { continue };
            (slot.running, slot.again, slot.looked_at) = (true, false, Some(now));
            let (desk, topology, failures) =
                (Arc::clone(&self.desk), Arc::clone(&self.topology.borrow()), slot.failures);
            let looks = std::mem::take(&mut slot.is_asked) || slot.is_ours;
            self.looks.spawn(async move {
                let looked =
                    if looks { desk.look(&topology, &account, failures).await } else { desk.follow(&account).await };
                (account, looked)
            });
        }
    }

    fn hear(&mut self, message: Message, now: Timestamp) {
        match message {
            Message::Nudge(account) => {
                let Some(slot) = self.slots.get(&account).filter(|slot| slot.failures == 0) else { return };
                let soonest = slot.looked_at.map_or(now, |looked| (looked + NUDGE_EVERY).max(now));
                if slot.due_at > soonest && !slot.running {
                    self.put_off(&account, soonest);
                }
            }
            Message::Check(tenant, source, answer) => {
                let is_of_it = |account: &&Account| account.tenant == tenant && account.source == source;
                let left: BTreeSet<Account> = self.slots.keys().filter(is_of_it).cloned().collect();
                for account in &left {
                    self.put_off(account, now);
                    if let Some(slot) = self.slots.get_mut(account) {
                        slot.is_asked = true;
                    }
                }
                self.waiting.push(Waiting { left, answer });
                self.answer_done();
            }
        }
    }

    fn ended(&mut self, account: &Account, looked: Looked, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(account) else { return };
        slot.running = false;
        let again = std::mem::take(&mut slot.again);
        let next_at = match looked {
            Looked::Well { next_at } => {
                slot.failures = 0;
                Some(next_at)
            }
            Looked::Failed { next_at } => {
                slot.failures = slot.failures.saturating_add(1);
                Some(next_at)
            }
            Looked::Over => None,
        };
        match next_at {
            _ if again => self.put_off(account, now),
            Some(at) => self.put_off(account, at),
            None => drop(self.slots.remove(account)),
        }
        if again {
            return;
        }
        for waiting in &mut self.waiting {
            waiting.left.remove(account);
        }
        self.answer_done();
    }

    fn answer_done(&mut self) {
        for done in self.waiting.extract_if(.., |waiting| waiting.left.is_empty()) {
            // Whoever asked may have gone.
            let _ = done.answer.send(());
        }
    }
}

fn charge_of(Account { tenant, source, connection }: &Account) -> Charge {
    Charge::Connection(tenant.clone(), source.clone(), connection.clone())
}
