//! The REST API as a person's program would ask it; the oracle's only source for what waits and what is dead.

use std::collections::HashMap;
use std::net::SocketAddr;

use domain::EventId;
use serde_json::Value;

use crate::gateway::ADMIN_KEY;
use crate::http::{self, Response};

/// Largest page of a list.
const PAGE: usize = 500;

#[derive(Clone, Copy, Debug)]
pub struct Api {
    pub address: SocketAddr,
}

/// A delivery as the API tells it.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    pub state: String,
    pub attempts: u64,
    pub cause: Option<String>,
    pub replay: bool,
}

/// States in which a delivery still waits for its end.
pub const WAITING: [&str; 4] = ["pending", "in_flight", "retrying", "held"];

impl Api {
    pub fn get(&self, path: &str) -> Value {
        let response = self.ask("GET", path, &[], b"");
        assert_eq!(response.status, 200, "GET {path}: {}", response.text());
        response.json()
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let key = format!("Bearer {ADMIN_KEY}");
        let mut all = vec![("authorization", key.as_str())];
        all.extend_from_slice(headers);
        let response = http::once(self.address, method, path, &all, body);
        response.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Every item of a list, page by page.
    pub fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{sign}limit={PAGE}{cursor}"));
            items.extend(page["data"].as_array().expect("a list has data").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    pub fn events(&self) -> Vec<EventId> {
        self.all("/api/v1/events").iter().map(|event| id_of(&event["id"])).collect()
    }

    /// All deliveries, by event and route; the replayed ones apart.
    pub fn deliveries(&self) -> HashMap<(EventId, String), Vec<Row>> {
        let mut rows: HashMap<_, Vec<Row>> = HashMap::new();
        for delivery in self.all("/api/v1/deliveries") {
            let text = |key: &str| delivery[key].as_str().unwrap_or_default().to_owned();
            let row = Row {
                id: text("id"),
                state: text("state"),
                attempts: delivery["attempts"].as_u64().unwrap_or_default(),
                cause: delivery["cause"]["code"].as_str().map(str::to_owned),
                replay: delivery["replay"].is_string(),
            };
            rows.entry((id_of(&delivery["event"]), text("route"))).or_default().push(row);
        }
        rows
    }

    /// Whether no delivery waits for anything but a person. Looked at several times, because one that goes to and fro
    /// between two states can be missed in both.
    pub fn is_quiet(&self) -> bool {
        let waiting = ["pending", "in_flight", "retrying", "in_flight", "pending", "retrying"];
        waiting.iter().all(|state| self.is_empty(&format!("/api/v1/deliveries?state={state}")))
    }

    pub fn is_empty(&self, list: &str) -> bool {
        self.get(&format!("{list}&limit=1"))["data"].as_array().is_some_and(Vec::is_empty)
    }

    /// Whether this event is there.
    pub fn has(&self, event: EventId) -> bool {
        self.ask("GET", &format!("/api/v1/events/{event}"), &[], b"").status == 200
    }
}

pub fn id_of(text: &Value) -> EventId {
    let text = text.as_str().expect("an id is a text");
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}
