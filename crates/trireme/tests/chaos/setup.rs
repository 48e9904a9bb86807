//! Configurations: sources that listen as GitHub's webhooks come, destinations at the sink, routes between them.

use serde_json::{Map, Value, json};

use crate::payload::SENDER_SECRET;
use crate::sink::{DESTINATION_SECRET, Sink};

/// A configuration in the making.
#[derive(Clone, Debug)]
pub struct Setup(Value);

impl Setup {
    pub fn new() -> Self {
        Self(json!({ "sources": {}, "destinations": {}, "routes": [], "egress": { "allow": ["127.0.0.0/8"] } }))
    }

    /// A source of the generator.
    pub fn source(self, name: &str) -> Self {
        self.source_of(name, &json!({ "webhook": { "provider": "github", "secret": SENDER_SECRET } }))
    }

    pub fn source_of(mut self, name: &str, source: &Value) -> Self {
        self.0["sources"][name] = source.clone();
        self
    }

    /// A destination at the sink, with more keys of its own.
    pub fn destination(self, name: &str, sink: &Sink, more: &Value) -> Self {
        self.destination_at(name, &sink.url(name), more)
    }

    pub fn destination_at(mut self, name: &str, url: &str, more: &Value) -> Self {
        let mut destination = json!({ "http": { "url": url, "secret": DESTINATION_SECRET } });
        merge(&mut destination, more);
        self.0["destinations"][name] = destination;
        self
    }

    pub fn route(mut self, from: &str, to: &str, more: &Value) -> Self {
        let mut route = json!({ "from": from, "to": to });
        merge(&mut route, more);
        self.0["routes"].as_array_mut().expect("routes are a list").push(route);
        self
    }

    /// A key of the top level.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }

    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// A retry policy that gives up after so many quick tries.
pub fn quick_retries(attempts: u32) -> Value {
    json!({ "list": ["100ms"], "attempts": attempts, "jitter": "0%" })
}

/// A breaker that never opens: for destinations that fail on purpose beside healthy tries.
pub fn no_breaker() -> Value {
    json!({ "failures": 10_000 })
}

fn merge(into: &mut Value, more: &Value) {
    let empty = Map::new();
    for (key, value) in more.as_object().unwrap_or(&empty) {
        match (&mut into[key.as_str()], value) {
            (own @ Value::Object(_), Value::Object(_)) => merge(own, value),
            (own, value) => *own = value.clone(),
        }
    }
}
