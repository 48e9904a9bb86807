//! The live tail: events as server-sent events, in the order of acceptance, resumed exactly from the store.
//!
//! Nothing is kept in memory for a tail but its position: a slow reader slows only itself, and any node can go on
//! where another one stopped.

mod stretch;

use axum::extract::State;
use axum::response::IntoResponse;
use domain::{ConnectionName, DestinationName, Event, Origin, RouteName, SourceName, Tenant, Timestamp};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use store::read::{EventFilter, Position};
use utoipa::{IntoParams, ToSchema};

use super::deliveries::DeliveryView;
use super::events::{EventView, PayloadView};
use crate::app::App;
use crate::cursor::{Mark, list_error};
use crate::extract::Params;
use crate::problem::Problem;
use engine::access::Caller;

pub(super) use stretch::{Telling, Told, begin};

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
    #[param(value_type = Option<String>)]
    origin: Option<Origin>,
    /// Only what this route owes its destination.
    #[param(value_type = Option<String>)]
    route: Option<RouteName>,
    /// Only what is owed to this destination.
    #[param(value_type = Option<String>)]
    destination: Option<DestinationName>,
    /// Each event with its payload.
    #[serde(default)]
    payload: bool,
    /// Each event with its deliveries, as they are when it is told.
    #[serde(default)]
    deliveries: bool,
    /// Begin with what was received since then, RFC 3339.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
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
    /// Where they were asked for, or a route or destination was.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<DeliveryView>>,
}

pub async fn stream(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<TailQuery>,
) -> Result<impl IntoResponse, Problem> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default().to_owned());
    let TailQuery { source, connection, event_type, subject, origin, since, .. } = query;
    let filter = EventFilter { source, connection, event_type, subject, origin, since, ..EventFilter::default() };
    let mark = mark(&caller.tenant);
    let at = match (header.or(query.after).filter(|id| !id.is_empty()), since) {
        (Some(id), _) => Begin::At(known_position(&app, &caller.tenant, mark, id).await?),
        (None, Some(since)) => Begin::Since(since),
        (None, None) => Begin::Now,
    };
    let TailQuery { payload, deliveries, route, destination, .. } = query;
    let telling = Telling::Events(Wanted { payload, deliveries, route, destination });
    begin(app, caller, filter, at, telling).await
}

/// A position is a place in the order of acceptance: it stays right when the filter changes.
pub(super) fn mark(tenant: &Tenant) -> Mark {
    Mark::of("tail", tenant, &())
}

/// A position that the store can read from, or a problem while it can still be told.
pub(super) async fn known_position(app: &App, tenant: &Tenant, mark: Mark, id: String) -> Result<Position, Problem> {
    let position = mark.open(&id)?;
    let known = engine::tail::known(app.store(), tenant, &position).await;
    known.map(|()| position).map_err(|error| list_error(error, Some(&id)))
}

/// Where a stream begins.
pub(super) enum Begin {
    Now,
    At(Position),
    /// With the first that was received since then.
    Since(Timestamp),
}

impl Begin {
    pub(super) async fn position(self, app: &App, tenant: &Tenant) -> Result<Position, Problem> {
        Ok(match self {
            Self::Now => app.store().tail_position(tenant.clone()).await?,
            Self::At(position) => position,
            Self::Since(since) => app.store().position_since(tenant.clone(), since).await?,
        })
    }
}

/// What the tail tells of each event.
pub(super) struct Wanted {
    payload: bool,
    deliveries: bool,
    route: Option<RouteName>,
    destination: Option<DestinationName>,
}

impl Wanted {
    /// The message's data, unless nothing is owed along the route and to the destination that are asked for.
    pub(super) async fn tell(&self, app: &App, event: &Event) -> Told {
        let Some(owed) = self.owed(app, event).await? else { return Ok(None) };
        let payload = if self.payload { PayloadView::of(&event.payload) } else { PayloadView::default() };
        let event = EventView::of(event, event.payload.len() as u64);
        let text = serde_json::to_string(&TailedEvent { event, payload, deliveries: owed });
        Ok(Some(text.expect("an event is always JSON")))
    }

    /// `None`: it is not wanted. The store is asked only if it has to be.
    async fn owed(&self, app: &App, event: &Event) -> Result<Option<Option<Vec<DeliveryView>>>, store::StoreError> {
        let selective = self.route.is_some() || self.destination.is_some();
        if !selective && !self.deliveries {
            return Ok(Some(None));
        }
        let found = app.store().event(event.tenant.clone(), event.id).await?;
        let mut owed = found.map(|found| found.deliveries).unwrap_or_default();
        owed.retain(|delivery| self.route.as_ref().is_none_or(|route| *route == delivery.route));
        owed.retain(|delivery| self.destination.as_ref().is_none_or(|name| *name == delivery.destination));
        let wanted = !selective || !owed.is_empty();
        Ok(wanted.then(|| Some(owed.into_iter().map(Into::into).collect())))
    }
}
