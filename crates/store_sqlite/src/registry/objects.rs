//! Sources, destinations and routes as configured.

use domain::Timestamp;
use rusqlite::{Row, params};
use store::StoreError;
use store::registry::{ManagedBy, Object, ObjectKind};

use crate::failure::Failure;
use crate::query::Query;
use crate::row::{micros, text, time, time_or_none};
use crate::tx::Tx;

/// Creates or replaces. A retired name is free again, and its new object is a new one.
pub(crate) fn put(tx: &mut Tx<'_, '_>, object: &Object, create: bool) -> Result<(), Failure> {
    let key = (object.tenant.as_str(), object.kind.as_str(), &*object.name);
    let known = tx.row(Query::object, key, |row| Ok((time(row, 0)?, time_or_none(row, 1)?)))?;
    match known {
        None => write(tx, Query::insert_object, object, object.created_at),
        Some((_, None)) if create => {
            let taken = format!("there is a {} named '{}' already", object.kind.as_str(), object.name);
            Err(StoreError::Conflict(taken).into())
        }
        Some((created_at, None)) => write(tx, Query::replace_object, object, created_at),
        Some((_, Some(_))) => write(tx, Query::replace_object, object, object.created_at),
    }
}

fn write(tx: &mut Tx<'_, '_>, query: Query, object: &Object, created_at: Timestamp) -> Result<(), Failure> {
    let managed_by = match object.managed_by {
        ManagedBy::File => "file",
        ManagedBy::Api => "api",
    };
    let row = params![
        object.tenant.as_str(),
        object.kind.as_str(),
        &*object.name,
        managed_by,
        object.definition.to_string(),
        created_at.as_micros(),
        object.updated_at.as_micros(),
        micros(object.retired_at),
    ];
    tx.execute(query, row).map(drop)
}

/// The object in the columns of `objects`.
pub(crate) fn read(row: &Row<'_>) -> Result<Object, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("an object's {what} cannot be read"));
    Ok(Object {
        tenant: row.get::<_, String>(0)?.parse().map_err(|_| damaged("tenant"))?,
        kind: ObjectKind::parse(&row.get::<_, String>(1)?).ok_or_else(|| damaged("kind"))?,
        name: text(row, 2)?,
        managed_by: if row.get::<_, String>(3)? == "file" { ManagedBy::File } else { ManagedBy::Api },
        definition: serde_json::from_str(&row.get::<_, String>(4)?).map_err(|_| damaged("definition"))?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
        retired_at: time_or_none(row, 7)?,
    })
}
