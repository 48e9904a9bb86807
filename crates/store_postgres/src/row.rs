//! Rows as the domain's nouns.

use std::sync::Arc;

use bytes::Bytes;
use domain::{AttemptId, DeliveryId, Event, EventId, ReplayId, RequestId, Subject, Timestamp, Version};
use store::StoreError;
use store::dispatch::{Attempt, Cause};
use store::read::DeliveryRow;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::code::{action_of, assurance_of, origin_of, state_of, version_of};
use crate::failure::Failure;
use crate::value::with_nul;

pub(crate) fn cell<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, Failure> {
    row.try_get(column)
        .map_err(|error| StoreError::Corrupt(format!("a row cannot be read: {}", crate::failure::whole(&error))).into())
}

pub(crate) fn text(row: &Row, column: usize) -> Result<Arc<str>, Failure> {
    Ok(with_nul(cell::<&str>(row, column)?).into())
}

pub(crate) fn text_or_none(row: &Row, column: usize) -> Result<Option<Arc<str>>, Failure> {
    Ok(cell::<Option<&str>>(row, column)?.map(|text| with_nul(text).into()))
}

pub(crate) fn string_or_none(row: &Row, column: usize) -> Result<Option<String>, Failure> {
    Ok(cell::<Option<&str>>(row, column)?.map(|text| with_nul(text).into_owned()))
}

pub(crate) fn bytes(row: &Row, column: usize) -> Result<Bytes, Failure> {
    Ok(Bytes::copy_from_slice(cell::<&[u8]>(row, column)?))
}

pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    Ok(Timestamp::from_micros(cell(row, column)?))
}

pub(crate) fn time_or_none(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(cell::<Option<i64>>(row, column)?.map(Timestamp::from_micros))
}

/// A count or length, which is never negative.
pub(crate) fn count(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(u64::try_from(cell::<i64>(row, column)?).unwrap_or(0))
}

pub(crate) fn small(row: &Row, column: usize) -> Result<u32, Failure> {
    Ok(u32::try_from(cell::<i32>(row, column)?).unwrap_or(0))
}

/// A name, which was one when it was written.
pub(crate) fn name<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row, column: usize) -> Result<T, Failure> {
    cell::<&str>(row, column)?.parse().map_err(|error| StoreError::Corrupt(format!("{error}")).into())
}

/// A version in two columns, its kind first.
pub(crate) fn version(row: &Row, column: usize) -> Result<Option<Version>, Failure> {
    Ok(version_of(cell(row, column)?, cell(row, column + 1)?)?)
}

/// Columns of [`event`].
pub(crate) const EVENT_COLUMNS: usize = 19;

/// The event in the columns from `at` on: seq, id, tenant, source, connection, origin, assurance, action,
/// version_kind, version, occurred_at, received_at, request, type, native_type, subject, content_type, head, payload.
pub(crate) fn event(row: &Row, at: usize) -> Result<Event, Failure> {
    Ok(Event { payload: bytes(row, at + 18)?, ..event_head(row, at)? })
}

/// The same without its payload, whose column is not looked at.
pub(crate) fn event_head(row: &Row, at: usize) -> Result<Event, Failure> {
    Ok(Event {
        id: EventId::from_uuid(cell(row, at + 1)?),
        tenant: name(row, at + 2)?,
        source: name(row, at + 3)?,
        connection: name(row, at + 4)?,
        origin: origin_of(cell(row, at + 5)?)?,
        assurance: assurance_of(cell(row, at + 6)?)?,
        action: cell::<Option<i16>>(row, at + 7)?.map(action_of).transpose()?,
        version: version(row, at + 8)?,
        occurred_at: time_or_none(row, at + 10)?,
        received_at: time(row, at + 11)?,
        request: cell::<Option<Uuid>>(row, at + 12)?.map(RequestId::from_uuid),
        event_type: text(row, at + 13)?,
        native_type: text_or_none(row, at + 14)?,
        subject: text_or_none(row, at + 15)?.map(|text| Subject::from_text(&text)),
        content_type: text(row, at + 16)?,
        head: bytes(row, at + 17)?,
        payload: Bytes::new(),
    })
}

/// The replay of a column in which all zeroes mean none.
pub(crate) fn replay(row: &Row, column: usize) -> Result<Option<ReplayId>, Failure> {
    Ok(Some(cell::<Uuid>(row, column)?).filter(|id| !id.is_nil()).map(ReplayId::from_uuid))
}

/// The delivery in the columns of `delivery_rows`.
pub(crate) fn delivery(row: &Row) -> Result<DeliveryRow, Failure> {
    let state = state_of(cell(row, 3)?)?;
    let behind: bool = cell(row, 8)?;
    let waits = matches!(state, domain::DeliveryState::Pending | domain::DeliveryState::Retrying) && !behind;
    let detail = string_or_none(row, 12)?.unwrap_or_default();
    Ok(DeliveryRow {
        id: DeliveryId::from_uuid(cell(row, 0)?),
        event: EventId::from_uuid(cell(row, 1)?),
        replay: replay(row, 2)?,
        state,
        attempts: small(row, 4)?,
        created_at: time(row, 5)?,
        due_at: time_or_none(row, 6)?.filter(|_| waits),
        finished_at: time_or_none(row, 7)?,
        behind,
        route: name(row, 9)?,
        destination: name(row, 10)?,
        cause: text_or_none(row, 11)?.map(|code| Cause { code, detail }),
        event_type: text(row, 13)?,
        source: name(row, 14)?,
        connection: name(row, 15)?,
        subject: string_or_none(row, 16)?,
    })
}

/// The attempt in the columns of `attempts`.
pub(crate) fn attempt(row: &Row) -> Result<Attempt, Failure> {
    let wide = |column| Ok::<_, Failure>(cell::<Option<i64>>(row, column)?.and_then(|us| u64::try_from(us).ok()));
    Ok(Attempt {
        number: small(row, 0)?,
        id: AttemptId::from_uuid(cell(row, 1)?),
        started_at: time(row, 2)?,
        duration_us: count(row, 3)?,
        outcome: text(row, 4)?,
        status: cell::<Option<i32>>(row, 5)?.and_then(|status| u16::try_from(status).ok()),
        error: string_or_none(row, 6)?,
        connect_us: wide(7)?,
        first_byte_us: wide(8)?,
        peer: string_or_none(row, 9)?,
        response: bytes(row, 10)?,
    })
}
