//! Folds a page of records into what it tells: compares each with what is known of its subject.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;

use bytes::Bytes;
use domain::diff::{Difference, difference};
use domain::event::Origin;
use domain::identity::{MessageIdentity, Scope, message_key};
use domain::run::RunFigures;
use domain::subject::{SubjectRow, SubjectState, advance};
use domain::{Action, Assurance, Event, EventId, Subject, Timestamp, Version};
use rustc_hash::FxBuildHasher;
use serde_json::Value as Json;
use store::reading::{Known, Quiet};
use store::{Store, StoreError};

use super::model::{Model, Reading};
use crate::accept::Arrival;
use crate::entropy::{Entropy, uuid_v7};
use crate::message::JSON;
use crate::spec::Start;

/// How what differs is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// The first complete scan.
    Baseline(Start),
    Poll,
    /// What changed after this time is too young to be missed.
    Reconcile {
        before: Timestamp,
    },
}

/// A change that nobody had told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Missed {
    pub subject: Subject,
    pub action: Action,
    pub version: Option<Version>,
    pub event: EventId,
}

/// What a page came to.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub arrivals: Vec<Arrival>,
    pub quiet: Vec<Quiet>,
    pub missed: Vec<Missed>,
    pub figures: RunFigures,
    /// What was read of each subject, and what is known of it.
    pub compared: Vec<(Reading, Option<Known>)>,
    /// When a record has to be read again, because its version was not over when it was read.
    pub again_at: Option<Timestamp>,
    /// The earliest version in which a record is listed as gone that was also read as being there.
    pub tied_at: Option<Timestamp>,
}

impl Folded {
    /// Whether an event of this page is about it.
    fn tells_of(&self, subject: &Subject) -> bool {
        self.arrivals.iter().any(|arrival| arrival.event.subject.as_ref() == Some(subject))
    }
}

/// Subjects that were first met in this reading: of them a first scan tells no change, for it may list each of their
/// states.
#[derive(Debug, Default)]
pub(super) struct Met(HashSet<u64>);

/// Subjects that are remembered: a dozen megabytes. What is listed twice is hardly ever behind all of these.
const MET_MAX: usize = 500_000;

impl Met {
    fn note(&mut self, subject: &Subject) {
        if self.0.len() < MET_MAX {
            self.0.insert(Self::hash(subject));
        }
    }

    fn has(&self, subject: &Subject) -> bool {
        self.0.contains(&Self::hash(subject))
    }

    fn hash(subject: &Subject) -> u64 {
        FxBuildHasher.hash_one(subject.as_str())
    }
}

pub(super) struct Fold<'f> {
    pub store: &'f dyn Store,
    pub entropy: &'f dyn Entropy,
    pub scope: &'f Scope,
    pub model: &'f Model,
    pub mode: Mode,
}

impl Fold<'_> {
    pub async fn fold(&self, records: Vec<Json>, met: &mut Met, now: Timestamp) -> Result<Folded, StoreError> {
        let readings: Vec<Reading> = records.iter().map(|record| self.model.reading(record)).collect();
        let subjects: Vec<Subject> = readings.iter().map(|reading| self.name_of(reading)).collect();
        let mut known = self.store.known_subjects(self.scope.clone(), subjects).await?.into_iter();
        // Pages may hold a record twice: the second one is compared with the first.
        let mut moved: HashMap<Subject, SubjectRow> = HashMap::new();
        let mut folded = Folded::default();
        for (record, reading) in records.into_iter().zip(readings) {
            folded.figures.seen += 1;
            folded.again_at = sooner(folded.again_at, reading.settled_at.filter(|settled| *settled > now));
            let known = known.next().flatten();
            let Some(subject) = reading.subject.clone() else {
                self.judge_nameless(&mut folded, &record, &reading, known.is_some(), now);
                continue;
            };
            let row = moved.get(&subject).or(known.as_ref().map(|known| &known.row)).cloned();
            let is_new = row.is_none() || met.has(&subject);
            if is_new && matches!(self.mode, Mode::Baseline(_)) {
                met.note(&subject);
            }
            let after = self.judge(&mut folded, record, (&subject, is_new), &reading, row.as_ref(), now);
            if let Some(after) = after {
                moved.insert(subject, after);
            }
            folded.compared.push((reading, known));
        }
        Ok(folded)
    }

    /// Gives the subject's row as it is after this, if it moves.
    fn judge(
        &self,
        folded: &mut Folded,
        record: Json,
        (subject, is_new): (&Subject, bool),
        reading: &Reading,
        row: Option<&SubjectRow>,
        now: Timestamp,
    ) -> Option<SubjectRow> {
        let after = || Some(advance(row, &reading.state).row);
        let action = match difference(row, &reading.state) {
            Difference::None => {
                folded.figures.matched += 1;
                return None;
            }
            Difference::Quiet => {
                folded.figures.matched += 1;
                if folded.tells_of(subject) {
                    // The store moves quietly what it moves quietly before it takes the events in: what comes after one
                    // of them would silence it.
                    return None;
                }
                folded.quiet.push(Quiet { subject: subject.clone(), state: reading.state.clone() });
                return after();
            }
            Difference::Told(action) => action,
        };
        let origin = match self.mode {
            // What differs from what is known is a change, whatever a scan is to tell of the rest. What a list of what is
            // gone has may have been made again since, unless its going is known to be the later.
            Mode::Baseline(_) if !is_new && (!self.model.lists_gone() || is_later(row, &reading.state)) => {
                Origin::Virtual
            }
            Mode::Baseline(start) if !tells(start, reading.state.version) => {
                folded.quiet.push(Quiet { subject: subject.clone(), state: reading.state.clone() });
                return after();
            }
            Mode::Baseline(_) => Origin::Backfill,
            Mode::Poll => Origin::Virtual,
            Mode::Reconcile { before } => {
                if matches!(reading.state.version, Some(Version::Time(time)) if time > before) {
                    folded.figures.young += 1;
                    return None;
                }
                Origin::Reconciled
            }
        };
        if let (true, Some(Version::Time(at))) =
            (self.model.lists_gone() && is_tied(row, &reading.state), reading.state.version)
        {
            folded.tied_at = sooner(folded.tied_at, Some(at));
        }
        let same_version = row.is_some_and(|row| row.version.is_some() && row.version == reading.state.version);
        folded.figures.changed += u64::from(same_version && action == Action::Updated);
        folded.figures.deleted += u64::from(action == Action::Deleted);
        let event = self.event(action, Some(subject), reading, &record, origin, now);
        if origin == Origin::Reconciled {
            let version = reading.state.version;
            folded.missed.push(Missed { subject: subject.clone(), action, version, event: event.id });
        }
        let state = Some(reading.state.clone());
        folded.arrivals.push(Arrival { event, identities: Vec::new(), state, is_json: true });
        after()
    }

    /// What nothing names is known again by its bytes alone. What the first scan passed over in silence is remembered
    /// under a name that no record has.
    fn judge_nameless(&self, folded: &mut Folded, record: &Json, reading: &Reading, is_known: bool, now: Timestamp) {
        let origin = match self.mode {
            _ if is_known => {
                folded.figures.matched += 1;
                return;
            }
            Mode::Baseline(start) if !tells(start, reading.state.version) => {
                let quiet = Quiet { subject: self.name_of(reading), state: reading.state.clone() };
                folded.quiet.push(quiet);
                return;
            }
            Mode::Baseline(_) => Origin::Backfill,
            Mode::Poll => Origin::Virtual,
            Mode::Reconcile { .. } => Origin::Reconciled,
        };
        let event = self.event(Action::Created, None, reading, record, origin, now);
        let name = self.name_of(reading);
        let identities = message_key(self.scope, &MessageIdentity::Id(name.as_str())).into_iter().collect();
        folded.arrivals.push(Arrival { event, identities, state: None, is_json: true });
    }

    fn name_of(&self, reading: &Reading) -> Subject {
        let nameless = || {
            let digest = data_encoding::HEXLOWER.encode(&reading.digest.0);
            Subject::of(&format!("{}#", self.model.stream), &digest)
        };
        reading.subject.clone().unwrap_or_else(nameless)
    }

    pub fn event(
        &self,
        action: Action,
        subject: Option<&Subject>,
        reading: &Reading,
        record: &Json,
        origin: Origin,
        now: Timestamp,
    ) -> Event {
        let version = reading.state.version;
        let occurred_at = match version {
            Some(Version::Time(time)) => Some(time),
            Some(Version::Number(_)) | None => None,
        };
        let id = EventId::from_uuid(uuid_v7(self.entropy, now));
        Event {
            tenant: self.scope.tenant.clone(),
            connection: self.scope.connection.clone(),
            event_type: type_of(&self.model.object, action).into(),
            subject: subject.cloned(),
            action: Some(action),
            version,
            origin,
            // We asked the source itself, over a connection that it proved to be at the end of.
            assurance: Assurance::Body,
            occurred_at,
            content_type: JSON.into(),
            payload: Bytes::from(record.to_string()),
            ..Event::bare(id, self.scope.source.clone(), now)
        }
    }
}

/// `<object>.<action>`, as a change of a record is called.
pub(crate) fn type_of(object: &str, action: Action) -> String {
    domain::event::cut(&format!("{object}.{}", action.as_str())).to_owned()
}

/// Whether a state is known to come after the one that is known.
fn is_later(row: Option<&SubjectRow>, state: &SubjectState) -> bool {
    let versions = row.and_then(|row| row.version).zip(state.version);
    versions.is_some_and(|(known, own)| own >= known)
}

/// Whether a state has the version of another that is there: nobody can say which of the two is the later.
pub(super) fn is_tied(row: Option<&SubjectRow>, state: &SubjectState) -> bool {
    row.is_some_and(|row| !row.deleted && row.version == state.version)
}

fn tells(start: Start, version: Option<Version>) -> bool {
    match (start, version) {
        (Start::All, _) => true,
        (Start::Since(since), Some(Version::Time(time))) => time >= since,
        // Sources that count their versions in seconds.
        (Start::Since(since), Some(Version::Number(number))) => number >= since.as_secs(),
        (Start::Since(_), None) | (Start::Now, _) => false,
    }
}

pub(super) fn sooner(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
