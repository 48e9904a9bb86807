//! Schemas: what the events of a type and the records of a stream look like, as it was learned, and what changed.

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use domain::shape::json_schema;
use domain::{EventId, SourceName, Timestamp};
use engine::access::Caller;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::shapes::{ShapeChange, ShapeHead, ShapeKey, ShapeOf, ShapeRow};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{NamedThree, Params};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SchemasQuery {
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What a schema is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The data of the events of a type.
    Event,
    /// The records of a stream.
    Stream,
}

impl FromStr for Of {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "event" => Ok(Self::Event),
            "stream" => Ok(Self::Stream),
            _ => Err("it is event or stream"),
        }
    }
}

impl From<Of> for ShapeOf {
    fn from(of: Of) -> Self {
        match of {
            Of::Event => Self::Event,
            Of::Stream => Self::Stream,
        }
    }
}

impl From<ShapeOf> for Of {
    fn from(of: ShapeOf) -> Self {
        match of {
            ShapeOf::Event => Self::Event,
            ShapeOf::Stream => Self::Stream,
        }
    }
}

/// What is known of a schema without the schema.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schema)]
pub struct SchemaView {
    source: String,
    of: Of,
    /// The type of the events, or the name of the stream.
    name: String,
    /// Begins at 1, and moves with each value that is other than all before.
    version: u32,
    /// Values that were looked at: the first ones, then a few a second.
    seen: u64,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
}

/// One thing that was new about a value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SchemaChange)]
pub struct ChangeView {
    version: u32,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// compatible, notable or breaking.
    severity: &'static str,
    /// Where: a JSON Pointer, with `*` for any item of a list and any key of a map.
    pointer: String,
    /// `field_added`, `field_back`, `field_optional`, `field_lost`, `kind_added`, `format_lost` or `value_added`.
    change: &'static str,
    /// The same in a sentence.
    summary: String,
    /// The event that showed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    event: Option<EventId>,
    /// The beginning of the new value, as JSON text.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(value_type = String)]
    example: Arc<str>,
}

/// A schema with its changes, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SchemaDetail)]
pub struct SchemaDetailView {
    #[serde(flatten)]
    schema_head: SchemaView,
    /// Enough was seen that something else is a change.
    learned: bool,
    /// The values have more places than are remembered.
    partial: bool,
    /// JSON Schema, draft 2020-12.
    #[schema(value_type = Object)]
    schema: Value,
    changes: Vec<ChangeView>,
}

impl From<ShapeHead> for SchemaView {
    fn from(head: ShapeHead) -> Self {
        Self {
            source: head.key.source.to_string(),
            of: head.key.of.into(),
            name: head.key.name.to_string(),
            version: head.version,
            seen: head.seen,
            first_at: head.first_at,
            last_at: head.last_at,
            changed_at: head.changed_at,
        }
    }
}

impl From<ShapeChange> for ChangeView {
    fn from(change: ShapeChange) -> Self {
        let ShapeChange { version, at, change, event, example } = change;
        Self {
            version,
            at,
            severity: change.what.severity().as_str(),
            summary: change.sentence(),
            change: change.what.code(),
            pointer: change.at,
            event,
            example,
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<SchemasQuery>,
) -> Answer<Listing<SchemaView>> {
    let mark = Mark::of("schemas", &caller.tenant, &query.source);
    let page = mark.page(query.limit, query.cursor.as_deref())?;
    let listed = app.store().shapes(caller.tenant, query.source, page).await;
    let listed = listed.map_err(|error| list_error(error, query.cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, SchemaView::from)))
}

/// What names a schema in a path.
type Place = NamedThree<SourceName, Of, String>;

fn key_of(caller: &Caller, NamedThree(source, of, name): Place) -> ShapeKey {
    ShapeKey { tenant: caller.tenant.clone(), source, of: of.into(), name: name.into() }
}

fn missing(key: &ShapeKey) -> Problem {
    Problem::not_found("schema", format!("{}/{}", key.source, key.name))
}

async fn find(app: &App, key: &ShapeKey) -> Result<ShapeRow, Problem> {
    let row = app.store().shape(key.clone()).await?;
    row.ok_or_else(|| missing(key))
}

pub async fn get(State(app): State<App>, caller: Caller, place: Place) -> Answer<SchemaDetailView> {
    let key = key_of(&caller, place);
    let row = find(&app, &key).await?;
    let changes = app.store().shape_changes(key).await?;
    Ok(Json(SchemaDetailView {
        learned: row.shape.is_trusted(),
        partial: row.shape.is_partial(),
        schema: json_schema(&row.shape, &row.head.key.name),
        schema_head: row.head.into(),
        changes: changes.into_iter().map(ChangeView::from).collect(),
    }))
}

/// The schema alone, as validators take it.
pub async fn export(State(app): State<App>, caller: Caller, place: Place) -> Result<Response, Problem> {
    let key = key_of(&caller, place);
    let row = find(&app, &key).await?;
    let schema = json_schema(&row.shape, &key.name);
    Ok(([(CONTENT_TYPE, "application/schema+json")], schema.to_string()).into_response())
}

pub async fn forget(State(app): State<App>, caller: Caller, place: Place) -> Result<StatusCode, Problem> {
    let key = key_of(&caller, place);
    if app.store().forget_shape(key.clone()).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&key)) }
}
