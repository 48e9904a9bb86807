//! Groups that are expected to be new, and are not.

use std::sync::Arc;

use domain::{Event, Tenant};
use store::intake::{AcceptGroup, Accepted, Intake, NewEvent};
use store_postgres::PostgresStore;
use store_postgres::testkit::{Database, NOW};

use crate::arrange::{event, event_id, node};

/// Enough for a group to be taken for new.
const MANY: u64 = 20;

/// The event that this node makes of the message of a number.
fn told_by(node: u64, tenant: &Tenant, number: u64) -> NewEvent {
    let new = event(NOW, number);
    let id = event_id(NOW, number + 1_000 * node);
    NewEvent {
        event: Arc::new(Event { id, tenant: tenant.clone(), ..Event::clone(&new.event) }),
        deliveries: vec![],
        ..new
    }
}

async fn accept(store: &PostgresStore, events: Vec<NewEvent>) -> Vec<Accepted> {
    let groups = vec![AcceptGroup { events, request: None }];
    store.accept(groups, NOW).await.expect("accept").pop().expect("an answer").expect("accepted")
}

#[tokio::test]
async fn what_is_known_is_found_among_what_is_new() {
    let database = Database::new();
    let store = node(&database).await;
    let tenant = Tenant::default_tenant();
    let first = accept(&store, (0..MANY).map(|number| told_by(1, &tenant, number)).collect()).await;
    assert!(first.iter().all(|one| !one.duplicate));
    // Every second of them is known; and so is the last, by its own group.
    let mut second: Vec<_> = (0..MANY).map(|number| told_by(2, &tenant, MANY / 2 + number)).collect();
    second.push(told_by(3, &tenant, MANY / 2 + MANY - 1));
    let second = accept(&store, second).await;
    let half = usize::try_from(MANY / 2).expect("few");
    assert!(second[..half].iter().zip(&first[half..]).all(|(again, first)| again.duplicate && again.id == first.id));
    assert!(second[half..2 * half].iter().all(|one| !one.duplicate));
    let last = &second[2 * half..];
    assert_eq!(last.iter().map(|one| (one.id, one.duplicate)).collect::<Vec<_>>(), [(second[2 * half - 1].id, true)]);
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT seq), max(seq) FROM events"), "30|30|30");
    assert_eq!(database.sql("SELECT count(*) FROM sightings"), "11");
}

/// Both take all for new, wait for each other's keys, and the one that comes second looks.
#[tokio::test]
async fn two_nodes_that_take_the_same_messages_in_at_once_make_each_event_once() {
    let database = Database::new();
    let tenants: [Tenant; 2] = ["acme", "zeta"].map(|name| name.parse().expect("a name"));
    for round in 0..20 {
        // A node each time: one that was disappointed expects nothing for a while.
        let (one, other) = (node(&database).await, node(&database).await);
        let messages = |node| {
            let numbers = round * MANY..(round + 1) * MANY;
            numbers.flat_map(|number| tenants.iter().map(move |tenant| told_by(node, tenant, number))).collect()
        };
        let (ours, theirs) = tokio::join!(accept(&one, messages(1)), accept(&other, messages(2)));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.id, theirs.id, "round {round}");
            assert_ne!(ours.duplicate, theirs.duplicate, "round {round}");
        }
    }
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT (tenant, seq)) FROM events"), "800|800");
}
