//! A source's connections, asked live: whether their credentials work, their streams, and records as they are now.

use axum::Json;
use axum::extract::State;
use domain::{ConnectionName, SourceName};
use engine::access::Caller;
use engine::upstream::Account;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::extract::{NamedPair, NamedThree, Params};
use crate::problem::Problem;

/// Records of a read that names no limit.
const RECORDS_DEFAULT: usize = 10;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RecordsQuery {
    /// 1 to 1,000; default 10.
    limit: Option<usize>,
}

/// Whether a connection works.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionCheck)]
pub struct CheckView {
    works: bool,
    /// Why not, as the source or the connector says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// The streams of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Streams)]
pub struct StreamsView {
    /// As catalogues of such connectors list them: name, JSON Schema, sync modes, primary key and cursor.
    #[schema(value_type = Vec<serde_json::Value>)]
    data: Vec<serde_json::Value>,
}

/// Records of a stream, read just now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Records)]
pub struct RecordsView {
    #[schema(value_type = Vec<serde_json::Value>)]
    data: Vec<serde_json::Value>,
    /// The stream has more than these, or was not read to its end.
    more: bool,
}

fn account(caller: Caller, source: SourceName, connection: ConnectionName) -> Account {
    Account { tenant: caller.tenant, source, connection }
}

pub async fn check(
    State(app): State<App>,
    caller: Caller,
    NamedPair(source, connection): NamedPair<SourceName, ConnectionName>,
) -> Answer<CheckView> {
    let checked = app.engine.check_connection(&account(caller, source, connection)).await?;
    Ok(Json(CheckView { works: checked.works, why: checked.why }))
}

pub async fn streams(
    State(app): State<App>,
    caller: Caller,
    NamedPair(source, connection): NamedPair<SourceName, ConnectionName>,
) -> Answer<StreamsView> {
    let offers = app.engine.connection_streams(&account(caller, source, connection)).await?;
    Ok(Json(StreamsView { data: offers.iter().map(engine::reading::Offer::json).collect() }))
}

pub async fn records(
    State(app): State<App>,
    caller: Caller,
    NamedThree(source, connection, stream): NamedThree<SourceName, ConnectionName, String>,
    Params(query): Params<RecordsQuery>,
) -> Answer<RecordsView> {
    let limit = query.limit.unwrap_or(RECORDS_DEFAULT);
    if !(1..=engine::upstream::RECORDS_MAX).contains(&limit) {
        return Err(Problem::parameter("limit", "must be a whole number from 1 to 1000".to_owned()));
    }
    let read = app.engine.read_records(&account(caller, source, connection), &stream, limit).await?;
    Ok(Json(RecordsView { data: read.records, more: read.more }))
}
