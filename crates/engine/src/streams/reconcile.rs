//! Reconciliation: reads what the source has, tells what no webhook told, and weighs how far the webhooks can be relied
//! on.

use std::time::Duration;

use domain::event::Origin;
use domain::run::{Gap, Run, RunState, Trust};
use domain::{Latencies, Purpose, Timestamp, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use store::StoreError;
use store::reading::Known;

use super::Parts;
use super::deletes::{Awaits, Bounds, Gone};
use super::fold::{Missed, Mode};
use super::model::Reading;
use super::poll::Feeding;
use super::run::{Broken, How, Outcome, Taken, add, state_of};
use super::unjudged::unjudged;
use crate::alert::{DELETES_WAITING, GAP_FOUND, stream_object};
use crate::spec::{ReconcileSpec, Start};

/// The least time that a webhook is given before its change counts as missed.
const GRACE_MIN: Duration = Duration::from_secs(120);

/// What is learned of a stream and kept with its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Learned {
    /// Of webhooks, behind their changes: what [`Latencies::to_bytes`] gives.
    pub delays: Vec<u8>,
    pub rate: Option<domain::poll::ChangeRate>,
    /// When it was last compared, so that a restart does not put the next time off.
    pub reconciled_at: Option<Timestamp>,
    /// What the scan tells that a person asked for and that has not come to its end.
    pub start: Option<String>,
}

impl Learned {
    /// What cannot be read is learned anew.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(super) fn write(&self) -> std::sync::Arc<[u8]> {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// What the next first scan tells, if a person has said so.
    pub(super) fn ordered(&self) -> Option<Start> {
        self.start.as_ref()?.parse().ok()
    }

    fn delays(&self) -> Latencies {
        Latencies::from_bytes(&self.delays).unwrap_or_default()
    }
}

/// How far what was read had been told by webhooks.
#[derive(Debug, Default)]
pub(super) struct Weighing {
    caught: u64,
    uncaught: u64,
    delays: Latencies,
}

impl Weighing {
    /// Looks at records whose state is known: who had told it, and how long after the change.
    pub(super) fn weigh(&mut self, compared: &[(Reading, Option<Known>)]) {
        for (reading, known) in compared {
            let Some(known) = known.as_ref().filter(|known| is_as_told(known, reading)) else {
                continue;
            };
            match known.told {
                Some((Origin::Native, at)) => {
                    self.caught += 1;
                    if let Some(Version::Time(changed)) = known.row.version {
                        self.delays.add(at.since(changed));
                    }
                }
                Some((Origin::Reconciled, _)) => self.uncaught += 1,
                Some((Origin::Virtual | Origin::Backfill | Origin::Published, _)) | None => {}
            }
        }
    }

    /// The share, and how long webhooks took: nothing of that where records have no time of their change.
    fn trust(&self, missed: u64) -> Option<Trust> {
        let all = self.caught + self.uncaught + missed;
        (all > 0).then(|| Trust {
            caught: self.caught as f64 / all as f64,
            delay_p50: self.delays.quantile(0.5),
            delay_p99: self.delays.quantile(0.99),
        })
    }
}

/// Whether a record is as it was when it was last told: by its version, or without one by its bytes. After a webhook
/// these are not known before the first reading.
fn is_as_told(known: &Known, reading: &Reading) -> bool {
    let same = match reading.state.version {
        Some(_) => true,
        None => known.row.digest.is_none_or(|digest| digest == reading.digest),
    };
    same && known.row.version == reading.state.version && known.row.deleted == reading.state.deleted
}

impl Parts {
    /// Compares a stream with what is known of it.
    pub(super) async fn reconcile(&self, taken: &Taken, run: Run, deletes_confirmed: bool) -> (Run, Outcome) {
        let spec = taken.spec.reconcile.clone();
        let mut learned = Learned::read(&taken.checkpoint.learned);
        let grace = grace(taken, &learned);
        let fed = self.feed(taken, grace, run.dry).await;
        let tied_at = fed.as_ref().ok().and_then(|fed| fed.tied_at);
        let mut outcome = self.read(taken, self.how(taken, spec.as_ref(), (grace, tied_at), &run)).await;
        match fed {
            Ok(fed) => {
                add(&mut outcome.figures, fed.figures);
                outcome.missed.extend(fed.missed);
            }
            Err(broken) => drop(outcome.failure.get_or_insert(broken)),
        }
        outcome.figures.late = if run.dry { 0 } else { self.late(taken, &mut outcome).await };
        let is_complete = outcome.failure.is_none() && self.reads_all(taken, spec.as_ref());
        outcome.unjudged = if is_complete { unjudged(&taken.model, &outcome) } else { None };
        // Who has confirmed what is gone must not take it for told.
        let mut waits = outcome.unjudged.clone().filter(|_| deletes_confirmed);
        if is_complete && outcome.unjudged.is_none() {
            let bounds = Bounds { max: spec.as_ref().and_then(|spec| spec.max_deletes), confirmed: deletes_confirmed };
            let gone = self.gone(taken, &outcome.seen, (Purpose::Reconcile, Origin::Reconciled), bounds, run.dry).await;
            let awaits = count(&mut outcome, gone);
            if let Some(awaits) = awaits.as_ref().filter(|_| !run.dry) {
                self.tell_waiting(taken, awaits);
            }
            waits = awaits.and_then(Awaits::why);
        }
        let gaps = gaps(&run, &outcome.missed);
        let trust = outcome.trust.trust(outcome.figures.missed);
        let run = self.ended(Run { trust, ..run }, &outcome, waits);
        if let Err(error) = self.note_gaps(taken, &run, gaps).await {
            outcome.failure.get_or_insert(Broken::Store(error));
        }
        // A run in which no webhook told anything says nothing of how long they take.
        if outcome.trust.caught > 0 {
            learned.delays = outcome.trust.delays.to_bytes();
        }
        if outcome.failure.is_none() && !run.dry {
            learned.reconciled_at = Some(run.started_at);
            self.keep_learned(&taken.key, &learned).await;
        }
        (run, outcome)
    }

    /// While polls rest nobody else reads what is listed as gone. As with polls it is read before the list, which has the
    /// last word of what happened within one tick.
    async fn feed(&self, taken: &Taken, grace: Duration, dry: bool) -> Result<Outcome, Broken> {
        if dry || !self.rests(taken) {
            return Ok(Outcome::default());
        }
        let mode = Mode::Reconcile { before: self.clock.now() - grace };
        // What was too young for this run is read again by the next one.
        let overlap = taken.spec.overlap.max(grace * 2);
        self.catch_up_on_gone(taken, Feeding { purpose: Purpose::Reconcile, mode, overlap, in_full: true }).await
    }

    fn how(
        &self,
        taken: &Taken,
        spec: Option<&ReconcileSpec>,
        (grace, tied_at): (Duration, Option<Timestamp>),
        run: &Run,
    ) -> How {
        let now = self.clock.now();
        let (before, again) = (now - grace, tied_at.map_or(Duration::ZERO, |at| now.since(at)));
        let lookback = spec.and_then(|spec| spec.lookback).filter(|_| !self.reads_all(taken, spec));
        let state = if lookback.is_some() { state_of(&taken.checkpoint) } else { Json::Null };
        How {
            purpose: Purpose::Reconcile,
            mode: Mode::Reconcile { before },
            state,
            // What was too young for this run is read again by the next one.
            overlap: lookback.map_or(Duration::ZERO, |lookback| lookback.max(grace * 2).max(again)),
            // What is too young to be judged must not be passed by a poll's checkpoint.
            // While polls rest it moves along with the window, which would grow from run to run else.
            moves: !run.dry && (taken.spec.poll.is_none() || (lookback.is_some() && self.rests(taken))),
            dry: run.dry,
            remembers: lookback.is_none(),
            resumes: false,
            shows: Some(run.clone()),
            conditions: None,
        }
    }

    /// How far back the first poll after a rest reads at least: as far as reconciliation may have left something to the
    /// next run, which then was none.
    pub(super) fn wide_overlap(&self, taken: &Taken) -> Duration {
        if !taken.source.spec.subscribes() {
            return taken.spec.overlap;
        }
        let lookback = taken.spec.reconcile.as_ref().and_then(|spec| spec.lookback).unwrap_or_default();
        let grace = grace(taken, &Learned::read(&taken.checkpoint.learned));
        taken.spec.overlap.max(lookback).max(grace * 2)
    }

    pub(super) fn rests(&self, taken: &Taken) -> bool {
        self.coverage.covers(&taken.source, &taken.key)
    }

    /// Whether a run looks at every record that there is.
    fn reads_all(&self, taken: &Taken, spec: Option<&ReconcileSpec>) -> bool {
        taken.model.is_whole || spec.is_none_or(|spec| spec.lookback.is_none())
    }

    async fn late(&self, taken: &Taken, outcome: &mut Outcome) -> u64 {
        match self.store.mark_late(taken.key.clone()).await {
            Ok(late) => u64::from(late),
            Err(error) => {
                outcome.failure.get_or_insert(Broken::Store(error));
                0
            }
        }
    }

    /// A run at its end.
    pub(super) fn ended(&self, run: Run, outcome: &Outcome, waits: Option<String>) -> Run {
        let (state, problem) = match (&outcome.failure, waits) {
            (Some(Broken::Stopped), _) => (RunState::Interrupted, None),
            (Some(broken), _) => (RunState::Failed, Some(broken.message())),
            (None, Some(waits)) => (RunState::Waiting, Some(waits)),
            (None, None) => (RunState::Done, outcome.unjudged.clone()),
        };
        Run { state, problem, finished_at: Some(self.clock.now()), figures: outcome.figures, ..run }
    }

    async fn note_gaps(&self, taken: &Taken, run: &Run, gaps: Vec<Gap>) -> Result<(), StoreError> {
        let (tenant, object) = (&taken.key.tenant, stream_object(&taken.key));
        if !run.dry {
            match gaps.len() {
                0 if run.state == RunState::Done => self.alerts.gone(tenant, GAP_FOUND, object),
                0 => {}
                count => {
                    let detail = format!("{count} changes were told by nobody until reconciliation found them");
                    self.alerts.note(tenant, GAP_FOUND, object, detail);
                }
            }
        }
        if gaps.is_empty() { Ok(()) } else { self.store.add_gaps(gaps).await }
    }
}

impl Parts {
    /// Tells that deletions wait for a person, or that none do any more. What only the next scan can confirm may be what
    /// waited before.
    pub(super) fn tell_waiting(&self, taken: &Taken, awaits: &Awaits) {
        let (tenant, object) = (&taken.key.tenant, stream_object(&taken.key));
        match awaits {
            Awaits::Person(why) => self.alerts.note(tenant, DELETES_WAITING, object, why.clone()),
            Awaits::Scan => {}
            Awaits::Nothing => self.alerts.gone(tenant, DELETES_WAITING, object),
        }
    }
}

/// What changed more recently is judged by the next run.
fn grace(taken: &Taken, learned: &Learned) -> Duration {
    let own = taken.spec.reconcile.as_ref().and_then(|spec| spec.grace);
    own.unwrap_or_else(|| learned.delays().quantile(0.99).unwrap_or_default().max(GRACE_MIN))
}

/// Adds what is gone; gives what the rest waits for.
fn count(outcome: &mut Outcome, gone: Result<Gone, Broken>) -> Option<Awaits> {
    match gone {
        Ok(gone) => {
            outcome.figures.deleted += gone.deleted;
            outcome.figures.told += gone.told;
            outcome.figures.unconfirmed += gone.unconfirmed;
            outcome.figures.requests += gone.requests;
            outcome.figures.missed += gone.missed.len() as u64;
            outcome.missed.extend(gone.missed);
            Some(gone.awaits)
        }
        Err(broken) => {
            outcome.failure.get_or_insert(broken);
            None
        }
    }
}

fn gaps(run: &Run, missed: &[Missed]) -> Vec<Gap> {
    let gap = |missed: &Missed| Gap {
        run: run.id,
        key: run.key.clone(),
        subject: missed.subject.clone(),
        action: missed.action,
        version: missed.version,
        event: (!run.dry).then_some(missed.event),
        found_at: run.started_at,
        late_at: None,
    };
    missed.iter().map(gap).collect()
}

#[cfg(test)]
mod tests {
    use domain::identity::Digest;
    use domain::subject::{SubjectRow, SubjectState};
    use domain::{Subject, Timestamp};

    use super::*;

    const CHANGED: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn compared(version: Option<Version>, read: &str, known: Option<&str>, by: Origin) -> (Reading, Option<Known>) {
        let digest = Digest::of(read.as_bytes());
        let state = SubjectState { version, deleted: false, reading: Some(digest) };
        let reading = Reading { subject: Some(Subject::of("order", "1")), state, digest, settled_at: None };
        let digest = known.map(|known| Digest::of(known.as_bytes()));
        let row = SubjectRow { version, digest, deleted: false, change: 1 };
        (reading, Some(Known { row, event: None, told: Some((by, CHANGED + Duration::from_secs(3))) }))
    }

    fn trust(compared: &[(Reading, Option<Known>)], missed: u64) -> Option<(f64, bool)> {
        let mut weighing = Weighing::default();
        weighing.weigh(compared);
        weighing.trust(missed).map(|trust| (trust.caught, trust.delay_p50.is_some()))
    }

    #[test]
    fn without_versions_a_webhook_caught_what_is_still_as_it_was_then_and_nothing_says_how_fast() {
        let same = compared(None, "a", Some("a"), Origin::Native);
        let unread = compared(None, "a", None, Origin::Native);
        let changed = compared(None, "b", Some("a"), Origin::Native);
        assert_eq!(trust(&[same.clone(), unread, changed.clone()], 1), Some((2.0 / 3.0, false)));
        assert_eq!(trust(&[changed], 1), Some((0.0, false)), "what changed since is only missed");
        assert_eq!(trust(&[compared(None, "a", Some("a"), Origin::Virtual)], 0), None, "webhooks had nothing to tell");
    }

    #[test]
    fn with_a_time_of_the_change_the_delay_of_its_webhook_is_known() {
        let caught = compared(Some(Version::Time(CHANGED)), "a", None, Origin::Native);
        let uncaught = compared(Some(Version::Time(CHANGED)), "a", Some("a"), Origin::Reconciled);
        assert_eq!(trust(std::slice::from_ref(&caught), 0), Some((1.0, true)));
        assert_eq!(trust(&[caught, uncaught], 2), Some((0.25, true)));
    }
}
