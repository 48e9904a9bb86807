//! What is read by itself, at the command line: listed, reconciled on demand, and its failures told as such.

use serde_json::{Value, json};
use testkit::scripted::{Script, ScriptedSource};

use super::support::Folder;
use super::support::process::Gateway;

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  retriever: &retriever
    type: SimpleRetriever
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
    requester: { type: HttpRequester, url_base: $BASE, path: "{{ parameters['name'] }}" }
streams:
  - { type: DeclarativeStream, name: orders, primary_key: id, $parameters: { name: orders }, retriever: *retriever }
  - { type: DeclarativeStream, name: shut, primary_key: id, $parameters: { name: shut }, retriever: *retriever }
"##;

const SCRIPT: &str = r##"
routes:
  - { on: GET /orders, per: route, reply: [{ json: [{ id: 1 }, { id: 2 }] }, { json: [{ id: 1 }, { id: 2 }, { id: 3 }] }] }
  - { on: GET /shut, reply: { status: 403, json: { error: "not for you" } } }
"##;

/// A gateway with two streams that nothing is read of by itself within the hour.
fn gateway() -> (Folder, ScriptedSource, Gateway) {
    let source = ScriptedSource::start(Script::parse(SCRIPT).expect("a script")).expect("a free port");
    let folder = Folder::new();
    std::fs::write(folder.path().join("shop.yaml"), source.addressed(MANIFEST)).expect("the folder is ours");
    folder.write_config(
        "egress: { allow: [127.0.0.0/8] }\nsources:\n  shop:\n    connector: ./shop.yaml\n    streams:\n      \
         orders: { reconcile: { cron: \"0 0 1 1 *\", grace: 0s } }\n      shut: { reconcile: { cron: \"0 0 1 1 *\" } }\n",
    );
    let gateway = Gateway::start(&folder);
    (folder, source, gateway)
}

#[test]
fn a_stream_is_reconciled_and_its_report_names_what_was_missed() {
    let (_folder, _source, gateway) = gateway();
    let listed = gateway.run(&["streams"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[0].starts_with("SOURCE\tCONNECTION\tSTREAM\tSTATE\t"), "{listed}");
    assert!(lines[1].starts_with("shop\tdefault\torders\tnever read\t"), "{listed}");
    assert_eq!(lines.len(), 3, "{listed}");

    let first = gateway.run(&["reconcile", "shop", "orders"]);
    assert!(first.contains("first scan") && first.contains("        2  seen"), "{first}");
    let dry = gateway.run(&["reconcile", "shop", "orders", "--dry-run"]);
    assert!(dry.contains("dry run: nothing was told") && dry.contains("        1  missed"), "{dry}");
    assert!(dry.contains("\norders/3\tcreated\t"), "the gap is listed: {dry}");
    let told: Value = serde_json::from_str(&gateway.run(&["reconcile", "shop", "orders", "--json"])).expect("JSON");
    assert_eq!((&told["state"], &told["figures"]["missed"]), (&json!("done"), &json!(1)), "{told}");
    assert!(told["gaps"][0]["event"].as_str().is_some_and(|event| event.starts_with("evt_")), "{told}");
    let shown: Value = serde_json::from_str(&gateway.run(&["streams", "--json"])).expect("JSON");
    assert!(shown["data"][0]["baseline_at"].is_string(), "{shown}");
    assert!(gateway.run(&["streams", "--source", "shop"]).contains("\torders\tok\t"));
}

#[test]
fn a_run_that_fails_is_a_failure_of_the_command() {
    let (_folder, _source, gateway) = gateway();
    let cases: [(&[&str], &str, &str); 4] = [
        (&["reconcile", "shop", "shut"], "run_failed", "403"),
        (&["reconcile", "shop", "orders", "--dry-run"], "state_refused", "poll it first"),
        (&["reconcile", "shop", "ordesr"], "not_found", "ordesr"),
        (&["reconcile", "shop", "orders", "--connection", "acme"], "not_found", "acme"),
    ];
    for (arguments, code, says) in cases {
        let output = gateway.command(arguments).arg("--json").output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said: Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(said["error"]["code"], code, "{said}");
        assert!(said["error"]["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{said}");
    }
    assert!(gateway.run(&["streams"]).contains("\tshut\tfailed 1x\t"));
}
