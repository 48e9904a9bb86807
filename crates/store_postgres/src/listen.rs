//! Listeners: the verbs of [`store::listen::Listen`].

use domain::{ListenerName, Tenant, Timestamp};
use store::listen::{Listen, Listener};
use store::read::Position;
use store::{StoreError, Verb};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{cell, count, name, time};
use crate::value::{Text, params};

impl Listen for PostgresStore {
    fn open_listener(&self, listener: Listener) -> Verb<'_, Listener> {
        self.verb(move |inner| async move {
            let filter =
                serde_json::to_string(&listener.filter).map_err(|error| StoreError::Refused(error.to_string()))?;
            inner.know_tenants(std::iter::once(&listener.tenant)).await?;
            let key = || params![Text::from(listener.tenant.as_str()), Text::from(listener.name.as_str())];
            let row = || {
                let mut row = key();
                row.extend(params![
                    Text::from(&filter),
                    Text::from(&listener.position.0),
                    listener.seen_at.as_micros()
                ]);
                row
            };
            inner.write(Query::open_listener, row).await?;
            let opened = inner.row(Query::listener, key).await?.as_ref().map(read).transpose()?;
            opened.ok_or_else(|| StoreError::Conflict("the listener was forgotten just now".to_owned()).into())
        })
    }

    fn listeners(&self, tenant: Tenant) -> Verb<'_, Vec<Listener>> {
        self.verb(move |inner| async move {
            inner.rows(Query::listeners, || params![Text::from(tenant.as_str())]).await?.iter().map(read).collect()
        })
    }

    fn listener(&self, tenant: Tenant, name: ListenerName) -> Verb<'_, Option<Listener>> {
        self.verb(move |inner| async move {
            let key = || params![Text::from(tenant.as_str()), Text::from(name.as_str())];
            inner.row(Query::listener, key).await?.as_ref().map(read).transpose()
        })
    }

    fn move_listener(
        &self,
        tenant: Tenant,
        name: ListenerName,
        generation: u64,
        position: Option<Position>,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.verb(move |inner| async move {
            let generation = i64::try_from(generation).unwrap_or(i64::MAX);
            let row = || {
                let position = position.as_ref().map(|position| Text::from(&position.0));
                params![Text::from(tenant.as_str()), Text::from(name.as_str()), generation, position, now.as_micros()]
            };
            Ok(inner.write(Query::move_listener, row).await? > 0)
        })
    }

    fn forget_listener(&self, tenant: Tenant, name: ListenerName) -> Verb<'_, bool> {
        self.verb(move |inner| async move {
            let key = || params![Text::from(tenant.as_str()), Text::from(name.as_str())];
            Ok(inner.write(Query::forget_listener, key).await? > 0)
        })
    }
}

fn read(row: &Row) -> Result<Listener, Failure> {
    let damaged = || StoreError::Corrupt("a listener's filter cannot be read".to_owned());
    Ok(Listener {
        tenant: name(row, 0)?,
        name: name(row, 1)?,
        filter: serde_json::from_str(cell(row, 2)?).map_err(|_| damaged())?,
        position: Position(cell(row, 3)?),
        generation: count(row, 4)?,
        created_at: time(row, 5)?,
        seen_at: time(row, 6)?,
    })
}
