//! Following what is accepted, in its order: stretch after stretch from the store, and a sign of life whenever one is
//! due, until the key opens nothing any more or the engine stops. What is told of an event is for the caller to say.

use std::sync::Arc;
use std::time::Duration;

use domain::Tenant;
use store::read::{EventFilter, Page, Position, Stretch};
use store::{Store, StoreError};

use crate::access::{Access, Caller};
use crate::clock::timeout;
use crate::engine::Engine;
use crate::latest::{Ended, Receiver};

/// A sign this often keeps proxies from closing a silent stream, and tells us of readers that are gone.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// What an answer that is a stream says to the proxy before it: nginx keeps back what it is not told to pass on at once.
pub const UNBUFFERED: [(&str, &str); 1] = [("x-accel-buffering", "no")];
/// How often the store is looked at for what other nodes accepted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events read from the store at once.
const BATCH: u32 = 100;
/// Time that one look for matching events may take: each of the few connections that read serves everybody.
const SCAN: Duration = Duration::from_millis(50);

/// What a reader is told next.
#[derive(Debug)]
pub enum Step {
    /// Some events, or that there is more to look through.
    Stretch(Stretch),
    /// That somebody is still there.
    Sign,
}

/// One reader's place in the order of acceptance.
pub struct Tail {
    engine: Engine,
    access: Arc<Access>,
    caller: Caller,
    filter: EventFilter,
    position: Position,
    /// The last place that the reader knows of; `None` before the first sign.
    told: Option<Position>,
    accepted: Receiver<u64>,
    /// When the next sign is due, by the monotonic clock: what wakes us in between does not put it off.
    sign_at: Duration,
}

impl Tail {
    /// The first sign is due at once: whoever is cut off before anything came has a place to go on from.
    #[must_use]
    pub fn new(engine: &Engine, access: &Arc<Access>, caller: Caller, filter: EventFilter, from: Position) -> Self {
        let accepted = engine.accepted();
        let sign_at = engine.clock().monotonic();
        let (engine, access) = (engine.clone(), Arc::clone(access));
        Self { engine, access, caller, filter, position: from, told: None, accepted, sign_at }
    }

    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What comes next, however long that takes; `None` ends it.
    pub async fn next(&mut self) -> Result<Option<Step>, StoreError> {
        loop {
            if self.engine.clock().monotonic() >= self.sign_at {
                return Ok(self.sign().await);
            }
            // Before reading, so that nothing accepted in between is overlooked.
            self.accepted.mark_unchanged();
            let page = Page { limit: BATCH, after: Some(self.position.clone()), scan: SCAN };
            let (tenant, filter) = (self.caller.tenant.clone(), self.filter.clone());
            let stretch = self.engine.store().events_after(tenant, filter, page).await?;
            self.position = stretch.until.clone();
            if !stretch.events.is_empty() || stretch.more {
                return Ok(Some(Step::Stretch(stretch)));
            }
            if !self.wait().await {
                return Ok(None);
            }
        }
    }

    /// The reader was told of this place.
    pub fn tell(&mut self, position: &Position) {
        self.told = Some(position.clone());
    }

    /// How far was looked, if the reader does not know it yet: a selective tail that is cut would otherwise look through
    /// all of it again.
    pub fn untold(&mut self) -> Option<Position> {
        let is_news = self.told.as_ref() != Some(&self.position);
        is_news.then(|| {
            self.tell(&self.position.clone());
            self.position.clone()
        })
    }

    /// A key that was revoked or has expired meanwhile sees nothing more.
    async fn sign(&mut self) -> Option<Step> {
        self.sign_at = self.engine.clock().monotonic() + HEARTBEAT;
        self.access.still_valid(&self.caller).await.then_some(Step::Sign)
    }

    /// Until it is worth looking again; `false`: nothing will come any more.
    async fn wait(&mut self) -> bool {
        let clock = self.engine.clock();
        let left = self.sign_at.saturating_sub(clock.monotonic());
        // What other nodes accept is found by looking.
        let left = if self.engine.store().is_shared() { left.min(LOOK_EVERY) } else { left };
        tokio::select! {
            biased;
            () = self.engine.stopping().cancelled() => false,
            woken = timeout(clock.as_ref(), left, self.accepted.changed()) => woken != Ok(Err(Ended)),
        }
    }
}

/// Fails, while that can still be told, where a position is none that the store can read from: somebody made it up.
pub async fn known(store: &dyn Store, tenant: &Tenant, position: &Position) -> Result<(), StoreError> {
    let page = Page { limit: 1, after: Some(position.clone()), scan: Duration::ZERO };
    store.events_after(tenant.clone(), EventFilter::default(), page).await.map(|_| ())
}
