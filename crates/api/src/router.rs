//! The whole HTTP face on one page: every route, who may call it, and what lies around all of them.

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use http::{Method, StatusCode, Uri};

use crate::app::App;
use crate::auth::authorize;
use crate::cursor::Listing;
use crate::ingest::Target;
use crate::peer::{Peer, host_of};
use crate::problem::{Code, Problem};
use crate::rest::objects::{Definition, Destinations, ObjectsQuery, PutObject, Routes, Sources, create, put, remove};
use crate::rest::{
    alerts, api_keys, audit, budgets, calls, deliveries, destinations, events, explain, handshakes, listeners, nodes,
    pairing, providers, publish, replays, requests, routes, runs, schemas, sources, streams, subscriptions, tail,
    trial, upstream,
};
use crate::route::Route;
use crate::written::{know_address, written_down};
use crate::{health, idempotency, ingest, openapi, telemetry};
use engine::access::Scope::{Admin, IngestPublish, Operate, Read};

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const ACCEPTED: StatusCode = StatusCode::ACCEPTED;

/// Every route. Whoever adds one says here which scope it needs (without `needs` it is open to all), and by which name
/// it is written down in the audit log.
#[rustfmt::skip]
pub(crate) fn table() -> Vec<Route> {
    vec![
        Route::ingest("/in/{source}", "Take in a webhook", ingest_routed).gives::<ingest::IngestedEvents>(OK),
        Route::ingest("/in/{source}/{connection}", "Take in a webhook of one account", ingest_routed).gives::<ingest::IngestedEvents>(OK),
        Route::ingest("/t/{tenant}/in/{source}", "Take in a webhook of another tenant", ingest_routed).gives::<ingest::IngestedEvents>(OK),
        Route::ingest("/t/{tenant}/in/{source}/{connection}", "Take in a webhook of another tenant's account", ingest_routed).gives::<ingest::IngestedEvents>(OK),

        Route::get("/healthz", "Whether the process lives", health::alive).gives_bytes("text/plain"),
        Route::get("/readyz", "Whether requests are taken now; 503 if not", health::ready).gives::<health::Readiness>(OK),
        Route::get("/metrics", "Figures for Prometheus", health::metrics).gives_bytes("text/plain"),
        Route::get("/openapi.json", "This document", openapi::openapi_json).gives_bytes("application/json"),
        Route::get("/schemas/provider.json", "The JSON Schema of a provider's recipe, for editors", health::provider_schema).gives_bytes("application/schema+json"),
        Route::get("/docs/errors/{code}", "What an error code means and what to do", health::error_page).gives_bytes("text/markdown"),
        Route::get("/", "Where to go from here", health::front_page).gives_bytes("text/plain"),

        Route::get("/api/v1/events", "List events, newest first", events::list)
            .needs(Read).pages::<events::EventsQuery>().gives::<Listing<events::EventView>>(OK),
        Route::post("/api/v1/events", "Publish an event; 200 if its Idempotency-Key came before", publish::publish)
            .needs(IngestPublish).audited_refusals("event.publish", "event").takes::<publish::NewEvent>().gives::<publish::PublishedEvent>(CREATED).large_body()
            .may(&[Code::IdempotencyKeyReused, Code::NotFound, Code::SourceNotPublished, Code::InvalidParameter]),
        Route::get("/api/v1/events/stream", "Follow events as they are accepted", tail::stream)
            .needs(Read).pages::<tail::TailQuery>().gives_events::<tail::TailedEvent>().may(&[Code::TooManyStreams]),
        Route::get("/api/v1/events/{id}", "One event with its payload, deliveries and sightings", events::get)
            .needs(Read).gives::<events::EventDetailView>(OK),
        Route::get("/api/v1/events/{id}/payload", "The exact bytes of an event", events::payload)
            .needs(Read).gives_bytes("application/octet-stream"),

        Route::get("/api/v1/listeners", "List the places that programs listen from", listeners::list)
            .needs(Read).gives::<Listing<listeners::ListenerView>>(OK),
        Route::get("/api/v1/listeners/{name}", "Where a listener stands", listeners::get)
            .needs(Read).gives::<listeners::ListenerView>(OK),
        Route::put("/api/v1/listeners/{name}", "Make a listener, or take one over where it stands", listeners::open)
            .needs(Operate).audited("listener.open", "listener/{name}").takes::<listeners::OpenListener>().gives::<listeners::ListenerView>(OK).may(&[Code::NotFound, Code::TooManyListeners]),
        Route::delete("/api/v1/listeners/{name}", "Forget a listener", listeners::forget)
            .needs(Operate).audited("listener.forget", "listener/{name}"),
        Route::get("/api/v1/listeners/{name}/stream", "Hear what a listener has not handled, and what comes", listeners::stream)
            .needs(Operate).query::<listeners::HearQuery>().gives_events::<listeners::HeardEvent>().may(&[Code::ListenerTaken, Code::TooManyStreams]),
        Route::post("/api/v1/listeners/{name}/handled", "Say what was handled: it is not heard again", listeners::handled)
            .needs(Operate).audited_refusals("listener.handled", "listener/{name}").takes::<listeners::Handled>().gives::<listeners::Moved>(OK).may(&[Code::InvalidCursor, Code::ListenerTaken]),

        Route::get("/api/v1/deliveries", "List deliveries, newest first", deliveries::list)
            .needs(Read).pages::<deliveries::DeliveriesQuery>().gives::<Listing<deliveries::DeliveryView>>(OK),
        Route::get("/api/v1/deliveries/{id}", "One delivery with all its attempts", deliveries::get)
            .needs(Read).gives::<deliveries::DeliveryDetailView>(OK),
        Route::post("/api/v1/deliveries/{id}/retry", "Try a dead or cancelled delivery again from the start", deliveries::retry)
            .needs(Operate).audited("delivery.retry", "delivery/{id}").gives::<deliveries::DeliveryView>(OK).may(&[Code::StateRefused]),
        Route::post("/api/v1/deliveries/{id}/cancel", "Cancel an open delivery; of a dead one that its lane stands still for, let the next go", deliveries::cancel)
            .needs(Operate).audited("delivery.cancel", "delivery/{id}").gives::<deliveries::DeliveryView>(OK).may(&[Code::StateRefused]),
        Route::get("/api/v1/deliveries/{id}/explain", "Why a delivery is not delivered, by our rules", explain::delivery)
            .needs(Read).gives::<explain::ExplanationView>(OK),
        Route::post("/api/v1/deliveries/{id}/explain", "The same, and what the configured model says of it", explain::delivery_by_model)
            .needs(Operate).audited("delivery.explain", "delivery/{id}").gives::<explain::ExplanationView>(OK),
        Route::get("/api/v1/dead-letters", "List deliveries whose tries are used up", deliveries::dead_letters)
            .needs(Read).pages::<deliveries::DeliveriesQuery>().gives::<Listing<deliveries::DeliveryView>>(OK),

        Route::get("/api/v1/replays", "List replays, newest first", replays::list)
            .needs(Read).pages::<replays::ReplaysQuery>().gives::<Listing<replays::ReplayView>>(OK),
        Route::post("/api/v1/replays", "Deliver stored events again; with dry_run only the plan (200)", replays::create)
            .needs(Operate).audited("replay.create", "replay").takes::<replays::NewReplay>().gives::<replays::ReplayView>(ACCEPTED).once()
            .may(&[Code::ReplayInvalid, Code::NotFound]),
        Route::get("/api/v1/replays/{id}", "How far a replay is", replays::get)
            .needs(Read).gives::<replays::ReplayView>(OK),
        Route::post("/api/v1/replays/{id}/cancel", "Stop a replay; what it made stays", replays::cancel)
            .needs(Operate).audited("replay.cancel", "replay/{id}").gives::<replays::ReplayView>(OK),

        Route::get("/api/v1/requests", "List requests as received, with their verdicts", requests::list)
            .needs(Read).pages::<requests::RequestsQuery>().gives::<Listing<requests::RequestView>>(OK),
        Route::get("/api/v1/requests/{id}", "One request with its body", requests::get)
            .needs(Read).gives::<requests::RequestDetailView>(OK),
        Route::post("/api/v1/requests/{id}/reverify", "Judge a request again by the secrets of now", requests::reverify)
            .needs(Operate).audited("request.reverify", "request/{id}").gives::<requests::ReverifiedView>(OK).may(&[Code::Conflict]),

        Route::get("/api/v1/requests/{id}/explain", "Why a request was not accepted, by our rules", explain::request)
            .needs(Read).gives::<explain::ExplanationView>(OK),
        Route::post("/api/v1/requests/{id}/explain", "The same, and what the configured model says of it", explain::request_by_model)
            .needs(Operate).audited("request.explain", "request/{id}").gives::<explain::ExplanationView>(OK),

        Route::get("/api/v1/sources", "List sources", sources::list)
            .needs(Read).pages::<ObjectsQuery>().gives::<Listing<sources::SourceView>>(OK),
        Route::post("/api/v1/sources", "Create a source", create::<Sources>)
            .needs(Admin).audited("source.create", "source").takes::<Definition>().gives::<PutObject>(CREATED).once().may(&MANAGE),
        Route::get("/api/v1/sources/{name}", "One source", sources::get)
            .needs(Read).gives::<sources::SourceView>(OK),
        Route::put("/api/v1/sources/{name}", "Create or replace a source", put::<Sources>)
            .needs(Admin).audited("source.put", "source/{name}").takes::<Definition>().gives::<PutObject>(OK).may(&MANAGE),
        Route::delete("/api/v1/sources/{name}", "Remove a source; its events stay", remove::<Sources>)
            .needs(Admin).audited("source.remove", "source/{name}").may(&MANAGE),

        Route::post("/api/v1/sources/{name}/pair", "Wait for the secret that the sender hands over", pairing::open)
            .needs(Admin).audited("pairing.open", "source/{name}").takes::<pairing::OpenPairing>().gives::<pairing::PairingView>(OK)
            .may(&[Code::Conflict, Code::NotFound, Code::PairingNotOffered]),
        Route::delete("/api/v1/sources/{name}/pair", "Wait no longer", pairing::close)
            .needs(Admin).audited("pairing.close", "source/{name}"),
        Route::get("/api/v1/sources/{name}/pairing", "Which secrets were handed over, and who waits for one", pairing::get)
            .needs(Read).gives::<pairing::PairingView>(OK),
        Route::delete("/api/v1/sources/{name}/pairing", "Trust no secret that was handed over, and wait for none", pairing::forget_all)
            .needs(Admin).audited("pairing.forget_all", "source/{name}"),
        Route::delete("/api/v1/sources/{name}/pairing/{id}", "Trust one of these secrets no more", pairing::forget)
            .needs(Admin).audited("pairing.forget", "source/{name}/pairing/{id}"),
        Route::post("/api/v1/sources/{name}/pairing/{id}/hand-back", "Show a secret, once, to give it back to its sender", pairing::hand_back)
            .needs(Admin).audited("pairing.hand_back", "source/{name}/pairing/{id}").gives::<pairing::HandedBack>(OK).may(&[Code::StateRefused]),
        Route::get("/api/v1/sources/{name}/handshakes", "List the addresses that the sender asks to be opened", handshakes::list)
            .needs(Read).gives::<Listing<handshakes::HandshakeView>>(OK),
        Route::post("/api/v1/sources/{name}/handshakes/{id}/approve", "Open such an address", handshakes::approve)
            .needs(Admin).audited("handshake.approve", "source/{name}/handshake/{id}").gives::<handshakes::HandshakeView>(OK).may(&[Code::StateRefused]),
        Route::post("/api/v1/sources/{name}/handshakes/{id}/refuse", "Never open such an address", handshakes::refuse)
            .needs(Admin).audited("handshake.refuse", "source/{name}/handshake/{id}").gives::<handshakes::HandshakeView>(OK).may(&[Code::StateRefused]),

        Route::get("/api/v1/sources/{name}/subscriptions", "How a source's webhook subscriptions stand", subscriptions::list)
            .needs(Read).gives::<Listing<subscriptions::SubscriptionView>>(OK),
        Route::post("/api/v1/sources/{name}/subscriptions/check", "Look after a source's webhook subscriptions now: what is missing is made, what does not work is made anew", subscriptions::check)
            .needs(Operate).audited("subscription.check", "source/{name}").gives::<Listing<subscriptions::SubscriptionView>>(OK),

        Route::post("/api/v1/sources/{name}/connections/{connection}/check", "Whether the credentials of a connection work", upstream::check)
            .needs(Operate).audited("connection.check", "source/{name}/connection/{connection}").gives::<upstream::CheckView>(OK).may(&[Code::NotFound, Code::NoConnector]),
        Route::get("/api/v1/sources/{name}/connections/{connection}/streams", "The streams that can be read through a connection", upstream::streams)
            .needs(Read).gives::<upstream::StreamsView>(OK).may(&[Code::NoConnector, Code::SourceFailed]),
        Route::get("/api/v1/sources/{name}/connections/{connection}/streams/{stream}/records", "Records of a stream as they are now", upstream::records)
            .needs(Read).query::<upstream::RecordsQuery>().gives::<upstream::RecordsView>(OK).may(&[Code::NoConnector, Code::SourceFailed]),

        Route::get("/api/v1/sources/{name}/connections/{connection}/streams/{stream}", "How reading one stream goes", streams::get)
            .needs(Read).gives::<streams::StreamView>(OK),
        Route::post("/api/v1/sources/{name}/connections/{connection}/streams/{stream}/poll", "Read what is new of a stream now", streams::poll)
            .needs(Operate).audited("stream.poll", "source/{name}/connection/{connection}/stream/{stream}").gives::<runs::RunView>(ACCEPTED).once().may(&ORDER),
        Route::post("/api/v1/sources/{name}/connections/{connection}/streams/{stream}/reconcile", "Compare a stream with what is known of it now; one that was never read is scanned", streams::reconcile)
            .needs(Operate).audited("stream.reconcile", "source/{name}/connection/{connection}/stream/{stream}").takes::<streams::ReconcileWish>().gives::<runs::RunView>(ACCEPTED).once().may(&ORDER).may(&[Code::StateRefused]),
        Route::post("/api/v1/sources/{name}/connections/{connection}/streams/{stream}/backfill", "Make the first scan of a stream once more", streams::backfill)
            .needs(Operate).audited("stream.backfill", "source/{name}/connection/{connection}/stream/{stream}").takes::<streams::BackfillWish>().gives::<runs::RunView>(ACCEPTED).once().may(&ORDER),
        Route::get("/api/v1/streams", "List the streams that are read by themselves, and how that goes", streams::list)
            .needs(Read).pages::<streams::StreamsQuery>().gives::<Listing<streams::StreamView>>(OK),
        Route::get("/api/v1/runs", "List polls that found something, first scans and reconciliations, newest first", runs::list)
            .needs(Read).pages::<runs::RunsQuery>().gives::<Listing<runs::RunView>>(OK),
        Route::get("/api/v1/runs/{id}", "One run with the gaps that it found", runs::get)
            .needs(Read).gives::<runs::RunDetailView>(OK),
        Route::get("/api/v1/budgets", "List what sources allow, how much of it is used, and who waits", budgets::list)
            .needs(Read).pages::<ObjectsQuery>().gives::<Listing<budgets::BudgetView>>(OK),

        Route::get("/api/v1/destinations", "List destinations", destinations::list)
            .needs(Read).pages::<ObjectsQuery>().gives::<Listing<destinations::DestinationView>>(OK),
        Route::post("/api/v1/destinations", "Create a destination", create::<Destinations>)
            .needs(Admin).audited("destination.create", "destination").takes::<Definition>().gives::<PutObject>(CREATED).once().may(&MANAGE),
        Route::get("/api/v1/destinations/{name}", "One destination with its live state", destinations::get)
            .needs(Read).gives::<destinations::DestinationDetailView>(OK),
        Route::put("/api/v1/destinations/{name}", "Create or replace a destination", put::<Destinations>)
            .needs(Admin).audited("destination.put", "destination/{name}").takes::<Definition>().gives::<PutObject>(OK).may(&MANAGE),
        Route::delete("/api/v1/destinations/{name}", "Remove a destination; what it is owed is held", remove::<Destinations>)
            .needs(Admin).audited("destination.remove", "destination/{name}").may(&MANAGE),
        Route::post("/api/v1/destinations/{name}/pause", "Hold what a destination is owed until it is resumed", destinations::pause)
            .needs(Operate).audited("destination.pause", "destination/{name}").takes::<destinations::Why>().gives::<destinations::DestinationDetailView>(OK),
        Route::post("/api/v1/destinations/{name}/disable", "Like pausing, and raise an alert", destinations::disable)
            .needs(Operate).audited("destination.disable", "destination/{name}").takes::<destinations::Why>().gives::<destinations::DestinationDetailView>(OK),
        Route::post("/api/v1/destinations/{name}/resume", "Deliver again, what was held first", destinations::resume)
            .needs(Operate).audited("destination.resume", "destination/{name}").gives::<destinations::DestinationDetailView>(OK),

        Route::get("/api/v1/routes", "List routes", routes::list)
            .needs(Read).pages::<ObjectsQuery>().gives::<Listing<routes::RouteView>>(OK),
        Route::post("/api/v1/routes", "Create a route; its name defaults to <from>-<to>", create::<Routes>)
            .needs(Admin).audited("route.create", "route").takes::<Definition>().gives::<PutObject>(CREATED).once().may(&MANAGE),
        Route::get("/api/v1/routes/{name}", "One route", routes::get)
            .needs(Read).gives::<routes::RouteView>(OK),
        Route::put("/api/v1/routes/{name}", "Create or replace a route", put::<Routes>)
            .needs(Admin).audited("route.put", "route/{name}").takes::<Definition>().gives::<PutObject>(OK).may(&MANAGE),
        Route::delete("/api/v1/routes/{name}", "Remove a route; what it owes is held", remove::<Routes>)
            .needs(Admin).audited("route.remove", "route/{name}").may(&MANAGE),

        Route::post("/api/v1/routes/{name}/try", "What a route makes of a stored event, with another `when` or `map` if wished; nothing is sent", trial::try_route)
            .needs(Operate).audited_refusals("route.try", "route/{name}").takes::<trial::NewTrial>().gives::<trial::TrialView>(OK).may(&[Code::NotFound]),

        Route::get("/api/v1/calls", "List requests to sources, newest first, and how each source does", calls::list)
            .needs(Read).pages::<calls::CallsQuery>().gives::<calls::CallsPage>(OK),
        Route::get("/api/v1/alerts", "List alerts, newest first", alerts::list)
            .needs(Read).pages::<alerts::AlertsQuery>().gives::<Listing<alerts::AlertView>>(OK),
        Route::post("/api/v1/alerts/{id}/acknowledge", "Say that somebody looks after an open alert; the first who does stays", alerts::acknowledge)
            .needs(Operate).audited("alert.acknowledge", "alert/{id}").gives::<alerts::AlertView>(OK),
        Route::get("/api/v1/alert-channels", "List the channels by which people are told, and how each does", alerts::channels)
            .needs(Read).gives::<Listing<alerts::ChannelView>>(OK),
        Route::post("/api/v1/alert-channels/{name}/test", "Send a test through a channel, and say what came back", alerts::test)
            .needs(Operate).audited("alert_channel.test", "alert_channel/{name}").gives::<alerts::ChannelTested>(OK).may(&[Code::ChannelFailed]),
        Route::post("/api/v1/alerts/{id}/resolve", "Resolve an alert; it opens again if its cause comes back", alerts::resolve)
            .needs(Operate).audited("alert.resolve", "alert/{id}").gives::<alerts::AlertView>(OK),
        Route::get("/api/v1/schemas", "List what events and records look like, as it was learned", schemas::list)
            .needs(Read).pages::<schemas::SchemasQuery>().gives::<Listing<schemas::SchemaView>>(OK),
        Route::get("/api/v1/schemas/{source}/{of}/{name}", "What the events of a type or the records of a stream look like, and what changed", schemas::get)
            .needs(Read).gives::<schemas::SchemaDetailView>(OK),
        Route::get("/api/v1/schemas/{source}/{of}/{name}/schema.json", "The same as a JSON Schema alone", schemas::export)
            .needs(Read).gives_bytes("application/schema+json"),
        Route::delete("/api/v1/schemas/{source}/{of}/{name}", "Forget what was learned, so that it is learned anew", schemas::forget)
            .needs(Operate).audited("schema.forget", "source/{source}/{of}/{name}"),
        Route::get("/api/v1/audit", "List who did what, newest first", audit::list)
            .needs(Admin).pages::<audit::AuditQuery>().gives::<Listing<audit::AuditEntryView>>(OK),
        Route::get("/api/v1/audit/export", "The whole audit log with what was signed about it, a line of JSON each", audit::export)
            .needs(Admin).audited("audit.export", "audit").gives_bytes("application/x-ndjson"),
        Route::get("/api/v1/providers", "List the senders whose webhooks can be verified", providers::list)
            .needs(Read).pages::<ObjectsQuery>().gives::<Listing<providers::ProviderView>>(OK),
        Route::get("/api/v1/providers/{name}", "What one provider needs", providers::get)
            .needs(Read).gives::<providers::ProviderView>(OK),
        Route::get("/api/v1/nodes", "List the processes that share the store", nodes::list)
            .needs(Read).gives::<Listing<nodes::NodeView>>(OK),

        Route::get("/api/v1/api-keys", "List the tenant's keys", api_keys::list)
            .needs(Admin).pages::<ObjectsQuery>().gives::<Listing<api_keys::ApiKeyView>>(OK),
        Route::post("/api/v1/api-keys", "Make a key; its text is shown this once", api_keys::create)
            .needs(Admin).audited("key.create", "key").takes::<api_keys::NewApiKey>().gives::<api_keys::CreatedApiKey>(CREATED).once(),
        Route::delete("/api/v1/api-keys/{id}", "Revoke a key at once", api_keys::revoke)
            .needs(Admin).audited("key.revoke", "key/{id}"),
    ]
}

/// What having a stream read may run into.
const ORDER: [Code; 5] =
    [Code::NoConnector, Code::PollBlind, Code::SourceFailed, Code::StreamBusy, Code::StreamUnusable];

/// What changing an object may run into.
const MANAGE: [Code; 4] = [Code::ManagedByFile, Code::Conflict, Code::DefinitionInvalid, Code::NotFound];

/// Everything: ingest, the API, health, metrics and the plain pages.
pub fn router(app: App) -> Router {
    let local_names_only = app.settings.loopback_only;
    guarded_router(app, local_names_only)
}

/// The same, where the listeners say whether only local names are served.
pub(crate) fn guarded_router(app: App, local_names_only: bool) -> Router {
    let others = table().into_iter().filter(|route| !route.ingest);
    let others = others.fold(Router::new(), |router, route| mount(router, route, &app));
    let others = match app.pages.clone() {
        Some(pages) => others.merge(pages.with_state(())),
        None => others,
    };
    let others = others
        .layer(from_fn_with_state(app.clone(), know_address))
        .layer(from_fn_with_state((app.clone(), local_names_only), guard_host))
        .layer(from_fn_with_state(app.clone(), admit));
    around(others.merge(ingest_routes()), app)
}

/// Ingest and nothing else, for a listener of its own.
pub fn ingest_router(app: App) -> Router {
    around(ingest_routes(), app)
}

fn ingest_routes() -> Router<App> {
    let routes = table().into_iter().filter(|route| route.ingest);
    routes.fold(Router::new(), |router, route| router.route(route.path, route.handler))
}

/// What lies around every route.
fn around(router: Router<App>, app: App) -> Router {
    router
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(catch_panic))
        .layer(from_fn_with_state(app.clone(), measure))
        .layer(from_fn(secure))
        .with_state(app)
}

/// Innermost first: panics are caught, creations happen once, all is written down, callers are known, bodies are bounded.
fn mount(router: Router<App>, route: Route, app: &App) -> Router<App> {
    let limits = &app.settings.limits;
    let bytes_max = if route.large_body { limits.body_bytes_max } else { limits.api_body_bytes_max };
    let mut handler = route.handler.route_layer(from_fn(catch_panic));
    if route.once {
        handler = handler.route_layer(from_fn_with_state(app.clone(), idempotency::once));
    }
    if let Some(scope) = route.needs {
        if let Some(action) = route.audited.filter(|action| action.is_whole()) {
            handler = handler.route_layer(from_fn_with_state((app.clone(), action), written_down));
        }
        if route.method != Method::GET {
            handler = handler.route_layer(from_fn(to_the_end));
        }
        handler = handler.route_layer(from_fn_with_state((app.clone(), scope, route.audited), authorize));
    }
    router.route(route.path, handler.layer(DefaultBodyLimit::max(bytes_max)))
}

/// A caller who hangs up must not leave half of a change behind: what was begun is carried out.
async fn to_the_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(_) => internal("api"),
    }
}

async fn catch_panic(request: Request, next: Next) -> Response {
    use futures_util::FutureExt;
    let work = std::panic::AssertUnwindSafe(next.run(request)).catch_unwind();
    work.await.unwrap_or_else(|_| internal("api"))
}

fn internal(place: &'static str) -> Response {
    engine::telemetry::panicked(place);
    Code::Internal.because("The gateway made a mistake, which it has counted and logged.").into_response()
}

/// So many API requests at once and no more: ingest must always have room.
async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.api_permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Code::Overloaded.because("Too many API requests are under way.").into_response(),
    }
}

/// Bound to loopback, only names of this machine are served: a web page elsewhere could otherwise point a name of
/// its own here and read along.
async fn guard_host(State((app, local_names_only)): State<(App, bool)>, request: Request, next: Next) -> Response {
    if !local_names_only {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    if host_of(&parts).is_none_or(|host| is_local(host, &app)) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let detail = "This gateway listens on loopback and serves only localhost; set public_url to serve another name.";
    Code::HostNotAllowed.because(detail).into_response()
}

fn is_local(host: &str, app: &App) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host();
    let public = app.settings.public_url.as_ref().and_then(url::Url::host_str);
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
        || public.is_some_and(|public| public.eq_ignore_ascii_case(name))
}

async fn measure(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = app.engine.clock().monotonic();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = known_method(request.method());
    let response = next.run(request).await;
    let took = app.engine.clock().monotonic().saturating_sub(began);
    telemetry::answered(route.as_ref().map_or("none", MatchedPath::as_str), method, response.status().as_u16(), took);
    response
}

/// Methods are labels of a metric: made-up ones must not become some.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Nothing that is answered here is a page that may run anything, or belongs into a cache.
async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        // Pages for people say by themselves what they may load.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn ingest_routed(State(app): State<App>, request: Request) -> Response {
    let unknown = || Peer::new([127, 0, 0, 1].into(), &[]);
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(unknown);
    ingest::answer(&app, &peer, request).await.into_response()
}

async fn no_such_route(method: Method, uri: Uri, State(app): State<App>, request: Request) -> Response {
    if Target::is_ingest(uri.path()) {
        return ingest_routed(State(app), request).await;
    }
    Problem::no_such_route(&method, uri.path()).into_response()
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    Code::MethodNotAllowed
        .because(format!("{path} does not take {method}; the Allow header says what it takes."))
        .into_response()
}
