//! Refreshing: what was configured, paused or paired through another node is taken over from the store, which is the
//! truth. Nothing is decided here that the other node did not decide.

use rustc_hash::FxHashSet;
use store::people::HoldScope;
use store::registry::{ManagedBy, Object, ObjectKind};

use crate::dispatch::Message;
use crate::engine::{Engine, EngineError};
use crate::keep::move_held;
use crate::manage::{Key, Resuming};
use crate::work::DestinationKey;

impl Engine {
    /// Takes over what others changed. What cannot be run changes nothing here.
    pub(crate) async fn refresh(&self) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        if !configured.is_configured {
            // The file comes first; it brings the store's objects along.
            return Ok(());
        }
        let objects = self.inner.store.objects().await?;
        let before: FxHashSet<Key> = crate::manage::keys_of(&configured.api);
        let api = self.api_specs(&configured.file, &objects)?;
        self.inner.handshakes.forget_known().await;
        self.inner.subscriptions.desk.reload().await?;
        self.apply(&configured.file, &api, Resuming::LeftToOthers).await?;
        let gone: Vec<Key> = before.difference(&crate::manage::keys_of(&api)).cloned().collect();
        configured.api = api;
        drop(configured);
        self.inner.alerts.load().await?;
        for destination in self.topology().destinations() {
            let (tenant, name) = (destination.spec.tenant.clone(), destination.spec.name.clone());
            self.inner.dispatch.tell(Message::Changed(DestinationKey { tenant, name }));
        }
        for key in gone {
            self.hold_what_came_late(key).await?;
        }
        Ok(())
    }

    /// Until this node knew that a route or destination is gone it may have accepted events for it.
    async fn hold_what_came_late(&self, (kind, tenant, name): Key) -> Result<(), EngineError> {
        let scope = match kind {
            ObjectKind::Source => return Ok(()),
            ObjectKind::Destination => name.parse().ok().map(HoldScope::Destination),
            ObjectKind::Route => name.parse().ok().map(HoldScope::Route),
        };
        let Some(scope) = scope else { return Ok(()) };
        let destination = match &scope {
            HoldScope::Destination(destination) => destination.clone(),
            HoldScope::Route(_) => crate::manage::nobody(),
        };
        let (inner, key) = (&self.inner, DestinationKey { tenant: tenant.clone(), name: destination });
        move_held(&*inner.store, &inner.clock, &inner.dispatch, &key, scope.clone(), true).await?;
        let is_back = |object: &Object| {
            object.kind == kind
                && object.tenant == tenant
                && *object.name == *name
                && object.managed_by == ManagedBy::Api
        };
        if inner.store.objects().await?.iter().any(is_back) {
            move_held(&*inner.store, &inner.clock, &inner.dispatch, &key, scope, false).await?;
        }
        Ok(())
    }
}
