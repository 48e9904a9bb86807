//! Tables of asynchronous jobs.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;

fn rows(table: &Json, body: &[u8]) -> Result<Json, DecodeError> {
    let mut written = table.clone();
    written["type"] = "ResponseToFileExtractor".into();
    let document = Document::from_json(&json!({ "type": "AsyncRetriever", "download_extractor": written }));
    let table: Table = document.root().need("download_extractor").expect("a table");
    let mut rows = Vec::new();
    table.decode(&mut Drops(body), &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(Json::Array(rows))
}

#[test]
fn rows_are_records_and_texts_for_nothing_are_null() {
    for (body, expected) in [
        ("a,b\n1,2\n", json!([{"a": "1", "b": "2"}])),
        ("\n \t\na,b\n\n  \n1\n", json!([{"a": "1", "b": null}])),
        ("\u{feff}a,,a,a\n1,2,3,\"NA\"\n", json!([{"a": "1", "Unnamed: 1": "2", "a.1": "3", "a.2": null}])),
        ("a,a,a.1\n1,2,3\n", json!([{"a": "1", "a.2": "2", "a.1": "3"}])),
        ("a,b\nNone,nan\n null,N\0o\n", json!([{"a": null, "b": null}, {"a": " null", "b": "No"}])),
        ("a\n\"x\r\ny\"\n", json!([{"a": "x\ny"}])),
        ("", json!([])),
        ("a,b\n", json!([])),
    ] {
        assert_eq!(rows(&json!({}), body.as_bytes()).expect(body), expected, "{body:?}");
    }
    let kept = rows(&json!({ "preserve_na_values": true }), b"a,b,c\nNA,null,\"\"\n").expect("rows");
    assert_eq!(kept, json!([{"a": "NA", "b": "null", "c": null}]));
}

#[test]
fn a_compressed_table_is_inflated() {
    let table = b"a\n1\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(table).expect("memory");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(table).expect("memory");
    for body in [table.to_vec(), gzip.finish().expect("memory"), zlib.finish().expect("memory")] {
        assert_eq!(rows(&json!({}), &body).expect("rows"), json!([{"a": "1"}]));
        if body != table {
            assert_eq!(rows(&json!({}), &body[..body.len() - 3]).expect_err("cut").code(), "reply_truncated");
        }
    }
}

#[test]
fn a_table_that_is_cut_or_does_not_fit_its_header_is_an_error() {
    assert_eq!(rows(&json!({}), b"a,b\n1,\"2\n").expect_err("cut").code(), "reply_truncated");
    let error = rows(&json!({}), b"a,b\n1,2\n1,2,3\n").expect_err("too long");
    assert_eq!(error.code(), "reply_malformed");
    assert!(error.to_string().contains("row 2 has 3 fields, but the header 2"), "{error}");
}
