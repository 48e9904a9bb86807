//! Session tokens: log in, take the token out of the answer, send it along.

use serde_json::Value as Json;

use super::super::decode::Decoder;
use super::super::expression::Template;
use super::super::expression::dates::{Moment, Period};
use super::super::failure::message::is_truthy;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{credential, template_or};
use super::super::request::text::python_text;
use super::super::request::{Additions, RequestOption, Requester};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::Reply;
use super::Step;
use super::config::find;
use super::simple::{AUTHORIZATION, add_header, given};
use super::token::{Expiry, Secret, Token, TokenKey};

/// An authenticator that logs in by a request of its own.
#[derive(Clone, Debug)]
pub struct SessionToken {
    login: Requester,
    path: Vec<String>,
    /// How long a session lasts; without it each request has one of its own.
    lasts: Option<Period>,
    way: Way,
    decoder: Decoder,
    parameters: Parameters,
    /// Where in the manifest it stands: tells apart what cannot be told apart by its login request.
    place: String,
}

#[derive(Clone, Debug)]
enum Way {
    Bearer,
    /// The template sees the session token.
    ApiKey {
        option: RequestOption,
        token: Template,
    },
}

impl SessionToken {
    pub(super) fn key(&self, scope: &Scope<'_>) -> Result<TokenKey, Trouble> {
        let login = self.login.request(&scope.no_slice(), Additions::new(), None);
        Ok(match login {
            Ok(login) => {
                let body = String::from_utf8_lossy(&login.body).into_owned();
                let headers =
                    login.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
                let mut parts = vec![login.url, body, self.path.join(".")];
                parts.extend(headers);
                TokenKey::of(parts.iter().map(String::as_str))
            }
            // The login needs a token itself, so this place is all there is to tell it by.
            Err(_) => TokenKey::of(["session", &self.place]),
        })
    }

    pub(super) fn refresh(&self, scope: &Scope<'_>, kept: Option<&Token>, is_refused: bool) -> Step<'_> {
        match kept {
            Some(kept) if !is_refused && !kept.is_due(scope.now()) => Step::Have(kept.clone()),
            _ => Step::Login(&self.login),
        }
    }

    pub(super) fn token(&self, reply: &Reply, scope: &Scope<'_>) -> Result<Token, Trouble> {
        let missing = || Trouble::NoToken { what: "login", name: self.path.join(".") };
        let items = self.decoder.page(&reply.body).map_err(|_| missing())?;
        let value = items.first().and_then(|json| find(json, &self.path)).filter(|value| is_truthy(value));
        let value = Secret::new(python_text(value.ok_or_else(missing)?));
        let expiry = match &self.lasts {
            None => Expiry::EachRequest,
            Some(lasts) => {
                let now = scope.now();
                let at = lasts.after(Moment::from_timestamp(now)).map_or(jiff::Timestamp::MAX, Moment::timestamp);
                Expiry::At { at, since: Some(now) }
            }
        };
        Ok(Token { value, expiry, writes: Vec::new() })
    }

    pub(super) fn add(
        &self,
        scope: &Scope<'_>,
        token: Option<&Token>,
        additions: &mut Additions,
    ) -> Result<(), Trouble> {
        let session = given(token)?.value.expose();
        match &self.way {
            Way::Bearer => add_header(AUTHORIZATION, format!("Bearer {session}"), additions),
            Way::ApiKey { option, token } => {
                let scope = scope.parameters(&self.parameters).session_token(session);
                let text = credential(token, &scope)?;
                additions.add(option, Json::String(text), &scope)
            }
        }
    }
}

impl Read for SessionToken {
    fn read(node: &Node) -> Result<Self, Problem> {
        let lasts = match node.maybe::<String>("expiration_duration")? {
            None => None,
            Some(text) => {
                let wrong =
                    |_| node.problem(Fault::Wrong, "'expiration_duration' must be a duration as PT1H".to_owned());
                Some(Period::parse(&text).map_err(wrong)?)
            }
        };
        let authentication: Node = node.need("request_authentication")?;
        let way = match &*authentication.kind("")? {
            "Bearer" => Way::Bearer,
            "ApiKey" => Way::ApiKey {
                option: authentication.need("inject_into")?,
                token: template_or(&authentication, "api_token", "{{ session_token }}")?,
            },
            _ => return Err(authentication.unsupported()),
        };
        Ok(Self {
            login: node.need("login_requester")?,
            path: node.need("session_token_path")?,
            lasts,
            way,
            decoder: node.or("decoder", Decoder::Json)?,
            parameters: node.parameters(),
            place: node.path(),
        })
    }
}
