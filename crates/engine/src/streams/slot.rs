//! One stream's place in the schedule: what is due, what is wished, how it went.

use std::time::Duration;

use domain::Timestamp;
use domain::run::StreamKey;

use store::reading::Checkpoint;

use super::Order;
use super::reconcile::Learned;
use super::run::LEASE;
use crate::spec::{PollSpec, ReconcileSpec, Schedule, StreamSpec};

/// First wait after a poll that failed, doubled each time.
const FAILED_WAIT: Duration = Duration::from_secs(5);
const FAILED_WAIT_MAX: Duration = Duration::from_secs(600);
/// Polls or reconciliations that fail in a row before a person is told.
const FAILURES_TOLD: u32 = 3;
/// A reading right after the tick of a version would be within it again by a hair.
const TICK_SLACK: Duration = Duration::from_millis(100);

/// A stream that another node reads is looked at again after this.
pub(super) const BUSY_WAIT: Duration = LEASE;

pub(super) struct Slot {
    pub key: StreamKey,
    pub spec: StreamSpec,
    /// When it is read next by itself; `Timestamp::NEVER` if not.
    pub poll_at: Timestamp,
    pub reconcile_at: Timestamp,
    pub running: bool,
    /// Another node is in charge of its connection: only wishes are carried out here.
    pub elsewhere: bool,
    /// A webhook told that something changed.
    pub hinted: bool,
    /// The next poll asks in full: it was hinted at, or the one before did not succeed.
    pub in_full: bool,
    pub orders: Vec<Order>,
    /// Polls that failed in a row.
    pub failures: u32,
    /// Reconciliations that did.
    pub uncompared: u32,
    pub past: Past,
    /// A subscription tells its changes, so it is not polled by itself.
    pub rests: bool,
    /// One more poll is owed although it rests, to read what changed before it could rest.
    pub owes_poll: bool,
    /// It rested, or this is its first poll: what reconciliation passed over as too young is read again.
    pub reads_wide: bool,
}

/// What became of a stream so far, by whichever process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    pub asked_at: Option<Timestamp>,
    pub reconciled_at: Option<Timestamp>,
    /// Its first complete scan has ended, so there is something to compare with.
    pub is_scanned: bool,
}

impl Past {
    pub fn of(checkpoint: Option<&Checkpoint>) -> Self {
        let Some(row) = checkpoint else { return Self::default() };
        Self {
            asked_at: row.progress.asked_at,
            reconciled_at: Learned::read(&row.learned).reconciled_at.max(row.baseline_at),
            is_scanned: row.baseline_at.is_some(),
        }
    }

    fn after(self, other: Self) -> Self {
        Self {
            asked_at: self.asked_at.max(other.asked_at),
            reconciled_at: self.reconciled_at.max(other.reconciled_at),
            is_scanned: self.is_scanned || other.is_scanned,
        }
    }
}

/// How much a poll reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// It is not enough to hear that nothing changed.
    pub in_full: bool,
    /// Beside what is new, what reconciliation may have passed over while polls rested.
    pub wide: bool,
}

/// What a stream is to be read for.
pub(super) enum Due {
    Ordered(Order),
    Poll(Reach),
    Reconcile,
}

impl Slot {
    pub fn new(key: StreamKey, spec: StreamSpec, past: Past, now: Timestamp) -> Self {
        let mut slot = Self {
            key,
            spec,
            poll_at: Timestamp::NEVER,
            reconcile_at: Timestamp::NEVER,
            running: false,
            elsewhere: false,
            hinted: false,
            in_full: false,
            orders: Vec::new(),
            failures: 0,
            uncompared: 0,
            past,
            rests: false,
            owes_poll: false,
            reads_wide: true,
        };
        slot.plan(now);
        slot
    }

    /// Takes another definition over.
    pub fn redefine(&mut self, spec: StreamSpec, now: Timestamp) {
        if self.spec != spec {
            self.spec = spec;
            self.plan(now);
        }
    }

    /// Takes over whether a subscription tells its changes; gives whether that is news. On either way it is polled once
    /// more at once: what changed meanwhile is told from where the last poll ended.
    pub fn rest(&mut self, rests: bool, now: Timestamp) -> bool {
        if self.rests == rests {
            return false;
        }
        self.rests = rests;
        self.poll_once_more(now);
        true
    }

    fn poll_once_more(&mut self, now: Timestamp) {
        self.reads_wide = true;
        if self.spec.poll.is_some() {
            self.owes_poll = self.rests;
            // While its source fails, the next try is near enough.
            if self.failures == 0 || self.poll_at == Timestamp::NEVER {
                self.poll_at = now;
            }
        }
    }

    /// Takes charge, where another node may have read it last, or leaves it to another.
    pub fn set_elsewhere(&mut self, elsewhere: bool, past: Past, now: Timestamp) {
        let taken = std::mem::replace(&mut self.elsewhere, elsewhere) && !elsewhere;
        if taken {
            self.past = self.past.after(past);
            (self.failures, self.uncompared) = (0, 0);
            self.plan(now);
            if self.rests {
                // Whether the other one came to its last poll is not known.
                self.poll_once_more(now);
            }
        }
        if elsewhere {
            self.hinted = false;
        }
    }

    /// When it is polled next by itself, after the last time.
    fn next_by_itself(&self, now: Timestamp) -> Timestamp {
        match &self.spec.poll {
            None => Timestamp::NEVER,
            Some(_) if self.rests && self.owes_poll => now,
            Some(_) if self.rests => Timestamp::NEVER,
            Some(PollSpec::On(schedule)) => schedule.next(self.past.asked_at, now),
            // Whoever picks from the budget picks it.
            Some(PollSpec::Budget(_)) => Timestamp::NEVER,
        }
    }

    fn plan(&mut self, now: Timestamp) {
        self.poll_at = self.next_by_itself(now);
        self.reconcile_at = match &self.spec.reconcile {
            // Nothing is found missing before the first complete scan, which polls or this have to make. Who names times
            // wants none between them.
            Some(ReconcileSpec { schedule: Schedule::Every(_), .. })
                if !self.past.is_scanned && self.spec.poll.is_none() =>
            {
                now
            }
            Some(spec) => spec.schedule.next(self.past.reconciled_at.or(Some(now)), now),
            None => Timestamp::NEVER,
        };
    }

    /// When something of it is due.
    pub fn due_at(&self, now: Timestamp) -> Timestamp {
        if self.running {
            return Timestamp::NEVER;
        }
        if !self.orders.is_empty() {
            return now;
        }
        if self.elsewhere {
            return Timestamp::NEVER;
        }
        let hinted = if self.hinted { self.hint_at(now) } else { Timestamp::NEVER };
        self.poll_at.min(self.reconcile_at).min(hinted)
    }

    /// When it is polled next by itself, as far as the slot knows: of a shared budget, whoever picks decides.
    pub fn next_poll(&self, now: Timestamp) -> Option<Timestamp> {
        let hinted = if self.hinted { self.hint_at(now) } else { Timestamp::NEVER };
        Some(self.poll_at.min(hinted)).filter(|at| *at != Timestamp::NEVER && !self.running && !self.elsewhere)
    }

    /// Forgets wishes of those who have gone.
    pub fn forget_deserted(&mut self) {
        self.orders.retain(|order| !order.answer.is_closed());
    }

    /// A hint polls at once, but not more often than the stream may be asked, and not while its source fails.
    fn hint_at(&self, now: Timestamp) -> Timestamp {
        let least = match &self.spec.poll {
            Some(PollSpec::Budget(share)) => share.at_least,
            _ => crate::spec::POLL_MIN,
        };
        let soonest = self.past.asked_at.map_or(now, |asked| (asked + least).max(now));
        if self.failures > 0 { soonest.max(self.poll_at) } else { soonest }
    }

    /// The most urgent thing that is due.
    pub fn take(&mut self, now: Timestamp) -> Option<Due> {
        if self.running || self.due_at(now) > now {
            return None;
        }
        let due = if self.orders.is_empty() {
            let polls = self.poll_at <= now || (self.hinted && self.hint_at(now) <= now);
            // Polls go first, but only one of them: of a slow source the next is due whenever one ends.
            let waited = self.reconcile_at <= now && self.past.asked_at.is_some_and(|asked| asked >= self.reconcile_at);
            if polls && !waited { Due::Poll(self.reach()) } else { Due::Reconcile }
        } else {
            Due::Ordered(self.orders.remove(0))
        };
        self.begin(matches!(due, Due::Poll(_)), now);
        Some(due)
    }

    /// How much the poll that begins now reads.
    pub fn reach(&mut self) -> Reach {
        let wide = std::mem::take(&mut self.reads_wide);
        Reach { in_full: self.in_full || self.hinted, wide }
    }

    pub fn begin(&mut self, polls: bool, now: Timestamp) {
        self.running = true;
        if polls {
            self.in_full |= self.hinted;
            (self.hinted, self.owes_poll) = (false, false);
            self.past.asked_at = Some(now);
        }
    }

    /// A poll or the first scan has ended; gives when the stream may be asked again, if it failed.
    pub fn polled(&mut self, failed: bool, again_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        self.running = false;
        self.in_full = failed;
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        self.poll_at = self.next_by_itself(now);
        if self.poll_at != Timestamp::NEVER {
            self.poll_at = self.poll_at.max(now);
        }
        if failed {
            let not_before = now + failed_wait(self.failures);
            let owes = self.rests && self.spec.poll.is_some();
            (self.owes_poll, self.reads_wide) = (owes, true);
            self.poll_at = if owes { not_before } else { self.poll_at.max(not_before) };
            if !self.past.is_scanned {
                self.reconcile_at = self.reconcile_at.max(not_before);
            }
            return Some(not_before);
        }
        if !std::mem::replace(&mut self.past.is_scanned, true) {
            self.compared(now);
        }
        if let Some(again) = again_at.filter(|_| self.spec.poll.is_some()) {
            self.poll_at = self.poll_at.min((again + TICK_SLACK).max(now + crate::spec::POLL_MIN));
        }
        None
    }

    /// Another node has it.
    pub fn busy(&mut self, now: Timestamp) {
        self.running = false;
        (self.in_full, self.reads_wide) = (true, true);
        self.poll_at = self.poll_at.max(now + BUSY_WAIT);
        self.reconcile_at = self.reconcile_at.max(now + BUSY_WAIT);
    }

    /// A reconciliation has ended. One that failed is tried again soon; whoever names times wants none between them.
    pub fn reconciled(&mut self, (dry, failed): (bool, bool), now: Timestamp) {
        self.running = false;
        if dry {
            return;
        }
        self.uncompared = if failed { self.uncompared.saturating_add(1) } else { 0 };
        match &self.spec.reconcile {
            Some(ReconcileSpec { schedule: Schedule::Every(interval), .. }) if failed => {
                self.reconcile_at = now + failed_wait(self.uncompared).min(*interval);
            }
            _ => self.compared(now),
        }
    }

    /// Whether a person is to be told that it cannot be read.
    pub fn is_failing(&self) -> bool {
        self.failures.max(self.uncompared) >= FAILURES_TOLD
    }

    /// All that there is was read: the next time is an interval later.
    fn compared(&mut self, now: Timestamp) {
        self.past.reconciled_at = Some(now);
        if let Some(spec) = &self.spec.reconcile {
            self.reconcile_at = spec.schedule.next(Some(now), now).max(now + Duration::from_secs(1));
        }
    }
}

fn failed_wait(failures: u32) -> Duration {
    let wait = FAILED_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    wait.min(FAILED_WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use domain::{ConnectionName, Tenant};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const INTERVAL: Duration = Duration::from_secs(30);

    fn slot(poll: Option<PollSpec>) -> Slot {
        let key = StreamKey {
            tenant: Tenant::default_tenant(),
            source: "shop".parse().expect("a name"),
            connection: ConnectionName::default_connection(),
            stream: "orders".into(),
        };
        let past = Past { asked_at: Some(NOW), reconciled_at: None, is_scanned: true };
        Slot::new(key, StreamSpec { poll, ..StreamSpec::default() }, past, NOW)
    }

    fn polled() -> Slot {
        slot(Some(PollSpec::On(Schedule::Every(INTERVAL))))
    }

    #[test]
    fn before_it_rests_and_after_it_is_polled_once_more() {
        let mut slot = polled();
        assert_eq!(slot.due_at(NOW), NOW + INTERVAL);
        assert!(slot.rest(true, NOW) && !slot.rest(true, NOW));
        assert!(matches!(slot.take(NOW), Some(Due::Poll(Reach { wide: true, .. }))));
        slot.polled(false, None, NOW);
        assert_eq!(slot.due_at(NOW), Timestamp::NEVER, "now it rests");
        assert!(slot.rest(false, NOW));
        assert!(matches!(slot.take(NOW), Some(Due::Poll(Reach { wide: true, .. }))));
        slot.polled(false, None, NOW);
        assert_eq!(slot.due_at(NOW), NOW + INTERVAL);
    }

    #[test]
    fn a_poll_that_was_under_way_when_it_came_to_rest_is_not_the_last() {
        let mut slot = polled();
        slot.begin(true, NOW);
        slot.rest(true, NOW);
        slot.polled(false, None, NOW);
        assert!(matches!(slot.take(NOW), Some(Due::Poll(_))), "it may have looked before the subscription was made");
        slot.polled(false, None, NOW);
        assert_eq!(slot.due_at(NOW), Timestamp::NEVER);
    }

    #[test]
    fn the_last_poll_before_a_rest_is_tried_until_it_succeeds() {
        let mut slot = polled();
        slot.rest(true, NOW);
        assert!(slot.take(NOW).is_some());
        slot.polled(true, None, NOW);
        assert_eq!(slot.due_at(NOW), NOW + FAILED_WAIT);
        assert!(slot.take(NOW + FAILED_WAIT).is_some());
        slot.polled(false, None, NOW + FAILED_WAIT);
        assert_eq!(slot.due_at(NOW + FAILED_WAIT), Timestamp::NEVER);
    }

    /// One that is only reconciled.
    fn compared(past: Past) -> Slot {
        let schedule = Schedule::Every(INTERVAL);
        let reconcile = ReconcileSpec { schedule, lookback: None, grace: None, max_deletes: None };
        Slot::new(slot(None).key, StreamSpec { reconcile: Some(reconcile), ..StreamSpec::default() }, past, NOW)
    }

    #[test]
    fn what_is_only_reconciled_is_scanned_at_once_and_not_again_at_once_if_that_fails() {
        let mut slot = compared(Past::default());
        assert!(matches!(slot.take(NOW), Some(Due::Reconcile)));
        slot.polled(true, None, NOW);
        assert_eq!(slot.due_at(NOW), NOW + FAILED_WAIT);
        assert!(slot.take(NOW + FAILED_WAIT).is_some());
        slot.polled(false, None, NOW + FAILED_WAIT);
        assert_eq!(slot.due_at(NOW), NOW + FAILED_WAIT + INTERVAL);
    }

    #[test]
    fn a_restart_puts_no_reconciliation_off() {
        let before = |span: Duration| Past { asked_at: None, reconciled_at: Some(NOW - span), is_scanned: true };
        assert_eq!(compared(before(INTERVAL / 3)).due_at(NOW), NOW + INTERVAL - INTERVAL / 3);
        assert!(matches!(compared(before(INTERVAL * 3)).take(NOW), Some(Due::Reconcile)), "it is overdue");
    }

    #[test]
    fn a_stream_that_is_not_polled_is_not_for_a_subscriptions_sake() {
        let mut slot = slot(None);
        slot.rest(true, NOW);
        slot.begin(true, NOW);
        slot.polled(true, None, NOW);
        slot.rest(false, NOW);
        assert_eq!(slot.due_at(NOW), Timestamp::NEVER);
    }
}
