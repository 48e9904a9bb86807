//! What is configured at several nodes of one store: each change is judged by what the others have changed, and a route
//! whose end is gone all the same stops nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{DeliveryState, Tenant, Timestamp};
use engine::EngineError;
use engine::endpoint::Sender;
use engine::nodes::LEASE;
use engine::spec::Specs;
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use store::Store;
use store::registry::{ManagedBy, Object, ObjectKind};
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore, Stall};

use crate::rig::{Rig, clock, memory, specs};

const MINUTE: Duration = Duration::from_secs(60);
/// Until a node has heard by itself of what others configured.
const HEARD: Duration = Duration::from_secs(LEASE.as_secs() / 3 + 1);

/// What others do after a node has read the objects, and before it writes any.
#[derive(Default)]
struct Meanwhile {
    has_read: AtomicBool,
    deed: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Fates for Meanwhile {
    fn next(&self, verb: &'static str) -> Fate {
        self.has_read.store(verb == "objects", Ordering::SeqCst);
        Fate::Happens
    }
}

impl Meanwhile {
    fn happens(&self, deed: impl Future<Output = ()> + Send + 'static) {
        *self.deed.lock().expect("nobody panicked") = Some(Box::pin(deed));
    }

    fn has_happened(&self) -> bool {
        self.deed.lock().expect("nobody panicked").is_none()
    }

    async fn step(&self) {
        if !self.has_read.swap(false, Ordering::SeqCst) {
            return;
        }
        let deed = self.deed.lock().expect("nobody panicked").take();
        if let Some(deed) = deed {
            deed.await;
        }
    }
}

/// Two nodes on one store, of which the second can be overtaken.
struct Two {
    store: Arc<dyn Store>,
    first: Rig,
    second: Rig,
    meanwhile: Arc<Meanwhile>,
    clock: engine::clock::SharedClock,
}

impl Two {
    async fn start() -> Self {
        let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
        let store: Arc<dyn Store> = Arc::new(store.expect("a store in memory opens"));
        let (meanwhile, clock) = (Arc::new(Meanwhile::default()), clock());
        let fates = Arc::clone(&meanwhile) as Arc<dyn Fates>;
        let stepping = Arc::clone(&meanwhile);
        let stall: Stall = Arc::new(move || {
            let meanwhile = Arc::clone(&stepping);
            Box::pin(async move { meanwhile.step().await })
        });
        let overtaken = FaultyStore::new(Arc::clone(&store), fates, Arc::default()).beside_others().stalled_by(stall);
        let first = Rig::among(1, beside(&store), specs(), Arc::clone(&clock)).await;
        let second = Rig::among(2, Arc::new(overtaken), specs(), Arc::clone(&clock)).await;
        Self { store, first, second, meanwhile, clock }
    }

    /// One that starts on what the others leave.
    async fn third(&self) -> Rig {
        Rig::among(3, beside(&self.store), specs(), Arc::clone(&self.clock)).await
    }
}

struct Fine;

impl Fates for Fine {
    fn next(&self, _verb: &'static str) -> Fate {
        Fate::Happens
    }
}

/// The store as one of several has it: it does not end with it.
fn beside(store: &Arc<dyn Store>) -> Arc<dyn Store> {
    let death: Arc<Death> = Arc::default();
    Arc::new(FaultyStore::new(Arc::clone(store), Arc::new(Fine), death).beside_others())
}

fn destination() -> Json {
    json!({ "http": { "url": "https://z0.example/hook", "unsigned": true } })
}

async fn put(engine: &engine::Engine, kind: ObjectKind, name: &str, definition: Json) -> Result<(), EngineError> {
    engine.put_object(kind, Tenant::default_tenant(), name, definition, false).await
}

async fn put_destination(engine: &engine::Engine) -> Result<(), EngineError> {
    put(engine, ObjectKind::Destination, "z0", destination()).await
}

async fn put_route(engine: &engine::Engine) -> Result<(), EngineError> {
    put(engine, ObjectKind::Route, "own-z0", json!({ "from": "own", "to": "z0" })).await
}

async fn remove(engine: &engine::Engine, kind: ObjectKind, name: &str) -> Result<(), EngineError> {
    engine.remove_object(kind, Tenant::default_tenant(), name).await
}

fn refused(done: &Result<(), EngineError>) -> bool {
    done.as_ref().is_err_and(|error| error.code() == "definition_invalid")
}

fn has_destination(rig: &Rig) -> bool {
    rig.engine.topology().destination("default", "z0").is_some()
}

fn serves_route(rig: &Rig) -> bool {
    rig.engine.topology().route("default", "own-z0").is_some()
}

#[tokio::test(start_paused = true)]
async fn what_one_node_was_just_told_is_known_to_another_that_judges_by_it() {
    let two = Two::start().await;
    put_destination(&two.first.engine).await.expect("made");
    put_route(&two.second.engine).await.expect("its destination was made at the other node");
    assert!(has_destination(&two.second) && serves_route(&two.second), "it runs what it was judged on");
    let again = two.first.engine.put_object(
        ObjectKind::Route,
        Tenant::default_tenant(),
        "own-z0",
        json!({ "from": "own", "to": "app" }),
        true,
    );
    assert_eq!(again.await.expect_err("the other node has made it").code(), "conflict");
    let removed = remove(&two.first.engine, ObjectKind::Destination, "z0").await;
    assert!(refused(&removed), "a route that was made at the other node leads there: {removed:?}");
    remove(&two.first.engine, ObjectKind::Route, "own-z0").await.expect("made at the other node, removed at this one");
    remove(&two.second.engine, ObjectKind::Destination, "z0").await.expect("nothing leads there any more");
    for rig in [&two.first, &two.second, &two.third().await] {
        rig.pass(HEARD).await;
        assert!(!has_destination(rig) && !serves_route(rig));
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_whose_destination_is_removed_while_it_is_judged_is_refused() {
    let two = Two::start().await;
    put_destination(&two.first.engine).await.expect("made");
    two.first.pass(HEARD).await;
    let first = two.first.engine.clone();
    two.meanwhile.happens(async move {
        remove(&first, ObjectKind::Destination, "z0").await.expect("nothing leads there");
    });
    let made = put_route(&two.second.engine).await;
    assert!(two.meanwhile.has_happened() && refused(&made), "{made:?}");
    let third = two.third().await;
    assert!(!has_destination(&third) && !serves_route(&third));
    assert!(third.open().await.is_empty(), "{:?}", third.open().await);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_gets_a_route_while_its_removal_is_judged_stays_and_takes_deliveries() {
    let two = Two::start().await;
    put_destination(&two.first.engine).await.expect("made");
    two.first.pass(HEARD).await;
    let first = two.first.engine.clone();
    two.meanwhile.happens(async move { put_route(&first).await.expect("the destination is there") });
    let removed = remove(&two.second.engine, ObjectKind::Destination, "z0").await;
    assert!(two.meanwhile.has_happened() && refused(&removed), "{removed:?}");
    for rig in [&two.first, &two.second] {
        rig.pass(HEARD).await;
        assert!(has_destination(rig) && serves_route(rig));
    }
    two.second.publish().await;
    two.second.pass(MINUTE).await;
    assert_eq!(two.second.deliveries(DeliveryState::Delivered).await.len(), 2, "to both, as nothing was held");
}

#[tokio::test(start_paused = true)]
async fn what_others_removed_since_is_held_by_who_learns_of_it_while_it_judges() {
    let two = Two::start().await;
    put_destination(&two.first.engine).await.expect("made");
    put_route(&two.first.engine).await.expect("made");
    two.first.pass(HEARD).await;
    remove(&two.first.engine, ObjectKind::Route, "own-z0").await.expect("removed");
    // This node does not know yet, and takes an event in for it.
    two.second.answer(500);
    two.second.publish().await;
    put(&two.second.engine, ObjectKind::Destination, "z1", destination()).await.expect("made");
    assert!(!serves_route(&two.second), "it runs what it was judged on");
    two.second.pass(MINUTE).await;
    let held = two.second.deliveries(DeliveryState::Held).await;
    let of_route = held.iter().filter(|row| row.route.as_str() == "own-z0");
    assert_eq!(of_route.count(), 1, "it does not wait for ever: {held:?}");
}

/// As nodes of a former version left it: a route whose destination was removed at another node at the same moment.
async fn leave_route_alone(store: &Arc<dyn Store>, at: Timestamp) {
    let (tenant, kind) = (Tenant::default_tenant(), ObjectKind::Destination);
    store.retire_object(tenant.clone(), kind, "z0".into(), at, None).await.expect("retire_object");
    let route = Object {
        tenant,
        kind: ObjectKind::Route,
        name: "own-z0".into(),
        managed_by: ManagedBy::Api,
        definition: json!({ "from": "own", "to": "z0" }),
        created_at: at,
        updated_at: at,
        retired_at: None,
    };
    store.put_object(route, false, None).await.expect("put_object");
}

fn left_out() -> (String, String) {
    ("route_left_out".to_owned(), "route/own-z0".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_route_without_its_destination_keeps_no_node_from_starting_and_is_told_of_until_it_has_one() {
    let store = memory();
    leave_route_alone(&store, Timestamp::from_secs(1_800_000_000)).await;
    let rig = Rig::with(store, specs()).await;
    rig.publish().await;
    rig.pass(MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 1, "everything else is served");
    assert_eq!(rig.open().await, [left_out()]);
    let details: Vec<String> = rig.alerts().await.into_iter().map(|alert| alert.detail).collect();
    assert!(details.iter().any(|detail| detail.contains("there is no destination 'z0'")), "{details:?}");
    // The file is read again: what was left out before is no reason to refuse it.
    rig.engine.configure(specs()).await.expect("nothing is wrong with the file");
    put_destination(&rig.engine).await.expect("it can be made again");
    assert!(serves_route(&rig), "it is served as soon as it can be");
    rig.publish().await;
    rig.pass(MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 3);
    assert!(rig.open().await.is_empty(), "{:?}", rig.open().await);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_left_out_can_be_replaced_and_removed() {
    for replaced in [true, false] {
        let store = memory();
        leave_route_alone(&store, Timestamp::from_secs(1_800_000_000)).await;
        let rig = Rig::with(store, specs()).await;
        let still_wrong = put_route(&rig.engine).await;
        assert!(refused(&still_wrong), "{still_wrong:?}");
        if replaced {
            let elsewhere = json!({ "from": "own", "to": "crm" });
            put(&rig.engine, ObjectKind::Route, "own-z0", elsewhere).await.expect("it leads somewhere");
        } else {
            remove(&rig.engine, ObjectKind::Route, "own-z0").await.expect("it can be removed");
        }
        assert_eq!(serves_route(&rig), replaced);
        rig.pass(MINUTE).await;
        assert!(rig.open().await.is_empty(), "{:?}", rig.open().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_node_takes_over_everything_but_the_route_without_its_destination() {
    let two = Two::start().await;
    leave_route_alone(&two.store, two.clock.now()).await;
    put(&two.first.engine, ObjectKind::Destination, "z1", destination()).await.expect("made beside it");
    two.second.pass(HEARD).await;
    assert!(two.second.engine.topology().destination("default", "z1").is_some(), "the others are taken over");
    assert!(!serves_route(&two.second));
    assert_eq!(two.second.open().await, [left_out()]);
}

#[tokio::test(start_paused = true)]
async fn a_file_without_what_a_route_of_the_api_leads_to_is_refused_by_who_runs_and_taken_by_who_starts() {
    let store: Arc<dyn Store> = memory();
    let rig = Rig::with(beside(&store), specs()).await;
    put(&rig.engine, ObjectKind::Route, "own-z0", json!({ "from": "own", "to": "crm" })).await.expect("made");
    let without: Specs = Specs { destinations: specs().destinations.into_iter().take(1).collect(), ..specs() };
    let refused = rig.engine.configure(without.clone()).await.expect_err("the route leads there");
    let EngineError::Specs(errors) = &refused else { panic!("{refused:?}") };
    assert_eq!(errors[0].to_string(), "route 'own-z0', to: there is no destination 'crm'");
    assert!(serves_route(&rig), "a file that is refused changes nothing");
    rig.engine.stop(Duration::from_secs(1)).await;
    let next = Rig::among(8, beside(&store), without, Arc::clone(&rig.clock)).await;
    assert!(!serves_route(&next));
    next.pass(MINUTE).await;
    assert_eq!(next.open().await, [left_out()]);
}

#[tokio::test(start_paused = true)]
async fn what_a_route_that_is_left_out_owes_waits_until_its_destination_is_there_again() {
    let store: Arc<dyn Store> = memory();
    let rig = Rig::with(beside(&store), specs()).await;
    let retry = json!({ "list": ["10s"], "attempts": 50 });
    let mut patient = destination();
    patient["retry"] = retry;
    put(&rig.engine, ObjectKind::Destination, "z0", patient.clone()).await.expect("made");
    put_route(&rig.engine).await.expect("made");
    rig.answer(500);
    rig.publish().await;
    rig.pass(Duration::from_secs(5)).await;
    assert_eq!(rig.deliveries(DeliveryState::Retrying).await.len(), 1);
    let at = rig.clock.now();
    rig.engine.stop(Duration::from_secs(1)).await;
    leave_route_alone(&store, at).await;
    let next = Rig::among(8, beside(&store), specs(), Arc::clone(&rig.clock)).await;
    next.pass(10 * MINUTE).await;
    let open = [DeliveryState::Pending, DeliveryState::Retrying, DeliveryState::Held];
    let mut owed = 0;
    for state in open {
        owed += next.deliveries(state).await.iter().filter(|row| row.route.as_str() == "own-z0").count();
    }
    assert_eq!(owed, 1, "it is neither lost nor dead");
    put(&next.engine, ObjectKind::Destination, "z0", patient).await.expect("made again");
    next.pass(10 * MINUTE).await;
    let delivered = next.deliveries(DeliveryState::Delivered).await;
    assert!(delivered.iter().any(|row| row.route.as_str() == "own-z0"), "{delivered:?}");
}

/// A part of an object is changed in what the others made of it, not in what a node remembers.
#[tokio::test]
async fn what_another_node_makes_of_an_endpoint_meanwhile_stays() {
    let two = Two::start().await;
    let tenant = Tenant::default_tenant;
    let name = two.first.engine.make_endpoint(tenant()).await.expect("an endpoint");
    let (engine, its) = (two.first.engine.clone(), name.clone());
    let sender = || Sender {
        provider: "github".to_owned(),
        secrets: [("signing".to_owned(), "a secret of the sender's".to_owned())].into(),
        ..Sender::default()
    };
    two.meanwhile.happens(async move {
        engine.choose_sender(tenant(), &its, sender()).await.expect("chosen");
    });
    let reply = json!({ "status": 202 });
    let refused = two.second.engine.set_endpoint_reply(tenant(), &name, Some(reply)).await;
    assert!(two.meanwhile.has_happened());
    assert!(matches!(refused, Err(EngineError::Definition(_))), "a sender hears what its recipe says: {refused:?}");
    let kept = two.store.objects().await.expect("objects");
    let kept = kept.iter().find(|object| *object.name == *name.as_str()).expect("it is there");
    assert_eq!(kept.definition["webhook"]["provider"], json!("github"), "the sender stays chosen");
    // And one that has become more than an endpoint is not made one again.
    let (engine, its) = (two.first.engine.clone(), name.clone());
    two.meanwhile.happens(async move {
        let whole = json!({ "webhook": { "provider": "none" }, "publish": true });
        put(&engine, ObjectKind::Source, its.as_str(), whole).await.expect("put");
    });
    let refused = two.second.engine.choose_sender(tenant(), &name, sender()).await;
    assert!(two.meanwhile.has_happened() && matches!(refused, Err(EngineError::Conflict(_))), "{refused:?}");
}
