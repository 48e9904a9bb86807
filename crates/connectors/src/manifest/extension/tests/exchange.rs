//! The requests that an extension makes possible, and what is read from their answers.

use bytes::Bytes;
use domain::{Action, Timestamp, Version};
use http::HeaderMap;
use serde_json::{Value as Json, json};

use super::super::answer::done;
use super::*;
use crate::manifest::auth::Secret;
use crate::manifest::scope::Scope;
use crate::manifest::wire::{Reply, Request};

const SHOP: &str = r##"
definitions:
  requester: &requester
    type: HttpRequester
    url_base: "{{ config['address'] }}"
    authenticator: { type: BearerAuthenticator, api_token: "{{ config['token'] }}" }
metadata:
  trireme:
    webhooks:
      each: { values: "{{ config['shops'] }}", as: shop }
      subscribe:
        requester:
          <<: *requester
          path: "{{ stream_slice['shop'] }}/hooks"
          http_method: POST
          request_body_json: { to: "{{ stream_slice['url'] }}", key: "{{ stream_slice['secret'] }}", topics: "{{ stream_slice['events'] }}" }
        id: [hook, id]
        events: [order.paid, order.changed]
      unsubscribe: { requester: { <<: *requester, path: "{{ stream_slice['shop'] }}/hooks/{{ stream_slice['id'] }}", http_method: DELETE } }
      list:
        requester: { <<: *requester, path: "{{ stream_slice['shop'] }}/hooks" }
        records: [hooks]
        id: [id]
        url: [to]
        active: { at: [state], is: live }
      renew: { requester: { <<: *requester, path: "hooks/{{ stream_slice['id'] }}", http_method: PUT, request_body_data: { to: "{{ stream_slice['url'] }}" } }, every: P6D }
    streams:
      orders:
        object: order
        version: { field: [updated_at], precision: PT1S }
        deletes: { tombstone: [state], is: [deleted, void] }
        get: { requester: { <<: *requester, path: "orders/{{ stream_slice['id'] }}" }, record: [orders, "0"], gone: { at: [error], is: unknown_order } }
        write:
          create: { requester: { <<: *requester, path: orders, http_method: POST, request_body_json: "{{ record }}" }, record: [order] }
          update: { requester: { <<: *requester, path: "orders/{{ stream_slice['id'] }}", http_method: PUT, request_body_json: { order: "{{ record }}" } } }
          delete: { requester: { <<: *requester, path: "orders/{{ stream_slice['id'] }}", http_method: DELETE, request_parameters: { version: "{{ record['version'] }}" } } }
        events:
          - { type: order.changed, action: updated, id: [order, id], version: [order, updated_at] }
          - { type: order.paid, id: [order, id] }
          - { type: something }
      carts: {}
"##;

fn shop() -> Extension {
    read(SHOP).expect("it is right")
}

fn config() -> Json {
    json!({ "address": "https://api.example", "token": "t", "shops": ["a", "b"] })
}

fn id(text: &str) -> RecordId {
    RecordId::new(text).expect(text)
}

/// Method, URL and body of a request, which must carry the credentials.
fn built(ask: &Ask<'_>) -> (String, String, String) {
    let config = config();
    let scope = Scope::new(&config, jiff::Timestamp::UNIX_EPOCH);
    let Request { method, url, headers, body } = ask.request(&scope, None).expect("a request");
    assert_eq!(headers.get("authorization").map(|value| value.as_bytes()), Some(&b"Bearer t"[..]));
    (method.to_string(), url, String::from_utf8(body.to_vec()).expect("text"))
}

fn expect(ask: &Ask<'_>, method: &str, path: &str, body: &str) {
    let url = format!("https://api.example/{path}");
    assert_eq!(built(ask), (method.to_owned(), url, body.to_owned()));
}

fn reply(status: u16, body: &str) -> Reply {
    let url = "https://api.example/x?key=hidden".to_owned();
    Reply::new(status, HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()), url)
}

#[test]
fn one_record_is_asked_for_and_written_by_its_id() {
    let extension = shop();
    let orders = &extension.streams["orders"];
    let record = json!({ "total": "007", "lines": [{ "n": 1, "ok": true, "note": null }], "version": 3 });
    let text = record.to_string();
    expect(&orders.asks_for(&id("7 8")).expect("get"), "GET", "orders/7%208", "");
    let (method, url, body) = built(&orders.asks_to_create(&record).expect("create"));
    assert_eq!((method.as_str(), url.as_str()), ("POST", "https://api.example/orders"));
    assert_eq!(serde_json::from_str::<Json>(&body).expect("JSON"), record, "texts stay texts, nothing stays nothing");
    let (_, _, body) = built(&orders.asks_to_update(&id("7"), &record).expect("update"));
    assert_eq!(serde_json::from_str::<Json>(&body).expect("JSON"), json!({ "order": record }), "{text}");
    expect(&orders.asks_to_delete(&id("7"), &record).expect("delete"), "DELETE", "orders/7?version=3", "");
    let carts = &extension.streams["carts"];
    assert!(carts.asks_for(&id("7")).is_none() && carts.asks_to_create(&record).is_none());
    assert!(carts.asks_to_update(&id("7"), &record).is_none() && carts.asks_to_delete(&id("7"), &record).is_none());
}

#[test]
fn an_id_that_would_lead_elsewhere_is_refused() {
    for unfit in ["", ".", "..", "1/../../users", "1?admin=1", "1#x", "%2e%2e", "a\\b", "a\nb", &"x".repeat(513)] {
        assert_eq!(RecordId::new(unfit), Err(UnfitId), "{unfit:?}");
    }
    for fit in ["7", "cus_9s6X", "5f1d6d0a-8b5e", "OAR-83", "1700000000.000200", "a b", "ä", "a:b@c"] {
        assert!(RecordId::new(fit).is_ok(), "{fit}");
    }
}

#[test]
fn a_record_is_found_or_gone_and_nothing_else_proves_absence() {
    let extension = shop();
    let orders = &extension.streams["orders"];
    let get = orders.get.as_ref().expect("orders are read by id");
    let found = |status, body: &str| get.found(reply(status, body));
    assert_eq!(found(200, r#"{"orders":[{"id":7}]}"#), Ok(Some(json!({ "id": 7 }))));
    let void = found(200, r#"{"orders":[{"state":"void"}]}"#).expect("an answer").expect("a record");
    let Some(Deletes::Tombstone(sign)) = &orders.deletes else { panic!("{:?}", orders.deletes) };
    assert!(sign.holds(&void) && !sign.holds(&json!({ "id": 7 })), "it is there, and says that it is deleted");
    assert_eq!((found(404, ""), found(410, "{}")), (Ok(None), Ok(None)));
    assert_eq!(found(200, r#"{"error":"unknown_order"}"#), Ok(None), "the source says so in its own way");
    for (status, body, code, again) in [
        (200, r#"{"orders":[]}"#, "answer_incomplete", false),
        (200, "{}", "answer_incomplete", false),
        (200, r#"{"error":"try_later"}"#, "answer_incomplete", false),
        (200, "<html>", "answer_incomplete", false),
        (204, "", "answer_incomplete", false),
        (403, "{}", "answer_refused", false),
        (429, "{}", "answer_refused", true),
        (503, "{}", "answer_refused", true),
    ] {
        let error = found(status, body).expect_err(body);
        assert_eq!((error.code(), error.is_retryable()), (code, again), "{status} {body}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}

#[test]
fn answers_to_writes_may_hold_the_record() {
    let extension = shop();
    let orders = &extension.streams["orders"];
    assert_eq!(orders.created(reply(201, r#"{"order":{"id":1}}"#)), Ok(Some(json!({ "id": 1 }))));
    assert_eq!(orders.created(reply(201, "")), Ok(None));
    assert!(orders.created(reply(201, "{}")).is_err() && orders.created(reply(422, "{}")).is_err());
    assert_eq!(orders.updated(reply(200, r#"{"id":1}"#)), Ok(Some(json!({ "id": 1 }))));
    assert_eq!(orders.updated(reply(204, "")), Ok(None));
    assert!(orders.updated(reply(409, "")).is_err());
    assert_eq!((done(&reply(204, ""), false), done(&reply(404, ""), true)), (Ok(()), Ok(())));
    assert!(done(&reply(404, ""), false).is_err() && done(&reply(500, ""), true).is_err());
}

#[test]
fn there_is_a_subscription_for_each_place_and_every_request_knows_its_own() {
    let extension = shop();
    let webhooks = extension.webhooks.as_ref().expect("webhooks");
    let config = config();
    let places = webhooks.places(&Scope::new(&config, jiff::Timestamp::UNIX_EPOCH)).expect("places");
    assert_eq!(places.iter().map(|place| place.fields()["shop"].clone()).collect::<Vec<_>>(), ["a", "b"]);
    let (secret, place) = (Secret::new("s3cret".to_owned()), &Place::of(places[1].fields().clone()));
    let callback = Callback { url: "https://hooks.example/in/shop", secret: &secret };
    let ask = webhooks.asks_to_subscribe(place, &callback);
    let body = r#"{"to":"https://hooks.example/in/shop","key":"s3cret","topics":["order.paid","order.changed"]}"#;
    expect(&ask, "POST", "b/hooks", body);
    assert!(!format!("{ask:?} {callback:?}").contains("s3cret"));
    expect(&webhooks.asks_to_unsubscribe(place, "9").expect("unsubscribe"), "DELETE", "b/hooks/9", "");
    expect(&webhooks.asks_for_list(place).expect("list"), "GET", "b/hooks", "");
    let renewal = webhooks.asks_to_renew(place, "9", &callback).expect("renew");
    expect(&renewal, "PUT", "hooks/9", "to=https%3A%2F%2Fhooks.example%2Fin%2Fshop");
    assert!(webhooks.asks_for_secret(place, "9").is_none());
}

#[test]
fn more_places_than_one_connection_can_have_are_refused() {
    let webhooks = shop().webhooks.expect("webhooks");
    let place = |config: &Json| webhooks.places(&Scope::new(config, jiff::Timestamp::UNIX_EPOCH)).map(|p| p.len());
    assert_eq!(place(&json!({ "shops": vec!["x"; ask::PLACES_MAX] })).expect("as many"), ask::PLACES_MAX);
    let error = place(&json!({ "shops": vec!["x"; ask::PLACES_MAX + 1] })).expect_err("one more");
    assert_eq!(error.code(), "subscriptions_too_many");
    assert!(place(&json!({ "shops": 7 })).is_err());
}

#[test]
fn what_is_subscribed_is_read_with_its_state() {
    let webhooks = shop().webhooks.expect("webhooks");
    let made = webhooks.subscribed(&reply(201, r#"{"hook":{"id":12}}"#)).expect("made");
    assert_eq!(made, Subscribed { id: "12".to_owned(), secret: None });
    for (status, body) in [(200, "{}"), (200, r#"{"hook":{"id":null}}"#), (422, r#"{"hook":{"id":1}}"#), (200, "x")] {
        assert!(webhooks.subscribed(&reply(status, body)).is_err(), "{status} {body}");
    }
    let list = r#"{"hooks":[{"id":1,"to":"https://a.example","state":"live"},{"id":2,"to":"https://b.example","state":"paused"},
        {"id":3,"state":"live"},{"to":"https://c.example"}]}"#;
    let standing = webhooks.listed(&reply(200, list)).expect("a list");
    let told: Vec<_> = standing.iter().map(|one| (one.id.as_str(), one.url.as_str(), one.is_active)).collect();
    assert_eq!(told, [("1", "https://a.example", true), ("2", "https://b.example", false)]);
    assert!(webhooks.listed(&reply(200, "[]")).is_err() && webhooks.listed(&reply(403, list)).is_err());
}

#[test]
fn a_secret_of_the_source_comes_with_the_answer_or_is_asked_for() {
    let requester =
        "requester: { type: HttpRequester, url_base: 'https://api.example', path: \"key/{{ stream_slice['id'] }}\" }";
    let with = |secret: &str| {
        let text = format!(
            "metadata: {{ trireme: {{ webhooks: {{ subscribe: {{ {requester}, id: [id], secret: {secret} }} }} }} }}"
        );
        read(&text).expect(&text).webhooks.expect("webhooks")
    };
    let body = r#"{"id":"w1","key":{"value":"abc"}}"#;
    let made = with("[key, value]").subscribed(&reply(200, body)).expect("made");
    assert_eq!(made.secret, Some(Secret::new("abc".to_owned())));
    assert!(with("[key, other]").subscribed(&reply(200, body)).is_err());
    let asked = with(&format!("{{ {requester}, at: [key, value] }}"));
    let config = config();
    let ask = asked.asks_for_secret(&Place::default(), "w1").expect("it is asked for");
    let request = ask.request(&Scope::new(&config, jiff::Timestamp::UNIX_EPOCH), None).expect("a request");
    assert_eq!(request.url, "https://api.example/key/w1");
    assert_eq!(asked.told_secret(&reply(200, body)), Ok(Secret::new("abc".to_owned())));
    let secret = Secret::new("ours".to_owned());
    let callback = Callback { url: "https://hooks.example", secret: &secret };
    for whose in ["app", "[key]"] {
        let ask = with(whose).asks_to_subscribe(&Place::default(), &callback).slice().get("secret").cloned();
        assert_eq!(ask, None, "{whose}: ours is not sent where the source has its own");
    }
}

#[test]
fn an_event_tells_its_object_id_version_and_type() {
    let extension = shop();
    let payload = json!({ "order": { "id": 7, "updated_at": "2026-01-02T03:04:05+0000" } });
    let meaning = |name: &'static str| extension.meanings(name).next().expect(name);
    let changed = extension.meanings("order.changed").next().expect("known");
    assert_eq!((changed.stream, changed.object, changed.mapping.action), ("orders", "order", Some(Action::Updated)));
    assert_eq!(changed.event_type().as_deref(), Some("order.updated"));
    assert_eq!(changed.subject(&payload).expect("a subject").as_str(), "order/7");
    let at = "2026-01-02T03:04:05Z".parse().expect("a time");
    assert_eq!(changed.version(&payload), Some(Version::Time(at)));
    assert_eq!((changed.id(&json!({})), changed.version(&json!({}))), (None, None));
    let paid = meaning("order.paid");
    assert_eq!((paid.event_type(), paid.id(&payload).as_deref(), paid.is_hint()), (None, Some("7"), false));
    let hint = meaning("something");
    assert_eq!((hint.id(&payload), hint.is_hint()), (None, true));
    assert_eq!(extension.meanings("unheard").count(), 0);
}

#[test]
fn versions_are_times_in_every_spelling_or_numbers_that_count() {
    let with = |precision: &str| {
        let version = format!("{{ field: [v]{precision} }}");
        read(&format!("metadata: {{ trireme: {{ streams: {{ a: {{ version: {version} }} }} }} }}")).expect(precision)
    };
    let (times, counts) = (with(", precision: PT1S"), with(""));
    let time = |second| Some(Version::Time(Timestamp::from_secs(second)));
    for (value, as_time, as_count) in [
        (json!(1_767_323_045), time(1_767_323_045), Some(Version::Number(1_767_323_045))),
        (json!("1767323045"), time(1_767_323_045), Some(Version::Number(1_767_323_045))),
        (json!(1_767_323_045_000_i64), time(1_767_323_045), Some(Version::Number(1_767_323_045_000))),
        (json!("2026-01-02T03:04:05.000Z"), time(1_767_323_045), time(1_767_323_045)),
        (json!("2026-01-02T04:04:05+01:00"), time(1_767_323_045), time(1_767_323_045)),
        (json!("2026-01-02 03:04:05 UTC"), time(1_767_323_045), time(1_767_323_045)),
        (json!("/Date(1767323045000+0000)/"), time(1_767_323_045), time(1_767_323_045)),
        (json!("/Date(soon)/"), None, None),
        (json!("soon"), None, None),
        (json!(null), None, None),
    ] {
        let record = json!({ "v": value });
        assert_eq!(times.streams["a"].version_of(&record), as_time, "{value} as a time");
        assert_eq!(counts.streams["a"].version_of(&record), as_count, "{value} as a count");
    }
}

#[test]
fn a_sign_holds_by_its_text_or_by_being_there() {
    let sign = |is: &[&str]| Sign { at: vec!["s".to_owned()], is: is.iter().map(|&is| is.to_owned()).collect() };
    for (value, by_text, by_presence) in [
        (json!("void"), true, true),
        (json!("open"), false, true),
        (json!(true), false, true),
        (json!(1), false, true),
        (json!(0), false, false),
        (json!(false), false, false),
        (json!(""), false, false),
        (json!(null), false, false),
        (json!({}), false, false),
    ] {
        let record = json!({ "s": value });
        assert_eq!((sign(&["void"]).holds(&record), sign(&[]).holds(&record)), (by_text, by_presence), "{value}");
    }
    assert!(!sign(&[]).holds(&json!({})));
}
