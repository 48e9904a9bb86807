//! `connector`, `overrides` and `config` of a source: what asks its API, and with which credentials.

use std::collections::BTreeMap;

use connectors::manifest::spec::Weight;
use domain::ConnectionName;
use serde_json::Value as Json;

use super::reader::{At, Fields};
use super::secret::SECRET_MARKER;
use super::tree::{Node, Value};
use super::{Context, stream};
use crate::connector::ConnectorError;
use crate::spec::{ConnectionConfig, ConnectorSpec};

/// Reads what a source says of its connector, its streams and its budget. `configs`: those of its connections, with their places.
pub(super) fn connector(
    fields: &mut Fields<'_>,
    configs: Vec<(ConnectionName, At<'_>)>,
    context: &Context,
    subscribe: bool,
) -> Option<ConnectorSpec> {
    let spec = named_connector(fields, configs, context).map(|spec| ConnectorSpec { subscribe, ..spec });
    let (streams, budget) = stream::streams(fields, spec.as_ref());
    let normalize = normalize(fields, spec.is_some()).unwrap_or(subscribe);
    spec.map(|spec| ConnectorSpec { streams, budget, normalize, ..spec })
}

fn normalize(fields: &mut Fields<'_>, has_connector: bool) -> Option<bool> {
    let at = fields.take("normalize")?;
    if !has_connector && !fields.has("connector") {
        at.error("conflict", "this is for a connector, and none is named", "add connector: NAME, or ./FILE.yaml");
    }
    at.flag()
}

fn named_connector(
    fields: &mut Fields<'_>,
    configs: Vec<(ConnectionName, At<'_>)>,
    context: &Context,
) -> Option<ConnectorSpec> {
    let (named, overrides, own) = (fields.take("connector"), fields.take("overrides"), fields.take("config"));
    let Some(named) = named else {
        let stray = overrides.into_iter().chain(own).chain(configs.into_iter().map(|(_, at)| at));
        for at in stray {
            at.error("conflict", "this is for a connector, and none is named", "add connector: NAME, or ./FILE.yaml");
        }
        return None;
    };
    let overrides = match overrides {
        None => None,
        Some(at) => Some(at.text()?.as_str().to_owned()),
    };
    let name = named.text()?.as_str().to_owned();
    let found = context.connectors.find(&name, overrides.as_deref());
    let connector = found.map_err(|error| tell(&named, &error)).ok()?;
    let own = own.map(|at| (ConnectionName::default_connection(), at));
    let mut kept = BTreeMap::new();
    for (connection, at) in own.into_iter().chain(configs) {
        let config = json(at.node());
        if holds_marker(&config) {
            at.error("secret_is_marker", "this holds what is shown in place of a secret", "write the value itself");
        }
        for problem in connector.source.spec.iter().flat_map(|spec| spec.check(&config)) {
            match problem.weight {
                Weight::Error => at.error("config_invalid", problem.to_string(), "see the connector's specification"),
                Weight::Doubt => at.warning("config_doubtful", problem.to_string(), ""),
            }
        }
        if kept.insert(connection, ConnectionConfig::new(config)).is_some() {
            at.error("conflict", "the connection 'default' is configured twice", "keep one of both");
        }
    }
    let (streams, budget, normalize, subscribe) = (BTreeMap::new(), None, false, false);
    Some(ConnectorSpec { name, overrides, connector, configs: kept, streams, budget, normalize, subscribe })
}

fn tell(at: &At<'_>, error: &ConnectorError) {
    match error {
        ConnectorError::Unknown { near, .. } => {
            let help = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => "name one of ours, or the path of a manifest such as ./shop.yaml".to_owned(),
            };
            at.error("unknown_name", error.to_string(), help);
        }
        ConnectorError::Unreadable(_) => at.error("file_unreadable", error.to_string(), "correct the path"),
        ConnectorError::Wrong(problems) => {
            for problem in problems {
                at.error("manifest_invalid", problem.to_string(), "`trireme connector inspect` tells all of it");
            }
        }
    }
}

/// The value as JSON; variables are put in already.
pub(super) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Broken => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => Json::Number(number.clone()),
        Value::Text(text) => Json::String(text.as_str().to_owned()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect(),
    }
}

fn holds_marker(config: &Json) -> bool {
    match config {
        Json::String(text) => text == SECRET_MARKER,
        Json::Array(items) => items.iter().any(holds_marker),
        Json::Object(fields) => fields.values().any(holds_marker),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
