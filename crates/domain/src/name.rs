//! Names that owners give to configured things: validated once, cheap to clone.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a tenant, source, route or destination, in bytes: fits a metric label and a URL segment.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest name of a connection, in bytes: shop domains and account ids of senders are names too.
pub const CONNECTION_BYTES_MAX: usize = 128;

// Nearly every event has the first or is compared with the second: they are shared, not made anew.
static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());
static UNASSIGNED: LazyLock<Arc<str>> = LazyLock::new(|| "unassigned".into());

/// The text cannot be a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' cannot name a {kind}: use 1 to {bytes_max} of {allowed}, starting with a letter or digit")]
pub struct NotAName {
    pub kind: &'static str,
    pub text: String,
    pub bytes_max: usize,
    pub allowed: &'static str,
}

fn is_name(text: &str, bytes_max: usize, others: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= bytes_max
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:expr, $others:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same to be held on to, without a copy.
            #[must_use]
            pub fn shared(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                if is_name(text, $max, $others) {
                    Ok(Self(text.into()))
                } else {
                    Err(NotAName { kind: $kind, text: text.chars().take(64).collect(), bytes_max: $max, allowed: $allowed })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
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

name!(
    /// Who owns sources, destinations and keys; first in every key.
    Tenant, "tenant", NAME_BYTES_MAX, b"-_", "letters, digits, '-' and '_'"
);
name!(
    /// A place in the order of acceptance that a program fetches events from.
    ListenerName, "listener", NAME_BYTES_MAX, b"-_", "letters, digits, '-' and '_'"
);
name!(
    /// A configured upstream.
    SourceName, "source", NAME_BYTES_MAX, b"-_", "letters, digits, '-' and '_'"
);
name!(
    /// One authorised account at a source.
    ConnectionName, "connection", CONNECTION_BYTES_MAX, b"-_.:@", "letters, digits, '-', '_', '.', ':' and '@'"
);
name!(
    /// Where events go.
    DestinationName, "destination", NAME_BYTES_MAX, b"-_", "letters, digits, '-' and '_'"
);
name!(
    /// By which people are told of alerts.
    ChannelName, "channel", NAME_BYTES_MAX, b"-_", "letters, digits, '-' and '_'"
);
name!(
    /// From a source to a destination. Long enough for the default, `<from>-<to>`.
    RouteName, "route", 2 * NAME_BYTES_MAX + 1, b"-_", "letters, digits, '-' and '_'"
);

impl Tenant {
    /// The tenant of everything that names none.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self(Arc::clone(&DEFAULT))
    }
}

impl ConnectionName {
    /// The one connection of a source without accounts.
    #[must_use]
    pub fn default_connection() -> Self {
        Self(Arc::clone(&DEFAULT))
    }

    /// Where events of accounts that nobody has configured wait to be assigned (design §6, Accounts).
    #[must_use]
    pub fn unassigned() -> Self {
        Self(Arc::clone(&UNASSIGNED))
    }
}

impl RouteName {
    /// The name of a route that was given none.
    #[must_use]
    pub fn of_pair(from: &SourceName, to: &DestinationName) -> Self {
        Self(format!("{from}-{to}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_plain_and_start_with_a_letter_or_digit() {
        for good in ["a", "github", "shop-2", "A_b", "0"] {
            assert!(good.parse::<SourceName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a/b", "a b", "ä", "a.b", &"x".repeat(65)] {
            assert!(bad.parse::<SourceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn connections_may_be_domains_and_account_ids() {
        assert!("acme.myshopify.com".parse::<ConnectionName>().is_ok());
        assert!("acct_1Mv".parse::<ConnectionName>().is_ok());
        assert!("../x".parse::<ConnectionName>().is_err());
    }
}
