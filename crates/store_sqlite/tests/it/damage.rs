//! Rows that cannot be read: each is dead by that and keeps none of the others.

use std::time::Duration;

use domain::{Tenant, Timestamp};
use rusqlite::Connection;
use store::Verb;
use store::dispatch::{Ask, ClaimAnswer, ClaimDue, Dispatch, UNREADABLE};
use store_sqlite::SqliteStore;

use crate::arrange::{LEASE, NOW, accept, delivery_id, event, open};

fn claim(store: &SqliteStore, now: Timestamp) -> Verb<'_, Vec<ClaimAnswer>> {
    let ask = Ask {
        tenant: Tenant::default_tenant(),
        destination: "app".parse().expect("a name"),
        limit: 100,
        backfill: 0,
        bytes_max: u64::MAX,
        charge: None,
    };
    store.claim_due(ClaimDue { owner: LEASE.owner, lease: LEASE.span, now, asks: vec![ask] })
}

#[tokio::test]
async fn what_cannot_be_read_is_dead_and_keeps_none_of_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for number in 1..=5 {
        accept(&store, event(number, 10, None)).await.expect("accepted");
    }
    let aside = Connection::open(folder.path().join("store.db")).expect("a second connection");
    // A name that is not there, an event that is gone, and a code that nothing has.
    for damage in [
        "UPDATE events SET source = 99999 WHERE seq = 2",
        "DELETE FROM events WHERE seq = 3",
        "PRAGMA ignore_check_constraints = on",
        "UPDATE events SET origin = 77 WHERE seq = 5",
    ] {
        aside.execute_batch(damage).expect(damage);
    }
    let answer = claim(&store, NOW).await.expect("the round goes on").remove(0);
    let claimed: Vec<_> = answer.claimed.iter().map(|claimed| claimed.id).collect();
    assert_eq!(claimed, [delivery_id(1), delivery_id(4)]);
    let unreadable: Vec<_> = answer.unreadable.iter().map(|(id, _)| *id).collect();
    assert_eq!(unreadable, [delivery_id(2), delivery_id(3), delivery_id(5)]);
    let mut dead = aside.prepare("SELECT cause_code, cause_detail FROM deliveries WHERE state = 8").expect("SQL");
    let causes = dead.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("rows");
    let causes: Vec<_> = causes.map(|cause| cause.expect("a row")).collect();
    assert!(causes.len() == 3 && causes.iter().all(|(code, _)| code == UNREADABLE), "{causes:?}");
    let next = claim(&store, NOW + Duration::from_secs(1)).await.expect("asked again").remove(0);
    assert!(next.claimed.is_empty() && next.unreadable.is_empty(), "told once");
}
