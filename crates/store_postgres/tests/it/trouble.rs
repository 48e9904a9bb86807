//! A database that is not there, not ours, or goes away; rows that are in each other's way.

use std::time::Duration;

use store::StoreError;
use store::dispatch::Dispatch;
use store::intake::{AcceptGroup, Intake};
use store::keep::Keep;
use store::read::Read;
use store_postgres::testkit::{Database, NOW};
use store_postgres::{OpenOptions, PostgresStore};

use crate::arrange::{Held, accept, claim, event, node, open, settlement, tenant};

#[tokio::test]
async fn what_cannot_be_reached_is_told_without_its_password() {
    for address in ["postgres://u:geheim@127.0.0.1:1/trireme", "postgres://u:geheim@nowhere.invalid/trireme"] {
        let Err(error) = PostgresStore::open(OpenOptions::at(address, NOW)).await else { panic!("{address} is there") };
        assert_eq!(error.code(), "store_unreachable");
        assert!(error.to_string().contains("/trireme") && !error.to_string().contains("geheim"), "{error}");
    }
}

#[tokio::test]
async fn a_newer_schema_and_a_strangers_are_refused() {
    for (change, code) in [
        ("INSERT INTO schema_migrations VALUES (99, 'x', 0)", "store_corrupt"),
        ("INSERT INTO schema_migrations SELECT max(version) + 1, 'x', 0 FROM schema_migrations", "store_newer_schema"),
        ("UPDATE schema_migrations SET checksum = 'another' WHERE version = 1", "store_corrupt"),
    ] {
        let database = Database::new();
        let _ = database.sql(change);
        let Err(error) = PostgresStore::open(database.options()).await else { panic!("{change}: it was opened") };
        assert_eq!(error.code(), code, "{change}");
    }
}

#[tokio::test]
async fn nodes_that_start_at_once_on_an_empty_database_make_one_schema() {
    let database = Database::new();
    let _ = database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let starting: Vec<_> = (0..4).map(|_| tokio::spawn(PostgresStore::open(database.options()))).collect();
    for started in starting {
        let store = started.await.expect("no panic").expect("it opens");
        store.ping().await.expect("it would write");
    }
    let applied = "SELECT count(*) > 1 AND count(*) = max(version) FROM schema_migrations WHERE version > 0";
    assert_eq!(database.sql(applied), "t", "each migration once");
}

#[tokio::test]
async fn a_node_that_starts_waits_for_another_that_brings_the_schema_up_to_date() {
    let database = Database::new();
    let _ = database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    // As far as a node comes before the first migration.
    let _ = database.sql(
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, checksum text NOT NULL, applied_at bigint NOT NULL); \
         INSERT INTO schema_migrations VALUES (0, '', 0)",
    );
    let (address, lock) = (database.address(), "SELECT version FROM schema_migrations WHERE version = 0 FOR UPDATE");
    let another = tokio::task::spawn_blocking(move || Held::by(&address, lock)).await.expect("no panic");
    let lock_time = Duration::from_millis(50);
    let mut starting = tokio::spawn(PostgresStore::open(OpenOptions { lock_time, ..database.options() }));
    let early = tokio::time::timeout(lock_time * 10, &mut starting).await;
    assert!(early.is_err(), "it did not wait: {:?}", early.map(|opened| opened.map(|store| store.map(drop))));
    drop(another);
    let store = starting.await.expect("no panic").expect("it opens");
    store.ping().await.expect("it would write");
}

#[tokio::test]
async fn dropped_connections_are_made_anew_without_anyone_noticing() {
    let database = Database::new();
    let store = node(&database).await;
    for number in 0..5 {
        accept(&store, event(NOW, number)).await;
        let _ = database.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        // Whoever meets the broken connection goes on with another: nothing of it was under way.
        assert!(store.event(tenant(), crate::arrange::event_id(NOW, number)).await.expect("a read").is_some());
    }
}

#[tokio::test]
async fn a_row_that_is_held_is_not_waited_for_without_end_and_nothing_is_lost() {
    let database = Database::new();
    let options = OpenOptions { lock_time: Duration::from_millis(200), ..database.options() };
    let store = open(options).await;
    accept(&store, event(NOW, 1)).await;
    let address = database.address();
    // Whoever gives numbers to the tenant's events waits for this row.
    let lock = "SELECT tenant FROM tenants FOR UPDATE";
    let held = tokio::task::spawn_blocking(move || Held::by(&address, lock)).await.expect("no panic");
    let groups = vec![AcceptGroup { events: vec![event(NOW, 2)], request: None }];
    let refused = store.accept(groups, NOW).await;
    assert!(matches!(&refused, Err(error @ StoreError::Unreachable(_)) if error.retryable()), "{refused:?}");
    drop(held);
    assert!(!accept(&store, event(NOW, 2)).await.duplicate, "the refused one left nothing behind");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_nothing_is_lost() {
    let database = Database::new();
    let options = OpenOptions { statement_time: Duration::from_millis(200), ..database.options() };
    let store = open(options).await;
    accept(&store, event(NOW, 1)).await;
    let _ = database.sql(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$; \
         CREATE TRIGGER slowly BEFORE INSERT ON identities FOR EACH ROW EXECUTE FUNCTION slowly()",
    );
    let groups = vec![AcceptGroup { events: vec![event(NOW, 2)], request: None }];
    let refused = store.accept(groups, NOW).await;
    assert!(matches!(&refused, Err(error @ StoreError::Unreachable(_)) if error.retryable()), "{refused:?}");
    let _ = database.sql("DROP TRIGGER slowly ON identities");
    assert!(!accept(&store, event(NOW, 2)).await.duplicate, "the refused one left nothing behind");
}

#[tokio::test]
async fn what_others_were_in_the_way_of_is_done_again_and_what_the_server_cannot_now_is_blamed_on_no_row() {
    for (code, again) in [("40001", true), ("40P01", true), ("42501", false), ("XX000", false)] {
        let database = Database::new();
        let store = node(&database).await;
        // Numbers of a sequence stay used: only the first try fails.
        let _ = database.sql(&format!(
            "CREATE SEQUENCE turns; CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('turns') = 1 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER once BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION once()"
        ));
        let groups = || vec![AcceptGroup { events: vec![event(NOW, 1)], request: None }];
        match store.accept(groups(), NOW).await {
            Ok(answers) => {
                assert!(again && answers[0].as_ref().is_ok_and(|made| !made[0].duplicate), "{code}: {answers:?}")
            }
            Err(error) => assert!(!again && matches!(error, StoreError::Unreachable(_)), "{code}: {error}"),
        }
        assert_eq!(accept(&store, event(NOW, 1)).await.duplicate, again, "{code}");
        assert_eq!(database.sql("SELECT last_value FROM turns"), "2", "{code}: one failed and one did not");
        assert_eq!(database.sql("SELECT count(*) FROM events"), "1", "{code}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let database = Database::new();
    let name = database.sql("SELECT current_database() || '_latin'");
    let _ = database
        .sql(&format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"));
    let address = database.address();
    let (server, _) = address.rsplit_once('/').expect("an address of a database");
    let Err(error) = PostgresStore::open(OpenOptions::at(format!("{server}/{name}"), NOW)).await else {
        panic!("it is taken")
    };
    let _ = database.sql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    assert_eq!(error.code(), "store_refused");
    assert!(error.to_string().contains("LATIN1") && error.to_string().contains("UTF8"), "{error}");
}

#[tokio::test]
async fn why_a_database_cannot_be_had_is_one_line_in_the_servers_words() {
    let database = Database::new();
    let address = database.address();
    let (server, _) = address.rsplit_once('/').expect("an address of a database");
    let nowhere = PostgresStore::open(OpenOptions::at(format!("{server}/nowhere"), NOW)).await;
    let Err(error) = nowhere else { panic!("it is there") };
    let said = error.to_string();
    assert!(
        said.contains("reached: FATAL: database \"nowhere\" does not exist") && said.lines().count() == 1,
        "{said}"
    );
    let database = Database::new();
    let _ = database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE events (theirs integer)");
    let Err(error) = PostgresStore::open(database.options()).await else { panic!("it is somebody else's") };
    assert_eq!(error.code(), "store_corrupt");
    assert!(error.to_string().contains("not ours") && error.to_string().contains("events"), "{error}");
}

#[tokio::test]
async fn work_that_is_in_each_others_way_is_done_again_and_done_once() {
    let database = Database::new();
    let stores = [std::sync::Arc::new(node(&database).await), std::sync::Arc::new(node(&database).await)];
    let mut lanes = Vec::new();
    for (which, store) in stores.iter().enumerate() {
        for number in 0..40u64 {
            let store = std::sync::Arc::clone(store);
            lanes.push(tokio::spawn(async move {
                let mut new = event(NOW, 1_000 * (which as u64 + 1) + number);
                // Two nodes, few lanes, opposite orders.
                let subject = domain::Subject::of("orders", &(number % 3).to_string());
                std::sync::Arc::make_mut(&mut new.event).subject = Some(subject.clone());
                new.deliveries[0].lane = domain::ordering::Lane::of(
                    domain::ordering::Ordering::Subject,
                    &new.event.source,
                    &new.event.connection,
                    Some(&subject),
                );
                accept(&store, new).await;
            }));
        }
    }
    for accepted in lanes {
        accepted.await.expect("no panic");
    }
    let mut delivered = 0;
    loop {
        let some = claim(&stores[delivered % 2], 1, 10, NOW).await;
        if some.is_empty() {
            break;
        }
        assert!(some.len() <= 3, "one of each lane");
        delivered += some.len();
        let batch = some.iter().map(|one| settlement(one.id, one.claim, domain::DeliveryState::Delivered)).collect();
        assert!(stores[0].settle(batch, NOW).await.expect("settle").iter().all(|one| !one.fenced));
    }
    assert_eq!(delivered, 80);
}
