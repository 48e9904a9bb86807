//! The list of the connections whose tokens a source has changed, by which a new master key finds them: two nodes that
//! put one on it at once both do, and one that cannot be read is left as it is.

use std::sync::Arc;

use bytes::Bytes;
use domain::{ConnectionName, Tenant};
use engine::entropy::SeededEntropy;
use engine::spec::ConnectionConfig;
use engine::upstream::{Account, rewrap_rotated};
use engine::vault::{MasterKey, Vault};
use futures_util::future::join;
use serde_json::{Value as Json, json};
use store::{Store, StoreError};
use testkit::scripted::{Script, ScriptedTransport};

use super::{OAUTH, ROTATING, account, specs};
use crate::in_step::InStep;
use crate::rig::{Rig, clock};

const LIST: &str = "rotated/default/shop";

fn connection(name: &str) -> ConnectionName {
    name.parse().expect("a name")
}

/// Nodes that may ask for two accounts of one shop, each with a refresh token of its own.
async fn nodes(in_step: &InStep) -> [Rig; 2] {
    let upstream = ScriptedTransport::new(Script::parse(ROTATING).unwrap_or_else(|error| panic!("{error}")));
    let ([first, second], clock) = (in_step.both(), clock());
    let config = |token: &str| json!({ "id": "me", "secret": "client-secret", "refresh_token": token });
    let mut specs = specs(&upstream.addressed(OAUTH), config("r-0"), &clock);
    let accounts = [("acme", "r-0"), ("blue", "r-1")].map(|(name, token)| (connection(name), config(token)));
    let shop = &mut specs.sources[0];
    shop.connections = accounts.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    let connector = shop.connector.as_mut().expect("it has one");
    connector.configs = accounts.map(|(name, config)| (name, ConnectionConfig::new(config))).into();
    let first = Rig::node(1, first, specs.clone(), clock.clone(), Arc::clone(&upstream) as _).await;
    [first, Rig::node(2, second, specs, clock, upstream).await]
}

async fn records(node: &Rig, name: &str) -> Result<Vec<Json>, String> {
    let account = Account { connection: connection(name), ..account() };
    let read = node.engine.read_records(&account, "items", 10).await;
    read.map(|read| read.records).map_err(|error| error.to_string())
}

fn vault(digits: &str) -> Vault {
    Vault::new(MasterKey::from_hex(&digits.repeat(32)).expect("64 digits"))
}

async fn rewrap(store: &Arc<dyn Store>, next: &Vault) -> Result<(), StoreError> {
    let (former, entropy) = (vault("0b"), SeededEntropy::new(9));
    let done = rewrap_rotated(&**store, (&former, next), &entropy, &Tenant::default_tenant(), "shop").await;
    done.map(|done| done.expect("the former key opens all of them"))
}

async fn sealed(store: &Arc<dyn Store>, name: &str) -> String {
    let kept = store.setting(format!("{LIST}/{name}").into()).await.expect("the store answers");
    String::from_utf8(kept.expect("it was kept").to_vec()).expect("text")
}

#[tokio::test(start_paused = true)]
async fn tokens_that_two_nodes_list_at_once_are_both_found_by_a_new_master_key() {
    let in_step = InStep::new();
    let [first, second] = nodes(&in_step).await;
    in_step.meet();
    let read = join(records(&first, "acme"), records(&second, "blue")).await;
    assert_eq!(read, (Ok(vec![json!({ "id": 1 })]), Ok(vec![json!({ "id": 2 })])));
    let store = &in_step.store;
    let listed = store.setting(LIST.into()).await.expect("the store answers").expect("there is one");
    let mut listed: Vec<String> = serde_json::from_slice(&listed).expect("a list");
    listed.sort();
    assert_eq!(listed, ["acme", "blue"]);
    let before = [sealed(store, "acme").await, sealed(store, "blue").await];
    let next = vault("0c");
    rewrap(store, &next).await.expect("it is done");
    for (name, before) in ["acme", "blue"].into_iter().zip(before) {
        assert_ne!(sealed(store, name).await, before, "{name} is under the new key");
    }
    assert_eq!(rewrap(store, &next).await, Ok(()), "the new key opens all of them");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_is_told_and_left_as_it_is() {
    for damaged in ["", "no list", r#"["acme", 7]"#, r#"["no name", "acme"]"#, r#"{"acme":1}"#] {
        let in_step = InStep::new();
        let [first, _] = nodes(&in_step).await;
        let store = &in_step.store;
        store.put_setting(LIST.into(), damaged.into()).await.expect("put_setting");
        let failed = records(&first, "blue").await.expect_err("a token could not be listed");
        assert!(failed.contains(LIST), "{damaged}: {failed}");
        assert_eq!(store.setting(LIST.into()).await, Ok(Some(Bytes::from(damaged))));
        assert!(!sealed(store, "blue").await.is_empty(), "the token is kept: there is no other");
        let refused = rewrap(store, &vault("0c")).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{damaged}: {refused:?}");
    }
}
