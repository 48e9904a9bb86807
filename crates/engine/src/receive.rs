//! Receive: one inbound request, judged by its source's recipe, and what to answer.

mod account;
mod address;
mod contract;
mod mapped;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{self, Effect, FoundEvent, Incoming, Judgement, Keys, Peer, Pending, Urls};
use domain::event::cut;
use domain::identity::{Scope, message_key};
use domain::request::{InboundRequest, Reason, Verdict};
use domain::{Assurance, ConnectionName, Event, EventId, Origin, RequestId};
use store::intake::{Accepted, KeptRequest, RejectedBounds};
use store::{Store, StoreError};
use uuid::Uuid;

use crate::accept::{Acceptor, Arrival};
use crate::alert::{Alerts, CONNECTION_UNASSIGNED, KEY_UNREACHABLE, SIGNATURES_FAILING};
use crate::clock::SharedClock;
use crate::engine::EngineError;
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::failure::Failure;
use crate::fetch::{KeyFetcher, NotFetched};
use crate::handshakes::Handshakes;
use crate::key_set::KeySet;
use crate::ledger::Ledger;
use crate::pending::waiting_room::{self, WaitingRoom};
use crate::pending::{self, AGAIN_FIRST};
use crate::rejections::RejectionLog;
use crate::sealed_head::HeadSeal;
use crate::signatures::is_about_signatures;
use crate::streams::StreamsHandle;
use crate::telemetry;
use crate::topology::{Listener, Policies, Source, Topology};
use account::{Account, judge_by_account};

/// What a sender is told to wait when we cannot keep its event: soon enough for senders that try only a few times.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The recipe's code for a method that it does not know.
const METHOD_REFUSED: &str = "method_refused";
/// The same, while more keys are asked for than are fetched in a minute.
const KEYS_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Most keys that one request may need: senders sign by two at once while they rotate.
const FETCHES_PER_REQUEST: usize = 3;

/// More requests wait for their keys than are kept for one source.
const WAITING_ROOM_FULL: &str = "waiting_room_full";

/// A handshake that was judged only after it was answered.
pub(crate) const HANDSHAKE_TOO_LATE: &str = "handshake";

pub use connectors::provider::Reply;

/// What to answer to an inbound request.
#[derive(Debug)]
pub enum Receipt {
    /// Every event is durable. `reply` is the provider's own contract, where it has one.
    Accepted {
        events: Vec<(EventId, bool)>,
        reply: Option<Reply>,
        /// How long the answer waits, where the source's owner wants to see a slow receiver.
        delay: Duration,
    },
    /// The sender is setting the endpoint up: answered, no event.
    Handshake(Reply),
    /// One constant answer, whatever the reason; `reply` is the provider's own.
    Rejected { reply: Option<Reply> },
    /// Its sender sends no events by this method, but by these.
    MethodRefused { allow: String },
    /// No such source, or it takes no webhooks: one constant answer.
    UnknownSource,
    /// We cannot keep it now; the sender is to try again.
    Unavailable { retry_after: Duration, code: &'static str, reply: Option<Reply> },
}

/// A judged request, before anything is written.
pub(crate) enum Judged {
    Events {
        arrivals: Vec<Arrival>,
        split: bool,
        reply: Option<Reply>,
    },
    Handshake(Reply),
    /// A handshake that is answered so only if what it asks for is granted.
    Asks(Effect, Reply),
    Rejected(Reason),
    /// Its key, or of a kept one the list of its sender's addresses, cannot be fetched now.
    Pending,
    /// Too many keys were fetched in this minute to fetch its own as well.
    Spent,
}

#[derive(Clone)]
pub struct Receiver {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub acceptor: Arc<Acceptor>,
    pub fetcher: Arc<KeyFetcher>,
    pub policies: Arc<dyn Policies + Send + Sync>,
    pub alerts: Alerts,
    pub heads: HeadSeal,
    pub(crate) handshakes: Arc<Handshakes>,
    pub(crate) waiting_room: Arc<WaitingRoom>,
    pub rejections: Arc<RejectionLog>,
    pub ledger: Arc<Ledger>,
    pub streams: StreamsHandle,
    pub failure: Failure,
}

impl Receiver {
    /// Judges a request, commits what it holds, and says what to answer. Never fails: our own failure is
    /// [`Receipt::Unavailable`].
    pub async fn receive(&self, topology: &Topology, request: InboundRequest) -> Receipt {
        let Some(source) = topology.source(request.tenant.as_str(), request.source.as_str()) else {
            return Receipt::UnknownSource;
        };
        let Some(listener) = &source.listener else { return Receipt::UnknownSource };
        if let Some(refused) = self.refuse_address(listener, &request).await {
            return refused;
        }
        let done = match self.judge_fetching(source, listener, &request).await {
            Judged::Handshake(reply) => return Receipt::Handshake(reply),
            Judged::Asks(effect, reply) => self.grant(source, listener, effect, reply, request).await,
            Judged::Events { arrivals, split, reply } => {
                self.tell_verified(source, listener);
                let accepted = self.accept(source, arrivals, split, request).await;
                accepted.map(|events| contract::accepted(source, listener, events, reply))
            }
            Judged::Rejected(reason) => self.reject(source, listener, request, reason).await,
            Judged::Spent => Ok(come_back(KEYS_RETRY_AFTER, "key_fetches_spent")),
            Judged::Pending => self.keep_waiting(request).await,
        };
        contract::unavailable(listener, done.unwrap_or_else(|error| self.unavailable(&error)))
    }

    async fn reject(
        &self,
        source: &Source,
        listener: &Listener,
        request: InboundRequest,
        reason: Reason,
    ) -> Result<Receipt, StoreError> {
        self.tell_rejected(source, listener, &reason);
        self.rejections.tell(source.spec.name.as_str(), &reason.code, self.clock.now());
        let answer = match &*reason.code {
            METHOD_REFUSED => Receipt::MethodRefused { allow: allowed(listener) },
            _ => contract::rejected(listener, &reason),
        };
        self.keep(request, Verdict::Rejected, Some(reason)).await.map(|()| answer)
    }

    /// Does what a handshake asks for, if a person agreed, and answers it only then.
    async fn grant(
        &self,
        source: &Source,
        listener: &Listener,
        effect: Effect,
        reply: Reply,
        request: InboundRequest,
    ) -> Result<Receipt, StoreError> {
        let (granted, brings_secret) = match effect {
            Effect::StoreSecret(offered) => (self.handshakes.offer(source, &request, &offered).await, true),
            Effect::ProposeUrl(url) => (self.handshakes.propose(source, &request, url).await, false),
        };
        match granted {
            Ok(()) => Ok(Receipt::Handshake(reply)),
            Err(Ok(reason)) => {
                // A secret that was not believed is not kept either: somebody might take it from there.
                let body = if brings_secret { Bytes::new() } else { request.body };
                let request = InboundRequest { body, ..request };
                self.reject(source, listener, request, reason).await
            }
            Err(Err(EngineError::Store(error))) => Err(error),
            Err(Err(error)) => Ok(come_back(RETRY_AFTER, error.code())),
        }
    }

    /// The same of a request whose sender has had its answer. An address can be opened later just as well; a secret
    /// counts only while a person waits for it. The inner error is why not.
    pub(crate) async fn grant_late(
        &self,
        source: &Source,
        request: &InboundRequest,
        effect: Effect,
    ) -> Result<Result<(), Reason>, EngineError> {
        let Effect::ProposeUrl(url) = effect else {
            let detail = "it brings a secret, for which nobody waits any more".to_owned();
            return Ok(Err(Reason { code: HANDSHAKE_TOO_LATE.into(), detail }));
        };
        match self.handshakes.propose(source, request, url).await {
            Ok(()) => Ok(Ok(())),
            Err(Ok(reason)) => Ok(Err(reason)),
            Err(Err(error)) => Err(error),
        }
    }

    /// Keeps a request until its key is there, as long as not too many wait already.
    async fn keep_waiting(&self, request: InboundRequest) -> Result<Receipt, StoreError> {
        if !self.waiting_room.takes(&request).await? {
            telemetry::unavailable(WAITING_ROOM_FULL);
            self.alerts.note(&request.tenant, KEY_UNREACHABLE, pending::object(&request), waiting_room::full(&request));
            return Ok(come_back(KEYS_RETRY_AFTER, WAITING_ROOM_FULL));
        }
        let accepted = Receipt::Accepted { events: Vec::new(), reply: None, delay: Duration::ZERO };
        self.keep(request, Verdict::Pending, None).await.map(|()| accepted)
    }

    /// Keeps a request that was refused before it was judged, such as for its size.
    pub async fn refuse(&self, request: InboundRequest, reason: Reason) -> Result<(), StoreError> {
        self.rejections.tell(request.source.as_str(), &reason.code, self.clock.now());
        self.keep(request, Verdict::Rejected, Some(reason)).await
    }

    /// Judges a request, and fetches the keys that it turns out to need.
    async fn judge_fetching(&self, source: &Source, listener: &Listener, request: &InboundRequest) -> Judged {
        for _ in 0..FETCHES_PER_REQUEST {
            let wanted = match self.judge(source, listener, request) {
                Ok(judged) => return judged,
                Err(wanted) => wanted,
            };
            let policy = self.policies.egress(&source.spec.tenant);
            match self.fetcher.fetch(&wanted, &policy).await {
                Ok(()) => {}
                Err(NotFetched::Unreachable) => return Judged::Pending,
                Err(NotFetched::Spent) => return Judged::Spent,
                Err(NotFetched::Absent) => {
                    let detail = "there is no key where the request says that its key is".to_owned();
                    return Judged::Rejected(Reason { code: "key_unknown".into(), detail });
                }
            }
        }
        self.judge(source, listener, request).unwrap_or(Judged::Pending)
    }

    /// Judges by the keys at hand, or says which one is wanted.
    fn judge(&self, source: &Source, listener: &Listener, request: &InboundRequest) -> Result<Judged, Pending> {
        let Some(account) = Account::of(source, &request.connection) else {
            let detail = format!("the source has no connection '{}'", cut(&request.connection));
            return Ok(Judged::Rejected(Reason { code: "unknown_connection".into(), detail }));
        };
        let urls = Urls { configured: &request.url, received: &request.url };
        let peer = Peer { address: request.remote.parse().ok(), by_trusted_proxy: request.by_trusted_proxy() };
        let InboundRequest { method, headers, body, .. } = request;
        let incoming = Incoming { method, urls, headers, body, peer };
        let judge =
            |keys: &Keys| provider::judge_with(&listener.recipe, keys, &incoming, request.received_at, &*self.fetcher);
        let set = listener.keys.get();
        let (judgement, proved) = judge_by_account(&set, &account, &incoming, judge);
        Ok(match judgement {
            Judgement::Handshake(reply) => Judged::Handshake(reply),
            Judgement::Asks(effect, reply) => Judged::Asks(effect, reply),
            Judgement::Rejected(reason) => Judged::Rejected(reason),
            Judgement::Pending(wanted) => return Err(wanted),
            Judgement::Accepted(accepted) => {
                let account = proved.map_or(account, Account::Named);
                let split = !matches!(accepted.events.as_slice(), [only] if only.payload.bytes(&request.body).len() == request.body.len());
                let assurance = accepted.assurance;
                let context = Context { source, listener, set: &set, request, account: &account, assurance };
                let ids = self.ids(request, accepted.events.len(), split);
                let found = accepted.events.iter().zip(ids);
                let arrivals = found.map(|(found, id)| self.arrival(&context, found, id)).collect();
                Judged::Events { arrivals, split, reply: accepted.reply }
            }
        })
    }

    /// The one event of a request shares its UUID, so that either is found by the other's id.
    fn ids(&self, request: &InboundRequest, count: usize, split: bool) -> Vec<Uuid> {
        if !split {
            return vec![request.id.uuid()];
        }
        (0..count).map(|_| uuid_v7(&*self.entropy, request.received_at)).collect()
    }

    fn arrival(&self, context: &Context<'_>, found: &FoundEvent, id: Uuid) -> Arrival {
        let Context { source, listener, set, request, account, assurance } = context;
        let connection = account.connection(source, found.connection.as_deref());
        if connection == ConnectionName::unassigned() {
            self.tell_unassigned(source, found.connection.as_deref().unwrap_or_default());
        }
        let payload = found.payload.bytes(&request.body);
        let scope = Scope { tenant: request.tenant.clone(), source: source.spec.name.clone(), connection };
        let within = source.spec.webhook.as_ref().and_then(|webhook| webhook.dedupe_within);
        let within = within.unwrap_or_else(|| listener.recipe.dedupe_within());
        let identities = message_key(&scope, &found.identity(&payload, within)).into_iter().collect();
        let mut event = Event {
            id: EventId::from_uuid(id),
            tenant: scope.tenant,
            source: scope.source,
            connection: scope.connection,
            event_type: Arc::clone(&found.event_type),
            native_type: None,
            subject: found.subject.clone(),
            action: None,
            version: found.version,
            origin: Origin::Native,
            assurance: *assurance,
            occurred_at: found.occurred_at,
            received_at: request.received_at,
            request: Some(request.id),
            head: request.encode_head(set.secret_places()),
            content_type: Arc::clone(&found.content_type),
            payload,
        };
        let state = mapped::name(source, &mut event);
        Arrival { event, identities, state, is_json: found.is_json }
    }

    async fn accept(
        &self,
        source: &Source,
        arrivals: Vec<Arrival>,
        split: bool,
        request: InboundRequest,
    ) -> Result<Vec<(EventId, bool)>, StoreError> {
        // A split request is kept whole beside its children; a single event is its request.
        let kept = split.then(|| kept(self.heads.seal(request), Verdict::Accepted, None, None));
        let hints: Vec<_> = arrivals.iter().flat_map(|arrival| mapped::hints(source, &arrival.event)).collect();
        let accepted = self.acceptor.accept(source, arrivals, kept).await?;
        hints.into_iter().for_each(|(key, says_what)| self.streams.hint(key, says_what));
        Ok(answer(&accepted))
    }

    async fn keep(&self, request: InboundRequest, verdict: Verdict, reason: Option<Reason>) -> Result<(), StoreError> {
        let due = (verdict == Verdict::Pending).then(|| request.received_at + AGAIN_FIRST);
        if verdict == Verdict::Rejected {
            self.ledger.rejected(&request.tenant, &request.source);
        }
        self.store
            .keep_requests(vec![kept(self.heads.seal(request), verdict, reason, due)], RejectedBounds::default())
            .await
    }

    fn unavailable(&self, error: &StoreError) -> Receipt {
        telemetry::unavailable(error.code());
        self.alerts.note_store(error);
        if error.fatal() {
            self.failure.report(error.clone());
        }
        come_back(RETRY_AFTER, error.code())
    }

    fn tell_unassigned(&self, source: &Source, account: &str) {
        let object = format!("source/{}", source.spec.name);
        let detail = format!(
            "source '{}' receives events of the account '{account}', which no connection names; they are kept under 'unassigned'",
            source.spec.name
        );
        self.alerts.note(&source.spec.tenant, CONNECTION_UNASSIGNED, object, detail);
    }

    fn tell_verified(&self, source: &Source, listener: &Listener) {
        if listener.health.accepted(self.clock.now()) {
            self.alerts.gone(&source.spec.tenant, SIGNATURES_FAILING, format!("source/{}", source.spec.name));
        }
    }

    fn tell_rejected(&self, source: &Source, listener: &Listener, reason: &Reason) {
        let name = &source.spec.name;
        if is_about_signatures(&reason.code) && listener.health.rejected(self.clock.now()) {
            let detail = format!(
                "requests to source '{name}' are rejected, the last one for {}: see whether its secret is still the sender's, then re-verify them",
                reason.code
            );
            self.alerts.note(&source.spec.tenant, SIGNATURES_FAILING, format!("source/{name}"), detail);
        }
    }

    #[must_use]
    pub fn new_request_id(&self) -> RequestId {
        RequestId::from_uuid(uuid_v7(&*self.entropy, self.clock.now()))
    }
}

struct Context<'a> {
    source: &'a Source,
    listener: &'a Listener,
    set: &'a KeySet,
    request: &'a InboundRequest,
    account: &'a Account,
    assurance: Assurance,
}

fn kept(
    request: InboundRequest,
    verdict: Verdict,
    reason: Option<Reason>,
    due: Option<domain::Timestamp>,
) -> KeptRequest {
    let body_bytes = request.body.len() as u64;
    KeptRequest { request: Arc::new(request), verdict, reason, due, body_bytes }
}

/// The value of `Allow`. All keys of a source are of one recipe.
fn allowed(listener: &Listener) -> String {
    let set = listener.keys.get();
    let methods: Vec<_> = set.all().take(1).flat_map(Keys::methods).collect();
    methods.join(", ")
}

/// Our own failure, or somebody else's that passes.
fn come_back(retry_after: Duration, code: &'static str) -> Receipt {
    Receipt::Unavailable { retry_after, code, reply: None }
}

fn answer(accepted: &[Accepted]) -> Vec<(EventId, bool)> {
    accepted.iter().map(|accepted| (accepted.id, accepted.duplicate)).collect()
}
