//! A date with a time to the microsecond and, unless it is naive, its offset from UTC.

use jiff::Timestamp;

/// How a moment knows its offset. The first two differ only in how Python prints them.
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

impl Moment {
    /// The moment in UTC, cut to the microsecond.
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self { wall: timestamp.as_microsecond(), zone: Zone::Utc }
    }

    /// Microseconds since the epoch; a naive moment counts as UTC.
    pub fn micros(self) -> i64 {
        self.wall - i64::from(self.offset_seconds()) * 1_000_000
    }

    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.micros()).unwrap_or(Timestamp::MAX)
    }

    /// The same moment told in UTC.
    #[must_use]
    pub fn in_utc(self) -> Self {
        Self { wall: self.micros(), zone: Zone::Utc }
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
