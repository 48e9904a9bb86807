//! One inbound HTTP request as received, with its verdict.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{RequestId, SourceName, Tenant, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    Rejected,
    /// Its key could not be fetched yet: answered 2xx, verified again with back-off.
    Pending,
}

impl Verdict {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Pending => "pending",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected, Self::Pending].into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// A request with everything a later verification needs. Headers keep their order and repetitions;
/// names are lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundRequest {
    pub id: RequestId,
    pub tenant: Tenant,
    pub source: SourceName,
    /// The connection as the path named it; empty when it named none.
    pub connection: Arc<str>,
    pub method: Arc<str>,
    /// The URL as the sender called it (`public_url` and trusted proxies applied), query included.
    pub url: Arc<str>,
    pub headers: Vec<(Arc<str>, Bytes)>,
    /// Exactly the bytes received, still compressed if they came so. Empty if they were refused for their size.
    pub body: Bytes,
    /// The peer's address, behind trusted proxies the client's; text, because it is only shown.
    pub remote: Arc<str>,
    pub received_at: Timestamp,
}

/// Why a request was not accepted: a stable code for machines and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Snake case, from a fixed list of few: requests are bounded per source and code.
    pub code: Arc<str>,
    pub detail: String,
}
