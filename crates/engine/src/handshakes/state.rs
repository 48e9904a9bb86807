//! What is kept of one source's handshakes, and what may become of it. Pure: no clock, no store, no secret in plain.

use std::time::Duration;

use domain::{ConnectionName, HandshakeId, PairingId, Timestamp};
use serde::{Deserialize, Serialize};

/// Addresses that may wait for a person at once: a sender has one for each subscription.
pub const PROPOSALS_WAITING_MAX: usize = 20;
/// Settled ones that are still shown.
const PROPOSALS_SETTLED_MAX: usize = 20;
/// Accounts that may wait for their secrets at once.
pub const PAIRINGS_OPEN_MAX: usize = 100;
/// How long a secret may be shown to a person after it came: they sit before the sender's page.
pub const HAND_BACK_FOR: Duration = Duration::from_secs(10 * 60);

/// Everything of one source. An empty one is a source that nothing was asked of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceHandshakes {
    #[serde(default)]
    pub open: Vec<OpenPairing>,
    #[serde(default)]
    pub paired: Vec<PairedSecret>,
    #[serde(default)]
    pub proposals: Vec<Proposal>,
}

/// A person waits for a sender's secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenPairing {
    /// `None`: for the source itself.
    pub connection: Option<ConnectionName>,
    pub until: Timestamp,
}

/// A secret that came, sealed for its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedSecret {
    pub id: PairingId,
    pub connection: Option<ConnectionName>,
    /// Of another provider's recipe it counts no more.
    pub provider: String,
    pub role: String,
    pub sealed: String,
    pub paired_at: Timestamp,
    /// The address that sent it, for a person to recognise.
    pub from: String,
    /// Until when it may be shown, once; `None`: it was, or never may.
    pub hand_back_until: Option<Timestamp>,
}

/// An address that a verified request asked to be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    pub id: HandshakeId,
    pub url: String,
    pub state: ProposalState,
    pub proposed_at: Timestamp,
    pub from: String,
    pub settled_at: Option<Timestamp>,
    /// What came of it, for people.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// For a person.
    Waiting,
    /// A person said yes; it is being opened.
    Approved,
    Opened,
    /// It could not be opened; a person may approve it again.
    Failed,
    Refused,
}

impl ProposalState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Opened => "opened",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

impl SourceHandshakes {
    /// Lets the source, or one of its connections, wait for a secret until then; gives whether there was room.
    pub fn open(&mut self, connection: Option<ConnectionName>, until: Timestamp, now: Timestamp) -> bool {
        self.open.retain(|open| open.until > now && open.connection != connection);
        let room = self.open.len() < PAIRINGS_OPEN_MAX;
        if room {
            self.open.push(OpenPairing { connection, until });
        }
        room
    }

    #[must_use]
    pub fn is_open(&self, connection: Option<&ConnectionName>, now: Timestamp) -> bool {
        self.open.iter().any(|open| open.connection.as_ref() == connection && open.until > now)
    }

    /// Takes the secret that was waited for; from now on nobody waits.
    pub fn pair(&mut self, secret: PairedSecret) {
        self.open.retain(|open| open.connection != secret.connection);
        self.paired.retain(|known| known.provider == secret.provider);
        self.paired.push(secret);
    }

    /// The secret that is to be shown, which it is never again.
    pub fn hand_back(&mut self, id: PairingId, now: Timestamp) -> Option<PairedSecret> {
        let secret = self.paired.iter_mut().find(|secret| secret.id == id)?;
        secret.hand_back_until.take().filter(|until| now < *until)?;
        Some(secret.clone())
    }

    /// Notes an address, unless it is known; gives whether there was room for it.
    pub fn propose(&mut self, proposal: Proposal) -> bool {
        let live = |known: &Proposal| matches!(known.state, ProposalState::Waiting | ProposalState::Approved);
        if self.proposals.iter().any(|known| known.url == proposal.url && live(known)) {
            return true;
        }
        if self.waiting() >= PROPOSALS_WAITING_MAX {
            return false;
        }
        let settled = self.proposals.iter().filter(|known| !live(known)).count();
        if settled >= PROPOSALS_SETTLED_MAX
            && let Some(oldest) = self.proposals.iter().position(|known| !live(known))
        {
            self.proposals.remove(oldest);
        }
        self.proposals.push(proposal);
        true
    }

    #[must_use]
    pub fn waiting(&self) -> usize {
        self.proposals.iter().filter(|proposal| proposal.state == ProposalState::Waiting).count()
    }

    pub fn proposal(&mut self, id: HandshakeId) -> Option<&mut Proposal> {
        self.proposals.iter_mut().find(|proposal| proposal.id == id)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn secret(number: u128, provider: &str) -> PairedSecret {
        PairedSecret {
            id: PairingId::from_uuid(Uuid::from_u128(number)),
            connection: None,
            provider: provider.to_owned(),
            role: "signing".to_owned(),
            sealed: "sealed".to_owned(),
            paired_at: at(1),
            from: "192.0.2.1".to_owned(),
            hand_back_until: Some(at(100)),
        }
    }

    fn proposal(number: u128, state: ProposalState) -> Proposal {
        Proposal {
            id: HandshakeId::from_uuid(Uuid::from_u128(number)),
            url: format!("https://sns.eu-west-1.amazonaws.com/?n={number}"),
            state,
            proposed_at: at(1),
            from: "192.0.2.1".to_owned(),
            settled_at: None,
            detail: String::new(),
        }
    }

    #[test]
    fn waiting_ends_by_time_and_by_the_first_secret() {
        let mut source = SourceHandshakes::default();
        let acme: ConnectionName = "acme".parse().expect("a name");
        assert!(source.open(None, at(10), at(0)) && source.open(Some(acme.clone()), at(20), at(0)));
        assert!(source.is_open(None, at(9)) && !source.is_open(None, at(10)), "its end is not part of it");
        source.pair(secret(1, "asana"));
        assert!(!source.is_open(None, at(1)) && source.is_open(Some(&acme), at(1)), "each account waits for its own");
        source.pair(secret(2, "notion"));
        assert_eq!(source.paired.len(), 1, "another provider's secrets are of no use");
    }

    #[test]
    fn a_secret_is_shown_once_and_only_while_its_time_lasts() {
        let mut source =
            SourceHandshakes { paired: vec![secret(1, "notion"), secret(2, "notion")], ..Default::default() };
        let [first, second] = [source.paired[0].id, source.paired[1].id];
        assert!(source.hand_back(first, at(99)).is_some());
        assert!(source.hand_back(first, at(99)).is_none(), "once");
        assert!(source.hand_back(second, at(100)).is_none(), "in time");
        assert!(source.hand_back(second, at(1)).is_none(), "a clock set back brings nothing back");
    }

    #[test]
    fn addresses_are_noted_once_and_bounded() {
        let mut source = SourceHandshakes::default();
        for number in 0..PROPOSALS_WAITING_MAX as u128 {
            assert!(source.propose(proposal(number, ProposalState::Waiting)));
            assert!(source.propose(proposal(number, ProposalState::Waiting)), "known");
        }
        assert_eq!(source.waiting(), PROPOSALS_WAITING_MAX);
        assert!(!source.propose(proposal(999, ProposalState::Waiting)));
        for number in 1_000..1_100 {
            source.proposals.iter_mut().for_each(|known| known.state = ProposalState::Refused);
            assert!(source.propose(proposal(number, ProposalState::Waiting)));
        }
        assert!(source.proposals.len() <= PROPOSALS_SETTLED_MAX + 1, "{}", source.proposals.len());
    }
}
