//! What a vector says of its events coming once more: whether they are the same ones, by how much later they come.

use std::time::Duration;

use bytes::Bytes;
use domain::identity::{Scope, message_key};
use domain::{ConnectionName, Tenant};
use serde::Deserialize;

use crate::provider::event::FoundEvent;
use crate::provider::span::Span;

/// The same body once more, as a sender's retry brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct AgainSpec {
    /// How much later.
    after: Span,
    /// Whether its events are those of the first time.
    same: bool,
}

impl From<AgainSpec> for Again {
    fn from(written: AgainSpec) -> Self {
        Self { after: written.after.0, same: written.same }
    }
}

/// The same body once more, as a sender's retry brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    pub after: Duration,
    pub same: bool,
}

impl Again {
    /// Whether this is what becomes of the events, for a source that leaves `dedupe.within` to its recipe.
    pub(super) fn hold(self, events: &[FoundEvent], body: &Bytes, within: Duration) -> Result<(), String> {
        let known = |event: &FoundEvent| {
            let payload = event.payload.bytes(body);
            let key = message_key(&scope(), &event.identity(&payload, within));
            key.is_some_and(|key| key.counts(self.after))
        };
        let known = events.iter().filter(|event| known(event)).count();
        if known == if self.same { events.len() } else { 0 } && !events.is_empty() {
            return Ok(());
        }
        let (seconds, total) = (self.after.as_secs(), events.len());
        let expected = if self.same { "all" } else { "none" };
        Err(format!("{seconds} s later {known} of its {total} events are the same, expected {expected}"))
    }
}

/// Any: what is the same within one scope is so within each.
fn scope() -> Scope {
    Scope {
        tenant: Tenant::default_tenant(),
        source: "source".parse().expect("it is a name"),
        connection: ConnectionName::default_connection(),
    }
}
