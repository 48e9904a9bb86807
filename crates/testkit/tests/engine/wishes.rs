//! What people wish for single deliveries while a process is at work on them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{DeliveryId, DeliveryState, Tenant};
use store::people::Wish;

use crate::rig::{Rig, memory, specs};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Three deliveries to a destination that takes one in an hour: one was sent, two wait in memory for their turn.
async fn waiting_in_memory() -> (Rig, Vec<DeliveryId>) {
    let mut slow = specs();
    slow.destinations[0].rate_limit = Some("1/h".parse().expect("a rate"));
    let rig = Rig::with(memory(), slow).await;
    for _ in 0..3 {
        rig.publish().await;
    }
    rig.pass(Duration::from_secs(1)).await;
    let waiting: Vec<_> = rig.deliveries(DeliveryState::InFlight).await.iter().map(|row| row.id).collect();
    assert_eq!((waiting.len(), rig.network.sent.load(Ordering::SeqCst)), (2, 1), "claimed, and not sent yet");
    (rig, waiting)
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_while_it_waits_in_memory_is_never_sent() {
    let (rig, waiting) = waiting_in_memory().await;
    let wishes = rig.engine.cancel(Tenant::default_tenant(), waiting).await.expect("cancelled");
    assert_eq!(wishes, [Wish::Done, Wish::Done]);
    rig.pass(5 * HOUR).await;
    assert_eq!(rig.network.sent.load(Ordering::SeqCst), 1);
    assert_eq!(rig.deliveries(DeliveryState::Cancelled).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_and_retried_is_sent_once() {
    let (rig, waiting) = waiting_in_memory().await;
    rig.engine.cancel(Tenant::default_tenant(), waiting.clone()).await.expect("cancelled");
    rig.engine.retry(Tenant::default_tenant(), waiting).await.expect("retried");
    rig.pass(5 * HOUR).await;
    assert_eq!(rig.network.sent.load(Ordering::SeqCst), 3);
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 3);
}
