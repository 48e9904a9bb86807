//! How the streams of a source are asked: when, how far back, and what of it is told.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use domain::Timestamp;
use domain::budget::Allowance;
use domain::rate::Rate;

/// Shortest time between two polls of a stream.
pub const POLL_MIN: Duration = Duration::from_secs(1);
/// What is read again by every poll: sources show some changes later than their time says.
pub const OVERLAP_DEFAULT: Duration = Duration::from_secs(10);

/// One stream of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSpec {
    /// When it is read by itself; `None`: only when somebody asks.
    pub poll: Option<PollSpec>,
    pub reconcile: Option<ReconcileSpec>,
    pub start: Start,
    /// What every poll reads again of what was read before.
    pub overlap: Duration,
}

impl Default for StreamSpec {
    fn default() -> Self {
        Self { poll: None, reconcile: None, start: Start::default(), overlap: OVERLAP_DEFAULT }
    }
}

/// What the first complete scan of a stream tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Nothing: what is there is known from then on.
    #[default]
    Now,
    All,
    /// What changed at or after this time.
    Since(Timestamp),
}

impl FromStr for Start {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::Since).map_err(|_| {
                let shown: String = text.chars().take(64).collect();
                format!("'{shown}' is neither now, all, nor a time such as 2026-01-31T00:00:00Z")
            }),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::All => f.write_str("all"),
            Self::Since(time) => time.fmt(f),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PollSpec {
    On(Schedule),
    /// Whenever a request of the budget is worth most here.
    Budget(PollBudget),
}

/// A part in a budget of requests that streams share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PollBudget {
    /// Of all streams of the source that are polled like this, and of all its connections.
    pub rate: Rate,
    pub at_least: Duration,
    pub at_most: Duration,
    /// How much a minute of its delay matters, against 1 of another's.
    pub weight: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    Every(Duration),
    Cron(Cron),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReconcileSpec {
    pub schedule: Schedule,
    /// How far back it looks; `None`: at everything.
    pub lookback: Option<Duration>,
    /// What changed more recently is judged by the next run; `None`: as learned from the webhooks' delays.
    pub grace: Option<Duration>,
    /// Deletions that one run may tell; `None`: the greater of 10 and 10 % of the known.
    pub max_deletes: Option<u32>,
}

/// The times at which something is due, as crontab(5) writes them; in UTC unless a zone follows the five fields.
#[derive(Clone)]
pub struct Cron {
    text: Arc<str>,
    times: Arc<Crontab>,
}

impl Cron {
    /// The first time after this one, if there is one.
    #[must_use]
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self.times.find_next(crate::reading::timestamp(time)).ok()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }
}

impl FromStr for Cron {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let times = parse_crontab_with(text, options).map_err(|error| error.to_string())?;
        Ok(Self { text: text.into(), times: Arc::new(times) })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({})", self.text)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Schedule {
    /// When it is due next, if the last time was `last`.
    #[must_use]
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp) -> Timestamp {
        match (self, last) {
            (Self::Every(_), None) => now,
            (Self::Every(interval), Some(last)) => last + *interval,
            (Self::Cron(cron), last) => cron.after(last.unwrap_or(now)).unwrap_or(Timestamp::NEVER),
        }
    }

    /// The shortest time between two, where that is fixed.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        match self {
            Self::Every(interval) => Some(*interval),
            Self::Cron(_) => None,
        }
    }
}

/// What a source allows, and who shares it.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetSpec {
    pub allowance: Allowance,
    pub scope: BudgetScope,
}

/// What polls at fixed intervals cost at least: one request each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    per_second: f64,
    polls: f64,
}

impl Cost {
    /// Of so many connections' streams.
    pub fn of<'s>(streams: impl Iterator<Item = &'s StreamSpec>, connections: usize) -> Self {
        let intervals = streams.filter_map(|stream| match &stream.poll {
            Some(PollSpec::On(schedule)) => schedule.interval(),
            Some(PollSpec::Budget(_)) | None => None,
        });
        let connections = connections as f64;
        intervals.fold(Self::default(), |sum, interval| {
            sum.and(Self { per_second: connections / interval.as_secs_f64(), polls: connections })
        })
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { per_second: self.per_second + other.per_second, polls: self.polls + other.polls }
    }

    #[must_use]
    pub fn per_hour(self) -> u64 {
        (self.per_second * 3_600.0).ceil() as u64
    }

    /// The interval for all of them that a budget allows, if these are too short for it.
    #[must_use]
    pub fn too_much_for(self, rate: Rate) -> Option<Duration> {
        let allowed = f64::from(rate.count) / rate.per.as_secs_f64();
        (self.per_second > allowed).then(|| Duration::from_secs_f64((self.polls / allowed).ceil().max(1.0)))
    }
}

/// Who shares a budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BudgetScope {
    /// Each connection has its own.
    #[default]
    Connection,
    /// All connections of the source.
    Source,
    /// All sources that name it.
    Named(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crontab_is_of_utc_unless_it_names_a_zone() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
        let after = |cron: &str| {
            let cron: Cron = cron.parse().expect("a crontab");
            cron.after(Timestamp::from_micros(at("2026-11-20T10:00:00Z"))).map(Timestamp::as_micros)
        };
        assert_eq!(after("30 2 * * *"), Some(at("2026-11-21T02:30:00Z")));
        assert_eq!(after("30 2 * * * Asia/Tokyo"), Some(at("2026-11-20T17:30:00Z")));
        assert_eq!(after("*/15 * * * *"), Some(at("2026-11-20T10:15:00Z")));
        assert!("30 2 * *".parse::<Cron>().is_err() && "99 * * * *".parse::<Cron>().is_err());
    }

    #[test]
    fn what_was_never_done_is_due_now_unless_a_crontab_says_when() {
        let now = Timestamp::from_secs(1_800_000_000);
        let every = Schedule::Every(Duration::from_secs(30));
        assert_eq!((every.next(None, now), every.next(Some(now), now)), (now, now + Duration::from_secs(30)));
        assert!(Schedule::Cron("0 0 * * *".parse().expect("a crontab")).next(None, now) > now);
    }
}
