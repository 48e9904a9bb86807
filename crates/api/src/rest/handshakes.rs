//! Addresses that senders ask to be opened before they send, for a person to approve or refuse.

use axum::Json;
use axum::extract::State;
use domain::request::masked_url;
use domain::{HandshakeId, SourceName, Timestamp};
use engine::handshakes::Proposal;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::app::App;
use crate::cursor::Listing;
use crate::extract::{Named, NamedPair};
use engine::access::Caller;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Handshake)]
pub struct HandshakeView {
    #[schema(value_type = String, example = "hsk_01h455vb4pex5vsknk084sn02q")]
    id: HandshakeId,
    /// What would be opened; what counts as a credential in it is left out.
    url: String,
    /// waiting, approved, opened, failed or refused.
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    proposed_at: Timestamp,
    /// The address that asked for it.
    from: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
    /// What came of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl From<Proposal> for HandshakeView {
    fn from(proposal: Proposal) -> Self {
        Self {
            id: proposal.id,
            url: masked_url(&proposal.url).into_owned(),
            state: proposal.state.as_str(),
            proposed_at: proposal.proposed_at,
            from: proposal.from,
            settled_at: proposal.settled_at,
            detail: proposal.detail,
        }
    }
}

/// All of them: a source keeps few.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<SourceName>,
) -> Answer<Listing<HandshakeView>> {
    let proposals = app.engine.proposals(&caller.tenant, &name).await?;
    let data = proposals.into_iter().map(HandshakeView::from).collect();
    Ok(Json(Listing { data, next: None, searched_until: None }))
}

pub async fn approve(
    State(app): State<App>,
    caller: Caller,
    NamedPair(name, id): NamedPair<SourceName, HandshakeId>,
) -> Answer<HandshakeView> {
    Ok(Json(app.engine.approve_proposal(&caller.tenant, &name, id).await?.into()))
}

pub async fn refuse(
    State(app): State<App>,
    caller: Caller,
    NamedPair(name, id): NamedPair<SourceName, HandshakeId>,
) -> Answer<HandshakeView> {
    Ok(Json(app.engine.refuse_proposal(&caller.tenant, &name, id).await?.into()))
}
