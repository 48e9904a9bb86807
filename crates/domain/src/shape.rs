//! Shapes: what the values of an event type or of a stream looked like so far, learned one value at a time.
//!
//! A shape only remembers; it never refuses anything. Values themselves are not kept, but for the few texts of a place
//! where the same ones come again and again.
//!
//! | file | what it does |
//! |---|---|
//! | `learn` | takes in a value, and says what was new about it |
//! | `change` | what can be new, and how much it should trouble somebody |
//! | `text` | the formats of texts, and the places with a fixed set of them |
//! | `schema` | a shape as a JSON Schema |

mod change;
mod learn;
mod schema;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use change::{Change, Changed, Found, Severity};
pub use schema::{Line, json_schema, outline};
pub use text::{Format, Texts};

/// Values seen at a place before anything there counts as new: below it, a shape is still being learned.
pub const TRUSTED_AFTER: u64 = 30;
/// Deeper values are not looked into: no schema that a person reads is deeper.
pub const DEPTH_MAX: usize = 16;
/// Places that one shape remembers; more are not, and the shape says so.
pub const PLACES_MAX: usize = 4_000;
/// Items of a list that are looked at: the others are of the same kind, or the list is not worth a schema.
pub const ITEMS_MAX: usize = 50;

/// Longer names of fields are data, and are not remembered. In bytes.
pub const NAME_MAX: usize = 200;
/// How much of a new value is kept as an example, in bytes: enough to know it again.
pub const EXAMPLE_MAX: usize = 200;

/// A kind of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Null,
    Boolean,
    Integer,
    /// With a fraction, or too large for an integer of 64 bits.
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// As JSON Schema calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn of(value: &serde_json::Value) -> Self {
        use serde_json::Value::{Array, Bool, Null, Number, Object, String};
        match value {
            Null => Self::Null,
            Bool(_) => Self::Boolean,
            Number(number) if number.is_i64() || number.is_u64() => Self::Integer,
            Number(_) => Self::Number,
            String(_) => Self::String,
            Array(_) => Self::Array,
            Object(_) => Self::Object,
        }
    }
}

/// What the values at one place looked like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// How many values of each kind.
    kinds: BTreeMap<Kind, u64>,
    #[serde(skip_serializing_if = "Texts::is_empty")]
    texts: Texts,
    /// What all items of the lists had in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Box<Shape>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, Field>,
    /// The objects are maps, their keys being data: what all of their values had in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Box<Shape>>,
    /// There was more than is remembered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// A field of the objects at one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Field {
    shape: Shape,
    /// Objects that had it.
    present: u64,
    /// Objects that came after the first that had it, itself included.
    chances: u64,
    /// An object before or after its first had it not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
    /// Objects in a row, up to the last one, that had it not.
    #[serde(skip_serializing_if = "is_zero")]
    missing: u64,
    /// It was told that it is gone, and it did not come back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Shape {
    /// Values that were seen here.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// Enough was seen that something else would be a change.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.seen() >= TRUSTED_AFTER
    }

    /// The values had more places than are remembered.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// How many places this shape has, its own included.
    #[must_use]
    pub fn places(&self) -> usize {
        let below = self.fields.values().map(|field| field.shape.places()).sum::<usize>();
        let inner = [&self.items, &self.entries].into_iter().flatten().map(|shape| shape.places()).sum::<usize>();
        1 + below + inner
    }

    fn count(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }
}
