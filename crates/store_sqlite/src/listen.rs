//! Listeners: the verbs of [`store::listen::Listen`].

use domain::{ListenerName, Tenant, Timestamp};
use rusqlite::{Row, params};
use store::listen::{Listen, Listener};
use store::read::Position;
use store::{StoreError, Verb};

use crate::SqliteStore;
use crate::failure::Failure;
use crate::job::Work;
use crate::query::Query;
use crate::row::{count, signed, time};

impl Listen for SqliteStore {
    fn open_listener(&self, listener: Listener) -> Verb<'_, Listener> {
        self.write(Work::ingest(1, 0), move |tx, _| {
            let filter =
                serde_json::to_string(&listener.filter).map_err(|error| StoreError::Refused(error.to_string()))?;
            let (tenant, name) = (listener.tenant.as_str(), listener.name.as_str());
            let row = params![tenant, name, filter, listener.position.0, listener.seen_at.as_micros()];
            tx.execute(Query::open_listener, row)?;
            let opened = tx.row(Query::listener, (tenant, name), read)?;
            opened.ok_or_else(|| StoreError::Corrupt("a listener that was just written is not there".to_owned()).into())
        })
    }

    fn listeners(&self, tenant: Tenant) -> Verb<'_, Vec<Listener>> {
        self.read(move |view| view.rows(Query::listeners, [tenant.as_str()], read))
    }

    fn listener(&self, tenant: Tenant, name: ListenerName) -> Verb<'_, Option<Listener>> {
        self.read(move |view| view.row(Query::listener, (tenant.as_str(), name.as_str()), read))
    }

    fn move_listener(
        &self,
        tenant: Tenant,
        name: ListenerName,
        generation: u64,
        position: Option<Position>,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| {
            let position = position.as_ref().map(|position| position.0.as_str());
            let row = params![tenant.as_str(), name.as_str(), signed(generation), position, now.as_micros()];
            Ok(tx.execute(Query::move_listener, row)? > 0)
        })
    }

    fn forget_listener(&self, tenant: Tenant, name: ListenerName) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| {
            Ok(tx.execute(Query::forget_listener, (tenant.as_str(), name.as_str()))? > 0)
        })
    }
}

fn read(row: &Row<'_>) -> Result<Listener, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("a listener's {what} cannot be read"));
    Ok(Listener {
        tenant: row.get::<_, String>(0)?.parse().map_err(|_| damaged("tenant"))?,
        name: row.get::<_, String>(1)?.parse().map_err(|_| damaged("name"))?,
        filter: serde_json::from_str(&row.get::<_, String>(2)?).map_err(|_| damaged("filter"))?,
        position: Position(row.get(3)?),
        generation: count(row, 4)?,
        created_at: time(row, 5)?,
        seen_at: time(row, 6)?,
    })
}
