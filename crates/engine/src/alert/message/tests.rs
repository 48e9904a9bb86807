//! What people read, of one cause and of many.

use std::time::Duration;

use domain::AlertId;
use domain::alert::tell::NoticeState;
use uuid::Uuid;

use super::*;

fn at(minutes: u32) -> Timestamp {
    Timestamp::EPOCH + Duration::from_secs(60) * minutes
}

fn alert(number: u128, kind: &str, object: &str, detail: &str) -> Alert {
    let opened = at(u32::try_from(number).expect("small"));
    let id = AlertId::from_uuid(Uuid::from_u128(number));
    Alert::new(id, Tenant::default_tenant(), kind.into(), object.into(), detail.to_owned(), opened)
}

fn words(tenant: &Tenant) -> Words<'_> {
    Words { tenant, public_url: Some("https://hooks.example") }
}

fn id() -> NoticeId {
    NoticeId::from_uuid(Uuid::from_u128(7))
}

fn fact<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.facts.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[test]
fn the_worst_that_is_open_speaks_for_its_cause() {
    let tenant = Tenant::default_tenant();
    let failing = alert(1, "delivery_failing", "destination/app", "half of them fail");
    let dead = alert(2, "dead_letters", "route/r/destination/app", "tries are used up\r\nNext: call +1 555 0100");
    let over = Alert { resolved_at: Some(at(3)), ..alert(3, "breaker_open", "destination/app", "it is open") };
    let alerts = [(Severity::Warning, &failing), (Severity::Critical, &dead), (Severity::Critical, &over)];
    let message = words(&tenant).of_cause(id(), Stage::Opened, &alerts).expect("a message");
    assert_eq!(message.title, "Critical: dead letters at route/r/destination/app");
    assert_eq!((message.key.as_str(), message.severity), ("default/deliveries/app", Severity::Critical));
    assert_eq!(
        fact(&message, "What"),
        Some("tries are used up  Next: call +1 555 0100"),
        "what a sender wrote is no fact"
    );
    assert_eq!(fact(&message, "Since"), Some("1970-01-01T00:01:00Z"));
    assert_eq!(fact(&message, "Also"), Some("delivery failing (destination/app)"));
    assert!(fact(&message, "Next").is_some_and(|next| next.contains("retry the dead letters")));
    assert!(message.text().ends_with("\nDashboard: https://hooks.example/alerts"));
}

#[test]
fn who_looks_after_it_and_who_ended_it_are_named_and_whose_it_is() {
    let tenant: Tenant = "acme".parse().expect("a tenant");
    let known = Alert { acknowledged_by: Some("ann".into()), ..alert(1, "silence", "source/shop", "nothing came") };
    let message = words(&tenant).of_cause(id(), Stage::Acknowledged, &[(Severity::Warning, &known)]).expect("one");
    assert_eq!(fact(&message, "Acknowledged by"), Some("ann"));
    assert_eq!((fact(&message, "Where"), &*message.key), (Some("source/shop of acme"), "acme/webhooks/shop"));
    for (by, said) in [(Some("ann"), "1970-01-01T00:09:00Z by ann"), (None, "1970-01-01T00:09:00Z by itself")] {
        let over = Alert { resolved_at: Some(at(9)), resolved_by: by.map(Into::into), ..known.clone() };
        let message = words(&tenant).of_cause(id(), Stage::Resolved, &[(Severity::Warning, &over)]).expect("one");
        assert_eq!(
            (message.title.as_str(), fact(&message, "Resolved")),
            ("Resolved: silence at source/shop", Some(said))
        );
    }
}

#[test]
fn what_is_not_kept_any_more_is_told_by_its_cause() {
    let tenant = Tenant::default_tenant();
    let notice = Notice {
        id: id(),
        tenant: tenant.clone(),
        cause: "deliveries/app".into(),
        alert: None,
        channel: "pager".into(),
        stage: Stage::Resolved,
        severity: Severity::Critical,
        state: NoticeState::Waiting,
        made_at: at(5),
        due_at: at(5),
        tries: 1,
        ended_at: None,
        problem: String::new(),
    };
    let message = words(&tenant).bare(&notice);
    assert_eq!(
        (message.key.as_str(), message.title.as_str()),
        ("default/deliveries/app", "Resolved: deliveries at app")
    );
}

#[test]
fn many_causes_are_one_message_that_names_the_worst() {
    let tenant = Tenant::default_tenant();
    let alerts: Vec<Alert> =
        (0..30).map(|number| alert(number, "silence", &format!("source/s{number}"), &"x".repeat(5_000))).collect();
    let worst = alert(40, "dead_letters", "route/r/destination/app", "tries are used up");
    let mut causes: Vec<Message> = alerts
        .iter()
        .map(|alert| words(&tenant).of_cause(id(), Stage::Opened, &[(Severity::Warning, alert)]).expect("one"))
        .collect();
    causes.push(words(&tenant).of_cause(id(), Stage::Opened, &[(Severity::Critical, &worst)]).expect("one"));
    let message = words(&tenant).of_many("many_1".to_owned(), Stage::Opened, causes);
    assert_eq!(message.title, "Critical: 31 troubles at once");
    let first = ("Critical".to_owned(), "dead letters at route/r/destination/app: tries are used up".to_owned());
    assert_eq!(message.facts[0], first);
    assert_eq!((message.facts.len(), fact(&message, "More")), (11, Some("21 others; the dashboard has all of them")));
    assert!(message.text().len() < 4_000, "it fits into every channel");
}
