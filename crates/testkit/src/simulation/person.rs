//! A person at the gateway: pauses and resumes destinations, cancels what is open, retries what ended badly. Asks
//! whatever the process does just then, and is not told everything: it may die before it answers.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryId, DeliveryState, DestinationName, EventId, RouteName, Tenant, Timestamp};
use engine::Engine;
use engine::clock::SharedClock;
use store::people::Wish;
use store::read::{DeliveryFilter, DeliveryRow, Page};

use super::world::World;

/// What was asked of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Cancel,
    Retry,
}

/// One wish, written down before it is told to the process.
#[derive(Clone, Debug)]
pub(super) struct Wished {
    pub asked: Asked,
    pub delivery: DeliveryId,
    pub event: EventId,
    pub route: RouteName,
    /// When the process said that it was done; `None` if it refused, failed or died.
    pub done_at: Option<Timestamp>,
}

pub(super) struct Person {
    world: Arc<World>,
}

impl Person {
    pub fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// Makes the wishes that are left, one after another.
    pub async fn run(self, engine: Engine, clock: SharedClock) {
        while let Some((pause, wish)) = self.world.next_wish() {
            clock.sleep(pause).await;
            self.wish(&engine, &clock, wish).await;
        }
    }

    /// Makes the wish of this number.
    pub async fn wish(&self, engine: &Engine, clock: &SharedClock, wish: u64) {
        match wish % 3 {
            0 => self.of_one(engine, clock, Asked::Cancel).await,
            1 => self.of_one(engine, clock, Asked::Retry).await,
            _ => self.pause_one(engine, wish / 3).await,
        }
    }

    async fn of_one(&self, engine: &Engine, clock: &SharedClock, asked: Asked) {
        let Some(row) = self.choose(engine, asked).await else { return };
        let number =
            self.world.wished(Wished { asked, delivery: row.id, event: row.event, route: row.route, done_at: None });
        let (tenant, ids) = (Tenant::default_tenant(), vec![row.id]);
        let wishes = match asked {
            Asked::Cancel => engine.cancel(tenant, ids).await,
            Asked::Retry => engine.retry(tenant, ids).await,
        };
        if wishes.is_ok_and(|wishes| wishes == [Wish::Done]) {
            self.world.wish_done(number, clock.now());
        }
    }

    /// One of the newest that can be asked for; of those to cancel one that is claimed, if there is any: that one is
    /// in the process's hands already.
    async fn choose(&self, engine: &Engine, asked: Asked) -> Option<DeliveryRow> {
        let list = engine.store().deliveries(Tenant::default_tenant(), DeliveryFilter::default(), Page::first(100));
        let mut rows = list.await.ok()?.rows;
        let claimed = rows.iter().any(|row| row.state == DeliveryState::InFlight);
        rows.retain(|row| match asked {
            Asked::Cancel if claimed => row.state == DeliveryState::InFlight,
            Asked::Cancel => row.state.is_open(),
            Asked::Retry => matches!(row.state, DeliveryState::Dead | DeliveryState::Cancelled),
        });
        let chosen = usize::try_from(self.world.pick(rows.len() as u64)).unwrap_or(0);
        (!rows.is_empty()).then(|| rows.swap_remove(chosen))
    }

    /// Pauses a destination, or lets it go on. One that stays paused goes on in the end, see [`resume_all`].
    async fn pause_one(&self, engine: &Engine, drawn: u64) {
        let names = destinations(engine);
        let Some(name) = names.get(usize::try_from(self.world.pick(names.len() as u64)).unwrap_or(0)).cloned() else {
            return;
        };
        let tenant = Tenant::default_tenant();
        // It may fail with the store; then nothing was promised.
        let _ = match drawn % 2 {
            0 => engine.pause(tenant, name, "a person wants so".to_owned()).await,
            _ => engine.resume(tenant, name).await,
        };
    }
}

/// Lets every destination go on.
pub(super) async fn resume_all(engine: &Engine, clock: &SharedClock) {
    for name in destinations(engine) {
        while engine.resume(Tenant::default_tenant(), name.clone()).await.is_err() {
            clock.sleep(Duration::from_secs(1)).await;
        }
    }
}

fn destinations(engine: &Engine) -> Vec<DestinationName> {
    let mut names: Vec<_> = engine.topology().destinations().map(|it| it.spec.name.clone()).collect();
    names.sort_unstable();
    names
}
