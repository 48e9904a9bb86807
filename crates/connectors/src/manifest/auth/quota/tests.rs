//! Several tokens with quotas: whose turn it is, when all must wait, and what replies teach.

use serde_json::{Value as Json, json};

use super::super::super::request::trial::{Partition, at, component, line, reply};
use super::super::Authenticator;
use super::*;

fn plan(fields: Json) -> Json {
    let mut plan = json!({"type": "RateLimitedMultipleTokenAuthenticator", "tokens": "{{ config['tokens'] }}",
        "auth_method": "token", "budget_min_reserve": 0, "budget_reserve_fraction": 0.0,
        "quota_status_source": {"type": "QuotaStatusSource", "url": "https://api.example/rate",
            "request_headers": {"X-Version": "1"}, "unavailable_status_codes": [404]},
        "quotas": [
            {"type": "TokenQuota", "name": "search", "remaining_path": ["search", "remaining"],
             "reset_path": ["search", "reset"], "matchers": [{"url_path_pattern": "^/search"}]},
            {"type": "TokenQuota", "name": "core", "remaining_path": ["core", "remaining"], "reset_path": ["core", "reset"],
             "limit_path": ["core", "limit"], "remaining_header": "x-remaining", "reset_header": "x-reset",
             "limit_header": "x-limit", "exhaustion_status_codes": [403, 429]}]});
    plan.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    plan
}

fn begin(fields: Json, tokens: &str) -> Quotas {
    let authenticator: Authenticator = component(&plan(fields));
    let (config, slice) = (json!({ "tokens": tokens }), Partition::of(&json!({})));
    authenticator.quotas(&slice.scope(&config, at(0))).expect("it begins").expect("it has quotas")
}

fn status(core: u64, reset: i64) -> Reply {
    let body = json!({"search": {"remaining": 1, "reset": reset},
        "core": {"remaining": core, "reset": reset, "limit": 100}});
    reply(200, &[], &body.to_string())
}

fn seeded(fields: Json, core: &[u64], reset: i64) -> Quotas {
    let names: Vec<String> = (0..core.len()).map(|number| format!("t{number}")).collect();
    let mut quotas = begin(fields, &names.join(" , "));
    for (token, left) in core.iter().enumerate() {
        quotas.seed(token, &status(*left, reset), at(0)).expect("it says all");
    }
    quotas
}

fn get(path: &str, token: &str) -> Request {
    let mut headers = HeaderMap::new();
    if !token.is_empty() {
        headers.insert("authorization", format!("token {token}").parse().expect("a value"));
    }
    let url = format!("https://api.example{path}");
    Request { method: Method::GET, url, headers, body: bytes::Bytes::new() }
}

/// Which token a request gets: its name, `wait N`, or the trouble's code.
fn acquire(quotas: &mut Quotas, path: &str, now: i64, since: &mut Option<Timestamp>) -> String {
    match quotas.acquire(&get(path, ""), at(now), since) {
        Ok(Acquired::Use { token, .. }) => token.value.expose().to_owned(),
        Ok(Acquired::Ask(questions)) => format!("ask {}", questions.len()),
        Ok(Acquired::Wait(until)) => format!("wait {}", until.as_second()),
        Err(trouble) => trouble.code().to_owned(),
    }
}

#[test]
fn every_token_is_asked_about_before_the_first_request() {
    let mut quotas = begin(json!({}), "a, b,,");
    let Ok(Acquired::Ask(questions)) = quotas.acquire(&get("/x", ""), at(0), &mut None) else { panic!("it must ask") };
    let lines: Vec<String> = questions.iter().map(|(_, request)| line(request)).collect();
    assert_eq!(
        lines,
        [
            "GET https://api.example/rate [authorization: token a, x-version: 1]",
            "GET https://api.example/rate [authorization: token b, x-version: 1]"
        ]
    );
    let shown = format!("{questions:?} {quotas:?}");
    assert!(!shown.contains("token a"), "{shown}");
    let missing = quotas.seed(0, &reply(200, &[], "{}"), at(0)).expect_err("it says nothing");
    assert_eq!(missing.code(), "quota_path");
}

#[test]
fn tokens_are_used_up_one_after_the_other_and_then_all_wait() {
    let mut quotas = seeded(json!({}), &[2, 1], 100);
    let mut since = None;
    let mut next = |path, now| acquire(&mut quotas, path, now, &mut since);
    assert_eq!([next("/x", 0), next("/x", 0), next("/x", 0)], ["t0", "t0", "t1"]);
    assert_eq!(next("/search/x", 0), "t1", "another quota has its own counts");
    assert_eq!([next("/x", 10), next("/x", 99)], ["wait 100", "wait 100"]);
    assert_eq!(next("/x", 100), "ask 2");
}

#[test]
fn a_wait_that_is_longer_than_allowed_is_told() {
    let mut quotas = seeded(json!({"max_wait_time": "PT1M"}), &[0], 100);
    assert_eq!(acquire(&mut quotas, "/x", 0, &mut None), "quota_spent");
    assert_eq!(acquire(&mut quotas, "/x", 50, &mut None), "wait 100");
    // A reset that has passed is waited for a little all the same.
    let mut quotas = seeded(json!({}), &[0], 0);
    assert_eq!(acquire(&mut quotas, "/x", 50, &mut None), "wait 55");
}

#[test]
fn tokens_without_counts_take_turns() {
    let mut quotas = begin(json!({}), "a,b");
    assert!(quotas.is_unavailable(404) && !quotas.is_unavailable(403));
    for token in 0..2 {
        quotas.seed(token, &reply(404, &[], ""), at(0)).expect("it counts nothing");
    }
    let used: Vec<String> = (0..4).map(|_| acquire(&mut quotas, "/x", 0, &mut None)).collect();
    assert_eq!(used, ["a", "b", "a", "b"]);
    quotas.learn(&get("/x", "a"), &reply(429, &[("x-remaining", "0")], ""));
    assert!(!quotas.has_alternative(&get("/x", "a")));
}

#[test]
fn replies_correct_the_counts_of_the_token_that_was_sent() {
    let left = |quotas: &Quotas, token: usize| quotas.state(token, 1).map(|state| (state.remaining, state.limit));
    type Headers = &'static [(&'static str, &'static str)];
    let table: [(u16, Headers, (u64, u64)); 9] = [
        (200, &[("x-remaining", "7")], (7, 100)),
        (200, &[("x-remaining", "70")], (50, 100)),
        (200, &[("x-remaining", "7"), ("x-reset", "1000")], (7, 100)),
        (200, &[("x-remaining", "7"), ("x-reset", "930")], (50, 100)),
        (200, &[("x-remaining", "70"), ("x-reset", "2000"), ("x-limit", "80")], (70, 80)),
        (200, &[("x-reset", "2000"), ("x-limit", "80")], (80, 80)),
        (429, &[], (0, 100)),
        (403, &[("x-remaining", "0"), ("x-reset", "5")], (0, 100)),
        (200, &[("x-remaining", "odd"), ("x-limit", "5"), ("x-reset", "930")], (50, 100)),
    ];
    for (status, headers, expected) in table {
        let mut quotas = seeded(json!({}), &[50, 50], 1_000);
        quotas.learn(&get("/x", "t1"), &reply(status, headers, ""));
        assert_eq!((left(&quotas, 0), left(&quotas, 1)), (Some((50, 100)), Some(expected)), "{status} {headers:?}");
        quotas.learn(&get("/x", "unknown"), &reply(429, &[], ""));
        assert_eq!(left(&quotas, 0), Some((50, 100)));
    }
}

#[test]
fn another_token_can_serve_only_when_the_senders_own_is_spent() {
    let mut quotas = seeded(json!({}), &[5, 5], 1_000);
    let request = get("/x", "t0");
    assert!(!quotas.has_alternative(&request), "the refusal is about something else");
    quotas.learn(&request, &reply(429, &[], ""));
    assert!(quotas.has_alternative(&request));
    quotas.learn(&get("/x", "t1"), &reply(429, &[], ""));
    assert!(!quotas.has_alternative(&request));
}

#[test]
fn the_last_calls_are_spread_over_the_time_to_the_reset() {
    let pause = |fields: Json, core: &[u64], reset: i64| match seeded(fields, core, reset).acquire(
        &get("/x", ""),
        at(0),
        &mut None,
    ) {
        Ok(Acquired::Use { pause, .. }) => pause.as_secs_f64(),
        other => panic!("{other:?}"),
    };
    let reserve = json!({"budget_min_reserve": 10});
    assert_eq!(pause(reserve.clone(), &[50], 100), 0.0);
    assert_eq!(pause(reserve.clone(), &[11], 20), 2.0);
    assert_eq!(pause(reserve.clone(), &[11, 50], 20), 0.0);
    assert_eq!(pause(reserve.clone(), &[2], 3_600), 10.0);
    assert_eq!(pause(reserve, &[11], 0), 0.0);
    assert_eq!(pause(json!({"budget_reserve_fraction": 0.2}), &[21], 40), 2.0);
}

#[test]
fn a_config_without_tokens_is_told() {
    let authenticator: Authenticator = component(&plan(json!({"tokens": ["{{ config['tokens'] }}", " "]})));
    let (config, slice) = (json!({"tokens": ""}), Partition::of(&json!({})));
    let trouble = authenticator.quotas(&slice.scope(&config, at(0))).expect_err("there are none");
    assert_eq!(trouble.code(), "auth_credentials");
}
