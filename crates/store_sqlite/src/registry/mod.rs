//! What is configured, who may ask, and answers kept for repetitions: the verbs of [`store::registry::Registry`].

mod alerts;
mod notices;
mod objects;
mod repeats;

use std::sync::Arc;

use bytes::Bytes;
use domain::identity::Digest;
use domain::{Tenant, Timestamp};
use rusqlite::{Row, params};
use store::read::{Listed, Page};
use store::registry::{Alert, ApiKey, Idempotency, Object, ObjectKind, Registry, is_shared};
use store::{StoreError, Verb};

use crate::SqliteStore;
use crate::failure::Failure;
use crate::job::Work;
use crate::query::Query;
use crate::row::{bytes, micros, text, time, time_or_none};

impl Registry for SqliteStore {
    fn objects(&self) -> Verb<'_, Vec<Object>> {
        self.read(|view| view.rows(Query::objects, [], objects::read))
    }

    fn put_object(&self, object: Object, create: bool, judged_on: Option<u64>) -> Verb<'_, ()> {
        self.write(Work::ingest(1, 0), move |tx, _| {
            objects::put(tx, &object, create)?;
            tx.configured(judged_on)
        })
    }

    fn retire_object(
        &self,
        tenant: Tenant,
        kind: ObjectKind,
        name: Arc<str>,
        now: Timestamp,
        judged_on: Option<u64>,
    ) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| {
            let row = (tenant.as_str(), kind.as_str(), &*name, now.as_micros());
            let retired = tx.execute(Query::retire_object, row)?;
            tx.configured(judged_on)?;
            Ok(retired > 0)
        })
    }

    fn put_api_key(&self, key: ApiKey) -> Verb<'_, ()> {
        self.write(Work::ingest(1, 0), move |tx, _| {
            let scopes = serde_json::to_string(&key.scopes).map_err(|error| StoreError::Refused(error.to_string()))?;
            let row = params![
                &*key.id,
                key.tenant.as_str(),
                key.hash.0,
                scopes,
                key.note,
                key.created_at.as_micros(),
                micros(key.expires_at),
                micros(key.revoked_at),
                micros(key.last_used_at),
            ];
            if tx.execute(Query::insert_api_key, row)? == 0 {
                return Err(StoreError::Conflict(format!("there is an API key {} already", key.id)).into());
            }
            Ok(())
        })
    }

    fn api_keys(&self, tenant: Option<Tenant>) -> Verb<'_, Vec<ApiKey>> {
        self.read(move |view| match &tenant {
            Some(tenant) => view.rows(Query::api_keys_of, [tenant.as_str()], read_api_key),
            None => view.rows(Query::api_keys, [], read_api_key),
        })
    }

    fn api_key(&self, id: Arc<str>) -> Verb<'_, Option<ApiKey>> {
        self.read(move |view| view.row(Query::api_key, [&*id], read_api_key))
    }

    fn revoke_api_key(&self, tenant: Tenant, id: Arc<str>, now: Timestamp) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| {
            Ok(tx.execute(Query::revoke_api_key, (tenant.as_str(), &*id, now.as_micros()))? > 0)
        })
    }

    fn touch_api_keys(&self, used: Vec<(Arc<str>, Timestamp)>) -> Verb<'_, ()> {
        self.write(Work::rows(used.len()), move |tx, _| {
            used.iter().try_for_each(|(id, at)| tx.execute(Query::touch_api_key, (&**id, at.as_micros())).map(drop))
        })
    }

    fn begin_idempotent(
        &self,
        tenant: Tenant,
        key: Arc<str>,
        request: Digest,
        now: Timestamp,
    ) -> Verb<'_, Idempotency> {
        self.write(Work::ingest(1, 0), move |tx, _| repeats::begin(tx, (tenant.as_str(), &key), request, now))
    }

    fn finish_idempotent(&self, tenant: Tenant, key: Arc<str>, answer: Option<(u16, Bytes)>) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| repeats::finish(tx, (tenant.as_str(), &key), answer.as_ref()))
    }

    fn raise_alert(&self, alert: Alert) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| alerts::raise(tx, &alert))
    }

    fn resolve_alert(
        &self,
        tenant: Tenant,
        kind: Arc<str>,
        object: Arc<str>,
        by: Option<Arc<str>>,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| {
            let Some(tenant) = tx.known_name(tenant.as_str())? else { return Ok(false) };
            let row = params![tenant, &*kind, &*object, now.as_micros(), by.as_deref()];
            Ok(tx.execute(Query::resolve_alert, row)? > 0)
        })
    }

    fn open_alerts(&self) -> Verb<'_, Vec<Alert>> {
        self.read(|view| {
            let lookup = view.lookup();
            view.rows(Query::open_alerts, [], |row| alerts::read(row, lookup))
        })
    }

    fn alerts(&self, tenant: Tenant, open_only: bool, page: Page) -> Verb<'_, Listed<Alert>> {
        self.read(move |view| alerts::list(view, tenant.as_str(), open_only, &page))
    }

    fn setting(&self, name: Arc<str>) -> Verb<'_, Option<Bytes>> {
        self.read(move |view| view.row(Query::setting, [&*name], |row| bytes(row, 0)))
    }

    fn keep_setting(&self, name: Arc<str>, value: Bytes) -> Verb<'_, Bytes> {
        self.write(Work::ingest(1, value.len()), move |tx, _| {
            tx.execute(Query::keep_setting, (&*name, &*value))?;
            Ok(tx.row(Query::setting, [&*name], |row| bytes(row, 0))?.unwrap_or_default())
        })
    }

    fn exchange_setting(&self, name: Arc<str>, before: Option<Bytes>, after: Bytes) -> Verb<'_, bool> {
        if is_shared(&name) {
            self.shared.nodes.note_configured();
        }
        self.write(Work::ingest(1, after.len()), move |tx, _| {
            let touched = match &before {
                None => tx.execute(Query::insert_setting, (&*name, &*after))?,
                Some(before) => tx.execute(Query::exchange_setting, (&*name, &**before, &*after))?,
            };
            Ok(touched > 0)
        })
    }

    fn put_setting(&self, name: Arc<str>, value: Bytes) -> Verb<'_, ()> {
        if is_shared(&name) {
            self.shared.nodes.note_configured();
        }
        self.write(Work::ingest(1, value.len()), move |tx, _| {
            tx.execute(Query::put_setting, (&*name, &*value)).map(drop)
        })
    }
}

fn read_api_key(row: &Row<'_>) -> Result<ApiKey, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("an API key's {what} cannot be read"));
    Ok(ApiKey {
        id: text(row, 0)?,
        tenant: row.get::<_, String>(1)?.parse().map_err(|_| damaged("tenant"))?,
        hash: Digest(row.get(2)?),
        scopes: serde_json::from_str(&row.get::<_, String>(3)?).map_err(|_| damaged("scopes"))?,
        note: row.get(4)?,
        created_at: time(row, 5)?,
        expires_at: time_or_none(row, 6)?,
        revoked_at: time_or_none(row, 7)?,
        last_used_at: time_or_none(row, 8)?,
    })
}
