//! Reply contracts as senders see them: what their recipes say is what the gateway answers, harmless for browsers.

use api::{Limits, Settings};
use connectors::provider::{Kind, Moment, RoleSecret, Settings as Choices, Vector, catalogue, sign_sample};
use http::StatusCode;
use serde_json::json;

use crate::gateway::{Answer, Call, Gateway};

fn vector(provider: &str, wanted: impl Fn(&&Vector) -> bool) -> Vector {
    let recipe = catalogue().get(provider).expect("listed");
    recipe.vectors().iter().find(wanted).unwrap_or_else(|| panic!("{provider} has no such vector")).clone()
}

/// A source of this provider with the secrets of one of its vectors.
async fn listening(gateway: &Gateway, provider: &str, vector: &Vector) {
    let mut secrets = serde_json::Map::new();
    for (role, value) in &vector.secrets {
        secrets.insert(role.as_str().to_owned(), value.as_str().into());
    }
    let mut webhook = json!({ "provider": provider });
    if !secrets.is_empty() {
        webhook["secrets"] = secrets.into();
    }
    gateway.make("sources", json!({ "name": provider, "webhook": webhook })).await;
}

/// The vector's request at the gateway's own address of the source.
async fn send(gateway: &Gateway, provider: &str, vector: &Vector) -> Answer {
    let query = vector.url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let mut call = Call::new(&vector.method, &format!("/in/{provider}{query}")).without_key().bytes(&vector.body);
    for (name, value) in &vector.headers {
        call = call.header(name, value);
    }
    gateway.call(call).await
}

#[track_caller]
fn is_inert(answer: &Answer) {
    assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{answer:?}");
    assert!(answer.headers["content-security-policy"].to_str().is_ok_and(|csp| csp.contains("sandbox")), "{answer:?}");
}

#[tokio::test]
async fn senders_hear_what_they_want_to_hear() {
    let gateway = Gateway::start().await;
    let ack = "<Ack>true</Ack>";
    for (provider, status, content_type, body) in [
        ("adyen-classic", 200, "text/plain", "[accepted]"),
        ("salesforce", 200, "text/xml", ack),
        ("adobe-commerce", 200, "application/json", r#"{"op":"success"}"#),
        ("xero", 200, "", ""),
        ("gocardless", 204, "", ""),
    ] {
        // Times are not judged by these senders, so their vectors are as good as on their day.
        let valid = vector(provider, |vector| vector.kind == Kind::Valid && !vector.body.is_empty());
        listening(&gateway, provider, &valid).await;
        for time in ["first", "again"] {
            let answer = send(&gateway, provider, &valid).await;
            assert_eq!(answer.status.as_u16(), status, "{provider} {time}: {answer:?}");
            let text = String::from_utf8_lossy(&answer.body);
            assert!(if body == ack { text.contains(ack) } else { text == body }, "{provider} {time}: {text}");
            let said = answer.headers.get("content-type").map_or("", |value| value.to_str().expect("text"));
            assert!(said.starts_with(content_type), "{provider}: {said}");
            is_inert(&answer);
        }
    }
}

#[tokio::test]
async fn a_sender_that_dates_its_events_hears_its_words_too() {
    let gateway = Gateway::start().await;
    let secret = "8f2b6d1c9e4a7053b1d8f6a2c4e09b7d";
    gateway
        .make("sources", json!({ "name": "sign", "webhook": { "provider": "dropbox-sign", "secret": secret } }))
        .await;
    let recipe = catalogue().get("dropbox-sign").expect("listed");
    let sample = recipe.sample(None).expect("it has one");
    let moment = Moment { now: gateway.engine.clock().now(), nonce: 7 };
    let secrets = [RoleSecret::plain(secret)];
    let signed = sign_sample(&recipe, &secrets, &Choices::default(), sample, "http://localhost:8080/in/sign", moment);
    let signed = signed.expect("it can be signed");
    let mut call = Call::post("/in/sign").without_key().bytes(&signed.body);
    for (name, value) in &signed.headers {
        call = call.header(name, value);
    }
    let answer = gateway.call(call).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"Hello API Event Received"[..]), "{answer:?}");
    is_inert(&answer);
}

#[tokio::test]
async fn refusals_are_told_in_the_senders_own_words_and_alike_whatever_is_wrong() {
    let gateway = Gateway::start().await;
    for (provider, status, body) in [("gocardless", 498, "invalid signature"), ("xero", 401, "")] {
        let valid = vector(provider, |vector| vector.kind == Kind::Valid && !vector.body.is_empty());
        listening(&gateway, provider, &valid).await;
        let wrong = Vector { body: "{}".into(), ..valid.clone() };
        let unsigned = Vector { headers: Vec::new(), ..valid };
        let [wrong, unsigned] = [send(&gateway, provider, &wrong).await, send(&gateway, provider, &unsigned).await];
        assert_eq!((wrong.status.as_u16(), &wrong.body[..]), (status, body.as_bytes()), "{provider}");
        assert_eq!((wrong.status, &wrong.body, &wrong.headers), (unsigned.status, &unsigned.body, &unsigned.headers));
    }
}

#[tokio::test]
async fn without_room_every_sender_is_told_when_to_come_back() {
    let limits = Limits { ingest_in_flight_max: 0, ..Limits::default() };
    let gateway = Gateway::with(Settings { limits, ..Settings::default() }).await;
    for provider in ["gocardless", "xero", "salesforce", "nobody"] {
        let answer = gateway.call(Call::post(&format!("/in/{provider}")).without_key().bytes("{}")).await;
        assert_eq!(
            (answer.status, &answer.headers["retry-after"]),
            (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().expect("a value"))
        );
    }
}

#[tokio::test]
async fn threat_05_a_challenge_that_is_a_page_is_text_and_cannot_run() {
    let gateway = Gateway::start().await;
    let handshake = vector("meta", |vector| vector.kind == Kind::Handshake);
    listening(&gateway, "meta", &handshake).await;
    let (before, rest) = handshake.url.split_once("hub.challenge=").expect("a challenge");
    let rest = rest.split_once('&').map(|(_, rest)| format!("&{rest}")).unwrap_or_default();
    let page = Vector { url: format!("{before}hub.challenge=%3Cscript%3Ealert(1)%3C/script%3E{rest}"), ..handshake };
    let answer = send(&gateway, "meta", &page).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"<script>alert(1)</script>"[..]), "{answer:?}");
    assert!(answer.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/plain")), "{answer:?}");
    is_inert(&answer);
}

#[tokio::test]
async fn threat_05_only_sources_whose_sender_shakes_hands_so_answer_get_head_and_options() {
    let gateway = Gateway::start().await;
    let handshake = vector("meta", |vector| vector.kind == Kind::Handshake);
    listening(&gateway, "meta", &handshake).await;
    let query = handshake.url.split_once('?').expect("a query").1.to_owned();
    let call = |method: &str, source: &str| Call::new(method, &format!("/in/{source}?{query}")).without_key();
    assert_eq!(gateway.call(call("GET", "meta")).await.status, 200);
    for method in ["HEAD", "OPTIONS"] {
        assert_eq!(gateway.call(call(method, "meta")).await.status, 405, "{method} is not how this sender asks");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(gateway.call(call(method, "github")).await.status, 405, "{method}");
        assert_eq!(gateway.call(call(method, "nobody")).await.status, 404, "{method}");
    }
}
