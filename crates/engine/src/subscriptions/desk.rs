//! Looking after one connection: finds out what is wanted of it and by which way its source is asked, has that done, and
//! keeps, tells and joins to the key set what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connectors::provider::{Recipe, Settings};
use domain::{StreamKey, Timestamp};
use rustc_hash::FxHashMap;
use store::dispatch::{Lease, Owner};
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::book::Held;
use super::farewell::{Kit, digest_of};
use super::state::{Problem, State};
use super::steps::Pass;
use super::trouble::Trouble;
use super::{Book, Coverage, FAREWELL_MAX, LOOK_EVERY, SubscriptionSecrets};
use crate::alert::{Alerts, SUBSCRIPTION_FAILING, account_object};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::handshakes::Handshakes;
use crate::spec::{ConnectorSpec, RoleSecret, Secret};
use crate::topology::{Source, Topology};
use crate::upstream::{Account, Upstream, Upstreams};

/// First wait after a failure, doubled each time, up to the time after which it is looked anyway.
const FAILED_WAIT: Duration = Duration::from_secs(10);
/// Failures in a row before a person is told, where trying again may help.
const FAILURES_TOLD: u32 = 3;
/// How long a connection is ours to look after without being renewed; another node waits as long after a crash.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// The lease is one like those of streams, under a name that no stream has.
const LEASE_NAME: &str = "trireme/subscriptions";

/// What looking after subscriptions takes from the engine.
#[derive(Clone)]
pub(crate) struct Parts {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub owner: Owner,
    pub upstreams: Arc<Upstreams>,
    pub alerts: Alerts,
    pub handshakes: Arc<Handshakes>,
    pub book: Arc<Book>,
    pub secrets: Arc<SubscriptionSecrets>,
    pub coverage: Arc<Coverage>,
    pub stop: CancellationToken,
}

pub(crate) struct Desk {
    pub(super) parts: Parts,
    looks: Mutex<FxHashMap<Account, Look>>,
}

/// The last look at a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// When the source was last asked, and answered.
    pub checked_at: Option<Timestamp>,
    /// What kept it from being asked at all.
    pub problem: Option<Problem>,
}

/// What a look came to, for the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Well {
        next_at: Timestamp,
    },
    Failed {
        next_at: Timestamp,
    },
    /// Nothing is left to look after.
    Over,
}

/// Who signs what comes, and how a secret for it is written.
pub(super) struct Signer {
    pub recipe: Arc<Recipe>,
    pub settings: Settings,
}

/// A connection that is to be subscribed.
struct Wanted<'t> {
    source: &'t Source,
    spec: &'t ConnectorSpec,
    callback: String,
}

impl<'t> Wanted<'t> {
    /// `None`: none is wanted of it, or none can be had.
    fn of(topology: &'t Topology, account: &Account) -> Option<Self> {
        let source = topology.source(account.tenant.as_str(), account.source.as_str())?;
        let spec = source.spec.connector.as_ref().filter(|spec| spec.subscribe)?;
        let can = spec.connector.extension.webhooks.is_some() && source.listener.is_some();
        let is_there = spec.has(&account.connection);
        let callback = topology.callback(account).filter(|_| can && is_there)?;
        Some(Self { source, spec, callback })
    }

    fn signer(&self) -> Option<Signer> {
        let (listener, webhook) = (self.source.listener.as_ref()?, self.source.spec.webhook.as_ref()?);
        let settings = Settings::from_json(&webhook.settings).ok()?;
        Some(Signer { recipe: Arc::clone(&listener.recipe), settings })
    }
}

/// The connections that are to be subscribed.
pub(super) fn wanted(topology: &Topology) -> impl Iterator<Item = Account> {
    let of_source = |source: &Arc<Source>| {
        let connections = source.spec.connector.as_ref().map(ConnectorSpec::connections).unwrap_or_default();
        let (tenant, name) = (source.spec.tenant.clone(), source.spec.name.clone());
        connections.into_iter().map(move |connection| Account {
            tenant: tenant.clone(),
            source: name.clone(),
            connection,
        })
    };
    let accounts = topology.sources().filter(|source| source.spec.subscribes()).flat_map(of_source);
    accounts.filter(|account| Wanted::of(topology, account).is_some())
}

/// What a connection's subscriptions rest on: if it has changed, they are looked after at once.
pub(super) fn fingerprint(topology: &Topology, account: &Account) -> Option<String> {
    let wanted = Wanted::of(topology, account)?;
    let (spec, config) = topology.upstream(account).ok()?;
    Some(format!("{} {}", wanted.callback, digest_of(spec, &config)))
}

impl Desk {
    pub fn new(parts: Parts) -> Self {
        Self { parts, looks: Mutex::default() }
    }

    /// Takes over what earlier processes left: whose subscriptions work, and which secrets count.
    pub async fn load(&self) -> Result<(), StoreError> {
        let Parts { book, coverage, .. } = &self.parts;
        if !book.load().await? {
            return Ok(());
        }
        for account in book.accounts() {
            let state = book.state(&account);
            coverage.set(&account, state.works());
            match self.opened(&account, &state) {
                Ok(secrets) => drop(self.parts.secrets.put(&account, secrets)),
                Err(trouble) => unreadable(&trouble),
            }
        }
        Ok(())
    }

    /// Takes over what other nodes have done. The key sets are made anew by whoever asked for this.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let Parts { book, coverage, secrets, .. } = &self.parts;
        for account in book.reload().await? {
            let state = book.state(&account);
            coverage.set(&account, state.works());
            match self.opened(&account, &state) {
                Ok(opened) => drop(secrets.put(&account, opened)),
                Err(trouble) => unreadable(&trouble),
            }
        }
        Ok(())
    }

    /// Another node is in charge of a connection: only what that one did is taken over.
    pub(super) async fn follow(&self, account: &Account) -> Looked {
        let before = self.parts.book.state(account);
        match self.parts.book.reread(account).await {
            Ok(state) => {
                self.stand_back(account, &before, &state).await;
            }
            Err(error) => self.parts.alerts.store_failed("subscriptions", &error),
        }
        Looked::Well { next_at: self.parts.clock.now() + LOOK_EVERY }
    }

    /// Looks after one connection. `failures`: how often that failed in a row before.
    pub(super) async fn look(&self, topology: &Topology, account: &Account, failures: u32) -> Looked {
        let before = self.parts.book.state(account);
        let held = self.claim(account).await;
        // Whoever had it before has written down what it did.
        let state = self.parts.book.reread(account).await.map_err(Trouble::from);
        let (held, state) = match (held, state) {
            (Ok(held), Ok(state)) => (held, state),
            (Err(trouble), Ok(state)) if trouble.code == BUSY => {
                return self.stand_back(account, &before, &state).await;
            }
            (Err(trouble), _) | (_, Err(trouble)) => return self.ended(account, Err(trouble), failures),
        };
        let looked = self.look_as_holder(topology, account, (before, state), failures, &held).await;
        if let Err(error) = self.parts.store.leave_stream(held.0, held.1).await {
            // It ends by itself.
            crate::telemetry::store_failed("leave_stream", &error);
        }
        looked
    }

    async fn look_as_holder(
        &self,
        topology: &Topology,
        account: &Account,
        (before, mut state): (State, State),
        failures: u32,
        held: &Held,
    ) -> Looked {
        let done = self.done(topology, account, &mut state, held).await;
        let now = self.parts.clock.now();
        state.prune(now);
        let is_wanted = Wanted::of(topology, account).is_some();
        if !is_wanted && state.is_gone() && !std::mem::take(&mut state.kit).is_empty() {
            // Nothing is left that needs the credentials.
            self.parts.book.drop_kit(account, held).await;
        }
        let done = match self.keep(account, &before, &state, held).await {
            Ok(()) => done,
            Err(trouble) if trouble.code == StoreError::Fenced.code() => Err(trouble),
            Err(trouble) => done.and(Err(trouble)),
        };
        if let Some(looked) = self.passed_on(account, &before, &done).await {
            return looked;
        }
        self.parts.coverage.set(account, is_wanted && state.works());
        if !is_wanted && (state.is_gone() || self.is_given_up(account, &state, now)) {
            return self.leave(account, &state, now, held).await;
        }
        match self.ended(account, done, failures) {
            Looked::Well { .. } => Looked::Well { next_at: self.next_at(&state, topology, account, now) },
            looked => looked,
        }
    }

    /// If the connection passed to another node while this one stood still, takes over what that one did.
    async fn passed_on(&self, account: &Account, before: &State, done: &Result<(), Trouble>) -> Option<Looked> {
        done.as_ref().err().filter(|trouble| trouble.code == StoreError::Fenced.code())?;
        let state = self.parts.book.reread(account).await.ok()?;
        Some(self.stand_back(account, before, &state).await)
    }

    /// Tells what a look came to.
    fn ended(&self, account: &Account, done: Result<(), Trouble>, failures: u32) -> Looked {
        let now = self.parts.clock.now();
        self.tell(account, &done, failures);
        self.note_look(account, &done, now);
        match done {
            Ok(()) => Looked::Well { next_at: now + LOOK_EVERY },
            Err(_) => Looked::Failed { next_at: now + wait_after(failures) },
        }
    }

    /// Another node has the connection: what that one did counts here as well.
    async fn stand_back(&self, account: &Account, before: &State, state: &State) -> Looked {
        if before.secrets() != state.secrets()
            && let Err(trouble) = self.join(account, state).await
        {
            crate::telemetry::subscription_secret_unusable(trouble.code, &trouble.message);
        }
        self.parts.coverage.set(account, state.works());
        Looked::Well { next_at: self.parts.clock.now() + LEASE }
    }

    /// What the last look at a connection came to.
    pub(super) fn last_look(&self, account: &Account) -> Look {
        self.looks().get(account).cloned().unwrap_or_default()
    }

    async fn done(
        &self,
        topology: &Topology,
        account: &Account,
        state: &mut State,
        held: &Held,
    ) -> Result<(), Trouble> {
        let wanted = Wanted::of(topology, account);
        if wanted.is_none() && state.is_gone() {
            return Ok(());
        }
        let is_of_another = |spec: &ConnectorSpec| !state.is_gone() && state.connector != spec.name;
        if wanted.as_ref().is_some_and(|wanted| is_of_another(wanted.spec))
            && self.is_given_up(account, state, self.parts.clock.now())
        {
            state.subscriptions.clear();
        }
        let is_of_another = |spec: &ConnectorSpec| !state.is_gone() && state.connector != spec.name;
        let Some(wanted) = wanted.as_ref().filter(|wanted| !is_of_another(wanted.spec)) else {
            state.leaving_since.get_or_insert(self.parts.clock.now());
            let upstream = self.way_out(topology, account, state).await?;
            let pass = Pass { desk: self, account, upstream, callback: None, signer: None, held };
            pass.run(state).await?;
            return if wanted.is_none() { Ok(()) } else { Err(Trouble::passing("subscription_moving", MOVING)) };
        };
        state.leaving_since = None;
        // What is not listed is not found again by the next process.
        self.parts.book.enlist([account.clone()]).await?;
        let upstream = self.parts.upstreams.get(topology, account).await?;
        self.keep_kit((topology, account), wanted.spec, state, held).await?;
        let callback = Some(wanted.callback.clone());
        Pass { desk: self, account, upstream, callback, signer: wanted.signer(), held }.run(state).await
    }

    /// How the source is asked to end what it has: as the connection is configured now, if it is, else as it was.
    async fn way_out(&self, topology: &Topology, account: &Account, state: &State) -> Result<Arc<Upstream>, Trouble> {
        let now = topology.upstream(account).ok().filter(|(spec, _)| spec.name == state.connector);
        if now.is_some() {
            return Ok(self.parts.upstreams.get(topology, account).await?);
        }
        let Parts { book, clock, entropy, upstreams, .. } = &self.parts;
        let kit = book.kit(account).await?.ok_or_else(|| {
            Trouble::lasting("subscription_orphaned", "the credentials that it was made with are not kept any more")
        })?;
        let (spec, config) = kit.open(book, account, topology, (clock, entropy))?;
        Ok(upstreams.former(account, &spec, config).await?)
    }

    async fn keep_kit(
        &self,
        (topology, account): (&Topology, &Account),
        spec: &ConnectorSpec,
        state: &mut State,
        held: &Held,
    ) -> Result<(), Trouble> {
        let (_, config) = topology.upstream(account)?;
        let digest = digest_of(spec, &config);
        if state.kit != digest {
            let kit = Kit::of(&self.parts.book, account, spec, &config)?;
            self.parts.book.put_kit(account, &kit, held).await?;
            (state.kit, state.connector) = (digest, spec.name.clone());
        }
        Ok(())
    }

    /// Takes the connection, so that of several nodes one subscribes.
    async fn claim(&self, account: &Account) -> Result<Held, Trouble> {
        let Account { tenant, source, connection } = account.clone();
        let key = StreamKey { tenant, source, connection, stream: LEASE_NAME.into() };
        let lease = Lease { owner: self.parts.owner, span: LEASE };
        match self.parts.store.take_stream(key.clone(), lease, self.parts.clock.now()).await? {
            Some((_, claim)) => Ok((key, claim)),
            None => Err(Trouble::passing(BUSY, "another node looks after it")),
        }
    }

    /// Writes down what has changed, and lets secrets count.
    async fn keep(&self, account: &Account, before: &State, state: &State, held: &Held) -> Result<(), Trouble> {
        if before.secrets() != state.secrets() {
            self.join(account, state).await?;
        }
        if before != state || !self.parts.book.has(account) {
            self.parts.book.save(account, state, held).await?;
        }
        Ok(())
    }

    /// Joins the secrets of a connection to the key set of its source; if they do not fit, all stays as it was.
    pub(super) async fn join(&self, account: &Account, state: &State) -> Result<(), Trouble> {
        let secrets = self.opened(account, state)?;
        let before = self.parts.secrets.put(account, secrets);
        let joined = self.parts.handshakes.refresh(&account.tenant, &account.source).await;
        if joined.is_err() {
            self.parts.secrets.put(account, before);
        }
        joined.map_err(|error| Trouble { code: "subscription_secret_unusable", ..error.into() })
    }

    fn opened(&self, account: &Account, state: &State) -> Result<Vec<RoleSecret>, Trouble> {
        let open = |(sealed, until): (&str, Option<Timestamp>)| {
            let text = self.parts.book.open(account, sealed)?;
            let mut secret = RoleSecret::new(String::new(), Secret::new(text.to_string()));
            secret.window.not_after = until;
            Ok(secret)
        };
        state.secrets().into_iter().map(open).collect()
    }

    /// Whether it was tried for long enough to remove what nobody wants.
    fn is_given_up(&self, account: &Account, state: &State, now: Timestamp) -> bool {
        let is_over = state.leaving_since.is_some_and(|since| now.since(since) >= FAREWELL_MAX);
        if is_over {
            let ids: Vec<&str> = state.subscriptions.iter().filter_map(|kept| kept.id.as_deref()).collect();
            let detail = format!(
                "these webhook subscriptions could not be removed at the source, and are not tried any more: {}; remove \
                 them there",
                ids.join(", ")
            );
            self.parts.alerts.note(&account.tenant, SUBSCRIPTION_FAILING, account_object(account), detail);
        }
        is_over
    }

    /// Nothing is wanted, and nothing is there. Former secrets count to their end.
    async fn leave(&self, account: &Account, state: &State, now: Timestamp, held: &Held) -> Looked {
        if let Some(until) = state.former.iter().map(|former| former.until).max() {
            if state.is_gone() {
                self.parts.alerts.gone(&account.tenant, SUBSCRIPTION_FAILING, account_object(account));
            }
            return Looked::Well { next_at: until + Duration::from_secs(1) };
        }
        if state.is_gone() {
            self.parts.alerts.gone(&account.tenant, SUBSCRIPTION_FAILING, account_object(account));
        }
        match self.parts.book.strike(account, held).await {
            Ok(()) => {
                self.parts.secrets.put(account, Vec::new());
                self.looks().remove(account);
                Looked::Over
            }
            Err(error) => {
                crate::telemetry::store_failed("put_claimed_setting", &error);
                Looked::Failed { next_at: now + FAILED_WAIT }
            }
        }
    }

    fn tell(&self, account: &Account, done: &Result<(), Trouble>, failures: u32) {
        let (tenant, object) = (&account.tenant, account_object(account));
        match done {
            Ok(()) => self.parts.alerts.gone(tenant, SUBSCRIPTION_FAILING, object),
            Err(trouble) if trouble.is_lasting || failures + 1 >= FAILURES_TOLD => {
                self.parts.alerts.note(tenant, SUBSCRIPTION_FAILING, object, trouble.message.clone());
            }
            Err(_) => {}
        }
    }

    fn note_look(&self, account: &Account, done: &Result<(), Trouble>, now: Timestamp) {
        let mut looks = self.looks();
        let look = looks.entry(account.clone()).or_default();
        look.problem = done.as_ref().err().map(|trouble| problem(trouble, look.problem.as_ref(), now));
        if done.as_ref().err().is_none_or(|trouble| trouble.status.is_some()) {
            look.checked_at = Some(now);
        }
    }

    fn next_at(&self, state: &State, topology: &Topology, account: &Account, now: Timestamp) -> Timestamp {
        let source = topology.source(account.tenant.as_str(), account.source.as_str());
        let connector = source.and_then(|source| source.spec.connector.as_ref()).map(|spec| &spec.connector);
        let every = connector.and_then(|connector| connector.extension.webhooks.as_ref()?.renew.as_ref());
        let every = every.map(|renew| renew.every);
        let renewals = state.subscriptions.iter().filter_map(|kept| Some(kept.renewed_at? + every?));
        let formers = state.former.iter().map(|former| former.until + Duration::from_secs(1));
        renewals.chain(formers).min().map_or(now + LOOK_EVERY, |soonest| soonest.max(now).min(now + LOOK_EVERY))
    }

    fn looks(&self) -> MutexGuard<'_, FxHashMap<Account, Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another node has the connection.
const BUSY: &str = "subscription_busy";
const MOVING: &str = "what the former connector subscribed was removed first";

fn unreadable(trouble: &Trouble) {
    crate::telemetry::subscription_secret_unreadable(trouble.code, &trouble.message);
}

fn wait_after(failures: u32) -> Duration {
    (FAILED_WAIT * 2_u32.saturating_pow(failures.min(16))).min(LOOK_EVERY)
}

/// As it is kept: since when it is so stays, while it is the same.
pub(super) fn problem(trouble: &Trouble, before: Option<&Problem>, now: Timestamp) -> Problem {
    let since = before.filter(|before| before.code == trouble.code).map_or(now, |before| before.since);
    Problem { code: trouble.code.to_owned(), message: trouble.message.clone(), since }
}
