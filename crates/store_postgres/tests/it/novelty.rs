//! Groups that are taken for new, and are not.

use std::sync::Arc;

use domain::identity::{MessageIdentity, message_key};
use domain::{DeliveryState, Event, Tenant};
use store::dispatch::{Dispatch, Lease, Owner};
use store::intake::{AcceptGroup, Accepted, Intake, NewEvent};
use store::keep::Keep;
use store_postgres::PostgresStore;
use store_postgres::testkit::{Database, NOW};

use crate::arrange::{LEASE, delivery_id, event, event_id, node, settlement};

/// Enough for a group to be taken for new.
const MANY: u64 = 20;
/// How often it is looked for what is about to be.
const LOOKS: usize = 300;

/// The event that this node makes of the message of a number.
fn told_by(node: u64, tenant: &Tenant, number: u64) -> NewEvent {
    let new = event(NOW, number);
    let id = event_id(NOW, number + 10_000 * node);
    let event = Event { id, tenant: tenant.clone(), ..Event::clone(&new.event) };
    NewEvent { event: Arc::new(event), deliveries: vec![], ..new }
}

/// The same, with a delivery that is claimed at once.
fn owed_by(node: u64, number: u64) -> NewEvent {
    let mut deliveries = event(NOW, number).deliveries;
    for delivery in &mut deliveries {
        delivery.id = delivery_id(NOW, number + 10_000 * node);
        delivery.claim = Some(Lease { owner: Owner(1), span: LEASE });
    }
    NewEvent { deliveries, ..told_by(node, &Tenant::default_tenant(), number) }
}

async fn accept(store: &PostgresStore, events: Vec<NewEvent>) -> Vec<Accepted> {
    let groups = vec![AcceptGroup { events, request: None }];
    store.accept(groups, NOW).await.expect("accept").pop().expect("an answer").expect("accepted")
}

/// Counts statements that write keys, those of transactions of which nothing was kept among them.
fn count_claims(database: &Database) {
    let _ = database.sql(
        "CREATE SEQUENCE claims; \
         CREATE FUNCTION claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('claims'); RETURN NULL; END $$; \
         CREATE TRIGGER claim AFTER INSERT ON identities FOR EACH STATEMENT EXECUTE FUNCTION claim(); \
         CREATE TRIGGER claims BEFORE INSERT ON identities FOR EACH STATEMENT EXECUTE FUNCTION claim()",
    );
}

fn claims(database: &Database) -> String {
    database.sql("SELECT last_value FROM claims")
}

#[tokio::test]
async fn what_is_known_is_found_among_what_is_new() {
    let database = Database::new();
    let store = node(&database).await;
    count_claims(&database);
    let first = accept(&store, (0..MANY).map(|number| owed_by(1, number)).collect()).await;
    assert!(first.iter().all(|one| !one.duplicate && one.claims.len() == 1));
    assert_eq!(claims(&database), "2", "before and after");
    // The first half of them is known; and so is the last, by its own group.
    let mut second: Vec<_> = (0..MANY).map(|number| owed_by(2, MANY / 2 + number)).collect();
    second.push(owed_by(3, MANY / 2 + MANY - 1));
    let second = accept(&store, second).await;
    assert_eq!(claims(&database), "5", "it was begun, and then asked about");
    let half = usize::try_from(MANY / 2).expect("few");
    assert!(second[..half].iter().zip(&first[half..]).all(|(again, first)| again.duplicate && again.id == first.id));
    assert!(second[half..2 * half].iter().all(|one| !one.duplicate && one.claims.len() == 1));
    let last = second.last().expect("it is there");
    assert_eq!((last.id, last.duplicate), (second[2 * half - 1].id, true));
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT seq), max(seq) FROM events"), "30|30|30");
    assert_eq!(database.sql("SELECT count(*) FROM sightings"), "11");
    // What was begun first has claimed nothing: whoever was told of a claim has it, and there are no others.
    let all = first.iter().chain(&second).flat_map(|one| one.claims.clone());
    let batch: Vec<_> = all.map(|(id, claim)| settlement(id, claim, DeliveryState::Delivered)).collect();
    assert_eq!(batch.len(), 30);
    assert!(store.settle(batch, NOW).await.expect("settle").iter().all(|settled| !settled.fenced));
    assert_eq!(database.sql("SELECT (SELECT count(*) FROM owed), (SELECT count(*) FROM births)"), "0|0");
    // And for a while it is asked at once.
    let third = accept(&store, (40..40 + MANY).map(|number| owed_by(1, number)).collect()).await;
    assert!(third.iter().all(|one| !one.duplicate));
    assert_eq!(claims(&database), "7");
}

#[tokio::test]
async fn an_event_of_two_keys_is_known_by_either() {
    let database = Database::new();
    let store = node(&database).await;
    let tenant = Tenant::default_tenant();
    let keyed = |node, number: u64, key: &str| {
        let mut new = told_by(node, &tenant, number);
        new.identities.extend(message_key(&new.event.scope(), &MessageIdentity::Id(key)));
        new
    };
    let first: Vec<_> = (0..MANY).map(|number| keyed(1, number, &format!("other {number}"))).collect();
    let first = accept(&store, first).await;
    // By their second key, under which each of the pairs of a group is the other as well.
    let second = (0..MANY).map(|number| keyed(2, 100 + number, &format!("other {}", number / 2 + MANY - 5)));
    let second = accept(&store, second.collect()).await;
    for (nth, one) in second.iter().enumerate() {
        let known = first.get(nth / 2 + 15).map_or(second[nth / 2 * 2].id, |known| known.id);
        assert_eq!(one.id, known, "{nth}");
        assert_eq!(one.duplicate, nth / 2 < 5 || nth % 2 == 1, "{nth}");
    }
    // And by the first key of what was known by its second.
    let third = accept(&store, (0..MANY).map(|number| told_by(3, &tenant, 100 + number)).collect()).await;
    assert!(third.iter().zip(&second).all(|(third, second)| third.duplicate && third.id == second.id));
}

/// One takes all for new, the other asks. Each has keys of its own in the first tenant, whose row is what they would hold, and
/// all in common in the second.
#[tokio::test]
async fn who_asks_and_who_does_not_never_wait_for_each_other() {
    let database = Database::new();
    let tenants: [Tenant; 2] = ["acme", "zeta"].map(|name| name.parse().expect("a name"));
    let asking = node(&database).await;
    let known: Vec<_> = (0..MANY).map(|number| told_by(1, &tenants[0], 9_000 + number)).collect();
    let _ = accept(&asking, known.clone()).await;
    assert!(accept(&asking, known).await.iter().all(|one| one.duplicate));
    for round in 0..20 {
        // Anew each time: it is disappointed.
        let taking = node(&database).await;
        let messages = |node: u64| {
            let own = (0..MANY).map(move |number| 2_000 * node + round * MANY + number);
            let own: Vec<_> = own.map(|number| told_by(node, &tenants[0], number)).collect();
            let common = (0..MANY).map(|number| told_by(node, &tenants[1], round * MANY + number));
            own.into_iter().chain(common).collect::<Vec<_>>()
        };
        let (ours, theirs) = tokio::join!(accept(&taking, messages(1)), accept(&asking, messages(2)));
        let many = usize::try_from(MANY).expect("few");
        assert!(ours[..many].iter().chain(&theirs[..many]).all(|one| !one.duplicate));
        for (ours, theirs) in ours[many..].iter().zip(&theirs[many..]) {
            assert_eq!(ours.id, theirs.id, "round {round}");
            assert_ne!(ours.duplicate, theirs.duplicate, "round {round}");
        }
        taking.close().await.expect("it closes");
    }
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT (tenant, seq)) FROM events"), "1220|1220");
    // What a process of the server counts it tells when it ends.
    asking.close().await.expect("it closes");
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_type = 'client backend'";
    assert!((0..LOOKS).any(|_| database.sql(others) == "0"), "they end with their store");
    assert_eq!(database.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), "0");
}
