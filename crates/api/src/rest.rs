//! The REST routes, one file per noun. A handler reads or asks the engine for one use case; it decides nothing.

pub mod alerts;
pub mod api_keys;
pub mod audit;
pub mod budgets;
pub mod calls;
pub mod deliveries;
pub mod destinations;
pub mod events;
pub mod explain;
pub mod handshakes;
pub mod listeners;
pub mod nodes;
pub mod objects;
pub mod pairing;
pub mod providers;
pub mod publish;
pub mod replays;
pub mod requests;
pub mod routes;
pub mod runs;
pub mod schemas;
pub mod sources;
pub mod streams;
pub mod subscriptions;
pub mod tail;
pub mod trial;
pub mod upstream;

use axum::Json;

use crate::problem::Problem;

/// What most handlers give.
pub type Answer<T> = Result<Json<T>, Problem>;
