//! Requests whose key could not be fetched: judged again with back-off, by the time they were received at. They are
//! durable from the start, so a crash loses none.

pub(crate) mod waiting_room;

use std::sync::Arc;
use std::time::Duration;

use connectors::provider::Effect;
use domain::Timestamp;
use domain::request::{InboundRequest, Reason, Verdict};
use store::intake::KeptRequest;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::accept::Acceptor;
use crate::alert::{Alerts, KEY_UNREACHABLE};
use crate::clock::SharedClock;
use crate::engine::EngineError;
use crate::failure::Failure;
use crate::nodes::FileStanding;
use crate::receive::{HANDSHAKE_TOO_LATE, Judged, Receiver};
use crate::topology::{Source, Topology};

/// How often the store is looked at, and the first wait of a request.
pub(crate) const AGAIN_FIRST: Duration = Duration::from_secs(10);
/// The longest wait: a key that comes back is used soon after.
const AGAIN_MAX: Duration = Duration::from_secs(10 * 60);
/// Requests looked at in one round.
const BATCH: u32 = 100;
/// A person is told once a request has waited so long.
const ALERT_AFTER: Duration = Duration::from_secs(10 * 60);
/// A request of a source that is not configured waits so long: another node may have been told of the source sooner.
const GONE_AFTER: Duration = Duration::from_secs(10 * 60);
/// Its source was removed while it waited.
const SOURCE_GONE: &str = "source_gone";

pub(crate) struct Waiter {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub acceptor: Arc<Acceptor>,
    pub receiver: Receiver,
    pub alerts: Alerts,
    pub failure: Failure,
    pub stop: CancellationToken,
    /// Whether this node goes by another file than the others.
    pub file: Arc<FileStanding>,
    /// `None`: nothing is configured yet, or not any more.
    pub topology: Box<dyn Fn() -> Option<Arc<Topology>> + Send + Sync>,
}

impl Waiter {
    pub async fn run(self) {
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(AGAIN_FIRST) => {}
            }
            if let Err(error) = self.round().await {
                self.alerts.store_failed("pending", &error);
                if error.fatal() {
                    self.failure.report(error);
                }
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        let Some(topology) = (self.topology)() else { return Ok(()) };
        for kept in self.store.pending_requests(self.clock.now(), BATCH).await? {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            match self.judge_again(&topology, &kept).await {
                // A person judged it at the same time: theirs counts.
                Err(StoreError::Conflict(_)) => {}
                done => done?,
            }
        }
        Ok(())
    }

    async fn judge_again(&self, topology: &Topology, kept: &KeptRequest) -> Result<(), StoreError> {
        // A head that does not open waits for the key that it was sealed with.
        let Ok(request) = self.receiver.heads.open(&kept.request) else { return self.wait_on(&kept.request).await };
        let request = &request;
        let source = topology.source(request.tenant.as_str(), request.source.as_str());
        let listening = source.and_then(|source| Some((source, source.listener.as_ref()?)));
        let Some((source, listener)) = listening else { return self.let_go(request).await };
        match self.receiver.judge_kept(source, listener, request).await {
            Judged::Events { arrivals, .. } => {
                self.alerts.gone(&request.tenant, KEY_UNREACHABLE, object(request));
                self.acceptor.rejudge(source, arrivals, request).await.map(drop)
            }
            Judged::Rejected(reason) => self.settle(request, reason).await,
            // Its sender waits for an answer no more.
            Judged::Handshake(_) => {
                let detail = "a handshake whose key came too late".to_owned();
                self.settle(request, Reason { code: HANDSHAKE_TOO_LATE.into(), detail }).await
            }
            Judged::Asks(effect, _) => self.grant(source, request, effect).await,
            Judged::Pending | Judged::Spent => self.wait_on(request).await,
        }
    }

    async fn grant(&self, source: &Source, request: &InboundRequest, effect: Effect) -> Result<(), StoreError> {
        match self.receiver.grant_late(source, request, effect).await {
            Ok(Ok(())) => {
                self.alerts.gone(&request.tenant, KEY_UNREACHABLE, object(request));
                self.acceptor.rejudge(source, Vec::new(), request).await.map(drop)
            }
            Ok(Err(reason)) => self.settle(request, reason).await,
            Err(EngineError::Store(error)) => Err(error),
            Err(_) => self.wait_on(request).await,
        }
    }

    /// Nobody will fetch a key for a source that is not there. A person may judge it again if it comes back.
    async fn let_go(&self, request: &InboundRequest) -> Result<(), StoreError> {
        if self.file.differs() || self.clock.now().since(request.received_at) < GONE_AFTER {
            return self.wait_on(request).await;
        }
        let detail = format!("source '{}' takes no webhooks any more, so its key is not fetched", request.source);
        self.settle(request, Reason { code: SOURCE_GONE.into(), detail }).await
    }

    async fn settle(&self, request: &InboundRequest, reason: Reason) -> Result<(), StoreError> {
        self.alerts.gone(&request.tenant, KEY_UNREACHABLE, object(request));
        self.rejudge(request, Verdict::Rejected, Some(reason), None).await
    }

    /// As long again as it has waited, so that few tries are made for a sender that is down for long.
    async fn wait_on(&self, request: &InboundRequest) -> Result<(), StoreError> {
        let waited = self.clock.now().since(request.received_at);
        if waited >= ALERT_AFTER {
            let detail = format!(
                "requests to source '{}' wait since {} because the key that verifies them cannot be fetched; they are kept and judged again by themselves",
                request.source, request.received_at
            );
            self.alerts.note(&request.tenant, KEY_UNREACHABLE, object(request), detail);
        }
        let due = self.clock.now() + waited.clamp(AGAIN_FIRST, AGAIN_MAX);
        self.rejudge(request, Verdict::Pending, None, Some(due)).await
    }

    async fn rejudge(
        &self,
        request: &InboundRequest,
        verdict: Verdict,
        reason: Option<Reason>,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let (tenant, now) = (request.tenant.clone(), self.clock.now());
        self.store.rejudge(tenant, request.id, verdict, reason, due, Vec::new(), now).await.map(drop)
    }
}

pub(crate) fn object(request: &InboundRequest) -> String {
    format!("source/{}", request.source)
}
