//! Every sender of the catalogue, by its own sample: `trireme send` signs it, and a gateway of all senders takes it.

use std::collections::BTreeMap;

use connectors::provider::{Kind, Recipe, Role, Vector, catalogue};
use serde_json::{Value, json};

use super::support::Folder;
use super::support::process::{Gateway, run, trireme};

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

/// A secret of this sender's test vectors that fits a variable of its configuration.
fn value_of<'r>(recipe: &'r Recipe, variable: &str) -> &'r str {
    let wanted = variable.to_ascii_lowercase();
    let mut secrets = recipe
        .vectors()
        .iter()
        .filter(|vector| matches!(vector.kind, Kind::Valid | Kind::Handshake))
        .flat_map(|vector| &vector.secrets);
    let plain = recipe.roles().next().map(|(role, _)| role);
    let of_it = |role: Role| {
        wanted.ends_with(&format!("_{}", role.as_str())) || (wanted.ends_with("_secret") && Some(role) == plain)
    };
    let found = secrets.find(|(role, _)| of_it(*role));
    found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("{}: {variable}", recipe.name()))
}

#[test]
fn the_lines_that_a_newcomer_is_shown_are_a_configuration_that_check_takes() {
    let folder = Folder::new();
    let (mut text, mut variables) = ("sources:\n".to_owned(), BTreeMap::new());
    let recipes: Vec<_> = catalogue().names().filter_map(|name| catalogue().get(name)).collect();
    for recipe in &recipes {
        let shown = recipe.configuration(recipe.name());
        text += shown.strip_prefix("sources:\n").expect("it begins so");
        text.push('\n');
        for variable in shown.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)) {
            variables.insert(variable.to_owned(), value_of(recipe, variable));
        }
    }
    folder.write_config(&text);
    let output = trireme().args(["check", "--config"]).arg(folder.config()).envs(variables).output().expect("it runs");
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(output.status.success(), "{said}\n{text}");
    let waiting = recipes.iter().filter(|recipe| recipe.pairs().is_some()).count();
    assert_eq!(said.matches("trireme source pair").count(), waiting, "who hands its secret over is warned of: {said}");
    assert!(waiting >= 3, "{waiting}");
}

/// A recipe of one's own, beside a configuration.
const OWN: &str = "provider: galley
title: The galley's own sender
docs: https://galley.example
setup: ['Give it {url}.']
secrets: [{ role: signing, about: what is carved into the mast }]
verify:
  hmac: { hash: sha256, key: signing, message: [body], signature: { from: { header: x-galley }, encoding: hex } }
event: { type: [[{ json: /what }]], type_otherwise: unknown }
facts: { as_of: 2026-01-31, source: https://galley.example }
---
samples:
  - { event: oar.broken, headers: { content-type: application/json }, body: '{\"what\":\"oar.broken\",\"oar\":{{number}}}' }
vectors:
  - { name: none, kind: valid, not_applicable: a test }
  - { name: none either, kind: tampered, not_applicable: a test }
  - { name: nor this, kind: stale, not_applicable: a test }
  - { name: nor that, kind: wrong_key, not_applicable: a test }
";

#[tokio::test]
async fn a_recipe_beside_a_configuration_is_listed_shown_and_sent_by_whoever_names_the_configuration() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("providers")).expect("the folder is ours");
    std::fs::write(folder.path().join("providers/galley.yaml"), OWN).expect("the folder is ours");
    folder.write_config("sources: { galley: { webhook: { provider: galley, secret: trireme } } }\n");
    let config = folder.config();
    let config = config.to_str().expect("text");
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };

    let (code, listed, _) = said(&["providers", "--config", config]);
    assert!(code == Some(0) && listed.contains("galley\tThe galley's own sender\tbody\town"), "{listed}");
    let (code, shown, _) = said(&["providers", "show", "galley", "--config", config]);
    assert!(code == Some(0) && shown.contains("what is carved into the mast"), "{shown}");
    assert!(shown.contains("1. Give it https://hooks.example/in/galley."), "{shown}");
    let (code, shown, _) = said(&["providers", "show", "galley", "--config", config, "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((code, &shown["samples"], &shown["assurance"]), (Some(0), &json!(["oar.broken"]), &json!("body")));

    let gateway = Gateway::start(&folder);
    let url = gateway.url();
    let send = ["send", "galley", "--config", config, "--secret", "trireme", "--url", &url];
    let (code, sent, wrong) = said(&send);
    assert!(code == Some(0) && sent.contains(": 200 "), "{sent}{wrong}");
    let events = gateway.api("/api/v1/events").await.json();
    assert_eq!((&events["data"][0]["type"], &events["data"][1]), (&json!("oar.broken"), &Value::Null));
    gateway.stop();

    for command in [&["providers", "show", "galley"][..], &["send", "galley", "--secret", "trireme", "--url", &url]] {
        let (code, _, wrong) = said(command);
        assert!(code == Some(2) && wrong.contains("no provider 'galley'"), "{command:?}: {wrong}");
    }
    let (code, _, wrong) = said(&["providers", "--config", "/nonexistent/trireme.yaml"]);
    assert!(code == Some(2) && wrong.contains("no configuration"), "{wrong}");
}
