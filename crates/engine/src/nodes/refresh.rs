//! Refreshing: what was configured, paused or paired through another node is taken over from the store, which is the
//! truth. Nothing is decided here that the other node did not decide.

use store::people::HoldScope;
use store::registry::{ManagedBy, Object, ObjectKind};

use crate::dispatch::Message;
use crate::engine::{Engine, EngineError};
use crate::keep::move_held;
use crate::manage::left_out::{self, LeftOut};
use crate::manage::{Configured, Key, Resuming, key_of};
use crate::work::DestinationKey;

impl Engine {
    /// Takes over what others changed. What cannot be run changes nothing here.
    pub(crate) async fn refresh(&self) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        if !configured.is_configured {
            // The file comes first; it brings the store's objects along.
            return Ok(());
        }
        let gone = self.take_over(&mut configured, Resuming::LeftToOthers).await?;
        drop(configured);
        for destination in self.topology().destinations() {
            let (tenant, name) = (destination.spec.tenant.clone(), destination.spec.name.clone());
            self.inner.dispatch.tell(Message::Changed(DestinationKey { tenant, name }));
        }
        for key in gone {
            self.hold_what_came_late(key).await?;
        }
        Ok(())
    }

    /// Runs what the store has of the API now; gives what it had before and has no more.
    pub(crate) async fn take_over(
        &self,
        configured: &mut Configured,
        resuming: Resuming,
    ) -> Result<Vec<Key>, EngineError> {
        let objects = self.inner.store.objects().await?;
        let left_out = LeftOut::among(&configured.file, &objects);
        let api = self.api_specs(&configured.file, &objects, &left_out)?;
        self.inner.handshakes.forget_known().await;
        self.inner.subscriptions.desk.reload().await?;
        self.apply(&configured.file, &api, resuming).await?;
        let gone = configured.gone_with(&api, &left_out);
        (configured.api, configured.left_out) = (api, left_out);
        self.inner.alerts.load().await?;
        left_out::tell(&self.inner.alerts, &configured.left_out);
        Ok(gone)
    }

    /// For who does not wait for it: what is not held here is held when it is claimed, or waits.
    pub(crate) fn hold_in_background(&self, gone: Vec<Key>) {
        if gone.is_empty() {
            return;
        }
        let engine = self.clone();
        self.spawn(async move {
            for key in gone {
                if let Err(error) = engine.hold_what_came_late(key).await {
                    crate::telemetry::refresh_failed(error.code(), &error);
                }
            }
        });
    }

    /// Whether the store has it as an object of the API.
    pub(crate) async fn is_object(&self, key: &Key) -> Result<bool, EngineError> {
        let is_it = |object: &Object| object.managed_by == ManagedBy::Api && key_of(object) == *key;
        Ok(self.inner.store.objects().await?.iter().any(is_it))
    }

    /// Until this node knew that a route or destination is gone it may have accepted events for it, and who removed it may
    /// have been stopped before it was done.
    async fn hold_what_came_late(&self, key: Key) -> Result<(), EngineError> {
        let (kind, tenant, name) = &key;
        let scope = match kind {
            ObjectKind::Source if self.is_object(&key).await? => return Ok(()),
            ObjectKind::Source => return self.inner.handshakes.forget_source(tenant, name).await,
            ObjectKind::Destination => name.parse().ok().map(HoldScope::Destination),
            ObjectKind::Route => name.parse().ok().map(HoldScope::Route),
        };
        let Some(scope) = scope else { return Ok(()) };
        let inner = &self.inner;
        // Of a route that is gone nobody has to be woken: what is held waits for a person.
        let destination = || match &scope {
            HoldScope::Destination(destination) => Some(destination.clone()),
            HoldScope::Route(route) => {
                self.topology().route(tenant.as_str(), route.as_str()).map(|route| route.spec.to.clone())
            }
        };
        let of = || (scope.clone(), destination());
        let held = move_held(&*inner.store, &inner.dispatch, tenant, of(), true).await?;
        if self.is_object(&key).await? {
            move_held(&*inner.store, &inner.dispatch, tenant, of(), false).await?;
            return Ok(());
        }
        self.tell_what_is_held(&key, held).await
    }
}
