//! Whether an arrival is an event that is known already (design §6, Identity).

use domain::event::Origin;
use domain::identity::{Digest, IdentityKey, state_key};
use domain::subject::{Meeting, SubjectRow, SubjectState, advance};
use domain::{Event, EventId, Subject, Timestamp};
use rusqlite::params;
use store::StoreError;
use store::intake::NewEvent;
use uuid::Uuid;

use crate::code::{version_code, version_of};
use crate::failure::Failure;
use crate::intake::Place;
use crate::query::Query;
use crate::row::{signed, time};
use crate::tx::Tx;

/// What an arrival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// A later arrival of this event.
    Known(EventId),
    /// A reading that tells nothing new, of a subject that this event told last.
    Nothing(EventId),
}

/// An identity as it is remembered.
struct Identity {
    event: EventId,
    seen_at: Timestamp,
    native: bool,
}

/// Looks the arrival up, and remembers it by all its identities: as itself if it is new, else as the known event.
pub(crate) fn identify(tx: &mut Tx<'_, '_>, place: Place, new: &NewEvent) -> Result<Arrival, Failure> {
    let event = &new.event;
    if let ([only], None) = (&new.identities[..], &new.state) {
        return by_one_key(tx, place, only, event);
    }
    if let Some(known) = by_any_key(tx, place, &new.identities, event)? {
        remember(tx, place, &new.identities, known, event)?;
        return Ok(Arrival::Known(known));
    }
    let arrival = match &new.state {
        Some(state) => by_state(tx, place, state, event)?,
        None => Arrival::New,
    };
    match arrival {
        Arrival::New => remember(tx, place, &new.identities, event.id, event)?,
        Arrival::Known(known) => remember(tx, place, &new.identities, known, event)?,
        Arrival::Nothing(_) => {}
    }
    Ok(arrival)
}

/// The way of nearly every event: one key, one statement.
fn by_one_key(tx: &mut Tx<'_, '_>, place: Place, key: &IdentityKey, event: &Event) -> Result<Arrival, Failure> {
    if tx.execute(Query::insert_identity, row(place, &key.digest, event.id, event, false))? == 1 {
        return Ok(Arrival::New);
    }
    if let Some(known) = look_up(tx, place, &key.digest)?.filter(|known| counts(known, key, event)) {
        return Ok(Arrival::Known(known.event));
    }
    tx.execute(Query::put_identity, row(place, &key.digest, event.id, event, false))?;
    Ok(Arrival::New)
}

fn by_any_key(
    tx: &mut Tx<'_, '_>,
    place: Place,
    keys: &[IdentityKey],
    event: &Event,
) -> Result<Option<EventId>, Failure> {
    for key in keys {
        if let Some(known) = look_up(tx, place, &key.digest)?.filter(|known| counts(known, key, event)) {
            return Ok(Some(known.event));
        }
    }
    Ok(None)
}

/// Whether an earlier arrival is near enough in time. Judged in both directions, because a request that is judged
/// again long after it came is older than what came since.
fn counts(known: &Identity, key: &IdentityKey, event: &Event) -> bool {
    let apart = event.received_at.since(known.seen_at).max(known.seen_at.since(event.received_at));
    key.counts(apart)
}

/// Moves the subject, and joins a native arrival with a reading of the same state.
fn by_state(tx: &mut Tx<'_, '_>, place: Place, state: &SubjectState, event: &Event) -> Result<Arrival, Failure> {
    let Some(subject) = &event.subject else {
        return Err(StoreError::Refused("an event that moves its subject has to name it".to_owned()).into());
    };
    let (known, told_by) = read_subject(tx, place, subject)?.unzip();
    let advance = advance(known.as_ref(), state);
    let told_by = told_by.flatten();
    if advance.mark.is_none() {
        if known.as_ref() != Some(&advance.row) {
            put_subject(tx, place, subject, &advance.row, told_by)?;
        }
        return Ok(Arrival::Nothing(told_by.unwrap_or(event.id)));
    }
    let scope = event.scope();
    let digest_of = |mark| state_key(&scope, subject, mark, state.deleted).digest;
    let kept: Vec<Digest> = advance.kept().map(digest_of).collect();
    let sought = advance.sought().map(digest_of).map(|digest| Ok((digest, look_up(tx, place, &digest)?)));
    let sought = sought.collect::<Result<Vec<_>, Failure>>()?;
    let native = matches!(event.origin, Origin::Native | Origin::Published);
    let joined = joined(&sought, native);
    if let Some(joined) = joined.filter(|_| advance.is_gone_within_tick) {
        // Its going was told, and what was read since in the same tick is the later.
        return Ok(Arrival::Known(joined));
    }
    let meeting = match joined {
        Some(_) => Meeting::Joined,
        None if sought.last().is_some_and(|(_, known)| known.is_some()) => Meeting::Met,
        None => Meeting::New,
    };
    let moved = advance.row_after(meeting);
    if known.as_ref() != Some(&moved) {
        put_subject(tx, place, subject, &moved, Some(joined.unwrap_or(event.id)))?;
    }
    match joined {
        Some(joined) if native => meet(tx, place, &sought, joined)?,
        Some(_) => {}
        None => {
            for digest in &kept {
                tx.execute(Query::put_identity, row(place, digest, event.id, event, native))?;
            }
        }
    }
    Ok(joined.map_or(Arrival::New, Arrival::Known))
}

/// A native arrival joins an event: by whichever of these keys that is known, the next one is a fact of its own.
fn meet(
    tx: &mut Tx<'_, '_>,
    place: Place,
    keys: &[(Digest, Option<Identity>)],
    joined: EventId,
) -> Result<(), Failure> {
    for (digest, _) in keys.iter().filter(|(_, known)| known.as_ref().is_some_and(|known| known.event == joined)) {
        tx.execute(Query::join_identity, params![place.tenant, digest.0])?;
    }
    Ok(())
}

/// The event of the first of the state's keys that is known. A native arrival that another native one has met already is
/// a fact of its own.
fn joined(keys: &[(Digest, Option<Identity>)], native: bool) -> Option<EventId> {
    let mut known = keys.iter().filter_map(|(_, known)| known.as_ref());
    known.find(|known| !(native && known.native)).map(|known| known.event)
}

/// Remembers what is not known yet, or known from too long ago, as `known`.
fn remember(
    tx: &mut Tx<'_, '_>,
    place: Place,
    keys: &[IdentityKey],
    known: EventId,
    event: &Event,
) -> Result<(), Failure> {
    for key in keys {
        let fresh = look_up(tx, place, &key.digest)?.is_some_and(|known| counts(&known, key, event));
        if !fresh {
            tx.execute(Query::put_identity, row(place, &key.digest, known, event, false))?;
        }
    }
    Ok(())
}

fn row<'r>(place: Place, digest: &'r Digest, id: EventId, event: &Event, native: bool) -> impl rusqlite::Params + 'r {
    (place.tenant, &digest.0, *id.as_bytes(), event.received_at.as_micros(), native)
}

fn look_up(tx: &mut Tx<'_, '_>, place: Place, digest: &Digest) -> Result<Option<Identity>, Failure> {
    tx.row(Query::identity, params![place.tenant, digest.0], |row| {
        let event = EventId::from_uuid(crate::row::uuid(row, 0)?);
        Ok(Identity { event, seen_at: time(row, 1)?, native: row.get(2)? })
    })
}

pub(crate) fn read_subject(
    tx: &mut Tx<'_, '_>,
    place: Place,
    subject: &Subject,
) -> Result<Option<(SubjectRow, Option<EventId>)>, Failure> {
    let key = params![place.tenant, place.source, place.connection, subject.as_str()];
    tx.row(Query::subject, key, |row| {
        let known = SubjectRow {
            version: version_of(row.get(0)?, row.get(1)?)?,
            digest: row.get::<_, Option<[u8; 32]>>(2)?.map(Digest),
            deleted: row.get(3)?,
            change: crate::row::count(row, 4)?,
        };
        let event = row.get::<_, Option<[u8; 16]>>(5)?;
        Ok((known, event.map(|id| EventId::from_uuid(Uuid::from_bytes(id)))))
    })
}

pub(crate) fn put_subject(
    tx: &mut Tx<'_, '_>,
    place: Place,
    subject: &Subject,
    moved: &SubjectRow,
    event: Option<EventId>,
) -> Result<(), Failure> {
    let (kind, version) = version_code(moved.version);
    let row = params![
        place.tenant,
        place.source,
        place.connection,
        subject.as_str(),
        kind,
        version,
        moved.digest.map(|digest| digest.0),
        moved.deleted,
        signed(moved.change),
        event.map(|id| *id.as_bytes()),
    ];
    tx.execute(Query::put_subject, row).map(drop)
}
