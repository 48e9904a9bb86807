//! Kinto, which can only be asked: a burst of changes while the receiver is down for part of it.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::{Client, Example, received_once};
use crate::support::eventually;
use crate::support::process::Gateway;

const RECORDS: &str = "/v1/buckets/default/collections/orders/records";
/// "trireme:anything", as the example's trireme.yaml has them.
const AUTHORIZATION: &str = "Basic dHJpcmVtZTphbnl0aGluZw==";
const JSON: &str = "application/json";

/// Those that are there before; of them, the first are deleted and the next updated.
const BEFORE: u32 = 250;
const DELETED: u32 = 100;
const CREATED: u32 = 250;
const CHANGES: usize = 500;

async fn put(client: &mut Client, number: u32, total: u32) {
    let body = json!({ "data": { "total": total } }).to_string();
    client.send(Method::PUT, &format!("{RECORDS}/order-{number}"), JSON, body).await;
}

/// One of 500 changes, each of a record of its own, so that no poll can see two of them as one.
async fn change(client: &mut Client, number: u32) {
    match number {
        0..DELETED => {
            client.send(Method::DELETE, &format!("{RECORDS}/order-{number}"), JSON, String::new()).await;
        }
        _ => put(client, number, number + 1000).await,
    }
}

/// All records as Kinto has them now, those that are gone too.
async fn states(client: &mut Client) -> BTreeMap<String, Value> {
    let path = format!("{RECORDS}?_since=0");
    let mut states = BTreeMap::new();
    let answer = client.send(Method::GET, &path, JSON, String::new()).await.json();
    for record in answer["data"].as_array().expect("a list") {
        states.insert(record["id"].as_str().expect("an id").to_owned(), record.clone());
    }
    states
}

async fn polls(gateway: &Gateway) -> u64 {
    let streams = gateway.api("/api/v1/streams").await.json();
    streams["data"][0]["polls"].as_u64().expect("it is polled")
}

#[tokio::test]
async fn five_hundred_changes_at_kinto_are_told_once_each() {
    let example = Example::start("kinto", 8888).await;
    let mut client = example.client(AUTHORIZATION).await;
    for number in 0..BEFORE {
        put(&mut client, number, number).await;
    }
    let gateway = example.gateway();
    eventually("the first complete scan", async || {
        let streams = gateway.api("/api/v1/streams").await.json();
        streams["data"][0]["baseline_at"].is_string().then_some(())
    })
    .await;

    let all = BEFORE + CREATED;
    for number in 0..all / 2 {
        change(&mut client, number).await;
    }
    eventually("a try while the receiver is down", async || {
        let retrying = gateway.api("/api/v1/deliveries?state=retrying").await.json();
        (!retrying["data"].as_array()?.is_empty()).then_some(())
    })
    .await;
    let receiver = example.receiver().await;
    for number in all / 2..all {
        change(&mut client, number).await;
    }
    receiver.has_got(CHANGES).await;
    let polls = polls(&gateway).await;
    // The one that was under way, and one that began after the last change was told.
    eventually("two more polls", async || (self::polls(&gateway).await >= polls + 2).then_some(())).await;

    let events = received_once(&receiver);
    assert_eq!(events.len(), CHANGES);
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("order.created"), count("order.updated"), count("order.deleted")), (250, 150, 100));
    let told =
        events.iter().map(|event| (event["data"]["id"].as_str().expect("an id").to_owned(), event["data"].clone()));
    let told: BTreeMap<String, Value> = told.collect();
    assert_eq!(told, states(&mut client).await, "each record's last state");
    gateway.stop();
}
