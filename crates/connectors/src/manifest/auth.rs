//! How a source knows us: what goes into each request, and for tokens that must be asked for, what to send, how to read
//! the answer, and where the config is to be written. Never sends, keeps nothing, and shows no secret.

mod config;
mod jwt;
mod key;
mod legacy;
mod moment;
mod oauth;
mod quota;
mod session;
mod simple;
mod token;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::expression::Template;
use super::failure::Verdict;
use super::node::{Node, Read};
use super::overrides::Formula;
use super::problem::Problem;
use super::request::{Additions, Requester};
use super::scope::Scope;
use super::trouble::Trouble;
use super::wire::{Outcome, Reply, Request};

pub use config::{ConfigWrite, write_back};
pub use jwt::Jwt;
pub use legacy::LegacySessionToken;
pub use oauth::OAuth;
pub use quota::{Acquired, MultipleTokens, Quotas};
pub use session::SessionToken;
pub use simple::{ApiKey, Basic, Bearer};
pub use token::{Attempts, Expiry, Secret, Token, TokenKey};

/// An authenticator of a manifest.
#[derive(Clone, Debug, Default)]
pub enum Authenticator {
    #[default]
    None,
    ApiKey(ApiKey),
    Bearer(Bearer),
    Basic(Basic),
    Jwt(Box<Jwt>),
    OAuth(Box<OAuth>),
    Session(Box<SessionToken>),
    LegacySession(Box<LegacySessionToken>),
    MultipleTokens(Box<MultipleTokens>),
    /// The config says which one.
    Selective(Box<Selective>),
    /// A formula in place of a custom authenticator: it gives the headers.
    Formula(Arc<dyn Formula>),
}

/// Several authenticators, one of which the config chooses.
#[derive(Clone, Debug)]
pub struct Selective {
    path: Vec<String>,
    /// One that is not known here costs only the connections whose config chooses it.
    choices: HashMap<String, Result<Authenticator, Problem>>,
}

/// What to do to have a token.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing: it is in the config, or the kept one still holds.
    Have(Token),
    /// Send this, judge it by [`Authenticator::judge`], and give the reply to [`Authenticator::token`].
    Send(Errand),
    /// Send this requester's request, judge it by its own error handler, and give the reply to
    /// [`Authenticator::token`] as the reply to [`Purpose::Login`].
    Login(&'a Requester),
}

/// A request that is sent for a token.
#[derive(Clone, Debug)]
pub struct Errand {
    pub purpose: Purpose,
    pub request: Request,
}

/// What a request for a token is to achieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Refresh,
    Login,
    /// Is the session of the config still good?
    Validate,
}

/// What came of a reply.
#[derive(Debug)]
pub enum Granted {
    Token(Token),
    /// The session of the config is over: log in.
    Next(Errand),
}

impl Authenticator {
    /// Under what the engine keeps the token, so that streams with the same credentials share it; `None` for
    /// authenticators that need none.
    pub fn key(&self, scope: &Scope<'_>) -> Result<Option<TokenKey>, Trouble> {
        match self {
            Self::None | Self::ApiKey(_) | Self::Bearer(_) | Self::Basic(_) | Self::Jwt(_) | Self::Formula(_) => {
                Ok(None)
            }
            Self::OAuth(oauth) => oauth.key(scope).map(Some),
            Self::Session(session) => session.key(scope).map(Some),
            Self::LegacySession(session) => session.key(scope).map(Some),
            Self::MultipleTokens(tokens) => tokens.key(scope).map(Some),
            Self::Selective(selective) => selective.chosen(scope)?.key(scope),
        }
    }

    /// What to do to have a token: with the one that is kept, if any. `is_refused` says that the source does not
    /// accept the kept one although it has not expired.
    pub fn refresh<'a>(
        &'a self,
        scope: &Scope<'_>,
        kept: Option<&Token>,
        is_refused: bool,
    ) -> Result<Option<Step<'a>>, Trouble> {
        match self {
            Self::None | Self::ApiKey(_) | Self::Bearer(_) | Self::Basic(_) | Self::Jwt(_) | Self::Formula(_) => {
                Ok(None)
            }
            // Its tokens come from its quotas.
            Self::MultipleTokens(_) => Ok(None),
            Self::OAuth(oauth) => oauth.refresh(scope, kept, is_refused).map(Some),
            Self::Session(session) => Ok(Some(session.refresh(scope, kept, is_refused))),
            Self::LegacySession(session) => session.refresh(scope, kept, is_refused).map(Some),
            Self::Selective(selective) => selective.chosen(scope)?.refresh(scope, kept, is_refused),
        }
    }

    /// Whether the source's refusal can be met with a new token.
    pub fn is_refreshable(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::OAuth(oauth) => oauth.is_refreshable(),
            Self::Selective(selective) => selective.chosen(scope).is_ok_and(|chosen| chosen.is_refreshable(scope)),
            _ => false,
        }
    }

    /// What an attempt to get a token means. Not for [`Step::Login`], whose requester judges.
    pub fn judge(&self, purpose: Purpose, outcome: Outcome<'_>, scope: &Scope<'_>, attempts: &mut Attempts) -> Verdict {
        match self {
            Self::Selective(selective) => match selective.chosen(scope) {
                Ok(chosen) => chosen.judge(purpose, outcome, scope, attempts),
                Err(trouble) => token::failed(&trouble),
            },
            Self::OAuth(oauth) => token::judge(outcome, scope, attempts, |reply| oauth.weigh(reply)),
            _ => token::judge(outcome, scope, attempts, |reply| legacy::weigh(purpose, reply)),
        }
    }

    /// The token that a reply holds.
    pub fn token(&self, purpose: Purpose, reply: &Reply, scope: &Scope<'_>) -> Result<Granted, Trouble> {
        match self {
            Self::OAuth(oauth) => oauth.token(reply, scope).map(Granted::Token),
            Self::Session(session) => session.token(reply, scope).map(Granted::Token),
            Self::LegacySession(session) => session.token(purpose, reply, scope),
            Self::Selective(selective) => selective.chosen(scope)?.token(purpose, reply, scope),
            _ => Err(Trouble::NoToken { what: "token", name: "token".to_owned() }),
        }
    }

    /// What the authenticator adds to a request.
    pub fn add(&self, scope: &Scope<'_>, token: Option<&Token>, additions: &mut Additions) -> Result<(), Trouble> {
        match self {
            Self::None => Ok(()),
            Self::ApiKey(key) => key.add(scope, additions),
            Self::Bearer(bearer) => bearer.add(scope, additions),
            Self::Basic(basic) => basic.add(scope, additions),
            Self::Jwt(jwt) => jwt.add(scope, additions),
            Self::OAuth(_) => simple::add_bearer(token, additions),
            Self::Session(session) => session.add(scope, token, additions),
            Self::LegacySession(session) => session.add(scope, token, additions),
            Self::MultipleTokens(tokens) => tokens.add(token, additions),
            Self::Selective(selective) => selective.chosen(scope)?.add(scope, token, additions),
            Self::Formula(formula) => {
                let fault = |detail| Trouble::Formula { component: "authenticator", detail };
                match formula.in_place([], scope).map_err(fault)? {
                    Json::Object(headers) => additions.add_headers(headers),
                    _ => Err(fault("must give an object of headers".to_owned())),
                }
            }
        }
    }

    /// The requester's base, for those who log in below it.
    pub(super) fn based_at(&mut self, base: &Template) {
        match self {
            Self::LegacySession(session) => session.based_at(base),
            Self::Selective(selective) => {
                selective.choices.values_mut().flatten().for_each(|choice| choice.based_at(base));
            }
            _ => {}
        }
    }

    /// The counts of several tokens, if this is the authenticator that has some; kept by the engine under the key.
    pub fn quotas(&self, scope: &Scope<'_>) -> Result<Option<Quotas>, Trouble> {
        match self {
            Self::MultipleTokens(tokens) => tokens.begin(scope).map(Some),
            Self::Selective(selective) => selective.chosen(scope)?.quotas(scope),
            _ => Ok(None),
        }
    }
}

impl Selective {
    fn chosen(&self, scope: &Scope<'_>) -> Result<&Authenticator, Trouble> {
        let path = || self.path.join(".");
        let choice = config::text_at(scope, &self.path).ok_or_else(|| Trouble::NoChoice { path: path() })?;
        match self.choices.get(&choice) {
            Some(Ok(chosen)) => Ok(chosen),
            Some(Err(problem)) => Err(Trouble::Unsupported { problem: problem.to_string() }),
            None => Err(Trouble::UnknownChoice { path: path() }),
        }
    }
}

impl Read for Authenticator {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(match &*node.kind("")? {
            "NoAuth" => Self::None,
            "ApiKeyAuthenticator" => Self::ApiKey(ApiKey::read(node)?),
            "BearerAuthenticator" => Self::Bearer(Bearer::read(node)?),
            "BasicHttpAuthenticator" => Self::Basic(Basic::read(node)?),
            "JwtAuthenticator" => Self::Jwt(Box::new(Jwt::read(node)?)),
            "OAuthAuthenticator" => Self::OAuth(Box::new(OAuth::read(node)?)),
            "SessionTokenAuthenticator" => Self::Session(Box::new(SessionToken::read(node)?)),
            "LegacySessionTokenAuthenticator" => Self::LegacySession(Box::new(LegacySessionToken::read(node)?)),
            "RateLimitedMultipleTokenAuthenticator" => Self::MultipleTokens(Box::new(MultipleTokens::read(node)?)),
            "CustomAuthenticator" if let Some(formula) = node.formula() => Self::Formula(Arc::clone(formula)),
            "SelectiveAuthenticator" => Self::Selective(Box::new(Selective::read(node)?)),
            _ => return Err(node.unsupported()),
        })
    }
}

impl Read for Selective {
    fn read(node: &Node) -> Result<Self, Problem> {
        let entries = node.need::<Node>("authenticators")?.entries()?;
        let choices: HashMap<String, _> =
            entries.iter().map(|(name, node)| (name.to_string(), Authenticator::read(node))).collect();
        if choices.values().all(Result::is_err)
            && let Some(Err(problem)) = entries.first().and_then(|(name, _)| choices.get(&**name))
        {
            return Err(problem.clone());
        }
        Ok(Self { path: node.need("authenticator_selection_path")?, choices })
    }
}

#[cfg(test)]
mod tests;
