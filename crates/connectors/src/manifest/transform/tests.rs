//! What transformations do to records. The expected values were observed in the reference implementation (7.39.1).

use serde_json::{Value as Json, json};

use super::*;
use crate::manifest::node::Document;

fn transformation(written: &Json) -> Result<Transformation, Problem> {
    let document = Document::from_json(&json!({ "type": "DeclarativeStream", "transformations": [written] }));
    document.root().need::<Vec<Transformation>>("transformations").map(|mut all| all.remove(0))
}

fn apply(written: &Json, record: Json) -> Result<Json, RecordError> {
    let config = json!({ "shop": "acme", "prefix": "cfg" });
    let scope = Scope::new(&config, jiff::Timestamp::UNIX_EPOCH).no_slice();
    let mut record = record;
    transformation(written).expect("a transformation").apply(&mut record, &scope)?;
    Ok(record)
}

fn applied(written: &Json, record: Json) -> Json {
    apply(written, record).expect("a record")
}

fn added(fields: Json, record: Json) -> Json {
    applied(&json!({ "type": "AddFields", "fields": fields }), record)
}

#[test]
fn names_are_split_into_words_of_snake_case() {
    for (name, expected) in [
        ("createdAt", "created_at"),
        ("CreatedAt", "created_at"),
        ("created at", "created_at"),
        ("created_at", "created_at"),
        ("HTTPServer", "httpserver"),
        ("myURLs", "my_urls"),
        ("value1x", "value_1_x"),
        ("1st", "_1_st"),
        ("__a__b__", "_a_b_"),
        ("_", ""),
        ("a", "a"),
        ("", ""),
        ("a.b-c", "a_b_c"),
        ("größe", "grosse"),
        ("名", "ming"),
        ("Été d'ici", "ete_d_ici"),
    ] {
        let record = applied(&json!({ "type": "KeysToSnakeCase" }), json!({ name: 1 }));
        assert_eq!(record, json!({ expected: 1 }), "{name:?}");
    }
    let nested = json!({ "aB": { "cD": [{ "eF": 1 }] } });
    let expected = json!({ "a_b": { "c_d": [{ "eF": 1 }] } });
    assert_eq!(applied(&json!({ "type": "KeysToSnakeCase" }), nested), expected, "lists are not entered");
}

#[test]
fn names_of_the_record_itself_are_put_in_lower_case() {
    let record = json!({ "Ab": { "Cd": 1 }, "É": 2, "c": 3 });
    assert_eq!(applied(&json!({ "type": "KeysToLower" }), record), json!({ "ab": { "Cd": 1 }, "é": 2, "c": 3 }));
}

#[test]
fn everything_is_flattened_with_names_of_parents_where_they_are_needed() {
    for (record, expected) in [
        (json!({ "a": { "b": 1, "c": { "d": 2 } }, "e": 3 }), json!({ "b": 1, "d": 2, "e": 3 })),
        (json!({ "a": { "x": 1 }, "b": { "x": 2 } }), json!({ "x": 2, "a.x": 1 })),
        (json!({ "l": [1, { "k": 2 }], "a": 3 }), json!({ "l.0": 1, "l.1.k": 2, "a": 3 })),
        (json!({ "z": [1], "a": { "b": 2 } }), json!({ "b": 2, "z.0": 1 })),
        (json!({ "a": { "b": 2 }, "z": [1] }), json!({ "a.b": 2, "z.0": 1 })),
        (json!({ "a": {}, "b": [], "c": null }), json!({ "c": null })),
    ] {
        let flat = applied(&json!({ "type": "FlattenFields" }), record.clone());
        assert_eq!(flat, expected, "{record}");
    }
    let kept = applied(&json!({ "type": "FlattenFields", "flatten_lists": false }), json!({ "a": { "l": [1] } }));
    assert_eq!(kept, json!({ "l": [1] }));
}

#[test]
fn fields_are_removed_by_path_and_pattern() {
    let record = || json!({ "a": 1, "b": { "c": 2, "d": [1, 2, 3] }, "ab": null });
    for (pointers, expected) in [
        (json!([["a"], ["b", "c"], ["missing", "x"]]), json!({ "b": { "d": [1, 2, 3] }, "ab": null })),
        (json!([["a*"]]), json!({ "b": { "c": 2, "d": [1, 2, 3] } })),
        (json!([["b", "d", "0"]]), json!({ "a": 1, "b": { "c": 2, "d": [null, 2, 3] }, "ab": null })),
        (json!([["**", "d"]]), json!({ "a": 1, "b": { "c": 2 }, "ab": null })),
        (json!([["**"]]), json!({})),
    ] {
        let removed = applied(&json!({ "type": "RemoveFields", "field_pointers": pointers }), record());
        assert_eq!(removed, expected, "{pointers}");
    }
}

#[test]
fn a_condition_removes_plain_values_wherever_they_are() {
    let removal = json!({
        "type": "RemoveFields", "field_pointers": [["a"]], "condition": "{{ property is none or property == 2 }}",
    });
    let record = json!({ "a": 1, "b": { "c": 2, "d": [null, 2, 3] }, "e": null });
    assert_eq!(applied(&removal, record), json!({ "a": 1, "b": { "d": [null, null, 3] } }));
}

#[test]
fn an_added_field_sees_what_was_added_before_it() {
    let fields = json!([
        { "path": ["one"], "value": "{{ record.n + 1 }}" },
        { "path": ["two", "deep"], "value": "{{ record.one + 1 }}" },
        { "path": ["shop"], "value": "{{ config['shop'] }}" },
        { "path": ["n"], "value": "fixed" },
    ]);
    let expected = json!({ "n": "fixed", "one": 2, "two": { "deep": 3 }, "shop": "acme" });
    assert_eq!(added(fields, json!({ "n": 1 })), expected);
}

#[test]
fn a_value_type_decides_what_a_text_becomes() {
    for (kind, value, expected) in [
        (None, "{{ record.n }}", json!(5)),
        (None, "{{ record.f }}", json!(5.0)),
        (Some("string"), "{{ record.n }}", json!("5")),
        (Some("integer"), "{{ record.n }}", json!(5)),
        (Some("integer"), "{{ record.f }}", json!("5.0")),
        (Some("number"), "{{ record.f }}", json!(5.0)),
        (Some("number"), "{{ record.n }}", json!("5")),
        (Some("boolean"), "{{ record.n == 5 }}", json!(true)),
        (Some("boolean"), "{{ record.n }}", json!("5")),
    ] {
        let mut field = json!({ "path": ["x"], "value": value });
        if let Some(kind) = kind {
            field["value_type"] = kind.into();
        }
        let record = added(json!([field]), json!({ "n": 5, "f": 5.0 }));
        assert_eq!(record["x"], expected, "{value} as {kind:?}");
    }
}

#[test]
fn a_condition_decides_field_by_field_whether_it_is_added() {
    let add = json!({
        "type": "AddFields", "condition": "{{ value is not none and path != ['b'] and record.n > 0 }}",
        "fields": [
            { "path": ["a"], "value": "{{ record.n }}" },
            { "path": ["b"], "value": "{{ record.n }}" },
            { "path": ["c"], "value": "{{ None }}" },
        ],
    });
    assert_eq!(applied(&add, json!({ "n": 1 })), json!({ "n": 1, "a": 1 }));
    assert_eq!(applied(&add, json!({ "n": 0 })), json!({ "n": 0 }));
}

#[test]
fn a_field_inside_of_a_plain_value_cannot_be_added() {
    let add = json!({ "type": "AddFields", "fields": [{ "path": ["a", "b"], "value": "x" }] });
    let error = apply(&add, json!({ "a": null })).expect_err("blocked");
    assert_eq!((error.code(), error.to_string().contains("a.b")), ("record_path_blocked", true), "{error}");
}

#[test]
fn a_text_in_names_is_replaced_in_nested_names_too() {
    let replace = json!({ "type": "KeysReplace", "old": " ", "new": "_" });
    let record = json!({ "a b c": { "d e": [{ "f g": 1 }] } });
    assert_eq!(applied(&replace, record), json!({ "a_b_c": { "d_e": [{ "f g": 1 }] } }));
    let replace = json!({ "type": "KeysReplace", "old": "{{ record.old }}", "new": "{{ config.prefix }}" });
    assert_eq!(applied(&replace, json!({ "old": 1, "x1": 2 })), json!({ "old": 1, "xcfg": 2 }));
}

#[test]
fn the_fields_at_a_path_are_brought_up() {
    let record = || json!({ "id": 1, "data": { "a": 2, "b": { "c": 3 } } });
    for (options, expected) in [
        (json!({}), json!({ "id": 1, "data": { "a": 2, "b": { "c": 3 } }, "a": 2, "b": { "c": 3 } })),
        (json!({ "delete_origin_value": true }), json!({ "id": 1, "a": 2, "b": { "c": 3 } })),
        (json!({ "replace_record": true }), json!({ "a": 2, "b": { "c": 3 } })),
        (
            json!({ "delete_origin_value": true, "key_transformation":
                { "type": "KeyTransformation", "prefix": "{{ config.prefix }}_", "suffix": "_x" } }),
            json!({ "id": 1, "cfg_a_x": 2, "cfg_b_x": { "c": 3 } }),
        ),
    ] {
        let mut written = options.clone();
        written["type"] = "DpathFlattenFields".into();
        written["field_path"] = json!(["data"]);
        assert_eq!(applied(&written, record()), expected, "{options}");
    }
    let star = json!({ "type": "DpathFlattenFields", "field_path": ["*", "b"], "delete_origin_value": true });
    assert_eq!(applied(&star, record()), json!({ "id": 1, "data": { "a": 2 }, "c": 3 }));
    let taken = json!({ "id": 1, "data": { "id": 2, "a": 3 } });
    let flatten = json!({ "type": "DpathFlattenFields", "field_path": ["data"], "delete_origin_value": true });
    assert_eq!(applied(&flatten, taken.clone()), taken, "nothing happens where a name is taken");
}

#[test]
fn what_is_no_mapping_stays_as_it_is() {
    for kind in ["KeysToLower", "KeysToSnakeCase", "FlattenFields"] {
        assert_eq!(applied(&json!({ "type": kind }), json!([1])), json!([1]), "{kind}");
    }
}

#[test]
fn a_transformation_that_the_format_does_not_have_is_a_problem() {
    for (written, part) in [
        (json!({ "type": "AddFields", "fields": [{ "path": [], "value": "x" }] }), "path"),
        (
            json!({ "type": "AddFields", "fields": [{ "path": ["a"], "value": "x", "value_type": "date" }] }),
            "value_type",
        ),
        (json!({ "type": "AddFields", "fields": [{ "path": ["a"], "value": "{{ (" }] }), "fields[0].value"),
        (json!({ "type": "CustomTransformation", "class_name": "x.Y" }), "x.Y"),
        (json!({ "type": "Unheard" }), "Unheard"),
    ] {
        let problem = transformation(&written).expect_err("a problem").to_string();
        assert!(problem.contains(part), "{written}: {problem}");
    }
}
