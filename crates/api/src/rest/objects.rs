//! What sources, destinations and routes have in common: they are created, replaced and removed by their
//! definitions, which are read by the engine exactly as the file's are.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::audit::Told;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::registry::{ManagedBy, ObjectKind};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Json as Body, Named};
use crate::problem::{Code, Fault, Problem};
use engine::access::Caller;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ObjectsQuery {
    /// 1 to 500; default 50.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// The definition of a source, destination or route, with the fields that the configuration file has for it. When
/// one is created its `name` stands beside them.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = Object)]
pub struct Definition(pub Map<String, Value>);

/// Where an object was put.
#[derive(Debug, Serialize, ToSchema)]
pub struct PutObject {
    name: String,
}

/// Who owns an object: the configuration file or the API.
pub fn managed_by(by: ManagedBy) -> &'static str {
    match by {
        ManagedBy::File => "file",
        ManagedBy::Api => "api",
    }
}

/// A kind of object as the API names it.
pub trait Kind {
    const KIND: ObjectKind;
    /// The name of one whose definition has none, if it can be told from the rest of it.
    fn default_name(_definition: &Map<String, Value>) -> Option<String> {
        None
    }
}

pub struct Sources;
pub struct Destinations;
pub struct Routes;

impl Kind for Sources {
    const KIND: ObjectKind = ObjectKind::Source;
}

impl Kind for Destinations {
    const KIND: ObjectKind = ObjectKind::Destination;
}

impl Kind for Routes {
    const KIND: ObjectKind = ObjectKind::Route;

    fn default_name(definition: &Map<String, Value>) -> Option<String> {
        let part = |key| definition.get(key).and_then(Value::as_str);
        Some(format!("{}-{}", part("from")?, part("to")?))
    }
}

pub async fn create<K: Kind>(
    State(app): State<App>,
    caller: Caller,
    Body(Definition(mut definition)): Body<Definition>,
) -> Result<Response, Problem> {
    let name = match definition.remove("name") {
        Some(Value::String(name)) => name,
        Some(_) => return Err(nameless("'name' must be a text.")),
        None => K::default_name(&definition).ok_or_else(|| nameless("Give it a 'name'."))?,
    };
    app.engine.put_object(K::KIND, caller.tenant, &name, definition.into(), true).await?;
    let location = format!("/api/v1/{}s/{name}", K::KIND.as_str());
    let object = Told { object: Some(format!("{}/{name}", K::KIND.as_str())), ..Told::default() };
    let mut response = (StatusCode::CREATED, Extension(object), Json(PutObject { name })).into_response();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn nameless(detail: &'static str) -> Problem {
    Code::InvalidBody.because(detail).with(vec![Fault { field: "name".into(), detail: detail.into() }])
}

pub async fn put<K: Kind>(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Body(Definition(definition)): Body<Definition>,
) -> Result<Json<PutObject>, Problem> {
    app.engine.put_object(K::KIND, caller.tenant, &name, definition.into(), false).await?;
    Ok(Json(PutObject { name }))
}

pub async fn remove<K: Kind>(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    app.engine.remove_object(K::KIND, caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
