//! How much is tried before a request is judged: work is counted, not time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connectors::provider::{Peer, Recipe, Urls, judge};
use data_encoding::HEXLOWER;
use domain::{Tenant, Timestamp};
use ring::hmac;
use store::registry::ManagedBy;

use super::*;
use crate::spec::{RoleSecret, Secret, SourceSpec, WebhookSpec};

const CONNECTIONS: usize = 3_000;
const BODY: &str = r#"{"account":"shop-1234"}"#;

/// A sender whose requests say what the two places are filled with.
fn recipe(select_by: &str, connection: &str, handshakes: &str) -> Recipe {
    let text = format!(
        "provider: many
title: A sender of many accounts
docs: https://many.example
secrets: [{{ role: signing, about: of the account }}]
verify:
  hmac:
    hash: sha256
    key: signing
    {select_by}
    message: [body]
    signature: {{ from: {{ header: x-signature }}, encoding: hex }}
{handshakes}
event: {{ type: [[{{ const: came }}]], type_otherwise: came{connection} }}
facts: {{ as_of: 2026-01-31, source: https://many.example }}
"
    );
    Recipe::from_yaml("many.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn connection(number: usize) -> ConnectionName {
    format!("shop-{number}").parse().expect("a name")
}

fn secret_of(number: usize) -> String {
    format!("the secret of shop {number}")
}

fn secret(number: usize, name: Option<String>) -> RoleSecret {
    RoleSecret { name, ..RoleSecret::new("signing".to_owned(), Secret::new(secret_of(number))) }
}

/// Each connection has a secret of its own, called `key-N` if they are called anything.
fn set(recipe: &Recipe, named: bool) -> KeySet {
    let own = |number| (connection(number), vec![secret(number, named.then(|| format!("key-{number}")))]);
    set_of(recipe, (0..CONNECTIONS).map(own).collect())
}

fn set_of(recipe: &Recipe, connections: BTreeMap<ConnectionName, Vec<RoleSecret>>) -> KeySet {
    set_beside(recipe, Vec::new(), connections)
}

/// The same beside secrets of the source's own.
fn set_beside(
    recipe: &Recipe,
    secrets: Vec<RoleSecret>,
    connections: BTreeMap<ConnectionName, Vec<RoleSecret>>,
) -> KeySet {
    let webhook = WebhookSpec {
        provider: "many".to_owned(),
        secrets,
        settings: BTreeMap::new(),
        dedupe_within: None,
        allow_from: None,
        reply: None,
    };
    let spec = SourceSpec {
        tenant: Tenant::default_tenant(),
        name: "many".parse().expect("a name"),
        managed_by: ManagedBy::File,
        webhook: None,
        publish: false,
        connections,
        connector: None,
    };
    KeySet::compile(recipe, &spec, &webhook, &[]).expect("usable secrets")
}

/// By whose secret a request passes, and how many keys were tried.
fn tried(recipe: &Recipe, set: &KeySet, headers: &[(&str, &str)], signer: usize) -> (Option<ConnectionName>, usize) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret_of(signer).as_bytes());
    let signature = HEXLOWER.encode(hmac::sign(&key, BODY.as_bytes()).as_ref());
    let headers = headers.iter().copied().chain([("x-signature", signature.as_str())]);
    let headers: Vec<(Arc<str>, Bytes)> =
        headers.map(|(name, value)| (name.into(), Bytes::from(value.to_owned()))).collect();
    let urls = Urls { configured: "https://hooks.example/in/many", received: "https://hooks.example/in/many" };
    let incoming = Incoming { method: "POST", urls, headers: &headers, body: BODY.as_bytes(), peer: Peer::default() };
    let count = Cell::new(0);
    let counted = |keys: &Keys| {
        count.set(count.get() + 1);
        judge(recipe, keys, &incoming, Timestamp::from_secs(1))
    };
    let (judgement, proved) = judge_by_account(set, &Account::Unnamed, &incoming, counted);
    assert_eq!(proved.is_some(), matches!(judgement, Judgement::Accepted(_)), "{judgement:?}");
    (proved, count.get())
}

const BY_KEY: &str = "select_by: { header: x-key }";
const BY_HEADER: &str = ", connection: [[{ header: x-account }]]";
const BY_BODY: &str = ", connection: [[{ json: /account }]]";

#[test]
fn of_thousands_of_accounts_only_the_one_is_tried_that_the_request_names() {
    for (what, recipe, named, headers) in [
        ("its key", recipe(BY_KEY, "", ""), true, &[("x-key", "key-1234")][..]),
        ("itself", recipe("", BY_HEADER, ""), false, &[("x-account", "shop-1234")]),
        ("itself in the body", recipe("", BY_BODY, ""), false, &[]),
        ("both", recipe(BY_KEY, BY_HEADER, ""), true, &[("x-account", "shop-1234"), ("x-key", "key-1234")]),
    ] {
        let set = set(&recipe, named);
        assert_eq!(tried(&recipe, &set, headers, 1234), (Some(connection(1234)), 1), "{what}");
        assert_eq!(tried(&recipe, &set, headers, 77), (None, 1), "{what}: another account's secret is not even tried");
    }
}

#[test]
fn who_names_nobody_is_refused_by_one_try() {
    let recipe = recipe(BY_KEY, "", "");
    let set = set(&recipe, true);
    for headers in [&[][..], &[("x-key", "")], &[("x-key", "key-nobody")], &[("x-key", "key-1"), ("x-key", "key-2")]] {
        assert_eq!(tried(&recipe, &set, headers, 1), (None, 1), "{headers:?}");
    }
}

#[test]
fn where_nothing_names_the_account_every_secret_is_tried_until_one_is_right() {
    let handshake = "handshakes: [{ when: [{ present: { query: hello } }], respond: { status: 200, body: { text: [{ const: hello }] } } }]";
    for (what, recipe, named) in [
        ("no name is said", recipe("", "", ""), false),
        ("the secrets have none", recipe(BY_KEY, "", ""), false),
        ("an open handshake has none", recipe(BY_KEY, "", handshake), true),
        ("an account that is called otherwise here", recipe("", BY_HEADER, ""), false),
    ] {
        let set = set(&recipe, named);
        let headers = [("x-key", "key-1234"), ("x-account", "elsewhere")];
        let (proved, count) = tried(&recipe, &set, &headers, 1234);
        assert_eq!(proved, Some(connection(1234)), "{what}");
        assert!((1..=CONNECTIONS).contains(&count) && count > 100, "{what}: {count} were tried");
        assert_eq!(tried(&recipe, &set, &headers, CONNECTIONS), (None, CONNECTIONS), "{what}: a stranger's");
    }
}

#[test]
fn a_secret_that_is_called_nothing_counts_beside_the_named_ones() {
    let recipe = recipe(BY_KEY, "", "");
    let named = |number, name: &str| secret(number, Some(name.to_owned()));
    let connections = [
        (connection(1), vec![named(1, "key-1")]),
        (connection(2), vec![named(2, "key-2"), secret(22, None)]),
        (connection(3), vec![named(3, "key-1"), named(33, "key-1")]),
    ];
    let set = set_of(&recipe, connections.into());
    for (signer, key, expected) in [
        (1, "key-1", (Some(connection(1)), 1)),
        (22, "key-unheard-of", (Some(connection(2)), 1)),
        (33, "key-1", (Some(connection(3)), 2)),
        (2, "key-1", (None, 3)),
    ] {
        assert_eq!(tried(&recipe, &set, &[("x-key", key)], signer), expected, "{signer} by {key}");
    }
}

/// By whose keys a body is judged that is signed with the secret of this number, and with which code it is refused.
fn judged(recipe: &Recipe, set: &KeySet, body: &str, signer: usize) -> (Option<ConnectionName>, Option<String>) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret_of(signer).as_bytes());
    let signature = HEXLOWER.encode(hmac::sign(&key, body.as_bytes()).as_ref());
    let headers = [("x-signature".into(), Bytes::from(signature))];
    let urls = Urls { configured: "https://hooks.example/in/many", received: "https://hooks.example/in/many" };
    let incoming = Incoming { method: "POST", urls, headers: &headers, body: body.as_bytes(), peer: Peer::default() };
    let judge = |keys: &Keys| judge(recipe, keys, &incoming, Timestamp::from_secs(1));
    match judge_by_account(set, &Account::Unnamed, &incoming, judge) {
        (Judgement::Accepted(_), proved) => (proved, None),
        (Judgement::Rejected(reason), None) => (None, Some(reason.code.to_string())),
        other => panic!("{other:?}"),
    }
}

const SHARED: usize = 0;

#[test]
fn the_sources_own_secret_speaks_for_no_account_that_has_one_of_its_own() {
    let recipe = recipe("", BY_BODY, "");
    let connections = [(connection(1), vec![secret(1, None)]), (connection(2), Vec::new())];
    let set = set_beside(&recipe, vec![secret(SHARED, None)], connections.into());
    let of = |account: &str| format!(r#"{{"account":"{account}"}}"#);
    let mismatch = Some("signature_mismatch".to_owned());
    for (account, signer, expected) in [
        ("shop-1", SHARED, (None, mismatch.clone())),
        ("shop-1", 1, (Some(connection(1)), None)),
        ("shop-1", 2, (None, mismatch.clone())),
        ("shop-2", SHARED, (None, None)),
        ("elsewhere", SHARED, (None, None)),
        // Whose secret it is says whose event it is, whatever the payload names.
        ("shop-2", 1, (Some(connection(1)), None)),
    ] {
        assert_eq!(judged(&recipe, &set, &of(account), signer), expected, "{account} by {signer}");
    }
    // The same secret in both places is the account's own too.
    let both = set_beside(&recipe, vec![secret(1, None)], [(connection(1), vec![secret(1, None)])].into());
    assert_eq!(judged(&recipe, &both, &of("shop-1"), 1), (Some(connection(1)), None));
}

#[test]
fn a_batch_that_names_an_account_with_a_secret_of_its_own_passes_by_that_alone() {
    let recipe = recipe("", ", split: /all, connection: [[{ json: /account }]]", "");
    let connections = [(connection(1), vec![secret(1, None)]), (connection(2), Vec::new())];
    let set = set_beside(&recipe, vec![secret(SHARED, None)], connections.into());
    let of = |accounts: &[&str]| {
        let all: Vec<_> = accounts.iter().map(|account| format!(r#"{{"account":"{account}"}}"#)).collect();
        format!(r#"{{"all":[{}]}}"#, all.join(","))
    };
    let mismatch = Some("signature_mismatch".to_owned());
    for (accounts, signer, expected) in [
        (&["shop-2", "elsewhere"][..], SHARED, (None, None)),
        (&["shop-1", "shop-1"], SHARED, (None, mismatch.clone())),
        (&["shop-2", "shop-1"], SHARED, (None, mismatch.clone())),
        (&["shop-1", "shop-2"], SHARED, (None, mismatch.clone())),
        (&["shop-1", "shop-1"], 1, (Some(connection(1)), None)),
    ] {
        assert_eq!(judged(&recipe, &set, &of(accounts), signer), expected, "{accounts:?} by {signer}");
    }
    // Where the same secret stands in both places it proves each of them.
    let both = set_beside(&recipe, vec![secret(1, None)], [(connection(1), vec![secret(1, None)])].into());
    assert_eq!(judged(&recipe, &both, &of(&["shop-1", "shop-2"]), 1), (None, None));
}
