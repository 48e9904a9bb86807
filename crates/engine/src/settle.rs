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
use crate::ledger::Ledger;
use crate::telemetry;
use crate::work::{DestinationKey, Remark, Settling};

/// Most settlements of one commit: enough to share its sync among many, few enough to keep readers current.
const BATCH_MAX: usize = 512;
/// Wait between tries to commit when the store has no room: nothing is lost meanwhile, the claims stay ours.
const AGAIN: Duration = Duration::from_millis(250);

/// First and longest wait before a settlement is tried again that the store refuses even as a dead letter.
const STUCK_AGAIN: Duration = Duration::from_secs(1);
const STUCK_AGAIN_MAX: Duration = Duration::from_secs(60);

pub struct Settler {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub dispatch: DispatchHandle,
    pub inbox: mpsc::UnboundedReceiver<Settling>,
    pub alerts: Alerts,
    pub ledger: Arc<Ledger>,
    pub failure: Failure,
}

/// A settlement that the store refuses whatever its end, and when it is tried again.
struct Stuck {
    settling: Settling,
    wait: Duration,
    at: Timestamp,
}

impl Settler {
    /// Runs until everyone who could send has gone and all is committed, or the store has failed for good.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut stuck: Vec<Stuck> = Vec::new();
        let clock = Arc::clone(&self.clock);
        loop {
            let next = stuck.iter().map(|stuck| stuck.at).min().map(|at| at.since(clock.now()));
            tokio::select! {
                biased;
                count = self.inbox.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
                () = clock.sleep(next.unwrap_or_default()), if next.is_some() => {}
            }
            let gathered = std::mem::take(&mut batch);
            if !gathered.is_empty() && !self.commit(gathered, STUCK_AGAIN, &mut stuck).await {
                return;
            }
            let now = clock.now();
            for Stuck { settling, wait, .. } in stuck.extract_if(.., |stuck| stuck.at <= now).collect::<Vec<_>>() {
                let wait = (wait * 2).min(STUCK_AGAIN_MAX);
                if !self.commit(vec![settling], wait, &mut stuck).await {
                    return;
                }
            }
        }
    }

    /// Commits a batch, however often it takes. One row that cannot be stored must not keep the others: each is then
    /// committed alone, and what is refused even so is dead, or else tried again later. Gives `false` when the store
    /// is gone.
    async fn commit(&self, batch: Vec<Settling>, wait: Duration, stuck: &mut Vec<Stuck>) -> bool {
        let mut parts = vec![(batch, false)];
        while let Some((mut batch, repeated)) = parts.pop() {
            let settlements = batch.iter().map(|settling| settling.settlement.clone()).collect();
            let span = telemetry::settle_span(batch.len());
            let error = match self.store.settle(settlements, self.clock.now()).instrument(span).await {
                Ok(mut answers) => {
                    if repeated {
                        self.admit(&batch, &mut answers).await;
                    }
                    self.announce(batch, &answers);
                    continue;
                }
                Err(error) => error,
            };
            self.alerts.store_failed("settle", &error);
            if error.fatal() || error == StoreError::Closed {
                self.failure.report(error);
                return false;
            }
            if error.retryable() {
                self.clock.sleep(AGAIN).await;
                parts.push((batch, true));
            } else if batch.len() > 1 {
                parts.extend(batch.into_iter().rev().map(|settling| (vec![settling], repeated)));
            } else if let Some(settling) = batch.pop() {
                let now = self.clock.now();
                if settling.was_refused() {
                    stuck.push(Stuck { settling, wait, at: now + wait });
                } else {
                    parts.push((vec![settling.refused(&error, now)], repeated));
                }
            }
        }
        true
    }

    /// A commit that lost its answer may have happened, and its repeat finds the claims gone. What is in the store as such a
    /// settlement left it counts as settled by it, so that a person is told; and its lane may have moved.
    async fn admit(&self, batch: &[Settling], answers: &mut [Settled]) {
        let mut reachable = true;
        for (settling, settled) in batch.iter().zip(answers).filter(|(_, settled)| settled.fenced) {
            let Settlement { tenant, id, state, .. } = &settling.settlement;
            settled.lane_moved |= !state.is_open();
            if settling.remark.is_none() {
                continue;
            }
            // Told in vain it is resolved by the next look; kept back nobody would ever know.
            let mut happened = true;
            if reachable {
                match self.store.delivery(tenant.clone(), *id).await {
                    Ok(detail) => happened = detail.is_some_and(|detail| detail.row.state == *state),
                    Err(_) => reachable = false,
                }
            }
            settled.fenced = !happened;
        }
    }

    /// Gives the room back and tells dispatch what each destination has to do next: what waits for a time is only
    /// now in the store, and a lane that moved has something due.
    fn announce(&self, batch: Vec<Settling>, answers: &[Settled]) {
        let mut freed: BTreeMap<DestinationKey, Option<Timestamp>> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        self.ledger.attempts(batch.iter().filter_map(|Settling { settlement, destination, .. }| {
            let took = Duration::from_micros(settlement.attempt.as_ref()?.duration_us);
            let failed = settlement.state != DeliveryState::Delivered;
            Some((&destination.tenant, &destination.name, failed, took))
        }));
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
