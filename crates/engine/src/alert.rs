//! Raising and resolving alerts: what a person should know, open until it is resolved.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{AlertId, Tenant};
use rustc_hash::FxHashSet;
use store::Store;
use store::registry::Alert;

use crate::clock::SharedClock;
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::telemetry;

/// A `when` that let nothing through.
pub const FILTER_PASSES_NOTHING: &str = "filter_passes_nothing";
/// A destination that answered 410 and was disabled.
pub const DESTINATION_DISABLED: &str = "destination_disabled";
/// An object that was removed while deliveries were open.
pub const RETIRED_WITH_OPEN_DELIVERIES: &str = "retired_with_open_deliveries";
/// Events of an account that no connection names.
pub const CONNECTION_UNASSIGNED: &str = "connection_unassigned";

/// Whose alert, of which kind, about what.
type Known = (Tenant, &'static str, String);

/// Cheap to clone; a kind and object that are known to be open are not written again.
#[derive(Clone)]
pub struct Alerts {
    store: Arc<dyn Store>,
    clock: SharedClock,
    entropy: SharedEntropy,
    open: Arc<Mutex<FxHashSet<Known>>>,
}

impl Alerts {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: SharedClock, entropy: SharedEntropy) -> Self {
        Self { store, clock, entropy, open: Arc::default() }
    }

    /// Opens an alert unless this process has already done so.
    pub async fn raise(&self, tenant: &Tenant, kind: &'static str, object: String, detail: String) {
        let key = (tenant.clone(), kind, object);
        if !self.known().insert(key.clone()) {
            return;
        }
        telemetry::alert_raised(kind, &key.2, &detail);
        let now = self.clock.now();
        let alert = Alert {
            id: AlertId::from_uuid(uuid_v7(&*self.entropy, now)),
            tenant: tenant.clone(),
            kind: kind.into(),
            object: key.2.as_str().into(),
            detail,
            opened_at: now,
            last_at: now,
            count: 1,
            resolved_at: None,
        };
        if let Err(error) = self.store.raise_alert(alert).await {
            telemetry::store_failed("raise_alert", &error);
            self.known().remove(&key);
        }
    }

    /// Resolves an alert that this or an earlier process opened.
    pub async fn resolve(&self, tenant: &Tenant, kind: &'static str, object: String) {
        let resolved =
            self.store.resolve_alert(tenant.clone(), kind.into(), object.as_str().into(), self.clock.now()).await;
        if let Err(error) = resolved {
            telemetry::store_failed("resolve_alert", &error);
        }
        self.known().remove(&(tenant.clone(), kind, object));
    }

    /// Resolves an alert that this process opened and has not resolved yet; costs nothing where there is none.
    pub async fn resolve_if_open(&self, tenant: &Tenant, kind: &'static str, object: String) {
        let open = self.known().contains(&(tenant.clone(), kind, object.clone()));
        if open {
            self.resolve(tenant, kind, object).await;
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, FxHashSet<Known>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
