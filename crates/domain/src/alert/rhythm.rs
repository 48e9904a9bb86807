//! Silence: a source that says nothing where its rhythm expects something.
//!
//! The rhythm is learned from what came in each hour of the week, over the weeks that are known. An hour counts only if
//! something came in it (almost) every week, and only by the least that came: nights, weekends and moods of the day make
//! an hour count for little or nothing, never for too much.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rule::Silence;
use crate::Timestamp;

/// Events by the number of their hour, and by the number of their minute, both counted from 1970. Those of the minutes
/// are of the last day and hour.
#[derive(Clone, Copy, Debug)]
pub struct History<'h> {
    pub hours: &'h BTreeMap<i64, u64>,
    pub minutes: &'h BTreeMap<i64, u64>,
}

/// What a source that says nothing is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Too little is known of it.
    Learning,
    /// It speaks, or is not expected to.
    Usual,
    Silent {
        since: Timestamp,
        /// So many events came in such a time, at least.
        expected: u64,
    },
}

const MINUTES_OF_HOUR: i64 = 60;
const HOURS_OF_WEEK: i64 = 7 * 24;
const MINUTES_OF_DAY: i64 = 24 * 60;
/// Weeks that are looked back, at most: what was usual before is not any more.
const WEEKS_MAX: i64 = 4;
/// From so many known weeks on one of them may have been silent too: a holiday, or a failure like the one looked for.
const WEEKS_FOR_ONE_SILENT: i64 = 4;
/// Fewer missing events than this may be chance, even where some came every week.
const EXPECTED_MIN: u64 = 10;
/// What an hour counts for that always has some between two that never have: a job by the clock. Two of them missing
/// are no chance.
const BY_THE_CLOCK: u64 = EXPECTED_MIN / 2;
/// An hour with less is too thin to judge minutes by.
const DENSE: u64 = 60;
/// In a dense time so many events are missing before minutes are judged.
const DENSE_EXPECTED_MIN: u64 = 30;
/// A pause is long if it is so many times the longest of a comparable time.
const TIMES_LONGEST_PAUSE: i64 = 3;

/// Judges what is not heard of a source.
#[must_use]
pub fn listen(history: History<'_>, marks: &Silence, now: Timestamp) -> Heard {
    let minute = now.as_secs().div_euclid(60);
    let hour = minute.div_euclid(MINUTES_OF_HOUR);
    let Some((first, last)) = history.ends() else { return Heard::Learning };
    let history_hours = i64::try_from(marks.history.as_secs() / 3600).unwrap_or(i64::MAX);
    let known = hour - first;
    if known < history_hours || known < HOURS_OF_WEEK {
        return Heard::Learning;
    }
    let since = Timestamp::from_secs((last + 1) * 60);
    if now.since(since) < marks.at_least {
        return Heard::Usual;
    }
    let rhythm = Rhythm { history, first, weeks_min: history_hours / HOURS_OF_WEEK };
    let found = rhythm.missed_hours(last, hour).or_else(|| rhythm.missed_minutes(last, minute, marks.at_least));
    found.map_or(Heard::Usual, |expected| Heard::Silent { since, expected })
}

impl History<'_> {
    /// The first hour and the last minute in which something came.
    fn ends(&self) -> Option<(i64, i64)> {
        let came = |entry: &(&i64, &u64)| *entry.1 > 0;
        let first = *self.hours.iter().find(came)?.0;
        let last_hour = *self.hours.iter().rev().find(came)?.0;
        let last_minute = self.minutes.iter().rev().find(came).map(|(minute, _)| *minute);
        // Of an hour whose minutes are forgotten it is not known when: its last minute is the careful answer.
        let of_hour = (last_hour + 1) * MINUTES_OF_HOUR - 1;
        Some((first, last_minute.filter(|minute| minute.div_euclid(MINUTES_OF_HOUR) >= last_hour).unwrap_or(of_hour)))
    }

    fn in_hour(&self, hour: i64) -> u64 {
        self.hours.get(&hour).copied().unwrap_or(0)
    }
}

struct Rhythm<'h> {
    history: History<'h>,
    /// The first hour that is known.
    first: i64,
    /// Of an hour of which fewer are known nothing is said.
    weeks_min: i64,
}

impl Rhythm<'_> {
    /// Of how many weeks before this hour is known.
    fn weeks(&self, hour: i64) -> i64 {
        ((hour - self.first) / HOURS_OF_WEEK).clamp(0, WEEKS_MAX)
    }

    /// The least that came in this hour of the weeks before; 0 where it was silent more often than it may.
    fn usual(&self, hour: i64) -> u64 {
        let weeks = self.weeks(hour);
        if weeks < self.weeks_min {
            return 0;
        }
        let before = (1..=weeks).map(|week| self.history.in_hour(hour - week * HOURS_OF_WEEK));
        let (mut silent, mut least) = (0, u64::MAX);
        for count in before {
            if count == 0 {
                silent += 1;
            } else {
                least = least.min(count);
            }
        }
        let allowed = i64::from(weeks >= WEEKS_FOR_ONE_SILENT);
        if silent > allowed || least == u64::MAX { 0 } else { least }
    }

    /// Whether nothing ever came in this hour of the weeks before.
    fn never(&self, hour: i64) -> bool {
        (1..=self.weeks(hour)).all(|week| self.history.in_hour(hour - week * HOURS_OF_WEEK) == 0)
    }

    /// What should have come in the whole hours since the last event, if it is too much to be chance. An hour is missed
    /// only when the next one has passed too: what is a little late, or moved by the clocks of its zone, is not missed.
    fn missed_hours(&self, last_minute: i64, hour: i64) -> Option<u64> {
        let after = last_minute.div_euclid(MINUTES_OF_HOUR) + 1;
        let missed: u64 = (after..hour - 1).map(|hour| self.weight(hour)).fold(0, u64::saturating_add);
        (missed >= EXPECTED_MIN).then_some(missed)
    }

    fn weight(&self, hour: i64) -> u64 {
        let usual = self.usual(hour);
        if usual > 0 && self.never(hour - 1) && self.never(hour + 1) { BY_THE_CLOCK } else { usual }
    }

    /// The same by minutes, where the source is so busy that its pauses are known: it must be far more silent than it
    /// was at this time yesterday and just before, and go on being busy in the next hour.
    fn missed_minutes(&self, last: i64, now: i64, at_least: Duration) -> Option<u64> {
        let hour_of = |minute: i64| minute.div_euclid(MINUTES_OF_HOUR);
        let is_dense = |hour| self.usual(hour) >= DENSE;
        if !(hour_of(last)..=hour_of(now) + 1).all(is_dense) {
            return None;
        }
        // No further back than minutes are known.
        let from = (last - MINUTES_OF_DAY).max(now - MINUTES_OF_DAY - MINUTES_OF_HOUR + 1);
        let yesterday = (from, now - MINUTES_OF_DAY + MINUTES_OF_HOUR);
        let pause = self.longest_pause(yesterday).max(self.longest_pause((last - 2 * MINUTES_OF_HOUR, last)));
        let silent = now - last - 1;
        let at_least = i64::try_from(at_least.as_secs() / 60).unwrap_or(i64::MAX);
        if silent < at_least.max(TIMES_LONGEST_PAUSE * pause) {
            return None;
        }
        let expected: u64 = (last + 1..now).map(|minute| self.usual(hour_of(minute))).sum::<u64>() / 60;
        (expected >= DENSE_EXPECTED_MIN).then_some(expected)
    }

    /// Minutes in a row of a span in which nothing came.
    fn longest_pause(&self, (from, to): (i64, i64)) -> i64 {
        let (mut longest, mut before) = (0, from - 1);
        let came = self.history.minutes.range(from..=to).filter(|(_, count)| **count > 0).map(|(minute, _)| *minute);
        for minute in came.chain([to + 1]) {
            longest = longest.max(minute - before - 1);
            before = minute;
        }
        longest
    }
}

#[cfg(test)]
mod tests;
