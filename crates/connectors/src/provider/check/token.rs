//! JSON Web Signatures: the token says nothing about how it is to be verified. Its algorithm must be on the recipe's
//! list; the keys it brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.

use std::borrow::Cow;
use std::time::Duration;

use domain::Timestamp;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::fetched::verifies;
use super::matching::Match;
use super::signed::Tag;
use super::{Evaluation, Pass, no_secret};
use crate::provider::digest;
use crate::provider::field::Field;
use crate::provider::jws::Token;
use crate::provider::program::{Fetch, Issued, Jws, Purpose};
use crate::provider::refusal::{Code, Refusal};
use crate::provider::spec::Algorithm;

/// How far the clocks of a sender and ours may differ.
const LEEWAY: Duration = Duration::from_secs(60);

impl Evaluation<'_, '_> {
    pub(super) fn jws(&self, jws: &Jws) -> Result<Pass, Refusal> {
        let missing = || Refusal::new(Code::SignatureMissing, "the request carries no token where this sender puts it");
        let text = self.view.read(&jws.from, None)?.filter(|text| !text.is_empty()).ok_or_else(missing)?;
        let is_body = matches!(jws.from, Field::Body);
        let token = Token::read(&text, is_body).map_err(|problem| Refusal::new(Code::SignatureMalformed, problem))?;
        let (algorithm, slot) = jws.algorithm(&token.header.alg).ok_or_else(|| {
            Refusal::new(Code::SignatureMalformed, "the token's algorithm is not one that this sender signs with")
        })?;
        let kid = token.header.kid.as_deref().map(str::as_bytes);
        let fetch = self.fetch_for(jws, slot, kid);
        if fetch.is_none() && !self.keys.has(slot) {
            return Err(no_secret());
        }
        let detached = self.detached(jws)?;
        let signed =
            token.signed(detached.as_deref()).map_err(|problem| Refusal::new(Code::SignatureMalformed, problem))?;
        let secret = match (fetch, algorithm.purpose()) {
            (Some(fetch), Purpose::Verify(algorithm)) => {
                self.published_key(fetch, algorithm, &token, &signed)?;
                None
            }
            _ => Some(self.matching_key(slot, &token, &signed)?),
        };
        // Only now: a forged token learns nothing about the clock or the claims.
        if detached.is_none() {
            self.claims(jws, &token)?;
        }
        Ok(Pass { assurance: jws.assurance, secret })
    }

    /// Where the token's key is to be had. Of an API it is asked only for keys that are not configured, and only by who
    /// was given credentials.
    fn fetch_for<'j>(&self, jws: &'j Jws, slot: usize, kid: Option<&[u8]>) -> Option<&'j Fetch> {
        let fetch = jws.fetched.as_ref()?;
        let Some(api) = &fetch.key_api else { return Some(fetch) };
        let is_configured = self.keys.public(slot).iter().any(|(index, _)| self.is_chosen(*index, kid));
        (self.keys.has(api.slot) && !is_configured).then_some(fetch)
    }

    fn published_key(
        &self,
        fetch: &Fetch,
        algorithm: Algorithm,
        token: &Token<'_>,
        signed: &[Cow<'_, [u8]>],
    ) -> Result<(), Refusal> {
        let url = self.view.read(&fetch.url, None)?;
        let kid = token.header.kid.as_deref().map(str::as_bytes);
        let named = || Refusal::new(Code::SignatureMalformed, "the token does not say by which key it is signed");
        let keys = self.fetched_keys(fetch, url.as_deref(), Some(kid.ok_or_else(named)?))?;
        if verifies(&keys, algorithm, &signed.concat(), &token.signature) {
            return Ok(());
        }
        Err(Refusal::new(Code::SignatureMismatch, "the sender's published key does not verify the token"))
    }

    /// The payload, where the token leaves it to the request.
    fn detached(&self, jws: &Jws) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(fields) = &jws.detached else { return Ok(None) };
        let mut payload = Vec::new();
        for field in fields {
            let part = self.view.read(field, None)?.filter(|part| !part.is_empty());
            let part = part.ok_or_else(|| {
                Refusal::new(Code::SignedFieldMissing, "a part of what is signed is missing from the request")
            })?;
            payload.extend_from_slice(&part);
        }
        Ok(Some(payload))
    }

    fn matching_key(&self, slot: usize, token: &Token<'_>, signed: &[Cow<'_, [u8]>]) -> Result<usize, Refusal> {
        let kid = token.header.kid.as_deref().map(str::as_bytes);
        let mut matched = Match::default();
        match self.keys.program.slots.get(slot).map(|slot| slot.purpose) {
            Some(Purpose::Mac(_)) => {
                for (index, key) in self.keys.macs(slot).iter().filter(|(index, _)| self.is_chosen(*index, kid)) {
                    let tag = Tag::of(digest::mac(key, signed).as_ref());
                    matched.note(tag.as_slice().ct_eq(&token.signature), *index, self.is_in_force(*index));
                }
            }
            _ => {
                let message = signed.concat();
                for (index, key) in self.keys.public(slot).iter().filter(|(index, _)| self.is_chosen(*index, kid)) {
                    let verified = u8::from(key.verifies(&message, &token.signature));
                    matched.note(verified.into(), *index, self.is_in_force(*index));
                }
            }
        }
        matched.secret("no configured key makes the token's signature")
    }

    fn claims(&self, jws: &Jws, token: &Token<'_>) -> Result<(), Refusal> {
        let claims = token.claims().ok_or_else(|| refused("the token's payload is not a JSON object"))?;
        self.validity(jws, &claims)?;
        if !jws.issuers.is_empty() && !jws.issuers.iter().any(|issuer| claims.get("iss") == Some(&(**issuer).into())) {
            return Err(refused("the token is of another issuer, or names none"));
        }
        if !jws.audiences.is_empty() && !self.is_for_us(jws, claims.get("aud"))? {
            return Err(refused("the token is for another audience, or names none"));
        }
        for (pointer, wanted) in &jws.claims {
            let wanted = self.view.read(wanted, None)?;
            let claim = Value::Object(claims.clone()).pointer(pointer).map(scalar).unwrap_or_default();
            if claim.is_empty() || wanted.is_none_or(|wanted| *wanted != *claim.as_bytes()) {
                return Err(refused(format!("the token's '{pointer}' is not what it has to be")));
            }
        }
        Ok(())
    }

    fn is_for_us(&self, jws: &Jws, audience: Option<&Value>) -> Result<bool, Refusal> {
        let named: Vec<&str> = match audience {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for ours in &jws.audiences {
            let ours = self.view.read(ours, None)?.unwrap_or_default();
            if !ours.is_empty() && named.iter().any(|named| named.as_bytes() == &*ours) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn validity(&self, jws: &Jws, claims: &serde_json::Map<String, Value>) -> Result<(), Refusal> {
        let at = self.received_at;
        match (moment(claims, "exp")?, jws.no_expiry) {
            (Some(expires), _) if at.since(expires) > LEEWAY => {
                return Err(Refusal::new(Code::TimestampStale, "the token had expired when it arrived"));
            }
            (None, false) => {
                return Err(Refusal::new(Code::TimestampMissing, "the token does not say when it expires"));
            }
            _ => {}
        }
        if moment(claims, "nbf")?.is_some_and(|from| from.since(at) > LEEWAY) {
            return Err(Refusal::new(Code::TimestampInFuture, "the token was not valid yet when it arrived"));
        }
        let issued = moment(claims, "iat")?;
        match (&jws.issued, issued) {
            (Some(_), None) => Err(Refusal::new(Code::TimestampMissing, "the token does not say when it was issued")),
            (Some(Issued { past, .. }), Some(issued)) if at.since(issued) > *past => {
                Err(Refusal::new(Code::TimestampStale, "the token was issued too long before it arrived"))
            }
            (Some(Issued { future, .. }), Some(issued)) if issued.since(at) > *future => {
                Err(Refusal::new(Code::TimestampInFuture, "the token was issued after it arrived"))
            }
            (None, Some(issued)) if issued.since(at) > LEEWAY => {
                Err(Refusal::new(Code::TimestampInFuture, "the token was issued after it arrived"))
            }
            _ => Ok(()),
        }
    }
}

/// A NumericDate, whole or with a fraction.
fn moment(claims: &serde_json::Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    // Far beyond any year that a token names, and within what a timestamp holds.
    let seconds = value.as_f64().filter(|seconds| seconds.abs() < 1e11);
    match seconds {
        Some(seconds) => Ok(Some(Timestamp::from_micros((seconds * 1e6) as i64))),
        None => {
            Err(Refusal::new(Code::TimestampUnreadable, format!("the token's '{name}' is not a number of seconds")))
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn refused(detail: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::ClaimRefused, detail)
}
