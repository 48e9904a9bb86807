//! The one cursor over all partitions: where new ones start, and all that is left of the state once there are too many.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::error::CursorError;
use super::point::{MICROS_PER_SECOND, Point, exactly};
use super::progress::Progress;
use super::rules::Rules;

#[derive(Debug)]
pub(crate) struct Common {
    /// The partitions have no states of their own any more.
    pub is_alone: bool,
    /// As of the end of the last run that read everything.
    settled: Option<Json>,
    /// As of now; it settles only when all partitions have been read.
    rising: Option<Point>,
    /// How long the last run took, in seconds: what may have changed behind its back.
    lookback_seconds: i64,
    has_read: bool,
    started: Timestamp,
    /// Where a partition starts that has no state.
    fresh: Progress,
}

impl Common {
    pub fn resume(
        rules: &Rules,
        state: Option<&Map<String, Json>>,
        lookback_seconds: i64,
        is_alone: bool,
        now: Timestamp,
    ) -> Result<Self, CursorError> {
        let unreadable = |reason| CursorError::State { field: rules.field.to_string(), reason };
        let rising = state.and_then(|state| state.get(&*rules.field));
        let rising = rising.map(|value| rules.formats.read(value)).transpose().map_err(unreadable)?;
        let settled = rising.map(|point| rules.write(point));
        // Through the text, as the format does it: what it does not write down is not known to be read.
        let rising = settled.as_ref().map(|value| rules.formats.read(value)).transpose().map_err(unreadable)?;
        let fresh = Progress::resume(rules, &starting_state(rules, rising, lookback_seconds))?;
        Ok(Self { is_alone, settled, rising, lookback_seconds, has_read: false, started: now, fresh })
    }

    pub fn fresh(&self) -> &Progress {
        &self.fresh
    }

    /// A record was read.
    pub fn observe(&mut self, value: Point) {
        self.has_read = true;
        self.raise(value);
    }

    /// A partition was read to its end.
    pub fn raise(&mut self, value: Point) {
        if self.rising.is_none_or(|rising| rising < value) {
            self.rising = Some(value);
        }
    }

    /// All partitions were read.
    pub fn settle(&mut self, rules: &Rules, now: Timestamp) {
        if self.has_read {
            self.settled = self.rising.map(|point| rules.write(point));
            let micros = (now.as_microsecond() - self.started.as_microsecond()).max(1);
            self.lookback_seconds = (micros + MICROS_PER_SECOND - 1) / MICROS_PER_SECOND;
        }
    }

    /// Its fields of the stream's state.
    pub fn write(&self, rules: &Rules, state: &mut Map<String, Json>) {
        if let Some(settled) = &self.settled {
            let mut cursor = Map::new();
            cursor.insert(rules.field.to_string(), settled.clone());
            state.insert("state".to_owned(), Json::Object(cursor));
        }
        state.insert("lookback_window".to_owned(), self.lookback_seconds.into());
    }
}

/// What a new partition takes for its state: the common cursor, less the time that the last run took.
fn starting_state(rules: &Rules, common: Option<Point>, lookback_seconds: i64) -> Map<String, Json> {
    let mut state = Map::new();
    if let Some(common) = common {
        let lookback = exactly(lookback_seconds.saturating_mul(MICROS_PER_SECOND));
        let from = common.minus(lookback).unwrap_or(rules.start);
        state.insert(rules.field.to_string(), rules.write(from));
    }
    state
}
