//! What is configured, who may ask, and answers kept for repetitions: the verbs of [`store::registry::Registry`].

mod alerts;
mod notices;
mod objects;
mod repeats;

use std::sync::Arc;

use bytes::Bytes;
use domain::identity::Digest;
use domain::{Tenant, Timestamp};
use store::read::{Listed, Page};
use store::registry::{Alert, ApiKey, Idempotency, Object, ObjectKind, Registry, is_shared};
use store::{StoreError, Verb};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::failure::Failure;
use crate::nodes::note_configured;
use crate::query::Query;
use crate::row::{bytes, cell, name, string_or_none, text, time, time_or_none};
use crate::session::Session;
use crate::value::{Blob, Text, column, micros, params};

impl Registry for PostgresStore {
    fn objects(&self) -> Verb<'_, Vec<Object>> {
        self.verb(
            |inner| async move { inner.rows(Query::objects, Vec::new).await?.iter().map(objects::read).collect() },
        )
    }

    fn put_object(&self, object: Object, create: bool, judged_on: Option<u64>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { objects::put(&inner, &object, create, judged_on).await })
    }

    fn retire_object(
        &self,
        tenant: Tenant,
        kind: ObjectKind,
        name: Arc<str>,
        now: Timestamp,
        judged_on: Option<u64>,
    ) -> Verb<'_, bool> {
        self.verb(move |inner| async move { objects::retire(&inner, (&tenant, kind, &name), now, judged_on).await })
    }

    fn put_api_key(&self, key: ApiKey) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let scopes = serde_json::to_string(&key.scopes).map_err(|error| StoreError::Refused(error.to_string()))?;
            let row = || {
                params![
                    Text::from(&key.id),
                    Text::from(key.tenant.as_str()),
                    Blob::of(&key.hash.0),
                    Text::from(&scopes),
                    Text::from(&key.note),
                    key.created_at.as_micros(),
                    micros(key.expires_at),
                    micros(key.revoked_at),
                    micros(key.last_used_at),
                ]
            };
            if inner.write(Query::insert_api_key, row).await? == 0 {
                return Err(StoreError::Conflict(format!("there is an API key {} already", key.id)).into());
            }
            Ok(())
        })
    }

    fn api_keys(&self, tenant: Option<Tenant>) -> Verb<'_, Vec<ApiKey>> {
        self.verb(move |inner| async move {
            let rows = match &tenant {
                Some(tenant) => inner.rows(Query::api_keys_of, || params![Text::from(tenant.as_str())]).await?,
                None => inner.rows(Query::api_keys, Vec::new).await?,
            };
            rows.iter().map(read_api_key).collect()
        })
    }

    fn api_key(&self, id: Arc<str>) -> Verb<'_, Option<ApiKey>> {
        self.verb(move |inner| async move {
            let row = inner.row(Query::api_key, || params![Text::from(&id)]).await?;
            row.as_ref().map(read_api_key).transpose()
        })
    }

    fn revoke_api_key(&self, tenant: Tenant, id: Arc<str>, now: Timestamp) -> Verb<'_, bool> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), Text::from(&id), now.as_micros()];
            Ok(inner.write(Query::revoke_api_key, row).await? > 0)
        })
    }

    fn touch_api_keys(&self, used: Vec<(Arc<str>, Timestamp)>) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let row = || params![column(&used, |(id, _)| Text::from(id)), column(&used, |(_, at)| at.as_micros())];
            inner.write(Query::touch_api_keys, row).await.map(drop)
        })
    }

    fn begin_idempotent(
        &self,
        tenant: Tenant,
        key: Arc<str>,
        request: Digest,
        now: Timestamp,
    ) -> Verb<'_, Idempotency> {
        self.verb(move |inner| async move { repeats::begin(&inner, (&tenant, &key), request, now).await })
    }

    fn finish_idempotent(&self, tenant: Tenant, key: Arc<str>, answer: Option<(u16, Bytes)>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { repeats::finish(&inner, (&tenant, &key), answer.as_ref()).await })
    }

    fn raise_alert(&self, alert: Alert) -> Verb<'_, bool> {
        self.verb(move |inner| async move { alerts::raise(&inner, &alert).await })
    }

    fn resolve_alert(
        &self,
        tenant: Tenant,
        kind: Arc<str>,
        object: Arc<str>,
        by: Option<Arc<str>>,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.verb(move |inner| async move {
            let row = || {
                params![
                    Text::from(tenant.as_str()),
                    Text::from(&kind),
                    Text::from(&object),
                    now.as_micros(),
                    by.as_ref().map(Text::from),
                ]
            };
            Ok(inner.write(Query::resolve_alert, row).await? > 0)
        })
    }

    fn open_alerts(&self) -> Verb<'_, Vec<Alert>> {
        self.verb(
            |inner| async move { inner.rows(Query::open_alerts, Vec::new).await?.iter().map(alerts::read).collect() },
        )
    }

    fn alerts(&self, tenant: Tenant, open_only: bool, page: Page) -> Verb<'_, Listed<Alert>> {
        self.verb(move |inner| async move { alerts::list(&inner, &tenant, open_only, &page).await })
    }

    fn setting(&self, name: Arc<str>) -> Verb<'_, Option<Bytes>> {
        self.verb(move |inner| async move {
            let row = inner.row(Query::setting, || params![Text::from(&name)]).await?;
            row.map(|row| bytes(&row, 0)).transpose()
        })
    }

    fn keep_setting(&self, name: Arc<str>, value: Bytes) -> Verb<'_, Bytes> {
        self.verb(move |inner| async move {
            inner.write(Query::keep_setting, || params![Text::from(&name), Blob(value.clone())]).await?;
            let row = inner.row(Query::setting, || params![Text::from(&name)]).await?;
            row.map_or(Ok(Bytes::new()), |row| bytes(&row, 0))
        })
    }

    fn exchange_setting(&self, name: Arc<str>, before: Option<Bytes>, after: Bytes) -> Verb<'_, bool> {
        self.verb(move |inner| async move {
            let exchange = |session: Arc<Session>| {
                let (name, after) = (&name, Blob(after.clone()));
                let (query, row) = match &before {
                    None => (Query::insert_setting, params![Text::from(name), after]),
                    Some(before) => (Query::exchange_setting, params![Text::from(name), Blob(before.clone()), after]),
                };
                async move {
                    let is_exchanged = session.execute(query, row).await? > 0;
                    if is_exchanged && is_shared(name) {
                        note_configured(&session);
                    }
                    Ok(is_exchanged)
                }
            };
            inner.transaction(1, exchange).await
        })
    }

    fn put_setting(&self, name: Arc<str>, value: Bytes) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(&name), Blob(value.clone())];
            if is_shared(&name) {
                return inner.configure(Query::put_setting, row).await.map(drop);
            }
            inner.write(Query::put_setting, row).await.map(drop)
        })
    }
}

fn read_api_key(row: &Row) -> Result<ApiKey, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("an API key's {what} cannot be read"));
    let hash: &[u8] = cell(row, 2)?;
    Ok(ApiKey {
        id: text(row, 0)?,
        tenant: name(row, 1)?,
        hash: Digest(hash.try_into().map_err(|_| damaged("hash"))?),
        scopes: serde_json::from_str(cell(row, 3)?).map_err(|_| damaged("scopes"))?,
        note: string_or_none(row, 4)?.unwrap_or_default(),
        created_at: time(row, 5)?,
        expires_at: time_or_none(row, 6)?,
        revoked_at: time_or_none(row, 7)?,
        last_used_at: time_or_none(row, 8)?,
    })
}
