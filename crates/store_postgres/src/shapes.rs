//! What values look like: the verbs of [`store::shapes::Shapes`].

use domain::{EventId, SourceName, Tenant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::read::{Listed, PAGE_MAX, Page, Position};
use store::shapes::{CHANGES_PER_SHAPE, SHAPES_PER_SOURCE, Saved, ShapeChange, ShapeHead, ShapeKey, ShapeRow, Shapes};
use store::{StoreError, Verb};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::code::{shape_code, shape_of};
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::read::not_a_position;
use crate::row::{cell, count, name, small, text, time, time_or_none};
use crate::session::Session;
use crate::value::{Param, Text, column, micros, params, signed, small as signed_small};

impl Shapes for PostgresStore {
    fn shape(&self, key: ShapeKey) -> Verb<'_, Option<ShapeRow>> {
        self.verb(move |inner| async move {
            let row = inner.row(Query::shape, || key_params(&key)).await?;
            row.map(|row| read(&row, key)).transpose()
        })
    }

    fn save_shape(&self, row: ShapeRow, changes: Vec<ShapeChange>) -> Verb<'_, Saved> {
        self.verb(move |inner| async move {
            let (row, changes) = (&row, &changes);
            inner.transaction(1 + changes.len(), |session| async move { save(&session, row, changes).await }).await
        })
    }

    fn shapes(&self, tenant: Tenant, source: Option<SourceName>, page: Page) -> Verb<'_, Listed<ShapeHead>> {
        self.search(move |inner| async move { list(&inner, &tenant, source.as_ref(), &page).await })
    }

    fn shape_changes(&self, key: ShapeKey) -> Verb<'_, Vec<ShapeChange>> {
        self.verb(move |inner| async move {
            inner.rows(Query::shape_changes, || key_params(&key)).await?.iter().map(read_change).collect()
        })
    }

    fn forget_shape(&self, key: ShapeKey) -> Verb<'_, bool> {
        self.verb(move |inner| async move {
            let key = &key;
            inner
                .transaction(1, |session| async move {
                    session.later(Query::delete_shape_changes, key_params(key));
                    Ok(session.execute(Query::delete_shape, key_params(key)).await? > 0)
                })
                .await
        })
    }
}

fn key_params(key: &ShapeKey) -> Vec<Param> {
    let (tenant, source) = (Text::from(key.tenant.as_str()), Text::from(key.source.as_str()));
    params![tenant, source, shape_code(key.of), Text::from(&key.name)]
}

async fn save(session: &Session, row: &ShapeRow, changes: &[ShapeChange]) -> Result<Saved, Failure> {
    let key = &row.head.key;
    if row.generation == 0 {
        let source = params![Text::from(key.tenant.as_str()), Text::from(key.source.as_str())];
        let shapes = session.row(Query::count_shapes, source).await?;
        if shapes.map_or(Ok(0), |row| count(&row, 0))? >= u64::from(SHAPES_PER_SOURCE) {
            return Ok(Saved::Full);
        }
        if session.execute(Query::insert_shape, row_params(row)?).await? == 0 {
            return Ok(Saved::Moved);
        }
    } else {
        let locked = session.row(Query::lock_shape, key_params(key)).await?;
        let generation = locked.map(|row| count(&row, 0)).transpose()?;
        if generation != Some(row.generation) {
            return Ok(Saved::Moved);
        }
        session.later(Query::move_shape, row_params(row)?);
    }
    if !changes.is_empty() {
        add_changes(session, key, changes).await?;
    }
    Ok(Saved::Kept)
}

fn row_params(row: &ShapeRow) -> Result<Vec<Param>, Failure> {
    let head = &row.head;
    let mut all = key_params(&head.key);
    all.extend(params![
        signed_small(head.version),
        signed(head.seen),
        head.first_at.as_micros(),
        head.last_at.as_micros(),
        micros(head.changed_at),
        Text::from(&write(&row.shape)?),
    ]);
    Ok(all)
}

/// The shape's row is ours: nobody else counts its changes on.
async fn add_changes(session: &Session, key: &ShapeKey, changes: &[ShapeChange]) -> Result<(), Failure> {
    let last = session.row(Query::last_shape_change, key_params(key)).await?;
    let before = last.map_or(Ok(0), |row| cell::<i64>(&row, 0))?;
    let seqs: Vec<i64> = (before + 1..).take(changes.len()).collect();
    let last = seqs.last().copied().unwrap_or(before);
    let written = changes.iter().map(|change| write(&change.change)).collect::<Result<Vec<String>, _>>()?;
    let mut row = key_params(key);
    row.extend(params![
        seqs,
        column(changes, |change| signed_small(change.version)),
        column(changes, |change| change.at.as_micros()),
        column(changes, |change| change.event.map(|event| event.uuid())),
        column(&written, |change| Text::from(change)),
        column(changes, |change| Text::from(&change.example)),
    ]);
    session.later(Query::insert_shape_changes, row);
    let mut row = key_params(key);
    row.extend(params![last.saturating_sub(i64::from(CHANGES_PER_SHAPE))]);
    session.later(Query::trim_shape_changes, row);
    Ok(())
}

async fn list(
    inner: &Inner,
    tenant: &Tenant,
    source: Option<&SourceName>,
    page: &Page,
) -> Result<Listed<ShapeHead>, Failure> {
    let (after, kind, name): (String, i16, String) =
        page.after.as_ref().map_or(Ok(Default::default()), parse_position)?;
    let limit = page.limit.clamp(1, PAGE_MAX) as usize;
    let rows = inner
        .rows(Query::shapes, || {
            let only = source.map(|source| Text::from(source.as_str()));
            let (after, name) = (Text::from(&after), Text::from(&name));
            params![Text::from(tenant.as_str()), after, kind, name, only, signed(limit as u64 + 1)]
        })
        .await?;
    let heads = rows.iter().take(limit).map(|row| read_listed(row, tenant)).collect::<Result<Vec<_>, Failure>>()?;
    let next = heads.last().filter(|_| rows.len() > limit).map(|head| position(&head.key));
    Ok(Listed { rows: heads, next, searched_until: None })
}

fn position(key: &ShapeKey) -> Position {
    Position(serde_json::json!([key.source.as_str(), shape_code(key.of), &*key.name]).to_string())
}

fn parse_position(position: &Position) -> Result<(String, i16, String), Failure> {
    serde_json::from_str(&position.0).map_err(|_| not_a_position(position))
}

fn read_listed(row: &Row, tenant: &Tenant) -> Result<ShapeHead, Failure> {
    let of = shape_of(cell(row, 1)?)?;
    read_head(row, 3, ShapeKey { tenant: tenant.clone(), source: name(row, 0)?, of, name: text(row, 2)? })
}

fn read(row: &Row, key: ShapeKey) -> Result<ShapeRow, Failure> {
    Ok(ShapeRow { generation: count(row, 5)?, shape: parse(cell(row, 6)?)?, head: read_head(row, 0, key)? })
}

/// Version, values seen, first, last and changed, from a column on.
fn read_head(row: &Row, from: usize, key: ShapeKey) -> Result<ShapeHead, Failure> {
    Ok(ShapeHead {
        key,
        version: small(row, from)?,
        seen: count(row, from + 1)?,
        first_at: time(row, from + 2)?,
        last_at: time(row, from + 3)?,
        changed_at: time_or_none(row, from + 4)?,
    })
}

fn read_change(row: &Row) -> Result<ShapeChange, Failure> {
    Ok(ShapeChange {
        version: small(row, 0)?,
        at: time(row, 1)?,
        event: cell::<Option<Uuid>>(row, 2)?.map(EventId::from_uuid),
        change: parse(cell(row, 3)?)?,
        example: text(row, 4)?,
    })
}

fn write(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()).into())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a shape cannot be read: {error}")).into())
}
