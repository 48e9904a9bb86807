//! Spans of time with partitions of their own: made ahead of time, and dropped when all of them is old enough, with
//! what has to stay carried over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Tenant, Timestamp};
use store::keep::Pruned;
use uuid::Uuid;

use super::prune::free_lanes;
use super::text;
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, count, name};
use crate::session::Session;
use crate::value::{Param, Text, params};

/// Tables that hold what belongs to one event, and which of their columns is the event's id; in the order in which those
/// that settle, accept and read come to them, so that whoever waits for one of them has none of those after it.
pub(super) const TABLES: [(&str, &str); 5] = [
    ("attempts", "event"),
    ("ended_deliveries", "event"),
    ("events", "id"),
    ("sightings", "event"),
    ("prepared", "event"),
];
/// Where events lie that are in no span.
pub(super) const REST: &str = "events_rest";
/// Spans that are made before they begin: a node that is down for days finds its partitions there.
const AHEAD: u32 = 4;
/// Spans that are made for what is copied here: longer than most keep their events.
const BACK: i64 = 120;
/// What is older has spans so many times as long, because every partition costs every statement; none has it lie outside of
/// spans, because all of that is looked through whenever a span is made, while ingest waits.
const COARSE: i64 = 16;
/// What making or dropping a span may wait for those who use its tables, before it is left for a later round: whoever
/// comes meanwhile, ingest above all, waits behind it.
const TABLE_LOCK_TIME_MS: u32 = 200;
/// Most events that are carried over out of a dropped span: nobody else gets at these tables while they are, and ingest
/// waits that long. A span of which more has to stay is kept whole until less does.
const CARRY_MAX: u64 = 20_000;

/// A span of time, by the ids that begin in it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) suffix: String,
    from: Uuid,
    to: Uuid,
    /// Of the events' partition, its indexes included.
    pub(super) bytes: u64,
}

impl Span {
    fn of(index: i64, length_ms: i64) -> Self {
        let (from, to) = (index.saturating_mul(length_ms), index.saturating_add(1).saturating_mul(length_ms));
        Self { suffix: format!("p{from}"), from: lowest_id(from), to: lowest_id(to), bytes: 0 }
    }

    pub(super) fn begins_at(&self) -> Timestamp {
        time_of(self.from)
    }

    pub(super) fn ends_at(&self) -> Timestamp {
        time_of(self.to)
    }

    /// The partition of a table that is this span's.
    pub(super) fn table(&self, of: &str) -> String {
        format!("{of}_{}", self.suffix)
    }
}

/// The lowest id that can begin in this millisecond: an id's first 48 bits are its time.
fn lowest_id(millis: i64) -> Uuid {
    let millis = u128::from(u64::try_from(millis).unwrap_or(0)) & ((1 << 48) - 1);
    Uuid::from_u128(millis << 80)
}

fn time_of(id: Uuid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX))
}

/// Makes the spans that are needed from the start on.
pub(crate) async fn prepare(inner: &Inner) -> Result<(), Failure> {
    make(inner, inner.options.now).await
}

/// Makes the span of this time and those after it, where they are missing. Where others use the tables all the time, that
/// is left for a later round: the next spans were made days ago.
pub(super) async fn make(inner: &Inner, now: Timestamp) -> Result<(), Failure> {
    let length = length_ms(inner);
    let first = now.as_millis().div_euclid(length);
    let spans = (first..first.saturating_add(i64::from(AHEAD))).map(|index| Span::of(index, length));
    match make_all(inner, spans).await {
        Err(Failure::Locked(_)) => Ok(()),
        made => made,
    }
}

/// Makes the spans of events that are about to be copied here.
pub(crate) async fn make_of(inner: &Inner, ids: &BTreeSet<Uuid>) -> Result<(), Failure> {
    let length = length_ms(inner);
    let oldest = inner.options.now.as_millis().div_euclid(length).saturating_sub(BACK);
    let indexes: BTreeSet<i64> = ids.iter().map(|id| time_of(*id).as_millis().div_euclid(length)).collect();
    let spans = indexes.into_iter().flat_map(|index| {
        let coarse = Span::of(index.div_euclid(COARSE), length.saturating_mul(COARSE));
        // A short one where a long one would overlap those that were short when the copy began.
        (index < oldest).then_some(coarse).into_iter().chain([Span::of(index, length)])
    });
    make_all(inner, spans).await
}

fn length_ms(inner: &Inner) -> i64 {
    let length = inner.options.span.max(Duration::from_secs(1));
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// Makes those that overlap none that is there.
async fn make_all(inner: &Inner, spans: impl Iterator<Item = Span>) -> Result<(), Failure> {
    let mut there = all(inner).await?;
    for span in spans {
        if !there.iter().any(|known| known.from < span.to && span.from < known.to) {
            let making = &span;
            inner.transaction(0, |session| async move { make_one(&session, making).await }).await?;
            there.push(span);
        }
    }
    Ok(())
}

async fn make_one(session: &Session, span: &Span) -> Result<(), Failure> {
    if session.row(Query::take_duty, params![Text::from("spans")]).await?.is_none() {
        return Ok(());
    }
    let key = params![Text::from(&span.suffix), span.from, span.to];
    if session.execute(Query::insert_span, key).await? == 0 || lies_in_rest(session, span).await? {
        // Made by another node, or too late: what came lies outside of spans already and stays there. The note of it
        // stays as well, so that it is not tried again.
        return Ok(());
    }
    let mut text = limit_of_locks();
    for (table, _) in TABLES {
        let (suffix, from, to) = (&span.suffix, span.from, span.to);
        text.push_str(&format!(
            "CREATE TABLE {table}_{suffix} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}');"
        ));
    }
    session.batch(&text).await
}

fn limit_of_locks() -> String {
    format!("SET LOCAL lock_timeout = {TABLE_LOCK_TIME_MS};")
}

async fn lies_in_rest(session: &Session, span: &Span) -> Result<bool, Failure> {
    for (table, id) in TABLES {
        let text = text::has_ids(&format!("{table}_rest"), id);
        let rows = session.rows_of(&text, params![span.from, span.to]).await?;
        if rows.first().map(|row| cell::<bool>(row, 0)).transpose()?.unwrap_or(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those that have partitions, the oldest first.
pub(super) async fn all(inner: &Inner) -> Result<Vec<Span>, Failure> {
    let rows = inner.rows(Query::spans, Vec::new).await?;
    rows.iter()
        .map(|row| {
            let bytes = count(row, 3)?;
            Ok(Span { suffix: cell(row, 0)?, from: cell(row, 1)?, to: cell(row, 2)?, bytes })
        })
        .collect()
}

/// How much there is in a span. Counted before anything is locked.
struct Outlook {
    events: u64,
    deliveries: u64,
    staying: u64,
    staying_bytes: u64,
}

/// What has to stay of a span: events with an open delivery, those with a dead one that finished from `dead_before` on,
/// and those received from `before` on.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) before: Timestamp,
    pub(super) dead_before: Timestamp,
}

/// Drops a span. What has to stay goes on outside of spans. Where others use its tables all the time, or too much would
/// have to stay, it is left as it is for a later round.
pub(super) async fn drop_whole(
    inner: &Inner,
    span: &Span,
    bounds: Bounds,
    now: Timestamp,
    pruned: &mut Pruned,
) -> Result<(), Failure> {
    let outlook = inner.transaction(0, |session| async move {
        session.batch("SET LOCAL statement_timeout = 0").await?;
        look(&session, span, bounds).await
    });
    let outlook = outlook.await?;
    if outlook.staying > CARRY_MAX || outlook.staying_bytes > inner.options.carry_bytes {
        let (suffix, staying, bytes) = (&span.suffix, outlook.staying, outlook.staying_bytes);
        tracing::warn!(%suffix, staying, bytes, "a span of time is old enough, but too much of it is still owed: it stays");
        return Ok(());
    }
    // Before the tables are locked: whoever accepts has its tenant's row when it comes to them.
    inner.transaction(0, |session| async move { raise_floors(&session, &span.suffix).await }).await?;
    let dropped = inner.transaction(0, |session| async move {
        session.batch(&limit_of_locks()).await?;
        drop_one(&session, span, bounds, now).await
    });
    match dropped.await {
        Ok(Some(carried)) => {
            pruned.events += outlook.events.saturating_sub(carried.events);
            pruned.deliveries += outlook.deliveries.saturating_sub(carried.deliveries);
            Ok(())
        }
        Ok(None) | Err(Failure::Locked(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn look(session: &Session, span: &Span, bounds: Bounds) -> Result<Outlook, Failure> {
    let events = single(session, &text::count_rows(&span.table("events")), params![]).await?;
    let deliveries = single(session, &text::count_rows(&span.table("ended_deliveries")), params![]).await?;
    let text = text::bytes_of_events(&span.table("events"));
    let (mut staying, mut staying_bytes) = (0, 0);
    for (tenant, ids) in self::staying(session, span, bounds, CARRY_MAX + 1).await? {
        staying += ids.len() as u64;
        staying_bytes += single(session, &text, params![Text::from(tenant.as_str()), ids]).await?;
    }
    Ok(Outlook { events, deliveries, staying, staying_bytes })
}

/// The one number that a statement gives.
async fn single(session: &Session, text: &str, params: Vec<Param>) -> Result<u64, Failure> {
    let rows = session.rows_of(text, params).await?;
    Ok(rows.first().map(|row| count(row, 0)).transpose()?.unwrap_or(0))
}

async fn staying(
    session: &Session,
    span: &Span,
    bounds: Bounds,
    most: u64,
) -> Result<BTreeMap<Tenant, Vec<Uuid>>, Failure> {
    let (dead_before, before) = (bounds.dead_before.as_micros(), bounds.before.as_micros());
    let row = params![span.from, span.to, dead_before, before, i64::try_from(most).unwrap_or(i64::MAX)];
    let mut staying: BTreeMap<Tenant, Vec<Uuid>> = BTreeMap::new();
    for row in session.rows_of(&text::staying(&span.suffix), row).await? {
        staying.entry(name(&row, 0)?).or_default().push(cell(&row, 1)?);
    }
    Ok(staying)
}

/// What was carried over.
#[derive(Default)]
struct Carried {
    events: u64,
    deliveries: u64,
}

/// Takes the span's partitions off, carries over what stays, and drops them. `None`: another node is at it.
async fn drop_one(session: &Session, span: &Span, bounds: Bounds, now: Timestamp) -> Result<Option<Carried>, Failure> {
    let suffix = &span.suffix;
    if session.row(Query::take_duty, params![Text::from("spans")]).await?.is_none()
        || session.execute(Query::delete_span, params![Text::from(suffix)]).await? == 0
    {
        return Ok(None);
    }
    // All of them first, before anything else is touched.
    let tables: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    session.batch(&format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", tables.join(", ONLY "))).await?;
    let detach: String =
        TABLES.iter().map(|(table, _)| format!("ALTER TABLE {table} DETACH PARTITION {table}_{suffix};")).collect();
    session.batch(&detach).await?;
    // Nobody can make a delivery of these events any more: what is open now is all that there is.
    let staying = staying(session, span, bounds, u64::MAX).await?;
    // Of what came since: as a rule nothing, and no row is touched.
    raise_floors(session, suffix).await?;
    free_lanes_of(session, suffix, &staying, now).await?;
    let mut carried = Carried::default();
    for (tenant, ids) in &staying {
        for (table, id) in TABLES {
            let text = text::carry(table, suffix, id);
            let rows = session.execute_text(&text, params![Text::from(tenant.as_str()), ids.clone()]).await?;
            match table {
                "events" => carried.events += rows,
                "ended_deliveries" => carried.deliveries += rows,
                _ => {}
            }
        }
    }
    let drop: String = TABLES.iter().map(|(table, _)| format!("DROP TABLE {table}_{suffix};")).collect();
    session.batch(&drop).await?;
    Ok(Some(carried))
}

/// Numbers are never given twice, even if the events that had the highest are gone. Looked for among all tenants, raised
/// in each of them.
async fn raise_floors(session: &Session, suffix: &str) -> Result<(), Failure> {
    let text = text::low_floors(&format!("events_{suffix}"));
    for row in session.rows_of(&text, params![]).await? {
        let (tenant, seq): (Tenant, i64) = (name(&row, 0)?, cell(&row, 1)?);
        session.execute(Query::raise_floor_to, params![Text::from(tenant.as_str()), seq]).await?;
    }
    Ok(())
}

/// Lanes that stand still for a dead delivery that goes with the span.
async fn free_lanes_of(
    session: &Session,
    suffix: &str,
    staying: &BTreeMap<Tenant, Vec<Uuid>>,
    now: Timestamp,
) -> Result<(), Failure> {
    let table = format!("ended_deliveries_{suffix}");
    let mut going: BTreeMap<Tenant, Vec<Uuid>> = BTreeMap::new();
    for row in session.rows_of(&text::blocking_events(&table), params![]).await? {
        let (tenant, event): (Tenant, Uuid) = (name(&row, 0)?, cell(&row, 1)?);
        if !staying.get(&tenant).is_some_and(|stay| stay.contains(&event)) {
            going.entry(tenant).or_default().push(event);
        }
    }
    for (tenant, events) in &going {
        free_lanes(session, tenant, &table, events, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use store::keep::Keep;

    use super::*;
    use crate::testkit::{Database, NOW};
    use crate::{OpenOptions, PostgresStore};

    #[test]
    fn a_span_holds_the_ids_that_begin_in_it() {
        let span = Span::of(20_468, 86_400_000);
        let (from, to) = (span.begins_at(), span.ends_at());
        assert_eq!(to.since(from), Duration::from_secs(86_400));
        let id =
            |millis: i64| uuid::Builder::from_unix_timestamp_millis(millis.unsigned_abs(), &[0xff; 10]).into_uuid();
        assert!(id(from.as_millis()) >= span.from && id(to.as_millis() - 1) < span.to);
        assert!(id(from.as_millis() - 1) < span.from && id(to.as_millis()) >= span.to);
    }

    #[tokio::test]
    async fn whatever_is_copied_lies_in_a_span_and_years_of_it_in_few() {
        let database = Database::new();
        let day = Duration::from_secs(86_400);
        let ids = |ago: std::ops::Range<u32>| -> BTreeSet<Uuid> {
            ago.map(|days| lowest_id((NOW - day * days).as_millis())).collect()
        };
        let made = |from: &str| -> u64 {
            let made = format!("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE '{from}\\_p%'");
            database.sql(&made).parse().expect("a number")
        };
        let before = made("events");
        // The second part of a copy comes a fortnight later, when other days are long ago.
        for (now, ago) in [(NOW, 60..1_500), (NOW + day * 14, 0..1_500)] {
            let options = OpenOptions { now, listen: false, ..database.options() };
            let store = PostgresStore::open(options).await.expect("a store");
            make_of(&store.inner, &ids(ago)).await.expect("spans");
            store.close().await.expect("it closes");
        }
        let covered = |days: u32| {
            let id = lowest_id((NOW - day * days).as_millis());
            format!("SELECT count(*) FROM spans WHERE from_id <= '{id}' AND to_id > '{id}'")
        };
        for days in [0, 59, 60, 119, 120, 121, 135, 136, 137, 400, 1_499] {
            assert_eq!(database.sql(&covered(days)), "1", "{days} days ago");
        }
        let spans = made("events") - before;
        assert!((200..260).contains(&spans), "{spans} spans for 1,500 days");
        assert_eq!(made("attempts"), made("events"));
    }
}
