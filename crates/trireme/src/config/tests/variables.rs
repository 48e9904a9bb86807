//! What came from a variable, once it is configured: used, and shown nowhere.

use std::sync::Arc;

use domain::Tenant;
use engine::definition::SECRET_MARKER;
use engine::topology::{Topology, compile};
use engine::transport::EgressPolicy;
use serde_json::{Value, json};

use super::good;

const FILE: &str = "\
sources:
  open: { webhook: { provider: none, reply: { status: '${STATUS}', headers: { x-key: 'k-${GITHUB_SECRET}' }, body: 'Hello ${GITHUB_SECRET}' } } }
  hooks: { webhook: { provider: github, secret: 'a${GITHUB_SECRET}', allow_from: ['10.0.0.0/8', '${RANGE}'] } }
destinations:
  path: { http: { url: 'https://hooks.example/a/${GITHUB_SECRET}/b?token=${LEDGER_TOKEN}&x=1', unsigned: true } }
  host: { http: { url: 'https://${GITHUB_SECRET}.hooks.example:8443/a', unsigned: true }, retry: { list: ['1s', '${WAIT}'], attempts: '${TRIES}' } }
  whole: { http: { url: '${SLACK_URL}', unsigned: true, timeouts: { total: '${WAIT}' } }, paused: '${YES}' }
  port: { http: { url: 'https://hooks.example:${PORT}/x', unsigned: true } }
  plain: { http: { url: 'https://hooks.example/$${x}', secret: '${KEY}' } }
routes:
  - { from: hooks, to: path, when: \"data.x = '${GITHUB_SECRET}'\", retry: { fibonacci: '${WAIT}' } }
";

fn topology() -> Arc<Topology> {
    let config = good(FILE);
    let policy = Arc::new(EgressPolicy::new(Vec::new(), Vec::new()));
    Arc::new(compile(&config.specs, &policy, None).expect("it is valid"))
}

fn destination(name: &str) -> Value {
    topology().destination("default", name).expect("it is there").shown()
}

#[test]
fn of_an_address_only_what_came_from_a_variable_is_hidden() {
    for (name, url) in [
        ("path", "https://hooks.example/a/********/b?token=********&x=1"),
        ("host", "https://********.hooks.example:8443/a"),
        ("whole", SECRET_MARKER),
        ("plain", "https://hooks.example/${x}"),
    ] {
        assert_eq!(destination(name)["http"]["url"], url, "{name}");
    }
}

#[test]
fn nothing_that_came_from_a_variable_is_in_a_definition_that_is_shown() {
    let topology = topology();
    let tenant = Tenant::default_tenant();
    let source = |name| topology.source(tenant.as_str(), name).expect("it is there").shown();
    let (open, hooks) = (source("open"), source("hooks"));
    let reply = json!({ "status": SECRET_MARKER, "headers": { "x-key": SECRET_MARKER }, "body": SECRET_MARKER });
    assert_eq!(open["webhook"]["reply"], reply);
    assert_eq!(hooks["webhook"]["provider"], "github");
    assert_eq!(hooks["webhook"]["secret"], json!([SECRET_MARKER]));
    assert_eq!(hooks["webhook"]["allow_from"], json!([SECRET_MARKER, SECRET_MARKER]), "a list is hidden whole");
    let (host, whole) = (destination("host"), destination("whole"));
    assert_eq!(host["retry"]["attempts"], SECRET_MARKER);
    assert_eq!(host["retry"]["list"], json!([SECRET_MARKER, SECRET_MARKER]));
    assert_eq!((&whole["paused"], &whole["http"]["timeouts"]["total"]), (&SECRET_MARKER.into(), &SECRET_MARKER.into()));
    let route = topology.route(tenant.as_str(), "hooks-path").expect("it is there").shown();
    assert_eq!((&route["to"], &route["retry"]["fibonacci"]), (&"path".into(), &SECRET_MARKER.into()));
    assert_eq!(route["when"], "data.x = '${GITHUB_SECRET}'", "an expression is taken as written");
    for shown in [open, hooks, destination("path"), host, whole, destination("plain"), route] {
        let text = shown.to_string();
        for hidden in ["hunter2", "hunter3", "T0/B0", "192.0.2.0", "17s"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

#[test]
fn what_is_said_of_a_destination_names_its_host_only_where_the_file_does() {
    let topology = topology();
    for (name, host, said) in [
        ("path", "hooks.example", "hooks.example has no address"),
        ("host", "hunter2.hooks.example", "********.hooks.example has no address"),
        ("whole", "services.example", "******** has no address"),
        ("port", "hooks.example", "hooks.example has no address"),
    ] {
        let destination = topology.destination("default", name).expect("it is there");
        assert_eq!(destination.without_host(format!("{host} has no address")), said);
    }
}
