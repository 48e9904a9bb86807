//! How many requests a source allows in a time, shared by all that ask it (design §6, Budgets).
//!
//! Requests are reserved in blocks before they are sent, and a block counts until the last moment at which one of its
//! requests may have been sent, whether it was or not: so the sum over every node stays within the allowance, and what
//! a node that died had reserved is lost, not doubled.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::rate::{NotARate, Rate};

/// Blocks that end within this part of the window of one another are counted as one that ends with the later.
const MERGED: u32 = 100;

/// How a source counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// In any span of the length. Keeps every fixed window too, wherever the source lets it begin.
    #[default]
    Moving,
    /// From full hour to full hour, or whatever the length is.
    Fixed,
    /// Refilled steadily; so many at once.
    Bucket { burst: u32 },
}

/// What a source allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    pub rate: Rate,
    pub counting: Counting,
}

impl FromStr for Allowance {
    type Err = NotARate;
    fn from_str(text: &str) -> Result<Self, NotARate> {
        Ok(Self { rate: text.parse()?, counting: Counting::default() })
    }
}

/// Requests that may be sent until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub requests: u32,
    pub until: Timestamp,
}

/// What a wish for requests leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// As many as were asked for, or as there are.
    Block(Block),
    /// None before then.
    Wait(Timestamp),
}

/// What a source itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// So many are left until then.
    Left { requests: u64, until: Timestamp },
    /// None at all before then: a 429, or `Retry-After`.
    Stop { until: Timestamp },
    /// One that was sent at that time does not count.
    Free { at: Timestamp },
}

/// What counts against an allowance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Reserved, oldest first.
    blocks: Vec<Counted>,
    /// Of a bucket: what was in it, and since when it refills.
    level: Option<Level>,
    said: Option<Said>,
    stopped_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    requests: u64,
    from: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Level {
    /// Millionths of a request.
    micros: u64,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    left: u64,
    until: Timestamp,
}

impl Account {
    /// Reserves up to `wanted` requests, to be sent within `hold`. Without an allowance only what the source says counts.
    pub fn reserve(&mut self, allowance: Option<&Allowance>, wanted: u32, hold: Duration, now: Timestamp) -> Grant {
        self.forget(now);
        if let Some(until) = self.stopped_until {
            return Grant::Wait(until);
        }
        let mut most = u64::from(wanted.max(1));
        if let Some(said) = self.said {
            if said.left == 0 {
                return Grant::Wait(said.until);
            }
            most = most.min(said.left);
        }
        let (room, again) = allowance.map_or((most, now), |allowance| self.room(allowance, hold, now));
        let most = most.min(room);
        if most == 0 {
            return Grant::Wait(again.max(now + Duration::from_millis(1)));
        }
        let until = allowance.map_or(now + hold, |allowance| allowance.usable_until(hold, now));
        if let Some(said) = &mut self.said {
            said.left -= most;
        }
        if let Some(allowance) = allowance {
            self.count(allowance, most, now, until);
        }
        Grant::Block(Block { requests: u32::try_from(most).unwrap_or(u32::MAX), until })
    }

    /// Takes a source at its word.
    pub fn learn(&mut self, word: Word, now: Timestamp) {
        match word {
            Word::Left { until, .. } | Word::Stop { until } if until <= now => {}
            Word::Left { requests, until } => self.said = Some(Said { left: requests, until }),
            Word::Free { at } => self.release(at),
            Word::Stop { until } => {
                self.stopped_until = Some(self.stopped_until.map_or(until, |stopped| stopped.max(until)));
            }
        }
    }

    /// Gives a request back. Of the blocks that may have held it, to the one that is forgotten first.
    fn release(&mut self, at: Timestamp) {
        let held = |block: &&mut Counted| block.requests > 0 && block.from <= at && at <= block.until;
        if let Some(block) = self.blocks.iter_mut().find(held) {
            block.requests -= 1;
        } else if let Some(level) = &mut self.level {
            level.micros = level.micros.saturating_add(ONE);
        }
    }

    /// Requests that count against the allowance now.
    #[must_use]
    pub fn used(&self, allowance: &Allowance, now: Timestamp) -> u64 {
        match allowance.counting {
            Counting::Bucket { burst } => u64::from(burst) - self.filled(allowance, u64::from(burst) * ONE, now) / ONE,
            Counting::Moving | Counting::Fixed => {
                self.blocks.iter().filter(|block| allowance.counts(block, now)).map(|block| block.requests).sum()
            }
        }
    }

    /// Until when the source takes nothing.
    #[must_use]
    pub fn stopped_until(&self, now: Timestamp) -> Option<Timestamp> {
        let empty = self.said.filter(|said| said.left == 0).map(|said| said.until);
        self.stopped_until.max(empty).filter(|until| *until > now)
    }

    /// What the source says is left, less what was reserved since.
    #[must_use]
    pub fn said_left(&self, now: Timestamp) -> Option<u64> {
        self.said.filter(|said| said.until > now).map(|said| said.left)
    }

    fn forget(&mut self, now: Timestamp) {
        self.said = self.said.filter(|said| said.until > now);
        self.stopped_until = self.stopped_until.filter(|until| *until > now);
    }

    /// How many more may be reserved, and when to ask again if that is none.
    fn room(&mut self, allowance: &Allowance, hold: Duration, now: Timestamp) -> (u64, Timestamp) {
        if let Counting::Bucket { burst } = allowance.counting {
            // Set by a clock that was wrong: nobody has to wait for that time to come.
            if let Some(level) = self.level.as_mut().filter(|level| level.at > now + allowance.rate.per) {
                level.at = now;
            }
            let filled = self.filled(allowance, allowance.full(burst, hold), now);
            return (filled / ONE, now + allowance.time_of(ONE.saturating_sub(filled)));
        }
        self.blocks.retain(|block| allowance.counts(block, now));
        let used: u64 = self.blocks.iter().map(|block| block.requests).sum();
        let again = self.blocks.first().map_or(now, |oldest| allowance.counts_until(oldest));
        (u64::from(allowance.rate.count).saturating_sub(used), again)
    }

    fn count(&mut self, allowance: &Allowance, requests: u64, from: Timestamp, until: Timestamp) {
        if let Counting::Bucket { burst } = allowance.counting {
            let full = allowance.full(burst, until.since(from));
            let left = self.filled(allowance, full, from).saturating_sub(requests * ONE);
            // Of the nodes that reserve, one may have a clock that is behind. Were the time set back by it, the next one
            // would be given twice what came in between.
            let at = self.level.map_or(from, |level| level.at.max(from));
            self.level = Some(Level { micros: left, at });
            return;
        }
        let near = allowance.rate.per / MERGED;
        match self.blocks.last_mut() {
            Some(last) if until.since(last.until) <= near && allowance.counts(last, until) => {
                last.requests += requests;
                last.until = last.until.max(until);
            }
            _ => self.blocks.push(Counted { requests, from, until }),
        }
    }

    /// Millionths of requests in a bucket that holds so many.
    fn filled(&self, allowance: &Allowance, full: u64, now: Timestamp) -> u64 {
        self.level.map_or(full, |level| full.min(level.micros.saturating_add(allowance.refill(now.since(level.at)))))
    }
}

/// One request, in millionths.
const ONE: u64 = 1_000_000;

impl Allowance {
    /// Until when a block can be used: in a fixed window not beyond its end.
    fn usable_until(&self, hold: Duration, now: Timestamp) -> Timestamp {
        match self.counting {
            Counting::Fixed => (now + hold).min(self.window_end(now)),
            Counting::Moving | Counting::Bucket { .. } => now + hold,
        }
    }

    fn counts(&self, block: &Counted, now: Timestamp) -> bool {
        self.counts_until(block) > now
    }

    /// When the requests of a block are forgotten.
    fn counts_until(&self, block: &Counted) -> Timestamp {
        match self.counting {
            Counting::Fixed => self.window_end(block.from),
            Counting::Moving | Counting::Bucket { .. } => block.until + self.rate.per,
        }
    }

    /// When the window ends that this time is in, where windows have an end.
    #[must_use]
    pub fn ends_at(&self, at: Timestamp) -> Option<Timestamp> {
        (self.counting == Counting::Fixed).then(|| self.window_end(at))
    }

    fn window_end(&self, at: Timestamp) -> Timestamp {
        let length = i64::try_from(self.rate.per.as_micros()).unwrap_or(i64::MAX).max(1);
        Timestamp::from_micros((at.as_micros().div_euclid(length) + 1).saturating_mul(length))
    }

    /// What a bucket holds, in millionths: less by what may be refilled while a block is held, because all of the block
    /// may be sent at its end. One request at least, else nothing could ever be sent.
    fn full(&self, burst: u32, hold: Duration) -> u64 {
        (u64::from(burst) * ONE).saturating_sub(self.refill(hold)).max(ONE)
    }

    /// Millionths of requests that come in a time.
    fn refill(&self, time: Duration) -> u64 {
        let millionths =
            time.as_micros() * u128::from(self.rate.count) * u128::from(ONE) / self.rate.per.as_micros().max(1);
        u64::try_from(millionths).unwrap_or(u64::MAX)
    }

    fn time_of(&self, millionths: u64) -> Duration {
        let micros =
            u128::from(millionths) * self.rate.per.as_micros() / (u128::from(self.rate.count) * u128::from(ONE));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)) + Duration::from_micros(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const HOLD: Duration = Duration::from_secs(1);

    fn allowance(text: &str, counting: Counting) -> Allowance {
        Allowance { counting, ..text.parse().expect("a rate") }
    }

    fn granted(account: &mut Account, allowance: &Allowance, wanted: u32, now: Timestamp) -> u32 {
        match account.reserve(Some(allowance), wanted, HOLD, now) {
            Grant::Block(block) => block.requests,
            Grant::Wait(_) => 0,
        }
    }

    #[test]
    fn no_more_is_granted_than_is_allowed_and_all_of_it_comes_back() {
        // Of a bucket, what comes while a block is held is kept back.
        for (counting, most) in [(Counting::Moving, 10), (Counting::Fixed, 10), (Counting::Bucket { burst: 10 }, 9)] {
            let ten = allowance("10/m", counting);
            let mut account = Account::default();
            assert_eq!(granted(&mut account, &ten, 4, START), 4, "{counting:?}");
            assert_eq!(granted(&mut account, &ten, 40, START), most - 4, "{counting:?}");
            assert!(account.used(&ten, START) >= u64::from(most), "{counting:?}");
            let Grant::Wait(again) = account.reserve(Some(&ten), 1, HOLD, START) else { panic!("{counting:?}") };
            assert_eq!(granted(&mut account, &ten, 1, again), 1, "{counting:?}");
            assert_eq!(granted(&mut account, &ten, 40, again + Duration::from_secs(120)), most, "{counting:?}");
        }
    }

    #[test]
    fn two_clocks_that_are_apart_are_given_no_more_than_one() {
        for counting in [Counting::Moving, Counting::Bucket { burst: 10 }] {
            let sixty = allowance("60/m", counting);
            let (mut account, mut sent) = (Account::default(), 0);
            // Two nodes in turn, four times a second in all, for ten minutes; the second one's clock is two seconds behind.
            for turn in 0..2_400u32 {
                let behind = HOLD * 2 * (turn % 2);
                sent += granted(&mut account, &sixty, 1, START + Duration::from_millis(250) * turn - behind);
            }
            assert!((450..=630).contains(&sent), "{sent} in ten minutes, {counting:?}");
        }
        // One that was an hour ahead does not stop the others for an hour.
        let bucket = allowance("10/m", Counting::Bucket { burst: 1 });
        let mut account = Account::default();
        assert_eq!(granted(&mut account, &bucket, 1, START + Duration::from_secs(3_600)), 1);
        let sent: u32 = (0..180).map(|second| granted(&mut account, &bucket, 1, START + HOLD * second)).sum();
        assert!(sent >= 10, "{sent} in three minutes");
    }

    #[test]
    fn what_a_source_says_counts_for_all_until_then() {
        let mut account = Account::default();
        let until = START + Duration::from_secs(30);
        account.learn(Word::Left { requests: 3, until }, START);
        assert_eq!(account.reserve(None, 9, HOLD, START), Grant::Block(Block { requests: 3, until: START + HOLD }));
        assert_eq!(account.reserve(None, 1, HOLD, START), Grant::Wait(until));
        assert_eq!(account.stopped_until(START), Some(until));
        account.learn(Word::Stop { until: until + HOLD }, START);
        assert_eq!(account.reserve(None, 1, HOLD, until), Grant::Wait(until + HOLD));
        assert!(matches!(account.reserve(None, 1, HOLD, until + HOLD), Grant::Block(_)));
    }

    #[test]
    fn what_did_not_count_at_the_source_is_given_back_once_and_only_while_it_counts() {
        let two = allowance("2/m", Counting::Moving);
        let mut account = Account::default();
        assert_eq!(granted(&mut account, &two, 2, START), 2);
        account.learn(Word::Free { at: START - HOLD }, START);
        assert_eq!(granted(&mut account, &two, 2, START), 0, "it was none of these");
        account.learn(Word::Free { at: START }, START);
        assert_eq!(granted(&mut account, &two, 2, START), 1);
        let later = START + Duration::from_secs(120);
        assert_eq!(granted(&mut account, &two, 2, later), 2);
        account.learn(Word::Free { at: START }, later);
        assert_eq!(granted(&mut account, &two, 2, later), 0, "it does not count any more");
        let bucket = allowance("60/h", Counting::Bucket { burst: 2 });
        let mut account = Account::default();
        let some = granted(&mut account, &bucket, 2, START);
        account.learn(Word::Free { at: START }, START);
        assert_eq!((some, granted(&mut account, &bucket, 2, START)), (1, 1));
    }

    #[test]
    fn a_full_account_stays_small() {
        let mut account = Account::default();
        let many = allowance("50000/h", Counting::Moving);
        for second in 0..7_200 {
            granted(&mut account, &many, 10, START + Duration::from_secs(second));
        }
        assert!(account.blocks.len() <= MERGED as usize + 2, "{}", account.blocks.len());
    }

    proptest! {
        /// Whatever is asked for and whenever, and wherever within its time each request of a block is sent.
        #[test]
        fn the_allowance_is_never_exceeded(
            counting in prop_oneof![Just(Counting::Moving), Just(Counting::Fixed), (2_u32..20).prop_map(|burst| Counting::Bucket { burst })],
            asks in prop::collection::vec((0_u64..8_000, 1_u32..9, 0.0_f64..1.0), 1..200),
        ) {
            let limit = allowance("20/m", counting);
            let mut account = Account::default();
            let (mut now, mut sent) = (START, Vec::new());
            for (pause, wanted, at) in asks {
                now = now + Duration::from_millis(pause);
                if let Grant::Block(block) = account.reserve(Some(&limit), wanted, HOLD, now) {
                    let span = block.until.since(now).mul_f64(at);
                    sent.extend((0..block.requests).map(|_| now + span));
                }
            }
            sent.sort();
            for (index, first) in sent.iter().enumerate() {
                let within = |span: Duration| sent[index..].iter().take_while(|at| at.since(*first) < span).count() as u64;
                match counting {
                    Counting::Moving => prop_assert!(within(limit.rate.per) <= 20),
                    Counting::Fixed => {
                        let end = limit.window_end(*first);
                        prop_assert!(sent[index..].iter().take_while(|at| **at < end).count() <= 20);
                    }
                    Counting::Bucket { burst } => {
                        for seconds in [1_u64, 5, 30, 60, 120] {
                            let most = u64::from(burst) + seconds * 20 / 60 + 1;
                            prop_assert!(within(Duration::from_secs(seconds)) <= most);
                        }
                    }
                }
            }
        }
    }
}
