//! OAuth 2: what to send for an access token, how to read the answer, and with single-use refresh tokens where in the
//! config the new ones go.

mod answer;
mod read;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::super::expression::{Condition, Kinds, Mapping, Template};
use super::super::node::Parameters;
use super::super::request::body::encoded;
use super::super::request::fields::credential;
use super::super::request::text::pairs;
use super::super::request::{address, header_map};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::{Reply, Request};
use super::config::text_at;
use super::jwt::Jwt;
use super::moment;
use super::token::{Expiry, Secret, Token, TokenKey, Weight};
use super::{Errand, Purpose, Step};

/// The grant that a signed assertion stands for.
const ASSERTION_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An authenticator that trades a refresh token, client credentials or an assertion for access tokens.
#[derive(Clone, Debug)]
pub struct OAuth {
    endpoint: Option<Template>,
    names: Names,
    client_id: Option<Template>,
    client_secret: Option<Template>,
    refresh_token: Option<Template>,
    access_token: Option<Template>,
    grant_type: Template,
    scopes: Vec<String>,
    body: Option<Mapping>,
    headers: Option<Mapping>,
    is_in_query: bool,
    expiry_date: Option<Template>,
    /// The answer says when the token ends, not how long it holds.
    expiry_is_date: bool,
    refusals: Refusals,
    updater: Option<Updater>,
    assertion: Option<Jwt>,
    uses_assertion: Option<Condition>,
    parameters: Parameters,
}

/// What the fields of request and answer are called.
#[derive(Clone, Debug)]
struct Names {
    client_id: Template,
    client_secret: Template,
    refresh_token: Template,
    access_token: Template,
    expires_in: Template,
    grant_type: Template,
}

/// Answers that say that the refresh token is no good.
#[derive(Clone, Debug)]
struct Refusals {
    statuses: Vec<u16>,
    key: String,
    values: Vec<String>,
}

/// Where in the config the tokens are, when each refresh token can be used once.
#[derive(Clone, Debug)]
struct Updater {
    refresh_token_name: String,
    access_token: Vec<String>,
    refresh_token: Vec<String>,
    expiry_date: Vec<String>,
}

impl OAuth {
    /// Of what never changes: the refresh token only counts where it is not replaced.
    pub(super) fn key(&self, scope: &Scope<'_>) -> Result<TokenKey, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let text = |template: &Option<Template>| -> Result<String, Trouble> {
            template.as_ref().map_or(Ok(String::new()), |template| credential(template, scope))
        };
        let mut parts = vec![
            text(&self.endpoint)?,
            text(&self.client_id)?,
            text(&self.client_secret)?,
            self.grant_type.text(scope)?,
            self.scopes.join(" "),
        ];
        match &self.updater {
            Some(updater) => parts.extend(updater.refresh_token.iter().cloned()),
            None => parts.extend([text(&self.refresh_token)?, text(&self.access_token)?]),
        }
        for mapping in [&self.body, &self.headers].into_iter().flatten() {
            parts.push(Json::from_iter(mapping.entries(scope, Kinds::ANY)?).to_string());
        }
        Ok(TokenKey::of(parts.iter().map(String::as_str)))
    }

    pub(super) const fn is_refreshable(&self) -> bool {
        self.endpoint.is_some()
    }

    pub(super) fn refresh(
        &self,
        scope: &Scope<'_>,
        kept: Option<&Token>,
        is_refused: bool,
    ) -> Result<Step<'_>, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let is_good = |token: &Token| !is_refused && !token.is_due(scope.now());
        if let Some(kept) = kept
            && is_good(kept)
        {
            return Ok(Step::Have(kept.clone()));
        }
        let configured = self.configured(scope)?;
        let Some(endpoint) = &self.endpoint else {
            let missing = Trouble::Credentials { what: "an access token, or where to refresh it" };
            return configured.map(Step::Have).ok_or(missing);
        };
        // The config's token may be newer than the one that was refused, or that ends soon: one that was got here is
        // written there too, without the margin before its end.
        let is_another = |token: &Token| kept.map_or(!is_refused, |kept| kept.value != token.value);
        match configured {
            Some(token) if is_another(&token) && !token.is_due(scope.now()) => Ok(Step::Have(token)),
            _ => Ok(Step::Send(Errand { purpose: Purpose::Refresh, request: self.request(endpoint, scope)? })),
        }
    }

    /// The access token of the config, if there is one, and until when it holds.
    fn configured(&self, scope: &Scope<'_>) -> Result<Option<Token>, Trouble> {
        let (value, expiry_date) = match &self.updater {
            Some(updater) => (text_at(scope, &updater.access_token), text_at(scope, &updater.expiry_date)),
            None => {
                let text =
                    |template: &Option<Template>| template.as_ref().map(|text| credential(text, scope)).transpose();
                (text(&self.access_token)?, text(&self.expiry_date)?)
            }
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
        let expiry_date = expiry_date.filter(|date| !date.is_empty());
        let expiry = match (expiry_date, &self.endpoint) {
            (_, None) => Expiry::Never,
            (None, Some(_)) => Expiry::At { at: Timestamp::MIN, since: None },
            (Some(date), Some(_)) => {
                let at = moment::parse(date.trim());
                let at = at.ok_or(Trouble::Credentials { what: "a readable expiry date of the access token" })?;
                Expiry::At { at, since: None }
            }
        };
        Ok(Some(Token { value: Secret::new(value), expiry, writes: Vec::new() }))
    }

    fn request(&self, endpoint: &Template, scope: &Scope<'_>) -> Result<Request, Trouble> {
        let url = endpoint.text(scope)?;
        if url.is_empty() {
            return Err(Trouble::Credentials { what: "the address of the token endpoint" });
        }
        let headers = self.headers.as_ref().map(|headers| headers.entries(scope, Kinds::ANY)).transpose()?;
        let headers: Map<String, Json> =
            headers.unwrap_or_default().into_iter().filter(|(_, v)| !v.is_null()).collect();
        let (query, form) = match (self.uses_assertion(scope)?, self.is_in_query) {
            (true, _) => (Map::new(), self.assertion_fields(scope)?),
            (false, true) => (self.fields(scope, &headers)?, Map::new()),
            (false, false) => (Map::new(), self.fields(scope, &headers)?),
        };
        let body = encoded(&form)?;
        let mut headers: HeaderMap = header_map(&headers)?;
        if !body.is_empty() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.entry(CONTENT_TYPE).or_insert(form);
        }
        headers.entry(http::header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let url = address::prepare(&url, &pairs(&query)?)?;
        Ok(Request { method: Method::POST, url, headers, body: body.into() })
    }

    fn uses_assertion(&self, scope: &Scope<'_>) -> Result<bool, Trouble> {
        Ok(match &self.uses_assertion {
            // Single-use refresh tokens and assertions exclude each other; the reference lets the former win.
            Some(uses) if self.updater.is_none() => uses.holds(scope)?,
            _ => false,
        })
    }

    fn assertion_fields(&self, scope: &Scope<'_>) -> Result<Map<String, Json>, Trouble> {
        let assertion = self.assertion.as_ref().ok_or(Trouble::Credentials { what: "a 'profile_assertion'" })?;
        Ok(Map::from_iter([
            (self.names.grant_type.text(scope)?, Json::from(ASSERTION_GRANT)),
            ("assertion".to_owned(), Json::String(assertion.text(scope)?)),
        ]))
    }

    /// Grant, client, refresh token and scopes; the manifest's own fields never replace one of them. A client that
    /// authenticates by a header is not named again.
    fn fields(&self, scope: &Scope<'_>, headers: &Map<String, Json>) -> Result<Map<String, Json>, Trouble> {
        let mut fields = Map::new();
        fields.insert(self.names.grant_type.text(scope)?, Json::String(self.grant_type.text(scope)?));
        if !headers.contains_key("Authorization") {
            let client_id = self.client_part("client_id", self.client_id.as_ref(), scope)?;
            let client_id =
                client_id.filter(|id| !id.is_empty()).ok_or(Trouble::Credentials { what: "a client id" })?;
            let secret = self.client_part("client_secret", self.client_secret.as_ref(), scope)?;
            fields.insert(self.names.client_id.text(scope)?, Json::String(client_id));
            fields.insert(self.names.client_secret.text(scope)?, secret.map_or(Json::Null, Json::String));
        }
        let (name, refresh_token) = match &self.updater {
            Some(updater) => (updater.refresh_token_name.clone(), text_at(scope, &updater.refresh_token)),
            None => {
                let token = self.refresh_token.as_ref().map(|token| credential(token, scope)).transpose()?;
                (self.names.refresh_token.text(scope)?, token)
            }
        };
        fields.insert(name, refresh_token.map_or(Json::Null, Json::String));
        if !self.scopes.is_empty() {
            fields.insert("scopes".to_owned(), Json::from(self.scopes.clone()));
        }
        let own = self.body.as_ref().map(|body| body.entries(scope, Kinds::ANY)).transpose()?;
        for (name, value) in own.unwrap_or_default() {
            if !fields.contains_key(&name) {
                fields.insert(name, value);
            }
        }
        Ok(fields)
    }

    /// With single-use refresh tokens the config's `credentials` come before what the manifest says.
    fn client_part(
        &self,
        name: &str,
        template: Option<&Template>,
        scope: &Scope<'_>,
    ) -> Result<Option<String>, Trouble> {
        if self.updater.is_some()
            && let Some(text) = text_at(scope, &["credentials".to_owned(), name.to_owned()])
        {
            return Ok(Some(text));
        }
        template.map(|template| credential(template, scope)).transpose()
    }

    /// An answer that names a refused refresh token asks for a person.
    pub(super) fn weigh(&self, reply: &Reply) -> Weight {
        let Refusals { statuses, key, values } = &self.refusals;
        let said = reply.json().and_then(|json| json.get(key)).and_then(Json::as_str);
        match said {
            Some(said) if statuses.contains(&reply.status) && values.iter().any(|value| value == said) => {
                let word: String = said.chars().filter(|c| c.is_alphanumeric() || *c == '_').take(64).collect();
                Weight::Refused(Trouble::RefreshRefused { detail: format!(" (it says {word})") })
            }
            _ => Weight::Usual,
        }
    }
}

#[cfg(test)]
mod tests;
