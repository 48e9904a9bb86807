//! Replays: new deliveries from stored events, as a job that shows its progress, can be cancelled, and goes on
//! after a restart.

use std::sync::Arc;
use std::time::Duration;

use crate::latest;
use domain::ordering::Lane;
use domain::{DeliveryId, DestinationName, Event, EventId, ReplayId, Tenant};
use rustc_hash::FxHashSet;
use store::intake::NewDelivery;
use store::nodes::Hint;
use store::people::{Replay, ReplayDelivery, ReplaySelection, ReplayState, ReplayStep};
use store::read::{EventFilter, Page, Position};
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::dispatch::{DispatchHandle, Message};
use crate::engine::{Engine, EngineError};
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::nodes::Held;
use crate::telemetry;
use crate::topology::{Route, Topology};
use crate::work::DestinationKey;

/// Events read and committed in one step.
const STEP_EVENTS: u32 = 200;
/// Time that looking for the events of one step may take: then the step is committed with the position it got to.
const STEP_SCAN: Duration = Duration::from_millis(500);
/// Most events that a replay may name one by one.
pub const REPLAY_EVENTS_MAX: usize = 10_000;
/// Time that counting the plan may take; beyond it the count is a lower bound.
pub const PLAN_SCAN: Duration = Duration::from_secs(2);
/// Wait before a step that the store could not take is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct ReplayRequest {
    pub tenant: Tenant,
    pub selection: ReplaySelection,
    pub destination: Option<DestinationName>,
    pub rate: Option<u32>,
    pub new_ids: bool,
}

/// What a replay would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayPlan {
    pub events: u64,
    /// Whether all events were counted, or only as many as the time allowed.
    pub exact: bool,
    /// The routes it would go along, if their assurance and connections fit the event.
    pub routes: Vec<String>,
}

pub struct Replayer {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub dispatch: DispatchHandle,
    pub stop: CancellationToken,
    pub(crate) held: latest::Receiver<Arc<Held>>,
}

/// A batch of events to make deliveries of, and where the job stands after them.
struct Batch {
    events: Vec<Arc<Event>>,
    /// Events passed over or taken by this batch.
    seen: u64,
    position: Option<String>,
    finished: bool,
}

impl Replayer {
    /// Counts what a replay would take.
    pub async fn plan(&self, topology: &Topology, request: &ReplayRequest) -> Result<ReplayPlan, StoreError> {
        let (events, exact) = match &request.selection {
            ReplaySelection::Events(ids) => (ids.len() as u64, true),
            ReplaySelection::Filter(filter) => {
                self.store.count_events(request.tenant.clone(), filter.clone(), PLAN_SCAN).await?
            }
        };
        let source = match &request.selection {
            ReplaySelection::Filter(filter) => filter.source.clone(),
            ReplaySelection::Events(_) => None,
        };
        let mut routes: Vec<String> = topology
            .routes()
            .filter(|route| route.spec.tenant == request.tenant)
            .filter(|route| source.as_ref().is_none_or(|source| route.spec.from == *source))
            .filter(|route| request.destination.as_ref().is_none_or(|to| route.spec.to == *to))
            .map(|route| route.spec.name.to_string())
            .collect();
        routes.sort_unstable();
        Ok(ReplayPlan { events, exact, routes })
    }

    /// Writes the job down; running it is another call, so that its id can be told first.
    pub async fn create(&self, request: ReplayRequest, planned: u64) -> Result<Replay, StoreError> {
        let now = self.clock.now();
        let selection = match request.selection {
            // What is accepted from now on is not replayed: the job would never end.
            ReplaySelection::Filter(filter) => {
                let until = Some(filter.until.map_or(now, |until| until.min(now)));
                ReplaySelection::Filter(EventFilter { until, ..filter })
            }
            named @ ReplaySelection::Events(_) => named,
        };
        let replay = Replay {
            id: ReplayId::from_uuid(uuid_v7(&*self.entropy, now)),
            tenant: request.tenant,
            selection,
            destination: request.destination,
            rate: request.rate,
            new_ids: request.new_ids,
            state: ReplayState::Running,
            planned,
            events_done: 0,
            deliveries_made: 0,
            position: None,
            created_at: now,
            finished_at: None,
        };
        self.store.create_replay(replay.clone()).await?;
        Ok(replay)
    }

    /// Runs a job to its end, its cancellation or the stop of the process, step by step. The error is why it can never
    /// go on.
    pub async fn run(&self, mut replay: Replay, topology: impl Fn() -> Arc<Topology>) -> Result<(), StoreError> {
        let ours = |replay: &Replay| self.held.borrow().has_replay(&replay.tenant, replay.id);
        while replay.state == ReplayState::Running && !self.stop.is_cancelled() && ours(&replay) {
            match self.step(&replay, &topology()).await {
                Ok((next, made)) => {
                    replay = next;
                    self.pace(replay.rate, made).await;
                }
                Err(error) if error.retryable() && !error.fatal() => {
                    telemetry::store_failed("replay_step", &error);
                    self.clock.sleep(AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn step(&self, replay: &Replay, topology: &Topology) -> Result<(Replay, u64), StoreError> {
        let batch = self.read(replay).await?;
        let deliveries: Vec<_> =
            batch.events.iter().flat_map(|event| self.deliveries(replay, topology, event)).collect();
        let made = deliveries.len() as u64;
        let destinations: FxHashSet<_> = deliveries.iter().map(|made| made.delivery.destination.clone()).collect();
        let step = ReplayStep {
            id: replay.id,
            tenant: replay.tenant.clone(),
            from: replay.position.clone(),
            deliveries,
            events_done: batch.seen,
            position: batch.position,
            finished: batch.finished,
        };
        let next = self.store.replay_step(step, self.clock.now()).await?;
        for name in destinations {
            self.store.tell(Hint::Due(replay.tenant.clone(), name.clone()));
            self.dispatch.tell(Message::Waiting(DestinationKey { tenant: replay.tenant.clone(), name }));
        }
        Ok((next, made))
    }

    async fn read(&self, replay: &Replay) -> Result<Batch, StoreError> {
        // A slow replay takes small steps: a second's worth at most.
        let limit = replay.rate.map_or(STEP_EVENTS, |rate| rate.clamp(1, STEP_EVENTS));
        match &replay.selection {
            ReplaySelection::Filter(filter) => {
                let page = Page { limit, after: replay.position.clone().map(Position), scan: STEP_SCAN };
                let found = self.store.events_after(replay.tenant.clone(), filter.clone(), page).await?;
                let seen = found.events.len() as u64;
                let events = found.events.into_iter().map(|(_, event)| event).collect();
                Ok(Batch { events, seen, position: Some(found.until.0), finished: !found.more })
            }
            ReplaySelection::Events(ids) => self.read_named(replay, ids, limit as usize).await,
        }
    }

    async fn read_named(&self, replay: &Replay, ids: &[EventId], limit: usize) -> Result<Batch, StoreError> {
        let from = replay.position.as_ref().and_then(|position| position.parse().ok()).unwrap_or(0_usize);
        let until = from.saturating_add(limit).min(ids.len());
        let mut events = Vec::with_capacity(until.saturating_sub(from));
        for id in ids.get(from..until).unwrap_or_default() {
            // One that was pruned meanwhile is passed over.
            events.extend(self.store.event(replay.tenant.clone(), *id).await?.map(|detail| detail.event));
        }
        let seen = until.saturating_sub(from) as u64;
        Ok(Batch { events, seen, position: Some(until.to_string()), finished: until == ids.len() })
    }

    fn deliveries(&self, replay: &Replay, topology: &Topology, event: &Arc<Event>) -> Vec<ReplayDelivery> {
        let Some(source) = topology.source(event.tenant.as_str(), event.source.as_str()) else { return Vec::new() };
        let wanted = |route: &&Arc<Route>| {
            route.takes(&event.connection, event.assurance)
                && replay.destination.as_ref().is_none_or(|to| route.spec.to == *to)
        };
        let owe = |route: &Arc<Route>| ReplayDelivery {
            event: event.id,
            delivery: NewDelivery {
                id: DeliveryId::from_uuid(uuid_v7(&*self.entropy, self.clock.now())),
                route: route.spec.name.clone(),
                destination: route.spec.to.clone(),
                lane: Lane::of(route.spec.ordering, &event.source, &event.connection, event.subject.as_ref()),
                held: route.destination.gate.held(),
                claim: None,
            },
        };
        source.routes.iter().filter(wanted).map(owe).collect()
    }

    async fn pace(&self, rate: Option<u32>, made: u64) {
        let Some(rate) = rate.filter(|rate| *rate > 0) else { return };
        let wait = Duration::from_secs_f64(made as f64 / f64::from(rate));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.clock.sleep(wait) => {}
        }
    }
}

impl Engine {
    /// What a replay would do, without doing it.
    pub async fn plan_replay(&self, request: &ReplayRequest) -> Result<ReplayPlan, EngineError> {
        let request = each_once(request.clone());
        check(&request)?;
        self.check_named(&request).await?;
        Ok(self.inner.replayer.plan(&self.topology(), &request).await?)
    }

    /// Whoever names an event means that one: a name that is none is told before anything is done.
    async fn check_named(&self, request: &ReplayRequest) -> Result<(), EngineError> {
        let ReplaySelection::Events(ids) = &request.selection else { return Ok(()) };
        for id in ids {
            if self.inner.store.event(request.tenant.clone(), *id).await?.is_none() {
                return Err(EngineError::NotFound(format!("there is no event {id}")));
            }
        }
        Ok(())
    }

    /// Writes a replay down and starts it; the job goes on after a restart.
    pub async fn start_replay(&self, request: ReplayRequest) -> Result<Replay, EngineError> {
        let plan = self.plan_replay(&request).await?;
        let replay = self.inner.replayer.create(each_once(request), plan.events).await?;
        if self.inner.held.borrow().sole {
            self.run_replay(replay.clone());
        } else {
            // Whoever has the fewest takes it.
            self.inner.woken.wake();
            self.inner.store.tell(Hint::Nodes);
        }
        Ok(replay)
    }

    pub async fn cancel_replay(&self, tenant: Tenant, id: ReplayId) -> Result<Option<Replay>, EngineError> {
        Ok(self.inner.store.cancel_replay(tenant, id, self.inner.clock.now()).await?)
    }

    /// Goes on with the replays that an earlier process left running. Called once, after `configure`.
    pub async fn resume_replays(&self) -> Result<usize, EngineError> {
        if !self.inner.held.borrow().sole {
            // Another node may be at it: who is in charge goes on with it.
            return Ok(0);
        }
        let running = self.inner.store.running_replays().await?;
        let count = running.len();
        running.into_iter().for_each(|replay| self.run_replay(replay));
        Ok(count)
    }

    pub(crate) fn run_replay(&self, replay: Replay) {
        let (replayer, engine) = (Arc::clone(&self.inner.replayer), self.clone());
        let (tenant, id) = (replay.tenant.clone(), replay.id);
        self.spawn(async move {
            if let Err(error) = replayer.run(replay, || engine.topology()).await {
                engine.give_up_replay(tenant, id, &error).await;
            }
        });
    }

    /// What the store will never do is not asked for again after every start: the job ends, and a person is told.
    async fn give_up_replay(&self, tenant: Tenant, id: ReplayId, error: &StoreError) {
        self.inner.alerts.store_failed("replay_step", error);
        if !error.fatal() && *error != StoreError::Closed {
            // If even that fails, the job is there at the next start.
            let _ = self.cancel_replay(tenant, id).await;
        }
    }
}

/// The same, no event named twice: a replay makes one delivery of each along each route.
fn each_once(mut request: ReplayRequest) -> ReplayRequest {
    if let ReplaySelection::Events(ids) = &mut request.selection {
        let mut seen = FxHashSet::default();
        ids.retain(|id| seen.insert(*id));
    }
    request
}

fn check(request: &ReplayRequest) -> Result<(), EngineError> {
    let invalid = |detail: String| Err(EngineError::Invalid { code: "replay_invalid", detail });
    match &request.selection {
        ReplaySelection::Events(ids) if ids.is_empty() => invalid("name at least one event".into()),
        ReplaySelection::Events(ids) if ids.len() > REPLAY_EVENTS_MAX => {
            invalid(format!("name at most {REPLAY_EVENTS_MAX} events, or replay by a filter"))
        }
        _ if request.rate == Some(0) => invalid("a rate is at least 1 a second".into()),
        _ => Ok(()),
    }
}
