//! `enrich` of a route: which records are fetched for its events, and by what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::extension::OneRecord;
use connectors::manifest::node::{Document, Read as _};
use domain::suggest::nearest;
use domain::{ConnectionName, SourceName};

use super::reader::{At, Fields};
use super::route::{SourceFacts, expression};
use crate::spec::{EnrichSpec, EnrichWay, OnEnrichError, RequestSpec};

/// Most records that one event takes: each is a request to a source.
const ENRICH_MAX: usize = 16;
/// Longest that a record may be good for.
const MAX_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const ON_ERROR: [(&str, OnEnrichError); 3] = [
    ("retry", OnEnrichError::Retry),
    ("deliver_without", OnEnrichError::DeliverWithout),
    ("dead_letter", OnEnrichError::DeadLetter),
];

pub(super) type Sources = BTreeMap<SourceName, Option<SourceFacts>>;

/// Reads `enrich`; `from` is the route's source.
pub(super) fn enrich(at: &At<'_>, from: Option<&SourceName>, sources: &Sources) -> Vec<EnrichSpec> {
    let entries = at.own_entries();
    if entries.len() > ENRICH_MAX {
        let message = format!("{} records, at most {ENRICH_MAX} are fetched for an event", entries.len());
        at.error("too_many", message, "fetch fewer, or split the route");
    }
    entries.into_iter().filter_map(|(name, at)| one(name, &at, from, sources)).collect()
}

fn one(name: &str, at: &At<'_>, from: Option<&SourceName>, sources: &Sources) -> Option<EnrichSpec> {
    let mut fields = at.fields()?;
    let source: Option<SourceName> = fields.take("source").and_then(|at| at.named());
    let connection: Option<ConnectionName> = fields.take("connection").and_then(|at| at.named());
    let way = way(&mut fields, source.as_ref().or(from), sources);
    let id = fields.require("id", "an expression that gives the record's id, as id: \"data.order_id\"");
    let id = id.and_then(|at| expression(&at));
    let max_age = fields.take("max_age");
    let confirm = fields.take("confirm").and_then(|at| at.flag()).unwrap_or(false);
    if let Some(at) = max_age.as_ref().filter(|_| confirm) {
        let message = "'max_age' says nothing beside 'confirm', which fetches anew each time";
        at.error("conflict", message, "remove one of them");
    }
    let max_age = max_age.and_then(|at| at.duration(Duration::ZERO..=MAX_AGE_MAX));
    let on_error = fields.take("on_error").and_then(|at| at.choice(&ON_ERROR)).unwrap_or_default();
    fields.finish();
    Some(EnrichSpec { name: name.into(), way: way?, source, connection, id: id?, max_age, on_error, confirm })
}

/// `stream` or `request`.
fn way(fields: &mut Fields<'_>, source: Option<&SourceName>, sources: &Sources) -> Option<EnrichWay> {
    let (stream, request) = (fields.take("stream"), fields.take("request"));
    let facts = source.and_then(|source| sources.get(source));
    let at = match (&stream, &request) {
        (Some(_), Some(at)) => {
            at.error("conflict", "both 'stream' and 'request' are given", "keep the one that you mean");
            return None;
        }
        (Some(at), None) | (None, Some(at)) => at,
        (None, None) => {
            let help = "write stream: orders, or request: { requester: … }";
            fields.at().error("missing_key", "it is not said how the record is asked for", help);
            return None;
        }
    };
    match (source, facts) {
        (Some(source), None) => {
            at.error("unknown_name", format!("there is no source '{source}'"), "correct 'source'");
            return None;
        }
        (Some(source), Some(Some(SourceFacts { readable: None, .. }))) => {
            let message = format!("source '{source}' has no connector: nothing can be asked of it");
            at.error("no_connector", message, "give it a connector, or name another 'source'");
            return None;
        }
        _ => {}
    }
    match (stream, request) {
        (Some(at), _) => stream_way(&at, facts.and_then(Option::as_ref)),
        (None, Some(at)) => request_way(&at),
        (None, None) => None,
    }
}

fn stream_way(at: &At<'_>, facts: Option<&SourceFacts>) -> Option<EnrichWay> {
    let name = at.text()?.as_str();
    if let Some(readable) = facts.and_then(|facts| facts.readable.as_ref())
        && !readable.iter().any(|stream| stream == name)
    {
        let message = format!("the connector does not say how one record of '{name}' is asked for");
        let near = nearest(name, readable.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => "say it below metadata.trireme.streams of the manifest, or write request: { … }".to_owned(),
        };
        at.error("get_missing", message, help);
        return None;
    }
    Some(EnrichWay::Stream(name.into()))
}

fn request_way(at: &At<'_>) -> Option<EnrichWay> {
    let written = super::connector::json(at.node());
    match OneRecord::read(&Document::from_json(&written).root()) {
        Ok(one) => Some(EnrichWay::Request(RequestSpec { written: Arc::new(written), one: Arc::new(one) })),
        Err(problem) => {
            let help = "write request: { requester: { type: HttpRequester, url_base: …, path: \"…/{{ stream_slice['id'] }}\" } }";
            at.error("request_invalid", problem.to_string(), help);
            None
        }
    }
}
