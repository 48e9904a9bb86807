//! Each rule speaks where it should, and is silent where something else is the matter.

use std::collections::BTreeSet;

use super::*;

fn facts() -> Facts {
    Facts {
        now: Timestamp::from_secs(100_000),
        state: DeliveryState::Retrying,
        cause: None,
        tries: Vec::new(),
        due_at: None,
        behind: false,
        subject: Some("orders/7".to_owned()),
        route: "shop-app".to_owned(),
        route_gone: false,
        destination: Destination {
            name: "app".to_owned(),
            https: true,
            host: "app.example".to_owned(),
            port: 443,
            signed: true,
            first_byte: Duration::from_secs(15),
            ..Destination::default()
        },
        body_bytes: Some(2_000_000),
        content_type: "application/json".to_owned(),
        minutes: Vec::new(),
    }
}

fn tried(outcome: &str, error: &str) -> Try {
    Try {
        at: Timestamp::from_secs(99_900),
        duration: Duration::from_secs(5),
        outcome: outcome.to_owned(),
        error: error.to_owned(),
        ..Try::default()
    }
}

fn failed(outcome: &str, error: &str) -> Facts {
    Facts { tries: vec![tried(outcome, error)], ..facts() }
}

fn answered(status: u16, response: &str) -> Facts {
    let last = Try { status: Some(status), response: response.to_owned(), ..tried("refused", "") };
    Facts { tries: vec![last], ..facts() }
}

fn held(standing: Standing) -> Facts {
    let destination = Destination { standing, why: "a reason".to_owned(), ..facts().destination };
    Facts { state: DeliveryState::Held, destination, ..facts() }
}

fn caused(state: DeliveryState, code: &str, detail: &str) -> Facts {
    Facts { state, cause: Some((code.to_owned(), detail.to_owned())), ..facts() }
}

/// The hour as minutes of (tries, failed).
fn hour(facts: Facts, minutes: &[(u64, u64)]) -> Facts {
    let minute = |(index, (tries, failed)): (usize, &(u64, u64))| Minute {
        at: Timestamp::from_secs(96_000 + 60 * i64::try_from(index).expect("few")),
        tries: *tries,
        failed: *failed,
    };
    Facts { minutes: minutes.iter().enumerate().map(minute).collect(), ..facts }
}

fn twice(mut facts: Facts) -> Facts {
    facts.tries.push(facts.tries[0].clone());
    facts
}

/// Each rule with what it speaks about, and its twin: something near that is another matter.
fn cases() -> Vec<(&'static str, Facts, Facts)> {
    use DeliveryState::{Cancelled, Dead, Filtered, Held};
    let dns = |problem: &str| failed("dns_failed", problem);
    let tls = |problem: &str| failed("tls_failed", problem);
    let timeout = || failed("first_byte_timeout", "no response");
    let on_plain =
        |facts: Facts| Facts { destination: Destination { https: false, ..facts.destination.clone() }, ..facts };
    let unsigned =
        |facts: Facts| Facts { destination: Destination { signed: false, ..facts.destination.clone() }, ..facts };
    let open = |breaker_open| Facts { destination: Destination { breaker_open, ..facts().destination }, ..facts() };
    let restart = [(5, 0), (5, 0), (4, 4), (3, 3), (5, 0)];
    let down = [(5, 0), (5, 5), (4, 4), (3, 3)];
    vec![
        ("destination_paused", held(Standing::Paused), held(Standing::Disabled)),
        ("destination_disabled", held(Standing::Disabled), held(Standing::Active)),
        ("destination_removed", held(Standing::Retired), Facts { state: Dead, ..held(Standing::Retired) }),
        ("route_removed", Facts { state: Held, route_gone: true, ..facts() }, Facts { route_gone: true, ..facts() }),
        ("behind_another", Facts { behind: true, ..facts() }, Facts { behind: true, state: Dead, ..facts() }),
        ("breaker_open", open(true), open(false)),
        ("filtered_by_when", caused(Filtered, "when", ""), caused(Filtered, "stale", "")),
        ("stale_dropped", caused(Filtered, "stale", ""), caused(Filtered, "when", "")),
        ("map_gave_nothing", caused(Dead, "map_gave_nothing", ""), caused(Dead, "expression_failed", "`map`: x")),
        (
            "expression_failed",
            caused(Dead, "expression_failed", "`map`: T2001"),
            caused(Dead, "expression_failed", "`map`: it would need 5 s"),
        ),
        (
            "expression_too_heavy",
            caused(Dead, "expression_failed", "`when`: D1012 timeout"),
            caused(Dead, "expression_failed", "`when`: T2001"),
        ),
        ("record_unfetched", failed("record_unfetched", "401"), failed("connect_failed", "401")),
        ("enrich_id_invalid", caused(Dead, "enrich_id_invalid", "null"), caused(Dead, "record_unfetched", "null")),
        ("gateway_loop", caused(Dead, "hop_limit", "8 hops"), caused(Dead, "refused", "8 hops")),
        ("end_unknown", failed("unknown", ""), failed("connection_reset", "")),
        ("egress_refused", failed("egress_refused", "10.0.0.1"), failed("connect_failed", "10.0.0.1")),
        ("dns_not_found", dns("no record found"), dns("a temporary failure")),
        ("dns_trouble", dns("Temporary failure in name resolution"), dns("no record found")),
        (
            "connection_refused",
            failed("connect_failed", "Connection refused"),
            failed("connect_failed", "Network is unreachable"),
        ),
        ("no_way_there", failed("connect_failed", "No route to host"), failed("connect_failed", "Connection refused")),
        ("connect_timeout", failed("connect_timeout", ""), timeout()),
        ("connection_reset", failed("connection_reset", ""), failed("connect_failed", "reset")),
        ("not_http1", failed("protocol_error", "invalid preface"), failed("connection_reset", "invalid preface")),
        ("answer_head_too_large", failed("response_too_large", ""), answered(431, "")),
        (
            "certificate_expired",
            tls("invalid peer certificate: certificate expired"),
            tls("invalid peer certificate: UnknownIssuer"),
        ),
        ("certificate_not_yet_valid", tls("certificate not valid yet"), tls("certificate expired")),
        ("certificate_of_another_name", tls("certificate not valid for name \"app.example\""), tls("UnknownIssuer")),
        ("certificate_self_signed", tls("invalid peer certificate: Other(CaUsedAsEndEntity)"), tls("UnknownIssuer")),
        ("certificate_unknown_issuer", tls("invalid peer certificate: UnknownIssuer"), tls("certificate expired")),
        (
            "plain_http_behind_https",
            tls("received corrupt message of type InvalidContentType"),
            on_plain(tls("received corrupt message of type InvalidContentType")),
        ),
        ("tls_too_old", tls("received fatal alert: ProtocolVersion"), tls("received fatal alert: BadCertificate")),
        (
            "client_certificate_wanted",
            tls("received fatal alert: CertificateRequired"),
            tls("received fatal alert: HandshakeFailure"),
        ),
        ("redirected", answered(308, ""), answered(302, "please login")),
        ("redirected_to_login", answered(302, "<a href=/login>"), answered(302, "")),
        ("gone", answered(410, ""), answered(404, "")),
        ("csrf_protection", answered(403, "csrf token missing"), answered(403, "no")),
        ("signature_not_verified", answered(401, "invalid signature"), answered(401, "no such user")),
        ("unauthorized", answered(401, "bearer token missing"), answered(401, "bad hmac")),
        ("forbidden", answered(403, "nope"), answered(403, "invalid signature")),
        ("not_found", answered(404, "not found"), answered(404, "the tunnel is offline")),
        ("method_not_allowed", answered(405, ""), answered(404, "")),
        ("not_acceptable_shape", answered(422, "amount is required"), answered(400, "csrf token missing")),
        ("wrong_content_type", answered(415, ""), answered(400, "")),
        ("body_too_large", answered(413, ""), answered(431, "")),
        (
            "headers_too_large",
            answered(400, "request header or cookie too large"),
            answered(400, "amount is too large"),
        ),
        ("rate_limited", answered(429, ""), answered(503, "")),
        ("tunnel_offline", answered(404, "the endpoint abc.ngrok.app is offline"), answered(502, "bad gateway")),
        ("proxy_without_backend", answered(502, "<h1>bad gateway</h1>"), answered(500, "")),
        (
            "proxy_without_backend",
            answered(503, "<center><h1>503 service temporarily unavailable</h1></center>"),
            answered(503, r#"{"error":"busy"}"#),
        ),
        ("overloaded", answered(503, "service unavailable"), answered(503, "no healthy upstream")),
        ("cancelled", Facts { state: Cancelled, ..facts() }, answered(500, "")),
        ("slow_handler", twice(timeout()), hour(timeout(), &[(9, 1)])),
        ("slow_start", hour(timeout(), &[(9, 1)]), hour(twice(timeout()), &[(9, 2)])),
        (
            "short_outage",
            hour(failed("connect_failed", "refused"), &restart),
            hour(failed("connect_failed", "refused"), &down),
        ),
        ("steady_errors", hour(answered(500, ""), &[(5, 5), (3, 3)]), hour(answered(500, ""), &[(5, 5), (3, 2)])),
        ("errors_now_and_then", hour(answered(500, ""), &[(5, 2), (5, 3)]), hour(answered(500, ""), &restart)),
        (
            "one_message_fails",
            hour(twice(answered(500, "")), &[(30, 1), (30, 1)]),
            hour(answered(500, ""), &[(30, 1), (30, 1)]),
        ),
        (
            "signature_not_verified",
            unsigned(answered(400, "missing signature")),
            unsigned(answered(400, "missing amount")),
        ),
        ("program_failed", answered(500, ""), answered(413, "")),
        ("program_failed", answered(418, ""), hour(answered(500, ""), &[(5, 5), (3, 3)])),
        ("late_once", timeout(), twice(timeout())),
        ("ended_otherwise", tls("received fatal alert: BadRecordMac"), tls("certificate expired")),
        ("ended_otherwise", caused(Dead, "new_code", "told"), caused(Dead, "hop_limit", "8 hops")),
    ]
}

fn names(facts: &Facts) -> Vec<&'static str> {
    explain(facts).into_iter().map(|diagnosis| diagnosis.rule).collect()
}

#[test]
fn each_rule_speaks_where_it_should_and_not_of_its_twin() {
    for (rule, speaks, silent) in cases() {
        assert!(names(&speaks).contains(&rule), "{rule} of {speaks:?}: {:?}", names(&speaks));
        assert!(!names(&silent).contains(&rule), "{rule} of {silent:?}");
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let tested: BTreeSet<&str> = cases().iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<&str> = RULES.iter().copied().chain([last::RULES]).flatten().map(|(rule, _)| *rule).collect();
    assert_eq!(tested, all);
    assert!(all.len() >= 25, "{}", all.len());
}

#[test]
fn no_failure_is_left_without_a_word() {
    for status in 300..600 {
        for facts in [answered(status, ""), Facts { state: DeliveryState::Dead, ..answered(status, "") }] {
            assert!(!names(&facts).is_empty(), "{status}");
        }
    }
    for outcome in ["total_timeout", "connect_failed", "tls_failed", "dns_failed", "never_heard_of"] {
        assert!(!names(&failed(outcome, "")).is_empty(), "{outcome}");
    }
    assert_eq!(names(&facts()), [""; 0], "one that waits for its first try is well");
}

#[test]
fn what_was_delivered_needs_no_explanation() {
    for (rule, facts, _) in cases().into_iter().filter(|(_, facts, _)| !facts.tries.is_empty()) {
        let delivered = Facts {
            state: DeliveryState::Delivered,
            cause: None,
            tries: [facts.tries.clone(), vec![tried("delivered", "")]].concat(),
            ..facts
        };
        assert!(names(&delivered).is_empty(), "{rule}: {:?}", names(&delivered));
    }
}

#[test]
fn only_what_is_tried_again_by_itself_is_left_alone() {
    use DeliveryState::{Cancelled, Dead, Held, InFlight, Pending, Retrying};
    for (rule, facts, _) in cases().into_iter().filter(|(_, facts, _)| !facts.tries.is_empty()) {
        let next = |state| {
            let facts = Facts { state, cause: None, ..facts.clone() };
            explain(&facts).into_iter().map(|said| said.next).collect::<Vec<_>>()
        };
        for state in [Pending, InFlight, Retrying] {
            assert!(!next(state).join(" ").contains("dead-letters retry ID"), "{rule}: {:?}", next(state));
        }
        for state in [Dead, Cancelled] {
            let said = next(state);
            assert!(said[0].contains("trireme dead-letters retry ID"), "{rule} of one that is {state:?}: {said:?}");
        }
        for state in [Dead, Cancelled, Held] {
            let said = next(state).join(" ");
            assert!(!said.contains("by itself,") && !said.contains("The next try is due"), "{rule} {state:?}: {said}");
        }
        assert!(next(Dead)[0].contains("It is a dead letter"), "{rule}: {:?}", next(Dead));
    }
    let waits = Facts { due_at: Some(Timestamp::from_secs(100_060)), ..answered(429, "") };
    assert!(explain(&waits)[0].cause.contains("The next try is due in 60 seconds."));
    let held = Facts { state: Held, ..waits };
    assert!(!explain(&held)[0].cause.contains("due in"), "a pause has no end that is known");
    let removed = Facts { state: Dead, route_gone: true, ..answered(500, "") };
    assert!(explain(&removed)[0].next.contains("configure route 'shop-app' again"), "{:?}", explain(&removed));
}

#[test]
fn whatever_is_said_is_whole_and_says_what_to_do() {
    for (rule, facts, _) in cases() {
        for said in explain(&facts) {
            let whole = |text: &str| text.len() > 20 && text.ends_with('.');
            assert!(whole(&said.cause) && whole(&said.next), "{rule}: {said:?}");
        }
    }
}
