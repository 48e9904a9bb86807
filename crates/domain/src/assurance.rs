//! What a verification proves about a request (providers.md, finding 1).

use serde::{Deserialize, Serialize};

/// Ordered from the weakest to the strongest, so that a route can ask for "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Nothing: anyone who knows the address could have sent it.
    None,
    /// The sender knows a shared token or password; the bytes are not covered.
    Shared,
    /// A token or certificate proves the sender, not the bytes.
    Origin,
    /// A signature covers some fields of the body, not all of it.
    Partial,
    /// A signature covers the whole body.
    Body,
}

impl Assurance {
    pub const ALL: [Self; 5] = [Self::None, Self::Shared, Self::Origin, Self::Partial, Self::Body];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shared => "shared",
            Self::Origin => "origin",
            Self::Partial => "partial",
            Self::Body => "body",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assurance| assurance.as_str() == text)
    }
}

impl std::fmt::Display for Assurance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
