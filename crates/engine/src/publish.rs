//! Publishing events of one's own, and judging kept requests again.

use bytes::Bytes;
use domain::event::cut;
use domain::identity::{MessageIdentity, Scope, message_key};
use domain::request::{Reason, Verdict};
use domain::{Assurance, ConnectionName, Event, EventId, Origin, RequestId, SourceName, Subject, Tenant};
use store::intake::Accepted;

use crate::accept::Arrival;
use crate::engine::{Engine, EngineError};
use crate::entropy::uuid_v7;
use crate::message::JSON;
use crate::receive::{HANDSHAKE_TOO_LATE, Judged};

/// An event of the owner's own.
#[derive(Clone, Debug)]
pub struct Publication {
    pub tenant: Tenant,
    pub source: SourceName,
    pub event_type: String,
    pub subject: Option<String>,
    /// JSON, passed on byte for byte.
    pub data: Bytes,
    /// The same key with the same body is the same event; with another body it is refused.
    pub idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub id: EventId,
    pub duplicate: bool,
}

/// What became of a request that was judged again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverified {
    pub verdict: Verdict,
    pub reason: Option<Reason>,
    pub events: Vec<Accepted>,
}

/// Reasons for which requests are kept without their bodies: for their size, or because of a secret within.
const WITHOUT_BODY: [&str; 3] = ["body_too_large", "not_pairing", "pairing_refused"];

impl Engine {
    /// Accepts an event that its owner publishes; durable when this returns.
    pub async fn publish(&self, publication: Publication) -> Result<Published, EngineError> {
        let topology = self.topology();
        let (tenant, name) = (publication.tenant.as_str(), publication.source.as_str());
        let Some(source) = topology.source(tenant, name) else {
            return Err(EngineError::NotFound(format!("there is no source '{name}'")));
        };
        if !source.spec.publish {
            let detail = format!("source '{name}' takes no events of your own: give it `publish: true`");
            return Err(EngineError::Invalid { code: "source_not_published", detail });
        }
        let arrival = self.published(&publication);
        let event = arrival.event.clone();
        let accepted = self.inner.acceptor.accept(source, vec![arrival], None).await?;
        let Some(first) = accepted.into_iter().next() else {
            return Err(EngineError::Store(store::StoreError::Closed));
        };
        if first.duplicate {
            self.check_same(&event, first.id).await?;
        }
        Ok(Published { id: first.id, duplicate: first.duplicate })
    }

    fn published(&self, publication: &Publication) -> Arrival {
        let now = self.inner.clock.now();
        let scope = Scope {
            tenant: publication.tenant.clone(),
            source: publication.source.clone(),
            connection: ConnectionName::default_connection(),
        };
        let identity = publication.idempotency_key.as_deref().map(MessageIdentity::Id);
        let identities = identity.and_then(|identity| message_key(&scope, &identity)).into_iter().collect();
        let event = Event {
            id: EventId::from_uuid(uuid_v7(&*self.inner.entropy, now)),
            tenant: scope.tenant,
            source: scope.source,
            connection: scope.connection,
            event_type: cut(&publication.event_type).into(),
            native_type: None,
            subject: publication.subject.as_deref().map(Subject::from_text),
            action: None,
            version: None,
            origin: Origin::Published,
            assurance: Assurance::Body,
            occurred_at: None,
            received_at: now,
            request: None,
            head: Bytes::new(),
            content_type: JSON.into(),
            payload: publication.data.clone(),
        };
        Arrival { event, identities, state: None, is_json: false }
    }

    /// The same key with another body is a mistake of the caller, not the same event.
    async fn check_same(&self, event: &Event, first: EventId) -> Result<(), EngineError> {
        let known = self.inner.store.event(event.tenant.clone(), first).await?;
        let same = known.is_none_or(|known| {
            let known = known.event;
            known.payload == event.payload && known.event_type == event.event_type && known.subject == event.subject
        });
        if same { Ok(()) } else { Err(EngineError::KeyReused) }
    }

    /// Judges a rejected or pending request again, by the secrets of now and the time it was received.
    pub async fn reverify(&self, tenant: Tenant, id: RequestId) -> Result<Reverified, EngineError> {
        let Some(kept) = self.inner.store.request(tenant.clone(), id).await? else {
            return Err(EngineError::NotFound(format!("there is no request {id}")));
        };
        if kept.verdict == Verdict::Accepted {
            return Err(EngineError::Conflict(format!("request {id} was accepted already")));
        }
        if kept.reason.as_ref().is_some_and(|reason| WITHOUT_BODY.contains(&&*reason.code)) {
            let detail = format!("request {id} was refused and kept without its body: it cannot be verified");
            return Err(EngineError::Conflict(detail));
        }
        let opened = self.inner.heads.open(&kept.request);
        let request = opened.map_err(|error| EngineError::Conflict(format!("the head of request {id}: {error}")))?;
        let topology = self.topology();
        let source = topology.source(tenant.as_str(), request.source.as_str());
        let Some((source, listener)) = source.and_then(|source| Some((source, source.listener.as_ref()?))) else {
            return Err(EngineError::Conflict(format!("source '{}' takes no webhooks now", request.source)));
        };
        match self.inner.receiver.judge_kept(source, listener, &request).await {
            Judged::Events { arrivals, .. } => {
                let events = self.inner.acceptor.rejudge(source, arrivals, &request).await?;
                Ok(Reverified { verdict: Verdict::Accepted, reason: None, events })
            }
            Judged::Rejected(reason) => self.still_rejected(tenant, id, reason).await,
            Judged::Handshake(_) => {
                let detail = "it is a handshake, which makes no event".to_owned();
                self.still_rejected(tenant, id, Reason { code: HANDSHAKE_TOO_LATE.into(), detail }).await
            }
            Judged::Asks(effect, _) => match self.inner.receiver.grant_late(source, &request, effect).await? {
                Ok(()) => {
                    let events = self.inner.acceptor.rejudge(source, Vec::new(), &request).await?;
                    Ok(Reverified { verdict: Verdict::Accepted, reason: None, events })
                }
                Err(reason) => self.still_rejected(tenant, id, reason).await,
            },
            Judged::Pending | Judged::Spent => {
                Ok(Reverified { verdict: Verdict::Pending, reason: None, events: Vec::new() })
            }
        }
    }

    async fn still_rejected(&self, tenant: Tenant, id: RequestId, reason: Reason) -> Result<Reverified, EngineError> {
        let now = self.inner.clock.now();
        let (verdict, kept) = (Verdict::Rejected, Some(reason.clone()));
        self.inner.store.rejudge(tenant, id, verdict, kept, None, Vec::new(), now).await?;
        Ok(Reverified { verdict, reason: Some(reason), events: Vec::new() })
    }
}
