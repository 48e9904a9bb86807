//! What people wish of deliveries: to be tried again, or not at all.

use domain::{DeliveryId, Tenant};
use store::people::Wish;

use crate::dispatch::Message;
use crate::engine::{Engine, EngineError};

impl Engine {
    /// `dead | cancelled → pending`, and wakes their destinations.
    pub async fn retry(&self, tenant: Tenant, ids: Vec<DeliveryId>) -> Result<Vec<Wish>, EngineError> {
        let wishes = self.inner.store.retry(tenant.clone(), ids.clone(), self.inner.clock.now()).await?;
        self.wake_all(&tenant);
        Ok(wishes)
    }

    /// Any open state → `cancelled`. What is under way may still arrive; what waits is not sent any more.
    pub async fn cancel(&self, tenant: Tenant, ids: Vec<DeliveryId>) -> Result<Vec<Wish>, EngineError> {
        let wishes = self.inner.store.cancel(tenant.clone(), ids.clone(), self.inner.clock.now()).await?;
        let done = ids.into_iter().zip(&wishes).filter(|(_, wish)| **wish == Wish::Done).map(|(id, _)| id);
        self.inner.dispatch.tell(Message::Cancelled(done.collect()));
        self.wake_all(&tenant);
        Ok(wishes)
    }
}
