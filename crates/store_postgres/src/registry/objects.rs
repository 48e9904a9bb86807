//! Sources, destinations and routes as configured.

use std::sync::Arc;

use domain::{Tenant, Timestamp};
use store::StoreError;
use store::registry::{ManagedBy, Object, ObjectKind};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::nodes::count_configured;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, name, string_or_none, text, time, time_or_none};
use crate::session::Session;
use crate::value::{Text, micros, params};

/// Creates or replaces. A retired name is free again, and its new object is a new one.
pub(super) async fn put(inner: &Inner, object: &Object, create: bool, judged_on: Option<u64>) -> Result<(), Failure> {
    let put = |session: Arc<Session>| async move {
        put_one(&session, object, create).await?;
        count_configured(&session, judged_on).await
    };
    inner.transaction(1, put).await
}

/// Gives whether there was one.
pub(super) async fn retire(
    inner: &Inner,
    (tenant, kind, name): (&Tenant, ObjectKind, &str),
    now: Timestamp,
    judged_on: Option<u64>,
) -> Result<bool, Failure> {
    let retire = |session: Arc<Session>| async move {
        let (tenant, kind) = (Text::from(tenant.as_str()), Text::from(kind.as_str()));
        let row = params![tenant, kind, Text::from(name), now.as_micros()];
        let retired = session.execute(Query::retire_object, row).await?;
        count_configured(&session, judged_on).await?;
        Ok(retired > 0)
    };
    inner.transaction(1, retire).await
}

async fn put_one(session: &Session, object: &Object, create: bool) -> Result<(), Failure> {
    let taken = || {
        let taken = format!("there is a {} named '{}' already", object.kind.as_str(), object.name);
        Failure::from(StoreError::Conflict(taken))
    };
    let key =
        || params![Text::from(object.tenant.as_str()), Text::from(object.kind.as_str()), Text::from(&object.name)];
    let mut found = session.row(Query::lock_object, key()).await?;
    if found.is_none() {
        if session.execute(Query::insert_object, columns(object, object.created_at)).await? > 0 {
            return Ok(());
        }
        // Another node made it at the same time: it is there now, and this one is the later.
        found = session.row(Query::lock_object, key()).await?;
    }
    let row = found.ok_or_else(taken)?;
    let created_at = match time_or_none(&row, 1)? {
        None if create => return Err(taken()),
        None => time(&row, 0)?,
        Some(_) => object.created_at,
    };
    session.later(Query::replace_object, columns(object, created_at));
    Ok(())
}

fn columns(object: &Object, created_at: Timestamp) -> Vec<crate::value::Param> {
    let managed_by = match object.managed_by {
        ManagedBy::File => "file",
        ManagedBy::Api => "api",
    };
    params![
        Text::from(object.tenant.as_str()),
        Text::from(object.kind.as_str()),
        Text::from(&object.name),
        Text::from(managed_by),
        Text::from(&object.definition.to_string()),
        created_at.as_micros(),
        object.updated_at.as_micros(),
        micros(object.retired_at),
    ]
}

/// The object in the columns of `objects`.
pub(super) fn read(row: &Row) -> Result<Object, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("an object's {what} cannot be read"));
    let definition = string_or_none(row, 4)?.unwrap_or_default();
    Ok(Object {
        tenant: name(row, 0)?,
        kind: ObjectKind::parse(cell(row, 1)?).ok_or_else(|| damaged("kind"))?,
        name: text(row, 2)?,
        managed_by: if cell::<&str>(row, 3)? == "file" { ManagedBy::File } else { ManagedBy::Api },
        definition: serde_json::from_str(&definition).map_err(|_| damaged("definition"))?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
        retired_at: time_or_none(row, 7)?,
    })
}
