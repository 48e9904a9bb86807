//! Secrets in definitions: which texts are secret, how they are read, and how they are sealed or masked as JSON.

use connectors::provider::{SECRETS_MAX, Window};
use domain::Timestamp;
use serde_json::Value as Json;

use super::findings::Findings;
use super::reader::{At, Fields};
use super::tree::{Node, Value, is_plain_key};
use crate::spec::{RoleSecret, Secret};

/// Every text below one of these keys is a secret, wherever it stands: headers carry credentials too, and which parts of
/// a connector's `config` do is for its own specification to say.
pub const SECRET_KEYS: [&str; 4] = ["secret", "secrets", "headers", "config"];

/// Beside the `value` of a secret: what is said of it, and is none.
const DESCRIBING_KEYS: [&str; 3] = ["name", "not_before", "not_after"];

/// Stands for a secret, or for what came from a variable, wherever a definition is shown. Written back, it is refused
/// rather than taken for what it stands for.
pub const SECRET_MARKER: &str = "********";

/// The role of a secret whose definition names none: the recipe knows which of its roles that is.
pub(super) const ROLE_PLAIN: &str = "";

/// Replaces every secret of a definition: seals, unseals or masks it. Numbers and mappings stay as they are.
pub fn replace_secrets(definition: &mut Json, replace: &mut dyn FnMut(&str) -> String) {
    replace_below(definition, Below::Nothing, replace);
}

/// Which of [`SECRET_KEYS`] a value stands below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Nothing,
    Webhook,
    /// What a source answers is told to whoever sends to it.
    Reply,
    Secrets,
    Headers,
}

impl Below {
    fn is_secret(self) -> bool {
        matches!(self, Self::Secrets | Self::Headers)
    }

    fn key(self, key: &str) -> Self {
        match (self, key) {
            (Self::Webhook, "reply") => Self::Reply,
            (Self::Nothing | Self::Webhook, "headers" | "config") => Self::Headers,
            (Self::Nothing | Self::Webhook, key) if SECRET_KEYS.contains(&key) => Self::Secrets,
            (Self::Nothing, "webhook") => Self::Webhook,
            (Self::Webhook, _) => Self::Nothing,
            _ => self,
        }
    }
}

fn replace_below(json: &mut Json, below: Below, replace: &mut dyn FnMut(&str) -> String) {
    match json {
        Json::String(text) if below.is_secret() => *text = replace(text),
        Json::Array(items) => items.iter_mut().for_each(|item| replace_below(item, below, replace)),
        Json::Object(pairs) => {
            let described = below == Below::Secrets && pairs.contains_key("value");
            for (key, value) in pairs {
                if !(described && DESCRIBING_KEYS.contains(&key.as_str())) {
                    replace_below(value, below.key(key), replace);
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// Keeps every secret of a document out of the lines that findings quote, whatever else is wrong with it.
pub fn hide_secrets(node: &Node, findings: &Findings) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                if !is_plain_key(&entry.key) {
                    findings.hide_span(entry.key_span);
                }
                if SECRET_KEYS.contains(&entry.key.as_str()) {
                    findings.hide(&entry.node);
                } else {
                    hide_secrets(&entry.node, findings);
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| hide_secrets(item, findings)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Broken => {}
    }
}

/// One secret, never quoted whatever is wrong with it.
pub(super) fn secret(at: &At<'_>) -> Option<Secret> {
    let text = at.text()?.as_str();
    if text == SECRET_MARKER {
        refuse_marker(at, "a secret");
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

pub(super) fn refuse_marker(at: &At<'_>, place: &str) {
    let help = format!("write {place} itself, or leave the whole object as it is");
    at.error("secret_is_marker", format!("this is what is shown in place of {place}, not {place}"), help);
}

/// Refuses the marker wherever nothing else looks for it: a definition shows it for what came from a variable, too.
pub(super) fn refuse_markers(at: &At<'_>) {
    match &at.node().value {
        Value::Text(text) if text.as_str() == SECRET_MARKER => refuse_marker(at, "a value"),
        Value::List(_) => at.items().iter().flatten().for_each(refuse_markers),
        Value::Map(_) => {
            let looked_for = |key: &str| SECRET_KEYS.contains(&key) || key == "url";
            at.own_entries().iter().filter(|(key, _)| !looked_for(key)).for_each(|(_, at)| refuse_markers(at));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Broken => {}
    }
}

/// A secret, its role, and where it stands.
pub(super) type RoleSecretAt<'a> = (RoleSecret, At<'a>);

/// One secret, or a list of them while one rotates; each with its place.
pub(super) fn one_or_many<'a>(at: &At<'a>, max: usize) -> Vec<(Secret, At<'a>)> {
    several(at, max).into_iter().filter_map(|at| Some((secret(&at)?, at))).collect()
}

fn several<'a>(at: &At<'a>, max: usize) -> Vec<At<'a>> {
    let items = at.one_or_many();
    if items.len() > max {
        let message = format!("{} secrets at once, at most {max} are allowed", items.len());
        at.error("too_many", message, "remove those that nobody uses any more");
    }
    if items.is_empty() {
        at.error("empty", "there is no secret in this list", "write at least one, or leave the key out");
    }
    items
}

/// `secret: X`, `secret: [X, Y]` (each may be `{ value: X, name, not_before, not_after }`), or `secrets: { role: X }` where a provider has several. `None` if none is written.
pub(super) fn of_roles<'a>(fields: &mut Fields<'a>) -> Option<Vec<RoleSecretAt<'a>>> {
    let plain = fields.take("secret");
    let by_role = fields.take("secrets");
    if let (Some(_), Some(by_role)) = (&plain, &by_role) {
        by_role.error("conflict", "both 'secret' and 'secrets' are given", "move all of them below 'secrets'");
    }
    if plain.is_none() && by_role.is_none() {
        return None;
    }
    let plain = plain.iter().flat_map(|at| with_role(ROLE_PLAIN, at));
    let by_role = by_role.iter().flat_map(At::named_entries::<String>);
    Some(plain.chain(by_role.flat_map(|(role, at)| with_role(&role, &at))).collect())
}

fn with_role<'a>(role: &str, at: &At<'a>) -> Vec<RoleSecretAt<'a>> {
    let described = |at: At<'a>| {
        let role = role.to_owned();
        if !matches!(at.node().value, Value::Map(_)) {
            let (name, window) = (None, Window::default());
            return Some((RoleSecret { role, secret: secret(&at)?, name, window }, at));
        }
        let mut fields = at.fields()?;
        let value = fields.require("value", "the secret itself, as { value: \"${SECRET}\" }");
        let name = fields.take("name").and_then(|at| Some(at.text()?.as_str().to_owned()));
        let [not_before, not_after] = ["not_before", "not_after"].map(|key| fields.take(key));
        fields.finish();
        let window = Window {
            not_before: not_before.and_then(|at| moment(&at)),
            not_after: not_after.and_then(|at| moment(&at)),
        };
        if let (Some(from), Some(until)) = (window.not_before, window.not_after)
            && from > until
        {
            at.error("conflict", "this secret ends before it begins", "not_before comes first");
        }
        Some((RoleSecret { role, secret: secret(&value?)?, name, window }, at))
    };
    several(at, SECRETS_MAX).into_iter().filter_map(described).collect()
}

fn moment(at: &At<'_>) -> Option<Timestamp> {
    let moment = at.text()?.as_str().parse().ok();
    if moment.is_none() {
        at.error("invalid_value", "this is no moment in time", "write it as 2026-01-31T09:30:00Z");
    }
    moment
}
