//! Dispatch: the verbs of [`store::dispatch::Dispatch`].

mod claim;
mod end;
mod floor;
pub(crate) mod settle;

use std::sync::Arc;

use domain::{DeliveryState, Timestamp};
use store::dispatch::{ClaimAnswer, ClaimDue, Dispatch, PreparedDelivery, Settled, Settlement};
use store::{StoreError, Verb};

pub(crate) use self::floor::Floors;
use crate::PostgresStore;

impl Dispatch for PostgresStore {
    fn claim_due(&self, ask: ClaimDue) -> Verb<'_, Vec<ClaimAnswer>> {
        self.claiming(move |inner| async move {
            let mut untold = inner.untold();
            let answers = claim::claim_due(&inner, &mut untold, &ask).await?;
            Ok(untold.told_by(answers))
        })
    }

    fn keep_prepared(&self, batch: Vec<PreparedDelivery>) -> Verb<'_, Vec<Result<(), StoreError>>> {
        let batch = Arc::new(batch);
        self.verb(move |inner| async move {
            inner
                .transaction(batch.len(), |session| {
                    let batch = Arc::clone(&batch);
                    async move { settle::keep_prepared(&session, &batch).await }
                })
                .await
        })
    }

    fn settle(&self, batch: Vec<Settlement>, now: Timestamp) -> Verb<'_, Vec<Settled>> {
        if let Some(wrong) = batch.iter().find(|one| !DeliveryState::InFlight.can_become(one.state)) {
            let error = format!("a try of {} cannot end as {}", wrong.id, wrong.state.as_str());
            return Box::pin(async move { Err(StoreError::Refused(error)) });
        }
        let batch = Arc::new(batch);
        self.verb(move |inner| async move {
            inner
                .transaction(batch.len(), |session| {
                    let (inner, batch) = (Arc::clone(&inner), Arc::clone(&batch));
                    async move { settle::settle(&session, &inner, &batch, now).await }
                })
                .await
        })
    }

    fn rescue_lapsed(&self, now: Timestamp, limit: u32) -> Verb<'_, u32> {
        self.verb(move |inner| async move { settle::rescue_lapsed(&inner, now, limit).await })
    }
}
