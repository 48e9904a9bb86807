//! What a model says of a failure, beside what our rules say. Only on a person's wish: it may cost money.

use axum::extract::State;
use domain::explain::Diagnosis;
use domain::{DeliveryId, RequestId};
use engine::access::Scope;
use engine::explain::{Explained, ModelError};
use maud::{Markup, html};

use crate::desk::Desk;
use crate::extract::Path;
use crate::part::explain::{guess, why};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

/// Where the model is asked about a delivery, for who may; `None` where there is none.
pub(crate) fn place(desk: &Desk, visitor: &Visitor, noun: &str, id: &dyn std::fmt::Display) -> Option<String> {
    (desk.model.is_some() && visitor.may(Scope::Operate)).then(|| format!("/{noun}/{id}/ask"))
}

pub(crate) async fn delivery(State(desk): State<Desk>, visitor: Visitor, Path(id): Path<DeliveryId>) -> Answer {
    visitor.needs(Scope::Operate)?;
    let detail = desk.store().delivery(visitor.tenant().clone(), id).await?;
    let event = detail.ok_or_else(|| Trouble::not_found("delivery"))?.row.event;
    let explained = desk.engine.explain_delivery(visitor.tenant().clone(), id).await?;
    let back = crumbs(&format!("/events/{event}"), "Its event");
    answered(&desk, &visitor, "/events", &back, "Why this delivery failed", explained).await
}

pub(crate) async fn request(State(desk): State<Desk>, visitor: Visitor, Path(id): Path<RequestId>) -> Answer {
    visitor.needs(Scope::Operate)?;
    let explained = desk.engine.explain_request(visitor.tenant().clone(), id).await?;
    let back = crumbs(&format!("/requests/{id}"), "The request");
    answered(&desk, &visitor, "/requests", &back, "Why this request was not accepted", explained).await
}

async fn answered(
    desk: &Desk,
    visitor: &Visitor,
    place: &str,
    back: &Markup,
    title: &str,
    explained: Explained,
) -> Answer {
    let Some(model) = desk.model.as_ref().filter(|_| !explained.context.is_empty()) else {
        return Err(Trouble::wrong(ModelError::None.to_string()));
    };
    let said = match model.ask(&desk.engine, &explained.context).await {
        Ok(answer) => guess(model.name(), &answer),
        Err(error) => html! { p.note { "No answer: " (error) } },
    };
    Ok(page(visitor, place, title, &content(back, title, &explained.diagnoses, &said)))
}

fn content(back: &Markup, title: &str, diagnoses: &[Diagnosis], said: &Markup) -> Markup {
    html! {
        (back)
        h1 { (title) }
        section.card { h2 { "What our rules say" }
            @if diagnoses.is_empty() { p.dim { "They know nothing about this." } }
            (why(diagnoses, None))
        }
        (said)
    }
}
