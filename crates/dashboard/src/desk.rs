//! What every page is given, and every address there is.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use domain::Timestamp;
use engine::Engine;
use engine::access::Access;
use store::Store;

use crate::page::{alerts, deliveries, event, events, login, now};
use crate::{asset, live, reply, session};

/// Cheap to clone; everything within is shared.
#[derive(Clone)]
pub struct Desk {
    pub engine: Engine,
    pub access: Arc<Access>,
    /// What senders call, without a slash at its end; `None`: as the browser calls this page.
    pub public_url: Option<String>,
    /// People reach the pages by HTTPS alone, so cookies may say that they want nothing else.
    pub https: bool,
}

impl Desk {
    pub(crate) fn store(&self) -> &dyn Store {
        self.engine.store().as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }
}

/// Every page. What changes something is a POST of a form, and only from a page of ours.
pub fn router(desk: Desk) -> Router {
    let known = Router::new()
        .route("/now", get(now::show))
        .route("/events", get(events::show))
        .route("/events/live", get(live::stream))
        .route("/events/{id}", get(event::show))
        .route("/events/{id}/replay", post(event::replay))
        .route("/deliveries/{id}/retry", post(deliveries::retry))
        .route("/deliveries/{id}/cancel", post(deliveries::cancel))
        .route("/alerts", get(alerts::show))
        .route("/alerts/{id}/resolve", post(alerts::resolve))
        .layer(from_fn_with_state(desk.clone(), session::known_only));
    let open = Router::new()
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/assets/{name}", get(asset::serve));
    known.merge(open).layer(from_fn(session::own_forms_only)).layer(from_fn(reply::secure)).with_state(desk)
}
