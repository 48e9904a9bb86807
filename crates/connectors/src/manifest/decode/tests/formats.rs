//! Each format: what is read, and what is refused.

use super::*;

#[test]
fn a_page_of_json_gives_its_elements_and_an_empty_reply_one_item_without_fields() {
    for (body, expected) in [
        (r#"{"a": 1}"#, json!([{"a": 1}])),
        (r#"[{"a": 1}, 2, null]"#, json!([{"a": 1}, 2, null])),
        ("\u{feff}[1]", json!([1])),
        ("[]", json!([{}])),
        ("", json!([{}])),
        (" \n", json!([{}])),
        ("null", json!([{}])),
        ("0", json!([0])),
        (r#"{"a": 1, "a": 2}"#, json!([{"a": 2}])),
        (r#"{"far": 52.520006599999999, "big": 1e16}"#, json!([{"far": 52.5200066, "big": 1e16}])),
        (r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN"}"#, json!([{"a": null, "b": [null, null], "c": "NaN"}])),
        (r#"["\ud83d\ude00 \ud83d x \ude00 \\ud83d"]"#, json!(["😀 \u{fffd} x \u{fffd} \\ud83d"])),
    ] {
        assert_eq!(Json::Array(decode(&Decoder::Json, body.as_bytes()).expect(body)), expected, "{body}");
        assert_eq!(Json::Array(Decoder::Json.page(body.as_bytes()).expect(body)), expected, "{body}");
    }
}

#[test]
fn a_page_that_is_no_json_is_an_error_and_never_an_empty_page() {
    for (body, expected) in [
        (&b"{\"a\": [1, 2"[..], "reply_truncated"),
        (b"[{\"a\": 1}, ", "reply_truncated"),
        (b"[\"a", "reply_truncated"),
        (b"<html></html>", "reply_malformed"),
        (b"{} {}", "reply_malformed"),
        (b"[\"\xff\"]", "reply_charset"),
    ] {
        let body_text = String::from_utf8_lossy(body);
        assert_eq!(code(&Decoder::Json, body), expected, "{body_text}");
        assert_eq!(Decoder::Json.page(body).expect_err("no page").code(), expected, "{body_text}");
    }
    let deep = "[".repeat(JSON_DEPTH_MAX + 1) + &"]".repeat(JSON_DEPTH_MAX + 1);
    assert_eq!(code(&Decoder::Json, deep.as_bytes()), "reply_malformed");
    assert!(decode(&Decoder::Json, &deep.as_bytes()[1..deep.len() - 1]).is_ok(), "the deepest that is read");
}

#[test]
fn lines_of_json_pass_over_what_is_none_but_not_over_a_cut_one() {
    let lines = "{\"a\":1}\r\n\n  \nnot json\n[1,2]\n{\"a\":\nNaN\n3";
    let mut items = Vec::new();
    let mut body = lines.as_bytes();
    let decoded = Decoder::Jsonl.decode(&mut body, &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    });
    let expected = Decoded { items: 4, skipped: 2, stopped: false };
    assert_eq!(decoded.expect("lines"), expected, "the one that ends in the middle of the body is only skipped");
    assert_eq!(items, [json!({"a": 1}), json!([1, 2]), json!(null), json!(3)]);
    match decode(&Decoder::Jsonl, b"{\"a\":1}\n{\"a\":") {
        Err(DecodeError::Truncated { items: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    for (body, expected) in [
        (&b"{}\n\"\xff\"\n"[..], "reply_charset"),
        (b"{}\n\"\xc3\n", "reply_charset"),
        (b"{}\n\"\xc3", "reply_truncated"),
    ] {
        assert_eq!(code(&Decoder::Jsonl, body), expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn each_line_of_a_text_is_a_record() {
    let expected = ["one", "", "two", "three"].map(|line| json!({ "record": line }));
    assert_eq!(decode(&Decoder::Iterable, b"one\n\ntwo\r\nthree").expect("lines"), expected);
    assert_eq!(code(&Decoder::Iterable, b"\xff"), "reply_charset");
}

#[test]
fn items_are_found_at_their_path_wherever_they_are_in_the_document() {
    let document = r#"{"meta": {"n": [1, {"users": [9]}]}, "data": {"users": [{"a": 1}, [2], null], "b": 1},
        "list": [{"x": [1]}, {"y": [2], "x": [3, 4]}], "a.b": [5], "a": {"b": [6]}, "scalar": 7, "odd": {"item": 8}}"#;
    for (path, expected) in [
        ("data.users", json!([{"a": 1}, [2], null])),
        ("list.item.x", json!([1, 3, 4])),
        ("a.b", json!([5, 6])),
        ("odd", json!([8])),
        ("scalar", json!([])),
        ("missing", json!([])),
        ("data", json!([])),
    ] {
        let decoder = decoder(&json!({ "type": "JsonItemsDecoder", "items_path": path }));
        assert_eq!(Json::Array(decode(&decoder, document.as_bytes()).expect(path)), expected, "{path}");
    }
    let users = decoder(&json!({ "type": "JsonItemsDecoder", "items_path": "data.users" }));
    match decode(&users, br#"{"data": {"users": [1, 2, {"a""#) {
        Err(DecodeError::Truncated { items: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    for (body, expected) in [
        (&br#"{"data": {"users": [1]}} x"#[..], "reply_malformed"),
        (br#"{"data": {"users": [1]}"#, "reply_truncated"),
        (b"", "reply_truncated"),
    ] {
        assert_eq!(code(&users, body), expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn rows_of_csv_are_records_by_the_names_of_the_first_row() {
    for (body, expected) in [
        ("a,b\n1,2\r\n3,4\r5,6", json!([{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}])),
        ("a,b\n\n1\n\n1,2,3,4\n", json!([{"a": "1", "b": null}, {"a": "1", "b": "2", "null": ["3", "4"]}])),
        ("a,b\n\"x,\r\ny\",\"q\"\"q\"\n", json!([{"a": "x,\ny", "b": "q\"q"}])),
        ("a,b\nx\"y,\"x\"y\n", json!([{"a": "x\"y", "b": "xy"}])),
        ("a,a\n1,2\n", json!([{"a": "2"}])),
        ("\u{feff}a\n \n", json!([{"\u{feff}a": " "}])),
        ("\na\n1\n", json!([{"null": ["a"]}, {"null": ["1"]}])),
        ("a,b\n", json!([])),
        ("", json!([])),
    ] {
        let csv = decoder(&json!({ "type": "CsvDecoder" }));
        assert_eq!(Json::Array(decode(&csv, body.as_bytes()).expect(body)), expected, "{body:?}");
    }
}

#[test]
fn csv_is_read_as_the_manifest_says_it_is_written() {
    for (written, body, expected) in [
        (json!({ "delimiter": "\\t" }), &b"a\tb\n1\t2"[..], json!([{"a": "1", "b": "2"}])),
        (json!({ "delimiter": "§" }), "a§b\n1§\u{a6}2".as_bytes(), json!([{"a": "1", "b": "\u{a6}2"}])),
        (json!({ "set_values_to_none": ["", "N/A"] }), b"a,b\nN/A,\n", json!([{"a": null, "b": null}])),
        (json!({ "encoding": "ISO-8859-1" }), b"a\n\xe9\x80\n", json!([{"a": "\u{e9}\u{80}"}])),
        (json!({ "encoding": "windows-1252" }), b"a\n\xe9\x80\n", json!([{"a": "é€"}])),
        (json!({ "encoding": "utf-8-sig" }), "\u{feff}a\n1\n".as_bytes(), json!([{"a": "1"}])),
        (json!({ "encoding": "utf_16" }), b"\xfe\xff\0a\0\n\0\xe9", json!([{"a": "é"}])),
        (json!({ "encoding": "utf-16-le" }), b"a\0\n\0\xe9\0", json!([{"a": "é"}])),
        (json!({ "encoding": "cp932" }), b"a\n\x82\xa0", json!([{"a": "あ"}])),
    ] {
        let mut written = written;
        written["type"] = "CsvDecoder".into();
        assert_eq!(Json::Array(decode(&decoder(&written), body).expect("rows")), expected, "{written}");
    }
}

#[test]
fn csv_that_is_cut_or_in_another_encoding_is_an_error() {
    let csv = |encoding: &str| decoder(&json!({ "type": "CsvDecoder", "encoding": encoding }));
    match decode(&csv("utf-8"), b"a,b\n1,2\n\"3\n") {
        Err(DecodeError::Truncated { items: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(code(&csv("utf-8"), b"a\n\xe9\n"), "reply_charset");
    assert_eq!(code(&csv("ascii"), b"a\n\xe9\n"), "reply_charset");
    assert_eq!(code(&csv("utf-16"), b"\xff\xfea\0\n\0\xe9"), "reply_charset", "half a character at the end");
    assert_eq!(code(&csv("shift_jis"), b"a\n\x82"), "reply_charset");
}

#[test]
fn xml_has_the_shape_of_its_elements() {
    for (body, expected) in [
        ("<a/>", json!({"a": null})),
        ("<a> t </a>", json!({"a": "t"})),
        ("<a k='v'>t</a>", json!({"a": {"@k": "v", "#text": "t"}})),
        ("<a><b>1</b><c/><b><d>2</d></b></a>", json!({"a": {"b": ["1", {"d": "2"}], "c": null}})),
        ("<a>x<b/>y</a>", json!({"a": {"b": null, "#text": "xy"}})),
        ("<s:a xmlns:s='u'><s:b/></s:a>", json!({"s:a": {"@xmlns:s": "u", "s:b": null}})),
        ("<a k='1&#10;2\n3'>&lt;&#x41;<![CDATA[ <b> ]]></a>", json!({"a": {"@k": "1\n2 3", "#text": "<A <b>"}})),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>1&e;2</a>", json!({"a": "12"})),
        ("\u{feff}<?xml version='1.0'?><!-- c --><a>é</a>\n", json!({"a": "é"})),
        ("", json!({})),
    ] {
        assert_eq!(decode(&Decoder::Xml, body.as_bytes()).expect(body), [expected], "{body}");
    }
    let latin = b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>";
    assert_eq!(decode(&Decoder::Xml, latin).expect("latin"), [json!({"a": "é"})]);
    let wide: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decode(&Decoder::Xml, &wide).expect("utf-16"), [json!({"a": "é"})]);
}

#[test]
fn xml_that_is_cut_broken_or_meant_to_exhaust_is_an_error() {
    let deep = "<a>".repeat(XML_DEPTH_MAX + 1);
    for (body, expected) in [
        ("<a><b>", "reply_truncated"),
        ("<a><b", "reply_truncated"),
        ("<?xml version='1.0'?>", "reply_truncated"),
        ("<a></b>", "reply_malformed"),
        ("<a/><b/>", "reply_malformed"),
        ("<a/>x", "reply_malformed"),
        ("<a>&e;</a>", "reply_malformed"),
        ("{}", "reply_malformed"),
        (&deep, "reply_too_large"),
        ("<?xml version='1.0' encoding='klingon'?><a/>", "reply_charset"),
    ] {
        assert_eq!(code(&Decoder::Xml, body.as_bytes()), expected, "{body:.60}");
    }
    assert_eq!(code(&Decoder::Xml, b"<a>\xe9</a>"), "reply_charset");
}

#[test]
fn a_decoder_that_the_format_does_not_have_is_a_problem_with_its_place() {
    for (written, part) in [
        (json!({ "type": "CsvDecoder", "encoding": "klingon" }), "decoder.encoding"),
        (json!({ "type": "CsvDecoder", "delimiter": "ab" }), "decoder.delimiter"),
        (json!({ "type": "JsonItemsDecoder" }), "items_path"),
        (json!({ "type": "JsonItemsDecoder", "items_path": "" }), "items_path"),
        (json!({ "type": "GzipDecoder" }), "decoder"),
        (json!({ "type": "GzipDecoder", "decoder": { "type": "XmlDecoder" } }), "JsonlDecoder"),
        (
            json!({ "type": "ZipfileDecoder", "decoder": { "type": "ZipfileDecoder", "decoder": { "type": "JsonDecoder" } } }),
            "JsonlDecoder",
        ),
        (json!({ "type": "CustomDecoder", "class_name": "x.Y" }), "x.Y"),
        (json!({ "type": "UnheardOfDecoder" }), "UnheardOfDecoder"),
    ] {
        let problem = try_decoder(&written).expect_err("a problem").to_string();
        assert!(problem.contains(part), "{written}: {problem}");
    }
    let mut nested = json!({ "type": "JsonDecoder" });
    for _ in 0..=NESTED_MAX {
        nested = json!({ "type": "GzipDecoder", "decoder": nested });
    }
    let problem = try_decoder(&nested).expect_err("too deep").to_string();
    assert!(problem.contains("at most 8 decoders"), "{problem}");
}

#[test]
fn only_formats_that_are_read_once_are_streams() {
    for (kind, streamed) in [
        ("JsonDecoder", false),
        ("XmlDecoder", false),
        ("JsonlDecoder", true),
        ("CsvDecoder", true),
        ("IterableDecoder", true),
    ] {
        assert_eq!(decoder(&json!({ "type": kind })).is_streamed(), streamed, "{kind}");
    }
    let inside = json!({ "type": "JsonDecoder" });
    assert!(decoder(&json!({ "type": "GzipDecoder", "decoder": inside })).is_streamed());
    assert!(!decoder(&json!({ "type": "ZipfileDecoder", "decoder": inside })).is_streamed());
}

#[test]
fn who_has_enough_is_given_no_more() {
    for (written, body) in [
        (json!({ "type": "JsonDecoder" }), "[1,2,3]"),
        (json!({ "type": "JsonlDecoder" }), "1\n2\n3\n{"),
        (json!({ "type": "IterableDecoder" }), "1\n2\n3"),
        (json!({ "type": "CsvDecoder" }), "a\n1\n2\n\"3"),
        (json!({ "type": "JsonItemsDecoder", "items_path": "a" }), r#"{"a": [1, 2, 3, {"#),
    ] {
        let mut seen = 0;
        let decoded = decoder(&written).decode(&mut body.as_bytes(), &mut |_| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(decoded.expect(body), Decoded { items: 2, skipped: 0, stopped: true }, "{written}");
    }
}

#[test]
fn every_size_has_its_limit() {
    let limits = Limits { document_bytes: 20, item_bytes: 20, inflated_bytes: 60, archive_entries: 1 };
    let long = "x".repeat(30);
    for (written, body) in [
        (json!({ "type": "JsonDecoder" }), format!("[\"{long}\"]")),
        (json!({ "type": "XmlDecoder" }), format!("<a>{long}</a>")),
        (json!({ "type": "JsonlDecoder" }), format!("\"{long}\"\n")),
        (json!({ "type": "IterableDecoder" }), long.clone()),
        (json!({ "type": "CsvDecoder" }), format!("a\n\"{}\n{}\"\n", &long[..15], &long[..15])),
        (json!({ "type": "JsonItemsDecoder", "items_path": "a" }), format!("{{\"a\": [\"{long}\"]}}")),
    ] {
        let mut given = 0;
        let refused = decoder(&written).decode_within(&mut body.as_bytes(), &limits, &mut |_| {
            given += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(refused.expect_err("too large").code(), "reply_too_large", "{written}");
        assert_eq!(given, 0, "{written}");
    }
    let wide = ",".repeat(20_000);
    assert_eq!(code(&decoder(&json!({ "type": "CsvDecoder" })), wide.as_bytes()), "reply_too_large");
}

#[test]
fn a_connection_that_breaks_is_told_from_contents_that_are_wrong() {
    struct Broken;
    impl Bytes for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    for kind in ["JsonDecoder", "JsonlDecoder", "CsvDecoder", "IterableDecoder", "XmlDecoder"] {
        let mut body = b"a\n1\n".chain(Broken);
        let error = decoder(&json!({ "type": kind })).decode(&mut body, &mut |_| ControlFlow::Continue(()));
        assert_eq!(error.expect_err("broken").code(), "reply_unreadable", "{kind}");
    }
}
