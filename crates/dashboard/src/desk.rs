//! What every page is given, and every address there is.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use domain::{SourceName, Tenant, Timestamp};
use engine::Engine;
use engine::access::Access;
use engine::access::Scope::{Admin, Operate};
use engine::explain::Model;
use http::header::HOST;
use http::request::Parts;
use store::Store;

use crate::page::{
    alerts, ask, audit, dead_letters, deliveries, destination, destinations, endpoint, event, events, keys, login, now,
    request, requests, route, routes, runs, schemas, source, sources, tryout,
};
use crate::written::Forms;
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
    /// What may be asked about a failure beside our own rules.
    pub model: Option<Arc<Model>>,
}

impl Desk {
    pub(crate) fn store(&self) -> &dyn Store {
        self.engine.store().as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }
}

/// How this gateway is called, without a slash at its end: as its owner says, else as this page was called.
pub(crate) struct Base(String);

impl Base {
    /// Where the sender of a source sends.
    pub(crate) fn ingest(&self, tenant: &Tenant, source: &SourceName) -> String {
        let Self(base) = self;
        if *tenant == Tenant::default_tenant() {
            return format!("{base}/in/{source}");
        }
        format!("{base}/t/{tenant}/in/{source}")
    }
}

impl FromRequestParts<Desk> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Infallible> {
        if let Some(url) = &desk.public_url {
            return Ok(Self(url.clone()));
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Ok(Self(format!("{}://{host}", if desk.https { "https" } else { "http" })))
    }
}

/// Every page. What changes something is a POST of a form, only from a page of ours, and is written down.
pub fn router(desk: Desk) -> Router {
    let forms = Forms(&desk);
    let known = Router::new()
        .route("/now", get(now::show))
        .route("/events", get(events::show))
        .route("/events/live", get(live::stream))
        .route("/events/{id}", get(event::show))
        .route("/events/{id}/payload", get(event::payload_file))
        .route("/events/{id}/replay", forms.act("replay.create", "event/{id}", Operate, event::replay))
        .route("/deliveries/{id}/retry", forms.act("delivery.retry", "delivery/{id}", Operate, deliveries::retry))
        .route("/deliveries/{id}/cancel", forms.act("delivery.cancel", "delivery/{id}", Operate, deliveries::cancel))
        .route("/deliveries/{id}/ask", forms.act("delivery.explain", "delivery/{id}", Operate, ask::delivery))
        .route("/sources", get(sources::list))
        .route("/sources/{name}", get(source::show))
        .route("/sources/{name}/check", forms.act("connection.check", "source/{name}", Operate, source::check))
        .route("/sources/{name}/poll", forms.act("stream.poll", "source/{name}", Operate, source::poll))
        .route("/sources/{name}/reconcile", forms.act("stream.reconcile", "source/{name}", Operate, source::reconcile))
        .route("/runs/{id}", get(runs::show))
        .route("/endpoints", forms.act("endpoint.create", "endpoint", Admin, endpoint::make))
        .route("/endpoints/{name}", get(endpoint::show))
        .route("/endpoints/{name}/reply", forms.act("endpoint.reply", "source/{name}", Admin, endpoint::set_reply))
        .route("/endpoints/{name}/sender", forms.act("endpoint.sender", "source/{name}", Admin, endpoint::choose))
        .route("/endpoints/{name}/remove", forms.act("endpoint.remove", "source/{name}", Admin, endpoint::remove))
        .route("/routes", get(routes::list).merge(forms.act("route.put", "route", Admin, tryout::save)))
        .route("/routes/{name}", get(route::show))
        .route("/try", get(tryout::show).merge(forms.ask(tryout::again)))
        .route("/destinations", get(destinations::list))
        .route("/destinations/{name}", get(destination::show))
        .route(
            "/destinations/{name}/pause",
            forms.act("destination.pause", "destination/{name}", Operate, destination::pause),
        )
        .route(
            "/destinations/{name}/disable",
            forms.act("destination.disable", "destination/{name}", Operate, destination::disable),
        )
        .route(
            "/destinations/{name}/resume",
            forms.act("destination.resume", "destination/{name}", Operate, destination::resume),
        )
        .route("/dead-letters", get(dead_letters::show))
        .route("/dead-letters/plan", get(dead_letters::plan))
        .route("/dead-letters/retry", forms.act("dead_letters.retry", "deliveries", Operate, dead_letters::retry))
        .route("/requests", get(requests::show))
        .route("/requests/reverify", forms.act("requests.reverify", "requests", Operate, requests::reverify))
        .route("/requests/{id}", get(request::show))
        .route("/schemas", get(schemas::list))
        .route("/schemas/show", get(schemas::show))
        .route("/schemas/schema.json", get(schemas::export))
        .route("/schemas/forget", forms.act("schema.forget", "schema", Operate, schemas::forget))
        .route("/requests/{id}/reverify", forms.act("request.reverify", "request/{id}", Operate, request::reverify))
        .route("/requests/{id}/ask", forms.act("request.explain", "request/{id}", Operate, ask::request))
        .route("/alerts", get(alerts::show))
        .route("/alerts/{id}/acknowledge", forms.act("alert.acknowledge", "alert/{id}", Operate, alerts::acknowledge))
        .route(
            "/alerts/channels/{name}/test",
            forms.act("alert_channel.test", "alert_channel/{name}", Operate, alerts::test),
        )
        .route("/alerts/{id}/resolve", forms.act("alert.resolve", "alert/{id}", Operate, alerts::resolve))
        .route("/keys", get(keys::list).merge(forms.act("key.create", "key", Admin, keys::make)))
        .route("/keys/{id}/revoke", forms.act("key.revoke", "key/{id}", Admin, keys::revoke))
        .route("/audit", get(audit::show))
        .route("/audit/export", forms.act("audit.export", "audit", Admin, audit::export))
        .layer(from_fn_with_state(desk.clone(), session::known_only));
    let open = Router::new()
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/assets/{name}", get(asset::serve));
    known.merge(open).layer(from_fn(session::own_forms_only)).layer(from_fn(reply::secure)).with_state(desk)
}
