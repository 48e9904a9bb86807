//! The engine: all stages together, which `start` wires, and the use cases that the API, the command line and agents call.

mod error;
mod gone;
mod start;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use domain::request::{InboundRequest, Reason};
use domain::{DestinationName, Tenant};
use store::dispatch::Owner;
use store::keep::Retention;
use store::nodes::Hint;
use store::{Store, StoreError};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::accept::Acceptor;
use crate::alert::Alerts;
use crate::audit::Audit;
use crate::budget::Budgets;
use crate::clock::SharedClock;
use crate::deliver::Deliverer;
use crate::dispatch::{DestinationLive, DispatchHandle, Message};
use crate::entropy::SharedEntropy;
use crate::failure::Failure;
use crate::handshakes::Handshakes;
use crate::latest;
use crate::ledger::Ledger;
use crate::nodes::{Held, Identity, Woken};
use crate::receive::{Receipt, Receiver};
use crate::replay::Replayer;
use crate::sealed_head::HeadSeal;
use crate::streams::StreamsHandle;
use crate::subscriptions::Subscriptions;
use crate::telemetry;
use crate::topology::{Policies, Topology};
use crate::transport::Transport;
use crate::upstream::Upstreams;
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
    /// Tries under way at once; [`crate::dispatch::IN_FLIGHT_MAX`] unless fewer sockets may be open.
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
    pub audit: Arc<Audit>,
    pub budgets: Arc<Budgets>,
    pub ledger: Arc<Ledger>,
    pub upstreams: Arc<Upstreams>,
    pub streams: StreamsHandle,
    pub subscriptions: Subscriptions,
    pub transport: Arc<dyn Transport>,
    pub heads: HeadSeal,
    pub handshakes: Arc<Handshakes>,
    pub topology: RwLock<Arc<Topology>>,
    /// The same, for who waits for the next.
    pub configured: latest::Sender<Arc<Topology>>,
    /// Changes of configuration and of destinations' states, one after another.
    pub changing: tokio::sync::Mutex<crate::manage::Configured>,
    pub receiver: Receiver,
    pub acceptor: Arc<Acceptor>,
    pub replayer: Arc<Replayer>,
    pub dispatch: DispatchHandle,
    pub deliverer: Arc<Deliverer>,
    pub accepted: latest::Receiver<u64>,
    pub owner: Owner,
    pub file: Arc<crate::nodes::FileStanding>,
    /// What this node is in charge of.
    pub held: latest::Receiver<Arc<Held>>,
    /// Changes when something was configured, by whomever.
    pub configured_elsewhere: latest::Receiver<u64>,
    pub woken: Woken,
    pub joined: latest::Receiver<bool>,
    pub failure: Failure,
    /// Cancelled when the engine begins to stop.
    pub stop: CancellationToken,
    /// Everything that must end before the store may be closed.
    tasks: Mutex<JoinSet<()>>,
}

impl Engine {
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

    /// How a destination does now; `None` if there is none of this name.
    pub async fn destination_live(&self, tenant: Tenant, name: DestinationName) -> Option<DestinationLive> {
        let (reply, live) = oneshot::channel();
        self.inner.dispatch.tell(Message::Ask(DestinationKey { tenant, name }, reply));
        live.await.ok().flatten()
    }

    /// Changes whenever something was accepted: tails read the store from their position then.
    #[must_use]
    pub fn accepted(&self) -> latest::Receiver<u64> {
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
        self.inner.audit.flush().await;
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
