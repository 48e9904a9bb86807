//! localstripe, which sends each webhook once: a burst of changes, the receiver away for the first of them and the gateway
//! killed for the next.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::{Client, Example, received_once};
use crate::support::eventually;
use crate::support::process::Gateway;

const AUTHORIZATION: &str = "Bearer sk_test_of_this_machine";
const FORM: &str = "application/x-www-form-urlencoded";

/// Customers that are there before the gateway is.
const BEFORE: usize = 200;
const CHANGES: usize = 500;

/// A part of the burst: so many are made, and those of the customers of before are changed and deleted.
struct Burst {
    made: usize,
    changed: std::ops::Range<usize>,
    deleted: std::ops::Range<usize>,
}

/// While nobody listens at the destination.
const UNTAKEN: Burst = Burst { made: 100, changed: 0..30, deleted: 30..50 };
/// While there is no gateway.
const UNHEARD: Burst = Burst { made: 70, changed: 50..100, deleted: 100..130 };
/// While all is well.
const TAKEN: Burst = Burst { made: 150, changed: 130..170, deleted: 170..180 };

impl Burst {
    const fn len(&self) -> usize {
        self.made + (self.changed.end - self.changed.start) + (self.deleted.end - self.deleted.start)
    }

    /// Each change is of a customer of its own.
    async fn happens(&self, client: &mut Client, ids: &[String]) {
        for number in 0..self.made {
            make(client, number).await;
        }
        for id in &ids[self.changed.clone()] {
            client.send(Method::POST, &format!("/v1/customers/{id}"), FORM, "name=changed".to_owned()).await;
        }
        for id in &ids[self.deleted.clone()] {
            client.send(Method::DELETE, &format!("/v1/customers/{id}"), FORM, String::new()).await;
        }
    }
}

const _: () = assert!(UNTAKEN.len() + UNHEARD.len() + TAKEN.len() == CHANGES);

async fn make(client: &mut Client, number: usize) -> String {
    let made = client.send(Method::POST, "/v1/customers", FORM, format!("name=customer-{number}")).await.json();
    made["id"].as_str().expect("an id").to_owned()
}

/// Has localstripe send its webhooks there, a second after each change.
async fn subscribe(client: &mut Client, address: &str) {
    let form = format!("url={address}/in/stripe&secret=whsec_of_this_machine");
    client.send(Method::POST, "/_config/webhooks/trireme", FORM, form).await;
}

/// Waits until so many webhooks met nobody.
async fn has_lost(example: &Example, count: usize) {
    let lost = || example.served.log().lines().filter(|line| line.contains("failed")).count();
    eventually(&format!("{count} webhooks lost"), async || (lost() >= count).then_some(())).await;
}

/// All customers as localstripe has them now.
async fn customers(client: &mut Client) -> BTreeMap<String, Value> {
    let answer = client.send(Method::GET, "/v1/customers?limit=10000", FORM, String::new()).await.json();
    let customers = answer["data"].as_array().expect("a list").iter();
    customers.map(|customer| (customer["id"].as_str().expect("an id").to_owned(), customer.clone())).collect()
}

/// How many events the gateway has of an origin.
async fn events(gateway: &Gateway, origin: &str) -> usize {
    let (mut count, mut next) = (0, String::new());
    loop {
        let page = gateway.api(&format!("/api/v1/events?origin={origin}&limit=100{next}")).await.json();
        count += page["data"].as_array().unwrap_or_else(|| panic!("no events: {page}")).len();
        let Some(cursor) = page["next"].as_str() else { return count };
        next = format!("&cursor={cursor}");
    }
}

async fn has_events(gateway: &Gateway, count: usize) {
    let has = async || (events(gateway, "native").await >= count).then_some(());
    eventually(&format!("{count} webhooks taken"), has).await;
}

/// Has the gateway compare; gives the run's figures.
fn reconcile(gateway: &Gateway) -> Value {
    let run: Value = serde_json::from_str(&gateway.run(&["reconcile", "stripe", "customers", "--json"])).expect("JSON");
    assert_eq!(run["state"], "done", "{run}");
    run["figures"].clone()
}

async fn has_scanned(gateway: &Gateway) {
    eventually("the first complete scan", async || {
        let streams = gateway.api("/api/v1/streams").await.json();
        streams["data"][0]["baseline_at"].is_string().then_some(())
    })
    .await;
}

/// A gateway that was killed, and another one on what it left; nothing was sent twice to see if somebody is there.
async fn killed_and_back(example: &Example, client: &mut Client, mut gateway: Gateway, ids: &[String]) -> Gateway {
    gateway.process.signal(rustix::process::Signal::KILL);
    gateway.process.ended();
    UNHEARD.happens(client, ids).await;
    has_lost(example, BEFORE + UNHEARD.len()).await;
    example.gateway()
}

#[tokio::test]
async fn five_hundred_changes_at_localstripe_are_told_once_each_although_it_sends_no_webhook_twice() {
    let example = Example::start("localstripe", 8420).await;
    let mut client = example.client(AUTHORIZATION).await;
    let mut ids = Vec::new();
    // Nobody listens there yet, so nothing that is still to be sent of these reaches the gateway.
    subscribe(&mut client, &format!("http://{}", example.receiver)).await;
    for number in 0..BEFORE {
        ids.push(make(&mut client, number).await);
    }
    has_lost(&example, BEFORE).await;
    let gateway = example.gateway();
    has_scanned(&gateway).await;
    subscribe(&mut client, &gateway.url()).await;

    UNTAKEN.happens(&mut client, &ids).await;
    has_events(&gateway, UNTAKEN.len()).await;
    let gateway = killed_and_back(&example, &mut client, gateway, &ids).await;
    let found = reconcile(&gateway);
    assert_eq!(
        (&found["missed"], &found["deleted"]),
        (&UNHEARD.len().into(), &UNHEARD.deleted.len().into()),
        "{found}"
    );

    let retrying = gateway.api("/api/v1/deliveries?state=retrying").await.json();
    assert_ne!(retrying["data"], serde_json::json!([]), "nothing was tried while the receiver was away");
    let receiver = example.receiver().await;
    subscribe(&mut client, &gateway.url()).await;
    TAKEN.happens(&mut client, &ids).await;
    has_events(&gateway, UNTAKEN.len() + TAKEN.len()).await;
    receiver.has_got(CHANGES).await;
    assert_eq!(reconcile(&gateway)["missed"], 0, "nothing was lost since");

    let told = received_once(&receiver);
    assert_eq!(told.len(), CHANGES);
    let count = |kind: &str| told.iter().filter(|event| event["type"] == kind).count();
    let kinds = ["created", "updated", "deleted"].map(|action| count(&format!("customer.{action}")));
    assert_eq!(kinds, [320, 120, 60]);
    let reconciled = told.iter().filter(|event| event["origin"] == "reconciled").count();
    assert_eq!(reconciled, UNHEARD.len());
    is_as_told(&told, &customers(&mut client).await, &ids);
    gateway.stop();
}

/// Each event carries its customer as localstripe has it, or tells of one that it has no longer.
fn is_as_told(told: &[Value], customers: &BTreeMap<String, Value>, ids: &[String]) {
    let mut known: BTreeMap<&str, Option<&Value>> = BTreeMap::new();
    for event in told {
        let subject = event["subject"].as_str().and_then(|subject| subject.strip_prefix("customer/"));
        let data = (event["type"] != "customer.deleted").then_some(&event["data"]);
        known.insert(subject.expect("a customer"), data);
    }
    assert_eq!(known.len(), CHANGES, "each change was of a customer of its own");
    for (id, data) in &known {
        assert_eq!(customers.get(*id), *data, "{id}");
    }
    let unchanged = ids.iter().filter(|id| !known.contains_key(id.as_str()));
    assert_eq!(unchanged.filter(|id| customers.contains_key(*id)).count(), 20, "and the rest is as it was");
}
