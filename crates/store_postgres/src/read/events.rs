//! Lists of events: by time, by source and connection, by subject; every other filter looks at row after row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Tenant, Timestamp};
use store::StoreError;
use store::patience::Patience;
use store::read::{EventFilter, EventRow, Listed, OUT_OF_ORDER, Page, Position, STRETCH_BYTES_MAX, Stretch};
use store::search::spellings;
use uuid::Uuid;

use crate::code::origin_code;
use crate::failure::Failure;
use crate::query::Query;
use crate::read::pager::{Entry, Pager, Statement, Wanted};
use crate::row::{cell, event, event_head};
use crate::session::Session;
use crate::value::{Blob, Text, micros, params};

/// Most connections of a source that are read side by side. Where there are more, a plain scan finds rows soon enough.
const CONNECTIONS_MAX: usize = 64;
/// Rows of the order of acceptance that are looked at in one statement.
const STRETCH_ROWS: usize = 256;

/// Where an event is in a list: when it was received, its number, and its id.
#[derive(Clone, Copy, Debug)]
struct Key {
    at: i64,
    seq: i64,
    id: Uuid,
}

const NEWEST: Key = Key { at: i64::MAX, seq: i64::MAX, id: Uuid::nil() };

/// Which index a list walks, newest first.
enum Index {
    Time,
    /// These connections of the source.
    Source(String, Vec<String>),
    Subject(String),
}

/// The index that fits a filter best.
async fn index(session: &Session, tenant: &Tenant, filter: &EventFilter) -> Result<Index, Failure> {
    if let Some(subject) = &filter.subject {
        return Ok(Index::Subject(subject.clone()));
    }
    let Some(source) = &filter.source else { return Ok(Index::Time) };
    let source = source.as_str().to_owned();
    if let Some(connection) = &filter.connection {
        return Ok(Index::Source(source, vec![connection.as_str().to_owned()]));
    }
    let most = i64::try_from(CONNECTIONS_MAX + 1).unwrap_or(i64::MAX);
    let row = params![Text::from(tenant.as_str()), Text::from(&source), most];
    let rows = session.rows(Query::connections, row).await?;
    let connections: Vec<String> = rows.iter().map(|row| cell(row, 0)).collect::<Result<_, _>>()?;
    Ok(if connections.len() > CONNECTIONS_MAX { Index::Time } else { Index::Source(source, connections) })
}

/// What is wanted of a row beyond what its index says.
fn wanted(statement: &mut Statement, filter: &EventFilter, index: Option<&Index>) -> Wanted {
    let mut wanted = Wanted::default();
    let by_source = matches!(index, Some(Index::Source(..)));
    let by_subject = matches!(index, Some(Index::Subject(_)));
    if let Some(source) = filter.source.as_ref().filter(|_| !by_source) {
        wanted.add(format!("e.source = {}", statement.param(Box::new(Text::from(source.as_str())))));
    }
    if let Some(connection) = filter.connection.as_ref().filter(|_| !by_source) {
        wanted.add(format!("e.connection = {}", statement.param(Box::new(Text::from(connection.as_str())))));
    }
    if let Some(subject) = filter.subject.as_ref().filter(|_| !by_subject) {
        wanted.add(format!("e.subject IS NOT DISTINCT FROM {}", statement.param(Box::new(Text::from(subject)))));
    }
    if let Some(origin) = filter.origin {
        wanted.add(format!("e.origin = {}", statement.param(Box::new(origin_code(origin)))));
    }
    if let Some(pattern) = &filter.event_type {
        wanted.add(match pattern.strip_suffix('*') {
            Some(prefix) => format!("starts_with(e.type, {})", statement.param(Box::new(Text::from(prefix)))),
            None => format!("e.type = {}", statement.param(Box::new(Text::from(pattern)))),
        });
    }
    if let Some(q) = &filter.q {
        let text = statement.param(Box::new(Text::from(q)));
        let held = |spelling: &String| {
            let bytes = statement.param(Box::new(Blob::of(spelling.as_bytes())));
            format!("position({bytes}::bytea IN e.payload) > 0")
        };
        let payload = spellings(q).iter().map(held).collect::<Vec<_>>().join(" OR ");
        wanted.add(format!("(strpos(e.type, {text}) > 0 OR coalesce(strpos(e.subject, {text}), 0) > 0 OR {payload})"));
    }
    wanted
}

/// The next entries of a list, and whether every row of its index is wanted.
fn entries(tenant: &Tenant, filter: &EventFilter, index: &Index, before: Key, chunk: i64) -> (Statement, bool) {
    let since = micros(filter.since).unwrap_or(i64::MIN);
    let tenant = Text::from(tenant.as_str());
    let mut statement = Statement::new(params![tenant, before.at, before.seq, since, chunk]);
    let wanted = wanted(&mut statement, filter, Some(index));
    let select =
        format!("SELECT e.received_at, e.seq, e.id, {} AS wanted FROM events e WHERE e.tenant = $1", wanted.text());
    let range = "AND (e.received_at, e.seq) < ($2, $3) AND e.received_at >= $4 \
                 ORDER BY e.received_at DESC, e.seq DESC LIMIT $5";
    match index {
        Index::Time => statement.push(&format!("{select} {range}")),
        Index::Subject(subject) => {
            let subject = statement.param(Box::new(Text::from(subject)));
            statement.push(&format!("{select} AND e.subject = {subject} {range}"));
        }
        Index::Source(source, connections) => {
            let source = statement.param(Box::new(Text::from(source)));
            let connections: Vec<Text> = connections.iter().map(Text::from).collect();
            let connections = statement.param(Box::new(connections));
            statement.push(&format!(
                "SELECT k.received_at, k.seq, k.id, k.wanted FROM unnest({connections}::text[]) AS c (connection) \
                 CROSS JOIN LATERAL ({select} AND e.source = {source} AND e.connection = c.connection {range}) AS k \
                 ORDER BY k.received_at DESC, k.seq DESC LIMIT $5"
            ));
        }
    }
    (statement, wanted.is_anything())
}

/// Where a list begins: after the page before, and before the end of the time that is asked for.
fn begin(filter: &EventFilter, after: Key) -> Key {
    match filter.until {
        // The range is below the key: one lower than the lowest number of that time.
        Some(until) if until.as_micros() <= after.at => Key { at: until.as_micros(), seq: i64::MIN, ..after },
        _ => after,
    }
}

async fn read_entries(session: &Session, statement: Statement) -> Result<Vec<Entry<Key>>, Failure> {
    let text = statement.text().to_owned();
    let mut entries = Vec::new();
    for row in session.rows_of(&text, statement.params).await? {
        let key = Key { at: cell(&row, 0)?, seq: cell(&row, 1)?, id: cell(&row, 2)? };
        let wanted = cell::<Option<bool>>(&row, 3)?.unwrap_or(false);
        entries.push(Entry { key, at: Timestamp::from_micros(key.at), wanted });
    }
    Ok(entries)
}

pub(super) async fn list(
    session: &Session,
    tenant: &Tenant,
    filter: &EventFilter,
    page: &Page,
    inline: bool,
) -> Result<Listed<EventRow>, Failure> {
    let after = page.after.as_ref().map_or(Ok(NEWEST), parse)?;
    let index = index(session, tenant, filter).await?;
    let mut before = begin(filter, after);
    let all = entries(tenant, filter, &index, before, 1).1;
    let mut pager = Pager::new(page, all, inline);
    loop {
        let (statement, _) = entries(tenant, filter, &index, before, pager.chunk());
        let chunk = read_entries(session, statement).await?;
        before = chunk.last().map_or(before, |entry| entry.key);
        if !pager.goes_on(chunk) {
            break;
        }
    }
    let next = pager.next_position(|key| format!("{}.{}", key.at, key.seq));
    let ids: Vec<Uuid> = pager.chosen.iter().map(|key| key.id).collect();
    let mut rows = event_rows(session, tenant, &ids).await?;
    let rows = ids.iter().filter_map(|id| rows.remove(id)).collect();
    Ok(Listed { rows, next, searched_until: pager.searched_until })
}

async fn event_rows(session: &Session, tenant: &Tenant, ids: &[Uuid]) -> Result<BTreeMap<Uuid, EventRow>, Failure> {
    let mut rows = BTreeMap::new();
    if ids.is_empty() {
        return Ok(rows);
    }
    for row in session.rows(Query::event_heads, params![Text::from(tenant.as_str()), ids.to_vec()]).await? {
        let event = event_head(&row, 0)?;
        let payload_bytes = u64::try_from(cell::<i32>(&row, 18)?).unwrap_or(0);
        let position = Position(cell::<i64>(&row, 0)?.to_string());
        rows.insert(event.id.uuid(), EventRow { event: Arc::new(event), payload_bytes, position });
    }
    Ok(rows)
}

pub(super) async fn count_matching(
    session: &Session,
    tenant: &Tenant,
    filter: &EventFilter,
    scan: Duration,
    inline: bool,
) -> Result<(u64, bool), Failure> {
    let index = index(session, tenant, filter).await?;
    let mut patience = Patience::new(scan, inline);
    let mut before = begin(filter, NEWEST);
    let mut matching = 0;
    let mut chunk = STRETCH_ROWS;
    loop {
        let most = i64::try_from(chunk).unwrap_or(i64::MAX);
        let found = read_entries(session, entries(tenant, filter, &index, before, most).0).await?;
        let (length, last) = (found.len(), found.last().map(|entry| entry.key));
        for (looked, entry) in found.iter().enumerate() {
            matching += u64::from(entry.wanted);
            if patience.exhausted() {
                return Ok((matching, looked + 1 == length && length < chunk));
            }
        }
        let Some(last) = last.filter(|_| length == chunk) else { return Ok((matching, true)) };
        before = last;
        chunk = (chunk * 2).min(STRETCH_ROWS * 64);
    }
}

/// Matching events in the order of acceptance, and how far that was looked through.
pub(super) async fn after(
    session: &Session,
    tenant: &Tenant,
    filter: &EventFilter,
    page: &Page,
    inline: bool,
) -> Result<Stretch, Failure> {
    let from = page.after.as_ref().map_or(Ok(0), number)?;
    let mut patience = Patience::new(page.scan, inline);
    let (mut ids, mut bytes, mut last, mut over, mut more) = (Vec::new(), 0usize, from, false, false);
    'walk: loop {
        let rows = accepted_after(session, tenant, filter, last).await?;
        let length = rows.len();
        for (seq, id, payload, wanted) in rows {
            if over || ids.len() >= page.limit as usize || bytes >= STRETCH_BYTES_MAX {
                more = true;
                break 'walk;
            }
            (last, over) = (seq, patience.exhausted());
            if wanted {
                bytes += payload;
                ids.push(id);
            }
        }
        if length < STRETCH_ROWS {
            break;
        }
    }
    let mut events = Vec::new();
    if !ids.is_empty() {
        for row in session.rows(Query::events_whole, params![Text::from(tenant.as_str()), ids]).await? {
            events.push((Position(cell::<i64>(&row, 0)?.to_string()), Arc::new(event(&row, 0)?)));
        }
    }
    Ok(Stretch { events, until: Position(last.to_string()), more })
}

/// The next of the order of acceptance: number, id, payload bytes, and whether it is wanted.
async fn accepted_after(
    session: &Session,
    tenant: &Tenant,
    filter: &EventFilter,
    after: i64,
) -> Result<Vec<(i64, Uuid, usize, bool)>, Failure> {
    let rows = i64::try_from(STRETCH_ROWS).unwrap_or(i64::MAX);
    let mut statement = Statement::new(params![Text::from(tenant.as_str()), after, rows]);
    let mut wanted = wanted(&mut statement, filter, None);
    if let Some(since) = filter.since {
        wanted.add(format!("e.received_at >= {}", statement.param(Box::new(since.as_micros()))));
    }
    if let Some(until) = filter.until {
        wanted.add(format!("e.received_at < {}", statement.param(Box::new(until.as_micros()))));
    }
    let text = format!(
        "SELECT e.seq, e.id, octet_length(e.payload), {} FROM events e WHERE e.tenant = $1 AND e.seq > $2 \
         ORDER BY e.seq LIMIT $3",
        wanted.text()
    );
    let mut found = Vec::new();
    for row in session.rows_of(&text, statement.params).await? {
        let payload = usize::try_from(cell::<i32>(&row, 2)?).unwrap_or(0);
        found.push((cell(&row, 0)?, cell(&row, 1)?, payload, cell::<Option<bool>>(&row, 3)?.unwrap_or(false)));
    }
    Ok(found)
}

/// Positions are of one tenant: another's events do not move them.
pub(super) async fn tail_position(session: &Session, tenant: &Tenant) -> Result<Position, Failure> {
    let row = session.row(Query::last_seq, params![Text::from(tenant.as_str())]).await?;
    let last = row.map(|row| cell::<i64>(&row, 0)).transpose()?.unwrap_or(0);
    Ok(Position(last.to_string()))
}

/// Where everything begins that was received since then.
pub(super) async fn position_since(session: &Session, tenant: &Tenant, since: Timestamp) -> Result<Position, Failure> {
    // First: what is accepted in between lies after it.
    let last = tail_position(session, tenant).await?;
    let (since, mut first) = (since.as_micros(), None);
    let mut found = session.row(Query::first_since, params![Text::from(tenant.as_str()), since]).await?;
    while let Some(row) = found {
        let seq: i64 = cell(&row, 0)?;
        let row = params![Text::from(tenant.as_str()), since, seq.saturating_sub(i64::from(OUT_OF_ORDER)), seq];
        found = session.row(Query::accepted_before, row).await?;
        first = Some(seq);
    }
    Ok(first.map_or(last, |first| Position((first - 1).to_string())))
}

fn parse(position: &Position) -> Result<Key, Failure> {
    let parts = position.0.split_once('.').and_then(|(at, seq)| Some((at.parse().ok()?, seq.parse().ok()?)));
    let (at, seq) = parts.ok_or_else(|| not_a_position(position))?;
    Ok(Key { at, seq, id: Uuid::nil() })
}

fn number(position: &Position) -> Result<i64, Failure> {
    position.0.parse().map_err(|_| not_a_position(position))
}

pub(crate) fn not_a_position(position: &Position) -> Failure {
    let text: String = position.0.chars().take(64).collect();
    StoreError::Refused(format!("'{text}' is no place in this list; start again without it")).into()
}
