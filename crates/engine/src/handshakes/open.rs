//! Opens an address that a person approved: through the transport and its address rules, without redirects, and again
//! with growing pauses while nobody answers there.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::state::{Proposal, ProposalState};
use super::{Handshakes, Key, claim, release};
use crate::engine::{Engine, EngineError};
use crate::transport::{Limits, OutboundRequest, Target};

/// Pauses between tries: senders give an address a few minutes to a few days.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(5 * 60)];

/// What an answer says is of no interest, only that there is one.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(10),
    body: Duration::from_secs(1),
    total: Duration::from_secs(15),
    body_bytes: 1024,
};

/// How a try ended.
enum Tried {
    Opened(u16),
    /// Trying again may help.
    NotNow(String),
    /// It will not.
    Never(String),
}

impl Engine {
    /// Opens an approved address beside everything else; what is being opened already is left alone.
    pub(super) fn open_approved(&self, key: &Key, proposal: &Proposal) {
        if !claim(&self.inner.handshakes.opening, proposal.id) {
            return;
        }
        let (handshakes, stop) = (Arc::clone(&self.inner.handshakes), self.inner.stop.clone());
        let (key, proposal) = (key.clone(), proposal.clone());
        self.spawn(async move {
            tokio::select! {
                biased;
                // It is approved still, so the next start opens it.
                () = stop.cancelled() => {}
                () = handshakes.open(&key, &proposal) => {}
            }
            release(&handshakes.opening, proposal.id);
        });
    }

    /// Takes up what was approved and not opened when the process ended.
    pub(crate) async fn open_all_approved(&self) -> Result<(), EngineError> {
        let known = self.inner.handshakes.known.lock().await.clone();
        for (key, state) in &known {
            for proposal in state.proposals.iter().filter(|proposal| proposal.state == ProposalState::Approved) {
                self.open_approved(key, proposal);
            }
        }
        Ok(())
    }
}

impl Handshakes {
    async fn open(&self, key: &Key, proposal: &Proposal) {
        let mut pauses = PAUSES.into_iter();
        let (state, detail) = loop {
            match self.try_once(key, proposal).await {
                Tried::Opened(status) => break (ProposalState::Opened, format!("answered with {status}")),
                Tried::Never(why) => break (ProposalState::Failed, why),
                Tried::NotNow(why) => match pauses.next() {
                    Some(pause) => self.clock.sleep(pause).await,
                    None => break (ProposalState::Failed, why),
                },
            }
        };
        let now = self.clock.now();
        let settled = self.change(key, |known| {
            if let Some(proposal) = known.proposal(proposal.id) {
                (proposal.state, proposal.settled_at, proposal.detail) = (state, Some(now), detail.clone());
            }
            Ok(())
        });
        if let Err(error) = settled.await {
            // It is approved still: the next start opens it once more, which senders take as the same.
            tracing::warn!(event = "handshake_unsettled", source = %key.1, code = error.code(), %error);
        }
    }

    async fn try_once(&self, key: &Key, proposal: &Proposal) -> Tried {
        let policy = self.policies.egress(&key.0);
        let target = match Target::parse(&proposal.url, &policy) {
            Ok(target) => Arc::new(target),
            Err(refused) => return Tried::Never(refused.to_string()),
        };
        let (method, headers, body) = (Method::GET, HeaderMap::new(), bytes::Bytes::new());
        let request = OutboundRequest { method, target, headers, body, limits: LIMITS };
        match self.transport.send(request).await {
            Ok(response) => match response.status {
                status @ 200..=299 => Tried::Opened(status),
                status @ (408 | 425 | 429 | 500..=599) => Tried::NotNow(format!("answered with {status}")),
                status => Tried::Never(format!("answered with {status}")),
            },
            Err(error) => Tried::NotNow(error.to_string()),
        }
    }
}
