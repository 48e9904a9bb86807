//! The live list of events: from the store's order of acceptance, resumed exactly by the last id that was seen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event as Message;
use engine::clock::timeout;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use serde_json::json;
use store::read::{EventFilter, Page, Position};

use crate::desk::Desk;
use crate::extract::Query;
use crate::page::events::EventsQuery;
use crate::reply::Trouble;
use crate::session::Visitor;

/// Keeps proxies from closing a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
const BATCH: u32 = 100;
const SCAN: Duration = Duration::from_millis(50);

struct Live {
    desk: Desk,
    visitor: Visitor,
    filter: EventFilter,
    position: Position,
    accepted: engine::latest::Receiver<u64>,
}

type Messages = Vec<Result<Message, Infallible>>;

pub(crate) async fn stream(
    State(desk): State<Desk>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Trouble> {
    visitor.needs(engine::access::Scope::Read)?;
    let filter = query.filter()?;
    let accepted = desk.engine.accepted();
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let position = match seen.or(query.from.as_deref()) {
        Some(id) => Position(id.to_owned()),
        None => desk.store().tail_position(visitor.0.tenant.clone()).await?,
    };
    let live = Live { desk, visitor, filter, position, accepted };
    Ok(Sse::new(stream::unfold(live, Live::next).map(stream::iter).flatten()))
}

impl Live {
    async fn next(mut self) -> Option<(Messages, Self)> {
        self.accepted.mark_unchanged();
        let page = Page { limit: BATCH, after: Some(self.position.clone()), scan: SCAN };
        let tenant = self.visitor.0.tenant.clone();
        let stretch = self.desk.store().events_after(tenant, self.filter.clone(), page).await.ok()?;
        self.position = stretch.until;
        if stretch.events.is_empty() && !stretch.more {
            return self.wait().await;
        }
        let messages = stretch.events.iter().map(|(position, event)| {
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
            Ok(Message::default().event("event").id(position.0.clone()).data(data.to_string()))
        });
        Some((messages.collect(), self))
    }

    async fn wait(mut self) -> Option<(Messages, Self)> {
        let (clock, stopping) = (Arc::clone(self.desk.engine.clock()), self.desk.engine.stopping().clone());
        let woken = tokio::select! {
            () = stopping.cancelled() => return None,
            woken = timeout(clock.as_ref(), HEARTBEAT, self.accepted.changed()) => woken,
        };
        match woken {
            Ok(Ok(())) => Some((Vec::new(), self)),
            Ok(Err(_)) => None,
            Err(_) if !self.desk.access.still_valid(&self.visitor.0).await => None,
            Err(_) => Some((vec![Ok(Message::default().comment("heartbeat"))], self)),
        }
    }
}
