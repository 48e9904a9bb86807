//! Channels: how one message reaches people. Each says a message in the words of its service and reads the answer; none
//! keeps anything, and none shows its secret, whatever goes wrong.

mod discord;
mod email;
mod pagerduty;
mod slack;
mod teams;
mod telegram;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use super::message::Message;
use crate::clock::SharedClock;
use crate::deliver::retry_after;
use crate::spec::{ChannelSpec, Way};
use crate::transport::{
    EgressPolicy, EgressRefused, Limits, OutboundRequest, OutboundResponse, SendError, Target, Transport,
};

/// Nobody is believed who asks for more than a day.
const WAIT_SECONDS_MAX: f64 = 24.0 * 60.0 * 60.0;
/// How much of an answer is shown.
const SAID_CHARS_MAX: usize = 300;

/// What a channel answered to a message that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    pub said: String,
    /// It reached some of those that it was meant for: what is wrong with the others.
    pub complaint: Option<String>,
}

/// Why a message did not go out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Trouble {
    /// Stable.
    pub code: &'static str,
    pub problem: String,
    /// It stays so until somebody changes something.
    pub lasting: bool,
    /// The channel asks for so much time.
    pub wait: Option<Duration>,
}

impl Trouble {
    pub(super) fn lasting(code: &'static str, problem: impl Into<String>) -> Self {
        Self { code, problem: problem.into(), lasting: true, wait: None }
    }

    pub(super) fn passing(code: &'static str, problem: impl Into<String>) -> Self {
        Self { code, problem: problem.into(), lasting: false, wait: None }
    }

    pub(super) fn of_send(error: &SendError) -> Self {
        match error {
            SendError::EgressRefused(refused) => Self::of_target(refused),
            SendError::TlsFailed(_) => Self::lasting(error.code(), error.to_string()),
            _ => Self::passing(error.code(), error.to_string()),
        }
    }

    /// The address may be a secret: only what is wrong with its host is told.
    fn of_target(refused: &EgressRefused) -> Self {
        let problem = match refused {
            EgressRefused::Address { .. } | EgressRefused::OwnListener { .. } | EgressRefused::Port { .. } => {
                refused.to_string()
            }
            _ => "its address is not one that may be called".to_owned(),
        };
        Self::lasting(EgressRefused::CODE, problem)
    }
}

/// What every channel is sent with.
#[derive(Clone)]
pub struct Post {
    pub transport: Arc<dyn Transport>,
    pub clock: SharedClock,
    pub egress: Arc<EgressPolicy>,
}

impl Post {
    /// Sends one message and reads what comes back.
    pub async fn send(&self, channel: &ChannelSpec, message: &Message) -> Result<Spoken, Trouble> {
        match &channel.way {
            Way::Email(spec) => email::send(self, spec, message).await,
            Way::Slack(address) => slack::send(self, address, message).await,
            Way::Discord(address) => discord::send(self, address, message).await,
            Way::Teams(address) => teams::send(self, address, message).await,
            Way::Telegram(spec) => telegram::send(self, spec, message).await,
            Way::PagerDuty(spec) => pagerduty::send(self, spec, message).await,
            Way::Webhook { url, secrets } => webhook::send(self, url, secrets, message).await,
        }
    }

    async fn post_json(&self, url: &str, body: &Value) -> Result<Answer, Trouble> {
        self.post(url, HeaderMap::new(), Bytes::from(body.to_string())).await
    }

    async fn post(&self, url: &str, mut headers: HeaderMap, body: Bytes) -> Result<Answer, Trouble> {
        let target = Target::parse(url, &self.egress).map_err(|refused| Trouble::of_target(&refused))?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("trireme"));
        let (method, target, limits) = (Method::POST, Arc::new(target), Limits::default());
        let request = OutboundRequest { method, target, headers, body, limits };
        let response = self.transport.send(request).await.map_err(|error| Trouble::of_send(&error))?;
        Ok(Answer { response, now: self.clock.now() })
    }
}

/// What a service answered.
struct Answer {
    response: OutboundResponse,
    now: Timestamp,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.response.body_head).unwrap_or_default()
    }

    /// Status and text, fit to be shown in one line.
    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.response.body_head);
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_CHARS_MAX).collect();
        format!("{} {}", self.response.status, text.trim()).trim_end().to_owned()
    }

    /// Success, or what its status says: too much at once, a service that is not well, or a request that stays wrong.
    fn checked(self, service: &str, wait: impl Fn(&Value) -> Option<f64>) -> Result<Spoken, Trouble> {
        let status = self.response.status;
        if (200..300).contains(&status) {
            return Ok(Spoken { said: self.shown(), complaint: None });
        }
        let said = wait(&self.json()).filter(|wait| wait.is_finite() && *wait > 0.0);
        let said = said.map(|seconds| Duration::from_secs_f64(seconds.min(WAIT_SECONDS_MAX)));
        let wait = said.or_else(|| retry_after(&self.response.headers, self.now));
        let problem = format!("{service} answered {}", self.shown());
        let lasting = !matches!(status, 408 | 425 | 429 | 500..);
        Err(Trouble { code: if status == 429 { "rate_limited" } else { "refused" }, problem, lasting, wait })
    }
}

fn header_wait(_: &Value) -> Option<f64> {
    None
}

/// What a service would take for Markdown, so that nothing that a sender wrote becomes a link.
fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|>[]".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// As many characters as a service takes, with a mark where some were left out.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests;
