//! Keys that a sender's API gives out to who has credentials: what is asked for, and what the answer says. Sends nothing,
//! and shows the credentials to nobody but whoever sends the request.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use domain::Timestamp;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::digest::Hash;
use super::fetched::{KeyDocument, KeyFormat};
use super::spec::{AskedSpec, KeyApiSpec};

/// Longest access token that is used: those of OAuth servers are a tenth of it.
const ACCESS_TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How a recipe's keys are asked for.
#[derive(Debug)]
pub(crate) struct KeyApi {
    /// Of the credentials.
    pub slot: usize,
    post: Vec<(Box<str>, AskedSpec)>,
    token: Option<(Box<str>, Box<str>)>,
    answer: std::sync::Arc<AnswerForm>,
}

#[derive(Debug, PartialEq, Eq)]
struct AnswerForm {
    format: KeyFormat,
    at: Box<str>,
    expires: Option<Box<str>>,
    absent_status: u16,
    absent_when: Option<(Box<str>, Box<str>)>,
}

/// One key, asked for by the credentials of one source.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    kid: String,
    /// Equal for two requests exactly if the same key is asked for by the same credentials.
    mark: String,
    post: Option<Zeroizing<String>>,
    token: Option<TokenRequest>,
    answer: std::sync::Arc<AnswerForm>,
}

/// An access token, asked for by OAuth's client credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    pub url: String,
    /// Of `authorization`.
    pub basic: Zeroizing<String>,
    /// A form.
    pub body: String,
}

/// An access token and how many seconds it is good for.
pub struct AccessToken {
    pub value: Zeroizing<String>,
    pub seconds: u64,
}

/// Why an API gave no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// It knows none of this name, and will not by waiting.
    Absent,
    /// It may give one later, or to other credentials.
    NotNow,
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The two halves of credentials: as in HTTP Basic, the name has no colon.
pub(crate) fn halves(credentials: &[u8]) -> Option<(&str, &str)> {
    let (name, secret) = std::str::from_utf8(credentials).ok()?.split_once(':')?;
    (!name.is_empty() && !secret.is_empty()).then_some((name, secret))
}

impl KeyApi {
    pub fn new(spec: &KeyApiSpec, format: KeyFormat, slot: usize) -> Self {
        let absent_when = spec.absent.at.as_deref().zip(spec.absent.equals.as_deref());
        let answer = AnswerForm {
            format,
            at: spec.at.as_str().into(),
            expires: spec.expires.as_deref().map(Into::into),
            absent_status: spec.absent.status,
            absent_when: absent_when.map(|(at, equals)| (at.into(), equals.into())),
        };
        Self {
            slot,
            post: spec.post.iter().map(|(name, asked)| (name.as_str().into(), *asked)).collect(),
            token: spec.token.as_ref().map(|token| (token.path.as_str().into(), token.scope.as_str().into())),
            answer: std::sync::Arc::new(answer),
        }
    }

    /// The request for the key of a name at an address that is within the recipe's anchor.
    pub fn ask(&self, url: &str, kid: &str, credentials: &[u8]) -> Option<KeyRequest> {
        let (name, secret) = halves(credentials)?;
        let member = |(key, asked): &(Box<str>, AskedSpec)| {
            let value = match asked {
                AskedSpec::Name => name,
                AskedSpec::Secret => secret,
                AskedSpec::Kid => kid,
            };
            (key.to_string(), Value::from(value))
        };
        let post = || Zeroizing::new(Value::Object(self.post.iter().map(member).collect()).to_string());
        let (host, _) = url.strip_prefix("https://")?.split_once('/')?;
        let token = self.token.as_ref().map(|(path, scope)| TokenRequest {
            url: format!("https://{host}{path}"),
            basic: Zeroizing::new(format!("Basic {}", BASE64.encode(credentials))),
            body: url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "client_credentials")
                .append_pair("scope", scope)
                .finish(),
        });
        let mark = Hash::Sha256.of(&[&(kid.len() as u64).to_be_bytes(), kid.as_bytes(), credentials]);
        Some(KeyRequest {
            kid: kid.to_owned(),
            mark: HEXLOWER.encode(mark.as_ref()),
            post: (!self.post.is_empty()).then(post),
            token,
            answer: std::sync::Arc::clone(&self.answer),
        })
    }
}

impl KeyRequest {
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The JSON that is posted; without any the address is got.
    #[must_use]
    pub fn post(&self) -> Option<&str> {
        self.post.as_ref().map(|body| body.as_str())
    }

    #[must_use]
    pub fn token(&self) -> Option<&TokenRequest> {
        self.token.as_ref()
    }

    /// The key in an answer. What is not plainly a "no" may be our own mistake, such as a lapsed credential, so that
    /// the sender's event waits rather than being refused.
    pub fn read(&self, status: u16, body: &[u8]) -> Result<KeyDocument, NoKey> {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let said = |at: &str| answer.pointer(at).and_then(Value::as_str);
        let form = &*self.answer;
        if status == form.absent_status
            && form.absent_when.as_ref().is_none_or(|(at, equals)| said(at) == Some(&**equals))
        {
            return Err(NoKey::Absent);
        }
        let key = (status == 200).then(|| answer.pointer(&form.at)).flatten().ok_or(NoKey::NotNow)?;
        let text = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let mut document = KeyDocument::read(form.format, text.as_bytes()).map_err(|_| NoKey::NotNow)?;
        let expires = form.expires.as_ref().and_then(|at| answer.pointer(at)).and_then(Value::as_i64);
        for key in &mut document.keys {
            // It was asked for by its name.
            key.kid.get_or_insert_with(|| self.kid.clone());
            key.window.not_after = expires.map(Timestamp::from_secs).or(key.window.not_after);
        }
        Ok(document)
    }
}

impl AccessToken {
    /// Reads the answer to a [`TokenRequest`].
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let value = answer.get("access_token")?.as_str()?;
        let plain = value.len() <= ACCESS_TOKEN_BYTES_MAX && value.bytes().all(|byte| byte.is_ascii_graphic());
        let seconds = answer.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
        (plain && !value.is_empty()).then(|| Self { value: Zeroizing::new(value.to_owned()), seconds })
    }
}
