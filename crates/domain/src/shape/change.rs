//! What can be new about a value, and how much it should trouble somebody.

use serde::{Deserialize, Serialize};

use super::{Format, Kind};

/// Something about the values of a type or a stream that was not so before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where: a JSON Pointer (RFC 6901) into the value, with `*` for any item of a list and any key of a map.
    pub at: String,
    #[serde(flatten)]
    pub what: Changed,
}

/// A change, and what showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub change: Change,
    /// The beginning of the new value as JSON; empty where something is gone.
    pub example: String,
}

/// What is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Changed {
    /// A field that was never there.
    FieldAdded { kind: Kind },
    /// A field that was gone is there again.
    FieldBack,
    /// A field that was always there was missing once.
    FieldOptional,
    /// A field that was there is not any more.
    FieldLost,
    /// A value of another kind than all before.
    KindAdded { kind: Kind, before: Vec<Kind> },
    /// A text that is not of the format of all before.
    FormatLost { format: Format },
    /// A text that is not one of the few that came before.
    ValueAdded { value: String },
}

/// How much a change should trouble somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Whoever reads the values need not care.
    Compatible,
    /// Whoever relies on what was so until now should look.
    Notable,
    /// Whoever reads this place will most likely fail.
    Breaking,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Notable => "notable",
            Self::Breaking => "breaking",
        }
    }
}

impl Changed {
    /// Stable; the same as in what is written down.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::FieldAdded { .. } => "field_added",
            Self::FieldBack => "field_back",
            Self::FieldOptional => "field_optional",
            Self::FieldLost => "field_lost",
            Self::KindAdded { .. } => "kind_added",
            Self::FormatLost { .. } => "format_lost",
            Self::ValueAdded { .. } => "value_added",
        }
    }

    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::FieldAdded { .. } | Self::FieldBack => Severity::Compatible,
            Self::KindAdded { kind, before } if is_wider(*kind, before) => Severity::Compatible,
            Self::KindAdded { kind: Kind::Null, .. } => Severity::Notable,
            Self::FieldOptional | Self::FormatLost { .. } | Self::ValueAdded { .. } => Severity::Notable,
            Self::FieldLost | Self::KindAdded { .. } => Severity::Breaking,
        }
    }
}

/// Whoever reads what came before reads this too: the first value where only null was, or a whole number where
/// fractions were.
fn is_wider(kind: Kind, before: &[Kind]) -> bool {
    before.iter().all(|before| *before == Kind::Null) || (kind == Kind::Integer && before.contains(&Kind::Number))
}

impl Change {
    /// In a sentence, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let at = if self.at.is_empty() { "the whole value" } else { &self.at };
        match &self.what {
            Changed::FieldAdded { kind } => format!("{at} is new: {}", kind.as_str()),
            Changed::FieldBack => format!("{at} is there again"),
            Changed::FieldOptional => format!("{at} was always there, and was missing"),
            Changed::FieldLost => format!("{at} is not there any more"),
            Changed::KindAdded { kind, before } => {
                let before: Vec<&str> = before.iter().map(|kind| kind.as_str()).collect();
                format!("{at} is {} where it was {}", kind.as_str(), before.join(" or "))
            }
            Changed::FormatLost { format } => format!("{at} is not a {} any more", format.as_str()),
            Changed::ValueAdded { value } => format!("{at} has a value that it never had: {value:?}"),
        }
    }
}
