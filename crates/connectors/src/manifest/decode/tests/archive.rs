//! Compressed bodies and archives.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// How a file is written into an archive.
#[derive(Clone, Copy)]
struct Written {
    deflated: bool,
    /// The lengths follow the contents, with or without their signature.
    lengths_follow: Option<bool>,
}

const STORED: Written = Written { deflated: false, lengths_follow: None };
const DEFLATED: Written = Written { deflated: true, lengths_follow: None };
const STREAMED: Written = Written { deflated: true, lengths_follow: Some(true) };
const STREAMED_UNSIGNED: Written = Written { deflated: true, lengths_follow: Some(false) };

fn archive(files: &[(&str, &[u8], Written)]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, contents, written) in files {
        let packed = match written.deflated {
            true => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(contents).expect("memory");
                encoder.finish().expect("memory")
            }
            false => contents.to_vec(),
        };
        let checksum = crc32fast::hash(contents);
        let lengths: Vec<u8> =
            [checksum, packed.len() as u32, contents.len() as u32].iter().flat_map(|n| n.to_le_bytes()).collect();
        let flags: u16 = if written.lengths_follow.is_some() { 8 } else { 0 };
        let method: u16 = if written.deflated { 8 } else { 0 };
        let mut header = Vec::new();
        header.extend(20_u16.to_le_bytes());
        header.extend(flags.to_le_bytes());
        header.extend(method.to_le_bytes());
        header.extend([0; 4]);
        header.extend(if written.lengths_follow.is_some() { &[0; 12] } else { &lengths[..] });
        header.extend((name.len() as u16).to_le_bytes());
        header.extend(0_u16.to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&header);
        out.extend(name.as_bytes());
        out.extend(&packed);
        if let Some(signed) = written.lengths_follow {
            out.extend(if signed { &b"PK\x07\x08"[..] } else { b"" });
            out.extend(&lengths);
        }
        central.extend(b"PK\x01\x02\x14\0");
        central.extend(&header);
        central.extend([0; 14]);
        central.extend(name.as_bytes());
    }
    out.extend(central);
    out.extend(b"PK\x05\x06");
    out.extend([0; 18]);
    out
}

fn zip_of(kind: &str) -> Decoder {
    decoder(&json!({ "type": "ZipfileDecoder", "decoder": { "type": kind } }))
}

#[test]
fn gzip_is_inflated_and_what_is_not_gzip_passes() {
    let lines = decoder(&json!({ "type": "GzipDecoder", "decoder": { "type": "JsonlDecoder" } }));
    let expected = [json!(1), json!(2)];
    assert_eq!(decode(&lines, b"1\n2\n").expect("plain"), expected);
    assert_eq!(decode(&lines, &gzip(b"1\n2\n")).expect("gzip"), expected);
    assert_eq!(decode(&lines, &[gzip(b"1\n"), gzip(b"2\n")].concat()).expect("two members"), expected);
    assert_eq!(decode(&lines, b"1").expect("one byte"), [json!(1)]);
    assert_eq!(decode(&lines, b"").expect("nothing"), Vec::<Json>::new());
    let twice = decoder(
        &json!({ "type": "GzipDecoder", "decoder": { "type": "GzipDecoder", "decoder": { "type": "CsvDecoder" } } }),
    );
    assert_eq!(decode(&twice, &gzip(&gzip(b"a\n1\n"))).expect("twice"), [json!({"a": "1"})]);
    let json = decoder(&json!({ "type": "GzipDecoder", "decoder": { "type": "JsonDecoder" } }));
    assert_eq!(decode(&json, &gzip(b"[1, 2]")).expect("a page"), expected);
    assert_eq!(
        decode(&json, b"[]").expect("an empty list"),
        Vec::<Json>::new(),
        "of a container there is no empty item"
    );
    assert_eq!(code(&json, b""), "reply_truncated");
    assert_eq!(code(&json, b"null"), "reply_malformed");
}

#[test]
fn gzip_that_is_cut_damaged_or_a_bomb_is_an_error() {
    let lines = decoder(&json!({ "type": "GzipDecoder", "decoder": { "type": "JsonlDecoder" } }));
    let body = gzip(&b"{\"a\": 1}\n".repeat(1000));
    for cut in [10, body.len() / 2, body.len() - 1] {
        assert_eq!(code(&lines, &body[..cut]), "reply_truncated", "{cut}");
    }
    let mut damaged = body.clone();
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    assert_eq!(code(&lines, &damaged), "reply_malformed", "the checksum");
    let limits = Limits { inflated_bytes: 100_000, ..Limits::DEFAULT };
    let bomb = gzip(&b"1\n".repeat(100_000));
    let refused = lines.decode_within(&mut &bomb[..], &limits, &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused.expect_err("a bomb").code(), "reply_too_large");
}

#[test]
fn every_file_of_an_archive_is_decoded_in_its_order() {
    let body = archive(&[
        ("folder/", b"", STORED),
        ("a.csv", b"n\n1\n", STORED),
        ("b.csv", b"n\n2\n3\n", DEFLATED),
        ("c.csv", b"n\n4\n", STREAMED),
        ("empty.csv", b"", DEFLATED),
        ("d.csv", b"n\n5\n", STREAMED_UNSIGNED),
    ]);
    let expected: Vec<Json> = (1..=5).map(|n| json!({ "n": n.to_string() })).collect();
    assert_eq!(decode(&zip_of("CsvDecoder"), &body).expect("an archive"), expected);
    assert_eq!(decode(&zip_of("CsvDecoder"), &archive(&[])).expect("an empty archive"), Vec::<Json>::new());
}

#[test]
fn an_archive_that_is_cut_damaged_or_not_read_here_is_an_error() {
    let csv = zip_of("CsvDecoder");
    let body = archive(&[("a.csv", b"n\n1\n", DEFLATED), ("b.csv", b"n\n2\n", STORED)]);
    for cut in 0..body.len() {
        assert_eq!(code(&csv, &body[..cut]), "reply_truncated", "{cut}");
    }
    let changed = |at: usize, to: u8| {
        let mut body = body.clone();
        body[at] = to;
        code(&csv, &body)
    };
    assert_eq!(changed(6, 1), "reply_unsupported", "encrypted");
    assert_eq!(changed(8, 12), "reply_unsupported", "another method");
    assert_eq!(changed(14, 0), "reply_malformed", "the checksum");
    assert_eq!(changed(0, b'X'), "reply_malformed", "no archive");
    let listed_once = archive(&[("a.csv", b"n\n1\n", STORED)]);
    let local = listed_once.len() - 22 - 46 - 5;
    let twice = [&listed_once[..local], &listed_once[..]].concat();
    assert_eq!(code(&csv, &twice), "reply_malformed", "a file that the directory does not list");
    let stored = Written { deflated: false, lengths_follow: Some(true) };
    assert_eq!(code(&csv, &archive(&[("a", b"1", stored)])), "reply_unsupported");
    assert_eq!(code(&zip_of("JsonDecoder"), &archive(&[("a.json", b"[1", STORED)])), "reply_truncated");
}

#[test]
fn an_archive_has_limits_too() {
    let body = archive(&[("a.csv", b"n\n1\n", DEFLATED), ("b.csv", b"n\n2\n", DEFLATED)]);
    for limits in [Limits { archive_entries: 1, ..Limits::DEFAULT }, Limits { inflated_bytes: 7, ..Limits::DEFAULT }] {
        let refused = zip_of("CsvDecoder").decode_within(&mut &body[..], &limits, &mut |_| ControlFlow::Continue(()));
        assert_eq!(refused.expect_err("too much").code(), "reply_too_large", "{limits:?}");
    }
    let exact = Limits { archive_entries: 2, inflated_bytes: 8, ..Limits::DEFAULT };
    let read = zip_of("CsvDecoder").decode_within(&mut &body[..], &exact, &mut |_| ControlFlow::Continue(()));
    assert_eq!(read.expect("as much as is allowed").items, 2);
}

#[test]
fn who_has_enough_of_an_archive_is_given_no_more_of_any_file() {
    let body = archive(&[("a.csv", b"n\n1\n2\n", DEFLATED), ("b.csv", b"n\n3\n", DEFLATED)]);
    let mut seen = 0;
    let decoded = zip_of("CsvDecoder").decode(&mut &body[..], &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((decoded.expect("an archive").stopped, seen), (true, 1));
}
