//! A stream with two ways to be read, and a state that decides: all at first, changes afterwards, and all again if the
//! source has forgotten the changes since.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::manifest::cursor::{CursorError, IncrementalSync, Point, Rules, is_nothing};
use crate::manifest::expression::dates::Period;
use crate::manifest::partition::PartitionRouter;
use crate::manifest::scope::Scope;

use super::StreamState;
use crate::manifest::cursor::NO_CURSOR;

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    FullRefresh,
    /// The state is too old: it is dropped (and told so) before everything is read again.
    FullRefreshAfresh,
    Incremental,
}

/// One of the two ways.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub sync: Option<&'a IncrementalSync>,
    pub router: Option<&'a PartitionRouter>,
}

/// Chooses by the state. `retention` is the text that `api_retention_period` says, empty for none; it counts only for
/// streams that the catalog asks for.
pub fn choose(
    state: &StreamState,
    retention: &str,
    full: Reader<'_>,
    incremental: Reader<'_>,
    scope: &Scope<'_>,
) -> Result<Choice, CursorError> {
    if state.is_empty() {
        return Ok(Choice::FullRefresh);
    }
    if retention.is_empty() {
        return Ok(Choice::Incremental);
    }
    let option = "api_retention_period";
    let is_count = |reader: Reader<'_>| matches!(reader.sync, Some(IncrementalSync::Counts(_)));
    if is_count(full) || is_count(incremental) {
        return Err(CursorError::Option { option, expects: "left out, because a cursor of counts has no age" });
    }
    let retention = Period::parse(retention).map_err(|reason| CursorError::Duration { option, reason })?;
    let reached = match full.reached(state, scope)? {
        Some(reached) => Some(reached),
        None => incremental.reached(state, scope)?,
    };
    let oldest = oldest_kept(retention, scope.now());
    let is_kept = reached.is_some_and(|reached| oldest.is_none_or(|oldest| reached >= oldest));
    Ok(if is_kept { Choice::Incremental } else { Choice::FullRefreshAfresh })
}

/// `None` where the source keeps everything there ever was.
fn oldest_kept(retention: Period, now: Timestamp) -> Option<Point> {
    if is_nothing(&retention) { Some(Point::at(now)) } else { Point::at(now).minus(retention) }
}

impl Reader<'_> {
    /// How far this way's cursor says that the state has come; `None` where it cannot read it.
    fn reached(self, state: &StreamState, scope: &Scope<'_>) -> Result<Option<Point>, CursorError> {
        let Some(IncrementalSync::Dates(cursor)) = self.sync else {
            let is_complete = state.fields().get(NO_CURSOR).and_then(Json::as_bool) == Some(true);
            return Ok(is_complete.then(|| Point::at(scope.now())));
        };
        let rules = cursor.rules(scope, &[])?;
        if self.router.is_none() {
            return Ok(reached(&rules, state.fields()));
        }
        Ok(state.fields().get("state").and_then(Json::as_object).and_then(|common| reached(&rules, common)))
    }
}

fn reached(rules: &Rules, state: &Map<String, Json>) -> Option<Point> {
    let value = match state.get("state_type").and_then(Json::as_str) {
        Some("date-range" | "integer") => {
            let first = state.get("slices")?.get(0)?;
            first.get("most_recent_cursor_value").or_else(|| first.get("end"))?
        }
        _ => state.get(&*rules.field)?,
    };
    rules.formats.read(value).ok()
}
