//! Budgets that are used up: requests wait for them longer than they should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::alert::trend::Found;
use domain::{Tenant, Timestamp};
use store::StoreError;

use super::Lookout;
use crate::alert::BUDGET_EXHAUSTED;
use crate::budget::BudgetView;
use crate::definition::print_duration;
use crate::topology::Topology;

/// Since when requests of this node have been waiting at every look.
#[derive(Default)]
pub(super) struct Exhausted(BTreeMap<(Tenant, Arc<str>), Timestamp>);

impl Lookout {
    pub(super) async fn look_at_budgets(
        &self,
        topology: &Topology,
        known: &mut Exhausted,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let asking = topology.sources().filter(|source| source.spec.connector.is_some());
        let tenants: BTreeSet<Tenant> = asking.map(|source| source.spec.tenant.clone()).collect();
        let mut kept = BTreeSet::new();
        for tenant in tenants {
            let waits_for = topology.alerting(&tenant).rules.thresholds.budget_for;
            for view in self.budgets.views(topology, &tenant).await? {
                let key = (tenant.clone(), Arc::clone(&view.scope));
                kept.insert((tenant.clone(), object(&view.scope)));
                if !is_exhausted(&view, now) {
                    let was_ours = known.0.remove(&key).is_some();
                    if view.waiting == 0 && (was_ours || self.speaks_for_all(&view, now)) {
                        self.found(&tenant, BUDGET_EXHAUSTED, object(&view.scope), Found::Well, String::new);
                    }
                    continue;
                }
                let since = *known.0.entry(key).or_insert(now);
                if now.since(since) >= waits_for {
                    let detail = || detail(&view, since, now);
                    self.found(&tenant, BUDGET_EXHAUSTED, object(&view.scope), Found::Trouble, detail);
                }
            }
        }
        if self.held.borrow().leads() {
            self.over_except(BUDGET_EXHAUSTED, &kept);
        }
        Ok(())
    }

    /// Whether no other node's requests wait for more than their turn. Whoever found it used up may have died since, so
    /// the one that leads resolves it too, as soon as what all of them share has something left.
    fn speaks_for_all(&self, view: &BudgetView, now: Timestamp) -> bool {
        let (sole, leads) = (self.held.borrow().sole, self.held.borrow().leads());
        sole || (leads && view.allowance.is_some() && !is_used_up(view, now))
    }
}

/// Somebody waits, and there is nothing left. Whoever only keeps a pace waits too, and gets on.
fn is_exhausted(view: &BudgetView, now: Timestamp) -> bool {
    view.waiting > 0 && is_used_up(view, now)
}

/// There is nothing left, or the source said to stop.
fn is_used_up(view: &BudgetView, now: Timestamp) -> bool {
    let is_stopped = view.stopped_until.is_some_and(|until| until > now);
    is_stopped || view.left == Some(0) || view.share().is_some_and(|share| share >= 1.0)
}

fn object(scope: &str) -> String {
    format!("budget/{scope}")
}

fn detail(view: &BudgetView, since: Timestamp, now: Timestamp) -> String {
    let waited = print_duration(std::time::Duration::from_secs(now.since(since).as_secs()));
    let stopped = view.stopped_until.filter(|until| *until > now);
    let stopped = stopped.map(|until| format!("; the source said to stop until {until}")).unwrap_or_default();
    format!("the budget '{}' is used up: {} requests have been waiting for {waited}{stopped}", view.scope, view.waiting)
}
