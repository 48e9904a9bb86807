//! Every route with junk: never anything but an answer of its own or a problem, and never a 500.

use engine::entropy::{Entropy, SeededEntropy};
use serde_json::Value;

use crate::gateway::{Call, Gateway};

const ROUNDS: usize = 4_000;
const METHODS: [&str; 9] = ["GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
const HEADERS: [&str; 10] = [
    "content-type",
    "content-encoding",
    "idempotency-key",
    "last-event-id",
    "authorization",
    "x-forwarded-for",
    "accept",
    "content-length",
    "transfer-encoding",
    "webhook-id",
];
const SEGMENTS: [&str; 14] = [
    "",
    "..",
    "%00",
    "%ff",
    "%2F",
    "*",
    "evt_00000000000000000000000000",
    "dlv_7zzzzzzzzzzzzzzzzzzzzzzzzz",
    "github",
    "own",
    "app",
    "a'b\"c",
    "\u{e9}",
    "{id}",
];
const VALUES: [&str; 22] = [
    "",
    "0",
    "-1",
    "99999999999999999999",
    "1e400000",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "own",
    "' OR 1=1 --",
    "%",
    "*",
    "2026-01-01T00:00:00Z",
    "-9999-01-01T00:00:00Z",
    "application/json",
    "gzip",
    "chunked",
    "dead",
    "AAAAAAAA",
    "\u{202e}\u{0}",
];

struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, end: usize) -> usize {
        (self.0.unit() * end as f64) as usize
    }

    fn of<'a>(&self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.below(60)];
        self.0.fill(&mut bytes);
        bytes
    }

    /// JSON that may have the right names, and anything as values.
    fn json(&self, names: &[String], depth: usize) -> String {
        match self.below(if depth == 0 { 2 } else { 5 }) {
            0 => self.of(&["0", "-1", "1e999", "null", "true", "\"\\u0000\"", "\"x\"", "{}", "[]"]).to_owned(),
            1 => format!("{:?}", self.of(&VALUES).replace('\0', "")),
            2 => format!("[{}]", self.json(names, depth - 1)),
            _ => {
                let fields = (0..self.below(5)).map(|_| {
                    let name = &names[self.below(names.len())];
                    format!("{name:?}:{}", self.json(names, depth - 1))
                });
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Paths, and every name that a parameter or field may have, from the document.
fn vocabulary() -> (Vec<String>, Vec<String>) {
    let document = serde_json::to_value(api::openapi::document()).expect("JSON");
    let mut paths: Vec<String> = document["paths"].as_object().expect("paths").keys().cloned().collect();
    paths.extend(
        ["/in/{source}", "/in/{source}/{connection}", "/t/{tenant}/in/{source}", "*", "/api", "//"].map(str::to_owned),
    );
    let mut names = Vec::new();
    collect_names(&document, &mut names);
    names.sort();
    names.dedup();
    (paths, names)
}

fn collect_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                names.extend(properties.keys().cloned());
            }
            names.extend(object.get("name").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect_names(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}

fn junk(chance: &Chance, paths: &[String], names: &[String]) -> Option<Call> {
    let path = &paths[chance.below(paths.len())];
    let filled = path.split('/').map(|part| if part.starts_with('{') { chance.of(&SEGMENTS) } else { part });
    let mut path = filled.collect::<Vec<_>>().join("/");
    let parameters = (0..chance.below(4)).map(|_| {
        let value = data_encoding::HEXLOWER.encode(chance.of(&VALUES).as_bytes());
        let escaped: String =
            value.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect();
        format!("{}={escaped}", names[chance.below(names.len())])
    });
    let query = parameters.collect::<Vec<_>>().join("&");
    if !query.is_empty() {
        path = format!("{path}?{query}");
    }
    // What is no request at all is for the server's tests.
    path.parse::<http::Uri>().ok()?;
    let mut call = Call::new(chance.of(&METHODS), &path);
    for _ in 0..chance.below(4) {
        let value = if chance.below(3) == 0 { chance.bytes() } else { chance.of(&VALUES).as_bytes().to_vec() };
        if http::HeaderValue::from_bytes(&value).is_ok() {
            call = call.header(chance.of(&HEADERS), value);
        }
    }
    Some(match chance.below(4) {
        0 => call,
        1 => call.bytes(chance.bytes()),
        _ => call.header("content-type", "application/json").bytes(chance.json(names, 4)),
    })
}

#[tokio::test]
async fn junk_never_gets_a_500() {
    const SEED: u64 = 20_261_121;
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    gateway.publish("order.created").await;
    let (paths, names) = vocabulary();
    let chance = Chance(SeededEntropy::new(SEED));
    let (mut fine, mut problems) = (0, std::collections::BTreeMap::<String, usize>::new());
    for round in 0..ROUNDS {
        let Some(call) = junk(&chance, &paths, &names) else { continue };
        let response = gateway.send(call).await;
        let status = response.status();
        assert!(!status.is_server_error() || status == 503, "seed {SEED}, round {round}: {status}");
        if status.is_success() {
            fine += 1;
            continue;
        }
        if let Some(code) = response.extensions().get::<api::problem::Code>() {
            *problems.entry(code.as_str().to_owned()).or_default() += 1;
        }
        assert_eq!(response.headers()["content-type"], "application/problem+json", "seed {SEED}, round {round}");
    }
    assert!(fine > 50 && problems.len() > 8, "the junk must reach the handlers: {fine}, {problems:?}");
}
