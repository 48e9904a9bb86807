//! The program on this machine: a message is signed and sent to it at that moment, and waited for if it is not there.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use domain::Timestamp;
use engine::clock::SharedClock;
use engine::sign::Signer;
use engine::transport::{Limits, SendError};
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::client::Caller;
use crate::exit::{Failure, Outcome};

/// A program under a debugger may stand still for a while, but not for ever.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(60),
    body: Duration::from_secs(60),
    total: Duration::from_secs(120),
    body_bytes: 64 * 1024,
};

/// A message as the gateway tells it, with what is shown of its event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    pub event: String,
    pub event_type: String,
    pub subject: String,
    pub id: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Brought {
    pub fn read(data: &str) -> Outcome<Self> {
        let value: Value = serde_json::from_str(data).map_err(|error| unreadable(&error.to_string()))?;
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let headers = value.pointer("/message/headers").cloned().unwrap_or_default();
        let body = BASE64.decode(text("/message/body_base64").as_bytes());
        Ok(Self {
            event: text("/id"),
            event_type: text("/type"),
            subject: text("/subject"),
            id: text("/message/id"),
            headers: serde_json::from_value(headers).map_err(|error| unreadable(&error.to_string()))?,
            body: body.map_err(|error| unreadable(&error.to_string()))?.into(),
        })
    }
}

fn unreadable(problem: &str) -> Failure {
    Failure::general("unexpected_answer", format!("an event of the stream cannot be read: {problem}"))
        .hint("Is the gateway of another version than this command?")
}

/// How one try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub at: Timestamp,
    pub duration: Duration,
    /// Status and the beginning of the body, or why there is none.
    pub answer: Result<(u16, Bytes), SendError>,
}

pub struct Local {
    caller: Caller,
    pub to: String,
    signer: Signer,
    pub clock: SharedClock,
}

impl Local {
    pub fn new(to: &str, signer: Signer, clock: SharedClock) -> Outcome<Self> {
        let caller = Caller::new(SharedClock::clone(&clock))?;
        caller.target(to)?;
        Ok(Self { caller, to: to.to_owned(), signer, clock })
    }

    /// One try.
    pub async fn bring(&self, message: &Brought, attempt: u32) -> Outcome<Reply> {
        let at = self.clock.now();
        let headers = headers(message, &self.signer, at, attempt);
        let began = self.clock.monotonic();
        let sent = self.caller.exchange(Method::POST, &self.to, headers, message.body.clone(), LIMITS).await?;
        let duration = self.clock.monotonic().saturating_sub(began);
        Ok(Reply { at, duration, answer: sent.map(|response| (response.status, response.body_head)) })
    }
}

/// The message's own headers and, where the sender's are not of that kind themselves, a signature of this moment.
fn headers(message: &Brought, signer: &Signer, at: Timestamp, attempt: u32) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        // What cannot be sent never came by HTTP either.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("trireme-attempt", &attempt.to_string());
    if !message.headers.iter().any(|(name, _)| name == "webhook-signature") {
        set("webhook-id", &message.id);
        set("webhook-timestamp", &at.as_secs().to_string());
        set("webhook-signature", &signer.sign(&message.id, at, &message.body).unwrap_or_default());
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("trireme/", env!("CARGO_PKG_VERSION"))));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer() -> Signer {
        Signer::new([SECRET]).expect("a secret")
    }

    #[test]
    fn a_message_is_signed_for_the_moment_at_which_it_is_sent() {
        let message = Brought { id: "msg_1".to_owned(), body: Bytes::from_static(b"{}"), ..Brought::default() };
        let at = Timestamp::from_secs(1_700_000_000);
        let headers = headers(&message, &signer(), at, 2);
        let signature = signer().sign("msg_1", at, b"{}").expect("a signature");
        assert_eq!(headers["webhook-signature"], signature.as_str());
        assert!(headers["webhook-timestamp"] == "1700000000" && headers["trireme-attempt"] == "2");
    }

    #[test]
    fn a_senders_own_signature_of_that_kind_stays_what_it_is() {
        let own = [("webhook-id", "msg_theirs"), ("webhook-signature", "v1,theirs"), ("user-agent", "them/1")];
        let headers_in = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let message = Brought { id: "msg_ours".to_owned(), headers: headers_in, ..Brought::default() };
        let headers = headers(&message, &signer(), Timestamp::EPOCH, 1);
        for (name, value) in own {
            assert_eq!(headers[name], value);
        }
        assert!(headers.get("webhook-timestamp").is_none());
    }

    #[test]
    fn what_the_stream_tells_is_read_and_what_is_no_event_is_told() {
        let data = r#"{"id":"evt_1","type":"push","subject":null,"message":{"id":"msg_1","headers":[["a","b"]],"body_base64":"e30="}}"#;
        let read = Brought::read(data).expect("a message");
        assert_eq!((read.event.as_str(), read.event_type.as_str(), read.subject.as_str()), ("evt_1", "push", ""));
        assert_eq!((read.headers, &read.body[..]), (vec![("a".to_owned(), "b".to_owned())], &b"{}"[..]));
        for broken in ["", "[]", r#"{"message":{"headers":[],"body_base64":"*"}}"#, r#"{"message":{"headers":{}}}"#] {
            assert_eq!(Brought::read(broken).expect_err(broken).code, "unexpected_answer");
        }
    }
}
