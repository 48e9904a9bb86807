//! The live tail: events as server-sent events, in the order of acceptance, resumed exactly from the store.
//!
//! Nothing is kept in memory for a tail but its position: a slow reader slows only itself, and any node can go on
//! where another one stopped.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event as Message;
use domain::{ConnectionName, Event, SourceName};
use engine::clock::timeout;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use store::read::{EventFilter, Page, Position, Stretch};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::{IntoParams, ToSchema};

use super::events::{EventView, PayloadView};
use crate::app::App;
use crate::cursor::{Mark, list_error};
use crate::extract::Params;
use crate::problem::{Code, Problem};
use engine::access::Caller;

/// A comment this often keeps proxies from closing a silent stream, and tells us of readers that are gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the store is looked at for what other nodes accepted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_PER_HEARTBEAT: u64 = 15;
/// Events read from the store at once.
const BATCH: u32 = 100;
/// Time that one look for matching events may take: each of the few connections that read serves everybody.
const SCAN: Duration = Duration::from_millis(50);

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TailQuery {
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    /// Exact, or a prefix that ends with `*`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    subject: Option<String>,
    /// Each event with its payload.
    #[serde(default)]
    payload: bool,
    /// Where to go on: the `id` of the last message seen. The header `Last-Event-ID` takes precedence.
    after: Option<String>,
}

/// The `data` of one message.
#[derive(Debug, Serialize, ToSchema)]
pub struct TailedEvent {
    #[serde(flatten)]
    event: EventView,
    #[serde(flatten)]
    payload: PayloadView,
}

struct Tail {
    app: App,
    caller: Caller,
    filter: EventFilter,
    mark: Mark,
    with_payload: bool,
    position: Position,
    /// The position is beyond what the last `id` told.
    untold: bool,
    accepted: watch::Receiver<u64>,
    /// How often the store was looked at since the last heartbeat, and before.
    looks: u64,
    _permit: OwnedSemaphorePermit,
}

pub async fn stream(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<TailQuery>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let permit = Arc::clone(&app.tail_permits)
        .try_acquire_owned()
        .map_err(|_| Code::TooManyStreams.because("Close a live tail that is not needed, or wait for one to end."))?;
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default().to_owned());
    let TailQuery { source, connection, event_type, subject, payload, after } = query;
    let filter = EventFilter { source, connection, event_type, subject, ..EventFilter::default() };
    // A position is a place in the order of acceptance: it stays right when the filter changes.
    let mark = Mark::of("tail", &caller.tenant, &());
    // Subscribed before the position is read, so that nothing accepted in between is overlooked.
    let accepted = app.engine.accepted();
    let position = match header.or(after).filter(|id| !id.is_empty()) {
        Some(id) => known_position(&app, &caller, mark, id).await?,
        None => app.store().tail_position(caller.tenant.clone()).await?,
    };
    let tail = Tail {
        app,
        caller,
        filter,
        mark,
        with_payload: payload,
        position,
        untold: false,
        accepted,
        looks: 0,
        _permit: permit,
    };
    Ok(Sse::new(stream::unfold(tail, Tail::next).map(stream::iter).flatten()))
}

/// A position that the store can read from, or a problem while it can still be told.
async fn known_position(app: &App, caller: &Caller, mark: Mark, id: String) -> Result<Position, Problem> {
    let position = mark.open(&id)?;
    let page = Page { limit: 1, after: Some(position.clone()), scan: Duration::ZERO };
    let read = app.store().events_after(caller.tenant.clone(), EventFilter::default(), page).await;
    read.map(|_| position).map_err(|error| list_error(error, Some(&id)))
}

type Messages = Vec<Result<Message, Infallible>>;

impl Tail {
    /// The next messages: what was accepted meanwhile, how far was looked, or a heartbeat. `None` ends the stream.
    async fn next(mut self) -> Option<(Messages, Self)> {
        self.accepted.mark_unchanged();
        let page = Page { limit: BATCH, after: Some(self.position.clone()), scan: SCAN };
        let read = self.app.store().events_after(self.caller.tenant.clone(), self.filter.clone(), page).await;
        let Stretch { events, until, more } = match read {
            Ok(stretch) => stretch,
            Err(error) => {
                // The reader comes back with its position, and is told then what is wrong.
                tracing::debug!(code = error.code(), "a live tail ended");
                return None;
            }
        };
        let told = events.last().map_or(&self.position, |(position, _)| position);
        self.untold = *told != until || (self.untold && events.is_empty());
        self.position = until;
        if events.is_empty() && !more {
            return self.wait().await;
        }
        let mut messages: Messages = events.iter().map(|(position, event)| Ok(self.message(position, event))).collect();
        if messages.is_empty() {
            messages.push(Ok(self.progress("searching")));
        }
        Some((messages, self))
    }

    async fn wait(mut self) -> Option<(Messages, Self)> {
        let clock = Arc::clone(self.app.engine.clock());
        let stopping = self.app.engine.stopping().clone();
        let woken = tokio::select! {
            () = stopping.cancelled() => return None,
            woken = timeout(clock.as_ref(), HEARTBEAT, self.accepted.changed()) => woken,
            // What other nodes accept is found by looking.
            () = clock.sleep(LOOK_EVERY), if self.app.store().is_shared() => return self.look().await,
        };
        match woken {
            Ok(Ok(())) => Some((Vec::new(), self)),
            Ok(Err(_)) => None,
            // A key that was revoked or has expired meanwhile sees nothing more.
            Err(_) if !self.app.access.still_valid(&self.caller).await => None,
            Err(_) => Some((vec![Ok(self.progress("heartbeat"))], self)),
        }
    }

    /// Looks at the store without being told to; now and then that counts as a heartbeat.
    async fn look(mut self) -> Option<(Messages, Self)> {
        self.looks += 1;
        if !self.looks.is_multiple_of(LOOKS_PER_HEARTBEAT) {
            return Some((Vec::new(), self));
        }
        if !self.app.access.still_valid(&self.caller).await {
            return None;
        }
        Some((vec![Ok(self.progress("heartbeat"))], self))
    }

    /// A sign of life; with an `id` if there is a newer position to go on from: a selective tail that is cut would
    /// otherwise look through all of it again.
    fn progress(&mut self, sign: &str) -> Message {
        let message = Message::default().comment(sign);
        if std::mem::take(&mut self.untold) { message.id(self.mark.seal(&self.position)) } else { message }
    }

    fn message(&self, position: &Position, event: &Event) -> Message {
        let payload = if self.with_payload { PayloadView::of(&event.payload) } else { PayloadView::default() };
        let data = TailedEvent { event: EventView::of(event, event.payload.len() as u64), payload };
        let text = serde_json::to_string(&data).expect("an event is always JSON");
        // A JSON payload keeps its own line breaks: between tokens they mean nothing, but here they end a line.
        let text = text.replace(['\n', '\r'], " ");
        Message::default().event("event").id(self.mark.seal(position)).data(text)
    }
}
