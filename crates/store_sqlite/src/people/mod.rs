//! What people decide: the verbs of [`store::people::People`].

mod hold;
mod replays;
mod wishes;

use domain::{DeliveryId, DestinationName, ReplayId, Tenant, Timestamp};
use rusqlite::params;
use store::people::{DestinationState, DestinationStatus, HoldScope, People, Replay, ReplayStep, Wish};
use store::read::{DeliveryFilter, Listed, Page};
use store::{StoreError, Verb};

use crate::SqliteStore;
use crate::failure::Failure;
use crate::job::Work;
use crate::query::Query;
use crate::row::time;

impl People for SqliteStore {
    fn retry(&self, tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Verb<'_, Vec<Wish>> {
        self.write(Work::rows(ids.len()), move |tx, _| {
            ids.iter().map(|id| wishes::retry(tx, tenant.as_str(), *id, now)).collect()
        })
    }

    fn cancel(&self, tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Verb<'_, Vec<Wish>> {
        self.write(Work::rows(ids.len()), move |tx, _| {
            ids.iter().map(|id| wishes::cancel(tx, tenant.as_str(), *id, now)).collect()
        })
    }

    /// Looks for them beside the writer, and cancels what is still open then.
    fn cancel_matching(&self, tenant: Tenant, filter: DeliveryFilter, now: Timestamp, limit: u32) -> Verb<'_, u32> {
        Box::pin(async move {
            let of = tenant.clone();
            let ids = self.read(move |view| hold::open_matching(view, of.as_str(), &filter, limit)).await?;
            let wishes = self.cancel(tenant, ids, now).await?;
            let done = wishes.iter().filter(|wish| **wish == Wish::Done).count();
            Ok(u32::try_from(done).unwrap_or(u32::MAX))
        })
    }

    fn hold(&self, tenant: Tenant, scope: HoldScope, limit: u32) -> Verb<'_, u32> {
        Box::pin(async move {
            let find = move |view: &mut crate::view::View<'_, '_>| hold::to_hold(view, tenant.as_str(), &scope, limit);
            let seqs = self.read(find).await?;
            self.write(Work::rows(seqs.len()), move |tx, _| hold::hold(tx, &seqs)).await
        })
    }

    fn resume(&self, tenant: Tenant, scope: HoldScope, limit: u32) -> Verb<'_, u32> {
        Box::pin(async move {
            let find =
                move |view: &mut crate::view::View<'_, '_>| hold::to_resume(view, tenant.as_str(), &scope, limit);
            let seqs = self.read(find).await?;
            self.write(Work::rows(seqs.len()), move |tx, _| hold::resume(tx, &seqs)).await
        })
    }

    fn set_destination_status(&self, tenant: Tenant, name: DestinationName, status: DestinationStatus) -> Verb<'_, ()> {
        self.shared.nodes.note_configured();
        self.write(Work::rows(1), move |tx, _| {
            let key = (tx.name(tenant.as_str())?, tx.name(name.as_str())?);
            if status.state == DestinationState::Active {
                return tx.execute(Query::activate_destination, key).map(drop);
            }
            let since = status.since.as_micros();
            let row = params![key.0, key.1, status.state.as_str(), since, status.reason];
            tx.execute(Query::put_destination, row).map(drop)
        })
    }

    fn destination_statuses(&self) -> Verb<'_, Vec<(Tenant, DestinationName, DestinationStatus)>> {
        self.read(|view| {
            let lookup = view.lookup();
            view.rows(Query::destinations, [], |row| {
                let state: String = row.get(2)?;
                let state = DestinationState::parse(&state)
                    .ok_or_else(|| StoreError::Corrupt(format!("'{state}' is no state of a destination")))?;
                let status = DestinationStatus { state, since: time(row, 3)?, reason: row.get(4)? };
                Ok((lookup.name(row.get(0)?)?.tenant()?, lookup.name(row.get(1)?)?.destination()?, status))
            })
        })
    }

    fn create_replay(&self, replay: Replay) -> Verb<'_, ()> {
        self.write(Work::ingest(1, 0), move |tx, _| replays::create(tx, &replay))
    }

    /// The deliveries are claimed as they fall due, at the pace of their destinations, never at birth.
    fn replay_step(&self, step: ReplayStep, now: Timestamp) -> Verb<'_, Replay> {
        self.write(Work::ingest(step.deliveries.len() + 1, 0), move |tx, _| replays::step(tx, &step, now))
    }

    fn cancel_replay(&self, tenant: Tenant, id: ReplayId, now: Timestamp) -> Verb<'_, Option<Replay>> {
        self.write(Work::rows(1), move |tx, _| replays::cancel(tx, tenant.as_str(), id, now))
    }

    fn replays(&self, tenant: Tenant, page: Page) -> Verb<'_, Listed<Replay>> {
        self.read(move |view| replays::list(view, tenant.as_str(), &page))
    }

    fn replay(&self, tenant: Tenant, id: ReplayId) -> Verb<'_, Option<Replay>> {
        self.read(move |view| {
            let lookup = view.lookup();
            let Some(tenant) = lookup.id(tenant.as_str())? else { return Ok(None) };
            view.row(Query::replay, (tenant, id.as_bytes()), |row| replays::read(row, lookup))
        })
    }

    fn running_replays(&self) -> Verb<'_, Vec<Replay>> {
        self.read(|view| {
            let lookup = view.lookup();
            view.rows(Query::running_replays, [], |row| replays::read(row, lookup))
        })
    }
}

/// A row that ought to be there.
fn missing(what: impl std::fmt::Display) -> Failure {
    StoreError::Refused(format!("there is no {what}")).into()
}
