//! Claims of which the answer was lost: made, and nobody told. Their node lives, so no lease ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::StoreError;
use store::dispatch::{Dispatch, Lease, Owner};
use store::intake::{AcceptGroup, Intake};
use store_postgres::OpenOptions;
use store_postgres::testkit::{Database, NOW};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::arrange::{LEASE, accept, asking, claim, event, open, tenant};

/// What a gate does once it is armed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trap {
    /// The server hears a commit, and its client no more.
    AnswerToCommit,
    /// Nobody hears that plans are to be forgotten after a commit, and nothing after that.
    ForgetPlans,
}

/// Passes everything on, until it is armed.
struct Gate {
    armed: Arc<AtomicBool>,
    address: String,
}

impl Gate {
    async fn before(database: &Database, trap: Trap) -> Self {
        let address = database.address();
        let rest = address.strip_prefix("postgres://postgres@").expect("a throw-away server's address");
        let (folder, name) = rest.split_once('/').expect("a socket and a database");
        let socket = format!("{}/.s.PGSQL.5432", folder.replace("%2F", "/"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let armed = Arc::<AtomicBool>::default();
        let passing = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.expect("the server listens");
                tokio::spawn(pass(client, server, trap, Arc::clone(&passing)));
            }
        });
        Self { armed, address: format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable") }
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}

async fn pass(mut client: TcpStream, mut server: UnixStream, trap: Trap, armed: Arc<AtomicBool>) {
    let mut committed = false;
    let (mut asked, mut answered) = ([0; 64 * 1024], [0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let said = &asked[..read];
                committed |= names_commit(said) && armed.load(Ordering::SeqCst);
                let commits = trap == Trap::AnswerToCommit && committed && armed.swap(false, Ordering::SeqCst);
                if trap == Trap::ForgetPlans && committed && names(said, b"DISCARD PLANS") {
                    armed.store(false, Ordering::SeqCst);
                    return std::future::pending().await;
                }
                if server.write_all(said).await.is_err() {
                    return;
                }
                if commits {
                    // Its client is gone before it answers, and is never told. Read all the same: a server that finds
                    // nobody to tell of the statements before gives up.
                    drop(client);
                    while matches!(server.read(&mut answered).await, Ok(read @ 1..) if !names_commit(&answered[..read])) {}
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn names_commit(said: &[u8]) -> bool {
    names(said, b"COMMIT")
}

fn names(said: &[u8], words: &[u8]) -> bool {
    said.windows(words.len()).any(|said| said == words)
}

/// How often it is looked for what is about to be.
const LOOKS: u32 = 1_000;

fn in_doubt(error: &StoreError) -> bool {
    matches!(error, StoreError::Unreachable(why) if why.contains("during a commit"))
}

/// The server does not wait for anyone to hear it: what it was asked it does, a moment later.
fn until_in_flight(database: &Database) {
    let there = || database.sql("SELECT count(*) FROM owed WHERE state = 2") == "1";
    assert!((0..LOOKS).any(|_| there()), "it was done all the same");
}

#[tokio::test]
async fn an_answer_does_not_wait_until_plans_are_forgotten() {
    let database = Database::new();
    let gate = Gate::before(&database, Trap::ForgetPlans).await;
    let options =
        OpenOptions { verb_time: Duration::from_secs(2), address: gate.address.clone(), ..database.options() };
    let store = open(options).await;
    accept(&store, event(NOW, 1)).await;
    // Slow, and long after anything else that was.
    let _ = database.sql(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN NEW; END $$; \
         CREATE TRIGGER slowly BEFORE UPDATE ON open_deliveries FOR EACH ROW EXECUTE FUNCTION slowly()",
    );
    gate.arm();
    assert_eq!(claim(&store, 1, 10, NOW).await.len(), 1, "it was told");
    for _ in 0..LOOKS {
        if !gate.armed.load(Ordering::SeqCst) {
            return assert_eq!(store.rescue_lapsed(NOW, 10).await, Ok(0), "what was told is left alone");
        }
        tokio::task::yield_now().await;
        let _ = database.sql("SELECT 1");
    }
    panic!("no plans were to be forgotten: this shows nothing");
}

#[tokio::test]
async fn what_was_claimed_without_anyone_being_told_is_put_back_although_its_node_lives() {
    let database = Database::new();
    let gate = Gate::before(&database, Trap::AnswerToCommit).await;
    let store = open(OpenOptions { address: gate.address.clone(), ..database.options() }).await;
    accept(&store, event(NOW, 1)).await;
    gate.arm();
    let lost = store.claim_due(asking([tenant()])).await.expect_err("its answer was lost");
    assert!(in_doubt(&lost), "{lost}");
    until_in_flight(&database);
    assert_eq!(store.rescue_lapsed(NOW, 10).await, Ok(1), "its lease is far from over");
    let again = claim(&store, 1, 10, NOW).await;
    assert_eq!(again.iter().map(|one| one.attempts).collect::<Vec<_>>(), [1]);
    assert_eq!(store.rescue_lapsed(NOW, 10).await, Ok(0), "what was told is left alone");
}

#[tokio::test]
async fn what_was_claimed_at_birth_without_anyone_being_told_is_put_back_too() {
    let database = Database::new();
    let gate = Gate::before(&database, Trap::AnswerToCommit).await;
    let store = open(OpenOptions { address: gate.address.clone(), ..database.options() }).await;
    accept(&store, event(NOW, 1)).await;
    let mut born = event(NOW, 2);
    born.deliveries[0].claim = Some(Lease { owner: Owner(1), span: LEASE });
    gate.arm();
    let groups = vec![AcceptGroup { events: vec![born.clone()], request: None }];
    let answer = store.accept(groups, NOW).await;
    let lost = match answer {
        Err(lost) => lost,
        Ok(mut each) => each.pop().expect("an answer").expect_err("its answer was lost"),
    };
    assert!(in_doubt(&lost), "{lost}");
    until_in_flight(&database);
    assert!(accept(&store, born).await.duplicate, "its sender comes again");
    assert_eq!(store.rescue_lapsed(NOW, 10).await, Ok(1));
    assert_eq!(claim(&store, 1, 10, NOW).await.len(), 2);
}
