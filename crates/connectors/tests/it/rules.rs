//! The rules of the engine that no recipe can switch off, and what becomes of odd but verified requests.

use std::io::Write;

use bytes::Bytes;
use connectors::provider::{
    Judgement, KeyError, Keys, Payload, Recipe, Role, RoleSecret, SECRETS_TOGETHER_MAX, Settings,
};
use domain::Assurance;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::request::{HMAC, Request, SIGNING, URL, accepted, code, hmac_hex, keys, recipe};

fn signed(body: &[u8]) -> Request {
    Request::new(body).header("x-sig", hmac_hex("key", body))
}

fn plain() -> Recipe {
    recipe(SIGNING, HMAC, "")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn signatures_that_are_missing_empty_repeated_or_odd_are_refused() {
    let recipe = plain();
    let keys = keys(&recipe, &["key"]);
    let good = hmac_hex("key", b"{}");
    for (request, expected) in [
        (Request::new("{}"), "signature_missing"),
        (Request::new("{}").header("x-sig", ""), "signature_missing"),
        (Request::new("{}").header("x-sig", good.clone()).header("x-sig", good.clone()), "duplicate_header"),
        (Request::new("{}").header("x-sig", good.to_uppercase()), "signature_malformed"),
        (Request::new("{}").header("x-sig", format!("{good} ")), "signature_malformed"),
        (Request::new("{}").header("x-sig", &good[..62]), "signature_mismatch"),
        (Request::new("{ }").header("x-sig", good.clone()), "signature_mismatch"),
        (Request::new("{}").header("x-sig", good.clone()).method("DELETE"), "method_refused"),
        (signed(b""), "signed_field_missing"),
    ] {
        assert_eq!(code(&request.judged(&recipe, &keys)), expected, "{:?}", request.headers);
    }
    assert_eq!(accepted(signed(b"{}").judged(&recipe, &keys)).assurance, Assurance::Body);
}

#[test]
fn threat_23_each_of_several_secrets_is_taken_and_told_apart() {
    let recipe = plain();
    for (secrets, used) in [(vec!["key", "old"], 0), (vec!["new", "key"], 1), (vec!["a", "b", "key"], 2)] {
        let accepted = accepted(signed(b"{}").judged(&recipe, &keys(&recipe, &secrets)));
        assert_eq!(accepted.secret, Some(used), "{secrets:?}");
    }
}

fn key_error(recipe: &Recipe, secrets: &[RoleSecret], settings: &[(&str, &str)]) -> KeyError {
    Keys::compile(recipe, secrets, &settings.iter().copied().collect::<Settings>()).expect_err("should not compile")
}

#[test]
fn keys_that_cannot_protect_are_errors_of_the_configuration() {
    let catalogue = connectors::provider::catalogue();
    let get = |name| catalogue.get(name).expect("listed");
    let with = |role, value: &str| [RoleSecret::new(role, value)];
    for (recipe, secrets, expected) in [
        ("github", vec![], "secret_missing"),
        ("github", with(None, "").to_vec(), "secret_empty"),
        ("github", with(Some(Role::Token), "x").to_vec(), "secret_role_unknown"),
        ("none", with(None, "x").to_vec(), "secret_not_taken"),
        ("standard-webhooks", with(None, "whsec_!").to_vec(), "secret_unusable"),
        ("standard-webhooks", with(None, "whsec_").to_vec(), "secret_unusable"),
        ("discord", with(None, "ab").to_vec(), "secret_unusable"),
        ("discord", with(Some(Role::Private), "ab").to_vec(), "secret_role_unknown"),
        ("sendgrid", with(None, "YWJj").to_vec(), "secret_unusable"),
        ("github", vec![RoleSecret::plain("x"); SECRETS_TOGETHER_MAX + 1], "secrets_too_many"),
    ] {
        let error = key_error(&get(recipe), &secrets, &[]);
        assert_eq!(error.code(), expected, "{error}");
    }
    for (settings, expected) in [
        ([("headers", "x")], "setting_unknown"),
        ([("algorithm", "md5")], "setting_unusable"),
        ([("header", "not a header")], "setting_unusable"),
        ([("id_pointer", "id")], "setting_unusable"),
        ([("tolerance", "soon")], "setting_unusable"),
    ] {
        let with_time: Vec<_> = settings.into_iter().chain([("timestamp_header", "x-time")]).collect();
        let error = key_error(&get("generic-hmac"), &with(None, "x"), &with_time);
        assert_eq!(error.code(), expected, "{error}");
    }
}

#[test]
fn a_plain_secret_gets_the_role_that_it_looks_like() {
    let gitlab = connectors::provider::catalogue().get("gitlab").expect("listed");
    assert_eq!(gitlab.role_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Some(Role::Signing));
    assert_eq!(gitlab.role_of("open sesame"), Some(Role::Token));
}

#[test]
fn roles_are_known_by_name() {
    assert_eq!(RoleSecret::named("", "x").map(|secret| secret.role()), Ok(None));
    for role in Role::ALL {
        assert_eq!(RoleSecret::named(role.as_str(), "x").map(|secret| secret.role()), Ok(Some(role)));
    }
    let error = RoleSecret::named("sining", "x").expect_err("no such role");
    assert_eq!(error.code(), "secret_role_unknown");
    assert!(error.to_string().contains("signing"), "{error}");
}

#[test]
fn threat_24_no_error_and_no_debug_output_shows_a_secret() {
    let recipe = connectors::provider::catalogue().get("standard-webhooks").expect("listed");
    let secret = RoleSecret::plain("whsec_hunter2!");
    let error = key_error(&recipe, std::slice::from_ref(&secret), &[]);
    let keys = keys(&plain(), &["hunter2"]);
    for shown in [error.to_string(), format!("{error:?}"), format!("{secret:?}"), format!("{keys:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_compressed_body_is_verified_as_received_and_read_inflated() {
    let recipe = plain();
    let keys = keys(&recipe, &["key"]);
    let wire = gzip(br#"{"type":"a.b"}"#);
    let request = signed(&wire).header("content-encoding", "gzip");
    let accepted = accepted(request.judged(&recipe, &keys));
    assert_eq!(&*accepted.events[0].event_type, "a.b");
    assert_eq!(accepted.events[0].payload, Payload::Inflated(Bytes::from_static(br#"{"type":"a.b"}"#)));

    let over_inflated = Request::new(wire.clone())
        .header("x-sig", hmac_hex("key", br#"{"type":"a.b"}"#))
        .header("content-encoding", "gzip");
    assert_eq!(code(&over_inflated.judged(&recipe, &keys)), "signature_mismatch");
}

#[test]
fn threat_08_bombs_and_odd_encodings_are_refused_and_never_inflated_unverified() {
    let recipe = plain();
    let keys = keys(&recipe, &["key"]);
    let bomb = gzip(&vec![0; 30 * 1024 * 1024]);
    let with = |body: &[u8], encoding| signed(body).header("content-encoding", encoding);
    assert_eq!(code(&with(&bomb, "gzip").judged(&recipe, &keys)), "body_too_large");
    let unsigned = Request::new(bomb).header("x-sig", hmac_hex("key", b"")).header("content-encoding", "gzip");
    assert_eq!(code(&unsigned.judged(&recipe, &keys)), "signature_mismatch");
    for (encoding, expected) in
        [("br", "encoding_refused"), ("gzip, gzip", "encoding_refused"), ("gzip", "body_unreadable")]
    {
        assert_eq!(code(&with(b"{}", encoding).judged(&recipe, &keys)), expected, "{encoding}");
    }
}

#[test]
fn a_sender_that_signs_inside_the_body_may_not_compress_it() {
    let twilio = connectors::provider::catalogue().get("twilio").expect("listed");
    let request = Request::new(gzip(b"a=1"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-encoding", "gzip")
        .header("x-twilio-signature", "AAAA");
    assert_eq!(code(&request.judged(&twilio, &keys(&twilio, &["x"]))), "encoding_refused");
}

#[test]
fn what_cannot_be_read_behind_a_valid_signature_is_still_one_event() {
    let recipe = recipe(
        SIGNING,
        HMAC,
        "event: { split: '', type: [[{ json: /type }]], type_otherwise: odd, id: [[{ json: /id }]] }",
    );
    let keys = keys(&recipe, &["key"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let many = format!("[{}0]", "0,".repeat(10_000));
    for body in ["not json", "{\"type\":", "\u{0}", r#"{"type":"x"} {"#, &deep, &many] {
        let events = accepted(signed(body.as_bytes()).judged(&recipe, &keys)).events;
        assert_eq!(events.len(), 1, "{:.20}", body);
        assert_eq!(&*events[0].event_type, "odd");
        assert_eq!(events[0].payload, Payload::Received(0..body.len()));
    }
    assert_eq!(accepted(signed(b"[]").judged(&recipe, &keys)).events, []);
}

#[test]
fn children_keep_their_bytes_and_equal_ones_are_numbered() {
    let recipe = recipe(
        SIGNING,
        HMAC,
        "event: { split: /items, type: [[{ json: /type }]], type_otherwise: odd, id: [[{ json: /id }]] }",
    );
    let body = br#"{"items": [ {"type":"a", "id":1} ,{"x": 1.0},{"x": 1.0} ]}"#;
    let events = accepted(signed(body).judged(&recipe, &keys(&recipe, &["key"]))).events;
    let body = Bytes::from_static(body);
    let said: Vec<_> = events
        .iter()
        .map(|event| (event.payload.bytes(&body), &*event.event_type, event.id.as_deref(), event.ordinal))
        .collect();
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    assert_eq!(
        said,
        [
            (bytes(r#"{"type":"a", "id":1}"#), "a", Some("1"), 0),
            (bytes(r#"{"x": 1.0}"#), "odd", None, 0),
            (bytes(r#"{"x": 1.0}"#), "odd", None, 1),
        ]
    );
    assert!(events.iter().all(|event| &*event.content_type == "application/json"));
}

#[test]
fn names_are_bounded_and_free_of_control_characters() {
    let recipe = plain();
    let body = format!(r#"{{"type":"a\u0000\u001b[31m{}"}}"#, "x".repeat(1000));
    let events = accepted(signed(body.as_bytes()).judged(&recipe, &keys(&recipe, &["key"]))).events;
    assert!(events[0].event_type.starts_with("a\u{fffd}\u{fffd}[31mxxx"), "{}", events[0].event_type);
    assert!(events[0].event_type.len() <= 2 * domain::event::LABEL_BYTES_MAX);
}

const ZOOM_LIKE: &str = "handshakes:
  - when: [{ equals: { value: { json: /event }, to: endpoint.url_validation } }]
    respond:
      status: 200
      body: { json: { plainToken: [{ echo: { json: /token } }], encryptedToken: [{ hmac: { hash: sha256, key: signing, of: [{ json: /token }], encoding: hex } }] } }
  - when: [{ method: GET }, { present: { query: challenge_code } }]
    respond:
      status: 200
      body: { json: { challengeResponse: [{ sha256: { of: [{ query: challenge_code }, { const: token }, { url: configured }], encoding: hex } }] } }
  - when: [{ method: GET }, { present: { query: hub.challenge } }, { equals_secret: { value: { query: hub.verify_token }, key: verify_token } }]
    respond: { status: 200, body: { text: [{ echo: { query: hub.challenge } }] } }
";
const TWO_SECRETS: &str = "[{ role: signing, about: a secret }, { role: verify_token, about: a token }]";

fn challenged(request: &Request) -> Result<String, String> {
    let recipe = recipe(TWO_SECRETS, HMAC, ZOOM_LIKE);
    let secrets = [RoleSecret::new(Some(Role::Signing), "key"), RoleSecret::new(Some(Role::VerifyToken), "meow")];
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("keys");
    match request.judged(&recipe, &keys) {
        Judgement::Handshake(reply) => {
            let nosniff = ("x-content-type-options".to_owned(), "nosniff".to_owned());
            assert!(reply.headers.contains(&nosniff), "{:?}", reply.headers);
            assert!(reply.headers.iter().any(|(name, _)| name == "content-type"), "{:?}", reply.headers);
            Ok(String::from_utf8(reply.body).expect("text"))
        }
        Judgement::Rejected(reason) => Err(reason.code.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn handshakes_echo_sign_and_hash() {
    let zoom = Request::new(r#"{"event":"endpoint.url_validation","token":"q9ibPhGeRZ6ayx5WTrXjRw"}"#);
    let mac = hmac_hex("key", b"q9ibPhGeRZ6ayx5WTrXjRw");
    assert_eq!(challenged(&zoom), Ok(format!(r#"{{"encryptedToken":"{mac}","plainToken":"q9ibPhGeRZ6ayx5WTrXjRw"}}"#)));
    let ebay = Request::new("").method("GET").url(&format!("{URL}?challenge_code=a1"));
    let hash = ring::digest::digest(&ring::digest::SHA256, format!("a1token{URL}?challenge_code=a1").as_bytes());
    let hash = data_encoding::HEXLOWER.encode(hash.as_ref());
    assert_eq!(challenged(&ebay), Ok(format!(r#"{{"challengeResponse":"{hash}"}}"#)));
    let meta = |token: &str, challenge: &str| {
        Request::new("").method("GET").url(&format!("{URL}?hub.challenge={challenge}&hub.verify_token={token}"))
    };
    assert_eq!(challenged(&meta("meow", "115")), Ok("115".to_owned()));
    assert_eq!(challenged(&meta("woof", "115")), Err("method_refused".to_owned()));
    assert_eq!(challenged(&meta("meow", "a%00b")), Err("challenge_refused".to_owned()));
    assert_eq!(challenged(&meta("meow", &"a".repeat(1025))), Err("challenge_refused".to_owned()));
}

#[test]
fn threat_05_a_handshake_that_signs_is_no_oracle_for_messages() {
    let ask = |token: &str| {
        let body = serde_json::json!({ "event": "endpoint.url_validation", "token": token }).to_string();
        challenged(&Request::new(body))
    };
    for event_shaped in [r#"{"type":"forged"}"#, "a=b", "", &"a".repeat(129), "a b", "a\nb"] {
        assert_eq!(ask(event_shaped), Err("challenge_refused".to_owned()), "{event_shaped}");
    }
    // And what it does sign is refused as a message.
    let stolen = Request::new("abc").header("x-sig", hmac_hex("key", b"abc"));
    assert_eq!(challenged(&stolen), Err("challenge_refused".to_owned()));
}

#[test]
fn of_several_branches_the_nearest_miss_is_told() {
    let gitlab = connectors::provider::catalogue().get("gitlab").expect("listed");
    let secrets = [RoleSecret::new(Some(Role::Token), "sesame"), RoleSecret::plain("whsec_YWJj")];
    let keys = Keys::compile(&gitlab, &secrets, &Settings::default()).expect("keys");
    let wrong = Request::new("{}").header("x-gitlab-token", "open");
    assert_eq!(code(&wrong.judged(&gitlab, &keys)), "signature_mismatch");
    assert_eq!(code(&Request::new("{}").judged(&gitlab, &keys)), "signature_missing");
    let twice = Request::new("{}")
        .header("x-gitlab-token", "sesame")
        .header("webhook-signature", "v1,a")
        .header("webhook-signature", "v1,a");
    assert_eq!(code(&twice.judged(&gitlab, &keys)), "duplicate_header", "although the token is right");
}

#[test]
fn what_passed_together_is_as_strong_as_the_way_it_passed() {
    let secrets = "[{ role: signing, about: a secret }, { role: token, about: a token }, { role: basic, about: user }]";
    let either = format!("{{ any_of: [{HMAC}, {{ token: {{ key: token, from: {{ header: x-token }} }} }}] }}");
    let recipe = recipe(secrets, &format!("{{ all_of: [{either}, {{ basic: {{ key: basic }} }}] }}"), "");
    let secrets = [(Role::Signing, "key"), (Role::Token, "sesame"), (Role::Basic, "a:b")];
    let secrets = secrets.map(|(role, value)| RoleSecret::new(Some(role), value));
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("keys");
    let basic = |request: Request| request.header("authorization", "Basic YTpi");
    let by_token = basic(Request::new("{}").header("x-token", "sesame"));
    assert_eq!(accepted(by_token.judged(&recipe, &keys)).assurance, Assurance::Shared);
    assert_eq!(accepted(basic(signed(b"{}")).judged(&recipe, &keys)).assurance, Assurance::Body);
    assert_eq!(code(&signed(b"{}").judged(&recipe, &keys)), "signature_missing", "without the other half");
}

#[test]
fn basic_credentials_are_compared_whole() {
    let recipe = recipe("[{ role: basic, about: user and password }]", "{ basic: { key: basic } }", "");
    let keys = keys(&recipe, &["ada:secret:with:colons"]);
    let with = |value: &str| Request::new("{}").header("authorization", value);
    let encoded = data_encoding::BASE64.encode(b"ada:secret:with:colons");
    let accepted = accepted(with(&format!("bAsIc {encoded}")).judged(&recipe, &keys));
    assert_eq!(accepted.assurance, Assurance::Shared);
    for (value, expected) in [
        (format!("Bearer {encoded}"), "signature_missing"),
        ("Basic".to_owned(), "signature_missing"),
        ("Basic !".to_owned(), "signature_malformed"),
        ("Basic YWRhOg==".to_owned(), "signature_mismatch"),
    ] {
        assert_eq!(code(&with(&value).judged(&recipe, &keys)), expected, "{value}");
    }
}
