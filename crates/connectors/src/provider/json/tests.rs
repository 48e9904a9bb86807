//! The reader against a full JSON parser: whatever that one finds by a pointer, this one finds too.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn at(body: &str, pointer: &str) -> Option<String> {
    let mut pointers = Pointers::default();
    let slot = pointers.add(pointer);
    pointers.find(body.as_bytes()).scalar(slot).map(|text| String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn scalars_are_found_where_the_pointer_says() {
    let body = r#"{"a":{"b":[10,{"c/d":"x\u00e4"}],"e":true},"n":1.50,"z":null,"s":""}"#;
    for (pointer, value) in [
        ("/a/b/0", Some("10")),
        ("/a/b/1/c~1d", Some("xä")),
        ("/a/e", Some("true")),
        ("/n", Some("1.50")),
        ("/s", Some("")),
        ("/z", None),
        ("/a", None),
        ("/a/b/7", None),
        ("/a/b/c", None),
        ("/n/deeper", None),
        ("/absent", None),
    ] {
        assert_eq!(at(body, pointer).as_deref(), value, "{pointer}");
    }
}

#[test]
fn one_pass_finds_a_whole_and_its_parts() {
    let mut pointers = Pointers::default();
    let (whole, part, again) = (pointers.add("/a"), pointers.add("/a/b"), pointers.add("/a"));
    assert_eq!(whole, again);
    let found = pointers.find(br#"{"a": {"b": 1} }"#);
    assert_eq!(found.raw(whole), Some(r#"{"b": 1}"#));
    assert_eq!(found.scalar(part).as_deref(), Some(b"1".as_slice()));
}

#[test]
fn the_last_of_equal_keys_counts() {
    assert_eq!(at(r#"{"a":1,"a":2}"#, "/a").as_deref(), Some("2"));
}

#[test]
fn what_is_no_json_has_no_values() {
    for body in ["", "{", r#"{"a":1"#, r#"{"a":1} x"#, r#"{"a":1,}"#, "{\"a\":\"\u{1}\"}"] {
        assert_eq!(at(body, "/a"), None, "{body}");
    }
}

#[test]
fn only_what_was_read_to_its_end_is_said_to_be_json() {
    let mut pointers = Pointers::default();
    assert!(!pointers.find(b"{}").is_json, "nothing was looked up");
    pointers.add("/a");
    for (body, is_json) in [("{}", true), (" 7 ", true), ("{", false), ("{} x", false), (r#"{"b":[1,}"#, false)] {
        assert_eq!(pointers.find(body.as_bytes()).is_json, is_json, "{body}");
    }
}

#[test]
fn nesting_is_bounded_and_brackets_in_texts_are_no_nesting() {
    let nested = |depth: usize| format!(r#"{{"a":1,"b":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(at(&nested(DEPTH_MAX - 1), "/a").as_deref(), Some("1"));
    assert_eq!(at(&nested(DEPTH_MAX), "/a"), None);
    assert_eq!(at(&nested(100_000), "/a"), None);
    let texts = format!(r#"{{"a":1,"b":"{}\"["}}"#, "[{".repeat(500));
    assert_eq!(at(&texts, "/a").as_deref(), Some("1"));
    let wide = format!(r#"{{"a":1,"b":[{}0]}}"#, "[],".repeat(500));
    assert_eq!(at(&wide, "/a").as_deref(), Some("1"));
}

fn children(body: &str, pointer: &str) -> Option<Vec<String>> {
    let mut pointers = Pointers::default();
    pointers.add(pointer);
    let ranges = split(body.as_bytes(), &pointers)?;
    Some(ranges.into_iter().map(|range| body[range].to_owned()).collect())
}

#[test]
fn children_are_the_senders_bytes() {
    assert_eq!(
        children(r#" [ {"a": 1.0} ,2,"x" ] "#, ""),
        Some(vec![r#"{"a": 1.0}"#.into(), "2".into(), r#""x""#.into()])
    );
    assert_eq!(children(r#"{"e":[{}]}"#, "/e"), Some(vec!["{}".into()]));
    assert_eq!(children("[]", ""), Some(vec![]));
    assert_eq!(children(r#"{"e":1}"#, "/e"), None);
    assert_eq!(children("{}", "/e"), None);
    let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
    assert_eq!(children(&many(CHILDREN_MAX), "").map(|items| items.len()), Some(CHILDREN_MAX));
    assert_eq!(children(&many(CHILDREN_MAX + 1), ""), None);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab~/]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_a_built_document(value in json(), pointer in "(/([ab]|~0|~1|0|1){1,2}){0,4}") {
        let body = value.to_string();
        let expected = value.pointer(&pointer).and_then(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        });
        prop_assert_eq!(at(&body, &pointer), expected);
    }

    #[test]
    fn what_is_said_to_be_json_is(
        value in json(),
        at in any::<prop::sample::Index>(),
        byte: u8,
        pointer in "(/[ab]){0,2}",
    ) {
        let mut body = value.to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let mut pointers = Pointers::default();
        pointers.add(&pointer);
        if pointers.find(&body).is_json && std::str::from_utf8(&body).is_ok() {
            prop_assert!(serde_json::from_slice::<&RawValue>(&body).is_ok(), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let mut pointers = Pointers::default();
        pointers.add("/a/0");
        pointers.add("");
        let _ = pointers.find(&bytes);
        let _ = split(&bytes, &pointers);
    }
}
