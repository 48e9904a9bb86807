//! Keep: the duties that nobody asks for. Old rows are pruned, and deliveries of destinations that were paused or came
//! back are held or set free. What nobody is told of is looked after.

use std::sync::Arc;
use std::time::Duration;

use domain::{DestinationName, Tenant, Timestamp};
use store::keep::Retention;
use store::nodes::Hint;
use store::people::HoldScope;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::alert::{Alerts, Watch};
use crate::clock::SharedClock;
use crate::dispatch::{DispatchHandle, Message};
use crate::failure::Failure;
use crate::work::DestinationKey;

/// Rows moved or removed in one transaction: short enough that a webhook behind it does not notice.
const BATCH: u32 = 500;
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// A pause between two rounds of pruning, so that live work comes first.
const PRUNE_PAUSE: Duration = Duration::from_millis(50);

/// How often everything is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(20);

pub struct Keeper {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub retention: Retention,
    pub alerts: Alerts,
    pub failure: Failure,
    pub stop: CancellationToken,
}

impl Keeper {
    /// Looks after alerts, and prunes now and then, until told to stop.
    pub async fn run(self) {
        let mut pruned_at = Timestamp::EPOCH;
        let (store, alerts, clock) = (Arc::clone(&self.store), self.alerts.clone(), Arc::clone(&self.clock));
        let mut watch = Watch::new(store, alerts, clock, self.retention);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
            if self.store.is_shared() {
                // Other nodes open and resolve them too.
                self.check(self.alerts.load().await);
            }
            self.check(watch.round().await);
            let now = self.clock.now();
            if now.since(pruned_at) >= PRUNE_EVERY {
                pruned_at = now;
                self.check(self.prune().await);
            }
        }
    }

    async fn prune(&self) -> Result<(), StoreError> {
        while !self.stop.is_cancelled() && self.store.prune(self.retention, self.clock.now(), BATCH).await?.more {
            self.clock.sleep(PRUNE_PAUSE).await;
        }
        Ok(())
    }

    fn check(&self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            self.alerts.store_failed("keep", &error);
            if error.fatal() {
                self.failure.report(error);
            }
        }
    }
}

/// Moves every open delivery of a tenant's scope to held, or back, in short transactions, and tells who looks after the
/// destination, where that is known. Gives how many were moved.
pub async fn move_held(
    store: &dyn Store,
    dispatch: &DispatchHandle,
    tenant: &Tenant,
    (scope, destination): (HoldScope, Option<DestinationName>),
    hold: bool,
) -> Result<u64, StoreError> {
    let mut moved = 0;
    loop {
        let (tenant, scope) = (tenant.clone(), scope.clone());
        let count = if hold {
            store.hold(tenant.clone(), scope, BATCH).await?
        } else {
            store.resume(tenant.clone(), scope, BATCH).await?
        };
        moved += u64::from(count);
        if let Some(name) = destination.clone() {
            dispatch.tell(Message::Changed(DestinationKey { tenant: tenant.clone(), name: name.clone() }));
            if !hold {
                store.tell(Hint::Due(tenant, name));
            }
        }
        // Fewer than asked for only means that some of those found had changed meanwhile.
        if count == 0 {
            return Ok(moved);
        }
    }
}
