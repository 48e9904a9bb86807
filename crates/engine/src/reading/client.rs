//! Asks a source: a request built by its requester, with a token that holds, in its turn, and again as long as its error
//! handler says so. Every request of a reading goes through here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::manifest::failure::{Action, FailureType, Tries, Verdict};
use connectors::manifest::request::{Additions, Requester};
use connectors::manifest::trouble::Trouble;
use connectors::manifest::wire::{Outcome, Reply, Request, plain_url};
use serde_json::Value as Json;

use super::ask::Unheard;
use super::asked::For;
use super::conditions::Conditions;
use super::failure::{Blame, ReadFailure};
use super::learned::Learned;
use super::run::Occasion;
use super::seen::Seen;
use super::spool::Spool;
use super::tokens::{Held, Tokens};
use super::told::{ConfigWriter, Level, Standing, Told};
use super::wire::{Patience, Undelivered, Wire};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;

mod auth;
mod pace;
mod quota;

pub(super) use pace::Pace;
pub(super) use quota::SharedQuotas;
use quota::Spent;

/// What every request of one reader shares.
pub(super) struct Client {
    pub wire: Wire,
    pub tokens: Tokens,
    pub pace: Pace,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub writer: Arc<dyn ConfigWriter>,
    pub learned: Arc<Learned>,
    config: Mutex<Arc<Json>>,
}

/// One question.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub stream: &'a Arc<str>,
    pub occasion: &'a Occasion<'a>,
    pub requester: &'a Requester,
    pub additions: &'a Additions,
    pub seen: Seen<'a>,
    /// Under whose name the same question may be answered from memory.
    pub cached: Option<&'a str>,
    /// Whether the body is wanted as a stream.
    pub spooled: bool,
    pub unheard: Unheard,
    /// Whether it is enough to hear that the answer is the one of before.
    pub conditions: Option<&'a Conditions>,
    /// Statuses that answer it at once, whatever the error handler would do about them.
    pub is_answer: fn(u16) -> bool,
}

/// What came back: a body that is whole, or one to be decoded as a stream.
pub(super) struct Answer {
    pub reply: Reply,
    pub spool: Option<Spool>,
}

/// Why there is no answer, or what its reader has to do before it asks again.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(ReadFailure),
    ResetPagination,
    ReducePageSize,
    SplitWindow,
}

impl From<ReadFailure> for Stop {
    fn from(failure: ReadFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(trouble.into())
    }
}

impl Stop {
    /// For requests that have no pages and no window: what would change them changes nothing there.
    pub fn into_failure(self) -> ReadFailure {
        let wish = match self {
            Self::Failed(failure) => return failure,
            Self::ResetPagination => "RESET_PAGINATION",
            Self::ReducePageSize => "REDUCE_PAGE_SIZE",
            Self::SplitWindow => "SPLIT_REQUEST_WINDOW",
        };
        let message =
            format!("an error handler answers {wish}, which this request cannot do; put it on the stream's own");
        ReadFailure::config("action_impossible", message)
    }
}

impl From<FailureType> for Blame {
    fn from(failure: FailureType) -> Self {
        match failure {
            FailureType::System => Self::System,
            FailureType::Config => Self::Config,
            FailureType::Transient => Self::Transient,
        }
    }
}

impl From<Trouble> for ReadFailure {
    fn from(trouble: Trouble) -> Self {
        Self::new(trouble.failure_type().into(), trouble.code(), trouble.to_string())
    }
}

impl Client {
    pub fn new(
        wire: Wire,
        pace: Pace,
        entropy: SharedEntropy,
        (writer, learned): (Arc<dyn ConfigWriter>, Arc<Learned>),
        config: Arc<Json>,
    ) -> Self {
        let clock = SharedClock::clone(&wire.clock);
        Self { wire, tokens: Tokens::default(), pace, clock, entropy, writer, learned, config: Mutex::new(config) }
    }

    /// The configuration as it is now: rotated tokens change it.
    pub fn config(&self) -> Arc<Json> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what the source changed. From then on nobody is told of it.
    fn set_config(&self, config: Arc<Json>) {
        self.learned.note_changes(&self.config(), &config);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub fn now(&self) -> jiff::Timestamp {
        super::timestamp(self.clock.now())
    }

    /// Asks until there is an answer that the error handler lets through.
    pub async fn ask(&self, question: Question<'_>) -> Result<Answer, Stop> {
        let mut tries = Tries::new();
        let mut refused = None;
        loop {
            let token = self.token(&question, refused.take()).await?;
            let config = self.config();
            let mut request = self.request(&question, &config, token.as_deref())?;
            let asked = question.conditions.map(|conditions| (conditions, conditions.put_on(&mut request)));
            let quotas = self.known_quotas(&question);
            let sent = self.send(&question, &request, quotas.is_some()).await;
            let spent = match (&quotas, &sent) {
                (Some(quotas), Ok(answer)) => self.learn_quota(quotas, &request, &answer.reply).await,
                _ => Spent::default(),
            };
            tries.note_other_token(spent.has_alternative);
            if let (Some((conditions, _)), Ok(answer)) = (asked, &sent)
                && conditions.confirms(&answer.reply)
            {
                return answered(sent);
            }
            if sent.as_ref().is_ok_and(|answer| (question.is_answer)(answer.reply.status)) {
                return answered(sent);
            }
            let verdict = self.judge(&question, &config, &request, &sent, &mut tries)?;
            if verdict.is_limited {
                if let Some(wait) = verdict.limited_for.filter(|_| !spent.own) {
                    self.wire.stop(wait);
                }
                self.tell_limited(&question).await?;
            }
            let wait = match verdict.action {
                Action::Success | Action::Ignore => {
                    let is_plain = verdict.action == Action::Success;
                    if let (Some((conditions, key)), Ok(answer)) = (asked.filter(|_| is_plain), &sent) {
                        conditions.answered(key, &request, &answer.reply, self.clock.now());
                    }
                    return answered(sent);
                }
                Action::Fail if is_outdated(&sent, token.as_deref(), question.occasion) => {
                    refused = token;
                    continue;
                }
                Action::Fail => return Err(failed(&request, &sent, verdict).into()),
                Action::ResetPagination => return Err(Stop::ResetPagination),
                Action::ReducePageSize => return Err(Stop::ReducePageSize),
                Action::SplitRequestWindow => return Err(Stop::SplitWindow),
                // Who must not ask twice cannot know whether this was heard.
                Action::Retry if question.unheard == Unheard::GiveUp => {
                    return Err(failed(&request, &sent, verdict).into());
                }
                Action::Retry | Action::RateLimited => verdict.wait,
                Action::RefreshTokenThenRetry => {
                    refused = token;
                    verdict.wait
                }
            };
            self.tell_wait(&question, &request, wait).await?;
            self.clock.sleep(wait.unwrap_or_default()).await;
        }
    }

    fn request(&self, question: &Question<'_>, config: &Json, token: Option<&Held>) -> Result<Request, ReadFailure> {
        let scope = question.seen.scope(config, self.now());
        Ok(question.requester.request(&scope, question.additions.clone(), token.map(|held| &held.token))?)
    }

    /// One attempt. A cached answer costs nobody anything.
    async fn send(
        &self,
        question: &Question<'_>,
        request: &Request,
        is_counted_by_token: bool,
    ) -> Result<Answer, Undelivered> {
        let cached = question.cached.filter(|_| !question.spooled);
        if let Some(name) = cached
            && let Some(reply) = question.occasion.cache.get(name, request)
        {
            return Ok(Answer { reply, spool: None });
        }
        self.pace.admit(request, &self.clock).await?;
        let patience = Patience::of(&question.requester.timeouts(), question.occasion.purpose);
        let (stream, sake) = (Some(Arc::clone(question.stream)), question.occasion.sake.clone());
        let what = For { stream, sake, purpose: question.occasion.purpose, is_counted_by_token };
        let answer = if question.spooled {
            let downloaded = self.wire.download(what, request.clone(), patience).await?;
            Answer { reply: downloaded.reply, spool: downloaded.body }
        } else {
            Answer { reply: self.wire.send(what, request.clone(), patience).await?, spool: None }
        };
        self.pace.learn(request, &answer.reply, &self.clock);
        if let Some(name) = cached {
            question.occasion.cache.put(name, request, &answer.reply);
        }
        Ok(answer)
    }

    fn judge(
        &self,
        question: &Question<'_>,
        config: &Json,
        request: &Request,
        sent: &Result<Answer, Undelivered>,
        tries: &mut Tries,
    ) -> Result<Verdict, ReadFailure> {
        let outcome = match sent {
            Ok(answer) => Outcome::Reply(&answer.reply),
            Err(Undelivered::Network(excuse)) => Outcome::Network(excuse),
            Err(Undelivered::Refused(failure)) => return Err(failure.clone()),
        };
        let scope = question.seen.scope(config, self.now()).request_url(&request.url);
        Ok(question.requester.errors().judge(outcome, &scope, tries, self.entropy.unit()))
    }

    async fn tell_limited(&self, question: &Question<'_>) -> Result<(), ReadFailure> {
        let told = Told::Standing { stream: Arc::clone(question.stream), standing: Standing::RateLimited };
        question.occasion.listener.tell(told).await.map_err(Into::into)
    }

    async fn tell_wait(
        &self,
        question: &Question<'_>,
        request: &Request,
        wait: Option<Duration>,
    ) -> Result<(), ReadFailure> {
        let seconds = wait.unwrap_or_default().as_secs_f64();
        let message = format!("{} is asked again in {seconds} s", plain_url(&request.url));
        question.occasion.listener.tell(Told::Note { level: Level::Info, message }).await.map_err(Into::into)
    }
}

/// For questions to which the error handler alone says what is an answer.
pub(super) fn no_status(_: u16) -> bool {
    false
}

fn answered(sent: Result<Answer, Undelivered>) -> Result<Answer, Stop> {
    sent.map_err(|undelivered| match undelivered {
        Undelivered::Refused(failure) => Stop::Failed(failure),
        // A handler may let even this through; then there is nothing to read.
        Undelivered::Network(excuse) => Stop::Failed(ReadFailure::transient("source_unreachable", excuse)),
    })
}

/// Whether the source refused a token that an earlier run got: it may have been revoked before its time, so the request
/// is worth a new one.
fn is_outdated(sent: &Result<Answer, Undelivered>, token: Option<&Held>, occasion: &Occasion<'_>) -> bool {
    let is_refused = sent.as_ref().is_ok_and(|answer| answer.reply.status == 401);
    is_refused && token.is_some_and(|held| held.run < occasion.number)
}

fn failed(request: &Request, sent: &Result<Answer, Undelivered>, verdict: Verdict) -> ReadFailure {
    let blame = verdict.failure_type.map_or(Blame::System, Blame::from);
    let what = match sent {
        Ok(answer) => format!("status {}", answer.reply.status),
        Err(_) => "no answer".to_owned(),
    };
    let url = plain_url(&request.url);
    let message = verdict.message.unwrap_or_else(|| format!("{} {url} failed with {what}", request.method));
    let said = verdict.detail.map_or_else(String::new, |said| format!("; the source says: {said}"));
    let status = sent.as_ref().ok().map(|answer| answer.reply.status);
    let failure = ReadFailure::new(blame, "source_failed", message);
    ReadFailure { status, ..failure }.detail(format!("{} {url}: {what}{said}", request.method))
}
