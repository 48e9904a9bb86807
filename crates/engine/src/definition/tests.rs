//! Definitions as JSON: what is told of each mistake, and that what is written is read back the same.

mod reply;
mod streams;
mod subscribe;

use std::sync::Arc;

use domain::Assurance;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::spec::{DestinationSpec, RouteSpec, SourceSpec};

const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=";

fn context() -> Context {
    let egress = Arc::new(EgressPolicy::new(vec!["10.1.0.0/16".parse().expect("a range")], Vec::new()));
    Context {
        tenant: Tenant::default_tenant(),
        managed_by: ManagedBy::Api,
        catalogue: Arc::default(),
        wrong_recipes: Arc::default(),
        connectors: Arc::new(crate::connector::Ours {
            clock: crate::clock::SystemClock::shared(),
            entropy: crate::entropy::SystemEntropy::shared(),
        }),
        public_url: None,
        egress,
    }
}

fn known() -> Known {
    let name = |text: &str| text.parse().expect("a name");
    let facts = |proves| {
        let connections = ["acme".parse().expect("a name")].into();
        Some(SourceFacts { proves: Some(proves), connections, readable: None })
    };
    Known {
        sources: [(name("github"), facts(Assurance::Body)), (name("open"), facts(Assurance::None))].into(),
        destinations: ["app".parse().expect("a name")].into(),
    }
}

fn read_source(json: Json) -> Result<(SourceSpec, Report), Report> {
    read_json(json, |at| source(at, "github".parse().expect("a name"), &context()))
}

fn read_destination(json: Json) -> Result<(DestinationSpec, Report), Report> {
    read_json(json, |at| destination(at, "app".parse().expect("a name"), &context()))
}

fn read_route(json: Json) -> Result<(RouteSpec, Report), Report> {
    read_json(json, |at| route(at, &known(), &context()))
}

/// Every error as `pointer code`, in order.
fn errors<T>(result: Result<(T, Report), Report>) -> Vec<String> {
    let report = result.err().unwrap_or_default();
    report.errors().map(|finding| format!("{} {}", finding.pointer, finding.code)).collect()
}

fn http() -> Json {
    json!({"url": "https://app.example/hooks", "secret": KEY})
}

#[test]
fn sources_are_told_every_mistake() {
    for (json, expected) in [
        (json!({}), vec![" missing_key"]),
        (json!([]), vec![" wrong_type"]),
        (json!({"publish": "yes"}), vec!["/publish invalid_value"]),
        (json!({"webhook": {}}), vec!["/webhook missing_key"]),
        (json!({"webhook": {"provider": "github", "secret": ""}}), vec!["/webhook/secret empty"]),
        (json!({"webhook": {"provider": "github", "secret": []}}), vec!["/webhook/secret empty"]),
        (json!({"webhook": {"provider": "github", "secret": SECRET_MARKER}}), vec!["/webhook/secret secret_is_marker"]),
        (
            json!({"webhook": {"provider": "none", "reply": {"body": SECRET_MARKER, "headers": {"x-key": SECRET_MARKER}}}}),
            vec!["/webhook/reply/body secret_is_marker", "/webhook/reply/headers/x-key secret_is_marker"],
        ),
        (
            json!({"webhook": {"provider": "github", "secret": "a", "secrets": {"signing": "b"}}}),
            vec!["/webhook/secrets conflict"],
        ),
        (
            json!({"webhook": {"provider": "github", "secret": "a", "dedupe": {"within": "400d"}}}),
            vec!["/webhook/dedupe/within invalid_value"],
        ),
        (
            json!({"webhook": {"provider": "gihub", "secrt": "a", "x": 1}}),
            vec!["/webhook/provider unknown_name", "/webhook/secrt unknown_key"],
        ),
        (
            json!({"webhook": {"provider": "github", "secret": {"value": "a", "nam": "b", "not_after": "soon"}}}),
            vec!["/webhook/secret/nam unknown_key", "/webhook/secret/not_after invalid_value"],
        ),
        (
            json!({"webhook": {"provider": "github", "secret": [{"value": "a", "not_before": "2026-02-01T00:00:00Z",
                "not_after": "2026-01-01T00:00:00Z"}, {"name": "x"}]}}),
            vec!["/webhook/secret/0 conflict", "/webhook/secret/1 missing_key"],
        ),
        (json!({"webhook": {"provider": "github"}}), vec!["/webhook secret_missing"]),
        (json!({"webhook": {"provider": "none", "secret": "a"}}), vec!["/webhook/secret secret_not_taken"]),
        (
            json!({"webhook": {"provider": "standard-webhooks", "secret": ["whsec_YWJj", "whsec_!"]}}),
            vec!["/webhook/secret/1 secret_unusable"],
        ),
        (
            json!({"webhook": {"provider": "github", "secrets": {"public": "a", "sining": "b"}}}),
            vec!["/webhook/secrets/public secret_role_unknown", "/webhook/secrets/sining secret_role_unknown"],
        ),
        (
            json!({"webhook": {"provider": "generic-hmac", "secret": "a", "algorithm": "md5", "hedder": "x-sig",
                "encoding": 1}}),
            vec!["/webhook/algorithm setting_unusable", "/webhook/encoding wrong_type", "/webhook/hedder unknown_key"],
        ),
        (
            json!({"webhook": {"provider": "github"}, "connections": {"a": {"webhook": {"secret": "a"}},
                "b": {"webhook": {"secrets": {"token": "b"}}}}}),
            vec!["/connections/b/webhook/secrets/token secret_role_unknown"],
        ),
        (json!({"publish": true, "connections": {"acme": {}}}), vec!["/connections conflict"]),
        (
            json!({"webhook": {"provider": "none"}, "connections": {"unassigned": {}}, "foo": null}),
            vec!["/connections/unassigned reserved", "/foo unknown_key"],
        ),
        (
            json!({"webhook": {"provider": "github", "secret": "a"}, "connections": {"../x": {}, "y": {"config": {}}}}),
            vec!["/connections/..~1x invalid_name", "/connections/y/config conflict"],
        ),
        (json!({"connector": "x", "streams": {}, "poll": "1s"}), vec!["/connector unknown_name", "/poll unknown_key"]),
    ] {
        assert_eq!(errors(read_source(json.clone())), expected, "{json}");
    }
}

#[test]
fn destinations_are_told_every_mistake() {
    for (json, expected) in [
        (json!({}), vec![" missing_key"]),
        (json!({"http": {}}), vec!["/http missing_key", "/http missing_key"]),
        (json!({"http": {"url": "https://a.example", "unsigned": false}}), vec!["/http missing_key"]),
        (json!({"http": {"url": "ftp://a.example", "secret": KEY}}), vec!["/http/url egress_refused"]),
        (
            json!({"http": {"url": format!("https://a.example/{SECRET_MARKER}?x"), "secret": KEY}, "rate_limit": SECRET_MARKER}),
            vec!["/rate_limit secret_is_marker", "/http/url secret_is_marker", "/rate_limit invalid_value"],
        ),
        (json!({"http": {"url": "https://u:p@a.example", "secret": KEY}}), vec!["/http/url egress_refused"]),
        (json!({"http": {"url": "http://localhost:3000", "secret": KEY}}), vec!["/http/url egress_refused"]),
        (json!({"http": {"url": "http://0x7f.1", "secret": KEY}}), vec!["/http/url egress_refused"]),
        (json!({"http": {"url": "http://10.2.0.1", "secret": KEY}}), vec!["/http/url egress_refused"]),
        (json!({"http": {"url": "https://a.example", "secret": "short"}}), vec!["/http/secret secret_unusable"]),
        (
            json!({"http": {"url": "https://a.example", "secret": [KEY, "whsec_YQ=="]}}),
            vec!["/http/secret/1 secret_unusable"],
        ),
        (
            json!({"http": {"url": "https://a.example", "secret": KEY, "unsigned": true}}),
            vec!["/http/unsigned conflict"],
        ),
        (
            json!({"http": {"url": "https://a.example", "secret": KEY, "headers": {
                "Host": "x", "Webhook-Id": "x", "a b": "x", "x-a": "1", "X-A": "2", "x-b": "a\nb"}}}),
            vec![
                "/http/headers/Host reserved",
                "/http/headers/Webhook-Id reserved",
                "/http/headers/*** invalid_name",
                "/http/headers/X-A duplicate_key",
                "/http/headers/x-b invalid_value",
            ],
        ),
        (
            json!({"http": {"url": "https://a.example", "secret": KEY, "timeouts": {"connect": "30s", "total": "10s"}}}),
            vec!["/http/timeouts conflict"],
        ),
        (
            json!({"http": http(), "retry": {"fibonacci": "10s", "list": ["1s"], "factor": 3}}),
            vec!["/retry/factor conflict", "/retry/list conflict"],
        ),
        (
            json!({"http": http(), "retry": {"list": [], "attempts": 0, "jitter": "200%"}}),
            vec!["/retry/list out_of_range", "/retry/attempts invalid_value", "/retry/jitter invalid_value"],
        ),
        (
            json!({"http": http(), "breaker": {"failures": 0, "pause": "1m", "pause_max": "1s"}, "rate_limit": "9"}),
            vec!["/rate_limit invalid_value", "/breaker/failures invalid_value", "/breaker/pause_max conflict"],
        ),
    ] {
        assert_eq!(errors(read_destination(json.clone())), expected, "{json}");
    }
}

#[test]
fn routes_are_told_every_mistake() {
    for (json, expected) in [
        (json!({}), vec![" missing_key", " missing_key"]),
        (json!({"from": "gitub", "to": "a b"}), vec!["/from unknown_name", "/to invalid_name"]),
        (
            json!({"from": "github", "to": "app", "body": "raw", "map": "data", "on_dead": "block"}),
            vec!["/body conflict", "/on_dead conflict"],
        ),
        (
            json!({"from": "github", "to": "app", "ordering": "all", "stale": "keep", "assurance": "full"}),
            vec!["/assurance invalid_value", "/ordering invalid_value", "/stale invalid_value"],
        ),
        (json!({"from": "open", "to": "app", "assurance": "shared"}), vec!["/assurance assurance_unreachable"]),
        (
            json!({"from": "github", "to": "app", "enrich": {}, "wen": "x", "connections": "acme"}),
            vec!["/connections wrong_type", "/wen unknown_key"],
        ),
    ] {
        assert_eq!(errors(read_route(json.clone())), expected, "{json}");
    }
}

#[test]
fn a_refused_address_names_the_range_to_allow() {
    let report = read_destination(json!({"http": {"url": "http://10.2.0.1/x", "secret": KEY}})).expect_err("refused");
    let finding = report.errors().next().expect("one");
    assert_eq!(finding.help.as_deref(), Some("if you mean it, add egress: { allow: [\"10.2.0.1/32\"] }"));
    assert!(read_destination(json!({"http": {"url": "http://10.1.0.1/x", "secret": KEY}})).is_ok(), "allowed");
}

#[test]
fn defaults_are_those_of_the_types() {
    let (spec, report) = read_destination(json!({"http": http()})).expect("read");
    assert!(report.findings.is_empty());
    assert_eq!(spec.retry, Default::default());
    assert_eq!(spec.breaker, Default::default());
    assert_eq!(spec.http.timeouts, Default::default());
    assert_eq!((spec.http.concurrency, spec.paused), (crate::spec::CONCURRENCY_DEFAULT, false));
    let (spec, _) = read_route(json!({"from": "github", "to": "app"})).expect("read");
    assert_eq!(spec.name.as_str(), "github-app");
}

#[test]
fn routes_that_are_hardly_meant_so_are_warned_of() {
    let warned = |json| read_route(json).expect("read").1.warnings().map(|finding| finding.code).collect::<Vec<_>>();
    assert_eq!(warned(json!({"from": "open", "to": "app"})), ["unverified"]);
    assert_eq!(warned(json!({"from": "open", "to": "app", "assurance": "none"})), [""; 0]);
    assert_eq!(warned(json!({"from": "github", "to": "app"})), [""; 0]);
    assert_eq!(warned(json!({"from": "github", "to": "app", "connections": ["acme", "acne"]})), ["unknown_name"]);
}

#[test]
fn a_source_whose_secret_is_still_to_come_is_warned_of_where_somebody_has_to_wait_for_it() {
    let warned = |json| {
        let (_, report) = read_source(json).expect("read");
        report.warnings().map(|finding| format!("{} {}", finding.pointer, finding.code)).collect::<Vec<_>>()
    };
    let secret = json!({"webhook": {"secret": "a-secret-that-asana-handed-over"}});
    for (webhook, connections, expected) in [
        (json!({"provider": "asana"}), json!({}), &["/webhook must_be_paired"][..]),
        (json!({"provider": "asana", "secret": "a-secret-that-asana-handed-over"}), json!({}), &[]),
        (json!({"provider": "asana"}), json!({"acme": secret, "beta": {}}), &["/webhook must_be_paired"]),
        (json!({"provider": "asana"}), json!({"acme": secret}), &[]),
        (json!({"provider": "github", "secret": "one"}), json!({}), &[]),
    ] {
        let source = json!({"webhook": webhook, "connections": connections});
        assert_eq!(warned(source.clone()), expected, "{source}");
    }
}

fn sources() -> Vec<Json> {
    vec![
        json!({"webhook": {"provider": "generic-hmac", "secret": "one", "header": "x-sig", "prefix": ""}}),
        json!({"webhook": {"provider": "github", "secrets": {"signing": "one"}}}),
        json!({"publish": true}),
        json!({"webhook": {"provider": "github", "secret": "one"}}),
        json!({"webhook": {"provider": "github", "secret": ["one", "two"], "dedupe": {"within": "1h30m"}},
            "publish": true, "connections": {"a.example": {"webhook": {"secret": "three"}}, "b": {}}}),
        json!({"webhook": {"provider": "github", "secret": ["one", {"value": "three", "name": "old",
            "not_before": "2026-01-31T09:30:00Z", "not_after": "2026-02-28T09:30:00Z"}]}}),
        json!({"webhook": {"provider": "none", "reply": {"status": 204}}}),
        json!({"webhook": {"provider": "none", "reply": {"status": 418, "headers": {"x-kind": "teapot"}, "body": "short",
            "delay": "2s"}}}),
    ]
}

fn destinations() -> Vec<Json> {
    vec![
        json!({"http": http()}),
        json!({"http": {"url": "https://a.example", "unsigned": true, "headers": {"Authorization": "Bearer t0ken"},
            "body": "raw", "timeouts": {"total": "30s"}, "concurrency": 1}, "retry": {"fibonacci": "10s", "attempts": 12}}),
        json!({"http": {"url": "https://a.example", "secret": [KEY, OTHER_KEY]}, "paused": true, "rate_limit": "100/s",
            "retry": {"exponential": "250ms", "factor": 3, "max": "1h", "jitter": "0%"}}),
        json!({"http": http(), "retry": {"list": ["5s", "5m"]}, "breaker": {"failures": 3, "pause": "2m"}}),
    ]
}

fn routes() -> Vec<Json> {
    vec![
        json!({"from": "github", "to": "app"}),
        json!({"from": "github", "to": "app", "name": "two", "connections": ["acme"], "assurance": "body",
            "when": "data.action = 'opened'", "map": "{ 'a': data }", "ordering": "subject", "on_dead": "block",
            "stale": "drop", "retry": {"attempts": 1}}),
        json!({"from": "github", "to": "app", "body": "cloudevents", "ordering": "destination"}),
    ]
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let expose = &mut |secret: &crate::spec::Secret| secret.expose().to_owned();
    for json in sources() {
        let (spec, _) = read_source(json).expect("read");
        assert_eq!(read_source(write_source(&spec, expose)).expect("read back").0, spec);
    }
    for json in destinations() {
        let (spec, _) = read_destination(json).expect("read");
        assert_eq!(read_destination(write_destination(&spec, expose)).expect("read back").0, spec);
    }
    for json in routes() {
        let (spec, _) = read_route(json).expect("read");
        assert_eq!(read_route(write_route(&spec)).expect("read back").0, spec);
    }
}

#[test]
fn secrets_are_covered_and_uncovered_by_their_keys_alone() {
    let mark = &mut |_: &crate::spec::Secret| SECRET_MARKER.to_owned();
    for json in sources() {
        let shown = write_source(&read_source(json).expect("read").0, mark).to_string();
        assert!(!["one", "two", "three"].iter().any(|secret| shown.contains(&format!("\"{secret}\""))), "{shown}");
    }
    for json in destinations() {
        let shown = write_destination(&read_destination(json).expect("read").0, mark).to_string();
        assert!(!shown.contains("whsec_") && !shown.contains("t0ken"), "{shown}");
    }
    for mut json in sources().into_iter().chain(destinations()) {
        let before = json.clone();
        replace_secrets(&mut json, &mut |secret| secret.chars().rev().collect());
        let hidden = json.to_string();
        assert!(!["three", "t0ken", "whsec_"].iter().any(|secret| hidden.contains(secret)), "{hidden}");
        replace_secrets(&mut json, &mut |secret| secret.chars().rev().collect());
        assert_eq!(json, before);
    }
}

#[test]
fn no_finding_and_no_debug_output_shows_a_secret() {
    let json = json!({"http": {"url": "https://u:hunter2@a.example", "secret": ["hunter2", "whsec_hunter2"],
        "headers": {"host": "hunter2"}}});
    let report = read_destination(json).expect_err("refused");
    assert_eq!(report.errors().count(), 4);
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    let (spec, _) = read_source(json!({"webhook": {"provider": "github", "secret": "hunter2"}})).expect("read");
    assert!(!format!("{spec:?}").contains("hunter2"));
}

#[test]
fn findings_are_bounded() {
    let keys: serde_json::Map<_, _> = (0..1_000).map(|n| (format!("key-{n}"), Json::Null)).collect();
    let report = read_route(Json::Object(keys)).expect_err("refused");
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    assert_eq!(report.left_out, 1_002 - FINDINGS_MAX);
}

/// JSON that is nearly a definition: its keys and words are the real ones, in the wrong places.
fn nearly() -> impl Strategy<Value = Json> {
    const WORDS: [&str; 36] = [
        "webhook",
        "provider",
        "secret",
        "secrets",
        "publish",
        "connections",
        "dedupe",
        "within",
        "http",
        "url",
        "headers",
        "timeouts",
        "connect",
        "retry",
        "fibonacci",
        "exponential",
        "list",
        "attempts",
        "jitter",
        "max",
        "breaker",
        "pause",
        "from",
        "to",
        "when",
        "map",
        "ordering",
        "subject",
        "github",
        "app",
        "connector",
        "streams",
        "poll",
        "reconcile",
        "budget",
        "stripe",
    ];
    let word = prop::sample::select(&WORDS[..]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        word.clone().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        Just(Json::from("10s")),
        Just(Json::from("https://a.example")),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_is_read_or_refused_with_a_reason(json in nearly()) {
        let refused = [
            read_source(json.clone()).err(),
            read_destination(json.clone()).err(),
            read_route(json).err(),
        ];
        for report in refused.into_iter().flatten() {
            prop_assert!(report.has_errors());
            prop_assert!(report.errors().all(|finding| !finding.message.is_empty()));
        }
    }
}
