//! What is known of a request that was not accepted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::explain::request::{Facts, Mode, Otherwise, explain};
use domain::request::{InboundRequest, Verdict};
use domain::{Origin, RequestId, Tenant, Timestamp};
use serde_json::Value;
use store::StoreError;
use store::intake::KeptRequest;
use store::read::{EventFilter, Page, RequestFilter};

use super::otherwise::Trials;
use super::{Context, Explained};
use crate::engine::{Engine, EngineError};

/// Requests rejected for the same reason that are looked at.
const ALIKE_MAX: u32 = 20;
/// Rejected ones that are asked when they were sent.
const SKEWS_MAX: usize = 5;
/// Fields at the top of a payload by which senders say that something is a test, and what they say then.
const MODE_FIELDS: [(&str, &[&str]); 6] = [
    ("livemode", &["false"]),
    ("live_mode", &["false"]),
    ("test", &["true"]),
    ("test_mode", &["true"]),
    ("is_test", &["true"]),
    ("environment", &["test", "sandbox", "staging"]),
];
/// A time that is further away than this from when it came is another number.
const YEARS_TEN: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Engine {
    /// Why a request was not accepted.
    pub async fn explain_request(&self, tenant: Tenant, id: RequestId) -> Result<Explained, EngineError> {
        let kept = self.inner.store.request(tenant.clone(), id).await?;
        let kept = kept.ok_or_else(|| EngineError::NotFound(format!("there is no request {id}")))?;
        if kept.verdict == Verdict::Accepted {
            return Ok(Explained { diagnoses: Vec::new(), context: Context::default() });
        }
        let facts = self.request_facts(tenant, kept).await?;
        let provider = self.is_listed(&facts.provider);
        Ok(Explained { diagnoses: explain(&facts), context: Context::of_request(&facts, provider) })
    }

    /// Whether everybody knows a provider of this name.
    fn is_listed(&self, provider: &str) -> bool {
        connectors::provider::catalogue().get(provider).is_some()
    }

    async fn request_facts(&self, tenant: Tenant, kept: KeptRequest) -> Result<Facts, StoreError> {
        let kept = self.inner.heads.shown(kept);
        let request = (*kept.request).clone();
        let reason = kept.reason.clone();
        let code = reason.as_ref().map(|reason| reason.code.to_string()).unwrap_or_default();
        let alike = self.alike(&tenant, &request, &code).await?;
        let accepted_at = self.accepted_at(&tenant, &request).await?;
        let is_recent = |other: &&KeptRequest| accepted_at.is_none_or(|at| other.request.received_at > at);
        let topology = self.topology();
        let webhook = topology.source(tenant.as_str(), request.source.as_str());
        let provider = webhook.and_then(|source| source.spec.webhook.as_ref()).map(|webhook| webhook.provider.clone());
        let mode = mode(&request.body);
        Ok(Facts {
            pending: kept.verdict == Verdict::Pending,
            detail: reason.map(|reason| reason.detail).unwrap_or_default(),
            source: request.source.to_string(),
            provider: provider.unwrap_or_default(),
            method: request.method.to_string(),
            received_at: request.received_at,
            sent_at: sent_at(&request),
            headers: request.headers.iter().map(|(name, _)| name.to_string()).collect(),
            content_type: header(&request, "content-type").unwrap_or_default(),
            encoding: header(&request, "content-encoding").unwrap_or_default(),
            body_bytes: request.body.len() as u64,
            mode: mode.map(|(_, mode)| mode),
            mode_field: mode.map(|(field, _)| field.to_owned()).unwrap_or_default(),
            accepted_at,
            skews: alike
                .iter()
                .take(SKEWS_MAX)
                .filter_map(|other| skew(&self.inner.heads.shown(other.clone()).request))
                .collect(),
            alike: alike.iter().filter(is_recent).count() as u64,
            otherwise: if code == "signature_mismatch" { self.otherwise(request).await } else { Vec::new() },
            code,
        })
    }

    /// Those of the source that were rejected for the same reason, the newest first.
    async fn alike(
        &self,
        tenant: &Tenant,
        request: &InboundRequest,
        code: &str,
    ) -> Result<Vec<KeptRequest>, StoreError> {
        let (source, reason) = (Some(request.source.clone()), Some(code.to_owned()));
        let filter = RequestFilter { verdict: Some(Verdict::Rejected), source, reason };
        Ok(self.inner.store.requests(tenant.clone(), filter, Page::first(ALIKE_MAX)).await?.rows)
    }

    async fn accepted_at(&self, tenant: &Tenant, request: &InboundRequest) -> Result<Option<Timestamp>, StoreError> {
        let filter = EventFilter {
            source: Some(request.source.clone()),
            origin: Some(Origin::Native),
            ..EventFilter::default()
        };
        let newest = self.inner.store.events(tenant.clone(), filter, Page::first(1)).await?.rows.pop();
        Ok(newest.map(|row| row.event.received_at))
    }

    async fn otherwise(&self, request: InboundRequest) -> Vec<Otherwise> {
        let topology = self.topology();
        let source = topology.source(request.tenant.as_str(), request.source.as_str());
        let Some(trials) = source.map(|source| Trials::of(&topology, source, request)) else { return Vec::new() };
        // Digests of a large body take a while.
        tokio::task::spawn_blocking(move || trials.run()).await.unwrap_or_default()
    }
}

fn header(request: &InboundRequest, wanted: &str) -> Option<String> {
    let found: Option<&(Arc<str>, Bytes)> = request.headers.iter().find(|(name, _)| **name == *wanted);
    found.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
}

/// What a payload says of itself.
fn mode(body: &[u8]) -> Option<(&'static str, Mode)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    MODE_FIELDS.into_iter().find_map(|(field, tests)| {
        let said = match value.get(field)? {
            Value::Bool(said) => said.to_string(),
            Value::String(said) => said.to_ascii_lowercase(),
            _ => return None,
        };
        Some((field, if tests.contains(&said.as_str()) { Mode::Test } else { Mode::Live }))
    })
}

/// When a request says that it was sent: in a header of its own, or within that of the signature.
fn sent_at(request: &InboundRequest) -> Option<Timestamp> {
    request.headers.iter().find_map(|(name, value)| {
        let value = std::str::from_utf8(value).ok()?;
        let number = if name.contains("timestamp") {
            value.trim()
        } else if name.contains("signature") {
            value.split([',', ';', ' ']).find_map(|part| part.trim().strip_prefix("t="))?
        } else {
            return None;
        };
        moment(number, request.received_at)
    })
}

/// Seconds or milliseconds since 1970, whichever of them is near.
fn moment(number: &str, near: Timestamp) -> Option<Timestamp> {
    let number: i64 = number.parse().ok()?;
    let is_near = |at: &Timestamp| at.since(near).max(near.since(*at)) < YEARS_TEN;
    let seconds = number.checked_mul(1_000_000).map(Timestamp::from_micros).filter(is_near);
    seconds.or_else(|| number.checked_mul(1_000).map(Timestamp::from_micros).filter(is_near))
}

fn skew(request: &InboundRequest) -> Option<Duration> {
    let sent = sent_at(request)?;
    Some(sent.since(request.received_at).max(request.received_at.since(sent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_by_which_a_recipe_rejects_is_explained_by_a_rule_of_its_own() {
        use connectors::provider::Code;
        for code in Code::ALL {
            let pending = code == Code::KeyAwaited;
            let received_at = Timestamp::from_secs(1_700_000_000);
            let sent_at = Some(Timestamp::from_secs(1_699_990_000));
            let said =
                explain(&Facts { pending, code: code.as_str().to_owned(), received_at, sent_at, ..Facts::default() });
            let rules: Vec<&str> = said.iter().map(|diagnosis| diagnosis.rule).collect();
            assert!(!rules.is_empty() && !rules.contains(&"rejected_otherwise"), "{code:?}: {rules:?}");
        }
    }

    #[test]
    fn payloads_say_whether_they_are_a_test() {
        for (body, expected) in [
            (r#"{"livemode":false}"#, Some(("livemode", Mode::Test))),
            (r#"{"livemode":true}"#, Some(("livemode", Mode::Live))),
            (r#"{"environment":"Sandbox"}"#, Some(("environment", Mode::Test))),
            (r#"{"environment":"production"}"#, Some(("environment", Mode::Live))),
            (r#"{"data":{"livemode":false}}"#, None),
            (r#"{"test":[1]}"#, None),
            ("livemode=false", None),
        ] {
            assert_eq!(mode(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn times_are_seconds_or_milliseconds_and_other_numbers_are_none() {
        let near = Timestamp::from_secs(1_700_000_000);
        assert_eq!(moment("1700000100", near), Some(Timestamp::from_secs(1_700_000_100)));
        assert_eq!(moment("1700000100000", near), Some(Timestamp::from_secs(1_700_000_100)));
        assert_eq!([moment("17", near), moment("x", near), moment("99999999999999999999", near)], [None; 3]);
    }
}
