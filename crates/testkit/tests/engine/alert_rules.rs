//! The rules that are looked for: each opens one alert where there is trouble, resolves it when that is over, and says
//! nothing of the healthy twin of the same history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::provider::Window;
use domain::alert::rule::{Backlog, Change, Disk, Failing, Thresholds};
use domain::alert::{Rules, Severity};
use domain::budget::{Allowance, Counting};
use domain::rate::Rate;
use domain::retry::{Backoff, RetryPolicy};
use domain::{Latencies, Tenant, Timestamp};
use engine::spec::{AlertingSpec, BudgetScope, BudgetSpec, RoleSecret, Secret, Specs};
use store::registry::ApiKey;
use store::watch::{Figure, Series, Step};
use store_sqlite::{OpenOptions, SqliteStore};

use crate::rig::{Rig, SECRET, clock, listening, memory, specs};
use crate::shop::{GET, Shop};
use crate::streams::every;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a kind was opened, and whether it is open now.
pub async fn seen(rig: &Rig, kind: &str) -> (usize, bool) {
    let alerts: Vec<_> = rig.alerts().await.into_iter().filter(|alert| *alert.kind == *kind).collect();
    (alerts.len(), alerts.iter().any(|alert| alert.resolved_at.is_none()))
}

fn alerting(rules: Rules) -> Vec<AlertingSpec> {
    vec![AlertingSpec { rules, ..AlertingSpec::standard(Tenant::default_tenant()) }]
}

/// Alerts without one of the rules.
pub fn without(kind: &str) -> Vec<AlertingSpec> {
    let off = Change { off: true, ..Change::default() };
    alerting(Rules { changes: BTreeMap::from([(kind.to_owned(), off)]), ..Rules::default() })
}

fn with(thresholds: Thresholds) -> Vec<AlertingSpec> {
    alerting(Rules { changes: BTreeMap::new(), thresholds })
}

/// Destinations that are tried for ever, each second.
fn patient(alerting: Vec<AlertingSpec>) -> Specs {
    let mut specs = specs();
    specs.destinations[0].retry =
        RetryPolicy { backoff: Backoff::List(vec![SECOND]), attempts: 100_000, jitter_percent: 0 };
    specs.destinations[0].breaker.failures = 1_000_000;
    Specs { alerting, ..specs }
}

#[tokio::test(start_paused = true)]
async fn tries_that_fail_are_told_by_their_share() {
    for (failing, expected) in [(true, 1), (false, 0)] {
        let rig = Rig::with(memory(), patient(Vec::new())).await;
        rig.answer(if failing { 500 } else { 200 });
        for _ in 0..20 {
            rig.publish().await;
        }
        rig.pass(3 * MINUTE).await;
        assert_eq!(seen(&rig, "delivery_failing").await, (expected, failing));
        rig.pass(10 * MINUTE).await;
        assert_eq!(seen(&rig, "delivery_failing").await, (expected, failing), "it is opened once");
        rig.answer(200);
        rig.pass(15 * MINUTE).await;
        assert_eq!(seen(&rig, "delivery_failing").await, (expected, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_grows_is_told_and_one_that_is_worked_off_is_not() {
    let backlog = Backlog { deliveries: 50, lag: DAY, within: 5 * MINUTE };
    for (growing, expected) in [(true, 1), (false, 0)] {
        let mut specs = patient(with(Thresholds { backlog, ..Thresholds::default() }));
        specs.destinations[0].rate_limit = Some(Rate { count: 12, per: MINUTE });
        let rig = Rig::with(memory(), specs).await;
        for _ in 0..if growing { 10 } else { 200 } {
            rig.publish().await;
        }
        for _ in 0..10 {
            for _ in 0..if growing { 30 } else { 1 } {
                rig.publish().await;
            }
            rig.pass(MINUTE).await;
        }
        assert_eq!(seen(&rig, "backlog_growing").await, (expected, growing), "{:?}", rig.open().await);
        rig.pass(30 * MINUTE).await;
        assert_eq!(seen(&rig, "backlog_growing").await, (expected, false));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_and_for_how_long_is_written_down_while_anything_does() {
    let rig = Rig::with(memory(), patient(Vec::new())).await;
    let begun = rig.clock.now();
    rig.answer(500);
    for _ in 0..7 {
        rig.publish().await;
    }
    rig.pass(5 * MINUTE).await;
    let waited = async |since| {
        let found = rig.store.figures(Tenant::default_tenant(), Series::Waiting, Step::Hour, since).await;
        let sum = found.expect("figures").into_iter().map(|(_, figure)| figure).reduce(|mut sum, figure| {
            sum.count += figure.count;
            sum.latencies.merge(&figure.latencies);
            sum
        });
        let Figure { object, count, latencies, .. } = sum.expect("something waits");
        assert_eq!(&*object, "app");
        (count, latencies.count(), latencies.quantile(1.0).expect("there are some").as_secs() / 60)
    };
    let (deliveries, looks, minutes) = waited(begun).await;
    assert!((4..=5).contains(&looks), "{looks}");
    assert_eq!(deliveries, 7 * looks, "each look saw all of them");
    assert!((looks - 1..=looks).contains(&minutes), "they grow older by a minute from look to look: {minutes}");
    rig.answer(200);
    rig.pass(2 * MINUTE).await;
    let last = waited(begun).await;
    rig.pass(10 * MINUTE).await;
    assert_eq!(waited(begun).await, last, "nothing waits any more");
}

/// Writes down that a source had so many events in each minute of the last weeks, up to now.
async fn history(rig: &Rig, weeks: u32) {
    let now = rig.clock.now();
    let event = |count| Figure {
        tenant: Tenant::default_tenant(),
        series: Series::Events,
        object: "own".into(),
        count,
        failed: 0,
        latencies: Latencies::default(),
    };
    let mut at = Step::Hour.floor(now - 7 * weeks * DAY);
    while at + 25 * HOUR < now {
        rig.store.add_figures(at, vec![event(600)]).await.expect("written");
        at = at + HOUR;
    }
    while at < now {
        rig.store.add_figures(at, vec![event(10)]).await.expect("written");
        at = at + MINUTE;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_falls_silent_is_told_once_its_rhythm_is_known() {
    for (weeks, goes_on, expected) in [(3, false, 1), (3, true, 0), (1, false, 0)] {
        let rig = Rig::start().await;
        history(&rig, weeks).await;
        for _ in 0..40 {
            rig.pass(MINUTE).await;
            if goes_on {
                rig.publish().await;
            }
        }
        assert_eq!(seen(&rig, "silence").await, (expected, expected == 1), "{weeks} {goes_on}");
        for _ in 0..7 {
            rig.publish().await;
            rig.pass(MINUTE).await;
        }
        assert_eq!(seen(&rig, "silence").await, (expected, false), "it speaks again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_is_told_once_while_requests_wait_for_it() {
    for (allowed, expected) in [(3, 1), (30_000, 0)] {
        let clock = clock();
        let shop = Shop::new(&clock);
        let of = |allowed| {
            let allowance = Allowance { rate: Rate { count: allowed, per: HOUR }, counting: Counting::Fixed };
            let budget = BudgetSpec { allowance, scope: BudgetScope::Source };
            crate::shop::specs(&clock, &[("orders", every(SECOND))], Some(budget), GET)
        };
        let rig = Rig::reaching(memory(), of(allowed), Arc::clone(&clock), shop as _).await;
        rig.pass(30 * MINUTE).await;
        assert_eq!(seen(&rig, "budget_exhausted").await, (expected, expected == 1), "{:?}", rig.open().await);
        if expected == 1 {
            assert!(rig.open().await.contains(&("budget_exhausted".to_owned(), "budget/source/shop".to_owned())));
        }
        rig.engine.configure(of(30_000)).await.expect("valid");
        rig.pass(HOUR).await;
        assert_eq!(seen(&rig, "budget_exhausted").await, (expected, false), "there is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_are_told_a_week_before() {
    let now = clock().now();
    let ends = |at: Option<Timestamp>| RoleSecret {
        window: Window { not_before: None, not_after: at },
        ..RoleSecret::new(String::new(), Secret::new(SECRET.to_owned()))
    };
    for (secrets, expected) in [
        (vec![ends(Some(now + 3 * DAY))], true),
        (vec![ends(Some(now + 30 * DAY))], false),
        (vec![ends(Some(now + 3 * DAY)), ends(None)], false),
    ] {
        let sources = vec![listening("github", "github", secrets)];
        let rig = Rig::with(memory(), Specs { sources, ..Specs::default() }).await;
        rig.pass(2 * MINUTE).await;
        assert_eq!(seen(&rig, "credentials_expiring").await, (usize::from(expected), expected));
        // Another takes its place.
        let sources = vec![listening("github", "github", vec![ends(None)])];
        rig.engine.configure(Specs { sources, ..Specs::default() }).await.expect("valid");
        rig.pass(2 * HOUR).await;
        assert_eq!(seen(&rig, "credentials_expiring").await, (usize::from(expected), false));
    }
}

#[tokio::test(start_paused = true)]
async fn api_keys_that_end_are_told_too_unless_they_are_revoked() {
    let rig = Rig::start().await;
    let now = rig.clock.now();
    let key = |id: &str, ends: Duration| ApiKey {
        tenant: Tenant::default_tenant(),
        id: id.into(),
        hash: domain::identity::Digest::of(id.as_bytes()),
        scopes: vec!["read".to_owned()],
        note: "of the shop".to_owned(),
        created_at: now,
        expires_at: Some(now + ends),
        revoked_at: None,
        last_used_at: None,
    };
    for key in [key("soon", 2 * DAY), key("later", 20 * DAY)] {
        rig.store.put_api_key(key).await.expect("kept");
    }
    rig.pass(2 * MINUTE).await;
    assert_eq!(rig.open().await, [("credentials_expiring".to_owned(), "api_key/soon".to_owned())]);
    rig.store.revoke_api_key(Tenant::default_tenant(), "soon".into(), rig.clock.now()).await.expect("revoked");
    rig.pass(2 * HOUR).await;
    assert_eq!(seen(&rig, "credentials_expiring").await, (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_is_told_before_nothing_is_taken_in_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(OpenOptions::file(folder.path().join("s.db")).inline()).expect("it opens");
    let little = Disk { free_bytes: 1 << 62, full_within: DAY };
    let much = Disk { free_bytes: 1, full_within: SECOND };
    let specs = |disk| Specs { alerting: with(Thresholds { disk, ..Thresholds::default() }), ..specs() };
    let rig = Rig::with(Arc::new(store), specs(much)).await;
    rig.pass(3 * MINUTE).await;
    assert_eq!(seen(&rig, "disk_filling").await, (0, false), "there is room");
    rig.engine.configure(specs(little)).await.expect("valid");
    rig.pass(3 * MINUTE).await;
    assert_eq!(seen(&rig, "disk_filling").await, (1, true));
    rig.engine.configure(specs(much)).await.expect("valid");
    rig.pass(3 * MINUTE).await;
    assert_eq!(seen(&rig, "disk_filling").await, (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_switched_off_opens_nothing_and_ends_what_is_open() {
    let failing = Failing { attempts: 5, ..Thresholds::default().failing };
    let thresholds = Thresholds { failing, ..Thresholds::default() };
    let off = Change { off: true, severity: Some(Severity::Info), ..Change::default() };
    let changes = BTreeMap::from([("delivery_failing".to_owned(), off)]);
    let rig = Rig::with(memory(), patient(with(thresholds))).await;
    rig.answer(500);
    for _ in 0..5 {
        rig.publish().await;
    }
    rig.pass(3 * MINUTE).await;
    assert_eq!(seen(&rig, "delivery_failing").await, (1, true));
    rig.engine.configure(patient(alerting(Rules { changes, thresholds }))).await.expect("valid");
    rig.pass(5 * MINUTE).await;
    assert_eq!(seen(&rig, "delivery_failing").await, (1, false));
}
