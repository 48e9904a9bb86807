//! The requests that our connectors' extensions make possible, built for an example record and an example address.

use connectors::manifest::auth::{Expiry, Secret, Token};
use connectors::manifest::extension::{Ask, Callback, RecordId, SecretOf};
use connectors::manifest::scope::Scope;
use connectors::manifest::wire::Request;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Ours, all};

const ID: &str = "id77";
const URL: &str = "https://hooks.example/in/source";
/// Of two parts, for senders that take a user and a password.
const SECRET: &str = "whsec_user:whsec_password";

fn built(ours: &Ours, what: &str, ask: &Ask<'_>) -> Request {
    let token = Token { value: Secret::new("token".to_owned()), expiry: Expiry::Never, writes: Vec::new() };
    let request = ask.request(&Scope::new(&ours.config, Timestamp::UNIX_EPOCH), Some(&token));
    let request = request.unwrap_or_else(|trouble| panic!("{} {what}: {trouble}", ours.name));
    assert!(request.url.starts_with("https://api.example/"), "{} {what}: {}", ours.name, request.url);
    assert!(!request.url.contains("//api.example//") && !request.url.contains("None"), "{what}: {}", request.url);
    request
}

/// Whether a text is anywhere in what is sent.
fn says(request: &Request, text: &str) -> bool {
    let encoded = text.replace(':', "%3A").replace('/', "%2F");
    let body = String::from_utf8_lossy(&request.body).into_owned();
    [&request.url, &body].into_iter().any(|place| place.contains(text) || place.contains(&encoded))
}

/// Something of everything: what each of our connectors wants to know of a record.
fn record() -> Json {
    json!({
        "id": 77, "name": "Ada", "title": "Ada", "text": "Ada", "content": "Ada", "subject": "Ada", "tag_name": "Ada",
        "properties": { "name": "Ada" }, "fields": { "summary": "Ada" },
        "repository": "octocat/hello", "number": 7, "project": "42", "project_id": 42, "iid": 7,
        "channel": "C1", "ts": "1767323045.000200", "base_id": "appQ2w9xLk31VbnTz", "table_id": "tblA", "SyncToken": "3",
    })
}

#[test]
fn every_record_that_can_be_read_or_written_has_a_request() {
    let (id, record) = (RecordId::new(ID).expect("fit"), record());
    let (mut gets, mut writes) = (0, 0);
    for ours in all() {
        for (stream, said) in &ours.extension.streams {
            let what = |verb: &str| format!("{verb} {stream}");
            if let Some(ask) = said.asks_for(&id) {
                let request = built(&ours, &what("get"), &ask);
                assert!(says(&request, ID), "{} {stream}: {}", ours.name, request.url);
                assert_eq!(request.method, "GET", "{} {stream}", ours.name);
                gets += 1;
            }
            for (verb, ask) in [("create", said.asks_to_create(&record)), ("update", said.asks_to_update(&id, &record))]
            {
                let Some(ask) = ask else { continue };
                let request = built(&ours, &what(verb), &ask);
                assert!(says(&request, "Ada"), "{} {verb} {stream}: the record is not sent", ours.name);
                assert!(["POST", "PUT", "PATCH"].contains(&request.method.as_str()), "{} {stream}", ours.name);
                writes += 1;
            }
            if let Some(ask) = said.asks_to_delete(&id, &record) {
                built(&ours, &what("delete"), &ask);
                writes += 1;
            }
        }
    }
    assert!(gets > 40 && writes > 50, "{gets} {writes}");
}

#[test]
fn every_subscription_has_its_requests() {
    let secret = Secret::new(SECRET.to_owned());
    let callback = Callback { url: URL, secret: &secret };
    let mut subscribing = Vec::new();
    for ours in all() {
        let Some(webhooks) = &ours.extension.webhooks else { continue };
        let places = webhooks.places(&Scope::new(&ours.config, Timestamp::UNIX_EPOCH)).expect(ours.name);
        assert!(!places.is_empty(), "{}", ours.name);
        for place in &places {
            let request = built(&ours, "subscribe", &webhooks.asks_to_subscribe(place, &callback));
            assert!(says(&request, URL), "{}: the address is not sent", ours.name);
            let is_ours = matches!(webhooks.subscribe.secret, SecretOf::Ours);
            let is_sent = says(&request, SECRET) || SECRET.split(':').all(|part| says(&request, part));
            assert_eq!(is_sent, is_ours, "{}: whose secret it is", ours.name);
            let unsubscribe = webhooks.asks_to_unsubscribe(place, ID).expect("what is made can be ended");
            assert!(says(&built(&ours, "unsubscribe", &unsubscribe), ID), "{}", ours.name);
            built(&ours, "list", &webhooks.asks_for_list(place).expect("what is made can be found again"));
            for ask in [webhooks.asks_to_renew(place, ID, &callback), webhooks.asks_for_secret(place, ID)] {
                let Some(ask) = ask else { continue };
                assert!(says(&built(&ours, "keep", &ask), ID), "{}", ours.name);
            }
        }
        subscribing.push(ours.name);
    }
    let expected = ["airtable", "bamboohr", "github", "gitlab", "jira", "pipedrive", "shopify", "stripe", "zendesk"];
    assert_eq!(subscribing, expected);
}
/// Templates turn a text that looks like a number into one, and a source that is given a number may refuse it.
#[test]
fn a_secret_that_looks_like_a_number_is_sent_as_a_text() {
    let (secret, mut sent) = (Secret::new("1234567".to_owned()), 0);
    let callback = Callback { url: URL, secret: &secret };
    for ours in all() {
        let Some(webhooks) = &ours.extension.webhooks else { continue };
        if !matches!(webhooks.subscribe.secret, SecretOf::Ours) {
            continue;
        }
        let place = webhooks.places(&Scope::new(&ours.config, Timestamp::UNIX_EPOCH)).expect(ours.name).remove(0);
        let request = built(&ours, "subscribe", &webhooks.asks_to_subscribe(&place, &callback));
        assert!(says(&request, "\"1234567\""), "{}", ours.name);
        sent += 1;
    }
    assert!(sent >= 4, "{sent}");
}
