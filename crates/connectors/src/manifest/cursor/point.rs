//! A point of a datetime cursor: a moment that is compared by instant, and moved on the calendar of its own zone.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::manifest::expression::dates::{Moment, Period};

use super::coverage::Position;

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Two points are equal if they are the same instant, whatever zones they were written in.
#[derive(Clone, Copy, Debug)]
pub struct Point(Moment);

impl Point {
    #[must_use]
    pub const fn new(moment: Moment) -> Self {
        Self(moment)
    }

    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Moment::from_timestamp(now))
    }

    #[must_use]
    pub const fn moment(self) -> Moment {
        self.0
    }

    /// `None` where the result leaves the years 1 to 9999. Months keep the day, or take the last one there is.
    #[must_use]
    pub fn plus(self, period: Period) -> Option<Self> {
        period.after(self.0).ok().map(Self)
    }

    #[must_use]
    pub fn minus(self, period: Period) -> Option<Self> {
        period.before(self.0).ok().map(Self)
    }

    #[must_use]
    pub fn plus_days(self, days: i64) -> Option<Self> {
        self.plus(exactly(days.checked_mul(MICROS_PER_DAY)?))
    }

    /// The start of its day, where it is.
    #[must_use]
    pub fn midnight(self) -> Self {
        let wall = self.0.wall.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY;
        Self(Moment { wall, ..self.0 })
    }

    /// What calendar and clock show where it is.
    #[must_use]
    pub fn civil(self) -> DateTime {
        Offset::UTC.to_datetime(Timestamp::from_microsecond(self.0.wall).unwrap_or_default())
    }

    /// From `earlier` to here in microseconds.
    #[must_use]
    pub fn micros_since(self, earlier: Self) -> i64 {
        self.0.micros() - earlier.0.micros()
    }
}

/// A length of time without months.
#[must_use]
pub fn exactly(micros: i64) -> Period {
    Period { years: 0.0, months: 0.0, micros: i128::from(micros) }
}

/// Whether the format takes a period for none: `P0D` is.
#[must_use]
pub fn is_nothing(period: &Period) -> bool {
    !period.has_months() && period.micros() == 0
}

impl Position for Point {
    fn is_nothing(&self) -> bool {
        false
    }
}

impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.0.micros() == other.0.micros()
    }
}

impl Eq for Point {}

impl Ord for Point {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.micros().cmp(&other.0.micros())
    }
}

impl PartialOrd for Point {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
