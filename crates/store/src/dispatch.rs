//! Dispatch: claiming due deliveries, keeping what was prepared, settling how tries ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::delivery::END_UNKNOWN;
use domain::identity::Digest;
use domain::ordering::{Lane, OnDead};
use domain::{
    AttemptId, DeliveryId, DeliveryState, DestinationName, Event, ReplayId, RouteName, Tenant, Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use uuid::Builder;

use crate::Verb;

/// Most bytes of a destination's response that an attempt keeps.
pub const RESPONSE_BYTES_MAX: usize = 4 * 1024;

/// Who claims: one running process. A new number for every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(pub u64);

/// The right to settle one delivery, until its lease lapses and another takes it with a higher generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub owner: Owner,
    pub generation: u64,
}

/// Who takes a delivery, and for how long it is theirs without being renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub owner: Owner,
    pub span: Duration,
}

/// How many due deliveries of one destination there is room for. Those of backfilled events have room of their own, so
/// that they delay no others; where somebody waits behind one of them in its lane, it counts as one of the others.
#[derive(Clone, Debug)]
pub struct Ask {
    pub tenant: Tenant,
    pub destination: DestinationName,
    pub limit: u32,
    /// Room for backfilled ones; at 0 they are not even looked at.
    pub backfill: u32,
    /// Stop when the claimed payloads together pass this many bytes; at least one is given.
    pub bytes_max: u64,
    /// The generation under which the asker is in charge of the destination; `None`: nobody else could be.
    pub charge: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct ClaimDue {
    pub owner: Owner,
    pub lease: Duration,
    pub now: Timestamp,
    pub asks: Vec<Ask>,
}

/// A delivery taken for a try, with all that the try needs.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: DeliveryId,
    pub claim: Claim,
    pub route: RouteName,
    pub destination: DestinationName,
    pub event: Arc<Event>,
    /// Tries used up so far.
    pub attempts: u32,
    pub replay: Option<ReplayOf>,
    /// Bytes that an earlier try prepared, to be sent again as they are.
    pub prepared: Option<Prepared>,
    pub lane: Option<Lane>,
    /// A later version of the subject was already sent to this destination.
    pub stale: bool,
    /// It lets the others of its destination go first.
    pub backfill: bool,
}

/// That a delivery repeats an earlier one, and whether as a new message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayOf {
    pub id: ReplayId,
    pub new_ids: bool,
}

/// What one destination was given, and when to ask again.
#[derive(Clone, Debug, Default)]
pub struct ClaimAnswer {
    pub claimed: Vec<Claimed>,
    /// More was due than was given, backfilled ones apart.
    pub more: bool,
    /// The same of backfilled ones.
    pub more_backfill: bool,
    /// When the next one that was not given is due; `None`: nothing waits for time.
    pub next_due: Option<Timestamp>,
    /// The destination is in another node's charge: nothing was given.
    pub fenced: bool,
    /// Due, but what the store has of them cannot be read: dead now, for [`UNREADABLE`], so that the others go on.
    pub unreadable: Vec<(DeliveryId, RouteName)>,
}

/// Code of the cause of deliveries that the store cannot read any more.
pub const UNREADABLE: &str = "unreadable";

/// The body that every try of a delivery sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub content_type: Arc<str>,
    pub body: Bytes,
    pub stale: bool,
    /// The records that were fetched for it, as a JSON object by their names: for people, who are not told by every body.
    /// A claim does not give them.
    pub enriched: Option<Bytes>,
}

#[derive(Clone, Debug)]
pub struct PreparedDelivery {
    pub tenant: Tenant,
    pub id: DeliveryId,
    pub claim: Claim,
    pub prepared: Prepared,
}

/// One try, append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub id: AttemptId,
    /// From 1, over all tries of the delivery, those before a person's retry included. The store counts: what a
    /// settlement says here is not looked at.
    pub number: u32,
    pub started_at: Timestamp,
    pub duration_us: u64,
    /// `delivered`, or a stable code of what went wrong, such as `connect_timeout`.
    pub outcome: Arc<str>,
    pub status: Option<u16>,
    /// A sentence for people, where `outcome` alone says too little.
    pub error: Option<String>,
    pub connect_us: Option<u64>,
    pub first_byte_us: Option<u64>,
    pub peer: Option<String>,
    /// The first [`RESPONSE_BYTES_MAX`] bytes of the response.
    #[serde(skip)]
    pub response: Bytes,
}

impl Attempt {
    /// The try of a lease that ran out, of a delivery that was tried so often before. Its id is drawn from the delivery's,
    /// because chance is not a store's to ask for.
    #[must_use]
    pub fn unseen(delivery: DeliveryId, tried: u32, now: Timestamp) -> Self {
        let seed = [&delivery.as_bytes()[..], &tried.to_be_bytes()].concat();
        let mut chance = [0; 10];
        chance.copy_from_slice(&Digest::of(&seed).0[..10]);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self {
            id: AttemptId::from_uuid(Builder::from_unix_timestamp_millis(millis, &chance).into_uuid()),
            number: tried + 1,
            started_at: now,
            duration_us: 0,
            outcome: END_UNKNOWN.into(),
            status: None,
            error: Some("the lease ran out before the try was settled; it may have been sent".to_owned()),
            connect_us: None,
            first_byte_us: None,
            peer: None,
            response: Bytes::new(),
        }
    }
}

/// How a claimed delivery goes on.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub tenant: Tenant,
    pub id: DeliveryId,
    pub claim: Claim,
    pub state: DeliveryState,
    /// When it is due next, or became final.
    pub due: Timestamp,
    /// Tries used up, after this one.
    pub attempts: u32,
    pub attempt: Option<Attempt>,
    /// Why it is dead or filtered, as a code and a sentence.
    pub cause: Option<Cause>,
    /// Of the lane: what a dead head does to it, and the version that was sent.
    pub on_dead: OnDead,
    pub sent_version: Option<Version>,
    /// Whether its route keeps an order, so that it may be in a lane: a store may look there first, and relies on nothing.
    pub ordered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub code: Arc<str>,
    pub detail: String,
}

/// What a settlement set free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The claim was no longer held: the delivery did not move.
    pub fenced: bool,
    /// The lane's next delivery became due.
    pub lane_moved: bool,
}

pub trait Dispatch: Send + Sync + 'static {
    /// Claims due deliveries, oldest due first and backfilled ones last, only the heads of lanes. The answers are in the order of the asks. One
    /// that cannot be read is dead by that, and keeps none of the others.
    fn claim_due(&self, ask: ClaimDue) -> Verb<'_, Vec<ClaimAnswer>>;

    /// Keeps prepared bytes before the first try sends them. Fenced by claim; the answers are in order.
    fn keep_prepared(&self, batch: Vec<PreparedDelivery>) -> Verb<'_, Vec<Result<(), crate::StoreError>>>;

    /// Appends attempts and moves deliveries; promotes the next of a lane. Fenced by claim: of what was cancelled
    /// meanwhile only the attempt is kept, of anything else nothing. The answers are in order.
    fn settle(&self, batch: Vec<Settlement>, now: Timestamp) -> Verb<'_, Vec<Settled>>;

    /// Puts deliveries whose lease lapsed, and whose node lives no more, back to `pending` or `retrying`, each with an
    /// attempt of outcome `unknown` that counts. Gives how many.
    fn rescue_lapsed(&self, now: Timestamp, limit: u32) -> Verb<'_, u32>;
}
