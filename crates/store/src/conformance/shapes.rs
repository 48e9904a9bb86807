//! Shapes: written by whoever read them last, listed, bounded, forgotten.

use domain::shape::{Change, Changed, Shape};
use domain::{EventId, SourceName, Tenant};
use serde_json::json;

use super::world::{Open, SECOND, World, name};
use crate::read::Page;
use crate::shapes::{CHANGES_PER_SHAPE, SHAPES_PER_SOURCE, Saved, ShapeChange, ShapeHead, ShapeKey, ShapeOf, ShapeRow};

pub(super) fn key(w: &World, source: &str, of: ShapeOf, shape: &str) -> ShapeKey {
    ShapeKey { tenant: w.tenant.clone(), source: name(source), of, name: shape.into() }
}

/// A shape that was never written, of one value.
pub(super) fn row(w: &World, key: ShapeKey) -> ShapeRow {
    let mut shape = Shape::default();
    shape.learn(&json!({ "id": 1, "odd \u{10FFFE}\u{0}": "\u{10FFFE}\u{0}" }));
    let head = ShapeHead { key, version: 1, seen: 1, first_at: w.now, last_at: w.now, changed_at: None };
    ShapeRow { head, shape, generation: 0 }
}

pub(super) fn change(w: &World, version: u32, event: Option<EventId>) -> ShapeChange {
    let what = Changed::ValueAdded { value: format!("value {version} \u{0}") };
    ShapeChange { version, at: w.now, change: Change { at: "/state".into(), what }, event, example: "\"x\"".into() }
}

pub async fn a_shape_is_read_back_as_it_was_written(open: impl Open) {
    let mut w = World::new(open).await;
    let of = key(&w, "shop", ShapeOf::Event, "orders.created");
    assert_eq!(w.store.shape(of.clone()).await.expect("shape"), None);
    let first = row(&w, of.clone());
    assert_eq!(w.store.save_shape(first.clone(), Vec::new()).await.expect("saved"), Saved::Kept);
    w.reopen().await;
    let read = w.store.shape(of.clone()).await.expect("shape").expect("it is there");
    assert_eq!((&read.head, &read.shape, read.generation), (&first.head, &first.shape, 1));
    w.pass(SECOND);
    let event = EventId::from_uuid(w.uuid());
    let head = ShapeHead { version: 2, seen: 40, last_at: w.now, changed_at: Some(w.now), ..read.head.clone() };
    let changes = vec![change(&w, 2, Some(event)), change(&w, 2, None)];
    let saved = w.store.save_shape(ShapeRow { head: head.clone(), ..read }, changes.clone()).await.expect("saved");
    assert_eq!(saved, Saved::Kept);
    let read = w.store.shape(of.clone()).await.expect("shape").expect("it is there");
    assert_eq!((read.head, read.generation), (head, 2));
    let kept = w.store.shape_changes(of).await.expect("changes");
    assert_eq!(kept, changes.into_iter().rev().collect::<Vec<_>>(), "newest first");
}

pub async fn a_shape_that_somebody_else_wrote_is_not_written_over(open: impl Open) {
    let w = World::new(open).await;
    let of = key(&w, "shop", ShapeOf::Stream, "orders");
    let row = row(&w, of.clone());
    assert_eq!(w.store.save_shape(row.clone(), Vec::new()).await.expect("saved"), Saved::Kept);
    let again = w.store.save_shape(row.clone(), vec![change(&w, 2, None)]).await.expect("saved");
    assert_eq!(again, Saved::Moved, "it is new no more");
    let stale = ShapeRow { generation: 7, ..row };
    assert_eq!(w.store.save_shape(stale, vec![change(&w, 2, None)]).await.expect("saved"), Saved::Moved);
    assert_eq!(w.store.shape_changes(of).await.expect("changes"), []);
}

pub async fn shapes_are_listed_by_source_and_in_pages(open: impl Open) {
    let w = World::new(open).await;
    let foreign: Tenant = name("other");
    let keys = [
        key(&w, "shop", ShapeOf::Event, "orders.created"),
        key(&w, "shop", ShapeOf::Event, "orders.deleted"),
        key(&w, "shop", ShapeOf::Stream, "orders"),
        key(&w, "crm", ShapeOf::Event, "Deal"),
    ];
    for key in keys.iter().cloned().chain([ShapeKey { tenant: foreign, ..keys[0].clone() }]) {
        w.store.save_shape(row(&w, key), Vec::new()).await.expect("saved");
    }
    let shop = || Some(name::<SourceName>("shop"));
    let list = async |source: Option<SourceName>, page: Page| {
        let listed = w.store.shapes(w.tenant.clone(), source, page).await.expect("shapes");
        (listed.rows.into_iter().map(|head| head.key).collect::<Vec<_>>(), listed.next)
    };
    assert_eq!(list(shop(), Page::first(10)).await, (keys[..3].to_vec(), None));
    assert_eq!(list(Some(name("nobody")), Page::first(10)).await, (Vec::new(), None));
    let (mut all, mut page) = (Vec::new(), Page::first(1));
    loop {
        let (rows, next) = list(None, page.clone()).await;
        assert!(rows.len() <= 1, "{rows:?}");
        all.extend(rows);
        let Some(next) = next else { break };
        page = Page { after: Some(next), ..page };
    }
    all.sort_unstable();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

pub async fn shapes_and_their_changes_are_bounded_and_forgotten_when_told(open: impl Open) {
    let w = World::new(open).await;
    let of = key(&w, "shop", ShapeOf::Event, "orders.created");
    let many: Vec<ShapeChange> = (0..CHANGES_PER_SHAPE + 5).map(|version| change(&w, version, None)).collect();
    w.store.save_shape(row(&w, of.clone()), many.clone()).await.expect("saved");
    let kept = w.store.shape_changes(of.clone()).await.expect("changes");
    assert_eq!(kept, many.into_iter().rev().take(CHANGES_PER_SHAPE as usize).collect::<Vec<_>>());
    for number in 1..SHAPES_PER_SOURCE {
        let of = key(&w, "shop", ShapeOf::Event, &format!("type {number}"));
        assert_eq!(w.store.save_shape(row(&w, of), Vec::new()).await.expect("saved"), Saved::Kept);
    }
    let one_more = key(&w, "shop", ShapeOf::Stream, "orders");
    let full = w.store.save_shape(row(&w, one_more.clone()), Vec::new()).await.expect("saved");
    assert_eq!(full, Saved::Full);
    let elsewhere = key(&w, "crm", ShapeOf::Stream, "orders");
    assert_eq!(w.store.save_shape(row(&w, elsewhere), Vec::new()).await.expect("saved"), Saved::Kept);
    assert!(w.store.forget_shape(of.clone()).await.expect("forgotten"));
    assert!(!w.store.forget_shape(of.clone()).await.expect("forgotten"));
    assert_eq!(w.store.shape(of.clone()).await.expect("shape"), None);
    assert_eq!(w.store.shape_changes(of).await.expect("changes"), []);
    let kept = w.store.save_shape(row(&w, one_more), Vec::new()).await.expect("saved");
    assert_eq!(kept, Saved::Kept, "there is room again");
}
