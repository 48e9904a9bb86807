//! A model that the operator configured, behind an endpoint that speaks the protocol of chat completions.
//!
//! It is asked by a person, one question at a time, within a budget, through the transport with its egress rules. What
//! it answers is a text and nothing more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{Tenant, Timestamp};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::Context;
use crate::engine::Engine;
use crate::spec::Secret;
use crate::transport::{BodyEnd, Limits, OutboundRequest, SendError, Target};

/// A page waits for it: what takes longer is not worth it.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(30),
    body: Duration::from_secs(30),
    total: Duration::from_secs(30),
    body_bytes: 256 * 1024,
};
/// Of its answer.
const ANSWER_CHARS_MAX: usize = 2_000;
const ANSWER_TOKENS_MAX: u32 = 400;

const ORDER: &str = "You help the operator of a webhook gateway. You get figures and codes about one failed delivery or \
    one rejected request as JSON, and the names of the gateway's own rules that spoke. Say in plain words, in at most \
    six sentences and without markup, what the likely cause is and what to do next. Say so if the figures do not tell.";

/// Where the model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSpec {
    /// Before `/chat/completions`.
    pub url: String,
    pub model: String,
    pub key: Option<Secret>,
    /// Questions in an hour.
    pub per_hour: u32,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("no model is configured: `explain.model` in the configuration names one")]
    None,
    #[error("the questions of this hour are used up; `explain.model.per_hour` says how many there are")]
    Spent,
    #[error("the model could not be asked: {0}")]
    Unreachable(SendError),
    #[error("the model answered {status}")]
    Refused { status: u16 },
    #[error("the model's answer is not that of a chat completion")]
    Unreadable,
}

impl ModelError {
    /// A stable code for the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::None => "model_none",
            Self::Spent => "model_spent",
            Self::Unreachable(_) => "model_unreachable",
            Self::Refused { .. } => "model_refused",
            Self::Unreadable => "model_unreadable",
        }
    }
}

/// Questions since the hour began.
#[derive(Debug, Default)]
struct Hour {
    began: Timestamp,
    questions: u32,
}

impl Hour {
    const LENGTH: Duration = Duration::from_secs(60 * 60);

    /// Counts one, unless there were as many as there may be.
    fn take(&mut self, per_hour: u32, now: Timestamp) -> bool {
        if now.since(self.began) >= Self::LENGTH {
            *self = Self { began: now, questions: 0 };
        }
        let has_room = self.questions < per_hour;
        self.questions += u32::from(has_room);
        has_room
    }
}

/// A model that can be asked.
#[derive(Debug)]
pub struct Model {
    spec: ModelSpec,
    asked: Mutex<Hour>,
}

impl Model {
    #[must_use]
    pub fn new(spec: ModelSpec) -> Arc<Self> {
        Arc::new(Self { spec, asked: Mutex::default() })
    }

    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// What the model is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.model
    }

    fn pay(&self, engine: &Engine) -> Result<(), ModelError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.take(self.spec.per_hour, engine.clock().now()) { Ok(()) } else { Err(ModelError::Spent) }
    }

    /// Its answer as a text, whatever it holds.
    pub async fn ask(&self, engine: &Engine, context: &Context) -> Result<String, ModelError> {
        self.pay(engine)?;
        // The operator's own wish, whoever asks: so the operator's rules count.
        let policy = engine.inner.policies.egress(&Tenant::default_tenant());
        let url = format!("{}/chat/completions", self.spec.url.trim_end_matches('/'));
        let target = Target::parse(&url, &policy).map_err(|refused| ModelError::Unreachable(refused.into()))?;
        let body = Bytes::from(self.question(context).to_string());
        let (method, target) = (Method::POST, Arc::new(target));
        let request = OutboundRequest { method, target, headers: self.headers(), body, limits: LIMITS };
        let answer = engine.inner.deliverer.transport.send(request).await.map_err(ModelError::Unreachable)?;
        match answer.status {
            200..=299 if answer.body_end == BodyEnd::Complete => read(&answer.body_head),
            200..=299 => Err(ModelError::Unreadable),
            status => Err(ModelError::Refused { status }),
        }
    }

    fn question(&self, context: &Context) -> Value {
        json!({
            "model": self.spec.model,
            "messages": [{ "role": "system", "content": ORDER }, { "role": "user", "content": context.text() }],
            "max_tokens": ANSWER_TOKENS_MAX,
            "temperature": 0,
            "stream": false,
        })
    }

    fn headers(&self) -> HeaderMap {
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
        let key =
            self.spec.key.as_ref().and_then(|key| HeaderValue::from_str(&format!("Bearer {}", key.expose())).ok());
        if let Some(mut key) = key {
            key.set_sensitive(true);
            headers.insert(AUTHORIZATION, key);
        }
        headers
    }
}

/// The text of the first choice, shortened, without what could steer a terminal.
fn read(body: &[u8]) -> Result<String, ModelError> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| ModelError::Unreadable)?;
    let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str).ok_or(ModelError::Unreadable)?;
    let plain = |letter: &char| !letter.is_control() || *letter == '\n';
    let text: String = text.trim().chars().filter(plain).take(ANSWER_CHARS_MAX).collect();
    if text.is_empty() { Err(ModelError::Unreadable) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_so_many_questions_and_no_more() {
        let mut hour = Hour::default();
        let at = |minute: i64| Timestamp::from_secs(1_000_000 + minute * 60);
        let asked: Vec<bool> = [0, 1, 2, 59, 60, 61, 62].map(|minute| hour.take(2, at(minute))).to_vec();
        assert_eq!(asked, [true, true, false, false, true, true, false]);
    }

    #[test]
    fn an_answer_is_its_first_choice_as_plain_text() {
        let answer = |text: &str| json!({ "choices": [{ "message": { "content": text } }] }).to_string().into_bytes();
        assert_eq!(read(&answer(" <b>Look</b>\u{1b}[2J\nthere. ")).as_deref(), Ok("<b>Look</b>[2J\nthere."));
        assert_eq!(read(&answer(&"x".repeat(9_000))).map(|text| text.len()), Ok(ANSWER_CHARS_MAX));
        for broken in [&b""[..], b"{}", b"[]", br#"{"choices":[]}"#, &answer(" \n ")] {
            assert_eq!(read(broken), Err(ModelError::Unreadable));
        }
    }
}
