//! Whether arrivals are events that are known already (design §6, Identity).
//!
//! Keys are claimed in the database first, so that of two nodes that take the same message in only one makes its
//! event; then all arrivals are judged in memory, one after another; then what changed is written. Where all are expected
//! to be new they are judged so, and their keys are written with the commit, which fails if one of them was there.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::Origin;
use domain::identity::{Digest, IdentityKey, state_key};
use domain::run::StreamKey;
use domain::subject::{Meeting, SubjectRow, SubjectState, advance};
use domain::{ConnectionName, Event, EventId, SourceName, Subject, Tenant, Timestamp};
use store::StoreError;
use store::intake::NewEvent;
use store::reading::Quiet;
use uuid::Uuid;

use crate::code::version_code;
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{cell, count, time, version};
use crate::session::Session;
use crate::value::{Blob, Text, column, params, signed};

/// What an arrival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// A later arrival of this event.
    Known(EventId),
    /// A reading that tells nothing new, of a subject that this event told last.
    Nothing(EventId),
}

/// How the keys of arrivals are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Each is looked for, and written where it is not there.
    Asked,
    /// All are written with the commit: one that is there fails the transaction. Writing a key that was not looked for
    /// takes two thirds of the time, and nothing waits for it. Only for arrivals that move no subject.
    Unasked,
}

/// An identity as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    event: EventId,
    seen_at: Timestamp,
    native: bool,
}

type SubjectKey = (SourceName, ConnectionName, Subject);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    row: SubjectRow,
    by: Option<EventId>,
}

/// What is known, as the judging goes on.
#[derive(Clone, Default)]
struct Known {
    identities: BTreeMap<Digest, Option<Identity>>,
    subjects: BTreeMap<SubjectKey, Option<Told>>,
}

/// What the database has, with the keys that were claimed for this transaction.
#[derive(Default)]
struct Stored {
    identities: BTreeMap<Digest, Option<Identity>>,
    subjects: BTreeMap<SubjectKey, Option<Told>>,
    known: Known,
}

/// Judges arrivals of one tenant. What makes them known again is written with the commit.
pub(crate) async fn identify(
    session: &Session,
    tenant: &Tenant,
    arrivals: &[&NewEvent],
    keys: Keys,
) -> Result<Vec<Arrival>, Failure> {
    let mut stored = Stored::default();
    let claims = arrivals.iter().flat_map(|new| new.identities.iter().map(move |key| (key.digest, first(new, false))));
    let claims = once_each(claims);
    match keys {
        Keys::Asked => stored.claim_identities(session, tenant, claims).await?,
        Keys::Unasked => stored.take_identities(session, tenant, &claims),
    }
    stored.lock_subjects(session, tenant, arrivals).await?;
    let (judged, known) = loop {
        let (mut known, mut missing) = (stored.known.clone(), BTreeMap::new());
        let judged = judge_all(&mut known, arrivals, &mut missing)?;
        if missing.is_empty() {
            break (judged, known);
        }
        // State keys follow from the subjects' rows, which nobody else moves now. What is known by them may move a row
        // otherwise, and so lead to others: to no more than there are arrivals, and nearly always to none.
        stored.claim_identities(session, tenant, missing).await?;
    };
    write_identities(session, tenant, &stored, &known);
    write_subjects(session, tenant, &stored, &known);
    Ok(judged)
}

fn judge_all(
    known: &mut Known,
    arrivals: &[&NewEvent],
    missing: &mut BTreeMap<Digest, Identity>,
) -> Result<Vec<Arrival>, Failure> {
    arrivals.iter().map(|new| judge(known, new, missing)).collect()
}

/// Each key with whoever has it first, in their order: two who claim the same ones do not wait for each other.
fn once_each(claims: impl Iterator<Item = (Digest, Identity)>) -> BTreeMap<Digest, Identity> {
    let mut first = BTreeMap::new();
    for (digest, identity) in claims {
        first.entry(digest).or_insert(identity);
    }
    first
}

/// What the first arrival under a key is remembered as.
fn first(new: &NewEvent, native: bool) -> Identity {
    Identity { event: new.event.id, seen_at: new.event.received_at, native }
}

fn judge(known: &mut Known, new: &NewEvent, missing: &mut BTreeMap<Digest, Identity>) -> Result<Arrival, Failure> {
    let event = &*new.event;
    let by_key = new.identities.iter().find_map(|key| known.under(key, event));
    let arrival = match (by_key, &new.state) {
        (Some(event), _) => Arrival::Known(event),
        (None, Some(state)) => judge_state(known, new, state, missing)?,
        (None, None) => Arrival::New,
    };
    match arrival {
        Arrival::New => known.remember(&new.identities, event.id, event),
        Arrival::Known(earlier) => known.remember(&new.identities, earlier, event),
        Arrival::Nothing(_) => {}
    }
    Ok(arrival)
}

/// Moves the subject, and joins a native arrival with a reading of the same state.
fn judge_state(
    known: &mut Known,
    new: &NewEvent,
    state: &SubjectState,
    missing: &mut BTreeMap<Digest, Identity>,
) -> Result<Arrival, Failure> {
    let event = &*new.event;
    let Some(key) = subject_key(event) else {
        return Err(StoreError::Refused("an event that moves its subject has to name it".to_owned()).into());
    };
    let subject = key.2.clone();
    let told = known.subjects.entry(key).or_default();
    let advance = advance(told.as_ref().map(|told| &told.row), state);
    let by = told.as_ref().and_then(|told| told.by);
    if advance.mark.is_none() {
        *told = Some(Told { row: advance.row, by });
        return Ok(Arrival::Nothing(by.unwrap_or(event.id)));
    }
    let scope = event.scope();
    let digest_of = |mark| state_key(&scope, &subject, mark, state.deleted).digest;
    let sought: Vec<Digest> = advance.sought().map(digest_of).collect();
    let kept: Vec<Digest> = advance.kept().map(digest_of).collect();
    let native = matches!(event.origin, Origin::Native | Origin::Published);
    for digest in sought.iter().chain(&kept) {
        if !known.identities.contains_key(digest) {
            missing.entry(*digest).or_insert_with(|| first(new, native));
        }
    }
    let joined = known.joined(&sought, native);
    if let Some(joined) = joined.filter(|_| advance.is_gone_within_tick) {
        // Its going was told, and what was read since in the same tick is the later.
        return Ok(Arrival::Known(joined));
    }
    let meeting = match joined {
        Some(_) => Meeting::Joined,
        None if sought.last().is_some_and(|digest| known.identity(digest).is_some()) => Meeting::Met,
        None => Meeting::New,
    };
    match joined {
        Some(joined) if native => known.meet(&sought, joined),
        Some(_) => {}
        None => known.identities.extend(kept.into_iter().map(|digest| (digest, Some(first(new, native))))),
    }
    let told = known.subjects.entry((event.source.clone(), event.connection.clone(), subject)).or_default();
    let row = advance.row_after(meeting);
    if told.as_ref().is_none_or(|told| told.row != row) {
        *told = Some(Told { row, by: Some(joined.unwrap_or(event.id)) });
    }
    Ok(joined.map_or(Arrival::New, Arrival::Known))
}

fn subject_key(event: &Event) -> Option<SubjectKey> {
    Some((event.source.clone(), event.connection.clone(), event.subject.clone()?))
}

impl Known {
    /// The event that is known under a key, if its arrival was near enough in time. Judged in both directions, because
    /// a request that is judged again long after it came is older than what came since.
    fn under(&self, key: &IdentityKey, event: &Event) -> Option<EventId> {
        let known = self.identity(&key.digest)?;
        let apart = event.received_at.since(known.seen_at).max(known.seen_at.since(event.received_at));
        key.counts(apart).then_some(known.event)
    }

    fn identity(&self, digest: &Digest) -> Option<Identity> {
        self.identities.get(digest).copied().flatten()
    }

    /// The event of the first of a state's keys that is known. A native arrival that another native one has met already
    /// is a fact of its own.
    fn joined(&self, digests: &[Digest], native: bool) -> Option<EventId> {
        let mut known = digests.iter().filter_map(|digest| self.identity(digest));
        known.find(|known| !(native && known.native)).map(|known| known.event)
    }

    /// A native arrival joins an event: by whichever of these keys that is known, the next one is a fact of its own.
    fn meet(&mut self, digests: &[Digest], joined: EventId) {
        for digest in digests {
            if let Some(Some(own)) = self.identities.get_mut(digest)
                && own.event == joined
            {
                own.native = true;
            }
        }
    }

    /// Remembers what is not known yet, or known from too long ago, as `known`.
    fn remember(&mut self, keys: &[IdentityKey], known: EventId, event: &Event) {
        for key in keys {
            if self.under(key, event).is_none() {
                let identity = Identity { event: known, seen_at: event.received_at, native: false };
                self.identities.insert(key.digest, Some(identity));
            }
        }
    }
}

impl Stored {
    /// Writes keys with the commit, as if nobody had them.
    fn take_identities(&mut self, session: &Session, tenant: &Tenant, claims: &BTreeMap<Digest, Identity>) {
        if claims.is_empty() {
            return;
        }
        let rows: Vec<(Digest, Identity)> = claims.iter().map(|(digest, identity)| (*digest, *identity)).collect();
        session.later(Query::insert_new_identities, identity_rows(tenant, &rows));
        self.known.identities.extend(rows.iter().map(|(digest, _)| (*digest, None)));
        self.identities.extend(rows.into_iter().map(|(digest, identity)| (digest, Some(identity))));
    }

    /// Writes keys that nobody has, and reads and locks those that are there.
    async fn claim_identities(
        &mut self,
        session: &Session,
        tenant: &Tenant,
        claims: BTreeMap<Digest, Identity>,
    ) -> Result<(), Failure> {
        if claims.is_empty() {
            return Ok(());
        }
        let rows: Vec<(Digest, Identity)> = claims.into_iter().collect();
        let inserted = session.rows(Query::insert_identities, identity_rows(tenant, &rows)).await?;
        let mut own = BTreeSet::new();
        for row in &inserted {
            own.insert(digest(row, 0)?);
        }
        let others: Vec<Blob> =
            rows.iter().filter(|(digest, _)| !own.contains(digest)).map(|(digest, _)| Blob::of(&digest.0)).collect();
        for (digest, identity) in rows {
            self.identities.insert(digest, Some(identity).filter(|_| own.contains(&digest)));
            self.known.identities.insert(digest, None);
        }
        if others.is_empty() {
            return Ok(());
        }
        for row in session.rows(Query::lock_identities, params![Text::from(tenant.as_str()), others]).await? {
            let event = EventId::from_uuid(cell(&row, 1)?);
            let identity = Some(Identity { event, seen_at: time(&row, 2)?, native: cell(&row, 3)? });
            let digest = digest(&row, 0)?;
            self.identities.insert(digest, identity);
            self.known.identities.insert(digest, identity);
        }
        Ok(())
    }

    /// Locks the rows of subjects that arrivals move, and makes those that are not there.
    async fn lock_subjects(
        &mut self,
        session: &Session,
        tenant: &Tenant,
        arrivals: &[&NewEvent],
    ) -> Result<(), Failure> {
        let moving = arrivals.iter().filter(|new| new.state.is_some());
        self.lock_subject_rows(session, tenant, moving.filter_map(|new| subject_key(&new.event)).collect()).await
    }

    async fn lock_subject_rows(
        &mut self,
        session: &Session,
        tenant: &Tenant,
        keys: BTreeSet<SubjectKey>,
    ) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<SubjectKey> = keys.into_iter().collect();
        let made = session.rows(Query::insert_subjects, subject_params(tenant, &keys)).await?;
        let mut fresh = BTreeSet::new();
        for row in &made {
            fresh.insert(read_subject_key(row)?);
        }
        for row in session.rows(Query::lock_subjects, subject_params(tenant, &keys)).await? {
            let key = read_subject_key(&row)?;
            let told = Told {
                row: SubjectRow {
                    version: version(&row, 3)?,
                    digest: digest_or_none(&row, 5)?,
                    deleted: cell(&row, 6)?,
                    change: count(&row, 7)?,
                },
                by: cell::<Option<Uuid>>(&row, 8)?.map(EventId::from_uuid),
            };
            let known = Some(told.clone()).filter(|_| !fresh.contains(&key));
            self.subjects.insert(key.clone(), Some(told));
            self.known.subjects.insert(key, known);
        }
        Ok(())
    }
}

fn digest(row: &tokio_postgres::Row, column: usize) -> Result<Digest, Failure> {
    let none = || StoreError::Corrupt("a digest is missing".to_owned()).into();
    digest_or_none(row, column)?.ok_or_else(none)
}

pub(crate) fn digest_or_none(row: &tokio_postgres::Row, column: usize) -> Result<Option<Digest>, Failure> {
    let Some(bytes) = cell::<Option<&[u8]>>(row, column)? else { return Ok(None) };
    let wrong = |_| StoreError::Corrupt("a digest is not 32 bytes long".to_owned());
    Ok(Some(Digest(bytes.try_into().map_err(wrong)?)))
}

fn read_subject_key(row: &tokio_postgres::Row) -> Result<SubjectKey, Failure> {
    Ok((crate::row::name(row, 0)?, crate::row::name(row, 1)?, Subject::from_text(&crate::row::text(row, 2)?)))
}

fn subject_params(tenant: &Tenant, keys: &[SubjectKey]) -> Vec<crate::value::Param> {
    params![
        Text::from(tenant.as_str()),
        column(keys, |key| Text::from(key.0.as_str())),
        column(keys, |key| Text::from(key.1.as_str())),
        column(keys, |key| Text::from(key.2.as_str())),
    ]
}

fn identity_rows(tenant: &Tenant, rows: &[(Digest, Identity)]) -> Vec<crate::value::Param> {
    params![
        Text::from(tenant.as_str()),
        column(rows, |(digest, _)| Blob::of(&digest.0)),
        column(rows, |(_, identity)| identity.event.uuid()),
        column(rows, |(_, identity)| identity.seen_at.as_micros()),
        column(rows, |(_, identity)| identity.native),
    ]
}

/// Writes what judging made different from what the database has; nearly always nothing.
fn write_identities(session: &Session, tenant: &Tenant, stored: &Stored, known: &Known) {
    let (mut put, mut gone) = (Vec::new(), Vec::new());
    for (digest, identity) in &known.identities {
        let there = stored.identities.get(digest).copied().flatten();
        match identity {
            Some(identity) if there != Some(*identity) => put.push((*digest, *identity)),
            None if there.is_some() => gone.push(Blob::of(&digest.0)),
            _ => {}
        }
    }
    if !put.is_empty() {
        session.later(Query::put_identities, identity_rows(tenant, &put));
    }
    if !gone.is_empty() {
        session.later(Query::delete_identities, params![Text::from(tenant.as_str()), gone]);
    }
}

fn write_subjects(session: &Session, tenant: &Tenant, stored: &Stored, known: &Known) {
    if let Some(row) = changed_subjects(tenant, stored, known) {
        session.later(Query::put_subjects, row);
    }
}

/// Remembers subjects as they were read, without telling of it. Written at once: what is accepted in the same
/// transaction builds on it.
pub(crate) async fn move_quietly(session: &Session, key: &StreamKey, quiet: &[Quiet]) -> Result<(), Failure> {
    let subject_key = |quiet: &Quiet| (key.source.clone(), key.connection.clone(), quiet.subject.clone());
    let mut stored = Stored::default();
    stored.lock_subject_rows(session, &key.tenant, quiet.iter().map(subject_key).collect()).await?;
    let mut known = stored.known.clone();
    for one in quiet {
        let told = known.subjects.entry(subject_key(one)).or_default();
        let row = advance(told.as_ref().map(|told| &told.row), &one.state).row;
        let by = told.as_ref().and_then(|told| told.by);
        *told = Some(Told { row, by });
    }
    if let Some(row) = changed_subjects(&key.tenant, &stored, &known) {
        session.execute(Query::put_subjects, row).await?;
    }
    Ok(())
}

fn changed_subjects(tenant: &Tenant, stored: &Stored, known: &Known) -> Option<Vec<crate::value::Param>> {
    let changed: Vec<(&SubjectKey, &Told)> = known
        .subjects
        .iter()
        .filter_map(|(key, told)| Some((key, told.as_ref()?)))
        .filter(|(key, told)| stored.subjects.get(*key).and_then(Option::as_ref) != Some(*told))
        .collect();
    if changed.is_empty() {
        return None;
    }
    Some(params![
        Text::from(tenant.as_str()),
        column(&changed, |(key, _)| Text::from(key.0.as_str())),
        column(&changed, |(key, _)| Text::from(key.1.as_str())),
        column(&changed, |(key, _)| Text::from(key.2.as_str())),
        column(&changed, |(_, told)| version_code(told.row.version).0),
        column(&changed, |(_, told)| version_code(told.row.version).1),
        column(&changed, |(_, told)| told.row.digest.map(|digest| Blob::of(&digest.0))),
        column(&changed, |(_, told)| told.row.deleted),
        column(&changed, |(_, told)| signed(told.row.change)),
        column(&changed, |(_, told)| told.by.map(EventId::uuid)),
    ])
}
