//! A claimed delivery on its way through dispatch, prepare, deliver and settle.

use std::sync::Arc;

use domain::ordering::OnDead;
use domain::{DeliveryId, DeliveryState, DestinationName, Event, RouteName, Tenant, Timestamp};
use store::StoreError;
use store::dispatch::{Attempt, Cause, Claim, Claimed, Prepared, ReplayOf, Settlement};

use crate::alert::{DEAD_LETTERS, route_to};
use crate::gate::Place;
use crate::topology::Route;

/// Which destination: the key of everything that dispatch keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationKey {
    pub tenant: Tenant,
    pub name: DestinationName,
}

#[derive(Debug)]
pub struct Work {
    pub id: DeliveryId,
    pub claim: Claim,
    pub event: Arc<Event>,
    /// Its payload is known to be JSON, if its bytes are UTF-8. Where it says no, nobody knows.
    pub is_json: bool,
    pub route: Arc<Route>,
    /// Tries used up before this one.
    pub attempts: u32,
    pub replay: Option<ReplayOf>,
    pub prepared: Option<Prepared>,
    pub stale: bool,
    /// It lets the others of its destination go first.
    pub backfill: bool,
    /// Gives the room in memory back when the work is settled or dropped.
    pub place: Place,
}

impl Work {
    /// Work from what the store gave, for a route that still exists.
    #[must_use]
    pub fn of_claimed(claimed: Claimed, route: Arc<Route>, place: Place) -> Self {
        let Claimed { id, claim, event, attempts, replay, prepared, stale, backfill, .. } = claimed;
        Self { id, claim, event, is_json: false, route, attempts, replay, prepared, stale, backfill, place }
    }

    #[must_use]
    pub fn destination(&self) -> DestinationKey {
        DestinationKey { tenant: self.event.tenant.clone(), name: self.route.spec.to.clone() }
    }
}

/// How a try of some work ended.
#[derive(Debug)]
pub struct Tried {
    pub work: Work,
    pub outcome: domain::delivery::Outcome,
    /// The destination may have it: what comes with a lower version afterwards is stale.
    pub sent: bool,
    pub attempt: Option<Attempt>,
    pub cause: Option<Cause>,
}

/// A decided settlement, with the room it frees when committed.
#[derive(Debug)]
pub struct Settling {
    pub settlement: Settlement,
    pub destination: DestinationKey,
    pub route: RouteName,
    pub place: Option<Place>,
    /// What a person should know once it is committed.
    pub remark: Option<Remark>,
}

/// Code of the cause of deliveries whose end could not be stored.
pub const SETTLEMENT_REFUSED: &str = "settlement_refused";

/// What a person should know of a delivery of this route that is dead.
#[must_use]
pub fn dead_letter(key: &DestinationKey, route: &RouteName, code: &str) -> Remark {
    let name = &key.name;
    let detail = format!(
        "route '{route}' has dead letters for destination '{name}', the last one for {code}; retry them, or let retention remove them"
    );
    Remark { kind: DEAD_LETTERS, object: route_to(route.as_str(), name.as_str()), detail }
}

/// An alert that a settlement raises.
#[derive(Debug)]
pub struct Remark {
    pub kind: &'static str,
    pub object: String,
    pub detail: String,
}

impl Settling {
    /// Whether this is what [`Settling::refused`] made.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.settlement.cause.as_ref().is_some_and(|cause| *cause.code == *SETTLEMENT_REFUSED)
    }

    /// The store will not take this end of a try: the delivery is dead for that, without the try that may be at
    /// fault.
    #[must_use]
    pub fn refused(mut self, error: &StoreError, now: Timestamp) -> Self {
        let meant = self.settlement.state.as_str();
        let detail = format!("its try ended as {meant}, but the store refuses to keep that: {error}");
        let cause = Some(Cause { code: SETTLEMENT_REFUSED.into(), detail });
        let (state, attempt, sent_version) = (DeliveryState::Dead, None, None);
        self.settlement = Settlement { state, due: now, attempt, cause, sent_version, ..self.settlement };
        self.remark = Some(dead_letter(&self.destination, &self.route, SETTLEMENT_REFUSED));
        self
    }

    #[must_use]
    pub fn remarked(self, remark: Remark) -> Self {
        Self { remark: Some(remark), ..self }
    }

    /// Puts a delivery that the store gave back as it is, to wait or to be held: no try is used up.
    #[must_use]
    pub fn put_back(claimed: &Claimed, state: DeliveryState, due: Timestamp) -> Self {
        let key = DestinationKey { tenant: claimed.event.tenant.clone(), name: claimed.destination.clone() };
        Self {
            settlement: untried(&key, claimed.id, claimed.claim, claimed.attempts, state, due),
            destination: key,
            route: claimed.route.clone(),
            place: None,
            remark: None,
        }
    }

    /// The same for work that waited in memory.
    #[must_use]
    pub fn put_back_work(work: Work, state: DeliveryState, due: Timestamp) -> Self {
        let key = work.destination();
        let settlement = untried(&key, work.id, work.claim, work.attempts, state, due);
        Self {
            settlement,
            destination: key,
            route: work.route.spec.name.clone(),
            place: Some(work.place),
            remark: None,
        }
    }
}

fn untried(
    key: &DestinationKey,
    id: DeliveryId,
    claim: Claim,
    attempts: u32,
    state: DeliveryState,
    due: Timestamp,
) -> Settlement {
    Settlement {
        tenant: key.tenant.clone(),
        id,
        claim,
        state,
        due,
        attempts,
        attempt: None,
        cause: None,
        on_dead: OnDead::Continue,
        sent_version: None,
        ordered: true,
    }
}
