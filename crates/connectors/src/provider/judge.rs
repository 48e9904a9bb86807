//! Says of one request whether it is what it claims to be, and which events it holds. Sans I/O and without a clock.

use std::borrow::Cow;
use std::cell::Cell;

use domain::request::Reason;
use domain::{Assurance, Timestamp};

use super::check::{Evaluation, Pass};
use super::effect::Effect;
use super::event::{self, FoundEvent};
use super::fetched::{FetchedKeys, KeyFormat, NothingFetched};
use super::field::View;
use super::incoming::Incoming;
use super::inflate;
use super::key_api::KeyRequest;
use super::keys::Keys;
use super::program::Program;
use super::recipe::Recipe;
use super::refusal::{Code, Refusal};
use super::reply::Reply;

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    Accepted(Accepted),
    /// The sender is setting the endpoint up or trying it: answer, no event.
    Handshake(Reply),
    /// The same, and it asks for more than an answer. Answered so only if that is granted.
    Asks(Effect, Reply),
    Rejected(Reason),
    /// The key that would decide has to be fetched first.
    Pending(Pending),
}

/// A verified request.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub assurance: Assurance,
    /// The place among the configured secrets of the one that was right: tells when an old one is no longer used.
    pub secret: Option<usize>,
    /// One, unless the recipe splits; a batch may also be empty.
    pub events: Vec<FoundEvent>,
    /// What the sender wants to hear once the events are durable; `None`: the gateway's own answer.
    pub reply: Option<Reply>,
}

/// A key that must be fetched before the request can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub key_url: String,
    /// What is to be found there.
    pub format: KeyFormat,
    /// How an API is asked for it; without it, it simply stands there.
    pub request: Option<Box<KeyRequest>>,
}

impl Pending {
    /// By which what was fetched is known again: an API's answers are remembered for each key and each credential.
    #[must_use]
    pub fn address(&self) -> Cow<'_, str> {
        match &self.request {
            None => Cow::Borrowed(&self.key_url),
            Some(request) => Cow::Owned(format!("{} {}", self.key_url, request.mark())),
        }
    }
}

/// Judges a request by a recipe and the keys of its source. `received_at` decides whether a timestamp is stale, so
/// that a later verification comes to the same judgement.
#[must_use]
pub fn judge(recipe: &Recipe, keys: &Keys, incoming: &Incoming<'_>, received_at: Timestamp) -> Judgement {
    judge_with(recipe, keys, incoming, received_at, &NothingFetched)
}

/// The same with keys that were fetched; [`Judgement::Pending`] says which one is wanted next.
#[must_use]
pub fn judge_with(
    recipe: &Recipe,
    keys: &Keys,
    incoming: &Incoming<'_>,
    received_at: Timestamp,
    fetched: &dyn FetchedKeys,
) -> Judgement {
    debug_assert!(recipe.owns(keys), "keys were compiled for another recipe");
    let awaited = Cell::new(None);
    match decide(&keys.program, keys, incoming, received_at, fetched, &awaited) {
        Ok(judgement) => judgement,
        Err(refusal) => match awaited.take() {
            Some(pending) => Judgement::Pending(pending),
            None => Judgement::Rejected(refusal.into()),
        },
    }
}

fn decide(
    program: &Program,
    keys: &Keys,
    incoming: &Incoming<'_>,
    received_at: Timestamp,
    fetched: &dyn FetchedKeys,
    awaited: &Cell<Option<Pending>>,
) -> Result<Judgement, Refusal> {
    let view = View::new(incoming, incoming.body, &program.pointers);
    let evaluation = Evaluation { view: &view, keys, received_at, fetched, awaited };
    if let Some(judgement) = evaluation.handshake(&program.handshakes, false)? {
        return Ok(judgement);
    }
    if !program.methods.iter().any(|method| **method == *incoming.method) {
        return Err(Refusal::new(
            Code::MethodRefused,
            format!("this sender does not send events by {}", method(incoming)),
        ));
    }
    let pass = verify(program, &evaluation, incoming)?;
    let inflated = inflate::inflated(incoming)?;
    let body = inflated.as_ref().map_or(incoming.body, AsRef::as_ref);
    let readable = View::new(incoming, body, &program.pointers);
    let evaluation = Evaluation { view: &readable, keys, received_at, fetched, awaited };
    if let Some(judgement) = evaluation.handshake(&program.handshakes, true)? {
        return Ok(judgement);
    }
    let events = event::find(&program.event, &program.pointers, incoming, inflated.as_ref())?;
    let reply = ok_reply(program, &evaluation);
    Ok(Judgement::Accepted(Accepted { assurance: pass.assurance, secret: pass.secret, events, reply }))
}

fn verify(program: &Program, evaluation: &Evaluation<'_, '_>, incoming: &Incoming<'_>) -> Result<Pass, Refusal> {
    if program.reads_inside_body && inflate::is_encoded(incoming)? {
        return Err(Refusal::new(
            Code::EncodingRefused,
            "the body is compressed, and this sender signs what is inside it",
        ));
    }
    evaluation.check(&program.check)
}

/// The answer is courtesy: where it cannot be made, the event is accepted all the same.
fn ok_reply(program: &Program, evaluation: &Evaluation<'_, '_>) -> Option<Reply> {
    let fits = |when| evaluation.holds(when).unwrap_or(false);
    let ok = program.ok.iter().find(|ok| fits(&ok.when))?;
    evaluation.respond(&ok.respond).ok()
}

fn method<'a>(incoming: &Incoming<'a>) -> &'a str {
    &incoming.method[..incoming.method.floor_char_boundary(16)]
}
