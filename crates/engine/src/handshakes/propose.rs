//! Addresses that senders ask to be opened: noted, told to a person, and opened only after they said yes.

use domain::request::{InboundRequest, Reason};
use domain::{HandshakeId, SourceName, Tenant};

use super::state::{PROPOSALS_WAITING_MAX, Proposal, ProposalState};
use super::{Handshakes, Key, key_of, no_listener};
use crate::alert::HANDSHAKE_WAITING;
use crate::engine::{Engine, EngineError};
use crate::entropy::uuid_v7;
use crate::topology::Source;

impl Handshakes {
    /// Notes what a verified request asks for. `Err(Ok(reason))`: there are too many already.
    pub async fn propose(
        &self,
        source: &Source,
        request: &InboundRequest,
        url: String,
    ) -> Result<(), Result<Reason, EngineError>> {
        let (key, now) = (key_of(source), self.clock.now());
        let proposal = Proposal {
            id: HandshakeId::from_uuid(uuid_v7(&*self.entropy, now)),
            url,
            state: ProposalState::Waiting,
            proposed_at: now,
            from: request.remote.to_string(),
            settled_at: None,
            detail: String::new(),
        };
        let noted = self.change(&key, |state| Ok(state.propose(proposal.clone()))).await.map_err(Err)?;
        let detail = format!(
            "the sender of source '{}' asks for an address to be opened before it sends: see `trireme source handshakes {}`, then approve or refuse it",
            key.1, key.1
        );
        self.alerts.note(&key.0, HANDSHAKE_WAITING, format!("source/{}", key.1), detail);
        if noted {
            return Ok(());
        }
        let detail = format!("{PROPOSALS_WAITING_MAX} addresses wait for a person already: approve or refuse them");
        Err(Ok(Reason { code: "handshakes_waiting".into(), detail }))
    }

    /// Nobody has to be told any more once nothing waits.
    pub(super) fn tell_settled(&self, key: &Key, waiting: usize) {
        if waiting == 0 {
            self.alerts.gone(&key.0, HANDSHAKE_WAITING, format!("source/{}", key.1));
        }
    }
}

impl Engine {
    /// The addresses that a source's sender asked for, oldest first.
    pub async fn proposals(&self, tenant: &Tenant, name: &SourceName) -> Result<Vec<Proposal>, EngineError> {
        let key = self.proposing_source(tenant, name)?;
        Ok(self.inner.handshakes.read(&key).await?.proposals)
    }

    /// A person says yes: the address is opened, and again for a while until somebody answers there.
    pub async fn approve_proposal(
        &self,
        tenant: &Tenant,
        name: &SourceName,
        id: HandshakeId,
    ) -> Result<Proposal, EngineError> {
        let approved = self.settle_proposal(tenant, name, id, ProposalState::Approved).await?;
        tracing::info!(event = "handshake_approved", source = %name, %id);
        self.open_approved(&(tenant.clone(), name.clone()), &approved);
        Ok(approved)
    }

    /// A person says no: it is never opened.
    pub async fn refuse_proposal(
        &self,
        tenant: &Tenant,
        name: &SourceName,
        id: HandshakeId,
    ) -> Result<Proposal, EngineError> {
        self.settle_proposal(tenant, name, id, ProposalState::Refused).await
    }

    async fn settle_proposal(
        &self,
        tenant: &Tenant,
        name: &SourceName,
        id: HandshakeId,
        next: ProposalState,
    ) -> Result<Proposal, EngineError> {
        let key = self.proposing_source(tenant, name)?;
        let now = self.inner.clock.now();
        let settled = self.inner.handshakes.change(&key, |state| {
            let Some(proposal) = state.proposal(id) else {
                return Err(EngineError::NotFound(format!("source '{name}' has no handshake {id}")));
            };
            if !matches!(proposal.state, ProposalState::Waiting | ProposalState::Failed) {
                let detail = format!("handshake {id} is {} already", proposal.state.as_str());
                return Err(EngineError::Invalid { code: "state_refused", detail });
            }
            (proposal.state, proposal.settled_at) = (next, Some(now));
            proposal.detail.clear();
            let proposal = proposal.clone();
            Ok((proposal, state.waiting()))
        });
        let (proposal, waiting) = settled.await?;
        self.inner.handshakes.tell_settled(&key, waiting);
        Ok(proposal)
    }

    fn proposing_source(&self, tenant: &Tenant, name: &SourceName) -> Result<Key, EngineError> {
        let topology = self.topology();
        let source = topology.source(tenant.as_str(), name.as_str()).filter(|source| source.listener.is_some());
        source.map(|source| key_of(source)).ok_or_else(|| no_listener(name))
    }
}
