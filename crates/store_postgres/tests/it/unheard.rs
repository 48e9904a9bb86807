//! Claims whose verb was cut off after a commit of its own, or whose caller was gone: committed, and nobody told.

use std::sync::Arc;
use std::time::Duration;

use domain::{Event, Tenant};
use store::StoreError;
use store::dispatch::{Dispatch, Lease, Owner};
use store::intake::{AcceptGroup, Intake, NewEvent};
use store_postgres::testkit::{Database, NOW};
use store_postgres::{OpenOptions, PostgresStore};

use crate::arrange::{Held, LEASE, accept, asking, claim, event, open, tenant};

/// How often it is looked for what is about to be; each look is the work of a whole program.
const LOOKS: u32 = 1_000;
/// A verb is cut off after this time: long enough for what is not held up.
const VERB_TIME: Duration = Duration::from_secs(2);

fn named(name: &str) -> Tenant {
    name.parse().expect("a name")
}

fn of_tenant(name: &str, number: u64) -> NewEvent {
    let new = event(NOW, number);
    let event = Arc::new(Event { tenant: named(name), ..(*new.event).clone() });
    NewEvent { event, ..new }
}

/// Of this type, and claimed at birth.
fn born(event_type: &str, number: u64) -> NewEvent {
    let mut new = event(NOW, number);
    Arc::make_mut(&mut new.event).event_type = event_type.into();
    new.deliveries[0].claim = Some(Lease { owner: Owner(1), span: LEASE });
    new
}

/// Lets whoever does this to such rows wait until what is given is dropped.
async fn hold_up(database: &Arc<Database>, does: &str, rows: &str) -> Held {
    let _ = database.sql(&format!(
        "CREATE TABLE gate AS SELECT 1 AS id; \
         CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM id FROM gate FOR UPDATE; RETURN NEW; END $$; \
         CREATE TRIGGER wait BEFORE {does} FOR EACH ROW WHEN (NEW.{rows}) EXECUTE FUNCTION wait()"
    ));
    let address = database.address();
    let gate = move || Held::by(&address, "SELECT id FROM gate FOR UPDATE");
    tokio::task::spawn_blocking(gate).await.expect("no panic")
}

fn claimed_by_now(database: &Database) -> String {
    database.sql("SELECT string_agg(tenant, ' ' ORDER BY tenant) FROM owed WHERE state = 2")
}

async fn until_held_up(database: &Arc<Database>) {
    const WAITING: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..LOOKS {
        let database = Arc::clone(database);
        // Beside the store, which goes on meanwhile.
        if tokio::task::spawn_blocking(move || database.sql(WAITING)).await.expect("no panic") == "1" {
            return;
        }
    }
    panic!("nothing was held up");
}

/// Rescues again and again, because what puts a claim in doubt is done beside this.
async fn until_rescued(store: &PostgresStore) {
    for _ in 0..LOOKS {
        match store.rescue_lapsed(NOW, 10).await {
            Ok(0) => tokio::task::yield_now().await,
            Ok(rescued) => return assert_eq!(rescued, 1, "what was told is left alone"),
            // Of what is held up the server lets go in a while.
            Err(error) => assert!(error.retryable(), "{error}"),
        }
    }
    panic!("nobody looked after what was claimed");
}

#[tokio::test]
async fn what_a_verb_claimed_before_it_was_cut_off_is_put_back() {
    let database = Arc::new(Database::new());
    let store = open(OpenOptions { verb_time: VERB_TIME, ..database.options() }).await;
    accept(&store, of_tenant("blue", 1)).await;
    accept(&store, of_tenant("red", 2)).await;
    let held = hold_up(&database, "UPDATE ON open_deliveries", "tenant = 'red'").await;
    let cut_off = store.claim_due(asking([named("blue"), named("red")])).await;
    assert!(matches!(&cut_off, Err(StoreError::Unreachable(why)) if why.contains("no answer")), "{cut_off:?}");
    assert_eq!(claimed_by_now(&database), "blue", "its own transaction was committed");
    drop(held);
    until_rescued(&store).await;
    let again = store.claim_due(asking([named("blue")])).await.expect("claim_due");
    assert_eq!(again[0].claimed.len(), 1);
}

#[tokio::test]
async fn a_tenant_is_not_asked_about_when_the_others_have_taken_most_of_the_time() {
    let database = Database::new();
    let store = open(OpenOptions { verb_time: 2 * VERB_TIME, ..database.options() }).await;
    accept(&store, of_tenant("blue", 1)).await;
    accept(&store, of_tenant("red", 2)).await;
    let seconds = VERB_TIME.as_secs_f64() + 0.1;
    let _ = database.sql(&format!(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$; \
         CREATE TRIGGER slowly BEFORE UPDATE ON open_deliveries FOR EACH ROW WHEN (NEW.tenant = 'blue') \
         EXECUTE FUNCTION slowly()"
    ));
    let answers = store.claim_due(asking([named("blue"), named("red")])).await.expect("claim_due");
    assert_eq!(answers[0].claimed.len(), 1);
    let unasked = (answers[1].claimed.len(), answers[1].more, answers[1].next_due);
    assert_eq!(unasked, (0, true, Some(NOW)), "it is to be asked about at once");
    assert_eq!(claimed_by_now(&database), "blue");
    assert_eq!(store.claim_due(asking([named("red")])).await.expect("claim_due")[0].claimed.len(), 1);
}

#[tokio::test]
async fn what_was_accepted_one_by_one_before_the_rest_was_cut_off_is_put_back() {
    let database = Arc::new(Database::new());
    let store = open(OpenOptions { verb_time: VERB_TIME, ..database.options() }).await;
    let held = hold_up(&database, "INSERT ON events", "type = 'slow'").await;
    let _ = database.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'not this one' USING ERRCODE = '22000'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.type = 'bad') EXECUTE FUNCTION refuse()",
    );
    // Together they are refused for the second one, before it comes to the third.
    let slow = NewEvent { deliveries: Vec::new(), ..born("slow", 3) };
    let events = [born("good", 1), born("bad", 2), slow];
    let groups = events.into_iter().map(|event| AcceptGroup { events: vec![event], request: None }).collect();
    let cut_off = store.accept(groups, NOW).await;
    assert!(matches!(&cut_off, Err(StoreError::Unreachable(why)) if why.contains("no answer")), "{cut_off:?}");
    assert_eq!(claimed_by_now(&database), tenant().as_str(), "the good one was committed");
    drop(held);
    until_rescued(&store).await;
    assert!(accept(&store, born("good", 1)).await.duplicate, "its sender comes again");
    assert_eq!(claim(&store, 1, 10, NOW).await.len(), 1);
}

#[tokio::test]
async fn what_was_claimed_for_a_caller_that_is_gone_is_put_back() {
    let database = Arc::new(Database::new());
    let store = Arc::new(open(database.options()).await);
    accept(&store, event(NOW, 1)).await;
    let held = hold_up(&database, "UPDATE ON open_deliveries", "tenant <> ''").await;
    let asking = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.claim_due(asking([tenant()])).await })
    };
    until_held_up(&database).await;
    asking.abort();
    assert!(asking.await.expect_err("it is gone").is_cancelled());
    drop(held);
    until_rescued(&store).await;
    assert_eq!(claim(&store, 1, 10, NOW).await.len(), 1);
}

#[tokio::test]
async fn what_was_claimed_at_birth_for_a_sender_that_is_gone_is_put_back() {
    let database = Arc::new(Database::new());
    let store = Arc::new(open(database.options()).await);
    let held = hold_up(&database, "INSERT ON events", "tenant <> ''").await;
    let sending = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { accept(&store, born("push", 1)).await })
    };
    until_held_up(&database).await;
    sending.abort();
    assert!(sending.await.expect_err("it is gone").is_cancelled());
    drop(held);
    until_rescued(&store).await;
    assert_eq!(claim(&store, 1, 10, NOW).await.len(), 1);
}
