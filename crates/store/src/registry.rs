//! What is configured through the API, the keys that open it, and answers kept for repeated requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::identity::Digest;
use domain::{AlertId, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Verb;
use crate::read::{Listed, Page};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    Source,
    Destination,
    Route,
}

impl ObjectKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Route => "route",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Source, Self::Destination, Self::Route].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A source, destination or route that the API manages, or the trace of one that the file manages.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub tenant: Tenant,
    pub kind: ObjectKind,
    pub name: Arc<str>,
    pub managed_by: ManagedBy,
    /// Its definition as JSON, secrets replaced by their sealed form.
    pub definition: serde_json::Value,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it was removed; its events stay.
    pub retired_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagedBy {
    File,
    Api,
}

/// An API key: only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub tenant: Tenant,
    /// Public name of the key, part of its text.
    pub id: Arc<str>,
    pub hash: Digest,
    pub scopes: Vec<String>,
    pub note: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// How long a request may be worked on before another with its key may start over: whoever had it is gone by then.
pub const IDEMPOTENT_WORK_MAX: Duration = Duration::from_secs(5 * 60);

/// What a repeated request with the same `Idempotency-Key` is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// First time: go on, then `finish_idempotent`.
    Fresh,
    /// The same request is being worked on.
    InProgress,
    /// The same key came with another body.
    Mismatch,
    /// The answer given the first time.
    Answered { status: u16, body: Bytes },
}

/// Something a person should know, open until it is resolved. At most one is open per (kind, object).
///
/// It is settled once it is resolved and nothing of it is to be told any more. What comes back before that opens the
/// same alert again, unless a person had resolved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub id: AlertId,
    pub tenant: Tenant,
    pub kind: Arc<str>,
    /// What it is about, as `destination/app`.
    pub object: Arc<str>,
    pub detail: String,
    pub opened_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
    pub acknowledged_at: Option<Timestamp>,
    /// Who looks after it.
    pub acknowledged_by: Option<Arc<str>>,
    pub resolved_at: Option<Timestamp>,
    /// The person who said so; `None`: it resolved by itself.
    pub resolved_by: Option<Arc<str>>,
    /// How often it came back before it was settled.
    pub reopened: u32,
}

impl Alert {
    /// One that nobody looked at yet.
    #[must_use]
    pub fn new(id: AlertId, tenant: Tenant, kind: Arc<str>, object: Arc<str>, detail: String, at: Timestamp) -> Self {
        Self {
            id,
            tenant,
            kind,
            object,
            detail,
            opened_at: at,
            last_at: at,
            count: 1,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            resolved_by: None,
            reopened: 0,
        }
    }
}

/// Settings that nodes keep in memory, and that count as configured when they change: what was handed over by senders.
pub const HANDSHAKES: &str = "handshakes/";
/// Likewise: how the subscriptions of a connection stand.
pub const SUBSCRIPTIONS: &str = "subscription/";

/// Likewise: digest of the configuration file that the nodes of this store go by.
pub const FILE: &str = "file_digest";

/// Whether other nodes look again at a setting that has changed.
#[must_use]
pub fn is_shared(setting: &str) -> bool {
    [HANDSHAKES, SUBSCRIPTIONS, FILE].iter().any(|prefix| setting.starts_with(prefix))
}

pub trait Registry: Send + Sync + 'static {
    /// Every object that is not retired, of all tenants.
    fn objects(&self) -> Verb<'_, Vec<Object>>;

    /// Creates (`create`: a taken name is a conflict) or replaces an object. Whoever judged it by the others says what
    /// [`configured`](crate::nodes::Nodes::configured) counted before it read them: if it counts more by now, nothing is
    /// written, and the answer is [`StoreError::Outdated`](crate::StoreError::Outdated).
    fn put_object(&self, object: Object, create: bool, judged_on: Option<u64>) -> Verb<'_, ()>;

    /// Retires an object, on the same condition; gives whether there was one.
    fn retire_object(
        &self,
        tenant: Tenant,
        kind: ObjectKind,
        name: Arc<str>,
        now: Timestamp,
        judged_on: Option<u64>,
    ) -> Verb<'_, bool>;

    fn put_api_key(&self, key: ApiKey) -> Verb<'_, ()>;

    fn api_keys(&self, tenant: Option<Tenant>) -> Verb<'_, Vec<ApiKey>>;

    fn api_key(&self, id: Arc<str>) -> Verb<'_, Option<ApiKey>>;

    /// Marks a key revoked; gives whether there was one.
    fn revoke_api_key(&self, tenant: Tenant, id: Arc<str>, now: Timestamp) -> Verb<'_, bool>;

    fn touch_api_keys(&self, used: Vec<(Arc<str>, Timestamp)>) -> Verb<'_, ()>;

    /// Claims an idempotency key for a request whose method, path and body digest to `request`. A claim that was not
    /// finished in [`IDEMPOTENT_WORK_MAX`] is given to the next one that asks.
    fn begin_idempotent(&self, tenant: Tenant, key: Arc<str>, request: Digest, now: Timestamp)
    -> Verb<'_, Idempotency>;

    /// Keeps the answer, or forgets the claim when `answer` is `None` (the request failed and may be tried again).
    fn finish_idempotent(&self, tenant: Tenant, key: Arc<str>, answer: Option<(u16, Bytes)>) -> Verb<'_, ()>;

    /// Opens an alert; counts it once more if it is open; opens it again if it resolved by itself and is not settled.
    /// Gives whether it is a new one.
    fn raise_alert(&self, alert: Alert) -> Verb<'_, bool>;

    /// Resolves the open alert of this kind and object, because a person says so or by itself; gives whether there was
    /// one.
    fn resolve_alert(
        &self,
        tenant: Tenant,
        kind: Arc<str>,
        object: Arc<str>,
        by: Option<Arc<str>>,
        now: Timestamp,
    ) -> Verb<'_, bool>;

    /// Every open alert, of all tenants. There is one per kind and object, so they fit into memory.
    fn open_alerts(&self) -> Verb<'_, Vec<Alert>>;

    /// Newest first.
    fn alerts(&self, tenant: Tenant, open_only: bool, page: Page) -> Verb<'_, Listed<Alert>>;

    /// A small value kept under a name, such as the master key's check value.
    fn setting(&self, name: Arc<str>) -> Verb<'_, Option<Bytes>>;

    /// Keeps it. Other nodes look again at one that [`is_shared`].
    fn put_setting(&self, name: Arc<str>, value: Bytes) -> Verb<'_, ()>;

    /// Keeps `after` in the place of `before` (`None`: there is none of this name); gives whether it did. If the setting is
    /// another by now, nothing changes: whoever changes one that is also others' to change reads it again.
    fn exchange_setting(&self, name: Arc<str>, before: Option<Bytes>, after: Bytes) -> Verb<'_, bool>;

    /// Keeps it unless there is one of this name that is not empty; gives the one that is kept. Of nodes that start at
    /// once, all get the same.
    fn keep_setting(&self, name: Arc<str>, value: Bytes) -> Verb<'_, Bytes>;
}
