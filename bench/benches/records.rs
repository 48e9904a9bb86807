//! What making records of a page costs: 100 records of 486 bytes, decoded and selected in several ways. Prints CPU
//! nanoseconds per record; compares nothing and fails only if a record is missing.

#![expect(clippy::print_stdout, reason = "what it measured is what it is for")]

use std::hint::black_box;

use bench::stopwatch::thread_cpu;
use connectors::manifest::decode::Decoder;
use connectors::manifest::node::Document;
use connectors::manifest::schema::Schema;
use connectors::manifest::scope::Scope;
use connectors::manifest::select::Selector;
use connectors::manifest::transform::Transformation;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

const RECORDS: usize = 100;
const RECORD_BYTES: usize = 486;
const PAGES: u32 = 1_000;
/// Runs of each measure; the quickest counts, because everything else on the machine only adds.
const RUNS: usize = 7;

fn main() {
    let page = page();
    println!("{RECORDS} records of {RECORD_BYTES} bytes, CPU ns per record");
    print("decode", quickest(|| Decoder::Json.page(black_box(&page)).expect("a page").len()));
    let plain = json!({ "extractor": { "type": "DpathExtractor", "field_path": ["data"] } });
    let mut filtered = plain.clone();
    filtered["record_filter"] = json!({ "type": "RecordFilter", "condition": "{{ record.amount >= 0 }}" });
    let mut normalized = plain.clone();
    normalized["schema_normalization"] = "Default".into();
    let changes = json!([
        { "type": "AddFields", "fields": [
            { "path": ["source"], "value": "shop" },
            { "path": ["account"], "value": "{{ config['account'] }}" },
            { "path": ["key"], "value": "{{ record['id'] }}", "value_type": "string" },
        ] },
        { "type": "RemoveFields", "field_pointers": [["note"], ["customer", "phone"]] },
    ]);
    select("decode, select", &page, &plain, &json!([]));
    select("decode, select, normalize", &page, &normalized, &json!([]));
    select("decode, select, filter", &page, &filtered, &json!([]));
    select("decode, select, add and remove fields", &page, &plain, &changes);
}

fn select(what: &str, page: &[u8], selector: &Json, transformations: &Json) {
    let manifest = json!({ "type": "DeclarativeStream", "selector": selector, "transformations": transformations });
    let stream = Document::from_json(&manifest).root();
    let transformations: Vec<Transformation> = stream.need("transformations").expect("transformations");
    let selector = stream.need::<Selector>("selector").expect("a selector").with(transformations, false);
    let config = json!({ "account": "acme" });
    let scope = Scope::new(&config, Timestamp::UNIX_EPOCH).no_slice();
    let schema = Schema::new(schema());
    let nanoseconds = quickest(|| {
        let mut items = Decoder::Json.page(black_box(page)).expect("a page");
        let selected = selector.records(&mut items, &scope, &schema).expect("records");
        assert_eq!(selected.records.len(), RECORDS);
        selected.records.len()
    });
    print(what, nanoseconds);
}

fn print(what: &str, nanoseconds: f64) {
    println!("{what:<38} {nanoseconds:6.0}");
}

fn quickest(mut once: impl FnMut() -> usize) -> f64 {
    let run = |_| {
        let before = thread_cpu();
        for _ in 0..PAGES {
            black_box(once());
        }
        (thread_cpu() - before).as_secs_f64() * 1e9 / (f64::from(PAGES) * RECORDS as f64)
    };
    (0..RUNS).map(run).fold(f64::INFINITY, f64::min)
}

fn page() -> Vec<u8> {
    let records: Vec<Json> = (0..RECORDS).map(record).collect();
    serde_json::to_vec(&json!({ "data": records, "has_more": true, "next": "c2" })).expect("memory")
}

/// A record as APIs have them: texts, numbers, times, something nested, and a note that fills it up.
fn record(at: usize) -> Json {
    let mut record = json!({
        "id": format!("ord_{at:012}"), "number": 100_000 + at, "amount": 12.5 + at as f64, "currency": "eur",
        "created_at": "2026-01-31T12:00:00.000Z", "updated_at": "2026-02-01T08:15:30.125Z", "paid": at.is_multiple_of(2),
        "customer": { "id": format!("cus_{at:012}"), "email": "someone@shop.example", "phone": null },
        "lines": [{ "sku": "A-1", "quantity": 2 }, { "sku": "B-22", "quantity": 1 }], "note": "",
    });
    let bytes = record.to_string().len();
    record["note"] = "x".repeat(RECORD_BYTES.saturating_sub(bytes)).into();
    record
}

fn schema() -> Json {
    json!({ "type": "object", "properties": {
        "id": { "type": ["null", "string"] }, "number": { "type": "integer" }, "amount": { "type": ["number", "null"] },
        "paid": { "type": "boolean" }, "created_at": { "type": "string", "format": "date-time" },
        "customer": { "type": "object", "properties": { "email": { "type": "string" } } },
        "lines": { "type": "array", "items": { "type": "object", "properties": { "quantity": { "type": "integer" } } } },
    } })
}
