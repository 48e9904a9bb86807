//! What is configured, as plain checked values: made by the file or the API, compiled by [`crate::topology`].

mod alerting;
mod enrich;
mod reply;
mod stream;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use connectors::provider::{self, Catalogue, KeyError, Window};
use domain::breaker::BreakerPolicy;
use domain::ordering::{OnDead, Ordering};
use domain::rate::Rate;
use domain::retry::RetryPolicy;
use domain::{Assurance, ConnectionName, DestinationName, RouteName, SourceName, Tenant};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use store::registry::ManagedBy;
use zeroize::Zeroizing;

pub use self::alerting::{
    AlertingSpec, ChannelSpec, DigestSpec, EmailSpec, MailSecurity, PAGERDUTY, PagerSpec, TELEGRAM, TelegramSpec, Way,
};
pub use self::enrich::{EnrichSpec, EnrichWay, OnEnrichError, RequestSpec};
pub use self::reply::ReplySpec;
pub use self::stream::{
    BudgetScope, BudgetSpec, Cost, Cron, OVERLAP_DEFAULT, POLL_MIN, PollBudget, PollSpec, ReconcileSpec, Schedule,
    Start, StreamSpec,
};
use crate::connector::Connector;
use crate::definition::Veils;

/// A secret text: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for compiling keys and sealing; never for showing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A secret and what it is for, as the recipe names it (`signing`, `verify_token`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSecret {
    /// Empty: what the recipe's plain `secret` means.
    pub role: String,
    pub secret: Secret,
    /// By which requests choose it, where a recipe lets them.
    pub name: Option<String>,
    /// When it counts.
    pub window: Window,
}

impl RoleSecret {
    /// One that always counts and is called nothing.
    #[must_use]
    pub fn new(role: String, secret: Secret) -> Self {
        Self { role, secret, name: None, window: Window::default() }
    }

    /// As the recipe's keys are made of it.
    pub fn key(&self) -> Result<provider::RoleSecret, KeyError> {
        let key = provider::RoleSecret::named(&self.role, self.secret.expose())?.within(self.window);
        Ok(match &self.name {
            Some(name) => key.called(name),
            None => key,
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    pub tenant: Tenant,
    pub name: SourceName,
    pub managed_by: ManagedBy,
    pub webhook: Option<WebhookSpec>,
    /// Takes events of the owner's own through `POST /api/v1/events`.
    pub publish: bool,
    /// Accounts known by name, with secrets of their own or none.
    pub connections: BTreeMap<ConnectionName, Vec<RoleSecret>>,
    /// What asks its API, if anything does.
    pub connector: Option<ConnectorSpec>,
}

impl SourceSpec {
    /// Whether we subscribe to its webhooks ourselves.
    #[must_use]
    pub fn subscribes(&self) -> bool {
        self.connector.as_ref().is_some_and(|connector| connector.subscribe)
    }
}

/// A source's connector, and how each of its connections is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorSpec {
    /// As its owner wrote it: the name of one of ours, or the path of a manifest.
    pub name: String,
    /// Path of the file that replaces custom components.
    pub overrides: Option<String>,
    pub connector: Arc<Connector>,
    pub configs: BTreeMap<ConnectionName, ConnectionConfig>,
    /// What is asked by itself, by the stream's name.
    pub streams: BTreeMap<Arc<str>, StreamSpec>,
    /// What the source allows; `None`: as the manifest says, if it does.
    pub budget: Option<BudgetSpec>,
    /// Mapped native events carry the record, as virtual ones do.
    pub normalize: bool,
    /// We subscribe to its webhooks ourselves; what they tell is not polled for meanwhile.
    pub subscribe: bool,
}

impl ConnectorSpec {
    /// The accounts that it is asked through. A source without any has the one that is called `default`.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionName> {
        if self.configs.is_empty() {
            return vec![ConnectionName::default_connection()];
        }
        self.configs.keys().cloned().collect()
    }

    /// Whether it is asked through this account.
    #[must_use]
    pub fn has(&self, connection: &ConnectionName) -> bool {
        let is_default = || self.configs.is_empty() && *connection == ConnectionName::default_connection();
        self.configs.contains_key(connection) || is_default()
    }
}

/// The configuration of a connection. It holds credentials: never printed.
#[derive(Clone, PartialEq)]
pub struct ConnectionConfig(Arc<serde_json::Value>);

impl ConnectionConfig {
    #[must_use]
    pub fn new(config: serde_json::Value) -> Self {
        Self(Arc::new(config))
    }

    /// The configuration itself, for asking the source; never for showing.
    #[must_use]
    pub fn expose(&self) -> &Arc<serde_json::Value> {
        &self.0
    }
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionConfig(***)")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSpec {
    /// Name of a recipe in the catalogue.
    pub provider: String,
    /// Several of a role while one rotates: any of them verifies.
    pub secrets: Vec<RoleSecret>,
    /// What the recipe leaves to its user, such as the header of a generic HMAC.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// How long equal bytes without an id count as the sender's retry; `None`: as the recipe says.
    pub dedupe_within: Option<Duration>,
    /// From which addresses requests are taken; `None`: from everywhere.
    pub allow_from: Option<AllowFrom>,
    /// What is answered instead of our own list of events; only where nothing is verified.
    pub reply: Option<ReplySpec>,
}

/// Addresses that requests may come from, beside being verified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllowFrom {
    pub ranges: Vec<IpNet>,
    /// Those that the sender publishes as well.
    pub published: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DestinationSpec {
    pub tenant: Tenant,
    pub name: DestinationName,
    pub managed_by: ManagedBy,
    pub http: HttpSpec,
    pub retry: RetryPolicy,
    pub rate_limit: Option<Rate>,
    pub breaker: BreakerPolicy,
    /// Configured as paused: takes nothing until the configuration says otherwise.
    pub paused: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HttpSpec {
    pub url: String,
    /// Standard Webhooks secrets: every message carries a signature of each. Empty: unsigned.
    pub secrets: Vec<Secret>,
    /// Sent with every message, beside those of design §5.4.
    pub headers: Vec<(String, Secret)>,
    pub body: BodyMode,
    pub timeouts: Timeouts,
    /// Messages under way at once.
    pub concurrency: u32,
}

/// What a destination gets as the body, unless the route maps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyMode {
    /// The Event as JSON.
    #[default]
    Envelope,
    /// The sender's bytes, bit for bit.
    Raw,
    /// CloudEvents 1.0, structured.
    Cloudevents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub total: Duration,
}

impl Default for Timeouts {
    /// Standard Webhooks recommends 15 to 30 seconds for the whole; a connect that takes 5 will not get better.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), first_byte: Duration::from_secs(15), total: Duration::from_secs(20) }
    }
}

/// Messages under way at once to a destination that names no number.
pub const CONCURRENCY_DEFAULT: u32 = 32;
/// Most messages under way at once that a destination may ask for: each holds a socket.
pub const CONCURRENCY_MAX: u32 = 1_000;

/// What a route does with an event that comes after a later version was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStale {
    #[default]
    Deliver,
    Drop,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RouteSpec {
    pub tenant: Tenant,
    pub name: RouteName,
    pub managed_by: ManagedBy,
    pub from: SourceName,
    pub to: DestinationName,
    /// Only events of these connections; empty: all.
    pub connections: Vec<ConnectionName>,
    /// The least that verification must prove. `None`: whatever the source's recipe proves.
    pub assurance: Option<Assurance>,
    /// JSONata; truthy lets the event through.
    pub when: Option<String>,
    /// Records that are fetched before `map` is asked.
    pub enrich: Vec<EnrichSpec>,
    /// JSONata; its result is the body.
    pub map: Option<String>,
    pub ordering: Ordering,
    pub on_dead: OnDead,
    pub stale: OnStale,
    /// Instead of the destination's own.
    pub retry: Option<RetryPolicy>,
    pub body: Option<BodyMode>,
}

/// Everything configured, of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Specs {
    /// The senders that sources can name: ours, and those of the file's owner. Objects of the API use the file's.
    pub catalogue: Arc<Catalogue>,
    /// What senders call, without a slash at its end.
    pub public_url: Option<Arc<str>>,
    pub sources: Vec<SourceSpec>,
    pub destinations: Vec<DestinationSpec>,
    pub routes: Vec<RouteSpec>,
    /// Of the tenants that say something about their alerts.
    pub alerting: Vec<AlertingSpec>,
    /// What of them came from variables, and is not shown.
    pub veils: Veils,
}
