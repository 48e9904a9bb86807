//! One stream of messages from the order of acceptance: what `engine::tail` reads, as it is told here.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::Event as Message;
use axum::response::{IntoResponse, Sse};
use domain::Event;
use engine::access::Caller;
use engine::tail::{Step, Tail, UNBUFFERED};
use futures_util::stream::{self, StreamExt};
use store::StoreError;
use store::read::{EventFilter, Position, Stretch};
use tokio::sync::OwnedSemaphorePermit;

use super::{Begin, Wanted, mark};
use crate::app::App;
use crate::cursor::Mark;
use crate::problem::{Code, Problem};
use crate::rest::listeners::Hearing;

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

struct Reader {
    app: App,
    tail: Tail,
    mark: Mark,
    telling: Telling,
    _permit: OwnedSemaphorePermit,
}

pub(crate) async fn begin(
    app: App,
    caller: Caller,
    filter: EventFilter,
    at: Begin,
    telling: Telling,
) -> Result<impl IntoResponse, Problem> {
    let permit = Arc::clone(&app.tail_permits)
        .try_acquire_owned()
        .map_err(|_| Code::TooManyStreams.because("Close a live tail that is not needed, or wait for one to end."))?;
    let position = at.position(&app, &caller.tenant).await?;
    let mark = mark(&caller.tenant);
    let tail = Tail::new(&app.engine, &app.access, caller, filter, position);
    let reader = Reader { app, tail, mark, telling, _permit: permit };
    Ok((UNBUFFERED, Sse::new(stream::unfold(reader, Reader::next).map(stream::iter).flatten())))
}

type Messages = Vec<Result<Message, Infallible>>;

impl Reader {
    async fn next(mut self) -> Option<(Messages, Self)> {
        match self.messages().await {
            Ok(messages) => messages.map(|messages| (messages, self)),
            Err(error) => {
                // The reader comes back with its position, and is told then what is wrong.
                tracing::debug!(code = error.code(), "a live tail ended");
                None
            }
        }
    }

    /// What was accepted meanwhile, how far was looked, or a heartbeat. `None` ends the stream.
    async fn messages(&mut self) -> Result<Option<Messages>, StoreError> {
        let Some(step) = self.tail.next().await? else { return Ok(None) };
        let is_searching = matches!(&step, Step::Stretch(stretch) if stretch.events.is_empty());
        if !is_searching && !self.telling.goes_on(&self.app, self.tail.caller()).await {
            return Ok(None);
        }
        match step {
            Step::Stretch(stretch) => self.tell(stretch).await.map(Some),
            Step::Sign => Ok(Some(vec![Ok(self.progress("heartbeat"))])),
        }
    }

    /// What a stretch holds, or how far it was looked through.
    async fn tell(&mut self, stretch: Stretch) -> Result<Messages, StoreError> {
        let mut messages: Messages = Vec::with_capacity(stretch.events.len());
        for (position, event) in &stretch.events {
            if let Some(data) = self.telling.tell(&self.app, event).await? {
                messages.push(Ok(self.message(position, &data)));
                self.tail.tell(position);
            }
        }
        if messages.is_empty() {
            messages.push(Ok(self.progress("searching")));
        }
        Ok(messages)
    }

    /// With an `id` if there is a newer position to go on from.
    fn progress(&mut self, sign: &str) -> Message {
        let message = Message::default().comment(sign);
        match self.tail.untold() {
            Some(position) => message.id(self.mark.seal(&position)),
            None => message,
        }
    }

    fn message(&self, position: &Position, data: &str) -> Message {
        // A JSON payload keeps its own line breaks: between tokens they mean nothing, but here they end a line.
        let text = data.replace(['\n', '\r'], " ");
        Message::default().event("event").id(self.mark.seal(position)).data(text)
    }
}
