//! The audit log: who did what, listed and exported.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::Timestamp;
use domain::audit::{Entry, Outcome};
use engine::access::Caller;
use engine::audit::Reader;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::audit::AuditFilter;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::Params;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// A kind of caller (key, session, cli, file, system, unknown), or the id of a key.
    who: Option<String>,
    /// As `destination.pause`; with `*` at its end, all that begin so.
    action: Option<String>,
    /// As `destination/app`; with `*` at its end, all that begin so.
    object: Option<String>,
    /// begun (and never ended), done, failed or refused.
    #[param(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// At or after.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One thing that somebody did, or was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryView {
    /// The node whose chain it is in, and its number there: from 1, without gaps.
    #[schema(value_type = String)]
    node: Arc<str>,
    sequence: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// key, session (of the dashboard), cli, file, system or unknown.
    who: &'static str,
    /// Id of the key, or digest of the file.
    #[schema(value_type = String)]
    who_id: Arc<str>,
    /// The address it came from.
    #[schema(value_type = String)]
    from: Arc<str>,
    /// A stable code.
    #[schema(value_type = String)]
    action: Arc<str>,
    #[schema(value_type = String)]
    object: Arc<str>,
    detail: String,
    /// done, failed, refused, or begun where nothing is known of its end.
    outcome: &'static str,
    /// The number of the entry that said that it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    /// SHA-256 over all of it and the digest before.
    digest: String,
}

impl From<Entry> for AuditEntryView {
    fn from(entry: Entry) -> Self {
        let note = entry.note;
        Self {
            node: entry.node,
            sequence: entry.sequence,
            at: note.at,
            who: note.who.kind.as_str(),
            who_id: note.who.id,
            from: note.from,
            action: note.action,
            object: note.object,
            detail: note.detail,
            outcome: note.outcome.as_str(),
            began: note.began,
            digest: HEXLOWER.encode(&entry.digest.0),
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<AuditQuery>,
) -> Answer<Listing<AuditEntryView>> {
    let AuditQuery { who, action, object, outcome, since, until, limit, cursor } = query;
    let filter = AuditFilter { who, action, object, outcome, since, until };
    let mark = Mark::of("audit", &caller.tenant, &filter);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().audit(caller.tenant, filter, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, AuditEntryView::from)))
}

/// The whole log, read as it is sent. If the store fails on the way it ends without its last line.
pub async fn export(State(app): State<App>, caller: Caller) -> Response {
    let lines = stream::try_unfold(app.engine.audit().export(&caller.tenant), next_lines);
    let headers =
        [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_DISPOSITION, "attachment; filename=\"trireme-audit.jsonl\"")];
    (headers, Body::from_stream(lines)).into_response()
}

async fn next_lines(mut reader: Reader) -> Result<Option<(Bytes, Reader)>, StoreError> {
    let text = reader.next_text().await?;
    Ok(text.map(|text| (text.into(), reader)))
}
