//! Backlogs that grow: what waits for each destination, and for how long the oldest has.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::alert::trend::{Looks, Waiting, backlog};
use domain::{DeliveryState, DestinationName, Tenant, Timestamp};
use store::StoreError;
use store::read::Backlog;

use super::Lookout;
use crate::alert::BACKLOG_GROWING;
use crate::definition::print_duration;
use crate::topology::Topology;

/// Counting reads every open row: it is done so seldom that it takes a hundredth of the time at most.
const SHARE: u32 = 100;

#[derive(Default)]
pub(super) struct Backlogs {
    looks: BTreeMap<(Tenant, String), Looks<Waiting>>,
    next: Option<Timestamp>,
}

impl Lookout {
    pub(super) async fn look_at_backlog(&self, topology: &Topology, known: &mut Backlogs) -> Result<(), StoreError> {
        let now = self.clock.now();
        if known.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        let began = self.clock.monotonic();
        let rows = self.store.backlog().await?;
        self.write_down(&rows, now);
        let waiting = waiting(rows, topology, now);
        known.next = Some(now + self.clock.monotonic().saturating_sub(began) * SHARE);
        known.looks.retain(|key, _| waiting.contains_key(key));
        for (key, look) in waiting {
            let (tenant, name) = key.clone();
            let marks = topology.alerting(&tenant).rules.thresholds.backlog;
            let looks = known.looks.entry(key).or_default();
            looks.add(now, look, marks.within);
            let detail = || {
                let lag = print_duration(Duration::from_secs(look.lag.as_secs()));
                format!(
                    "{} deliveries wait for destination '{name}', the oldest for {lag}, and they grow",
                    look.deliveries
                )
            };
            let found = backlog(looks, &marks);
            self.found(&tenant, BACKLOG_GROWING, format!("destination/{name}"), found, detail);
        }
        let objects =
            known.looks.keys().map(|(tenant, name)| (tenant.clone(), format!("destination/{name}"))).collect();
        self.over_except(BACKLOG_GROWING, &objects);
        Ok(())
    }

    /// For people who look back: all that is open, what somebody holds too.
    fn write_down(&self, rows: &[Backlog], now: Timestamp) {
        let mut open: BTreeMap<(&Tenant, &DestinationName), (u64, Duration)> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.state != DeliveryState::Dead) {
            let (deliveries, oldest) = open.entry((&row.tenant, &row.destination)).or_default();
            *deliveries += row.count;
            *oldest = (*oldest).max(age(row, now));
        }
        for ((tenant, destination), (deliveries, oldest)) in open {
            self.ledger.waiting(tenant, destination, deliveries, oldest);
        }
    }
}

/// What each destination waits for. What a person holds does not wait.
fn waiting(rows: Vec<Backlog>, topology: &Topology, now: Timestamp) -> BTreeMap<(Tenant, String), Waiting> {
    use DeliveryState::{InFlight, Pending, Retrying};
    let none = Waiting { at: now, deliveries: 0, lag: Duration::ZERO };
    let keys = topology.destinations().map(|own| (own.spec.tenant.clone(), own.spec.name.to_string()));
    let mut waiting: BTreeMap<_, _> = keys.map(|key| (key, none)).collect();
    for row in rows.into_iter().filter(|row| matches!(row.state, Pending | Retrying | InFlight)) {
        let age = age(&row, now);
        let Some(look) = waiting.get_mut(&(row.tenant, row.destination.to_string())) else { continue };
        look.deliveries += row.count;
        look.lag = look.lag.max(age);
    }
    waiting
}

fn age(row: &Backlog, now: Timestamp) -> Duration {
    row.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest))
}
