//! Which routes are left out, and what is said of them.

use serde_json::{Value as Json, json};

use super::*;

fn object(kind: ObjectKind, name: &str, managed_by: ManagedBy, definition: Json) -> Object {
    let at = domain::Timestamp::EPOCH;
    let (tenant, name) = (Tenant::default_tenant(), name.into());
    Object { tenant, kind, name, managed_by, definition, created_at: at, updated_at: at, retired_at: None }
}

fn route(name: &str, from: &str, to: &str) -> Object {
    object(ObjectKind::Route, name, ManagedBy::Api, json!({ "from": from, "to": to }))
}

#[test]
fn a_route_is_left_out_if_one_of_its_ends_is_neither_the_files_nor_the_apis() {
    let source = object(ObjectKind::Source, "own", ManagedBy::Api, json!({ "publish": true }));
    let app = object(ObjectKind::Destination, "app", ManagedBy::Api, json!({}));
    // What a former file defined says nothing about what the file of now does.
    let former = object(ObjectKind::Destination, "crm", ManagedBy::File, Json::Null);
    let elsewhere = Tenant::default_tenant();
    let theirs = Object { tenant: "other".parse().expect("a name"), ..app.clone() };
    let broken = object(ObjectKind::Route, "broken", ManagedBy::Api, json!({ "from": 7 }));
    let routes = [route("good", "own", "app"), route("to-crm", "own", "crm"), route("from-z", "z", "app"), broken];
    let objects: Vec<Object> = [source, app, former, theirs].into_iter().chain(routes).collect();
    let left_out = LeftOut::among(&Specs::default(), &objects);
    let told: Vec<_> = left_out.iter().map(|one| one.error().to_string()).collect();
    assert_eq!(
        told,
        ["route 'to-crm', to: there is no destination 'crm'", "route 'from-z', from: there is no source 'z'"]
    );
    assert!(left_out.iter().all(|one| one.key().1 == elsewhere));
    let detail = left_out[0].detail();
    assert!(detail.contains("route 'to-crm'") && detail.contains("make that destination again"), "{detail}");
}
