//! What dispatch is told, and by whom: the one way in for every other stage.

use std::sync::Arc;

use domain::{DeliveryId, Tenant, Timestamp};
use rustc_hash::FxHashSet;
use tokio::sync::{mpsc, oneshot};

use crate::topology::Topology;
use crate::work::{DestinationKey, Tried, Work};

/// What dispatch is told.
#[derive(Debug)]
pub enum Message {
    /// An event was accepted and its delivery claimed at birth.
    Fresh(Work),
    /// The store holds something for this destination that nobody has claimed.
    Waiting(DestinationKey),
    /// A try ended.
    Tried(Box<Tried>),
    /// Settlements were committed, so there is room again; the earliest time at which one of them is due once more.
    Freed(DestinationKey, Option<Timestamp>),
    /// Deliveries of any destination may have become due without anyone being told.
    LookAround,
    /// A person cancelled them: those that wait in memory are not to be sent any more.
    Cancelled(FxHashSet<DeliveryId>),
    /// It was paused, resumed, disabled or enabled: its gate says which.
    Changed(DestinationKey),
    Topology(Arc<Topology>),
    /// This node is in charge of it from now on.
    Charged(DestinationKey),
    /// Another node is to be in charge: what waits in memory goes back, and the answer says that nothing is under way.
    Leave(DestinationKey, oneshot::Sender<()>),
    /// What waits in memory for its turn.
    Queued(oneshot::Sender<Vec<(Tenant, DeliveryId)>>),
    /// How a destination does, for people who ask.
    Ask(DestinationKey, oneshot::Sender<Option<DestinationLive>>),
    /// Start no more tries; end when those under way have.
    Drain,
}

/// The live state of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationLive {
    pub breaker: domain::breaker::BreakerState,
    pub in_flight: u32,
    /// In memory, waiting for their turn.
    pub queued: u32,
    /// The store may hold due ones that are not in memory.
    pub backlog: bool,
    /// More may be taken into memory.
    pub room: u32,
    /// Nothing is sent: paused, disabled or retired.
    pub held: bool,
    /// This node, and no other, sends to it.
    pub in_charge: bool,
}

/// Tells dispatch what happened. Never blocks: what it can queue is bounded by the gates.
#[derive(Clone, Debug)]
pub struct DispatchHandle(mpsc::UnboundedSender<Message>);

impl DispatchHandle {
    pub fn tell(&self, message: Message) {
        // After the dispatcher ended nobody listens, and what is claimed is found again on the next start.
        let _ = self.0.send(message);
    }
}

/// The way to tell a dispatcher that is not built yet.
#[must_use]
pub fn channel() -> (DispatchHandle, mpsc::UnboundedReceiver<Message>) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (DispatchHandle(sender), inbox)
}
