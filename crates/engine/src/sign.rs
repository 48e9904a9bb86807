//! Signing what we deliver, by the Standard Webhooks specification 1.0.0, and naming it.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use domain::{EventId, ReplayId, RouteName, Timestamp};
use ring::digest::{Context, SHA256};
use ring::hmac;

/// Marks the base64 of a key, as the specification writes secrets.
const SECRET_PREFIX: &str = "whsec_";
/// The specification asks for keys of 24 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The text is not a Standard Webhooks secret. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    #[error("a signing secret is whsec_ followed by base64; `openssl rand -base64 32` makes one")]
    Encoding,
    #[error("a signing secret holds 24 to 64 bytes, this one {0}; `openssl rand -base64 32` makes one")]
    Length(usize),
}

/// The keys of a destination, ready to sign.
pub struct Signer {
    keys: Vec<hmac::Key>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} keys)", self.keys.len())
    }
}

impl Signer {
    /// Compiles secrets, the newest first; several while one rotates, none for an unsigned destination.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Result<Self, NotASecret> {
        Ok(Self { keys: secrets.map(key).collect::<Result<_, _>>()? })
    }

    /// The value of `webhook-signature`: one `v1,` signature for each key. `None` without a key.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> Option<String> {
        let head = format!("{id}.{}.", at.as_secs());
        let signatures = self.keys.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64.encode(context.sign().as_ref()))
        });
        signatures.reduce(|all, next| format!("{all} {next}"))
    }
}

fn key(secret: &str) -> Result<hmac::Key, NotASecret> {
    let text = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
    let bytes = zeroize::Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| NotASecret::Encoding)?);
    if !KEY_BYTES.contains(&bytes.len()) {
        return Err(NotASecret::Length(bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// `webhook-id`: the same for every try, every crash and every replay of an event along a route. A replay that asks
/// for new ids makes another message of it.
#[must_use]
pub fn webhook_id(event: EventId, route: &RouteName, new_message: Option<ReplayId>) -> String {
    let mut context = Context::new(&SHA256);
    context.update(event.as_bytes());
    context.update(route.as_str().as_bytes());
    if let Some(replay) = new_message {
        // A route's name holds no zero byte, so this cannot be another route's plain id.
        context.update(&[0]);
        context.update(replay.as_bytes());
    }
    let digest = context.finish();
    format!("msg_{}", BASE64URL_NOPAD.encode(&digest.as_ref()[..MESSAGE_ID_BYTES]))
}

/// 144 bits tell any number of messages apart and make 24 characters without padding.
const MESSAGE_ID_BYTES: usize = 18;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn agrees_with_the_specifications_example() {
        // The worked example of the specification's reference libraries.
        let signer = Signer::new([SECRET].into_iter()).expect("a secret");
        let signed = signer.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn signs_with_every_key_while_one_rotates_and_not_at_all_without_one() {
        let other = format!("whsec_{}", BASE64.encode(&[7; 32]));
        let both = Signer::new([SECRET, &other].into_iter()).expect("two secrets").sign("a", Timestamp::EPOCH, b"");
        assert_eq!(both.map(|text| text.split(' ').filter(|part| part.starts_with("v1,")).count()), Some(2));
        assert_eq!(Signer::new(std::iter::empty()).expect("none").sign("a", Timestamp::EPOCH, b""), None);
    }

    #[test]
    fn refuses_what_is_no_key_without_quoting_it() {
        for (secret, error) in [
            ("whsec_not base64", NotASecret::Encoding),
            ("whsec_YQ==", NotASecret::Length(1)),
            ("", NotASecret::Length(0)),
        ] {
            assert_eq!(Signer::new([secret].into_iter()).map(|_| ()), Err(error));
        }
    }

    #[test]
    fn a_message_is_named_by_event_and_route_and_anew_only_when_asked() {
        let event = EventId::from_uuid(Uuid::from_u128(1));
        let (one, two): (RouteName, RouteName) = ("a".parse().expect("a name"), "b".parse().expect("a name"));
        let replay = ReplayId::from_uuid(Uuid::from_u128(2));
        assert_eq!(webhook_id(event, &one, None), webhook_id(event, &one, None));
        assert_ne!(webhook_id(event, &one, None), webhook_id(event, &two, None));
        assert_ne!(webhook_id(event, &one, None), webhook_id(event, &one, Some(replay)));
        assert_eq!(webhook_id(event, &one, None).len(), 28);
    }
}
