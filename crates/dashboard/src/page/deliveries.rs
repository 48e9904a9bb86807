//! What a person asks of one delivery: another try, or none any more.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::DeliveryId;
use engine::access::Scope;
use store::people::Wish;

use crate::desk::Desk;
use crate::extract::Path;
use crate::reply::Trouble;
use crate::session::Visitor;

pub(crate) async fn retry(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<DeliveryId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let wishes = desk.engine.retry(visitor.0.tenant.clone(), vec![id]).await?;
    back(&desk, &visitor, id, &wishes, "Only a dead or cancelled delivery can be tried again", "again").await
}

pub(crate) async fn cancel(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<DeliveryId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let wishes = desk.engine.cancel(visitor.0.tenant.clone(), vec![id]).await?;
    back(&desk, &visitor, id, &wishes, "Only an open delivery can be cancelled", "cancelled").await
}

/// To the page of its event, where its state is seen.
async fn back(
    desk: &Desk,
    visitor: &Visitor,
    id: DeliveryId,
    wishes: &[Wish],
    rule: &str,
    done: &str,
) -> Result<Response, Trouble> {
    if let Some(Wish::Refused(state)) = wishes.first() {
        return Err(Trouble::wrong(format!("{rule}; this one is {}.", state.as_str())));
    }
    let detail = desk.store().delivery(visitor.0.tenant.clone(), id).await?;
    let detail = detail.ok_or_else(|| Trouble::not_found("delivery"))?;
    Ok(Redirect::to(&format!("/events/{}?done={done}", detail.row.event)).into_response())
}
