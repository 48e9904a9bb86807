//! The scripted source as a client meets it, over a socket.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use super::{Script, ScriptError, ScriptedSource};

/// What came back: status, head and body, as far as it came.
struct Came {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Came {
    fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

fn source(script: &str) -> ScriptedSource {
    ScriptedSource::start(Script::parse(script).unwrap_or_else(|error| panic!("{error}"))).expect("a free port")
}

fn get(source: &ScriptedSource, path: &str) -> Came {
    ask(source, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

fn post(source: &ScriptedSource, path: &str, kind: &str, body: &str) -> Came {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\n");
    ask(source, &format!("{head}authorization: Bearer t\r\ncontent-length: {length}\r\n\r\n{body}"))
}

fn ask(source: &ScriptedSource, request: &str) -> Came {
    let mut stream = TcpStream::connect(source.address()).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it answers and closes");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Came { status, head, body: bytes[end + 4..].to_vec() }
}

#[test]
fn the_first_route_that_fits_answers_and_others_are_marked() {
    let source = source(
        "routes:\n\
         - { on: 'GET /a/{x}', when: { query: { kind: b, other: null } }, reply: { json: { x: '{path.x}', of: $BASE } } }\n\
         - { on: 'GET /a/{x}', reply: { status: 202, headers: { X-Kind: '{query.kind}' }, text: plain } }\n\
         - { on: POST /json, when: { body: { deep: { a: 1 } } }, reply: { json: [1] } }\n",
    );
    let first = get(&source, "/a/7?kind=b");
    assert_eq!((first.status, first.json()), (200, json!({ "x": "7", "of": format!("http://{}", source.address()) })));
    let second = get(&source, "/a/7?kind=b&other=1");
    assert_eq!((second.status, second.body.as_slice()), (202, b"plain".as_slice()));
    assert!(second.head.contains("X-Kind: b"), "{}", second.head);
    assert_eq!(post(&source, "/json", "application/json", r#"{"deep":{"a":1,"b":2}}"#).status, 200);
    assert_eq!(post(&source, "/json", "application/json", r#"{"deep":{"a":2}}"#).status, 404);
    assert_eq!(get(&source, "/b").status, 404);
    let marked = source.requests().iter().filter(|line| line["unmatched"] == true).count();
    assert_eq!(marked, 2);
}

#[test]
fn replies_in_turn_are_walked_by_each_request_or_by_the_route() {
    let source = source(
        "routes:\n\
         - { on: GET /own, reply: [{ status: 429 }, { json: 1 }] }\n\
         - { on: GET /all, per: route, reply: [{ status: 429 }, { json: 1 }] }\n",
    );
    let statuses = |paths: &[&str]| paths.iter().map(|path| get(&source, path).status).collect::<Vec<_>>();
    assert_eq!(statuses(&["/own", "/own?a=1&b=2", "/own", "/own", "/own?b=2&a=1"]), [429, 429, 200, 200, 200]);
    assert_eq!(statuses(&["/all", "/all?a=1", "/all?a=2"]), [429, 200, 200]);
}

#[test]
fn pages_are_cut_by_number_offset_and_cursor_after_filtering() {
    let source = source(
        "data: { rows: { count: 5, start: '2024-01-01T00:00:00Z', every: 3600, each: { id: '{n}', at: '{time}' } } }\n\
         routes:\n\
         - { on: GET /page, reply: { pages: { of: rows, page: query.page, size: 2, at: [d, items], with: { d: { n: '{page}' } }, link: true } } }\n\
         - { on: GET /offset, reply: { pages: { of: rows, offset: query.from, size: { from: query.size, or: 4 } } } }\n\
         - { on: GET /cursor, reply: { pages: { of: rows, where: [{ field: at, after: query.since }], cursor: query.c, size: 2, at: [items], with: { next: '{next}' } } } }\n",
    );
    let ids = |rows: &Json| rows.as_array().expect("a list").iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    let page = get(&source, "/page?page=2");
    assert_eq!((ids(&page.json()["d"]["items"]), page.json()["d"]["n"].clone()), (vec![json!(3), json!(4)], json!(2)));
    assert!(page.head.contains("/page?page=3>; rel=\"next\""), "{}", page.head);
    assert!(!get(&source, "/page?page=3").head.contains("rel="));
    assert_eq!(ids(&get(&source, "/offset?from=3").json()), [json!(4), json!(5)]);
    assert_eq!(ids(&get(&source, "/offset?size=1").json()), [json!(1)]);
    let cursor = get(&source, "/cursor?since=2024-01-01T01:00:00Z").json();
    assert_eq!((ids(&cursor["items"]), cursor["next"].clone()), (vec![json!(2), json!(3)], json!("after-2")));
    let last = get(&source, "/cursor?since=2024-01-01T01:00:00Z&c=after-2").json();
    assert_eq!((ids(&last["items"]), last["next"].clone()), (vec![json!(4), json!(5)], Json::Null));
}

#[test]
fn the_log_is_the_same_whatever_the_port_and_the_order_of_parameters() {
    let source = source("log: { headers: [accept] }\nroutes: [{ on: POST /a, reply: { json: 1 } }]\n");
    let back = format!("http://{}/b", source.address());
    post(&source, &format!("/a?z=1&a=2&u={back}"), "application/x-www-form-urlencoded", "b=2&a=%C3%BC");
    let headers = json!({ "authorization": "Bearer t", "content-type": "application/x-www-form-urlencoded" });
    let wanted = json!({
        "method": "POST", "path": "/a", "query": ["a=2", "u=$BASE/b", "z=1"],
        "headers": headers, "body": { "form": ["a=ü", "b=2"] }
    });
    assert_eq!(source.requests(), [wanted]);
}

#[test]
fn bodies_are_packed_truncated_and_cut() {
    let source = source(
        "routes:\n\
         - { on: GET /gzip, reply: { packed: gzip, text: hello } }\n\
         - { on: GET /encoded, reply: { packed: gzip_encoding, text: hello } }\n\
         - { on: GET /half, reply: { json: [1, 2, 3], truncate_to: 3 } }\n\
         - { on: GET /cut, reply: { json: [1, 2, 3], cut_after: 3 } }\n",
    );
    let unpacked = |body: &[u8]| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(body).read_to_string(&mut text).expect("it is gzip");
        text
    };
    assert_eq!(unpacked(&get(&source, "/gzip").body), "hello");
    let encoded = get(&source, "/encoded");
    assert_eq!(unpacked(&encoded.body), "hello");
    assert!(encoded.head.contains("Content-Encoding: gzip"), "{}", encoded.head);
    let half = get(&source, "/half");
    assert_eq!(half.body, b"[1,");
    assert!(half.head.contains("Content-Length: 3"), "{}", half.head);
    let cut = get(&source, "/cut");
    assert_eq!(cut.body, b"[1,");
    assert!(cut.head.contains("Content-Length: 7"), "{}", cut.head);
}

#[test]
fn scripts_that_say_nothing_sensible_are_refused() {
    let refused = |script: &str| Script::parse(script).expect_err("it is wrong").to_string();
    assert!(refused("routes: [{ on: /a, reply: {} }]").contains("METHOD /path"));
    assert!(refused("routes: [{ on: GET /a, reply: { pages: { of: x } } }]").contains("no data set"));
    assert!(matches!(Script::parse("routes: [{ on: GET /a, replies: {} }]"), Err(ScriptError::Shape(_))));
    assert!(matches!(Script::parse("routes: ["), Err(ScriptError::Yaml(_))));
}
