//! Accept: identify, match routes, commit. Only after this does the sender get its 2xx.
//!
//! No code after this may reject an event: it can only settle a delivery.

use std::sync::Arc;

use crate::latest;
use domain::event::Origin;
use domain::identity::IdentityKey;
use domain::ordering::Lane;
use domain::subject::SubjectState;
use domain::{DeliveryId, Event};
use store::dispatch::{Claim, Lease, Owner};
use store::intake::{AcceptGroup, Accepted, KeptRequest, NewDelivery, NewEvent};
use store::reading::ReadPage;
use store::{Store, StoreError};
use tracing::Instrument;

use crate::clock::SharedClock;
use crate::dispatch::{DispatchHandle, Message};
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::gate::Place;
use crate::ledger::Ledger;
use crate::nodes::Tenure;
use crate::shapes::Shapes;
use crate::telemetry;
use crate::topology::{Route, Source};
use crate::work::{DestinationKey, Work};

/// An event that is ready to be accepted, with what makes it known again.
#[derive(Debug)]
pub struct Arrival {
    pub event: Event,
    pub identities: Vec<IdentityKey>,
    pub state: Option<SubjectState>,
    /// Its payload is known to be JSON, if its bytes are UTF-8. Where it says no, nobody knows.
    pub is_json: bool,
}

/// A delivery that may be ours from birth, with the room it was given.
struct Newborn {
    id: DeliveryId,
    event: Arc<Event>,
    is_json: bool,
    route: Arc<Route>,
    place: Place,
}

pub struct Acceptor {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub owner: Owner,
    pub tenure: Arc<Tenure>,
    pub dispatch: DispatchHandle,
    /// Counts commits, for tails that wait.
    pub accepted: latest::Sender<u64>,
    pub ledger: Arc<Ledger>,
    pub(crate) shapes: Arc<Shapes>,
}

impl Acceptor {
    /// Commits arrivals of one source as a whole, then hands on what was claimed at birth.
    pub async fn accept(
        &self,
        source: &Source,
        arrivals: Vec<Arrival>,
        request: Option<KeptRequest>,
    ) -> Result<Vec<Accepted>, StoreError> {
        let (events, newborns) = self.owe(source, arrivals);
        let samples = self.shapes.choose(events.iter().map(|new| &new.event));
        let span = telemetry::accept_span(source.spec.name.as_str(), events.len());
        let group = AcceptGroup { events, request };
        let mut answers = self.store.accept(vec![group], self.clock.now()).instrument(span).await?;
        let accepted = answers.pop().unwrap_or(Err(StoreError::Closed))?;
        self.shapes.events(samples);
        self.hand_on(source, &accepted, newborns);
        Ok(accepted)
    }

    /// The same for a request that was kept before and is now judged to hold events.
    pub async fn rejudge(
        &self,
        source: &Source,
        arrivals: Vec<Arrival>,
        request: &domain::request::InboundRequest,
    ) -> Result<Vec<Accepted>, StoreError> {
        let (events, newborns) = self.owe(source, arrivals);
        let (tenant, verdict) = (request.tenant.clone(), domain::request::Verdict::Accepted);
        let accepted = self.store.rejudge(tenant, request.id, verdict, None, None, events, self.clock.now()).await?;
        self.hand_on(source, &accepted, newborns);
        Ok(accepted)
    }

    /// Commits a page of a stream, with how far that leads, then hands on what was claimed at birth. `page` has no
    /// events yet.
    pub(crate) async fn read_page(
        &self,
        source: &Source,
        arrivals: Vec<Arrival>,
        page: ReadPage,
    ) -> Result<Vec<Accepted>, StoreError> {
        let (events, newborns) = self.owe(source, arrivals);
        let samples = self.shapes.choose(events.iter().map(|new| &new.event));
        let span = telemetry::accept_span(source.spec.name.as_str(), events.len());
        let accepted = self.store.commit_page(ReadPage { events, ..page }, self.clock.now()).instrument(span).await?;
        self.shapes.events(samples);
        self.hand_on(source, &accepted, newborns);
        Ok(accepted)
    }

    /// What each event owes along the routes that take it.
    fn owe(&self, source: &Source, arrivals: Vec<Arrival>) -> (Vec<NewEvent>, Vec<Newborn>) {
        let mut newborns = Vec::new();
        let owing = arrivals.into_iter().map(|Arrival { event, identities, state, is_json }| {
            let event = Arc::new(event);
            let takes = |route: &&Arc<Route>| route.takes(&event.connection, event.assurance);
            let deliveries = source.routes.iter().filter(takes);
            let deliveries = deliveries.map(|route| self.delivery(&event, is_json, route, &mut newborns)).collect();
            NewEvent { path: event.origin.as_str().into(), identities, state, deliveries, event }
        });
        let events = owing.collect();
        (events, newborns)
    }

    fn delivery(
        &self,
        event: &Arc<Event>,
        is_json: bool,
        route: &Arc<Route>,
        newborns: &mut Vec<Newborn>,
    ) -> NewDelivery {
        let gate = &route.destination.gate;
        let id = DeliveryId::from_uuid(uuid_v7(&*self.entropy, event.received_at));
        let lane = Lane::of(route.spec.ordering, &event.source, &event.connection, event.subject.as_ref());
        // What was brought in from before takes no place of those that happen now: it is claimed when there is time.
        let is_live = event.origin != Origin::Backfill;
        let place = is_live.then(|| gate.reserve_newcomer(event.payload.len() as u64)).flatten();
        let claim = place.is_some().then_some(Lease { owner: self.owner, span: self.tenure.span() });
        if let Some(place) = place {
            let (event, route) = (Arc::clone(event), Arc::clone(route));
            newborns.push(Newborn { id, event, is_json, route, place });
        }
        let (route, destination) = (route.spec.name.clone(), route.spec.to.clone());
        NewDelivery { id, route, destination, lane, held: gate.held(), claim }
    }

    fn hand_on(&self, source: &Source, accepted: &[Accepted], newborns: Vec<Newborn>) {
        let granted = |id: DeliveryId| -> Option<Claim> {
            let claims = accepted.iter().flat_map(|accepted| &accepted.claims);
            claims.filter(|(claimed, _)| *claimed == id).map(|(_, claim)| *claim).next()
        };
        for Newborn { id, event, is_json, route, place } in newborns {
            let Some(claim) = granted(id) else { continue };
            let (replay, prepared, stale, backfill) = (None, None, false, false);
            let work = Work { id, claim, event, is_json, route, attempts: 0, replay, prepared, stale, backfill, place };
            self.dispatch.tell(Message::Fresh(work));
        }
        let new = accepted.iter().filter(|accepted| !accepted.duplicate).count() as u64;
        self.ledger.events(&source.spec.tenant, &source.spec.name, new);
        for accepted in accepted {
            telemetry::accepted(source, accepted.duplicate);
            for name in &accepted.waiting {
                let key = DestinationKey { tenant: source.spec.tenant.clone(), name: name.clone() };
                self.dispatch.tell(Message::Waiting(key));
            }
        }
        self.accepted.send_modify(|count| *count += 1);
    }
}
