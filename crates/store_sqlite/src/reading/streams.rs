//! Checkpoints: who reads a stream, how far it was read, and the pages that move it.

use domain::run::StreamKey;
use domain::subject::advance;
use domain::{SourceName, Tenant, Timestamp};
use rusqlite::{Row, params};
use store::StoreError;
use store::dispatch::{Claim, Lease, Owner};
use store::intake::Accepted;
use store::reading::{Checkpoint, Polled, Progress, ReadPage};

use crate::failure::Failure;
use crate::intake::{Place, accept_events, put_subject, read_subject};
use crate::query::Query;
use crate::row::{Lookup, count, micros, signed, text, time, time_or_none};
use crate::tx::Tx;
use crate::view::View;

/// A checkpoint's row.
struct Stored {
    checkpoint: Checkpoint,
    owner: Option<Owner>,
    generation: u64,
    lease_until: Timestamp,
}

pub(super) fn place(tx: &mut Tx<'_, '_>, key: &StreamKey) -> Result<Place, Failure> {
    Ok(Place {
        tenant: tx.name(key.tenant.as_str())?,
        source: tx.name(key.source.as_str())?,
        connection: tx.name(key.connection.as_str())?,
    })
}

/// The numbers of a stream's names, if all of them were ever used.
pub(super) fn known_place(lookup: Lookup<'_>, key: &StreamKey) -> Result<Option<Place>, Failure> {
    let (tenant, source) = (lookup.id(key.tenant.as_str())?, lookup.id(key.source.as_str())?);
    let connection = lookup.id(key.connection.as_str())?;
    Ok(match (tenant, source, connection) {
        (Some(tenant), Some(source), Some(connection)) => Some(Place { tenant, source, connection }),
        _ => None,
    })
}

pub(crate) fn take(
    tx: &mut Tx<'_, '_>,
    key: &StreamKey,
    lease: Lease,
    now: Timestamp,
) -> Result<Option<(Checkpoint, Claim)>, Failure> {
    let at = place(tx, key)?;
    tx.execute(Query::insert_checkpoint, (at.tenant, at.source, at.connection, &*key.stream))?;
    let Some(stored) = stored(tx, at, key)? else { return Ok(None) };
    if stored.owner.is_some_and(|owner| owner != lease.owner && stored.lease_until > now) {
        return Ok(None);
    }
    let claim = Claim { owner: lease.owner, generation: stored.generation + 1 };
    let (owner, until) = (owner_code(claim.owner), (now + lease.span).as_micros());
    let row = params![at.tenant, at.source, at.connection, &*key.stream, owner, signed(claim.generation), until];
    tx.execute(Query::lease_checkpoint, row)?;
    Ok(Some((stored.checkpoint, claim)))
}

pub(crate) fn renew(tx: &mut Tx<'_, '_>, key: &StreamKey, claim: Claim, until: Timestamp) -> Result<(), Failure> {
    let at = place(tx, key)?;
    let row = params![at.tenant, at.source, at.connection, &*key.stream, signed(claim.generation), until.as_micros()];
    if tx.execute(Query::renew_checkpoint, row)? == 1 { Ok(()) } else { Err(StoreError::Fenced.into()) }
}

pub(crate) fn leave(tx: &mut Tx<'_, '_>, key: &StreamKey, claim: Claim) -> Result<(), Failure> {
    let at = place(tx, key)?;
    let row = params![at.tenant, at.source, at.connection, &*key.stream, signed(claim.generation)];
    tx.execute(Query::leave_checkpoint, row).map(drop)
}

/// Fails unless the claim is the last that was given.
pub(super) fn fence(tx: &mut Tx<'_, '_>, at: Place, key: &StreamKey, claim: Claim) -> Result<(), Failure> {
    match stored(tx, at, key)? {
        Some(stored) if stored.generation == claim.generation && stored.owner == Some(claim.owner) => Ok(()),
        _ => Err(StoreError::Fenced.into()),
    }
}

pub(crate) fn put_setting(
    tx: &mut Tx<'_, '_>,
    key: &StreamKey,
    claim: Claim,
    (name, value): (&str, &[u8]),
) -> Result<(), Failure> {
    let at = place(tx, key)?;
    fence(tx, at, key, claim)?;
    tx.execute(Query::put_setting, (name, value)).map(drop)
}

pub(crate) fn commit(tx: &mut Tx<'_, '_>, page: &ReadPage, now: Timestamp) -> Result<Vec<Accepted>, Failure> {
    // Its own savepoint: in company, a page that is refused must not take half of itself along.
    tx.part(|tx| {
        let at = place(tx, &page.key)?;
        fence(tx, at, &page.key, page.claim)?;
        for quiet in &page.quiet {
            let (known, told_by) = read_subject(tx, at, &quiet.subject)?.unzip();
            let moved = advance(known.as_ref(), &quiet.state).row;
            if known.as_ref() != Some(&moved) {
                put_subject(tx, at, &quiet.subject, &moved, told_by.flatten())?;
            }
        }
        let accepted = accept_events(tx, &page.events, now)?;
        if page.state.is_some() || page.baseline || page.within.is_some() {
            let known = stored(tx, at, &page.key)?.map(|stored| stored.checkpoint.state).unwrap_or_default();
            let state = page.state.as_ref().unwrap_or(&known);
            let baseline = page.baseline.then_some(now.as_micros());
            let row = params![
                at.tenant,
                at.source,
                at.connection,
                &*page.key.stream,
                &**state,
                baseline,
                page.within.as_deref()
            ];
            tx.execute(Query::move_checkpoint, row)?;
        }
        Ok(accepted)
    })
}

pub(crate) fn forget(tx: &mut Tx<'_, '_>, key: &StreamKey) -> Result<bool, Failure> {
    let at = place(tx, key)?;
    tx.execute(Query::forget_absent, (at.tenant, at.source, at.connection, &*key.stream))?;
    Ok(tx.execute(Query::forget_checkpoint, (at.tenant, at.source, at.connection, &*key.stream))? == 1)
}

pub(crate) fn note(tx: &mut Tx<'_, '_>, polled: &Polled) -> Result<(), Failure> {
    let (at, key, new) = (place(tx, &polled.key)?, &polled.key, &polled.progress);
    let Some(stored) = stored(tx, at, key)? else { return Ok(()) };
    let known = stored.checkpoint.progress;
    let learned = polled.learned.as_ref().unwrap_or(&stored.checkpoint.learned);
    let row = params![
        at.tenant,
        at.source,
        at.connection,
        &*key.stream,
        micros(known.asked_at.max(new.asked_at)),
        micros(known.read_at.max(new.read_at)),
        micros(known.changed_at.max(new.changed_at)),
        signed(known.polls.saturating_add(new.polls)),
        signed(known.empty.saturating_add(new.empty)),
        signed(known.failed.saturating_add(new.failed)),
        signed(known.changes.saturating_add(new.changes)),
        signed(known.requests.saturating_add(new.requests)),
        &**learned,
        signed(known.unmodified.saturating_add(new.unmodified)),
    ];
    tx.execute(Query::put_progress, row).map(drop)
}

pub(crate) fn list(
    view: &mut View<'_, '_>,
    tenant: &Tenant,
    source: Option<&SourceName>,
) -> Result<Vec<Checkpoint>, Failure> {
    let lookup = view.lookup();
    let Some(number) = lookup.id(tenant.as_str())? else { return Ok(Vec::new()) };
    let mut found: Vec<Checkpoint> = view.rows(Query::checkpoints, [number], |row| {
        let key = StreamKey {
            tenant: tenant.clone(),
            source: lookup.name(row.get(16)?)?.source()?,
            connection: lookup.name(row.get(17)?)?.connection()?,
            stream: text(row, 18)?,
        };
        Ok(read(row, key)?.checkpoint)
    })?;
    found.retain(|checkpoint| source.is_none_or(|source| checkpoint.key.source == *source));
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

fn stored(tx: &mut Tx<'_, '_>, at: Place, key: &StreamKey) -> Result<Option<Stored>, Failure> {
    let row = (at.tenant, at.source, at.connection, &*key.stream);
    tx.row(Query::checkpoint, row, |row| read(row, key.clone()))
}

fn read(row: &Row<'_>, key: StreamKey) -> Result<Stored, Failure> {
    let progress = Progress {
        asked_at: time_or_none(row, 5)?,
        read_at: time_or_none(row, 6)?,
        changed_at: time_or_none(row, 7)?,
        polls: count(row, 8)?,
        empty: count(row, 9)?,
        failed: count(row, 10)?,
        changes: count(row, 11)?,
        requests: count(row, 12)?,
        unmodified: count(row, 14)?,
    };
    let learned: Vec<u8> = row.get(13)?;
    let checkpoint = Checkpoint {
        key,
        state: text(row, 0)?,
        within: row.get::<_, Option<String>>(15)?.map(Into::into),
        baseline_at: time_or_none(row, 1)?,
        progress,
        learned: learned.into(),
    };
    let owner = row.get::<_, Option<i64>>(2)?.map(|code| Owner(u64::from_le_bytes(code.to_le_bytes())));
    Ok(Stored { checkpoint, owner, generation: count(row, 3)?, lease_until: time(row, 4)? })
}

/// An owner's number, bit for bit.
const fn owner_code(owner: Owner) -> i64 {
    i64::from_le_bytes(owner.0.to_le_bytes())
}
