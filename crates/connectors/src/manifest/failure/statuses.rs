//! What a status means where the manifest says nothing.

use super::{Action, FailureType};

/// The usual meaning of a status: what to do, whose fault it is, and what to tell a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub action: Action,
    pub failure_type: FailureType,
    pub message: &'static str,
}

/// The meaning of a status, if it has one of its own; all others of 400 and more are tried again.
#[must_use]
pub const fn meaning(status: u16) -> Option<Meaning> {
    use Action::{Fail, RateLimited, Retry};
    use FailureType::{Config, System, Transient};
    let (action, failure_type, message) = match status {
        400 => (Fail, System, "the source calls the request malformed (status 400): check the stream's parameters"),
        401 => (Fail, Config, "the source does not accept the credentials (status 401): check them or connect again"),
        403 => {
            (Fail, Config, "the source does not permit this with these credentials (status 403): check their scopes")
        }
        404 => (Fail, System, "the source has nothing at this address (status 404): check the stream's path"),
        405 => (Fail, System, "the source does not accept this method here (status 405): check 'http_method'"),
        408 => (Retry, Transient, "the source waited too long for the request (status 408)"),
        429 => (RateLimited, Transient, "the source says that we ask too often (status 429)"),
        500 => (Retry, Transient, "the source failed by itself (status 500)"),
        502 => (Retry, Transient, "a gateway before the source failed (status 502)"),
        503 => (Retry, Transient, "the source is unavailable (status 503)"),
        504 => (Retry, Transient, "the source did not answer its gateway in time (status 504)"),
        _ => return None,
    };
    Some(Meaning { action, failure_type, message })
}
