//! Requests that no library would send.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::http::{Client, Response};
use crate::wait::pause;

/// Longest that a bad connection may live: the product's own deadlines are shorter.
const LONGEST: Duration = Duration::from_secs(100);

pub struct Wire {
    pub name: &'static str,
    parts: Vec<Vec<u8>>,
    /// Pause between the parts; the last one is repeated until the other side has enough.
    drip: Option<Duration>,
    /// Nothing of this may be taken for an event.
    pub must_fail: bool,
}

impl Wire {
    /// Sends it, and gives the answer if there was one.
    pub fn play(&self, address: SocketAddr) -> Option<Response> {
        let mut client = Client::connect(address).expect("the gateway listens");
        let start = Instant::now();
        for part in &self.parts {
            if client.write(part).is_err() {
                return client.read().ok();
            }
        }
        if let (Some(gap), Some(last)) = (self.drip, self.parts.last()) {
            while client.write(last).is_ok() {
                assert!(start.elapsed() < LONGEST, "{} is still served after {LONGEST:?}", self.name);
                pause(gap);
            }
        }
        client.read().ok()
    }
}

fn wire(name: &'static str, text: impl Into<Vec<u8>>) -> Wire {
    Wire { name, parts: vec![text.into()], drip: None, must_fail: true }
}

fn dripping(name: &'static str, parts: [&[u8]; 2], gap: Duration) -> Wire {
    Wire { name, parts: parts.map(<[u8]>::to_vec).into(), drip: Some(gap), must_fail: true }
}

/// A request that is its own end for one reader and holds another one for the next. It may be taken, by RFC 9112 §6.1
/// as the chunks say; the hidden one may not.
fn hiding(name: &'static str, framing: &str) -> Wire {
    let text = format!("{POST}{framing}\r\n\r\n0\r\n\r\n{HIDDEN}");
    Wire { must_fail: false, ..wire(name, text) }
}

/// To a source that nothing else is sent to.
const HIDDEN: &str = "POST /in/hidden HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";
/// Where the hidden request ends for who believes the length.
const HIDDEN_END: usize = 5 + HIDDEN.len();
const POST: &str = "POST /in/open HTTP/1.1\r\nhost: localhost\r\n";

pub fn all() -> Vec<Wire> {
    let mut all = framing();
    all.extend(heads());
    all.extend(slow());
    all
}

/// Bodies whose length is a lie or is told twice.
fn framing() -> Vec<Wire> {
    let post = |rest: &str| format!("{POST}{rest}");
    vec![
        hiding("a length and chunks", &format!("content-length: {HIDDEN_END}\r\ntransfer-encoding: chunked")),
        hiding("chunks and a length", &format!("transfer-encoding: chunked\r\ncontent-length: {HIDDEN_END}")),
        hiding("chunks twice", "transfer-encoding: chunked, chunked"),
        hiding("chunks in two headers", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        hiding("another coding before the chunks", "transfer-encoding: identity, chunked"),
        wire("two lengths", post("content-length: 2\r\ncontent-length: 4\r\n\r\n{}xx")),
        wire("a list of lengths", post("content-length: 2, 4\r\n\r\n{}xx")),
        wire("a negative length", post("content-length: -1\r\n\r\n{}")),
        wire("a signed length", post("content-length: +2\r\n\r\n{}")),
        wire("a length past 64 bits", post("content-length: 99999999999999999999\r\n\r\n{}")),
        wire("a length that is no number", post("content-length: 0x10\r\n\r\n{}")),
        wire("a chunk past 64 bits", post("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
        wire("a chunk that is no number", post("transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")),
        wire("a chunk longer than it says", post("transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n")),
        wire("chunks under another name", post("transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")),
    ]
}

/// Heads that are none.
fn heads() -> Vec<Wire> {
    let post = |rest: &str| format!("{POST}{rest}");
    let long = |name: &'static str, bytes: usize| {
        wire(name, post(&format!("x: {}\r\ncontent-length: 2\r\n\r\n{{}}", "y".repeat(bytes))))
    };
    let many: String = (0..5_000).map(|number| format!("x-{number}: y\r\n")).collect();
    vec![
        long("a header of 128 KiB", 128 * 1024),
        long("a header of a MiB", 1024 * 1024),
        wire("5,000 headers", post(&format!("{many}content-length: 2\r\n\r\n{{}}"))),
        wire("a zero byte in a header", post("x: a\0b\r\ncontent-length: 2\r\n\r\n{}")),
        wire("a bare carriage return", post("x: a\rcontent-length: 2\r\n\r\n{}")),
        wire("a folded header", post("x: a\r\n b\r\ncontent-length: 2\r\n\r\n{}")),
        wire("a space before the colon", post("content-length : 2\r\n\r\n{}")),
        wire("a header without a name", post(": x\r\ncontent-length: 2\r\n\r\n{}")),
        wire(
            "a path of 100 KiB",
            format!("POST /in/{} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "a".repeat(100_000)),
        ),
        wire("a path that climbs", "POST /in/open/../../etc HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"),
        wire("a path with a zero byte", "POST /in/open%00 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"),
        wire(
            "a path that is no UTF-8",
            b"POST /in/\xff\xfe HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
        wire("a method of its own", "BREW /in/open HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"),
        wire("a tunnel", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        wire("HTTP/0.9", "GET /\r\n"),
        wire("HTTP/3.7", "POST /in/open HTTP/3.7\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"),
        wire("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(30)),
        wire(
            "an HTTP/2 preface and noise",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        ),
        wire("line ends and nothing else", "\r\n".repeat(50_000)),
        wire("noise", (0..=255_u8).cycle().take(70_000).collect::<Vec<_>>()),
    ]
}

/// Senders that take their time.
fn slow() -> Vec<Wire> {
    let head = format!("{POST}content-length: 100\r\n\r\n");
    let chunked = format!("{POST}transfer-encoding: chunked\r\n\r\n");
    let small = format!("20\r\n{}\r\n", "x".repeat(0x20)).repeat(1_000);
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut all = vec![
        wire("a body that never comes", head.as_str()),
        wire("half a head", POST),
        wire("nothing", ""),
        dripping("chunks without end", [chunked.as_bytes(), chunk.as_bytes()], Duration::ZERO),
        dripping("small chunks without end", [chunked.as_bytes(), small.as_bytes()], Duration::ZERO),
        dripping("a head without end", [POST.as_bytes(), b"x-more: y\r\n"], Duration::from_millis(1)),
    ];
    all.extend((0..30).map(|_| dripping("a dripping head", [POST.as_bytes(), b"a"], Duration::from_millis(700))));
    all.extend(
        (0..10).map(|_| dripping("a body that stops now and then", [head.as_bytes(), b"a"], Duration::from_secs(12))),
    );
    if std::env::var("TRIREME_SOAK").is_ok() {
        // Never silent for long, so that only the deadline of the whole body ends it, after a minute.
        all.push(dripping("a dripping body", [head.as_bytes(), b"a"], Duration::from_secs(3)));
    }
    all
}
