//! What a provider wants to hear when something is not as it should be: its reply contract, where its recipe has one.

use connectors::provider::Reply;
use domain::request::Reason;
use domain::{EventId, SourceName, Tenant};

use super::Receipt;
use crate::engine::Engine;
use crate::spec::ReplySpec;
use crate::topology::{Listener, Source};

/// Reasons by which a request was signed right and came too late, or too early.
const STALE: [&str; 2] = ["timestamp_stale", "timestamp_in_future"];

/// The same for everyone whose request is refused in this way: recipes have only constants for it.
pub(super) fn rejected(listener: &Listener, reason: &Reason) -> Receipt {
    let contract = listener.recipe.reply_contract();
    let stale = STALE.contains(&&*reason.code).then_some(contract.stale.as_ref()).flatten();
    Receipt::Rejected { reply: stale.or(contract.rejected.as_ref()).cloned() }
}

/// A request whose every event was known is a repetition.
pub(super) fn accepted(
    source: &Source,
    listener: &Listener,
    events: Vec<(EventId, bool)>,
    reply: Option<Reply>,
) -> Receipt {
    let repeated = !events.is_empty() && events.iter().all(|(_, duplicate)| *duplicate);
    let duplicate = listener.recipe.reply_contract().duplicate.as_ref().filter(|_| repeated).cloned();
    let own = source.spec.webhook.as_ref().and_then(|webhook| webhook.reply.as_ref());
    let delay = own.map(|own| own.delay).unwrap_or_default();
    Receipt::Accepted { events, reply: duplicate.or(reply).or_else(|| own.map(own_reply)), delay }
}

fn own_reply(own: &ReplySpec) -> Reply {
    Reply { status: own.status, headers: own.headers.clone(), body: own.body.clone().into_bytes() }
}

/// An answer that asks to come back says so in the sender's own words, where it has some.
pub(super) fn unavailable(listener: &Listener, receipt: Receipt) -> Receipt {
    match receipt {
        Receipt::Unavailable { retry_after, code, .. } => {
            let reply = listener.recipe.reply_contract().overload.clone();
            Receipt::Unavailable { retry_after, code, reply }
        }
        other => other,
    }
}

impl Engine {
    /// What the sender of a source wants to hear when there is no room for its request.
    #[must_use]
    pub fn overload_reply(&self, tenant: &Tenant, source: &SourceName) -> Option<Reply> {
        let topology = self.topology();
        let listener = topology.source(tenant.as_str(), source.as_str())?.listener.as_ref()?;
        listener.recipe.reply_contract().overload.clone()
    }
}
