//! Dispatch: the verbs of [`store::dispatch::Dispatch`].

mod claim;
mod settle;

use domain::{DeliveryState, Timestamp};
use store::dispatch::{ClaimAnswer, ClaimDue, Dispatch, Lease, PreparedDelivery, Settled, Settlement};
use store::{StoreError, Verb};

use crate::SqliteStore;
use crate::job::Work;

impl Dispatch for SqliteStore {
    fn claim_due(&self, ask: ClaimDue) -> Verb<'_, Vec<ClaimAnswer>> {
        // Claims are in memory: what is read for them is no row of the group.
        self.write(Work::rows(ask.asks.len()), move |tx, _| {
            let lease = Lease { owner: ask.owner, span: ask.lease };
            ask.asks.iter().map(|one| claim::claim_due(tx, one, lease, ask.now)).collect()
        })
    }

    fn keep_prepared(&self, batch: Vec<PreparedDelivery>) -> Verb<'_, Vec<Result<(), StoreError>>> {
        let work =
            Work { rows: batch.len(), bytes: batch.iter().map(|one| one.prepared.body.len()).sum(), ingest: false };
        self.write(work, move |tx, _| batch.iter().map(|one| settle::keep_prepared(tx, one)).collect())
    }

    fn settle(&self, batch: Vec<Settlement>, now: Timestamp) -> Verb<'_, Vec<Settled>> {
        if let Some(wrong) = batch.iter().find(|one| !DeliveryState::InFlight.can_become(one.state)) {
            let error = format!("a try of {} cannot end as {}", wrong.id, wrong.state.as_str());
            return Box::pin(async move { Err(StoreError::Refused(error)) });
        }
        self.write(Work::rows(batch.len()), move |tx, _| batch.iter().map(|one| settle::settle(tx, one, now)).collect())
    }

    fn rescue_lapsed(&self, now: Timestamp, limit: u32) -> Verb<'_, u32> {
        Box::pin(async move {
            self.shared.open()?;
            if self.shared.claims.lapsed(now, 1, &self.shared.nodes.dead(now)).is_empty() {
                // Asked often, and nearly always for nothing: that costs no transaction.
                return Ok(0);
            }
            self.write(Work::rows(1), move |tx, _| settle::rescue_lapsed(tx, now, limit)).await
        })
    }
}
