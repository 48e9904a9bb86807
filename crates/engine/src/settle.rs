//! Settle: commits how tries ended, in batches of whatever has gathered while the last one was written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryState, Timestamp};
use store::dispatch::{Settled, Settlement};
use store::{Store, StoreError};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::alert::Alerts;
use crate::clock::SharedClock;
use crate::dispatch::{DispatchHandle, Message};
use crate::failure::Failure;
use crate::telemetry;
use crate::work::{DestinationKey, Remark, Settling};

/// Most settlements of one commit: enough to share its sync among many, few enough to keep readers current.
const BATCH_MAX: usize = 512;
/// Wait between tries to commit when the store has no room: nothing is lost meanwhile, the claims stay ours.
const AGAIN: Duration = Duration::from_millis(250);

pub struct Settler {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub dispatch: DispatchHandle,
    pub inbox: mpsc::UnboundedReceiver<Settling>,
    pub alerts: Alerts,
    pub failure: Failure,
}

impl Settler {
    /// Runs until everyone who could send has gone and all is committed, or the store has failed for good.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.inbox.recv_many(&mut batch, BATCH_MAX).await > 0 {
            if !self.commit(std::mem::take(&mut batch)).await {
                return;
            }
        }
    }

    /// Commits a batch, however often it takes. Gives `false` when the store is gone.
    async fn commit(&self, batch: Vec<Settling>) -> bool {
        loop {
            let settlements = batch.iter().map(|settling| settling.settlement.clone()).collect();
            let span = telemetry::settle_span(batch.len());
            match self.store.settle(settlements, self.clock.now()).instrument(span).await {
                Ok(answers) => {
                    self.announce(batch, &answers);
                    return true;
                }
                Err(error) => {
                    self.alerts.store_failed("settle", &error);
                    if error.fatal() || error == StoreError::Closed {
                        self.failure.report(error);
                        return false;
                    }
                    if !error.retryable() {
                        return self.commit_apart(batch).await;
                    }
                    self.clock.sleep(AGAIN).await;
                }
            }
        }
    }

    /// One row that cannot be stored must not keep the others: each is committed alone, and what even then cannot be
    /// is left claimed, to be tried again after the next start.
    async fn commit_apart(&self, batch: Vec<Settling>) -> bool {
        for settling in batch {
            match self.store.settle(vec![settling.settlement.clone()], self.clock.now()).await {
                Ok(answers) => self.announce(vec![settling], &answers),
                Err(error) if error.fatal() || error == StoreError::Closed => {
                    self.failure.report(error);
                    return false;
                }
                Err(error) => {
                    self.alerts.store_failed("settle", &error);
                    self.dispatch.tell(Message::Freed(settling.destination, None));
                }
            }
        }
        true
    }

    /// Gives the room back and tells dispatch what each destination has to do next: what waits for a time is only
    /// now in the store, and a lane that moved has something due.
    fn announce(&self, batch: Vec<Settling>, answers: &[Settled]) {
        let mut freed: BTreeMap<DestinationKey, Option<Timestamp>> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for (settling, settled) in batch.into_iter().zip(answers) {
            if settled.fenced {
                telemetry::fenced();
            } else if let Some(Remark { kind, object, detail }) = settling.remark {
                self.alerts.note(&settling.destination.tenant, kind, object, detail);
            }
            let Settlement { state, due, .. } = settling.settlement;
            let waits = matches!(state, DeliveryState::Pending | DeliveryState::Retrying).then_some(due);
            let next = freed.entry(settling.destination.clone()).or_default();
            *next = (*next).into_iter().chain(waits).min();
            if settled.lane_moved {
                moved.insert(settling.destination);
            }
            drop(settling.place);
        }
        freed.into_iter().for_each(|(key, due)| self.dispatch.tell(Message::Freed(key, due)));
        moved.into_iter().for_each(|key| self.dispatch.tell(Message::Waiting(key)));
    }
}
