//! Who is told what, and how often: one message of one cause, whatever storms, restarts and nodes do to it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::alert::calendar::zone;
use domain::alert::rule::Change;
use domain::alert::tell::NoticeState;
use domain::alert::{DigestTime, Every, QuietHours, Rules, Severity};
use domain::{DeliveryState, Tenant};
use engine::spec::{AlertingSpec, ChannelSpec, DigestSpec, PAGERDUTY, PagerSpec, RouteSpec, Secret, Specs, Way};
use store::Store;
use store::read::Page;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore};

use crate::rig::{Rig, clock, destination, memory, route, specs};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

const SLACK: &str = "https://hooks.slack.example/services/T0/B0/secret";
const PAGER: &str = "https://events.pagerduty.com/v2/enqueue";

fn channel(name: &str, least: Severity, way: Way) -> ChannelSpec {
    ChannelSpec { name: name.parse().expect("a name"), least, way }
}

/// A team's channel for everything, and a pager for what is critical.
fn told() -> AlertingSpec {
    let pager = PagerSpec { server: PAGERDUTY.to_owned(), key: Secret::new("R0".to_owned()) };
    let channels = vec![
        channel("team", Severity::Info, Way::Slack(Secret::new(SLACK.to_owned()))),
        channel("pager", Severity::Critical, Way::PagerDuty(pager)),
    ];
    AlertingSpec { channels, ..AlertingSpec::standard(Tenant::default_tenant()) }
}

/// Destinations whose breaker never opens: each failure is a dead letter.
fn failing(alerting: AlertingSpec) -> Specs {
    let mut specs = specs();
    specs.destinations[0].breaker.failures = 1_000_000;
    Specs { alerting: vec![alerting], ..specs }
}

fn listens(rig: &Rig, status: u16) {
    let mut answers = rig.network.answers.lock().expect("nobody panicked");
    for url in [SLACK, PAGER] {
        answers.insert(url.to_owned(), (status, "ok".to_owned()));
    }
}

/// What a service was told, by its first words.
fn heard(rig: &Rig, url: &str) -> Vec<String> {
    let heard = rig.network.heard.lock().expect("nobody panicked");
    let bodies = heard.iter().filter(|[_, to, ..]| to == url).map(|[.., body]| body.clone());
    bodies
        .map(|body| {
            let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            let text = body.get("text").or_else(|| body.get("event_action")).and_then(|text| text.as_str());
            text.unwrap_or_default().to_owned()
        })
        .collect()
}

const OPENED: &str = "Critical: dead letters at route/main/destination/app";
const RESOLVED: &str = "Resolved: dead letters at route/main/destination/app";

async fn retry_all(rig: &Rig) {
    let ids: Vec<_> = rig.deliveries(DeliveryState::Dead).await.iter().map(|row| row.id).collect();
    rig.engine.retry(Tenant::default_tenant(), ids).await.expect("retried");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_ten_thousand_failures_is_one_message_and_one_when_it_is_over() {
    let rig = Rig::with(memory(), failing(told())).await;
    listens(&rig, 200);
    rig.answer(500);
    for _ in 0..10_000 {
        rig.publish().await;
    }
    rig.pass(5 * MINUTE).await;
    assert_eq!(heard(&rig, SLACK), [OPENED]);
    assert_eq!(heard(&rig, PAGER), ["trigger"]);
    let dead = rig.alerts().await.into_iter().find(|alert| &*alert.kind == "dead_letters").expect("it is open");
    assert_eq!(dead.count, 10_000);
    rig.answer(200);
    while !rig.deliveries(DeliveryState::Dead).await.is_empty() {
        retry_all(&rig).await;
        rig.pass(SECOND).await;
    }
    rig.pass(9 * MINUTE).await;
    assert_eq!(heard(&rig, SLACK).len(), 1, "it may come back");
    rig.pass(20 * MINUTE).await;
    assert_eq!(heard(&rig, SLACK), [OPENED, RESOLVED]);
    assert_eq!(heard(&rig, PAGER), ["trigger", "resolve"]);
    rig.pass(24 * HOUR).await;
    assert_eq!(heard(&rig, SLACK).len(), 2);
}

/// Two hundred destinations, each with a cause of its own.
fn many(alerting: AlertingSpec) -> Specs {
    let mut specs = failing(alerting);
    let names: Vec<String> = (0..200).map(|number| format!("app{number:03}")).collect();
    let named = |name: &String| RouteSpec { name: name.parse().expect("a name"), ..route(name) };
    specs.routes = names.iter().map(named).collect();
    specs.destinations = names.iter().map(|name| destination(name)).collect();
    specs
}

#[tokio::test(start_paused = true)]
async fn many_causes_at_once_are_few_messages_to_people_and_one_each_to_machines() {
    let rig = Rig::with(memory(), many(told())).await;
    listens(&rig, 200);
    rig.answer(500);
    rig.publish().await;
    rig.pass(30 * MINUTE).await;
    let slack = heard(&rig, SLACK);
    assert!((1..=12).contains(&slack.len()), "{slack:?}");
    let told: usize = slack.iter().map(|text| text.split(' ').find_map(|word| word.parse().ok()).unwrap_or(1)).sum();
    assert_eq!(told, 200, "each is told of: {slack:?}");
    assert!(slack.iter().any(|text| text.starts_with("Critical: ") && text.ends_with("troubles at once")), "{slack:?}");
    assert_eq!(heard(&rig, PAGER), vec!["trigger"; 200]);
    rig.answer(200);
    while !rig.deliveries(DeliveryState::Dead).await.is_empty() {
        retry_all(&rig).await;
        rig.pass(SECOND).await;
    }
    rig.pass(HOUR).await;
    let slack = &heard(&rig, SLACK)[slack.len()..];
    assert!((1..=12).contains(&slack.len()) && slack.iter().all(|text| text.starts_with("Resolved")), "{slack:?}");
    assert_eq!(heard(&rig, PAGER).iter().filter(|action| *action == "resolve").count(), 200);
}

#[tokio::test(start_paused = true)]
async fn causes_that_keep_coming_are_gathered() {
    let rig = Rig::with(memory(), many(told())).await;
    listens(&rig, 200);
    rig.answer(500);
    for number in 0..120 {
        let specs = many(told());
        let routes = specs.routes[number..=number].to_vec();
        rig.engine.configure(Specs { routes, ..specs }).await.expect("valid");
        rig.publish().await;
        rig.pass(10 * SECOND).await;
    }
    rig.pass(5 * MINUTE).await;
    let slack = heard(&rig, SLACK);
    assert!((20..=45).contains(&slack.len()), "ten at once, then one in a minute: {} {slack:?}", slack.len());
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_fails_is_a_matter_of_its_owner_and_forgotten_with_it() {
    let rig = Rig::start().await;
    let other: Tenant = "other".parse().expect("a tenant");
    let mut specs = failing(told());
    specs.sources[1].tenant = other.clone();
    for destination in &mut specs.destinations {
        destination.tenant = other.clone();
    }
    specs.routes[0].tenant = other.clone();
    rig.engine.configure(specs).await.expect("valid");
    listens(&rig, 200);
    rig.network.answers.lock().expect("nobody panicked").insert(SLACK.to_owned(), (403, "no".to_owned()));
    rig.answer(500);
    rig.publish_of(&other).await;
    rig.pass(MINUTE).await;
    assert_eq!(heard(&rig, PAGER).len(), 2, "of the other's dead letters, and that the chat refuses");
    assert_eq!(rig.open().await, [("channel_failing".to_owned(), "channel/team".to_owned())]);
    let own = rig.store.alerts(other.clone(), true, Page::first(10)).await.expect("alerts").rows;
    assert!(own.iter().all(|alert| &*alert.kind != "channel_failing"), "{own:?}");
    let channels = rig.engine.channels(&other).await.expect("channels");
    assert!(channels.is_empty(), "whom the operator tells is their own matter: {channels:?}");
    let specs = Specs { routes: Vec::new(), ..failing(AlertingSpec { channels: Vec::new(), ..told() }) };
    rig.engine.configure(specs).await.expect("valid");
    rig.pass(MINUTE).await;
    assert_eq!(rig.open().await, [], "there is no such channel any more");
}

#[tokio::test(start_paused = true)]
async fn what_comes_and_goes_is_told_once() {
    let rig = Rig::with(memory(), failing(told())).await;
    listens(&rig, 200);
    for _ in 0..20 {
        rig.answer(500);
        rig.publish().await;
        rig.pass(MINUTE).await;
        rig.answer(200);
        retry_all(&rig).await;
        rig.pass(2 * MINUTE).await;
    }
    assert_eq!(heard(&rig, SLACK), [OPENED]);
    rig.pass(30 * MINUTE).await;
    assert_eq!(heard(&rig, SLACK), [OPENED, RESOLVED]);
    let alerts = rig.alerts().await;
    let dead: Vec<_> = alerts.iter().filter(|alert| &*alert.kind == "dead_letters").collect();
    assert_eq!((dead.len(), dead[0].count, dead[0].reopened), (1, 20, 19));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_looks_after_it_is_named_and_a_person_ends_it_at_once() {
    let rig = Rig::with(memory(), failing(told())).await;
    listens(&rig, 200);
    rig.answer(500);
    rig.publish().await;
    rig.pass(2 * MINUTE).await;
    let id = rig.alerts().await.into_iter().find(|alert| &*alert.kind == "dead_letters").expect("it is open").id;
    let tenant = Tenant::default_tenant();
    let known = rig.engine.acknowledge_alert(&tenant, id, "ann".into()).await.expect("asked").expect("it is open");
    assert_eq!(known.acknowledged_by.as_deref(), Some("ann"));
    rig.pass(SECOND).await;
    assert_eq!(heard(&rig, PAGER), ["trigger", "acknowledge"]);
    assert_eq!(heard(&rig, SLACK).len(), 1, "a chat is not told that it is looked after");
    rig.engine.dismiss_alert(&tenant, id, "ann".into()).await.expect("asked").expect("it was open");
    rig.pass(SECOND).await;
    assert_eq!(heard(&rig, PAGER), ["trigger", "acknowledge", "resolve"]);
    rig.publish().await;
    rig.pass(MINUTE).await;
    assert_eq!(heard(&rig, PAGER).len(), 4, "it is another cause by now");
    assert!(rig.engine.acknowledge_alert(&tenant, id, "ann".into()).await.expect("asked").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_down_is_told_by_the_others_and_gets_its_messages_later() {
    let rig = Rig::with(memory(), failing(told())).await;
    listens(&rig, 200);
    rig.network.answers.lock().expect("nobody panicked").insert(SLACK.to_owned(), (503, "away".to_owned()));
    rig.answer(500);
    rig.publish().await;
    rig.pass(10 * MINUTE).await;
    let tries = heard(&rig, SLACK).len();
    assert!((4..=8).contains(&tries), "{tries} tries in ten minutes");
    assert!(rig.open().await.contains(&("channel_failing".to_owned(), "channel/team".to_owned())));
    assert_eq!(heard(&rig, PAGER), ["trigger", "trigger"], "the dead letter, and that the other channel fails");
    let channels = rig.engine.channels(&Tenant::default_tenant()).await.expect("channels");
    let team = channels.iter().find(|channel| channel.name == "team").expect("it is there");
    assert_eq!((team.waiting, team.sent_at), (1, None));
    assert!(team.problem.as_ref().is_some_and(|problem| problem.contains("503 away")), "{team:?}");
    listens(&rig, 200);
    rig.pass(HOUR).await;
    assert_eq!(heard(&rig, SLACK).len(), tries + 1, "the message that waited");
    assert!(!rig.open().await.iter().any(|(kind, _)| kind == "channel_failing"));
}

struct Always;

impl Fates for Always {
    fn next(&self, _verb: &'static str) -> Fate {
        Fate::Happens
    }
}

/// Counts what the store is asked.
#[derive(Default)]
struct Asked(Mutex<BTreeMap<&'static str, u32>>);

impl Fates for Asked {
    fn next(&self, verb: &'static str) -> Fate {
        *self.0.lock().expect("nobody panicked").entry(verb).or_default() += 1;
        Fate::Happens
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_happens_the_store_is_asked_a_few_times_in_a_minute() {
    let asked = Arc::new(Asked::default());
    let store = FaultyStore::new(memory(), Arc::clone(&asked) as _, Arc::new(Death::default()));
    let rig = Rig::with(Arc::new(store), failing(told())).await;
    rig.pass(2 * MINUTE).await;
    asked.0.lock().expect("nobody panicked").clear();
    rig.pass(10 * MINUTE).await;
    let asked = asked.0.lock().expect("nobody panicked").clone();
    let own = ["unsettled_alerts", "waiting_notices", "told", "alerts", "backlog", "figures", "budgets", "api_keys"];
    let calls: u32 = own.iter().filter_map(|verb| asked.get(verb)).sum();
    assert!((20..=60).contains(&calls), "{asked:?}");
    assert_eq!(asked.get("claim_notices").or(asked.get("step_cause")), None, "nothing is written");
}

/// A store as a process sees it that can be killed.
fn mortal(store: &Arc<dyn Store>) -> (Arc<dyn Store>, Arc<Death>) {
    let death = Arc::new(Death::default());
    let faulty = FaultyStore::new(Arc::clone(store), Arc::new(Always), Arc::clone(&death)).beside_others();
    (Arc::new(faulty), death)
}

#[tokio::test(start_paused = true)]
async fn a_restart_neither_repeats_nor_forgets() {
    let store = memory();
    let (seen, death) = mortal(&store);
    let rig = Rig::with(seen, failing(told())).await;
    listens(&rig, 200);
    rig.network.answers.lock().expect("nobody panicked").insert(SLACK.to_owned(), (503, String::new()));
    rig.answer(500);
    rig.publish().await;
    rig.pass(20 * SECOND).await;
    assert_eq!(heard(&rig, PAGER), ["trigger"]);
    // The process is gone as by `kill -9`.
    death.strike();
    let later = Rig::at(store, failing(told()), Arc::clone(&rig.clock)).await;
    listens(&later, 200);
    later.answer(200);
    later.pass(10 * MINUTE).await;
    assert_eq!(heard(&later, SLACK), [OPENED], "what was owed");
    assert_eq!(heard(&later, PAGER), [] as [&str; 0], "what was told");
    retry_all(&later).await;
    later.pass(20 * MINUTE).await;
    assert_eq!(
        (heard(&later, SLACK), heard(&later, PAGER)),
        (vec![OPENED.to_owned(), RESOLVED.to_owned()], vec!["resolve".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn of_several_nodes_one_tells_and_another_goes_on_when_it_dies() {
    let shared = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
    let (shared, clock): (Arc<dyn Store>, _) = (Arc::new(shared.expect("it opens")), clock());
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let (store, death) = mortal(&shared);
        let rig = Rig::among(number, store, failing(told()), Arc::clone(&clock)).await;
        listens(&rig, 200);
        rig.answer(500);
        nodes.push((rig, death));
    }
    nodes[0].0.pass(30 * SECOND).await;
    for _ in 0..50 {
        nodes[1].0.publish().await;
        nodes[2].0.publish().await;
    }
    nodes[0].0.pass(MINUTE).await;
    let told = |url: &str| nodes.iter().flat_map(|(rig, _)| heard(rig, url)).collect::<Vec<_>>();
    assert_eq!(told(SLACK), [OPENED]);
    assert_eq!(told(PAGER), ["trigger"]);
    let teller = nodes.iter().position(|(rig, _)| !heard(rig, SLACK).is_empty()).expect("one told");
    nodes[teller].1.strike();
    nodes[teller].0.network.down.store(true, Ordering::SeqCst);
    let left = &nodes[(teller + 1) % 3].0;
    nodes.iter().for_each(|(rig, _)| rig.answer(200));
    left.pass(MINUTE).await;
    retry_all(left).await;
    left.pass(30 * MINUTE).await;
    // In the order of the nodes, not of time.
    let sorted = |mut told: Vec<String>| {
        told.sort_unstable();
        told
    };
    assert_eq!(sorted(told(SLACK)), [OPENED, RESOLVED]);
    assert_eq!(sorted(told(PAGER)), ["resolve", "trigger"]);
}

#[tokio::test(start_paused = true)]
async fn quiet_hours_hold_back_what_can_wait_and_drop_what_is_over_by_then() {
    // The clock of these tests begins at 08:00 in UTC.
    let time = |text: &str| text.parse().expect("a time of day");
    let quiet = QuietHours { from: time("07:00"), to: time("10:00"), zone: zone("UTC").expect("a zone"), days: vec![] };
    let mild = Change { severity: Some(Severity::Warning), ..Change::default() };
    for (severe, ends, expected) in [(false, false, 1), (false, true, 0), (true, false, 1)] {
        let mut changes = BTreeMap::from([("delivery_failing".to_owned(), Change { off: true, ..Change::default() })]);
        if !severe {
            changes.insert("dead_letters".to_owned(), mild.clone());
        }
        let rules = Rules { changes, ..Rules::default() };
        let rig = Rig::with(memory(), failing(AlertingSpec { quiet: Some(quiet.clone()), rules, ..told() })).await;
        listens(&rig, 200);
        rig.answer(500);
        rig.publish().await;
        rig.pass(HOUR).await;
        assert_eq!(heard(&rig, SLACK).len(), usize::from(severe), "it is quiet");
        if ends {
            rig.answer(200);
            retry_all(&rig).await;
        }
        rig.pass(2 * HOUR).await;
        assert_eq!(heard(&rig, SLACK).len(), expected, "severe: {severe}, over by then: {ends}");
        let notices = rig.store.notices(Tenant::default_tenant(), 10).await.expect("notices");
        assert_eq!(notices.iter().any(|notice| notice.state == NoticeState::Dropped), ends);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_tells_only_of_what_lasts_and_of_what_comes_often() {
    let late = Change { after: Some(10 * MINUTE), ..Change::default() };
    let often = Change { count: Some(5), ..Change::default() };
    for (change, failures, expected) in [(late.clone(), 1, [0, 1]), (often.clone(), 4, [0, 0]), (often, 5, [1, 1])] {
        let off = Change { off: true, ..Change::default() };
        let changes = BTreeMap::from([("dead_letters".to_owned(), change), ("delivery_failing".to_owned(), off)]);
        let rules = Rules { changes, ..Rules::default() };
        let rig = Rig::with(memory(), failing(AlertingSpec { rules, ..told() })).await;
        listens(&rig, 200);
        rig.answer(500);
        for _ in 0..failures {
            rig.publish().await;
        }
        let mut counts = Vec::new();
        for _ in 0..2 {
            rig.pass(8 * MINUTE).await;
            counts.push(heard(&rig, SLACK).len());
        }
        assert_eq!(counts, expected, "{failures} failures");
    }
}

#[tokio::test(start_paused = true)]
async fn a_digest_comes_each_day_at_its_time_and_not_to_the_pager() {
    let time = "09:00".parse().expect("a time of day");
    let time = DigestTime { every: Every::Day, at: time, zone: zone("UTC").expect("a zone") };
    let digest = Some(DigestSpec { time, channels: Vec::new() });
    let store = memory();
    let (seen, death) = mortal(&store);
    let rig = Rig::with(seen, failing(AlertingSpec { digest: digest.clone(), ..told() })).await;
    listens(&rig, 200);
    for _ in 0..7 {
        rig.publish().await;
    }
    rig.pass(30 * MINUTE).await;
    assert_eq!(heard(&rig, SLACK), [] as [&str; 0]);
    rig.pass(45 * MINUTE).await;
    let titles = heard(&rig, SLACK);
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(titles[0].starts_with("What happened until 2027-01-15T09:00:00Z"), "{titles:?}");
    let text = rig.network.heard.lock().expect("nobody panicked")[0][3].clone();
    for part in ["*Events:* 7 (own 7)", "*Deliveries:* 7 tries succeeded", "*Dead letters:* 0", "*Waiting:* 0"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(heard(&rig, PAGER), [] as [&str; 0]);
    // Another process does not tell it again, and the next day has its own.
    death.strike();
    let again = Rig::at(store, failing(AlertingSpec { digest, ..told() }), Arc::clone(&rig.clock)).await;
    listens(&again, 200);
    again.pass(HOUR).await;
    assert_eq!(heard(&again, SLACK), [] as [&str; 0]);
    again.pass(24 * HOUR).await;
    assert_eq!(heard(&again, SLACK).len(), 1, "each day once");
}
