//! Local time: quiet hours, and when a digest is due. Whatever a zone does to its clocks, each day has each of them once.

use std::str::FromStr;

pub use jiff::civil::Weekday;
use jiff::civil::{Date, Time};
pub use jiff::tz::TimeZone;

use crate::Timestamp;

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    pub hour: i8,
    pub minute: i8,
}

impl TimeOfDay {
    fn time(self) -> Time {
        Time::constant(self.hour, self.minute, 0, 0)
    }
}

impl FromStr for TimeOfDay {
    type Err = NotATimeOfDay;

    fn from_str(text: &str) -> Result<Self, NotATimeOfDay> {
        let number = |text: &str, below: i8| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| digits && *number < below)
        };
        let (hour, minute) = text.split_once(':').ok_or(NotATimeOfDay)?;
        match (number(hour, 24), number(minute, 60)) {
            (Some(hour), Some(minute)) => Ok(Self { hour, minute }),
            _ => Err(NotATimeOfDay),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is written as 08:30")]
pub struct NotATimeOfDay;

/// The zone of this name in the IANA database.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The part of each day in which only what is critical is told. One that ends before it begins ends on the next day.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietHours {
    pub from: TimeOfDay,
    pub to: TimeOfDay,
    pub zone: TimeZone,
    /// Days that are quiet as a whole.
    pub days: Vec<Weekday>,
}

/// Quiet spans that follow on one another are at most a week, and one look more says so.
const SPANS_MAX: usize = 16;

impl QuietHours {
    /// When it is not quiet any more; `None`: it is not quiet now.
    #[must_use]
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let mut end = None;
        let mut at = now;
        for _ in 0..SPANS_MAX {
            let Some(next) = self.end_of_span(at) else { break };
            end = Some(next);
            at = next;
        }
        end
    }

    /// The end of the night or quiet day that a moment is in.
    fn end_of_span(&self, at: Timestamp) -> Option<Timestamp> {
        let local = local(at, &self.zone)?;
        let (date, time) = (local.date(), local.time());
        if self.days.contains(&date.weekday()) {
            return moment(date.tomorrow().ok()?, Time::midnight(), &self.zone);
        }
        let (from, to) = (self.from.time(), self.to.time());
        if from <= to {
            return (from <= time && time < to).then(|| moment(date, to, &self.zone)).flatten();
        }
        match () {
            () if time >= from => moment(date.tomorrow().ok()?, to, &self.zone),
            () if time < to => moment(date, to, &self.zone),
            () => None,
        }
    }
}

/// How often a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    Day,
    Week(Weekday),
}

/// When a digest is made.
#[derive(Clone, Debug, PartialEq)]
pub struct DigestTime {
    pub every: Every,
    pub at: TimeOfDay,
    pub zone: TimeZone,
}

impl DigestTime {
    /// The last time that it was due, and the one before: what is between them is what it tells of.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let mut date = local(now, &self.zone)?.date();
        let mut found = Vec::with_capacity(2);
        // Two of any weekday are within fifteen days and the day of now.
        for _ in 0..=15 {
            let fits = match self.every {
                Every::Day => true,
                Every::Week(weekday) => date.weekday() == weekday,
            };
            if fits {
                found.extend(moment(date, self.at.time(), &self.zone).filter(|at| *at <= now));
            }
            if let [last, before] = found[..] {
                return Some((before, last));
            }
            date = date.yesterday().ok()?;
        }
        None
    }
}

fn local(at: Timestamp, zone: &TimeZone) -> Option<jiff::civil::DateTime> {
    Some(zone.to_datetime(jiff::Timestamp::from_microsecond(at.as_micros()).ok()?))
}

/// A local time that a zone skips is taken later by what it skips, one that comes twice is the first.
fn moment(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let at = zone.to_timestamp(date.to_datetime(time)).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn clock(text: &str) -> TimeOfDay {
        text.parse().expect("a time of day")
    }

    #[test]
    fn a_time_of_day_has_two_digits_twice() {
        assert_eq!("08:30".parse(), Ok(TimeOfDay { hour: 8, minute: 30 }));
        for wrong in ["8:30", "24:00", "08:60", "0830", "08:3", "+8:30", "", "08:30:00"] {
            assert_eq!(wrong.parse::<TimeOfDay>(), Err(NotATimeOfDay), "{wrong}");
        }
        assert!(zone("Europe/Berlin").is_some() && zone("UTC").is_some() && zone("Europe/Nowhere").is_none());
    }

    #[test]
    fn quiet_hours_end_at_their_local_time_on_whichever_day_that_is() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        let night = QuietHours { from: clock("22:00"), to: clock("07:00"), zone: berlin.clone(), days: vec![] };
        let noon = QuietHours { from: clock("12:00"), to: clock("13:00"), ..night.clone() };
        let weekend = QuietHours { days: vec![Weekday::Saturday, Weekday::Sunday], ..night.clone() };
        for (hours, now, until) in [
            (&night, "2026-01-14T20:59:59Z", None),
            (&night, "2026-01-14T21:00:00Z", Some("2026-01-15T06:00:00Z")),
            (&night, "2026-01-15T05:59:59Z", Some("2026-01-15T06:00:00Z")),
            (&night, "2026-01-15T06:00:00Z", None),
            (&night, "2026-07-14T20:00:00Z", Some("2026-07-15T05:00:00Z")),
            // The clocks go forward in this night, and back in that one.
            (&night, "2026-03-28T21:00:00Z", Some("2026-03-29T05:00:00Z")),
            (&night, "2026-10-24T20:00:00Z", Some("2026-10-25T06:00:00Z")),
            (&noon, "2026-01-14T11:30:00Z", Some("2026-01-14T12:00:00Z")),
            (&noon, "2026-01-14T12:00:00Z", None),
            // From Friday's night through the weekend and Sunday's night to Monday.
            (&weekend, "2026-01-16T22:00:00Z", Some("2026-01-19T06:00:00Z")),
            (&weekend, "2026-01-17T12:00:00Z", Some("2026-01-19T06:00:00Z")),
            (&weekend, "2026-01-16T12:00:00Z", None),
        ] {
            assert_eq!(hours.until(at(now)), until.map(at), "{now}");
        }
        let always = QuietHours { from: clock("00:00"), to: clock("00:00"), zone: berlin, days: Vec::new() };
        assert_eq!(always.until(at("2026-01-14T11:30:00Z")), None, "an empty span is no span");
    }

    #[test]
    fn a_digest_is_due_once_in_each_day_or_week() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        let daily = DigestTime { every: Every::Day, at: clock("02:30"), zone: berlin };
        let weekly = DigestTime { every: Every::Week(Weekday::Monday), ..daily.clone() };
        for (time, now, span) in [
            (&daily, "2026-01-14T01:29:59Z", ("2026-01-12T01:30:00Z", "2026-01-13T01:30:00Z")),
            (&daily, "2026-01-14T01:30:00Z", ("2026-01-13T01:30:00Z", "2026-01-14T01:30:00Z")),
            // 02:30 is skipped on this day, and comes twice on that one.
            (&daily, "2026-03-29T12:00:00Z", ("2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z")),
            (&daily, "2026-10-25T12:00:00Z", ("2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z")),
            (&weekly, "2026-01-14T12:00:00Z", ("2026-01-05T01:30:00Z", "2026-01-12T01:30:00Z")),
            (&weekly, "2026-01-12T01:29:00Z", ("2025-12-29T01:30:00Z", "2026-01-05T01:30:00Z")),
        ] {
            assert_eq!(time.last(at(now)), Some((at(span.0), at(span.1))), "{now}");
        }
    }
}
