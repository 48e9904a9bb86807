//! Public ids: TypeIDs (a prefix and the Crockford base32 of a UUIDv7), as `evt_01h455vb4pex5vsknk084sn02q`.
//!
//! Ids tell things apart; they order nothing that must be in order. Format: TypeID specification 0.3.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an id of the form {prefix}_ followed by 26 letters and digits")]
pub struct NotAnId {
    pub prefix: &'static str,
    pub text: String,
}

fn encode(uuid: Uuid) -> [u8; SUFFIX_LEN] {
    let mut rest = uuid.as_u128();
    let mut out = [b'0'; SUFFIX_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    // 26 letters hold 130 bits: a first letter above 7 would not fit into 128.
    if bytes.len() != SUFFIX_LEN || bytes[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in bytes {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        value = (value << 5) | digit as u128;
    }
    Some(Uuid::from_u128(value))
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                const HEAD: &[u8] = concat!($prefix, "_").as_bytes();
                // Written at once, so that what is written into is not made larger twice.
                let mut text = [0; HEAD.len() + SUFFIX_LEN];
                text[..HEAD.len()].copy_from_slice(HEAD);
                text[HEAD.len()..].copy_from_slice(&encode(self.0));
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| NotAnId { prefix: $prefix, text: text.chars().take(64).collect() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// An accepted event.
    EventId,
    "evt"
);
typed_id!(
    /// One event owed to one destination by one route.
    DeliveryId,
    "dlv"
);
typed_id!(
    /// One try of a delivery.
    AttemptId,
    "att"
);
typed_id!(
    /// One inbound HTTP request. The request of a single event shares the event's UUID.
    RequestId,
    "req"
);
typed_id!(
    /// One poll, backfill or reconciliation of a stream.
    RunId,
    "run"
);
typed_id!(
    /// One replay job.
    ReplayId,
    "rpl"
);
typed_id!(
    /// One secret that a sender handed over.
    PairingId,
    "par"
);
typed_id!(
    /// One address that a sender asks to be opened.
    HandshakeId,
    "hsk"
);
typed_id!(
    /// One alert.
    AlertId,
    "alr"
);
typed_id!(
    /// One message about alerts to one channel.
    NoticeId,
    "ntc"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_typeid_specification() {
        // The vectors of the TypeID specification 0.3: nil, one, ten, the largest and a UUIDv7.
        let cases = [
            ("00000000-0000-0000-0000-000000000000", "evt_00000000000000000000000000"),
            ("00000000-0000-0000-0000-000000000001", "evt_00000000000000000000000001"),
            ("00000000-0000-0000-0000-00000000000a", "evt_0000000000000000000000000a"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz"),
            ("01890a5d-ac96-774b-bcce-b302099a8057", "evt_01h455vb4pex5vsknk084sn02q"),
        ];
        for (uuid, text) in cases {
            let id = EventId::from_uuid(uuid.parse().expect("a UUID"));
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn refuses_what_is_not_its_kind() {
        for text in [
            "",
            "evt_",
            "dlv_00000000000000000000000000",
            "evt_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "evt_0000000000000000000000000I",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
