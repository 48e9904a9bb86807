//! Bodies that break parsers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::BODY_BYTES_MAX;
use crate::dice::Dice;

/// Values that break readers of paths and queries.
pub const WILD_PARAMETERS: [&str; 14] = [
    "",
    "%00",
    "%ff%fe",
    "-1",
    "18446744073709551616",
    "1e9",
    "a%2fb",
    "..%2f..%2f",
    "%27%20OR%201=1--",
    "%25%25",
    "evt_00000000000000000000000000",
    "9999-12-31T23:59:60Z",
    "-9999-01-01T00:00:00Z",
    "%F0%9F%9A%A3",
];

pub struct Poison {
    pub name: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Odd, but within every limit: a gateway that refuses it loses an event.
    pub must_be_taken: bool,
}

pub fn all(dice: &mut Dice) -> Vec<Poison> {
    let mut all: Vec<Poison> = json().into_iter().chain(bytes()).collect();
    all.extend(compressed());
    all.extend((0..20).map(|number| {
        let length = dice.index(5_000);
        let noise = (0..length).map(|_| dice.next().to_le_bytes()[0]).collect();
        poison(format!("noise {number}"), "application/octet-stream", noise, true)
    }));
    all
}

fn poison(name: impl Into<String>, content_type: &str, body: Vec<u8>, must_be_taken: bool) -> Poison {
    Poison { name: name.into(), headers: vec![("content-type", content_type.to_owned())], body, must_be_taken }
}

fn json() -> Vec<Poison> {
    let nested = |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let texts = [
        ("arrays nested 100,000 deep", nested("[", "]", 100_000)),
        ("objects nested 100,000 deep", nested("{\"a\":", "}", 100_000)),
        ("arrays nested 127 deep", nested("[", "]", 127)),
        ("arrays nested 129 deep", nested("[", "]", 129)),
        ("brackets without end", "[".repeat(1_000_000)),
        ("duplicate keys", r#"{"a":1,"a":2,"type":"x","type":"y","id":1,"id":2}"#.to_owned()),
        ("a number of 400,000 digits", format!("{{\"a\":{}}}", "9".repeat(400_000))),
        ("an exponent of 400,000", r#"{"a":1e400000,"b":-1e-400000}"#.to_owned()),
        ("integers past 64 bits", r#"{"a":18446744073709551616,"b":-9223372036854775809}"#.to_owned()),
        ("a zero character, escaped", r#"{"a":"\u0000","\u0000":1}"#.to_owned()),
        ("a lone surrogate", r#"{"a":"\ud800","b":"\udc00\ud800"}"#.to_owned()),
        ("a key of a megabyte", format!("{{\"{}\":1}}", "k".repeat(1_000_000))),
        (
            "200,000 keys",
            format!("{{{}}}", (0..200_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",")),
        ),
        (
            "names of the language itself",
            r#"{"__proto__":{"a":5},"constructor":1,"$$":2,"data":{"data":3}}"#.to_owned(),
        ),
        ("terminal escapes and text direction", "{\"a\":\"\u{202e}\\u001b[2J<script>alert(1)</script>\"}".to_owned()),
        ("JSON with a byte order mark", "\u{feff}{\"a\":1}".to_owned()),
        ("two documents", "{\"a\":1}{\"a\":2}".to_owned()),
        ("half a document", r#"{"a":[1,2,{"b":"c"#.to_owned()),
        ("10 MiB of JSON", format!("{{\"a\":\"{}\"}}", "x".repeat(10 * 1024 * 1024))),
    ];
    texts.map(|(name, text)| poison(name, "application/json", text.into_bytes(), true)).into()
}

fn bytes() -> Vec<Poison> {
    vec![
        poison("no bytes at all", "application/json", Vec::new(), true),
        poison("a zero byte", "application/json", vec![0], true),
        poison("zero bytes", "text/plain", vec![0; 4096], true),
        poison("invalid UTF-8", "application/json", b"{\"a\":\"\xff\xfe\xc0\x80\xed\xa0\x80\"}".to_vec(), true),
        poison(
            "overlong UTF-8 as a form",
            "application/x-www-form-urlencoded",
            b"a=\xc0\xaf&%00=%ff&&&==".to_vec(),
            true,
        ),
        poison("a form of 100,000 fields", "application/x-www-form-urlencoded", b"a=1&".repeat(100_000), true),
        poison("a content type without end", &"a/b;".repeat(1_000), b"{}".to_vec(), false),
        poison("larger than may be", "application/json", vec![b'x'; BODY_BYTES_MAX + 1], false),
        poison(
            "entities that expand",
            "application/xml",
            b"<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>".to_vec(),
            true,
        ),
    ]
}

fn compressed() -> Vec<Poison> {
    let zeros = vec![b'0'; 8 * BODY_BYTES_MAX];
    let bomb = gzip(&zeros);
    let nested = gzip(&bomb);
    let mut torn = gzip(b"{\"a\":1}");
    torn.truncate(torn.len() - 6);
    let encoded = |name: &str, encoding: &str, body: Vec<u8>| {
        let mut poison = poison(name, "application/json", body, false);
        poison.headers.push(("content-encoding", encoding.to_owned()));
        poison
    };
    vec![
        encoded("a gzip bomb", "gzip", bomb.clone()),
        encoded("a bomb in a bomb", "gzip, gzip", nested),
        encoded("a torn gzip", "gzip", torn),
        encoded("a gzip that is none", "gzip", b"{\"a\":1}".to_vec()),
        encoded("deflate that is none", "deflate", vec![0xff; 100]),
        encoded("an unknown encoding", "br, zstd, x-quine", vec![1, 2, 3]),
        poison("a bomb that nobody says is one", "application/gzip", bomb, true),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
