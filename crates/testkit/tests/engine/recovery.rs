//! What people have tried again after an outage: many at once, in the order that was promised.

use std::time::Duration;

use bytes::Bytes;
use domain::ordering::Ordering;
use domain::{DeliveryState, Tenant};
use engine::dead_letters::Retried;
use engine::publish::Publication;
use serde_json::json;
use store::read::{DeliveryFilter, PAGE_MAX};

use crate::rig::{Rig, memory, specs};

const SECOND: Duration = Duration::from_secs(1);
/// More than one page of a list.
const MANY: u64 = PAGE_MAX as u64 + 20;
const APP: &str = "https://app.example/hook";

/// Every event of one subject, one after another; a failure is a dead letter, and no breaker opens.
async fn ordered() -> Rig {
    let mut specs = specs();
    specs.routes[0].ordering = Ordering::Subject;
    specs.destinations[0].breaker.failures = 1_000_000;
    Rig::with(memory(), specs).await
}

fn answers(rig: &Rig, status: u16) {
    let mut answers = rig.network.answers.lock().expect("nobody panicked");
    answers.insert(APP.to_owned(), (status, String::new()));
}

async fn publish(rig: &Rig, number: u64) {
    let publication = Publication {
        tenant: Tenant::default_tenant(),
        source: "own".parse().expect("a name"),
        event_type: "order.changed".to_owned(),
        subject: Some("orders/42".to_owned()),
        data: Bytes::from(json!({ "number": number }).to_string()),
        idempotency_key: None,
    };
    rig.engine.publish(publication).await.expect("published");
}

/// The numbers that the destination heard, in the order in which it did.
fn heard(rig: &Rig) -> Vec<u64> {
    let heard = rig.network.heard.lock().expect("nobody panicked");
    let number = |body: &str| serde_json::from_str::<serde_json::Value>(body).ok()?["data"]["number"].as_u64();
    heard.iter().filter_map(|[.., body]| number(body)).collect()
}

#[tokio::test(start_paused = true)]
async fn dead_letters_of_several_pages_leave_in_the_order_in_which_they_were_accepted() {
    let rig = ordered().await;
    answers(&rig, 500);
    for number in 0..MANY {
        publish(&rig, number).await;
        rig.pass(SECOND).await;
    }
    rig.pass(600 * SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 0);
    rig.network.heard.lock().expect("nobody panicked").clear();
    answers(&rig, 200);
    let retried = rig.engine.retry_dead(Tenant::default_tenant(), DeliveryFilter::default()).await.expect("retried");
    assert_eq!(retried, Retried { count: MANY, more: false });
    rig.pass(600 * SECOND).await;
    assert_eq!(heard(&rig), (0..MANY).collect::<Vec<_>>());
}
