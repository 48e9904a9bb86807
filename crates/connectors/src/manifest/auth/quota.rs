//! Several interchangeable tokens, each with its own quotas: which one a request goes with, when all must wait, and
//! what replies say about what is left.

mod read;
mod state;

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::super::budget::matcher::{Matcher, MatcherPlan};
use super::super::expression::Template;
use super::super::expression::dates::Period;
use super::super::node::Parameters;
use super::super::request::fields::credential;
use super::super::request::{Additions, address, header_map};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::{Reply, Request};
use super::simple::{add_header, given};
use super::token::{Expiry, Secret, Token, TokenKey};
use state::State;

/// Most tokens of one authenticator; a request is sent with each of them when counting begins.
const TOKENS_MAX: usize = 100;
/// Least wait once all is spent, so that a reset in the past does not make us ask without a pause.
const WAIT_MIN: Duration = Duration::from_secs(5);
/// Longest pause that spreads the last calls over the time to the reset.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A pause shorter than this is none.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// An authenticator with several tokens.
#[derive(Clone, Debug)]
pub struct MultipleTokens {
    tokens: Source,
    method: String,
    header: String,
    status: Status,
    quotas: Vec<QuotaPlan>,
    max_wait: Template,
    reserve_fraction: f64,
    min_reserve: u64,
    parameters: Parameters,
}

/// Where the tokens come from: one text that holds all, or one each.
#[derive(Clone, Debug)]
enum Source {
    Joined { text: Template, delimiter: String },
    Each(Vec<Template>),
}

/// Where a source says what is left.
#[derive(Clone, Debug)]
struct Status {
    url: Template,
    method: Method,
    headers: Vec<(String, Template)>,
    /// Statuses that say that it counts nothing.
    unavailable: Vec<u16>,
}

/// One quota: which requests it counts and where its numbers are.
#[derive(Clone, Debug)]
struct QuotaPlan {
    quota: Quota,
    matchers: Vec<MatcherPlan>,
}

#[derive(Clone, Debug)]
struct Quota {
    name: String,
    remaining_path: Vec<String>,
    reset_path: Vec<String>,
    limit_path: Option<Vec<String>>,
    matchers: Vec<Matcher>,
    remaining_header: Option<String>,
    reset_header: Option<String>,
    limit_header: Option<String>,
    exhaustion_statuses: Vec<u16>,
}

/// The counts of all tokens, kept by the engine for all streams together.
#[derive(Debug)]
pub struct Quotas {
    tokens: Vec<Counted>,
    quotas: Vec<Quota>,
    method: String,
    header: HeaderName,
    unavailable: Vec<u16>,
    max_wait: Duration,
    reserve_fraction: f64,
    min_reserve: u64,
    active: usize,
    /// When the tokens are asked about anew, after all were spent.
    asks_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Counted {
    token: Secret,
    /// What asks how much of it is left.
    status: Request,
    /// One for each quota; none before the first answer.
    states: Option<Vec<State>>,
}

/// What came of asking for a token.
#[derive(Debug)]
pub enum Acquired {
    /// Send with this token, after this pause. The call is counted.
    Use { token: Token, pause: Duration },
    /// First send these, and give each reply to [`Quotas::seed`] with its number.
    Ask(Vec<(usize, Request)>),
    /// All is spent: ask again then.
    Wait(Timestamp),
}

impl MultipleTokens {
    pub(super) fn key(&self, scope: &Scope<'_>) -> Result<TokenKey, Trouble> {
        let mut parts = vec![self.status.url.text(scope)?, self.method.clone(), self.header.clone()];
        parts.extend(self.texts(scope)?);
        parts.extend(self.quotas.iter().map(|plan| plan.quota.name.clone()));
        Ok(TokenKey::of(parts.iter().map(String::as_str)))
    }

    pub(super) fn add(&self, token: Option<&Token>, additions: &mut Additions) -> Result<(), Trouble> {
        let value = header_value(&self.method, given(token)?.value.expose());
        add_header(&self.header, value, additions)
    }

    fn texts(&self, scope: &Scope<'_>) -> Result<Vec<String>, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let texts: Vec<String> = match &self.tokens {
            Source::Joined { text, delimiter } => {
                credential(text, scope)?.split(delimiter.as_str()).map(str::to_owned).collect()
            }
            Source::Each(tokens) => tokens.iter().map(|token| credential(token, scope)).collect::<Result<_, _>>()?,
        };
        let tokens = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        Ok(tokens.take(TOKENS_MAX).map(str::to_owned).collect())
    }

    /// The counts, before anything is known.
    pub(super) fn begin(&self, scope: &Scope<'_>) -> Result<Quotas, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let mut tokens = Vec::new();
        for token in self.texts(scope)? {
            let status = self.status_request(&token, scope)?;
            tokens.push(Counted { token: Secret::new(token), status, states: None });
        }
        if tokens.is_empty() {
            return Err(Trouble::Credentials { what: "at least one token" });
        }
        let quotas = self.quotas.iter().map(|plan| plan.open(scope)).collect::<Result<_, _>>()?;
        let header = HeaderName::from_bytes(self.header.as_bytes());
        Ok(Quotas {
            tokens,
            quotas,
            method: self.method.clone(),
            header: header.map_err(|_| Trouble::HeaderName { name: self.header.clone() })?,
            unavailable: self.status.unavailable.clone(),
            max_wait: self.max_wait(scope)?,
            reserve_fraction: self.reserve_fraction,
            min_reserve: self.min_reserve,
            active: 0,
            asks_at: None,
        })
    }

    fn max_wait(&self, scope: &Scope<'_>) -> Result<Duration, Trouble> {
        let text = self.max_wait.text(scope)?;
        let period = Period::parse(&text).ok().filter(|period| !period.has_months());
        let micros = period.and_then(|period| u64::try_from(period.micros()).ok());
        let expects = "a duration without months, such as PT2H";
        let wrong = Trouble::Field { field: "max_wait_time", expects, found: "something else" };
        micros.map(Duration::from_micros).ok_or(wrong)
    }

    fn status_request(&self, token: &str, scope: &Scope<'_>) -> Result<Request, Trouble> {
        let mut headers = Map::new();
        for (name, template) in &self.status.headers {
            headers.insert(name.clone(), Json::String(template.text(scope)?));
        }
        headers.insert(self.header.clone(), Json::String(header_value(&self.method, token)));
        let mut headers: HeaderMap = header_map(&headers)?;
        headers.entry(http::header::ACCEPT).or_insert(http::HeaderValue::from_static("*/*"));
        let url = address::prepare(&self.status.url.text(scope)?, &[])?;
        Ok(Request { method: self.status.method.clone(), url, headers, body: bytes::Bytes::new() })
    }
}

impl QuotaPlan {
    fn open(&self, scope: &Scope<'_>) -> Result<Quota, Trouble> {
        let matchers = self.matchers.iter().map(|matcher| matcher.open(scope)).collect::<Result<_, _>>()?;
        Ok(Quota { matchers, ..self.quota.clone() })
    }
}

/// `Bearer …`, or the bare token where the manifest wants no method.
fn header_value(method: &str, token: &str) -> String {
    format!("{method} {token}").trim().to_owned()
}

impl Quotas {
    /// A token for this request. `since` is when this request began to wait; it is none at first and kept by the
    /// caller from one call to the next.
    ///
    /// # Errors
    /// If all tokens are spent for longer than the manifest allows to wait.
    pub fn acquire(
        &mut self,
        request: &Request,
        now: Timestamp,
        since: &mut Option<Timestamp>,
    ) -> Result<Acquired, Trouble> {
        let is_unknown = self.tokens.iter().any(|counted| counted.states.is_none());
        if is_unknown {
            return Ok(Acquired::Ask(self.questions()));
        }
        let quota = self.quota_of(request);
        for _ in 0..self.tokens.len() {
            let active = self.active;
            let Some(state) = self.state(active, quota) else { break };
            if !state.is_tracked {
                // There is nothing to tell the tokens apart by, so they take turns.
                self.rotate();
                return Ok(self.use_token(active, Duration::ZERO));
            }
            if state.remaining > 0 {
                if let Some(state) = self.state_mut(active, quota) {
                    state.remaining -= 1;
                }
                let pause = self.pause(active, quota, now);
                return Ok(self.use_token(active, pause));
            }
            self.rotate();
        }
        self.wait_for_reset(quota, now, since)
    }

    /// Every token is spent: until when, or whether to ask anew because that time has come.
    fn wait_for_reset(
        &mut self,
        quota: usize,
        now: Timestamp,
        since: &mut Option<Timestamp>,
    ) -> Result<Acquired, Trouble> {
        if self.asks_at.is_some_and(|at| now >= at) {
            self.asks_at = None;
            return Ok(Acquired::Ask(self.questions()));
        }
        let began = *since.get_or_insert(now);
        let left = self.max_wait.saturating_sub(duration_between(began, now));
        let resets = (0..self.tokens.len()).filter_map(|token| self.state(token, quota)).map(|state| state.reset_at);
        let wait = resets.map(|reset| duration_between(now, reset)).min().unwrap_or_default();
        if left.is_zero() || wait >= left {
            let quota = self.quotas[quota].name.clone();
            return Err(Trouble::QuotaSpent { quota, seconds: wait.as_secs() });
        }
        let until = now.saturating_add(wait.max(WAIT_MIN).min(left)).unwrap_or(Timestamp::MAX);
        let until = *self.asks_at.get_or_insert(until);
        Ok(Acquired::Wait(until))
    }

    fn questions(&self) -> Vec<(usize, Request)> {
        self.tokens.iter().map(|counted| counted.status.clone()).enumerate().collect()
    }

    /// Whether this status of an answer to [`Acquired::Ask`] says that the source counts nothing; give such an answer
    /// to [`Self::seed`] like a good one.
    #[must_use]
    pub fn is_unavailable(&self, status: u16) -> bool {
        self.unavailable.contains(&status)
    }

    /// What a source says is left of a token.
    ///
    /// # Errors
    /// If its answer does not have what the manifest says it has.
    pub fn seed(&mut self, token: usize, reply: &Reply, now: Timestamp) -> Result<(), Trouble> {
        let states = if self.is_unavailable(reply.status) {
            vec![State::untracked(now); self.quotas.len()]
        } else {
            self.quotas.iter().map(|quota| State::read(quota, reply)).collect::<Result<_, _>>()?
        };
        if let Some(counted) = self.tokens.get_mut(token) {
            counted.states = Some(states);
        }
        Ok(())
    }

    /// What a reply says about the token that its request was sent with.
    pub fn learn(&mut self, request: &Request, reply: &Reply) {
        let quota = self.quota_of(request);
        let Some(token) = self.token_of(request) else { return };
        let said = state::Said::read(&self.quotas[quota], reply);
        if let (Some(said), Some(state)) = (said, self.state_mut(token, quota)) {
            state.learn(&said);
        }
    }

    /// Whether the request's own token is spent: a refusal is then about that token alone.
    #[must_use]
    pub fn is_spent(&self, request: &Request) -> bool {
        let state = self.token_of(request).and_then(|token| self.state(token, self.quota_of(request)));
        state.is_some_and(|state| state.is_tracked && state.remaining == 0)
    }

    /// Whether the request's own token is spent and another is not: then a rate limit need not be waited for.
    #[must_use]
    pub fn has_alternative(&self, request: &Request) -> bool {
        let quota = self.quota_of(request);
        let sender = self.token_of(request);
        let others = (0..self.tokens.len()).filter(|token| Some(*token) != sender);
        self.is_spent(request) && others.filter_map(|token| self.state(token, quota)).any(|state| state.remaining > 0)
    }

    /// Spreads the last calls over the time to the reset, once every token is down to its reserve.
    fn pause(&self, active: usize, quota: usize, now: Timestamp) -> Duration {
        let states: Vec<&State> = (0..self.tokens.len()).filter_map(|token| self.state(token, quota)).collect();
        let reserve = |state: &State| (state.limit as f64 * self.reserve_fraction).max(self.min_reserve as f64);
        let is_low = |state: &&State| state.is_tracked && state.remaining as f64 <= reserve(state);
        let left: u64 = states.iter().map(|state| state.remaining).sum();
        let Some(own) = self.state(active, quota).filter(|_| left > 0 && states.iter().all(is_low)) else {
            return Duration::ZERO;
        };
        let pause = duration_between(now, own.reset_at).div_f64(left as f64).min(PAUSE_MAX);
        if pause < PAUSE_MIN { Duration::ZERO } else { pause }
    }

    fn use_token(&self, token: usize, pause: Duration) -> Acquired {
        let value = self.tokens[token].token.clone();
        Acquired::Use { token: Token { value, expiry: Expiry::EachRequest, writes: Vec::new() }, pause }
    }

    fn rotate(&mut self) {
        self.active = (self.active + 1) % self.tokens.len();
    }

    /// The quota that counts this request: the first that matches, else the one that matches all, else the first.
    fn quota_of(&self, request: &Request) -> usize {
        let matching = |quota: &Quota| quota.matchers.iter().any(|matcher| matcher.matches(request));
        let general = |quota: &Quota| quota.matchers.is_empty();
        self.quotas.iter().position(matching).or_else(|| self.quotas.iter().position(general)).unwrap_or(0)
    }

    fn token_of(&self, request: &Request) -> Option<usize> {
        let value = request.headers.get(&self.header)?.to_str().ok()?;
        self.tokens.iter().position(|counted| header_value(&self.method, counted.token.expose()) == value)
    }

    fn state(&self, token: usize, quota: usize) -> Option<&State> {
        self.tokens.get(token)?.states.as_ref()?.get(quota)
    }

    fn state_mut(&mut self, token: usize, quota: usize) -> Option<&mut State> {
        self.tokens.get_mut(token)?.states.as_mut()?.get_mut(quota)
    }
}

/// How long from one time to another; nothing if the other is before.
fn duration_between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
