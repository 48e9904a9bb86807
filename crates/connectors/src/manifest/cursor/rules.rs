//! A datetime cursor with its templates evaluated: everything that decides windows and state, and nothing that changes.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::manifest::expression::dates::Period;

use super::clamp::Clamp;
use super::error::CursorError;
use super::formats::Formats;
use super::point::{Point, exactly, is_nothing};

/// What spans count as touching if the cursor names no granularity.
const TOUCH_MICROS: i64 = 1_000;
/// An end that is closer to now is now, as templates that write whole seconds say it.
const TICK_MICROS: i64 = 1_000_000;

/// The settings of one stream's cursor, for one run.
#[derive(Debug)]
pub struct Rules {
    /// The field of a record that holds its cursor value.
    pub field: Arc<str>,
    pub formats: Formats,
    pub start: Point,
    /// Where reading ends; `None` is now, whenever that is.
    pub end: Option<Point>,
    pub lookback: Option<Period>,
    /// The length of a window; `None` is all there is.
    pub step: Option<Period>,
    pub granularity: Option<Period>,
    /// The furthest that the cursor moves, whatever time a record names; `None`: as far as records do.
    pub ceiling: Option<Point>,
    pub clamp: Clamp,
    /// The source refuses windows whose start equals their end.
    pub strict: bool,
    /// The names of a window's first and last value in the slice.
    pub bounds: [Arc<str>; 2],
}

impl Rules {
    /// The smallest step to another value, as far as touching spans go.
    pub(crate) fn next(&self, point: Point) -> Point {
        point.plus(self.unit().unwrap_or(exactly(TOUCH_MICROS))).unwrap_or(point)
    }

    /// A value as far as the cursor may move by it.
    #[must_use]
    pub(crate) fn held(&self, point: Point) -> Point {
        self.ceiling.map_or(point, |ceiling| point.min(ceiling))
    }

    /// The end of reading, whole units only where the windows are clamped.
    #[must_use]
    pub fn end(&self, now: Timestamp) -> Point {
        let end = self.end.unwrap_or_else(|| Point::at(now));
        if self.clamp == Clamp::None {
            return end;
        }
        let border = self.clamp.down(end);
        border.minus(self.unit().unwrap_or(self.clamp.unit())).unwrap_or(border)
    }

    /// Whether what changes now is beyond the end of reading. What the cursor's format cannot tell from now is not.
    #[must_use]
    pub fn ends_before(&self, now: Timestamp) -> bool {
        let written = self.formats.read(&self.write(Point::at(now))).unwrap_or(Point::at(now));
        written.micros_since(self.end(now)) >= TICK_MICROS
    }

    /// The lowest value that a record may have to be new, given where reading resumes. Keeps what the lookback reads
    /// again, never below the configured start unless the state itself is.
    #[must_use]
    pub(crate) fn floor(&self, resumed: Point) -> Point {
        let Some(lower) = self.lookback.and_then(|lookback| resumed.minus(lookback)) else { return resumed };
        lower.max(resumed.min(self.start))
    }

    pub(crate) fn write(&self, point: Point) -> Json {
        Json::String(self.formats.write(point))
    }

    /// The window as the slice's part.
    pub(crate) fn window(&self, start: Point, end: Point) -> Map<String, Json> {
        let [first, last] = &self.bounds;
        let mut window = Map::new();
        window.insert(first.to_string(), self.write(start));
        window.insert(last.to_string(), self.write(end));
        window
    }

    /// The window as its own texts say it: what a format does not write down is not known to be read.
    pub(crate) fn bounds_of(&self, window: &Map<String, Json>) -> Result<(Point, Point), CursorError> {
        let [first, last] = &self.bounds;
        let read = |field: &str| {
            let value = window.get(field).ok_or_else(|| CursorError::BoundMissing { field: field.to_owned() })?;
            self.formats.read(value).map_err(|reason| CursorError::BoundUnreadable { field: field.to_owned(), reason })
        };
        Ok((read(first)?, read(last)?))
    }

    /// A granularity that is worth the name.
    pub(crate) fn unit(&self) -> Option<Period> {
        self.granularity.filter(|unit| !is_nothing(unit))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::cursor::IncrementalSync;
    use crate::manifest::node::{Document, Read};
    use crate::manifest::scope::Scope;

    #[test]
    fn an_end_is_before_now_only_if_the_cursors_format_can_tell_the_two_apart() {
        let seconds = "%Y-%m-%dT%H:%M:%SZ";
        let exact = "%Y-%m-%dT%H:%M:%S.%fZ";
        let now: Timestamp = "2024-05-03T10:20:30.75Z".parse().expect("a time");
        for (format, end, expected) in [
            (seconds, None, false),
            (seconds, Some("2024-05-03T10:20:30Z"), false),
            (seconds, Some("2024-05-03T11:00:00Z"), false),
            (seconds, Some("2024-05-03T10:20:00Z"), true),
            (exact, Some("2024-05-03T10:20:30.000000Z"), false),
            (exact, Some("2024-05-03T10:20:29.000000Z"), true),
            ("%Y-%m-%d", Some("2024-05-03"), false),
            ("%Y-%m-%d", Some("2024-05-02"), true),
        ] {
            let start = json!({ "type": "MinMaxDatetime", "datetime": "2020-01-01", "datetime_format": "%Y-%m-%d" });
            let mut cursor = json!({
                "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": format, "start_datetime": start,
            });
            if let Some(end) = end {
                cursor["end_datetime"] = json!(end);
            }
            let sync = IncrementalSync::read(&Document::from_json(&cursor).root()).expect("a cursor");
            let IncrementalSync::Dates(dates) = sync else { panic!("{cursor}") };
            let config = json!({});
            let rules = dates.rules(&Scope::new(&config, now), &[]).expect("rules");
            assert_eq!(rules.ends_before(now), expected, "{cursor}");
        }
    }
}
