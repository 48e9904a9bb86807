//! Windows of calls: by tables, and by properties that hold however calls come.

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::request::trial::{at, component, problem, reply};
use super::super::scope::Scope;
use super::*;

fn get(url: &str) -> Request {
    Request { method: Method::GET, url: url.to_owned(), headers: HeaderMap::new(), body: bytes::Bytes::new() }
}

fn budget(policies: Json) -> Budget {
    open(json!({"type": "HTTPAPIBudget", "policies": policies}), &json!({})).expect("it opens")
}

fn open(plan: Json, config: &Json) -> Result<Budget, Trouble> {
    component::<BudgetPlan>(&plan).open(&Scope::new(config, at(0)))
}

fn fixed(calls: u64, matchers: Json) -> Json {
    json!({"type": "FixedWindowCallRatePolicy", "period": "PT60S", "call_limit": calls, "matchers": matchers})
}

fn moving(rates: Json) -> Json {
    json!({"type": "MovingWindowCallRatePolicy", "rates": rates, "matchers": []})
}

const URL: &str = "https://api.example/v1/items";

#[test]
fn a_fixed_window_allows_its_calls_and_begins_anew() {
    let mut budget = budget(json!([fixed(2, json!([]))]));
    let mut admit = |second| budget.admit(&get(URL), at(second));
    assert_eq!([admit(100), admit(110), admit(120)], [Admission::Go, Admission::Go, Admission::Wait(at(160))]);
    assert_eq!([admit(159), admit(160), admit(161)], [Admission::Wait(at(160)), Admission::Go, Admission::Go]);
    assert_eq!(admit(162), Admission::Wait(at(220)));
    assert_eq!(admit(1_000), Admission::Go);
}

#[test]
fn a_moving_window_keeps_every_rate() {
    let rates = json!([{"limit": 2, "interval": "PT1S"}, {"limit": "{{ config['n'] }}", "interval": "PT60S"}]);
    let plan = json!({"type": "HTTPAPIBudget", "policies": [moving(rates)]});
    let mut budget = open(plan, &json!({"n": 3})).expect("it opens");
    let mut admit = |second| budget.admit(&get(URL), at(second));
    let then = |second: i64| Admission::Wait(at(second).saturating_add(Duration::from_millis(1)).expect("a time"));
    assert_eq!([admit(0), admit(0), admit(0)], [Admission::Go, Admission::Go, then(1)]);
    assert_eq!([admit(2), admit(3)], [Admission::Go, then(60)]);
    assert_eq!(admit(61), Admission::Go);
}

#[test]
fn the_first_policy_that_matches_counts_and_others_are_free() {
    let matcher = |fields: Json| json!([fields]);
    let mut budget = budget(json!([
        {"type": "UnlimitedCallRatePolicy", "matchers": matcher(json!({"url_path_pattern": "/free$"}))},
        fixed(1, matcher(json!({"method": "get", "url_base": "https://api.example/", "url_path_pattern": "^/v1/items"}))),
        fixed(1, matcher(json!({"params": {"kind": 5}, "headers": {"X-Kind": "a"}}))),
    ]));
    let mut admit = |request: &Request| budget.admit(request, at(0)) == Admission::Go;
    let mut headed = get("https://api.example/v1/other?kind=5");
    headed.headers.insert("x-kind", "a".parse().expect("a value"));
    let post = Request { method: Method::POST, ..get(URL) };
    assert!((0..3).all(|_| admit(&get("https://api.example/v1/items/free/"))));
    assert!(admit(&get(URL)) && !admit(&get("https://api.example/v1/items/7?x=y")));
    assert!((0..3).all(|_| admit(&post) && admit(&get("https://other.example/v1/items"))));
    assert!(admit(&headed) && !admit(&headed));
    assert!((0..3).all(|_| admit(&get("https://api.example/v1/other?kind=5"))));
}

#[test]
fn a_matchers_weight_is_what_a_call_costs() {
    let matchers =
        json!([{"url_path_pattern": "/heavy", "weight": "{{ config['w'] }}"}, {"url_path_pattern": "/light"}]);
    let plan = json!({"type": "HTTPAPIBudget", "policies": [fixed(5, matchers)]});
    let mut budget = open(plan.clone(), &json!({"w": 3})).expect("it opens");
    let mut admit = |path: &str| budget.admit(&get(&format!("https://api.example{path}")), at(0)) == Admission::Go;
    assert!(admit("/heavy") && !admit("/heavy") && admit("/light") && admit("/light") && !admit("/light"));
    assert_eq!(open(plan, &json!({"w": 6})).err(), Some(Trouble::Weight { weight: 6, limit: 5 }));
}

#[test]
fn what_a_source_says_only_lowers_what_is_left() {
    let said = |status, headers: &[(&str, &str)]| reply(status, headers, "");
    let mut budget = budget(json!([fixed(10, json!([]))]));
    assert_eq!(budget.admit(&get(URL), at(0)), Admission::Go);
    // More than we allow ourselves is not taken.
    budget.learn(&get(URL), &said(200, &[("ratelimit-remaining", "100")]), at(0));
    budget.learn(&get(URL), &said(200, &[("ratelimit-remaining", "1"), ("ratelimit-reset", "30")]), at(0));
    assert_eq!(budget.admit(&get(URL), at(0)), Admission::Go);
    assert_eq!(budget.admit(&get(URL), at(0)), Admission::Wait(at(30)));
    assert_eq!(budget.admit(&get(URL), at(30)), Admission::Go);
    budget.learn(&get(URL), &said(429, &[("ratelimit-remaining", "odd"), ("ratelimit-reset", "odd")]), at(31));
    assert_eq!(budget.admit(&get(URL), at(31)), Admission::Wait(at(90)));
}

#[test]
fn a_moving_window_learns_that_none_are_left() {
    let mut budget = budget(json!([moving(json!([{"limit": 10, "interval": "PT60S"}]))]));
    budget.learn(&get(URL), &reply(429, &[], ""), at(0));
    assert_ne!(budget.admit(&get(URL), at(1)), Admission::Go);
    assert_eq!(budget.admit(&get(URL), at(61)), Admission::Go);
}

#[test]
fn mistakes_of_a_manifest_are_told() {
    let policies = |policy: Json| json!({"type": "HTTPAPIBudget", "policies": [policy]});
    let table = [
        (policies(json!({"type": "Leaky", "matchers": []})), "Leaky is not supported"),
        (
            policies(json!({"type": "FixedWindowCallRatePolicy", "period": "P1M", "call_limit": 1, "matchers": []})),
            "duration",
        ),
        (policies(moving(json!([]))), "1 to 16 rates"),
        (policies(fixed(1, json!([{"url_path_pattern": "(?!x)"}]))), "look-around"),
        (policies(fixed(1, json!([{"weight": 0}]))), "at least 1"),
    ];
    for (plan, expected) in table {
        let problem = problem::<BudgetPlan>(&plan);
        assert!(problem.contains(expected), "{plan}: {problem}");
    }
}

proptest! {
    /// However calls come, no span of the rate's length has more of them than the rate allows.
    #[test]
    fn no_span_has_more_calls_than_the_rate(gaps in proptest::collection::vec(0_i64..40, 1..120)) {
        let mut window = Moving::new(vec![Rate { calls: 7, period: Duration::from_secs(60) }]);
        let (mut now, mut sent) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            if window.take(1, at(now)).is_none() {
                sent.push(now);
            }
            prop_assert!(sent.iter().filter(|then| **then >= now - 60).count() <= 7);
        }
        prop_assert!(!sent.is_empty());
    }

    /// Waiting as told is enough, for either kind of window.
    #[test]
    fn after_the_wait_there_is_a_call(calls in 1_u64..9, tries in 1..60) {
        let rate = Rate { calls, period: Duration::from_secs(10) };
        let (mut moving, mut fixed) = (Moving::new(vec![rate]), Fixed::new(rate.period, calls));
        let (mut now, mut then) = (at(0), at(0));
        for _ in 0..tries {
            while let Some(until) = moving.take(1, now) {
                prop_assert!(until > now);
                now = until;
            }
            while let Some(until) = fixed.take(1, then) {
                prop_assert!(until > then);
                then = until;
            }
        }
    }
}

#[test]
fn a_moving_window_of_many_calls_stays_small() {
    let mut window = Moving::new(vec![Rate { calls: CALLS_MAX, period: Duration::from_secs(86_400) }]);
    assert!((0..5_000).all(|second| window.take(1, at(second)).is_none()));
    assert!(window.len() <= 1_024, "{}", window.len());
}
