//! Alerts: what a person should know, open until it is resolved.
//!
//! A cause is noted where it is seen, in memory and without waiting; one duty writes what was noted. So however often
//! a cause comes back, the store is told once when it begins, and then now and then how often.

mod book;
pub(crate) mod channel;
mod digest;
mod kind;
pub(crate) mod look;
pub(crate) mod mail;
pub(crate) mod message;
mod people;
pub(crate) mod tell;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::alert::Rules;
use domain::{AlertId, Tenant};
use store::registry::Alert;
use store::{Store, StoreError};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::telemetry;
use book::{Book, Known, Noted};
pub use channel::{Spoken, Trouble};
pub use kind::*;
pub use people::{ChannelView, TestFailed};
pub use watch::Watch;

/// How often alerts that are open already are counted on in the store.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// Wait before what the store could not take is written again.
const AGAIN: Duration = Duration::from_secs(1);

/// Cheap to clone; all clones share one book.
#[derive(Clone)]
pub struct Alerts {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: SharedClock,
    entropy: SharedEntropy,
    book: Book,
    /// One at a time: what is counted before a resolution must not open the alert again after it.
    writing: Mutex<()>,
    wake: Notify,
    /// There may be something to tell.
    changed: Arc<Notify>,
    /// Of the tenants that have some of their own.
    rules: RwLock<BTreeMap<Tenant, Rules>>,
}

impl Alerts {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: SharedClock, entropy: SharedEntropy) -> Self {
        let shared = Shared {
            store,
            clock,
            entropy,
            book: Book::default(),
            writing: Mutex::new(()),
            wake: Notify::new(),
            changed: Arc::default(),
            rules: RwLock::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Learns what earlier processes and other nodes left open, so that it is resolved when its cause is gone, and
    /// forgets what others resolved.
    pub async fn load(&self) -> Result<(), StoreError> {
        let _one = self.shared.writing.lock().await;
        let open = self.shared.store.open_alerts().await?;
        let open = open.into_iter().map(|alert| (alert.tenant, alert.kind, alert.object)).collect();
        self.shared.book.learn(open);
        Ok(())
    }

    /// Which rules count from now on, by tenant; the others have the standard ones. What is open of a rule that is
    /// switched off is resolved.
    pub fn set_rules(&self, rules: BTreeMap<Tenant, Rules>) {
        *self.shared.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        if self.shared.book.gone_where(|tenant, kind| !self.is_on(tenant, kind)) {
            self.shared.wake.notify_one();
        }
    }

    fn is_on(&self, tenant: &Tenant, kind: &str) -> bool {
        let rules = self.shared.rules.read().unwrap_or_else(PoisonError::into_inner);
        let own = rules.get(tenant).or_else(|| rules.get(&Tenant::default_tenant()));
        own.is_none_or(|own| own.is_on(kind))
    }

    /// Told whenever an alert was opened or resolved.
    #[must_use]
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.changed)
    }

    /// Notes that a cause was seen. Never waits.
    pub fn note(&self, tenant: &Tenant, kind: &'static str, object: impl Into<Arc<str>>, detail: String) {
        if !self.is_on(tenant, kind) {
            return;
        }
        let object = object.into();
        let key = (tenant.clone(), Arc::from(kind), Arc::clone(&object));
        match self.shared.book.note(key, &detail, self.shared.clock.now()) {
            Noted::Opened => {
                telemetry::alert_raised(kind, &object, &detail);
                self.shared.wake.notify_one();
            }
            Noted::FirstSinceWritten => self.shared.wake.notify_one(),
            Noted::Counted => {}
        }
    }

    /// Notes that a cause is gone. Never waits, and costs nothing where no alert is open.
    pub fn gone(&self, tenant: &Tenant, kind: &'static str, object: impl Into<Arc<str>>) {
        if self.shared.book.gone(&(tenant.clone(), Arc::from(kind), object.into())) {
            self.shared.wake.notify_one();
        }
    }

    /// The same for a cause that comes and goes: once it was not seen for so long.
    pub fn gone_after(&self, tenant: &Tenant, kind: &'static str, object: impl Into<Arc<str>>, quiet: Duration) {
        let key = (tenant.clone(), Arc::from(kind), object.into());
        if self.shared.book.gone_unless_since(&key, self.shared.clock.now() - quiet) {
            self.shared.wake.notify_one();
        }
    }

    /// Notes a cause and waits until it is written, if the store takes it.
    pub async fn raise(&self, tenant: &Tenant, kind: &'static str, object: String, detail: String) {
        self.note(tenant, kind, object, detail);
        self.write(Which::Urgent).await;
    }

    /// Notes that a cause is gone and waits until that is written, if the store takes it.
    pub async fn resolve(&self, tenant: &Tenant, kind: &'static str, object: String) {
        self.gone(tenant, kind, object);
        self.write(Which::Urgent).await;
    }

    /// Resolves an open alert because a person says so; gives it as it is then, or `None` if there is none.
    pub async fn dismiss(&self, tenant: &Tenant, id: AlertId, by: Arc<str>) -> Result<Option<Alert>, StoreError> {
        let _one = self.shared.writing.lock().await;
        let open = self.shared.store.open_alerts().await?;
        let Some(alert) = open.into_iter().find(|alert| alert.id == id && alert.tenant == *tenant) else {
            return Ok(None);
        };
        let (kind, object, now) = (Arc::clone(&alert.kind), Arc::clone(&alert.object), self.shared.clock.now());
        let person = Some(Arc::clone(&by));
        self.shared.store.resolve_alert(tenant.clone(), Arc::clone(&kind), Arc::clone(&object), person, now).await?;
        self.shared.book.forget(&(tenant.clone(), kind, object));
        self.shared.changed.notify_one();
        Ok(Some(Alert { resolved_at: Some(now), resolved_by: Some(by), ..alert }))
    }

    /// Whether one is open, by this process or an earlier one.
    #[must_use]
    pub fn is_open(&self, tenant: &Tenant, kind: &'static str, object: &str) -> bool {
        self.shared.book.is_open(&(tenant.clone(), Arc::from(kind), Arc::from(object)))
    }

    /// Objects of the open alerts of a kind.
    #[must_use]
    pub fn open_of(&self, kind: &'static str) -> Vec<(Tenant, Arc<str>)> {
        self.shared.book.of_kind(kind)
    }

    /// Writes what is noted, for as long as anything may be.
    pub async fn run(self, stop: CancellationToken) {
        let clock = Arc::clone(&self.shared.clock);
        let mut count_at = None;
        loop {
            let wait = count_at.map(|at: domain::Timestamp| at.since(clock.now()));
            let which = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.shared.wake.notified() => Which::Urgent,
                () = clock.sleep(wait.unwrap_or_default()), if wait.is_some() => Which::All,
            };
            let written = self.write(which).await;
            let pending = self.shared.book.has_pending();
            count_at = match (pending, written, which) {
                (false, ..) => None,
                (true, false, _) => Some(clock.now() + AGAIN),
                (true, true, Which::All) => Some(clock.now() + COUNT_EVERY),
                (true, true, Which::Urgent) => count_at.or(Some(clock.now() + COUNT_EVERY)),
            };
        }
    }

    /// The last word before the store is closed.
    pub async fn flush(&self) {
        self.write(Which::All).await;
    }

    /// Gives whether the store took everything.
    async fn write(&self, which: Which) -> bool {
        let _one = self.shared.writing.lock().await;
        for key in self.shared.book.to_write(which == Which::All) {
            if let Err(error) = self.write_one(&key).await {
                telemetry::store_failed("raise_alert", &error);
                return false;
            }
            self.shared.changed.notify_one();
        }
        true
    }

    async fn write_one(&self, key: &Known) -> Result<(), StoreError> {
        let Shared { store, clock, entropy, book, .. } = &*self.shared;
        let (tenant, kind, object) = key.clone();
        if let Some(times) = book.take(key) {
            let id = AlertId::from_uuid(uuid_v7(&**entropy, times.first_at));
            let (kind, object) = (Arc::clone(&kind), Arc::clone(&object));
            let alert = Alert::new(id, tenant.clone(), kind, object, times.detail.clone(), times.first_at);
            let alert = Alert { last_at: times.last_at, count: times.count, ..alert };
            if let Err(error) = store.raise_alert(alert).await {
                book.put_back(key, times);
                return Err(error);
            }
        }
        if book.is_gone(key) {
            store.resolve_alert(tenant, Arc::clone(&kind), Arc::clone(&object), None, clock.now()).await?;
            if book.resolved(key) {
                telemetry::alert_resolved(&kind, &object);
            }
        }
        Ok(())
    }
}

/// What to write: what opened or is gone, or the counts of the others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Urgent,
    All,
}
