//! Rows as the domain's nouns, and back.

use std::sync::Arc;

use bytes::Bytes;
use domain::{DeliveryId, Event, EventId, ReplayId, RequestId, Subject, Timestamp};
use rusqlite::{Connection, Row, types::ValueRef};
use store::StoreError;
use store::dispatch::{Attempt, Cause};
use store::read::DeliveryRow;
use uuid::Uuid;

use crate::claims::Claims;
use crate::code::{Stored, action_of, assurance_of, origin_of, version_of};
use crate::failure::{Failure, store_error};
use crate::names::{Name, NameId, Names};
use crate::query::Query;

/// Finds names by number: in memory, else in the table.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'c> {
    pub(crate) names: &'c Names,
    pub(crate) connection: &'c Connection,
}

impl Lookup<'_> {
    pub(crate) fn name(self, id: NameId) -> Result<Arc<Name>, Failure> {
        if let Some(name) = self.names.name(id) {
            return Ok(name);
        }
        let mut statement = self.connection.prepare_cached(Query::name_text.text())?;
        let text = statement.query_row([id], |row| row.get::<_, String>(0));
        let text = text.map_err(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => StoreError::Corrupt(format!("there is no name {id}")),
            other => store_error(&other),
        })?;
        Ok(self.names.learn(id, &text))
    }

    /// The number of a name, if it was ever used.
    pub(crate) fn id(self, text: &str) -> Result<Option<NameId>, Failure> {
        if let Some(id) = self.names.id(text) {
            return Ok(Some(id));
        }
        let mut statement = self.connection.prepare_cached(Query::name_id.text())?;
        let mut rows = statement.query([text])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let id = row.get(0)?;
        self.names.learn(id, text);
        Ok(Some(id))
    }
}

pub(crate) fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid, Failure> {
    Ok(Uuid::from_bytes(row.get::<_, [u8; 16]>(column)?))
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Failure> {
    Ok(Timestamp::from_micros(row.get(column)?))
}

pub(crate) fn time_or_none(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

pub(crate) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}

pub(crate) fn bytes(row: &Row<'_>, column: usize) -> Result<Bytes, Failure> {
    match row.get_ref(column)? {
        ValueRef::Blob(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        // Of event_row, which reads the length in place of the payload.
        _ => Ok(Bytes::new()),
    }
}

pub(crate) fn text(row: &Row<'_>, column: usize) -> Result<Arc<str>, Failure> {
    Ok(text_or_none(row, column)?.unwrap_or_else(|| Arc::from("")))
}

pub(crate) fn text_or_none(row: &Row<'_>, column: usize) -> Result<Option<Arc<str>>, Failure> {
    let value = row.get_ref(column)?;
    let text =
        value.as_str_or_null().map_err(|error| StoreError::Corrupt(format!("a text cannot be read: {error}")))?;
    Ok(text.map(Arc::from))
}

/// A count or length, which is never negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> Result<u64, Failure> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

pub(crate) fn small(row: &Row<'_>, column: usize) -> Result<u32, Failure> {
    Ok(u32::try_from(row.get::<_, i64>(column)?).unwrap_or(u32::MAX))
}

/// As many micros or bytes as a column can hold.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The event in the first 19 columns, as `event_by_seq` names them.
pub(crate) fn event(row: &Row<'_>, lookup: Lookup<'_>) -> Result<Event, Failure> {
    let id = uuid(row, 1)?;
    let request = match row.get_ref(12)? {
        ValueRef::Blob([]) => Some(id),
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes).ok(),
        _ => None,
    };
    Ok(Event {
        id: EventId::from_uuid(id),
        tenant: lookup.name(row.get(2)?)?.tenant()?,
        source: lookup.name(row.get(3)?)?.source()?,
        connection: lookup.name(row.get(4)?)?.connection()?,
        origin: origin_of(row.get(5)?)?,
        assurance: assurance_of(row.get(6)?)?,
        action: row.get::<_, Option<i64>>(7)?.map(action_of).transpose()?,
        version: version_of(row.get(8)?, row.get(9)?)?,
        occurred_at: time_or_none(row, 10)?,
        received_at: time(row, 11)?,
        request: request.map(RequestId::from_uuid),
        event_type: text(row, 13)?,
        native_type: text_or_none(row, 14)?,
        subject: text_or_none(row, 15)?.map(|text| Subject::from_text(&text)),
        content_type: text(row, 16)?,
        head: bytes(row, 17)?,
        payload: bytes(row, 18)?,
    })
}

/// What an event's `request` column holds: an empty blob says that it shares the event's UUID.
pub(crate) fn request_column(event: &Event) -> Option<&[u8]> {
    event.request.as_ref().map(|request| if request.uuid() == event.id.uuid() { &[] } else { &request.as_bytes()[..] })
}

/// The delivery in the columns of `delivery_row`.
pub(crate) fn delivery(row: &Row<'_>, lookup: Lookup<'_>, claims: &Claims) -> Result<DeliveryRow, Failure> {
    let id = DeliveryId::from_uuid(uuid(row, 1)?);
    let stored = Stored::of(row.get(4)?)?;
    let due = time_or_none(row, 7)?;
    let behind = due == Some(Timestamp::NEVER);
    Ok(DeliveryRow {
        id,
        route: lookup.name(row.get(2)?)?.route()?,
        destination: lookup.name(row.get(3)?)?.destination()?,
        state: stored.shown(claims.has(id)),
        attempts: small(row, 5)?,
        created_at: time(row, 6)?,
        due_at: due.filter(|_| stored.is_waiting() && !behind),
        finished_at: time_or_none(row, 8)?,
        cause: text_or_none(row, 9)?
            .map(|code| Ok::<_, Failure>(Cause { code, detail: row.get::<_, Option<String>>(10)?.unwrap_or_default() }))
            .transpose()?,
        event: EventId::from_uuid(uuid(row, 11)?),
        event_type: text(row, 12)?,
        source: lookup.name(row.get(13)?)?.source()?,
        connection: lookup.name(row.get(14)?)?.connection()?,
        subject: row.get(15)?,
        replay: row.get::<_, Option<[u8; 16]>>(16)?.map(|id| ReplayId::from_uuid(Uuid::from_bytes(id))),
        behind,
    })
}

/// The attempt in the columns of `attempts`.
pub(crate) fn attempt(row: &Row<'_>) -> Result<Attempt, Failure> {
    let wide = |column| Ok::<_, Failure>(row.get::<_, Option<i64>>(column)?.and_then(|us| u64::try_from(us).ok()));
    Ok(Attempt {
        number: small(row, 0)?,
        id: domain::AttemptId::from_uuid(uuid(row, 1)?),
        started_at: time(row, 2)?,
        duration_us: count(row, 3)?,
        outcome: text(row, 4)?,
        status: row.get(5)?,
        error: row.get(6)?,
        connect_us: wide(7)?,
        first_byte_us: wide(8)?,
        peer: row.get(9)?,
        response: bytes(row, 10)?,
    })
}
