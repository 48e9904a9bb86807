//! What a complete scan did not have any more. Absence alone deletes nothing: it is confirmed by asking for the record,
//! or by a second complete scan without it, and never for more than a run may.

use std::collections::HashSet;
use std::sync::Arc;

use connectors::manifest::extension::Deletes;
use domain::event::Origin;
use domain::identity::Digest;
use domain::subject::{SubjectRow, SubjectState};
use domain::{Action, Purpose, Subject, Version};
use store::StoreError;
use store::reading::ReadPage;

use super::Parts;
use super::fold::{Fold, Missed, Mode};
use super::model::{Reading, digest_of};
use super::run::{Broken, Taken, digest_of_name, scope};
use crate::accept::Arrival;

/// Subjects that are looked at in one step.
const STEP: u32 = 500;
/// Deletions that any run may tell.
const MAX_DELETES_LEAST: u64 = 10;
/// And the share of the known ones that it may tell if that is more: one in so many.
const MAX_DELETES_SHARE: u64 = 10;

/// How many deletions one run may tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub max: Option<u32>,
    /// A person has seen the number.
    pub confirmed: bool,
}

/// What looking for what is gone came to.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub deleted: u64,
    pub told: u64,
    pub unconfirmed: u64,
    pub requests: u64,
    pub missed: Vec<Missed>,
    pub awaits: Awaits,
    /// Absent, but too lately changed for that to say anything.
    pub young: u64,
}

/// What has to happen before what seems to be gone is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Awaits {
    #[default]
    Nothing,
    /// A second complete scan without it.
    Scan,
    /// A person's word, and why.
    Person(String),
}

impl Awaits {
    /// What a person has to see.
    pub(super) fn why(self) -> Option<String> {
        match self {
            Self::Person(why) => Some(why),
            Self::Scan | Self::Nothing => None,
        }
    }
}

impl Parts {
    /// Looks for subjects that a complete scan has not seen.
    pub(super) async fn gone(
        &self,
        taken: &Taken,
        seen: &HashSet<Digest>,
        (purpose, origin): (Purpose, Origin),
        bounds: Bounds,
        dry: bool,
    ) -> Result<Gone, Broken> {
        if taken.model.deletes != Deletes::Scan {
            return Ok(Gone::default());
        }
        let Absent { subjects: absent, known, young } = self.absent(taken, seen).await.map_err(Broken::Store)?;
        let most = bounds.max.map_or(MAX_DELETES_LEAST.max(known / MAX_DELETES_SHARE), u64::from);
        if absent.len() as u64 > most && !bounds.confirmed {
            let count = absent.len();
            if !dry {
                // So the run that a person confirms is the second one without them.
                self.note_absent(taken, &absent).await?;
            }
            let why = format!(
                "{count} of {known} records of '{}' are not listed any more, and a run may tell {most}: look at the \
                 source, then reconcile with the deletions confirmed",
                taken.key.stream
            );
            let awaits = Awaits::Person(why);
            return Ok(Gone { unconfirmed: count as u64, awaits, young, ..Gone::default() });
        }
        let before = taken.upstream.requests(&taken.key.stream, purpose);
        let (confirmed, open) = self.confirm(taken, absent, purpose).await?;
        let mut gone = Gone { unconfirmed: open.len() as u64, young, ..Gone::default() };
        gone.requests = taken.upstream.requests(&taken.key.stream, purpose).saturating_sub(before);
        gone.deleted = confirmed.len() as u64;
        for step in confirmed.chunks(STEP as usize) {
            self.tell(taken, step, origin, dry, &mut gone).await.map_err(Broken::Store)?;
        }
        if !dry {
            self.note_absent(taken, &open).await?;
        }
        gone.awaits = match open.iter().filter(|(subject, _)| taken.model.scans_confirm(subject)).count() {
            0 => Awaits::Nothing,
            count if bounds.confirmed => Awaits::Person(format!(
                "{count} of {known} records of '{}' are not listed for the first time, and cannot be asked for by their \
                 id: if they are gone for good, reconcile once more with the deletions confirmed",
                taken.key.stream
            )),
            _ => Awaits::Scan,
        };
        Ok(gone)
    }

    /// Remembers what this scan did not have for the next one, where that is what says that it is gone.
    async fn note_absent(&self, taken: &Taken, absent: &[(Subject, SubjectRow)]) -> Result<(), Broken> {
        let open = absent.iter().map(|(subject, _)| subject).filter(|subject| taken.model.scans_confirm(subject));
        let subjects: Vec<Subject> = open.cloned().collect();
        let known = self.store.absent_subjects(taken.key.clone()).await.map_err(Broken::Store)?;
        // While a person is waited for, each poll finds the same.
        if known.len() == subjects.len() && known.iter().collect::<HashSet<_>>() == subjects.iter().collect() {
            return Ok(());
        }
        let (key, claim) = (taken.key.clone(), taken.claim);
        self.store.put_absent_subjects(key, claim, subjects).await.map_err(Broken::Store)
    }

    /// Known subjects that were not seen and should have been. One that changed so lately that a replica need not have
    /// it is left to the next scan; one from before what the stream lists has been left by it, and may well be there.
    async fn absent(&self, taken: &Taken, seen: &HashSet<Digest>) -> Result<Absent, StoreError> {
        let (mut absent, mut after) = (Absent::default(), None);
        let settled = self.clock.now() - taken.spec.overlap;
        let is_young = |row: &SubjectRow| matches!(row.version, Some(Version::Time(time)) if time > settled);
        loop {
            let object = Arc::clone(&taken.model.object);
            let step = self.store.subjects_of(scope(&taken.key), object, after, STEP).await?;
            let is_last = step.len() < STEP as usize;
            absent.known += step.len() as u64;
            after = step.last().map(|(subject, _)| subject.clone());
            let is_due = |row: &SubjectRow| taken.model.is_listed(row.version);
            let unseen =
                step.into_iter().filter(|(subject, row)| is_due(row) && !seen.contains(&digest_of_name(subject)));
            for (subject, row) in unseen {
                if is_young(&row) {
                    absent.young += 1;
                } else {
                    absent.subjects.push((subject, row));
                }
            }
            if is_last {
                return Ok(absent);
            }
        }
    }

    /// Those that are gone for certain, and those that only seem to be.
    async fn confirm(
        &self,
        taken: &Taken,
        absent: Vec<(Subject, SubjectRow)>,
        purpose: Purpose,
    ) -> Result<(Confirmed, Confirmed), Broken> {
        let mut earlier = None;
        let (mut confirmed, mut open) = (Vec::new(), Vec::new());
        for (subject, row) in absent {
            let is_gone = match taken.model.askable(&subject) {
                Some(id) => {
                    let record = taken.upstream.record(purpose, &taken.key.stream, id).await;
                    record.map_err(Broken::Source)?.is_none()
                }
                None if !taken.model.scans_confirm(&subject) => false,
                None => {
                    let known = match &mut earlier {
                        Some(known) => known,
                        unread @ None => {
                            let absent = self.store.absent_subjects(taken.key.clone()).await;
                            let absent: HashSet<Subject> = absent.map_err(Broken::Store)?.into_iter().collect();
                            unread.insert(absent)
                        }
                    };
                    known.contains(&subject)
                }
            };
            if is_gone { &mut confirmed } else { &mut open }.push((subject, row));
        }
        Ok((confirmed, open))
    }

    async fn tell(
        &self,
        taken: &Taken,
        subjects: &[(Subject, SubjectRow)],
        origin: Origin,
        dry: bool,
        gone: &mut Gone,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let scope = scope(&taken.key);
        let (store, entropy) = (&*self.store, &*self.entropy);
        let fold = Fold { store, entropy, scope: &scope, model: &taken.model, mode: Mode::Poll };
        let arrivals: Vec<Arrival> = subjects
            .iter()
            .map(|(subject, _)| {
                let stub = taken.model.stub(subject);
                let digest = digest_of(&stub);
                let state = SubjectState { version: None, deleted: true, reading: Some(digest) };
                let reading =
                    Reading { subject: Some(subject.clone()), state: state.clone(), digest, settled_at: None };
                let event = fold.event(Action::Deleted, Some(subject), &reading, &stub, origin, now);
                Arrival { event, identities: Vec::new(), state: Some(state), is_json: true }
            })
            .collect();
        let missed = arrivals.iter().zip(subjects).map(|(arrival, (subject, _))| Missed {
            subject: subject.clone(),
            action: Action::Deleted,
            version: None,
            event: arrival.event.id,
        });
        let missed: Vec<Missed> = missed.collect();
        if dry {
            gone.missed.extend(missed);
            return Ok(());
        }
        let (key, claim) = (taken.key.clone(), taken.claim);
        let page =
            ReadPage { key, claim, events: Vec::new(), quiet: Vec::new(), state: None, within: None, baseline: false };
        let accepted = self.acceptor.read_page(&taken.source, arrivals, page).await?;
        gone.told += accepted.iter().filter(|accepted| !accepted.duplicate).count() as u64;
        let is_new = |missed: &Missed| accepted.iter().any(|accepted| accepted.id == missed.event);
        gone.missed.extend(missed.into_iter().filter(is_new));
        Ok(())
    }
}

type Confirmed = Vec<(Subject, SubjectRow)>;

/// What a complete scan did not have.
#[derive(Default)]
struct Absent {
    subjects: Vec<(Subject, SubjectRow)>,
    /// Subjects that there are, as far as we know.
    known: u64,
    /// Changed so lately that a replica need not have them.
    young: u64,
}
