//! Floors by themselves, and what a claim makes of them.

use store::Store;
use store::conformance::growth::Growth;
use store::dispatch::{Ask, ClaimAnswer, ClaimDue, Owner};
use store::keep::Keep;

use super::*;
use crate::testkit::{self, Database};
use crate::{OpenOptions, PostgresStore};

const QUICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(50);

fn queue() -> Queue {
    (Tenant::default_tenant(), "app".parse().expect("a name"), false)
}

fn look(from: Option<Timestamp>, found: u64, took: Duration, ended: Moment) -> Look {
    Look { from, found: at(found), took, ended }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_secs(seconds)
}

#[test]
fn as_long_as_it_is_quick_every_look_is_from_the_beginning() {
    let (floors, now) = (Floors::default(), Moment::now());
    assert_eq!(floors.note(&queue(), look(None, 7, QUICK, now)), None);
    assert_eq!(floors.begin(&queue(), now), None);
}

#[test]
fn after_a_slow_look_the_next_ones_begin_where_the_last_one_found_something() {
    let (floors, now) = (Floors::default(), Moment::now());
    floors.note(&queue(), look(None, 7, LONG, now));
    assert_eq!(floors.begin(&queue(), now), Some(at(7) - COMMITTED_WITHIN));
    floors.note(&queue(), look(floors.begin(&queue(), now), 9, QUICK, now));
    assert_eq!(floors.begin(&queue(), now), Some(at(9) - COMMITTED_WITHIN));
    let another = (queue().0, "other".parse().expect("a name"), false);
    assert_eq!(floors.begin(&another, now), None);
}

#[test]
fn a_slow_database_may_be_late_with_its_commits_too() {
    let (floors, now) = (Floors::default(), Moment::now());
    floors.note(&queue(), look(None, 7, Duration::from_secs(1), now));
    assert_eq!(floors.begin(&queue(), now), Some(at(7) - Duration::from_secs(4)));
}

#[test]
fn a_clock_that_was_set_back_takes_the_floor_with_it() {
    let (floors, now) = (Floors::default(), Moment::now());
    floors.note(&queue(), look(None, 3_600, LONG, now));
    floors.note(&queue(), look(floors.begin(&queue(), now), 7, QUICK, now));
    assert_eq!(floors.begin(&queue(), now), Some(at(7) - COMMITTED_WITHIN));
}

#[test]
fn whoever_does_not_look_from_the_beginning_is_told_when_that_is_looked_at() {
    let (floors, now) = (Floors::default(), Moment::now());
    assert_eq!(floors.note(&queue(), look(None, 7, LONG, now)), None, "it saw all that there is");
    let from = floors.begin(&queue(), now);
    assert_eq!(floors.note(&queue(), look(from, 7, QUICK, now + LONG)), Some(LONG * (SHARE - 1)));
    assert_eq!(floors.note(&queue(), look(from, 7, QUICK, now + WAIT_MAX)), Some(Duration::ZERO), "it is time");
    floors.note(&queue(), look(None, 7, QUICK, now));
    assert_eq!(floors.note(&queue(), look(from, 9, QUICK, now)), Some(Duration::ZERO), "there is no floor any more");
    assert_eq!(floors.begin(&queue(), now), None, "and none was made");
}

#[test]
fn a_look_that_was_given_up_does_not_keep_the_others_from_what_is_due_now() {
    const GIVEN_UP: Duration = Duration::from_secs(10);
    let (floors, now) = (Floors::default(), Moment::now());
    floors.note_failed(&queue(), look(None, 99, LONG, now));
    assert_eq!(floors.begin(&queue(), now), None, "it failed for another reason");
    floors.note_failed(&queue(), look(None, 99, GIVEN_UP, now));
    assert_eq!(floors.begin(&queue(), now), Some(at(59)), "a node that has just begun knows no better");
    assert_eq!(floors.begin(&queue(), now + GIVEN_UP * SHARE_MAX), None, "it is tried again");
    floors.note(&queue(), look(None, 7, LONG, now));
    floors.note_failed(&queue(), look(None, 99, GIVEN_UP, now + WAIT_MAX));
    assert_eq!(floors.begin(&queue(), now + WAIT_MAX), Some(at(7) - COMMITTED_WITHIN), "what is known is kept");
    let from = floors.begin(&queue(), now + WAIT_MAX);
    floors.note_failed(&queue(), look(from, 99, GIVEN_UP, now + WAIT_MAX));
    assert_eq!(floors.begin(&queue(), now + WAIT_MAX), Some(at(59)), "unless that takes too long as well");
}

#[test]
fn what_was_found_at_the_beginning_is_not_passed_over_by_a_look_that_began_before() {
    let (floors, now) = (Floors::default(), Moment::now());
    floors.note(&queue(), look(None, 7, LONG, now));
    let from = floors.begin(&queue(), now);
    // A backlog that was held is there, of which one look takes only a part.
    floors.note(&queue(), look(None, 3, LONG, now));
    floors.note(&queue(), look(from, 9, QUICK, now));
    assert_eq!(floors.begin(&queue(), now), Some(at(3) - COMMITTED_WITHIN));
}

#[test]
fn the_beginning_is_looked_at_again_in_time_and_counts() {
    let (floors, now) = (Floors::default(), Moment::now());
    floors.note(&queue(), look(None, 7, LONG, now));
    assert!(floors.begin(&queue(), now + LONG * (SHARE - 1)).is_some());
    assert_eq!(floors.begin(&queue(), now + LONG * SHARE), None, "a twentieth of the time is spent on it");
    floors.note(&queue(), look(None, 7, Duration::from_secs(1), now));
    assert_eq!(floors.begin(&queue(), now + WAIT_MAX), None, "nothing waits for longer than it has to");
    floors.note(&queue(), look(None, 7, Duration::from_secs(9), now));
    assert!(
        floors.begin(&queue(), now + Duration::from_secs(44)).is_some(),
        "the queue goes on nearly all of the time"
    );
    assert_eq!(floors.begin(&queue(), now + Duration::from_secs(45)), None);
    floors.note(&queue(), look(None, 3, QUICK, now));
    assert_eq!(floors.begin(&queue(), now), None, "it is quick again");
}

/// Deliveries whose destinations are `d0` and `d1`.
async fn store_with_two_due(database: &Database, due: Timestamp) -> PostgresStore {
    testkit::grow(database, &Growth { events: 1_000, ..Growth::tested() }).await;
    let due = format!("UPDATE open_deliveries SET due_at = {} WHERE state = 1", due.as_micros());
    let _ = database.sql(&due);
    PostgresStore::open(OpenOptions { listen: false, ..database.options() }).await.expect("a store")
}

fn queue_of(destination: &str) -> Queue {
    (Tenant::default_tenant(), destination.parse().expect("a name"), false)
}

async fn claim(store: &dyn Store, destination: &str, now: Timestamp) -> ClaimAnswer {
    let (tenant, destination, _) = queue_of(destination);
    let ask = Ask { tenant, destination, limit: 10, backfill: 0, bytes_max: u64::MAX, charge: None };
    let ask = ClaimDue { owner: Owner(1), lease: WAIT_MAX, now, asks: vec![ask] };
    store.claim_due(ask).await.expect("claim_due").pop().expect("an answer")
}

#[tokio::test]
async fn what_lies_before_a_floor_is_asked_for_again_and_found() {
    let (database, now, began) = (Database::new(), testkit::NOW, Moment::now());
    let store = store_with_two_due(&database, now - Duration::from_secs(3_600)).await;
    let floors = &store.inner.floors;
    floors.note(&queue_of("d0"), Look { from: None, found: now, took: LONG, ended: Moment::now() + WAIT_MAX });
    let blind = claim(&store, "d0", now).await;
    assert!(blind.claimed.is_empty() && !blind.more, "{blind:?}");
    let again = blind.next_due.expect("it lies before the floor: nothing else would ask for it");
    assert!(again > now && again <= now + WAIT_MAX + LONG * SHARE, "{again}");
    // As if that much time had gone by.
    floors.note(&queue_of("d0"), Look { from: None, found: now, took: SLOW, ended: began });
    let mut found = claim(&store, "d0", now).await;
    while found.claimed.is_empty() {
        assert!(found.next_due.is_some(), "{found:?}");
        found = claim(&store, "d0", now).await;
    }
    assert_eq!(found.claimed.len(), 1);
    store.close().await.expect("it closes");
}

#[tokio::test]
async fn a_floor_that_a_wrong_clock_left_in_the_future_hides_nothing_for_long() {
    let (database, now) = (Database::new(), testkit::NOW);
    let store = store_with_two_due(&database, now).await;
    let wrong = now + Duration::from_secs(3_600);
    let look = Look { from: None, found: wrong, took: LONG, ended: Moment::now() + WAIT_MAX };
    store.inner.floors.note(&queue_of("d1"), look);
    let blind = claim(&store, "d1", now).await;
    assert!(blind.claimed.is_empty() && blind.next_due.is_some(), "{blind:?}");
    assert_eq!(claim(&store, "d1", now).await.claimed.len(), 1, "the next look begins at the right time");
    store.close().await.expect("it closes");
}
