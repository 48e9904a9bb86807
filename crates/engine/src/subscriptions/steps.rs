//! One pass over one connection's subscriptions: asks what there is, has it decided, and does it. Written down is what a
//! crash must not take away: before one is made, that it is being made and with which secret; after, which it is.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::auth::Secret;
use connectors::manifest::extension::answer::done;
use connectors::manifest::extension::{Ask, Callback, Place, SecretOf, Webhooks};
use connectors::manifest::wire::Reply;
use domain::Timestamp;
use domain::subscription::{Decision, Finding, Kept, Listed, Situation, Then, decide};
use zeroize::Zeroizing;

use super::book::Held;
use super::desk::{Desk, LEASE, Signer, problem};
use super::state::State;
use super::trouble::Trouble;
use crate::reading::Unheard;
use crate::telemetry;
use crate::upstream::{Account, Upstream};

/// How long a request that is under way may go on once the process stops: cut off, its end would not be known.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Bytes of a secret of ours.
const SECRET_BYTES: usize = 32;

pub(super) struct Pass<'p> {
    pub desk: &'p Desk,
    pub account: &'p Account,
    pub upstream: Arc<Upstream>,
    /// Where webhooks are to come; `None`: everything is to go.
    pub callback: Option<String>,
    pub signer: Option<Signer>,
    pub held: &'p Held,
}

impl Pass<'_> {
    /// Every place, one after another. What fails at one is no reason to leave the others alone.
    pub async fn run(&self, state: &mut State) -> Result<(), Trouble> {
        let webhooks = self.webhooks()?;
        let places = match &self.callback {
            Some(_) => self.upstream.places(webhooks)?,
            None => Vec::new(),
        };
        state.arrange(&places);
        let mut failed = None;
        for index in 0..state.subscriptions.len() {
            let Err(trouble) = self.tend(webhooks, state, index).await else {
                state.subscriptions[index].problem = None;
                continue;
            };
            let (now, before) = (self.now(), state.subscriptions[index].problem.take());
            state.subscriptions[index].problem = Some(problem(&trouble, before.as_ref(), now));
            let ends = trouble.ends_pass;
            failed.get_or_insert(trouble);
            if ends {
                break;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn webhooks(&self) -> Result<&Webhooks, Trouble> {
        let webhooks = self.upstream.connector().extension.webhooks.as_ref();
        webhooks.ok_or_else(|| {
            Trouble::lasting("subscription_orphaned", "the connector does not say any more how a subscription is ended")
        })
    }

    async fn tend(&self, webhooks: &Webhooks, state: &mut State, index: usize) -> Result<(), Trouble> {
        let place = Place::of(state.subscriptions[index].place.clone());
        let listed = match webhooks.asks_for_list(&place) {
            None => None,
            Some(ask) => Some(self.listed(webhooks, &ask).await?),
        };
        let decision = self.decision(webhooks, state, index, listed.as_deref());
        self.note(&decision, state, index);
        for id in &decision.remove {
            self.remove(webhooks, &place, id).await?;
            if state.subscriptions[index].id.as_ref() == Some(id) {
                state.part_with(index, self.now());
            }
        }
        match decision.then {
            Then::Keep => {}
            Then::Renew => self.renew(webhooks, &place, state, index).await?,
            Then::Adopt(id) => self.adopt(state, index, id).await?,
            Then::Create => self.create(webhooks, &place, state, index).await?,
            Then::Forget => {
                state.part_with(index, self.now());
                return Ok(());
            }
            Then::Stuck => return Err(Trouble::lasting("subscription_stuck", STUCK)),
        }
        self.learn_secret(webhooks, &place, state, index).await?;
        let own = &mut state.subscriptions[index];
        let is_told = matches!(webhooks.subscribe.secret, SecretOf::Answer(_) | SecretOf::Asked { .. });
        if is_told && own.secret.is_none() {
            return Err(Trouble::lasting("subscription_secret_unusable", UNKNOWN_SECRET));
        }
        own.works = true;
        Ok(())
    }

    fn decision(&self, webhooks: &Webhooks, state: &State, index: usize, listed: Option<&[Listed]>) -> Decision {
        let own = &state.subscriptions[index];
        let kept =
            Kept { id: own.id.as_deref(), url: &own.url, renewed_at: own.renewed_at.unwrap_or(Timestamp::EPOCH) };
        let recoverable = match &webhooks.subscribe.secret {
            SecretOf::App | SecretOf::Asked { .. } => true,
            // Whatever stands there was asked for with this secret, or by nobody that we know.
            SecretOf::Ours => own.begun && state.secret.is_some(),
            SecretOf::Answer(_) => false,
        };
        decide(&Situation {
            callback: self.callback.as_deref().filter(|_| own.wanted),
            kept: (own.id.is_some() || own.begun).then_some(kept),
            listed,
            elsewhere: &state.ids_but(index),
            recoverable,
            removable: webhooks.unsubscribe.is_some(),
            renew_every: webhooks.renew.as_ref().map(|renew| renew.every),
            now: self.now(),
        })
    }

    /// Says what was found, and has polls take over at once where a subscription does not work.
    fn note(&self, decision: &Decision, state: &mut State, index: usize) {
        let finding = decision.finding;
        if matches!(finding, Finding::Fine | Finding::Due) {
            return;
        }
        let own = &mut state.subscriptions[index];
        own.works = false;
        self.desk.parts.coverage.set(self.account, false);
        if matches!(finding, Finding::Missing | Finding::Disabled | Finding::Astray) {
            let (source, id) = (self.account.source.as_str(), own.id.as_deref().unwrap_or_default());
            telemetry::subscription_found(source, self.account.connection.as_str(), id, finding.as_str());
        }
        // What nobody answers for by its id is another one from now on.
        let is_lost = matches!(decision.then, Then::Adopt(_) | Then::Create) && own.id.is_some();
        if is_lost && !decision.remove.iter().any(|id| Some(id) == own.id.as_ref()) {
            state.part_with(index, self.now());
        }
    }

    async fn listed(&self, webhooks: &Webhooks, ask: &Ask<'_>) -> Result<Vec<Listed>, Trouble> {
        let reply = self.ask(ask, Unheard::AskAgain).await?;
        let standing = webhooks.listed(&reply)?.into_iter();
        Ok(standing.map(|one| Listed { id: one.id, url: one.url, is_active: one.is_active }).collect())
    }

    async fn remove(&self, webhooks: &Webhooks, place: &Place, id: &str) -> Result<(), Trouble> {
        let Some(ask) = webhooks.asks_to_unsubscribe(place, id) else {
            return Err(Trouble::lasting("subscription_stuck", STUCK));
        };
        match self.ask(&ask, Unheard::AskAgain).await {
            Ok(reply) => done(&reply, true)?,
            Err(trouble) if trouble.is_gone() => {}
            Err(trouble) => return Err(trouble),
        }
        telemetry::subscription_changed(self.account.source.as_str(), "removed");
        Ok(())
    }

    async fn renew(&self, webhooks: &Webhooks, place: &Place, state: &mut State, index: usize) -> Result<(), Trouble> {
        let (Some(id), Some(url)) = (state.subscriptions[index].id.clone(), self.callback.as_deref()) else {
            return Ok(());
        };
        let secret = self.kept_secret(state)?;
        let Some(ask) = webhooks.asks_to_renew(place, &id, &Callback { url, secret: &secret }) else { return Ok(()) };
        match self.ask(&ask, Unheard::AskAgain).await {
            Ok(reply) => done(&reply, false)?,
            Err(trouble) if trouble.is_gone() => {
                // The next pass, very soon, makes another.
                state.part_with(index, self.now());
                return Err(Trouble { is_lasting: false, ..trouble });
            }
            Err(trouble) => return Err(trouble),
        }
        state.subscriptions[index].renewed_at = Some(self.now());
        telemetry::subscription_changed(self.account.source.as_str(), "renewed");
        self.save(state).await
    }

    async fn adopt(&self, state: &mut State, index: usize, id: String) -> Result<(), Trouble> {
        let (url, now) = (self.callback.clone().unwrap_or_default(), self.now());
        let own = &mut state.subscriptions[index];
        // When it ends is not known, so it is prolonged at the next occasion.
        (own.id, own.begun, own.url, own.renewed_at) = (Some(id), false, url, None);
        own.since.get_or_insert(now);
        telemetry::subscription_changed(self.account.source.as_str(), "adopted");
        self.save(state).await
    }

    async fn create(&self, webhooks: &Webhooks, place: &Place, state: &mut State, index: usize) -> Result<(), Trouble> {
        let Some(url) = self.callback.as_deref() else { return Ok(()) };
        if matches!(webhooks.subscribe.secret, SecretOf::Ours) && state.secret.is_none() {
            state.secret = Some(self.desk.parts.book.seal(self.account, &self.own_secret()?)?);
        }
        let own = &mut state.subscriptions[index];
        (own.begun, own.url) = (true, url.to_owned());
        // Both before the source can use it.
        self.save(state).await?;
        self.desk.join(self.account, state).await?;
        let (key, claim) = self.held.clone();
        self.desk.parts.store.renew_stream(key, claim, LEASE, self.now()).await?;
        let secret = self.kept_secret(state)?;
        let ask = webhooks.asks_to_subscribe(place, &Callback { url, secret: &secret });
        let made = match self.ask(&ask, Unheard::GiveUp).await {
            Ok(reply) => webhooks.subscribed(&reply).map_err(Trouble::from),
            Err(trouble) => Err(trouble),
        };
        let own = &mut state.subscriptions[index];
        let made = made.map_err(|trouble| {
            // A no is an end that is known.
            own.begun = !trouble.is_no();
            without(trouble, secret.expose())
        })?;
        let now = self.now();
        (own.id, own.begun, own.since, own.renewed_at) = (Some(made.id), false, Some(now), Some(now));
        if let Some(told) = made.secret {
            self.take_secret(state, index, told.expose()).await?;
        }
        telemetry::subscription_changed(self.account.source.as_str(), "created");
        self.save(state).await
    }

    /// Asks for the secret where the source tells it only then.
    async fn learn_secret(
        &self,
        webhooks: &Webhooks,
        place: &Place,
        state: &mut State,
        index: usize,
    ) -> Result<(), Trouble> {
        let own = &state.subscriptions[index];
        let id = own.id.as_deref().filter(|_| own.secret.is_none());
        let Some(ask) = id.and_then(|id| webhooks.asks_for_secret(place, id)) else { return Ok(()) };
        let reply = self.ask(&ask, Unheard::AskAgain).await?;
        let told = webhooks.told_secret(&reply)?;
        self.take_secret(state, index, told.expose()).await?;
        self.save(state).await
    }

    /// Lets a secret count that the source has told; one that its provider has no use for is not kept.
    async fn take_secret(&self, state: &mut State, index: usize, told: &str) -> Result<(), Trouble> {
        state.subscriptions[index].secret = Some(self.desk.parts.book.seal(self.account, told)?);
        let joined = self.desk.join(self.account, state).await;
        if joined.as_ref().is_err_and(|trouble| trouble.is_lasting) {
            state.subscriptions[index].secret = None;
        }
        joined
    }

    fn own_secret(&self) -> Result<Zeroizing<String>, Trouble> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        self.desk.parts.entropy.fill(&mut *bytes);
        let made = self.signer.as_ref().and_then(|signer| signer.recipe.secret_of(&*bytes, &signer.settings));
        made.ok_or_else(|| {
            let provider = self.signer.as_ref().map_or("", |signer| signer.recipe.name());
            let message = format!("provider '{provider}' takes no secret that others make, as the connector has it");
            Trouble::lasting("subscription_secret_unusable", message)
        })
    }

    fn kept_secret(&self, state: &State) -> Result<Secret, Trouble> {
        let Some(sealed) = &state.secret else { return Ok(Secret::new(String::new())) };
        Ok(Secret::new(self.desk.parts.book.open(self.account, sealed)?.to_string()))
    }

    async fn save(&self, state: &State) -> Result<(), Trouble> {
        Ok(self.desk.parts.book.save(self.account, state, self.held).await?)
    }

    /// One request. What is under way when the process stops may end; nothing else is begun.
    async fn ask(&self, ask: &Ask<'_>, unheard: Unheard) -> Result<Reply, Trouble> {
        let stop = &self.desk.parts.stop;
        if stop.is_cancelled() {
            return Err(Trouble::stopped());
        }
        let too_late = async {
            stop.cancelled().await;
            self.desk.parts.clock.sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            reply = self.upstream.ask(ask, unheard) => Ok(reply?),
            () = too_late => Err(Trouble::stopped()),
        }
    }

    fn now(&self) -> Timestamp {
        self.desk.parts.clock.now()
    }
}

const STUCK: &str = "one with our address is there that does not work, and the connector does not say how it is removed: \
    remove it at the source";

const UNKNOWN_SECRET: &str = "what it sends is signed with a secret that cannot be used: check that the source is listened to as \
    its connector's provider, then remove the subscription at the source";

/// Sources may repeat what they were sent.
fn without(trouble: Trouble, secret: &str) -> Trouble {
    if secret.is_empty() {
        return trouble;
    }
    Trouble { message: trouble.message.replace(secret, "***"), ..trouble }
}
