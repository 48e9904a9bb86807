//! The digest: what happened in a day or week, through the same channels, at the time that its owner wants it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::alert::Severity;
use domain::alert::tell::{Notice as Planned, Stage};
use domain::{DeliveryState, Tenant, Timestamp};
use store::notices::{CauseStep, Notice};
use store::read::Page;
use store::reading::RunFilter;
use store::watch::{Series, Step};
use store::{Store, StoreError};

use super::message::{Message, Words, shown};
use super::tell::Teller;
use crate::spec::{AlertingSpec, Way};
use crate::topology::Topology;

/// What was due longer ago, while nobody ran, is not made any more.
const LATE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// Sources and destinations that are named, those with the most first.
const NAMED_MAX: usize = 5;
/// Alerts that are looked through for those of the time.
const ALERTS_MAX: u32 = 500;
/// Runs likewise.
const RUNS_MAX: u32 = 500;

/// Which digests this process has made already.
#[derive(Default)]
pub(super) struct Digests {
    made: BTreeMap<Tenant, Timestamp>,
}

impl Digests {
    pub async fn round(&mut self, teller: &Teller, topology: &Topology, now: Timestamp) -> Result<(), StoreError> {
        for spec in topology.alertings() {
            let Some(digest) = &spec.digest else { continue };
            let Some((from, to)) = digest.time.last(now) else { continue };
            if self.made.get(&spec.tenant) == Some(&to) {
                continue;
            }
            // A digest begins with the first time after somebody asked for it.
            let asked_at = known_since(&*teller.store, &spec.tenant, now).await?;
            if asked_at < to && now.since(to) <= LATE_MAX {
                make(teller, spec, (from, to), now).await?;
            }
            self.made.insert(spec.tenant.clone(), to);
        }
        Ok(())
    }
}

/// When a digest of this tenant was asked for first.
async fn known_since(store: &dyn Store, tenant: &Tenant, now: Timestamp) -> Result<Timestamp, StoreError> {
    let kept = store.keep_setting(format!("digest/{tenant}").into(), Bytes::from(now.to_string())).await?;
    Ok(std::str::from_utf8(&kept).ok().and_then(|text| text.parse().ok()).unwrap_or(now))
}

async fn make(
    teller: &Teller,
    spec: &AlertingSpec,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    let cause: Arc<str> = format!("digest/{from}/{to}").into();
    let wanted = spec.digest.as_ref().map(|digest| digest.channels.as_slice()).unwrap_or_default();
    // A digest is nothing to wake anybody for.
    let channels = spec.channels.iter().filter(|channel| !matches!(channel.way, Way::PagerDuty(_)));
    let channels = channels.filter(|channel| wanted.is_empty() || wanted.contains(&channel.name));
    let planned = channels.map(|channel| Planned {
        channel: channel.name.to_string(),
        stage: Stage::Digest,
        severity: Severity::Info,
        due_at: now,
    });
    let make: Vec<Notice> = planned.map(|planned| teller.notice(&spec.tenant, &cause, planned, now)).collect();
    let step = CauseStep { cause, make, ..CauseStep::default() };
    teller.store.step_cause(spec.tenant.clone(), step, now).await.map(drop)
}

/// What a digest says. `None`: its time cannot be read.
pub(super) async fn message(
    store: &dyn Store,
    words: &Words<'_>,
    notice: &Notice,
) -> Result<Option<Message>, StoreError> {
    let mut parts = notice.cause.split('/').skip(1).map(|part| part.parse::<Timestamp>());
    let (Some(Ok(from)), Some(Ok(to))) = (parts.next(), parts.next()) else { return Ok(None) };
    let tenant = &notice.tenant;
    let events = sums(store, tenant, Series::Events, (from, to)).await?;
    let attempts = sums(store, tenant, Series::Attempts, (from, to)).await?;
    let rejected = sums(store, tenant, Series::Rejected, (from, to)).await?;
    let total = |sums: &Sums| sums.values().map(|(count, _)| count).sum::<u64>();
    let failed: u64 = attempts.values().map(|(_, failed)| failed).sum();
    let backlog = store.backlog().await?;
    let of_state = |dead: bool| {
        let rows = backlog.iter().filter(|row| row.tenant == *tenant && (row.state == DeliveryState::Dead) == dead);
        rows.map(|row| row.count).sum::<u64>()
    };
    let alerts = store.alerts(tenant.clone(), false, Page::first(ALERTS_MAX)).await?.rows;
    let opened: Vec<_> = alerts.iter().filter(|alert| from <= alert.opened_at && alert.opened_at < to).collect();
    let gaps = gaps(store, tenant, (from, to)).await?;
    let open = alerts.iter().filter(|alert| alert.resolved_at.is_none()).count();
    let facts = [
        ("Time", format!("{} to {}", shown(from), shown(to))),
        ("Events", with_names(total(&events), &events, |(count, _)| *count)),
        ("Deliveries", format!("{} tries succeeded", total(&attempts) - failed)),
        ("Failures", with_names(failed, &attempts, |(_, failed)| *failed)),
        ("Rejected requests", with_names(total(&rejected), &rejected, |(count, _)| *count)),
        ("Dead letters", format!("{} there are now", of_state(true))),
        ("Gaps", format!("{gaps} found by reconciliation")),
        ("Waiting", format!("{} deliveries now", of_state(false))),
        ("Alerts", format!("{} opened, {open} open now", opened.len())),
    ];
    Ok(Some(Message {
        id: notice.id.to_string(),
        key: format!("{tenant}/{}", notice.cause),
        thread: format!("digest_{tenant}"),
        stage: Stage::Digest,
        severity: Severity::Info,
        kind: "digest".to_owned(),
        object: tenant.to_string(),
        source: words.source(),
        title: format!("What happened until {}", shown(to)),
        facts: facts.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        link: words.public_url.map(|url| format!("{url}/now")),
        at: to,
    }))
}

/// What reconciliations found missing, as far as their runs are kept.
async fn gaps(store: &dyn Store, tenant: &Tenant, (from, to): (Timestamp, Timestamp)) -> Result<u64, StoreError> {
    let runs = store.runs(tenant.clone(), RunFilter::default(), Page::first(RUNS_MAX)).await?.rows;
    let of_time = runs.iter().filter(|run| !run.dry && from <= run.started_at && run.started_at < to);
    Ok(of_time.map(|run| run.figures.missed).sum())
}

/// Count and failures, by object.
type Sums = BTreeMap<Arc<str>, (u64, u64)>;

async fn sums(
    store: &dyn Store,
    tenant: &Tenant,
    series: Series,
    (from, to): (Timestamp, Timestamp),
) -> Result<Sums, StoreError> {
    let mut sums = Sums::new();
    for (at, figure) in store.figures(tenant.clone(), series, Step::Hour, from).await? {
        // Figures are kept by the hour: one that has begun before counts for the time before.
        if from <= at && at < to {
            let sum = sums.entry(figure.object).or_default();
            *sum = (sum.0 + figure.count, sum.1 + figure.failed);
        }
    }
    Ok(sums)
}

/// A number, and whose most of it is.
fn with_names(total: u64, sums: &Sums, count: impl Fn(&(u64, u64)) -> u64) -> String {
    let mut named: Vec<(u64, &Arc<str>)> = sums.iter().map(|(name, sum)| (count(sum), name)).collect();
    named.retain(|(count, _)| *count > 0);
    named.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let names: Vec<String> = named.iter().take(NAMED_MAX).map(|(count, name)| format!("{name} {count}")).collect();
    if names.is_empty() { total.to_string() } else { format!("{total} ({})", names.join(", ")) }
}
