//! How far one datetime cursor has come: its own state in, windows and state out. Of a stream without partitions there
//! is one, else one per partition.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::coverage::{Coverage, Span};
use super::error::CursorError;
use super::point::Point;
use super::rules::Rules;
use super::windows::Windows;

/// The types of state that tell spans instead of one value.
const SPAN_TYPES: [&str; 2] = ["date-range", "integer"];

#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// Where reading resumed: what decides whether a record is new.
    resumed: Point,
    read: Coverage<Point>,
    /// Fields of the state that came in; those that are not the cursor's stay in it, in their place.
    legacy: Option<Box<Map<String, Json>>>,
}

impl Progress {
    pub fn resume(rules: &Rules, state: &Map<String, Json>) -> Result<Self, CursorError> {
        let is_spans = state.get("state_type").and_then(Json::as_str).is_some_and(|kind| SPAN_TYPES.contains(&kind));
        if is_spans { Self::from_spans(rules, state) } else { Self::from_value(rules, state) }
    }

    /// From `{"<field>": "<value>"}`, or from nothing.
    fn from_value(rules: &Rules, state: &Map<String, Json>) -> Result<Self, CursorError> {
        let saved = match state.get(&*rules.field) {
            None => None,
            Some(value) => {
                Some(rules.held(rules.formats.read(value).map_err(|reason| unreadable(&rules.field, reason))?))
            }
        };
        let resumed = saved.filter(|saved| *saved >= rules.start).unwrap_or(rules.start);
        let before = Span { start: rules.start, end: resumed, highest: Some(resumed) };
        let others = state.keys().any(|key| **key != *rules.field);
        Ok(Self { resumed, read: Coverage::from(before), legacy: others.then(|| Box::new(state.clone())) })
    }

    /// From `{"slices": [{"start", "end", "most_recent_cursor_value"?}], "state_type": "date-range"}`.
    fn from_spans(rules: &Rules, state: &Map<String, Json>) -> Result<Self, CursorError> {
        let listed = state.get("slices").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let mut spans = listed.iter().map(|span| read_span(rules, span));
        let Some(first) = spans.next().transpose()? else { return Self::from_value(rules, &Map::new()) };
        let mut read = Coverage::from(first);
        for span in spans {
            read.add(span?, |point| rules.next(point));
        }
        Ok(Self { resumed: first.highest.unwrap_or(first.end), read, legacy: None })
    }

    pub fn windows(&self, rules: &Arc<Rules>, now: Timestamp) -> Windows {
        Windows::new(rules, &self.read, now)
    }

    pub fn floor(&self, rules: &Rules) -> Point {
        rules.floor(self.resumed)
    }

    /// A window was read to its end.
    pub fn close(
        &mut self,
        rules: &Rules,
        window: &Map<String, Json>,
        highest: Option<Point>,
    ) -> Result<(), CursorError> {
        let (start, end) = rules.bounds_of(window)?;
        self.read.add(Span { start, end, highest }, |point| rules.next(point));
        Ok(())
    }

    pub fn reached(&self) -> Point {
        self.read.reached()
    }

    pub fn state(&self, rules: &Rules) -> Map<String, Json> {
        let mut state = self.legacy.as_deref().cloned().unwrap_or_default();
        state.insert(rules.field.to_string(), rules.write(self.reached()));
        state
    }
}

fn read_span(rules: &Rules, span: &Json) -> Result<Span<Point>, CursorError> {
    let point = |field: &str, value: &Json| rules.formats.read(value).map_err(|reason| unreadable(field, reason));
    let bound = |field: &str| match span.get(field) {
        Some(value) => point(field, value),
        None => Err(CursorError::Shape { expects: "each of its slices has a start and an end" }),
    };
    let highest = span.get("most_recent_cursor_value").filter(|value| !value.is_null());
    let highest = highest.map(|value| point("most_recent_cursor_value", value)).transpose()?;
    Ok(Span { start: bound("start")?, end: bound("end")?, highest })
}

fn unreadable(field: &str, reason: super::formats::Unreadable) -> CursorError {
    CursorError::State { field: field.to_owned(), reason }
}
