//! A date with a time to the microsecond and, unless it is naive, its offset from UTC.

use jiff::Timestamp;

use super::DateError;
use super::calendar::{DAY_MAX, DAY_MICROS, DAY_MIN, civil, day_number};

/// How a moment knows its offset. The UTC ones differ only in how Python prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// No zone: a wall clock somewhere.
    Naive,
    Utc,
    /// UTC as the time zone database's library gives it.
    NamedUtc,
    /// Seconds east of UTC.
    Offset(i32),
}

/// A date and time: the wall clock's, and the zone it hangs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds of the wall clock since 1970-01-01T00:00:00.
    pub(crate) wall: i64,
    pub(crate) zone: Zone,
}

/// The fields of a wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub micro: i64,
}

impl Moment {
    /// The moment in UTC, cut to the microsecond.
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        let micros = timestamp.as_nanosecond().div_euclid(1000);
        Self { wall: i64::try_from(micros).unwrap_or(i64::MAX), zone: Zone::Utc }
    }

    /// Microseconds since the epoch, in UTC.
    pub fn from_micros(micros: i64) -> Result<Self, DateError> {
        Self::checked(micros, Zone::Utc)
    }

    /// Seconds since the epoch, in UTC, rounded half to even at the microsecond as Python does.
    pub(crate) fn from_seconds(seconds: f64) -> Result<Self, DateError> {
        let whole = seconds.floor();
        let micros = ((seconds - whole) * 1e6).round_ties_even();
        if !seconds.is_finite() || whole.abs() > 1e12 {
            return Err(DateError::out_of_calendar());
        }
        #[expect(clippy::cast_possible_truncation, reason = "both are whole and small enough, as was just checked")]
        let micros = whole as i64 * 1_000_000 + micros as i64;
        Self::from_micros(micros)
    }

    /// A day's first moment, without a zone.
    pub(crate) fn midnight(day: i64) -> Self {
        Self { wall: day * DAY_MICROS, zone: Zone::Naive }
    }

    pub(crate) fn checked(wall: i64, zone: Zone) -> Result<Self, DateError> {
        let day = wall.div_euclid(DAY_MICROS);
        if (DAY_MIN..=DAY_MAX).contains(&day) { Ok(Self { wall, zone }) } else { Err(DateError::out_of_calendar()) }
    }

    pub(crate) fn from_fields(fields: Fields, zone: Zone) -> Result<Self, DateError> {
        let day = day_number(fields.year, fields.month, fields.day).ok_or_else(|| {
            DateError::new(format!("there is no {}-{:02}-{:02}", fields.year, fields.month, fields.day))
        })?;
        let in_range = (0..24).contains(&fields.hour)
            && (0..60).contains(&fields.minute)
            && (0..60).contains(&fields.second)
            && (0..1_000_000).contains(&fields.micro);
        if !in_range {
            return Err(DateError::new(format!(
                "there is no {}:{:02}:{:02}",
                fields.hour, fields.minute, fields.second
            )));
        }
        let seconds = (fields.hour * 60 + fields.minute) * 60 + fields.second;
        Ok(Self { wall: day * DAY_MICROS + seconds * 1_000_000 + fields.micro, zone })
    }

    pub(crate) fn fields(self) -> Fields {
        let (year, month, day) = civil(self.day());
        let micros = self.time();
        let seconds = micros / 1_000_000;
        Fields {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micro: micros % 1_000_000,
        }
    }

    /// The day's number on the wall calendar.
    pub(crate) fn day(self) -> i64 {
        self.wall.div_euclid(DAY_MICROS)
    }

    /// Microseconds since the wall clock's midnight.
    pub(crate) fn time(self) -> i64 {
        self.wall.rem_euclid(DAY_MICROS)
    }

    /// Microseconds since the epoch; a naive moment counts as UTC.
    pub fn micros(self) -> i64 {
        self.wall - i64::from(self.offset_seconds()) * 1_000_000
    }

    /// Seconds since the epoch, as Python's `timestamp()` gives them.
    #[expect(clippy::cast_precision_loss, reason = "Python divides as floats here too")]
    pub(crate) fn seconds(self) -> f64 {
        self.micros() as f64 / 1e6
    }

    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.micros()).unwrap_or(Timestamp::MAX)
    }

    /// The same moment told in UTC.
    #[must_use]
    pub fn in_utc(self) -> Self {
        Self { wall: self.micros(), zone: Zone::Utc }
    }

    /// So many microseconds later.
    pub(crate) fn plus(self, micros: i128) -> Result<Self, DateError> {
        let wall = i64::try_from(i128::from(self.wall) + micros).map_err(|_| DateError::out_of_calendar())?;
        Self::checked(wall, self.zone)
    }

    pub fn zone(self) -> Zone {
        self.zone
    }

    pub(crate) fn offset_seconds(self) -> i32 {
        match self.zone {
            Zone::Naive | Zone::Utc | Zone::NamedUtc => 0,
            Zone::Offset(seconds) => seconds,
        }
    }
}
