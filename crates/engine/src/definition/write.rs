//! Definitions as JSON: what the API shows and the store keeps. Reading one back gives the same definition.
//!
//! Secrets go through the caller's hands, who masks or seals them.

mod enrich;
mod reply;
mod stream;

use domain::breaker::BreakerPolicy;
use domain::retry::{Backoff, RetryPolicy};
use ipnet::IpNet;
use serde_json::{Map, Value as Json, json};

use super::secret::ROLE_PLAIN;
use super::units::print_duration;
use crate::spec::{DestinationSpec, HttpSpec, RoleSecret, RouteSpec, Secret, SourceSpec, StreamSpec, WebhookSpec};

/// What stands for a secret: its seal, or the marker.
type Cover<'a> = &'a mut dyn FnMut(&Secret) -> String;

#[must_use]
pub fn write_source(spec: &SourceSpec, cover: Cover<'_>) -> Json {
    let mut json = Map::new();
    if let Some(webhook) = &spec.webhook {
        json.insert("webhook".to_owned(), write_webhook(webhook, cover));
    }
    json.insert("publish".to_owned(), spec.publish.into());
    if let Some(connector) = &spec.connector {
        json.insert("connector".to_owned(), connector.name.as_str().into());
        json.extend(connector.overrides.iter().map(|path| ("overrides".to_owned(), path.as_str().into())));
        json.extend(connector.budget.iter().map(|budget| ("budget".to_owned(), stream::budget(budget))));
        if connector.subscribe {
            json.insert("subscribe".to_owned(), true.into());
        }
        if connector.normalize != connector.subscribe {
            json.insert("normalize".to_owned(), connector.normalize.into());
        }
        if !connector.streams.is_empty() {
            let streams = connector.streams.iter().map(|(name, spec)| (name.to_string(), stream::stream(spec)));
            json.insert("streams".to_owned(), streams.collect::<Map<_, _>>().into());
        }
    }
    if !spec.connections.is_empty() {
        let mut connections = Map::new();
        for (name, secrets) in &spec.connections {
            let mut connection = Map::new();
            if spec.webhook.is_some() {
                let mut webhook = Map::new();
                write_roles(&mut webhook, secrets, cover);
                connection.insert("webhook".to_owned(), webhook.into());
            }
            connections.insert(name.to_string(), connection.into());
        }
        json.insert("connections".to_owned(), connections.into());
    }
    for (name, config) in spec.connector.iter().flat_map(|connector| &connector.configs) {
        let covered = covered(config.expose(), cover);
        match json.get_mut("connections").and_then(|all| all.get_mut(name.as_str())) {
            Some(connection) => connection["config"] = covered,
            None => drop(json.insert("config".to_owned(), covered)),
        }
    }
    json.into()
}

/// How one stream is read.
#[must_use]
pub fn write_stream(spec: &StreamSpec) -> Json {
    stream::stream(spec)
}

/// A connector's config, every text of it covered.
fn covered(config: &Json, cover: Cover<'_>) -> Json {
    match config {
        Json::String(text) => cover(&Secret::new(text.clone())).into(),
        Json::Array(items) => items.iter().map(|item| covered(item, cover)).collect(),
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), covered(value, cover))).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => config.clone(),
    }
}

fn write_webhook(spec: &WebhookSpec, cover: Cover<'_>) -> Json {
    let mut json = Map::new();
    json.insert("provider".to_owned(), spec.provider.as_str().into());
    write_roles(&mut json, &spec.secrets, cover);
    if let Some(within) = spec.dedupe_within {
        json.insert("dedupe".to_owned(), json!({ "within": print_duration(within) }));
    }
    if let Some(allow) = &spec.allow_from {
        let published = allow.published.then(|| super::allow::PUBLISHED.to_owned());
        let ranges: Vec<String> = published.into_iter().chain(allow.ranges.iter().map(IpNet::to_string)).collect();
        json.insert("allow_from".to_owned(), ranges.into());
    }
    if let Some(reply) = &spec.reply {
        json.insert("reply".to_owned(), reply::reply(reply));
    }
    json.extend(spec.settings.iter().map(|(name, value)| (name.clone(), value.clone())));
    json.into()
}

fn write_roles(json: &mut Map<String, Json>, secrets: &[RoleSecret], cover: Cover<'_>) {
    let mut by_role = Map::new();
    for own in secrets {
        let list = if own.role == ROLE_PLAIN { json.entry("secret") } else { by_role.entry(own.role.as_str()) };
        if let Json::Array(list) = list.or_insert_with(|| json!([])) {
            list.push(described(own, cover));
        }
    }
    if !by_role.is_empty() {
        json.insert("secrets".to_owned(), by_role.into());
    }
}

/// A secret by itself, or with what is said of it.
fn described(own: &RoleSecret, cover: Cover<'_>) -> Json {
    let value = cover(&own.secret);
    let RoleSecret { name, window, .. } = own;
    let mut said = Map::new();
    said.extend(name.iter().map(|name| ("name".to_owned(), name.as_str().into())));
    said.extend(window.not_before.map(|at| ("not_before".to_owned(), at.to_string().into())));
    said.extend(window.not_after.map(|at| ("not_after".to_owned(), at.to_string().into())));
    if said.is_empty() {
        return value.into();
    }
    said.insert("value".to_owned(), value.into());
    said.into()
}

#[must_use]
pub fn write_destination(spec: &DestinationSpec, cover: Cover<'_>) -> Json {
    let mut json = Map::new();
    json.insert("http".to_owned(), write_http(&spec.http, cover));
    json.insert("retry".to_owned(), write_retry(&spec.retry));
    if let Some(rate) = spec.rate_limit {
        json.insert("rate_limit".to_owned(), rate.to_string().into());
    }
    json.insert("breaker".to_owned(), write_breaker(&spec.breaker));
    json.insert("paused".to_owned(), spec.paused.into());
    json.into()
}

fn write_http(spec: &HttpSpec, cover: Cover<'_>) -> Json {
    let mut json = Map::new();
    json.insert("url".to_owned(), spec.url.as_str().into());
    if spec.secrets.is_empty() {
        json.insert("unsigned".to_owned(), true.into());
    } else {
        json.insert("secret".to_owned(), spec.secrets.iter().map(&mut *cover).collect());
    }
    if !spec.headers.is_empty() {
        let headers: Map<_, _> = spec.headers.iter().map(|(name, value)| (name.clone(), cover(value).into())).collect();
        json.insert("headers".to_owned(), headers.into());
    }
    let timeouts = &spec.timeouts;
    json.insert("body".to_owned(), json!(spec.body));
    let timeouts = json!({
        "connect": print_duration(timeouts.connect),
        "first_byte": print_duration(timeouts.first_byte),
        "total": print_duration(timeouts.total),
    });
    json.insert("timeouts".to_owned(), timeouts);
    json.insert("concurrency".to_owned(), spec.concurrency.into());
    json.into()
}

fn write_retry(policy: &RetryPolicy) -> Json {
    let mut json = match &policy.backoff {
        Backoff::Fibonacci { first, max } => {
            json!({ "fibonacci": print_duration(*first), "max": print_duration(*max) })
        }
        Backoff::Exponential { first, factor, max } => {
            json!({ "exponential": print_duration(*first), "factor": factor, "max": print_duration(*max) })
        }
        Backoff::List(waits) => json!({ "list": waits.iter().copied().map(print_duration).collect::<Vec<_>>() }),
    };
    json["attempts"] = policy.attempts.into();
    json["jitter"] = format!("{}%", policy.jitter_percent).into();
    json
}

fn write_breaker(policy: &BreakerPolicy) -> Json {
    json!({
        "failures": policy.failures,
        "pause": print_duration(policy.pause),
        "pause_max": print_duration(policy.pause_max),
    })
}

#[must_use]
pub fn write_route(spec: &RouteSpec) -> Json {
    let mut json = Map::new();
    let mut put = |key: &str, value: Json| drop(json.insert(key.to_owned(), value));
    put("from", spec.from.as_str().into());
    put("to", spec.to.as_str().into());
    put("name", spec.name.as_str().into());
    if !spec.connections.is_empty() {
        put("connections", json!(spec.connections));
    }
    if let Some(assurance) = spec.assurance {
        put("assurance", assurance.as_str().into());
    }
    for (key, expression) in [("when", &spec.when), ("map", &spec.map)] {
        if let Some(text) = expression {
            put(key, text.as_str().into());
        }
    }
    if !spec.enrich.is_empty() {
        put("enrich", enrich::enrich(&spec.enrich));
    }
    put("ordering", json!(spec.ordering));
    if spec.ordering != domain::ordering::Ordering::None {
        put("on_dead", json!(spec.on_dead));
    }
    put("stale", json!(spec.stale));
    if let Some(retry) = &spec.retry {
        put("retry", write_retry(retry));
    }
    if let Some(body) = spec.body {
        put("body", json!(body));
    }
    json.into()
}
