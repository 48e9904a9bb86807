//! Keys that a sender's API gives out to who has credentials: asked for once, by them alone and nowhere else, and waited
//! for whenever the API gives none. The requests are the vectors of eBay and of Plaid.

use std::sync::Arc;
use std::time::Duration;

use connectors::provider::{Kind, PublishedKey, Vector, catalogue};
use data_encoding::BASE64;
use domain::Tenant;
use domain::request::Verdict;
use engine::clock::SharedClock;
use engine::receive::Receipt;
use engine::spec::{RoleSecret, Secret, SourceSpec, Specs};
use store::read::{EventFilter, Page, RequestFilter};
use testkit::sim_clock::SimClock;

use crate::rig::{Rig, listening, memory};

const TOKEN_URL: &str = "https://api.ebay.com/identity/v1/oauth2/token";
const TOKEN: &str = r#"{"access_token":"v^1.1#oars","expires_in":7200,"token_type":"Application Access Token"}"#;

fn vector(provider: &str, kind: Kind) -> Vector {
    let recipe = catalogue().get(provider).expect("listed");
    let mut of_kind = recipe.vectors().iter().filter(|vector| vector.kind == kind && vector.not_applicable.is_none());
    of_kind.find(|vector| kind != Kind::Valid || !vector.fetched.is_empty()).expect("it has one").clone()
}

fn key(vector: &Vector) -> &PublishedKey {
    &vector.fetched[0]
}

fn source(name: &str, vector: &Vector, credentials: &str) -> SourceSpec {
    let api = RoleSecret::new("api".to_owned(), Secret::new(credentials.to_owned()));
    let others = vector.secrets.iter().filter(|(role, _)| role.as_str() == "verify_token");
    let others = others.map(|(role, value)| RoleSecret::new(role.to_string(), Secret::new(value.clone())));
    let provider = if vector.fetched[0].url.contains("ebay") { "ebay" } else { "plaid" };
    listening(name, provider, std::iter::once(api).chain(others).collect())
}

/// Sources that take this vector, each by its own credentials; the API answers as the vector says.
async fn rig(vector: &Vector, sources: &[(&str, &str)]) -> Rig {
    let sources = sources.iter().map(|(name, credentials)| source(name, vector, credentials)).collect();
    let clock: SharedClock = Arc::new(SimClock::starting_at(vector.at));
    let rig = Rig::at(memory(), Specs { sources, ..Specs::default() }, clock).await;
    answer(&rig, TOKEN_URL, 200, TOKEN);
    answer(&rig, &key(vector).url, 200, &key(vector).body);
    rig
}

fn answer(rig: &Rig, url: &str, status: u16, body: &str) {
    rig.network.answers.lock().expect("nobody panicked").insert(url.to_owned(), (status, body.to_owned()));
}

fn heard(rig: &Rig) -> Vec<[String; 4]> {
    rig.network.heard.lock().expect("nobody panicked").clone()
}

async fn send(rig: &Rig, source: &str, vector: &Vector) -> Receipt {
    rig.engine.receive(rig.request(source, vector.headers.clone(), vector.body.clone())).await
}

fn events(receipt: &Receipt) -> usize {
    match receipt {
        Receipt::Accepted { events, .. } => events.len(),
        other => panic!("accepted, not {other:?}"),
    }
}

async fn pending(rig: &Rig) -> usize {
    let filter = RequestFilter { verdict: Some(Verdict::Pending), ..RequestFilter::default() };
    rig.store.requests(Tenant::default_tenant(), filter, Page::first(100)).await.expect("requests").rows.len()
}

async fn stored(rig: &Rig) -> usize {
    rig.store
        .events(Tenant::default_tenant(), EventFilter::default(), Page::first(100))
        .await
        .expect("events")
        .rows
        .len()
}

#[tokio::test(start_paused = true)]
async fn a_key_is_asked_for_by_the_sources_credentials_once_for_all_who_wait() {
    let valid = vector("ebay", Kind::Valid);
    let rig = rig(&valid, &[("shop", "an-app:a-cert")]).await;
    let several = (0..20).map(|_| send(&rig, "shop", &valid));
    let accepted: usize = futures_util::future::join_all(several).await.iter().map(events).sum();
    assert_eq!(accepted, 20);
    let basic = format!("Basic {}", BASE64.encode(b"an-app:a-cert"));
    let form = "grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope";
    let asked = ["POST", TOKEN_URL, &basic, form].map(str::to_owned);
    let got = ["GET", &key(&valid).url, "Bearer v^1.1#oars", ""].map(str::to_owned);
    assert_eq!(heard(&rig), [asked, got], "one token and one key, and each credential to its own place");
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_is_what_the_recipe_says() {
    let valid = vector("plaid", Kind::Valid);
    let rig = rig(&valid, &[("bank", "a-client:a:secret")]).await;
    assert_eq!(events(&send(&rig, "bank", &valid).await), 1);
    let posted = key(&valid).posted.clone().expect("the vector says what is posted");
    assert_eq!(heard(&rig), [["POST".to_owned(), key(&valid).url.clone(), String::new(), posted]]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_one_source_got_is_not_anothers() {
    let valid = vector("ebay", Kind::Valid);
    let rig = rig(&valid, &[("one", "an-app:a-cert"), ("two", "an-app:another")]).await;
    assert_eq!(events(&send(&rig, "one", &valid).await), 1);
    answer(&rig, TOKEN_URL, 401, "{}");
    assert_eq!(events(&send(&rig, "two", &valid).await), 0, "its own credentials are refused");
    assert_eq!(pending(&rig).await, 1);
    assert_eq!(heard(&rig).len(), 3, "{:?}", heard(&rig));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_while_the_api_gives_no_key_and_becomes_its_event() {
    let valid = vector("ebay", Kind::Valid);
    for (url, status, body) in [
        (TOKEN_URL, 401, r#"{"error":"invalid_client"}"#),
        (TOKEN_URL, 200, r#"{"access_token":"a\nb","expires_in":7200}"#),
        (TOKEN_URL, 500, ""),
        (key(&valid).url.as_str(), 401, "{}"),
        (key(&valid).url.as_str(), 429, "{}"),
        (key(&valid).url.as_str(), 200, "<html>"),
        (key(&valid).url.as_str(), 301, ""),
    ] {
        let rig = rig(&valid, &[("shop", "an-app:a-cert")]).await;
        answer(&rig, url, status, body);
        assert_eq!(events(&send(&rig, "shop", &valid).await), 0, "{url} {status}");
        assert_eq!((pending(&rig).await, stored(&rig).await), (1, 0), "{url} {status}");
        answer(&rig, TOKEN_URL, 200, TOKEN);
        answer(&rig, &key(&valid).url, 200, &key(&valid).body);
        rig.pass(Duration::from_secs(5 * 60)).await;
        assert_eq!((pending(&rig).await, stored(&rig).await), (0, 1), "{url} {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_api_knows_not_is_refused_and_a_storm_of_names_is_a_few_questions() {
    let mut made_up = vector("ebay", Kind::Valid);
    let rig = rig(&made_up, &[("shop", "an-app:a-cert")]).await;
    let signed = made_up.headers.iter().position(|(name, _)| &**name == "x-ebay-signature").expect("signed");
    let (mut refused, mut told_to_wait) = (0, 0);
    for number in 0..200 {
        let header = format!(r#"{{"alg":"ecdsa","kid":"made-up-{number}","signature":"MEUCIQ==","digest":"SHA1"}}"#);
        made_up.headers[signed].1 = BASE64.encode(header.as_bytes()).into();
        answer(&rig, &format!("https://api.ebay.com/commerce/notification/v1/public_key/made-up-{number}"), 404, "{}");
        match send(&rig, "shop", &made_up).await {
            Receipt::Rejected { .. } => refused += 1,
            Receipt::Unavailable { .. } => told_to_wait += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0 && told_to_wait > 0 && refused + told_to_wait == 200);
    assert!(heard(&rig).len() <= 31, "thirty keys and a token, not {}", heard(&rig).len());
    assert_eq!(pending(&rig).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_until_shortly_before_its_end_or_until_it_is_refused() {
    let valid = vector("ebay", Kind::Valid);
    let rig = rig(&valid, &[("shop", "an-app:a-cert")]).await;
    let tokens = |rig: &Rig| heard(rig).iter().filter(|said| said[1] == TOKEN_URL).count();
    answer(&rig, TOKEN_URL, 200, &TOKEN.replace("7200", "5400"));
    let mut told = Vec::new();
    for (minutes, status) in [(0, 200), (61, 200), (61, 401), (1, 200)] {
        rig.pass(Duration::from_secs(minutes * 60)).await;
        answer(&rig, &key(&valid).url, status, &key(&valid).body);
        send(&rig, "shop", &valid).await;
        told.push(tokens(&rig));
    }
    assert_eq!(told[..2], [1, 2], "an hour is the longest that one is used");
    assert!(told[3] > told[2], "one that was refused is not used again: {told:?}");
}
