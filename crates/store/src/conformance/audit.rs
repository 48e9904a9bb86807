//! The audit log: chains without gaps, lists, what was said about their ends, and what goes for its age.

use std::sync::Arc;

use domain::audit::{AuditKey, Cut, Entry, GENESIS, Head, Note, Outcome, Statement, Verifier, Who, WhoKind};
use domain::{Tenant, Timestamp};
use futures_util::future::join_all;

use super::world::{Open, SECOND, World, name};
use crate::StoreError;
use crate::audit::{AuditFilter, Chain};
use crate::read::{PAGE_MAX, Page};

fn note(w: &World, action: &str) -> Note {
    Note {
        at: w.now,
        who: Who::new(WhoKind::Key, "ops"),
        from: "192.0.2.1".into(),
        action: action.into(),
        object: "destination/app".into(),
        detail: "it is down".to_owned(),
        outcome: Outcome::Done,
        began: None,
    }
}

async fn append(w: &World, node: &str, notes: Vec<Note>) -> Vec<Entry> {
    w.store.append_audit(w.tenant.clone(), node.into(), notes).await.expect("append_audit")
}

async fn chain(w: &World, node: &str) -> Vec<Entry> {
    w.store.audit_chain(w.tenant.clone(), node.into(), 0, PAGE_MAX).await.expect("audit_chain")
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.sequence).collect()
}

fn holds(entries: &[Entry]) -> bool {
    let mut verifier = Verifier::new(None);
    entries.iter().for_each(|entry| verifier.entry(entry));
    verifier.finish().holds()
}

pub async fn an_entry_is_read_back_whole_in_its_chain(open: impl Open) {
    let mut w = World::new(open).await;
    let begun = Note { outcome: Outcome::Begun, ..note(&w, "destination.pause") };
    let mut written = append(&w, "a", vec![begun]).await;
    let who = Who::new(WhoKind::File, "");
    let ended = Note { began: Some(1), who, from: "".into(), ..note(&w, "destination.pause") };
    written.extend(append(&w, "a", vec![ended, note(&w, "ü\u{10FFFF}")]).await);
    assert_eq!(numbers(&written), [1, 2, 3]);
    w.reopen().await;
    written.extend(append(&w, "a", vec![note(&w, "key.create")]).await);
    assert_eq!(chain(&w, "a").await, written);
    assert!(holds(&written));
    let behind = w.store.audit_chain(w.tenant.clone(), "a".into(), 1, 2).await.expect("audit_chain");
    assert_eq!(numbers(&behind), [2, 3]);
}

pub async fn chains_of_tenants_and_nodes_are_told_apart(open: impl Open) {
    let w = World::new(open).await;
    let other: Tenant = name("other");
    append(&w, "a", vec![note(&w, "x"), note(&w, "y")]).await;
    append(&w, "b", vec![note(&w, "x")]).await;
    let theirs = w.store.append_audit(other.clone(), "a".into(), vec![note(&w, "z")]).await.expect("append_audit");
    let chains = async |tenant: Option<Tenant>| {
        let chains = w.store.audit_chains(tenant).await.expect("audit_chains");
        let told = |chain: Chain| format!("{}/{}:{}", chain.tenant, chain.head.node, chain.head.sequence);
        chains.into_iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(chains(None).await, ["default/a:2", "default/b:1", "other/a:1"]);
    assert_eq!(chains(Some(other.clone())).await, ["other/a:1"]);
    let listed = w.store.audit(other, AuditFilter::default(), Page::first(9)).await.expect("audit");
    assert_eq!(listed.rows, theirs);
}

pub async fn many_at_once_leave_no_gap(open: impl Open) {
    let w = World::new(open).await;
    let one = |number: usize| w.store.append_audit(w.tenant.clone(), "a".into(), vec![note(&w, &number.to_string())]);
    let given = join_all((0..60).map(one)).await;
    let mut given: Vec<u64> = given.into_iter().map(|entries| entries.expect("append_audit")[0].sequence).collect();
    given.sort_unstable();
    assert_eq!(given, (1..=60).collect::<Vec<u64>>());
    let entries = chain(&w, "a").await;
    assert_eq!(numbers(&entries), given);
    assert!(holds(&entries));
}

pub async fn entries_are_listed_by_every_filter_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    for (action, object, who, outcome) in [
        ("a.x", "source/one", Who::new(WhoKind::Key, "ops"), Outcome::Done),
        ("b.x", "source/two", Who::new(WhoKind::Session, "ops"), Outcome::Failed),
        ("b.y", "route/one", Who::new(WhoKind::Key, "ci"), Outcome::Refused),
        ("c.x", "", Who::system(), Outcome::Done),
    ] {
        w.pass(SECOND);
        append(&w, "a", vec![Note { object: object.into(), who, outcome, ..note(&w, action) }]).await;
    }
    let text = |text: &str| Some(text.to_owned());
    let any = AuditFilter::default;
    let at = |seconds: u32| Some(Timestamp::from_secs(1_800_000_000) + SECOND * seconds);
    for (filter, expected) in [
        (any(), "c.x b.y b.x a.x"),
        (AuditFilter { who: text("ops"), ..any() }, "b.x a.x"),
        (AuditFilter { who: text("session"), ..any() }, "b.x"),
        (AuditFilter { action: text("b.x"), ..any() }, "b.x"),
        (AuditFilter { action: text("b.*"), ..any() }, "b.y b.x"),
        (AuditFilter { object: text("source/*"), ..any() }, "b.x a.x"),
        (AuditFilter { outcome: Some(Outcome::Refused), ..any() }, "b.y"),
        (AuditFilter { since: at(2), until: at(4), ..any() }, "b.y b.x"),
        (AuditFilter { who: text("nobody"), ..any() }, ""),
    ] {
        let listed = w.store.audit(w.tenant.clone(), filter.clone(), Page::first(9)).await.expect("audit");
        let told: Vec<&str> = listed.rows.iter().map(|entry| &*entry.note.action).collect();
        assert_eq!(told.join(" "), expected, "{filter:?}");
        assert!(listed.next.is_none() && listed.searched_until.is_none());
    }
}

pub async fn pages_of_entries_neither_skip_nor_repeat(open: impl Open) {
    let w = World::new(open).await;
    // All at the same time, of two nodes.
    for _ in 0..5 {
        append(&w, "a", vec![note(&w, "x")]).await;
        append(&w, "b", vec![note(&w, "x")]).await;
    }
    let (mut given, mut page) = (Vec::new(), Page::first(3));
    loop {
        let listed = w.store.audit(w.tenant.clone(), AuditFilter::default(), page.clone()).await.expect("audit");
        given.extend(listed.rows.iter().map(|entry| format!("{}{}", entry.sequence, entry.node)));
        let Some(next) = listed.next else { break };
        page.after = Some(next);
    }
    assert_eq!(given, ["5b", "5a", "4b", "4a", "3b", "3a", "2b", "2a", "1b", "1a"]);
    let nowhere = Page { after: Some(crate::read::Position("x".to_owned())), ..Page::first(3) };
    let refused = w.store.audit(w.tenant.clone(), AuditFilter::default(), nowhere).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
}

pub async fn what_was_begun_is_listed_until_its_end_is(open: impl Open) {
    let w = World::new(open).await;
    let begun = |action: &str| Note { outcome: Outcome::Begun, ..note(&w, action) };
    append(&w, "a", vec![begun("x"), begun("y")]).await;
    append(&w, "b", vec![begun("z"), Note { began: Some(1), ..note(&w, "z") }]).await;
    append(&w, "a", vec![Note { began: Some(1), ..note(&w, "x") }]).await;
    let listed = w.store.audit(w.tenant.clone(), AuditFilter::default(), Page::first(9)).await.expect("audit");
    let told: Vec<String> =
        listed.rows.iter().map(|entry| format!("{} {}", entry.note.action, entry.note.outcome.as_str())).collect();
    assert_eq!(told, ["x done", "z done", "y begun"]);
}

pub async fn a_clock_that_goes_back_leaves_no_gap(open: impl Open) {
    let w = World::new(open).await;
    append(&w, "a", vec![note(&w, "x")]).await;
    let earlier = Note { at: w.now - SECOND, ..note(&w, "y") };
    append(&w, "a", vec![earlier]).await;
    let entries = chain(&w, "a").await;
    assert_eq!(numbers(&entries), [1, 2]);
    assert!(holds(&entries));
    let listed = w.store.audit(w.tenant.clone(), AuditFilter::default(), Page::first(9)).await.expect("audit");
    assert_eq!(numbers(&listed.rows), [1, 2], "a list goes by time");
}

fn key() -> AuditKey {
    AuditKey::new(&[7; 32])
}

fn statement(w: &World, signer: &str, number: u64, heads: Vec<Head>) -> Statement {
    let (tenant, at, signer) = (w.tenant.clone(), w.now, signer.into());
    Statement { tenant, signer, number, at, heads, key: "".into(), signature: GENESIS }.signed(&key())
}

pub async fn statements_are_kept_in_their_order_and_once(open: impl Open) {
    let mut w = World::new(open).await;
    let entries = append(&w, "a", vec![note(&w, "x")]).await;
    let heads = vec![entries[0].head(), Head { node: "b".into(), sequence: 9, digest: GENESIS }];
    let said = [("a", 1), ("a", 2), ("b", 1)].map(|(signer, number)| statement(&w, signer, number, heads.clone()));
    for statement in said.iter().rev() {
        w.store.put_audit_statement(statement.clone()).await.expect("put_audit_statement");
    }
    let again = w.store.put_audit_statement(statement(&w, "a", 2, Vec::new())).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
    w.reopen().await;
    let all = w.store.audit_statements(w.tenant.clone(), ("".into(), 0), 9).await.expect("audit_statements");
    assert_eq!(all, said);
    let behind = w.store.audit_statements(w.tenant.clone(), ("a".into(), 1), 1).await.expect("audit_statements");
    assert_eq!(behind, said[1..2]);
    let last = async |signer: &str| {
        let last = w.store.last_audit_statement(w.tenant.clone(), signer.into()).await.expect("last_audit_statement");
        last.map(|statement| statement.number)
    };
    assert_eq!((last("a").await, last("b").await, last("c").await), (Some(2), Some(1), None));
}

/// Something in every table of the log, for those who copy it.
pub(super) async fn fill(w: &World) {
    let entries = append(w, "a", vec![note(w, "x"), note(w, "y"), note(w, "ü")]).await;
    let heads = vec![entries[2].head()];
    w.store.put_audit_statement(statement(w, "a", 1, heads)).await.expect("put_audit_statement");
    let cut = Cut::signed(w.tenant.clone(), entries[0].head(), w.now, &key());
    w.store.prune_audit(cut, w.now - SECOND).await.expect("prune_audit");
}

/// What [`fill`] wrote is there, verifies, and is followed by what comes next.
pub(super) async fn assert_goes_on(w: &World) {
    let next = append(w, "a", vec![note(w, "z")]).await;
    assert_eq!(next[0].sequence, 4);
    let mut verifier = Verifier::new(Some(key()));
    let said = w.store.audit_statements(w.tenant.clone(), (Arc::from(""), 0), 9).await.expect("audit_statements");
    said.iter().for_each(|statement| verifier.statement(statement));
    chain(w, "a").await.iter().for_each(|entry| verifier.entry(entry));
    let chains = w.store.audit_chains(None).await.expect("audit_chains");
    chains.iter().filter_map(|chain| chain.cut.as_ref()).for_each(|cut| verifier.cut(cut));
    let verdict = verifier.finish();
    assert!(verdict.holds() && verdict.entries == 3 && verdict.statements == 1, "{verdict:?}");
}

pub async fn old_entries_go_behind_a_cut_and_the_chain_goes_on(open: impl Open) {
    let mut w = World::new(open).await;
    let entries = append(&w, "a", vec![note(&w, "x"), note(&w, "y"), note(&w, "z")]).await;
    append(&w, "b", vec![note(&w, "x")]).await;
    w.store.put_audit_statement(statement(&w, "a", 1, Vec::new())).await.expect("put_audit_statement");
    w.pass(SECOND);
    w.store.put_audit_statement(statement(&w, "a", 2, Vec::new())).await.expect("put_audit_statement");
    let cut = Cut::signed(w.tenant.clone(), entries[1].head(), w.now, &key());
    w.store.prune_audit(cut.clone(), w.now).await.expect("prune_audit");
    let earlier = Cut::signed(w.tenant.clone(), entries[0].head(), w.now, &key());
    w.store.prune_audit(earlier, w.now).await.expect("prune_audit");
    w.reopen().await;
    let next = append(&w, "a", vec![note(&w, "x")]).await;
    assert_eq!((next[0].sequence, next[0].previous), (4, entries[2].digest));
    assert_eq!(numbers(&chain(&w, "a").await), [3, 4]);
    assert_eq!(numbers(&chain(&w, "b").await), [1], "another chain is not touched");
    let chains = w.store.audit_chains(Some(w.tenant.clone())).await.expect("audit_chains");
    let cuts: Vec<Option<Cut>> = chains.into_iter().map(|chain| chain.cut).collect();
    assert_eq!(cuts, [Some(cut), None]);
    let said = w.store.audit_statements(w.tenant.clone(), (Arc::from(""), 0), 9).await.expect("audit_statements");
    assert_eq!(said.iter().map(|statement| statement.number).collect::<Vec<_>>(), [2]);
}
