//! Why a request got no response, with a stable code each, and whether it may have arrived all the same.

use std::time::Duration;

use super::egress::EgressRefused;

/// A request without a response. Texts are shown to people who own the destination, never to others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    EgressRefused(#[from] EgressRefused),
    #[error("the name {name} could not be resolved: {problem}")]
    DnsFailed { name: String, problem: String },
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no connection: {0}")]
    ConnectFailed(String),
    #[error("no TLS connection: {0}")]
    TlsFailed(String),
    #[error("connected, but no response within {0:?}")]
    FirstByteTimeout(Duration),
    #[error("no response within {0:?} in all")]
    TotalTimeout(Duration),
    /// `kept` tells that the connection had served requests before: servers close such ones at any time, so
    /// another try at once is reasonable.
    #[error("the connection was closed before a response came: {problem}")]
    ConnectionReset { kept: bool, problem: String },
    #[error("the response's head is larger than {bytes_max} bytes or has more than {HEADERS_MAX} headers")]
    ResponseTooLarge { bytes_max: usize },
    #[error("the response is not HTTP/1.1: {0}")]
    ProtocolError(String),
}

/// Most headers of one response: the HTTP library's fixed table, which needs no allocation.
pub(super) const HEADERS_MAX: usize = 100;

impl SendError {
    /// For machines: attempts are stored and counted by it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EgressRefused(_) => EgressRefused::CODE,
            Self::DnsFailed { .. } => "dns_failed",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::ConnectFailed(_) => "connect_failed",
            Self::TlsFailed(_) => "tls_failed",
            Self::FirstByteTimeout(_) => "first_byte_timeout",
            Self::TotalTimeout(_) => "total_timeout",
            Self::ConnectionReset { .. } => "connection_reset",
            Self::ResponseTooLarge { .. } => "response_too_large",
            Self::ProtocolError(_) => "protocol_error",
        }
    }

    /// Whether the request may have reached the peer. `false` is certain, `true` is not.
    #[must_use]
    pub const fn sent(&self) -> bool {
        match self {
            Self::EgressRefused(_)
            | Self::DnsFailed { .. }
            | Self::ConnectTimeout(_)
            | Self::ConnectFailed(_)
            | Self::TlsFailed(_) => false,
            Self::FirstByteTimeout(_)
            | Self::TotalTimeout(_)
            | Self::ConnectionReset { .. }
            | Self::ResponseTooLarge { .. }
            | Self::ProtocolError(_) => true,
        }
    }
}
