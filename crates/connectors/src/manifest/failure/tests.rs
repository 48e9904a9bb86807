//! Scripted replies through error handlers: actions, waits and counts as the reference implementation has them.

use serde_json::{Value as Json, json};

use super::super::auth::Authenticator;
use super::super::request::trial::{at, component, problem, reply};
use super::super::wire::Reply;
use super::*;

/// What a scripted source makes of a request: how it ends, how often it was sent, and the waits in between.
fn run(handler: &Json, config: &Json, script: &[Option<Reply>], authenticator: &Authenticator) -> String {
    let handler: ErrorHandler = component(handler);
    let errors = Errors::new(&handler, authenticator);
    let (mut tries, mut waits) = (Tries::new(), Vec::new());
    loop {
        let step = script[waits.len().min(script.len() - 1)].as_ref();
        let outcome = step.map_or(Outcome::Network("refused"), Outcome::Reply);
        let scope = Scope::new(config, at(1_000));
        let verdict = errors.judge(outcome, &scope, &mut tries, 0.5);
        if let Some(wait) = verdict.wait {
            waits.push(wait.as_secs_f64());
            continue;
        }
        let failure = verdict.failure_type.map_or("", FailureType::as_str);
        return format!("{:?} {failure} sent {} waits {waits:?}", verdict.action, tries.sent());
    }
}

fn filtered(filter: Json) -> Json {
    json!({"type": "DefaultErrorHandler", "max_retries": 1, "response_filters": [filter]})
}

fn status(status: u16) -> Option<Reply> {
    Some(reply(status, &[], "{}"))
}

/// As the reference implementation (7.39.1) maps them and waits.
#[test]
fn statuses_mean_what_they_mean_in_the_reference_implementation() {
    let retried = "waits [1.0, 2.0, 4.0, 8.0, 16.0]";
    let table = [
        (200, "Success  sent 1 waits []".to_owned()),
        (301, "Success  sent 1 waits []".to_owned()),
        (400, "Fail system_error sent 1 waits []".to_owned()),
        (401, "Fail config_error sent 1 waits []".to_owned()),
        (403, "Fail config_error sent 1 waits []".to_owned()),
        (404, "Fail system_error sent 1 waits []".to_owned()),
        (405, "Fail system_error sent 1 waits []".to_owned()),
        (408, format!("Fail transient_error sent 6 {retried}")),
        (418, format!("Fail system_error sent 6 {retried}")),
        (422, format!("Fail system_error sent 6 {retried}")),
        (429, format!("Fail transient_error sent 6 {retried}")),
        (500, format!("Fail transient_error sent 6 {retried}")),
        (501, format!("Fail system_error sent 6 {retried}")),
        (502, format!("Fail transient_error sent 6 {retried}")),
        (503, format!("Fail transient_error sent 6 {retried}")),
        (504, format!("Fail transient_error sent 6 {retried}")),
        (520, format!("Fail system_error sent 6 {retried}")),
    ];
    let handler = json!({"type": "DefaultErrorHandler"});
    for (code, expected) in table {
        assert_eq!(run(&handler, &json!({}), &[status(code)], &Authenticator::None), expected, "{code}");
    }
    let network = run(&handler, &json!({}), &[None], &Authenticator::None);
    assert_eq!(network, format!("Fail system_error sent 6 {retried}"));
}

#[test]
fn each_kind_of_failure_has_its_own_count_as_nested_loops_have() {
    let handler = json!({"type": "DefaultErrorHandler"});
    let codes = |codes: &[u16]| codes.iter().map(|code| status(*code)).collect::<Vec<_>>();
    let limited = [429; 5];
    let table = [
        (codes(&[429, 429, 200]), "Success  sent 3 waits [1.0, 2.0]"),
        (codes(&[429, 500, 429, 500, 200]), "Success  sent 5 waits [1.0, 1.0, 1.0, 2.0]"),
        (
            codes(&[&limited[..], &[500], &limited[..], &[200]].concat()),
            "Success  sent 12 waits [1.0, 2.0, 4.0, 8.0, 16.0, 1.0, 1.0, 2.0, 4.0, 8.0, 16.0]",
        ),
    ];
    for (script, expected) in table {
        assert_eq!(run(&handler, &json!({}), &script, &Authenticator::None), expected);
    }
}

#[test]
fn retries_are_as_many_as_the_manifest_or_the_config_says() {
    let table = [
        (json!(1), "Fail transient_error sent 2 waits [1.0]"),
        (json!(0), "Fail transient_error sent 1 waits []"),
        (json!("{{ config['r'] }}"), "Fail transient_error sent 3 waits [1.0, 2.0]"),
    ];
    for (retries, expected) in table {
        let handler = json!({"type": "DefaultErrorHandler", "max_retries": retries});
        assert_eq!(run(&handler, &json!({"r": 2}), &[status(500)], &Authenticator::None), expected, "{retries}");
    }
}

#[test]
fn plain_retries_end_with_the_total_time_and_rate_limits_do_not() {
    let handler: ErrorHandler = component(&json!({"type": "DefaultErrorHandler", "max_retries": 100}));
    let errors = Errors::new(&handler, &Authenticator::None);
    for (code, expected) in [(500, 11), (429, 101)] {
        let (mut tries, mut now, config) = (Tries::new(), at(0), json!({}));
        loop {
            let reply = reply(code, &[], "");
            let verdict = errors.judge(Outcome::Reply(&reply), &Scope::new(&config, now), &mut tries, 0.0);
            let Some(wait) = verdict.wait else { break };
            assert!(code != 500 || wait <= TOTAL_TIME_MAX);
            now = now.saturating_add(wait).expect("no overflow");
        }
        assert_eq!(tries.sent(), expected, "{code}");
    }
}

#[test]
fn strategies_wait_as_in_the_reference_implementation() {
    let with =
        |strategy: Json| json!({"type": "DefaultErrorHandler", "max_retries": 1, "backoff_strategies": [strategy]});
    let header = |more: Json| {
        let mut strategy = json!({"type": "WaitTimeFromHeader", "header": "Retry-After"});
        strategy.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        with(strategy)
    };
    let until = |more: Json| {
        let mut strategy = json!({"type": "WaitUntilTimeFromHeader", "header": "{{ config['h'] }}"});
        strategy.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        with(strategy)
    };
    let said = |expression: &str| with(json!({"type": "WaitTimeFromResponse", "wait_time_in_seconds": expression}));
    let after = |value: &str| reply(429, &[("retry-after", value)], "");
    let reset = |value: &str| reply(429, &[("x-reset", value)], "");
    let constant = |seconds: Json| with(json!({"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": seconds}));
    let limited = || reply(429, &[], "");
    let table = [
        (constant(json!(3)), limited(), "[4.0]"),
        (constant(json!("{{ config['b'] }}")), limited(), "[2.5]"),
        (constant(json!(0)), limited(), "[1.0]"),
        (
            with(
                json!({"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 3, "jitter_range_in_seconds": 2}),
            ),
            limited(),
            "[6.0]",
        ),
        (with(json!({"type": "ExponentialBackoffStrategy"})), limited(), "[11.0]"),
        (with(json!({"type": "ExponentialBackoffStrategy", "factor": 2})), limited(), "[5.0]"),
        (header(json!({})), after("7"), "[8.0]"),
        (header(json!({})), after("7.5"), "[8.5]"),
        (header(json!({})), limited(), "[1.0]"),
        (header(json!({})), after("Wed, 21 Oct 2026 07:28:00 GMT"), "[1.0]"),
        (header(json!({"regex": "[0-9]+"})), after("12s"), "[13.0]"),
        (header(json!({"regex": "[0-9]+"})), after("in 12s"), "[1.0]"),
        (header(json!({"max_waiting_time_in_seconds": 8})), after("7"), "[8.0]"),
        (header(json!({"max_waiting_time_in_seconds": 7})), after("7"), "[]"),
        (header(json!({"max_waiting_time_in_seconds": 0})), after("0"), "[1.0]"),
        (until(json!({})), reset("1010"), "[11.0]"),
        (until(json!({})), reset("990"), "[1.0]"),
        (until(json!({"min_wait": 30})), reset("1010"), "[31.0]"),
        (until(json!({"min_wait": 30})), limited(), "[31.0]"),
        (until(json!({"max_waiting_time_in_seconds": 10})), reset("1010"), "[]"),
        (said("{{ response['retry'] }}"), reply(429, &[], r#"{"retry": 4}"#), "[5.0]"),
        (said("{{ response['ms'] / 1000 }}"), reply(429, &[], r#"{"ms": 4500}"#), "[5.5]"),
        (said("{{ response['ms'] / 1000 }}"), reply(429, &[], "[1]"), "[1.0]"),
        (said("{{ response['retry'] }}"), reply(429, &[], r#"{"retry": -4}"#), "[1.0]"),
        (said("{{ headers['X-Reset'] }}"), reset("6"), "[7.0]"),
    ];
    let config = json!({"b": 1.5, "h": "X-Reset"});
    for (handler, reply, waits) in table {
        let ran = run(&handler, &config, &[Some(reply)], &Authenticator::None);
        assert!(
            ran.starts_with("Fail transient_error") && ran.ends_with(&format!("waits {waits}")),
            "{handler}: {ran}"
        );
    }
}

#[test]
fn a_wait_of_more_than_a_day_is_not_taken() {
    let handler = json!({"type": "DefaultErrorHandler",
        "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "Retry-After"}]});
    let reply = reply(429, &[("retry-after", "31536000")], "");
    assert_eq!(run(&handler, &json!({}), &[Some(reply)], &Authenticator::None), "Fail transient_error sent 1 waits []");
}

#[test]
fn the_first_strategy_that_has_something_to_say_decides() {
    let handler = json!({"type": "DefaultErrorHandler", "max_retries": 1, "backoff_strategies": [
        {"type": "WaitTimeFromHeader", "header": "Retry-After"},
        {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 2}]});
    for (value, expected) in [("0", "[3.0]"), ("9", "[10.0]")] {
        let ran = run(&handler, &json!({}), &[Some(reply(429, &[("retry-after", value)], ""))], &Authenticator::None);
        assert!(ran.ends_with(expected), "{ran}");
    }
}

#[test]
fn filters_match_and_act_as_in_the_reference_implementation() {
    let predicate =
        |predicate: &str| filtered(json!({"type": "HttpResponseFilter", "predicate": predicate, "action": "FAIL"}));
    let codes = |codes: &[u16], action: &str| {
        filtered(json!({"type": "HttpResponseFilter", "http_codes": codes, "action": action}))
    };
    let contains = |text: &str| {
        filtered(json!({"type": "HttpResponseFilter", "error_message_contains": text, "action": "IGNORE"}))
    };
    let table = [
        (codes(&[404], "IGNORE"), reply(404, &[], ""), "Ignore system_error sent 1 waits []"),
        (codes(&[404], "SUCCESS"), reply(404, &[], ""), "Success system_error sent 1 waits []"),
        (codes(&[404], "RETRY"), reply(404, &[], ""), "Fail system_error sent 2 waits [1.0]"),
        (codes(&[422], "FAIL"), reply(422, &[], ""), "Fail system_error sent 1 waits []"),
        (codes(&[429], "FAIL"), reply(429, &[], ""), "Fail transient_error sent 1 waits []"),
        (codes(&[403], "RESET_PAGINATION"), reply(403, &[], ""), "ResetPagination config_error sent 1 waits []"),
        (codes(&[502], "REDUCE_PAGE_SIZE"), reply(502, &[], ""), "ReducePageSize transient_error sent 1 waits []"),
        (codes(&[400], "SPLIT_REQUEST_WINDOW"), reply(400, &[], ""), "SplitRequestWindow system_error sent 1 waits []"),
        (predicate("{{ response.error }}"), reply(200, &[], r#"{"error": "x"}"#), "Fail system_error sent 1 waits []"),
        (predicate("{{ response.error }}"), reply(200, &[], "{}"), "Success  sent 1 waits []"),
        (predicate("{{ response.a.b == 1 }}"), reply(200, &[], "{}"), "Success  sent 1 waits []"),
        (
            predicate("{{ headers['X-Err'] == 'y' }}"),
            reply(200, &[("x-err", "y")], ""),
            "Fail system_error sent 1 waits []",
        ),
        (predicate("{{ config['x'] == 1 }}"), reply(200, &[], "{}"), "Success  sent 1 waits []"),
        (
            predicate("{{ request_url == 'https://api.example/v1/items' }}"),
            reply(200, &[], "{}"),
            "Fail system_error sent 1 waits []",
        ),
        (
            contains("slow"),
            reply(400, &[], r#"{"error": {"message": "too slow"}}"#),
            "Ignore system_error sent 1 waits []",
        ),
        (contains("slow"), reply(400, &[], "too slow"), "Ignore system_error sent 1 waits []"),
        (contains("slow"), reply(400, &[], r#"{"info": "slow"}"#), "Fail system_error sent 1 waits []"),
        (
            contains("a, b"),
            reply(400, &[], r#"{"errors": [{"msg": "a"}, "b"]}"#),
            "Ignore system_error sent 1 waits []",
        ),
        (
            filtered(json!({"type": "HttpResponseFilter", "http_codes": [403], "error_message": "x"})),
            reply(403, &[], ""),
            "Fail config_error sent 1 waits []",
        ),
    ];
    for (handler, reply, expected) in table {
        assert_eq!(run(&handler, &json!({"x": 1}), &[Some(reply)], &Authenticator::None), expected, "{handler}");
    }
}

#[test]
fn a_composite_handler_asks_on_after_failures_and_rate_limits() {
    let handler = |filters: Json, more: Json| {
        let mut handler = json!({"type": "DefaultErrorHandler", "response_filters": filters});
        handler.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        handler
    };
    let filter = |action: &str| json!([{"type": "HttpResponseFilter", "http_codes": [403], "action": action}]);
    let composite = |handlers: Json| json!({"type": "CompositeErrorHandler", "error_handlers": handlers});
    let (usual, none) = (|| handler(json!([]), json!({})), json!({}));
    let predicate = json!([{"type": "HttpResponseFilter", "predicate": "{{ response.error }}", "action": "FAIL"}]);
    let constant = json!({"backoff_strategies": [{"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 9}]});
    let table = [
        (json!([handler(filter("FAIL"), none.clone()), usual()]), 403, "Fail config_error sent 1 waits []"),
        (
            json!([handler(filter("FAIL"), none.clone()), handler(filter("IGNORE"), none.clone())]),
            403,
            "Ignore config_error sent 1 waits []",
        ),
        (json!([handler(filter("RATE_LIMITED"), none.clone()), usual()]), 403, "Fail config_error sent 1 waits []"),
        (json!([usual(), handler(predicate, none.clone())]), 200, "Success  sent 1 waits []"),
        (
            json!([handler(json!([]), json!({"max_retries": 1})), handler(json!([]), constant)]),
            500,
            "Fail transient_error sent 2 waits [10.0]",
        ),
    ];
    for (handlers, status, expected) in table {
        let script = [Some(reply(status, &[], r#"{"error": 1}"#))];
        assert_eq!(
            run(&composite(handlers.clone()), &json!({}), &script, &Authenticator::None),
            expected,
            "{handlers}"
        );
    }
}

#[test]
fn a_token_is_refreshed_once_for_a_request_where_it_can_be_at_all() {
    let filter = json!([{"type": "HttpResponseFilter", "http_codes": [401], "action": "REFRESH_TOKEN_THEN_RETRY"}]);
    let handler = json!({"type": "DefaultErrorHandler", "max_retries": 2, "response_filters": filter});
    let oauth: Authenticator = component(&json!({"type": "OAuthAuthenticator", "client_id": "a", "client_secret": "b",
        "refresh_token": "c", "token_refresh_endpoint": "https://api.example/token"}));
    assert_eq!(run(&handler, &json!({}), &[status(401)], &oauth), "Fail config_error sent 2 waits [1.0]");
    let plain = run(&handler, &json!({}), &[status(401)], &Authenticator::None);
    assert_eq!(plain, "Fail config_error sent 3 waits [1.0, 2.0]");
}

#[test]
fn a_rate_limit_is_not_waited_for_where_another_token_can_serve() {
    let handler: ErrorHandler = component(&json!({"type": "DefaultErrorHandler",
        "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "Retry-After", "max_waiting_time_in_seconds": 5}]}));
    let errors = Errors::new(&handler, &Authenticator::None);
    let (config, reply) = (json!({}), reply(429, &[("retry-after", "3600")], ""));
    let mut tries = Tries::new();
    tries.note_other_token(true);
    let verdict = errors.judge(Outcome::Reply(&reply), &Scope::new(&config, at(0)), &mut tries, 0.0);
    assert_eq!((verdict.action, verdict.wait), (Action::RateLimited, Some(Duration::from_millis(1_100))));
    assert_eq!(verdict.limited_for, None, "the other token's requests need not wait");
}

#[test]
fn a_rate_limit_is_one_for_every_request_for_as_long_as_the_handler_knows() {
    let handler = |max_retries: u32| {
        component(&json!({"type": "DefaultErrorHandler", "max_retries": max_retries,
            "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "X-Wait", "max_waiting_time_in_seconds": 60}]}))
    };
    let table = [
        (5, 429, "30", Action::RateLimited, Some(31)),
        (0, 429, "30", Action::Fail, Some(30)),
        (5, 429, "3600", Action::Fail, Some(3_600)),
        (5, 429, "1800000000", Action::Fail, None),
        (5, 429, "soon", Action::RateLimited, Some(1)),
        (0, 429, "soon", Action::Fail, None),
        (5, 503, "30", Action::Retry, None),
        (5, 503, "3600", Action::Fail, None),
    ];
    for (max_retries, status, wait, action, seconds) in table {
        let handler: ErrorHandler = handler(max_retries);
        let errors = Errors::new(&handler, &Authenticator::None);
        let (config, reply) = (json!({}), reply(status, &[("x-wait", wait)], ""));
        let verdict = errors.judge(Outcome::Reply(&reply), &Scope::new(&config, at(0)), &mut Tries::new(), 0.0);
        let expected = (action, seconds.map(Duration::from_secs));
        assert_eq!((verdict.action, verdict.limited_for), expected, "{status}, {wait} s, {max_retries} retries");
    }
}

#[test]
fn messages_are_the_manifests_and_show_neither_query_nor_user() {
    let message = "no {{ config['x'] }} for {{ response['why'] }} at {{ request_url }}";
    let handler: ErrorHandler = component(&filtered(json!({"type": "HttpResponseFilter", "http_codes": [403],
        "action": "FAIL", "failure_type": "transient_error", "error_message": message})));
    let errors = Errors::new(&handler, &Authenticator::None);
    let refused = Reply::new(
        403,
        http::HeaderMap::new(),
        bytes::Bytes::from_static(br#"{"why": "scope", "message": "their words"}"#),
        "https://u:s3cret@api.example/v1/items?key=s3cret".to_owned(),
    );
    let config = json!({"x": "luck"});
    let verdict = errors.judge(Outcome::Reply(&refused), &Scope::new(&config, at(0)), &mut Tries::new(), 0.0);
    assert_eq!(verdict.message.as_deref(), Some("no luck for scope at https://api.example/v1/items"));
    assert_eq!(verdict.detail.as_deref(), Some("their words"));
    assert_eq!(verdict.failure_type, Some(FailureType::Transient));
}

#[test]
fn what_a_source_says_at_length_is_kept_in_short() {
    let handler = ErrorHandler::default();
    let errors = Errors::new(&handler, &Authenticator::None);
    let (config, long) = (json!({}), reply(400, &[], &"ü".repeat(5_000)));
    let verdict = errors.judge(Outcome::Reply(&long), &Scope::new(&config, at(0)), &mut Tries::new(), 0.0);
    assert_eq!(verdict.detail.map(|detail| detail.chars().count()), Some(DETAIL_CHARS_MAX + 1));
}

#[test]
fn mistakes_of_a_manifest_are_told() {
    let filter = |filter: Json| json!({"type": "DefaultErrorHandler", "response_filters": [filter]});
    let strategy = |strategy: Json| json!({"type": "DefaultErrorHandler", "backoff_strategies": [strategy]});
    let table = [
        (filter(json!({"type": "HttpResponseFilter", "http_codes": [404], "action": "SHRUG"})), "'SHRUG' is no action"),
        (filter(json!({"type": "HttpResponseFilter", "http_codes": ["x"], "action": "FAIL"})), "whole number"),
        (filter(json!({"type": "HttpResponseFilter", "failure_type": "odd"})), "config_error"),
        (strategy(json!({"type": "CustomBackoffStrategy", "class_name": "a.B"})), "a.B"),
        (strategy(json!({"type": "WaitTimeFromHeader", "header": "X", "regex": "(?=x)"})), "look-around"),
        (strategy(json!({"type": "ExponentialBackoffStrategy", "jitter_range_in_seconds": -1})), "a number from 0"),
        (json!({"type": "DefaultErrorHandler", "max_retries": 100_000}), "up to 1000"),
    ];
    for (handler, expected) in table {
        let problem = problem::<ErrorHandler>(&handler);
        assert!(problem.contains(expected), "{handler}: {problem}");
    }
}
