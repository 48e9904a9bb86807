//! Reading: the verbs of [`store::read::Read`], beside the writer.

pub(crate) mod deliveries;
pub(crate) mod events;
mod merge;
pub(crate) mod requests;

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryId, EventId, RequestId, Tenant, Timestamp};
use store::Verb;
use store::intake::KeptRequest;
use store::read::{
    Backlog, DeliveryDetail, DeliveryFilter, DeliveryRow, EventDetail, EventFilter, EventRow, Listed, OUT_OF_ORDER,
    Page, Position, Read, RequestFilter, Sighting, Stretch,
};
use uuid::Uuid;

use crate::SqliteStore;
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{count, event, time};
use crate::view::View;
use store::patience::Patience;

/// The bytes that ids have to be below: those of an id, or more than any id has.
pub(crate) fn before(id: Option<Uuid>) -> Vec<u8> {
    id.map_or_else(|| vec![0xff; 17], |id| id.as_bytes().to_vec())
}

impl Read for SqliteStore {
    fn events(&self, tenant: Tenant, filter: EventFilter, page: Page) -> Verb<'_, Listed<EventRow>> {
        self.read(move |view| events::list(view, tenant.as_str(), &filter, &page))
    }

    fn count_events(&self, tenant: Tenant, filter: EventFilter, scan: Duration) -> Verb<'_, (u64, bool)> {
        self.read(move |view| {
            let patience = Patience::new(scan, view.shared.options.inline);
            events::count_matching(view, tenant.as_str(), &filter, patience)
        })
    }

    fn events_after(&self, tenant: Tenant, filter: EventFilter, page: Page) -> Verb<'_, Stretch> {
        self.read(move |view| events::after(view, tenant.as_str(), &filter, &page))
    }

    /// Positions are of the whole store: one is as good for each tenant.
    fn tail_position(&self, _tenant: Tenant) -> Verb<'_, Position> {
        self.read(|view| {
            let last = view.row(Query::last_seq, [], |row| Ok(row.get::<_, i64>(0)?))?;
            Ok(Position(last.unwrap_or(0).to_string()))
        })
    }

    fn position_since(&self, tenant: Tenant, since: Timestamp) -> Verb<'_, Position> {
        self.read(move |view| {
            // First: what is accepted in between lies after it.
            let last = view.row(Query::last_seq, [], |row| Ok(row.get::<_, i64>(0)?))?.unwrap_or(0);
            let Some(tenant) = view.lookup().id(tenant.as_str())? else { return Ok(Position(last.to_string())) };
            let (since, mut first) = (since.as_micros(), None);
            let mut found = view.row(Query::first_since, (tenant, since), |row| Ok(row.get::<_, i64>(0)?))?;
            while let Some(seq) = found {
                let row = (tenant, since, seq.saturating_sub(i64::from(OUT_OF_ORDER)), seq);
                found = view.row(Query::accepted_before, row, |row| Ok(row.get::<_, i64>(0)?))?;
                first = Some(seq);
            }
            Ok(Position(first.map_or(last, |first| first - 1).to_string()))
        })
    }

    fn event(&self, tenant: Tenant, id: EventId) -> Verb<'_, Option<EventDetail>> {
        self.read(move |view| event_detail(view, tenant.as_str(), id))
    }

    fn deliveries(&self, tenant: Tenant, filter: DeliveryFilter, page: Page) -> Verb<'_, Listed<DeliveryRow>> {
        self.read(move |view| deliveries::list(view, tenant.as_str(), &filter, &page))
    }

    fn delivery(&self, tenant: Tenant, id: DeliveryId) -> Verb<'_, Option<DeliveryDetail>> {
        self.read(move |view| deliveries::detail(view, tenant.as_str(), id))
    }

    fn requests(&self, tenant: Tenant, filter: RequestFilter, page: Page) -> Verb<'_, Listed<KeptRequest>> {
        self.read(move |view| requests::list(view, tenant.as_str(), &filter, &page))
    }

    fn request(&self, tenant: Tenant, id: RequestId) -> Verb<'_, Option<KeptRequest>> {
        self.read(move |view| {
            let lookup = view.lookup();
            let Some(tenant) = lookup.id(tenant.as_str())? else { return Ok(None) };
            let read = |row: &rusqlite::Row<'_>| crate::intake::requests::read(row, lookup);
            view.row(Query::request, (tenant, id.as_bytes()), read)
        })
    }

    fn backlog(&self) -> Verb<'_, Vec<Backlog>> {
        self.read(deliveries::backlog)
    }
}

fn event_detail(view: &mut View<'_, '_>, tenant: &str, id: EventId) -> Result<Option<EventDetail>, Failure> {
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant)? else { return Ok(None) };
    let found = view.row(Query::event_by_id, (tenant, id.as_bytes()), |row| {
        Ok((row.get::<_, i64>(0)?, Arc::new(event(row, lookup)?)))
    })?;
    let Some((seq, event)) = found else { return Ok(None) };
    let sightings = view.rows(Query::sightings, [seq], |row| {
        Ok(Sighting { path: row.get(0)?, first_at: time(row, 1)?, last_at: time(row, 2)?, count: count(row, 3)? })
    })?;
    let deliveries = deliveries::of_event(view, seq)?;
    Ok(Some(EventDetail { event, sightings, deliveries, position: Position(seq.to_string()) }))
}
