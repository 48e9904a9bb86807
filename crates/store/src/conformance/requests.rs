//! Requests that made no event: kept, bounded, judged again (design §6, Rejected requests).

use std::sync::Arc;

use domain::RequestId;
use domain::request::{Reason, Verdict};

use super::world::{Arrange, DAY, Open, SECOND, World, code, name, page};
use crate::intake::kept::size;
use crate::intake::{AcceptGroup, KeptRequest, RejectedBounds, Waiting};
use crate::read::RequestFilter;

async fn keep(w: &World, requests: Vec<KeptRequest>, bounds: RejectedBounds) -> Vec<RequestId> {
    let ids = requests.iter().map(|kept| kept.request.id).collect();
    w.store.keep_requests(requests, bounds).await.expect("keep_requests");
    ids
}

async fn kept(w: &World, id: RequestId) -> Option<KeptRequest> {
    w.store.request(w.tenant.clone(), id).await.expect("request")
}

async fn listed(w: &World, filter: RequestFilter) -> Vec<RequestId> {
    let list = w.store.requests(w.tenant.clone(), filter, page()).await.expect("requests");
    assert!(list.next.is_none() && list.searched_until.is_none());
    list.rows.iter().map(|kept| kept.request.id).collect()
}

pub(super) fn pending(mut request: KeptRequest, due: domain::Timestamp) -> KeptRequest {
    request.verdict = Verdict::Pending;
    request.due = Some(due);
    request
}

pub async fn a_rejected_request_is_kept_whole(open: impl Open) {
    let mut w = World::new(open).await;
    let rejected = w.rejected("signature", b"\x00body\xff");
    let sent = rejected.clone();
    keep(&w, vec![rejected], RejectedBounds::default()).await;
    let back = kept(&w, sent.request.id).await.expect("it is kept");
    assert_eq!(*back.request, *sent.request);
    assert_eq!((back.verdict, back.reason, back.due), (sent.verdict, sent.reason, None));
}

pub async fn what_was_rejected_first_stays_whatever_junk_comes_after(open: impl Open) {
    const REAL: usize = 1_000;
    const JUNK: usize = 100_000;
    let mut w = World::new(open).await;
    let mut real = Vec::new();
    for _ in 0..REAL {
        let one = w.rejected("signature", b"of the sender, whose secret is wrong here");
        real.push(one);
    }
    let real = keep(&w, real, RejectedBounds::default()).await;
    let mut last = Vec::new();
    for _ in 0..JUNK / REAL {
        let mut junk = Vec::new();
        for _ in 0..REAL {
            junk.push(w.rejected("signature", b"of a stranger"));
        }
        last = keep(&w, junk, RejectedBounds::default()).await;
    }
    let there = w.store.rejected_requests(w.tenant.clone(), name("github"), None, u32::MAX).await.expect("ids");
    let expected: Vec<_> = last.iter().rev().chain(real.iter().rev()).copied().collect();
    assert!(there == expected, "{} are kept", there.len());
}

pub async fn junk_of_one_reason_pushes_out_only_its_own(open: impl Open) {
    let mut w = World::new(open).await;
    let bounds = RejectedBounds { count_max: 3, bytes_max: 1_000_000 };
    let precious = w.rejected("signature", b"wrong secret");
    let mut elsewhere = w.rejected("junk", b"other source");
    Arc::make_mut(&mut elsewhere.request).source = name("shop");
    let spared = keep(&w, vec![precious, elsewhere], bounds).await;
    let mut junk = Vec::new();
    for _ in 0..5 {
        let one = w.rejected("junk", b"junk");
        junk.extend(keep(&w, vec![one], bounds).await);
    }
    for (id, there) in
        [(spared[0], true), (spared[1], true), (junk[0], true), (junk[1], false), (junk[2], false), (junk[3], true)]
    {
        assert_eq!(kept(&w, id).await.is_some(), there, "{id}");
    }
}

pub async fn rejected_requests_are_bounded_by_bytes_too(open: impl Open) {
    let mut w = World::new(open).await;
    let bounds = RejectedBounds { count_max: 100, bytes_max: 2_500 };
    let mut ids = Vec::new();
    for _ in 0..4 {
        let one = w.rejected("junk", &[b'x'; 1_000]);
        ids.extend(keep(&w, vec![one], bounds).await);
    }
    let there: Vec<bool> =
        [kept(&w, ids[0]).await, kept(&w, ids[1]).await, kept(&w, ids[2]).await, kept(&w, ids[3]).await]
            .iter()
            .map(Option::is_some)
            .collect();
    assert_eq!(there, [true, false, false, true]);
    // One that is too large for the bound stays without its body and pushes nothing out.
    let giant = w.rejected("junk", &[b'x'; 5_000]);
    let giant = keep(&w, vec![giant], bounds).await[0];
    assert_eq!(kept(&w, giant).await.expect("it is kept").request.body.len(), 0);
    assert!(kept(&w, ids[3]).await.is_some());
}

pub async fn pending_requests_are_outside_of_the_bounds_and_come_when_due(open: impl Open) {
    let mut w = World::new(open).await;
    let bounds = RejectedBounds { count_max: 1, bytes_max: 1 };
    let (late, soon) = (w.rejected("key", b"a"), w.rejected("key", b"b"));
    let (late, soon) = (pending(late, w.now + 20 * SECOND), pending(soon, w.now + 10 * SECOND));
    let ids = keep(&w, vec![late, soon], bounds).await;
    let due = |at| w.store.pending_requests(at, 10);
    assert!(due(w.now).await.expect("pending").is_empty());
    let first = due(w.now + 10 * SECOND).await.expect("pending");
    assert_eq!((first.len(), first[0].request.id, &*first[0].request.body), (1, ids[1], b"b".as_slice()));
    let both: Vec<_> = due(w.now + DAY).await.expect("pending").iter().map(|one| one.request.id).collect();
    assert_eq!(both, [ids[1], ids[0]]);
}

pub async fn what_waits_is_counted_by_its_source_until_it_is_judged(open: impl Open) {
    let mut w = World::new(open).await;
    let waiting = async |w: &World, source| w.store.waiting(w.tenant.clone(), name(source)).await.expect("waiting");
    assert_eq!(waiting(&w, "github").await, Waiting::default());
    let mut elsewhere = w.rejected("key", b"elsewhere");
    Arc::make_mut(&mut elsewhere.request).source = name("shop");
    let (one, two, rejected) = (w.rejected("key", b"one"), w.rejected("key", b"two"), w.rejected("key", b"three"));
    let sizes = [&one, &two].map(|kept| size(&kept.request, &kept.request.body));
    let waits = [one, two, elsewhere].map(|kept| pending(kept, w.now + SECOND));
    let ids = keep(&w, [waits.as_slice(), &[rejected]].concat(), RejectedBounds::default()).await;
    assert_eq!(waiting(&w, "github").await, Waiting { count: 2, bytes: sizes.iter().sum() });
    let later = Some(w.now + DAY);
    for (id, verdict, due) in [(ids[0], Verdict::Accepted, None), (ids[1], Verdict::Pending, later)] {
        w.store.rejudge(w.tenant.clone(), id, verdict, None, due, vec![], w.now).await.expect("rejudge");
    }
    assert_eq!(waiting(&w, "github").await, Waiting { count: 1, bytes: sizes[1] });
    assert_eq!(waiting(&w, "shop").await.count, 1);
}

pub async fn judging_again_gives_a_verdict_and_its_events_at_once(open: impl Open) {
    let mut w = World::new(open).await;
    let rejected = w.rejected("signature", b"{}");
    let id = keep(&w, vec![rejected], RejectedBounds::default()).await[0];
    let judge = async |w: &World, verdict, reason, due, events| {
        w.store.rejudge(w.tenant.clone(), id, verdict, reason, due, events, w.now).await
    };
    let later = w.now + SECOND;
    judge(&w, Verdict::Pending, None, Some(later), vec![]).await.expect("rejudge");
    assert_eq!(w.store.pending_requests(later, 10).await.expect("pending").len(), 1);
    let event = w.event().message("m1");
    let event_id = event.event.id;
    let accepted = judge(&w, Verdict::Accepted, None, None, vec![event]).await.expect("rejudge");
    assert_eq!((accepted.len(), accepted[0].id, accepted[0].duplicate), (1, event_id, false));
    assert!(w.detail(event_id).await.is_some());
    let back = kept(&w, id).await.expect("it is kept");
    assert_eq!((back.verdict, back.reason, back.due), (Verdict::Accepted, None, None));
    assert!(w.store.pending_requests(later, 10).await.expect("pending").is_empty());
    // Nobody makes its events a second time.
    let twin = w.event();
    let twin_id = twin.event.id;
    assert_eq!(code(judge(&w, Verdict::Accepted, None, None, vec![twin]).await), "conflict");
    assert!(w.detail(twin_id).await.is_none());
}

pub async fn an_unknown_request_is_not_judged(open: impl Open) {
    let mut w = World::new(open).await;
    let id = RequestId::from_uuid(w.uuid());
    let event = w.event();
    let event_id = event.event.id;
    let judged = w.store.rejudge(w.tenant.clone(), id, Verdict::Accepted, None, None, vec![event], w.now).await;
    assert_eq!(code(judged), "store_refused");
    assert!(w.detail(event_id).await.is_none(), "all or nothing");
}

pub async fn judged_again_and_rejected_it_counts_towards_its_new_reason(open: impl Open) {
    let mut w = World::new(open).await;
    let bounds = RejectedBounds { count_max: 1, bytes_max: 1_000_000 };
    let one = w.rejected("key", b"");
    let waiting = pending(one, w.now);
    let id = keep(&w, vec![waiting], bounds).await[0];
    let reason = Reason { code: "signature".into(), detail: "it does not match".to_owned() };
    let judged =
        w.store.rejudge(w.tenant.clone(), id, Verdict::Rejected, Some(reason.clone()), None, vec![], w.now).await;
    assert_eq!(judged.expect("rejudge"), vec![]);
    assert_eq!(kept(&w, id).await.expect("it is kept").reason, Some(reason));
    let one = w.rejected("signature", b"");
    keep(&w, vec![one], bounds).await;
    assert!(kept(&w, id).await.is_none(), "it makes room as one of its new reason");
}

pub async fn rejected_ids_are_listed_newest_first_and_paged(open: impl Open) {
    let mut w = World::new(open).await;
    let mut ids = Vec::new();
    for reason in ["a", "b", "a", "b", "a"] {
        let one = w.rejected(reason, b"");
        ids.extend(keep(&w, vec![one], RejectedBounds::default()).await);
    }
    ids.reverse();
    let list = |before, limit| w.store.rejected_requests(w.tenant.clone(), name("github"), before, limit);
    assert_eq!(list(None, 3).await.expect("ids"), ids[..3]);
    assert_eq!(list(Some(ids[2]), 3).await.expect("ids"), ids[3..]);
    let none = w.store.rejected_requests(w.tenant.clone(), name("shop"), None, 3).await;
    assert!(none.expect("ids").is_empty());
}

pub async fn requests_are_listed_by_every_filter_without_their_bodies(open: impl Open) {
    let mut w = World::new(open).await;
    let (one, two, three) = (w.rejected("signature", b"1"), w.rejected("junk", b"2"), w.rejected("junk", b"3"));
    let mut three = pending(three, w.now);
    Arc::make_mut(&mut three.request).source = name("shop");
    let ids = keep(&w, vec![one, two, three], RejectedBounds::default()).await;
    let by = |verdict, source: Option<&str>, reason: Option<&str>| RequestFilter {
        verdict,
        source: source.map(name),
        reason: reason.map(str::to_owned),
    };
    let cases = [
        (by(None, None, None), vec![ids[2], ids[1], ids[0]]),
        (by(Some(Verdict::Rejected), None, None), vec![ids[1], ids[0]]),
        (by(Some(Verdict::Rejected), Some("github"), None), vec![ids[1], ids[0]]),
        (by(Some(Verdict::Rejected), Some("github"), Some("junk")), vec![ids[1]]),
        (by(Some(Verdict::Pending), None, None), vec![ids[2]]),
        (by(None, Some("shop"), None), vec![ids[2]]),
        (by(None, None, Some("junk")), vec![ids[2], ids[1]]),
        (by(Some(Verdict::Accepted), None, None), vec![]),
        (by(None, Some("nobody"), None), vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&w, filter.clone()).await, expected, "{filter:?}");
    }
    let mut short = page();
    short.limit = 2;
    let first = w.store.requests(w.tenant.clone(), RequestFilter::default(), short.clone()).await.expect("requests");
    assert!(first.rows.iter().all(|kept| kept.request.body.is_empty() && kept.body_bytes > 0), "lists say its length");
    short.after = first.next;
    let second = w.store.requests(w.tenant.clone(), RequestFilter::default(), short).await.expect("requests");
    assert_eq!(second.rows.iter().map(|kept| kept.request.id).collect::<Vec<_>>(), [ids[0]]);
    assert!(second.next.is_none());
}

pub async fn accepting_a_kept_request_takes_it_off_its_bound(open: impl Open) {
    let mut w = World::new(open).await;
    let bounds = RejectedBounds { count_max: 1, bytes_max: 1_000_000 };
    let rejected = w.rejected("signature", b"[1]");
    let id = keep(&w, vec![rejected.clone()], bounds).await[0];
    let accepted = KeptRequest { verdict: Verdict::Accepted, reason: None, ..rejected };
    let group = AcceptGroup { events: vec![w.event()], request: Some(accepted) };
    w.store.accept(vec![group], w.now).await.expect("accept")[0].clone().expect("accepted");
    let another = w.rejected("signature", b"[2]");
    keep(&w, vec![another], bounds).await;
    assert_eq!(kept(&w, id).await.expect("it is not junk any more").verdict, Verdict::Accepted);
}
