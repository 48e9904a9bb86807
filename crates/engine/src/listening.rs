//! What a listener hears: an event as the message that a destination would get, or as its sender sent it.
//!
//! It is not signed here: whoever hands it on signs it when that happens, so that its timestamp is of that moment.

use bytes::Bytes;
use domain::request::{BY_TRUSTED_PROXY, Head, MASK};
use domain::{Event, ListenerName};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::deliver::{describe_event, insert};
use crate::message::body_of;
use crate::sign::listener_message_id;
use crate::spec::BodyMode;

/// Headers that are about one connection and not about the message, or that whoever hands it on writes by itself. The
/// payload is kept unpacked, so its encoding is gone too.
const OF_THE_CONNECTION: [&str; 13] = [
    "host",
    "content-length",
    "content-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    BY_TRUSTED_PROXY,
];

/// A message to be signed and handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its `webhook-id`: the same however often it is heard.
    pub id: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// The message of an event. `Raw` is what the sender sent, with its headers, so that its signature can be verified.
#[must_use]
pub fn heard(event: &Event, listener: &ListenerName, mode: BodyMode) -> Heard {
    let body = body_of(event, false, mode, false);
    let mut headers = match mode {
        BodyMode::Raw => senders_headers(event),
        BodyMode::Envelope | BodyMode::Cloudevents => Vec::new(),
    };
    let mut own = HeaderMap::new();
    if !headers.iter().any(|(name, _)| name == CONTENT_TYPE.as_str()) && !body.content_type.is_empty() {
        insert(&mut own, CONTENT_TYPE, &body.content_type);
    }
    describe_event(&mut own, event);
    let own = own.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    headers.extend(own);
    Heard { id: listener_message_id(event.id, listener), headers, body: body.bytes }
}

/// As they came. Those that carry a credential are kept without their values, so there is nothing to hand on.
fn senders_headers(event: &Event) -> Vec<(String, String)> {
    let ours = |name: &str| name.starts_with("trireme-");
    let mut headers = Head::decode(&event.head).headers;
    headers.retain(|(name, value)| !OF_THE_CONNECTION.contains(&name.as_str()) && !ours(name) && value != MASK);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::event;

    fn listener() -> ListenerName {
        "laptop".parse().expect("a name")
    }

    fn value<'h>(heard: &'h Heard, name: &str) -> Option<&'h str> {
        heard.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_envelope_comes_as_a_destination_gets_it() {
        let heard = heard(&event("application/json", b"{}"), &listener(), BodyMode::Envelope);
        assert_eq!(value(&heard, "content-type"), Some("application/json"));
        assert_eq!(value(&heard, "trireme-event-type"), Some("orders.created"));
        assert_eq!(value(&heard, "trireme-subject"), Some("orders/7"));
        assert!(heard.body.starts_with(b"{\"id\":\"evt_"), "{:?}", heard.body);
    }

    #[test]
    fn raw_is_what_the_sender_sent_with_its_signature_and_without_what_was_about_the_way() {
        let mut sent = event("application/json", br#"{"a": 1}"#);
        sent.head = Bytes::from_static(
            b"POST https://hooks.example/in/github\n192.0.2.1\nhost: hooks.example\ncontent-length: 8\n\
              content-encoding: gzip\nx-hub-signature-256: sha256=ab\nauthorization: ***\ntrireme-hop: 2\n\
              trireme-by-trusted-proxy: 1\ncontent-type: application/json; charset=utf-8\nx-twice: 1\nx-twice: 2\n",
        );
        let heard = heard(&sent, &listener(), BodyMode::Raw);
        assert_eq!(heard.body, sent.payload);
        assert_eq!(value(&heard, "x-hub-signature-256"), Some("sha256=ab"));
        assert_eq!(heard.headers.iter().filter(|(name, _)| name == "x-twice").count(), 2);
        let types: Vec<_> = heard.headers.iter().filter(|(name, _)| name == "content-type").collect();
        assert_eq!(types, [&("content-type".to_owned(), "application/json; charset=utf-8".to_owned())]);
        for gone in ["host", "content-length", "content-encoding", "authorization", "trireme-hop", BY_TRUSTED_PROXY] {
            assert_eq!(value(&heard, gone), None, "{gone}");
        }
    }

    #[test]
    fn a_message_is_called_the_same_each_time_and_another_for_each_listener() {
        let event = event("application/json", b"{}");
        let id = |name: &str| heard(&event, &name.parse().expect("a name"), BodyMode::Envelope).id;
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
        let route = "a".parse().expect("a name");
        assert_ne!(id("a"), crate::sign::webhook_id(event.id, &route, None), "nor is it a route's");
    }
}
