//! What values look like: the verbs of [`store::shapes::Shapes`].

use domain::shape::Change;
use domain::{EventId, SourceName, Tenant};
use rusqlite::{Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::read::{Listed, PAGE_MAX, Page, Position};
use store::shapes::{CHANGES_PER_SHAPE, SHAPES_PER_SOURCE, Saved, ShapeChange, ShapeHead, ShapeKey, ShapeRow, Shapes};
use store::{StoreError, Verb};
use uuid::Uuid;

use crate::SqliteStore;
use crate::code::{shape_code, shape_of};
use crate::failure::Failure;
use crate::job::Work;
use crate::names::NameId;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::row::{count, micros, signed, small, text, time, time_or_none};
use crate::tx::Tx;
use crate::view::View;

impl Shapes for SqliteStore {
    fn shape(&self, key: ShapeKey) -> Verb<'_, Option<ShapeRow>> {
        self.read(move |view| one(view, &key))
    }

    fn save_shape(&self, row: ShapeRow, changes: Vec<ShapeChange>) -> Verb<'_, Saved> {
        self.write(Work::rows(1 + changes.len()), move |tx, _| save(tx, &row, &changes))
    }

    fn shapes(&self, tenant: Tenant, source: Option<SourceName>, page: Page) -> Verb<'_, Listed<ShapeHead>> {
        self.read(move |view| list(view, &tenant, source.as_ref(), &page))
    }

    fn shape_changes(&self, key: ShapeKey) -> Verb<'_, Vec<ShapeChange>> {
        self.read(move |view| {
            let Some((tenant, source)) = numbers(view, &key)? else { return Ok(Vec::new()) };
            view.rows(Query::shape_changes, (tenant, source, shape_code(key.of), &*key.name), read_change)
        })
    }

    fn forget_shape(&self, key: ShapeKey) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| {
            let row = (tx.name(key.tenant.as_str())?, tx.name(key.source.as_str())?, shape_code(key.of), &*key.name);
            tx.execute(Query::delete_shape_changes, row)?;
            Ok(tx.execute(Query::delete_shape, row)? > 0)
        })
    }
}

/// The numbers of a key's tenant and source, if both were ever used.
fn numbers(view: &View<'_, '_>, key: &ShapeKey) -> Result<Option<(NameId, NameId)>, Failure> {
    let lookup = view.lookup();
    let (tenant, source) = (lookup.id(key.tenant.as_str())?, lookup.id(key.source.as_str())?);
    Ok(tenant.zip(source))
}

fn one(view: &mut View<'_, '_>, key: &ShapeKey) -> Result<Option<ShapeRow>, Failure> {
    let Some((tenant, source)) = numbers(view, key)? else { return Ok(None) };
    view.row(Query::shape, (tenant, source, shape_code(key.of), &*key.name), |row| {
        let (generation, shape) = (count(row, 5)?, parse(&row.get::<_, String>(6)?)?);
        Ok(ShapeRow { head: read_head(row, 0, key.clone())?, shape, generation })
    })
}

fn save(tx: &mut Tx<'_, '_>, row: &ShapeRow, changes: &[ShapeChange]) -> Result<Saved, Failure> {
    let ShapeRow { head, shape, generation } = row;
    let (tenant, source) = (tx.name(head.key.tenant.as_str())?, tx.name(head.key.source.as_str())?);
    let key = (tenant, source, shape_code(head.key.of), &*head.key.name);
    let (first, last, changed) = (head.first_at.as_micros(), head.last_at.as_micros(), micros(head.changed_at));
    let (version, seen, shape) = (head.version, signed(head.seen), write(shape)?);
    let touched = if *generation == 0 {
        let shapes = tx.row(Query::count_shapes, (tenant, source), |row| count(row, 0))?.unwrap_or_default();
        if shapes >= u64::from(SHAPES_PER_SOURCE) {
            return Ok(Saved::Full);
        }
        let row = params![key.0, key.1, key.2, key.3, version, seen, first, last, changed, shape];
        tx.execute(Query::insert_shape, row)?
    } else {
        let row = params![key.0, key.1, key.2, key.3, version, seen, first, last, changed, shape, signed(*generation)];
        tx.execute(Query::move_shape, row)?
    };
    if touched == 0 {
        return Ok(Saved::Moved);
    }
    let before = tx.row(Query::last_shape_change, key, |row| Ok(row.get::<_, i64>(0)?))?.unwrap_or_default();
    for (seq, change) in (before + 1..).zip(changes) {
        let event = change.event.map(|event| event.uuid().into_bytes());
        let (version, at, written) = (change.version, change.at.as_micros(), write(&change.change)?);
        let row = params![key.0, key.1, key.2, key.3, seq, version, at, event, written, &*change.example];
        tx.execute(Query::insert_shape_change, row)?;
    }
    let last = before.saturating_add(i64::try_from(changes.len()).unwrap_or(i64::MAX));
    let below = last.saturating_sub(i64::from(CHANGES_PER_SHAPE));
    tx.execute(Query::trim_shape_changes, (key.0, key.1, key.2, key.3, below))?;
    Ok(Saved::Kept)
}

fn list(
    view: &mut View<'_, '_>,
    tenant: &Tenant,
    source: Option<&SourceName>,
    page: &Page,
) -> Result<Listed<ShapeHead>, Failure> {
    let nothing = Listed { rows: Vec::new(), next: None, searched_until: None };
    let lookup = view.lookup();
    let Some(number) = lookup.id(tenant.as_str())? else { return Ok(nothing) };
    let source = source.map(|source| lookup.id(source.as_str())).transpose()?;
    let Some(last) = source.unwrap_or(Some(NameId::MAX)) else { return Ok(nothing) };
    let first = source.flatten().unwrap_or_default();
    let (source, kind, name) = page.after.as_ref().map_or(Ok((first, 0, String::new())), parse_position)?;
    let limit = page.limit.clamp(1, PAGE_MAX);
    let after = (number, source, kind, name, last, limit + 1);
    let mut rows: Vec<(ShapeHead, Position)> = view.rows(Query::shapes, after, |row| {
        let (source, kind, name): (NameId, i64, _) = (row.get(0)?, row.get(1)?, text(row, 2)?);
        let position = Position(serde_json::json!([source, kind, &*name]).to_string());
        let source = lookup.name(source)?.source()?;
        let key = ShapeKey { tenant: tenant.clone(), source, of: shape_of(kind)?, name };
        Ok((read_head(row, 3, key)?, position))
    })?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|(_, position)| position.clone());
    Ok(Listed { rows: rows.into_iter().map(|(head, _)| head).collect(), next, searched_until: None })
}

fn parse_position(position: &Position) -> Result<(NameId, i64, String), Failure> {
    serde_json::from_str(&position.0).map_err(|_| not_a_position(position))
}

/// Version, values seen, first, last and changed, from a column on.
fn read_head(row: &Row<'_>, from: usize, key: ShapeKey) -> Result<ShapeHead, Failure> {
    Ok(ShapeHead {
        key,
        version: small(row, from)?,
        seen: count(row, from + 1)?,
        first_at: time(row, from + 2)?,
        last_at: time(row, from + 3)?,
        changed_at: time_or_none(row, from + 4)?,
    })
}

fn read_change(row: &Row<'_>) -> Result<ShapeChange, Failure> {
    let event: Option<[u8; 16]> = row.get(2)?;
    Ok(ShapeChange {
        version: small(row, 0)?,
        at: time(row, 1)?,
        event: event.map(|event| EventId::from_uuid(Uuid::from_bytes(event))),
        change: parse::<Change>(&row.get::<_, String>(3)?)?,
        example: text(row, 4)?,
    })
}

fn write(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()).into())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a shape cannot be read: {error}")).into())
}
