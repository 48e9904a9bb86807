//! What becomes of values by the types of a schema. Observed in the reference implementation (7.39.1).

use serde_json::json;

use super::*;

fn cast(kind: Json, value: Json) -> Json {
    let mut record = json!({ "f": value });
    Casts::of(&json!({ "properties": { "f": { "type": kind } } })).apply(&mut record);
    record["f"].take()
}

#[test]
fn plain_values_are_cast_as_python_casts_them() {
    for (kind, value, expected) in [
        ("string", json!(1), json!("1")),
        ("string", json!(1.0), json!("1.0")),
        ("string", json!(1e16), json!("1e+16")),
        ("string", json!(123456789012345.0), json!("123456789012345.0")),
        ("string", json!(0.0001), json!("0.0001")),
        ("string", json!(-0.00001), json!("-1e-05")),
        ("string", json!(1.5e300), json!("1.5e+300")),
        ("string", json!(true), json!("True")),
        ("string", json!(null), json!("None")),
        ("string", json!({ "a": [1, "x'y", null] }), json!(r#"{'a': [1, "x'y", None]}"#)),
        ("string", json!(["'\"", "\n\\", "\u{7f}"]), json!(r#"['\'"', '\n\\', '\x7f']"#)),
        ("number", json!("1_000.5"), json!(1000.5)),
        ("number", json!(" 12 "), json!(12.0)),
        ("number", json!(3), json!(3.0)),
        ("number", json!(true), json!(1.0)),
        ("number", json!("nan"), json!(null)),
        ("number", json!("1__0"), json!("1__0")),
        ("number", json!("x"), json!("x")),
        ("number", json!(null), json!(null)),
        ("number", json!([1]), json!([1])),
        ("integer", json!("-1_0"), json!(-10)),
        ("integer", json!("12.5"), json!("12.5")),
        ("integer", json!("0x1f"), json!("0x1f")),
        ("integer", json!(12.9), json!(12)),
        ("integer", json!(-12.9), json!(-12)),
        ("integer", json!(1e19), json!(10_000_000_000_000_000_000_u64)),
        ("integer", json!(1e30), json!(1e30)),
        ("integer", json!("18446744073709551615"), json!(u64::MAX)),
        ("integer", json!("99999999999999999999"), json!("99999999999999999999")),
        ("integer", json!(false), json!(0)),
        ("boolean", json!(" Yes "), json!(true)),
        ("boolean", json!("off"), json!(false)),
        ("boolean", json!("maybe"), json!("maybe")),
        ("boolean", json!(0), json!(false)),
        ("boolean", json!(0.1), json!(true)),
        ("boolean", json!(null), json!(false)),
        ("boolean", json!([]), json!(false)),
        ("boolean", json!({ "a": 1 }), json!(true)),
        ("array", json!(1), json!([1])),
        ("array", json!(null), json!([null])),
        ("array", json!({}), json!({})),
        ("object", json!("x"), json!("x")),
        ("null", json!("x"), json!("x")),
        ("unheard of", json!("x"), json!("x")),
    ] {
        assert_eq!(cast(json!(kind), value.clone()), expected, "{value} as {kind}");
    }
}

#[test]
fn null_stays_where_it_is_a_type_and_more_than_one_type_casts_nothing() {
    for (kind, value, expected) in [
        (json!(["null", "string"]), json!(null), json!(null)),
        (json!(["string", "null"]), json!(1), json!("1")),
        (json!(["string"]), json!(null), json!("None")),
        (json!(["string", "integer"]), json!(1.5), json!(1.5)),
        (json!(["null"]), json!(1), json!(1)),
        (json!([]), json!(1), json!(1)),
    ] {
        assert_eq!(cast(kind.clone(), value.clone()), expected, "{value} as {kind}");
    }
}

#[test]
fn a_plain_value_becomes_a_list_unless_the_type_of_its_elements_is_written_as_one_word() {
    for (items, expected) in [
        (json!({ "type": ["null", "string"] }), json!(["x"])),
        (json!({}), json!(["x"])),
        (json!({ "type": "string" }), json!("x")),
        (json!({ "type": ["object"] }), json!("x")),
    ] {
        let mut record = json!({ "f": "x" });
        Casts::of(&json!({ "properties": { "f": { "type": "array", "items": items } } })).apply(&mut record);
        assert_eq!(record["f"], expected, "{items}");
    }
}

#[test]
fn what_is_nested_is_cast_along_properties_items_and_references() {
    let schema = json!({
        "definitions": { "node": { "type": "object", "properties": {
            "id": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/definitions/node" } },
        } } },
        "properties": {
            "node": { "$ref": "#/definitions/node" },
            "numbers": { "type": ["null", "array"], "items": { "type": "integer" } },
            "left": { "oneOf": [{ "type": "string" }] },
        },
        "additionalProperties": { "type": "string" },
    });
    let mut record = json!({
        "node": { "id": 1, "children": [{ "id": 2, "children": [{ "id": 3 }] }, "no node"] },
        "numbers": ["1", "x", [2]], "left": 1, "other": 1,
    });
    Casts::of(&schema).apply(&mut record);
    let expected = json!({
        "node": { "id": "1", "children": [{ "id": "2", "children": [{ "id": "3" }] }, "no node"] },
        "numbers": [1, "x", [2]], "left": 1, "other": 1,
    });
    assert_eq!(record, expected);
}

#[test]
fn a_schema_that_leads_back_to_itself_or_nowhere_ends() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "properties": { "a": { "$ref": "#/properties/a" } } }),
        json!({ "properties": { "a": { "$ref": "#/nowhere" }, "b": { "$ref": "elsewhere.json" } } }),
        json!(true),
        json!(null),
    ] {
        let mut record = json!({ "a": { "a": 1 }, "b": 2 });
        Casts::of(&schema).apply(&mut record);
        assert_eq!(record, json!({ "a": { "a": 1 }, "b": 2 }), "{schema}");
    }
    let mut fan = json!({ "definitions": { "0": { "properties": { "x": { "type": "string" } } } } });
    for level in 1..40 {
        let below = format!("#/definitions/{}", level - 1);
        fan["definitions"][level.to_string()] =
            json!({ "properties": { "a": { "$ref": below }, "b": { "title": "", "$ref": below } } });
    }
    fan["$ref"] = "#/definitions/39".into();
    Casts::of(&fan).apply(&mut json!({ "a": 1 }));
}
