//! Nodes: the processes that share a store, what each is in charge of, and what they tell one another.
//!
//! A node lives while its lease does, which it extends by beating. What it is in charge of is its own for as long as
//! it lives, and nobody else's: one row that is written every few seconds says so for thousands of charges, which are
//! written only when they change hands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::charge::Charge;
use domain::identity::Digest;
use domain::run::StreamKey;
use domain::{DeliveryId, DestinationName, Tenant, Timestamp};

use crate::Verb;
use crate::dispatch::{Claim, Lease, Owner};

/// How long a node that has ended without a word is still shown, once it has nothing any more.
pub const GONE_SHOWN_FOR: Duration = Duration::from_secs(60 * 60);

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSelf {
    pub owner: Owner,
    /// For people: the machine's, unless its owner gave it another.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Arc<str>,
    pub version: Arc<str>,
    pub started_at: Timestamp,
    /// Of what it knows has to be looked after: nodes of which these differ are configured differently.
    pub wanted: Digest,
    /// It is about to end: it takes nothing any more.
    pub leaving: bool,
}

/// A node, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub own: NodeSelf,
    /// When it last said that it lives, by the clock that judges leases.
    pub beat_at: Timestamp,
    /// What is left of its lease; nothing: it is over.
    pub left: Duration,
}

impl Node {
    #[must_use]
    pub fn lives(&self) -> bool {
        !self.left.is_zero()
    }
}

/// What a node learns when it beats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// All of them, this one included, in the order in which they started.
    pub nodes: Vec<Node>,
    /// Changes whenever what is configured, paused or paired does, whoever changed it.
    pub configured: u64,
    /// Changes whenever a charge changes hands.
    pub charged: u64,
}

/// Who has what. The claim's generation is higher than every earlier one of its charge.
pub type Charges = BTreeMap<Charge, Claim>;

/// What one node tells the others. Each is a hint and no more: whoever does not hear it finds out by asking.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// Something is due for a destination.
    Due(Tenant, DestinationName),
    /// A webhook told that something changed in a stream.
    Changed(StreamKey),
    /// Deliveries were cancelled, retried or rescued: some wait that nobody looked at, and some are owed no more.
    Wished,
    /// Something was configured, paused or paired.
    Configured,
    /// A node came or goes, or charges were left.
    Nodes,
}

pub trait Nodes: Send + Sync + 'static {
    /// Whether several nodes may share this store. Where they may not, its one owner is in charge of everything and
    /// need not ask.
    fn is_shared(&self) -> bool;

    /// Says that this node lives, for as long as the lease of its owner spans, and extends the leases of all its
    /// claims. Nodes that ended without a word are forgotten after a while, those with charges aside.
    fn beat(&self, own: NodeSelf, span: Duration, now: Timestamp) -> Verb<'_, Beat>;

    /// All nodes, in the order in which they started.
    fn nodes(&self, now: Timestamp) -> Verb<'_, Vec<Node>>;

    /// What a beat tells as `configured`, now. It has counted whatever can be read: what is read after it is at least as
    /// new.
    fn configured(&self) -> Verb<'_, u64>;

    /// All charges that a node has, whether it lives or not.
    fn charges(&self) -> Verb<'_, Charges>;

    /// Takes up to `most` of these that are nobody's, or those of a node whose lease is over. Gives those taken. One
    /// whose own lease is over takes none.
    fn take_charges(&self, lease: Lease, from: Vec<Charge>, most: u32, now: Timestamp) -> Verb<'_, Charges>;

    /// Gives charges back. What has passed to another is left alone.
    fn leave_charges(&self, owner: Owner, charges: Vec<Charge>) -> Verb<'_, ()>;

    /// A node ends: it is forgotten, and its charges are nobody's.
    fn leave(&self, owner: Owner) -> Verb<'_, ()>;

    /// Which of these deliveries are not claimed by this owner any more.
    fn lost_claims(&self, owner: Owner, claims: Vec<(Tenant, DeliveryId)>) -> Verb<'_, Vec<DeliveryId>>;

    /// Tells all other nodes, if that can be done. Never waits.
    fn tell(&self, hint: Hint);

    /// Waits for what another node tells; for ever where nothing is heard. What comes while nobody waits is kept for
    /// a while, and then `None` says that some was missed.
    fn hint(&self) -> Verb<'_, Option<Hint>>;
}
