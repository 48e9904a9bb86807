//! `retention`: how long things are kept.

use std::time::Duration;

use engine::definition::{At, print_duration};

pub use store::keep::Retention;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest that anything is kept: a size of disk, not a time, is what bounds more than this.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Identities that lived shorter would let a sender's late retry in as a second event.
const IDENTITIES_MIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `dedupe` is the longest span within which a source takes equal bytes for a retry: identities must live as long.
pub(super) fn section(at: &At<'_>, dedupe: Duration) -> Option<Retention> {
    let standard = Retention::default();
    let mut fields = at.fields()?;
    let mut kept = |key, least| fields.take(key).and_then(|at| at.duration(least..=LONGEST));
    let events = kept("events", MINUTE).unwrap_or(standard.events);
    let dead_letters = kept("dead_letters", DAY).unwrap_or(standard.dead_letters);
    let requests = kept("requests", MINUTE).unwrap_or(standard.requests);
    let idempotency = kept("idempotency", MINUTE).unwrap_or(standard.idempotency);
    let audit = kept("audit", DAY).unwrap_or(standard.audit);
    let identities = kept("identities", IDENTITIES_MIN);
    let identities_at = fields.take("identities");
    fields.finish();
    let needed = events.max(dedupe);
    if let (Some(at), Some(_)) = (identities_at, identities.filter(|kept| *kept < needed)) {
        let message = "'identities' is shorter than 'events' or a source's 'dedupe': an event could come in twice";
        at.error("conflict", message, format!("make it at least {}", print_duration(needed)));
    }
    let identities = identities.unwrap_or_else(|| standard.identities.max(needed));
    Some(Retention { events, dead_letters, requests, identities, idempotency, audit })
}
