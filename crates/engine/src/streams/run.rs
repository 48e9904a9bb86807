//! One reading of one stream: taken, read page by page, each committed with how far it leads, and given back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::extension::RecordId;
use connectors::manifest::slice::Slice;
use domain::identity::{Digest, Scope};
use domain::run::{Run, RunFigures, RunKind, RunState, StreamKey};
use domain::{Purpose, RunId, Subject, Timestamp, Version};
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::dispatch::{Claim, Lease};
use store::intake::Accepted;
use store::reading::{Checkpoint, ReadPage};
use tokio::sync::Mutex;

use super::Parts;
use super::fold::{Fold, Folded, Met, Missed, Mode, is_tied, sooner};
use super::model::{Model, Reading};
use super::odd::oddity;
use super::under_way::Shown;
use super::unique::Unique;
use crate::accept::Arrival;
use crate::engine::EngineError;
use crate::entropy::uuid_v7;
use crate::reading::{Closed, Conditions, Place, ReadFailure, Wanted};
use crate::spec::StreamSpec;
use crate::topology::Source;
use crate::upstream::{Account, Ended, Page, Taker, Unopened, Upstream};

/// How long a stream is ours without being renewed.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// How often a run that goes on is written down with what it came to so far, for those who watch it.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// A stream that is ours to read, and all that reading it takes.
pub(super) struct Taken {
    pub key: StreamKey,
    pub source: Arc<Source>,
    pub spec: StreamSpec,
    pub upstream: Arc<Upstream>,
    pub model: Model,
    pub claim: Claim,
    pub checkpoint: Checkpoint,
}

/// Why a stream was not read.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// Another one reads it.
    Busy,
    /// It is not configured any more.
    Gone,
    Failed(EngineError),
}

/// What a reading came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub figures: RunFigures,
    pub missed: Vec<Missed>,
    pub again_at: Option<Timestamp>,
    /// The earliest version in which a record is gone, and was there too.
    pub tied_at: Option<Timestamp>,
    /// Every subject that was read, where all were to be.
    pub seen: HashSet<Digest>,
    pub trust: super::reconcile::Weighing,
    pub failure: Option<Broken>,
    /// What was not answered, where the manifest lets that pass: the list may have more.
    pub lacking: Option<String>,
    /// Why it was not looked for what is gone, although a list of all that there is was to be read.
    pub unjudged: Option<String>,
    /// It went on behind so many pages.
    pub resumed: Option<u64>,
}

/// Why a reading broke off. What was committed before counts.
#[derive(Clone, Debug)]
pub(super) enum Broken {
    Source(ReadFailure),
    Store(StoreError),
    /// The process stops.
    Stopped,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Broken {
    /// The source answered that the request is wrong, not that it cannot be answered now.
    pub(super) fn is_refused(&self) -> bool {
        let status = if let Self::Source(failure) = self { failure.status } else { None };
        matches!(status, Some(400 | 404..=407 | 409..=428))
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Source(failure) => failure.message.clone(),
            Self::Store(error) => error.to_string(),
            Self::Stopped => "it was stopped".to_owned(),
        }
    }
}

impl Parts {
    /// Takes a stream, so that nobody else reads it.
    pub(super) async fn take(&self, key: &StreamKey) -> Result<Taken, NotTaken> {
        let topology = Arc::clone(&self.topology.borrow());
        let source = topology.source(key.tenant.as_str(), key.source.as_str()).cloned().ok_or(NotTaken::Gone)?;
        let account =
            Account { tenant: key.tenant.clone(), source: key.source.clone(), connection: key.connection.clone() };
        let spec = source.spec.connector.as_ref().and_then(|spec| spec.streams.get(&key.stream)).cloned();
        let (connector, config) = topology.upstream(&account).map_err(NotTaken::Failed)?;
        let now = self.clock.now();
        let failed = |failure: ReadFailure| NotTaken::Failed(Unopened::Failed(failure).into());
        let model = Model::of(&connector.connector, &key.stream, &config, now).map_err(failed)?;
        let upstream = self.upstreams.get(&topology, &account).await;
        let upstream = upstream.map_err(|unopened| NotTaken::Failed(unopened.into()))?;
        let lease = Lease { owner: self.owner, span: LEASE };
        let taken = self.store.take_stream(key.clone(), lease, now).await;
        let Some((checkpoint, claim)) = taken.map_err(|error| NotTaken::Failed(error.into()))? else {
            return Err(NotTaken::Busy);
        };
        let spec = spec.unwrap_or_default();
        Ok(Taken { key: key.clone(), source, spec, upstream, model, claim, checkpoint })
    }

    /// Reads what the state leads to, and commits it. `state` is where reading begins; the checkpoint moves only if
    /// `moves`.
    pub(super) async fn read(&self, taken: &Taken, reading: How) -> Outcome {
        let scope = scope(&taken.key);
        let fold = Fold {
            store: &*self.store,
            entropy: &*self.entropy,
            scope: &scope,
            model: &taken.model,
            mode: reading.mode,
        };
        let before = taken.upstream.requests(&taken.key.stream, reading.purpose);
        let begun = if reading.resumes { Begun::of(&taken.checkpoint) } else { None };
        let desk = Desk {
            parts: self,
            taken,
            fold,
            moves: reading.moves,
            dry: reading.dry,
            remembers: reading.remembers,
            resumes: reading.resumes,
            shown: reading.shows.as_ref().map(|run| self.under_way.begin(run)),
            shows: reading.shows,
            requests: (reading.purpose, before),
            gathered: Mutex::new(Gathered { outcome: begun_as(begun.as_ref()), ..Gathered::default() }),
        };
        let wanted = Wanted {
            name: taken.key.stream.to_string(),
            state: reading.state,
            overlap: Some(reading.overlap),
            conditions: reading.conditions.clone(),
            within: begun.map(|begun| begun.place),
            tells_place: reading.resumes,
            ..Wanted::default()
        };
        let ended = tokio::select! {
            biased;
            ended = taken.upstream.pages(reading.purpose, wanted, &desk) => Ok(ended),
            error = self.keep(taken) => Err(Broken::Store(error)),
            () = self.stop.cancelled() => Err(Broken::Stopped),
        };
        drop(desk.shown);
        let Gathered { mut outcome, refused, .. } = desk.gathered.into_inner();
        outcome.figures.requests = taken.upstream.requests(&taken.key.stream, reading.purpose).saturating_sub(before);
        if let Some(conditions) = reading.conditions.filter(|conditions| conditions.is_unmodified()) {
            outcome.figures.unmodified = 1;
            outcome.figures.matched += conditions.records();
        }
        if let Ok(Ended::Lacking(what)) = &ended {
            outcome.lacking = Some(what.clone());
        }
        outcome.failure = match (ended, refused) {
            (_, Some(broken)) => Some(broken),
            (Ok(Ended::Whole | Ended::Lacking(_)), None) => None,
            (Ok(Ended::Closed), None) => Some(Broken::Stopped),
            (Ok(Ended::Failed(failure)), None) => Some(Broken::Source(failure)),
            (Err(broken), None) => Some(broken),
        };
        outcome
    }

    /// Renews the lease until that fails.
    async fn keep(&self, taken: &Taken) -> StoreError {
        loop {
            self.clock.sleep(LEASE / 3).await;
            match self.store.renew_stream(taken.key.clone(), taken.claim, LEASE, self.clock.now()).await {
                Ok(()) => {}
                Err(error) if error.retryable() && !error.fatal() => {}
                Err(error) => return error,
            }
        }
    }

    /// Gives the stream back, so that it can be read again at once.
    pub(super) async fn leave(&self, taken: &Taken) {
        let left = self.store.leave_stream(taken.key.clone(), taken.claim).await;
        if let Err(error) = left {
            // Its lease ends by itself.
            crate::telemetry::store_failed("leave_stream", &error);
        }
    }

    pub(super) fn begun(&self, key: &StreamKey, kind: RunKind, dry: bool) -> Run {
        let now = self.clock.now();
        Run {
            id: RunId::from_uuid(uuid_v7(&*self.entropy, now)),
            key: key.clone(),
            kind,
            dry,
            state: RunState::Running,
            started_at: now,
            finished_at: None,
            figures: RunFigures::default(),
            trust: None,
            problem: None,
        }
    }
}

/// How a stream is read.
pub(super) struct How {
    pub purpose: Purpose,
    pub mode: Mode,
    pub state: Json,
    pub overlap: Duration,
    /// The checkpoint goes along.
    pub moves: bool,
    /// Nothing is committed.
    pub dry: bool,
    /// All subjects are to be gathered.
    pub remembers: bool,
    /// It goes on within a slice, and keeps where it would.
    pub resumes: bool,
    /// The run that is to be seen while it goes on.
    pub shows: Option<Run>,
    /// `None`: everything is asked for in full.
    pub conditions: Option<Arc<Conditions>>,
}

pub(super) fn scope(key: &StreamKey) -> Scope {
    Scope { tenant: key.tenant.clone(), source: key.source.clone(), connection: key.connection.clone() }
}

/// Where the state of a checkpoint leads.
pub(super) fn state_of(checkpoint: &Checkpoint) -> Json {
    serde_json::from_str(&checkpoint.state).unwrap_or_default()
}

/// A first scan that was broken off between two pages, and what it had come to.
struct Begun {
    place: Place,
    pages: u64,
    records: u64,
}

impl Begun {
    fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let kept: Json = serde_json::from_str(checkpoint.within.as_deref()?).ok()?;
        let count = |name: &str| kept.get(name)?.as_u64();
        Some(Self { place: Place::from_kept(kept.get("place")?)?, pages: count("pages")?, records: count("records")? })
    }

    fn kept(&self) -> Json {
        json!({ "place": self.place.kept(), "pages": self.pages, "records": self.records })
    }
}

/// What a reading begins with: what was read before counts.
fn begun_as(begun: Option<&Begun>) -> Outcome {
    let figures = begun.map(|begun| RunFigures { pages: begun.pages, seen: begun.records, ..RunFigures::default() });
    Outcome { figures: figures.unwrap_or_default(), resumed: begun.map(|begun| begun.pages), ..Outcome::default() }
}

/// Folds and commits what is read.
struct Desk<'r> {
    parts: &'r Parts,
    taken: &'r Taken,
    fold: Fold<'r>,
    moves: bool,
    dry: bool,
    remembers: bool,
    resumes: bool,
    shows: Option<Run>,
    /// What requests are counted as, and how many there were before.
    requests: (Purpose, u64),
    /// Seen by people until the reading ends.
    shown: Option<Shown>,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    outcome: Outcome,
    refused: Option<Broken>,
    unique: Unique,
    met: Met,
    shown_at: Option<Timestamp>,
}

impl Desk<'_> {
    async fn commit(&self, page: Page, gathered: &mut Gathered) -> Result<(), Broken> {
        // What only says how far the reading leads is no page of the source's.
        let pages = u64::from(!page.records.is_empty());
        if let Some(odd) = oddity(&self.taken.model, &page.records) {
            return Err(Broken::Source(odd));
        }
        self.parts.acceptor.shapes.records(&self.taken.key, &page.records);
        let records = self.without_revived(page.records).await?;
        let Folded { arrivals, quiet, missed, figures, compared, again_at, tied_at } =
            self.fold.fold(records, &mut gathered.met, self.parts.clock.now()).await?;
        if let Some(slice) = &page.slice {
            let readings = compared.iter().map(|(reading, _)| reading);
            let hide = |text: &str| self.taken.upstream.hide(text);
            let refusal = gathered.unique.refusal(&self.taken.model, slice, readings, hide);
            refusal.map_or(Ok(()), |refusal| Err(Broken::Source(refusal)))?;
        }
        let outcome = &mut gathered.outcome;
        if self.remembers {
            let subjects = compared.iter().filter(|(reading, _)| !reading.state.deleted);
            outcome.seen.extend(subjects.filter_map(|(reading, _)| reading.subject.as_ref()).map(digest_of_name));
        }
        outcome.trust.weigh(&compared);
        outcome.again_at = sooner(outcome.again_at, again_at);
        outcome.tied_at = sooner(outcome.tied_at, tied_at);
        let figures = RunFigures { pages, ..figures };
        let within = page.place.and_then(|place| self.within(place, &outcome.figures, figures));
        let accepted = if self.dry { Vec::new() } else { self.write(arrivals, quiet, page.state, within).await? };
        let told = accepted.iter().filter(|accepted| !accepted.duplicate).count() as u64;
        // A change that was told by another way in the meantime is not missed any more.
        let is_new = |missed: &Missed| self.dry || accepted.iter().any(|accepted| accepted.id == missed.event);
        let missed: Vec<Missed> = missed.into_iter().filter(is_new).collect();
        add(&mut outcome.figures, RunFigures { told, missed: missed.len() as u64, ..figures });
        outcome.missed.extend(missed);
        if let Some(shown) = &self.shown {
            shown.moves(outcome.figures, page.slice.map(|slice| self.shown_slice(&slice)));
        }
        Ok(())
    }

    /// Of what is listed as gone, without what was there in the same version, and long enough ago is still there: it was
    /// made again within one tick, and no list that is read later need show it once more.
    async fn without_revived(&self, records: Vec<Json>) -> Result<Vec<Json>, Broken> {
        let model = self.fold.model;
        let Some(stream) = model.asked_of() else { return Ok(records) };
        let settled = self.parts.clock.now() - self.taken.spec.overlap;
        let is_old = |reading: &Reading| matches!(reading.state.version, Some(Version::Time(at)) if at < settled);
        let read = records.into_iter().map(|record| (model.reading(&record), record));
        let (old, mut left): (Vec<_>, Vec<_>) =
            read.partition(|(reading, _)| reading.subject.is_some() && is_old(reading));
        let subjects: Vec<Subject> = old.iter().filter_map(|(reading, _)| reading.subject.clone()).collect();
        if subjects.is_empty() {
            return Ok(left.into_iter().map(|(_, record)| record).collect());
        }
        let known = self.parts.store.known_subjects(self.fold.scope.clone(), subjects).await?;
        for ((reading, record), known) in old.into_iter().zip(known) {
            let id = reading.subject.as_ref().and_then(|subject| model.id_of(subject));
            let tied = is_tied(known.as_ref().map(|known| &known.row), &reading.state);
            let asked = match id.filter(|id| tied && RecordId::new(id).is_ok()) {
                Some(id) => self.taken.upstream.record(self.requests.0, stream, id).await.map_err(Broken::Source)?,
                None => None,
            };
            if asked.is_none() {
                left.push((reading, record));
            }
        }
        Ok(left.into_iter().map(|(_, record)| record).collect())
    }

    /// Where the scan goes on behind a page, as it is kept. Not where that would tell a secret.
    fn within(&self, place: Place, before: &RunFigures, page: RunFigures) -> Option<Arc<str>> {
        if !self.resumes {
            return None;
        }
        let begun = Begun { place, pages: before.pages + page.pages, records: before.seen + page.seen };
        let kept = begun.kept().to_string();
        (self.taken.upstream.hide(&kept) == kept).then(|| kept.into())
    }

    /// A slice as people may see it.
    fn shown_slice(&self, slice: &Slice) -> Json {
        let parts = slice.partition().iter().chain(slice.cursor());
        let slice: Json = parts.map(|(name, value)| (name.clone(), value.clone())).collect();
        serde_json::from_str(&self.taken.upstream.hide(&slice.to_string())).unwrap_or_default()
    }

    async fn show(&self, gathered: &mut Gathered) {
        let Some(run) = &self.shows else { return };
        let now = self.parts.clock.now();
        if now.since(gathered.shown_at.unwrap_or(run.started_at)) < SHOWN_EVERY {
            return;
        }
        gathered.shown_at = Some(now);
        let (purpose, before) = self.requests;
        let requests = self.taken.upstream.requests(&self.taken.key.stream, purpose).saturating_sub(before);
        let figures = RunFigures { requests, ..gathered.outcome.figures };
        self.parts.write_run(Run { figures, ..run.clone() }).await;
    }

    async fn write(
        &self,
        arrivals: Vec<Arrival>,
        quiet: Vec<store::reading::Quiet>,
        state: Option<Json>,
        within: Option<Arc<str>>,
    ) -> Result<Vec<Accepted>, StoreError> {
        let state = state.filter(|_| self.moves).map(|state| Arc::<str>::from(state.to_string()));
        if arrivals.is_empty()
            && quiet.is_empty()
            && within.is_none()
            && self.taken.checkpoint.within.is_none()
            && state.as_ref().is_none_or(|state| *state == self.taken.checkpoint.state)
        {
            return Ok(Vec::new());
        }
        let (key, claim) = (self.taken.key.clone(), self.taken.claim);
        let page = ReadPage { key, claim, events: Vec::new(), quiet, state, within, baseline: false };
        self.parts.acceptor.read_page(&self.taken.source, arrivals, page).await
    }
}

impl Taker for Desk<'_> {
    fn take(&self, page: Page) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async move {
            let mut gathered = self.gathered.lock().await;
            match self.commit(page, &mut gathered).await {
                Ok(()) => {
                    self.show(&mut gathered).await;
                    Ok(())
                }
                Err(error) => {
                    gathered.refused.get_or_insert(error);
                    Err(Closed)
                }
            }
        })
    }
}

/// A subject's name in little room.
pub(super) fn digest_of_name(subject: &Subject) -> Digest {
    Digest::of(subject.as_str().as_bytes())
}

pub(super) fn add(sum: &mut RunFigures, more: RunFigures) {
    let RunFigures {
        requests,
        unmodified,
        pages,
        seen,
        told,
        matched,
        missed,
        young,
        late,
        changed,
        deleted,
        unconfirmed,
    } = more;
    sum.requests += requests;
    sum.unmodified += unmodified;
    sum.pages += pages;
    sum.seen += seen;
    sum.told += told;
    sum.matched += matched;
    sum.missed += missed;
    sum.young += young;
    sum.late += late;
    sum.changed += changed;
    sum.deleted += deleted;
    sum.unconfirmed += unconfirmed;
}
