//! Requests that wait for their keys: no more of them than there is room for, and none for a source that is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::Vector;
use domain::Tenant;
use domain::request::{Reason, Verdict};
use engine::receive::Receipt;
use engine::spec::{AllowFrom, Specs};
use store::intake::{KeptRequest, RejectedBounds};
use store::read::{Page, RequestFilter};

use crate::rig::{Rig, memory};
use crate::sns::{clock, events, is_kept, kept, one_topic, publish, send, vector};

const MINUTE: Duration = Duration::from_secs(60);
/// Most requests of one source that wait.
const ROOM: usize = 10_000;

/// A rig to which nobody gives a certificate, and a message that needs one.
async fn waiting() -> (Rig, Vector) {
    let rig = Rig::at(memory(), one_topic(), clock()).await;
    rig.network.down.store(true, Ordering::SeqCst);
    (rig, vector("a notification"))
}

/// As if so many requests had come before. They are not due while a test runs.
async fn fill(rig: &Rig, count: usize) -> Vec<KeptRequest> {
    let due = Some(rig.clock.now() + 1_000 * MINUTE);
    let request = || Arc::new(rig.request("sns", Vec::new(), Bytes::from_static(b"{}")));
    let all: Vec<_> = (0..count)
        .map(|_| KeptRequest { request: request(), verdict: Verdict::Pending, reason: None, due, body_bytes: 2 })
        .collect();
    rig.store.keep_requests(all.clone(), RejectedBounds::default()).await.expect("kept");
    all
}

fn is_asked_to_come_back(receipt: &Receipt) -> bool {
    matches!(receipt, Receipt::Unavailable { retry_after, code: "waiting_room_full", .. } if *retry_after == MINUTE)
}

async fn come(rig: &Rig, verdict: Verdict) -> usize {
    let filter = RequestFilter { verdict: Some(verdict), ..RequestFilter::default() };
    let rows = rig.store.requests(Tenant::default_tenant(), filter, Page::first(100)).await.expect("requests").rows;
    rows.iter().filter(|row| row.request.headers.len() == 1).count()
}

#[tokio::test(start_paused = true)]
async fn threat_07_no_more_requests_wait_than_there_is_room_for_and_none_is_acknowledged_beyond() {
    let (rig, message) = waiting().await;
    let there = fill(&rig, ROOM - 2).await;
    // Those that come from here on are listed first.
    rig.pass(Duration::from_secs(1)).await;
    for _ in 0..2 {
        assert!(is_kept(&send(&rig, &message).await));
    }
    for _ in 0..3 {
        let receipt = send(&rig, &message).await;
        assert!(is_asked_to_come_back(&receipt), "{receipt:?}");
    }
    assert_eq!(come(&rig, Verdict::Pending).await, 2, "only what was acknowledged is kept");
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(rig.open().await, [("key_unreachable".to_owned(), "source/sns".to_owned())]);

    let again = Rig::at(Arc::clone(&rig.store), one_topic(), Arc::clone(&rig.clock)).await;
    again.network.down.store(true, Ordering::SeqCst);
    let receipt = send(&again, &message).await;
    assert!(is_asked_to_come_back(&receipt), "after a restart too: {receipt:?}");

    // One of them is judged, by whomever: there is room for one.
    let reason = Some(Reason { code: "signature_mismatch".into(), detail: String::new() });
    let (tenant, id, now) = (Tenant::default_tenant(), there[0].request.id, rig.clock.now());
    rig.store.rejudge(tenant, id, Verdict::Rejected, reason, None, Vec::new(), now).await.expect("judged");
    rig.pass(Duration::from_secs(11)).await;
    assert!(is_kept(&send(&rig, &message).await));
    let receipt = send(&rig, &message).await;
    assert!(is_asked_to_come_back(&receipt), "{receipt:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_key_of_a_source_that_is_gone_is_rejected_and_can_be_judged_again() {
    let (rig, message) = waiting().await;
    assert!(is_kept(&send(&rig, &message).await));
    rig.engine.configure(Specs::default()).await.expect("a reload");
    rig.pass(5 * MINUTE).await;
    assert_eq!(kept(&rig.store, Verdict::Pending).await.len(), 1, "the source may be on its way");
    rig.pass(25 * MINUTE).await;
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty());
    assert_eq!(kept(&rig.store, Verdict::Rejected).await, ["source_gone"]);
    assert!(rig.open().await.is_empty(), "nobody waits: {:?}", rig.open().await);

    rig.engine.configure(one_topic()).await.expect("a reload");
    rig.network.down.store(false, Ordering::SeqCst);
    publish(&rig, &message);
    let filter = RequestFilter { verdict: Some(Verdict::Rejected), ..RequestFilter::default() };
    let rows = rig.store.requests(Tenant::default_tenant(), filter, Page::first(10)).await.expect("requests").rows;
    let judged = rig.engine.reverify(Tenant::default_tenant(), rows[0].request.id).await.expect("judged");
    assert_eq!((judged.verdict, judged.events.len()), (Verdict::Accepted, 1));
}

#[tokio::test(start_paused = true)]
async fn threat_13_what_waited_is_no_event_if_its_address_is_not_allowed_by_then() {
    let (rig, message) = waiting().await;
    assert!(is_kept(&send(&rig, &message).await));
    let mut specs = one_topic();
    let webhook = specs.sources[0].webhook.as_mut().expect("it listens");
    webhook.allow_from =
        Some(AllowFrom { ranges: vec!["198.51.100.0/24".parse().expect("a range")], published: false });
    rig.engine.configure(specs).await.expect("a reload");
    rig.network.down.store(false, Ordering::SeqCst);
    publish(&rig, &message);
    rig.pass(2 * MINUTE).await;
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty());
    assert_eq!(kept(&rig.store, Verdict::Rejected).await, ["address_not_allowed"]);
    assert!(events(&rig.store).await.is_empty());
}
