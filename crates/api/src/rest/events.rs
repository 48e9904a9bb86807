//! Events: list, one with its deliveries and sightings, and its exact bytes.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use domain::{ConnectionName, Event, EventId, Origin, RequestId, SourceName, Subject, Timestamp, Version};
use http::HeaderName;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::read::{EventDetail, EventFilter, EventRow, Sighting};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::deliveries::DeliveryView;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{Named, Params};
use crate::problem::Problem;
use engine::access::Caller;

/// Payloads up to this size are shown within JSON; larger ones only by `/payload`.
const INLINE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    /// Exact, or a prefix that ends with `*`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    subject: Option<String>,
    /// How it was learned: native, virtual, reconciled, backfill or published.
    #[param(value_type = Option<String>)]
    origin: Option<Origin>,
    /// Received at or after, RFC 3339.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Received before, RFC 3339.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Text that occurs in the payload, subject or type; case matters. A payload is compared as it came; where the text holds
    /// a slash, a quote or a letter beyond ASCII, its spellings in JSON are looked for as well (`\/`, `\"`, `\u00fc`).
    q: Option<String>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// An event without its payload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    #[schema(value_type = String, example = "evt_01h455vb4pex5vsknk084sn02q")]
    id: EventId,
    #[schema(value_type = String)]
    source: SourceName,
    #[schema(value_type = String)]
    connection: ConnectionName,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_type: Option<String>,
    #[schema(value_type = Option<String>)]
    subject: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    /// A time or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    version: Option<Version>,
    origin: &'static str,
    assurance: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    request: Option<RequestId>,
    content_type: String,
    payload_bytes: u64,
}

impl EventView {
    pub fn of(event: &Event, payload_bytes: u64) -> Self {
        Self {
            id: event.id,
            source: event.source.clone(),
            connection: event.connection.clone(),
            event_type: event.event_type.to_string(),
            native_type: event.native_type.as_deref().map(str::to_owned),
            subject: event.subject.clone(),
            action: event.action.map(domain::Action::as_str),
            version: event.version,
            origin: event.origin.as_str(),
            assurance: event.assurance.as_str(),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            request: event.request,
            content_type: event.content_type.to_string(),
            payload_bytes,
        }
    }

    fn of_row(row: EventRow) -> Self {
        Self::of(&row.event, row.payload_bytes)
    }
}

/// Bytes within JSON: as they are if they are JSON, else in base64. Many are left out.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct PayloadView {
    /// The payload, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// The payload, if it is anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    /// It is larger than 1 MiB and not shown here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    data_omitted: bool,
}

impl PayloadView {
    pub fn of(payload: &[u8]) -> Self {
        if payload.len() > INLINE_BYTES_MAX {
            return Self { data_omitted: true, ..Self::default() };
        }
        match serde_json::from_slice(payload) {
            Ok(data) => Self { data: Some(data), ..Self::default() },
            Err(_) => Self { data_base64: Some(BASE64.encode(payload)), ..Self::default() },
        }
    }
}

/// Later arrivals of the event by one path.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sighting)]
pub struct SightingView {
    path: String,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    count: u64,
}

impl From<Sighting> for SightingView {
    fn from(sighting: Sighting) -> Self {
        let Sighting { path, first_at, last_at, count } = sighting;
        Self { path, first_at, last_at, count }
    }
}

/// An event with its payload, deliveries and sightings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventDetail)]
pub struct EventDetailView {
    #[serde(flatten)]
    event: EventView,
    #[serde(flatten)]
    payload: PayloadView,
    sightings: Vec<SightingView>,
    deliveries: Vec<DeliveryView>,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<EventsQuery>,
) -> Answer<Listing<EventView>> {
    let EventsQuery { source, connection, event_type, subject, origin, since, until, q, limit, cursor } = query;
    let filter = EventFilter { source, connection, event_type, subject, origin, since, until, q };
    let mark = Mark::of("events", &caller.tenant, &filter);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().events(caller.tenant, filter, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, EventView::of_row)))
}

async fn find(app: &App, caller: Caller, id: EventId) -> Result<EventDetail, Problem> {
    app.store().event(caller.tenant, id).await?.ok_or_else(|| Problem::not_found("event", id))
}

pub async fn get(State(app): State<App>, caller: Caller, Named(id): Named<EventId>) -> Answer<EventDetailView> {
    let EventDetail { event, sightings, deliveries, .. } = find(&app, caller, id).await?;
    Ok(Json(EventDetailView {
        payload: PayloadView::of(&event.payload),
        event: EventView::of(&event, event.payload.len() as u64),
        sightings: sightings.into_iter().map(Into::into).collect(),
        deliveries: deliveries.into_iter().map(Into::into).collect(),
    }))
}

/// The sender's own content type, told apart from the one that a browser acts on.
const ORIGINAL_TYPE: HeaderName = HeaderName::from_static("trireme-content-type");

/// Strangers wrote these bytes: they are a file to keep, never a page to open.
pub async fn payload(State(app): State<App>, caller: Caller, Named(id): Named<EventId>) -> Result<Response, Problem> {
    let event = find(&app, caller, id).await?.event;
    let file = HeaderValue::try_from(format!("attachment; filename=\"{id}.bin\"")).expect("an id is plain text");
    let kind = HeaderValue::from_static("application/octet-stream");
    let mut response = ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, file)], event.payload.clone()).into_response();
    if let Ok(original) = HeaderValue::from_str(&event.content_type) {
        response.headers_mut().insert(ORIGINAL_TYPE, original);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_shown_as_json_only_if_they_are_json() {
        let table: &[(&[u8], &str)] = &[
            (br#"{"a": 1.0e0, "a": 2}"#, r#"{"data":{"a": 1.0e0, "a": 2}}"#),
            (b"not json", r#"{"data_base64":"bm90IGpzb24="}"#),
            (b"\xff\x00", r#"{"data_base64":"/wA="}"#),
            (b"", r#"{"data_base64":""}"#),
            (&vec![b'1'; INLINE_BYTES_MAX + 1], r#"{"data_omitted":true}"#),
        ];
        for (payload, expected) in table {
            assert_eq!(serde_json::to_string(&PayloadView::of(payload)).expect("JSON"), *expected);
        }
    }
}
