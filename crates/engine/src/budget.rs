//! Budgets: every request to a source is paid from the budget of its scope before it is sent, whoever asks, the most
//! urgent first. What is reserved of an allowance is durable before it is used, so that all nodes together keep it.

mod pacer;
mod shared;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::manifest::extension::Deletes;
use domain::budget::{Allowance, Counting};
use domain::rate::Rate;
use domain::{ConnectionName, Purpose, SourceName, Tenant, Timestamp};
use http::HeaderMap;
use rustc_hash::FxHashMap;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::engine::Engine;
use crate::spec::{BudgetScope, BudgetSpec, ConnectorSpec, PollSpec};
use crate::topology::Topology;
use crate::upstream::Account;
use pacer::Pacer;
pub(crate) use shared::wrong;

/// How a budget stands, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetView {
    pub scope: Arc<str>,
    /// `None`: only what the source itself says counts.
    pub allowance: Option<Allowance>,
    /// Requests that count against the allowance now, over all nodes.
    pub used: u64,
    /// Requests of this node in the current window, by what they were for.
    pub by_purpose: BTreeMap<Purpose, u64>,
    /// What the source said is left.
    pub left: Option<u64>,
    /// Nothing is sent before then.
    pub stopped_until: Option<Timestamp>,
    /// Requests that wait for their turn on this node.
    pub waiting: usize,
}

const NOT_MODIFIED: u16 = 304;

/// A scope of a tenant.
type Owned = (Tenant, Arc<str>);

impl BudgetView {
    /// What is allowed at once: in the window, or in the bucket. `None`: only what the source itself says counts.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.allowance.map(|allowance| match allowance.counting {
            Counting::Bucket { burst } => burst,
            Counting::Moving | Counting::Fixed => allowance.rate.count,
        })
    }

    /// The share of it that is used, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.limit().map(|limit| self.used as f64 / f64::from(limit.max(1)))
    }
}

/// Keeps the pacers of all scopes.
pub struct Budgets {
    store: Arc<dyn Store>,
    clock: SharedClock,
    stop: CancellationToken,
    pacers: Mutex<FxHashMap<Owned, Arc<Pacer>>>,
}

/// What one connection pays from.
#[derive(Clone)]
pub struct Purse {
    own: Arc<Pacer>,
    /// What polls pay from beside it.
    polls: Option<Arc<Pacer>>,
    /// Streams whose polls do not: they have times of their own.
    apart: Arc<BTreeSet<Arc<str>>>,
    /// What is answered with 304 does not count at the source.
    free_unmodified: bool,
}

impl Budgets {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: SharedClock, stop: CancellationToken) -> Self {
        Self { store, clock, stop, pacers: Mutex::default() }
    }

    /// What a connection pays from, as it is configured now.
    #[must_use]
    pub fn purse(&self, account: &Account, spec: &ConnectorSpec) -> Purse {
        let scope = scope_of(spec.budget.as_ref(), &account.source, &account.connection);
        let own = self.pacer(&account.tenant, scope, spec.budget.as_ref().map(|budget| budget.allowance));
        let rate = spec.streams.values().find_map(|stream| match &stream.poll {
            Some(PollSpec::Budget(share)) => Some(share.rate),
            _ => None,
        });
        let polls = rate.map(|rate| self.polls(&account.tenant, &account.source, rate));
        let apart = if polls.is_some() { Arc::new(apart(spec)) } else { Arc::default() };
        Purse { own, polls, apart, free_unmodified: spec.connector.extension.free_unmodified }
    }

    /// What the streams of a source that are polled from a shared budget pay from: spread over its time, and never more
    /// than it in any span of that length.
    pub(crate) fn polls(&self, tenant: &Tenant, source: &SourceName, rate: Rate) -> Arc<Pacer> {
        // What is in the bucket at first, and what is sent a little late, count against the time as well.
        let burst = (rate.count / 360).max(1);
        let rate = Rate { count: rate.count.saturating_sub(burst + rate.count / 100).max(1), per: rate.per };
        let allowance = Allowance { rate, counting: Counting::Bucket { burst } };
        self.pacer(tenant, format!("polls/{source}").into(), Some(allowance))
    }

    fn pacer(&self, tenant: &Tenant, scope: Arc<str>, allowance: Option<Allowance>) -> Arc<Pacer> {
        let mut pacers = self.pacers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), scope);
        if let Some(known) = pacers.get(&key) {
            known.set_allowance(allowance);
            return Arc::clone(known);
        }
        let (store, clock, stop) = (Arc::clone(&self.store), Arc::clone(&self.clock), self.stop.clone());
        let pacer = Arc::new(Pacer::new(store, clock, stop, key.clone(), allowance));
        pacers.insert(key, Arc::clone(&pacer));
        pacer
    }

    /// Every budget of a tenant that was used, or that one of its sources pays from, by its scope.
    pub async fn views(&self, topology: &Topology, tenant: &Tenant) -> Result<Vec<BudgetView>, StoreError> {
        // Asking for it makes it known.
        self.configured(topology, tenant);
        let rows = self.store.budgets(tenant.clone()).await?;
        let pacers: Vec<Arc<Pacer>> = {
            let pacers = self.pacers.lock().unwrap_or_else(PoisonError::into_inner);
            pacers.iter().filter(|((owner, _), _)| owner == tenant).map(|(_, pacer)| Arc::clone(pacer)).collect()
        };
        let now = self.clock.now();
        let view = |pacer: Arc<Pacer>| {
            let kept = rows.iter().find(|row| row.scope == *pacer.scope());
            pacer.view(kept.map(|row| &row.account), now)
        };
        let mut views: Vec<BudgetView> = pacers.into_iter().map(view).collect();
        views.sort_by(|one, other| one.scope.cmp(&other.scope));
        Ok(views)
    }

    /// The scopes that a tenant's sources pay from, as they are configured.
    fn configured(&self, topology: &Topology, tenant: &Tenant) -> BTreeSet<Arc<str>> {
        let mut scopes = BTreeSet::new();
        for source in topology.sources().filter(|source| source.spec.tenant == *tenant) {
            let Some(spec) = &source.spec.connector else { continue };
            for connection in spec.connections() {
                let account = Account { tenant: tenant.clone(), source: source.spec.name.clone(), connection };
                scopes.extend(self.purse(&account, spec).scopes());
            }
        }
        scopes
    }
}

impl Engine {
    /// Every budget that a tenant's sources pay from, those included that were not used since the start, by its scope.
    pub async fn budget_views(&self, tenant: &Tenant) -> Result<Vec<BudgetView>, StoreError> {
        let topology = self.topology();
        let scopes = self.budgets().configured(&topology, tenant);
        let views = self.budgets().views(&topology, tenant).await?;
        Ok(views.into_iter().filter(|view| scopes.contains(&view.scope)).collect())
    }
}

/// The streams that are polled at times of their own, with those that list what is gone of them.
fn apart(spec: &ConnectorSpec) -> BTreeSet<Arc<str>> {
    let timed = spec.streams.iter().filter(|(_, stream)| matches!(stream.poll, Some(PollSpec::On(_))));
    let with_feed = |name: &Arc<str>| {
        let known = spec.connector.extension.streams.get(&**name);
        let feed = known.and_then(|known| match &known.deletes {
            Some(Deletes::Feed(feed)) => Some(Arc::from(feed.as_str())),
            _ => None,
        });
        std::iter::once(Arc::clone(name)).chain(feed)
    };
    timed.flat_map(|(name, _)| with_feed(name)).collect()
}

/// Under which name a connection's requests are counted.
fn scope_of(budget: Option<&BudgetSpec>, source: &SourceName, connection: &ConnectionName) -> Arc<str> {
    match budget.map(|budget| &budget.scope) {
        None | Some(BudgetScope::Connection) => format!("connection/{source}/{connection}").into(),
        Some(BudgetScope::Source) => format!("source/{source}").into(),
        Some(BudgetScope::Named(name)) => format!("shared/{name}").into(),
    }
}

/// How a request is paid for.
#[derive(Clone, Copy, Debug)]
pub struct Paying {
    purpose: Purpose,
    /// Also from what the polls of its source share.
    shares: bool,
    /// What its answer says is left, is left of one token among several.
    is_counted_by_token: bool,
}

impl Paying {
    /// For a request whose token is one of several with a quota each: its answer says nothing of the budget, which is
    /// that of all of them.
    #[must_use]
    pub const fn counted_by_token(self, is_counted_by_token: bool) -> Self {
        Self { is_counted_by_token, ..self }
    }
}

impl PartialEq for Purse {
    /// Whether both pay from the same.
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Option<Arc<Pacer>>, other: &Option<Arc<Pacer>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        Arc::ptr_eq(&self.own, &other.own) && same(&self.polls, &other.polls) && self.apart == other.apart
    }
}

impl Purse {
    /// The budgets that it pays from.
    fn scopes(&self) -> impl Iterator<Item = Arc<str>> {
        std::iter::once(&self.own).chain(&self.polls).map(|pacer| Arc::clone(pacer.scope()))
    }

    /// How a request is paid for that reading this stream takes.
    #[must_use]
    pub fn paying(&self, purpose: Purpose, stream: Option<&str>) -> Paying {
        let is_apart = stream.is_some_and(|stream| self.apart.contains(stream));
        Paying { purpose, shares: purpose == Purpose::Poll && !is_apart, is_counted_by_token: false }
    }

    /// Waits until a request may be sent. Whoever gives up waiting has paid nothing.
    pub async fn pay(&self, paying: Paying) -> Result<Paid, StoreError> {
        let Paying { purpose, shares, is_counted_by_token } = paying;
        if let Some(polls) = self.polls.as_ref().filter(|_| shares) {
            polls.admit(purpose).await?;
        }
        self.own.admit(purpose).await?;
        let (own, paid_at) = (Arc::clone(&self.own), self.own.now());
        Ok(Paid { own: Some(own), paid_at, free_unmodified: self.free_unmodified, is_counted_by_token })
    }

    /// That the source takes no request for a while, said in an answer of which nothing else was heard.
    pub fn refused(&self, status: u16, headers: &HeaderMap) {
        self.own.refused(status, headers);
    }

    /// That the source takes no request for so long, said in a way that its connector knows.
    pub fn stop(&self, wait: Duration) {
        self.own.stop_for(wait);
    }
}

/// A request that was paid for. Given up in the middle, it counts as one that was not answered: nobody waits for it.
pub struct Paid {
    /// `None`: it was answered.
    own: Option<Arc<Pacer>>,
    paid_at: Timestamp,
    /// What is answered with 304 does not count at the source.
    free_unmodified: bool,
    is_counted_by_token: bool,
}

impl Paid {
    /// What its answer says of the budget, if it was sent at this time; `None`: there was no answer.
    pub fn answered(mut self, sent_at: Timestamp, answer: Option<(u16, &HeaderMap)>) {
        let Some(own) = self.own.take() else { return };
        own.answered(sent_at, answer.filter(|_| !self.is_counted_by_token));
        if self.free_unmodified && answer.is_some_and(|(status, _)| status == NOT_MODIFIED) {
            own.free(sent_at);
        }
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.answered(self.paid_at, None);
        }
    }
}
