//! Nodes: the processes that share the store, and who is in charge of what.

use axum::Json;
use axum::extract::State;
use domain::{ChargeKind, Timestamp};
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
    /// Where it listens.
    address: String,
    version: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it last said that it lives, by the store's clock.
    #[schema(value_type = String, format = DateTime)]
    heartbeat_at: Timestamp,
    /// lives, leaving (it hands over what it has), waits (its configuration file is another one, which nobody has applied)
    /// or gone (its lease is over, and others take what it had).
    state: &'static str,
    /// Seconds until its lease is over.
    lease_seconds: f64,
    /// It is the one that answers.
    this: bool,
    /// It goes by the same file, and is configured as the one that answers is. Until all are, nothing changes hands.
    agrees: bool,
    /// The destinations of the key's tenant that it alone sends to.
    destinations: Vec<String>,
    /// The connections of the key's tenant that it alone polls, as source/connection.
    connections: Vec<String>,
    /// What it is in charge of, of all tenants.
    charges: ChargesView,
    /// Of the one that answers: whether it takes requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    /// Of the one that answers: deliveries in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<u64>,
    /// Of the one that answers: what it asked of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreView>,
}

/// How many of each kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargesView {
    destinations: usize,
    connections: usize,
    /// Replays that are under way.
    replays: usize,
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

impl NodeView {
    fn of(mut node: engine::nodes::NodeView) -> Self {
        let state = match (node.left.is_zero(), node.waits, node.leaving) {
            (true, ..) => "gone",
            (false, true, _) => "waits",
            (false, false, true) => "leaving",
            (false, false, false) => "lives",
        };
        let count = |kind| node.counts.get(&kind).copied().unwrap_or_default();
        let charges = ChargesView {
            destinations: count(ChargeKind::Destination),
            connections: count(ChargeKind::Connection),
            replays: count(ChargeKind::Replay),
        };
        Self {
            charges,
            destinations: node.charges.remove(&ChargeKind::Destination).unwrap_or_default(),
            connections: node.charges.remove(&ChargeKind::Connection).unwrap_or_default(),
            name: node.name,
            address: node.address,
            version: node.version,
            started_at: node.started_at,
            heartbeat_at: node.beat_at,
            state,
            lease_seconds: node.left.as_secs_f64(),
            this: node.is_this,
            agrees: node.agrees,
            ready: None,
            claimed: None,
            store: None,
        }
    }
}

pub async fn list(State(app): State<App>, caller: Caller) -> Answer<Listing<NodeView>> {
    let ready = crate::health::readiness(&app).await.ready;
    let stats = app.store().stats();
    let nodes = app.engine.nodes(&caller.tenant).await?;
    let mut data: Vec<NodeView> = nodes.into_iter().map(NodeView::of).collect();
    for own in data.iter_mut().filter(|node| node.this) {
        own.ready = Some(ready);
        own.claimed = Some(app.engine.topology().claimed());
        own.store = Some(StoreView {
            statements: stats.statements,
            commits: stats.commits,
            committed: stats.committed,
            bytes: stats.bytes,
            disk_free_bytes: stats.disk_free,
        });
    }
    Ok(Json(Listing { data, next: None, searched_until: None }))
}
