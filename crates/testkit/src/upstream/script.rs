//! What happens in a shop, and when: written out by a test, or made of a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::truth::Object;
use crate::simulation::Dice;

/// States that a record goes through; few, so that it often comes back to one it had.
pub(super) const STATES: [&str; 4] = ["open", "paid", "sent", "done"];

/// Something that happens to a record, or to the shop's subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A record appears, or one that was deleted comes back, in this state.
    Create(&'static str),
    Change(&'static str),
    Delete,
    /// The shop disables every subscription of the account.
    DisableHooks,
    /// Somebody removes them.
    DropHooks,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// After the shop opened.
    pub after: Duration,
    /// Its place in [`Habits::accounts`](super::Habits).
    pub account: usize,
    pub object: Object,
    pub id: u64,
    pub act: Act,
}

/// A story, in the order in which it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(Vec<Deed>);

impl Script {
    /// In the order of their times; those of one time as they stand.
    #[must_use]
    pub fn of(mut deeds: Vec<Deed>) -> Self {
        deeds.sort_by_key(|deed| deed.after);
        Self(deeds)
    }

    /// So many records of each object and account at the opening, then deeds over a span that begins after `quiet`.
    #[must_use]
    pub fn of_seed(seed: u64, accounts: usize, quiet: Duration, span: Duration, deeds: u64) -> Self {
        let mut author = Author { dice: Dice::new(seed ^ 0x0DEED), records: BTreeMap::new(), deeds: Vec::new() };
        for account in 0..accounts {
            for object in Object::ALL {
                // The same ids everywhere: an id means nothing outside of its account.
                for id in 1..=1 + author.dice.below(5) {
                    author.write(Duration::ZERO, account, object, id, Act::Create(STATES[0]));
                }
            }
        }
        let mut times: Vec<Duration> = (0..deeds).map(|_| quiet + author.time_within(span)).collect();
        times.sort();
        for at in times {
            let account = author.dice.below(accounts as u64) as usize;
            author.episode(at, account);
        }
        if author.dice.percent(20) {
            let act = if author.dice.percent(50) { Act::DisableHooks } else { Act::DropHooks };
            let after = quiet + author.time_within(span);
            author.deeds.push(Deed { after, account: 0, object: Object::Orders, id: 0, act });
        }
        Self::of(author.deeds)
    }

    pub(super) fn deeds(&self) -> &[Deed] {
        &self.0
    }

    /// When the last of it has happened, after the opening.
    #[must_use]
    pub fn ends_after(&self) -> Duration {
        self.0.last().map_or(Duration::ZERO, |deed| deed.after)
    }
}

/// Writes a story in which only what exists is changed.
struct Author {
    dice: Dice,
    /// The state each record will be in; `None` once it is deleted.
    records: BTreeMap<(usize, Object, u64), Option<&'static str>>,
    deeds: Vec<Deed>,
}

impl Author {
    fn time_within(&mut self, span: Duration) -> Duration {
        Duration::from_micros(self.dice.below(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// One deed, or a few close together: there and back again, gone and back again, twice within a tick.
    fn episode(&mut self, at: Duration, account: usize) {
        let object = Object::ALL[self.dice.below(2) as usize];
        let known = self.records.keys().filter(|(own, of, _)| (*own, *of) == (account, object)).count() as u64;
        let id = 1 + self.dice.below(known + 1);
        let Some(Some(state)) = self.records.get(&(account, object, id)).copied() else {
            let state = self.any_state();
            return self.write(at, account, object, id, Act::Create(state));
        };
        let next = self.other_state(state);
        let soon = at + Duration::from_millis(1 + self.dice.below(1_500));
        match self.dice.below(10) {
            0 => self.write(at, account, object, id, Act::Delete),
            1 => {
                self.write(at, account, object, id, Act::Delete);
                self.write(soon, account, object, id, Act::Create(next));
            }
            2 | 3 => {
                self.write(at, account, object, id, Act::Change(next));
                self.write(soon, account, object, id, Act::Change(state));
            }
            4 => {
                self.write(at, account, object, id, Act::Change(next));
                let third = self.other_state(next);
                self.write(soon, account, object, id, Act::Change(third));
            }
            _ => self.write(at, account, object, id, Act::Change(next)),
        }
    }

    fn any_state(&mut self) -> &'static str {
        STATES[self.dice.below(STATES.len() as u64) as usize]
    }

    fn other_state(&mut self, than: &str) -> &'static str {
        let others: Vec<_> = STATES.into_iter().filter(|state| *state != than).collect();
        others[self.dice.below(others.len() as u64) as usize]
    }

    fn write(&mut self, after: Duration, account: usize, object: Object, id: u64, act: Act) {
        let state = match act {
            Act::Create(state) | Act::Change(state) => Some(state),
            Act::Delete | Act::DisableHooks | Act::DropHooks => None,
        };
        self.records.insert((account, object, id), state);
        self.deeds.push(Deed { after, account, object, id, act });
    }
}
