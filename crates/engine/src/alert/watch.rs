//! What has to be looked after from time to time, because nobody is told when it begins or ends: whether the store
//! takes what comes in, whether any dead letter is left, and whether retention is about to remove one.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryState, Tenant, Timestamp};
use store::keep::Retention;
use store::read::Page;
use store::{Store, StoreError};

use super::{
    Alerts, DEAD_LETTERS, DEAD_LETTERS_EXPIRING, DISK_RESERVE, RETIRED_WITH_OPEN_DELIVERIES, ROUTE_MOVED, STORE,
    STORE_FAILING, owed_by,
};
use crate::clock::SharedClock;
use crate::telemetry;

/// How often the store is asked whether it takes anything, while nothing says that it does not.
const PING_EVERY: Duration = Duration::from_secs(60);
/// How long the store must have failed nobody before it counts as sound again: what it refuses is asked for again
/// before that.
const QUIET: Duration = Duration::from_secs(60);
/// How often all destinations are looked through for dead letters that are about to go: that reads every open row.
const EXPIRY_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long before its retention ends a dead letter is told of, at most; a quarter of the retention, if that is less.
const EXPIRY_WARNING: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Time that looking for one delivery of a route may take.
const LEFT_SCAN: Duration = Duration::from_millis(200);

pub struct Watch {
    store: Arc<dyn Store>,
    alerts: Alerts,
    clock: SharedClock,
    dead_letters: Duration,
    pinged_at: Timestamp,
    expiry_at: Timestamp,
}

impl Watch {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, alerts: Alerts, clock: SharedClock, retention: Retention) -> Self {
        let now = clock.now();
        Self { store, alerts, clock, dead_letters: retention.dead_letters, pinged_at: now, expiry_at: Timestamp::EPOCH }
    }

    /// Looks at what is due to be looked at.
    pub async fn round(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let everyone = Tenant::default_tenant();
        let trouble = [DISK_RESERVE, STORE_FAILING].iter().any(|kind| self.alerts.is_open(&everyone, kind, STORE));
        if trouble || now.since(self.pinged_at) >= PING_EVERY {
            self.pinged_at = now;
            self.ping().await?;
        }
        self.look_for_the_last(DEAD_LETTERS, DeliveryState::Dead).await?;
        self.look_for_the_last(ROUTE_MOVED, DeliveryState::Held).await?;
        self.look_for_the_last(RETIRED_WITH_OPEN_DELIVERIES, DeliveryState::Held).await?;
        if now.since(self.expiry_at) >= EXPIRY_EVERY {
            self.expiry_at = now;
            self.look_for_expiring(now).await?;
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let everyone = Tenant::default_tenant();
        match self.store.ping().await {
            Ok(()) => {
                self.alerts.gone(&everyone, DISK_RESERVE, STORE);
                self.alerts.gone_after(&everyone, STORE_FAILING, STORE, QUIET);
                Ok(())
            }
            Err(error @ StoreError::DiskFull(_)) => {
                self.alerts.store_failed("ping", &error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Resolves alerts about what a route owes, or what a destination is owed, when nothing of it is left in this state.
    async fn look_for_the_last(&self, kind: &'static str, state: DeliveryState) -> Result<(), StoreError> {
        for (tenant, object) in self.alerts.open_of(kind) {
            let Some(filter) = owed_by(&object, state) else { continue };
            let page = Page { limit: 1, after: None, scan: LEFT_SCAN };
            let found = self.store.deliveries(tenant.clone(), filter, page).await?;
            // A scan that ran out of time has not seen all: then it stays open until the next look.
            if found.rows.is_empty() && found.next.is_none() {
                self.alerts.gone(&tenant, kind, object);
            }
        }
        Ok(())
    }

    async fn look_for_expiring(&self, now: Timestamp) -> Result<(), StoreError> {
        let warning = EXPIRY_WARNING.min(self.dead_letters / 4);
        let told_before = now - (self.dead_letters - warning);
        let mut expiring = Vec::new();
        for dead in self.store.backlog().await?.into_iter().filter(|row| row.state == DeliveryState::Dead) {
            // It died later than it was made, so this is early rather than late.
            let Some(oldest) = dead.oldest.filter(|made| *made <= told_before) else { continue };
            let object: Arc<str> = format!("destination/{}", dead.destination).into();
            if !self.alerts.is_open(&dead.tenant, DEAD_LETTERS_EXPIRING, &object) {
                let detail = format!(
                    "destination '{}' has dead letters from {oldest} on, and retention removes each {} days after it died: retry what is still wanted",
                    dead.destination,
                    self.dead_letters.as_secs() / (24 * 60 * 60),
                );
                self.alerts.note(&dead.tenant, DEAD_LETTERS_EXPIRING, Arc::clone(&object), detail);
            }
            expiring.push((dead.tenant, object));
        }
        let over = self.alerts.open_of(DEAD_LETTERS_EXPIRING).into_iter().filter(|open| !expiring.contains(open));
        over.for_each(|(tenant, object)| self.alerts.gone(&tenant, DEAD_LETTERS_EXPIRING, object));
        Ok(())
    }
}

impl Alerts {
    /// Tells of an error of the store: in the log, in the figures, and as an alert of the whole gateway.
    pub fn store_failed(&self, verb: &'static str, error: &StoreError) {
        telemetry::store_failed(verb, error);
        self.note_store(error);
    }

    /// The same without a line in the log: for what fails with every request.
    pub fn note_store(&self, error: &StoreError) {
        let (kind, what) = match error {
            // It is closed because the process stops.
            StoreError::Closed => return,
            StoreError::DiskFull(_) => (DISK_RESERVE, "no webhook is taken in until there is room on the disk"),
            _ => (STORE_FAILING, "the store does not do what it is asked for"),
        };
        self.note(&Tenant::default_tenant(), kind, STORE, format!("{what}: {error}"));
    }
}
