//! Silence: sources that say nothing where the rhythm that was learned of them expects something.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::alert::rhythm::{Heard, History, listen};
use domain::alert::trend::Found;
use domain::{Tenant, Timestamp};
use store::StoreError;
use store::watch::{Series, Step};

use super::Lookout;
use crate::alert::SILENCE;
use crate::alert::message::shown;
use crate::topology::Topology;

/// Events of one source by the number of their hour, and of their minute.
#[derive(Default)]
struct Kept {
    hours: BTreeMap<i64, u64>,
    minutes: BTreeMap<i64, u64>,
}

impl Lookout {
    pub(super) async fn look_for_silence(&self, topology: &Topology, now: Timestamp) -> Result<(), StoreError> {
        let mut configured: BTreeMap<Tenant, BTreeMap<String, Kept>> = BTreeMap::new();
        for source in topology.sources() {
            let sources = configured.entry(source.spec.tenant.clone()).or_default();
            sources.insert(source.spec.name.to_string(), Kept::default());
        }
        let mut kept = BTreeSet::new();
        for (tenant, mut sources) in configured {
            kept.extend(sources.keys().map(|name| (tenant.clone(), format!("source/{name}"))));
            let rules = &topology.alerting(&tenant).rules;
            if !rules.is_on(SILENCE) {
                continue;
            }
            self.read_history(&tenant, &mut sources, now).await?;
            for (name, kept) in sources {
                let history = History { hours: &kept.hours, minutes: &kept.minutes };
                let (found, detail) = match listen(history, &rules.thresholds.silence, now) {
                    Heard::Learning => (Found::Between, String::new()),
                    Heard::Usual => (Found::Well, String::new()),
                    Heard::Silent { since, expected } => (Found::Trouble, detail(&name, since, expected)),
                };
                self.found(&tenant, SILENCE, format!("source/{name}"), found, || detail);
            }
        }
        self.over_except(SILENCE, &kept);
        Ok(())
    }

    async fn read_history(
        &self,
        tenant: &Tenant,
        sources: &mut BTreeMap<String, Kept>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for step in Step::ALL {
            let length = step.length().as_secs().cast_signed();
            let since = now - (step.kept() - Duration::from_secs(1));
            for (at, figure) in self.store.figures(tenant.clone(), Series::Events, step, since).await? {
                let Some(kept) = sources.get_mut(&*figure.object) else { continue };
                let counts = if step == Step::Hour { &mut kept.hours } else { &mut kept.minutes };
                *counts.entry(at.as_secs().div_euclid(length)).or_default() += figure.count;
            }
        }
        Ok(())
    }
}

fn detail(name: &str, since: Timestamp, expected: u64) -> String {
    let since = shown(since);
    format!("source '{name}' has sent nothing since {since}; at this time of the week at least {expected} events came")
}
