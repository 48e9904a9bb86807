//! Subscriptions as people see them. Never a secret.

use std::time::Duration;

use domain::{ConnectionName, SourceName, Tenant, Timestamp};
use serde_json::{Map, Value as Json};

use super::desk::Look;
pub use super::state::Problem;
use super::state::Subscription;
use crate::clock::timeout;
use crate::engine::{Engine, EngineError};
use crate::telemetry;
use crate::topology::Topology;
use crate::upstream::Account;

/// How long somebody is kept waiting for a check. It goes on by itself.
const PATIENCE: Duration = Duration::from_secs(45);

/// How one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViewState {
    /// The source sends, as far as is known.
    Working,
    /// There is none yet.
    Pending,
    /// There is none that works, and the last try failed.
    Failing,
    /// Nobody wants it any more, and it is still there.
    Leaving,
    /// The connector does not say how to subscribe: streams are polled.
    Unsupported,
}

impl ViewState {
    pub const ALL: [Self; 5] = [Self::Working, Self::Pending, Self::Failing, Self::Leaving, Self::Unsupported];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Pending => "pending",
            Self::Failing => "failing",
            Self::Leaving => "leaving",
            Self::Unsupported => "unsupported",
        }
    }
}

/// One place of one connection.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    pub connection: ConnectionName,
    /// What it is for, such as a repository; empty where one hears everything.
    pub place: Map<String, Json>,
    pub state: ViewState,
    /// At the source.
    pub id: Option<String>,
    /// Where it sends.
    pub url: Option<String>,
    pub since: Option<Timestamp>,
    /// When it is prolonged next; it would end some time after.
    pub renews_at: Option<Timestamp>,
    /// When the source was last asked, and answered.
    pub checked_at: Option<Timestamp>,
    pub problem: Option<Problem>,
}

impl SubscriptionView {
    /// One of which nothing is there.
    fn none(connection: ConnectionName, state: ViewState, look: Look) -> Self {
        let Look { checked_at, problem } = look;
        let (place, id, url, since, renews_at) = (Map::new(), None, None, None, None);
        Self { connection, place, state, id, url, since, renews_at, checked_at, problem }
    }

    fn of(connection: ConnectionName, kept: Subscription, look: &Look, renew_every: Option<Duration>) -> Self {
        let problem = kept.problem.or_else(|| look.problem.clone().filter(|_| !kept.works));
        let state = match (kept.wanted, kept.works, &problem) {
            (false, ..) => ViewState::Leaving,
            (true, true, _) => ViewState::Working,
            (true, false, Some(_)) => ViewState::Failing,
            (true, false, None) => ViewState::Pending,
        };
        Self {
            connection,
            place: kept.place,
            state,
            id: kept.id,
            url: Some(kept.url).filter(|url| !url.is_empty()),
            since: kept.since,
            renews_at: kept.renewed_at.zip(renew_every).map(|(renewed, every)| renewed + every),
            checked_at: look.checked_at,
            problem,
        }
    }
}

impl Engine {
    /// The subscriptions of a source: those that it has, those that it should have, and those that are still to go.
    pub fn subscriptions(&self, tenant: &Tenant, name: &SourceName) -> Result<Vec<SubscriptionView>, EngineError> {
        let topology = self.topology();
        let desk = &self.inner.subscriptions.desk;
        let is_of_it = |account: &Account| account.tenant == *tenant && account.source == *name;
        let mut accounts: Vec<Account> = desk.parts.book.accounts().into_iter().filter(is_of_it).collect();
        let Some(source) = topology.source(tenant.as_str(), name.as_str()) else {
            if accounts.is_empty() {
                return Err(EngineError::NotFound(format!("there is no source '{name}'")));
            }
            return Ok(accounts.iter().flat_map(|account| self.views_of(&topology, account)).collect());
        };
        if let Some(spec) = source.spec.connector.as_ref().filter(|spec| spec.subscribe) {
            let own = spec.connections().into_iter().map(|connection| Account {
                tenant: tenant.clone(),
                source: name.clone(),
                connection,
            });
            accounts.extend(own);
        }
        accounts.sort();
        accounts.dedup();
        Ok(accounts.iter().flat_map(|account| self.views_of(&topology, account)).collect())
    }

    fn views_of(&self, topology: &Topology, account: &Account) -> Vec<SubscriptionView> {
        let desk = &self.inner.subscriptions.desk;
        let (state, look) = (desk.parts.book.state(account), desk.last_look(account));
        let source = topology.source(account.tenant.as_str(), account.source.as_str());
        let spec = source.and_then(|source| source.spec.connector.as_ref());
        let webhooks = spec.and_then(|spec| spec.connector.extension.webhooks.as_ref());
        let subscribes = source.is_some_and(|source| source.spec.subscribes());
        if state.subscriptions.is_empty() {
            let state = match (webhooks, &look.problem) {
                (None, _) => ViewState::Unsupported,
                (Some(_), Some(_)) => ViewState::Failing,
                (Some(_), None) => ViewState::Pending,
            };
            let none = SubscriptionView::none(account.connection.clone(), state, look);
            return if subscribes { vec![none] } else { Vec::new() };
        }
        let every = webhooks.and_then(|webhooks| webhooks.renew.as_ref()).map(|renew| renew.every);
        let view = |kept| SubscriptionView::of(account.connection.clone(), kept, &look, every);
        state.subscriptions.into_iter().map(view).collect()
    }

    /// Has all connections of a source looked after now, and gives how they stand then, or after a while.
    pub async fn check_subscriptions(
        &self,
        tenant: &Tenant,
        name: &SourceName,
    ) -> Result<Vec<SubscriptionView>, EngineError> {
        self.subscriptions(tenant, name)?;
        let checked = self.inner.subscriptions.handle.check(tenant.clone(), name.clone());
        // What takes longer goes on; what is known by now is shown.
        let _ = timeout(&*self.inner.clock, PATIENCE, checked).await;
        self.subscriptions(tenant, name)
    }

    /// How many there are of each source, by how they stand. For whoever collects the metrics just now.
    pub fn gauge_subscriptions(&self) {
        let topology = self.topology();
        for source in topology.sources().filter(|source| source.spec.subscribes()) {
            let views = self.subscriptions(&source.spec.tenant, &source.spec.name).unwrap_or_default();
            for state in ViewState::ALL {
                let count = views.iter().filter(|view| view.state == state).count();
                telemetry::subscriptions(source.spec.name.as_str(), state.as_str(), count);
            }
        }
    }
}
