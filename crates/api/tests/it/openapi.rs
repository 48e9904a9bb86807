//! The OpenAPI document is what is served, and what is committed.

use std::path::Path;

use serde_json::Value;

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let made = api::openapi::document().to_pretty_json().expect("JSON") + "\n";
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let known = std::fs::read_to_string(&committed).unwrap_or_default();
    if made != known {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        std::fs::write(&fresh, made).expect("the target folder can be written");
        panic!(
            "docs/openapi.json is out of date; look at the difference, then: cp {} docs/openapi.json",
            fresh.display()
        );
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_is_described() {
    let document = serde_json::to_value(api::openapi::document()).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    let mut references = 0;
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(document["components"]["schemas"][name].is_object(), "{name} is missing");
        references += 1;
    }
    assert!(references > 100);
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}");
            let open = operation["security"] == Value::Null;
            assert_eq!(open, !path.starts_with("/api/"), "{method} {path}");
            let told = operation["responses"]["401"].is_object();
            assert_eq!(told, !open || path.contains("/in/"), "{method} {path}");
        }
    }
}
