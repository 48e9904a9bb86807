//! Secrets in definitions: which texts are secret, how they are read, and how they are sealed or masked as JSON.

use connectors::provider::SECRETS_MAX;
use serde_json::Value as Json;

use super::findings::Findings;
use super::reader::{At, Fields};
use super::tree::{Node, Value, is_plain_key};
use crate::spec::{RoleSecret, Secret};

/// Every text below one of these keys is a secret, wherever it stands: headers carry credentials too.
pub const SECRET_KEYS: [&str; 3] = ["secret", "secrets", "headers"];

/// Stands for a secret wherever a definition is shown. Written back, it is refused rather than taken as a secret.
pub const SECRET_MARKER: &str = "********";

/// The role of a secret whose definition names none: the recipe knows which of its roles that is.
pub(super) const ROLE_PLAIN: &str = "";

/// Replaces every secret of a definition: seals, unseals or masks it. Numbers and mappings stay as they are.
pub fn replace_secrets(definition: &mut Json, replace: &mut dyn FnMut(&str) -> String) {
    replace_below(definition, false, replace);
}

fn replace_below(json: &mut Json, secret: bool, replace: &mut dyn FnMut(&str) -> String) {
    match json {
        Json::String(text) if secret => *text = replace(text),
        Json::Array(items) => items.iter_mut().for_each(|item| replace_below(item, secret, replace)),
        Json::Object(pairs) => {
            for (key, value) in pairs {
                replace_below(value, secret || SECRET_KEYS.contains(&key.as_str()), replace);
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
        let help = "write the secret itself, or leave the whole object as it is";
        at.error("secret_is_marker", "this is what is shown in place of a secret, not a secret", help);
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

/// A secret, its role, and where it stands.
pub(super) type RoleSecretAt<'a> = (RoleSecret, At<'a>);

/// One secret, or a list of them while one rotates; each with its place.
pub(super) fn one_or_many<'a>(at: &At<'a>, max: usize) -> Vec<(Secret, At<'a>)> {
    let items = at.one_or_many();
    if items.len() > max {
        let message = format!("{} secrets at once, at most {max} are allowed", items.len());
        at.error("too_many", message, "remove those that nobody uses any more");
    }
    if items.is_empty() {
        at.error("empty", "there is no secret in this list", "write at least one, or leave the key out");
    }
    items.into_iter().filter_map(|at| Some((secret(&at)?, at))).collect()
}

/// `secret: X`, `secret: [X, Y]`, or `secrets: { role: X }` where a provider has several. `None` if none is written.
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
    let secrets = one_or_many(at, SECRETS_MAX).into_iter();
    secrets.map(|(secret, at)| (RoleSecret { role: role.to_owned(), secret }, at)).collect()
}
