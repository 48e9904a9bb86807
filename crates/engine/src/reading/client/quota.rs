//! Several tokens of which each has a quota of its own: which one goes with a request, and what is learned from its answer.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::auth::{Acquired, Expiry, Quotas, Secret, Token, TokenKey};
use connectors::manifest::wire::{Reply, Request};
use tokio::sync::Mutex;

use super::super::asked::For;
use super::super::failure::ReadFailure;
use super::super::tokens::Held;
use super::super::wire::{Patience, Undelivered};
use super::{Client, Question};

/// The counts that belong to a key, shared by all who have it.
pub(in super::super) type SharedQuotas = Arc<Mutex<Quotas>>;

/// What is left of the token of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Nothing: what the source refuses it may allow others.
    pub own: bool,
    /// Nothing, and another one has room.
    pub has_alternative: bool,
}

impl Client {
    /// The counts of the authenticator's tokens, if it has several.
    pub(super) fn quotas(&self, question: &Question<'_>, key: TokenKey) -> Result<Option<SharedQuotas>, ReadFailure> {
        if let Some(known) = self.tokens.quotas(key) {
            return Ok(Some(known));
        }
        let config = self.config();
        let scope = question.seen.scope(&config, self.now());
        let Some(quotas) = question.requester.authenticator().quotas(&scope)? else { return Ok(None) };
        Ok(Some(self.tokens.keep_quotas(key, quotas)))
    }

    /// A token whose quota has room for this question. Waits until there is one.
    pub(super) async fn acquired(
        &self,
        question: &Question<'_>,
        quotas: &SharedQuotas,
    ) -> Result<Arc<Held>, ReadFailure> {
        let (draft, run) = (self.draft(question)?, question.occasion.number);
        let mut since = None;
        loop {
            let mut counted = quotas.lock().await;
            match counted.acquire(&draft, self.now(), &mut since)? {
                Acquired::Use { token, pause } => {
                    drop(counted);
                    self.clock.sleep(pause).await;
                    return Ok(Arc::new(Held { token, run }));
                }
                // Held meanwhile, so that the source is asked once for all who wait.
                Acquired::Ask(questions) => {
                    for (number, request) in questions {
                        let reply = self.status_of(request, &counted).await?;
                        counted.seed(number, &reply, self.now())?;
                    }
                }
                Acquired::Wait(until) => {
                    drop(counted);
                    let wait = until.duration_since(self.now()).unsigned_abs();
                    self.clock.sleep(wait.max(Duration::from_millis(1))).await;
                }
            }
        }
    }

    /// The request as it will be but for its token: quotas are told apart by it.
    fn draft(&self, question: &Question<'_>) -> Result<Request, ReadFailure> {
        let config = self.config();
        let scope = question.seen.scope(&config, self.now());
        let token = Token { value: Secret::new(String::new()), expiry: Expiry::Never, writes: Vec::new() };
        Ok(question.requester.request(&scope, question.additions.clone(), Some(&token))?)
    }

    async fn status_of(&self, request: Request, quotas: &Quotas) -> Result<Reply, ReadFailure> {
        let what = For { is_counted_by_token: true, ..For::TOKEN };
        let reply =
            self.wire.send(what, request, Patience::default()).await.map_err(|undelivered| match undelivered {
                Undelivered::Network(excuse) => ReadFailure::transient("quota_unreachable", excuse),
                Undelivered::Refused(failure) => failure,
            })?;
        if reply.is_ok() || quotas.is_unavailable(reply.status) {
            return Ok(reply);
        }
        self.wire.refused(&reply);
        let message = format!("the source answered {} when it was asked what is left of a token's quota", reply.status);
        let blame = if reply.status == 401 { ReadFailure::config } else { ReadFailure::transient };
        Err(blame("quota_refused", message))
    }

    /// The counts that the question's token is one of, once a token was taken from them.
    pub(super) fn known_quotas(&self, question: &Question<'_>) -> Option<SharedQuotas> {
        let config = self.config();
        let key = question.requester.authenticator().key(&question.seen.scope(&config, self.now())).ok().flatten()?;
        self.tokens.quotas(key)
    }

    /// Learns what an answer says of the quota of the token that its request was sent with. A refusal that is not about
    /// that is one of the source, and all obey it.
    pub(super) async fn learn_quota(&self, quotas: &SharedQuotas, request: &Request, reply: &Reply) -> Spent {
        let mut counted = quotas.lock().await;
        counted.learn(request, reply);
        let spent = Spent { own: counted.is_spent(request), has_alternative: counted.has_alternative(request) };
        if !spent.own {
            self.wire.refused(reply);
        }
        spent
    }
}
