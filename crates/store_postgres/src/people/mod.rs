//! What people decide: the verbs of [`store::people::People`].

mod replays;
mod wishes;

use std::sync::Arc;

use domain::{DeliveryId, DestinationName, ReplayId, Tenant, Timestamp};
use store::people::{DestinationState, DestinationStatus, HoldScope, People, Replay, ReplayStep, Wish};
use store::read::{DeliveryFilter, Listed, Page};
use store::{StoreError, Verb};

use crate::PostgresStore;
use crate::query::Query;
use crate::row::{cell, name, string_or_none, time};
use crate::value::{Text, params};

impl People for PostgresStore {
    fn retry(&self, tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Verb<'_, Vec<Wish>> {
        self.verb(move |inner| async move { wishes::retry_all(&inner, &tenant, &ids, now).await })
    }

    fn cancel(&self, tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Verb<'_, Vec<Wish>> {
        self.verb(move |inner| async move { wishes::cancel_all(&inner, &tenant, &ids, now).await })
    }

    fn cancel_matching(&self, tenant: Tenant, filter: DeliveryFilter, now: Timestamp, limit: u32) -> Verb<'_, u32> {
        self.verb(move |inner| async move {
            let ids = wishes::open_matching(&inner, &tenant, &filter, limit).await?;
            let wishes = wishes::cancel_all(&inner, &tenant, &ids, now).await?;
            let done = wishes.iter().filter(|wish| **wish == Wish::Done).count();
            Ok(u32::try_from(done).unwrap_or(u32::MAX))
        })
    }

    fn hold(&self, tenant: Tenant, scope: HoldScope, limit: u32) -> Verb<'_, u32> {
        let (query, name) = match scope {
            HoldScope::Destination(name) => (Query::hold_destination, name.as_str().to_owned()),
            HoldScope::Route(name) => (Query::hold_route, name.as_str().to_owned()),
        };
        self.change_some(query, tenant, name, limit)
    }

    /// Each goes on when it was due anyway: a schedule of retries survives a pause.
    fn resume(&self, tenant: Tenant, scope: HoldScope, limit: u32) -> Verb<'_, u32> {
        let (query, name) = match scope {
            HoldScope::Destination(name) => (Query::resume_destination, name.as_str().to_owned()),
            HoldScope::Route(name) => (Query::resume_route, name.as_str().to_owned()),
        };
        self.change_some(query, tenant, name, limit)
    }

    fn set_destination_status(&self, tenant: Tenant, name: DestinationName, status: DestinationStatus) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let key = || (Text::from(tenant.as_str()), Text::from(name.as_str()));
            if status.state == DestinationState::Active {
                return inner.configure(Query::activate_destination, || params![key().0, key().1]).await.map(drop);
            }
            let (since, reason) = (status.since.as_micros(), &status.reason);
            let state = status.state.as_str();
            let row = || params![key().0, key().1, Text::from(state), since, Text::from(reason)];
            inner.configure(Query::put_destination, row).await.map(drop)
        })
    }

    fn destination_statuses(&self) -> Verb<'_, Vec<(Tenant, DestinationName, DestinationStatus)>> {
        self.verb(|inner| async move {
            let rows = inner.rows(Query::destinations, Vec::new).await?;
            rows.iter()
                .map(|row| {
                    let state: &str = cell(row, 2)?;
                    let state = DestinationState::parse(state)
                        .ok_or_else(|| StoreError::Corrupt(format!("'{state}' is no state of a destination")))?;
                    let reason = string_or_none(row, 4)?.unwrap_or_default();
                    Ok((name(row, 0)?, name(row, 1)?, DestinationStatus { state, since: time(row, 3)?, reason }))
                })
                .collect()
        })
    }

    fn create_replay(&self, replay: Replay) -> Verb<'_, ()> {
        self.verb(move |inner| async move { replays::create(&inner, &replay).await })
    }

    /// The deliveries are claimed as they fall due, at the pace of their destinations, never at birth.
    fn replay_step(&self, step: ReplayStep, now: Timestamp) -> Verb<'_, Replay> {
        let step = Arc::new(step);
        self.verb(move |inner| async move { replays::step(&inner, &step, now).await })
    }

    fn cancel_replay(&self, tenant: Tenant, id: ReplayId, now: Timestamp) -> Verb<'_, Option<Replay>> {
        self.verb(move |inner| async move { replays::cancel(&inner, &tenant, id, now).await })
    }

    fn replays(&self, tenant: Tenant, page: Page) -> Verb<'_, Listed<Replay>> {
        self.verb(move |inner| async move { replays::list(&inner, &tenant, &page).await })
    }

    fn replay(&self, tenant: Tenant, id: ReplayId) -> Verb<'_, Option<Replay>> {
        self.verb(move |inner| async move {
            let row = inner.row(Query::replay, || params![Text::from(tenant.as_str()), id.uuid()]).await?;
            row.as_ref().map(replays::read).transpose()
        })
    }

    fn running_replays(&self) -> Verb<'_, Vec<Replay>> {
        self.verb(|inner| async move {
            let rows = inner.rows(Query::running_replays, Vec::new).await?;
            rows.iter().map(replays::read).collect()
        })
    }
}

impl PostgresStore {
    /// Changes some of a destination's or a route's open deliveries; gives how many.
    fn change_some(&self, query: Query, tenant: Tenant, name: String, limit: u32) -> Verb<'_, u32> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), Text::from(&name), i64::from(limit)];
            let changed = inner.write(query, row).await?;
            Ok(u32::try_from(changed).unwrap_or(u32::MAX))
        })
    }
}
