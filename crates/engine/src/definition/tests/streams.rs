//! What is told of each mistake in `streams` and `budget`, and what they are read as.

use std::time::Duration;

use domain::budget::Counting;

use super::*;
use crate::clock::SystemClock;
use crate::connector::{Connector, ConnectorError, Connectors, Named};
use crate::entropy::SystemEntropy;
use crate::spec::{BudgetScope, ConnectorSpec, OVERLAP_DEFAULT, PollSpec, Schedule, Start};

/// A shop: `orders` by the time of change, `items` whole, `logs` that name nothing, `odd` that cannot be read.
const SHOP: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  retriever:
    type: SimpleRetriever
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
    requester: { type: HttpRequester, url_base: "https://shop.example", path: all }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    retriever: { $ref: "#/definitions/retriever" }
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: "2020-01-01T00:00:00Z"
      start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: since }
  - { type: DeclarativeStream, name: items, primary_key: id, retriever: { $ref: "#/definitions/retriever" } }
  - { type: DeclarativeStream, name: logs, retriever: { $ref: "#/definitions/retriever" } }
  - { type: DeclarativeStream, name: odd, primary_key: id, retriever: { type: CustomRetriever, class_name: shop.Odd } }
"##;

const TEMPLATES: &str = r##"
dynamic_streams:
  - type: DynamicDeclarativeStream
    name: boats
    stream_template: { type: DeclarativeStream, name: boat, primary_key: id, retriever: { $ref: "#/definitions/retriever" } }
    components_resolver:
      type: ConfigComponentsResolver
      stream_config: { type: StreamConfig, configs_pointer: [boats] }
      components_mapping:
        - { type: ComponentMappingDefinition, field_path: [name], value: "{{ components_values['name'] }}" }
"##;

/// Finds `./shop.yaml`, and `./boats.yaml`, which makes streams of its configuration too.
#[derive(Debug)]
struct Shops;

impl Connectors for Shops {
    fn find(&self, name: &str, _: Option<&str>) -> Result<Arc<Connector>, ConnectorError> {
        let text = match name {
            "./shop.yaml" => SHOP.to_owned(),
            "./boats.yaml" => format!("{SHOP}{TEMPLATES}"),
            _ => return Err(ConnectorError::Unknown { name: name.to_owned(), near: None }),
        };
        let (clock, entropy) = (SystemClock::shared(), SystemEntropy::shared());
        Connector::load(Named { name, text: &text }, None, Arc::new(|_| None), &clock, &entropy).map(Arc::new)
    }
}

fn read(json: Json) -> Result<(SourceSpec, Report), Report> {
    let context = Context { connectors: Arc::new(Shops), ..context() };
    read_json(json, |at| source(at, "shop".parse().expect("a name"), &context))
}

/// A source of `shop.yaml` with these keys more.
fn shop(more: Json) -> Json {
    let mut json = json!({"connector": "./shop.yaml", "config": {}});
    json.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json
}

fn orders(stream: Json) -> Json {
    shop(json!({"streams": {"orders": stream}}))
}

fn connector_of(json: Json) -> ConnectorSpec {
    let (spec, _) = read(json.clone()).unwrap_or_else(|report| panic!("{json}: {report:?}"));
    spec.connector.expect("it has one")
}

fn poll_of(poll: Json) -> PollSpec {
    let spec = connector_of(orders(json!({ "poll": poll })));
    spec.streams["orders"].poll.clone().expect("it is polled")
}

#[test]
fn streams_are_told_every_mistake() {
    for (json, expected) in [
        (json!([]), vec![" wrong_type"]),
        (json!({"pol": "30s"}), vec!["/pol unknown_key"]),
        (json!({"poll": "often"}), vec!["/poll invalid_value"]),
        (json!({"poll": "500ms"}), vec!["/poll invalid_value"]),
        (json!({"poll": "367d"}), vec!["/poll invalid_value"]),
        (json!({"poll": {}}), vec!["/poll missing_key"]),
        (json!({"poll": {"every": "1h", "cron": "0 * * * *"}}), vec!["/poll/cron conflict"]),
        (json!({"poll": {"cron": "every hour"}}), vec!["/poll/cron invalid_value"]),
        (json!({"poll": {"cron": "0 99 * * *"}}), vec!["/poll/cron invalid_value"]),
        (json!({"poll": {"every": "1h", "weight": 2}}), vec!["/poll/weight unknown_key"]),
        (json!({"poll": {"budget": "much"}}), vec!["/poll/budget invalid_value", "/poll missing_key"]),
        (json!({"poll": {"budget": "9/h", "at_least": "1h", "at_most": "1m"}}), vec!["/poll/at_most conflict"]),
        (json!({"poll": {"budget": "9/h", "weight": 0}}), vec!["/poll/weight invalid_value"]),
        (json!({"reconcile": "1s"}), vec!["/reconcile invalid_value"]),
        (json!({"reconcile": {"lookback": "1h"}}), vec!["/reconcile missing_key"]),
        (
            json!({"reconcile": {"every": "1h", "lookback": "soon", "grace": -1, "max_deletes": "all"}}),
            vec![
                "/reconcile/lookback invalid_value",
                "/reconcile/grace invalid_value",
                "/reconcile/max_deletes invalid_value",
            ],
        ),
        (json!({"start": "then"}), vec!["/start invalid_value"]),
        (json!({"overlap": "2d"}), vec!["/overlap invalid_value"]),
    ] {
        let told: Vec<_> = expected.iter().map(|told| format!("/streams/orders{told}")).collect();
        assert_eq!(errors(read(orders(json.clone()))), told, "{json}");
    }
}

#[test]
fn budgets_are_told_every_mistake() {
    for (json, expected) in [
        (json!("much"), vec!["/budget invalid_value"]),
        (json!(7), vec!["/budget wrong_type"]),
        (json!({}), vec!["/budget missing_key"]),
        (json!({"limit": "5/d"}), vec!["/budget/limit invalid_value"]),
        (json!({"limit": "5/h", "window": "sliding"}), vec!["/budget/window invalid_value"]),
        (json!({"limit": "5/h", "burst": 5}), vec!["/budget/burst conflict"]),
        (json!({"limit": "5/h", "window": "fixed", "burst": 5}), vec!["/budget/burst conflict"]),
        (json!({"limit": "5/h", "window": "bucket", "burst": 0}), vec!["/budget/burst invalid_value"]),
        (json!({"limit": "5/h", "scope": "a b"}), vec!["/budget/scope invalid_name"]),
        (json!({"limit": "5/h", "scope": ""}), vec!["/budget/scope empty"]),
    ] {
        assert_eq!(errors(read(shop(json!({ "budget": json })))), expected, "{json}");
    }
}

#[test]
fn streams_are_judged_against_their_connector() {
    let alone = json!({"publish": true, "streams": {"orders": {}}, "budget": "5/h"});
    assert_eq!(errors(read(alone)), ["/streams conflict", "/budget conflict"]);
    for (stream, code, said, help) in [
        ("ordesr", "unknown_name", "has no stream 'ordesr'", "did you mean 'orders'?"),
        ("invoices", "unknown_name", "has no stream 'invoices'", "trireme connector inspect"),
        ("logs", "poll_blind", "neither a cursor nor a primary key", "primary_key"),
        ("odd", "stream_unusable", "CustomRetriever", "trireme connector inspect"),
    ] {
        let report = read(shop(json!({"streams": {stream: {"poll": "30s"}}}))).expect_err(stream);
        let finding = report.errors().next().expect("one");
        assert_eq!((finding.code, finding.pointer.as_str()), (code, format!("/streams/{stream}").as_str()));
        assert!(finding.message.contains(said), "{stream}: {}", finding.message);
        assert!(finding.help.as_ref().is_some_and(|told| told.contains(help)), "{stream}: {:?}", finding.help);
    }
    for known in ["orders", "items"] {
        connector_of(shop(json!({"streams": {known: {"poll": "30s"}}})));
    }
    // What the source makes of its configuration is not known before it is asked.
    let boats = json!({"connector": "./boats.yaml", "config": {"boats": []}, "streams": {"boat": {"poll": "1h"}}});
    let (spec, report) = read(boats).expect("only doubted");
    assert_eq!(report.warnings().map(|finding| finding.code).collect::<Vec<_>>(), ["unknown_name"]);
    assert!(spec.connector.is_some_and(|connector| connector.streams.contains_key("boat")));
}

#[test]
fn streams_of_one_source_say_the_same_of_their_shared_budget() {
    let both = |one: &str, other: &str| {
        let poll = |rate: &str| json!({"poll": {"budget": rate}});
        shop(json!({"streams": {"items": poll(one), "orders": poll(other)}}))
    };
    let report = read(both("100/h", "200/h")).expect_err("two budgets");
    let finding = report.errors().next().expect("one");
    assert_eq!((finding.code, finding.pointer.as_str()), ("conflict", "/streams/orders"));
    assert_eq!(finding.help.as_deref(), Some("write budget: 100/h here too"));
    assert_eq!(connector_of(both("100/h", "100/h")).streams.len(), 2);
}

#[test]
fn a_budget_that_is_too_small_says_what_interval_it_allows() {
    let small = |limit: Json, connections: Json| {
        let streams = json!({"orders": {"poll": "30s"}, "items": {"poll": "1m"}});
        json!({"connector": "./shop.yaml", "budget": limit, "streams": streams, "connections": connections})
    };
    let two = json!({"acme": {"config": {}}, "beta": {"config": {}}});
    let shared = |rate: &str| json!({"limit": rate, "scope": "source"});
    for (limit, connections, needs, interval) in [
        (json!("60/h"), json!({"acme": {"config": {}}}), "180/h", "2m"),
        (json!("179/h"), two.clone(), "180/h", "41s"),
        (shared("180/h"), two.clone(), "360/h", "80s"),
        (json!({"limit": "1/h", "scope": "app"}), two.clone(), "360/h", "4h"),
    ] {
        let report = read(small(limit.clone(), connections)).expect_err("too small");
        let finding = report.errors().next().expect("one");
        assert_eq!((finding.code, finding.pointer.as_str()), ("budget_too_small", "/budget"), "{limit}");
        assert!(finding.message.contains(&format!("at least {needs}")), "{limit}: {}", finding.message);
        let help = finding.help.as_deref().unwrap_or_default();
        assert!(help.contains(&format!("an interval of {interval} ")), "{limit}: {help}");
    }
    for enough in [json!("180/h"), shared("360/h")] {
        connector_of(small(enough, two.clone()));
    }
    // Who says how long each may wait at most cannot have that of any budget.
    let two_by = |rate: &str, most: &str| {
        let poll = json!({"poll": {"budget": rate, "at_most": most}});
        json!({"connector": "./shop.yaml", "streams": {"orders": poll, "items": poll}, "connections": two})
    };
    connector_of(two_by("240/h", "1m"));
    let report = read(two_by("239/h", "1m")).expect_err("too small");
    let finding = report.errors().next().expect("one");
    assert_eq!((finding.code, finding.pointer.as_str()), ("budget_too_small", "/streams/items"));
    assert!(finding.message.contains("at least 240/h"), "{}", finding.message);
    assert_eq!(finding.help.as_deref(), Some("an at_most of 61s is what it allows"));
    // Polls that share a budget wait instead.
    let paced = shop(json!({"budget": "5/h", "streams": {"orders": {"poll": {"budget": "5000/h"}}}}));
    connector_of(paced);
}

#[test]
fn defaults_and_short_forms_are_what_their_long_forms_say() {
    let every = |seconds| PollSpec::On(Schedule::Every(Duration::from_secs(seconds)));
    assert_eq!((poll_of(json!("30s")), poll_of(json!({"every": "30s"}))), (every(30), every(30)));
    let PollSpec::On(Schedule::Cron(cron)) = poll_of(json!({"cron": "30 2 * * * Europe/Berlin"})) else {
        panic!("a crontab")
    };
    assert_eq!(cron.to_string(), "30 2 * * * Europe/Berlin");
    let PollSpec::Budget(share) = poll_of(json!({"budget": "60/m"})) else { panic!("a share") };
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!((share.at_least, share.at_most, share.weight), (Duration::from_secs(1), day, 1.0));
    let PollSpec::Budget(rare) = poll_of(json!({"budget": "60/m", "at_least": "2d"})) else { panic!("a share") };
    assert_eq!(rare.at_most, day * 2);

    let spec = connector_of(orders(json!({"reconcile": "1h"})));
    let stream = &spec.streams["orders"];
    assert_eq!((stream.poll.clone(), stream.start, stream.overlap), (None, Start::Now, OVERLAP_DEFAULT));
    let reconcile = stream.reconcile.clone().expect("it is reconciled");
    assert_eq!((reconcile.lookback, reconcile.grace, reconcile.max_deletes), (None, None, None));

    let budget = |json: Json| connector_of(shop(json!({ "budget": json }))).budget.expect("a budget");
    let plain = budget(json!("100/s"));
    assert_eq!((plain.allowance.counting, plain.scope.clone()), (Counting::Moving, BudgetScope::Connection));
    assert_eq!(plain, budget(json!({"limit": "100/s", "window": "moving", "scope": "connection"})));
    assert_eq!(
        budget(json!({"limit": "100/s", "window": "bucket"})).allowance.counting,
        Counting::Bucket { burst: 100 }
    );
    assert_eq!(budget(json!({"limit": "1/s", "scope": "my-app"})).scope, BudgetScope::Named("my-app".to_owned()));
}

#[test]
fn what_is_written_of_streams_is_read_back_the_same() {
    let expose = &mut |secret: &crate::spec::Secret| secret.expose().to_owned();
    for json in [
        orders(json!({})),
        orders(json!({"poll": "1m30s", "start": "all", "overlap": "0s"})),
        orders(json!({"poll": {"cron": "*/15 * * * *"}, "start": "2026-01-31T09:30:00Z"})),
        orders(json!({"poll": {"budget": "50/h", "at_least": "5s", "at_most": "10m", "weight": 3}})),
        orders(json!({"reconcile": {"every": "1h", "lookback": "1d", "grace": "0s", "max_deletes": 0}})),
        orders(json!({"reconcile": {"cron": "0 3 * * *"}})),
        shop(json!({"budget": "100/m"})),
        shop(json!({"budget": {"limit": "40/s", "window": "bucket", "burst": 80, "scope": "source"}})),
        shop(json!({"budget": {"limit": "5000/h", "window": "fixed", "scope": "my-app"},
            "streams": {"orders": {"poll": "30s"}, "items": {"reconcile": "1d"}}})),
    ] {
        let (spec, report) = read(json.clone()).unwrap_or_else(|report| panic!("{json}: {report:?}"));
        assert!(report.findings.is_empty(), "{json}: {report:?}");
        assert_eq!(read(write_source(&spec, expose)).expect("read back").0, spec, "{json}");
    }
}
