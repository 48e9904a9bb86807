//! Reading: the verbs of [`store::read::Read`].

mod deliveries;
pub(crate) mod events;
pub(crate) mod pager;

pub(crate) mod requests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryId, EventId, RequestId, Tenant, Timestamp};
use store::Verb;
use store::intake::KeptRequest;
use store::read::{
    Backlog, DeliveryDetail, DeliveryFilter, DeliveryRow, EventDetail, EventFilter, EventRow, Listed, Page, Position,
    Read, RequestFilter, Sighting, Stretch,
};

pub(crate) use self::events::not_a_position;
use crate::PostgresStore;
use crate::failure::Failure;
use crate::options::QUICK_LOOK;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, count, delivery, event, string_or_none, time};
use crate::session::Session;
use crate::value::{Text, params};

impl Read for PostgresStore {
    fn events(&self, tenant: Tenant, filter: EventFilter, page: Page) -> Verb<'_, Listed<EventRow>> {
        self.search(move |inner| async move {
            let inline = inner.options.inline;
            let (tenant, filter, page) = (&tenant, &filter, &page);
            inner.read(|session| async move { events::list(&session, tenant, filter, page, inline).await }).await
        })
    }

    fn count_events(&self, tenant: Tenant, filter: EventFilter, scan: Duration) -> Verb<'_, (u64, bool)> {
        self.search(move |inner| async move {
            let inline = inner.options.inline;
            let (tenant, filter) = (&tenant, &filter);
            inner
                .read(|session| async move { events::count_matching(&session, tenant, filter, scan, inline).await })
                .await
        })
    }

    fn events_after(&self, tenant: Tenant, filter: EventFilter, page: Page) -> Verb<'_, Stretch> {
        self.search(move |inner| async move {
            let inline = inner.options.inline;
            let (tenant, filter, page) = (&tenant, &filter, &page);
            inner.read(|session| async move { events::after(&session, tenant, filter, page, inline).await }).await
        })
    }

    fn tail_position(&self, tenant: Tenant) -> Verb<'_, Position> {
        self.verb(move |inner| async move {
            let tenant = &tenant;
            inner.read(|session| async move { events::tail_position(&session, tenant).await }).await
        })
    }

    fn position_since(&self, tenant: Tenant, since: Timestamp) -> Verb<'_, Position> {
        self.search(move |inner| async move {
            let tenant = &tenant;
            inner.read(|session| async move { events::position_since(&session, tenant, since).await }).await
        })
    }

    fn event(&self, tenant: Tenant, id: EventId) -> Verb<'_, Option<EventDetail>> {
        self.verb(move |inner| async move {
            let tenant = &tenant;
            inner.read(|session| async move { event_detail(&session, tenant, id).await }).await
        })
    }

    fn deliveries(&self, tenant: Tenant, filter: DeliveryFilter, page: Page) -> Verb<'_, Listed<DeliveryRow>> {
        let is_quick = page.scan <= QUICK_LOOK;
        let look = move |inner: Arc<Inner>| async move {
            let inline = inner.options.inline;
            let (tenant, filter, page) = (&tenant, &filter, &page);
            inner.read(|session| async move { deliveries::list(&session, tenant, filter, page, inline).await }).await
        };
        if is_quick { self.verb(look) } else { self.search(look) }
    }

    fn delivery(&self, tenant: Tenant, id: DeliveryId) -> Verb<'_, Option<DeliveryDetail>> {
        self.verb(move |inner| async move {
            let tenant = &tenant;
            inner.read(|session| async move { deliveries::detail(&session, tenant, id).await }).await
        })
    }

    fn requests(&self, tenant: Tenant, filter: RequestFilter, page: Page) -> Verb<'_, Listed<KeptRequest>> {
        self.search(move |inner| async move {
            let inline = inner.options.inline;
            let (tenant, filter, page) = (&tenant, &filter, &page);
            inner.read(|session| async move { requests::list(&session, tenant, filter, page, inline).await }).await
        })
    }

    fn request(&self, tenant: Tenant, id: RequestId) -> Verb<'_, Option<KeptRequest>> {
        self.verb(move |inner| async move {
            let row = inner.row(Query::request, || params![Text::from(tenant.as_str()), id.uuid()]).await?;
            row.as_ref().map(crate::intake::requests::read).transpose()
        })
    }

    fn backlog(&self) -> Verb<'_, Vec<Backlog>> {
        self.verb(|inner| async move { inner.read(|session| async move { deliveries::backlog(&session).await }).await })
    }
}

async fn event_detail(session: &Session, tenant: &Tenant, id: EventId) -> Result<Option<EventDetail>, Failure> {
    let key = || params![Text::from(tenant.as_str()), id.uuid()];
    let Some(row) = session.row(Query::event_by_id, key()).await? else { return Ok(None) };
    let sightings = session.rows(Query::sightings, key()).await?;
    let deliveries = session.rows(Query::deliveries_of_event, key()).await?;
    Ok(Some(EventDetail {
        event: Arc::new(event(&row, 0)?),
        sightings: sightings.iter().map(sighting).collect::<Result<_, _>>()?,
        deliveries: deliveries.iter().map(delivery).collect::<Result<_, _>>()?,
        position: Position(cell::<i64>(&row, 0)?.to_string()),
    }))
}

fn sighting(row: &tokio_postgres::Row) -> Result<Sighting, Failure> {
    let path = string_or_none(row, 0)?.unwrap_or_default();
    Ok(Sighting { path, first_at: time(row, 1)?, last_at: time(row, 2)?, count: count(row, 3)? })
}
