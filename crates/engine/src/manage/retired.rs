//! What an object leaves behind that is configured no more: its open deliveries are held, and a person is told of them.

use std::time::Duration;

use domain::{DeliveryState, DestinationName, RouteName, Tenant};
use store::people::{DestinationState, DestinationStatus, HoldScope};
use store::read::Page;
use store::registry::ObjectKind;
use store::{Store, StoreError};

use super::Key;
use crate::alert::{RETIRED_WITH_OPEN_DELIVERIES, owed_by};
use crate::engine::{Engine, EngineError};
use crate::keep::move_held;

/// How long is looked for what an object left behind that is held; what was not looked at by then may be some.
const HELD_LOOK: Duration = Duration::from_millis(200);

impl Engine {
    /// Of a retired route or destination: only a person cancels what it still owes.
    pub(super) async fn hold_open_deliveries(
        &self,
        kind: ObjectKind,
        tenant: &Tenant,
        name: &str,
    ) -> Result<(), EngineError> {
        let not_a_name = |_| EngineError::NotFound(format!("there is no {} '{name}'", kind.as_str()));
        let scope = match kind {
            ObjectKind::Source => return self.inner.handshakes.forget_source(tenant, name).await,
            ObjectKind::Destination => {
                let destination: DestinationName = name.parse().map_err(not_a_name)?;
                let status = DestinationStatus {
                    state: DestinationState::Retired,
                    since: self.inner.clock.now(),
                    reason: "removed from the configuration".to_owned(),
                };
                self.inner.store.set_destination_status(tenant.clone(), destination.clone(), status).await?;
                (HoldScope::Destination(destination.clone()), Some(destination))
            }
            ObjectKind::Route => {
                let route: RouteName = name.parse().map_err(not_a_name)?;
                let known = self.topology().route(tenant.as_str(), name).map(|route| route.spec.to.clone());
                (HoldScope::Route(route), known)
            }
        };
        let inner = &self.inner;
        let held = move_held(&*inner.store, &inner.dispatch, tenant, scope, true).await?;
        self.tell_what_is_held(&(kind, tenant.clone(), name.to_owned()), held).await
    }

    /// Of what was removed and left deliveries that are held: these, or some from before.
    pub(crate) async fn tell_what_is_held(&self, (kind, tenant, name): &Key, held: u64) -> Result<(), EngineError> {
        if held > 0 || holds_any(&*self.inner.store, tenant, *kind, name).await? {
            let kind = kind.as_str();
            let detail =
                format!("{kind} '{name}' was removed while deliveries were open: cancel them, or define it again");
            let object = format!("{kind}/{name}");
            self.inner.alerts.raise(tenant, RETIRED_WITH_OPEN_DELIVERIES, object, detail).await;
        }
        Ok(())
    }
}

/// Whether it left anything behind that is held: what was held before it went counts as well.
async fn holds_any(store: &dyn Store, tenant: &Tenant, kind: ObjectKind, name: &str) -> Result<bool, StoreError> {
    let Some(filter) = owed_by(&format!("{}/{name}", kind.as_str()), DeliveryState::Held) else { return Ok(false) };
    // Too short to be a search: a removal waits for nobody who looks through deliveries.
    let page = Page { scan: HELD_LOOK, ..Page::first(1) };
    let found = store.deliveries(tenant.clone(), filter, page).await?;
    Ok(!found.rows.is_empty() || found.next.is_some())
}
