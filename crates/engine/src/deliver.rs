//! Deliver: one try of one delivery, from its stored form to an outcome.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::delivery::Outcome;
use domain::{AttemptId, Event, Timestamp};
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use store::Store;
use store::dispatch::{Attempt, Cause, Prepared, PreparedDelivery};
use tracing::Instrument;

use crate::clock::SharedClock;
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::prepare::{Preparation, Preparer};
use crate::sign;
use crate::spec::Timeouts;
use crate::telemetry;
use crate::transport::{HOP_HEADER, Hop, Limits, OutboundRequest, OutboundResponse, SendError, Transport, next_hop};
use crate::work::{Tried, Work};

/// As many headers as we add to those that a destination is configured with, the transport's two among them.
const OWN_HEADERS: usize = 18;
/// How long a delivery waits whose bytes could not be kept because the store had no room.
const KEEP_AGAIN: Duration = Duration::from_secs(5);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const EVENT_ID: HeaderName = HeaderName::from_static("trireme-event-id");
const DELIVERY_ID: HeaderName = HeaderName::from_static("trireme-delivery-id");
const ATTEMPT: HeaderName = HeaderName::from_static("trireme-attempt");
const EVENT_TYPE: HeaderName = HeaderName::from_static("trireme-event-type");
const ORIGIN: HeaderName = HeaderName::from_static("trireme-origin");
const SUBJECT: HeaderName = HeaderName::from_static("trireme-subject");
const VERSION: HeaderName = HeaderName::from_static("trireme-version");
const STALE: HeaderName = HeaderName::from_static("trireme-stale");
const ASSURANCE: HeaderName = HeaderName::from_static("trireme-assurance");
const REPLAY: HeaderName = HeaderName::from_static("trireme-replay");

pub struct Deliverer {
    pub store: Arc<dyn Store>,
    pub transport: Arc<dyn Transport>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub preparer: Preparer,
}

impl Deliverer {
    /// Prepares what was not prepared, sends it, and says how it ended. Never fails: every end is an outcome.
    pub async fn try_once(&self, mut work: Work) -> Tried {
        let (prepared, kept) = match work.prepared.take() {
            Some(prepared) => (prepared, true),
            None => match self.preparer.prepare(&work).instrument(telemetry::prepare_span()).await {
                Preparation::Ready { body, mapped: false } => (body, false),
                Preparation::Ready { body, mapped: true } => match self.keep(&work, body).await {
                    Ok(prepared) => (prepared, true),
                    Err(due) => return ended(work, Outcome::Untried { due }, None, None),
                },
                Preparation::Filtered { code, detail } => return unsent(work, Outcome::Filtered, code, detail),
                Preparation::Unready { code, detail } => return self.unready(work, code, detail),
                Preparation::Failed { code, detail } => return unsent(work, Outcome::Unpreparable, code, detail),
            },
        };
        let again = (!kept).then(|| prepared.clone());
        let tried = self.send(work, prepared).await;
        if let (Outcome::Failed { .. }, Some(prepared)) = (&tried.outcome, again) {
            // Plain bytes are kept only now that another try will need them: most deliveries need one.
            let _ = self.keep(&tried.work, prepared).await;
        }
        tried
    }

    /// A try that came to nothing because a record could not be had. It counts, and is listed like any other.
    fn unready(&self, work: Work, code: &'static str, detail: String) -> Tried {
        let started_at = self.clock.now();
        let attempt = Attempt {
            outcome: code.into(),
            error: Some(detail.clone()),
            ..self.attempt(&work, started_at, Duration::ZERO)
        };
        ended(work, Outcome::Unready, Some(attempt), Some(Cause { code: code.into(), detail }))
    }

    fn attempt(&self, work: &Work, started_at: Timestamp, duration: Duration) -> Attempt {
        Attempt {
            id: AttemptId::from_uuid(uuid_v7(&*self.entropy, started_at)),
            number: work.attempts + 1,
            started_at,
            duration_us: micros(duration),
            outcome: "delivered".into(),
            status: None,
            error: None,
            connect_us: None,
            first_byte_us: None,
            peer: None,
            response: Bytes::new(),
        }
    }

    /// Commits the bytes that every further try will send. Mapped ones before any of them leaves, so that a try after
    /// a crash sends the same.
    async fn keep(&self, work: &Work, prepared: Prepared) -> Result<Prepared, Timestamp> {
        let row = PreparedDelivery {
            tenant: work.event.tenant.clone(),
            id: work.id,
            claim: work.claim,
            prepared: prepared.clone(),
        };
        let kept = self.store.keep_prepared(vec![row]).await.and_then(|mut answers| answers.pop().unwrap_or(Ok(())));
        kept.map(|()| prepared).map_err(|error| {
            telemetry::store_failed("keep_prepared", &error);
            self.clock.now() + KEEP_AGAIN
        })
    }

    async fn send(&self, work: Work, prepared: Prepared) -> Tried {
        let started_at = self.clock.now();
        if !work.route.destination.gate.in_charge() {
            // Preparing took long, or the process stood still: another node may be sending already.
            return ended(work, Outcome::Untried { due: started_at }, None, None);
        }
        let hops = hops_of_event(&work.event);
        let Hop::Forward(hop) = next_hop(hops) else {
            let detail = format!("it came through {hops} gateways in a row: two of them deliver to each other");
            return unsent(work, Outcome::Unpreparable, "hop_limit", detail);
        };
        let destination = Arc::clone(&work.route.destination);
        let mut headers = destination.headers.clone();
        headers.reserve(OWN_HEADERS);
        describe(&mut headers, &work, prepared.stale);
        headers.insert(HOP_HEADER, hop);
        let content_type =
            if prepared.content_type.is_empty() { "application/octet-stream" } else { &prepared.content_type };
        insert(&mut headers, CONTENT_TYPE, content_type);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("trireme/", env!("CARGO_PKG_VERSION"))));
        let id = message_id(&work);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(started_at.as_secs()));
        if let Some(signature) = destination.signer.sign(&id, started_at, &prepared.body) {
            insert(&mut headers, WEBHOOK_SIGNATURE, &signature);
        }
        insert(&mut headers, WEBHOOK_ID, &id);
        let request = OutboundRequest {
            method: Method::POST,
            target: Arc::clone(&destination.target),
            headers,
            body: prepared.body,
            limits: limits(&destination.spec.http.timeouts),
        };
        let began = self.clock.monotonic();
        let answer = self.transport.send(request).await;
        let duration = self.clock.monotonic().saturating_sub(began);
        self.concluded(work, answer, started_at, duration)
    }

    fn concluded(
        &self,
        work: Work,
        answer: Result<OutboundResponse, SendError>,
        started_at: Timestamp,
        duration: Duration,
    ) -> Tried {
        let mut attempt = self.attempt(&work, started_at, duration);
        let sent = answer.as_ref().map_or_else(SendError::sent, |_| true);
        let outcome = match answer {
            Ok(response) => read_answer(&mut attempt, response, started_at),
            Err(error) => {
                attempt.outcome = error.code().into();
                attempt.error = Some(work.route.destination.without_host(error.to_string()));
                Outcome::Failed { retry_after: None }
            }
        };
        let cause = (outcome != Outcome::Delivered)
            .then(|| Cause { code: Arc::clone(&attempt.outcome), detail: attempt.error.clone().unwrap_or_default() });
        Tried { sent, ..ended(work, outcome, Some(attempt), cause) }
    }
}

/// Of a try that left nothing with the destination.
fn ended(work: Work, outcome: Outcome, attempt: Option<Attempt>, cause: Option<Cause>) -> Tried {
    Tried { work, outcome, sent: false, attempt, cause }
}

fn unsent(work: Work, outcome: Outcome, code: &'static str, detail: String) -> Tried {
    ended(work, outcome, None, Some(Cause { code: code.into(), detail }))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a message is called: the same for every try, crash and replay, unless a replay asked for new ids.
fn message_id(work: &Work) -> String {
    let new_message = work.replay.filter(|replay| replay.new_ids).map(|replay| replay.id);
    sign::webhook_id(work.event.id, &work.route.spec.name, new_message)
}

fn limits(timeouts: &Timeouts) -> Limits {
    Limits { connect: timeouts.connect, first_byte: timeouts.first_byte, total: timeouts.total, ..Limits::default() }
}

/// The `trireme-*` headers, each only where it says something.
fn describe(headers: &mut HeaderMap, work: &Work, stale: bool) {
    describe_event(headers, &work.event);
    insert(headers, DELIVERY_ID, &work.id.to_string());
    headers.insert(ATTEMPT, HeaderValue::from(work.attempts + 1));
    if stale {
        headers.insert(STALE, HeaderValue::from_static("true"));
    }
    if let Some(replay) = work.replay {
        insert(headers, REPLAY, &replay.id.to_string());
    }
}

/// Those of them that are about the event alone.
pub(crate) fn describe_event(headers: &mut HeaderMap, event: &Event) {
    insert(headers, EVENT_ID, &event.id.to_string());
    insert(headers, EVENT_TYPE, &event.event_type);
    headers.insert(ORIGIN, HeaderValue::from_static(event.origin.as_str()));
    headers.insert(ASSURANCE, HeaderValue::from_static(event.assurance.as_str()));
    if let Some(subject) = &event.subject {
        insert(headers, SUBJECT, subject.as_str());
    }
    if let Some(version) = event.version {
        let text = match version {
            domain::Version::Time(time) => time.to_string(),
            domain::Version::Number(number) => number.to_string(),
        };
        insert(headers, VERSION, &text);
    }
}

/// Text of a sender may hold what no header can: those bytes are percent-encoded.
pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    // Looked at to its end, which takes less time than to look at each byte whether to go on.
    let shown = text.bytes().fold(true, |all, byte| all & (matches!(byte, 0x20..0x7f | b'\t')));
    let value = if shown { HeaderValue::from_str(text) } else { HeaderValue::from_str(&encoded(text)) };
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'%';
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte))
        } else {
            out.push_str(&format!("%{byte:02X}"))
        }
        out
    })
}

fn hops_of_event(event: &Event) -> u8 {
    let header = HOP_HEADER;
    let name = header.as_str().as_bytes();
    if memchr::memmem::find(&event.head, name).is_none() {
        return 0;
    }
    let mut headers = HeaderMap::new();
    for (found, value) in domain::request::Head::decode(&event.head).headers {
        if found.as_bytes() == name
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            headers.append(HOP_HEADER, value);
        }
    }
    crate::transport::hops_of(&headers)
}

/// Completes the attempt from a response and gives the outcome: only 2xx is success, redirects are not followed.
fn read_answer(attempt: &mut Attempt, response: OutboundResponse, now: Timestamp) -> Outcome {
    attempt.status = Some(response.status);
    attempt.connect_us = Some(micros(response.timings.connect));
    attempt.first_byte_us = Some(micros(response.timings.first_byte));
    attempt.peer = Some(response.peer.to_string());
    let retry_after = retry_after(&response.headers, now);
    let status = response.status;
    attempt.response = response.body_head;
    let (outcome, code, error) = match status {
        200..=299 => return Outcome::Delivered,
        410 => (Outcome::Gone, "gone", "the destination answered 410 Gone".to_owned()),
        300..=399 => {
            let error =
                format!("the destination answered {status}; redirects are not followed: configure the final URL");
            (Outcome::Failed { retry_after }, "redirected", error)
        }
        _ => (Outcome::Failed { retry_after }, "refused", format!("the destination answered {status}")),
    };
    attempt.outcome = code.into();
    attempt.error = Some(error);
    outcome
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(secs) = text.parse::<u64>() {
        return Some(Duration::from_secs(secs.min(domain::retry::WAIT_MAX.as_secs())));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_micros(date.as_microsecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of them are under way at once, and each is cold memory when it is made: what is rare goes into a box of
    /// its own.
    #[test]
    fn a_delivery_under_way_takes_little_memory() {
        fn size_of_task<W: Future>(_: impl Fn(&'static Deliverer, Work) -> W) -> usize {
            size_of::<W>()
        }
        let size = size_of_task(Deliverer::try_once);
        assert!(size <= 2_560, "{size} bytes");
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = Timestamp::from_secs(784_111_777);
        let read = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("1000000000000"), Some(domain::retry::WAIT_MAX));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn text_that_no_header_can_hold_is_encoded_and_plain_text_is_not() {
        let mut headers = HeaderMap::new();
        insert(&mut headers, EVENT_TYPE, "orders/paid 100%");
        assert_eq!(headers[EVENT_TYPE], "orders/paid 100%");
        insert(&mut headers, EVENT_TYPE, "ä\r\nx: y");
        assert_eq!(headers[EVENT_TYPE], "%C3%A4%0D%0Ax: y");
    }
}
