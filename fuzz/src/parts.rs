//! The parsers that are reached only through a recipe: forms of bodies, of signatures, of tokens and of keys. Each target
//! is a recipe that does little more than to ask for one of them, and a document that it is made for, damaged.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bolero::check;
use bytes::Bytes;
use connectors::provider::{
    Incoming, Judgement, KeyDocument, KeyFormat, Keys, Peer, Published, Recipe, Role, RoleSecret, Settings, Urls,
    judge, range, read_ranges,
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use domain::Timestamp;

use crate::mutation::{Edit, Tally, damaged, effort};

const INPUTS: usize = 4_000;
const NOW: Timestamp = Timestamp::from_secs(1_769_851_800);
const URL: &str = "https://hooks.example/in/x";
/// The key of a sender that publishes it, and a certificate of it (P-256), both public.
const CERTIFICATE: &str = include_str!("../../crates/connectors/tests/it/sender.example.pem");
const RSA_JWK: &str = r#"{"kty":"RSA","kid":"k1","use":"sig","alg":"RS256","n":"r9s0SRkTYsQxq1cZGXlXgfekkbJUisA3N7ilPTGdMkY4iAox-IUOMIVs7Nz9t854tuCiVSdzMHBfv4ekt4tXiRLIAgXOy9OPF-b07rEVJ8EzZwzXzvIfRtPuEah2DVSOrGljn-Uehb8g2ruq0TlC1_mtPEaCXKOMY6ThVVbpdhZraXn9wuoCr3K6S7nBiA9xhvL_WyfsUKNQLyI3e51AjForgxn9eRmGatujHW84Zfo0vXdDcX4cWHAEOjy7K-_q9f7d9x_K9xlbnW4MqkaBpSAkwmujZxnzJ3KJx00-hXHFDYUu6aBDFulBKn8Oli38gorMwE1Tto9lEap5w_l3Dw","e":"AQAB"}"#;
const ED25519_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"k2","x":"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}"#;

/// `{"type":"made","padding":"aaaa…"}`, compressed.
const GZIP: &str = "H4sIAAAAAAACA6tWKqksSFWyUspNTElV0lEqSExJycxLBwokDhOgVAsAyW0KcuQAAAA=";
const ZLIB: &str = "eJyrViqpLEhVslLKTUxJVdJRKkhMScnMSwcKJA4ToFQLAEv4VKE=";

/// A recipe of these parts and its keys.
struct Subject {
    recipe: Recipe,
    keys: Keys,
}

/// Secrets of the recipe, how it verifies, and where its events are.
fn subject(secrets: &str, verify: &str, event: &str, given: &[(Role, &str)]) -> Subject {
    let text = format!(
        "provider: own\ntitle: Own\ndocs: https://own.example\nsecrets: {secrets}\nverify: {verify}\nevent: {event}\nfacts: {{ as_of: 2026-01-31, source: https://own.example }}\n"
    );
    let recipe = Recipe::from_yaml("own.yaml", &text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let given: Vec<_> = given.iter().map(|(role, secret)| RoleSecret::new(Some(*role), *secret)).collect();
    let keys = Keys::compile(&recipe, &given, &Settings::default()).expect("keys that fit");
    Subject { recipe, keys }
}

/// One that verifies nothing, so that what it asks of a body is read of any.
fn open(event: &str) -> Subject {
    subject("[]", "none", event, &[])
}

impl Subject {
    fn judge(&self, url: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Judgement {
        let owned = |(name, value): &(&str, &[u8])| (Arc::from(*name), Bytes::copy_from_slice(value));
        let headers: Vec<(Arc<str>, Bytes)> = headers.iter().map(owned).collect();
        let urls = Urls { configured: url, received: url };
        let incoming = Incoming { method: "POST", urls, headers: &headers, body, peer: Peer::default() };
        judge(&self.recipe, &self.keys, &incoming, NOW)
    }

    /// Whether an event of a type that was found came of it.
    fn finds(&self, headers: &[(&str, &[u8])], body: &[u8]) -> bool {
        match self.judge(URL, headers, body) {
            Judgement::Accepted(accepted) => {
                let size = accepted.events.iter().map(|event| event.payload.bytes(&Bytes::copy_from_slice(body)).len());
                assert!(
                    size.max().unwrap_or_default() <= body.len().max(1) * 200 + (1 << 20),
                    "a payload out of nothing"
                );
                accepted.events.iter().any(|event| &*event.event_type != "unknown")
            }
            // Also what says the same thing twice is refused.
            Judgement::Rejected(_) => false,
            other => panic!("{other:?}"),
        }
    }
}

/// Damages one of these documents and notes whether something was found in it all the same.
fn found_in(target: &str, documents: &[&[u8]], find: impl Fn(&[u8]) -> bool) {
    let find = AssertUnwindSafe(find);
    let tally = Tally::default();
    let (time, inputs) = effort(INPUTS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(pick, edits)| {
        let document = documents[usize::from(*pick) % documents.len()];
        tally.note((*find)(&damaged(document, &edits[..edits.len().min(4)])));
    });
    tally.check(target);
}

#[test]
fn xml() {
    let one =
        open("{ type: [[{ xml: /Envelope/Body/kind }]], type_otherwise: unknown, id: [[{ xml: /Envelope/Body/id }]] }");
    let many = open(
        "{ split_xml: /Envelope/Body/Notification, type: [[{ xml: /Notification/kind }]], type_otherwise: unknown }",
    );
    let documents: [&[u8]; 4] = [
        b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"urn:s\"><s:Body><kind>made &amp; sent</kind><id>7</id></s:Body></s:Envelope>",
        b"<Envelope><Body><Notification><kind>one</kind></Notification><Notification><kind>two</kind></Notification></Body></Envelope>",
        b"<!DOCTYPE e [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><Envelope><Body><kind>&b;</kind></Body></Envelope>",
        b"<Envelope><Body><kind><![CDATA[<x>]]></kind><!-- no --><?pi?><id>&#x41;&#0;</id></Body></Envelope>",
    ];
    found_in("XML", &documents, |bytes| {
        let (one, many) = (one.finds(&[], bytes), many.finds(&[], bytes));
        assert!(!(one || many) || !bytes.windows(9).any(|part| part == b"<!DOCTYPE"), "a DTD was read");
        one || many
    });
}

#[test]
fn multipart() {
    let subject = open("{ type: [[{ multipart: kind }]], type_otherwise: unknown, id: [[{ multipart: id }]] }");
    let body = "--b\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nmade\r\n--b\r\nContent-Disposition: form-data; name=\"id\"; filename=\"a\\\"b\"\r\nContent-Type: text/plain\r\n\r\n7\r\n--b--\r\n";
    found_in("multipart bodies", &[body.as_bytes()], |bytes| {
        subject.finds(&[("content-type", b"multipart/form-data; boundary=b")], bytes)
    });
    let types: [&[u8]; 3] = [
        b"multipart/form-data; boundary=b",
        b"multipart/form-data; charset=utf-8; boundary=\"b\"",
        b"Multipart/Form-Data;boundary=b;boundary=c",
    ];
    found_in("multipart types", &types, |bytes| subject.finds(&[("content-type", bytes)], body.as_bytes()));
}

#[test]
fn forms_and_queries() {
    let subject = open("{ type: [[{ form: kind }]], type_otherwise: unknown, id: [[sorted_form]] }");
    let bodies: [&[u8]; 3] = [b"kind=made&id=7&x=%C3%A4+b", b"kind=made&kind=made", b"&&kind=%6dade&=&%=%zz"];
    found_in("forms", &bodies, |bytes| subject.finds(&[("content-type", b"application/x-www-form-urlencoded")], bytes));

    let token = subject_of_query();
    let urls: [&[u8]; 2] =
        [b"https://hooks.example/in/x?a=1&token=right", b"https://u@hooks.example:443/in/x/../y?token=%72ight#f"];
    found_in("queries", &urls, |bytes| {
        let url = String::from_utf8_lossy(bytes);
        matches!(token.judge(&url, &[], b"{}"), Judgement::Accepted(_))
    });
}

fn subject_of_query() -> Subject {
    let secrets = "[{ role: token, about: a text }]";
    let event = "{ type: [[{ json: /type }]], type_otherwise: unknown }";
    subject(secrets, "{ token: { key: token, from: { query: token } } }", event, &[(Role::Token, "right")])
}

/// Nobody can sign here, so no damage may make a signature right.
#[test]
fn headers_of_signatures() {
    let event = "{ type: [[{ json: /type }]], type_otherwise: unknown }";
    let zero = "0".repeat(64);
    let b64json = BASE64.encode(format!(r#"{{"t":"170","s":"{zero}"}}"#).as_bytes());
    for (parse, value) in [
        ("plain: { prefix: 'sha256=' }", format!("sha256={zero}")),
        ("kv: { separator: ',', field: v1 }", format!("t=170,v1={zero},v1={zero},v0=1")),
        ("tagged: { separator: '&', mark: '|', tag: b }", format!("a|00&b|{zero}")),
        ("list: { separator: ',' }", format!("{zero},{zero}")),
        ("positional: { separator: ',', fields: [t] }", format!("170,{zero}")),
        ("pairs: { separator: '&', mark: '|' }", format!("a|00&b|{zero}")),
        ("b64json: { field: s }", b64json),
    ] {
        let verify = format!(
            "{{ hmac: {{ hash: sha256, key: signing, message: [body], signature: {{ from: {{ header: x-sig }}, parse: {{ {parse} }}, encoding: hex }} }} }}"
        );
        let subject = subject("[{ role: signing, about: a secret }]", &verify, event, &[(Role::Signing, "secret")]);
        // What is read and wrong, against what cannot be read.
        found_in(parse, &[value.as_bytes()], |bytes| match subject.judge(URL, &[("x-sig", bytes)], b"{}") {
            Judgement::Rejected(reason) => *reason.code == *"signature_mismatch",
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn tokens() {
    let from = "from: { transform: { of: { header: authorization }, by: [{ trim_prefix: 'Bearer ' }] } }";
    let verify = format!("{{ jws: {{ {from}, algorithms: [HS256], key: signing, no_expiry: a test }} }}");
    let event = "{ type: [[{ claim: /sub }]], type_otherwise: unknown }";
    let subject = subject("[{ role: signing, about: a secret }]", &verify, event, &[(Role::Signing, "secret")]);
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let token = |header: &str| {
        let tag = BASE64URL_NOPAD.encode(&[0; 32]);
        format!("Bearer {}.{}.{tag}", part(header), part(r#"{"sub":"made","exp":1769852100,"aud":["a"],"iat":1.5e9}"#))
    };
    let tokens = [
        token(r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#),
        token(r#"{"alg":"none"}"#),
        token(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#),
        token(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#),
    ];
    let tokens: Vec<&[u8]> = tokens.iter().map(String::as_bytes).collect();
    found_in("tokens", &tokens, |bytes| match subject.judge(URL, &[("authorization", bytes)], b"{}") {
        Judgement::Rejected(reason) => *reason.code == *"signature_mismatch",
        other => panic!("{other:?}"),
    });
}

#[test]
fn documents_of_published_keys() {
    let set = format!(r#"{{"keys":[{RSA_JWK},{ED25519_JWK},{{"kty":"oct","k":"AAAA"}}]}}"#);
    found_in("key sets", &[set.as_bytes(), RSA_JWK.as_bytes(), ED25519_JWK.as_bytes()], |bytes| {
        KeyDocument::read(KeyFormat::Jwks, bytes).is_ok_and(|document| document.has("k1") || document.has("k2"))
    });
    found_in("certificates as PEM", &[CERTIFICATE.as_bytes()], |bytes| {
        KeyDocument::read(KeyFormat::Certificate, bytes).is_ok()
    });
    let der: Vec<u8> = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect::<String>().into_bytes();
    let der = BASE64.decode(&der).expect("base64");
    // Below the base64, where damage to the text hardly ever gets.
    found_in("certificates as DER", &[&der], |bytes| {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(bytes));
        KeyDocument::read(KeyFormat::Certificate, pem.as_bytes()).is_ok()
    });
}

/// What a person may paste as a key: whatever it is, it is taken or refused in words that do not show it.
#[test]
fn keys_of_people() {
    for (target, form, key) in [
        ("keys as JWK", "encoding: text, form: jwk", ED25519_JWK.to_owned()),
        (
            "keys as SPKI",
            "encoding: base64, form: spki",
            "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=".to_owned(),
        ),
        ("keys as hex", "encoding: hex", "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8".to_owned()),
    ] {
        let text = format!(
            "provider: own\ntitle: Own\ndocs: https://own.example\nsecrets: [{{ role: public, about: a key, {form} }}]\nverify: {{ signature: {{ algorithm: ed25519, key: public, message: [body], signature: {{ from: {{ header: x-sig }}, encoding: hex }} }} }}\nevent: {{ type: [[{{ json: /type }}]], type_otherwise: unknown }}\nfacts: {{ as_of: 2026-01-31, source: https://own.example }}\n"
        );
        let recipe = Recipe::from_yaml("own.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
        found_in(target, &[key.as_bytes()], |bytes| {
            let secret = String::from_utf8_lossy(bytes).into_owned();
            match Keys::compile(&recipe, &[RoleSecret::plain(secret.clone())], &Settings::default()) {
                Ok(_) => true,
                Err(error) => {
                    assert!(secret.len() < 8 || !error.to_string().contains(&secret), "the error quotes the key");
                    false
                }
            }
        });
    }
}

#[test]
fn compressed_bodies() {
    let subject = open("{ type: [[{ json: /type }]], type_otherwise: unknown }");
    let gzip = BASE64.decode(GZIP.as_bytes()).expect("base64");
    let zlib = BASE64.decode(ZLIB.as_bytes()).expect("base64");
    found_in("gzip", &[&gzip], |bytes| subject.finds(&[("content-encoding", b"gzip")], bytes));
    found_in("deflate", &[&zlib], |bytes| subject.finds(&[("content-encoding", b"deflate")], bytes));
    let names: [&[u8]; 3] = [b"gzip", b"X-GZIP", b"gzip, gzip"];
    found_in("names of codings", &names, |name| subject.finds(&[("content-encoding", name)], &gzip));
}

#[test]
fn lists_of_addresses() {
    let json: &[u8] =
        br#"{"prefixes":[{"ip_prefix":"192.0.2.0/24"},{"ip_prefix":"2001:db8::/32"}],"hooks":["198.51.100.0/24"]}"#;
    let at = ["/prefixes/*/ip_prefix".to_owned(), "/hooks".to_owned()];
    found_in("lists as JSON", &[json], |bytes| read_ranges(Published::List { url: URL, at: &at }, bytes).is_ok());
    let lines: &[u8] = b"192.0.2.0/24\n# a comment\n2001:db8::1\n\n198.51.100.7\n";
    found_in("lists as lines", &[lines], |bytes| read_ranges(Published::List { url: URL, at: &[] }, bytes).is_ok());
    found_in("ranges", &[b"192.0.2.0/24", b"2001:db8::/32", b"::ffff:192.0.2.1"], |bytes| {
        std::str::from_utf8(bytes).is_ok_and(|text| range(text).is_ok())
    });
}

#[test]
fn moments() {
    let verify = "{ hmac: { hash: sha256, key: signing, message: [{ header: x-time }], signature: { from: { header: x-sig }, encoding: hex }, time: { from: { header: x-time }, unit: auto, past: 300s, future: 300s } } }";
    let event = "{ type: [[{ const: came }]], type_otherwise: unknown, occurred_at: [{ from: { header: x-time }, unit: auto }] }";
    let open = open(event);
    let signed = subject("[{ role: signing, about: a secret }]", verify, event, &[(Role::Signing, "secret")]);
    let times: [&[u8]; 5] = [
        b"1769851800",
        b"1769851800123",
        b"2026-01-31T09:30:00.123Z",
        b"Sat, 31 Jan 2026 09:30:00 GMT",
        b"99999999999999999999999",
    ];
    found_in("times", &times, |bytes| {
        let unsigned = signed.judge(URL, &[("x-time", bytes), ("x-sig", b"00")], b"{}");
        assert!(matches!(unsigned, Judgement::Rejected(_)), "{unsigned:?}");
        match open.judge(URL, &[("x-time", bytes)], b"{}") {
            Judgement::Accepted(accepted) => accepted.events[0].occurred_at.is_some(),
            _ => false,
        }
    });
}
