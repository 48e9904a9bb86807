//! Schema normalization: values cast to the types that the stream's schema declares, exactly as the reference
//! implementation (7.39.1) casts them. What cannot be cast stays as it is: a record is never dropped here.
//!
//! A schema is compiled once, to only those places that are cast at all.

mod cast;
mod compile;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json};

pub use cast::Cast;

/// The casts of a schema.
#[derive(Clone, Debug, Default)]
pub struct Casts {
    places: Vec<Place>,
}

/// What is done inside of one value.
#[derive(Clone, Debug, Default)]
struct Place {
    /// By the name of a property: how it is cast, and the place that its contents are.
    properties: Vec<(Box<str>, Cast, usize)>,
    /// The same for every element of a list.
    items: Vec<(Cast, usize)>,
}

/// The place of what has nothing to cast.
const NOTHING: usize = 0;
const ROOT: usize = 1;

impl Casts {
    #[must_use]
    pub fn of(schema: &Json) -> Self {
        Self { places: compile::places(schema) }
    }

    /// Casts a record in place.
    pub fn apply(&self, record: &mut Json) {
        self.apply_at(ROOT, record);
    }

    /// The depth is that of the record, which was bounded when it was read.
    fn apply_at(&self, at: usize, value: &mut Json) {
        let Some(place) = self.places.get(at).filter(|_| at != NOTHING) else { return };
        match value {
            Json::Object(fields) => self.apply_to_fields(place, fields),
            Json::Array(items) => {
                for (cast, inner) in &place.items {
                    for item in &mut *items {
                        cast.apply(item);
                        self.apply_at(*inner, item);
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn apply_to_fields(&self, place: &Place, fields: &mut Map<String, Json>) {
        for (name, cast, inner) in &place.properties {
            if let Some(value) = fields.get_mut(&**name) {
                cast.apply(value);
                self.apply_at(*inner, value);
            }
        }
    }
}
