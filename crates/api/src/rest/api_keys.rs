//! API keys: make one (shown this once), list them, revoke one.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{Tenant, Timestamp};
use engine::access::{Caller, IssueError, NewKey, Scope};
use engine::audit::Told;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::registry::ApiKey;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, Type};

use super::Answer;
use super::objects::ObjectsQuery;
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::{Json as Body, Named, Params};
use crate::idempotency::KeepInstead;
use crate::problem::{Code, Fault, Problem};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What the key may do: at least one scope. `admin` includes all others, `operate` includes `read`.
    #[schema(schema_with = scopes_schema)]
    scopes: Vec<Scope>,
    /// What it is for; up to 200 bytes in one line.
    #[serde(default)]
    note: String,
    /// From then on it opens nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Whose things it opens, if not the caller's own: only the owner of the gateway, who has a key of the tenant
    /// `default`, makes keys of others.
    #[schema(value_type = Option<String>)]
    tenant: Option<Tenant>,
}

/// A key, without the text that opens anything.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    id: String,
    #[schema(value_type = String)]
    tenant: Tenant,
    scopes: Vec<String>,
    note: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// To within half a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// By hand, because the engine knows nothing of OpenAPI.
fn scopes_schema() -> utoipa::openapi::Array {
    let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::ALL.map(Scope::as_str)));
    utoipa::openapi::Array::new(scope.build())
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            tenant: key.tenant,
            scopes: key.scopes,
            note: key.note,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A new key with its text, which is shown this once and kept nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedApiKey {
    /// The text to send as `Authorization: Bearer …`. `null` when the answer is repeated.
    key: Option<String>,
    #[serde(flatten)]
    view: ApiKeyView,
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        let wrong = match error {
            IssueError::Store(error) => return error.into(),
            IssueError::Invalid(wrong) => wrong,
        };
        let faults = wrong.into_iter().map(|wrong| Fault { field: wrong.field.to_owned(), detail: wrong.detail });
        Code::InvalidBody.because("The key cannot be made so; 'errors' says why.").with(faults.collect())
    }
}

/// Whose key it is to be. The owner of the gateway made the other tenants, so they begin with a key from there.
fn tenant_of(wanted: Option<Tenant>, caller: &Caller) -> Result<Tenant, Problem> {
    match wanted {
        Some(tenant) if tenant != caller.tenant && caller.tenant != Tenant::default_tenant() => {
            Err(Code::Forbidden.because("A key of this tenant makes keys of this tenant only; leave 'tenant' out."))
        }
        wanted => Ok(wanted.unwrap_or_else(|| caller.tenant.clone())),
    }
}

pub async fn create(State(app): State<App>, caller: Caller, Body(new): Body<NewApiKey>) -> Result<Response, Problem> {
    let tenant = tenant_of(new.tenant, &caller)?;
    let wanted = NewKey { tenant, scopes: new.scopes, note: new.note, expires_at: new.expires_at };
    let (text, key) = app.access.issue(app.engine.entropy().as_ref(), wanted).await?;
    let made = Told { object: Some(format!("key/{}", key.id)), detail: made(&key) };
    let view = ApiKeyView::from(key);
    let kept = CreatedApiKey { key: None, view: view.clone() };
    let told = CreatedApiKey { key: Some(text.text().expose().to_owned()), view };
    let mut response = (StatusCode::CREATED, Json(told)).into_response();
    response.extensions_mut().insert(KeepInstead::json(&kept));
    response.extensions_mut().insert(made);
    Ok(response)
}

/// What a key may do, and whose things.
fn made(key: &ApiKey) -> String {
    format!("{} for tenant {}", key.scopes.join(" "), key.tenant)
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ObjectsQuery>,
) -> Answer<Listing<ApiKeyView>> {
    let mark = Mark::of("api-keys", &caller.tenant, &());
    let keys = app.store().api_keys(Some(caller.tenant)).await?;
    let views = keys.into_iter().map(|key| (key.id.to_string(), key.into())).collect();
    page_by_name(mark, views, query.limit, query.cursor.as_deref()).map(Json)
}

pub async fn revoke(State(app): State<App>, caller: Caller, Named(id): Named<String>) -> Result<StatusCode, Problem> {
    let known = app.access.revoke(&caller.tenant, &id).await?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("API key", id)) }
}
