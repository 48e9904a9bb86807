//! Reading: one reader per stream, pages with their checkpoint, runs, gaps and budgets.

use std::sync::Arc;
use std::time::Duration;

use domain::budget::{Account, Allowance, Block, Grant, Word};
use domain::event::Origin;
use domain::identity::{Digest, Scope};
use domain::run::{Gap, Run, RunFigures, RunKind, RunState, StreamKey, Trust};
use domain::subject::{SubjectRow, SubjectState};
use domain::{Action, EventId, RunId, Subject, Timestamp, Version};

use super::world::{LEASE, Open, SECOND, World, name};
use crate::StoreError;
use crate::dispatch::{Claim, Lease, Owner};
use crate::intake::NewEvent;
use crate::read::Page;
use crate::reading::{Checkpoint, GAPS_PER_RUN, Polled, Progress, Quiet, RUNS_PER_STREAM, ReadPage, RunFilter};

fn stream(w: &World, connection: &str, stream: &str) -> StreamKey {
    StreamKey { tenant: w.tenant.clone(), source: name("shop"), connection: name(connection), stream: stream.into() }
}

pub(super) fn orders(w: &World) -> StreamKey {
    stream(w, "acme", "orders")
}

fn scope(key: &StreamKey) -> Scope {
    Scope { tenant: key.tenant.clone(), source: key.source.clone(), connection: key.connection.clone() }
}

pub(super) async fn take(w: &World, key: &StreamKey) -> (Checkpoint, Claim) {
    let taken = w.store.take_stream(key.clone(), w.lease(), w.now).await.expect("take_stream");
    taken.expect("nobody else has it")
}

async fn checkpoint(w: &World, key: &StreamKey) -> Checkpoint {
    let all = w.store.checkpoints(w.tenant.clone(), Some(key.source.clone())).await.expect("checkpoints");
    all.into_iter().find(|found| found.key == *key).expect("it was taken once")
}

pub(super) const fn page(key: StreamKey, claim: Claim) -> ReadPage {
    ReadPage { key, claim, events: Vec::new(), quiet: Vec::new(), state: None, within: None, baseline: false }
}

fn read_as(version: Option<i64>, body: &str) -> SubjectState {
    let reading = Some(Digest::of(body.as_bytes()));
    SubjectState { version: version.map(Version::Number), deleted: false, reading }
}

/// A virtual event of a record as it was read.
pub(super) fn told(w: &mut World, key: &StreamKey, id: &str, version: i64, body: &str) -> NewEvent {
    let mut new = w.event();
    let mut event = domain::Event::clone(&new.event);
    event.source = key.source.clone();
    event.connection = key.connection.clone();
    event.origin = Origin::Virtual;
    event.subject = Some(Subject::of("orders", id));
    event.version = Some(Version::Number(version));
    new.event = Arc::new(event);
    new.path = Origin::Virtual.as_str().into();
    new.state = Some(read_as(Some(version), body));
    new
}

pub(super) fn quiet(id: &str, version: i64, body: &str) -> Quiet {
    Quiet { subject: Subject::of("orders", id), state: read_as(Some(version), body) }
}

async fn events(w: &World) -> usize {
    let listed = w.store.events(w.tenant.clone(), Default::default(), Page::first(500)).await.expect("events");
    listed.rows.len()
}

pub async fn a_stream_has_one_reader_until_its_lease_ends(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (begun, claim) = take(&w, &key).await;
    assert_eq!((&*begun.state, begun.baseline_at, begun.progress), ("", None, Progress::default()));
    let other = Lease { owner: Owner(99), span: LEASE };
    assert_eq!(w.store.take_stream(key.clone(), other, w.now).await, Ok(None));
    let elsewhere = stream(&w, "zeta", "orders");
    assert!(w.store.take_stream(elsewhere, other, w.now).await.expect("take_stream").is_some());
    w.store.renew_stream(key.clone(), claim, LEASE * 2, w.now).await.expect("it is still ours");
    w.pass(LEASE + SECOND);
    assert_eq!(w.store.take_stream(key.clone(), other, w.now).await, Ok(None), "it was renewed");
    w.pass(LEASE);
    let (_, theirs) = w.store.take_stream(key.clone(), other, w.now).await.expect("take_stream").expect("it lapsed");
    assert_eq!(w.store.renew_stream(key.clone(), claim, LEASE, w.now).await, Err(StoreError::Fenced));
    w.store.leave_stream(key.clone(), claim).await.expect("what passed on is left alone");
    assert_eq!(w.store.take_stream(key.clone(), w.lease(), w.now).await, Ok(None));
    w.store.leave_stream(key.clone(), theirs).await.expect("left");
    take(&w, &key).await;
}

pub async fn a_page_is_committed_with_its_checkpoint_or_not_at_all(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    let first = told(&mut w, &key, "1", 1, "a");
    let delivery = w.to("app");
    let id = delivery.id;
    let first = NewEvent { deliveries: vec![delivery], ..first };
    let one = ReadPage { events: vec![first], quiet: vec![quiet("2", 1, "b")], ..page(key.clone(), claim) };
    let accepted = w.store.commit_page(one, w.now).await.expect("commit_page");
    assert!(!accepted[0].duplicate);
    assert_eq!(w.claim(9).await.claimed.first().map(|claimed| claimed.id), Some(id));
    assert_eq!(&*checkpoint(&w, &key).await.state, "", "no slice has ended yet");
    let mut nameless = told(&mut w, &key, "3", 1, "c");
    nameless.event = Arc::new(domain::Event { subject: None, ..domain::Event::clone(&nameless.event) });
    let good = told(&mut w, &key, "4", 1, "d");
    let bad = ReadPage { events: vec![good, nameless], state: Some("{\"at\":2}".into()), ..page(key.clone(), claim) };
    assert!(matches!(w.store.commit_page(bad, w.now).await, Err(StoreError::Refused(_))));
    assert_eq!((events(&w).await, &*checkpoint(&w, &key).await.state), (1, ""));
    let last = ReadPage { state: Some("{\"at\":1}".into()), baseline: true, ..page(key.clone(), claim) };
    w.store.commit_page(last, w.now).await.expect("commit_page");
    w.reopen().await;
    let kept = checkpoint(&w, &key).await;
    assert_eq!((&*kept.state, kept.baseline_at), ("{\"at\":1}", Some(w.now)));
    let subjects = vec![Subject::of("orders", "1"), Subject::of("orders", "2"), Subject::of("orders", "4")];
    let known = w.store.known_subjects(scope(&key), subjects).await.expect("known_subjects");
    let told = known.iter().map(|known| known.as_ref().map(|known| known.told.map(|(origin, _)| origin)));
    assert_eq!(told.collect::<Vec<_>>(), [Some(Some(Origin::Virtual)), Some(None), None]);
}

pub async fn where_a_slice_goes_on_is_kept_until_the_state_moves(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let claim = take(&w, &key).await.1;
    let within = async |w: &World| checkpoint(w, &key).await.within;
    assert_eq!(within(&w).await, None);
    let place = || Some(Arc::from("{\"page\":7}"));
    let commit = async |w: &World, page: ReadPage| w.store.commit_page(page, w.now).await.expect("commit_page");
    commit(&w, ReadPage { within: place(), ..page(key.clone(), claim) }).await;
    commit(&w, page(key.clone(), claim)).await;
    assert_eq!(within(&w).await, place(), "a page that says nothing of it changes nothing");
    w.reopen().await;
    w.pass(LEASE);
    let (taken, claim) = take(&w, &key).await;
    assert_eq!((taken.within, &*taken.state), (place(), ""));
    commit(&w, ReadPage { state: Some("{\"at\":1}".into()), ..page(key.clone(), claim) }).await;
    assert_eq!(within(&w).await, None, "the slice has ended");
    commit(&w, ReadPage { within: place(), ..page(key.clone(), claim) }).await;
    commit(&w, ReadPage { baseline: true, ..page(key.clone(), claim) }).await;
    assert_eq!(within(&w).await, None, "the scan has ended");
    commit(&w, ReadPage { within: place(), ..page(key.clone(), claim) }).await;
    w.store.forget_checkpoint(key.clone()).await.expect("forget");
    assert_eq!(within(&w).await, None, "it begins anew");
}

pub async fn who_lost_a_stream_cannot_write_to_it(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    w.pass(LEASE * 2);
    let other = Lease { owner: Owner(99), span: LEASE };
    let taken = w.store.take_stream(key.clone(), other, w.now).await.expect("take_stream");
    let late = ReadPage {
        events: vec![told(&mut w, &key, "1", 1, "a")],
        state: Some("{}".into()),
        ..page(key.clone(), claim)
    };
    assert_eq!(w.store.commit_page(late, w.now).await, Err(StoreError::Fenced));
    assert_eq!(w.store.put_absent_subjects(key.clone(), claim, Vec::new()).await, Err(StoreError::Fenced));
    assert_eq!(events(&w).await, 0);
    let (_, theirs) = taken.expect("it lapsed");
    w.store.commit_page(page(key.clone(), theirs), w.now).await.expect("they have it");
    assert!(w.store.forget_checkpoint(key.clone()).await.expect("forget_checkpoint"));
    assert_eq!(w.store.commit_page(page(key, theirs), w.now).await, Err(StoreError::Fenced), "it began anew");
}

pub async fn a_stream_ends_with_its_process_and_can_begin_anew(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    let end = ReadPage { state: Some("{}".into()), baseline: true, ..page(key.clone(), claim) };
    w.store.commit_page(end, w.now).await.expect("commit_page");
    w.reopen().await;
    if w.store.commit_page(page(key.clone(), claim), w.now).await.is_ok() {
        // A store of several owners cannot know that this one ended, but waits no longer than its lease.
        w.pass(LEASE);
    }
    let (kept, _) = take(&w, &key).await;
    assert!(kept.baseline_at.is_some());
    assert!(w.store.forget_checkpoint(key.clone()).await.expect("forget_checkpoint"));
    assert!(!w.store.forget_checkpoint(stream(&w, "acme", "nothing")).await.expect("forget_checkpoint"));
    let (anew, _) = take(&w, &key).await;
    assert_eq!((&*anew.state, anew.baseline_at), ("", None));
}

pub async fn polls_add_up(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    take(&w, &key).await;
    let (first, counts) = (
        w.now,
        Progress { polls: 3, empty: 2, failed: 1, changes: 5, requests: 7, unmodified: 4, ..Progress::default() },
    );
    let polled =
        |progress, learned: Option<&[u8]>| Polled { key: key.clone(), progress, learned: learned.map(Into::into) };
    let one = Progress { asked_at: Some(first), read_at: Some(first), changed_at: Some(first), ..counts };
    w.store.note_polls(vec![polled(one, Some(b"x"))]).await.expect("note_polls");
    w.pass(SECOND);
    let two = Progress { asked_at: Some(w.now), polls: 1, ..Progress::default() };
    let unknown = Polled { key: stream(&w, "acme", "nothing"), progress: counts, learned: None };
    w.store.note_polls(vec![polled(two, None), unknown]).await.expect("note_polls");
    w.reopen().await;
    let kept = checkpoint(&w, &key).await;
    let expected = Progress { asked_at: Some(w.now), polls: 4, ..one };
    assert_eq!((kept.progress, &*kept.learned), (expected, &b"x"[..]));
}

pub async fn checkpoints_are_listed_by_source_connection_and_stream(open: impl Open) {
    let w = World::new(open).await;
    for (source, connection, name) in [("shop", "b", "x"), ("shop", "a", "y"), ("crm", "z", "x"), ("shop", "a", "x")] {
        let key = StreamKey { source: self::name(source), ..stream(&w, connection, name) };
        take(&w, &key).await;
    }
    let foreign = StreamKey { tenant: name("other"), ..orders(&w) };
    take(&w, &foreign).await;
    let listed = async |source: Option<&str>| {
        let all = w.store.checkpoints(w.tenant.clone(), source.map(name)).await.expect("checkpoints");
        all.iter()
            .map(|row| format!("{}/{}/{}", row.key.source, row.key.connection, row.key.stream))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, ["crm/z/x", "shop/a/x", "shop/a/y", "shop/b/x"]);
    assert_eq!(listed(Some("crm")).await, ["crm/z/x"]);
}

pub async fn known_subjects_are_given_in_their_order_and_by_their_object(open: impl Open) {
    let w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    let gone =
        Quiet { subject: Subject::of("orders", "9"), state: SubjectState { deleted: true, ..read_as(Some(1), "") } };
    let other = |text: &str| Quiet { subject: Subject::from_text(text), state: read_as(Some(1), "x") };
    let read =
        vec![quiet("2", 1, "b"), quiet("1", 7, "a"), gone, other("orders2/1"), other("order/5"), other("orders")];
    w.store.commit_page(ReadPage { quiet: read, ..page(key.clone(), claim) }, w.now).await.expect("commit_page");
    let of = async |after: Option<&str>, limit| {
        let after = after.map(Subject::from_text);
        let found = w.store.subjects_of(scope(&key), "orders".into(), after, limit).await.expect("subjects_of");
        found.into_iter().map(|(subject, row)| (subject.to_string(), row.version)).collect::<Vec<_>>()
    };
    let (one, two) =
        (("orders/1".to_owned(), Some(Version::Number(7))), ("orders/2".to_owned(), Some(Version::Number(1))));
    assert_eq!(of(None, 9).await, [one.clone(), two.clone()]);
    assert_eq!(of(None, 1).await, [one]);
    assert_eq!(of(Some("orders/1"), 9).await, [two]);
    let asked = vec![Subject::of("orders", "3"), Subject::of("orders", "1")];
    let known = w.store.known_subjects(scope(&key), asked.clone()).await.expect("known_subjects");
    let row =
        SubjectRow { version: Some(Version::Number(7)), digest: Some(Digest::of(b"a")), deleted: false, change: 1 };
    assert_eq!((known[0].as_ref(), known[1].as_ref().map(|known| &known.row)), (None, Some(&row)));
    let elsewhere = Scope { connection: name("zeta"), ..scope(&key) };
    assert_eq!(w.store.known_subjects(elsewhere, asked).await, Ok(vec![None, None]));
}

pub async fn absent_subjects_are_replaced_as_a_whole(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    let subjects = |ids: &[&str]| ids.iter().map(|id| Subject::of("orders", id)).collect::<Vec<_>>();
    assert_eq!(w.store.absent_subjects(key.clone()).await, Ok(Vec::new()));
    for ids in [&["2", "1", "1"][..], &["3"], &[]] {
        w.store.put_absent_subjects(key.clone(), claim, subjects(ids)).await.expect("put_absent_subjects");
        let mut expected = subjects(ids);
        expected.sort();
        expected.dedup();
        assert_eq!(w.store.absent_subjects(key.clone()).await, Ok(expected));
    }
    w.store.put_absent_subjects(key.clone(), claim, subjects(&["4"])).await.expect("put_absent_subjects");
    w.reopen().await;
    assert_eq!(w.store.absent_subjects(key).await, Ok(subjects(&["4"])));
}

pub async fn a_setting_is_kept_on_behalf_of_whoever_has_the_stream_and_of_nobody_else(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let put = async |w: &World, claim: Claim, value: &'static str| {
        w.store.put_claimed_setting(key.clone(), claim, "subscription/x".into(), value.into()).await
    };
    let (_, first) = take(&w, &key).await;
    let before = w.beats(1).await.configured;
    assert_eq!(put(&w, first, "one").await, Ok(()));
    assert!(w.beats(1).await.configured > before, "other nodes look again");
    w.pass(LEASE + SECOND);
    let (_, second) = take(&w, &key).await;
    assert_eq!(put(&w, second, "two").await, Ok(()));
    assert_eq!(put(&w, first, "three").await, Err(StoreError::Fenced), "it passed to another meanwhile");
    assert_eq!(w.store.setting("subscription/x".into()).await, Ok(Some("two".into())));
    w.store.leave_stream(key.clone(), second).await.expect("left");
    assert_eq!(put(&w, second, "four").await, Err(StoreError::Fenced), "it was given back");
}

pub(super) fn run(w: &mut World, key: StreamKey, kind: RunKind) -> Run {
    Run {
        id: RunId::from_uuid(w.uuid()),
        key,
        kind,
        dry: false,
        state: RunState::Running,
        started_at: w.now,
        finished_at: None,
        figures: RunFigures::default(),
        trust: None,
        problem: None,
    }
}

async fn runs(w: &World, filter: RunFilter) -> Vec<RunId> {
    let listed = w.store.runs(w.tenant.clone(), filter, Page::first(500)).await.expect("runs");
    listed.rows.into_iter().map(|run| run.id).collect()
}

pub async fn a_run_is_written_again_and_read_back_whole(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let begun = run(&mut w, key, RunKind::Reconcile);
    w.store.put_run(begun.clone()).await.expect("put_run");
    w.pass(SECOND);
    let ended = Run {
        state: RunState::Waiting,
        finished_at: Some(w.now),
        figures: RunFigures { requests: 3, seen: 200, missed: 2, ..RunFigures::default() },
        trust: Some(Trust { caught: 0.75, delay_p50: Some(SECOND), delay_p99: None }),
        problem: Some("it would delete 900 of 1000".to_owned()),
        ..begun
    };
    w.store.put_run(ended.clone()).await.expect("put_run");
    w.reopen().await;
    assert_eq!(w.store.run(w.tenant.clone(), ended.id).await, Ok(Some(ended.clone())));
    assert_eq!(w.store.run(name("other"), ended.id).await, Ok(None));
    assert_eq!(runs(&w, RunFilter::default()).await, [ended.id]);
}

pub async fn runs_are_listed_by_every_filter_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    let mut ids = Vec::new();
    for (source, connection, stream, kind, state) in [
        ("shop", "acme", "orders", RunKind::Poll, RunState::Done),
        ("shop", "zeta", "orders", RunKind::Reconcile, RunState::Failed),
        ("crm", "acme", "deals", RunKind::Poll, RunState::Running),
    ] {
        let key = StreamKey { source: name(source), ..self::stream(&w, connection, stream) };
        let run = Run { state, ..run(&mut w, key, kind) };
        ids.push(run.id);
        w.store.put_run(run).await.expect("put_run");
    }
    let any = RunFilter::default;
    for (filter, expected) in [
        (any(), vec![2, 1, 0]),
        (RunFilter { source: Some(name("shop")), ..any() }, vec![1, 0]),
        (RunFilter { connection: Some(name("acme")), ..any() }, vec![2, 0]),
        (RunFilter { stream: Some("deals".to_owned()), ..any() }, vec![2]),
        (RunFilter { kind: Some(RunKind::Poll), ..any() }, vec![2, 0]),
        (RunFilter { state: Some(RunState::Failed), ..any() }, vec![1]),
    ] {
        let expected: Vec<RunId> = expected.into_iter().map(|index: usize| ids[index]).collect();
        assert_eq!(runs(&w, filter.clone()).await, expected, "{filter:?}");
    }
    let first = w.store.runs(w.tenant.clone(), any(), Page::first(2)).await.expect("runs");
    let rest = Page { after: first.next, ..Page::first(2) };
    let rest = w.store.runs(w.tenant.clone(), any(), rest).await.expect("runs");
    assert_eq!((rest.rows[0].id, rest.rows.len(), rest.next), (ids[0], 1, None));
}

pub async fn of_each_stream_the_newest_runs_of_a_kind_stay_with_their_gaps(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let lone = run(&mut w, key.clone(), RunKind::Reconcile);
    w.store.put_run(lone.clone()).await.expect("put_run");
    let mut polls = Vec::new();
    for _ in 0..RUNS_PER_STREAM + 3 {
        let run = run(&mut w, key.clone(), RunKind::Poll);
        polls.push(run.id);
        w.store.put_run(run.clone()).await.expect("put_run");
        w.store.add_gaps(vec![gap(&run, "1", None)]).await.expect("add_gaps");
    }
    polls.reverse();
    assert_eq!(
        runs(&w, RunFilter { kind: Some(RunKind::Poll), ..Default::default() }).await,
        polls[..RUNS_PER_STREAM as usize]
    );
    assert_eq!(runs(&w, RunFilter { kind: Some(RunKind::Reconcile), ..Default::default() }).await, [lone.id]);
    let gaps = async |id: RunId| w.store.gaps(w.tenant.clone(), id).await.expect("gaps").len();
    assert_eq!((gaps(polls[0]).await, gaps(polls[polls.len() - 1]).await), (1, 0));
}

pub async fn runs_of_a_process_that_ended_are_interrupted(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    let held = run(&mut w, key.clone(), RunKind::Poll);
    let elsewhere = stream(&w, "zeta", "orders");
    let lost = run(&mut w, elsewhere.clone(), RunKind::Poll);
    let done = Run { state: RunState::Done, ..run(&mut w, elsewhere, RunKind::Poll) };
    for run in [&held, &lost, &done] {
        w.store.put_run(run.clone()).await.expect("put_run");
    }
    assert_eq!(w.store.end_lost_runs(w.now).await, Ok(1));
    let state = async |id| w.store.run(w.tenant.clone(), id).await.expect("run").expect("it is there").state;
    assert_eq!(state(held.id).await, RunState::Running, "somebody reads that stream");
    assert_eq!((state(lost.id).await, state(done.id).await), (RunState::Interrupted, RunState::Done));
    w.store.leave_stream(key, claim).await.expect("left");
    assert_eq!(w.store.end_lost_runs(w.now).await, Ok(1));
    assert_eq!(state(held.id).await, RunState::Interrupted);
}

pub(super) fn gap(run: &Run, id: &str, event: Option<EventId>) -> Gap {
    Gap {
        run: run.id,
        key: run.key.clone(),
        subject: Subject::of("orders", id),
        action: Action::Updated,
        version: Some(Version::Number(1)),
        event,
        found_at: run.started_at,
        late_at: None,
    }
}

pub async fn a_gap_whose_webhook_comes_after_all_is_late(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let (_, claim) = take(&w, &key).await;
    let run = run(&mut w, key.clone(), RunKind::Reconcile);
    w.store.put_run(run.clone()).await.expect("put_run");
    let (one, two) = (told(&mut w, &key, "1", 1, "a"), told(&mut w, &key, "2", 1, "b"));
    let gaps = vec![gap(&run, "1", Some(one.event.id)), gap(&run, "2", Some(two.event.id)), gap(&run, "3", None)];
    let read = ReadPage { events: vec![one, two.clone()], ..page(key.clone(), claim) };
    w.store.commit_page(read, w.now).await.expect("commit_page");
    w.store.add_gaps(gaps.clone()).await.expect("add_gaps");
    assert_eq!(w.store.mark_late(key.clone()).await, Ok(0));
    w.pass(SECOND);
    let late = w.now;
    let mut native = two.clone();
    native.event = Arc::new(domain::Event {
        id: EventId::from_uuid(w.uuid()),
        origin: Origin::Native,
        received_at: late,
        ..domain::Event::clone(&two.event)
    });
    native.path = Origin::Native.as_str().into();
    native.state = Some(SubjectState { reading: None, ..read_as(Some(1), "") });
    assert!(w.accept(native).await.duplicate, "it is the same state");
    assert_eq!((w.store.mark_late(key.clone()).await, w.store.mark_late(key).await), (Ok(1), Ok(0)));
    let found = w.store.gaps(w.tenant.clone(), run.id).await.expect("gaps");
    let expected: Vec<Gap> =
        gaps.into_iter().map(|gap| Gap { late_at: (gap.event == Some(two.event.id)).then_some(late), ..gap }).collect();
    assert_eq!(found, expected);
}

pub async fn the_gaps_of_a_run_are_bounded(open: impl Open) {
    let mut w = World::new(open).await;
    let key = orders(&w);
    let run = run(&mut w, key, RunKind::Reconcile);
    w.store.put_run(run.clone()).await.expect("put_run");
    let many: Vec<Gap> = (0..GAPS_PER_RUN + 5).map(|number| gap(&run, &number.to_string(), None)).collect();
    w.store.add_gaps(many[..10].to_vec()).await.expect("add_gaps");
    w.store.add_gaps(many[10..].to_vec()).await.expect("add_gaps");
    assert_eq!(w.store.gaps(w.tenant.clone(), run.id).await, Ok(many[..GAPS_PER_RUN as usize].to_vec()));
}

pub(super) fn allowance(text: &str) -> Allowance {
    text.parse().expect("a rate")
}

pub async fn a_budget_is_shared_by_all_who_reserve_of_it(open: impl Open) {
    let mut w = World::new(open).await;
    let ten = allowance("10/m");
    let reserve = async |w: &World, scope: &str, wanted| {
        let scope = scope.into();
        w.store.reserve(w.tenant.clone(), scope, ten, wanted, SECOND, w.now).await.expect("reserve")
    };
    let block = |requests, until| Grant::Block(Block { requests, until });
    assert_eq!(reserve(&w, "shop", 6).await, block(6, w.now + SECOND));
    assert_eq!(reserve(&w, "shop", 6).await, block(4, w.now + SECOND));
    assert_eq!(reserve(&w, "crm", 6).await, block(6, w.now + SECOND), "another budget");
    w.reopen().await;
    let Grant::Wait(again) = reserve(&w, "shop", 1).await else { panic!("what was reserved before counts") };
    w.now = again;
    assert_eq!(reserve(&w, "shop", 1).await, block(1, w.now + SECOND));
}

pub async fn what_a_source_says_of_a_budget_counts_for_all(open: impl Open) {
    let w = World::new(open).await;
    let until: Timestamp = w.now + Duration::from_secs(30);
    let scope: Arc<str> = "shop".into();
    let word = Word::Stop { until };
    w.store.learn_budget(w.tenant.clone(), scope.clone(), word, w.now).await.expect("learn_budget");
    let reserved = w.store.reserve(w.tenant.clone(), scope.clone(), allowance("10/m"), 1, SECOND, w.now).await;
    assert_eq!(reserved, Ok(Grant::Wait(until)));
    let mut account = Account::default();
    account.learn(word, w.now);
    let rows = w.store.budgets(w.tenant.clone()).await.expect("budgets");
    assert_eq!(rows.into_iter().map(|row| (row.scope, row.account)).collect::<Vec<_>>(), [(scope, account)]);
    assert_eq!(w.store.budgets(name("other")).await, Ok(Vec::new()));
}
