//! What the tests of requests, paging, authentication and error handling have in common.

use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::super::node::{Document, Read};
use super::super::problem::Problem;
use super::super::scope::{Scope, SliceView};
use super::super::wire::{Reply, Request};

/// A component as a manifest would have it.
pub fn component<T: Read>(json: &Json) -> T {
    try_component(json).unwrap_or_else(|problem| panic!("{problem}: {json}"))
}

pub fn try_component<T: Read>(json: &Json) -> Result<T, Problem> {
    T::read(&Document::from_json(json).root())
}

/// The problem of a component that is not as the format has it.
pub fn problem<T: Read + Debug>(json: &Json) -> String {
    try_component::<T>(json).expect_err("the component has a mistake").to_string()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// A slice of one part.
pub struct Partition {
    partition: Map<String, Json>,
    nothing: Map<String, Json>,
    extra: Map<String, Json>,
}

impl Partition {
    pub fn of(json: &Json) -> Self {
        Self { partition: json.as_object().cloned().unwrap_or_default(), nothing: Map::new(), extra: Map::new() }
    }

    pub fn with_extra(mut self, extra: &Json) -> Self {
        self.extra = extra.as_object().cloned().unwrap_or_default();
        self
    }

    pub fn scope<'a>(&'a self, config: &'a Json, now: Timestamp) -> Scope<'a> {
        let view = SliceView { partition: &self.partition, cursor: &self.nothing, extra_fields: &self.extra };
        Scope::new(config, now).slice(view)
    }
}

pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value")))
        .collect();
    Reply::new(status, headers, Bytes::copy_from_slice(body.as_bytes()), "https://api.example/v1/items?key=1".into())
}

/// A request in one line: method, URL, headers that are not always there, body.
pub fn line(request: &Request) -> String {
    let mut headers: Vec<String> = request
        .headers
        .iter()
        .filter(|(name, _)| *name != "accept")
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    let body = String::from_utf8_lossy(&request.body);
    format!("{} {} [{}] {body}", request.method, request.url, headers.join(", ")).trim_end().to_owned()
}
