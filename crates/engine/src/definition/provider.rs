//! `webhook`: what a source tells a provider's recipe, held against the recipe itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::provider::{self, Catalogue, KeyError, Keys, Recipe, SECRETS_MAX, Settings};
use domain::Assurance;
use domain::suggest::nearest;
use serde_json::Value as Json;

use super::Context;
use super::reader::{At, Fields};
use super::secret::RoleSecretAt;
use super::tree::{Value, shown_key};
use crate::spec::{RoleSecret, WebhookSpec};

/// The recipe that a source names.
pub(super) fn recipe(at: &At<'_>, context: &Context) -> Option<Arc<Recipe>> {
    let catalogue = &context.catalogue;
    let text = at.text()?;
    if context.wrong_recipes.contains(text.as_str()) {
        return None;
    }
    if let Some(recipe) = catalogue.get(text.as_str()) {
        return Some(recipe);
    }
    let near = if text.is_expanded() { None } else { nearest(text.as_str(), catalogue.names()) };
    let help = match near {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("the providers are: {}", catalogue.names().collect::<Vec<_>>().join(", ")),
    };
    at.error("unknown_name", format!("there is no provider '{}'", at.shown(text)), help);
    None
}

/// What stands beside `provider` and `secret`: the settings that the recipe declares.
pub(super) fn settings(fields: &Fields<'_>, recipe: &Recipe) -> BTreeMap<String, Json> {
    let is_declared = |key: &str| recipe.settings().any(|(name, ..)| name == key);
    let declared = fields.rest().into_iter().filter(|(key, _)| is_declared(key));
    let read = declared.filter_map(|(key, at)| {
        // An empty text means something here: no prefix at all.
        let Value::Text(text) = &at.node().value else {
            // Tells what is wrong with it.
            let _ = at.text();
            return None;
        };
        match problem(recipe, key, text.as_str()) {
            None => Some((key.to_owned(), text.as_str().into())),
            Some(_) if text.is_expanded() || !text.is_plain() => {
                at.error("setting_unusable", format!("'{key}' cannot be '{}'", at.shown(text)), "");
                None
            }
            Some(problem) => {
                at.error(problem.code(), problem.to_string(), "");
                None
            }
        }
    });
    read.collect()
}

/// What is wrong with one setting by itself.
fn problem(recipe: &Recipe, name: &str, value: &str) -> Option<KeyError> {
    let settings = Settings::from_iter([(name, value)]);
    let problem = Keys::compile(recipe, &[], &settings).err();
    problem.filter(|problem| matches!(problem, KeyError::UnusableSetting { .. }))
}

/// Holds secrets against the recipe: each by itself, then all of them together.
pub(super) fn check_secrets(
    at: &At<'_>,
    secrets: &[RoleSecretAt<'_>],
    recipe: &Recipe,
    settings: &BTreeMap<String, Json>,
) {
    let settings = settings_of(settings);
    let bad = secrets.iter().filter(|(own, at)| is_bad(own, at, recipe, &settings)).count();
    if bad > 0 {
        return;
    }
    let all: Vec<_> = secrets.iter().filter_map(|(own, _)| keyed(own)).collect();
    if all.len() > SECRETS_MAX {
        let problem = KeyError::TooManySecrets { provider: recipe.name().to_owned(), max: SECRETS_MAX };
        at.error_at_key(problem.code(), problem.to_string(), "");
        return;
    }
    if let Err(problem) = Keys::compile(recipe, &all, &settings) {
        at.error_at_key(problem.code(), problem.to_string(), "");
    }
}

fn is_bad(own: &RoleSecret, at: &At<'_>, recipe: &Recipe, settings: &Settings) -> bool {
    let Some(secret) = keyed(own) else {
        let roles: Vec<_> = recipe.roles().map(|(role, _)| role.as_str()).collect();
        let shown = shown_key(&own.role);
        let message = format!("provider '{}' has no '{shown}' secret", recipe.name());
        at.error_at_key("secret_role_unknown", message, format!("it has: {}", roles.join(", ")));
        return true;
    };
    let problem = Keys::compile(recipe, &[secret], settings).err();
    let problem = problem.filter(|problem| {
        matches!(
            problem,
            KeyError::EmptySecret { .. }
                | KeyError::UnusableSecret { .. }
                | KeyError::UnknownRole { .. }
                | KeyError::TakesNoSecret { .. }
        )
    });
    if let Some(problem) = &problem {
        at.error(problem.code(), problem.to_string(), "");
    }
    problem.is_some()
}

/// `None` if no recipe knows the role.
fn keyed(own: &RoleSecret) -> Option<provider::RoleSecret> {
    own.key().ok()
}

fn settings_of(settings: &BTreeMap<String, Json>) -> Settings {
    settings.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

/// The most that a source's verification can prove.
pub(super) fn assurance(webhook: &WebhookSpec, catalogue: &Catalogue) -> Option<Assurance> {
    catalogue.get(&webhook.provider)?.assurance(&settings_of(&webhook.settings)).ok()
}
