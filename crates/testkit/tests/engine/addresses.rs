//! Sources that take requests from some addresses only (threat 13: a spoofed or unknown client address).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::request::Verdict;
use domain::{RequestId, Tenant};
use engine::receive::Receipt;
use engine::spec::{AllowFrom, Specs};
use store::Store;
use store::read::{Page, RequestFilter};

use crate::rig::{Rig, SECRET, memory, specs};

const LIST: &str = r#"{ "hooks": ["198.51.100.0/24", "2001:db8::/48"], "web": ["203.0.113.0/24"] }"#;
const REFRESH: Duration = Duration::from_secs(6 * 60 * 60 + 1);

fn allowing(ranges: &[&str], published: bool) -> Specs {
    let mut specs = specs();
    let webhook = specs.sources[0].webhook.as_mut().expect("it listens");
    let ranges = ranges.iter().map(|range| range.parse().expect("a range")).collect();
    webhook.allow_from = Some(AllowFrom { ranges, published });
    specs
}

async fn answers(rig: &Rig, remotes: &[&str]) -> Vec<&'static str> {
    let mut answers = Vec::new();
    for remote in remotes {
        answers.push(match rig.webhook_from(remote, SECRET).await {
            Receipt::Accepted { .. } => "accepted",
            Receipt::Rejected { .. } => "rejected",
            Receipt::Unavailable { .. } => "unavailable",
            other => panic!("{other:?}"),
        });
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn threat_13_a_stranger_is_refused_however_well_it_signs_and_a_friend_must_still_sign() {
    let rig = Rig::with(memory(), allowing(&["192.0.2.0/24"], false)).await;
    let remotes = ["192.0.2.1", "::ffff:192.0.2.9", "198.51.100.1", "not an address", ""];
    assert_eq!(answers(&rig, &remotes).await, ["accepted", "accepted", "rejected", "rejected", "rejected"]);
    assert!(matches!(rig.webhook_from("192.0.2.1", "another secret").await, Receipt::Rejected { .. }));
    let filter = RequestFilter { verdict: Some(Verdict::Rejected), ..RequestFilter::default() };
    let kept = rig.store.requests(Tenant::default_tenant(), filter, Page::first(10)).await.expect("requests").rows;
    let codes: Vec<String> = kept.iter().filter_map(|row| Some(row.reason.as_ref()?.code.to_string())).collect();
    assert_eq!(codes.iter().filter(|code| *code == "address_not_allowed").count(), 3);
    assert!(codes.iter().any(|code| code == "signature_mismatch"));
}

#[tokio::test(start_paused = true)]
async fn threat_13_a_published_list_counts_once_fetched_and_the_last_good_one_stays() {
    let store: Arc<dyn Store> = memory();
    let rig = Rig::with(Arc::clone(&store), allowing(&[], true)).await;
    rig.pass(Duration::from_secs(1)).await;
    let remotes = ["198.51.100.7", "203.0.113.7"];
    // Nobody can say yet: the sender is to come again, nothing is lost.
    assert_eq!(answers(&rig, &remotes).await, ["unavailable", "unavailable"]);
    rig.publish_addresses(200, LIST);
    rig.pass(Duration::from_secs(61)).await;
    assert_eq!(answers(&rig, &remotes).await, ["accepted", "rejected"]);
    rig.publish_addresses(503, "");
    rig.pass(REFRESH).await;
    // From here on it is asked again every minute.
    for (status, list) in
        [(503, ""), (200, "<html>"), (200, r#"{ "hooks": [] }"#), (200, r#"{ "hooks": ["0.0.0.0/0"] }"#)]
    {
        let fetched = rig.network.fetched.load(Ordering::SeqCst);
        rig.publish_addresses(status, list);
        rig.pass(Duration::from_secs(61)).await;
        assert!(rig.network.fetched.load(Ordering::SeqCst) > fetched, "it was asked again");
        assert_eq!(answers(&rig, &remotes).await, ["accepted", "rejected"], "{list}");
    }
    rig.publish_addresses(200, r#"{ "hooks": ["203.0.113.0/24"] }"#);
    rig.pass(Duration::from_secs(61)).await;
    assert_eq!(answers(&rig, &remotes).await, ["rejected", "accepted"], "a new list takes the place of the old one");
    // After a restart behind a broken network the last good list still counts.
    let again = Rig::with(store, allowing(&[], true)).await;
    again.pass(Duration::from_secs(1)).await;
    assert_eq!(answers(&again, &remotes).await, ["rejected", "accepted"]);
}

/// The one rejected request.
async fn rejected(rig: &Rig) -> RequestId {
    let filter = RequestFilter { verdict: Some(Verdict::Rejected), ..RequestFilter::default() };
    let kept = rig.store.requests(Tenant::default_tenant(), filter, Page::first(10)).await.expect("requests").rows;
    let [only] = kept.as_slice() else { panic!("{kept:?}") };
    only.request.id
}

/// What judging it again comes to, with the code of why not.
async fn judged(rig: &Rig, id: RequestId) -> (Verdict, Option<String>) {
    let judged = rig.engine.reverify(Tenant::default_tenant(), id).await.expect("judged");
    assert_eq!(judged.events.len(), usize::from(judged.verdict == Verdict::Accepted));
    (judged.verdict, judged.reason.map(|reason| reason.code.to_string()))
}

#[tokio::test(start_paused = true)]
async fn threat_13_judging_again_lets_no_stranger_in_until_its_address_is_allowed() {
    let rig = Rig::with(memory(), allowing(&["192.0.2.0/24"], false)).await;
    assert_eq!(answers(&rig, &["198.51.100.7"]).await, ["rejected"]);
    let id = rejected(&rig).await;
    let refused = (Verdict::Rejected, Some("address_not_allowed".to_owned()));
    assert_eq!(judged(&rig, id).await, refused);
    // Who may send is published, and nobody knows yet what.
    rig.engine.configure(allowing(&[], true)).await.expect("a reload");
    assert_eq!(judged(&rig, id).await, (Verdict::Pending, None));
    assert_eq!(rejected(&rig).await, id, "it is as it was");
    rig.publish_addresses(200, LIST);
    rig.pass(Duration::from_secs(61)).await;
    assert_eq!(judged(&rig, id).await, (Verdict::Accepted, None));
}

#[tokio::test(start_paused = true)]
async fn no_list_is_fetched_that_no_source_asks_for() {
    let rig = Rig::with(memory(), allowing(&["192.0.2.0/24"], false)).await;
    rig.publish_addresses(200, LIST);
    rig.pass(Duration::from_secs(61)).await;
    assert_eq!(rig.network.fetched.load(Ordering::SeqCst), 0);
}
