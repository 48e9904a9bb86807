//! YAML as manifests are written in it. The scalars were compared with what the reference implementation's loader makes
//! of the same words.

use serde_json::json;

use super::*;

#[test]
fn words_mean_what_the_reference_reads() {
    for (word, expected) in [
        ("", json!(null)),
        ("~", json!(null)),
        ("null", json!(null)),
        ("NULL", json!(null)),
        ("nUll", json!("nUll")),
        ("yes", json!(true)),
        ("On", json!(true)),
        ("TRUE", json!(true)),
        ("no", json!(false)),
        ("OFF", json!(false)),
        ("y", json!("y")),
        ("n", json!("n")),
        ("tRue", json!("tRue")),
        ("0", json!(0)),
        ("-0", json!(0)),
        ("+12", json!(12)),
        ("-12", json!(-12)),
        ("1_000", json!(1000)),
        ("010", json!(8)),
        ("-010", json!(-8)),
        ("0_7", json!(7)),
        ("08", json!("08")),
        ("0o17", json!("0o17")),
        ("0x1F", json!(31)),
        ("0b101", json!(5)),
        ("0b2", json!("0b2")),
        ("0x", json!("0x")),
        ("1:30", json!(90)),
        ("190:20:30", json!(685_230)),
        ("1:60", json!("1:60")),
        ("01:30", json!("01:30")),
        ("1.5", json!(1.5)),
        ("1.", json!(1.0)),
        (".5", json!(0.5)),
        ("-.5", json!("-.5")),
        ("1e3", json!("1e3")),
        ("1.0e3", json!("1.0e3")),
        ("1.0e+3", json!(1000.0)),
        ("1.5E-2", json!(0.015)),
        ("1_0.5", json!(10.5)),
        ("1.2.3", json!("1.2.3")),
        ("12abc", json!("12abc")),
        ("2024-01-01", json!("2024-01-01")),
        ("2024-01-01T00:00:00Z", json!("2024-01-01T00:00:00Z")),
        (".inf", json!(".inf")),
        (".nan", json!(".nan")),
        ("'1'", json!("1")),
        ("\"yes\"", json!("yes")),
        ("!!str 1", json!("1")),
        ("!!int '7'", json!(7)),
        ("!!float 3", json!(3.0)),
        ("18446744073709551615", json!(u64::MAX)),
        (".", json!(".")),
        ("_1", json!("_1")),
    ] {
        assert_eq!(loaded(&format!("a: {word}"))["a"], expected, "{word}");
    }
}

#[test]
fn anchors_and_merge_keys_are_taken_in() {
    for (text, expected) in [
        ("x: &x {k: 1}\na: *x", json!({"k": 1})),
        ("x: &x {k: 1}\na: {<<: *x, l: 2}", json!({"k": 1, "l": 2})),
        ("x: &x {k: 1}\na: {k: 0, <<: *x}", json!({"k": 0})),
        ("x: &x {k: 1}\ny: &y {k: 2, m: 3}\na: {<<: [*x, *y]}", json!({"k": 1, "m": 3})),
        ("x: &x {k: 1}\ny: &y {<<: *x, l: 2}\na: {<<: *y}", json!({"k": 1, "l": 2})),
        ("a: {'<<': 1}", json!({"<<": 1})),
        ("a: {b: 1, b: 2}", json!({"b": 2})),
        ("a: {404: x, on: y}", json!({"404": "x", "on": "y"})),
    ] {
        assert_eq!(loaded(text)["a"], expected, "{text}");
    }
    let keys: Vec<_> =
        loaded("x: &x {k: 1, m: 2}\na: {z: 1, <<: *x}")["a"].as_object().expect("a map").keys().cloned().collect();
    assert_eq!(keys, ["k", "m", "z"], "what is taken in stands first");
}

#[test]
fn a_key_written_twice_counts_once_and_is_told() {
    let document = document("a:\n  b: 1\n  b: 2\n");
    let told: Vec<String> = document.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["shop.yaml:3:3: 'b' is written twice in one mapping; the later one counts"]);
}

#[test]
fn what_is_no_document_is_told_with_its_place() {
    for (text, line, said) in [
        ("a: [1\nb: 2\n", 2, "not YAML"),
        ("a: *x\n", 1, "alias that nothing before it is named by"),
        ("a: &x [*x]\n", 1, "stands inside of what it names"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: {<<: 1}\n", 1, "takes in mappings only"),
        ("a: {<<: [{b: 1}, 2]}\n", 1, "takes in mappings only"),
        ("a: !secret x\n", 1, "this tag has no meaning"),
        ("a: !!binary x\n", 1, "this tag has no meaning"),
        ("? [a]\n: 1\n", 1, "a key must be one word"),
        ("a:\n\tb: 1\n", 2, "not YAML"),
    ] {
        let problems = Document::parse("shop.yaml", text, Limits::default()).expect_err(text);
        assert_eq!(problems[0].place().line, line, "{}", problems[0]);
        assert!(problems[0].message().contains(said), "{}", problems[0]);
    }
}

#[test]
fn every_bound_is_told_by_name() {
    let deep = format!("a: {}1{}", "[".repeat(200), "]".repeat(200));
    let wide = format!("x: &x {{{}}}\n", (0..100).map(|at| format!("k{at}: 1")).collect::<Vec<_>>().join(", "));
    let merged = wide + &(0..100).map(|at| format!("m{at}: {{<<: *x}}\n")).collect::<String>();
    let small = Limits { values_max: 5_000, text_bytes_max: 1 << 20, ..Limits::default() };
    for (text, limits, said) in [
        (deep.as_str(), small, "more than 128 levels"),
        (merged.as_str(), small, "more than 5000 values"),
        ("a: 12345", Limits { text_bytes_max: 4, ..small }, "a manifest may have 4"),
    ] {
        let problems = Document::parse("shop.yaml", text, limits).expect_err(said);
        assert_eq!(problems[0].code(), "manifest_too_large");
        assert!(problems[0].message().contains(said), "{}", problems[0]);
    }
}

#[test]
fn an_empty_text_is_nothing() {
    for text in ["", "# only a comment\n", "---\n"] {
        assert!(document(text).root().is_null(), "{text:?}");
    }
}

#[test]
fn json_is_read_with_its_own_escapes() {
    for (text, expected) in [
        (r#"{"a": "\/x"}"#, json!("/x")),
        (r#"{"a": "\ud83d\ude00"}"#, json!("\u{1f600}")),
        ("{\"a\":\t[1,2]}", json!([1, 2])),
    ] {
        assert_eq!(loaded(text)["a"], expected, "{text}");
    }
}
