//! Where wishes and hints about streams go: the schedule hears them. Knows no state of its own.

use std::sync::Arc;

use domain::Tenant;
use domain::run::{Run, StreamKey};
use store::StoreError;
use tokio::sync::{mpsc, oneshot};

use super::under_way::{RunPlace, UnderWay};
use super::view::Shown;
use super::{Order, Wish};
use crate::engine::EngineError;

pub(crate) enum Message {
    Order(Order),
    /// Something changed in it; whether the event itself said what.
    Hint(StreamKey, bool),
    /// Another node tells so.
    Heard(StreamKey),
    View(Tenant, oneshot::Sender<Overview>),
    Noted(oneshot::Sender<u64>),
}

/// Every stream of a tenant, and how often what polls came to had been written down by then.
#[derive(Default)]
pub(crate) struct Overview {
    pub streams: Vec<Shown>,
    pub noted: u64,
}

/// Where wishes go.
#[derive(Clone)]
pub struct StreamsHandle {
    inbox: mpsc::UnboundedSender<Message>,
    pub(crate) under_way: Arc<UnderWay>,
}

impl StreamsHandle {
    pub(crate) fn new() -> (Self, super::Orders) {
        let (inbox, orders) = mpsc::unbounded_channel();
        (Self { inbox, under_way: Arc::default() }, orders)
    }

    /// Has a stream read now; gives the run that was begun. It goes on by itself.
    pub async fn order(&self, key: StreamKey, wish: Wish) -> Result<Run, EngineError> {
        let (answer, begun) = oneshot::channel();
        let closed = || EngineError::Store(StoreError::Closed);
        self.inbox.send(Message::Order(Order { key, wish, answer })).map_err(|_| closed())?;
        begun.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Something changed in a stream: it is read at once, if it is polled. While its polls rest, only if the event did
    /// not say what changed.
    pub fn hint(&self, key: StreamKey, says_what: bool) {
        // Nobody listens only while the engine stops.
        let _ = self.inbox.send(Message::Hint(key, says_what));
    }

    /// The same, as another node tells it.
    pub(crate) fn heard(&self, key: StreamKey) {
        let _ = self.inbox.send(Message::Heard(key));
    }

    pub(crate) async fn shown(&self, tenant: Tenant) -> Overview {
        let (answer, shown) = oneshot::channel();
        let _ = self.inbox.send(Message::View(tenant, answer));
        shown.await.unwrap_or_default()
    }

    /// Where the run of a stream is that goes on, if this node reads it and somebody asked for it.
    #[must_use]
    pub fn place(&self, key: &StreamKey) -> Option<RunPlace> {
        self.under_way.at(key)
    }

    /// How often what polls came to has been written down.
    pub(crate) async fn noted(&self) -> u64 {
        let (answer, noted) = oneshot::channel();
        let _ = self.inbox.send(Message::Noted(answer));
        noted.await.unwrap_or_default()
    }
}
