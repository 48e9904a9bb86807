//! The live list of events: from the store's order of acceptance, resumed exactly by the last id that was seen.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::Event as Message;
use axum::response::{IntoResponse, Sse};
use domain::Event;
use engine::tail::{Step, Tail, UNBUFFERED};
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use serde_json::json;
use store::read::Position;

use crate::desk::Desk;
use crate::extract::Query;
use crate::page::events::EventsQuery;
use crate::reply::Trouble;
use crate::session::Visitor;

type Messages = Vec<Result<Message, Infallible>>;

pub(crate) async fn stream(
    State(desk): State<Desk>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<impl IntoResponse, Trouble> {
    visitor.needs(engine::access::Scope::Read)?;
    let filter = query.filter()?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let position = match seen.or(query.from.as_deref()) {
        Some(id) => {
            let position = Position(id.to_owned());
            // Told now: a browser comes back again and again to a stream that only ends.
            engine::tail::known(desk.store(), visitor.tenant(), &position).await?;
            position
        }
        None => desk.store().tail_position(visitor.tenant().clone()).await?,
    };
    let tail = Tail::new(&desk.engine, &desk.access, visitor.0, filter, position);
    Ok((UNBUFFERED, Sse::new(stream::unfold(tail, next).map(stream::iter).flatten())))
}

/// The next messages: what was accepted meanwhile, how far was looked, or a heartbeat. `None` ends the stream.
async fn next(mut tail: Tail) -> Option<(Messages, Tail)> {
    let messages = match tail.next().await {
        Ok(Some(Step::Stretch(stretch))) if stretch.events.is_empty() => vec![Ok(progress(&mut tail, "searching"))],
        Ok(Some(Step::Stretch(stretch))) => {
            stretch.events.iter().for_each(|(position, _)| tail.tell(position));
            stretch.events.iter().map(|(position, event)| Ok(message(position, event))).collect()
        }
        Ok(Some(Step::Sign)) => vec![Ok(progress(&mut tail, "heartbeat"))],
        Ok(None) => return None,
        Err(error) => {
            // The browser comes back with its position, and is told then what is wrong.
            tracing::debug!(code = error.code(), "a live list ended");
            return None;
        }
    };
    Some((messages, tail))
}

/// With an `id` if there is a newer position to go on from. It has data, because without that a browser keeps the id to
/// itself, and the script could not begin another stream there.
fn progress(tail: &mut Tail, sign: &str) -> Message {
    let message = Message::default().event("sign").data(sign);
    match tail.untold() {
        Some(Position(position)) => message.id(position),
        None => message,
    }
}

fn message(position: &Position, event: &Event) -> Message {
    let data = json!({
        "id": event.id,
        "received_at": event.received_at,
        "type": &*event.event_type,
        "source": event.source,
        "connection": event.connection,
        "subject": event.subject,
        "origin": event.origin.as_str(),
        "assurance": event.assurance.as_str(),
        "size": crate::part::tag::bytes(event.payload.len() as u64),
        "assurance_tone": crate::part::tag::tone(event.assurance).class(),
    });
    Message::default().event("event").id(position.0.clone()).data(data.to_string())
}
