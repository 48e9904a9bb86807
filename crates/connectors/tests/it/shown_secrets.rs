//! What an accepted event keeps of its request: never the secret that its sender shows in it.

use std::collections::BTreeSet;

use connectors::provider::{Kind, Recipe, Settings, Vector};
use data_encoding::BASE64;
use domain::Tenant;
use domain::request::{Head, InboundRequest, MASK};

use crate::catalogue::recipes;

fn request(vector: &Vector) -> InboundRequest {
    InboundRequest {
        id: "req_00000000000000000000000000".parse().expect("an id"),
        tenant: Tenant::default_tenant(),
        source: "harbour".parse().expect("a name"),
        connection: "".into(),
        method: vector.method.as_str().into(),
        url: vector.url.as_str().into(),
        headers: vector.headers.clone(),
        body: vector.body.clone(),
        remote: "192.0.2.1".into(),
        received_at: vector.at,
    }
}

/// The vector's secrets as they may stand in a request, the credentials of basic authentication among them.
fn spellings(vector: &Vector) -> Vec<String> {
    let secrets = vector.secrets.iter().map(|(_, secret)| secret.clone());
    secrets.flat_map(|secret| [BASE64.encode(secret.as_bytes()), secret]).collect()
}

/// Whether the request shows one of them outside of its body.
fn shows(request: &InboundRequest, spellings: &[String]) -> bool {
    let values = request.headers.iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    values.chain([request.url.to_string()]).any(|text| spellings.iter().any(|secret| text.contains(secret)))
}

#[test]
fn no_event_keeps_the_secret_that_its_sender_shows_in_a_header_or_the_query() {
    let mut senders = BTreeSet::new();
    for recipe in recipes() {
        let valid = recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid);
        for vector in valid.filter(|vector| vector.not_applicable.is_none()) {
            let (request, spellings) = (request(vector), spellings(vector));
            let places = recipe.secret_places(&vector.settings).expect("a vector's settings");
            let head = request.encode_head(&places);
            let text = String::from_utf8_lossy(&head).into_owned();
            let left = spellings.iter().find(|secret| text.contains(*secret));
            assert_eq!(left, None, "{} '{}' keeps it: {text}", recipe.name(), vector.name);
            if shows(&request, &spellings) {
                senders.insert(recipe.name().to_owned());
            }
        }
    }
    for name in ["telegram", "google-drive", "buildkite", "zapier", "fillout", "brevo", "jotform"] {
        assert!(senders.contains(name), "{name} shows its secret: {senders:?}");
    }
    assert!(senders.len() >= 20, "{senders:?}");
}

#[test]
fn a_header_that_a_setting_names_is_masked_and_a_signature_is_not() {
    let recipes = recipes();
    let of = |name: &str| recipes.iter().find(|recipe| recipe.name() == name).expect("listed");
    let settings: Settings = [("header", "X-From-CMS")].into_iter().collect();
    let headers = |recipe: &Recipe, settings: &Settings| recipe.secret_places(settings).expect("settings").headers;
    assert_eq!(headers(of("strapi"), &settings), [Box::from("x-from-cms")].into());
    assert_eq!(headers(of("brevo"), &Settings::default()), [Box::from("authorization")].into());
    assert!(headers(of("github"), &Settings::default()).is_empty());
    let vector = of("github").vectors().iter().find(|vector| vector.kind == Kind::Valid).expect("a valid one");
    let places = of("github").secret_places(&vector.settings).expect("settings");
    let head = Head::decode(&request(vector).encode_head(&places));
    assert!(head.headers.iter().any(|(name, value)| name == "x-hub-signature-256" && value != MASK), "{head:?}");
}
