//! Lists of events: by time, by source and connection, by subject; every other filter looks at row after row.

use std::sync::Arc;

use domain::Timestamp;
use memchr::memmem::Finder;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use store::StoreError;
use store::read::{EventFilter, EventRow, Listed, Page, Position, STRETCH_BYTES_MAX, Stretch};
use store::search::spellings;

use crate::code::origin_code;
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::read::merge::{self, Merge, RANGES_MAX, Walk};
use crate::row::{Lookup, count, event, micros};
use crate::view::View;
use store::patience::Patience;

/// Where an event is in a list: when it was received, and its number.
type Key = (i64, i64);

const NEWEST: Key = (i64::MAX, i64::MAX);

/// What a row has to be, beyond what its range of the index says.
struct Wanted<'f> {
    source: Option<NameId>,
    connection: Option<NameId>,
    origin: Option<i64>,
    event_type: Option<&'f str>,
    subject: Option<&'f str>,
    q: Option<Text<'f>>,
}

/// A text to look for, and how a payload may hold it.
struct Text<'f> {
    plain: Finder<'f>,
    spellings: Vec<Finder<'static>>,
}

impl<'f> Text<'f> {
    fn new(text: &'f str) -> Self {
        let spellings = spellings(text).iter().map(|spelling| Finder::new(spelling.as_bytes()).into_owned()).collect();
        Self { plain: Finder::new(text.as_bytes()), spellings }
    }

    fn is_in(&self, kind: &[u8], subject: &[u8], payload: &[u8]) -> bool {
        [kind, subject].iter().any(|text| self.plain.find(text).is_some())
            || self.spellings.iter().any(|spelling| spelling.find(payload).is_some())
    }
}

impl<'f> Wanted<'f> {
    /// `None`: a name in the filter was never used, so nothing can match.
    fn of(filter: &'f EventFilter, lookup: Lookup<'_>) -> Result<Option<Self>, Failure> {
        let id = |name: Option<&str>| match name {
            None => Ok(Some(None)),
            Some(name) => Ok::<_, Failure>(lookup.id(name)?.map(Some)),
        };
        let source = id(filter.source.as_ref().map(domain::SourceName::as_str))?;
        let connection = id(filter.connection.as_ref().map(domain::ConnectionName::as_str))?;
        let (Some(source), Some(connection)) = (source, connection) else { return Ok(None) };
        Ok(Some(Self {
            source,
            connection,
            origin: filter.origin.map(origin_code),
            event_type: filter.event_type.as_deref(),
            subject: filter.subject.as_deref(),
            q: filter.q.as_deref().map(Text::new),
        }))
    }

    /// Whether nothing is left to look at in a row.
    fn is_anything(&self) -> bool {
        self.source.is_none()
            && self.connection.is_none()
            && self.origin.is_none()
            && self.event_type.is_none()
            && self.subject.is_none()
            && self.q.is_none()
    }

    /// The statement that reads what `matches` looks at.
    fn query(&self) -> Query {
        if self.q.is_some() { Query::event_by_seq } else { Query::event_row }
    }

    fn matches(&self, row: &Row<'_>) -> Result<bool, Failure> {
        let is = |wanted: Option<i64>, column| match wanted {
            None => Ok::<_, Failure>(true),
            Some(wanted) => Ok(row.get::<_, i64>(column)? == wanted),
        };
        if !(is(self.source, 3)? && is(self.connection, 4)? && is(self.origin, 5)?) {
            return Ok(false);
        }
        let (kind, subject) = (text(row, 13)?, text(row, 15)?);
        Ok(self.event_type.is_none_or(|pattern| fits(pattern, kind))
            && self.subject.is_none_or(|wanted| wanted.as_bytes() == subject)
            && match &self.q {
                None => true,
                Some(q) => q.is_in(kind, subject, text(row, 18)?),
            })
    }
}

/// Exact, or a prefix when it ends with `*`.
fn fits(pattern: &str, kind: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix.as_bytes()),
        None => kind == pattern.as_bytes(),
    }
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], Failure> {
    match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(bytes),
        _ => Ok(&[]),
    }
}

/// Which index to walk, and from when on.
struct EventWalk {
    tenant: NameId,
    since: i64,
    index: Index,
}

enum Index {
    Time,
    /// Each connection of the source is a range of its own.
    Source(NameId),
    Subject(String),
}

impl Walk for EventWalk {
    type Key = Key;

    fn chunk(
        &self,
        view: &mut View<'_, '_>,
        connection: i64,
        (time, seq): Key,
        limit: usize,
    ) -> Result<Vec<Key>, Failure> {
        let (tenant, since) = (self.tenant, self.since);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let key = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        match &self.index {
            Index::Time => view.rows(Query::events_by_time, (tenant, time, seq, since, limit), key),
            Index::Source(source) => {
                view.rows(Query::events_by_source, (tenant, time, seq, since, limit, source, connection), key)
            }
            Index::Subject(subject) => {
                view.rows(Query::events_by_subject, (tenant, time, seq, since, limit, subject), key)
            }
        }
    }
}

/// The index that fits a filter best; what it takes care of is wanted of the rows no more.
fn walk(
    view: &mut View<'_, '_>,
    tenant: NameId,
    filter: &EventFilter,
    wanted: &mut Wanted<'_>,
    after: Key,
) -> Result<Merge<EventWalk>, Failure> {
    let since = micros(filter.since).unwrap_or(i64::MIN);
    let until = filter.until.map_or(NEWEST, |until| (until.as_micros().saturating_sub(1), i64::MAX));
    let (index, ranges) = index(view, tenant, wanted)?;
    Ok(Merge::new(EventWalk { tenant, since, index }, ranges, after.min(until)))
}

fn index(view: &mut View<'_, '_>, tenant: NameId, wanted: &mut Wanted<'_>) -> Result<(Index, Vec<i64>), Failure> {
    if let Some(subject) = wanted.subject.take() {
        return Ok((Index::Subject(subject.to_owned()), vec![0]));
    }
    let Some(source) = wanted.source else { return Ok((Index::Time, vec![0])) };
    let connections = match wanted.connection {
        Some(connection) => vec![connection],
        None => connections(view, tenant, source)?,
    };
    if connections.len() > RANGES_MAX {
        return Ok((Index::Time, vec![0]));
    }
    (wanted.source, wanted.connection) = (None, None);
    Ok((Index::Source(source), connections))
}

/// The connections of a source that have events, as far as it matters how many there are.
fn connections(view: &mut View<'_, '_>, tenant: NameId, source: NameId) -> Result<Vec<i64>, Failure> {
    merge::ranges(view, Query::next_connection, RANGES_MAX + 1, |last| (tenant, source, last))
}

pub(crate) fn list(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &EventFilter,
    page: &Page,
) -> Result<Listed<EventRow>, Failure> {
    let lookup = view.lookup();
    let (Some(tenant), Some(mut wanted)) = (lookup.id(tenant)?, Wanted::of(filter, lookup)?) else {
        return Ok(Listed { rows: Vec::new(), next: None, searched_until: None });
    };
    let after = page.after.as_ref().map_or(Ok(NEWEST), parse)?;
    let walk = walk(view, tenant, filter, &mut wanted, after)?;
    walk.page(view, page, position, |view, (at, seq)| {
        let found = view.row(wanted.query(), [seq], |row| {
            Ok(if wanted.matches(row)? { Some(event_row(row, lookup)?) } else { None })
        })?;
        Ok(Some((Timestamp::from_micros(at), found.flatten())))
    })
}

fn event_row(row: &Row<'_>, lookup: Lookup<'_>) -> Result<EventRow, Failure> {
    let mut event = event(row, lookup)?;
    let payload_bytes = match row.get_ref(18)? {
        ValueRef::Blob(bytes) => bytes.len() as u64,
        _ => count(row, 18)?,
    };
    event.payload = bytes::Bytes::new();
    let position = Position(row.get::<_, i64>(0)?.to_string());
    Ok(EventRow { event: Arc::new(event), payload_bytes, position })
}

pub(crate) fn count_matching(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &EventFilter,
    mut patience: Patience,
) -> Result<(u64, bool), Failure> {
    let lookup = view.lookup();
    let (Some(tenant), Some(mut wanted)) = (lookup.id(tenant)?, Wanted::of(filter, lookup)?) else {
        return Ok((0, true));
    };
    let mut walk = walk(view, tenant, filter, &mut wanted, NEWEST)?;
    let mut matching = 0;
    while let Some((_, seq)) = walk.next(view)? {
        let matches =
            wanted.is_anything() || view.row(wanted.query(), [seq], |row| wanted.matches(row))?.unwrap_or(false);
        matching += u64::from(matches);
        if patience.exhausted() {
            return Ok((matching, walk.next(view)?.is_none()));
        }
    }
    Ok((matching, true))
}

/// Matching events in the order of acceptance, and how far that was looked through.
pub(crate) fn after(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &EventFilter,
    page: &Page,
) -> Result<Stretch, Failure> {
    let lookup = view.lookup();
    let from = page.after.as_ref().map_or(Ok(0), number)?;
    let (Some(tenant), Some(wanted)) = (lookup.id(tenant)?, Wanted::of(filter, lookup)?) else {
        // A name that was never used: whatever is there now, none of it matches.
        let last: i64 = view.row(Query::last_seq, [], |row| Ok(row.get(0)?))?.unwrap_or(0);
        return Ok(Stretch { events: Vec::new(), until: Position(last.max(from).to_string()), more: false });
    };
    let (since, until) = (micros(filter.since).unwrap_or(i64::MIN), micros(filter.until).unwrap_or(i64::MAX));
    let mut patience = Patience::new(page.scan, view.shared.options.inline);
    let (mut events, mut bytes, mut last, mut over, mut more) = (Vec::new(), 0, from, false, false);
    view.sql.rows_while(Query::events_after, [from], |row| {
        if over || events.len() >= page.limit as usize || bytes >= STRETCH_BYTES_MAX {
            more = true;
            return Ok(None);
        }
        (last, over) = (row.get(0)?, patience.exhausted());
        let (of, received): (NameId, i64) = (row.get(2)?, row.get(11)?);
        if of == tenant && (since..until).contains(&received) && wanted.matches(row)? {
            let event = event(row, lookup)?;
            bytes += event.payload.len();
            events.push((Position(last.to_string()), Arc::new(event)));
        }
        Ok(Some(()))
    })?;
    Ok(Stretch { events, until: Position(last.to_string()), more })
}

fn position((time, seq): Key) -> Position {
    Position(format!("{time}.{seq}"))
}

fn parse(position: &Position) -> Result<Key, Failure> {
    let parts = position.0.split_once('.').and_then(|(time, seq)| Some((time.parse().ok()?, seq.parse().ok()?)));
    parts.ok_or_else(|| not_a_position(position))
}

pub(crate) fn number(position: &Position) -> Result<i64, Failure> {
    position.0.parse().map_err(|_| not_a_position(position))
}

pub(crate) fn not_a_position(position: &Position) -> Failure {
    let text: String = position.0.chars().take(64).collect();
    StoreError::Refused(format!("'{text}' is no place in this list; start again without it")).into()
}
