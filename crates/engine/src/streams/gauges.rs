//! How streams and budgets stand, as gauges. Connections can be many, so each gauge tells the one that is worst off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{SourceName, Tenant};

use crate::budget::BudgetView;
use crate::engine::{Engine, EngineError};
use crate::telemetry;

#[derive(Default)]
struct Stream {
    lag: Option<Duration>,
    failures: u32,
}

#[derive(Default)]
struct Budget {
    used: Option<f64>,
    waiting: usize,
}

impl Engine {
    /// Looks at every stream that is read by itself and at every budget. For whoever collects the metrics just now.
    pub async fn gauge_reading(&self) -> Result<(), EngineError> {
        let topology = self.topology();
        let asked = topology.sources().filter(|source| source.spec.connector.is_some());
        let tenants: BTreeSet<Tenant> = asked.map(|source| source.spec.tenant.clone()).collect();
        for tenant in tenants {
            self.gauge_streams(&tenant).await?;
            for (name, budget) in worst(self.budget_views(&tenant).await?) {
                telemetry::budget(&name, budget.used, budget.waiting);
            }
        }
        Ok(())
    }

    async fn gauge_streams(&self, tenant: &Tenant) -> Result<(), EngineError> {
        let now = self.clock().now();
        let mut streams: BTreeMap<(SourceName, Arc<str>), Stream> = BTreeMap::new();
        let views = self.streams(tenant).await?;
        for view in views.into_iter().filter(|view| view.spec.poll.is_some() || view.spec.reconcile.is_some()) {
            let lag = view.lag(now);
            let worst = streams.entry((view.key.source, view.key.stream)).or_default();
            worst.lag = worst.lag.max(lag);
            worst.failures = worst.failures.max(view.failures);
        }
        for ((source, stream), worst) in streams {
            telemetry::stream(source.as_str(), &stream, worst.lag, worst.failures);
        }
        Ok(())
    }
}

/// Budgets by their names, those of a source's connections as one.
fn worst(views: Vec<BudgetView>) -> BTreeMap<String, Budget> {
    let mut budgets: BTreeMap<String, Budget> = BTreeMap::new();
    for view in views {
        let used = view.share();
        let name = match view.scope.strip_prefix("connection/").and_then(|rest| rest.split_once('/')) {
            Some((source, _)) => format!("connection/{source}"),
            None => view.scope.to_string(),
        };
        let worst = budgets.entry(name).or_default();
        worst.used = match (worst.used, used) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        worst.waiting += view.waiting;
    }
    budgets
}

#[cfg(test)]
mod tests {
    use domain::budget::{Allowance, Counting};

    use super::*;

    fn view(scope: &str, used: u64, waiting: usize) -> BudgetView {
        let allowance = Allowance { rate: "100/h".parse().expect("a rate"), counting: Counting::Moving };
        BudgetView {
            scope: scope.into(),
            allowance: (scope != "source/quiet").then_some(allowance),
            used,
            by_purpose: BTreeMap::new(),
            left: None,
            stopped_until: None,
            waiting,
        }
    }

    #[test]
    fn of_many_connections_the_fullest_budget_is_told_and_all_who_wait() {
        let views = vec![
            view("connection/shop/acme", 20, 1),
            view("connection/shop/beta", 70, 2),
            view("source/quiet", 9, 0),
            view("shared/app", 100, 0),
        ];
        let told: Vec<_> = worst(views).into_iter().map(|(name, budget)| (name, budget.used, budget.waiting)).collect();
        let expected = [("connection/shop", Some(0.7), 3), ("shared/app", Some(1.0), 0), ("source/quiet", None, 0)];
        assert_eq!(told, expected.map(|(name, used, waiting)| (name.to_owned(), used, waiting)));
    }
}
