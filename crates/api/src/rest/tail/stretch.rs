//! One stream from the order of acceptance: stretch after stretch, a sign of life in between, until somebody hangs up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::Event as Message;
use domain::Event;
use engine::access::Caller;
use engine::clock::timeout;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use store::StoreError;
use store::read::{EventFilter, Page, Position, Stretch};
use tokio::sync::OwnedSemaphorePermit;

use super::{Begin, Wanted, mark};
use crate::app::App;
use crate::cursor::Mark;
use crate::problem::{Code, Problem};
use crate::rest::listeners::Hearing;

/// A comment this often keeps proxies from closing a silent stream, and tells us of readers that are gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the store is looked at for what other nodes accepted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_PER_HEARTBEAT: u64 = 15;
/// Events read from the store at once.
const BATCH: u32 = 100;
/// Time that one look for matching events may take: each of the few connections that read serves everybody.
const SCAN: Duration = Duration::from_millis(50);

/// The data of a message; `None`: nothing is told of this event.
pub(crate) type Told = Result<Option<String>, StoreError>;

/// Who is told, and what.
pub(crate) enum Telling {
    Events(Wanted),
    Listener(Hearing),
}

impl Telling {
    async fn tell(&self, app: &App, event: &Event) -> Told {
        match self {
            Self::Events(wanted) => wanted.tell(app, event).await,
            Self::Listener(hearing) => Ok(Some(hearing.tell(event))),
        }
    }

    /// Whether it is still theirs; asked before anything is told, and with every sign of life.
    async fn goes_on(&self, app: &App, caller: &Caller) -> bool {
        match self {
            Self::Events(_) => true,
            // Who cannot be sure hears nothing more: the reader comes back, and is told then what is wrong.
            Self::Listener(hearing) => hearing.goes_on(app, caller).await.unwrap_or(false),
        }
    }
}

struct Tail {
    app: App,
    caller: Caller,
    filter: EventFilter,
    mark: Mark,
    telling: Telling,
    position: Position,
    /// The position is beyond what the last `id` told.
    untold: bool,
    accepted: engine::latest::Receiver<u64>,
    /// How often the store was looked at since the last heartbeat, and before.
    looks: u64,
    _permit: OwnedSemaphorePermit,
}

pub(crate) async fn begin(
    app: App,
    caller: Caller,
    filter: EventFilter,
    at: Begin,
    telling: Telling,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let permit = Arc::clone(&app.tail_permits)
        .try_acquire_owned()
        .map_err(|_| Code::TooManyStreams.because("Close a live tail that is not needed, or wait for one to end."))?;
    // Subscribed before the position is read, so that nothing accepted in between is overlooked.
    let accepted = app.engine.accepted();
    let position = at.position(&app, &caller.tenant).await?;
    let mark = mark(&caller.tenant);
    let tail =
        Tail { app, caller, filter, mark, telling, position, untold: false, accepted, looks: 0, _permit: permit };
    Ok(Sse::new(stream::unfold(tail, Tail::next).map(stream::iter).flatten()))
}

type Messages = Vec<Result<Message, Infallible>>;

impl Tail {
    /// The next messages: what was accepted meanwhile, how far was looked, or a heartbeat. `None` ends the stream.
    async fn next(mut self) -> Option<(Messages, Self)> {
        self.accepted.mark_unchanged();
        let page = Page { limit: BATCH, after: Some(self.position.clone()), scan: SCAN };
        let read = self.app.store().events_after(self.caller.tenant.clone(), self.filter.clone(), page).await;
        let told = match read {
            Ok(stretch) if !stretch.events.is_empty() && !self.telling.goes_on(&self.app, &self.caller).await => {
                return None;
            }
            Ok(stretch) => self.tell(stretch).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(Some(messages)) => Some((messages, self)),
            Ok(None) => self.wait().await,
            Err(error) => {
                // The reader comes back with its position, and is told then what is wrong.
                tracing::debug!(code = error.code(), "a live tail ended");
                None
            }
        }
    }

    /// What a stretch holds, or how far it was looked through; `None`: there is nothing more for now.
    async fn tell(&mut self, stretch: Stretch) -> Result<Option<Messages>, StoreError> {
        let Stretch { events, until, more } = stretch;
        let mut messages: Messages = Vec::with_capacity(events.len());
        let mut told = &self.position;
        for (position, event) in &events {
            if let Some(data) = self.telling.tell(&self.app, event).await? {
                messages.push(Ok(self.message(position, &data)));
                told = position;
            }
        }
        self.untold = *told != until || (self.untold && messages.is_empty());
        self.position = until;
        if events.is_empty() && !more {
            return Ok(None);
        }
        if messages.is_empty() {
            messages.push(Ok(self.progress("searching")));
        }
        Ok(Some(messages))
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
            Err(_) => self.heartbeat().await,
        }
    }

    /// Looks at the store without being told to; now and then that counts as a heartbeat.
    async fn look(mut self) -> Option<(Messages, Self)> {
        self.looks += 1;
        if !self.looks.is_multiple_of(LOOKS_PER_HEARTBEAT) {
            return Some((Vec::new(), self));
        }
        self.heartbeat().await
    }

    /// A sign of life. A key that was revoked or has expired meanwhile sees nothing more.
    async fn heartbeat(mut self) -> Option<(Messages, Self)> {
        let valid = self.app.access.still_valid(&self.caller).await;
        if !valid || !self.telling.goes_on(&self.app, &self.caller).await {
            return None;
        }
        Some((vec![Ok(self.progress("heartbeat"))], self))
    }

    /// With an `id` if there is a newer position to go on from: a selective tail that is cut would otherwise look
    /// through all of it again.
    fn progress(&mut self, sign: &str) -> Message {
        let message = Message::default().comment(sign);
        if std::mem::take(&mut self.untold) { message.id(self.mark.seal(&self.position)) } else { message }
    }

    fn message(&self, position: &Position, data: &str) -> Message {
        // A JSON payload keeps its own line breaks: between tokens they mean nothing, but here they end a line.
        let text = data.replace(['\n', '\r'], " ");
        Message::default().event("event").id(self.mark.seal(position)).data(text)
    }
}
