//! Every metric of the engine and every log event, named once; those of `handshakes` are told where they happen. Labels
//! come only from configuration, never from payloads.

mod handles;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use domain::charge::{Charge, ChargeKind};
use domain::delivery::Outcome;
use domain::run::RunFigures;
use domain::{DeliveryId, DeliveryState, DestinationName, Tenant};
use metrics::{counter, gauge, histogram};
use store::StoreError;
use store::keep::StoreStats;
use tracing::Span;

use crate::topology::Source;
use crate::work::{Tried, Work};
pub use handles::{DestinationHandles, InFlight, SourceHandles};

pub const EVENTS_ACCEPTED: &str = "trireme_events_accepted_total";
pub const EVENTS_DUPLICATE: &str = "trireme_events_duplicate_total";
pub const REQUESTS_REJECTED: &str = "trireme_requests_rejected_total";
pub const REQUESTS_UNAVAILABLE: &str = "trireme_requests_unavailable_total";
pub const KEYS_FETCHED: &str = "trireme_keys_fetched_total";
pub const ATTEMPTS: &str = "trireme_delivery_attempts_total";
pub const DELIVERIES_FINISHED: &str = "trireme_deliveries_finished_total";
pub const ATTEMPT_SECONDS: &str = "trireme_delivery_attempt_seconds";
pub const DELIVERIES_IN_FLIGHT: &str = "trireme_deliveries_in_flight";
pub const SETTLEMENTS_FENCED: &str = "trireme_settlements_fenced_total";
pub const STORE_ERRORS: &str = "trireme_store_errors_total";
pub const ALERTS_RAISED: &str = "trireme_alerts_raised_total";
/// What was other than before about events and records, by how much it should trouble somebody.
pub const SCHEMA_CHANGES: &str = "trireme_schema_changes_total";
pub const STORE_STATEMENTS: &str = "trireme_store_statements_total";
pub const STORE_COMMITS: &str = "trireme_store_commits_total";
pub const STORE_COMMITTED: &str = "trireme_store_committed_total";
pub const STORE_BYTES: &str = "trireme_store_bytes";
pub const STORE_DISK_FREE: &str = "trireme_store_disk_free_bytes";
pub const ALERTS_OPEN: &str = "trireme_alerts_open";
pub const CALLS: &str = "trireme_calls_total";
/// Polls, by whether they found something: what found nothing is the waste of polling.
pub const POLLS: &str = "trireme_polls_total";
/// Changes that polls found.
pub const CHANGES: &str = "trireme_poll_changes_total";
/// Requests that polls, first scans and reconciliations took.
pub const READ_REQUESTS: &str = "trireme_read_requests_total";
/// Of those: answered that nothing changed since the answer before.
pub const UNMODIFIED: &str = "trireme_poll_unmodified_total";
/// Changes that nobody had told before reconciliation found them.
pub const GAPS: &str = "trireme_gaps_total";
/// How long ago a stream was last read to its end, by the connection that waits longest.
pub const STREAM_LAG: &str = "trireme_stream_lag_seconds";
/// Polls of a stream that failed in a row, likewise.
pub const STREAM_FAILURES: &str = "trireme_stream_failures_in_a_row";
/// The share of a budget that is used, from 0 to 1; of budgets that each connection has, the fullest.
pub const BUDGET_USE: &str = "trireme_budget_use_ratio";
/// Requests that wait for their turn.
pub const BUDGET_WAITING: &str = "trireme_budget_waiting";
/// Gauges that are told anew whenever somebody collects: one that is not told again is of what is there no more.
pub const LOOKED_AT: [&str; 4] = [STREAM_LAG, STREAM_FAILURES, BUDGET_USE, BUDGET_WAITING];
/// Nodes that live, this one included.
pub const NODES: &str = "trireme_nodes";
/// What this node is in charge of, by kind.
pub const CHARGES: &str = "trireme_node_charges";
pub const CALL_SECONDS: &str = "trireme_call_seconds";
/// Panics that were caught where a request is answered.
pub const HTTP_PANICS: &str = "trireme_http_panics_total";
/// Webhook subscriptions at a source, by how they stand.
pub const SUBSCRIPTIONS: &str = "trireme_subscriptions";
/// Subscriptions that were created, adopted, renewed or removed.
pub const SUBSCRIPTION_CHANGES: &str = "trireme_subscription_changes_total";

pub fn accepted(source: &Source, duplicate: bool) {
    let name = &source.spec.name;
    if duplicate {
        counter!(EVENTS_DUPLICATE, "source" => name.to_string()).increment(1);
    } else {
        source.handles.accepted(name).increment(1);
    }
}

pub fn rejected(source: &str, reason: &str) {
    counter!(REQUESTS_REJECTED, "source" => source.to_owned(), "reason" => reason.to_owned()).increment(1);
}

/// So many were rejected since this was last said of the same source and reason.
pub fn rejections(source: &str, reason: &str, count: u64) {
    tracing::warn!(event = "requests_rejected", source, reason, count);
}

/// A sender's published key was fetched, or could not be.
pub fn key_fetched(found: bool) {
    counter!(KEYS_FETCHED, "outcome" => if found { "found" } else { "failed" }).increment(1);
}

/// A caught panic is a defect of ours: it is counted and logged, and its caller is told nothing of it.
pub fn panicked(place: &'static str) {
    counter!(HTTP_PANICS, "place" => place).increment(1);
    tracing::error!(place, "a panic was caught; please report it with the lines before this one");
}

/// A source was asked.
pub fn called(source: &str, purpose: &'static str, failed: bool, took: Duration) {
    let outcome = if failed { "failed" } else { "ok" };
    counter!(CALLS, "source" => source.to_owned(), "purpose" => purpose, "outcome" => outcome).increment(1);
    histogram!(CALL_SECONDS, "source" => source.to_owned()).record(took.as_secs_f64());
}

/// A poll has ended.
pub fn polled(source: &str, failed: bool, figures: &RunFigures) {
    let RunFigures { told: found, requests, unmodified, .. } = *figures;
    let outcome = match (failed, found) {
        (true, _) => "failed",
        (false, 0) => "nothing",
        (false, _) => "changes",
    };
    counter!(POLLS, "source" => source.to_owned(), "outcome" => outcome).increment(1);
    counter!(CHANGES, "source" => source.to_owned()).increment(found);
    counter!(READ_REQUESTS, "source" => source.to_owned(), "for" => "poll").increment(requests);
    counter!(UNMODIFIED, "source" => source.to_owned()).increment(unmodified);
}

/// A first scan has ended: it is no poll, whatever it found.
pub fn scanned(source: &str, requests: u64) {
    counter!(READ_REQUESTS, "source" => source.to_owned(), "for" => "backfill").increment(requests);
}

/// A reconciliation has ended.
pub fn reconciled(source: &str, missed: u64, requests: u64) {
    counter!(GAPS, "source" => source.to_owned()).increment(missed);
    counter!(READ_REQUESTS, "source" => source.to_owned(), "for" => "reconcile").increment(requests);
}

/// How a stream stands, over all its connections. One that was never read to its end has no lag to tell.
pub fn stream(source: &str, stream: &str, lag: Option<Duration>, failures: u32) {
    let labels = [("source", source.to_owned()), ("stream", stream.to_owned())];
    if let Some(lag) = lag {
        gauge!(STREAM_LAG, &labels).set(lag.as_secs_f64());
    }
    gauge!(STREAM_FAILURES, &labels).set(f64::from(failures));
}

/// Subscriptions of a source that stand like this.
pub fn subscriptions(source: &str, state: &'static str, count: usize) {
    gauge!(SUBSCRIPTIONS, "source" => source.to_owned(), "state" => state).set(count as f64);
}

/// A subscription was created, adopted, renewed or removed.
pub fn subscription_changed(source: &str, change: &'static str) {
    counter!(SUBSCRIPTION_CHANGES, "source" => source.to_owned(), "change" => change).increment(1);
}

/// A subscription does not stand as it was made.
pub fn subscription_found(source: &str, connection: &str, id: &str, finding: &'static str) {
    tracing::warn!(event = "subscription_broken", source, connection, id, finding);
}

/// What another node keeps of a subscription cannot be taken over here: what it signs is not trusted by this one.
pub fn subscription_secret_unusable(code: &'static str, problem: &str) {
    tracing::warn!(event = "subscription_secret_unusable", code, "{problem}");
}

/// The secret of a kept subscription cannot be opened.
pub fn subscription_secret_unreadable(code: &'static str, problem: &str) {
    tracing::error!(event = "subscription_secret_unreadable", code, "{problem}");
}

/// The stream that tells what was deleted from this one could not be read.
pub fn feed_unread(stream: &str, problem: &str) {
    tracing::warn!(event = "feed_unread", stream, "{problem}");
}

/// A sender's published list of addresses could not be fetched or read.
pub fn address_list_kept(url: &str, problem: &str) {
    tracing::warn!(event = "address_list_kept", url, problem, "the last good list stays");
}

/// What a destination is owed stays held, although it takes deliveries.
pub fn release_failed(destination: &DestinationName, code: &'static str, error: &dyn Display) {
    tracing::warn!(event = "release_failed", %destination, code, %error);
}

/// A destination that answered 410 goes on being tried.
pub fn disable_failed(destination: &DestinationName, code: &'static str, error: &dyn Display) {
    tracing::error!(event = "disable_failed", %destination, code, %error);
}

/// How full a budget is, and who waits for it.
pub fn budget(name: &str, used: Option<f64>, waiting: usize) {
    if let Some(used) = used {
        gauge!(BUDGET_USE, "budget" => name.to_owned()).set(used);
    }
    gauge!(BUDGET_WAITING, "budget" => name.to_owned()).set(waiting as f64);
}

/// Calls came faster than the store takes them: so many are in no list.
pub fn calls_untold(count: u64) {
    tracing::warn!(event = "calls_untold", count, "calls came faster than they could be written down");
}

pub fn unavailable(code: &'static str) {
    counter!(REQUESTS_UNAVAILABLE, "code" => code).increment(1);
}

/// A try ended and led to this state.
pub fn tried(tried: &Tried, state: DeliveryState) {
    let (destination, handles) = (&tried.work.route.spec.to, &tried.work.route.destination.handles);
    let is_delivered = tried.outcome == Outcome::Delivered;
    if let Some(attempt) = &tried.attempt {
        let outcome = &attempt.outcome;
        if is_delivered {
            debug_assert_eq!(**outcome, *handles::DELIVERED);
            handles.delivered(destination).increment(1);
        } else {
            counter!(ATTEMPTS, "destination" => destination.to_string(), "outcome" => outcome.to_string()).increment(1);
        }
        handles.seconds(destination).record(attempt.duration_us as f64 / 1e6);
    }
    if is_delivered {
        handles.finished(destination).increment(1);
    } else if !state.is_open() {
        counter!(DELIVERIES_FINISHED, "destination" => destination.to_string(), "state" => state.as_str()).increment(1);
    }
    if state == DeliveryState::Dead {
        let cause = tried.cause.as_ref().map_or("unknown", |cause| &cause.code);
        let destination = destination.as_str();
        tracing::warn!(event = "delivery_dead", delivery = %tried.work.id, destination, cause);
    }
}

/// A delivery that the store cannot read any more is dead by that.
pub fn unreadable(delivery: DeliveryId, destination: &str) {
    let (state, cause) = (DeliveryState::Dead.as_str(), store::dispatch::UNREADABLE);
    counter!(DELIVERIES_FINISHED, "destination" => destination.to_owned(), "state" => state).increment(1);
    tracing::warn!(event = "delivery_dead", %delivery, destination, cause);
}

/// A settlement came after its claim had passed to another.
pub fn fenced() {
    counter!(SETTLEMENTS_FENCED).increment(1);
}

/// How many nodes live, and what this one is in charge of.
pub fn nodes(living: usize, charges: &BTreeMap<Charge, u64>) {
    gauge!(NODES).set(living as f64);
    for kind in ChargeKind::ALL {
        let count = charges.keys().filter(|charge| charge.kind() == kind).count();
        gauge!(CHARGES, "kind" => kind.as_str()).set(count as f64);
    }
}

/// This node is in charge of so many more.
pub fn charges_taken(count: usize) {
    tracing::info!(event = "charges_taken", count);
}

/// This node gives so many up.
pub fn charges_left(count: usize) {
    tracing::info!(event = "charges_left", count);
}

/// What another node configured could not be taken over; it is tried again.
pub fn refresh_failed(code: &'static str, error: &dyn Display) {
    tracing::error!(event = "refresh_failed", code, %error);
}

/// The ends of a tenant's chains, as its statement signs them.
pub fn audit_signed(tenant: &Tenant, number: u64, heads: &str) {
    tracing::info!(event = "audit_signed", tenant = tenant.as_str(), number, heads);
}

pub fn store_failed(verb: &'static str, error: &StoreError) {
    counter!(STORE_ERRORS, "verb" => verb, "code" => error.code()).increment(1);
    tracing::error!(event = "store_failed", verb, code = error.code(), %error);
}

/// The store's own figures. It counts them anyway, so they are taken over when somebody looks.
pub fn store(stats: &StoreStats) {
    counter!(STORE_STATEMENTS).absolute(stats.statements);
    counter!(STORE_COMMITS).absolute(stats.commits);
    counter!(STORE_COMMITTED).absolute(stats.committed);
    gauge!(STORE_BYTES).set(stats.bytes as f64);
    if let Some(free) = stats.disk_free {
        gauge!(STORE_DISK_FREE).set(free as f64);
    }
}

pub fn alert_raised(kind: &str, object: &str, detail: &str) {
    counter!(ALERTS_RAISED, "kind" => kind.to_owned()).increment(1);
    tracing::warn!(event = "alert_raised", kind, object, detail);
}

/// Something about an event or a record was other than before.
pub fn shape_changed(source: &str, severity: &'static str) {
    counter!(SCHEMA_CHANGES, "source" => source.to_owned(), "severity" => severity).increment(1);
}

/// A source has too many types for another one to be learned.
pub fn shapes_full(source: &str) {
    tracing::info!(event = "schemas_full", source);
}

pub fn alert_resolved(kind: &str, object: &str) {
    tracing::info!(event = "alert_resolved", kind, object);
}

/// One more or one less is open.
pub fn alerts_open(kind: &str, change: f64) {
    gauge!(ALERTS_OPEN, "kind" => kind.to_owned()).increment(change);
}

// === spans ===
//
// At the level debug, which nobody looks at unless traces are collected: then each costs one comparison.

/// One inbound request, from judging it to its commit.
pub fn receive_span(source: &str) -> Span {
    tracing::debug_span!("receive", source)
}

/// The commit of what one request held.
pub fn accept_span(source: &str, events: usize) -> Span {
    tracing::debug_span!("accept", source, events)
}

/// One try of a delivery, from preparing it to its outcome.
pub fn deliver_span(work: &Work) -> Span {
    let (destination, route) = (work.route.spec.to.as_str(), work.route.spec.name.as_str());
    tracing::debug_span!("deliver", destination, route, delivery = %work.id, event = %work.event.id)
}

/// Making the body that a delivery sends.
pub fn prepare_span() -> Span {
    tracing::debug_span!("prepare")
}

/// The commit of how a batch of tries ended.
pub fn settle_span(deliveries: usize) -> Span {
    tracing::debug_span!("settle", deliveries)
}
