//! Whatever others wrote is fed into every field that takes a text, and none of it may come out.

use std::time::Duration;

use domain::explain::delivery::{Destination, Minute, Try};
use domain::explain::request::Rewritten;
use domain::{DeliveryState, Timestamp};

use super::*;

const CANARY: &str = "sk_live_CANARY-1234";

fn canary() -> String {
    CANARY.to_owned()
}

fn delivery() -> delivery::Facts {
    let tried = Try {
        at: Timestamp::from_secs(990),
        duration: Duration::from_millis(12),
        outcome: canary(),
        status: Some(401),
        error: canary(),
        response: format!("signature {CANARY}"),
    };
    delivery::Facts {
        now: Timestamp::from_secs(1_000),
        state: DeliveryState::Dead,
        cause: Some((canary(), canary())),
        tries: vec![tried; 30],
        due_at: Some(Timestamp::from_secs(1_100)),
        behind: true,
        subject: Some(canary()),
        route: canary(),
        route_gone: true,
        destination: Destination {
            name: canary(),
            host: canary(),
            why: canary(),
            https: true,
            ..Destination::default()
        },
        body_bytes: Some(7),
        content_type: format!("application/{CANARY}"),
        minutes: vec![Minute { at: Timestamp::from_secs(940), tries: 3, failed: 2 }],
    }
}

fn request(otherwise: Otherwise) -> request::Facts {
    request::Facts {
        pending: true,
        code: canary(),
        detail: canary(),
        source: canary(),
        provider: canary(),
        method: canary(),
        received_at: Timestamp::from_secs(1_000),
        sent_at: Some(Timestamp::from_secs(400)),
        headers: vec![canary(), "via".to_owned(), "x-canary-1234".to_owned()],
        content_type: canary(),
        encoding: canary(),
        body_bytes: 9,
        mode: Some(Mode::Test),
        mode_field: canary(),
        otherwise: vec![otherwise],
        accepted_at: None,
        skews: vec![Duration::from_secs(600)],
        alike: 3,
    }
}

#[test]
fn nothing_that_others_wrote_leaves() {
    let mut contexts = vec![Context::of_delivery(&delivery())];
    for otherwise in [
        Otherwise::SecretWithoutBlanks,
        Otherwise::SecretOfSource(canary()),
        Otherwise::Url(canary()),
        Otherwise::Body(Rewritten::CompactJson),
    ] {
        contexts.push(Context::of_request(&request(otherwise), false));
    }
    for context in contexts {
        let text = context.text().to_lowercase();
        assert!(!text.contains("canary") && !text.contains("sk_live"), "{text}");
    }
}

#[test]
fn what_helps_is_told() {
    let told = Context::of_delivery(&delivery()).0;
    assert_eq!((&told["cause"], &told["content_type"]), (&json!("other"), &json!("other")));
    assert_eq!(told["tries"].as_array().map(Vec::len), Some(TRIES_MAX));
    assert_eq!((&told["tries"][0]["status"], &told["tries"][0]["seconds_ago"]), (&json!(401), &json!(10)));
    assert_eq!(told["destination_minutes_tries_failed"], json!([[3, 2]]));
    let facts = request::Facts {
        code: "timestamp_stale".to_owned(),
        provider: "stripe".to_owned(),
        content_type: "Application/JSON; charset=utf-8".to_owned(),
        method: "POST".to_owned(),
        ..request(Otherwise::SecretWithoutBlanks)
    };
    let told = Context::of_request(&facts, true).0;
    let expected = ["timestamp_stale", "stripe", "application/json", "POST"].map(Value::from);
    assert_eq!(["rejected_for", "provider", "content_type", "method"].map(|field| told[field].clone()), expected);
    assert_eq!(
        (&told["seconds_between_signed_and_received"], &told["headers_present"]),
        (&json!(600), &json!(["via"]))
    );
}
