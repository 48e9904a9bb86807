//! What our connectors read from answers as the vendors give them, and from events as they send them.

use connectors::manifest::extension::Standing;
use connectors::manifest::wire::Reply;
use connectors::provider::{Kind, catalogue};
use http::HeaderMap;
use serde_json::{Value as Json, json};

use super::{all, ours};
use crate::samples::signed;

fn reply(body: &Json) -> Reply {
    Reply::new(200, HeaderMap::new(), body.to_string().into(), "https://api.example/hooks".to_owned())
}

fn standing(id: &str, url: &str, is_active: bool) -> Standing {
    Standing { id: id.to_owned(), url: url.to_owned(), is_active }
}

/// A connector, what a new subscription is answered with, the id and secret in it, a list, and what stands in that.
type Exchange = (&'static str, Json, &'static str, Option<&'static str>, Json, Vec<Standing>);

fn exchanges() -> Vec<Exchange> {
    let (a, b) = ("https://hooks.example/in/a", "https://b.example");
    let both = || vec![standing("1", a, true), standing("2", b, false)];
    vec![
        (
            "airtable",
            json!({ "id": "ach1", "macSecretBase64": "c2VjcmV0", "expirationTime": "2026-01-08T00:00:00.000Z" }),
            "ach1",
            Some("c2VjcmV0"),
            json!({ "webhooks": [
                { "id": "1", "notificationUrl": a, "areNotificationsEnabled": true, "isHookEnabled": true },
                { "id": "2", "notificationUrl": b, "areNotificationsEnabled": false, "isHookEnabled": true },
                { "id": "3", "notificationUrl": null, "areNotificationsEnabled": true, "isHookEnabled": true } ] }),
            both(),
        ),
        (
            "bamboohr",
            json!({ "id": "17", "name": "Trireme", "url": a, "privateKey": "k3y" }),
            "17",
            Some("k3y"),
            json!({ "webhooks": [{ "id": "1", "name": "x", "url": a }] }),
            vec![standing("1", a, true)],
        ),
        (
            "github",
            json!({ "id": 12_345, "type": "Repository", "active": true, "config": { "url": a } }),
            "12345",
            None,
            json!([{ "id": 1, "active": true, "config": { "url": a } }, { "id": 2, "active": false, "config": { "url": b } }]),
            both(),
        ),
        (
            "gitlab",
            json!({ "id": 12, "url": a, "project_id": 42, "alert_status": "executable" }),
            "12",
            None,
            json!([{ "id": 1, "url": a, "alert_status": "executable" }, { "id": 2, "url": b, "alert_status": "disabled" }]),
            both(),
        ),
        (
            "jira",
            json!({ "self": "https://a.example/rest/webhooks/1.0/webhook/72", "name": "Trireme", "enabled": true, "url": a }),
            "https://a.example/rest/webhooks/1.0/webhook/72",
            None,
            json!([{ "self": "1", "url": a, "enabled": true }, { "self": "2", "url": b, "enabled": false }]),
            both(),
        ),
        (
            "pipedrive",
            json!({ "status": "ok", "success": true, "data": { "id": 88, "subscription_url": a, "is_active": 1 } }),
            "88",
            None,
            json!({ "data": [{ "id": 1, "subscription_url": a, "is_active": 1 }, { "id": 2, "subscription_url": b, "is_active": 0 }] }),
            both(),
        ),
        (
            "shopify",
            json!({ "webhook": { "id": 4_759_306, "address": a, "topic": "orders/create", "format": "json" } }),
            "4759306",
            None,
            json!({ "webhooks": [{ "id": 1, "address": a, "topic": "orders/create" }] }),
            vec![standing("1", a, true)],
        ),
        (
            "stripe",
            json!({ "id": "we_1", "object": "webhook_endpoint", "secret": "whsec_x", "status": "enabled", "url": a }),
            "we_1",
            Some("whsec_x"),
            json!({ "data": [{ "id": "1", "url": a, "status": "enabled" }, { "id": "2", "url": b, "status": "disabled" }] }),
            both(),
        ),
        (
            "zendesk",
            json!({ "webhook": { "id": "01EZWG", "endpoint": a, "status": "active" } }),
            "01EZWG",
            None,
            json!({ "webhooks": [{ "id": "1", "endpoint": a, "status": "active" }, { "id": "2", "endpoint": b, "status": "inactive" }] }),
            both(),
        ),
    ]
}

#[test]
fn subscriptions_are_read_from_the_vendors_answers() {
    let exchanges = exchanges();
    let told: Vec<&str> = exchanges.iter().map(|exchange| exchange.0).collect();
    let subscribing = all().into_iter().filter(|ours| ours.extension.webhooks.is_some()).map(|ours| ours.name);
    assert_eq!(told, subscribing.collect::<Vec<_>>(), "each has an exchange");
    for (name, made, id, secret, list, expected) in exchanges {
        let webhooks = ours(name).extension.webhooks.expect(name);
        let subscribed = webhooks.subscribed(&reply(&made)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = subscribed.secret.as_ref().map(|secret| secret.expose());
        assert_eq!((subscribed.id.as_str(), found), (id, secret), "{name}");
        assert_eq!(webhooks.listed(&reply(&list)), Ok(expected), "{name}");
    }
}

#[test]
fn a_secret_that_is_asked_for_is_read() {
    let webhooks = ours("zendesk").extension.webhooks.expect("it subscribes");
    let body = json!({ "signing_secret": { "algorithm": "SHA256", "secret": "dGhpcw==" } });
    assert_eq!(webhooks.told_secret(&reply(&body)).expect("a secret").expose(), "dGhpcw==");
}

/// The recipe finds an event's subject by itself; where it does, the connector must find the same one, or an event and a
/// reading of one record would never meet.
#[test]
fn the_samples_of_every_provider_mean_what_its_recipe_says() {
    let (mut met, mut versions) = (0, 0);
    for ours in all() {
        let name = ours.name;
        let recipe = catalogue().get(ours.extension.provider.as_deref().expect("a provider")).expect("a recipe");
        for sample in recipe.samples() {
            let Some(meaning) = ours.extension.meanings(&sample.event).next() else { continue };
            let vector = recipe.vectors().iter().find(|vector| vector.kind == Kind::Valid).expect("a valid vector");
            let (request, accepted) = signed(&recipe, vector, sample, 7).expect("a signed sample");
            let event = &accepted.events[0];
            let Ok(payload) = serde_json::from_slice::<Json>(&event.payload.bytes(&request.body)) else { continue };
            if meaning.is_hint() {
                continue;
            }
            // The older of two forms may lack the path; the recipe's own subject stands for it then.
            let Some(subject) = meaning.subject(&payload) else {
                assert!(event.subject.is_some(), "{name} '{}': nothing tells what it is about", sample.event);
                continue;
            };
            assert_eq!(Some(&subject), event.subject.as_ref(), "{name} '{}'", sample.event);
            let pointer = meaning.mapping.version.as_ref().map(|path| format!("/{}", path.join("/")));
            if pointer.is_some_and(|pointer| payload.pointer(&pointer).is_some()) {
                assert!(meaning.version(&payload).is_some(), "{name} '{}': its version cannot be read", sample.event);
                versions += 1;
            }
            met += 1;
        }
    }
    assert!(met >= 15 && versions >= 6, "{met} {versions}");
}
