//! Sources: what is listened to, and where their senders send.

use axum::Json;
use axum::extract::State;
use domain::{SourceName, Tenant};
use engine::topology::Source;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Answer;
use super::objects::{ObjectsQuery, managed_by};
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::{Named, Params};
use crate::problem::Problem;
use engine::access::Caller;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub struct SourceView {
    #[schema(value_type = String)]
    name: SourceName,
    /// file or api: what the file defines is changed there.
    managed_by: &'static str,
    /// Where its sender sends, if it takes webhooks; a connection's name may follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Names of the routes that leave it.
    routes: Vec<String>,
    /// As its owner wrote it; secrets are never shown.
    #[schema(value_type = Object)]
    definition: Value,
}

impl SourceView {
    fn of(app: &App, source: &Source) -> Self {
        let spec = &source.spec;
        let mut routes: Vec<_> = source.routes.iter().map(|route| route.spec.name.to_string()).collect();
        routes.sort_unstable();
        Self {
            name: spec.name.clone(),
            managed_by: managed_by(spec.managed_by),
            url: source.listener.as_ref().map(|_| ingest_url(app, &spec.tenant, &spec.name)),
            routes,
            definition: source.shown(),
        }
    }
}

/// The address to give to a sender; without `public_url` only its path is known.
fn ingest_url(app: &App, tenant: &Tenant, source: &SourceName) -> String {
    let base = app.settings.public_url.as_ref().map_or("", |url| url.as_str().trim_end_matches('/'));
    if *tenant == Tenant::default_tenant() {
        format!("{base}/in/{source}")
    } else {
        format!("{base}/t/{tenant}/in/{source}")
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ObjectsQuery>,
) -> Answer<Listing<SourceView>> {
    let topology = app.engine.topology();
    let own = topology.sources().filter(|source| source.spec.tenant == caller.tenant);
    let views = own.map(|source| (source.spec.name.to_string(), SourceView::of(&app, source))).collect();
    let mark = Mark::of("sources", &caller.tenant, &());
    page_by_name(mark, views, query.limit, query.cursor.as_deref()).map(Json)
}

pub async fn get(State(app): State<App>, caller: Caller, Named(name): Named<SourceName>) -> Answer<SourceView> {
    let topology = app.engine.topology();
    let source = topology.source(caller.tenant.as_str(), name.as_str());
    source.map(|source| Json(SourceView::of(&app, source))).ok_or_else(|| Problem::not_found("source", name))
}
