//! Windows that a source refuses as too large, cut in halves; and slices whose paging starts over, cut to what is left.

use serde_json::Map;

use crate::manifest::expression::dates::Period;
use crate::manifest::slice::Slice;

use super::error::CursorError;
use super::open::OpenSlice;
use super::point::exactly;
use super::rules::Rules;
use super::sync::DatetimeCursor;

/// What each directive can tell apart, in microseconds, finest first where one is part of another.
const FINENESS: [(&str, i128); 11] = [
    ("%epoch_microseconds", 1),
    ("%s_as_float", 1),
    ("%f", 1),
    ("%_ms", 1_000),
    ("%ms", 1_000),
    ("%S", 1_000_000),
    ("%s", 1_000_000),
    ("%M", 60_000_000),
    ("%H", 3_600_000_000),
    ("%I", 3_600_000_000),
    ("%d", 86_400_000_000),
];

impl DatetimeCursor {
    /// Why a stream with this cursor cannot have `request_window_splitting`, if it cannot.
    #[must_use]
    pub fn splitting_obstacle(&self) -> Option<&'static str> {
        let Some(unit) = &self.granularity else {
            return Some("needs 'cursor_granularity' and 'step', which say how small a window may get");
        };
        let finest = FINENESS.iter().filter(|(directive, _)| self.output.source().contains(directive));
        let finest = finest.map(|(_, micros)| *micros).min();
        if !unit.has_months() && unit.micros() <= 0 {
            return Some("needs a 'cursor_granularity' above zero");
        }
        if self.is_client_side {
            return Some(
                "does not go with 'is_client_side_incremental': the window is not sent, so halving it changes nothing",
            );
        }
        let is_too_fine = !unit.has_months() && finest.is_some_and(|finest| unit.micros() < finest);
        is_too_fine.then_some("needs a 'datetime_format' that writes down what 'cursor_granularity' tells apart")
    }
}

impl Rules {
    /// The two halves of a window; `None` where it cannot get smaller: at `smallest` or at one unit of granularity.
    pub(crate) fn halves(&self, slice: &Slice, smallest: Option<Period>) -> Result<Option<[Slice; 2]>, CursorError> {
        let Some(unit) = self.unit().filter(|unit| !unit.has_months()) else { return Ok(None) };
        let Ok(unit) = i64::try_from(unit.micros()) else { return Ok(None) };
        let (start, end) = self.bounds_of(slice.cursor())?;
        let length = end.micros_since(start);
        let is_smallest = smallest.is_some_and(|smallest| i128::from(length) <= smallest.micros());
        if unit <= 0 || length <= 0 || is_smallest {
            return Ok(None);
        }
        let units = length / unit + 1;
        let first_end = start.plus(exactly((units / 2 - 1).saturating_mul(unit)));
        let second_start = start.plus(exactly((units / 2).saturating_mul(unit)));
        let (Some(first_end), Some(second_start)) = (first_end, second_start) else { return Ok(None) };
        if units <= 1 || first_end < start || second_start > end {
            return Ok(None);
        }
        Ok(Some([slice.window(self.window(start, first_end))?, slice.window(self.window(second_start, end))?]))
    }
}

impl OpenSlice {
    /// Two halves of a window that the source refused as too large: of this slice's own, or of one that came from here
    /// before. They are read in its place, one after the other, and what they give belongs to this slice. `None` where
    /// the window cannot get smaller; `smallest` is `min_split_window`.
    pub fn halves(&self, window: &Slice, smallest: Option<Period>) -> Result<Option<[Slice; 2]>, CursorError> {
        self.rules().map_or(Ok(None), |rules| rules.halves(window, smallest))
    }

    /// The same slice from the highest value seen on, for sources that refuse to page any further. Safe only if records
    /// come in the order of the cursor. The slice itself if nothing was seen, or if it has no window of dates.
    pub fn rest(&self) -> Result<Slice, CursorError> {
        let slice = &**self.slice();
        let (Some(rules), Some(highest)) = (self.rules(), self.highest_date()) else { return Ok(slice.clone()) };
        let [first, last] = &rules.bounds;
        let mut window = Map::new();
        window.insert(first.to_string(), rules.write(highest));
        if let Some(end) = slice.cursor().get(&**last) {
            window.insert(last.to_string(), end.clone());
        }
        Ok(slice.window(window)?)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Map, Value as Json, json};

    use super::super::*;
    use super::*;
    use crate::manifest::node::{Document, Read};
    use crate::manifest::scope::Scope;
    use crate::manifest::state::StreamState;

    fn open(over: &Json) -> OpenSlice {
        let mut component = json!({
            "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
            "start_datetime": "2024-01-01T00:00:00Z", "end_datetime": "2024-01-31T00:00:00Z",
        });
        component.as_object_mut().unwrap().extend(over.as_object().cloned().unwrap_or_default());
        let sync = IncrementalSync::read(&Document::from_json(&component).root()).unwrap();
        let (config, now) = (json!({}), Timestamp::UNIX_EPOCH);
        let scope = Scope::new(&config, now);
        let mut cursor = Cursor::begin(Some(&sync), None, &StreamState::default(), &scope, &[]).unwrap();
        let _ = cursor.enter(Slice::of(Map::from_iter([("pid".to_owned(), json!(1))])), None, now);
        cursor.open().unwrap().unwrap()
    }

    fn days() -> Json {
        json!({
            "datetime_format": "%Y-%m-%d", "start_datetime": "2024-01-01", "end_datetime": "2024-02-01", "step": "P30D",
            "cursor_granularity": "P1D",
        })
    }

    fn window(start: &str, end: &str) -> Slice {
        let fields = json!({"start_time": start, "end_time": end}).as_object().cloned().unwrap();
        Slice::of(Map::from_iter([("pid".to_owned(), json!(1))])).window(fields).unwrap()
    }

    #[test]
    fn halves_are_those_of_the_reference() {
        let (seconds, day) = (json!({"step": "P1D", "cursor_granularity": "PT1S"}), "2024-01-01T00:00:00Z");
        let whole_days = json!({"step": "P1D", "cursor_granularity": "P1D"});
        let cases = [
            (days(), "2024-01-01", "2024-01-10", None, Some(["2024-01-05", "2024-01-06"])),
            (days(), "2024-01-01", "2024-01-09", None, Some(["2024-01-04", "2024-01-05"])),
            (days(), "2024-01-01", "2024-01-02", None, Some(["2024-01-01", "2024-01-02"])),
            (days(), "2024-01-01", "2024-01-01", None, None),
            (days(), "2024-01-05", "2024-01-01", None, None),
            (days(), "2024-01-01", "2024-01-08", Some("P7D"), None),
            (days(), "2024-01-01", "2024-01-09", Some("P7D"), Some(["2024-01-04", "2024-01-05"])),
            (seconds, day, "2024-01-02T00:00:00Z", None, Some(["2024-01-01T11:59:59Z", "2024-01-01T12:00:00Z"])),
            (whole_days.clone(), day, "2024-01-01T10:00:00Z", None, None),
            (whole_days, day, "2024-01-02T10:00:00Z", None, Some([day, "2024-01-02T00:00:00Z"])),
            (json!({}), day, "2024-01-02T00:00:00Z", None, None),
        ];
        for (over, start, end, smallest, middle) in cases {
            let smallest = smallest.map(|text| Period::parse(text).unwrap());
            let halves = open(&over).halves(&window(start, end), smallest).unwrap();
            let expected =
                middle.map(|[first_end, second_start]| [window(start, first_end), window(second_start, end)]);
            assert_eq!(halves, expected, "{start} to {end} of {over}");
        }
    }

    #[test]
    fn cursors_whose_windows_cannot_be_split_say_why() {
        let with = |over: Json| {
            let mut component = json!({
                "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
                "start_datetime": "2024-01-01T00:00:00Z", "step": "P1D", "cursor_granularity": "PT1S",
            });
            component.as_object_mut().unwrap().extend(over.as_object().cloned().unwrap());
            let IncrementalSync::Dates(cursor) =
                IncrementalSync::read(&Document::from_json(&component).root()).unwrap()
            else {
                panic!("a cursor of dates")
            };
            cursor.splitting_obstacle()
        };
        let cases = [
            (json!({}), None),
            (json!({"step": null, "cursor_granularity": null}), Some("needs 'cursor_granularity'")),
            (json!({"cursor_granularity": "PT0S"}), Some("above zero")),
            (json!({"is_client_side_incremental": true}), Some("is_client_side_incremental")),
            (json!({"datetime_format": "%Y-%m-%d"}), Some("datetime_format")),
            (json!({"datetime_format": "%Y-%m-%d", "cursor_granularity": "P1D"}), None),
            (json!({"datetime_format": "%s", "cursor_granularity": "PT0.5S"}), Some("datetime_format")),
            (json!({"datetime_format": "%s_as_float", "cursor_granularity": "PT0.5S"}), None),
        ];
        for (over, expected) in cases {
            let obstacle = with(over.clone());
            let is_expected =
                expected.map_or(obstacle.is_none(), |part| obstacle.is_some_and(|text| text.contains(part)));
            assert!(is_expected, "{over}: {obstacle:?}");
        }
    }

    #[test]
    fn halving_ends_and_covers_the_window_without_a_gap() {
        let open = open(&days());
        let mut waiting = vec![window("2024-01-01", "2024-01-31")];
        let mut smallest = Vec::new();
        while let Some(next) = waiting.pop() {
            match open.halves(&next, None).unwrap() {
                Some(halves) => waiting.extend(halves.into_iter().rev()),
                None => smallest.push(next),
            }
        }
        let days: Vec<String> = (1..=31).map(|day| format!("2024-01-{day:02}")).collect();
        let expected: Vec<Slice> = days.iter().map(|day| window(day, day)).collect();
        assert_eq!(smallest, expected);
    }

    #[test]
    fn a_window_that_cannot_be_read_is_no_fault_of_the_source() {
        let error = open(&days()).halves(&window("x", "2024-01-02"), None).unwrap_err();
        assert_eq!(error.code(), "cursor_bound");
    }

    #[test]
    fn the_rest_of_a_slice_begins_with_the_highest_value_seen() {
        let mut open = open(&days());
        assert_eq!(&open.rest().unwrap(), &**open.slice(), "nothing was seen");
        open.observe(&json!({"at": "2024-01-07"}));
        open.observe(&json!({"at": "2024-01-05"}));
        assert_eq!(open.rest().unwrap(), window("2024-01-07", open.slice().get("end_time").unwrap().as_str().unwrap()));
    }
}
