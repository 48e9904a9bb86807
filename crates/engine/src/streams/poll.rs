//! Polls, first scans and ordered runs, from being due to what they came to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::extension::Deletes;
use domain::event::Origin;
use domain::poll::ChangeRate;
use domain::run::{Run, RunFigures, RunKind, StreamKey};
use domain::{Purpose, SourceName, Tenant};
use serde_json::Value as Json;
use store::StoreError;
use store::reading::{Polled, Progress, ReadPage};
use tokio::sync::oneshot;

use super::Parts;
use super::deletes::{Bounds, Gone};
use super::fold::Mode;
use super::reconcile::Learned;
use super::run::{Broken, How, NotTaken, Outcome, Taken, add, state_of};
use super::schedule::Ending;
use super::slot::Reach;
use super::unjudged::unjudged;
use crate::alert::{CREDENTIALS_REFUSED, connection_object};
use crate::engine::EngineError;
use crate::reading::{Conditions, ReadFailure};
use crate::spec::Start;

type Answer = oneshot::Sender<Result<Run, EngineError>>;

/// How the list of what is gone is read beside its stream.
pub(super) struct Feeding {
    pub purpose: Purpose,
    pub mode: Mode,
    pub overlap: Duration,
    /// It is not enough to hear that nothing changed.
    pub in_full: bool,
}

impl Parts {
    /// Reads what is new of a stream; a first time, all of it.
    pub(super) async fn poll(&self, key: &StreamKey, answer: Option<Answer>, reach: Reach) -> Ending {
        let taken = match self.take(key).await {
            Ok(taken) => taken,
            Err(not) => return self.not_taken(not, answer),
        };
        let ending = if taken.checkpoint.baseline_at.is_none() {
            self.scan(&taken, first_start(&taken), answer).await
        } else {
            self.catch_up(&taken, answer, reach).await
        };
        self.leave(&taken).await;
        ending
    }

    /// The first complete scan, or another one.
    async fn scan(&self, taken: &Taken, start: Start, answer: Option<Answer>) -> Ending {
        let run = self.begun(&taken.key, RunKind::Backfill, false);
        if let Err(failed) = self.announce(&run, answer).await {
            return failed;
        }
        // What goes from now on is told, even what came after this scan and was told by nobody yet: a webhook of its coming
        // may be late. Whatever of this fails is made up for by the next poll.
        let overlap = taken.spec.overlap;
        let feeding = Feeding { purpose: Purpose::Backfill, mode: Mode::Poll, overlap, in_full: true };
        let fed = self.catch_up_on_gone(taken, feeding).await;
        let how = How {
            purpose: Purpose::Backfill,
            mode: Mode::Baseline(start),
            state: state_of(&taken.checkpoint),
            overlap,
            moves: true,
            dry: false,
            remembers: false,
            resumes: taken.model.pages_are_durable,
            shows: Some(run.clone()),
            conditions: None,
        };
        let mut outcome = self.read(taken, how).await;
        if outcome.resumed == Some(outcome.figures.pages) && outcome.failure.as_ref().is_some_and(Broken::is_refused) {
            self.forget_place(taken).await;
        }
        match fed {
            Ok(fed) => add(&mut outcome.figures, fed.figures),
            Err(broken) => crate::telemetry::feed_unread(&taken.key.stream, &broken.message()),
        }
        if outcome.failure.is_none()
            && let Err(error) = self.end_baseline(taken).await
        {
            outcome.failure = Some(Broken::Store(error));
        }
        let learned = Learned::read(&taken.checkpoint.learned);
        if outcome.failure.is_none() && learned.start.is_some() {
            self.keep_learned(&taken.key, &Learned { start: None, ..learned }).await;
        }
        self.conclude(taken, Some(run), outcome).await
    }

    /// The source does not take the place any more from which the scan went on: the next one begins with its slice.
    async fn forget_place(&self, taken: &Taken) {
        let (key, claim, state) = (taken.key.clone(), taken.claim, Some(Arc::clone(&taken.checkpoint.state)));
        let page = ReadPage { key, claim, events: Vec::new(), quiet: Vec::new(), state, within: None, baseline: false };
        if let Err(error) = self.store.commit_page(page, self.clock.now()).await {
            crate::telemetry::store_failed("commit_page", &error);
        }
    }

    async fn end_baseline(&self, taken: &Taken) -> Result<(), StoreError> {
        let (key, claim) = (taken.key.clone(), taken.claim);
        let page =
            ReadPage { key, claim, events: Vec::new(), quiet: Vec::new(), state: None, within: None, baseline: true };
        self.store.commit_page(page, self.clock.now()).await.map(drop)
    }

    async fn catch_up(&self, taken: &Taken, answer: Option<Answer>, reach: Reach) -> Ending {
        let run = self.begun(&taken.key, RunKind::Poll, false);
        let ordered = answer.is_some();
        if ordered && let Err(failed) = self.announce(&run, answer).await {
            return failed;
        }
        let is_whole = taken.model.is_whole;
        // While its polls rested nobody noted what webhooks told of it.
        let after_rest = reach.wide && taken.source.spec.subscribes();
        let in_full = reach.in_full || ordered || after_rest;
        // Before the list: of one tick, what the list shows is the later, so it is read again from there.
        let overlap = if reach.wide { self.wide_overlap(taken) } else { taken.spec.overlap };
        let feeding = Feeding { purpose: Purpose::Poll, mode: Mode::Poll, overlap, in_full };
        let fed = self.catch_up_on_gone(taken, feeding).await;
        let tied_at = fed.as_ref().ok().and_then(|fed| fed.tied_at);
        let again = tied_at.map_or(Duration::ZERO, |at| self.clock.now().since(at));
        let how = How {
            purpose: Purpose::Poll,
            mode: Mode::Poll,
            state: if is_whole { Json::Null } else { state_of(&taken.checkpoint) },
            overlap: again + overlap,
            moves: true,
            dry: false,
            remembers: is_whole,
            resumes: false,
            shows: ordered.then(|| run.clone()),
            conditions: Some(self.conditions(taken, in_full || tied_at.is_some())),
        };
        let conditions = how.conditions.clone();
        let mut outcome = self.read(taken, how).await;
        let mut run = Some(run);
        let is_settled = self.look_for_gone(taken, &mut outcome).await;
        match fed {
            Ok(fed) => add(&mut outcome.figures, fed.figures),
            Err(broken) => drop(outcome.failure.get_or_insert(broken)),
        }
        if is_settled && let Some(conditions) = conditions.filter(|_| outcome.failure.is_none()) {
            taken.upstream.remember(&taken.key.stream, taken.claim.generation, &conditions);
        }
        // Polls that find nothing are counted, not listed.
        if !ordered && outcome.figures.told == 0 && outcome.failure.is_none() {
            match self.is_news(taken, &outcome).await {
                Ok(true) => {}
                Ok(false) => run = None,
                Err(error) => outcome.failure = Some(Broken::Store(error)),
            }
        }
        self.conclude(taken, run, outcome).await
    }

    /// Under which conditions a poll asks: those of the poll before, unless it has to ask in full.
    fn conditions(&self, taken: &Taken, in_full: bool) -> Arc<Conditions> {
        let stream = &taken.key.stream;
        if in_full {
            taken.upstream.forget(stream);
        }
        taken.upstream.conditions(stream, taken.claim.generation, self.clock.now())
    }

    /// Tells what a complete list does not have any more. Gives whether the same list would lead to nothing more.
    async fn look_for_gone(&self, taken: &Taken, outcome: &mut Outcome) -> bool {
        // The list of before had all that there was, or nothing of it would be known to be unmodified.
        let is_complete = taken.model.is_whole && outcome.failure.is_none() && outcome.figures.unmodified == 0;
        outcome.unjudged = if is_complete { unjudged(&taken.model, outcome) } else { None };
        if !is_complete || outcome.unjudged.is_some() {
            return outcome.again_at.is_none();
        }
        let most = taken.spec.reconcile.as_ref().and_then(|spec| spec.max_deletes);
        let bounds = Bounds { max: most, confirmed: false };
        match self.gone(taken, &outcome.seen, (Purpose::Poll, Origin::Virtual), bounds, false).await {
            Ok(Gone { deleted, told, unconfirmed, requests, awaits, young, .. }) => {
                let more = RunFigures { deleted, told, unconfirmed, requests, ..RunFigures::default() };
                add(&mut outcome.figures, more);
                let is_settled = unconfirmed == 0 && young == 0;
                self.tell_waiting(taken, &awaits);
                is_settled && outcome.again_at.is_none()
            }
            Err(broken) => {
                outcome.failure = Some(broken);
                false
            }
        }
    }

    /// Reads the stream that lists what is gone of this one, if there is such a one.
    pub(super) async fn catch_up_on_gone(&self, taken: &Taken, feeding: Feeding) -> Result<Outcome, Broken> {
        let Deletes::Feed(feed) = &taken.model.deletes else { return Ok(Outcome::default()) };
        let key = StreamKey { stream: feed.as_str().into(), ..taken.key.clone() };
        let listed = match self.take(&key).await {
            Ok(listed) => listed,
            // Whoever has it tells what it lists.
            Err(NotTaken::Busy) => return Ok(Outcome::default()),
            Err(NotTaken::Gone) => return Err(Broken::Stopped),
            Err(NotTaken::Failed(error)) => {
                return Err(Broken::Source(ReadFailure::config("feed_unread", error.to_string())));
            }
        };
        let listed = Taken { model: listed.model.clone().gone_of(&taken.model), ..listed };
        let is_first = listed.checkpoint.baseline_at.is_none();
        let Feeding { purpose, mode, overlap, in_full } = feeding;
        let how = How {
            purpose,
            mode: if is_first { Mode::Baseline(Start::Now) } else { mode },
            state: state_of(&listed.checkpoint),
            overlap,
            moves: true,
            dry: false,
            remembers: false,
            resumes: false,
            shows: None,
            conditions: (!is_first).then(|| self.conditions(&listed, in_full)),
        };
        let conditions = how.conditions.clone();
        let mut found = self.read(&listed, how).await;
        let ended = match found.failure.take() {
            Some(broken) => Err(broken),
            None if is_first => self.end_baseline(&listed).await.map_err(Broken::Store),
            None => Ok(()),
        };
        if let Some(conditions) = conditions.filter(|_| ended.is_ok() && found.again_at.is_none()) {
            listed.upstream.remember(&listed.key.stream, listed.claim.generation, &conditions);
        }
        self.leave(&listed).await;
        ended.map(|()| found)
    }

    /// Writes a run down and tells it to whoever wished for it.
    async fn announce(&self, run: &Run, answer: Option<Answer>) -> Result<(), Ending> {
        let written = self.store.put_run(run.clone()).await;
        let failed = written.as_ref().err().cloned();
        if let Some(answer) = answer {
            // Whoever asked may have gone.
            let _ = answer.send(written.map(|()| run.clone()).map_err(EngineError::from));
        }
        match failed {
            None => Ok(()),
            Some(error) => Err(self.failed(error.to_string())),
        }
    }

    async fn conclude(&self, taken: &Taken, run: Option<Run>, outcome: Outcome) -> Ending {
        let now = self.clock.now();
        if let Some(run) = run {
            self.write_run(self.ended(run, &outcome, None)).await;
        }
        self.tell_credentials(taken, outcome.failure.as_ref());
        let failed = outcome.failure.is_some();
        let found = outcome.figures.told;
        // A first scan is no poll: neither its finding nothing nor its requests say what polling costs.
        let is_scan = taken.checkpoint.baseline_at.is_none();
        let polls = u64::from(!is_scan || failed);
        let progress = Progress {
            asked_at: Some(now),
            read_at: (!failed).then_some(now),
            changed_at: (found > 0).then_some(now),
            polls,
            empty: u64::from(!is_scan && !failed && found == 0),
            failed: u64::from(failed),
            changes: if is_scan { 0 } else { found },
            requests: if is_scan { 0 } else { outcome.figures.requests },
            unmodified: outcome.figures.unmodified,
        };
        if is_scan && !failed {
            crate::telemetry::scanned(taken.key.source.as_str(), outcome.figures.requests);
        } else {
            crate::telemetry::polled(taken.key.source.as_str(), failed, &outcome.figures);
        }
        if let Some(Broken::Store(error)) = &outcome.failure {
            self.alerts.store_failed("streams", error);
            if error.fatal() {
                self.failure.report(error.clone());
            }
        }
        let message = outcome.failure.as_ref().map(Broken::message);
        Ending::Polled { found, failed, again_at: outcome.again_at, progress, message }
    }

    pub(super) async fn write_run(&self, run: Run) {
        if let Err(error) = self.store.put_run(run).await {
            // It is told as interrupted on the next start.
            crate::telemetry::store_failed("put_run", &error);
        }
    }

    /// Tells whether the source takes the connection's credentials.
    fn tell_credentials(&self, taken: &Taken, failure: Option<&Broken>) {
        let (tenant, object) = (&taken.key.tenant, connection_object(&taken.key));
        match failure {
            Some(Broken::Source(failure)) if failure.code == "auth_failed" || failure.status == Some(401) => {
                self.alerts.note(tenant, CREDENTIALS_REFUSED, object, failure.message.clone());
            }
            None => self.alerts.gone(tenant, CREDENTIALS_REFUSED, object),
            Some(_) => {}
        }
    }

    /// A person's wish for the first scan once more, told as they say. If it breaks off, whoever makes it once more keeps
    /// to what they said.
    pub(super) async fn backfill(&self, key: &StreamKey, start: Start, answer: Answer) -> Ending {
        if let Err(error) = self.begin_anew(key, start).await {
            let _ = answer.send(Err(error.clone().into()));
            return self.failed(error.to_string());
        }
        let mut taken = match self.take(key).await {
            Ok(taken) => taken,
            Err(not) => return self.not_taken(not, Some(answer)),
        };
        let learned = Learned::read(&taken.checkpoint.learned);
        if learned.ordered() != Some(start) {
            // It was never read before.
            let learned = Learned { start: Some(start.to_string()), ..learned };
            self.keep_learned(key, &learned).await;
            taken.checkpoint.learned = learned.write();
        }
        let ending = self.scan(&taken, start, Some(answer)).await;
        self.leave(&taken).await;
        ending
    }

    async fn begin_anew(&self, key: &StreamKey, start: Start) -> Result<(), StoreError> {
        let rows = self.store.checkpoints(key.tenant.clone(), Some(key.source.clone())).await?;
        if let Some(row) = rows.into_iter().find(|row| row.key == *key) {
            let learned = Learned { start: Some(start.to_string()), ..Learned::read(&row.learned) };
            let (key, learned) = (key.clone(), Some(learned.write()));
            self.store.note_polls(vec![Polled { key, progress: Progress::default(), learned }]).await?;
        }
        self.store.forget_checkpoint(key.clone()).await.map(drop)
    }

    /// Reconciles a stream; one that was never scanned is scanned first.
    pub(super) async fn reconcile_now(
        &self,
        key: &StreamKey,
        answer: Option<Answer>,
        (dry, deletes_confirmed): (bool, bool),
    ) -> Ending {
        let taken = match self.take(key).await {
            Ok(taken) => taken,
            Err(not) => return as_compared(self.not_taken(not, answer), dry),
        };
        if taken.checkpoint.baseline_at.is_none() {
            let ending = match answer {
                Some(answer) if dry => refuse_dry(key, answer),
                answer => self.scan(&taken, first_start(&taken), answer).await,
            };
            self.leave(&taken).await;
            return ending;
        }
        self.subscriptions.nudge(taken.upstream.account().clone());
        let run = self.begun(key, RunKind::Reconcile, dry);
        if let Err(failed) = self.announce(&run, answer).await {
            self.leave(&taken).await;
            return as_compared(failed, dry);
        }
        let (run, outcome) = self.reconcile(&taken, run, deletes_confirmed).await;
        self.write_run(run).await;
        self.tell_credentials(&taken, outcome.failure.as_ref());
        crate::telemetry::reconciled(key.source.as_str(), outcome.figures.missed, outcome.figures.requests);
        self.leave(&taken).await;
        Ending::Reconciled { dry, message: outcome.failure.as_ref().map(Broken::message) }
    }

    fn not_taken(&self, not: NotTaken, answer: Option<Answer>) -> Ending {
        let (ending, error) = match not {
            NotTaken::Busy => (
                Ending::Busy,
                EngineError::Invalid {
                    code: "stream_busy",
                    detail: "the stream is being read by another node: try again shortly".to_owned(),
                },
            ),
            NotTaken::Gone => {
                (Ending::Nothing, EngineError::NotFound("the stream is not configured any more".to_owned()))
            }
            NotTaken::Failed(error) => (self.failed(error.to_string()), error),
        };
        if let Some(answer) = answer {
            let _ = answer.send(Err(error));
        }
        ending
    }

    fn failed(&self, message: String) -> Ending {
        let now = self.clock.now();
        let progress = Progress { asked_at: Some(now), polls: 1, failed: 1, ..Progress::default() };
        Ending::Polled { found: 0, failed: true, again_at: None, progress, message: Some(message) }
    }

    /// Writes down what polls came to, with the rates that were learned.
    pub(super) async fn note(&self, polls: Vec<(Polled, Option<ChangeRate>)>) -> Result<(), StoreError> {
        let owners: BTreeSet<(Tenant, SourceName)> = polls
            .iter()
            .filter(|(_, rate)| rate.is_some())
            .map(|(polled, _)| (polled.key.tenant.clone(), polled.key.source.clone()))
            .collect();
        let mut known: HashMap<StreamKey, Learned> = HashMap::new();
        for (tenant, source) in owners {
            let rows = self.store.checkpoints(tenant, Some(source)).await?;
            known.extend(rows.into_iter().map(|row| (row.key, Learned::read(&row.learned))));
        }
        let noted = polls.into_iter().map(|(polled, rate)| {
            let learned = rate.map(|rate| {
                let known = known.remove(&polled.key).unwrap_or_default();
                Learned { rate: Some(rate), ..known }.write()
            });
            Polled { learned, ..polled }
        });
        self.store.note_polls(noted.collect()).await
    }

    pub(super) async fn keep_learned(&self, key: &StreamKey, learned: &Learned) {
        let polled = Polled { key: key.clone(), progress: Progress::default(), learned: Some(learned.write()) };
        if let Err(error) = self.store.note_polls(vec![polled]).await {
            crate::telemetry::store_failed("note_polls", &error);
        }
    }
}

/// What a first scan tells: what a person has said of it, else what is configured.
fn first_start(taken: &Taken) -> Start {
    Learned::read(&taken.checkpoint.learned).ordered().unwrap_or(taken.spec.start)
}

/// What kept a reconciliation from being begun is its failure, and no poll's: it is put off by that.
fn as_compared(ending: Ending, dry: bool) -> Ending {
    match ending {
        Ending::Polled { message, .. } => Ending::Reconciled { dry, message },
        other => other,
    }
}

/// A run that only reports has nothing to compare with before the first complete scan, which would do more than that.
fn refuse_dry(key: &StreamKey, answer: Answer) -> Ending {
    let detail =
        format!("'{}' was never read to its end, so there is nothing to compare with: poll it first", key.stream);
    // Whoever asked may have gone.
    let _ = answer.send(Err(EngineError::Invalid { code: "state_refused", detail }));
    Ending::Reconciled { dry: true, message: None }
}
