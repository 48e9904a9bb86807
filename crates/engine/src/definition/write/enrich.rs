//! `enrich` as JSON.

use serde_json::{Map, Value as Json};

use super::super::units::print_duration;
use crate::spec::{EnrichSpec, EnrichWay, OnEnrichError};

pub(super) fn enrich(specs: &[EnrichSpec]) -> Json {
    specs.iter().map(|spec| (spec.name.to_string(), one(spec))).collect::<Map<_, _>>().into()
}

fn one(spec: &EnrichSpec) -> Json {
    let mut json = Map::new();
    let mut put = |key: &str, value: Json| drop(json.insert(key.to_owned(), value));
    match &spec.way {
        EnrichWay::Stream(stream) => put("stream", (**stream).into()),
        EnrichWay::Request(request) => put("request", Json::clone(&request.written)),
    }
    if let Some(source) = &spec.source {
        put("source", source.as_str().into());
    }
    if let Some(connection) = &spec.connection {
        put("connection", connection.as_str().into());
    }
    put("id", spec.id.as_str().into());
    if let Some(max_age) = spec.max_age {
        put("max_age", print_duration(max_age).into());
    }
    let on_error = match spec.on_error {
        OnEnrichError::Retry => "retry",
        OnEnrichError::DeliverWithout => "deliver_without",
        OnEnrichError::DeadLetter => "dead_letter",
    };
    put("on_error", on_error.into());
    if spec.confirm {
        put("confirm", true.into());
    }
    json.into()
}
