//! Asking the store for what is due, for all destinations that have room at once, and taking over what it gives.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryState, Timestamp};
use store::StoreError;
use store::dispatch::{Ask, ClaimAnswer, ClaimDue, Claimed};

use super::desk::{Appetite, Question};
use super::{Dispatcher, alarm};
use crate::work::{DestinationKey, Settling, Work};

/// Bytes of payloads that one answer to a claim may bring per destination.
const CLAIM_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Wait before the store is asked again when it could not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The same when it will not answer either unless something changes.
const ASK_SUSPECT_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct ClaimResult {
    asked: Vec<(DestinationKey, Question)>,
    answer: Result<Vec<ClaimAnswer>, StoreError>,
}

impl Dispatcher {
    pub(super) fn ask_store(&mut self, now: Timestamp) {
        while !self.draining && self.claiming.is_none() && !(self.hungry.is_empty() && self.suspects.is_empty()) {
            let hungry = self.next_to_ask();
            let (asks, asked) = self.asks_of(hungry, now);
            if asks.is_empty() {
                continue;
            }
            let (store, owner, lease) = (Arc::clone(&self.store), self.owner, self.tenure.span());
            self.claiming = Some(Box::pin(async move {
                let answer = store.claim_due(ClaimDue { owner, lease, now, asks }).await;
                ClaimResult { asked, answer }
            }));
        }
    }

    /// All that may want something, unless some of them are to be asked about one by one.
    fn next_to_ask(&mut self) -> Vec<DestinationKey> {
        if let Some(suspect) = self.suspects.pop_front() {
            return vec![suspect];
        }
        let mut hungry = std::mem::take(&mut self.hungry);
        hungry.sort_unstable();
        hungry.dedup();
        hungry
    }

    fn asks_of(&mut self, hungry: Vec<DestinationKey>, now: Timestamp) -> (Vec<Ask>, Vec<(DestinationKey, Question)>) {
        let (mut asks, mut asked) = (Vec::new(), Vec::new());
        for key in hungry {
            let Some(desk) = self.desks.get(&key) else { continue };
            match desk.appetite(now) {
                Appetite::Nothing => {}
                Appetite::Later(until) => self.wake_at(&key, until),
                Appetite::Take { limit, backfill } => {
                    let (tenant, destination) = (key.tenant.clone(), key.name.clone());
                    let charge = desk.destination.gate.charge();
                    asks.push(Ask { tenant, destination, limit, backfill, bytes_max: CLAIM_BYTES_MAX, charge });
                    asked.push((key, Question { hints: desk.hints(), at: now, backfill: backfill > 0 }));
                }
            }
        }
        (asks, asked)
    }

    pub(super) fn absorb(&mut self, result: ClaimResult) {
        let now = self.clock.now();
        let withdrawn = std::mem::take(&mut self.withdrawn);
        let answers = match result.answer {
            Ok(answers) => answers,
            Err(error) => {
                self.alerts.store_failed("claim_due", &error);
                self.ask_again(result.asked, &error, now);
                return;
            }
        };
        for ((key, question), mut answer) in result.asked.into_iter().zip(answers) {
            for claimed in answer.claimed.drain(..).filter(|claimed| !withdrawn.contains(&claimed.id)) {
                self.take_over(claimed);
            }
            for (id, route) in &answer.unreadable {
                alarm::tell_unreadable(&self.alerts, &key, *id, route);
            }
            let Some(desk) = self.desks.get_mut(&key) else { continue };
            desk.answered(&answer, question, now);
            if answer.fenced {
                // It has passed to another node, which we are about to learn.
                desk.unanswered_until = Some(now + ASK_AGAIN);
            }
            if let Some(due) = desk.next_due {
                self.wake_at(&key, due);
            }
            self.hungry.push(key);
        }
    }

    /// What the store will refuse again is asked for one destination at a time, so that the others go on.
    fn ask_again(&mut self, asked: Vec<(DestinationKey, Question)>, error: &StoreError, now: Timestamp) {
        if !error.retryable() && asked.len() > 1 {
            self.suspects.extend(asked.into_iter().map(|(key, _)| key));
            return;
        }
        let again = now + if error.retryable() { ASK_AGAIN } else { ASK_SUSPECT_AGAIN };
        for (key, _) in asked {
            if let Some(desk) = self.desks.get_mut(&key) {
                desk.unanswered_until = Some(again);
            }
            self.wake_at(&key, again);
        }
    }

    fn take_over(&mut self, claimed: Claimed) {
        let tenant = claimed.event.tenant.as_str();
        let route = self.topology.route(tenant, claimed.route.as_str()).cloned();
        match route.filter(|route| route.spec.to == claimed.destination) {
            Some(route) => {
                let place = route.destination.gate.take(claimed.event.payload.len() as u64, claimed.backfill);
                self.enqueue(Work::of_claimed(claimed, route, place));
            }
            None => {
                // Its route is gone: only a person decides what becomes of it.
                let key = DestinationKey { tenant: claimed.event.tenant.clone(), name: claimed.destination.clone() };
                let remark = alarm::routeless(&self.topology, &key, &claimed.route);
                let settling = Settling::put_back(&claimed, DeliveryState::Held, self.clock.now()).remarked(remark);
                let _ = self.settler.send(settling);
            }
        }
    }
}
