//! The parts of the language, each in a recipe of its own: values, forms of signatures, keys and splits.

use std::net::IpAddr;

use connectors::provider::{Keys, Peer, Role, RoleSecret, Settings, Window};
use domain::{Assurance, Timestamp};

use crate::request::{HMAC, NOW, Request, SIGNING, accepted, code, hmac_hex, keys, recipe};

fn hmac(message: &str, signature: &str) -> String {
    format!("{{ hmac: {{ hash: sha256, key: signing, message: {message}, signature: {signature} }} }}")
}

const PLAIN: &str = "{ from: { header: x-sig }, encoding: hex }";

#[test]
fn messages_are_made_of_every_kind_of_value() {
    let form = "multipart/form-data; boundary=b";
    let parts = "--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"e\":{\"h\":\"7\"}}\r\n--b--\r\n";
    for (message, signed, headers, body) in [
        ("[{ multipart: json }]", "{\"e\":{\"h\":\"7\"}}", vec![("content-type", form)], parts),
        (
            "[{ transform: { of: { multipart: json }, by: [{ json: /e/h }] } }]",
            "7",
            vec![("content-type", form)],
            parts,
        ),
        ("[{ xml: /a/b }]", "7", vec![], "<a><b>7</b></a>"),
        ("[{ transform: { of: body, by: [crc32] } }, { const: '|' }]", "3421780262|", vec![], "123456789"),
        (
            "[{ join: { separator: ':', of: [{ json: /a }, { json: /x }, { json: /b }] } }]",
            "1::2",
            vec![],
            r#"{"a":1,"b":2}"#,
        ),
        (
            "[{ segment: [{ const: 'id:' }, { json: /x }, { const: ; }] }, { segment: [{ const: 'a:' }, { json: /a }, { const: ; }] }]",
            "a:1;",
            vec![],
            r#"{"a":1}"#,
        ),
        (
            "[{ listed_headers: { names: { header: x-names }, separator: ',', join: ;, pair: ':', required: [x-a] } }, { const: \"\\n\" }, body]",
            "x-a:1;x-b:2\nbody",
            vec![("x-names", "X-A,x-b"), ("x-a", "1"), ("x-b", "2")],
            "body",
        ),
        (
            "[{ transform: { of: { header: x-a }, by: [base64_decode, upper, { trim_suffix: C }] } }]",
            "AB",
            vec![("x-a", "YWJj")],
            "",
        ),
        ("[{ url: path_and_query }]", "/in/x", vec![], "body"),
    ] {
        let recipe = recipe(SIGNING, &hmac(message, PLAIN), "");
        let keys = keys(&recipe, &["k"]);
        let with = |signature: String| {
            let request =
                headers.iter().fold(Request::new(body), |request, (name, value)| request.header(name, *value));
            request.header("x-sig", signature).judged(&recipe, &keys)
        };
        accepted(with(hmac_hex("k", signed.as_bytes())));
        assert_eq!(code(&with(hmac_hex("k", b"other"))), "signature_mismatch", "{message}");
    }
}

#[test]
fn a_list_without_its_required_header_signs_nothing() {
    let message =
        "[{ listed_headers: { names: { header: x-names }, separator: ',', join: '.', required: [x-a] } }, body]";
    let recipe = recipe(SIGNING, &hmac(message, PLAIN), "");
    let request =
        Request::new("body").header("x-names", "x-b").header("x-b", "2").header("x-sig", hmac_hex("k", b"2body"));
    assert_eq!(code(&request.judged(&recipe, &keys(&recipe, &["k"]))), "signed_field_missing");
}

#[test]
fn signatures_stand_in_every_form() {
    let right = hmac_hex("k", b"170body");
    let b64json = data_encoding::BASE64.encode(format!(r#"{{"t":"170","s":"{right}"}}"#).as_bytes());
    for (parse, message, value) in [
        ("positional: { separator: ',', fields: [t] }", "[{ sig: t }, body]", format!("170,00,{right}")),
        ("b64json: { field: s }", "[{ sig: t }, body]", b64json),
        ("pairs: { separator: '&', mark: '|' }", "[{ const: '170' }, body]", format!("a|00&b|{right}")),
        ("tagged: { separator: '&', mark: '|', tag: b }", "[{ const: '170' }, body]", format!("a|00&b|{right}")),
    ] {
        let signature = format!("{{ from: {{ header: x-sig }}, parse: {{ {parse} }}, encoding: hex }}");
        let recipe = recipe(SIGNING, &hmac(message, &signature), "");
        accepted(Request::new("body").header("x-sig", value).judged(&recipe, &keys(&recipe, &["k"])));
    }
    let numbered = "{ from: { header: x-sig- }, parse: { numbered: { max: 3 } }, encoding: hex }";
    let recipe = recipe(SIGNING, &hmac("[body]", numbered), "");
    let keys = keys(&recipe, &["k"]);
    let right = hmac_hex("k", b"body");
    let request = |name: &str| Request::new("body").header("x-sig-1", "00").header(name, right.clone());
    accepted(request("x-sig-3").judged(&recipe, &keys));
    assert_eq!(code(&request("x-sig-4").judged(&recipe, &keys)), "signature_mismatch");
    assert_eq!(code(&request("x-sig-1").judged(&recipe, &keys)), "duplicate_header");
    assert_eq!(code(&Request::new("body").judged(&recipe, &keys)), "signature_missing");
}

#[test]
fn threat_23_a_secret_counts_within_its_window_only() {
    let recipe = recipe(SIGNING, HMAC, "");
    let minutes = |minutes: i64| Some(Timestamp::from_secs(NOW.as_secs() + minutes * 60));
    let window = |not_before, not_after| Window { not_before, not_after };
    for (window, expected) in [
        (window(None, None), ""),
        (window(minutes(0), minutes(0)), ""),
        (window(minutes(-1), minutes(1)), ""),
        (window(None, minutes(-1)), "secret_lapsed"),
        (window(minutes(1), None), "secret_lapsed"),
    ] {
        let secrets = [RoleSecret::plain("new"), RoleSecret::plain("old").within(window)];
        let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("keys");
        let by = |key: &str| Request::new("body").header("x-sig", hmac_hex(key, b"body")).judged(&recipe, &keys);
        assert_eq!(accepted(by("new")).secret, Some(0), "the other one always counts");
        match expected {
            "" => assert_eq!(accepted(by("old")).secret, Some(1)),
            expected => assert_eq!(code(&by("old")), expected, "{window:?}"),
        }
        assert_eq!(code(&by("neither")), "signature_mismatch");
    }
}

#[test]
fn a_request_chooses_among_the_named_secrets_of_its_own_source() {
    let verify = "{ hmac: { hash: sha256, key: signing, select_by: { header: x-key }, message: [body], signature: { from: { header: x-sig }, encoding: hex } } }";
    let recipe = recipe(SIGNING, verify, "");
    let named = [RoleSecret::plain("one").called("k1"), RoleSecret::plain("two").called("k2")];
    let keys = Keys::compile(&recipe, &named, &Settings::default()).expect("keys");
    let by = |secret: &str, name: Option<&str>| {
        let request = Request::new("body").header("x-sig", hmac_hex(secret, b"body"));
        name.into_iter().fold(request, |request, name| request.header("x-key", name)).judged(&recipe, &keys)
    };
    assert_eq!(accepted(by("two", Some("k2"))).secret, Some(1));
    for (secret, name) in [("two", Some("k1")), ("two", Some("k3")), ("two", None)] {
        assert_eq!(code(&by(secret, name)), "signature_mismatch", "{secret} as {name:?}");
    }
    let unnamed = crate::request::keys(&recipe, &["one"]);
    let request = Request::new("body").header("x-sig", hmac_hex("one", b"body")).header("x-key", "anything");
    accepted(request.judged(&recipe, &unnamed));
}

#[test]
fn threat_13_an_address_counts_only_as_the_connection_or_a_trusted_proxy_says_it() {
    let recipe = recipe("[]", "{ ip: { allow: '192.0.2.0/24, 2001:db8::1' } }", "");
    let keys = keys(&recipe, &[]);
    let from = |address: Option<&str>| {
        let address = address.map(|text| text.parse::<IpAddr>().expect(text));
        let peer = Peer { address, by_trusted_proxy: false };
        // What a client claims of itself is not looked at.
        Request { peer, ..Request::new("body").header("x-forwarded-for", "192.0.2.7") }.judged(&recipe, &keys)
    };
    for inside in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"] {
        assert_eq!(accepted(from(Some(inside))).assurance, Assurance::Shared, "{inside}");
    }
    for outside in [Some("192.0.3.1"), Some("2001:db8::2"), Some("::ffff:192.0.3.1"), None] {
        assert_eq!(code(&from(outside)), "address_refused", "{outside:?}");
    }
}

#[test]
fn a_client_certificate_counts_only_from_a_trusted_proxy() {
    let secrets = "[{ role: token, about: the fingerprint }]";
    let recipe = recipe(secrets, "{ client_cert: { key: token, from: { header: x-cert } } }", "");
    let keys = keys(&recipe, &["ab12"]);
    let with = |value: &str, by_trusted_proxy| {
        let peer = Peer { address: None, by_trusted_proxy };
        Request { peer, ..Request::new("body").header("x-cert", value) }.judged(&recipe, &keys)
    };
    assert_eq!(accepted(with("ab12", true)).assurance, Assurance::Origin);
    assert_eq!(code(&with("ab12", false)), "signature_missing");
    assert_eq!(code(&with("ab13", true)), "signature_mismatch");
}

#[test]
fn a_key_may_be_the_hash_of_the_secret() {
    let recipe = recipe("[{ role: signing, about: a secret, form: sha1 }]", HMAC, "");
    let key = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, b"secret");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_ref());
    let signature = data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, b"body").as_ref());
    accepted(Request::new("body").header("x-sig", signature).judged(&recipe, &keys(&recipe, &["secret"])));
}

#[test]
fn a_certificate_is_a_public_key() {
    let recipe = recipe(
        "[{ role: public, about: a key, encoding: pem, form: certificate }]",
        "{ signature: { algorithm: ecdsa_p256_sha256_der, key: public, message: [body], signature: { from: { header: x-sig }, encoding: base64 } } }",
        "",
    );
    let secrets = [RoleSecret::new(Some(Role::Public), CERTIFICATE)];
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("a key");
    accepted(Request::new("hello").header("x-sig", CERTIFIED).judged(&recipe, &keys));
    assert_eq!(code(&Request::new("hallo").header("x-sig", CERTIFIED).judged(&recipe, &keys)), "signature_mismatch");
}

#[test]
fn events_are_found_inside_a_field_and_keep_what_the_whole_body_says() {
    let event = "event: { within: { form: list }, split: /items, type: [[{ json: /t }]], type_otherwise: x, id: [[{ whole: { json: /batch } }, { json: /id }]] }";
    let recipe = recipe("[]", "none", event);
    let body = r#"list={"batch":"b","items":[{"t":"a","id":1},{"t":"c","id":2}]}"#;
    let request = Request::new(body).header("content-type", "application/x-www-form-urlencoded");
    let accepted = accepted(request.judged(&recipe, &keys(&recipe, &[])));
    let found: Vec<_> = accepted.events.iter().map(|event| (&*event.event_type, event.id.as_deref())).collect();
    assert_eq!(found, [("a", Some("b:1")), ("c", Some("b:2"))]);
    assert_eq!(&*accepted.events[1].payload.bytes(&body.into()), br#"{"t":"c","id":2}"#);
}

#[test]
fn a_payload_is_said_to_be_json_only_where_it_is_what_was_read() {
    let is_json = |event: &str, content_type: &str, body: &str| {
        let recipe = recipe("[]", "none", &format!("event: {{ {event}, type_otherwise: x, id: [[{{ json: /id }}]] }}"));
        let request = Request::new(body).header("content-type", content_type);
        let accepted = accepted(request.judged(&recipe, &keys(&recipe, &[])));
        accepted.events.iter().map(|event| event.is_json).collect::<Vec<_>>()
    };
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    assert_eq!(is_json("type: [[{ json: /t }]]", json, r#"{"id":1}"#), [true]);
    assert_eq!(is_json("type: [[{ json: /t }]]", json, r#"{"id":1"#), [false]);
    assert_eq!(is_json("split: /items, type: [[{ json: /t }]]", json, r#"{"items":[{"id":1},2]}"#), [true, true]);
    let twice = "split: /entry, then_split: [/a], type: [[{ json: /t }]]";
    assert_eq!(is_json(twice, json, r#"{"entry":[{"a":[{"id":1}]},null]}"#), [true, true]);
    assert_eq!(is_json("within: { form: list }, split: /a, type: [[{ json: /t }]]", form, r#"list={"a":[7]}"#), [true]);
    assert_eq!(is_json("within: { form: list }, type: [[{ json: /t }]]", form, r#"list={"id":1}"#), [false]);
}

#[test]
fn items_are_split_again_and_know_what_they_are_items_of() {
    let event = "event: { split: /entry, then_split: [/a, /b], type: [[{ json: /t }]], type_otherwise: x, id: [[{ whole: { json: /w } }, { parent: { json: /id } }, { json: /id }, position]] }";
    let recipe = recipe("[]", "none", event);
    let body = r#"{"w":"w","entry":[{"id":1,"b":[{"t":"p","id":7}],"a":[{"t":"q","id":8},{"id":9}]},{"id":2,"a":[],"b":null},{"id":3,"a":[{"id":7}]}]}"#;
    let accepted = accepted(Request::new(body).judged(&recipe, &keys(&recipe, &[])));
    let payload = |index: usize| accepted.events[index].payload.bytes(&body.into());
    let found: Vec<_> = accepted.events.iter().map(|event| (&*event.event_type, event.id.as_deref())).collect();
    let expected = [
        ("q", Some("w:1:8:0")),
        ("x", Some("w:1:9:1")),
        ("p", Some("w:1:7:2")),
        ("x", Some("w:2:2:3")),
        ("x", Some("w:3:7:4")),
    ];
    assert_eq!(found, expected);
    assert_eq!(&*payload(2), br#"{"t":"p","id":7}"#);
    assert_eq!(&*payload(3), br#"{"id":2,"a":[],"b":null}"#, "an item without items of its own is an event");
}

#[test]
fn a_request_that_splits_into_too_many_events_stays_whole() {
    let event = "event: { split: /entry, then_split: [/a], type: [[{ json: /t }]], type_otherwise: x }";
    let recipe = recipe("[]", "none", event);
    let events_of = |items: usize| {
        let item = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(items - 1));
        let body = format!(r#"{{"entry":[{item},{item}]}}"#);
        accepted(Request::new(body).judged(&recipe, &keys(&recipe, &[]))).events.len()
    };
    assert_eq!(events_of(5_000), 10_000);
    assert_eq!(events_of(5_001), 1);
}

#[test]
fn a_token_may_have_to_stand_in_each_item() {
    let verify = "{ token: { key: token, each: /value, from: { json: /state } } }";
    let recipe = recipe("[{ role: token, about: a }]", verify, "event: { split: /value, type: [], type_otherwise: x }");
    let secrets = ["old", "new"].map(|secret| RoleSecret::new(Some(Role::Token), secret));
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("keys");
    let judged = |body: &str| Request::new(body).judged(&recipe, &keys);
    assert_eq!(accepted(judged(r#"{"value":[{"state":"old"},{"state":"new"}]}"#)).events.len(), 2);
    for (body, said) in [
        (r#"{"value":[{"state":"old"},{"state":"odd"}]}"#, "signature_mismatch"),
        (r#"{"value":[{"state":"odd"},{"state":"old"}]}"#, "signature_mismatch"),
        (r#"{"value":[{"state":"old"},{"state":""}]}"#, "signature_missing"),
        (r#"{"value":[{"state":"old"},{}]}"#, "signature_missing"),
        (r#"{"value":[{"state":"old"},"old"]}"#, "signature_missing"),
        (r#"{"value":[]}"#, "signature_missing"),
        (r#"{"value":{"state":"old"}}"#, "signature_missing"),
        (r#"{"state":"old"}"#, "signature_missing"),
    ] {
        assert_eq!(code(&judged(body)), said, "{body}");
    }
    let compressed = Request::new(r#"{"value":[{"state":"old"}]}"#).header("content-encoding", "gzip");
    assert_eq!(code(&compressed.judged(&recipe, &keys)), "encoding_refused");
}

#[test]
fn an_xml_body_is_split_into_its_elements() {
    let event = "event: { split_xml: /Envelope/Body/n/Notification, type: [[{ const: outbound }]], type_otherwise: x, id: [[{ xml: /Notification/Id }]] }";
    let recipe = recipe("[]", "none", event);
    let body = "<s:Envelope xmlns:s='s'><s:Body><n><Notification><Id>1</Id></Notification><Notification><Id>2</Id></Notification></n></s:Body></s:Envelope>";
    let accepted = accepted(Request::new(body).header("content-type", "text/xml").judged(&recipe, &keys(&recipe, &[])));
    let ids: Vec<_> = accepted.events.iter().map(|event| event.id.as_deref()).collect();
    assert_eq!(ids, [Some("1"), Some("2")]);
    assert_eq!(&*accepted.events[0].payload.bytes(&body.into()), b"<Notification><Id>1</Id></Notification>");
}

#[test]
fn the_first_key_names_what_came() {
    let event = "event: { type: [[{ first_key: { except: [update_id] } }]], type_otherwise: x }";
    let recipe = recipe("[]", "none", event);
    let of = |body: &str| {
        let accepted = accepted(Request::new(body).judged(&recipe, &keys(&recipe, &[])));
        accepted.events[0].event_type.to_string()
    };
    assert_eq!(of(r#"{"update_id":1,"message":{"a":1}}"#), "message");
    assert_eq!(of(r#"{"update_id":1}"#), "x");
    assert_eq!(of("[]"), "x");
}

#[test]
fn a_challenge_may_be_hashed_with_a_secret_in_the_middle() {
    let rest = "handshakes: [{ when: [{ method: GET }], respond: { status: 200, body: { json: { answer: [{ sha256: { of: [{ query: c }, { secret: verify_token }, { url: without_query }], encoding: hex } }] } } } }]";
    let recipe = recipe("[{ role: signing, about: a }, { role: verify_token, about: b }]", HMAC, rest);
    let secrets = [RoleSecret::plain("k"), RoleSecret::new(Some(Role::VerifyToken), "t")];
    let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("keys");
    let url = format!("{}?c=x", crate::request::URL);
    let connectors::provider::Judgement::Handshake(reply) =
        Request::new("").method("GET").url(&url).judged(&recipe, &keys)
    else {
        panic!("a handshake")
    };
    let expected = ring::digest::digest(&ring::digest::SHA256, format!("xt{}", crate::request::URL).as_bytes());
    let expected = format!(r#"{{"answer":"{}"}}"#, data_encoding::HEXLOWER.encode(expected.as_ref()));
    assert_eq!(String::from_utf8_lossy(&reply.body), expected);
}

/// With its signature over `hello`, made by openssl too.
const CERTIFICATE: &str = include_str!("sender.example.pem");
const CERTIFIED: &str =
    "MEYCIQDzj+Et+q47kiKvnIVwPcmEe3qPGFVVXL1QSXr9Mw7oDwIhANjqmi4qie7DtE3aEIBXGqN4HE5scwo0c8uyYIbL1O1I";
