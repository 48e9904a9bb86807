//! One unit of reading: which partition, which window of the cursor, and what the parent handed along.
//!
//! Never changes once made: requests, templates and state all look at the same values.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::scope::SliceView;

/// What a template sees as `stream_slice`, `stream_partition` and `stream_interval`.
///
/// Two slices are equal when partition and window are; what was handed along tells nothing apart.
#[derive(Clone, Debug)]
pub struct Slice {
    partition: Arc<Map<String, Json>>,
    window: Map<String, Json>,
    extra_fields: Arc<Map<String, Json>>,
    child_response: Option<Arc<Json>>,
    merged: Json,
}

/// A partition field and a window field have the same name, so a template could see only one of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the partition and the cursor both have a field `{field}`; rename one of them (`partition_field`, or `partition_field_start` and `partition_field_end`)"
)]
pub struct FieldTaken {
    pub field: String,
}

impl Slice {
    /// The one slice of a stream without partitions.
    #[must_use]
    pub fn whole() -> Self {
        Self::of(Map::new())
    }

    /// A partition, all of it: no window yet.
    #[must_use]
    pub fn of(partition: Map<String, Json>) -> Self {
        Self {
            merged: Json::Object(partition.clone()),
            partition: Arc::new(partition),
            window: Map::new(),
            extra_fields: Arc::default(),
            child_response: None,
        }
    }

    /// Hands fields along that templates see under `extra_fields` and that do not tell partitions apart.
    #[must_use]
    pub fn with_extra_fields(mut self, extra_fields: Map<String, Json>) -> Self {
        self.extra_fields = Arc::new(extra_fields);
        self
    }

    /// Hands along the first page of the child, as it lay inside the parent's record.
    #[must_use]
    pub fn with_child_response(mut self, response: Json) -> Self {
        self.child_response = Some(Arc::new(response));
        self
    }

    /// The same partition, read through this window of the cursor in place of any other.
    pub fn window(&self, window: Map<String, Json>) -> Result<Self, FieldTaken> {
        if let Some(field) = window.keys().find(|field| self.partition.contains_key(*field)) {
            return Err(FieldTaken { field: field.clone() });
        }
        let mut merged = (*self.partition).clone();
        merged.extend(window.iter().map(|(field, value)| (field.clone(), value.clone())));
        Ok(Self { window, merged: Json::Object(merged), ..self.clone() })
    }

    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Json> {
        self.window.get(field).or_else(|| self.partition.get(field))
    }

    #[must_use]
    pub fn partition(&self) -> &Map<String, Json> {
        &self.partition
    }

    /// The cursor's part: its first and last value, as text of the cursor's own format.
    #[must_use]
    pub fn cursor(&self) -> &Map<String, Json> {
        &self.window
    }

    #[must_use]
    pub fn extra_fields(&self) -> &Map<String, Json> {
        &self.extra_fields
    }

    /// The child's first page, where `lazy_read_pointer` found it inside the parent's record. The format takes it only
    /// while the child has no state yet; later it asks for that page as for any other.
    #[must_use]
    pub fn child_response(&self) -> Option<&Json> {
        self.child_response.as_deref()
    }

    /// Partition and window in one object: what a template sees.
    #[must_use]
    pub fn merged(&self) -> &Json {
        &self.merged
    }
}

impl<'a> From<&'a Slice> for SliceView<'a> {
    fn from(slice: &'a Slice) -> Self {
        Self { partition: &slice.partition, cursor: &slice.window, extra_fields: &slice.extra_fields }
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        self.partition == other.partition && self.window == other.window
    }
}

impl Default for Slice {
    fn default() -> Self {
        Self::whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Json) -> Map<String, Json> {
        match value {
            Json::Object(map) => map,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a_window_adds_its_fields_behind_those_of_the_partition() {
        let slice = Slice::of(map(json!({"pid": 1}))).window(map(json!({"start_time": "a", "end_time": "b"}))).unwrap();
        assert_eq!(slice.merged().to_string(), r#"{"pid":1,"start_time":"a","end_time":"b"}"#);
        assert_eq!(slice.get("pid"), Some(&json!(1)));
        assert_eq!(slice.get("end_time"), Some(&json!("b")));
        assert_eq!(slice.get("other"), None);
    }

    #[test]
    fn a_window_may_not_hide_a_partition_field() {
        let taken = Slice::of(map(json!({"start_time": 1}))).window(map(json!({"start_time": "a"}))).unwrap_err();
        assert_eq!(taken.field, "start_time");
    }

    #[test]
    fn what_is_handed_along_tells_nothing_apart() {
        let plain = Slice::of(map(json!({"pid": 1})));
        assert_eq!(plain, plain.clone().with_extra_fields(map(json!({"name": "x"}))));
        assert_ne!(plain, Slice::of(map(json!({"pid": 2}))));
        assert_ne!(plain, plain.window(map(json!({"start": 1}))).unwrap());
    }
}
