//! Explain: why a delivery failed or a request was rejected, by our rules; and, for whoever asks it, by a model.

use axum::Json;
use axum::extract::State;
use domain::explain::Diagnosis;
use domain::{DeliveryId, RequestId};
use engine::access::Caller;
use engine::explain::{Explained, ModelError};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::app::App;
use crate::extract::Named;

/// What the rules say, the surest first. Empty: nothing is wrong, or nothing is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationView {
    diagnoses: Vec<DiagnosisView>,
    /// A model is configured: POST asks it.
    model_available: bool,
    /// What the model says, where it was asked. It is a guess of its own and no rule of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Diagnosis)]
pub struct DiagnosisView {
    /// Stable name of the rule.
    rule: &'static str,
    /// certain, likely or possible.
    certainty: &'static str,
    cause: String,
    /// What to do now.
    next: String,
}

/// The answer of a model, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelAnswer)]
pub struct ModelView {
    /// As it is configured.
    name: String,
    /// A text, whatever it looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ModelProblemView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelProblem)]
pub struct ModelProblemView {
    code: &'static str,
    detail: String,
}

impl From<Diagnosis> for DiagnosisView {
    fn from(diagnosis: Diagnosis) -> Self {
        let Diagnosis { rule, certainty, cause, next } = diagnosis;
        Self { rule, certainty: certainty.as_str(), cause, next }
    }
}

impl ModelView {
    fn of(name: &str, answer: Result<String, ModelError>) -> Self {
        let (answer, problem) = match answer {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(ModelProblemView { code: error.code(), detail: error.to_string() })),
        };
        Self { name: name.to_owned(), answer, problem }
    }
}

fn view(app: &App, explained: Explained, model: Option<ModelView>) -> Json<ExplanationView> {
    let diagnoses = explained.diagnoses.into_iter().map(Into::into).collect();
    Json(ExplanationView { diagnoses, model_available: app.settings.model.is_some(), model })
}

/// Rules are free; a question to a model may cost its owner money.
async fn with_model(app: &App, explained: Explained) -> Json<ExplanationView> {
    let answer = match &app.settings.model {
        _ if explained.context.is_empty() => None,
        Some(model) => Some((model.name(), model.ask(&app.engine, &explained.context).await)),
        None => Some(("", Err(ModelError::None))),
    };
    let model = answer.map(|(name, answer)| ModelView::of(name, answer));
    view(app, explained, model)
}

pub async fn delivery(State(app): State<App>, caller: Caller, Named(id): Named<DeliveryId>) -> Answer<ExplanationView> {
    let explained = app.engine.explain_delivery(caller.tenant, id).await?;
    Ok(view(&app, explained, None))
}

pub async fn delivery_by_model(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<DeliveryId>,
) -> Answer<ExplanationView> {
    let explained = app.engine.explain_delivery(caller.tenant, id).await?;
    Ok(with_model(&app, explained).await)
}

pub async fn request(State(app): State<App>, caller: Caller, Named(id): Named<RequestId>) -> Answer<ExplanationView> {
    let explained = app.engine.explain_request(caller.tenant, id).await?;
    Ok(view(&app, explained, None))
}

pub async fn request_by_model(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<RequestId>,
) -> Answer<ExplanationView> {
    let explained = app.engine.explain_request(caller.tenant, id).await?;
    Ok(with_model(&app, explained).await)
}
