//! What an extension may say, and what is told of one that says something else.

mod exchange;

use super::*;
use crate::manifest::node::{Document, Limits};

fn read(text: &str) -> Result<Extension, Problem> {
    let document = Document::parse("shop.yaml", text, Limits::default()).expect("it is YAML");
    Extension::of(&document.root())
}

const WHOLE: &str = r##"
definitions:
  requester: { type: HttpRequester, url_base: "https://api.example", path: orders }
metadata:
  builder: { anything: else }
  trireme:
    documentation: https://docs.example/api
    provider: example
    webhooks:
      subscribe:
        requester: { $ref: "#/definitions/requester", path: hooks, http_method: POST }
        id: [id]
        secret: [secret]
        events: [order.paid]
      unsubscribe: { requester: { $ref: "#/definitions/requester", http_method: DELETE } }
      list: { requester: { $ref: "#/definitions/requester" }, records: [data], id: [id], url: [url], active: [enabled] }
      renew: { requester: { $ref: "#/definitions/requester" }, every: P7D }
    streams:
      orders:
        object: order
        version: { field: [updated_at], precision: PT1S }
        deletes: { tombstone: [deleted_at] }
        get: { requester: { $ref: "#/definitions/requester", path: "orders/{{ stream_slice['id'] }}" }, record: [order] }
        write:
          update: { requester: { $ref: "#/definitions/requester", http_method: PATCH } }
          delete: { requester: { $ref: "#/definitions/requester", http_method: DELETE } }
        events:
          - { type: order.paid }
          - { type: orders/updated, action: updated, id: [order, id], version: [order, updated_at] }
      carts: { deletes: scan }
      refunds: { deletes: { feed: deleted_refunds } }
"##;

#[test]
fn everything_that_can_be_said_is_read() {
    let extension = read(WHOLE).expect("it is right");
    let webhooks = extension.webhooks.expect("webhooks");
    assert!(matches!(&webhooks.subscribe.secret, SecretOf::Answer(path) if path == &["secret"]));
    assert_eq!(webhooks.renew.map(|renew| renew.every), Some(Duration::from_secs(7 * 86_400)));
    assert!(webhooks.unsubscribe.is_some() && webhooks.list.is_some());
    let orders = &extension.streams["orders"];
    assert_eq!(orders.version.as_ref().map(|version| version.precision), Some(Duration::from_secs(1)));
    let sign = Sign { at: vec!["deleted_at".to_owned()], is: Vec::new() };
    assert_eq!(orders.deletes, Some(Deletes::Tombstone(sign)));
    assert!(orders.get.is_some() && orders.create.is_none() && orders.update.is_some() && orders.delete.is_some());
    let actions: Vec<_> = orders.events.iter().map(|event| event.action).collect();
    assert_eq!(actions, [None, Some(Action::Updated)]);
    assert_eq!(extension.streams["carts"].deletes, Some(Deletes::Scan));
    assert_eq!(extension.streams["refunds"].deletes, Some(Deletes::Feed("deleted_refunds".to_owned())));
}

#[test]
fn a_manifest_that_says_nothing_has_an_empty_one() {
    for text in ["version: 1", "metadata: {}", "metadata: { builder: x }"] {
        let extension = read(text).expect("it is right");
        assert!(extension.webhooks.is_none() && extension.streams.is_empty() && extension.provider.is_none());
    }
}

#[test]
fn mistakes_name_their_place_and_what_is_expected() {
    for (text, expected) in [
        ("metadata: { trireme: { streams: { a: { objet: x } } } }", "'objet' says nothing here"),
        ("metadata: { trireme: { streams: { a: { deletes: sometimes } } } }", "{ tombstone: [field] }"),
        ("metadata: { trireme: { streams: { a: { deletes: { tombstone: [a], feed: b } } } } }", "{ feed: stream }"),
        (
            "metadata: { trireme: { streams: { a: { events: [{ type: x, action: moved, id: [a] }] } } } }",
            "created, updated or deleted",
        ),
        (
            "metadata: { trireme: { streams: { a: { events: [{ type: x, action: updated }] } } } }",
            "the path to the record's id",
        ),
        (
            "metadata: { trireme: { streams: { a: { version: { field: [a], precision: P1M } } } } }",
            "a duration without months",
        ),
        ("metadata: { trireme: { streams: { a: { get: { record: [a] } } } } }", "requester"),
        ("metadata: { trireme: { webhooks: { unsubscribe: { requester: {} } } } }", "subscribe"),
        (
            "metadata: { trireme: { webhooks: { subscribe: { requester: { url: x }, id: [id], secret: theirs } } } }",
            "ours, app",
        ),
        ("metadata: { trireme: { webhooks: { subscribe: { requester: { url: x } } } } }", "'id'"),
        ("metadata: { trireme: { streams: { a: { deletes: { feed: b, is: c } } } } }", "{ feed: stream }"),
    ] {
        let problem = read(text).expect_err(text);
        assert!(problem.to_string().contains(expected), "{text}: {problem}");
        assert!(problem.to_string().contains("shop.yaml"), "{problem}");
    }
}

#[test]
fn what_is_said_of_streams_that_are_not_there_is_found() {
    let extension = read(WHOLE).expect("it is right");
    let strangers = extension.strangers(|name| ["orders", "refunds"].contains(&name));
    assert_eq!(strangers, ["carts", "deleted_refunds"]);
    assert!(extension.strangers(|_| true).is_empty());
}
