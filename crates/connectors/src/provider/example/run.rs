//! Tries a vector: judges its request, and tells in words what was expected and what came.

use std::fmt::Write as _;

use super::{Expect, ExpectEffect, ExpectEvent, ExpectReply, Vector};
use crate::provider::incoming::Incoming;
use crate::provider::judge::{Accepted, Judgement};
use crate::provider::keys::Keys;
use crate::provider::published;
use crate::provider::recipe::Recipe;

impl Vector {
    /// Judges a request as a gateway does that can reach only what the vector says is published.
    #[must_use]
    pub fn judge(&self, recipe: &Recipe, keys: &Keys, incoming: &Incoming<'_>) -> Judgement {
        published::judge(recipe, keys, incoming, self.at, &self.fetched)
    }

    /// Judges the vector's request and says how the judgement differs from the expected one.
    pub fn run(&self, recipe: &Recipe) -> Result<(), String> {
        if self.not_applicable.is_some() {
            return Ok(());
        }
        let keys = Keys::compile(recipe, &self.role_secrets(), &self.settings);
        let keys = keys.map_err(|error| format!("vector '{}': {error}", self.name))?;
        let judgement = self.judge(recipe, &keys, &self.incoming());
        if !self.expect.is_met_by(&judgement) {
            let (expected, came) = (expected(&self.expect), came(&judgement));
            return Err(format!("vector '{}': expected {expected}; what came is {came}", self.name));
        }
        let Judgement::Accepted(accepted) = judgement else { return Ok(()) };
        let mut again = self.again.iter();
        again
            .try_for_each(|again| again.hold(&accepted.events, &self.body, recipe.dedupe_within()))
            .map_err(|problem| format!("vector '{}': {problem}", self.name))
    }
}

impl Expect {
    fn is_met_by(&self, judgement: &Judgement) -> bool {
        match judgement {
            Judgement::Rejected(reason) => self.rejected.as_deref() == Some(&*reason.code),
            Judgement::Handshake(reply) => self.handshake == Some(ExpectReply::from(reply)) && self.effect.is_none(),
            Judgement::Asks(effect, reply) => {
                self.handshake == Some(ExpectReply::from(reply)) && self.effect == Some(ExpectEffect::from(effect))
            }
            Judgement::Accepted(accepted) => {
                self.assurance == Some(accepted.assurance)
                    && self.events == events(accepted)
                    && self.reply == accepted.reply.as_ref().map(ExpectReply::from)
            }
            Judgement::Pending(wanted) => self.pending.as_ref() == Some(&wanted.key_url),
        }
    }
}

fn events(accepted: &Accepted) -> Vec<ExpectEvent> {
    accepted.events.iter().map(ExpectEvent::from).collect()
}

fn expected(expect: &Expect) -> String {
    match expect {
        Expect { rejected: Some(code), .. } => format!("rejected: {code}"),
        Expect { pending: Some(url), .. } => format!("pending: {url}"),
        Expect { handshake: Some(reply), effect, .. } => asked(reply, effect.as_ref()),
        Expect { assurance: None, .. } => {
            "nothing: say assurance and events, rejected, pending, or handshake".to_owned()
        }
        Expect { assurance: Some(assurance), events, reply, .. } => {
            accepted_as(assurance.as_str(), events, reply.as_ref())
        }
    }
}

fn came(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Rejected(reason) => format!("rejected: {} ({})", reason.code, reason.detail),
        Judgement::Handshake(reply) => asked(&ExpectReply::from(reply), None),
        Judgement::Asks(effect, reply) => asked(&ExpectReply::from(reply), Some(&ExpectEffect::from(effect))),
        Judgement::Accepted(accepted) => {
            let reply = accepted.reply.as_ref().map(ExpectReply::from);
            accepted_as(accepted.assurance.as_str(), &events(accepted), reply.as_ref())
        }
        Judgement::Pending(wanted) => format!("pending: {}", wanted.key_url),
    }
}

fn asked(reply: &ExpectReply, effect: Option<&ExpectEffect>) -> String {
    let effect = effect.map(|effect| match effect {
        ExpectEffect::StoreSecret(secret) => format!(", effect: {{ store_secret: {secret:?} }}"),
        ExpectEffect::ProposeUrl(url) => format!(", effect: {{ propose_url: {url:?} }}"),
    });
    format!("handshake: {}{}", said(reply), effect.unwrap_or_default())
}

/// In the spelling of the file, so that it can be copied there.
fn accepted_as(assurance: &str, events: &[ExpectEvent], reply: Option<&ExpectReply>) -> String {
    let events: Vec<String> = events.iter().map(event).collect();
    let mut text = format!("assurance: {assurance}, events: [{}]", events.join(", "));
    if let Some(reply) = reply {
        write!(text, ", reply: {}", said(reply)).expect("a String takes any text");
    }
    text
}

fn event(event: &ExpectEvent) -> String {
    let ExpectEvent { event_type, id, attempt_id, occurred_at, subject, version, connection } = event;
    let occurred_at = occurred_at.map(|at| at.to_string());
    let parts = [
        ("id", id),
        ("attempt_id", attempt_id),
        ("occurred_at", &occurred_at),
        ("subject", subject),
        ("version", version),
        ("connection", connection),
    ];
    let mut text = format!("{{ type: {event_type:?}");
    for (name, value) in parts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        write!(text, ", {name}: {value:?}").expect("a String takes any text");
    }
    text + " }"
}

fn said(reply: &ExpectReply) -> String {
    format!("{{ status: {}, body: {:?} }}", reply.status, reply.body)
}
