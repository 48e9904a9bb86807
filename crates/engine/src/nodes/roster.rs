//! The roster: this node says that it lives, takes its share of what is to be looked after, and gives back what others
//! are to have. Nothing is sent or polled here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use domain::charge::{Charge, Holder, Moves, Standing, moves};
use domain::identity::Digest;
use store::dispatch::{Claim, Lease, Owner};
use store::nodes::{Beat, Charges, Hint, Node, NodeSelf};
use store::{Store, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::tenure::{LEASE, Tenure};
use super::{Held, Identity};
use crate::alert::Alerts;
use crate::clock::SharedClock;
use crate::dispatch::{DispatchHandle, Message};
use crate::failure::Failure;
use crate::latest;
use crate::telemetry;
use crate::topology::Topology;
use crate::upstream::{Account, Upstreams};
use crate::work::DestinationKey;

/// Wait before the store is told again that this node lives, when it could not be told.
const BEAT_AGAIN: Duration = Duration::from_secs(1);
/// Between two rounds at least, however often somebody wakes.
const ROUND_MIN: Duration = Duration::from_millis(100);
/// A lease of another node that is over is looked after so soon.
const AFTER_LEASE: Duration = Duration::from_millis(100);
/// Who was cut off gives the others so long to say that they live, before it takes what they had.
const AFTER_CUT_OFF: Duration = Duration::from_secs(2);
/// Deliveries put back in one transaction.
const RESCUED_AT_ONCE: u32 = 500;

/// Wakes the roster before its time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Woken(Arc<Notify>);

impl Woken {
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

pub(crate) struct Roster {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub owner: Owner,
    pub identity: Identity,
    pub tenure: Arc<Tenure>,
    pub dispatch: DispatchHandle,
    pub alerts: Alerts,
    pub upstreams: Arc<Upstreams>,
    pub failure: Failure,
    pub topology: latest::Receiver<Arc<Topology>>,
    pub stop: CancellationToken,
    pub woken: Woken,
    /// What this node has, for those who act on it.
    pub held: latest::Sender<Arc<Held>>,
    /// Changes when something was configured, by whomever.
    pub configured: latest::Sender<u64>,
    /// Whether this node ever said that it lives.
    pub joined: latest::Sender<bool>,
}

/// Every destination, and every connection that is subscribed or of which streams are read by themselves, in order.
pub(super) fn configured(topology: &Topology) -> Vec<Charge> {
    let destinations = topology
        .destinations()
        .map(|destination| Charge::Destination(destination.spec.tenant.clone(), destination.spec.name.clone()));
    let mut configured: Vec<Charge> = destinations.collect();
    for source in topology.sources() {
        let Some(spec) = source.spec.connector.as_ref().filter(|spec| spec.subscribe || !spec.streams.is_empty())
        else {
            continue;
        };
        let (tenant, name) = (&source.spec.tenant, &source.spec.name);
        let connection = |connection| Charge::Connection(tenant.clone(), name.clone(), connection);
        configured.extend(spec.connections().into_iter().map(connection));
    }
    configured.sort_unstable();
    configured
}

/// What is known from one round to the next.
struct Known {
    started_at: Timestamp,
    /// As of the change that is counted.
    charges: Charges,
    charged: Option<u64>,
    leaving: JoinSet<Charge>,
    /// Of these something is still under way.
    left: BTreeSet<Charge>,
    /// No node that lives and stays has started before.
    first: bool,
}

impl Known {
    /// What this node has and does not leave just now.
    fn kept(&self, owner: Owner) -> impl Iterator<Item = (&Charge, &Claim)> {
        self.charges.iter().filter(move |(charge, claim)| claim.owner == owner && !self.left.contains(*charge))
    }
}

impl Roster {
    pub async fn run(mut self) {
        let mut known = Known {
            started_at: self.clock.now(),
            charges: Charges::new(),
            charged: None,
            leaving: JoinSet::new(),
            left: BTreeSet::new(),
            first: false,
        };
        let mut topology = self.topology.clone();
        loop {
            let wait = match self.round(&mut known).await {
                Ok(wait) => {
                    self.joined.send_if_modified(|joined| !std::mem::replace(joined, true));
                    wait
                }
                Err(error) => {
                    self.check(error);
                    BEAT_AGAIN
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = async { self.clock.sleep(ROUND_MIN).await } => {}
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = self.woken.0.notified() => {}
                Ok(()) = topology.changed(), if self.tenure.is_shared() => {}
                Some(left) = known.leaving.join_next(), if !known.leaving.is_empty() => {
                    self.give_back(&mut known, left.into_iter().collect()).await;
                }
                () = self.clock.sleep(wait) => {}
            }
        }
        if self.tenure.is_shared() {
            self.leave_all(known).await;
        }
    }

    fn check(&self, error: StoreError) {
        self.alerts.store_failed("beat", &error);
        if error.fatal() {
            self.failure.report(error);
        }
    }

    /// Beats, and acts on what that tells. Gives when to do so again.
    async fn round(&mut self, known: &mut Known) -> Result<Duration, StoreError> {
        if !self.tenure.is_shared() {
            self.beat(known, Digest::of(b""), false).await?;
            self.rescue().await?;
            return Ok(self.tenure.span() / 3);
        }
        let (was_cut_off, asked) = (!self.tenure.holds(), self.tenure.asked());
        let (mut wanted, agreed_on) = self.wanted();
        let beat = self.beat(known, agreed_on, false).await?;
        for replay in self.store.running_replays().await? {
            wanted.push(Charge::Replay(replay.tenant, replay.id));
        }
        if known.charged != Some(beat.charged) {
            known.charges = self.store.charges().await?;
            known.charged = Some(beat.charged);
        }
        let first = beat.nodes.iter().find(|node| node.lives() && !node.own.leaving);
        known.first = first.is_some_and(|first| first.own.owner == self.owner);
        self.take_over(known);
        // Only now: until here this node may have believed that it has what has changed hands.
        self.tenure.extend(asked);
        self.configured.send_if_modified(|last| std::mem::replace(last, beat.configured) != beat.configured);
        let moves = self.decide(known, &beat, &wanted, agreed_on, was_cut_off);
        self.leave(known, moves.leave);
        for (free, most) in moves.take {
            self.take(known, free, most).await?;
        }
        self.rescue().await?;
        self.drop_lost_claims().await?;
        let others = beat.nodes.iter().filter(|node| node.own.owner != self.owner && node.lives());
        let ending = others.map(|node| node.left + AFTER_LEASE).min().unwrap_or(LEASE);
        telemetry::nodes(beat.nodes.iter().filter(|node| node.lives()).count(), &self.held.borrow().charges);
        let wait = if was_cut_off { AFTER_CUT_OFF } else { LEASE / 3 };
        Ok(ending.min(wait))
    }

    async fn beat(&self, known: &Known, wanted: Digest, leaving: bool) -> Result<Beat, StoreError> {
        let Identity { name, address, version, .. } = self.identity.clone();
        let started_at = known.started_at;
        let own = NodeSelf { owner: self.owner, name, address, version, started_at, wanted, leaving };
        self.store.beat(own, self.tenure.span(), self.clock.now()).await
    }

    /// What has to be looked after, as far as it is configured here, and what nodes have to agree on.
    fn wanted(&self) -> (Vec<Charge>, Digest) {
        let wanted = configured(&self.topology.borrow());
        let mut text: Vec<String> = wanted.iter().map(|charge| format!("{} {charge}", charge.tenant())).collect();
        // Whoever has another file may mean something else by the same names.
        text.extend(self.identity.file.digest().map(|file| format!("{file:?}")));
        (wanted, Digest::of(text.join("\n").as_bytes()))
    }

    fn decide(&self, known: &Known, beat: &Beat, wanted: &[Charge], agreed_on: Digest, was_cut_off: bool) -> Moves {
        let lives = |owner: Owner| beat.nodes.iter().any(|node| node.own.owner == owner && node.lives());
        let holder = |charge: &Charge| match known.charges.get(charge) {
            Some(_) if known.left.contains(charge) => Holder::Other,
            Some(claim) if claim.owner == self.owner => Holder::Me,
            Some(claim) if lives(claim.owner) => Holder::Other,
            // Who was itself cut off cannot tell who else was: the others have a round to say that they live.
            Some(_) if was_cut_off => Holder::Other,
            _ => Holder::Nobody,
        };
        let wanted: BTreeMap<Charge, Holder> = wanted.iter().map(|charge| (charge.clone(), holder(charge))).collect();
        let mine = known.kept(self.owner).map(|(charge, _)| charge);
        let idle = mine.filter(|charge| !wanted.contains_key(charge)).cloned().collect();
        let stays = |node: &&Node| node.lives() && !node.own.leaving;
        let staying: Vec<&Node> = beat.nodes.iter().filter(stays).collect();
        let standing = Standing {
            nodes: staying.len(),
            rank: staying.iter().position(|node| node.own.owner == self.owner).unwrap_or(0),
            agreed: staying.iter().all(|node| node.own.wanted == agreed_on),
        };
        moves(&wanted, idle, standing)
    }

    /// Lets every gate know whether this node is in charge, and everybody else what it has.
    fn take_over(&self, known: &Known) {
        let mine = known.kept(self.owner);
        let charges: BTreeMap<Charge, u64> = mine.map(|(charge, claim)| (charge.clone(), claim.generation)).collect();
        let topology = Arc::clone(&self.topology.borrow());
        for destination in topology.destinations() {
            let key = DestinationKey { tenant: destination.spec.tenant.clone(), name: destination.spec.name.clone() };
            let charge = Charge::Destination(key.tenant.clone(), key.name.clone());
            let generation = charges.get(&charge).copied().unwrap_or(0);
            if !destination.gate.set_charge(generation) {
                continue;
            }
            let message = if generation == 0 { Message::Changed(key) } else { Message::Charged(key) };
            self.dispatch.tell(message);
        }
        self.publish(charges, known.first);
    }

    fn publish(&self, charges: BTreeMap<Charge, u64>, first: bool) {
        self.held.send_if_modified(|held| {
            let is_news = held.charges != charges || held.first != first;
            if is_news {
                *held = Arc::new(Held { sole: false, first, charges });
            }
            is_news
        });
    }

    async fn take(&self, known: &mut Known, free: Vec<Charge>, most: usize) -> Result<(), StoreError> {
        let lease = Lease { owner: self.owner, span: self.tenure.span() };
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let taken = self.store.take_charges(lease, free, most, self.clock.now()).await?;
        if taken.is_empty() {
            return Ok(());
        }
        telemetry::charges_taken(taken.len());
        // Alerts that their last node raised are resolved here.
        self.alerts.load().await?;
        for charge in taken.keys() {
            if let Charge::Connection(tenant, source, connection) = charge.clone() {
                self.upstreams.forget(&Account { tenant, source, connection });
            }
        }
        known.charges.extend(taken);
        self.take_over(known);
        Ok(())
    }

    /// Begins to give back: a destination once nothing is under way to it any more.
    fn leave(&self, known: &mut Known, charges: Vec<Charge>) {
        if charges.is_empty() {
            return;
        }
        telemetry::charges_left(charges.len());
        let topology = Arc::clone(&self.topology.borrow());
        let mut kept = self.held.borrow().charges.clone();
        for charge in charges {
            kept.remove(&charge);
            known.left.insert(charge.clone());
            let (left, has_left) = oneshot::channel();
            if let Charge::Destination(tenant, name) = &charge {
                if let Some(destination) = topology.destination(tenant.as_str(), name.as_str()) {
                    destination.gate.set_charge(0);
                }
                let key = DestinationKey { tenant: tenant.clone(), name: name.clone() };
                self.dispatch.tell(Message::Leave(key, left));
            }
            known.leaving.spawn(async move {
                // Dropped without a word where nothing is under way at all.
                let _ = has_left.await;
                charge
            });
        }
        self.publish(kept, known.first);
    }

    /// Gives back what is idle now, and what else became so meanwhile.
    async fn give_back(&self, known: &mut Known, mut left: Vec<Charge>) {
        while let Some(Ok(more)) = known.leaving.try_join_next() {
            left.push(more);
        }
        if left.is_empty() {
            return;
        }
        for charge in &left {
            known.charges.remove(charge);
            known.left.remove(charge);
        }
        match self.store.leave_charges(self.owner, left).await {
            Ok(()) => self.store.tell(Hint::Nodes),
            // It is read again, found to be ours still, and left once more.
            Err(error) => {
                known.charged = None;
                self.check(error);
            }
        }
    }

    /// The process ends: nothing more is taken, and each charge is left as soon as nothing of it is under way.
    async fn leave_all(&mut self, mut known: Known) {
        let mine = known.kept(self.owner).map(|(charge, _)| charge.clone()).collect();
        self.leave(&mut known, mine);
        let mut beat_at = Duration::ZERO;
        while !known.leaving.is_empty() {
            let now = self.clock.monotonic();
            if now >= beat_at {
                beat_at = now + LEASE / 3;
                // What is under way is ours until it has ended.
                let (_, agreed_on) = self.wanted();
                if let Err(error) = self.beat(&known, agreed_on, true).await {
                    self.check(error);
                }
            }
            tokio::select! {
                biased;
                Some(left) = known.leaving.join_next() => {
                    self.give_back(&mut known, left.into_iter().collect()).await;
                }
                () = self.clock.sleep(beat_at.saturating_sub(now)) => {}
            }
        }
        self.tenure.end();
    }

    async fn rescue(&self) -> Result<(), StoreError> {
        loop {
            let rescued = self.store.rescue_lapsed(self.clock.now(), RESCUED_AT_ONCE).await?;
            if rescued > 0 {
                self.dispatch.tell(Message::LookAround);
                self.store.tell(Hint::Wished);
            }
            if rescued < RESCUED_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// What waits in memory and was cancelled or taken over elsewhere is not sent.
    async fn drop_lost_claims(&self) -> Result<(), StoreError> {
        let (reply, queued) = oneshot::channel();
        self.dispatch.tell(Message::Queued(reply));
        let queued = queued.await.unwrap_or_default();
        if queued.is_empty() {
            return Ok(());
        }
        let lost = self.store.lost_claims(self.owner, queued).await?;
        if !lost.is_empty() {
            self.dispatch.tell(Message::Cancelled(lost.into_iter().collect()));
        }
        Ok(())
    }
}
