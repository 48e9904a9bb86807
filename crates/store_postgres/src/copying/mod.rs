//! Copying: the verbs of [`store::copying::Copying`].

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::Tenant;
use store::copying::row::{Cell, Row, fits};
use store::copying::table::{Of, Table};
use store::copying::{Batch, Copying, Key, Numbers, PAGE_BYTES, PAGE_ROWS, Page, UNFINISHED};
use store::{StoreError, Verb};
use tokio_postgres::Row as SqlRow;
use uuid::Uuid;

#[cfg(test)]
pub(crate) use self::shape::texts;
use self::shape::{Shape, shape};
use crate::PostgresStore;
use crate::births;
use crate::failure::Failure;
use crate::keep::make_spans_of;
use crate::perform::{Inner, within};
use crate::query::Query;
use crate::row::cell;
use crate::session::Session;
use crate::value::{Blob, Param, Text, params, with_nul};

/// What counting the rows of one table may take.
const COUNT_TIME: Duration = Duration::from_secs(10 * 60);

impl Copying for PostgresStore {
    fn numbers(&self) -> Verb<'_, Numbers> {
        self.verb(|inner| async move {
            // Their claims ended with their processes: what is left of them is open.
            births::unfold_found(&inner, Query::all_births, Vec::new).await?;
            let mut last = BTreeMap::new();
            for row in inner.rows(Query::last_numbers, Vec::new).await? {
                last.insert(Arc::from(cell::<&str>(&row, 0)?), cell(&row, 1)?);
            }
            let lanes = inner.row(Query::count_lanes, Vec::new).await?;
            let lanes = lanes.map(|row| cell(&row, 0)).transpose()?.unwrap_or(0);
            Ok(Numbers { whole: false, last, lanes })
        })
    }

    fn count_rows(&self, table: Table) -> Verb<'_, u64> {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner);
            inner.is_open()?;
            let counting = async move {
                let late = || StoreError::Unreachable("counting took too long".to_owned());
                within(COUNT_TIME, count(&inner, table)).await.ok_or_else(late)
            };
            Ok(self.performer.perform(counting).await???)
        })
    }

    fn give_rows(&self, table: Table, after: Option<Key>, most: usize) -> Verb<'_, Page> {
        self.verb(move |inner| async move {
            let after = after.as_ref();
            inner.read(|session| async move { give(&session, table, after, most).await }).await
        })
    }

    fn take_rows(&self, batch: Batch, from: Arc<Numbers>) -> Verb<'_, ()> {
        drop(from);
        self.verb(move |inner| async move { take(&inner, batch).await })
    }

    fn settle_in(&self, from: Arc<Numbers>) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            for row in inner.rows(Query::last_numbers, Vec::new).await? {
                let tenant = cell::<&str>(&row, 0)?;
                let Some(last) = from.last.get(if from.whole { "" } else { tenant }) else { continue };
                inner.write(Query::raise_floor_to, || params![Text::from(tenant), *last]).await?;
            }
            Ok(())
        })
    }
}

async fn count(inner: &Inner, table: Table) -> Result<u64, Failure> {
    let rows = inner
        .transaction(0, |session| async move {
            session.batch("SET LOCAL statement_timeout = 0").await?;
            session.rows_of(&shape(table).count(), params![]).await
        })
        .await?;
    Ok(rows.first().map(|row| cell::<i64>(row, 0)).transpose()?.unwrap_or(0).unsigned_abs())
}

async fn give(session: &Session, table: Table, after: Option<&Key>, most: usize) -> Result<Page, Failure> {
    let shape = shape(table);
    let key = || -> Result<Vec<Param>, Failure> {
        let values = after.map(|key| key.0.as_slice()).unwrap_or_default();
        values.iter().zip(shape.key).map(|(cell, (_, of))| one(cell, *of)).collect()
    };
    let mut most = i64::try_from(most.clamp(1, PAGE_ROWS)).unwrap_or(1);
    if shape.heavy {
        let text = shape.measure(table, after.is_some(), PAGE_BYTES);
        let measured = session.rows_of(&text, key()?).await?;
        most = measured.first().map(|row| cell::<i64>(row, 0)).transpose()?.unwrap_or(most).clamp(1, most);
    }
    let mut params = key()?;
    params.push(Box::new(most));
    let found = session.rows_of(&shape.select(table, after.is_some()), params).await?;
    let mut page = Page::default();
    for row in &found {
        page.rows.push(read(row, table)?);
    }
    if let Some(last) = found.last().filter(|_| found.len() as i64 >= most) {
        page.next = Some(key_of(last, table, &shape)?);
    }
    Ok(page)
}

fn read(row: &SqlRow, table: Table) -> Result<Row, Failure> {
    table.columns().iter().enumerate().map(|(at, column)| value(row, at, column.of)).collect()
}

fn key_of(row: &SqlRow, table: Table, shape: &Shape) -> Result<Key, Failure> {
    let columns = shape.key.iter().enumerate();
    Ok(Key(columns.map(|(nth, (_, of))| value(row, table.columns().len() + nth, *of)).collect::<Result<_, _>>()?))
}

fn value(row: &SqlRow, at: usize, of: Of) -> Result<Cell, Failure> {
    let found = match of {
        Of::Name | Of::Text | Of::Loose => {
            cell::<Option<&str>>(row, at)?.map(|text| Cell::Text(with_nul(text).into_owned()))
        }
        Of::Json => cell::<Option<&str>>(row, at)?.map(|text| Cell::Text(text.to_owned())),
        Of::Int | Of::Order => cell::<Option<i64>>(row, at)?.map(Cell::Int),
        Of::Flag => cell::<Option<bool>>(row, at)?.map(|flag| Cell::Int(flag.into())),
        Of::Uuid => cell::<Option<Uuid>>(row, at)?.map(|id| Cell::Bytes(id.as_bytes().to_vec().into())),
        Of::Bytes => cell::<Option<&[u8]>>(row, at)?.map(|bytes| Cell::Bytes(bytes.to_vec().into())),
    };
    Ok(found.unwrap_or_default())
}

fn uuid(cell: &Cell) -> Option<Uuid> {
    cell.bytes().and_then(|bytes| Uuid::from_slice(bytes).ok())
}

/// One value of a key.
fn one(cell: &Cell, of: Of) -> Result<Param, Failure> {
    let known: Option<Param> = match of {
        Of::Name | Of::Text | Of::Json | Of::Loose => cell.text().map(|text| Box::new(Text::from(text)) as Param),
        Of::Int | Of::Order | Of::Flag => cell.int().map(|number| Box::new(number) as Param),
        Of::Uuid => uuid(cell).map(|id| Box::new(id) as Param),
        Of::Bytes => cell.bytes().map(|bytes| Box::new(Blob(bytes.clone())) as Param),
    };
    known.ok_or_else(|| StoreError::Refused("a page begins behind a key that is none".to_owned()).into())
}

/// One column of many rows.
fn array(rows: &[&Row], at: usize, of: Of) -> Param {
    let cells = || rows.iter().map(|row| &row[at]);
    match of {
        Of::Name | Of::Text | Of::Json | Of::Loose => {
            Box::new(cells().map(|cell| cell.text().map(Text::from)).collect::<Vec<Option<Text>>>())
        }
        Of::Int | Of::Order => Box::new(cells().map(Cell::int).collect::<Vec<Option<i64>>>()),
        Of::Flag => Box::new(cells().map(|cell| cell.int().map(|flag| flag != 0)).collect::<Vec<Option<bool>>>()),
        Of::Uuid => Box::new(cells().map(uuid).collect::<Vec<Option<Uuid>>>()),
        Of::Bytes => Box::new(cells().map(|cell| cell.bytes().cloned().map(Blob)).collect::<Vec<Option<Blob>>>()),
    }
}

async fn take(inner: &Inner, batch: Batch) -> Result<(), Failure> {
    check(&batch)?;
    let table = batch.table;
    let by_tenant = by_tenant(&batch);
    let tenants: Vec<Tenant> = by_tenant.keys().filter_map(|tenant| tenant.parse().ok()).collect();
    inner.know_tenants(tenants.iter()).await?;
    if let Some(at) = table.at("id").filter(|_| table == Table::Events) {
        let ids: BTreeSet<Uuid> = batch.rows.iter().filter_map(|row| uuid(&row[at])).collect();
        make_spans_of(inner, &ids).await?;
    }
    let (text, by_tenant, mark) = (&shape(table).insert(table), &by_tenant, &batch.mark);
    inner
        .transaction(batch.rows.len(), |session| async move {
            for (tenant, rows) in by_tenant {
                session.execute_text(text, arrays(table, tenant, rows)).await?;
                put_heads(&session, table, tenant, rows);
            }
            session.later(Query::put_setting, params![Text::from(UNFINISHED), Blob(mark.clone())]);
            Ok(())
        })
        .await
}

fn check(batch: &Batch) -> Result<(), Failure> {
    let columns = batch.table.columns();
    let fit =
        |row: &Row| row.len() == columns.len() && columns.iter().zip(row).all(|(column, cell)| fits(cell, column.of));
    if batch.rows.iter().all(fit) {
        return Ok(());
    }
    Err(StoreError::Refused(format!("a row is none of {}", batch.table.name())).into())
}

/// The rows of each tenant: no statement that writes names two. What has none is nobody's.
fn by_tenant(batch: &Batch) -> BTreeMap<&str, Vec<&Row>> {
    let at = batch.table.at("tenant");
    let mut by_tenant: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &batch.rows {
        let tenant = at.and_then(|at| row[at].text()).unwrap_or_default();
        by_tenant.entry(tenant).or_default().push(row);
    }
    by_tenant
}

fn arrays(table: Table, tenant: &str, rows: &[&Row]) -> Vec<Param> {
    let mut params: Vec<Param> = Vec::with_capacity(table.columns().len());
    if table.at("tenant").is_some() {
        params.push(Box::new(Text::from(tenant)));
    }
    let others = table.columns().iter().enumerate().filter(|(_, column)| column.name != "tenant");
    params.extend(others.map(|(at, column)| array(rows, at, column.of)));
    params
}

/// Tells lanes which of these deliveries they wait for; a dead one blocks its lane.
fn put_heads(session: &Session, table: Table, tenant: &str, rows: &[&Row]) {
    const DEAD: i64 = 7;
    let (Some(head), Some(id), Some(state), Some(lane), Some(destination)) =
        (table.at("head"), table.at("id"), table.at("state"), table.at("lane"), table.at("destination"))
    else {
        return;
    };
    let heads: Vec<&Row> = rows.iter().copied().filter(|row| row[head] == Cell::Int(1)).collect();
    if heads.is_empty() {
        return;
    }
    let blocked: Vec<bool> = heads.iter().map(|row| row[state] == Cell::Int(DEAD)).collect();
    let row = params![
        Text::from(tenant),
        heads.iter().map(|row| row[destination].text().map(Text::from)).collect::<Vec<_>>(),
        heads.iter().map(|row| row[lane].text().map(Text::from)).collect::<Vec<_>>(),
        heads.iter().map(|row| uuid(&row[id])).collect::<Vec<_>>(),
        blocked,
    ];
    session.later(Query::put_heads, row);
}
