//! Answers for requests that come again with the same `Idempotency-Key`.

use bytes::Bytes;
use domain::Timestamp;
use domain::identity::Digest;
use rusqlite::params;
use store::registry::{IDEMPOTENT_WORK_MAX, Idempotency};

use crate::failure::Failure;
use crate::query::Query;
use crate::row::{bytes, time};
use crate::tx::Tx;

/// What is known of a key.
struct Known {
    request: Digest,
    begun_at: Timestamp,
    answer: Option<(u16, Bytes)>,
}

pub(crate) fn begin(
    tx: &mut Tx<'_, '_>,
    (tenant, key): (&str, &str),
    request: Digest,
    now: Timestamp,
) -> Result<Idempotency, Failure> {
    let tenant = tx.name(tenant)?;
    let row = params![tenant, key, request.0, now.as_micros()];
    if tx.execute(Query::begin_idempotent, row)? == 1 {
        return Ok(Idempotency::Fresh);
    }
    let known = tx.row(Query::idempotent, params![tenant, key], |row| {
        let status: Option<u16> = row.get(2)?;
        let body = bytes(row, 3)?;
        Ok(Known { request: Digest(row.get(0)?), begun_at: time(row, 1)?, answer: status.map(|status| (status, body)) })
    })?;
    Ok(match known {
        Some(known) if known.request != request => Idempotency::Mismatch,
        Some(Known { answer: Some((status, body)), .. }) => Idempotency::Answered { status, body },
        Some(known) if now.since(known.begun_at) < IDEMPOTENT_WORK_MAX => Idempotency::InProgress,
        _ => {
            tx.execute(Query::restart_idempotent, params![tenant, key, now.as_micros()])?;
            Idempotency::Fresh
        }
    })
}

pub(crate) fn finish(
    tx: &mut Tx<'_, '_>,
    (tenant, key): (&str, &str),
    answer: Option<&(u16, Bytes)>,
) -> Result<(), Failure> {
    let Some(tenant) = tx.known_name(tenant)? else { return Ok(()) };
    match answer {
        Some((status, body)) => tx.execute(Query::answer_idempotent, params![tenant, key, status, &**body]),
        None => tx.execute(Query::forget_idempotent, params![tenant, key]),
    }
    .map(drop)
}
