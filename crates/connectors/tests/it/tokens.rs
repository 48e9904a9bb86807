//! Threat 6: what passes as a token, and what a token cannot talk its way into.

use connectors::provider::{KeyError, Keys, Recipe, Role, RoleSecret, Settings};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use domain::Assurance;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::keys::{ED25519, P256, RSA, pem, pkcs8};
use crate::request::{NOW, Request, SIGNING, accepted, code, keys, recipe};

const BEARER: &str = "{ transform: { of: { header: authorization }, by: [{ trim_prefix: 'Bearer ' }] } }";
const PUBLIC: &str = "[{ role: public, about: a key, encoding: pem, form: spki }]";

fn jws(rest: &str) -> String {
    format!("{{ jws: {{ from: {BEARER}, {rest} }} }}")
}

fn part(json: &str) -> String {
    BASE64URL_NOPAD.encode(json.as_bytes())
}

fn claims(more: &str) -> String {
    let (issued, expires) = (NOW.as_secs(), NOW.as_secs() + 300);
    format!(r#"{{"iss":"sender","aud":["us","them"],"iat":{issued},"exp":{expires}{more}}}"#)
}

fn hs256(secret: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", part(header), part(payload));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(ring::hmac::sign(&key, message.as_bytes()).as_ref()))
}

fn request(token: &str) -> Request {
    Request::new("body").header("authorization", format!("Bearer {token}"))
}

const HS: &str = "algorithms: [HS256], key: signing";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn strict() -> (Recipe, Keys) {
    let rest = format!(
        "{HS}, issuer: [sender], audience: [{{ const: us }}], claims: [{{ claim: /sub, equals: {{ const: a }} }}], issued: {{ past: 5m, future: 1m }}"
    );
    let recipe = recipe(SIGNING, &jws(&rest), "");
    let keys = keys(&recipe, &["secret"]);
    (recipe, keys)
}

#[test]
fn a_token_proves_where_a_request_is_from_and_a_digest_in_it_proves_the_body() {
    let (strict, strict_keys) = strict();
    let judged = request(&hs256("secret", HEADER, &claims(r#","sub":"a""#))).judged(&strict, &strict_keys);
    assert_eq!(accepted(judged).assurance, Assurance::Origin);

    let bound = recipe(
        SIGNING,
        &jws(&format!("{HS}, bind: {{ claim: /digest, hash: sha256, encoding: hex, of: [body] }}")),
        "event: { type: [[{ claim: /sub }]], type_otherwise: unknown }",
    );
    let bound_keys = keys(&bound, &["secret"]);
    let digest = HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, b"body").as_ref());
    let token = hs256("secret", HEADER, &claims(&format!(r#","sub":"made","digest":"{digest}""#)));
    let accepted = accepted(request(&token).judged(&bound, &bound_keys));
    assert_eq!((accepted.assurance, &*accepted.events[0].event_type), (Assurance::Body, "made"));
    let other = Request { body: b"bodz".to_vec(), ..request(&token) };
    assert_eq!(code(&other.judged(&bound, &bound_keys)), "signature_mismatch");
    let unbound = request(&hs256("secret", HEADER, &claims("")));
    assert_eq!(code(&unbound.judged(&bound, &bound_keys)), "signed_field_missing");
}

#[test]
fn threat_06_jwt_confusion_of_algorithms_is_refused() {
    let (recipe, keys) = strict();
    let good = claims(r#","sub":"a""#);
    for (header, expected) in [
        (r#"{"alg":"none"}"#, "signature_malformed"),
        (r#"{"alg":"None"}"#, "signature_malformed"),
        (r#"{"alg":"HS512"}"#, "signature_malformed"),
        (r#"{"alg":"hs256"}"#, "signature_malformed"),
        (r#"{"alg":"HS256","crit":["x"]}"#, "signature_malformed"),
        (r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, "signature_malformed"),
        (r#"{"typ":"JWT"}"#, "signature_malformed"),
    ] {
        assert_eq!(code(&request(&hs256("secret", header, &good)).judged(&recipe, &keys)), expected, "{header}");
    }
    let unsigned = format!("{}.{}.", part(HEADER), part(&good));
    assert_eq!(code(&request(&unsigned).judged(&recipe, &keys)), "signature_mismatch");
    assert_eq!(code(&request(&hs256("other", HEADER, &good)).judged(&recipe, &keys)), "signature_mismatch");
}

#[test]
fn threat_06_jwt_confusion_of_key_kinds_is_refused() {
    let rsa = RsaKeyPair::from_pkcs8(&pkcs8(RSA)).expect("a key");
    let public = pem(RSA);
    let asymmetric = recipe(PUBLIC, &jws("algorithms: [RS256], key: public"), "");
    let secrets = [RoleSecret::new(Some(Role::Public), public.as_str())];
    let public_keys = Keys::compile(&asymmetric, &secrets, &Settings::default()).expect("a key");
    let message = format!("{}.{}", part(r#"{"alg":"RS256"}"#), part(&claims("")));
    let mut signature = vec![0; rsa.public().modulus_len()];
    rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("signs");
    let token = format!("{message}.{}", BASE64URL_NOPAD.encode(&signature));
    assert_eq!(accepted(request(&token).judged(&asymmetric, &public_keys)).assurance, Assurance::Origin);

    // The public key's own text as the key of a MAC: by the token, and by the owner's mistake.
    let confused = hs256(&public, HEADER, &claims(""));
    assert_eq!(code(&request(&confused).judged(&asymmetric, &public_keys)), "signature_malformed");
    let symmetric = recipe(SIGNING, &jws(HS), "");
    let mistaken = Keys::compile(&symmetric, &[RoleSecret::plain(public)], &Settings::default());
    assert!(matches!(mistaken, Err(KeyError::UnusableSecret { .. })), "{mistaken:?}");

    // A key that the token brings along.
    let brought = format!(r#"{{"alg":"HS256","jwk":{{"kty":"oct","k":"{}"}}}}"#, part("attacker"));
    let symmetric_keys = keys(&symmetric, &["secret"]);
    let judged = request(&hs256("attacker", &brought, &claims(""))).judged(&symmetric, &symmetric_keys);
    assert_eq!(code(&judged), "signature_mismatch");
}

#[test]
fn threat_06_jwt_confusion_of_claims_is_refused() {
    let (recipe, keys) = strict();
    let now = NOW.as_secs();
    let with =
        |iss: &str, aud: &str, sub: &str, times: String| format!(r#"{{"iss":{iss},"aud":{aud},"sub":{sub}{times}}}"#);
    let times = |issued: i64, expires: i64| format!(r#","iat":{issued},"exp":{expires}"#);
    let fresh = || times(now, now + 300);
    for (payload, expected) in [
        (with(r#""sender""#, r#""us""#, r#""a""#, fresh()), ""),
        (with(r#""other""#, r#""us""#, r#""a""#, fresh()), "claim_refused"),
        (with("null", r#""us""#, r#""a""#, fresh()), "claim_refused"),
        (with(r#""sender""#, r#""them""#, r#""a""#, fresh()), "claim_refused"),
        (with(r#""sender""#, "null", r#""a""#, fresh()), "claim_refused"),
        (with(r#""sender""#, "[]", r#""a""#, fresh()), "claim_refused"),
        (with(r#""sender""#, r#""us""#, r#""b""#, fresh()), "claim_refused"),
        (with(r#""sender""#, r#""us""#, r#"["a"]"#, fresh()), "claim_refused"),
        (with(r#""sender""#, r#""us""#, r#""a""#, times(now, now - 61)), "timestamp_stale"),
        (with(r#""sender""#, r#""us""#, r#""a""#, times(now - 301, now + 300)), "timestamp_stale"),
        (with(r#""sender""#, r#""us""#, r#""a""#, times(now + 61, now + 300)), "timestamp_in_future"),
        (with(r#""sender""#, r#""us""#, r#""a""#, format!(r#"{},"nbf":{}"#, fresh(), now + 61)), "timestamp_in_future"),
        (with(r#""sender""#, r#""us""#, r#""a""#, format!(r#","exp":{}"#, now + 300)), "timestamp_missing"),
        (with(r#""sender""#, r#""us""#, r#""a""#, format!(r#","iat":{now}"#)), "timestamp_missing"),
        (with(r#""sender""#, r#""us""#, r#""a""#, format!(r#","iat":{now},"exp":"later""#)), "timestamp_unreadable"),
        ("[]".to_owned(), "claim_refused"),
    ] {
        let judged = request(&hs256("secret", HEADER, &payload)).judged(&recipe, &keys);
        match expected {
            "" => drop(accepted(judged)),
            expected => assert_eq!(code(&judged), expected, "{payload}"),
        }
    }
}

#[test]
fn threat_06_jwt_confusion_of_key_names_is_refused() {
    let recipe = recipe(SIGNING, &jws(HS), "");
    let secrets = [RoleSecret::plain("one").called("k1"), RoleSecret::plain("two").called("k2")];
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("keys");
    let signed = |secret: &str, kid: &str| hs256(secret, &format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), &claims(""));
    assert_eq!(accepted(request(&signed("two", "k2")).judged(&recipe, &keys)).secret, Some(1));
    assert_eq!(code(&request(&signed("two", "k1")).judged(&recipe, &keys)), "signature_mismatch");
    assert_eq!(code(&request(&signed("two", "k3")).judged(&recipe, &keys)), "signature_mismatch");
}

#[test]
fn detached_tokens_cover_the_body_encoded_or_not() {
    let rest = "algorithms: [ES256], key: public, detached: [body], no_expiry: the sender says nothing of time";
    let recipe = recipe(PUBLIC, &jws(rest), "");
    let secrets = [RoleSecret::new(Some(Role::Public), pem(P256))];
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("a key");
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8(P256), &rng).expect("a key");
    let token = |header: &str, signed: &str| {
        let message = format!("{}.{signed}", part(header));
        let signature = pair.sign(&rng, message.as_bytes()).expect("signs");
        format!("{}..{}", part(header), BASE64URL_NOPAD.encode(signature.as_ref()))
    };
    let raw = token(r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#, "body");
    let encoded = token(r#"{"alg":"ES256"}"#, &part("body"));
    for token in [&raw, &encoded] {
        assert_eq!(accepted(request(token).judged(&recipe, &keys)).assurance, Assurance::Body);
        let other = Request { body: b"bodz".to_vec(), ..request(token) };
        assert_eq!(code(&other.judged(&recipe, &keys)), "signature_mismatch");
    }
    let carrying = raw.replacen("..", &format!(".{}.", part("body")), 1);
    assert_eq!(code(&request(&carrying).judged(&recipe, &keys)), "signature_malformed");
}

#[test]
fn a_body_that_is_a_token_is_read_inside() {
    let secrets = "[{ role: public, about: a key, form: jwk }]";
    let verify = "{ jws: { from: body, algorithms: [EdDSA], key: public } }";
    let event = "event: { within: { transform: { of: body, by: [jws_payload] } }, type: [[{ json: /type }]], type_otherwise: x, id: [[{ json: /id }]] }";
    let recipe = recipe(secrets, verify, event);
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8(ED25519)).expect("a key");
    let jwk = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{}"}}"#,
        BASE64URL_NOPAD.encode(pair.public_key().as_ref())
    );
    let keys = Keys::compile(&recipe, &[RoleSecret::plain(jwk)], &Settings::default()).expect("a key");
    let token = |kid: &str| {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        let message = format!("{}.{}", part(&header), part(&claims(r#","type":"user.created","id":"7""#)));
        format!("{message}.{}", BASE64URL_NOPAD.encode(pair.sign(message.as_bytes()).as_ref()))
    };
    let accepted = accepted(Request::new(token("k")).judged(&recipe, &keys));
    assert_eq!(accepted.assurance, Assurance::Body);
    assert_eq!((&*accepted.events[0].event_type, accepted.events[0].id.as_deref()), ("user.created", Some("7")));
    assert_eq!(code(&Request::new(token("other")).judged(&recipe, &keys)), "signature_mismatch");
}

#[test]
fn recipes_that_would_let_a_token_choose_are_mistakes() {
    for (rest, said) in [
        ("algorithms: [], key: signing", "at least one algorithm"),
        ("algorithms: [HS256, RS256], key: signing", "different families"),
        ("algorithms: [RS256], key: signing", "role 'public'"),
        ("algorithms: [none], key: signing", "none"),
        ("algorithms: [HS256], key: signing, no_expiry: ''", "never expire"),
        ("algorithms: [HS256], key: signing, detached: [body]", "sent again"),
    ] {
        let text = format!(
            "provider: own\ntitle: Own\ndocs: x\nsecrets: {SIGNING}\nverify: {}\nevent: {{ type: [[path]], type_otherwise: x }}\nfacts: {{ as_of: 2026-01-31, source: x }}\n",
            jws(rest)
        );
        let errors = Recipe::from_yaml("own.yaml", &text).expect_err(rest).to_string();
        assert!(errors.contains(said), "{rest}: {errors}");
    }
}
