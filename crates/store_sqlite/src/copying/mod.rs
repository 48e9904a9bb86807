//! Copying: the verbs of [`store::copying::Copying`].

mod shape;

use std::sync::Arc;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{CachedStatement, Row as SqlRow, params, params_from_iter};
use store::copying::row::{Cell, Row, fits};
use store::copying::table::{Of, Table};
use store::copying::{Batch, Copying, Key, Numbers, PAGE_BYTES, Page, UNFINISHED};
use store::{StoreError, Verb};

use self::shape::shape;
use crate::SqliteStore;
use crate::connection::{LAST_EVENT, recover};
use crate::failure::Failure;
use crate::job::Work;
use crate::query::Query;
use crate::row::Lookup;
use crate::tx::Tx;
use crate::view::View;

impl Copying for SqliteStore {
    fn numbers(&self) -> Verb<'_, Numbers> {
        self.read(|view| {
            let number = |row: &SqlRow<'_>| Ok(row.get::<_, i64>(0)?);
            let there = view.row(Query::last_seq, [], number)?.unwrap_or(0);
            let last = there.max(view.row(Query::counter, [LAST_EVENT], number)?.unwrap_or(0));
            let lanes = view.row(Query::count_lanes, [], |row| Ok(row.get(0)?))?.unwrap_or(0);
            Ok(Numbers { whole: true, last: [(Arc::from(""), last)].into(), lanes })
        })
    }

    fn count_rows(&self, table: Table) -> Verb<'_, u64> {
        self.read(move |view| {
            let mut statement = view.sql.connection().prepare_cached(&shape(table).count())?;
            Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
        })
    }

    fn give_rows(&self, table: Table, after: Option<Key>, most: usize) -> Verb<'_, Page> {
        self.read(move |view| give(view, table, after.as_ref(), most))
    }

    fn take_rows(&self, batch: Batch, from: Arc<Numbers>) -> Verb<'_, ()> {
        let bytes = batch.rows.iter().flatten().map(Cell::weight).sum();
        self.write(Work::ingest(batch.rows.len().max(1), bytes), move |tx, _| take(tx, &batch, &from))
    }

    fn settle_in(&self, from: Arc<Numbers>) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| {
            let last = from.last.iter().map(|(tenant, last)| from.number_in(true, tenant, *last)).max().unwrap_or(0);
            tx.execute(Query::put_counter, params![LAST_EVENT, last])?;
            tx.execute(Query::forget_rejected, [])?;
            tx.execute(Query::recount_rejected, [])?;
            recover(tx)
        })
    }
}

fn give(view: &mut View<'_, '_>, table: Table, after: Option<&Key>, most: usize) -> Result<Page, Failure> {
    let shape = shape(table);
    let lookup = view.lookup();
    let mut statement = view.sql.connection().prepare_cached(&shape.select(table, after.is_some()))?;
    let after = after.map(|key| key.0.iter().map(value).collect::<Vec<_>>()).unwrap_or_default();
    let mut found = statement.query(params_from_iter(after))?;
    let (mut page, mut bytes) = (Page::default(), 0);
    while let Some(row) = found.next()? {
        let given = read(row, table, lookup)?;
        bytes += given.iter().map(Cell::weight).sum::<usize>();
        page.rows.push(given);
        if page.rows.len() >= most || bytes >= PAGE_BYTES {
            let columns = table.columns().len();
            let key = (columns..columns + shape.key_columns()).map(|at| Ok(cell(row.get_ref(at)?)?));
            page.next = Some(Key(key.collect::<Result<_, Failure>>()?));
            break;
        }
    }
    Ok(page)
}

/// The row, with names in place of their numbers.
fn read(row: &SqlRow<'_>, table: Table, lookup: Lookup<'_>) -> Result<Row, Failure> {
    let mut given = Row::with_capacity(table.columns().len());
    for (at, column) in table.columns().iter().enumerate() {
        let cell = match (cell(row.get_ref(at)?)?, column.of) {
            (Cell::Int(number), Of::Name) => Cell::Text(lookup.name(number)?.text.to_string()),
            (cell, _) => cell,
        };
        if !fits(&cell, column.of) {
            let (table, column) = (table.name(), column.name);
            return Err(StoreError::Corrupt(format!("{table}.{column} holds what it may not")).into());
        }
        given.push(cell);
    }
    Ok(given)
}

fn cell(value: ValueRef<'_>) -> Result<Cell, StoreError> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| StoreError::Corrupt("a text is not UTF-8".to_owned()))?;
            Cell::Text(text.to_owned())
        }
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec().into()),
        ValueRef::Real(_) => return Err(StoreError::Corrupt("a number is not whole".to_owned())),
    })
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Int(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn take(tx: &mut Tx<'_, '_>, batch: &Batch, from: &Numbers) -> Result<(), Failure> {
    let table = batch.table;
    let text = shape(table).insert(table);
    for row in &batch.rows {
        let beside = match table {
            Table::EndedDeliveries | Table::OpenDeliveries | Table::WaitingDeliveries => number(tx, table, row, from)?,
            _ => Vec::new(),
        };
        write(tx, table, &text, row, &beside)?;
    }
    tx.execute(Query::put_setting, params![UNFINISHED, &*batch.mark]).map(drop)
}

/// Writes a row, and with it values that stand for others of it here.
fn write(
    tx: &mut Tx<'_, '_>,
    table: Table,
    text: &str,
    row: &Row,
    beside: &[(&'static str, Value)],
) -> Result<(), Failure> {
    let mut values = Vec::with_capacity(row.len());
    for (column, cell) in table.columns().iter().zip(row) {
        values.push(match (column.of, cell) {
            (Of::Name, Cell::Text(name)) => Value::Integer(tx.name(name)?),
            _ => value(cell),
        });
    }
    let mut statement = tx.sql.connection().prepare_cached(text)?;
    for (column, value) in table.columns().iter().zip(values) {
        bind(&mut statement, column.name, value)?;
    }
    for (name, value) in beside {
        bind(&mut statement, name, value.clone())?;
    }
    statement.raw_execute()?;
    Ok(())
}

/// A value that the statement has no place for is not written.
fn bind(statement: &mut CachedStatement<'_>, name: &str, value: Value) -> Result<(), Failure> {
    if let Some(at) = statement.parameter_index(&format!(":{name}"))? {
        statement.raw_bind_parameter(at, value)?;
    }
    Ok(())
}

/// Numbers in place of what a delivery names: its own, which is its place in its lane, and those of lane and replay.
/// Its lane is told if it is the head.
fn number(tx: &mut Tx<'_, '_>, table: Table, row: &Row, from: &Numbers) -> Result<Vec<(&'static str, Value)>, Failure> {
    let cell = |name| table.at(name).and_then(|at| row.get(at)).unwrap_or(&Cell::Null);
    let (tenant, destination) =
        (cell("tenant").text().unwrap_or_default(), cell("destination").text().unwrap_or_default());
    let (tenant, destination) = (tx.name(tenant)?, tx.name(destination)?);
    let lane = match cell("lane").text() {
        // One that was forgotten has a number that no lane has.
        Some(lane) => {
            let found = tx.row(Query::lane, params![tenant, destination, lane], |row| Ok(row.get::<_, i64>(0)?))?;
            Some(found.unwrap_or(0))
        }
        None => None,
    };
    let replay = match cell("replay").bytes() {
        Some(id) => {
            let found = tx.row(Query::replay_seq, params![tenant, &**id], |row| Ok(row.get::<_, i64>(0)?))?;
            // One that was forgotten: what is left of it is the end of its id, which is below zero.
            found.unwrap_or_else(|| id.last_chunk().map_or(-1, |end| i64::from_be_bytes(*end)))
        }
        None => 0,
    };
    let number = place(tx, from, cell("place").int(), lane)?;
    tx.memory.next_delivery = tx.memory.next_delivery.max(number.saturating_add(1));
    if let (Some(lane), Some(1)) = (lane, cell("head").int()) {
        tx.execute(Query::put_head, params![lane, number])?;
    }
    Ok(vec![
        ("number", Value::Integer(number)),
        ("lane_number", lane.map_or(Value::Null, Value::Integer)),
        ("replay_number", Value::Integer(replay)),
    ])
}

/// Places of a store whose lanes each begin anew would meet here: they are interleaved, by the number of the lane, and
/// those in no lane take what no lane has. So does one that meets another in its own lane, which was forgotten meanwhile
/// and began anew: there it is the version that orders.
fn place(tx: &mut Tx<'_, '_>, from: &Numbers, place: Option<i64>, lane: Option<i64>) -> Result<i64, Failure> {
    let too_many = || StoreError::Refused("there are more lanes and places in them than can be numbered".to_owned());
    let stride = from.lanes.saturating_add(1);
    let number = match (place, lane) {
        (Some(place), _) if from.whole => return Ok(place),
        (Some(place), Some(lane)) if lane > 0 => {
            let number = place.checked_mul(stride).and_then(|number| number.checked_add(lane)).ok_or_else(too_many)?;
            let taken = tx.row(Query::number_is_taken, [number], |_| Ok(()))?;
            taken.is_none().then_some(number)
        }
        _ => None,
    };
    let last = tx.memory.next_delivery - 1;
    let next = || (last / stride + 1).checked_mul(stride);
    Ok(number.or_else(next).ok_or_else(too_many)?)
}
