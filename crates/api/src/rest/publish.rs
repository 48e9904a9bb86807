//! Publishing events of one's own: `POST /api/v1/events`.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use domain::event::LABEL_BYTES_MAX;
use domain::{EventId, SourceName};
use engine::publish::Publication;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::Json as Body;
use crate::idempotency;
use crate::problem::{Code, Fault, Problem};
use engine::access::Caller;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// A source with `publish: true`.
    #[schema(value_type = String)]
    source: SourceName,
    /// 1 to 256 bytes, such as `order.created`.
    #[serde(rename = "type")]
    event_type: String,
    /// What it is about, as `object/id`.
    subject: Option<String>,
    /// Any JSON; passed on byte for byte.
    #[schema(value_type = serde_json::Value)]
    data: Box<RawValue>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedEvent {
    #[schema(value_type = String)]
    id: EventId,
    /// The same Idempotency-Key came before: this is the event it made.
    duplicate: bool,
}

/// What is wrong with types and subjects as somebody gave them.
pub(super) fn wrong_labels<const N: usize>(labels: [(&'static str, Option<&String>); N]) -> Vec<Fault> {
    let wrong = |text: &str| text.is_empty() || text.len() > LABEL_BYTES_MAX || text.chars().any(char::is_control);
    labels
        .into_iter()
        .filter(|(_, text)| text.is_some_and(|text| wrong(text)))
        .map(|(field, _)| Fault {
            field: field.to_owned(),
            detail: format!("use 1 to {LABEL_BYTES_MAX} bytes without control characters"),
        })
        .collect()
}

pub async fn publish(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(new): Body<NewEvent>,
) -> Result<(StatusCode, Json<PublishedEvent>), Problem> {
    let faults = wrong_labels([("type", Some(&new.event_type)), ("subject", new.subject.as_ref())]);
    if !faults.is_empty() {
        return Err(Code::InvalidBody.because("The type or subject is not valid; 'errors' says why.").with(faults));
    }
    let publication = Publication {
        tenant: caller.tenant,
        source: new.source,
        event_type: new.event_type,
        subject: new.subject,
        data: Bytes::from(Box::<str>::from(new.data).into_string()),
        idempotency_key: idempotency::key_of(&headers)?.map(str::to_owned),
    };
    let published = app.engine.publish(publication).await?;
    let status = if published.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(PublishedEvent { id: published.id, duplicate: published.duplicate })))
}
