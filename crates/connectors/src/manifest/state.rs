//! A stream's state, in the format's own JSON: what came in goes out unchanged until a cursor has something to say.

mod delegate;
mod migration;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json};

pub use delegate::{Choice, Reader, choose};
pub use migration::StateMigration;

use super::cursor::NO_CURSOR;

/// The state of one stream. Empty before its first run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamState(Map<String, Json>);

impl StreamState {
    #[must_use]
    pub const fn new(fields: Map<String, Json>) -> Self {
        Self(fields)
    }

    /// `None` where it is no object; null is the same as none.
    #[must_use]
    pub fn from_json(json: Json) -> Option<Self> {
        match json {
            Json::Object(fields) => Some(Self(fields)),
            Json::Null => Some(Self::default()),
            _ => None,
        }
    }

    #[must_use]
    pub const fn fields(&self) -> &Map<String, Json> {
        &self.0
    }

    #[must_use]
    pub fn into_json(self) -> Json {
        Json::Object(self.0)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a parent stream resumes from that is read as this stream's `incremental_dependency`: its own part of
    /// `parent_state`, else the cursor over all partitions, else the one value that a state of old has.
    /// `parent_field` is the parent's cursor field.
    #[must_use]
    pub fn of_parent(&self, parent: &str, parent_field: Option<&str>) -> Self {
        let told = |field: &str| self.0.get(field).and_then(Json::as_object);
        if let Some(state) = told("parent_state").and_then(|parents| parents.get(parent)).and_then(Json::as_object) {
            return Self(state.clone());
        }
        if let Some(common) = told("state") {
            return Self(common.clone());
        }
        let mut values = self.0.iter().filter(|(field, _)| *field != NO_CURSOR).map(|(_, value)| value);
        match (values.next(), values.next(), parent_field) {
            (Some(value @ (Json::String(_) | Json::Number(_))), None, Some(field)) => {
                Self(Map::from_iter([(field.to_owned(), value.clone())]))
            }
            _ => Self::default(),
        }
    }
}
