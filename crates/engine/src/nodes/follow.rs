//! Following: acts on what other nodes tell, and looks by itself for what they did not. A hint only makes it sooner.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use domain::ReplayId;
use domain::charge::Charge;
use store::nodes::Hint;

use crate::dispatch::Message;
use crate::engine::{Engine, Inner};
use crate::work::DestinationKey;

/// How often destinations are looked at for what other nodes took in, if nobody tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longer for many: so many are asked about in a second at most.
const LOOKS_PER_SECOND: u32 = 2_000;
/// Changes of the configuration that come together are taken over together.
const GATHER: Duration = Duration::from_millis(50);
/// Wait before a change that could not be taken over is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Does what other nodes give reason to, for as long as there is an engine.
pub(crate) struct Follower {
    pub engine: Weak<Inner>,
}

impl Follower {
    pub async fn run(self) {
        let Some(engine) = self.engine() else { return };
        let (stop, clock) = (engine.inner.stop.clone(), engine.inner.clock.clone());
        let (mut held, mut configured) = (engine.inner.held.clone(), engine.inner.configured_elsewhere.clone());
        let store = engine.inner.store.clone();
        drop(engine);
        let mut replays = BTreeSet::new();
        loop {
            let look = LOOK_EVERY + LOOK_EVERY * (held.borrow().charges.len() as u32) / LOOKS_PER_SECOND;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Ok(()) = configured.changed() => self.refresh(&mut configured).await,
                Ok(()) = held.changed() => self.go_on_with_replays(&mut replays).await,
                hint = store.hint() => self.hear(hint.unwrap_or(None)),
                () = clock.sleep(look) => self.tell(Message::LookAround),
            }
        }
    }

    fn engine(&self) -> Option<Engine> {
        Some(Engine { inner: self.engine.upgrade()? })
    }

    fn tell(&self, message: Message) {
        if let Some(engine) = self.engine() {
            engine.inner.dispatch.tell(message);
        }
    }

    fn hear(&self, hint: Option<Hint>) {
        let Some(Engine { inner }) = self.engine() else { return };
        match hint {
            Some(Hint::Due(tenant, name)) => inner.dispatch.tell(Message::Waiting(DestinationKey { tenant, name })),
            Some(Hint::Changed(key)) => inner.streams.heard(key),
            Some(Hint::Wished) => {
                inner.dispatch.tell(Message::LookAround);
                inner.woken.wake();
            }
            // What it was is found out by beating.
            Some(Hint::Configured | Hint::Nodes) => inner.woken.wake(),
            None => {
                inner.dispatch.tell(Message::LookAround);
                inner.woken.wake();
            }
        }
    }

    async fn refresh(&self, configured: &mut crate::latest::Receiver<u64>) {
        let Some(engine) = self.engine() else { return };
        engine.inner.clock.sleep(GATHER).await;
        configured.mark_unchanged();
        if let Err(error) = engine.refresh().await {
            crate::telemetry::refresh_failed(error.code(), &error);
            engine.inner.clock.sleep(AGAIN).await;
            configured.mark_changed();
        }
    }

    /// Runs the replays that this node is in charge of; each ends by itself when it is so no more.
    async fn go_on_with_replays(&self, running: &mut BTreeSet<ReplayId>) {
        let Some(engine) = self.engine() else { return };
        let held = engine.inner.held.borrow().clone();
        let ours = held.charges.keys().filter_map(|charge| match charge {
            Charge::Replay(tenant, id) => Some((tenant.clone(), *id)),
            Charge::Destination(..) | Charge::Connection(..) => None,
        });
        let ours: Vec<_> = ours.collect();
        running.retain(|id| ours.iter().any(|(_, own)| own == id));
        for (tenant, id) in ours {
            if running.contains(&id) {
                continue;
            }
            match engine.inner.store.replay(tenant, id).await {
                Ok(Some(replay)) => {
                    running.insert(id);
                    engine.run_replay(replay);
                }
                Ok(None) => {}
                Err(error) => {
                    // Taken up again with the next change of hands, or by the next node that has it.
                    engine.inner.alerts.store_failed("replay", &error);
                }
            }
        }
    }
}
