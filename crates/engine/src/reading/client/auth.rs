//! Gets tokens: ahead of their end, once for all who wait, and with rotated secrets kept before they are used.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::auth::{Attempts, Errand, Granted, Purpose, Step, Token, write_back};
use connectors::manifest::failure::Action;
use connectors::manifest::request::{Additions, Requester};
use connectors::manifest::wire::{Outcome, Reply};
use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use super::super::ask::Unheard;
use super::super::asked::For;
use super::super::failure::{Blame, ReadFailure};
use super::super::tokens::{Held, Slot};
use super::super::wire::{Patience, Undelivered};
use super::{Client, Question, Stop};

/// Requests for one token, one leading to the next: is the session good, log in, read the token.
const ERRANDS_MAX: usize = 4;

const AUTH_FAILED: &str = "auth_failed";
/// A token that another node was given is kept a moment later: waits before it is looked for again.
const KEPT_BY_OTHERS_AFTER: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// What to do for a token, without what it was decided from.
enum Todo<'a> {
    Have(Token),
    Send(Errand),
    Login(&'a Requester),
}

impl Client {
    /// The token that this question needs, if it needs one. `refused` is one that the source did not accept.
    pub(super) async fn token(
        &self,
        question: &Question<'_>,
        refused: Option<Arc<Held>>,
    ) -> Result<Option<Arc<Held>>, ReadFailure> {
        let held = self.held(question, refused).await?;
        if let Some(held) = &held {
            // The source may repeat it in its answer.
            self.learned.note(held.token.value.expose());
        }
        Ok(held)
    }

    async fn held(
        &self,
        question: &Question<'_>,
        refused: Option<Arc<Held>>,
    ) -> Result<Option<Arc<Held>>, ReadFailure> {
        let config = self.config();
        let key = question.requester.authenticator().key(&question.seen.scope(&config, self.now()))?;
        let Some(key) = key else { return Ok(None) };
        if let Some(quotas) = self.quotas(question, key)? {
            return self.acquired(question, &quotas).await.map(Some);
        }
        let slot = self.tokens.slot(key);
        if refused.is_none()
            && let Some(kept) = slot.kept().filter(|kept| !kept.token.is_due(self.now()))
        {
            return Ok(Some(kept));
        }
        let _turn = slot.turn.lock().await;
        self.renewed(question, &slot, refused.as_ref()).await
    }

    /// With the right to change the token: somebody else may have done so meanwhile.
    async fn renewed(
        &self,
        question: &Question<'_>,
        slot: &Slot,
        refused: Option<&Arc<Held>>,
    ) -> Result<Option<Arc<Held>>, ReadFailure> {
        let kept = slot.kept();
        let is_refused = match (refused, &kept) {
            (Some(refused), Some(kept)) => refused.token == kept.token,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let kept = kept.as_ref().map(|kept| &kept.token);
        let todo = match self.todo(question, kept, is_refused)? {
            // Another node may have used up the refresh token that is known here, and kept what it got for it.
            Some(Todo::Send(_)) if self.takes_over().await? => self.todo(question, None, false)?,
            todo => todo,
        };
        let token = match todo {
            None => return Ok(None),
            Some(Todo::Have(token)) => token,
            Some(Todo::Send(errand)) => self.granted_to_one(question, errand).await?,
            Some(Todo::Login(requester)) => {
                let reply = self.log_in(question, requester).await?;
                match self.granted(question, Purpose::Login, &reply)? {
                    Granted::Token(token) => token,
                    Granted::Next(errand) => self.run(question, errand).await?,
                }
            }
        };
        if !token.writes.is_empty() && kept != Some(&token) {
            self.write_back(&token).await?;
        }
        Ok(Some(slot.keep(Held { token, run: question.occasion.number })))
    }

    /// Sends for a token. Of two nodes that do so at once with the same refresh token one is refused: it has what the
    /// other was given, as soon as that is kept.
    async fn granted_to_one(&self, question: &Question<'_>, errand: Errand) -> Result<Token, ReadFailure> {
        let refused = match self.run(question, errand).await {
            Err(refused) if refused.code == AUTH_FAILED => refused,
            other => return other,
        };
        for wait in KEPT_BY_OTHERS_AFTER {
            if self.writer.latest().await.is_ok_and(|latest| latest.is_none()) {
                break;
            }
            self.clock.sleep(wait).await;
            if self.takes_over().await? {
                return match self.todo(question, None, false)? {
                    Some(Todo::Have(token)) => Ok(token),
                    Some(Todo::Send(errand)) => self.run(question, errand).await,
                    Some(Todo::Login(_)) | None => Err(refused),
                };
            }
        }
        Err(refused)
    }

    /// Takes over what another node has changed in the configuration; gives whether there was anything.
    async fn takes_over(&self) -> Result<bool, ReadFailure> {
        let latest = self.writer.latest().await.map_err(|problem| {
            ReadFailure::system("config_not_read", format!("what other nodes were given could not be read: {problem}"))
        })?;
        let Some(latest) = latest.filter(|latest| **latest != *self.config()) else { return Ok(false) };
        self.set_config(latest);
        Ok(true)
    }

    fn todo<'a>(
        &self,
        question: &Question<'a>,
        kept: Option<&Token>,
        is_refused: bool,
    ) -> Result<Option<Todo<'a>>, ReadFailure> {
        let config = self.config();
        let scope = question.seen.scope(&config, self.now());
        let step = question.requester.authenticator().refresh(&scope, kept, is_refused)?;
        Ok(step.map(|step| match step {
            Step::Have(token) => Todo::Have(token),
            Step::Send(errand) => Todo::Send(errand),
            Step::Login(requester) => Todo::Login(requester),
        }))
    }

    fn granted(&self, question: &Question<'_>, purpose: Purpose, reply: &Reply) -> Result<Granted, ReadFailure> {
        let config = self.config();
        let scope = question.seen.scope(&config, self.now());
        Ok(question.requester.authenticator().token(purpose, reply, &scope)?)
    }

    /// Sends what leads to a token, until there is one.
    async fn run(&self, question: &Question<'_>, mut errand: Errand) -> Result<Token, ReadFailure> {
        for _ in 0..ERRANDS_MAX {
            let reply = self.send_errand(question, &errand).await?;
            match self.granted(question, errand.purpose, &reply)? {
                Granted::Token(token) => return Ok(token),
                Granted::Next(next) => errand = next,
            }
        }
        Err(ReadFailure::system("auth_goes_round", format!("a token takes more than {ERRANDS_MAX} requests")))
    }

    async fn send_errand(&self, question: &Question<'_>, errand: &Errand) -> Result<Reply, ReadFailure> {
        let mut attempts = Attempts::new();
        loop {
            let sent = self.wire.send(For::TOKEN, errand.request.clone(), Patience::default()).await;
            let outcome = match &sent {
                Ok(reply) => Outcome::Reply(reply),
                Err(Undelivered::Network(excuse)) => Outcome::Network(excuse),
                Err(Undelivered::Refused(failure)) => return Err(failure.clone()),
            };
            let config = self.config();
            let verdict = {
                let scope = question.seen.scope(&config, self.now());
                question.requester.authenticator().judge(errand.purpose, outcome, &scope, &mut attempts)
            };
            match (verdict.action, sent) {
                (Action::Success | Action::Ignore, Ok(reply)) => return Ok(reply),
                (Action::Retry | Action::RateLimited, _) => {
                    self.clock.sleep(verdict.wait.unwrap_or_default()).await;
                }
                _ => {
                    let blame = verdict.failure_type.map_or(Blame::System, Blame::from);
                    let message = verdict.message.unwrap_or_else(|| "no token could be had".to_owned());
                    return Err(ReadFailure::new(blame, AUTH_FAILED, message));
                }
            }
        }
    }

    /// A login is a request like any other, with an authenticator and an error handler of its own. Boxed, because it may
    /// need a token itself.
    fn log_in<'a>(
        &'a self,
        question: &'a Question<'a>,
        requester: &'a Requester,
    ) -> BoxFuture<'a, Result<Reply, ReadFailure>> {
        Box::pin(async move {
            let additions = Additions::new();
            let login = Question {
                requester,
                additions: &additions,
                cached: None,
                spooled: false,
                unheard: Unheard::AskAgain,
                conditions: None,
                is_answer: super::no_status,
                ..*question
            };
            let answer = self.ask(login).await.map_err(Stop::into_failure);
            // Its status says nothing about what the token was for.
            answer.map(|answer| answer.reply).map_err(|failure| ReadFailure { status: None, ..failure })
        })
    }

    /// The next refresh depends on what is written here: before it is durable, the token must not be used.
    async fn write_back(&self, token: &Token) -> Result<(), ReadFailure> {
        let mut config = Json::clone(&self.config());
        write_back(&mut config, &token.writes);
        let config = Arc::new(config);
        self.writer.keep(Arc::clone(&config)).await.map_err(|problem| {
            let message = format!("a rotated refresh token could not be kept, so it was not used: {problem}");
            ReadFailure::system("config_not_kept", message)
        })?;
        self.set_config(config);
        Ok(())
    }
}
