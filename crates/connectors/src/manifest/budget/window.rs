//! The two kinds of window that calls are counted in.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::after;

/// Groups of calls that a moving window remembers. Past it, neighbours become one group at the later one's time, so
/// a limit is kept with more care than it asks for, never with less.
const GROUPS_MAX: usize = 1_024;

/// So many calls from one reset to the next. The first window begins with its first call.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    period: Duration,
    calls: u64,
    used: u64,
    reset: Option<Timestamp>,
}

impl Fixed {
    pub fn new(period: Duration, calls: u64) -> Self {
        Self { period, calls, used: 0, reset: None }
    }

    /// Takes so many calls, or says when there will be some.
    pub fn take(&mut self, weight: u64, now: Timestamp) -> Option<Timestamp> {
        self.advance(now);
        let reset = *self.reset.get_or_insert_with(|| after(now, self.period));
        if self.used.saturating_add(weight) > self.calls {
            return Some(reset);
        }
        self.used += weight;
        None
    }

    /// Once a reset has passed, a new window with all its calls begins.
    fn advance(&mut self, now: Timestamp) {
        let Some(reset) = self.reset.filter(|reset| now >= *reset) else { return };
        self.used = 0;
        let next = after(reset, self.period);
        self.reset = Some(if next > now { next } else { after(now, self.period) });
    }

    pub fn learn(&mut self, left: Option<u64>, reset: Option<Timestamp>, now: Timestamp) {
        self.advance(now);
        if let Some(left) = left.filter(|left| *left < self.calls.saturating_sub(self.used)) {
            self.used = self.calls - left;
        }
        // A reset that has passed says nothing about the window we are in.
        if let Some(reset) = reset.filter(|reset| *reset > now) {
            self.reset = Some(reset);
        }
        self.reset.get_or_insert_with(|| after(now, self.period));
    }
}

/// So many calls in any span of this length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub calls: u64,
    pub period: Duration,
}

/// Calls by their time, for one rate or several.
#[derive(Clone, Debug)]
pub(super) struct Moving {
    rates: Vec<Rate>,
    groups: VecDeque<(Timestamp, u64)>,
}

impl Moving {
    pub fn new(rates: Vec<Rate>) -> Self {
        Self { rates, groups: VecDeque::new() }
    }

    /// Takes so many calls, or says when there will be enough.
    pub fn take(&mut self, weight: u64, now: Timestamp) -> Option<Timestamp> {
        self.forget(now);
        let until = self.rates.iter().filter_map(|rate| self.wait(*rate, weight, now)).max();
        if until.is_none() {
            self.note(weight, now);
        }
        until
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// When so many calls fit into the rate; `None` if they do now.
    fn wait(&self, rate: Rate, weight: u64, now: Timestamp) -> Option<Timestamp> {
        let mut used: u64 = self.within(rate, now).map(|(_, calls)| calls).sum();
        let fits = |used: u64| used.saturating_add(weight) <= rate.calls;
        if fits(used) {
            return None;
        }
        for (at, calls) in self.within(rate, now) {
            used -= calls;
            if fits(used) {
                // A call counts to the last instant of its window, so the next may go one instant later.
                return Some(after(at, rate.period + Duration::from_millis(1)));
            }
        }
        Some(after(now, rate.period))
    }

    fn within(&self, rate: Rate, now: Timestamp) -> impl Iterator<Item = (Timestamp, u64)> + '_ {
        self.groups.iter().copied().filter(move |(at, _)| after(*at, rate.period) >= now)
    }

    fn forget(&mut self, now: Timestamp) {
        let longest = self.rates.iter().map(|rate| rate.period).max().unwrap_or_default();
        while self.groups.front().is_some_and(|(at, _)| after(*at, longest) < now) {
            self.groups.pop_front();
        }
    }

    fn note(&mut self, weight: u64, now: Timestamp) {
        match self.groups.back_mut() {
            Some((at, calls)) if *at >= now => *calls += weight,
            _ => self.groups.push_back((now, weight)),
        }
        if self.groups.len() > GROUPS_MAX {
            let old = std::mem::take(&mut self.groups);
            let mut old = old.into_iter();
            while let Some((at, calls)) = old.next() {
                let (at, more) = old.next().unwrap_or((at, 0));
                self.groups.push_back((at, calls + more));
            }
        }
    }

    /// Only "none left" can be learned, and only where the source does not say until when: the reference
    /// implementation knows no more either.
    pub fn learn(&mut self, left: Option<u64>, reset: Option<Timestamp>, now: Timestamp) {
        if left != Some(0) || reset.is_some() {
            return;
        }
        self.forget(now);
        let free = self.rates.iter().map(|rate| {
            let used: u64 = self.within(*rate, now).map(|(_, calls)| calls).sum();
            rate.calls.saturating_sub(used)
        });
        if let Some(free) = free.min().filter(|free| *free > 0) {
            self.note(free, now);
        }
    }
}
