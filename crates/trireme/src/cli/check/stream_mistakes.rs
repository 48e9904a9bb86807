//! What a person reads who configured reading wrongly: where, why, and what to write instead.

use super::check;

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  retriever: &retriever
    type: SimpleRetriever
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
    requester: { type: HttpRequester, url_base: "https://shop.example", path: orders }
streams:
  - { type: DeclarativeStream, name: orders, primary_key: id, retriever: *retriever }
  - { type: DeclarativeStream, name: items, primary_key: id, retriever: *retriever }
  - { type: DeclarativeStream, name: logs, retriever: *retriever }
"##;

/// What is said of a source with these lines.
fn said(lines: &str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("trireme.yaml");
    std::fs::write(folder.path().join("shop.yaml"), MANIFEST).expect("written");
    let text = format!("sources:\n  shop:\n    connector: ./shop.yaml\n    config: {{}}\n{lines}");
    std::fs::write(&config, text).expect("written");
    let mut out = Vec::new();
    let ok = check(&config, false, &|_| None, &mut out).expect("written to memory");
    (ok, String::from_utf8(out).expect("text"))
}

#[test]
fn each_mistake_is_told_with_its_place_its_reason_and_the_way_out() {
    let stream = |spec: &str| format!("    streams: {{ orders: {spec} }}\n");
    let cases: [(String, &[&str]); 10] = [
        (
            "    streams:\n      logs: { poll: 30s }\n".to_owned(),
            &["6:7", "changes of 'logs' can never be told: it has neither a cursor nor a primary key", "primary_key"],
        ),
        (
            "    streams: { ordesr: { poll: 30s } }\n".to_owned(),
            &["the connector has no stream 'ordesr'", "did you mean 'orders'?"],
        ),
        (
            "    budget: 60/h\n    streams: { orders: { poll: 30s }, items: { poll: 1m } }\n".to_owned(),
            &[
                "60/h is too small: the polls of its streams need at least 180/h",
                "an interval of 2m is what it allows, or poll: { budget: 60/h }",
            ],
        ),
        (stream("{ poll: 0s }"), &["a duration from 1s to 366d", "'0s'"]),
        (stream("{ poll: 500ms }"), &["a duration from 1s to 366d"]),
        (
            stream("{ poll: { cron: \"*/10 * * * * *\" } }"),
            &["a crontab has five fields and begins with the minute: this has six", "every: 10s"],
        ),
        (stream("{ poll: { cron: \"30 2 * *\" } }"), &["this is no crontab", "write five fields"]),
        (
            stream("{ reconcile: { every: 1h, lookback: 30m, grace: 1h } }"),
            &["nothing that is looked at would be old enough: 'lookback' is 30m", "write less than 30m"],
        ),
        (stream("{ reconcile: { every: 1h, max_deletes: -1 } }"), &["a whole number from 0 to"]),
        (stream("{ reconcile: { every: 1s } }"), &["a duration from 10s to 366d"]),
    ];
    for (lines, parts) in cases {
        let (ok, said) = said(&lines);
        assert!(!ok, "{lines}\n{said}");
        for part in parts {
            assert!(said.contains(part), "'{part}' is missing in:\n{said}");
        }
        assert!(said.ends_with("cannot be run: 1 error\n"), "{said}");
    }
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    for stream in [
        "{ poll: 1s }",
        "{ poll: { cron: \"*/5 * * * * Europe/Berlin\" } }",
        "{ reconcile: { every: 1h, max_deletes: 0 } }",
        "{ reconcile: { every: 1h, lookback: 10m, grace: 1m } }",
        "{ poll: 1h, reconcile: { every: 1h, lookback: 1h } }",
    ] {
        let (ok, said) = said(&format!("    streams: {{ orders: {stream} }}\n"));
        assert!(ok && said.starts_with("ok: "), "{stream}\n{said}");
    }
    let doubted = "    streams: { orders: { poll: 1m, reconcile: { every: 1h, lookback: 10m } } }\n";
    let (ok, said) = said(doubted);
    assert!(ok && said.contains("warning[lookback_short]"), "{said}");
    assert!(said.contains("of every 1h between two reconciliations only the last 10m are looked at"), "{said}");
}
