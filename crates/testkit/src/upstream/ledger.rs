//! Every request that a shop got, and whether it ever got more than it allows. Nothing is forgiven: one request too many
//! in any span is a finding.

use std::time::Duration;

use domain::Timestamp;

use super::habits::Limit;

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub at: Timestamp,
    /// `None`: its key was nobody's.
    pub account: Option<usize>,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// 0 if nothing came back.
    pub status: u16,
    /// When the answer was with the one who asked; `None` if it never was.
    pub answered_at: Option<Timestamp>,
    /// Of a 429 or 503: how long it was asked to wait.
    pub retry_after: Option<Duration>,
    /// Which life of the asking process it belongs to.
    pub life: u64,
    /// It counts for the limit.
    pub counts: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    visits: Vec<Visit>,
    life: u64,
}

impl Ledger {
    #[must_use]
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// Writes a visit down; gives its number.
    pub(super) fn came(&mut self, at: Timestamp, account: Option<usize>, method: &str, target: String) -> usize {
        self.visits.push(Visit {
            at,
            account,
            method: method.to_owned(),
            target,
            status: 0,
            answered_at: None,
            retry_after: None,
            life: self.life,
            counts: true,
        });
        self.visits.len() - 1
    }

    pub(super) fn answers(&mut self, number: usize, status: u16, counts: bool, retry_after: Option<Duration>) {
        self.visits[number].status = status;
        self.visits[number].counts = counts;
        self.visits[number].retry_after = retry_after;
    }

    pub(super) fn went(&mut self, number: usize, at: Timestamp) {
        self.visits[number].answered_at = Some(at);
    }

    pub(super) fn next_life(&mut self) {
        self.life += 1;
    }

    /// Visits that count for a limit within the span that ends now.
    pub(super) fn counted(&self, limit: &Limit, account: Option<usize>, now: Timestamp) -> usize {
        let recent = self.visits.iter().rev().take_while(|visit| now.since(visit.at) < limit.per);
        recent.filter(|visit| visit.counts && (limit.shared || visit.account == account)).count()
    }

    /// When the next visit will be within the limit, if none comes before.
    pub(super) fn free_at(&self, limit: &Limit, account: Option<usize>, now: Timestamp) -> Timestamp {
        let is_of_it = |visit: &&Visit| visit.counts && (limit.shared || visit.account == account);
        let mut of_it = self.visits.iter().rev().filter(is_of_it);
        of_it.nth(limit.requests.saturating_sub(1)).map_or(now, |visit| visit.at + limit.per)
    }

    /// Spans that hold more requests than the limit allows, each told by its last request.
    #[must_use]
    pub fn overruns(&self, limit: &Limit) -> Vec<String> {
        let mut groups: Vec<Option<usize>> = self.visits.iter().map(|visit| visit.account).collect();
        groups.sort_unstable();
        groups.dedup();
        if limit.shared {
            groups.truncate(1);
        }
        groups.into_iter().flat_map(|account| self.overruns_of(limit, account)).collect()
    }

    fn overruns_of(&self, limit: &Limit, account: Option<usize>) -> Vec<String> {
        let is_of_it = |visit: &&Visit| visit.counts && (limit.shared || visit.account == account);
        let visits: Vec<&Visit> = self.visits.iter().filter(is_of_it).collect();
        let mut findings = Vec::new();
        for (last, visit) in visits.iter().enumerate().skip(limit.requests) {
            let first = visits[last - limit.requests];
            let span = visit.at.since(first.at);
            if span < limit.per {
                findings.push(format!(
                    "{} requests within {span:?}, and {} are allowed in {:?}: the last at {} is {} {}",
                    limit.requests + 1,
                    limit.requests,
                    limit.per,
                    visit.at,
                    visit.method,
                    visit.target
                ));
            }
        }
        findings
    }

    /// Requests of one process that came although it had been asked to wait, and knew it.
    #[must_use]
    pub fn impatience(&self, shared: bool) -> Vec<String> {
        let told_to_wait = self.visits.iter().filter_map(|visit| {
            let (answered_at, wait) = (visit.answered_at?, visit.retry_after?);
            Some((visit, answered_at, answered_at + wait))
        });
        let mut findings = Vec::new();
        for (asked, from, until) in told_to_wait {
            let of_it = |visit: &&Visit| visit.life == asked.life && (shared || visit.account == asked.account);
            let too_early = self.visits.iter().filter(of_it).find(|visit| visit.at > from && visit.at < until);
            if let Some(visit) = too_early {
                findings.push(format!(
                    "{} {} came at {}, although the {} of {} had asked to wait until {until}",
                    visit.method, visit.target, visit.at, asked.status, asked.at
                ));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);
    const TWO_IN_TEN: Limit = Limit { requests: 2, per: Duration::from_secs(10), shared: false };

    fn ledger(visits: &[(u64, usize)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (secs, account) in visits {
            ledger.came(START + Duration::from_secs(*secs), Some(*account), "GET", "/orders".to_owned());
        }
        ledger
    }

    #[test]
    fn one_request_too_many_in_any_span_is_found() {
        assert_eq!(ledger(&[(0, 0), (1, 0), (10, 0), (11, 0)]).overruns(&TWO_IN_TEN), Vec::<String>::new());
        assert_eq!(ledger(&[(0, 0), (9, 0), (9, 0)]).overruns(&TWO_IN_TEN).len(), 1);
        assert_eq!(ledger(&[(0, 0), (6, 0), (15, 0), (15, 0)]).overruns(&TWO_IN_TEN).len(), 1);
    }

    #[test]
    fn accounts_count_apart_unless_they_share_the_limit() {
        let visits = ledger(&[(0, 0), (1, 1), (2, 0), (3, 1)]);
        assert_eq!(visits.overruns(&TWO_IN_TEN), Vec::<String>::new());
        assert_eq!(visits.overruns(&Limit { shared: true, ..TWO_IN_TEN }).len(), 2);
    }

    #[test]
    fn what_is_free_counts_for_nothing() {
        let mut visits = ledger(&[(0, 0), (1, 0), (2, 0)]);
        assert_eq!(visits.overruns(&TWO_IN_TEN).len(), 1);
        visits.answers(1, 304, false, None);
        assert_eq!(visits.overruns(&TWO_IN_TEN), Vec::<String>::new());
        assert_eq!(visits.counted(&TWO_IN_TEN, Some(0), START + Duration::from_secs(2)), 2);
    }

    #[test]
    fn the_next_free_moment_is_when_the_oldest_is_forgotten() {
        let visits = ledger(&[(0, 0), (4, 0)]);
        let at = |secs| START + Duration::from_secs(secs);
        assert_eq!(visits.counted(&TWO_IN_TEN, Some(0), at(9)), 2);
        assert_eq!(visits.free_at(&TWO_IN_TEN, Some(0), at(9)), at(10));
        assert_eq!(visits.counted(&TWO_IN_TEN, Some(0), at(10)), 1);
        assert_eq!(visits.free_at(&TWO_IN_TEN, Some(1), at(9)), at(9));
    }

    #[test]
    fn who_was_asked_to_wait_and_does_not_is_found() {
        let asked = |secs: u64, life: bool| {
            let mut ledger = ledger(&[(0, 0)]);
            ledger.answers(0, 429, true, Some(Duration::from_secs(30)));
            ledger.went(0, START + Duration::from_secs(1));
            if life {
                ledger.next_life();
            }
            ledger.came(START + Duration::from_secs(secs), Some(0), "GET", "/orders".to_owned());
            ledger.impatience(false).len()
        };
        assert_eq!((asked(30, false), asked(31, false), asked(30, true)), (1, 0, 0));
        assert_eq!(asked(1, false), 0, "it was under way when the answer came");
    }
}
