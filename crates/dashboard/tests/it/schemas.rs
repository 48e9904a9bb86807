//! The pages of schemas: what was learned, what changed, and learning it anew.

use domain::shape::Shape;
use domain::{Tenant, Timestamp};
use serde_json::{Value, json};
use store::shapes::{ShapeChange, ShapeHead, ShapeKey, ShapeOf, ShapeRow};

use crate::desk::Browser;

impl Browser {
    /// What the events of a type look like, as if these values had been learned.
    pub async fn learned(&self, source: &str, event_type: &str, values: impl IntoIterator<Item = Value>) {
        let (tenant, name) = (Tenant::default_tenant(), event_type.into());
        let key = ShapeKey { tenant, source: source.parse().expect("a name"), of: ShapeOf::Event, name };
        let (mut shape, mut changes, mut seen) = (Shape::default(), Vec::new(), 0);
        let at = Timestamp::from_secs(1_800_000_000);
        for value in values {
            seen += 1;
            changes.extend(shape.learn(&value).into_iter().map(|found| {
                let example = found.example.into();
                ShapeChange { version: 2, at, change: found.change, event: None, example }
            }));
        }
        let changed_at = (!changes.is_empty()).then_some(at);
        let head = ShapeHead { key, version: 2, seen, first_at: at, last_at: at, changed_at };
        let row = ShapeRow { head, shape, generation: 0 };
        self.engine.store().save_shape(row, changes).await.expect("it is kept");
    }
}

fn orders(last: Value) -> Vec<Value> {
    let order = |number: u64| json!({ "id": number, "state": "open", "lines": [{ "sku": "a b" }] });
    (0..40).map(order).chain([last]).collect()
}

#[tokio::test]
async fn a_schema_is_listed_and_shown_with_its_changes() {
    let mut browser = Browser::furnished(&["read"]).await;
    assert!(browser.get("/schemas").await.text.contains("Nothing is learned yet"));
    browser.learned("own", "order/created", orders(json!({ "id": "x", "state": "open", "lines": [] }))).await;
    let list = browser.get("/schemas").await.text;
    let address = "/schemas/show?source=own&amp;of=event&amp;name=order/created";
    assert!(list.contains(address), "{list}");
    assert!(browser.get("/schemas?source=other").await.text.contains("Nothing is learned yet"));
    let one = browser.get(&address.replace("&amp;", "&")).await.text;
    for expected in [
        "/id is string where it was integer",
        ">breaking</span>",
        "<code>&quot;x&quot;</code>",
        "/lines/*/sku",
        "integer or string",
        "<code>open</code>",
    ] {
        assert!(one.contains(expected), "{expected}: {one}");
    }
    assert!(!one.contains("Learn it anew"), "a reader may not");
    let file = browser.get("/schemas/schema.json?source=own&of=event&name=order%2Fcreated").await;
    let schema: Value = serde_json::from_str(&file.text).expect("it is JSON");
    assert_eq!((file.status, &schema["title"]), (200, &json!("order/created")));
}

#[tokio::test]
async fn a_schema_is_forgotten_when_a_person_says_so() {
    let mut browser = Browser::furnished(&["operate"]).await;
    browser.learned("own", "order", orders(json!({}))).await;
    let shown = "/schemas/show?source=own&of=event&name=order";
    assert!(browser.get(shown).await.text.contains("Learn it anew"));
    let form = "source=own&of=event&name=order";
    let done = browser.post("/schemas/forget", form).await;
    assert_eq!((done.status, done.location()), (303, "/schemas?done=forgotten"));
    assert_eq!(browser.get(shown).await.status, 404);
    assert_eq!(browser.post("/schemas/forget", form).await.status, 404);
    assert_eq!(browser.get("/schemas/show?source=own&of=thing&name=order").await.status, 404);
}
