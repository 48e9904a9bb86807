//! Lists: every filter, pages that stay whole while things arrive, scans that end and say where, the tail.

use std::time::Duration;

use domain::{DeliveryState, EventId, Origin};

use super::world::{Arrange, DAY, Open, SECOND, Wait, World, code, from, ids, name, page};
use crate::dispatch::Cause;
use crate::read::{DeliveryFilter, EventFilter, Page, Position};

async fn events(w: &World, filter: EventFilter) -> Vec<EventId> {
    let listed = w.store.events(w.tenant.clone(), filter, page()).await.expect("events");
    assert!(listed.next.is_none() && listed.searched_until.is_none());
    listed.rows.iter().map(|row| row.event.id).collect()
}

pub async fn events_are_listed_by_every_filter_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    let a = w.event().of("github", "default").kind("push").about("repo/1").carrying(b"{\"needle\":1}");
    w.pass(SECOND);
    let b = w.event().of("shop", "acme").kind("orders.created").about("orders/1").carrying(b"hay \xff needle");
    w.pass(SECOND);
    let c = w.event().of("shop", "beta").kind("orders.updated").about("orders/1");
    let c = c.with(|event| event.origin = Origin::Reconciled);
    w.pass(SECOND);
    let d = w.event().of("shop", "acme").kind("customers.created");
    let times = [&a, &b, &c, &d].map(|new| new.event.received_at);
    let [a_id, b_id, c_id, d_id] = [&a, &b, &c, &d].map(|new| new.event.id);
    for event in [a, b, c, d] {
        w.accept(event).await;
    }
    let none = EventFilter::default;
    let cases = [
        (none(), vec![d_id, c_id, b_id, a_id]),
        (EventFilter { source: Some(name("shop")), ..none() }, vec![d_id, c_id, b_id]),
        (EventFilter { source: Some(name("shop")), connection: Some(name("acme")), ..none() }, vec![d_id, b_id]),
        (EventFilter { connection: Some(name("acme")), ..none() }, vec![d_id, b_id]),
        (EventFilter { event_type: Some("orders.updated".to_owned()), ..none() }, vec![c_id]),
        (EventFilter { event_type: Some("orders.*".to_owned()), ..none() }, vec![c_id, b_id]),
        (EventFilter { event_type: Some("*".to_owned()), ..none() }, vec![d_id, c_id, b_id, a_id]),
        (EventFilter { event_type: Some("orders".to_owned()), ..none() }, vec![]),
        (EventFilter { subject: Some("orders/1".to_owned()), ..none() }, vec![c_id, b_id]),
        (EventFilter { subject: Some("orders/1".to_owned()), connection: Some(name("acme")), ..none() }, vec![b_id]),
        (EventFilter { origin: Some(Origin::Reconciled), ..none() }, vec![c_id]),
        (EventFilter { since: Some(times[1]), ..none() }, vec![d_id, c_id, b_id]),
        (EventFilter { until: Some(times[1]), ..none() }, vec![a_id]),
        (EventFilter { since: Some(times[1]), until: Some(times[3]), ..none() }, vec![c_id, b_id]),
        (EventFilter { q: Some("needle".to_owned()), ..none() }, vec![b_id, a_id]),
        (EventFilter { q: Some("Needle".to_owned()), ..none() }, vec![]),
        (EventFilter { q: Some("repo/".to_owned()), ..none() }, vec![a_id]),
        (EventFilter { q: Some("customers".to_owned()), ..none() }, vec![d_id]),
        (EventFilter { q: Some("needle".to_owned()), source: Some(name("shop")), ..none() }, vec![b_id]),
        (EventFilter { source: Some(name("nobody")), ..none() }, vec![]),
        (EventFilter { connection: Some(name("nobody")), ..none() }, vec![]),
    ];
    let end = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
    for (filter, expected) in cases {
        assert_eq!(events(&w, filter.clone()).await, expected, "{filter:?}");
        let counted = w.store.count_events(w.tenant.clone(), filter.clone(), Duration::from_secs(2)).await;
        assert_eq!(counted, Ok((expected.len() as u64, true)), "{filter:?}");
        let after = w.store.events_after(w.tenant.clone(), filter.clone(), page()).await.expect("events_after");
        assert_eq!((after.more, &after.until), (false, &end), "all was looked through: {filter:?}");
        let accepted: Vec<_> = after.events.iter().map(|(_, event)| event.id).collect();
        assert_eq!(accepted, expected.into_iter().rev().collect::<Vec<_>>(), "{filter:?}");
    }
}

pub async fn a_search_finds_what_senders_escaped(open: impl Open) {
    let mut w = World::new(open).await;
    let payloads = [
        r#"{"name":"M\u00fcller","path":"a\/b","mark":"\ud83d\ude80"}"#,
        r#"{"name":"M\u00fcller","path":"a/b","mark":"\ud83d\ude80"}"#,
        r#"{"name":"Müller","path":"a\/b","mark":"🚀"}"#,
        r#"{"name":"Müller","path":"a/b","mark":"🚀","said":"say \"hi\""}"#,
        r#"{"name":"Muller","path":"a-b"}"#,
    ];
    let mut ids = Vec::new();
    for payload in payloads {
        w.pass(SECOND);
        let event = w.event().carrying(payload.as_bytes());
        ids.push(event.event.id);
        w.accept(event).await;
    }
    for (q, wanted) in [
        ("Müller", &[3, 2, 1, 0][..]),
        ("a/b", &[3, 2, 1, 0]),
        ("🚀", &[3, 2, 1, 0]),
        (r#""name":"Müller","path":"a/b""#, &[3, 2, 1, 0]),
        (r#"say "hi""#, &[3]),
        (r#"say \"hi\""#, &[3]),
        (r"M\u00fcller", &[1, 0]),
        ("müller", &[]),
    ] {
        let filter = EventFilter { q: Some(q.to_owned()), ..EventFilter::default() };
        let expected: Vec<_> = wanted.iter().map(|index: &usize| ids[*index]).collect();
        assert_eq!(events(&w, filter.clone()).await, expected, "{q}");
        let counted = w.store.count_events(w.tenant.clone(), filter.clone(), Duration::from_secs(2)).await;
        assert_eq!(counted, Ok((expected.len() as u64, true)), "{q}");
        let after = w.store.events_after(w.tenant.clone(), filter, page()).await.expect("events_after");
        let accepted: Vec<_> = after.events.iter().rev().map(|(_, event)| event.id).collect();
        assert_eq!(accepted, expected, "{q}");
    }
}

pub async fn a_listed_event_has_everything_but_its_payload(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event().about("orders/1").version(3).carrying(b"12345");
    let sent = event.event.clone();
    w.accept(event).await;
    for q in [None, Some("123".to_owned())] {
        let filter = EventFilter { q, ..EventFilter::default() };
        let row = w.store.events(w.tenant.clone(), filter, page()).await.expect("events").rows.remove(0);
        assert_eq!(row.payload_bytes, 5);
        assert!(row.event.payload.is_empty());
        let whole = domain::Event { payload: sent.payload.clone(), ..(*row.event).clone() };
        assert_eq!(whole, *sent);
        let tail = w.store.events_after(w.tenant.clone(), EventFilter::default(), from(row.position, 10)).await;
        assert!(tail.expect("events_after").events.is_empty(), "the tail goes on after this one");
    }
}

pub async fn pages_stay_whole_while_events_arrive(open: impl Open) {
    let mut w = World::new(open).await;
    let mut expected = Vec::new();
    for number in 0..10 {
        // Two of a kind at one time: times alone do not tell where a page ended.
        if number % 2 == 0 {
            w.pass(SECOND);
        }
        let event = w.event().of("shop", if number % 3 == 0 { "a" } else { "b" });
        expected.insert(0, event.event.id);
        w.accept(event).await;
    }
    for source in [None, Some(name("shop"))] {
        let filter = EventFilter { source, ..EventFilter::default() };
        let mut seen = Vec::new();
        let mut page = Page::first(3);
        loop {
            let listed = w.store.events(w.tenant.clone(), filter.clone(), page.clone()).await.expect("events");
            assert!(listed.rows.len() <= 3);
            seen.extend(listed.rows.iter().map(|row| row.event.id));
            w.pass(SECOND);
            let newcomer = w.event().of("shop", "c");
            w.accept(newcomer).await;
            let Some(next) = listed.next else { break };
            page.after = Some(next);
        }
        seen.retain(|id| expected.contains(id));
        assert_eq!(seen, expected, "each once, in order, nothing left out");
    }
}

pub async fn a_scan_ends_where_its_time_does_and_goes_on_from_there(open: impl Open) {
    let mut w = World::new(open).await;
    let needle = w.event().carrying(b"needle");
    let id = needle.event.id;
    w.accept(needle).await;
    let mut hay = Vec::new();
    for _ in 0..300 {
        w.pass(SECOND);
        hay.push(w.event().carrying(b"hay"));
    }
    w.accept_all(hay).await;
    let filter = || EventFilter { q: Some("needle".to_owned()), ..EventFilter::default() };
    let mut page = Page { scan: Duration::ZERO, ..Page::first(10) };
    let (mut found, mut pages, mut last) = (Vec::new(), 0, w.now + SECOND);
    loop {
        pages += 1;
        assert!(pages < 300, "every page gets further");
        let listed = w.store.events(w.tenant.clone(), filter(), page.clone()).await.expect("events");
        found.extend(listed.rows.iter().map(|row| row.event.id));
        let Some(next) = listed.next else { break };
        let until = listed.searched_until.expect("it says how far it got");
        assert!(until < last);
        (page.after, last) = (Some(next), until);
    }
    assert!(pages > 1, "no time is not enough for all");
    assert_eq!(found, [id]);
    let counted = w.store.count_events(w.tenant.clone(), filter(), Duration::ZERO).await.expect("count");
    assert_eq!(counted, (0, false), "it says that this is not all");
}

pub async fn positions_of_another_list_are_refused(open: impl Open) {
    let w = World::new(open).await;
    let after = Some(Position("what?".to_owned()));
    let page = Page { after: after.clone(), ..page() };
    w.store.put_setting("a".into(), bytes::Bytes::new()).await.expect("put_setting");
    let mut w = w;
    w.owed().await;
    assert_eq!(
        code(w.store.events(w.tenant.clone(), EventFilter::default(), page.clone()).await.map(drop)),
        "store_refused"
    );
    let listed = w.store.deliveries(w.tenant.clone(), DeliveryFilter::default(), page).await.map(drop);
    assert_eq!(code(listed), "store_refused");
    let tail = w
        .store
        .events_after(w.tenant.clone(), EventFilter::default(), Page { after, ..Page::first(10) })
        .await
        .map(drop);
    assert_eq!(code(tail), "store_refused");
}

pub async fn the_tail_goes_on_exactly_where_it_was_also_after_a_restart(open: impl Open) {
    let mut w = World::new(open).await;
    let start = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
    let mut accepted = Vec::new();
    for _ in 0..7 {
        let event = w.event();
        accepted.push(event.event.id);
        w.accept(event).await;
        // Received long before: the tail goes by acceptance.
        w.now = w.now - DAY;
    }
    let (mut seen, mut position) = (Vec::new(), start);
    loop {
        let next = from(position.clone(), 2);
        let batch = w.store.events_after(w.tenant.clone(), EventFilter::default(), next).await.expect("tail");
        let Some((last, _)) = batch.events.last() else { break };
        assert_eq!((last, batch.more), (&batch.until, seen.len() + 2 < accepted.len()));
        position = batch.until.clone();
        seen.extend(batch.events.iter().map(|(_, event)| event.id));
        w.reopen().await;
    }
    assert_eq!(seen, accepted);
    assert_eq!(w.store.tail_position(w.tenant.clone()).await.expect("tail_position"), position);
    let detail = w.detail(accepted[6]).await.expect("it is there");
    assert_eq!(detail.position, position);
}

pub async fn a_tail_that_looks_back_begins_before_all_that_was_received_since(open: impl Open) {
    let mut w = World::new(open).await;
    let begin = w.now;
    let mut received = Vec::new();
    // As accepted: the third was received first of all, and the fourth in the same moment as the second.
    for second in [10, 20, 5, 20, 30] {
        w.now = begin + SECOND * second;
        let event = w.event();
        received.push((event.event.id, w.now));
        w.accept(event).await;
    }
    let end = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
    for second in [0, 5, 6, 20, 21, 30, 31] {
        let since = begin + SECOND * second;
        let start = w.store.position_since(w.tenant.clone(), since).await.expect("position_since");
        let filter = EventFilter { since: Some(since), ..EventFilter::default() };
        let told = w.store.events_after(w.tenant.clone(), filter, from(start.clone(), 10)).await.expect("tail");
        let told: Vec<EventId> = told.events.iter().map(|(_, event)| event.id).collect();
        let wanted = received.iter().filter(|(_, at)| *at >= since).map(|(id, _)| *id);
        assert_eq!(told, wanted.collect::<Vec<_>>(), "since {second} s");
        assert_eq!(start == end, second > 30, "nothing is looked at that need not be");
    }
    let foreign = w.store.position_since(name("other"), begin).await.expect("position_since");
    let seen = w.store.events_after(name("other"), EventFilter::default(), from(foreign, 10)).await.expect("tail");
    assert!(seen.events.is_empty());
}

pub async fn a_selective_tail_looks_at_each_event_once_and_only_for_its_time(open: impl Open) {
    let mut w = World::new(open).await;
    for number in 0..300 {
        let event = w.event().of(if number == 250 { "shop" } else { "github" }, "default");
        w.accept(event).await;
    }
    let filter = EventFilter { source: Some(name("shop")), ..EventFilter::default() };
    let impatient = |position| Page { scan: Duration::ZERO, ..from(position, 10) };
    let start = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
    let mut looks = vec![w.store.events_after(w.tenant.clone(), filter.clone(), page()).await.expect("tail")];
    assert_eq!((looks[0].events.len(), looks[0].more, &looks[0].until), (1, false, &start), "with time, all at once");
    looks.clear();
    let mut next = Page { scan: Duration::ZERO, ..page() };
    loop {
        let look = w.store.events_after(w.tenant.clone(), filter.clone(), next).await.expect("tail");
        next = impatient(look.until.clone());
        looks.push(look);
        if !looks.last().is_some_and(|look| look.more) {
            break;
        }
    }
    assert!((4..=6).contains(&looks.len()), "each look gets further, none looks through all: {}", looks.len());
    assert_eq!(looks.iter().map(|look| look.events.len()).sum::<usize>(), 1);
    assert_eq!(looks.last().map(|look| &look.until), Some(&start));
    let unknown = EventFilter { source: Some(name("nobody")), ..EventFilter::default() };
    let look = w.store.events_after(w.tenant.clone(), unknown, page()).await.expect("tail");
    assert_eq!((look.events.len(), look.more, look.until), (0, false, start));
}

pub async fn deliveries_are_listed_by_every_filter_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    let mut of = std::collections::HashMap::new();
    let made = w.now;
    for (state, to) in DeliveryState::ALL.iter().flat_map(|state| [(*state, "app"), (*state, "crm")]) {
        w.pass(SECOND);
        let delivery = w.to(to).by(&format!("{}-{to}", if to == "app" { "shop" } else { "github" }));
        let delivery = if state == DeliveryState::Held { delivery.held() } else { delivery };
        let id = delivery.id;
        let event = w.event().of(if to == "app" { "shop" } else { "github" }, "default").owing(delivery);
        w.accept(event).await;
        if state == DeliveryState::Cancelled {
            w.store.cancel(w.tenant.clone(), vec![id], w.now).await.expect("cancel");
        } else if !matches!(state, DeliveryState::Pending | DeliveryState::Held) {
            let answer = w.claim_asks(vec![w.ask(to, 10)]).await.remove(0);
            for claimed in answer.claimed {
                let end = if claimed.id == id { state } else { DeliveryState::Pending };
                if end == DeliveryState::InFlight {
                    continue;
                }
                let mut settlement = w.settlement(&claimed, end);
                settlement.due = w.now + DAY;
                settlement.cause = (end == DeliveryState::Dead)
                    .then(|| Cause { code: format!("code_{to}").into(), detail: String::new() });
                w.settle_all(vec![settlement]).await;
            }
        }
        of.insert((state, to), id);
    }
    let filter = DeliveryFilter::default;
    let mut cases = vec![(filter(), 16)];
    for state in DeliveryState::ALL {
        let both = DeliveryFilter { state: Some(state), ..filter() };
        cases.push((DeliveryFilter { destination: Some(name("app")), ..both.clone() }, 1));
        cases.push((DeliveryFilter { route: Some(name("shop-app")), ..both.clone() }, 1));
        cases.push((DeliveryFilter { source: Some(name("github")), ..both.clone() }, 1));
        cases.push((DeliveryFilter { source: Some(name("nobody")), ..both.clone() }, 0));
        cases.push((DeliveryFilter { destination: Some(name("nobody")), ..both.clone() }, 0));
        cases.push((both, 2));
    }
    cases.push((DeliveryFilter { cause: Some("code_app".to_owned()), ..filter() }, 1));
    cases.push((DeliveryFilter { since: Some(made + 9 * SECOND), ..filter() }, 8));
    cases.push((DeliveryFilter { until: Some(made + 9 * SECOND), ..filter() }, 8));
    cases.push((DeliveryFilter { replay: Some(domain::ReplayId::from_uuid(w.uuid())), ..filter() }, 0));
    for (filter, expected) in cases {
        let listed = w.store.deliveries(w.tenant.clone(), filter.clone(), page()).await.expect("deliveries");
        assert_eq!(listed.rows.len(), expected, "{filter:?}");
        assert!(listed.rows.is_sorted_by(|a, b| a.id > b.id), "newest first: {filter:?}");
        for row in &listed.rows {
            assert!(filter.state.is_none_or(|state| state == row.state), "{filter:?} gave {row:?}");
            assert_eq!(of.get(&(row.state, row.destination.as_str())), Some(&row.id), "{filter:?}");
        }
        // The same, one by one.
        let mut one = Page::first(1);
        let mut paged = Vec::new();
        loop {
            let listed = w.store.deliveries(w.tenant.clone(), filter.clone(), one.clone()).await.expect("deliveries");
            paged.extend(listed.rows.iter().map(|row| row.id));
            one.after = listed.next;
            if one.after.is_none() {
                break;
            }
        }
        assert_eq!(paged, listed.rows.iter().map(|row| row.id).collect::<Vec<_>>(), "{filter:?}");
    }
}

pub async fn the_backlog_counts_what_waits_and_since_when(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.now;
    for _ in 0..3 {
        w.owed().await;
        w.pass(SECOND);
    }
    let claimed = w.claim_one().await;
    assert_eq!(ids(&w.claim(1).await).len(), 1);
    w.settle(&claimed, DeliveryState::Dead).await;
    let held = w.to("crm").held();
    let event = w.event().owing(held);
    w.accept(event).await;
    let delivered = w.to("done").born(w.lease());
    let event = w.event().owing(delivered);
    let accepted = w.accept(event.clone()).await;
    let claimed = super::world::as_claimed(&event, accepted.claims[0].0, accepted.claims[0].1);
    w.settle(&claimed, DeliveryState::Delivered).await;
    let mut backlog: Vec<_> = w
        .store
        .backlog()
        .await
        .expect("backlog")
        .into_iter()
        .map(|group| (group.destination.as_str().to_owned(), group.state.as_str(), group.count, group.oldest))
        .collect();
    backlog.sort();
    let app = || "app".to_owned();
    let expected = [
        (app(), "dead", 1, Some(first)),
        (app(), "in_flight", 1, Some(first + SECOND)),
        (app(), "pending", 1, Some(first + 2 * SECOND)),
        ("crm".to_owned(), "held", 1, Some(w.now)),
    ];
    assert_eq!(backlog, expected);
}
