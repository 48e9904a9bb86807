//! What a token endpoint answered: the access token, wherever in the answer it is, how long it holds, and the next
//! refresh token.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::super::super::expression::Template;
use super::super::super::failure::message::is_truthy;
use super::super::super::request::fields::python_float;
use super::super::super::request::text::python_text;
use super::super::super::scope::Scope;
use super::super::super::trouble::Trouble;
use super::super::super::wire::Reply;
use super::super::config::{ConfigWrite, text_at};
use super::super::moment;
use super::super::token::{Expiry, Secret, Token};
use super::{OAuth, Updater};

/// How deep in an answer a field is looked for.
const DEPTH_MAX: usize = 5;
/// How long a token holds if nobody says: refreshed neither all the time nor too late.
const LIFE_USUAL: Duration = Duration::from_secs(3_600);

impl OAuth {
    pub(in super::super) fn token(&self, reply: &Reply, scope: &Scope<'_>) -> Result<Token, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let name = self.names.access_token.text(scope)?;
        let missing = || Trouble::NoToken { what: "refresh", name: name.clone() };
        let json = reply.json().ok_or_else(missing)?;
        let value = find(json, &name, 0).filter(|value| is_truthy(value)).ok_or_else(missing)?;
        let value = python_text(value);
        let at = self.end(json, scope)?;
        let writes = self.updater.as_ref().map_or_else(Vec::new, |updater| updater.writes(json, &value, at));
        Ok(Token { value: Secret::new(value), expiry: Expiry::At { at, since: Some(scope.now()) }, writes })
    }

    /// When the token ends: as the answer says, else as the config does, else in an hour.
    fn end(&self, json: &Json, scope: &Scope<'_>) -> Result<Timestamp, Trouble> {
        let name = self.names.expires_in.text(scope)?;
        let now = scope.now();
        let Some(value) = find(json, &name, 0).filter(|value| !value.is_null()) else {
            let known = match &self.updater {
                Some(updater) => text_at(scope, &updater.expiry_date),
                None => self.expiry_date.as_ref().and_then(|date: &Template| date.text(scope).ok()),
            };
            let known = known.and_then(|date| moment::parse(date.trim())).filter(|at| *at >= now);
            return Ok(known.unwrap_or_else(|| later(now, LIFE_USUAL.as_secs_f64())));
        };
        let unreadable = || Trouble::Expiry { what: "refresh", name: name.clone() };
        if self.expiry_is_date {
            return moment::read(value).ok_or_else(unreadable);
        }
        let seconds = python_float(&python_text(value)).ok_or_else(unreadable)?;
        Ok(later(now, seconds.trunc()))
    }
}

impl Updater {
    /// The new tokens, and where they go. A source that gives no new refresh token means the old one to stay.
    fn writes(&self, json: &Json, access_token: &str, at: Timestamp) -> Vec<ConfigWrite> {
        let write = |path: &Vec<String>, value: Json| ConfigWrite { path: path.clone(), value };
        let mut writes = vec![write(&self.access_token, Json::from(access_token))];
        if let Some(token) = find(json, &self.refresh_token_name, 0).filter(|token| !token.is_null()) {
            writes.push(write(&self.refresh_token, token.clone()));
        }
        writes.push(write(&self.expiry_date, Json::String(moment::print(at))));
        writes
    }
}

fn later(now: Timestamp, seconds: f64) -> Timestamp {
    let span = jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or(jiff::SignedDuration::ZERO);
    now.saturating_add(span).unwrap_or(now)
}

/// A field of the answer: at its root, else the first that is found in what it holds.
fn find<'a>(value: &'a Json, name: &str, depth: usize) -> Option<&'a Json> {
    if depth > DEPTH_MAX {
        return None;
    }
    let within = |value: &'a Json| find(value, name, depth + 1).filter(|found| !found.is_null());
    match value {
        Json::Object(fields) => match fields.get(name) {
            Some(found) => Some(found),
            None => fields.values().find_map(within),
        },
        Json::Array(items) => items.iter().find_map(within),
        _ => None,
    }
}
