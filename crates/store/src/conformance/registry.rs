//! Objects, API keys, repeated requests, alerts and settings.

use std::sync::Arc;

use bytes::Bytes;
use domain::AlertId;
use futures_util::future::{join, join_all};

use super::world::{DAY, Open, SECOND, World, code, digest, name};
use crate::StoreError;
use crate::read::{Page, Position};
use crate::registry::{Alert, ApiKey, IDEMPOTENT_WORK_MAX, Idempotency, ManagedBy, Object, ObjectKind};

pub(super) fn object(w: &World, kind: ObjectKind, text: &str) -> Object {
    Object {
        tenant: w.tenant.clone(),
        kind,
        name: text.into(),
        managed_by: ManagedBy::Api,
        definition: serde_json::json!({ "http": { "url": "https://app.example" }, "n": [1, null] }),
        created_at: w.now,
        updated_at: w.now,
        retired_at: None,
    }
}

pub async fn an_object_is_made_replaced_and_retired(open: impl Open) {
    let mut w = World::new(open).await;
    let made = object(&w, ObjectKind::Destination, "app");
    w.store.put_object(made.clone(), true, None).await.expect("put_object");
    assert_eq!(code(w.store.put_object(made.clone(), true, None).await), "conflict");
    let namesake = object(&w, ObjectKind::Source, "app");
    w.store.put_object(namesake.clone(), true, None).await.expect("another kind is another name");
    w.pass(SECOND);
    let changed =
        Object { managed_by: ManagedBy::File, definition: serde_json::json!({}), updated_at: w.now, ..made.clone() };
    let later = Object { created_at: w.now, ..changed.clone() };
    w.store.put_object(later, false, None).await.expect("put_object");
    w.reopen().await;
    let mut objects = w.store.objects().await.expect("objects");
    objects.sort_by_key(|object| object.kind.as_str());
    assert_eq!(objects, [changed, namesake.clone()], "a replaced one was made when it was made");
    let retire = async |w: &World| {
        w.store.retire_object(w.tenant.clone(), ObjectKind::Destination, "app".into(), w.now, None).await
    };
    assert_eq!((retire(&w).await, retire(&w).await), (Ok(true), Ok(false)));
    assert_eq!(w.store.objects().await, Ok(vec![namesake]));
    let anew = object(&w, ObjectKind::Destination, "app");
    w.store.put_object(anew.clone(), true, None).await.expect("a retired name is free again");
    assert!(w.store.objects().await.expect("objects").contains(&anew));
}

/// Nodes that start at once write down the same file. Who says that it makes the object is told if it did not.
pub async fn an_object_that_several_put_at_once_is_one(open: impl Open) {
    const AT_ONCE: usize = 16;
    let w = World::new(open).await;
    for round in 0..8 {
        let one = object(&w, ObjectKind::Route, &format!("route-{round}"));
        let put = join_all((0..AT_ONCE).map(|_| w.store.put_object(one.clone(), false, None))).await;
        assert_eq!(put, vec![Ok(()); AT_ONCE]);
        let one = object(&w, ObjectKind::Source, &format!("source-{round}"));
        let made = join_all((0..AT_ONCE).map(|_| w.store.put_object(one.clone(), true, None))).await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    }
    assert_eq!(w.store.objects().await.expect("objects").len(), 16);
}

pub async fn an_object_is_written_only_on_what_it_was_judged_on(open: impl Open) {
    let mut w = World::new(open).await;
    let put = async |w: &World, name: &str, judged_on| {
        w.store.put_object(object(w, ObjectKind::Route, name), false, judged_on).await
    };
    let retire = async |w: &World, name: &str, judged_on| {
        w.store.retire_object(w.tenant.clone(), ObjectKind::Route, name.into(), w.now, judged_on).await
    };
    let counted = async |w: &World| w.store.configured().await.expect("configured");
    let before = counted(&w).await;
    assert_eq!(w.beats(1).await.configured, before, "a beat tells the same");
    assert_eq!(put(&w, "one", Some(before)).await, Ok(()));
    assert!(counted(&w).await > before);
    // Whatever is written after that was judged without it.
    assert_eq!(put(&w, "one", Some(before)).await, Err(StoreError::Outdated));
    assert_eq!(put(&w, "two", Some(before)).await, Err(StoreError::Outdated));
    assert_eq!(retire(&w, "one", Some(before)).await, Err(StoreError::Outdated));
    let refused = counted(&w).await;
    let names = |objects: Vec<Object>| objects.into_iter().map(|object| object.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(w.store.objects().await.expect("objects")), ["one"]);
    assert_eq!(put(&w, "two", None).await, Ok(()), "who judges by nothing waits for nobody");
    assert_eq!(retire(&w, "one", Some(refused)).await, Err(StoreError::Outdated));
    let both = counted(&w).await;
    assert_eq!(retire(&w, "one", Some(both)).await, Ok(true));
    assert_eq!(retire(&w, "two", Some(both)).await, Err(StoreError::Outdated));
    w.reopen().await;
    assert_eq!(names(w.store.objects().await.expect("objects")), ["two"]);
}

/// Each of them is right by itself; together they are not what anybody judged.
pub async fn of_all_who_configure_at_once_by_what_they_read_one_does(open: impl Open) {
    const AT_ONCE: usize = 16;
    let w = World::new(open).await;
    for round in 0..8 {
        let removed = object(&w, ObjectKind::Destination, &format!("app-{round}"));
        w.store.put_object(removed.clone(), true, None).await.expect("put_object");
        let judged_on = Some(w.store.configured().await.expect("configured"));
        let routes = (0..AT_ONCE).map(|route| object(&w, ObjectKind::Route, &format!("{round}-{route}")));
        let puts = join_all(routes.map(|route| w.store.put_object(route, true, judged_on)));
        let Object { tenant, kind, name, .. } = removed;
        let retires = w.store.retire_object(tenant, kind, name, w.now, judged_on);
        let (put, retired) = join(puts, retires).await;
        let done = put.iter().filter(|put| put.is_ok()).count() + usize::from(retired.is_ok());
        assert_eq!(done, 1, "round {round}: {put:?}, {retired:?}");
        let refused = put.into_iter().filter_map(Result::err).chain(retired.err());
        assert!(refused.into_iter().all(|error| error == StoreError::Outdated), "round {round}");
    }
    let objects = w.store.objects().await.expect("objects");
    let of = |kind| objects.iter().filter(|object| object.kind == kind).count();
    assert_eq!(of(ObjectKind::Destination), of(ObjectKind::Route), "no route without its destination");
}

pub async fn an_api_key_is_found_by_its_name_and_revoked_by_its_tenant(open: impl Open) {
    let mut w = World::new(open).await;
    let key = ApiKey {
        tenant: w.tenant.clone(),
        id: "k1".into(),
        hash: digest("secret"),
        scopes: vec!["read".to_owned(), "ingest:publish".to_owned()],
        note: "for \"tests\"".to_owned(),
        created_at: w.now,
        expires_at: Some(w.now + DAY),
        revoked_at: None,
        last_used_at: None,
    };
    let other = ApiKey { tenant: name("other"), id: "k2".into(), ..key.clone() };
    for key in [&key, &other] {
        w.store.put_api_key(key.clone()).await.expect("put_api_key");
    }
    assert_eq!(code(w.store.put_api_key(key.clone()).await), "conflict");
    assert_eq!(w.store.api_key("k1".into()).await, Ok(Some(key.clone())));
    assert_eq!(w.store.api_key("k9".into()).await, Ok(None));
    assert_eq!(w.store.api_keys(None).await.expect("api_keys").len(), 2);
    assert_eq!(w.store.api_keys(Some(w.tenant.clone())).await, Ok(vec![key.clone()]));
    w.pass(SECOND);
    let used = vec![(Arc::from("k1"), w.now), (Arc::from("k9"), w.now)];
    w.store.touch_api_keys(used).await.expect("touch");
    w.store.touch_api_keys(vec![(Arc::from("k1"), w.now - SECOND)]).await.expect("touch");
    let revoke = async |w: &World, tenant, id: &str| w.store.revoke_api_key(tenant, id.into(), w.now).await;
    assert_eq!(revoke(&w, name("other"), "k1").await, Ok(false), "it is not theirs");
    assert_eq!(revoke(&w, w.tenant.clone(), "k1").await, Ok(true));
    w.reopen().await;
    let known = w.store.api_key("k1".into()).await.expect("api_key").expect("it is there");
    assert_eq!((known.last_used_at, known.revoked_at), (Some(w.now), Some(w.now)));
}

pub async fn a_repeated_request_gets_the_first_answer(open: impl Open) {
    let mut w = World::new(open).await;
    let begin = async |w: &World, tenant: &str, body: &str| {
        w.store.begin_idempotent(name(tenant), "key".into(), digest(body), w.now).await
    };
    let finish = async |w: &World, answer| w.store.finish_idempotent(w.tenant.clone(), "key".into(), answer).await;
    assert_eq!(begin(&w, "default", "a").await, Ok(Idempotency::Fresh));
    assert_eq!(begin(&w, "default", "a").await, Ok(Idempotency::InProgress));
    assert_eq!(begin(&w, "default", "b").await, Ok(Idempotency::Mismatch));
    assert_eq!(begin(&w, "other", "b").await, Ok(Idempotency::Fresh), "keys are a tenant's own");
    finish(&w, None).await.expect("finish");
    assert_eq!(begin(&w, "default", "b").await, Ok(Idempotency::Fresh), "a failed request may be tried again");
    let answer = Bytes::from_static(b"{\"id\":1}");
    finish(&w, Some((201, answer.clone()))).await.expect("finish");
    w.reopen().await;
    let answered = Idempotency::Answered { status: 201, body: answer };
    assert_eq!(begin(&w, "default", "b").await, Ok(answered.clone()));
    assert_eq!(begin(&w, "default", "a").await, Ok(Idempotency::Mismatch));
    finish(&w, None).await.expect("finish");
    assert_eq!(begin(&w, "default", "b").await, Ok(answered), "an answer is not taken back");
    w.pass(SECOND);
}

pub async fn a_request_that_was_abandoned_may_start_over(open: impl Open) {
    let mut w = World::new(open).await;
    let begin = async |w: &World| w.store.begin_idempotent(w.tenant.clone(), "key".into(), digest("a"), w.now).await;
    assert_eq!(begin(&w).await, Ok(Idempotency::Fresh));
    w.pass(IDEMPOTENT_WORK_MAX - SECOND);
    assert_eq!(begin(&w).await, Ok(Idempotency::InProgress));
    w.pass(SECOND);
    assert_eq!(begin(&w).await, Ok(Idempotency::Fresh));
    assert_eq!(begin(&w).await, Ok(Idempotency::InProgress));
}

pub async fn a_request_whose_process_ended_may_start_over_at_once(open: impl Open) {
    let mut w = World::new(open).await;
    let begin =
        async |w: &World, key: &str| w.store.begin_idempotent(w.tenant.clone(), key.into(), digest("a"), w.now).await;
    assert_eq!((begin(&w, "cut").await, begin(&w, "done").await), (Ok(Idempotency::Fresh), Ok(Idempotency::Fresh)));
    let answer = Some((201, Bytes::from_static(b"{}")));
    w.store.finish_idempotent(w.tenant.clone(), "done".into(), answer).await.expect("finish_idempotent");
    assert_eq!(begin(&w, "cut").await, Ok(Idempotency::InProgress));
    w.reopen().await;
    assert_eq!(begin(&w, "cut").await, Ok(Idempotency::Fresh), "nobody works on it any more");
    let answered = Idempotency::Answered { status: 201, body: Bytes::from_static(b"{}") };
    assert_eq!(begin(&w, "done").await, Ok(answered));
}

pub(super) fn alert(w: &mut World, kind: &str, object: &str) -> Alert {
    let (id, detail) = (AlertId::from_uuid(w.uuid()), format!("{kind} at {object}"));
    Alert::new(id, w.tenant.clone(), kind.into(), object.into(), detail, w.now)
}

pub async fn an_alert_is_open_once_until_it_is_resolved(open: impl Open) {
    let mut w = World::new(open).await;
    let first = alert(&mut w, "dead_letters", "destination/app");
    assert_eq!(w.store.raise_alert(first.clone()).await, Ok(true));
    w.pass(SECOND);
    let again = Alert { detail: "more of it".to_owned(), ..alert(&mut w, "dead_letters", "destination/app") };
    assert_eq!(w.store.raise_alert(again).await, Ok(false));
    let elsewhere = alert(&mut w, "dead_letters", "destination/crm");
    assert_eq!(w.store.raise_alert(elsewhere.clone()).await, Ok(true));
    let counted = Alert { last_at: w.now, count: 2, detail: "more of it".to_owned(), ..first.clone() };
    w.reopen().await;
    let all = async |w: &World, open_only, limit| {
        w.store.alerts(w.tenant.clone(), open_only, Page::first(limit)).await.map(|listed| listed.rows)
    };
    assert_eq!(all(&w, true, 10).await, Ok(vec![elsewhere.clone(), counted.clone()]));
    let foreign = Alert { tenant: name("other"), ..alert(&mut w, "dead_letters", "destination/app") };
    w.store.raise_alert(foreign.clone()).await.expect("raise_alert");
    let open = async |w: &World| {
        w.store.open_alerts().await.map(|mut open| {
            open.sort_by_key(|alert| alert.id.to_string());
            open
        })
    };
    assert_eq!(open(&w).await, Ok(vec![counted.clone(), elsewhere.clone(), foreign.clone()]));
    let resolve = async |w: &World| {
        w.store
            .resolve_alert(w.tenant.clone(), "dead_letters".into(), "destination/app".into(), Some("ann".into()), w.now)
            .await
    };
    assert_eq!((resolve(&w).await, resolve(&w).await), (Ok(true), Ok(false)));
    assert_eq!(all(&w, true, 10).await, Ok(vec![elsewhere.clone()]));
    let resolved = Alert { resolved_at: Some(w.now), resolved_by: Some("ann".into()), ..counted };
    assert_eq!(all(&w, false, 10).await, Ok(vec![elsewhere.clone(), resolved]));
    assert_eq!(all(&w, false, 1).await, Ok(vec![elsewhere]));
    let anew = alert(&mut w, "dead_letters", "destination/app");
    assert_eq!(w.store.raise_alert(anew).await, Ok(true), "it opens again");
    assert_eq!(w.store.alerts(name("other"), false, Page::first(10)).await.expect("alerts").rows, [foreign]);
}

pub async fn alerts_are_paged_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    let mut raised = Vec::new();
    for number in 0..6 {
        let one = alert(&mut w, "dead_letters", &format!("destination/app-{number}"));
        assert_eq!(w.store.raise_alert(one.clone()).await, Ok(true));
        // Two of a moment, so that one page ends between them.
        w.pass(SECOND * (number % 2));
        raised.push(one);
    }
    for resolved in [0, 3] {
        let (kind, object) = (raised[resolved].kind.clone(), raised[resolved].object.clone());
        assert_eq!(w.store.resolve_alert(w.tenant.clone(), kind, object, None, w.now).await, Ok(true));
    }
    let foreign = Alert { tenant: name("other"), ..alert(&mut w, "dead_letters", "destination/app-0") };
    w.store.raise_alert(foreign).await.expect("raise_alert");
    for (open_only, wanted) in [(false, vec![5, 4, 3, 2, 1, 0]), (true, vec![5, 4, 2, 1])] {
        let (mut seen, mut after) = (Vec::new(), None);
        for pages in 1.. {
            let page = Page { after, ..Page::first(2) };
            let listed = w.store.alerts(w.tenant.clone(), open_only, page).await.expect("alerts");
            seen.extend(listed.rows.into_iter().map(|alert| alert.id));
            after = listed.next;
            if after.is_none() {
                assert_eq!(pages, wanted.len() / 2, "the last page says that it is the last");
                break;
            }
        }
        assert_eq!(seen, wanted.into_iter().map(|number: usize| raised[number].id).collect::<Vec<_>>());
        let made_up = Page { after: Some(Position("x".to_owned())), ..Page::first(2) };
        assert!(matches!(w.store.alerts(w.tenant.clone(), open_only, made_up).await, Err(StoreError::Refused(_))));
    }
}

pub async fn the_first_setting_of_a_name_stays_until_it_is_empty(open: impl Open) {
    let w = World::new(open).await;
    let keep = async |value: &'static str| {
        let kept = w.store.keep_setting("cluster".into(), value.into()).await.expect("keep_setting");
        String::from_utf8_lossy(&kept).into_owned()
    };
    assert_eq!((keep("one").await, keep("other").await), ("one".to_owned(), "one".to_owned()));
    w.store.put_setting("cluster".into(), "".into()).await.expect("put_setting");
    assert_eq!((keep("other").await, keep("one").await), ("other".to_owned(), "other".to_owned()));
}

pub async fn a_setting_is_kept_under_its_name(open: impl Open) {
    let mut w = World::new(open).await;
    assert_eq!(w.store.setting("check".into()).await, Ok(None));
    for value in [&b"one"[..], b"\x00two"] {
        w.store.put_setting("check".into(), Bytes::copy_from_slice(value)).await.expect("put_setting");
    }
    w.reopen().await;
    assert_eq!(w.store.setting("check".into()).await, Ok(Some(Bytes::from_static(b"\x00two"))));
}

pub async fn a_setting_is_exchanged_only_for_the_one_that_was_read(open: impl Open) {
    let mut w = World::new(open).await;
    for (before, after, is_exchanged) in [
        (Some("one"), "two", false),
        (Some(""), "two", false),
        (None, "one", true),
        (None, "two", false),
        (Some("two"), "three", false),
        (Some("one"), "\0two", true),
        (Some("one"), "three", false),
        (Some("\0two"), "", true),
        (None, "four", false),
        (Some(""), "five", true),
        (Some("five"), "five", true),
    ] {
        let exchanged = w.store.exchange_setting("list".into(), before.map(Bytes::from), after.into()).await;
        assert_eq!(exchanged, Ok(is_exchanged), "{before:?} for {after:?}");
    }
    w.reopen().await;
    assert_eq!(w.store.setting("list".into()).await, Ok(Some(Bytes::from_static(b"five"))));
    assert_eq!(w.store.setting("other".into()).await, Ok(None));
}

pub async fn of_all_who_exchange_a_setting_at_once_one_does(open: impl Open) {
    const AT_ONCE: usize = 16;
    let w = World::new(open).await;
    // One of those that other nodes look at again, and one that nobody does.
    for setting in ["handshakes/x", "list"] {
        let mut before = None;
        for round in 0..8 {
            let afters: Vec<Bytes> = (0..AT_ONCE).map(|writer| format!("{round} of {writer}").into()).collect();
            let exchanges = afters.iter().map(|after| (before.clone(), after.clone()));
            let exchanges = exchanges.map(|(before, after)| w.store.exchange_setting(setting.into(), before, after));
            let exchanged = join_all(exchanges).await;
            let kept: Vec<Bytes> = exchanged
                .iter()
                .zip(&afters)
                .filter(|(exchanged, _)| *exchanged.as_ref().expect("exchange_setting"))
                .map(|(_, after)| after.clone())
                .collect();
            assert_eq!(kept.len(), 1, "round {round}: {kept:?}");
            before = kept.into_iter().next();
            assert_eq!(w.store.setting(setting.into()).await, Ok(before.clone()), "round {round}");
        }
    }
}
