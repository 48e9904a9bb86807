//! The HTTP face: the router on one page, ingest, REST, OpenAPI, auth.
//!
//! It decides nothing about events: it turns HTTP into calls of the engine and answers back into HTTP.

pub mod app;
mod auth;
mod cursor;
mod extract;
mod guard;
mod health;
mod idempotency;
pub mod ingest;
pub mod openapi;
mod peer;
pub mod problem;
mod rest;
mod route;
mod router;
pub mod server;
pub mod telemetry;
mod written;

pub use app::{App, Limits, START_PAGE, Settings};
pub use engine::access::{FirstKey, FirstKeyError, FirstKeyPlan, ensure_first_key};
pub use router::{ingest_router, router};
pub use server::{Listeners, serve};

#[cfg(test)]
mod tests;
