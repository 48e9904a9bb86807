//! Checkpoints: who reads a stream, how far it was read, and the pages that move it.

use std::time::Duration;

use bytes::Bytes;
use domain::run::StreamKey;
use domain::{SourceName, Tenant, Timestamp};
use store::StoreError;
use store::dispatch::{Claim, Lease};
use store::intake::Accepted;
use store::reading::{Checkpoint, Polled, Progress, ReadPage};
use store::registry::is_shared;
use tokio_postgres::Row;

use crate::doubt::Answer;
use crate::failure::Failure;
use crate::intake::accept::accept_events;
use crate::intake::identify::Keys;
use crate::intake::identify::move_quietly;
use crate::perform::{Inner, owner_code};
use crate::query::Query;
use crate::row::{cell, count, name, text, time_or_none};
use crate::session::Session;
use crate::value::{Blob, Param, Text, micros, params, signed};

/// A checkpoint's row.
struct Stored {
    checkpoint: Checkpoint,
    owner: Option<i64>,
    generation: u64,
    /// Somebody's lease holds.
    leased: bool,
}

/// A stream as the first four parameters.
pub(super) fn key_params(key: &StreamKey) -> Vec<Param> {
    params![
        Text::from(key.tenant.as_str()),
        Text::from(key.source.as_str()),
        Text::from(key.connection.as_str()),
        Text::from(&key.stream),
    ]
}

/// The same with further ones behind them.
pub(super) fn with(key: &StreamKey, further: Vec<Param>) -> Vec<Param> {
    let mut all = key_params(key);
    all.extend(further);
    all
}

pub(super) async fn take(
    inner: &Inner,
    key: &StreamKey,
    lease: Lease,
    now: Timestamp,
) -> Result<Option<(Checkpoint, Claim)>, Failure> {
    let (base, clock) = inner.lease_time(now);
    inner
        .transaction(1, |session| async move {
            let mut found = lock(&session, inner, key, now).await?;
            if found.is_none() {
                session.execute(Query::insert_checkpoint, key_params(key)).await?;
                found = lock(&session, inner, key, now).await?;
            }
            let Some(stored) = found else { return Ok(None) };
            if stored.leased && stored.owner != Some(owner_code(lease.owner)) {
                return Ok(None);
            }
            let claim = Claim { owner: lease.owner, generation: stored.generation + 1 };
            let span = i64::try_from(lease.span.as_micros()).unwrap_or(i64::MAX);
            let row = params![owner_code(claim.owner), signed(claim.generation), base, clock, span];
            session.later(Query::lease_checkpoint, with(key, row));
            Ok(Some((stored.checkpoint, claim)))
        })
        .await
}

pub(super) async fn renew(
    inner: &Inner,
    key: &StreamKey,
    claim: Claim,
    (span, now): (Duration, Timestamp),
) -> Result<(), Failure> {
    let (base, clock) = inner.lease_time(now);
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let row = || with(key, params![signed(claim.generation), base, clock, span]);
    if inner.write(Query::renew_checkpoint, row).await? == 1 { Ok(()) } else { Err(StoreError::Fenced.into()) }
}

pub(super) async fn leave(inner: &Inner, key: &StreamKey, claim: Claim) -> Result<(), Failure> {
    inner.write(Query::leave_checkpoint, || with(key, params![signed(claim.generation)])).await.map(drop)
}

/// Fails unless the claim is the last that was given; it stays so until the commit.
pub(super) async fn fence(session: &Session, inner: &Inner, key: &StreamKey, claim: Claim) -> Result<(), Failure> {
    let stored = lock(session, inner, key, Timestamp::EPOCH).await?;
    let holds =
        |stored: &Stored| stored.generation == claim.generation && stored.owner == Some(owner_code(claim.owner));
    if stored.as_ref().is_some_and(holds) { Ok(()) } else { Err(StoreError::Fenced.into()) }
}

pub(super) async fn put_setting(
    inner: &Inner,
    key: &StreamKey,
    claim: Claim,
    (name, value): (&str, &Bytes),
) -> Result<(), Failure> {
    inner
        .transaction(1, |session| async move {
            fence(&session, inner, key, claim).await?;
            session.execute(Query::put_setting, params![Text::from(name), Blob(value.clone())]).await?;
            if is_shared(name) {
                crate::nodes::note_configured(&session);
            }
            Ok(())
        })
        .await
}

pub(super) async fn commit(inner: &Inner, page: &ReadPage, now: Timestamp) -> Result<Answer<Vec<Accepted>>, Failure> {
    inner.know_tenants(page.events.iter().map(|new| &new.event.tenant)).await?;
    let mut untold = inner.untold();
    let accepted = inner
        .claiming(1 + page.events.len() + page.quiet.len(), &mut untold, |session| async move {
            fence(&session, inner, &page.key, page.claim).await?;
            move_quietly(&session, &page.key, &page.quiet).await?;
            let events: Vec<_> = page.events.iter().map(|new| (new, now)).collect();
            let accepted = accept_events(&session, inner, &events, Keys::Asked).await?;
            if page.state.is_some() || page.baseline || page.within.is_some() {
                let baseline = page.baseline.then_some(now.as_micros());
                let moved =
                    params![page.state.as_ref().map(Text::from), baseline, page.within.as_ref().map(Text::from)];
                session.later(Query::move_checkpoint, with(&page.key, moved));
            }
            Ok(accepted)
        })
        .await?;
    Ok(untold.told_by(accepted))
}

pub(super) async fn forget(inner: &Inner, key: &StreamKey) -> Result<bool, Failure> {
    inner
        .transaction(1, |session| async move {
            session.later(Query::forget_absent, key_params(key));
            Ok(session.execute(Query::forget_checkpoint, key_params(key)).await? == 1)
        })
        .await
}

pub(super) async fn note(inner: &Inner, polls: &[Polled]) -> Result<(), Failure> {
    // In the order of their keys, so that two nodes that note at once do not wait for each other.
    let mut sorted: Vec<&Polled> = polls.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    let sorted = &sorted;
    inner
        .transaction(polls.len(), |session| async move {
            for polled in sorted {
                session.later(Query::add_progress, with(&polled.key, progress(polled)));
            }
            Ok(())
        })
        .await
}

fn progress(polled: &Polled) -> Vec<Param> {
    let new = &polled.progress;
    params![
        micros(new.asked_at),
        micros(new.read_at),
        micros(new.changed_at),
        signed(new.polls),
        signed(new.empty),
        signed(new.failed),
        signed(new.changes),
        signed(new.requests),
        polled.learned.as_ref().map(|learned| Blob::of(learned)),
        signed(new.unmodified),
    ]
}

pub(super) async fn list(
    inner: &Inner,
    tenant: &Tenant,
    source: Option<&SourceName>,
) -> Result<Vec<Checkpoint>, Failure> {
    let of = || params![Text::from(tenant.as_str()), source.map(|source| Text::from(source.as_str()))];
    let rows = inner.rows(Query::checkpoints, of).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push(read(row, tenant)?.checkpoint);
    }
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

async fn lock(session: &Session, inner: &Inner, key: &StreamKey, now: Timestamp) -> Result<Option<Stored>, Failure> {
    let (base, clock) = inner.lease_time(now);
    let row = session.row(Query::lock_checkpoint, with(key, params![base, clock])).await?;
    row.map(|row| read(&row, &key.tenant)).transpose()
}

fn read(row: &Row, tenant: &Tenant) -> Result<Stored, Failure> {
    let progress = Progress {
        asked_at: time_or_none(row, 4)?,
        read_at: time_or_none(row, 5)?,
        changed_at: time_or_none(row, 6)?,
        polls: count(row, 7)?,
        empty: count(row, 8)?,
        failed: count(row, 9)?,
        changes: count(row, 10)?,
        requests: count(row, 11)?,
        unmodified: count(row, 17)?,
    };
    let learned: &[u8] = cell(row, 12)?;
    let key = StreamKey {
        tenant: tenant.clone(),
        source: name(row, 13)?,
        connection: name(row, 14)?,
        stream: text(row, 15)?,
    };
    let (state, baseline_at) = (text(row, 0)?, time_or_none(row, 1)?);
    let within = crate::row::string_or_none(row, 18)?.map(Into::into);
    let checkpoint = Checkpoint { key, state, within, baseline_at, progress, learned: learned.into() };
    Ok(Stored { checkpoint, owner: cell(row, 2)?, generation: count(row, 3)?, leased: cell(row, 16)? })
}
