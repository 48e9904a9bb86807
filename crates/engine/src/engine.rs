//! The engine: all stages wired together, and the use cases that the API, the command line and agents call.

mod error;
mod gone;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use domain::request::{InboundRequest, Reason};
use domain::{AlertId, DestinationName, Tenant};
use store::dispatch::Owner;
use store::intake::KeptRequest;
use store::keep::Retention;
use store::nodes::Hint;
use store::registry::Alert;
use store::{Store, StoreError};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::accept::Acceptor;
use crate::alert::Alerts;
use crate::allow::refresh::Refresher;
use crate::budget::Budgets;
use crate::clock::SharedClock;
use crate::deliver::Deliverer;
use crate::dispatch::{self, DestinationLive, DispatchHandle, DispatchParts, Dispatcher, Message};
use crate::enrich::Enricher;
use crate::entropy::SharedEntropy;
use crate::failure::Failure;
use crate::fetch::KeyFetcher;
use crate::gate::Hall;
use crate::handshakes::Handshakes;
use crate::keep::Keeper;
use crate::ledger::Ledger;
use crate::nodes::{Follower, Held, Identity, Roster, Tenure, Woken};
use crate::pending::Waiter;
use crate::prepare::Preparer;
use crate::receive::{Receipt, Receiver};
use crate::replay::Replayer;
use crate::sealed_head::HeadSeal;
use crate::settle::Settler;
use crate::streams::{self, Scheduler, StreamsHandle};
use crate::subscriptions::{self, Book, Coverage, Desk, Duty, SubscriptionSecrets, Subscriptions, SubscriptionsHandle};
use crate::telemetry;
use crate::topology::{Policies, Topology};
use crate::transport::Transport;
use crate::upstream::{UpstreamParts, Upstreams};
use crate::vault::Vault;
use crate::work::DestinationKey;

pub use error::EngineError;

/// What an engine is built of: everything that is not a decision comes from outside.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub transport: Arc<dyn Transport>,
    pub policies: Arc<dyn Policies + Send + Sync>,
    pub vault: Arc<Vault>,
    pub retention: Retention,
    /// Tries under way at once; [`dispatch::IN_FLIGHT_MAX`] unless fewer sockets may be open.
    pub in_flight_max: u32,
    /// What this process is called among the nodes that share its store.
    pub node: Identity,
}

/// Cheap to clone; everything within is shared.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub policies: Arc<dyn Policies + Send + Sync>,
    pub vault: Arc<Vault>,
    pub alerts: Alerts,
    pub budgets: Arc<Budgets>,
    pub ledger: Arc<Ledger>,
    pub upstreams: Arc<Upstreams>,
    pub streams: StreamsHandle,
    pub subscriptions: Subscriptions,
    pub heads: HeadSeal,
    pub handshakes: Arc<Handshakes>,
    pub topology: RwLock<Arc<Topology>>,
    /// The same, for who waits for the next.
    pub configured: watch::Sender<Arc<Topology>>,
    /// Changes of configuration and of destinations' states, one after another.
    pub changing: tokio::sync::Mutex<crate::manage::Configured>,
    pub receiver: Receiver,
    pub acceptor: Arc<Acceptor>,
    pub replayer: Arc<Replayer>,
    pub dispatch: DispatchHandle,
    pub deliverer: Arc<Deliverer>,
    pub accepted: watch::Receiver<u64>,
    pub owner: Owner,
    /// What this node is in charge of.
    pub held: watch::Receiver<Arc<Held>>,
    /// Changes when something was configured, by whomever.
    pub configured_elsewhere: watch::Receiver<u64>,
    pub woken: Woken,
    pub joined: watch::Receiver<bool>,
    pub failure: Failure,
    /// Cancelled when the engine begins to stop.
    pub stop: CancellationToken,
    /// Everything that must end before the store may be closed.
    tasks: Mutex<JoinSet<()>>,
}

impl Engine {
    /// Wires the stages and starts them on the current runtime, with nothing configured yet.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts { store, clock, entropy, transport, policies, vault, retention, in_flight_max, node } = parts;
        let owner = Owner(crate::entropy::number(&*entropy));
        let (dispatch, inbox) = dispatch::channel();
        let (settler, settlings) = tokio::sync::mpsc::unbounded_channel();
        let (gone, gones) = tokio::sync::mpsc::unbounded_channel();
        let (accepted_sender, accepted) = watch::channel(0);
        let (failure, stop) = (Failure::default(), CancellationToken::new());
        let tenure = Arc::new(Tenure::new(store.is_shared(), Arc::clone(&clock)));
        let hall = if tenure.is_shared() { Hall::shared(Arc::clone(&tenure)) } else { Hall::default() };
        let nothing = Arc::new(Topology::of_hall(Arc::new(hall)));
        let (configured, topology) = watch::channel(Arc::clone(&nothing));
        let (holding, held) = watch::channel(Arc::new(Held { sole: !tenure.is_shared(), ..Held::default() }));
        let (configuring, configured_elsewhere) = watch::channel(0);
        let (woken, (joining, joined)) = (Woken::default(), watch::channel(false));
        let alerts = Alerts::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&entropy));
        let ledger = Arc::new(Ledger::new(Arc::clone(&store), Arc::clone(&clock)));
        let heads = HeadSeal::new(Arc::clone(&entropy));
        let acceptor = Arc::new(Acceptor {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            owner,
            tenure: Arc::clone(&tenure),
            dispatch: dispatch.clone(),
            accepted: accepted_sender,
            ledger: Arc::clone(&ledger),
        });
        let fetcher = Arc::new(KeyFetcher::new(Arc::clone(&transport), Arc::clone(&clock)));
        let budgets = Arc::new(Budgets::new(Arc::clone(&store), Arc::clone(&clock), stop.clone()));
        let upstreams = Arc::new(Upstreams::new(&UpstreamParts {
            store: &store,
            clock: &clock,
            entropy: &entropy,
            transport: &transport,
            policies: &policies,
            vault: &vault,
            ledger: &ledger,
            budgets: &budgets,
        }));
        let deliverer = Arc::new(Deliverer {
            store: Arc::clone(&store),
            transport: Arc::clone(&transport),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            preparer: Preparer {
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                alerts: alerts.clone(),
                enricher: Enricher::new(Arc::clone(&upstreams), Arc::clone(&clock), configured.subscribe()),
                heavy: Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
            },
        });
        let dispatcher = DispatchParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            owner,
            tenure: Arc::clone(&tenure),
            deliverer: Arc::clone(&deliverer),
            settler,
            gone,
            alerts: alerts.clone(),
            in_flight_max,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(Dispatcher::new(dispatcher, dispatch.clone(), inbox).run());
        let settler = Settler {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            dispatch: dispatch.clone(),
            inbox: settlings,
            alerts: alerts.clone(),
            ledger: Arc::clone(&ledger),
            failure: failure.clone(),
        };
        tasks.spawn(settler.run());
        let keeper = Keeper {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            retention,
            alerts: alerts.clone(),
            failure: failure.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(keeper.run());
        let roster = Roster {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            owner,
            identity: node,
            tenure,
            dispatch: dispatch.clone(),
            alerts: alerts.clone(),
            upstreams: Arc::clone(&upstreams),
            failure: failure.clone(),
            topology: topology.clone(),
            stop: stop.clone(),
            woken: woken.clone(),
            held: holding,
            configured: configuring,
            joined: joining,
        };
        tasks.spawn(roster.run());
        tasks.spawn(alerts.clone().run(stop.clone()));
        tasks.spawn(Arc::clone(&ledger).run(stop.clone()));
        let (secrets, coverage) = (Arc::<SubscriptionSecrets>::default(), Arc::new(Coverage::new()));
        let handshakes = Arc::new(Handshakes {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            vault: Arc::clone(&vault),
            alerts: alerts.clone(),
            transport: Arc::clone(&transport),
            policies: Arc::clone(&policies),
            subscribed: Arc::clone(&secrets),
            topology: topology.clone(),
            known: tokio::sync::Mutex::default(),
            opening: Mutex::default(),
        });
        let refresher = Refresher {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            transport: Arc::clone(&transport),
            topology,
            stop: stop.clone(),
        };
        tasks.spawn(refresher.run());
        let (streams, orders) = StreamsHandle::new();
        let receiver = Receiver {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            acceptor: Arc::clone(&acceptor),
            fetcher,
            policies: Arc::clone(&policies),
            alerts: alerts.clone(),
            heads: heads.clone(),
            handshakes: Arc::clone(&handshakes),
            rejections: Arc::default(),
            ledger: Arc::clone(&ledger),
            streams: streams.clone(),
            failure: failure.clone(),
        };
        let replayer = Arc::new(Replayer {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            owner,
            dispatch: dispatch.clone(),
            stop: stop.clone(),
            held: held.clone(),
        });
        let (keeping, messages) = SubscriptionsHandle::new();
        let desk = Arc::new(Desk::new(subscriptions::Parts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            owner,
            upstreams: Arc::clone(&upstreams),
            alerts: alerts.clone(),
            handshakes: Arc::clone(&handshakes),
            book: Arc::new(Book::new(&store, &vault, &entropy)),
            secrets,
            coverage: Arc::clone(&coverage),
            stop: stop.clone(),
        }));
        let reading = streams::Parts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            owner,
            acceptor: Arc::clone(&acceptor),
            upstreams: Arc::clone(&upstreams),
            budgets: Arc::clone(&budgets),
            alerts: alerts.clone(),
            failure: failure.clone(),
            coverage,
            subscriptions: keeping.clone(),
            topology: configured.subscribe(),
            held: held.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(Scheduler::new(reading, orders).run());
        tasks.spawn(Duty::new(Arc::clone(&desk), configured.subscribe(), held.clone(), messages).run());
        let inner = Inner {
            store,
            clock,
            entropy,
            policies,
            vault,
            alerts,
            budgets,
            ledger,
            upstreams,
            streams,
            subscriptions: Subscriptions { desk, handle: keeping },
            heads,
            handshakes,
            topology: RwLock::new(nothing),
            configured,
            changing: tokio::sync::Mutex::default(),
            receiver,
            acceptor,
            replayer,
            dispatch,
            deliverer,
            accepted,
            owner,
            held,
            configured_elsewhere,
            woken,
            joined,
            failure,
            stop,
            tasks: Mutex::new(tasks),
        };
        let engine = Self { inner: Arc::new(inner) };
        engine.spawn(engine.waiter().run());
        engine.spawn(gone::disable_gone(Arc::downgrade(&engine.inner), gones));
        if engine.inner.store.is_shared() {
            engine.spawn(Follower { engine: Arc::downgrade(&engine.inner) }.run());
        }
        engine
    }

    /// The duty that judges waiting requests again. Holds nothing that keeps the engine alive.
    fn waiter(&self) -> Waiter {
        let (inner, weak) = (&self.inner, Arc::downgrade(&self.inner));
        Waiter {
            store: Arc::clone(&inner.store),
            clock: Arc::clone(&inner.clock),
            acceptor: Arc::clone(&inner.acceptor),
            receiver: inner.receiver.clone(),
            alerts: inner.alerts.clone(),
            failure: inner.failure.clone(),
            stop: inner.stop.clone(),
            topology: Box::new(move || Some(Engine { inner: weak.upgrade()? }.topology())),
        }
    }

    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    #[must_use]
    pub fn entropy(&self) -> &SharedEntropy {
        &self.inner.entropy
    }

    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.inner.vault
    }

    /// What is configured now.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.inner.topology.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in one webhook. Never fails: the receipt says what to answer.
    pub async fn receive(&self, request: InboundRequest) -> Receipt {
        let span = telemetry::receive_span(request.source.as_str());
        self.inner.receiver.receive(&self.topology(), request).instrument(span).await
    }

    /// What every request to a source is paid from.
    #[must_use]
    pub fn budgets(&self) -> &Arc<Budgets> {
        &self.inner.budgets
    }

    /// Where wishes for streams go.
    #[must_use]
    pub fn stream_orders(&self) -> &StreamsHandle {
        &self.inner.streams
    }

    /// Where calls and figures are written down.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.inner.ledger
    }

    /// A kept request with its head opened, for a person to see.
    #[must_use]
    pub fn shown(&self, kept: KeptRequest) -> KeptRequest {
        self.inner.heads.shown(kept)
    }

    /// An id for a request that was just received.
    #[must_use]
    pub fn new_request_id(&self) -> domain::RequestId {
        self.inner.receiver.new_request_id()
    }

    /// Keeps a request that was refused for its size, without its body, so that a person sees it.
    pub async fn refuse_oversized(&self, request: InboundRequest, limit_bytes: u64) -> Result<(), StoreError> {
        if self.topology().source(request.tenant.as_str(), request.source.as_str()).is_none() {
            return Ok(());
        }
        let detail = format!("the body is larger than {limit_bytes} bytes (`limits.body_bytes`)");
        let request = InboundRequest { body: Bytes::new(), ..request };
        self.inner.receiver.refuse(request, Reason { code: "body_too_large".into(), detail }).await
    }

    /// Resolves an open alert because a person says so; gives it as it is then, or `None` if there is none.
    pub async fn dismiss_alert(&self, tenant: &Tenant, id: AlertId) -> Result<Option<Alert>, EngineError> {
        Ok(self.inner.alerts.dismiss(tenant, id).await?)
    }

    /// How a destination does now; `None` if there is none of this name.
    pub async fn destination_live(&self, tenant: Tenant, name: DestinationName) -> Option<DestinationLive> {
        let (reply, live) = oneshot::channel();
        self.inner.dispatch.tell(Message::Ask(DestinationKey { tenant, name }, reply));
        live.await.ok().flatten()
    }

    /// Changes whenever something was accepted: tails read the store from their position then.
    #[must_use]
    pub fn accepted(&self) -> watch::Receiver<u64> {
        self.inner.accepted.clone()
    }

    /// Cancelled when the engine begins to stop: streams end then.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Completes when the store has failed for good: the process must exit (74) and recover on its next start.
    pub async fn failed(&self) -> StoreError {
        self.inner.failure.happened().await;
        self.inner.failure.error().cloned().unwrap_or(StoreError::Closed)
    }

    /// Stops: no new tries, those under way may end within `deadline`, what is settled is committed, and the store
    /// is closed. Gives whether everything ended in time; what did not is pending on the next start.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.inner.stop.cancel();
        self.inner.dispatch.tell(Message::Drain);
        let mut tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while tasks.join_next().await.is_some() {} };
        let in_time = tokio::select! {
            biased;
            () = all => true,
            () = self.inner.clock.sleep(deadline) => false,
        };
        tasks.shutdown().await;
        self.inner.alerts.flush().await;
        self.inner.ledger.flush().await;
        if let Err(error) = self.inner.store.leave(self.inner.owner).await {
            // Its lease ends by itself.
            telemetry::store_failed("leave", &error);
        }
        self.inner.store.tell(Hint::Nodes);
        if let Err(error) = self.inner.store.close().await {
            telemetry::store_failed("close", &error);
        }
        in_time
    }

    /// Runs something to its end beside the stages; `stop` waits for it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    pub(crate) fn wake_all(&self, tenant: &Tenant) {
        for destination in self.topology().destinations().filter(|destination| destination.spec.tenant == *tenant) {
            let (tenant, name) = (tenant.clone(), destination.spec.name.clone());
            self.inner.dispatch.tell(Message::Waiting(DestinationKey { tenant, name }));
        }
        self.inner.store.tell(Hint::Wished);
    }
}
