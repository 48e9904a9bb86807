//! Every sender of the catalogue, by its own sample: `trireme send` signs it, and a gateway of all senders takes it.

use std::collections::BTreeMap;

use connectors::provider::{Kind, Recipe, Role, Vector, catalogue};
use serde_json::{Value, json};

use super::support::Folder;
use super::support::process::{Gateway, trireme};

/// The secrets that this sender's own test vectors are made with; where it can be, for a way of signing whose keys are
/// not fetched.
fn vector(recipe: &Recipe) -> &Vector {
    let valid =
        || recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid && vector.not_applicable.is_none());
    valid().find(|vector| vector.fetched.is_empty()).or_else(|| valid().next()).expect("each has a valid one")
}

/// Only the sender itself can sign for those whose keys are public.
fn is_signable(recipe: &Recipe) -> bool {
    let vector = vector(recipe);
    vector.fetched.is_empty() && vector.secrets.iter().all(|(role, _)| *role != Role::Public)
}

/// A source of it, as `trireme.yaml` says it.
fn source(recipe: &Recipe) -> Value {
    let vector = vector(recipe);
    let mut secrets: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (index, (role, value)) in vector.secrets.iter().enumerate() {
        let named = vector.secret_names.get(index).and_then(Option::as_ref);
        let secret = named.map_or_else(|| json!(value), |name| json!({ "value": value, "name": name }));
        secrets.entry(role.as_str()).or_default().push(secret);
    }
    let mut webhook = json!({ "provider": recipe.name() });
    if !secrets.is_empty() {
        webhook["secrets"] = json!(secrets);
    }
    for (name, value) in vector.settings.iter() {
        webhook[name] = json!(value);
    }
    json!({ "webhook": webhook })
}

/// Its sample, sent to the source of its name.
fn send(gateway: &Gateway, recipe: &Recipe) -> Result<(), String> {
    let vector = vector(recipe);
    let mut command = trireme();
    command.args(["send", recipe.name(), "--url", &gateway.url()]);
    for (role, value) in &vector.secrets {
        command.arg("--secret").arg(format!("{}={value}", role.as_str()));
    }
    for (name, value) in vector.settings.iter() {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    let output = command.output().expect("the binary can be started");
    let said = || String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{}: {}", recipe.name(), said())) }
}

#[tokio::test]
async fn a_gateway_of_all_senders_takes_a_signed_sample_of_each() {
    let recipes: Vec<_> = catalogue().names().filter_map(|name| catalogue().get(name)).collect();
    let sources: BTreeMap<&str, Value> = recipes.iter().map(|recipe| (recipe.name(), source(recipe))).collect();
    let folder = Folder::new();
    folder.write_config(&json!({ "sources": sources }).to_string());
    let gateway = Gateway::start(&folder);
    let (mut sent, mut failed) = (0, Vec::new());
    for recipe in recipes.iter().filter(|recipe| is_signable(recipe)) {
        sent += 1;
        failed.extend(send(&gateway, recipe).err());
    }
    assert!(failed.is_empty(), "{} of {sent}:\n{}", failed.len(), failed.join("\n"));
    assert!(sent >= 90, "{sent}");
    let events = gateway.api("/api/v1/events?limit=500").await.json();
    let by_source: std::collections::BTreeSet<&str> =
        events["data"].as_array().expect("events").iter().filter_map(|event| event["source"].as_str()).collect();
    assert_eq!(by_source.len(), sent, "each came in as an event of its source");
    for event in events["data"].as_array().expect("events") {
        assert!(event["assurance"].is_string(), "{event}");
    }
    gateway.stop();
}
