//! What grows or fails: judged by figures of a time, with a lower mark for calling it over than for calling it trouble,
//! so that what lies between the two changes nothing.

use std::collections::VecDeque;
use std::time::Duration;

use super::rule::{Backlog, Disk, Failing};
use crate::Timestamp;

/// What a look at something found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Trouble,
    /// Neither trouble nor well: what is open stays open.
    Between,
    Well,
}

/// Of so many tries in the time that counts, so many failed.
#[must_use]
pub fn failing(count: u64, failed: u64, marks: &Failing) -> Found {
    let share = failed as f64 / count.max(1) as f64;
    if count >= marks.attempts && share >= marks.share {
        Found::Trouble
    } else if share <= marks.share / 2.0 {
        Found::Well
    } else {
        Found::Between
    }
}

/// How much waited at some time, and for how long the oldest had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub at: Timestamp,
    pub deliveries: u64,
    pub lag: Duration,
}

/// What was looked at over a time, the latest last.
#[derive(Clone, Debug)]
pub struct Looks<T>(VecDeque<(Timestamp, T)>);

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Copy> Looks<T> {
    /// Adds one and forgets what is older than `kept` before it, but for the last of those.
    pub fn add(&mut self, at: Timestamp, look: T, kept: Duration) {
        self.0.push_back((at, look));
        while self.0.get(1).is_some_and(|(second, _)| at.since(*second) >= kept) {
            self.0.pop_front();
        }
    }

    /// The first and the last, if they span at least this.
    #[must_use]
    pub fn ends(&self, span: Duration) -> Option<((Timestamp, T), (Timestamp, T))> {
        let (first, last) = (*self.0.front()?, *self.0.back()?);
        (last.0.since(first.0) >= span).then_some((first, last))
    }
}

/// A backlog is trouble while it is large and grows, in number or in age; one that is worked off is not, however large.
#[must_use]
pub fn backlog(looks: &Looks<Waiting>, marks: &Backlog) -> Found {
    let Some(((_, then), (_, now))) = looks.ends(marks.within) else { return Found::Between };
    // A tenth more than before: what goes up and down a little does not grow.
    let more = now.deliveries >= marks.deliveries && now.deliveries > then.deliveries + then.deliveries / 10;
    // The oldest is not being reached: its age has grown by most of the time that has passed.
    let later = now.lag >= marks.lag && now.lag.saturating_sub(then.lag) * 2 >= now.at.since(then.at);
    if more || later {
        Found::Trouble
    } else if now.deliveries <= marks.deliveries / 2 && now.lag <= marks.lag / 2 || now.deliveries < then.deliveries {
        Found::Well
    } else {
        Found::Between
    }
}

/// How short the time is over which the speed of a disk is measured, at least: a large file that comes and goes is no
/// trend.
pub const DISK_SPAN: Duration = Duration::from_secs(2 * 60 * 60);

/// A disk is trouble when little is left, or when at the speed of the last hours the reserve is reached soon.
#[must_use]
pub fn disk(looks: &Looks<u64>, free_bytes: u64, reserve_bytes: u64, marks: &Disk) -> Found {
    let left = free_bytes.saturating_sub(reserve_bytes);
    let full_in = looks.ends(DISK_SPAN).and_then(|((began, before), (ended, after))| {
        let used = before.checked_sub(after).filter(|used| *used > 0)?;
        Some(ended.since(began).mul_f64(left as f64 / used as f64))
    });
    if free_bytes < marks.free_bytes || full_in.is_some_and(|time| time < marks.full_within) {
        Found::Trouble
    } else if free_bytes >= marks.free_bytes + marks.free_bytes / 4
        && full_in.is_none_or(|time| time >= marks.full_within * 2)
    {
        Found::Well
    } else {
        Found::Between
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rule::Thresholds;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
    const GIB: u64 = 1 << 30;

    fn at(minutes: u64) -> Timestamp {
        Timestamp::EPOCH + MINUTE * u32::try_from(minutes).expect("small")
    }

    #[test]
    fn a_share_of_enough_tries_is_trouble_and_a_lower_one_is_well() {
        let marks = Thresholds::default().failing;
        for (count, failed, found) in [
            (0, 0, Found::Well),
            (9, 9, Found::Between),
            (10, 5, Found::Trouble),
            (1_000, 499, Found::Between),
            (1_000, 250, Found::Well),
        ] {
            assert_eq!(failing(count, failed, &marks), found, "{failed} of {count}");
        }
    }

    fn over_ten_minutes(then: (u64, u64), now: (u64, u64)) -> Found {
        let waiting = |minutes, (deliveries, lag): (u64, u64)| Waiting {
            at: at(minutes),
            deliveries,
            lag: Duration::from_secs(60 * lag),
        };
        let mut looks = Looks::default();
        looks.add(at(0), waiting(0, then), 10 * MINUTE);
        looks.add(at(10), waiting(10, now), 10 * MINUTE);
        backlog(&looks, &Thresholds::default().backlog)
    }

    #[test]
    fn a_backlog_is_trouble_while_it_grows_and_not_while_it_is_worked_off() {
        for (then, now, found) in [
            ((0, 0), (5_000, 2), Found::Trouble),
            ((900, 20), (950, 29), Found::Trouble),
            ((90_000, 50), (60_000, 40), Found::Well),
            ((90_000, 50), (90_001, 50), Found::Between),
            ((10, 14), (10, 24), Found::Trouble),
            ((10, 20), (10, 22), Found::Between),
            ((0, 0), (900, 5), Found::Between),
            ((0, 0), (400, 5), Found::Well),
        ] {
            assert_eq!(over_ten_minutes(then, now), found, "{then:?} {now:?}");
        }
        assert_eq!(backlog(&Looks::default(), &Thresholds::default().backlog), Found::Between, "nothing is known yet");
    }

    #[test]
    fn a_disk_is_trouble_when_little_is_left_or_soon_will_be() {
        let marks = Thresholds::default().disk;
        let over = |hours: u32, before: u64, after: u64| {
            let mut looks = Looks::default();
            looks.add(at(0), before, 6 * HOUR);
            looks.add(at(0) + HOUR * hours, after, 6 * HOUR);
            disk(&looks, after, GIB / 4, &marks)
        };
        assert_eq!(over(3, 100 * GIB, 100 * GIB), Found::Well);
        assert_eq!(over(3, 100 * GIB, 80 * GIB), Found::Trouble, "12 hours are left");
        assert_eq!(over(1, 100 * GIB, 80 * GIB), Found::Well, "an hour says nothing");
        assert_eq!(over(3, 100 * GIB, 93 * GIB), Found::Between, "40 hours are left");
        assert_eq!(over(3, GIB, GIB - 1), Found::Trouble);
        assert_eq!(over(3, GIB + 1, GIB + 1), Found::Between);
    }

    #[test]
    fn looks_are_kept_for_their_time_and_one_before_it() {
        let mut looks = Looks::default();
        (0..100).for_each(|minute| looks.add(at(minute), minute, 10 * MINUTE));
        assert_eq!(looks.ends(10 * MINUTE), Some(((at(89), 89), (at(99), 99))));
        assert_eq!(looks.ends(11 * MINUTE), None);
        assert!(looks.0.len() <= 12);
    }
}
