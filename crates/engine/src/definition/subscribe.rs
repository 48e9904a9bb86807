//! `subscribe` of a source: that its webhooks are asked for at its API, and what has to be known for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::manifest::extension::SecretOf;
use connectors::provider::Recipe;

use super::reader::{At, Fields};
use super::{Context, provider};
use crate::connector::Connector;
use crate::spec::{ConnectorSpec, WebhookSpec};

/// `subscribe`, where it stands; `None` if it is not on.
pub(super) fn flag<'a>(fields: &mut Fields<'a>, context: &Context) -> Option<At<'a>> {
    let at = fields.take("subscribe")?;
    if !fields.has("connector") {
        let help = "add connector: NAME, or ./FILE.yaml";
        at.error("conflict", "a source subscribes by its connector, and none is named", help);
        return None;
    }
    if !at.flag()? {
        return None;
    }
    if context.public_url.is_none() {
        let message = "the source has to be told where to send, and nobody says what senders call";
        at.error("public_url_missing", message, "add public_url: https://hooks.example at the top of the file");
    }
    Some(at)
}

/// Who signs what a connector subscribes to, where the source itself does not say.
pub(super) fn recipe(at: &At<'_>, connector: &Connector, context: &Context) -> Option<Arc<Recipe>> {
    let Some(name) = &connector.extension.provider else {
        let message = "the connector does not say who signs its webhooks";
        at.error("missing_key", message, "add webhook: { provider: … } (`trireme providers` lists them)");
        return None;
    };
    let found = context.catalogue.get(name);
    if found.is_none() {
        let message = format!("the connector's provider '{name}' is none that is known");
        at.error("unknown_name", message, "add webhook: { provider: … } (`trireme providers` lists them)");
    }
    found
}

/// The webhooks of a source that says nothing of them but that they are to be subscribed.
pub(super) fn webhook(at: &At<'_>, spec: &ConnectorSpec, context: &Context) -> Option<WebhookSpec> {
    if spec.connector.extension.webhooks.is_none() {
        let message = "the connector does not say how to subscribe: the source's streams are polled as they say";
        at.warning("subscribe_unsupported", message, "");
        return None;
    }
    let recipe = recipe(at, &spec.connector, context)?;
    let settings = BTreeMap::new();
    if !brings_secret(spec) {
        provider::check_secrets(at, &[], &recipe, &settings);
    }
    let (secrets, dedupe_within, allow_from, reply) = (Vec::new(), None, None, None);
    Some(WebhookSpec { provider: recipe.name().to_owned(), secrets, settings, dedupe_within, allow_from, reply })
}

/// Whether the secret comes with the subscription, so that its owner need not give one.
pub(super) fn brings_secret(spec: &ConnectorSpec) -> bool {
    let webhooks = spec.connector.extension.webhooks.as_ref();
    spec.subscribe && webhooks.is_some_and(|webhooks| !matches!(webhooks.subscribe.secret, SecretOf::App))
}
