//! The old form of session tokens: a token of the config that is tried first, else a log-in with user and password.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value as Json, json};

use super::super::expression::Template;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::Problem;
use super::super::request::fields::{credential, needed_template, template};
use super::super::request::text::python_text;
use super::super::request::{Additions, address, header_map};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::{Reply, Request};
use super::simple::{add_header, given};
use super::token::{Expiry, Secret, Token, TokenKey, Weight};
use super::{Errand, Granted, Purpose, Step};

/// How long a session holds that was logged in for, as the reference implementation has it.
const LIFE: Duration = Duration::from_secs(86_400);

/// An authenticator with a session of the config, or user and password to get one.
#[derive(Clone, Debug)]
pub struct LegacySessionToken {
    /// The requester's base, below which log-in and validation are.
    base: Option<Template>,
    header: Template,
    session_token: Option<Template>,
    username: Option<Template>,
    password: Option<Template>,
    response_key: Template,
    login_url: Template,
    validate_url: Template,
    parameters: Parameters,
}

impl LegacySessionToken {
    pub(super) fn based_at(&mut self, base: &Template) {
        self.base = Some(base.clone());
    }

    pub(super) fn key(&self, scope: &Scope<'_>) -> Result<TokenKey, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let parts = [
            self.url(&self.login_url, scope)?,
            optional(self.username.as_ref(), scope)?,
            optional(self.password.as_ref(), scope)?,
            optional(self.session_token.as_ref(), scope)?,
        ];
        Ok(TokenKey::of(parts.iter().map(String::as_str)))
    }

    pub(super) fn refresh(
        &self,
        scope: &Scope<'_>,
        kept: Option<&Token>,
        is_refused: bool,
    ) -> Result<Step<'_>, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        if let Some(kept) = kept.filter(|kept| !is_refused && !kept.is_due(scope.now())) {
            return Ok(Step::Have(kept.clone()));
        }
        let session = optional(self.session_token.as_ref(), scope)?;
        if session.is_empty() {
            return self.login(scope).map(Step::Send);
        }
        let headers = Map::from_iter([(self.header.text(scope)?, Json::String(session))]);
        let mut headers: HeaderMap = header_map(&headers)?;
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let url = address::prepare(&self.url(&self.validate_url, scope)?, &[])?;
        let request = Request { method: Method::GET, url, headers, body: Bytes::new() };
        Ok(Step::Send(Errand { purpose: Purpose::Validate, request }))
    }

    fn login(&self, scope: &Scope<'_>) -> Result<Errand, Trouble> {
        let username = optional(self.username.as_ref(), scope)?;
        let password = optional(self.password.as_ref(), scope)?;
        if username.is_empty() || password.is_empty() {
            return Err(Trouble::Credentials { what: "a session token that still holds, or user and password" });
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let url = address::prepare(&self.url(&self.login_url, scope)?, &[])?;
        let body = json!({"username": username, "password": password}).to_string();
        let request = Request { method: Method::POST, url, headers, body: body.into() };
        Ok(Errand { purpose: Purpose::Login, request })
    }

    pub(super) fn token(&self, purpose: Purpose, reply: &Reply, scope: &Scope<'_>) -> Result<Granted, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let expiry =
            Expiry::At { at: scope.now().saturating_add(LIFE).unwrap_or(scope.now()), since: Some(scope.now()) };
        let granted = |value| Granted::Token(Token { value: Secret::new(value), expiry, writes: Vec::new() });
        if purpose == Purpose::Validate {
            return if reply.is_ok() {
                Ok(granted(optional(self.session_token.as_ref(), scope)?))
            } else {
                self.login(scope).map(Granted::Next)
            };
        }
        let name = self.response_key.text(scope)?;
        let value = reply.json().and_then(|json| json.get(&name)).map(python_text);
        value.map(granted).ok_or(Trouble::NoToken { what: "login", name })
    }

    pub(super) fn add(
        &self,
        scope: &Scope<'_>,
        token: Option<&Token>,
        additions: &mut Additions,
    ) -> Result<(), Trouble> {
        let header = self.header.text(&scope.parameters(&self.parameters))?;
        add_header(&header, given(token)?.value.expose().to_owned(), additions)
    }

    /// Base and path are put together as they are.
    fn url(&self, path: &Template, scope: &Scope<'_>) -> Result<String, Trouble> {
        Ok(format!("{}{}", optional(self.base.as_ref(), scope)?, path.text(scope)?))
    }
}

/// A 401 to the validation of a session is an answer: it is over.
pub(super) fn weigh(purpose: Purpose, reply: &Reply) -> Weight {
    if purpose == Purpose::Validate && reply.status == 401 { Weight::Readable } else { Weight::Usual }
}

fn optional(template: Option<&Template>, scope: &Scope<'_>) -> Result<String, Trouble> {
    template.map_or(Ok(String::new()), |template| credential(template, scope))
}

impl Read for LegacySessionToken {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            base: None,
            header: needed_template(node, "header")?,
            session_token: template(node, "session_token")?,
            username: template(node, "username")?,
            password: template(node, "password")?,
            response_key: needed_template(node, "session_token_response_key")?,
            login_url: needed_template(node, "login_url")?,
            validate_url: needed_template(node, "validate_session_url")?,
            parameters: node.parameters(),
        })
    }
}
