//! One request as the script sees it: its parts decoded, nothing judged.

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value as Json;

/// A request that was read whole.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Decoded, in the order in which they came.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    pub json: Option<Json>,
    pub body: Bytes,
    /// What the braces in the route's path stand for.
    pub captured: Vec<(String, String)>,
}

impl Asked {
    pub fn new(parts: &Parts, body: Bytes) -> Self {
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let kind = headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value.as_str());
        let form = if kind.starts_with("application/x-www-form-urlencoded") { pairs(&body) } else { Vec::new() };
        let json = serde_json::from_slice(&body).ok();
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            headers,
            form,
            json,
            body,
            captured: Vec::new(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What tells this request from others when replies to the same one follow each other.
    pub fn signature(&self) -> String {
        let mut query = self.query.clone();
        query.sort();
        format!("{} {} {query:?} {:?}", self.method, self.path, self.body)
    }
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}
