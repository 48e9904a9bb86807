//! A call: one request that we sent to a source, and why. No bodies, no query: those hold data and secrets.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ConnectionName, SourceName, Tenant, Timestamp};

/// Why a source was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A person or a program reads records through us.
    Read,
    /// Whether the credentials work.
    Check,
    /// A new access token.
    Token,
    /// Records for an event that is being prepared.
    Enrich,
    Poll,
    Reconcile,
    Backfill,
    /// The source's own webhook subscriptions.
    Subscribe,
}

impl Purpose {
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Check,
        Self::Token,
        Self::Enrich,
        Self::Poll,
        Self::Reconcile,
        Self::Backfill,
        Self::Subscribe,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Check => "check",
            Self::Token => "token",
            Self::Enrich => "enrich",
            Self::Poll => "poll",
            Self::Reconcile => "reconcile",
            Self::Backfill => "backfill",
            Self::Subscribe => "subscribe",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// One request to a source, after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub tenant: Tenant,
    pub source: SourceName,
    pub connection: ConnectionName,
    /// `None` for what belongs to no stream, such as a token.
    pub stream: Option<Arc<str>>,
    pub purpose: Purpose,
    pub method: Arc<str>,
    /// Without its query and credentials.
    pub url: String,
    pub started_at: Timestamp,
    /// Until the last byte of the answer, or the failure.
    pub duration: Duration,
    /// `None` if there was no answer.
    pub status: Option<u16>,
    /// Code of why there was no answer.
    pub error: Option<Arc<str>>,
    /// Of the answer's body, as it came over the wire.
    pub bytes: u64,
    /// Requests that the source said are left, where it says so.
    pub budget_left: Option<u64>,
}

impl Call {
    /// Whether it counts into the error rate: no answer, or one that says that something is wrong. 304 is an answer.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status.is_none_or(|status| status >= 400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_is_read_back_from_its_name() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.as_str());
        }
        assert_eq!(Purpose::parse("other"), None);
    }
}
