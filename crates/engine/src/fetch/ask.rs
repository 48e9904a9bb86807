//! Asks a sender's API for a key by the source's credentials. They go to the recipe's own hosts, and into no log.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{AccessToken, KeyDocument, KeyRequest, NoKey, TokenRequest};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use zeroize::Zeroizing;

use super::{ADDRESSES_MAX, DOCUMENT_BYTES_MAX, KeyFetcher, NotFetched};
use crate::transport::{BodyEnd, EgressPolicy, Limits, OutboundRequest, OutboundResponse, Target};

/// A token is fetched before the key is, and the sender waits for both.
const LIMITS: Limits = Limits {
    connect: Duration::from_millis(1_000),
    first_byte: Duration::from_millis(1_000),
    body: Duration::from_millis(500),
    total: Duration::from_millis(1_500),
    body_bytes: DOCUMENT_BYTES_MAX,
};
/// A token is not used in its last minute, so that none lapses on the way.
const TOKEN_SPARE_SECONDS: u64 = 60;
/// However long a token says that it is good for: one that was withdrawn is then noticed within the hour.
const TOKEN_SECONDS_MAX: u64 = 60 * 60;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

impl KeyFetcher {
    /// The key that an API gives. Only its plain "no" is final: all else may be our own credentials.
    pub(super) async fn ask(
        &self,
        url: &str,
        request: &KeyRequest,
        policy: &Arc<EgressPolicy>,
    ) -> Result<KeyDocument, NotFetched> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, JSON)]);
        if let Some(wanted) = request.token() {
            let token = self.token(wanted, policy).await?;
            headers.insert(AUTHORIZATION, secret_header(&format!("Bearer {}", token.as_str()))?);
        }
        let (method, body) = match request.post() {
            Some(body) => {
                headers.insert(CONTENT_TYPE, JSON);
                (Method::POST, Bytes::copy_from_slice(body.as_bytes()))
            }
            None => (Method::GET, Bytes::new()),
        };
        let response = self.sent(url, method, headers, body, policy).await?;
        if let (401, Some(wanted)) = (response.status, request.token()) {
            self.forget(wanted);
        }
        request.read(response.status, &response.body_head).map_err(|no_key| match no_key {
            NoKey::Absent => NotFetched::Absent,
            NoKey::NotNow => NotFetched::Unreachable,
        })
    }

    async fn token(
        &self,
        wanted: &TokenRequest,
        policy: &Arc<EgressPolicy>,
    ) -> Result<Arc<Zeroizing<String>>, NotFetched> {
        if let Some(token) = self.known_token(wanted) {
            return Ok(token);
        }
        let headers = HeaderMap::from_iter([
            (ACCEPT, JSON),
            (CONTENT_TYPE, FORM),
            (AUTHORIZATION, secret_header(&wanted.basic)?),
        ]);
        let body = Bytes::from(wanted.body.clone());
        let response = self.sent(&wanted.url, Method::POST, headers, body, policy).await?;
        let token = (response.status == 200).then(|| AccessToken::read(&response.body_head)).flatten();
        let token = token.ok_or(NotFetched::Unreachable)?;
        let value = Arc::new(token.value);
        let seconds = token.seconds.min(TOKEN_SECONDS_MAX).saturating_sub(TOKEN_SPARE_SECONDS);
        let until = self.clock.now() + Duration::from_secs(seconds);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.tokens.len() >= ADDRESSES_MAX {
            known.tokens.clear();
        }
        known.tokens.insert(key_of(wanted), (Arc::clone(&value), until));
        Ok(value)
    }

    fn known_token(&self, wanted: &TokenRequest) -> Option<Arc<Zeroizing<String>>> {
        let now = self.clock.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = known.tokens.get(&key_of(wanted))?;
        (now < *until).then(|| Arc::clone(token))
    }

    fn forget(&self, wanted: &TokenRequest) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).tokens.remove(&key_of(wanted));
    }

    async fn sent(
        &self,
        url: &str,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        policy: &Arc<EgressPolicy>,
    ) -> Result<OutboundResponse, NotFetched> {
        let target = Arc::new(Target::parse(url, policy).map_err(|_| NotFetched::Unreachable)?);
        let request = OutboundRequest { method, target, headers, body, limits: LIMITS };
        let response = self.transport.send(request).await.map_err(|_| NotFetched::Unreachable)?;
        if response.body_end == BodyEnd::Complete { Ok(response) } else { Err(NotFetched::Unreachable) }
    }
}

/// Never shown by who prints headers.
fn secret_header(text: &str) -> Result<HeaderValue, NotFetched> {
    let mut value = HeaderValue::from_str(text).map_err(|_| NotFetched::Unreachable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Tokens are told apart by address, scope and credentials.
fn key_of(wanted: &TokenRequest) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [wanted.url.as_str(), "\n", &wanted.body, "\n", &wanted.basic] {
        context.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(context.finish().as_ref())
}
