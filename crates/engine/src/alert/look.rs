//! Looking: the duty that goes through what nobody is told of by itself: figures, backlog, budgets, credentials, disk.
//! `domain` decides what is trouble; here it is gathered, and said where it is.

mod backlog;
mod budgets;
mod credentials;
mod disk;
mod failing;
mod silence;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::latest;
use domain::alert::trend::Found;
use domain::{Tenant, Timestamp};
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::Alerts;
use crate::budget::Budgets;
use crate::clock::SharedClock;
use crate::ledger::Ledger;
use crate::nodes::Held;
use crate::topology::Topology;

/// Figures are written every few seconds and kept by the minute: more often there is nothing new.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A month of figures is read for each source that is listened to, and no rhythm changes faster.
const SILENCE_EVERY: Duration = Duration::from_secs(5 * 60);
/// Credentials end by the day.
const CREDENTIALS_EVERY: Duration = Duration::from_secs(60 * 60);

pub struct Lookout {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub alerts: Alerts,
    pub budgets: Arc<Budgets>,
    pub ledger: Arc<Ledger>,
    pub(crate) topology: latest::Receiver<Arc<Topology>>,
    pub(crate) held: latest::Receiver<Arc<Held>>,
    pub stop: CancellationToken,
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Memory {
    backlog: backlog::Backlogs,
    budgets: budgets::Exhausted,
    disk: disk::Disks,
    silence_at: Option<Timestamp>,
    credentials_at: Option<Timestamp>,
}

/// Whether something that is done now and then is due; says so once.
fn is_due(last: &mut Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    let due = last.is_none_or(|at| now.since(at) >= every);
    if due {
        *last = Some(now);
    }
    due
}

impl Lookout {
    pub async fn run(self) {
        let mut memory = Memory::default();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
            if let Err(error) = self.round(&mut memory).await {
                self.alerts.store_failed("look", &error);
            }
        }
    }

    async fn round(&self, memory: &mut Memory) -> Result<(), StoreError> {
        let (topology, now) = (Arc::clone(&self.topology.borrow()), self.clock.now());
        // Who waits for a budget, only this node knows of its own.
        self.look_at_budgets(&topology, &mut memory.budgets, now).await?;
        if !self.held.borrow().leads() {
            return Ok(());
        }
        self.look_at_disk(&topology, &mut memory.disk, now);
        self.look_at_backlog(&topology, &mut memory.backlog).await?;
        self.look_at_tries(&topology, now).await?;
        if is_due(&mut memory.silence_at, SILENCE_EVERY, now) {
            self.look_for_silence(&topology, now).await?;
        }
        if is_due(&mut memory.credentials_at, CREDENTIALS_EVERY, now) {
            self.look_at_credentials(&topology, now).await?;
        }
        Ok(())
    }

    /// Opens an alert where there is trouble and none is open, and resolves one where all is well.
    fn found(
        &self,
        tenant: &Tenant,
        kind: &'static str,
        object: String,
        found: Found,
        detail: impl FnOnce() -> String,
    ) {
        match found {
            Found::Trouble if !self.alerts.is_open(tenant, kind, &object) => {
                self.alerts.note(tenant, kind, object, detail());
            }
            Found::Well => self.alerts.gone(tenant, kind, object),
            Found::Trouble | Found::Between => {}
        }
    }

    /// Resolves those of a kind whose object is not among these: it is not configured any more, or not in trouble.
    fn over_except(&self, kind: &'static str, kept: &BTreeSet<(Tenant, String)>) {
        for (tenant, object) in self.alerts.open_of(kind) {
            if !kept.contains(&(tenant.clone(), object.to_string())) {
                self.alerts.gone(&tenant, kind, object);
            }
        }
    }
}
