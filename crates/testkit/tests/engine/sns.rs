//! A sender whose keys are fetched, from the first request to its event: the requests are the vectors of Amazon SNS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{Kind, Recipe, Vector, catalogue};
use domain::request::Verdict;
use domain::{RequestId, SourceName, Tenant};
use engine::clock::SharedClock;
use engine::handshakes::{Proposal, ProposalState};
use engine::receive::Receipt;
use engine::spec::{RoleSecret, Secret, SourceSpec, Specs};
use store::Store;
use store::read::{EventFilter, EventRow, Page, RequestFilter};
use testkit::sim_clock::SimClock;

use crate::rig::{Rig, listening, memory};

const MINUTE: Duration = Duration::from_secs(60);
const CHINA: &str = "of China";
const WISH: &str = "the wish for a confirmation";
const CERTIFICATE: &str =
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b2c3d4e5f60718293a4b5c6d7e8f9.pem";
const CONFIRMATION: &str = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:123456789012:oars&Token=2336412f37fb687f5d51e6e2425dacbbaa";

fn recipe() -> Arc<Recipe> {
    catalogue().get("aws-sns").expect("listed")
}

pub fn vector(name: &str) -> Vector {
    recipe().vectors().iter().find(|vector| vector.name == name).unwrap_or_else(|| panic!("no vector '{name}'")).clone()
}

fn secret(vector: &Vector) -> RoleSecret {
    RoleSecret::new("token".to_owned(), Secret::new(vector.secrets[0].1.clone()))
}

/// The source `sns`, of one topic, or of one in each of its connections.
fn specs(secrets: Vec<RoleSecret>, connections: BTreeMap<domain::ConnectionName, Vec<RoleSecret>>) -> Specs {
    let source = SourceSpec { connections, ..listening("sns", "aws-sns", secrets) };
    Specs { sources: vec![source], ..Specs::default() }
}

pub fn one_topic() -> Specs {
    specs(vec![secret(&vector("a notification"))], BTreeMap::new())
}

/// When the vectors were sent.
pub fn clock() -> SharedClock {
    Arc::new(SimClock::starting_at(vector("a notification").at))
}

async fn rig() -> Rig {
    Rig::at(memory(), one_topic(), clock()).await
}

/// The certificate that the vector says is published, at any address.
pub fn publish(rig: &Rig, vector: &Vector) {
    let pem = Bytes::from(vector.fetched[0].body.clone());
    *rig.network.published.lock().expect("nobody panicked") = (200, pem);
}

fn fetches(rig: &Rig) -> u64 {
    rig.network.fetched.load(Ordering::SeqCst)
}

pub async fn send(rig: &Rig, vector: &Vector) -> Receipt {
    let request = rig.request("sns", vector.headers.clone(), vector.body.clone());
    rig.engine.receive(request).await
}

fn asked(rig: &Rig) -> Vec<String> {
    rig.network.asked.lock().expect("nobody panicked").clone()
}

fn source_name() -> SourceName {
    "sns".parse().expect("a name")
}

async fn proposals(rig: &Rig) -> Vec<Proposal> {
    rig.engine.proposals(&Tenant::default_tenant(), &source_name()).await.expect("proposals")
}

/// The same message with its certificate elsewhere.
fn naming(vector: &Vector, url: &str) -> Vector {
    let own = &vector.fetched[0].url;
    let body = String::from_utf8(vector.body.to_vec()).expect("JSON").replace(own, url);
    Vector { body: body.into(), ..vector.clone() }
}

pub fn is_kept(receipt: &Receipt) -> bool {
    matches!(receipt, Receipt::Accepted { events, .. } if events.is_empty())
}

fn is_event(receipt: &Receipt) -> bool {
    matches!(receipt, Receipt::Accepted { events, .. } if events.len() == 1)
}

pub async fn events(store: &Arc<dyn Store>) -> Vec<EventRow> {
    store.events(Tenant::default_tenant(), EventFilter::default(), Page::first(100)).await.expect("events").rows
}

pub async fn kept(store: &Arc<dyn Store>, verdict: Verdict) -> Vec<String> {
    let filter = RequestFilter { verdict: Some(verdict), ..RequestFilter::default() };
    let rows = store.requests(Tenant::default_tenant(), filter, Page::first(100)).await.expect("requests").rows;
    rows.into_iter().map(|row| row.reason.map(|reason| reason.code.to_string()).unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_message_whose_certificate_cannot_be_fetched_is_one_event_later_even_after_a_restart() {
    let (store, clock, message) = (memory(), clock(), vector("a notification"));
    let before = Rig::at(Arc::clone(&store), one_topic(), Arc::clone(&clock)).await;
    before.network.down.store(true, Ordering::SeqCst);
    assert!(is_kept(&send(&before, &message).await), "a 2xx, and no event yet");
    assert!(is_kept(&send(&before, &message).await), "the sender tries again all the same");
    assert_eq!((kept(&store, Verdict::Pending).await.len(), events(&store).await.len()), (2, 0));
    before.pass(9 * MINUTE).await;
    assert!(before.open().await.is_empty(), "too early for an alert");
    before.pass(12 * MINUTE).await;
    let told = [("key_unreachable".to_owned(), "source/sns".to_owned())];
    assert_eq!(before.open().await, told);
    assert!(fetches(&before) < 20, "with back-off, not {}", fetches(&before));
    // Nothing is told to it: the process is gone.
    before.engine.stopping().cancel();

    let after = Rig::at(Arc::clone(&store), one_topic(), clock).await;
    after.network.down.store(true, Ordering::SeqCst);
    after.pass(60 * MINUTE).await;
    assert_eq!(kept(&store, Verdict::Pending).await.len(), 2, "nothing is given up");
    assert_eq!(after.open().await, told);
    assert!(fetches(&after) < 40, "with back-off, not {}", fetches(&after));
    after.network.down.store(false, Ordering::SeqCst);
    publish(&after, &message);
    after.pass(20 * MINUTE).await;
    assert!(kept(&store, Verdict::Pending).await.is_empty());
    let found = events(&store).await;
    let names: Vec<_> = found.iter().map(|row| (row.event.event_type.to_string(), row.event.received_at)).collect();
    assert_eq!(names, [("Notification".to_owned(), message.at)], "one event, judged by when it came");
    assert!(after.open().await.is_empty(), "the alert is resolved");
    assert!(kept(&store, Verdict::Rejected).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_message_that_waited_is_a_rejected_request_if_its_signature_is_wrong_after_all() {
    let rig = rig().await;
    rig.network.down.store(true, Ordering::SeqCst);
    let forged = vector("another message");
    assert!(is_kept(&send(&rig, &forged).await));
    rig.network.down.store(false, Ordering::SeqCst);
    publish(&rig, &forged);
    rig.pass(2 * MINUTE).await;
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty());
    assert_eq!(kept(&rig.store, Verdict::Rejected).await, ["signature_mismatch"]);
    assert!(events(&rig.store).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn threat_07_no_certificate_is_fetched_from_where_amazon_keeps_none() {
    let rig = rig().await;
    publish(&rig, &vector("a notification"));
    let recipe = recipe();
    let hostile: Vec<_> = recipe.vectors().iter().filter(|vector| vector.kind == Kind::Hostile).collect();
    for vector in &hostile {
        let receipt = send(&rig, vector).await;
        assert!(matches!(receipt, Receipt::Rejected { .. }), "{}: {receipt:?}", vector.name);
    }
    assert_eq!(fetches(&rig), 0);
    assert_eq!(kept(&rig.store, Verdict::Rejected).await, vec!["key_url_refused"; hostile.len()]);
    assert!(hostile.len() >= 10, "userinfo, port, other scripts, buckets, paths and other hosts");
}

#[tokio::test(start_paused = true)]
async fn threat_07_ten_thousand_made_up_certificates_cause_a_few_fetches_and_do_not_outlive_the_real_one() {
    let rig = rig().await;
    let message = vector("a notification");
    publish(&rig, &message);
    assert!(is_event(&send(&rig, &message).await));
    let strangers = vector(CHINA);
    assert!(matches!(send(&rig, &strangers).await, Receipt::Rejected { .. }), "of another topic: nothing is fetched");
    assert_eq!(fetches(&rig), 1);

    let mut answers = (0, 0);
    for round in 0..10 {
        rig.network.published.lock().expect("nobody panicked").0 = 404;
        for number in 0..1_000 {
            let url = format!("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{round}-{number}.pem");
            match send(&rig, &naming(&message, &url)).await {
                Receipt::Rejected { .. } => answers.0 += 1,
                Receipt::Unavailable { .. } => answers.1 += 1,
                other => panic!("{other:?}"),
            }
        }
        rig.network.published.lock().expect("nobody panicked").0 = 200;
        rig.pass(7 * MINUTE).await;
        // Within the hour for which a certificate is kept.
        if round < 8 {
            let before = fetches(&rig);
            assert!(is_event(&send(&rig, &message).await), "round {round}");
            assert_eq!(fetches(&rig), before, "round {round}: the real certificate is still at hand");
        }
    }
    assert!(fetches(&rig) <= 1 + 10 * 30, "{} fetches", fetches(&rig));
    assert_eq!(answers.0 + answers.1, 10_000);
    assert!(answers.0 <= 300, "{} were looked for", answers.0);
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty(), "strangers leave nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_the_second_account_waits_although_the_first_accounts_topic_is_another() {
    let (european, chinese) = (vector("a notification"), vector(CHINA));
    let named = |name: &str, vector: &Vector| (name.parse().expect("a name"), vec![secret(vector)]);
    let connections = [named("china", &chinese), named("europe", &european)].into();
    let rig = Rig::at(memory(), specs(Vec::new(), connections), clock()).await;
    rig.network.down.store(true, Ordering::SeqCst);
    assert!(is_kept(&send(&rig, &european).await));
    assert!(is_kept(&send(&rig, &chinese).await));
    rig.network.down.store(false, Ordering::SeqCst);
    publish(&rig, &european);
    rig.pass(MINUTE).await;
    let connections: Vec<_> = events(&rig.store).await.iter().map(|row| row.event.connection.to_string()).collect();
    assert!(connections.contains(&"europe".to_owned()), "{connections:?}");
}

#[tokio::test(start_paused = true)]
async fn threat_05_a_subscription_is_confirmed_only_after_a_person_said_so_and_makes_no_event() {
    let rig = rig().await;
    let wish = vector(WISH);
    publish(&rig, &wish);
    assert!(matches!(send(&rig, &wish).await, Receipt::Handshake(_)));
    assert!(matches!(send(&rig, &wish).await, Receipt::Handshake(_)), "Amazon asks again");
    rig.pass(60 * MINUTE).await;
    assert_eq!(asked(&rig), [CERTIFICATE], "nothing but the certificate, which verifies the wish");
    assert_eq!(rig.open().await, [("handshake_waiting".to_owned(), "source/sns".to_owned())]);
    let waiting = proposals(&rig).await;
    assert_eq!(
        waiting.iter().map(|one| (&*one.url, one.state)).collect::<Vec<_>>(),
        [(CONFIRMATION, ProposalState::Waiting)]
    );
    let approved = rig.engine.approve_proposal(&Tenant::default_tenant(), &source_name(), waiting[0].id).await;
    approved.expect("approved");
    rig.pass(MINUTE).await;
    assert_eq!(asked(&rig), [CERTIFICATE, CONFIRMATION]);
    assert_eq!(proposals(&rig).await[0].state, ProposalState::Opened);
    assert!(events(&rig.store).await.is_empty() && rig.open().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn threat_05_no_address_but_amazons_is_proposed_however_well_it_is_signed() {
    let rig = rig().await;
    let recipe = recipe();
    let elsewhere: Vec<_> = recipe.vectors().iter().filter(|vector| vector.name.starts_with("a signed wish")).collect();
    publish(&rig, elsewhere[0]);
    for vector in &elsewhere {
        assert!(matches!(send(&rig, vector).await, Receipt::Rejected { .. }), "{}", vector.name);
    }
    assert_eq!(kept(&rig.store, Verdict::Rejected).await, vec!["challenge_refused"; elsewhere.len()]);
    assert!(elsewhere.len() >= 7, "hosts, a bucket, a user, a port, no TLS and this machine");
    // Of Amazon's own address, but not signed by the certificate that is there.
    assert!(matches!(send(&rig, &vector(WISH)).await, Receipt::Rejected { .. }));
    rig.pass(60 * MINUTE).await;
    assert_eq!(asked(&rig), [CERTIFICATE]);
    assert!(proposals(&rig).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_a_confirmation_that_waited_for_its_certificate_is_put_to_a_person_all_the_same() {
    let rig = rig().await;
    rig.network.down.store(true, Ordering::SeqCst);
    let wish = vector(WISH);
    assert!(is_kept(&send(&rig, &wish).await));
    assert!(proposals(&rig).await.is_empty(), "nobody knows yet who wishes it");
    rig.network.down.store(false, Ordering::SeqCst);
    publish(&rig, &wish);
    rig.pass(2 * MINUTE).await;
    assert_eq!(proposals(&rig).await.iter().map(|one| &*one.url).collect::<Vec<_>>(), [CONFIRMATION]);
    assert!(
        kept(&rig.store, Verdict::Pending).await.is_empty() && kept(&rig.store, Verdict::Rejected).await.is_empty()
    );
    assert!(events(&rig.store).await.is_empty());
    assert!(!asked(&rig).contains(&CONFIRMATION.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_a_confirmation_that_a_wrong_topic_rejected_is_put_to_a_person_once_the_topic_is_right() {
    let (clock, store, wish) = (clock(), memory(), vector(WISH));
    let wrong =
        RoleSecret::new("token".to_owned(), Secret::new("arn:aws:sns:eu-central-1:123456789012:oar".to_owned()));
    let rig = Rig::at(Arc::clone(&store), specs(vec![wrong], BTreeMap::new()), clock).await;
    publish(&rig, &wish);
    assert!(matches!(send(&rig, &wish).await, Receipt::Rejected { .. }));
    rig.engine.configure(one_topic()).await.expect("a reload");
    let filter = RequestFilter { verdict: Some(Verdict::Rejected), ..RequestFilter::default() };
    let rejected = store.requests(Tenant::default_tenant(), filter, Page::first(10)).await.expect("requests").rows;
    let id: RequestId = rejected[0].request.id;
    let judged = rig.engine.reverify(Tenant::default_tenant(), id).await.expect("judged");
    assert_eq!((judged.verdict, judged.events.len()), (Verdict::Accepted, 0));
    assert_eq!(proposals(&rig).await.iter().map(|one| &*one.url).collect::<Vec<_>>(), [CONFIRMATION]);
    assert!(rig.engine.reverify(Tenant::default_tenant(), id).await.is_err(), "it is asked once");
}
