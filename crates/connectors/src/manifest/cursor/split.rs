//! Windows that a source refuses as too large, cut in halves; and slices whose paging starts over, cut to what is left.

use serde_json::Map;

use crate::manifest::expression::dates::Period;
use crate::manifest::slice::Slice;

use super::error::CursorError;
use super::open::OpenSlice;
use super::point::exactly;
use super::rules::Rules;

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
