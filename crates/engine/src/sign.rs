//! Standard Webhooks: what a message is called, and its signatures (specification 1.0.0, symmetric scheme `v1`).

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER};
use domain::{EventId, ListenerName, ReplayId, RouteName, Timestamp};
use ring::digest::{self, SHA256};
use ring::hmac;
use zeroize::Zeroizing;

/// What a secret begins with, so that scanners recognise it.
const SECRET_PREFIX: &str = "whsec_";
/// The specification's bounds of a key: 24 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets of one destination at a time: rotation needs two, and each is a signature in every message.
pub const SECRETS_MAX: usize = 4;

/// What is wrong with a secret; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("a signing secret is `whsec_` followed by base64, as in `whsec_$(openssl rand -base64 32)`")]
    NotBase64,
    #[error("a signing secret has 24 to 64 bytes behind its base64, this one has {0}")]
    Length(usize),
    #[error("a destination has at most {SECRETS_MAX} signing secrets at a time, these are {0}")]
    TooMany(usize),
}

/// Signs with every secret of a destination: receivers accept any signature they know.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<hmac::Key>,
}

impl Signer {
    /// No secrets make a signer that signs nothing.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretError> {
        let keys = secrets.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.len() > SECRETS_MAX {
            return Err(SecretError::TooMany(keys.len()));
        }
        Ok(Self { keys })
    }

    /// The value of `webhook-signature`: `v1,…` per secret, separated by spaces; `None` without secrets.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> Option<String> {
        const SIGNATURE_CHARS: usize = "v1,".len() + 44;
        let head = format!("{id}.{}.", at.as_secs());
        let mut out = String::with_capacity(self.keys.len() * (SIGNATURE_CHARS + 1));
        for key in &self.keys {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str("v1,");
            BASE64.encode_append(context.sign().as_ref(), &mut out);
        }
        (!out.is_empty()).then_some(out)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys)", self.keys.len())
    }
}

fn key(secret: &str) -> Result<hmac::Key, SecretError> {
    let encoded = secret.trim();
    let encoded = encoded.strip_prefix(SECRET_PREFIX).unwrap_or(encoded).trim_end_matches('=');
    let bytes = BASE64_NOPAD.decode(encoded.as_bytes()).map_err(|_| SecretError::NotBase64)?;
    let bytes = Zeroizing::new(bytes);
    if !KEY_BYTES.contains(&bytes.len()) {
        return Err(SecretError::Length(bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// A secret that belongs to whoever knows `seed`, and to one purpose of theirs: the same each time, and nothing that
/// leads back to the seed.
#[must_use]
pub fn derived_secret(seed: &[u8], purpose: &str) -> Zeroizing<String> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), purpose.as_bytes());
    Zeroizing::new(format!("{SECRET_PREFIX}{}", BASE64.encode(tag.as_ref())))
}

/// The value of `webhook-id`: the same for every try, crash and replay of an event on a route, so that a receiver
/// can tell a repetition. A replay that asks for new messages names itself.
#[must_use]
pub fn webhook_id(event: EventId, route: &RouteName, new_message: Option<ReplayId>) -> String {
    // A fixed length before it and no NUL in names: no two inputs are spelt alike.
    let route = route.as_str().as_bytes();
    match new_message {
        None => message_id(&[event.as_bytes().as_slice(), route]),
        Some(replay) => message_id(&[event.as_bytes().as_slice(), route, &[0], replay.as_bytes()]),
    }
}

/// The same for what a listener hears. No route's name begins with the byte that leads it.
#[must_use]
pub fn listener_message_id(event: EventId, listener: &ListenerName) -> String {
    message_id(&[event.as_bytes().as_slice(), &[1], listener.as_str().as_bytes()])
}

fn message_id(parts: &[&[u8]]) -> String {
    /// 128 bits: as unlikely to meet another as a UUID.
    const DIGEST_BYTES: usize = 16;
    let mut context = digest::Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut id = String::with_capacity("msg_".len() + 2 * DIGEST_BYTES);
    id.push_str("msg_");
    HEXLOWER.encode_append(&context.finish().as_ref()[..DIGEST_BYTES], &mut id);
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::*;
    use crate::entropy::{Entropy, SeededEntropy, SystemEntropy};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// A secret as `openssl rand -base64 32` makes it.
    fn generate_secret(entropy: &dyn Entropy) -> String {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        format!("{SECRET_PREFIX}{}", BASE64.encode(&bytes))
    }

    #[test]
    fn the_vector_of_the_reference_libraries() {
        let signature = Signer::new([SECRET]).expect("a secret").sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn while_a_secret_rotates_both_sign() {
        let (old, new) = (generate_secret(&SeededEntropy::new(1)), generate_secret(&SeededEntropy::new(2)));
        let sign = |secrets: &[&str]| {
            Signer::new(secrets.iter().copied()).expect("secrets").sign(
                "msg_1",
                Timestamp::from_micros(5_999_999),
                b"{}",
            )
        };
        let (by_old, by_new) = (sign(&[&old]).expect("one"), sign(&[&new]).expect("one"));
        assert_eq!(sign(&[&new, &old]), Some(format!("{by_new} {by_old}")));
        assert_ne!(by_old, by_new);
        assert_eq!(sign(&[]), None);
    }

    #[test]
    fn every_part_of_a_message_is_covered() {
        let signer = Signer::new([SECRET]).expect("a secret");
        let signatures: HashSet<_> =
            [("a", 1, "x"), ("b", 1, "x"), ("a", 2, "x"), ("a", 1, "y"), ("a.1", 1, "x"), ("a", 1, ".x")]
                .map(|(id, at, body)| signer.sign(id, Timestamp::from_secs(at), body.as_bytes()))
                .into();
        assert_eq!(signatures.len(), 6);
    }

    #[test]
    fn secrets_are_read_as_people_write_them_or_refused_without_showing_them() {
        for good in [
            SECRET,
            &SECRET[6..],
            " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ] {
            assert!(Signer::new([good]).is_ok(), "{good}");
        }
        let five = [SECRET; SECRETS_MAX + 1];
        assert_eq!(Signer::new(five).err(), Some(SecretError::TooMany(5)));
        for (bad, error) in [
            ("", SecretError::Length(0)),
            ("whsec_", SecretError::Length(0)),
            ("whsec_c2hvcnQ=", SecretError::Length(5)),
            ("not base64!", SecretError::NotBase64),
        ] {
            assert_eq!(Signer::new([bad]).err(), Some(error), "{bad}");
        }
        assert_eq!(format!("{:?}", Signer::new([SECRET]).expect("a secret")), "Signer(1 keys)");
        let secret = generate_secret(&SystemEntropy::new());
        assert!(secret.starts_with(SECRET_PREFIX) && Signer::new([&*secret]).is_ok());
    }

    #[test]
    fn a_message_keeps_its_id_per_event_route_and_replay() {
        let event = |n| EventId::from_uuid(Uuid::from_u128(n));
        let route = |name: &str| name.parse::<RouteName>().expect("a name");
        let replay = |n| Some(ReplayId::from_uuid(Uuid::from_u128(n)));
        let id = webhook_id(event(1), &route("a-b"), None);
        assert_eq!(id, webhook_id(event(1), &route("a-b"), None));
        assert_eq!((id.len(), &id[..4]), (36, "msg_"));
        let ids = [
            id,
            webhook_id(event(2), &route("a-b"), None),
            webhook_id(event(1), &route("a-c"), None),
            webhook_id(event(1), &route("a-b"), replay(1)),
            webhook_id(event(1), &route("a-b"), replay(2)),
        ];
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }
}
