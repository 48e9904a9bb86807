//! Deliveries that fail: the tries of each destination in the last minutes.

use std::collections::{BTreeMap, BTreeSet};

use domain::alert::trend::failing;
use domain::{Tenant, Timestamp};
use store::StoreError;
use store::watch::{Series, Step};

use super::Lookout;
use crate::alert::DELIVERY_FAILING;
use crate::definition::print_duration;
use crate::topology::Topology;

impl Lookout {
    pub(super) async fn look_at_tries(&self, topology: &Topology, now: Timestamp) -> Result<(), StoreError> {
        let mut configured: BTreeMap<Tenant, BTreeSet<String>> = BTreeMap::new();
        for destination in topology.destinations() {
            let names = configured.entry(destination.spec.tenant.clone()).or_default();
            names.insert(destination.spec.name.to_string());
        }
        let mut kept = BTreeSet::new();
        for (tenant, names) in configured {
            kept.extend(names.iter().map(|name| (tenant.clone(), format!("destination/{name}"))));
            let marks = topology.alerting(&tenant).rules.thresholds.failing;
            let figures =
                self.store.figures(tenant.clone(), Series::Attempts, Step::Minute, now - marks.within).await?;
            let mut sums: BTreeMap<String, (u64, u64)> = names.into_iter().map(|name| (name, (0, 0))).collect();
            for (_, figure) in figures {
                if let Some(sum) = sums.get_mut(&*figure.object) {
                    *sum = (sum.0 + figure.count, sum.1 + figure.failed);
                }
            }
            for (name, (count, failed)) in sums {
                let found = failing(count, failed, &marks);
                let detail = || {
                    let span = print_duration(marks.within);
                    format!("{failed} of {count} tries to destination '{name}' failed in the last {span}")
                };
                self.found(&tenant, DELIVERY_FAILING, format!("destination/{name}"), found, detail);
            }
        }
        self.over_except(DELIVERY_FAILING, &kept);
        Ok(())
    }
}
