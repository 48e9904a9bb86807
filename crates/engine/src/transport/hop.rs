//! The guard against loops of gateways: each one adds to a counter in a header, and stops at a limit.

use http::{HeaderMap, HeaderName, HeaderValue};

/// How many gateways a message has passed. Sent with every delivery.
pub const HOP_HEADER: HeaderName = HeaderName::from_static("trireme-hop");

/// Gateways in a row that make sense (regions, tenants, teams); a loop reaches it in an instant.
pub const HOPS_MAX: u8 = 8;

/// What to do with a message that came with this many hops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Send it on with this value of [`HOP_HEADER`].
    Forward(HeaderValue),
    /// It has been round too often: it must not be sent again.
    Stop,
}

/// How many gateways an inbound request has passed; 0 without the header. What is no single small number was not
/// written by a gateway and counts as the limit, so that nobody resets the counter by garbling it.
#[must_use]
pub fn hops_of(headers: &HeaderMap) -> u8 {
    let mut values = headers.get_all(HOP_HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => 0,
        (Some(value), None) => value
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .unwrap_or(HOPS_MAX),
        (Some(_), Some(_)) => HOPS_MAX,
    }
}

/// Whether a message that came with `hops` may be sent on.
#[must_use]
pub fn next_hop(hops: u8) -> Hop {
    if hops >= HOPS_MAX { Hop::Stop } else { Hop::Forward(HeaderValue::from(u16::from(hops) + 1)) }
}
