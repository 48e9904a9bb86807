//! The recipe language: what it refuses, and that it says every mistake with its line and column.

use connectors::provider::{Recipe, Settings};
use domain::Assurance;

use crate::request::{SIGNING, hmac_hex, recipe};

const GOOD: &str = "provider: own
title: Own
docs: https://own.example
secrets:
  - { role: signing, about: a secret }
verify:
  hmac:
    hash: sha256
    key: signing
    message: [body]
    signature: { from: { header: x-sig }, encoding: hex }
event:
  type: [[{ json: /type }]]
  type_otherwise: unknown
facts: { as_of: 2026-01-31, source: https://own.example }
";

fn errors(text: &str) -> Vec<(u64, String)> {
    match Recipe::from_yaml("own.yaml", text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.into_iter().map(|error| (error.place.line, error.message)).collect(),
    }
}

#[test]
fn each_mistake_is_told_where_it_stands() {
    assert_eq!(errors(GOOD), []);
    for (from, to, line, said) in [
        ("hash: sha256", "hash: md5", 8, "md5"),
        ("key: signing", "keys: signing", 9, "unknown key"),
        ("key: signing", "key: token", 7, "used and not declared"),
        ("message: [body]", "message: []", 7, "empty"),
        ("message: [body]", "message: [{ const: x }]", 7, "nothing of the request"),
        ("message: [body]", "message: [{ sig: t }, body]", 10, "'kv', 'positional'"),
        ("message: [body]", "message: [{ maybe: body }]", 10, "'maybe'"),
        ("message: [body]", "message: [{ json: type }, body]", 10, "no JSON pointer"),
        ("message: [body]", "message: [{ parent: { json: /type } }, body]", 10, "'parent' and 'position'"),
        ("message: [body]", "message: [position, body]", 10, "'parent' and 'position'"),
        (
            "type_otherwise: unknown",
            "then_split: [/items]\n  type_otherwise: unknown",
            14,
            "the items that 'split' found",
        ),
        ("message: [body]", "message: [{ header: 'a b' }, body]", 10, "name of a header"),
        ("message: [body]", "message: [{ header: { setting: h } }, body]", 10, "not declared"),
        (
            "message: [body]",
            "message: [{ transform: { of: path, by: [{ before: '' }] } }, body]",
            10,
            "a text to work by",
        ),
        ("encoding: hex", "encoding: base32", 11, "base32"),
        (
            "encoding: hex }",
            "encoding: hex }\n    time: { from: { header: x-time }, unit: s, past: 300s, future: 300s }",
            12,
            "not part of the message",
        ),
        (
            "encoding: hex }",
            "encoding: hex }\n    time: { from: { header: x-time }, unit: s, past: 5, future: 300s }",
            12,
            "",
        ),
        ("type_otherwise: unknown", "type_otherwise: ''", 13, "cannot be empty"),
        ("role: signing", "role: sining", 5, "sining"),
        ("as_of: 2026-01-31", "as_of: yesterday", 1, "not a date"),
        ("title: Own", "title: Own\ntitle: Again", 3, "written twice: first in line 2"),
        ("provider: own", "provider: 'o w n'", 1, "no provider name"),
        ("docs: https://own.example", "docs: https://own.example\nmethods: [FETCH]", 4, "FETCH"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = errors(&GOOD.replacen(from, to, 1));
        let matching = found.iter().any(|(at, message)| *at == line && message.contains(said));
        assert!(matching, "{to}: expected line {line} '{said}', got {found:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let text = GOOD
        .replace("provider: own", "provider: 'o w n'")
        .replace("message: [body]", "message: [{ json: type }]")
        .replace(
            "- { role: signing, about: a secret }",
            "- { role: signing, about: a secret }\n  - { role: token, about: unused }",
        );
    let lines: Vec<u64> = errors(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 6, 11]);
}

#[test]
fn all_mistakes_of_shape_are_told_at_once_and_none_that_only_follow_from_them() {
    let text = "provider: own
titel: Own
docs: https://own.example
secrets:
  - { role: sining, about: a secret }
  - { role: signing, abuot: a secret }
verify:
  hmac:
    hash: md5
    key: signing
    message: [body, { heder: x-time }]
    signature: { from: { header: x-sig }, encoding: hex, colour: red }
event:
  type: json
  type_otherwise: unknown
  type_otherwise: unknown too
handshakes:
  - { when: [], respond: { status: fine } }
  - { respond: { status: 200 } }
facts: { as_of: 2026-01-31 }
---
samples:
  - { event: a, headers: [] }
vectors:
  - { name: a, kind: perfect }
  - { name: b, kind: valid, expect: { assurance: much } }
";
    let found = errors(text);
    let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 5, 6, 9, 11, 12, 14, 16, 18, 19, 20, 23, 23, 25, 26], "{found:#?}");
    for (line, said) in [
        (2, "unknown key 'titel'"),
        (5, "sining"),
        (6, "unknown key 'abuot'"),
        (9, "md5"),
        (11, "heder"),
        (12, "colour"),
        (16, "'type_otherwise' is written twice: first in line 15"),
        (19, "'when' is missing"),
        (20, "'source' is missing"),
        (25, "perfect"),
        (26, "much"),
    ] {
        assert!(found.iter().any(|(at, message)| *at == line && message.contains(said)), "{line} {said}: {found:#?}");
    }
}

#[test]
fn of_anchors_and_merges_the_place_is_that_of_what_is_wrong_and_what_is_right_is_left_alone() {
    let text = GOOD.replace(
        "signature: { from: { header: x-sig }, encoding: hex }",
        "signature: &one { from: { header: x-sig }, encoding: octal }\n    time: { <<: *one, unit: s }\n    hue: *one",
    );
    let found = errors(&text);
    assert!(found.iter().any(|(line, message)| *line == 11 && message.contains("octal")), "{found:#?}");
    assert!(found.iter().any(|(line, message)| *line == 13 && message.contains("'hue'")), "{found:#?}");
}

#[test]
fn several_vectors_that_are_wrong_are_all_told_and_those_that_are_like_them_are_not() {
    let lines = GOOD.lines().count() as u64;
    let found = errors(&format!(
        "{GOOD}---
vectors:
  - {{ name: a, kind: valid, at: 2026-01-31T09:30:00Z }}
  - {{ name: b, kind: valid, like: a, expect: {{ rejected: x }} }}
  - {{ name: c, kind: valid, like: nobody }}
  - {{ name: d, kind: valid, body: x, body_base64: eA== }}
"
    ));
    assert_eq!(found.iter().map(|(line, _)| line - lines).collect::<Vec<_>>(), [3, 5, 6], "{found:#?}");
}

#[test]
fn mistakes_in_the_examples_have_the_line_of_the_file() {
    let lines = GOOD.lines().count() as u64;
    let vector = |text: &str| errors(&format!("{GOOD}---\nvectors:\n  - {text}\n"));
    for (text, said) in [
        ("{ name: a, kind: valid, like: nobody }", "no vector 'nobody'"),
        ("{ name: a, kind: valid, at: 2026-01-31T09:30:00Z }", "'expect'"),
        ("{ name: a, kind: perfect }", "perfect"),
        ("{ name: a, kind: valid, at: soon }", "soon"),
        ("{ name: a, kind: valid, body: x, body_base64: eA== }", "one body"),
        ("{ name: a, kind: valid, again: [{ after: soon, same: true }] }", "span of time"),
        (
            "{ name: a, kind: stale, at: 2026-01-31T09:30:00Z, again: [{ after: 1h, same: true }], expect: { rejected: x } }",
            "say it of a valid one",
        ),
    ] {
        let found = vector(text);
        assert!(found.iter().any(|(line, message)| *line == lines + 3 && message.contains(said)), "{text}: {found:?}");
    }
}

#[test]
fn checks_that_prove_nothing_are_refused() {
    let verify = |verify: &str| {
        errors(&GOOD.replace("verify:\n  hmac:\n    hash: sha256\n    key: signing\n    message: [body]\n    signature: { from: { header: x-sig }, encoding: hex }", &format!("verify: {verify}")))
    };
    let hmac = "{ hmac: { hash: sha256, key: signing, message: [body], signature: { from: { header: x-sig }, encoding: hex } } }";
    for (text, said) in [
        (format!("{{ any_of: [{hmac}, none] }}"), "would accept everything"),
        (format!("{{ any_of: [{hmac}] }}"), "at least two"),
        (
            format!(
                "{{ any_of: [{hmac}, {{ bind: {{ value: {{ query: q }}, hash: sha256, encoding: hex, of: [body] }} }}] }}"
            ),
            "proves nothing alone",
        ),
    ] {
        let found = verify(&text);
        assert!(found.iter().any(|(_, message)| message.contains(said)), "{text}: {found:?}");
    }
}

#[test]
fn assurance_is_what_the_message_covers_and_no_more() {
    let hmac = |message: &str| {
        format!(
            "{{ hmac: {{ hash: sha256, key: signing, message: {message}, signature: {{ from: {{ header: x-sig }}, encoding: hex }} }} }}"
        )
    };
    let bind = |of: &str| format!("{{ bind: {{ value: {{ query: d }}, hash: sha256, encoding: hex, of: {of} }} }}");
    let digest = "{ digest: { hash: sha256, key: signing, message: [body], signature: { from: { header: x-sig }, encoding: hex }, weak: it is } }";
    for (verify, assurance) in [
        (hmac("[method, body]"), Assurance::Body),
        (hmac("[sorted_form]"), Assurance::Body),
        (hmac("[{ transform: { of: body, by: [{ sha256: hex }] } }]"), Assurance::Body),
        (hmac("[{ transform: { of: body, by: [lower] } }]"), Assurance::Origin),
        (hmac("[{ json: /token }, { json: /time }]"), Assurance::Partial),
        (hmac("[{ header: x-time }]"), Assurance::Origin),
        (digest.to_owned(), Assurance::Partial),
        (format!("{{ all_of: [{}, {}] }}", hmac("[{ url: configured }]"), bind("[body]")), Assurance::Body),
        (format!("{{ all_of: [{}, {}] }}", hmac("[{ url: configured }]"), bind("[{ json: /a }]")), Assurance::Origin),
        (format!("{{ all_of: [{}, {}] }}", hmac("[path]"), bind("[body]")), Assurance::Origin),
        ("{ token: { key: signing, from: { header: x-token } } }".to_owned(), Assurance::Shared),
    ] {
        let recipe = recipe(SIGNING, &verify, "");
        assert_eq!(recipe.assurance(&Settings::default()), Ok(assurance), "{verify}");
    }
    assert_eq!(recipe("[]", "none", "").assurance(&Settings::default()), Ok(Assurance::None));
    assert_eq!(recipe(SIGNING, digest, "").weaknesses(), ["it is"]);
}

#[test]
fn a_vector_says_whether_its_events_come_again_as_the_same_ones() {
    let digest = hmac_hex("key", b"{}");
    let run = |id: &str, again: &str| {
        let head = GOOD.replace("type_otherwise: unknown", &format!("type_otherwise: unknown{id}"));
        let vector = format!(
            "{{ name: a, kind: valid, made_by: a test, secrets: [{{ role: signing, value: key }}], at: 2026-01-31T09:30:00Z, headers: {{ x-sig: {digest} }}, body: '{{}}', again: [{again}], expect: {{ assurance: body, events: [{{ type: unknown{} }}] }} }}",
            if id.is_empty() { "" } else { ", id: one" },
        );
        let text = format!("{head}dedupe: {{ within: 1h }}\n---\nvectors:\n  - {vector}\n");
        let recipe = Recipe::from_yaml("own.yaml", &text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        recipe.vectors()[0].run(&recipe).err().unwrap_or_default()
    };
    let (none, with_id) = ("", "\n  id: [[{ const: one }]]");
    for (id, again, said) in [
        (none, "{ after: 0s, same: true }, { after: 1h, same: true }, { after: 3601s, same: false }", ""),
        (none, "{ after: 1h, same: false }", "3600 s later 1 of its 1 events are the same, expected none"),
        (none, "{ after: 2h, same: true }", "7200 s later 0 of its 1 events are the same, expected all"),
        (with_id, "{ after: 365d, same: true }", ""),
        (with_id, "{ after: 365d, same: false }", "expected none"),
    ] {
        let found = run(id, again);
        assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{again}: {found}");
    }
}

/// A check by keys that an API gives out, in which nothing is wrong.
const BY_KEY_API: &str = "verify:
  signature:
    algorithm: ed25519
    fetched:
      url: { const: https://api.own.example/keys/one }
      hosts: [api.own.example]
      path: /keys/{word}
      format: jwks
      kid: { header: x-key-id }
      key_api:
        credentials: api
        post: { key_id: kid }
        token: { path: /token, scope: keys }
        at: /key
        absent: { status: 400, at: /error, equals: unknown }
    message: [body]
    signature: { from: { header: x-sig }, encoding: hex }
";

#[test]
fn threat_20_credentials_go_only_where_a_recipe_says_in_so_many_words() {
    let check = GOOD.split_once("verify:").and_then(|(_, after)| after.split_once("event:")).expect("both").0;
    let by_api = GOOD.replace("role: signing", "role: api").replace(&format!("verify:{check}"), BY_KEY_API);
    assert_eq!(errors(&by_api), []);
    for (from, to, said) in [
        ("hosts: [api.own.example]", "hosts: ['{label}.own.example']", "write each of them out"),
        ("      path: /keys/{word}\n", "", "whole 'path'"),
        ("format: jwks", "format: certificate", "'jwks' or 'pem'"),
        ("key_id: kid", "key_id: name", "lacks the name of the key"),
        ("path: /token", "path: '/{word}'", "fixed path"),
        ("path: /token", "path: token", "fixed path"),
        (", equals: unknown", "", "'at' and 'equals'"),
        ("at: /key", "at: key", "no JSON pointer"),
        ("credentials: api", "credentials: token", "used and not declared"),
    ] {
        let told = errors(&by_api.replace(from, to));
        assert!(told.iter().any(|(_, message)| message.contains(said)), "{from} -> {to}: {told:?}");
    }
}
