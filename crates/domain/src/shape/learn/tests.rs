//! What is new about values, and what is not.

use serde_json::json;

use super::*;
use crate::shape::{Format, Severity, json_schema};

/// Learns values one after another; gives what was new about any, in sentences.
fn told(shape: &mut Shape, values: impl IntoIterator<Item = Value>) -> Vec<String> {
    values.into_iter().flat_map(|value| shape.learn(&value)).map(|found| found.change.sentence()).collect()
}

fn order(number: u64) -> Value {
    json!({
        "id": number,
        "state": if number.is_multiple_of(2) { "open" } else { "paid" },
        "total": 12.5,
        "at": "2026-11-21T08:15:00Z",
        "note": null,
        "lines": [{ "sku": format!("sku {number}"), "count": 2 }],
        "customer": { "id": 7, "email": "someone@shop.example" },
    })
}

/// A shape that has seen a hundred orders and found nothing new about any.
fn orders() -> Shape {
    let mut shape = Shape::default();
    assert_eq!(told(&mut shape, (0..100).map(order)), [""; 0]);
    shape
}

/// An order with one place set to something else, or taken away.
fn but(pointer: &str, value: Option<Value>) -> Value {
    let mut order = order(0);
    let (above, name) = pointer.rsplit_once('/').expect("a pointer below the root");
    match (order.pointer_mut(above).expect("it is there"), value) {
        (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Value::Object(members), None) => drop(members.remove(name)),
        (other, _) => panic!("{pointer} is within {other}"),
    }
    order
}

#[test]
fn each_kind_of_change_is_told_once_with_its_place_and_its_severity() {
    let table = [
        ("/coupon", Some(json!("X")), "/coupon is new: string", Severity::Compatible),
        ("/total", Some(json!(12)), "", Severity::Compatible),
        ("/id", Some(json!(1.5)), "/id is number where it was integer", Severity::Breaking),
        ("/id", Some(json!("1")), "/id is string where it was integer", Severity::Breaking),
        ("/id", Some(json!(null)), "/id is null where it was integer", Severity::Notable),
        ("/note", Some(json!("a word")), "/note is string where it was null", Severity::Compatible),
        ("/customer/email", None, "/customer/email was always there, and was missing", Severity::Notable),
        ("/customer/email", Some(json!("nobody")), "/customer/email is not a email any more", Severity::Notable),
        ("/state", Some(json!("void")), "/state has a value that it never had: \"void\"", Severity::Notable),
        (
            "/lines",
            Some(json!([{ "sku": 1, "count": 2 }])),
            "/lines/*/sku is integer where it was string",
            Severity::Breaking,
        ),
        ("/lines", Some(json!([])), "", Severity::Compatible),
        ("/customer", Some(json!([])), "/customer is array where it was object", Severity::Breaking),
    ];
    for (pointer, value, sentence, severity) in table {
        let mut shape = orders();
        let changed = but(pointer, value);
        let news = shape.learn(&changed);
        let sentences: Vec<String> = news.iter().map(|found| found.change.sentence()).collect();
        assert_eq!(sentences.join("; "), sentence, "{pointer}");
        assert!(news.iter().all(|found| found.change.what.severity() == severity), "{news:?}");
        assert_eq!(shape.learn(&changed), [], "{pointer} is told once");
    }
}

#[test]
fn a_root_of_another_kind_has_the_empty_pointer() {
    let mut shape = orders();
    let news = shape.learn(&json!([1]));
    assert_eq!((news[0].change.at.as_str(), news.len()), ("", 1));
    assert_eq!(news[0].change.sentence(), "the whole value is array where it was object");
}

#[test]
fn names_with_a_slash_or_a_tilde_are_escaped_as_pointers_are() {
    let mut shape = orders();
    assert_eq!(shape.learn(&but("/a", Some(json!(1))))[0].change.at, "/a");
    let mut odd = order(0);
    odd["a/b~c"] = json!(1);
    assert_eq!(shape.learn(&odd)[0].change.at, "/a~1b~0c");
}

#[test]
fn nothing_is_new_while_little_was_seen() {
    let mut shape = Shape::default();
    let seen = TRUSTED_AFTER - 1;
    assert_eq!(told(&mut shape, (0..seen).map(order)), [""; 0]);
    assert!(!shape.is_trusted());
    assert_eq!(told(&mut shape, [json!({ "id": "a word" })]), [""; 0]);
    assert!(shape.is_trusted());
}

#[test]
fn a_field_that_is_gone_is_first_optional_then_lost_and_may_come_back() {
    let mut shape = orders();
    let without = || but("/total", None);
    assert_eq!(told(&mut shape, [without()]), ["/total was always there, and was missing"]);
    assert_eq!(told(&mut shape, (0..100).map(|_| without())), ["/total is not there any more"]);
    assert_eq!(told(&mut shape, (0..50).map(order)), ["/total is there again"]);
}

#[test]
fn a_field_that_few_have_is_not_lost_by_a_burst_without_it() {
    let mut shape = Shape::default();
    let some = |number: u64| if number.is_multiple_of(10) { json!({ "a": 1, "b": 2 }) } else { json!({ "a": 1 }) };
    assert_eq!(told(&mut shape, (0..1_000).map(some)), [""; 0]);
    assert_eq!(told(&mut shape, (0..100).map(|_| json!({ "a": 1 }))), [""; 0], "one in ten may be away so long");
    assert_eq!(told(&mut shape, (0..200).map(|_| json!({ "a": 1 }))), ["/b is not there any more"]);
}

#[test]
fn a_field_inside_one_that_is_new_is_no_news_of_its_own() {
    let mut shape = orders();
    let added = but("/ship", Some(json!({ "to": { "city": "x", "zip": 1 } })));
    assert_eq!(told(&mut shape, [added]), ["/ship is new: object"]);
}

#[test]
fn keys_that_are_data_make_a_map_and_no_news() {
    let mut shape = Shape::default();
    let by_id = |number: u64| json!({ "stock": { format!("sku_{number}"): { "left": number } } });
    assert_eq!(told(&mut shape, (0..500).map(by_id)), [""; 0]);
    let stock = &json_schema(&shape, "stock")["properties"]["stock"];
    assert_eq!(stock["additionalProperties"]["properties"]["left"]["type"], "integer");
    assert_eq!(stock.get("properties"), None, "{stock}");
    let odd = json!({ "stock": { "sku_900": { "left": "none" } } });
    assert_eq!(told(&mut shape, [odd]), ["/stock/*/left is string where it was integer"]);
}

#[test]
fn what_is_remembered_has_an_end_and_says_so() {
    let mut deep = json!(1);
    (0..DEPTH_MAX * 2).for_each(|_| deep = json!({ "in": deep }));
    let mut shape = Shape::default();
    shape.learn(&deep);
    assert!(shape.places() <= DEPTH_MAX + 1, "{}", shape.places());
    let mut long = Shape::default();
    long.learn(&json!({ "x".repeat(NAME_MAX + 1): 1 }));
    assert!(long.places() == 1 && long.is_partial());
    let mut wide = Shape::default();
    let group = |group: usize| -> Value { (0..20).map(|name| (format!("{group}.{name}"), json!(1))).collect() };
    let groups: Value = (0..400).map(|number| (format!("group {number}"), group(number))).collect();
    wide.learn(&groups);
    assert!(wide.places() <= PLACES_MAX + 1 && wide.is_partial(), "{}", wide.places());
}

#[test]
fn the_schema_says_what_was_always_so() {
    let mut shape = orders();
    shape.learn(&but("/customer/email", None));
    let schema = json_schema(&shape, "orders.created");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "orders.created");
    assert_eq!(schema["required"], json!(["at", "customer", "id", "lines", "note", "state", "total"]));
    let of = |pointer: &str| schema.pointer(pointer).expect(pointer);
    assert_eq!(of("/properties/id"), &json!({ "type": "integer" }));
    assert_eq!(of("/properties/total"), &json!({ "type": "number" }));
    assert_eq!(of("/properties/at"), &json!({ "type": "string", "format": Format::DateTime.as_str() }));
    assert_eq!(of("/properties/state"), &json!({ "type": "string", "enum": ["open", "paid"] }));
    assert_eq!(of("/properties/customer/required"), &json!(["id"]));
    assert_eq!(of("/properties/lines/items/properties/count"), &json!({ "type": "integer" }));
}

#[test]
fn a_shape_survives_being_written_down() {
    let shape = orders();
    let written = serde_json::to_string(&shape).expect("it is plain data");
    assert_eq!(serde_json::from_str::<Shape>(&written).expect("it is what was written"), shape);
    let empty: Shape = serde_json::from_str("{}").expect("every part has a default");
    assert_eq!(empty, Shape::default());
}

#[test]
fn a_change_carries_the_beginning_of_what_is_new() {
    let mut shape = orders();
    assert_eq!(shape.learn(&but("/id", Some(json!("x"))))[0].example, "\"x\"");
    assert_eq!(shape.learn(&but("/total", None))[0].example, "", "nothing is there");
    let long = shape.learn(&but("/text", Some(json!("ä".repeat(EXAMPLE_MAX)))));
    assert_eq!((long[0].example.len(), long[0].example.ends_with("ä…")), (EXAMPLE_MAX - 1 + "…".len(), true));
}

#[test]
fn the_outline_names_every_place_after_what_it_is_in() {
    let mut shape = orders();
    shape.learn(&but("/customer/email", None));
    let lines = crate::shape::outline(&shape);
    let at: Vec<&str> = lines.iter().map(|line| line.at.as_str()).collect();
    let expected = [
        "/at",
        "/customer",
        "/customer/email",
        "/customer/id",
        "/id",
        "/lines",
        "/lines/*",
        "/lines/*/count",
        "/lines/*/sku",
        "/note",
        "/state",
        "/total",
    ];
    assert_eq!(at, expected);
    assert!(lines[2].optional && !lines[3].optional && lines[2].format == Some(Format::Email));
    assert_eq!(
        (lines[10].values.as_slice(), lines[11].kinds.as_slice()),
        (&["open".into(), "paid".into()][..], &[Kind::Number][..])
    );
}
