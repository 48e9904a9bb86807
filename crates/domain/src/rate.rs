//! A token bucket: how many may go now, and when the next one may.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// So many in so long, as `100/s`, `6000/m` or `50000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

/// The text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a rate: write a whole number from 1 and a time, as 100/s, 6000/m or 50000/h")]
pub struct NotARate(pub String);

impl FromStr for Rate {
    type Err = NotARate;
    fn from_str(text: &str) -> Result<Self, NotARate> {
        let wrong = || NotARate(text.chars().take(32).collect());
        let (count, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let count: u32 = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let secs = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(wrong()),
        };
        Ok(Self { count, per: Duration::from_secs(secs) })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The longest time whose worth may go at once. Whoever allows so many a second counts those of any second: what goes at
/// once comes on top of it. Shorter, and a fast rate would need a timer for each.
const AT_ONCE: Duration = Duration::from_millis(50);

/// A bucket that holds at most 50 ms' worth of its rate, and at least one: a pause does not earn a flood.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Time that one token costs, in microseconds.
    token_micros: f64,
    capacity: f64,
    tokens: f64,
    filled_at: Timestamp,
}

impl TokenBucket {
    #[must_use]
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        let token_micros = rate.per.as_micros() as f64 / f64::from(rate.count.max(1));
        let capacity = (AT_ONCE.as_micros() as f64 / token_micros).max(1.0);
        Self { token_micros, capacity, tokens: capacity, filled_at: now }
    }

    /// One from which everything was just taken.
    #[must_use]
    pub fn empty(rate: Rate, now: Timestamp) -> Self {
        Self { tokens: 0.0, ..Self::new(rate, now) }
    }

    /// Takes one token, or says when there will be one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let earned = now.since(self.filled_at).as_micros() as f64 / self.token_micros;
        self.tokens = (self.tokens + earned).min(self.capacity);
        self.filled_at = self.filled_at.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let missing = ((1.0 - self.tokens) * self.token_micros).ceil().max(1.0);
        Err(now + Duration::from_micros(missing as u64))
    }

    /// Gives back a token that was not used.
    pub fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn reads_and_prints_rates() {
        for text in ["100/s", "6000/m", "5/h"] {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "0/s", "-1/s", "10", "10/d", "1.5/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_second_has_more_than_the_rate_and_a_twentieth() {
        for (rate, most) in [("5/s", 5), ("100/s", 105), ("6000/m", 105), ("2000/s", 2_100)] {
            let mut bucket = TokenBucket::new(rate.parse().expect("a rate"), Timestamp::EPOCH);
            let (mut now, mut sent) = (Timestamp::EPOCH, Vec::new());
            while now < Timestamp::from_secs(5) {
                match bucket.take(now) {
                    Ok(()) => sent.push(now),
                    Err(next) => now = next,
                }
            }
            let within = |from: &Timestamp| sent.iter().filter(|at| **at >= *from && **at < *from + SECOND).count();
            let fullest = sent.iter().map(within).max().unwrap_or_default();
            assert!((most - most / 21..=most).contains(&fullest), "{rate}: {fullest}");
            assert!(sent.len() >= (most * 20 / 21) * 5, "{rate}: all of it is used, {}", sent.len());
        }
    }

    #[test]
    fn a_slow_rate_still_gives_its_one() {
        let mut bucket = TokenBucket::new("2/h".parse().expect("a rate"), Timestamp::EPOCH);
        assert_eq!(bucket.take(Timestamp::EPOCH), Ok(()));
        let next = bucket.take(Timestamp::EPOCH).expect_err("empty");
        assert_eq!(next, Timestamp::from_secs(1_800));
        assert_eq!(bucket.take(next), Ok(()));
    }
}
