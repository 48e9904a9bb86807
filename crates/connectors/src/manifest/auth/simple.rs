//! Authenticators that need nothing but the config: a key, a bearer token, a user with a password.

use data_encoding::BASE64;
use serde_json::{Map, Value as Json};

use super::super::expression::Template;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{credential, needed_template, template, template_or};
use super::super::request::{Additions, RequestOption};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::token::Token;

/// The header that all but keys go into.
pub(super) const AUTHORIZATION: &str = "Authorization";

/// A key that goes wherever the manifest says.
#[derive(Clone, Debug)]
pub struct ApiKey {
    token: Template,
    option: RequestOption,
    parameters: Parameters,
}

/// `Authorization: Bearer …`
#[derive(Clone, Debug)]
pub struct Bearer {
    token: Template,
    parameters: Parameters,
}

/// `Authorization: Basic …`
#[derive(Clone, Debug)]
pub struct Basic {
    username: Template,
    password: Option<Template>,
    parameters: Parameters,
}

impl ApiKey {
    pub(super) fn add(&self, scope: &Scope<'_>, additions: &mut Additions) -> Result<(), Trouble> {
        let key = credential(&self.token, &scope.parameters(&self.parameters))?;
        additions.add(&self.option, Json::String(key), scope)
    }
}

impl Bearer {
    pub(super) fn add(&self, scope: &Scope<'_>, additions: &mut Additions) -> Result<(), Trouble> {
        let token = credential(&self.token, &scope.parameters(&self.parameters))?;
        add_header(AUTHORIZATION, format!("Bearer {token}"), additions)
    }
}

impl Basic {
    pub(super) fn add(&self, scope: &Scope<'_>, additions: &mut Additions) -> Result<(), Trouble> {
        let scope = scope.parameters(&self.parameters);
        let username = credential(&self.username, &scope)?;
        let password =
            self.password.as_ref().map(|password| credential(password, &scope)).transpose()?.unwrap_or_default();
        let credentials = BASE64.encode(format!("{username}:{password}").as_bytes());
        add_header(AUTHORIZATION, format!("Basic {credentials}"), additions)
    }
}

/// `Authorization: Bearer …` with a token that was asked for.
pub(super) fn add_bearer(token: Option<&Token>, additions: &mut Additions) -> Result<(), Trouble> {
    let token = given(token)?;
    add_header(AUTHORIZATION, format!("Bearer {}", token.value.expose()), additions)
}

pub(super) fn given(token: Option<&Token>) -> Result<&Token, Trouble> {
    token.ok_or(Trouble::Credentials { what: "a token; none was asked for" })
}

pub(super) fn add_header(name: &str, value: String, additions: &mut Additions) -> Result<(), Trouble> {
    additions.add_headers(Map::from_iter([(name.to_owned(), Json::String(value))]))
}

impl Read for ApiKey {
    fn read(node: &Node) -> Result<Self, Problem> {
        let parameters = node.parameters();
        let option = match (node.maybe::<RequestOption>("inject_into")?, template(node, "header")?) {
            (Some(option), None) => option,
            (None, Some(header)) => RequestOption::header(header, parameters.clone()),
            (Some(_), Some(_)) => {
                let message = "has 'inject_into' and the old 'header'; keep 'inject_into'".to_owned();
                return Err(node.problem(Fault::Wrong, message));
            }
            (None, None) => return Err(node.problem(Fault::Wrong, "needs 'inject_into' or 'header'".to_owned())),
        };
        Ok(Self { token: template_or(node, "api_token", "")?, option, parameters })
    }
}

impl Read for Bearer {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self { token: needed_template(node, "api_token")?, parameters: node.parameters() })
    }
}

impl Read for Basic {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            username: needed_template(node, "username")?,
            password: template(node, "password")?,
            parameters: node.parameters(),
        })
    }
}
