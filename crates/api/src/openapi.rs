//! OpenAPI 3.1, made from the route table: what is served is what is documented.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, Info, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref,
    Required, Response, ResponseBuilder, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{Code, Problem, ProblemBody};
use crate::route::{Documented, Gives, Route};
use crate::router::table;

const BEARER: &str = "api_key";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let routes = table();
    let paths = routes.iter().fold(PathsBuilder::new(), |paths, route| {
        paths.path(route.path, PathItem::new(http_method(&route.method), operation(route)))
    });
    OpenApiBuilder::new().info(info()).paths(paths).components(Some(components(&routes))).build()
}

fn info() -> Info {
    let mut info = Info::new("Trireme", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Every API as one reliable stream of events. Errors are RFC 9457 problems with a stable `code`; each code has \
         a page under /docs/errors."
            .to_owned(),
    );
    info
}

fn components(routes: &[Route]) -> Components {
    let mut named = Vec::new();
    routes.iter().flat_map(Route::documented).for_each(|documented| (documented.collect)(&mut named));
    ProblemBody::schemas(&mut named);
    let mut schemas: BTreeMap<_, _> = named.into_iter().collect();
    schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, `trk_…`. The first one is printed on the first start."))
        .build();
    ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme(BEARER, SecurityScheme::Http(bearer)).build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route) -> Operation {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .operation_id(Some(operation_id(route)))
        .tag(tag(route.path))
        .response(route.status.as_str(), success(route));
    for name in route.path_parameters() {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(text())));
    }
    for parameter in route.parameters.map(|parameters| parameters()).unwrap_or_default() {
        operation = operation.parameter(parameter);
    }
    if route.once {
        let about = "The same key with the same body gets the first answer again, for a day.";
        let parameter = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header);
        operation = operation.parameter(parameter.description(Some(about)).schema(Some(text())));
    }
    if let Some(body) = route.body {
        let body = RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", schema(body));
        operation = operation.request_body(Some(body.build()));
    }
    for (status, response) in problems(route) {
        operation = operation.response(status.as_str(), response);
    }
    if let Some(scope) = route.needs {
        operation = operation
            .security(SecurityRequirement::new(BEARER, [scope.as_str()]))
            .description(Some(format!("Needs a key with the scope `{}`.", scope.as_str())));
    }
    operation.build()
}

fn schema(documented: Documented) -> Content {
    Content::new(Some(Ref::from_schema_name((documented.name)())))
}

fn success(route: &Route) -> Response {
    let response = ResponseBuilder::new().description(route.summary);
    match route.gives {
        Gives::Nothing => response.build(),
        Gives::Bytes(content_type) => {
            response.content(content_type, Content::new(Some(ObjectBuilder::new().schema_type(Type::String)))).build()
        }
        Gives::Json(given) => response.content("application/json", schema(given)).build(),
        Gives::Events(given) => response.content("text/event-stream", schema(given)).build(),
    }
}

/// The codes that a route may answer, those of its kind included, by status.
fn problems(route: &Route) -> BTreeMap<StatusCode, Response> {
    let mut by_status: BTreeMap<StatusCode, Vec<&'static str>> = BTreeMap::new();
    for code in codes(route) {
        by_status.entry(code.status()).or_default().push(code.as_str());
    }
    let response = |codes: Vec<&str>| {
        let told: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
        let body = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
        ResponseBuilder::new().description(told.join(", ")).content("application/problem+json", body).build()
    };
    by_status.into_iter().map(|(status, codes)| (status, response(codes))).collect()
}

fn codes(route: &Route) -> Vec<Code> {
    let mut codes = route.codes.clone();
    if route.path_parameters().next().is_some() && !route.ingest {
        codes.extend([Code::InvalidParameter, Code::NotFound]);
    }
    if route.needs.is_some() {
        codes.extend([Code::Unauthorized, Code::Forbidden, Code::HostNotAllowed]);
        codes.extend([Code::Overloaded, Code::StoreUnavailable, Code::StoreDiskFull, Code::ShuttingDown]);
    }
    codes.into_iter().collect()
}

/// `GET /api/v1/events/{id}/payload` is `get_events_payload`.
fn operation_id(route: &Route) -> String {
    let words = route.path.split('/').filter(|part| !part.is_empty() && !["api", "v1"].contains(part));
    let words = words
        .chain((route.path == "/").then_some("front_page"))
        .map(|part| part.trim_matches(['{', '}']).replace(['-', '.'], "_"));
    std::iter::once(route.method.as_str().to_ascii_lowercase()).chain(words).collect::<Vec<_>>().join("_")
}

/// Routes are grouped by their noun.
fn tag(path: &'static str) -> &'static str {
    let noun = path.strip_prefix("/api/v1/").map(|rest| rest.split('/').next().unwrap_or(rest));
    match noun {
        Some(noun) => noun,
        None if path.contains("/in/") => "ingest",
        None => "gateway",
    }
}

/// `GET /openapi.json`; made once, because it never changes within a process.
pub async fn openapi_json() -> Result<impl IntoResponse, Problem> {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document().to_json().unwrap_or_default().into());
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], TEXT.clone()))
}
