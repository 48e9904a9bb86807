//! `sources.<name>`: a webhook sender to listen to, events of one's own to publish, an API to ask, or all of them.

use std::time::Duration;

use domain::{ConnectionName, SourceName};

use super::reader::{At, Fields};
use super::secret::{self, RoleSecretAt};
use super::{Context, allow, connector, provider, reply, subscribe};
use crate::spec::{ConnectorSpec, RoleSecret, SourceSpec, WebhookSpec};

/// What is missing where no sender is named.
const PROVIDER: &str = "the sender's name, as provider: github (`trireme providers` lists them)";
/// Longest span within which equal bytes may count as the sender's retry: no known sender retries for longer.
const DEDUPE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads one source.
#[must_use]
pub fn source(at: &At<'_>, name: SourceName, context: &Context) -> Option<SourceSpec> {
    let mut fields = at.fields()?;
    let webhook = fields.take("webhook");
    let publish = fields.take("publish");
    let connections = fields.take("connections");
    let has_connector = fields.has("connector");
    check_origin(&fields, &name, webhook.is_some() || publish.is_some() || has_connector);
    if let (None, Some(connections), false) = (&webhook, &connections, has_connector) {
        let message = "connections are accounts of a 'webhook' or a 'connector', and there is neither";
        connections.error("conflict", message, "add one of both, or remove 'connections'");
    }
    let publish = publish.and_then(|at| at.flag()).unwrap_or(false);
    let mut accounts = connections.map(|at| accounts(&at)).unwrap_or_default();
    let configs = accounts.iter_mut().filter_map(|own| Some((own.name.clone(), own.config.take()?))).collect();
    let subscribe = subscribe::flag(&mut fields, context);
    let connector = connector::connector(&mut fields, configs, context, subscribe.is_some());
    fields.finish();
    let webhook = match webhook {
        None => subscribe.zip(connector.as_ref()).and_then(|(at, spec)| subscribe::webhook(&at, spec, context)),
        Some(at) => Some(webhook_of(&at, &accounts, connector.as_ref(), context)?),
    };
    let Context { tenant, managed_by, .. } = context.clone();
    let connections = accounts.into_iter().map(Account::into_secrets).collect();
    Some(SourceSpec { tenant, name, managed_by, webhook, publish, connections, connector })
}

/// A source takes its events from somewhere.
fn check_origin(fields: &Fields<'_>, name: &SourceName, has_one: bool) {
    if !has_one {
        let help = "add webhook: { provider: … } to listen to a sender, publish: true for events of your own, or \
            connector: … to ask an API";
        fields.at().error("missing_key", format!("source '{name}' has nothing to take events from"), help);
    }
}

fn webhook_of(
    at: &At<'_>,
    accounts: &[Account<'_>],
    connector: Option<&ConnectorSpec>,
    context: &Context,
) -> Option<WebhookSpec> {
    let mut fields = at.fields()?;
    let subscribed = connector.filter(|spec| spec.subscribe);
    let recipe = match (fields.has("provider"), subscribed) {
        (false, Some(spec)) => subscribe::recipe(at, &spec.connector, context),
        _ => fields.require("provider", PROVIDER).and_then(|at| provider::recipe(&at, context)),
    };
    let secrets = secret::of_roles(&mut fields);
    let dedupe_within = fields.take("dedupe").and_then(|at| dedupe(&at));
    let allow_from = fields.take("allow_from").and_then(|at| allow::allow_from(&at, recipe.as_deref()));
    let reply = fields.take("reply").and_then(|at| reply::reply(&at, recipe.as_deref()));
    let Some(recipe) = recipe else {
        fields.finish_with_slips();
        return None;
    };
    let settings = provider::settings(&fields, &recipe);
    fields.finish_knowing(&recipe.settings().map(|(name, ..)| name).collect::<Vec<_>>());
    let by_account = accounts.iter().filter_map(|account| Some((&account.at, account.secrets.as_ref()?)));
    for (at, secrets) in by_account.chain(secrets.as_ref().map(|secrets| (at, secrets))) {
        // An empty one was wrong in itself, which is told already.
        if !secrets.is_empty() {
            provider::check_secrets(at, secrets, &recipe, &settings);
        }
    }
    let is_brought = subscribed.is_some_and(subscribe::brings_secret);
    if secrets.is_none() && !is_brought && accounts.iter().all(|account| account.secrets.is_none()) {
        provider::check_secrets(at, &[], &recipe, &settings);
    }
    let unpaired = secrets.is_none() && (accounts.is_empty() || accounts.iter().any(|own| own.secrets.is_none()));
    if let Some(role) = recipe.pairs().filter(|_| unpaired) {
        let message = format!("there is no {role} secret: the sender hands it over when a person lets the source wait");
        let help = "after the start: `trireme source pair` and the source's name; until then its requests are refused";
        at.warning("must_be_paired", message, help);
    }
    let secrets = secrets.into_iter().flatten().map(|(own, _)| own).collect();
    Some(WebhookSpec { provider: recipe.name().to_owned(), secrets, settings, dedupe_within, allow_from, reply })
}

fn dedupe(at: &At<'_>) -> Option<Duration> {
    let mut fields = at.fields()?;
    let within = fields.require("within", "within: 1h, or within: 0s for never");
    fields.finish();
    within?.duration(Duration::ZERO..=DEDUPE_MAX)
}

/// A connection, where it stands, and the secrets that are its own.
struct Account<'a> {
    name: ConnectionName,
    at: At<'a>,
    /// `None`: the source's own.
    secrets: Option<Vec<RoleSecretAt<'a>>>,
    /// Of the source's connector.
    config: Option<At<'a>>,
}

impl Account<'_> {
    fn into_secrets(self) -> (ConnectionName, Vec<RoleSecret>) {
        (self.name, self.secrets.into_iter().flatten().map(|(own, _)| own).collect())
    }
}

fn accounts<'a>(at: &At<'a>) -> Vec<Account<'a>> {
    let entries = at.named_entries::<ConnectionName>().into_iter();
    let account = |(name, at): (ConnectionName, At<'a>)| {
        if name == ConnectionName::unassigned() {
            let message = "'unassigned' is where the webhooks of unknown accounts wait";
            at.error_at_key("reserved", message, "choose another name");
        }
        let (secrets, config) = own_keys(&at);
        Account { name, secrets, config, at }
    };
    entries.map(account).collect()
}

/// The secrets and the config of one connection.
fn own_keys<'a>(at: &At<'a>) -> (Option<Vec<RoleSecretAt<'a>>>, Option<At<'a>>) {
    let Some(mut fields) = at.fields() else { return (None, None) };
    let (webhook, config) = (fields.take("webhook"), fields.take("config"));
    fields.finish();
    let secrets = webhook.and_then(|at| {
        let mut webhook = at.fields()?;
        let secrets = secret::of_roles(&mut webhook);
        webhook.finish();
        secrets
    });
    (secrets, config)
}
