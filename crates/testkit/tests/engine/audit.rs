//! The audit log while nodes run: who signs what and when, what is removed for its age, what raises an alert, and that
//! nothing which is taken in or delivered waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::audit::{AuditKey, Cut, Head, Line, Outcome, Statement, Verdict, Verifier};
use domain::{DeliveryState, Tenant, Timestamp};
use engine::EngineError;
use engine::audit::{Act, open_sealed_key};
use engine::receive::Receipt;
use engine::vault::{MasterKey, Vault};
use store::Store;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore, Refusal};

use crate::rig::{Rig, SECRET, clock, destination, memory, specs};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

/// Two nodes, `n7` and `n2`, on one store and one clock.
async fn two_nodes() -> (Rig, Rig) {
    let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
    let (store, clock) = (Arc::new(store.expect("a store in memory opens")) as Arc<dyn Store>, clock());
    let first = Rig::at(Arc::clone(&store), specs(), Arc::clone(&clock)).await;
    let network = Arc::clone(&first.network) as _;
    let second = Rig::node(2, store, specs(), clock, network).await;
    (first, second)
}

async fn record(rig: &Rig, action: &'static str) {
    let act = Act::by_system(action, "destination/app");
    rig.engine.audit().record(&tenant(), act, Outcome::Done).await.expect("it is written down");
}

/// The last statement of a node, as `n2:2 n7:3`.
async fn said(rig: &Rig, signer: &str) -> (u64, String) {
    let last = rig.store.last_audit_statement(tenant(), signer.into()).await.expect("it is read");
    let Statement { number, heads, .. } = last.expect("it has said something");
    let heads: Vec<String> = heads.iter().map(|head| format!("{}:{}", head.node, head.sequence)).collect();
    (number, heads.join(" "))
}

/// All of it, as the command line would verify it with the master key.
async fn verdict(rig: &Rig) -> Verdict {
    let vault = Vault::new(MasterKey::from_hex(&"0b".repeat(32)).expect("64 digits"));
    let (mut reader, mut verifier) = (rig.engine.audit().export(&tenant()), Verifier::new(None));
    loop {
        let lines = reader.next().await.expect("it is read");
        if lines.is_empty() {
            return verifier.finish();
        }
        for line in lines {
            if let Line::Export { key, .. } = &line {
                let key = open_sealed_key(&vault, key.as_deref().expect("a key")).expect("it opens");
                verifier = Verifier::new(Some(key));
            }
            verifier.line(line).expect("names");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_signs_where_the_chains_of_all_nodes_end_and_then_what_moved() {
    let (first, second) = two_nodes().await;
    first.pass(MINUTE + MINUTE / 2).await;
    for signer in ["n2", "n7"] {
        assert_eq!(said(&first, signer).await, (1, "n2:2 n7:2".to_owned()), "{signer}: a minute after its start, all");
    }
    record(&first, "destination.pause").await;
    first.pass(HOUR).await;
    for signer in ["n2", "n7"] {
        assert_eq!(said(&first, signer).await, (2, "n7:3".to_owned()), "{signer}: what moved");
    }
    first.pass(HOUR * 2).await;
    for signer in ["n2", "n7"] {
        assert_eq!(said(&second, signer).await.0, 2, "{signer} has nothing new to say");
    }
    let verdict = verdict(&second).await;
    assert!(verdict.holds() && verdict.with_key, "{verdict:?}");
    assert_eq!((verdict.entries, verdict.statements), (5, 4));
}

#[tokio::test(start_paused = true)]
async fn a_node_signs_once_more_before_it_ends_and_its_successor_goes_on_from_there() {
    let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
    let (store, clock) = (Arc::new(store.expect("a store in memory opens")) as Arc<dyn Store>, clock());
    let beside = || {
        let faulty = FaultyStore::new(Arc::clone(&store), Arc::new(Link::default()), Arc::default());
        Arc::new(faulty.beside_others()) as Arc<dyn Store>
    };
    let first = Rig::at(beside(), specs(), Arc::clone(&clock)).await;
    record(&first, "destination.pause").await;
    assert!(first.engine.stop(MINUTE).await);
    let next = Rig::at(beside(), specs(), clock).await;
    assert_eq!(said(&next, "n7").await, (1, "n7:3".to_owned()));
    next.pass(MINUTE + MINUTE / 2).await;
    assert_eq!(said(&next, "n7").await, (2, "n7:5".to_owned()), "it applied its file");
    assert!(verdict(&next).await.holds());
}

#[tokio::test(start_paused = true)]
async fn what_is_old_goes_behind_a_signed_cut_whichever_node_removes_it() {
    let (first, second) = two_nodes().await;
    for _ in 0..3 {
        record(&first, "destination.pause").await;
        record(&second, "destination.resume").await;
    }
    first.pass(HOUR * 4).await;
    record(&first, "key.create").await;
    first.pass(HOUR * 3).await;
    let chains = first.store.audit_chains(Some(tenant())).await.expect("chains");
    let told: Vec<_> = chains.iter().map(|chain| (&*chain.head.node, chain.cut.is_some())).collect();
    assert_eq!(told, [("n2", true), ("n7", true)]);
    let left = first.store.audit_chain(tenant(), "n7".into(), 0, 9).await.expect("entries");
    let actions: Vec<&str> = left.iter().map(|entry| &*entry.note.action).collect();
    assert_eq!(actions.first(), Some(&"key.create"), "{actions:?}");
    let all = [left, first.store.audit_chain(tenant(), "n2".into(), 0, 9).await.expect("entries")].concat();
    let pruned: Vec<_> = all.iter().filter(|entry| &*entry.note.action == "audit.prune").collect();
    assert!(!pruned.is_empty(), "that something was removed is written down");
    let verdict = verdict(&second).await;
    assert!(verdict.holds(), "{verdict:?}");
    assert_eq!(first.open().await, [], "no node takes for broken what another one removed");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_hold_raises_an_alert_that_stays() {
    let rig = Rig::start().await;
    rig.pass(MINUTE * 2).await;
    let head = rig.store.audit_chain(tenant(), "n7".into(), 0, 1).await.expect("entries")[0].head();
    let forged = Cut::signed(tenant(), head, rig.clock.now(), &AuditKey::new(&[9; 32]));
    rig.store.prune_audit(forged, Timestamp::EPOCH).await.expect("it is the store's to refuse nothing");
    assert_eq!(rig.open().await, []);
    record(&rig, "destination.pause").await;
    rig.pass(HOUR).await;
    let broken = ("audit_broken".to_owned(), "audit".to_owned());
    assert_eq!(rig.open().await, std::slice::from_ref(&broken));
    let detail = rig.alerts().await[0].detail.clone();
    // A cut that nobody signed stands for nothing.
    assert!(detail.contains("the chain of n7 begins at 2"), "{detail}");
    rig.pass(HOUR * 3).await;
    assert_eq!(rig.open().await, [broken], "only a person resolves it");
}

#[tokio::test(start_paused = true)]
async fn statements_that_are_taken_out_at_the_newest_end_are_missed_by_the_process_that_made_them() {
    let rig = Rig::start().await;
    rig.pass(MINUTE * 2).await;
    record(&rig, "destination.pause").await;
    rig.pass(HOUR).await;
    assert_eq!(said(&rig, "n7").await.0, 2);
    // A cut before the first entry takes nothing but statements.
    let nothing = Cut::signed(tenant(), Head::genesis("n7".into()), rig.clock.now(), &AuditKey::new(&[9; 32]));
    rig.store.prune_audit(nothing, rig.clock.now() - MINUTE * 30).await.expect("it is the store's to refuse nothing");
    assert_eq!(rig.open().await, [], "what is left is the second one");
    let nothing = Cut::signed(tenant(), Head::genesis("n7".into()), rig.clock.now(), &AuditKey::new(&[9; 32]));
    rig.store.prune_audit(nothing, rig.clock.now()).await.expect("it is the store's to refuse nothing");
    rig.pass(HOUR).await;
    let alert = rig.alerts().await.remove(0);
    assert_eq!((&*alert.kind, alert.count), ("audit_broken", 1));
    assert!(alert.detail.contains("statements 1 to 2 of n7 are missing"), "{}", alert.detail);
    rig.pass(HOUR * 3).await;
    assert_eq!(rig.alerts().await[0].count, 1, "it is told once");
    record(&rig, "destination.resume").await;
    rig.pass(HOUR).await;
    assert_eq!(said(&rig, "n7").await.0, 3, "no number is given twice");
}

/// A store that takes everything but entries, while it is told so; or whose process dies at an ending.
#[derive(Default)]
struct Link {
    refuses: AtomicBool,
    dies: AtomicBool,
}

impl Fates for Link {
    fn next(&self, verb: &'static str) -> Fate {
        let concerns = ["append_audit", "put_audit_statement"].contains(&verb);
        match concerns {
            true if self.refuses.load(Ordering::SeqCst) => Fate::Refused(Refusal::DiskFull),
            true if self.dies.swap(false, Ordering::SeqCst) => Fate::DiesBefore,
            _ => Fate::Happens,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_not_done_and_events_do_not_wait_for_it() {
    let link = Arc::new(Link::default());
    let faulty = FaultyStore::new(memory(), Arc::clone(&link) as Arc<dyn Fates>, Arc::default());
    let rig = Rig::with(Arc::new(faulty), specs()).await;
    link.refuses.store(true, Ordering::SeqCst);
    for _ in 0..20 {
        rig.publish().await;
        assert!(matches!(rig.webhook(SECRET).await, Receipt::Accepted { .. }));
    }
    rig.pass(MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 20, "each published one was delivered");
    let mut more = specs();
    more.destinations.push(destination("more"));
    let refused = rig.engine.configure(more.clone()).await;
    assert!(matches!(refused, Err(EngineError::Store(_))), "{refused:?}");
    assert!(rig.engine.audit().begin(&tenant(), Act::by_system("key.create", "key")).await.is_err());
    // Who was refused something was refused, whatever the store says.
    rig.engine.audit().record_refused(&tenant(), Act::by_system("session.begin", "dashboard")).await;
    rig.pass(HOUR * 2).await;
    rig.publish().await;
    rig.pass(MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 21);
    link.refuses.store(false, Ordering::SeqCst);
    rig.engine.configure(more).await.expect("it can be written down again");
    rig.pass(HOUR).await;
    let verdict = verdict(&rig).await;
    assert!(verdict.holds() && verdict.statements == 1, "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_it_says_how_it_ended_leaves_what_was_begun() {
    let (store, clock) = (memory(), clock());
    let (link, death) = (Arc::new(Link::default()), Arc::new(Death::default()));
    let faulty = FaultyStore::new(Arc::clone(&store), Arc::clone(&link) as Arc<dyn Fates>, Arc::clone(&death));
    let rig = Rig::at(Arc::new(faulty.beside_others()), specs(), Arc::clone(&clock)).await;
    let act = Act::by_system("destination.pause", "destination/app");
    let begun = rig.engine.audit().begin(&tenant(), act).await.expect("it is written down");
    link.dies.store(true, Ordering::SeqCst);
    let audit = Arc::clone(rig.engine.audit());
    let ending = tokio::spawn(async move { audit.end(begun, Outcome::Done, Default::default()).await });
    death.wait().await;
    ending.abort();
    drop(rig);
    let next = Rig::at(store, specs(), clock).await;
    let filter = store::audit::AuditFilter { outcome: Some(Outcome::Begun), ..Default::default() };
    let listed = next.store.audit(tenant(), filter, store::read::Page::first(9)).await.expect("a list").rows;
    let told: Vec<&str> = listed.iter().map(|entry| &*entry.note.action).collect();
    assert_eq!(told, ["destination.pause"], "nothing is known of its end");
    let verdict = verdict(&next).await;
    assert!(verdict.holds() && verdict.entries == 5, "{verdict:?}");
}
