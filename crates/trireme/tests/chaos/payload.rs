//! The messages of the generator: shaped and signed as GitHub does, and computable from their number, so that whoever
//! receives one can tell every byte of it.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use ring::hmac;

/// What the generator signs with; the configured sources know it.
pub const SENDER_SECRET: &str = "chaos-sender-secret";

/// One message: its number, and its place among the messages of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub key: u64,
    pub subject: u64,
    pub step: u64,
    pub bytes: usize,
}

impl Message {
    /// The body; its filling depends on the key, so that no two messages could be confused.
    pub fn body(&self) -> String {
        let mut text = format!(
            "{{\"action\":\"edited\",\"issue\":{{\"id\":{}}},\"chaos\":[{},{},{}],\"filling\":\"",
            self.subject, self.key, self.step, self.bytes
        );
        let mut state = self.key.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        while text.len() + 2 < self.bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let _ = write!(text, "{state:016x}");
        }
        text.push_str("\"}");
        text
    }

    /// The message whose body begins with these bytes.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
        let subject = text.split_once("\"issue\":{\"id\":")?.1.split_once('}')?.0.parse().ok()?;
        let mut numbers = text.split_once("\"chaos\":[")?.1.split_once(']')?.0.split(',');
        let (key, step) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        Some(Self { key, subject, step, bytes: numbers.next()?.parse().ok()? })
    }

    /// What GitHub would call the delivery: the same for every retry of the sender.
    pub fn id(&self) -> String {
        format!("chaos-{}", self.key)
    }
}

/// `x-hub-signature-256` of a body.
pub fn signature(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SENDER_SECRET.as_bytes());
    format!("sha256={}", HEXLOWER.encode(hmac::sign(&key, body).as_ref()))
}

#[test]
fn a_message_is_told_by_its_body() {
    let message = Message { key: 17, subject: 3, step: 9, bytes: 700 };
    let body = message.body();
    assert_eq!(Message::read(body.as_bytes()), Some(message));
    assert!((700..720).contains(&body.len()));
    assert_ne!(Message { key: 18, ..message }.body(), body);
    assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
    assert_eq!(Message::read(b"{}"), None);
}
