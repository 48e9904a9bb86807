//! Keys: made once, shown once, revoked at once; the first one; and requests that are repeated.

use api::{FirstKey, FirstKeyError, ensure_first_key};
use domain::Timestamp;
use engine::entropy::SeededEntropy;
use serde_json::json;
use store_sqlite::{OpenOptions, SqliteStore};

use crate::gateway::{Call, Gateway};

#[tokio::test]
async fn a_key_is_shown_once_opens_what_it_says_and_ends_when_revoked() {
    let gateway = Gateway::start().await;
    let new = json!({ "scopes": ["read"], "note": "a reader" });
    let made = gateway.call(Call::post("/api/v1/api-keys").json(&new)).await;
    assert_eq!(made.status, 201);
    let (key, id) = (made.json()["key"].as_str().expect("a key").to_owned(), made.json()["id"].clone());
    let read = || Call::get("/api/v1/events").key(&key);
    assert_eq!(gateway.call(read()).await.status, 200);
    let denied = gateway.call(Call::post("/api/v1/api-keys").key(&key).json(&new)).await;
    assert_eq!((denied.status.as_u16(), denied.code().as_str()), (403, "forbidden"));
    let list = gateway.call(Call::get("/api/v1/api-keys")).await;
    assert!(!String::from_utf8_lossy(&list.body).contains(key.rsplit('_').next().expect("a secret")));
    let path = format!("/api/v1/api-keys/{}", id.as_str().expect("an id"));
    assert_eq!(gateway.call(Call::new("DELETE", &path)).await.status, 204);
    assert_eq!(gateway.call(read()).await.status, 401, "at once, although it was used a moment ago");
    assert_eq!(gateway.call(Call::new("DELETE", "/api/v1/api-keys/nope")).await.code(), "not_found");
}

#[tokio::test]
async fn a_repeated_creation_gets_the_first_answer_but_no_secret() {
    let gateway = Gateway::start().await;
    let make = |note: &str| {
        let new = json!({ "scopes": ["read"], "note": note });
        gateway.call(Call::post("/api/v1/api-keys").json(&new).header("idempotency-key", "once"))
    };
    let first = make("a").await;
    let again = make("a").await;
    assert_eq!((first.status, again.status), (http::StatusCode::CREATED, http::StatusCode::CREATED));
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert!(first.json()["key"].is_string() && again.json()["key"].is_null());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(make("b").await.code(), "idempotency_key_reused");
    let keys = gateway.call(Call::get("/api/v1/api-keys")).await;
    assert_eq!(keys.ids().len(), 2, "the first key and this one");
}

#[tokio::test]
async fn the_same_creation_twice_at_once_is_carried_out_once() {
    let gateway = Gateway::start().await;
    let new = json!({ "scopes": ["read"] });
    let make = || gateway.call(Call::post("/api/v1/api-keys").json(&new).header("idempotency-key", "race"));
    let answers = tokio::join!(make(), make(), make(), make());
    for answer in [&answers.0, &answers.1, &answers.2, &answers.3] {
        assert!(answer.status == 201 || answer.code() == "idempotency_in_progress", "{answer:?}");
    }
    assert_eq!(gateway.call(Call::get("/api/v1/api-keys")).await.ids().len(), 2, "the first key and one more");
}

#[tokio::test]
async fn what_failed_may_be_tried_again_under_the_same_key() {
    let gateway = Gateway::start().await;
    let make = |scopes: serde_json::Value| {
        let new = json!({ "scopes": scopes });
        gateway.call(Call::post("/api/v1/api-keys").json(&new).header("idempotency-key", "again"))
    };
    assert_eq!(make(json!([])).await.status, 422);
    assert_eq!(make(json!([])).await.status, 422);
    assert_eq!(make(json!(["read"])).await.status, 201);
}

#[tokio::test]
async fn the_owner_makes_the_first_key_of_a_tenant_which_makes_keys_of_its_own_only() {
    let gateway = Gateway::start().await;
    let make = async |tenant: Option<&str>, key: &str| {
        let new = json!({ "scopes": ["admin"], "tenant": tenant });
        gateway.call(Call::post("/api/v1/api-keys").key(key).json(&new)).await
    };
    let made = make(Some("acme"), &gateway.admin).await;
    assert_eq!((made.status.as_u16(), &made.json()["tenant"]), (201, &json!("acme")), "{made:?}");
    let acme = made.json()["key"].as_str().expect("a key").to_owned();
    let listed = gateway.call(Call::get("/api/v1/api-keys").key(&acme)).await.ids();
    assert_eq!(listed, [made.json()["id"].as_str().expect("an id")], "it sees its own and no other");
    for (tenant, status) in [(None, 201), (Some("acme"), 201), (Some("default"), 403), (Some("other"), 403)] {
        let made = make(tenant, &acme).await;
        assert_eq!(made.status.as_u16(), status, "{tenant:?}: {made:?}");
        assert!(status == 403 || made.json()["tenant"] == "acme");
    }
    assert_eq!(make(Some("a b"), &gateway.admin).await.json()["errors"][0]["field"], "tenant");
}

#[tokio::test]
async fn keys_of_other_tenants_are_other_keys_for_repetition() {
    let gateway = Gateway::start().await;
    let other = gateway.key_of("other", &["admin"]).await;
    let new = json!({ "scopes": ["read"] });
    let call = || Call::post("/api/v1/api-keys").json(&new).header("idempotency-key", "same");
    let (one, two) = (gateway.call(call()).await, gateway.call(call().key(&other)).await);
    assert!(one.json()["key"].is_string() && two.json()["key"].is_string());
}

#[tokio::test]
async fn the_first_key_is_made_once_or_given_and_taken_back_by_giving_another() {
    let store = SqliteStore::open(OpenOptions::memory()).expect("a store in memory opens");
    let entropy = SeededEntropy::new(7);
    let ensure = |given: Option<&'static str>| ensure_first_key(&store, given, &entropy, Timestamp::from_secs(1));
    assert!(matches!(ensure(None).await, Ok(FirstKey::Created(_))));
    assert!(matches!(ensure(None).await, Ok(FirstKey::Exists)));
    for wrong in ["", "secret", "trk_admin_short"] {
        assert!(matches!(ensure(Some(wrong)).await, Err(FirstKeyError::NotAKey)), "{wrong}");
    }
    const ONE: &str = "trk_one_0123456789abcdef0123456789abcdef";
    const TWO: &str = "trk_two_0123456789abcdef0123456789abcdef";
    for given in [ONE, ONE, TWO] {
        assert!(matches!(ensure(Some(given)).await, Ok(FirstKey::Given)));
    }
    assert!(matches!(ensure(Some(ONE)).await, Ok(FirstKey::GivenButRevoked)), "giving another took it back");
    let same_name = ensure(Some("trk_two_ffffffffffffffffffffffffffffffff")).await;
    assert!(matches!(same_name, Err(FirstKeyError::NameTaken(name)) if name == "two"));
}

#[tokio::test]
async fn the_first_key_is_given_by_several_nodes_that_start_at_once() {
    let store = SqliteStore::open(OpenOptions::memory()).expect("a store in memory opens");
    let entropy = SeededEntropy::new(7);
    let ensure = |given: &'static str| ensure_first_key(&store, Some(given), &entropy, Timestamp::from_secs(1));
    let same = "trk_admin_0123456789abcdef0123456789abcdef";
    // Each looks for it before any has made it.
    let (one, two) = tokio::join!(ensure(same), ensure(same));
    assert_eq!((one.expect("given"), two.expect("given")), (FirstKey::Given, FirstKey::Given));

    let (a, b) = ("trk_twin_0123456789abcdef0123456789abcdef", "trk_twin_ffffffffffffffffffffffffffffffff");
    let mut ends = <[_; 2]>::from(tokio::join!(ensure(a), ensure(b)));
    ends.sort_by_key(Result::is_err);
    let [first, late] = ends;
    assert_eq!(first.expect("one of them is the first"), FirstKey::Given);
    assert!(matches!(late, Err(FirstKeyError::NameTaken(name)) if name == "twin"), "one name is one key");
}
