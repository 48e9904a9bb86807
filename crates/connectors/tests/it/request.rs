//! Requests to judge, made in a line.

use std::sync::Arc;

use bytes::Bytes;
use connectors::provider::{Incoming, Judgement, Keys, Peer, Recipe, RoleSecret, Settings, Urls, judge};
use domain::Timestamp;

pub const NOW: Timestamp = Timestamp::from_secs(1_769_851_800);
pub const URL: &str = "https://hooks.example/in/x";

/// A request by POST to [`URL`].
pub struct Request {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(Arc<str>, Bytes)>,
    pub body: Vec<u8>,
    pub peer: Peer,
}

impl Request {
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST", url: URL.to_owned(), headers: Vec::new(), body: body.into(), peer: Peer::default() }
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Bytes::from(value.into())));
        self
    }

    pub fn judged(&self, recipe: &Recipe, keys: &Keys) -> Judgement {
        let urls = Urls { configured: &self.url, received: &self.url };
        let incoming =
            Incoming { method: self.method, urls, headers: &self.headers, body: &self.body, peer: self.peer };
        judge(recipe, keys, &incoming, NOW)
    }
}

/// Keys of plain secrets, without settings.
pub fn keys(recipe: &Recipe, secrets: &[&str]) -> Keys {
    let secrets: Vec<RoleSecret> = secrets.iter().map(|secret| RoleSecret::plain(*secret)).collect();
    Keys::compile(recipe, &secrets, &Settings::default()).expect("keys that fit")
}

/// The code of a rejection; panics on anything else.
pub fn code(judgement: &Judgement) -> &str {
    match judgement {
        Judgement::Rejected(reason) => &reason.code,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

pub fn accepted(judgement: Judgement) -> connectors::provider::Accepted {
    match judgement {
        Judgement::Accepted(accepted) => accepted,
        other => panic!("expected an acceptance, got {other:?}"),
    }
}

/// A recipe of these parts; what is not named is as plain as can be.
pub fn recipe(secrets: &str, verify: &str, rest: &str) -> Recipe {
    let event =
        if rest.contains("event:") { "" } else { "event: { type: [[{ json: /type }]], type_otherwise: unknown }\n" };
    let text = format!(
        "provider: own\ntitle: Own\ndocs: https://own.example\nsecrets: {secrets}\nverify: {verify}\n{rest}\n{event}facts: {{ as_of: 2026-01-31, source: https://own.example }}\n"
    );
    Recipe::from_yaml("own.yaml", &text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

pub const SIGNING: &str = "[{ role: signing, about: a secret }]";
pub const HMAC: &str =
    "{ hmac: { hash: sha256, key: signing, message: [body], signature: { from: { header: x-sig }, encoding: hex } } }";

/// HMAC-SHA256 in hex, by ring alone.
pub fn hmac_hex(key: &str, message: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, message).as_ref())
}
