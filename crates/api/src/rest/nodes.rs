//! Nodes: the processes that share the store. There is one.

use axum::Json;
use axum::extract::State;
use domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::app::App;
use crate::cursor::Listing;
use engine::access::Caller;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub struct NodeView {
    name: String,
    version: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    ready: bool,
    /// Deliveries in memory.
    claimed: u64,
    store: StoreView,
}

/// Figures of the store since the start.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreView {
    statements: u64,
    commits: u64,
    /// Pieces of work committed: with `commits` it tells the size of a group.
    committed: u64,
    bytes: u64,
    disk_free_bytes: Option<u64>,
}

pub async fn list(State(app): State<App>, _: Caller) -> Answer<Listing<NodeView>> {
    let stats = app.store().stats();
    let node = NodeView {
        name: app.settings.node.clone(),
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at,
        ready: crate::health::readiness(&app).await.ready,
        claimed: app.engine.topology().claimed(),
        store: StoreView {
            statements: stats.statements,
            commits: stats.commits,
            committed: stats.committed,
            bytes: stats.bytes,
            disk_free_bytes: stats.disk_free,
        },
    };
    Ok(Json(Listing { data: vec![node], next: None, searched_until: None }))
}
