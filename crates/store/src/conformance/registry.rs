//! Objects, API keys, repeated requests, alerts and settings.

use std::sync::Arc;

use bytes::Bytes;
use domain::AlertId;
use futures_util::future::join_all;

use super::world::{DAY, Open, SECOND, World, code, digest, name};
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
    w.store.put_object(made.clone(), true).await.expect("put_object");
    assert_eq!(code(w.store.put_object(made.clone(), true).await), "conflict");
    let namesake = object(&w, ObjectKind::Source, "app");
    w.store.put_object(namesake.clone(), true).await.expect("another kind is another name");
    w.pass(SECOND);
    let changed =
        Object { managed_by: ManagedBy::File, definition: serde_json::json!({}), updated_at: w.now, ..made.clone() };
    let later = Object { created_at: w.now, ..changed.clone() };
    w.store.put_object(later, false).await.expect("put_object");
    w.reopen().await;
    let mut objects = w.store.objects().await.expect("objects");
    objects.sort_by_key(|object| object.kind.as_str());
    assert_eq!(objects, [changed, namesake.clone()], "a replaced one was made when it was made");
    let retire =
        async |w: &World| w.store.retire_object(w.tenant.clone(), ObjectKind::Destination, "app".into(), w.now).await;
    assert_eq!((retire(&w).await, retire(&w).await), (Ok(true), Ok(false)));
    assert_eq!(w.store.objects().await, Ok(vec![namesake]));
    let anew = object(&w, ObjectKind::Destination, "app");
    w.store.put_object(anew.clone(), true).await.expect("a retired name is free again");
    assert!(w.store.objects().await.expect("objects").contains(&anew));
}

/// Nodes that start at once write down the same file. Who says that it makes the object is told if it did not.
pub async fn an_object_that_several_put_at_once_is_one(open: impl Open) {
    const AT_ONCE: usize = 16;
    let w = World::new(open).await;
    for round in 0..8 {
        let one = object(&w, ObjectKind::Route, &format!("route-{round}"));
        let put = join_all((0..AT_ONCE).map(|_| w.store.put_object(one.clone(), false))).await;
        assert_eq!(put, vec![Ok(()); AT_ONCE]);
        let one = object(&w, ObjectKind::Source, &format!("source-{round}"));
        let made = join_all((0..AT_ONCE).map(|_| w.store.put_object(one.clone(), true))).await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    }
    assert_eq!(w.store.objects().await.expect("objects").len(), 16);
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
    let all = async |w: &World, open_only, limit| w.store.alerts(w.tenant.clone(), open_only, limit).await;
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
    assert_eq!(w.store.alerts(name("other"), false, 10).await, Ok(vec![foreign]));
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
