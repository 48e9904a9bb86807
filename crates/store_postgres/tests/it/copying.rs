//! One store copied onto another, of every kind onto every kind.

use std::ops::ControlFlow;
use std::sync::Arc;

use domain::ordering::{Lane, Ordering};
use domain::{DeliveryState, Subject, Timestamp};
use store::Verb;
use store::conformance::copying::{
    OpenCopying, everything_comes_over_and_goes_on, large_rows_come_in_small_pages, what_differs_is_found,
    what_may_not_be_copied_is_refused,
};
use store::copying::CopyingStore;
use store::copying::carry::{Carrier, Mark};
use store::copying::table::Table;
use store::dispatch::Dispatch;
use store::intake::NewEvent;
use store_postgres::testkit::{Database, NOW};
use store_postgres::{LeaseClock, PostgresStore};
use store_sqlite::SqliteStore;

use crate::arrange::{accept, claim, event, node, settlement};

/// In memory: gone with the test.
pub(crate) struct Sqlite;

impl OpenCopying for Sqlite {
    fn open(&self) -> Verb<'_, Arc<dyn CopyingStore>> {
        Box::pin(async move {
            let options = store_sqlite::OpenOptions { now: Timestamp::EPOCH, ..store_sqlite::OpenOptions::memory() };
            let store: Arc<dyn CopyingStore> = Arc::new(SqliteStore::open(options)?);
            Ok(store)
        })
    }
}

/// Databases that are dropped with the test.
#[derive(Default)]
pub(crate) struct Postgres(std::sync::Mutex<Vec<Database>>);

impl OpenCopying for Postgres {
    fn open(&self) -> Verb<'_, Arc<dyn CopyingStore>> {
        Box::pin(async move {
            let database = Database::new();
            let options = store_postgres::OpenOptions { lease_clock: LeaseClock::Caller, ..database.options() };
            self.0.lock().expect("no panic").push(database);
            let store: Arc<dyn CopyingStore> = Arc::new(PostgresStore::open(options).await?);
            Ok(store)
        })
    }
}

macro_rules! between {
    ($($name:ident: $from:expr, $to:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn everything_comes_over_and_goes_on() {
                super::everything_comes_over_and_goes_on($from, $to).await;
            }

            #[tokio::test]
            async fn what_may_not_be_copied_is_refused() {
                super::what_may_not_be_copied_is_refused($from, $to).await;
            }

            #[tokio::test]
            async fn what_differs_is_found() {
                super::what_differs_is_found($from, $to).await;
            }

            #[tokio::test]
            async fn large_rows_come_in_small_pages() {
                super::large_rows_come_in_small_pages($from, $to).await;
            }
        }
    )*};
}

between! {
    sqlite_to_sqlite: Sqlite, Sqlite;
    sqlite_to_postgres: Sqlite, Postgres::default();
    postgres_to_sqlite: Postgres::default(), Sqlite;
    postgres_to_postgres: Postgres::default(), Postgres::default();
}

/// An event that owes `app` one delivery in the lane of one subject.
fn in_lane(number: u64) -> NewEvent {
    let mut new = event(NOW, number);
    let subject = Subject::of("orders", "1");
    new.deliveries[0].lane = Lane::of(Ordering::Subject, &new.event.source, &new.event.connection, Some(&subject));
    Arc::make_mut(&mut new.event).subject = Some(subject);
    new
}

/// A lane that nobody used for long is forgotten, and begins anew with the places it gave before.
#[tokio::test]
async fn places_that_a_forgotten_lane_gave_before_are_no_hindrance() {
    let database = Database::new();
    let source = node(&database).await;
    for number in 1..=2 {
        accept(&source, in_lane(number)).await;
        let claimed = claim(&source, 1, 1, NOW).await.pop().expect("it is due");
        let settled = source.settle(vec![settlement(claimed.id, claimed.claim, DeliveryState::Delivered)], NOW).await;
        assert!(settled.is_ok_and(|settled| settled.iter().all(|one| !one.fenced)));
        let _ = database.sql("DELETE FROM lanes");
    }
    assert_eq!(database.sql("SELECT count(DISTINCT place) FROM ended_deliveries"), "1", "both had the first place");
    for number in 3..=6 {
        accept(&source, in_lane(number)).await;
    }
    // As one that was dead when its lane was forgotten, and was retried.
    let _ = database.sql("UPDATE open_deliveries SET place = 4 WHERE place = 3");
    let databases = Postgres::default();
    for to in [Sqlite.open().await, databases.open().await] {
        let to = to.expect("a store");
        let mark = Mark::new("one".to_owned(), "a test".to_owned(), NOW);
        let (mut carrier, _) = Carrier::begin(&source, &*to, mark).await.expect("it may begin");
        carrier.page_rows = 1;
        assert!(carrier.carry(&mut |_| ControlFlow::Continue(())).await.expect("carry"));
        let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
        let rows = |table| compared.iter().find(|one| one.table == table).map(|one| (one.from.rows, one.to.rows));
        assert_eq!(rows(Table::EndedDeliveries), Some((2, 2)));
        assert_eq!(rows(Table::WaitingDeliveries), Some((3, 3)), "none is passed over");
        carrier.finish(&compared).await.expect("whole");
    }
}
