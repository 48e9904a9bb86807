//! How a running gateway ends: by a signal, by its successor, or because the store failed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::clock::{SharedClock, timeout};
use store::StoreError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::gateway::{Gateway, Settings};
use super::notify::{Stage, Supervisor};
use super::takeover::{ControlSocket, Handover};
use crate::exit::{Exit, Failure, Outcome};

/// For what is under way when a successor waits: it gives up after [`super::open::STORE_WAIT`], so we must be done
/// before. What is not is delivered by the successor.
const HANDOVER_DRAIN: Duration = Duration::from_secs(8);
/// On top of the drain: closing the store and the last log lines.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// For telling senders that their requests were not kept, once the disk has failed.
const FAILED_GRACE: Duration = Duration::from_secs(1);

/// The signals that a gateway obeys.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Stop,
    Reload,
}

impl Signals {
    pub fn new() -> Outcome<Self> {
        let listen = |kind| signal(kind).map_err(|error| Failure::general("signals", error.to_string()));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}

/// Why a gateway ends.
enum Ending {
    Stopped,
    HandedOver(Handover),
    StoreFailed(StoreError),
}

/// What is around a running gateway.
pub struct Surroundings {
    pub signals: Signals,
    pub supervisor: Supervisor,
    pub drain: Duration,
    /// Read again on SIGHUP; `None` where there is no file.
    pub config: Option<PathBuf>,
}

/// Runs until something ends it, and ends it in order.
pub async fn run(
    mut gateway: Gateway,
    control: Option<ControlSocket>,
    mut around: Surroundings,
    reload: &dyn Fn(&Path) -> Outcome<Settings>,
) -> Outcome {
    let ending = wait(&gateway, control.as_ref(), &mut around, reload).await;
    drop(control);
    around.supervisor.tell(Stage::Stopping);
    match ending {
        Ending::StoreFailed(error) => fail(gateway, error).await,
        Ending::Stopped => {
            gateway.close_sockets();
            tracing::info!(drain_s = around.drain.as_secs(), "stopping; a second signal ends at once");
            drain(gateway, around.drain, &mut around.signals).await
        }
        Ending::HandedOver(handover) => {
            tracing::info!(successor = handover.successor, "handing over");
            let drained = drain(gateway, around.drain.min(HANDOVER_DRAIN), &mut around.signals).await;
            handover.release().await;
            drained
        }
    }
}

async fn wait(
    gateway: &Gateway,
    control: Option<&ControlSocket>,
    around: &mut Surroundings,
    reload: &dyn Fn(&Path) -> Outcome<Settings>,
) -> Ending {
    let handed_over = async {
        match control {
            Some(control) => {
                control.handed_over(&gateway.listeners, gateway.engine.vault().key_id(), &*gateway.clock).await
            }
            None => std::future::pending().await,
        }
    };
    let mut handed_over = std::pin::pin!(handed_over);
    let mut changes = gateway.engine.changes();
    loop {
        let wish = tokio::select! {
            Ok(()) = changes.changed() => {
                if let Some(path) = &around.config {
                    gateway.follow(path, reload).await;
                }
                continue;
            }
            wish = around.signals.next() => wish,
            handover = &mut handed_over => return Ending::HandedOver(handover),
            error = gateway.engine.failed() => return Ending::StoreFailed(error),
        };
        match (wish, &around.config) {
            (Wish::Stop, _) => return Ending::Stopped,
            (Wish::Reload, None) => tracing::info!("there is no configuration file to read again"),
            (Wish::Reload, Some(path)) => gateway.reload(path, reload).await,
        }
    }
}

/// Accepts no more, answers what is in, finishes what is under way, closes the store.
async fn drain(mut gateway: Gateway, limit: Duration, signals: &mut Signals) -> Outcome {
    let clock = SharedClock::clone(&gateway.clock);
    let deadline = clock.monotonic() + limit;
    let work = async {
        let cut = gateway.stop_serving(limit).await;
        if cut > 0 {
            tracing::warn!(connections = cut, "connections were cut, because their time was up");
        }
        if !gateway.engine.stop(deadline.saturating_sub(clock.monotonic())).await {
            tracing::warn!("some deliveries were under way when their time was up; the next start sends them again");
        }
    };
    tokio::select! {
        done = timeout(&*clock, limit + CLOSING_TIME, work) => match done {
            Ok(()) => tracing::info!("stopped"),
            Err(_) => tracing::warn!("stopped, though not everything had ended"),
        },
        () = signals.stop() => {
            let message = "stopped at once by a second signal; what was under way is delivered after the next start";
            return Err(Failure::general("stopped_at_once", message));
        }
    }
    Ok(())
}

/// The disk failed: nothing more may be promised. Senders get their 503, and the next start recovers.
async fn fail(mut gateway: Gateway, error: StoreError) -> Outcome {
    let clock = SharedClock::clone(&gateway.clock);
    let _ = timeout(&*clock, FAILED_GRACE, gateway.stop_serving(FAILED_GRACE)).await;
    let hint = "What was acknowledged before is on disk. Look after the disk, then start again: it recovers by itself.";
    Err(Failure::new(Exit::Io, error.code(), error.to_string()).hint(hint))
}
