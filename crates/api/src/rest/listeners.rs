//! Listeners: places in the order of acceptance that are kept here, for programs that fetch what they are to get.
//!
//! Whoever opens one takes it over from whoever had it. It moves only when its holder says what was handled, so that
//! nothing is lost however either side ends; what was told and not handled is told again.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use data_encoding::BASE64;
use domain::{ConnectionName, Event, ListenerName, SourceName, Tenant, Timestamp};
use engine::access::Caller;
use engine::listening::heard;
use engine::spec::BodyMode;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::listen::{IDLE_MAX, Listener};
use store::read::EventFilter;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::events::EventView;
use super::publish::wrong_labels;
use super::tail::{Begin, Telling, begin, known_position, mark};
use crate::app::App;
use crate::cursor::Listing;
use crate::extract::{Json as Body, Named, Params};
use crate::problem::{Code, Fault, Problem};

/// Listeners of one tenant: more than a team has, and few enough to be listed whole.
const LISTENERS_MAX: usize = 100;

/// What a listener hears of, and where it begins if it is new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenListener {
    #[schema(value_type = Option<String>)]
    source: Option<SourceName>,
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    /// Exact, or a prefix that ends with `*`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    subject: Option<String>,
    /// A new one begins with what was received since then; without it, with what comes now.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Listener)]
pub struct ListenerView {
    #[schema(value_type = String)]
    name: ListenerName,
    #[schema(value_type = Option<String>)]
    source: Option<SourceName>,
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    subject: Option<String>,
    /// Grows each time that it is taken over. Only the newest may read and move it.
    generation: u64,
    /// What was handled last, as the stream named it.
    position: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When somebody last listened.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
    /// When it is forgotten if nobody listens until then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Listener> for ListenerView {
    fn from(listener: Listener) -> Self {
        let EventFilter { source, connection, event_type, subject, .. } = listener.filter;
        Self {
            position: mark(&listener.tenant).seal(&listener.position),
            name: listener.name,
            source,
            connection,
            event_type,
            subject,
            generation: listener.generation,
            created_at: listener.created_at,
            seen_at: listener.seen_at,
            expires_at: listener.seen_at + IDLE_MAX,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HearQuery {
    /// As it was given when the listener was opened.
    generation: u64,
    /// `envelope` (default), `cloudevents`, or `raw`: as the sender sent it, with its headers.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    body: BodyMode,
}

/// The `data` of one message.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeardEvent {
    #[serde(flatten)]
    event: EventView,
    message: MessageView,
}

/// What a local program is to get. It is not signed: whoever hands it on does that.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeardMessage)]
pub struct MessageView {
    /// The `webhook-id`: the same however often it is heard.
    id: String,
    /// Names and values in order.
    headers: Vec<(String, String)>,
    body_base64: String,
}

/// What was handled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Handled {
    generation: u64,
    /// The `id` of the last message that was handled, with all before it.
    position: String,
}

/// Where a listener stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Moved {
    position: String,
}

/// One open ear.
pub(crate) struct Hearing {
    name: ListenerName,
    generation: u64,
    body: BodyMode,
}

impl Hearing {
    pub(super) fn tell(&self, event: &Event) -> String {
        let heard = heard(event, &self.name, self.body);
        let data = HeardEvent {
            event: EventView::of(event, event.payload.len() as u64),
            message: MessageView { id: heard.id, headers: heard.headers, body_base64: BASE64.encode(&heard.body) },
        };
        serde_json::to_string(&data).expect("an event is always JSON")
    }

    /// Says that somebody listens, and learns whether another one took over.
    pub(super) async fn goes_on(&self, app: &App, caller: &Caller) -> Result<bool, StoreError> {
        let now = app.engine.clock().now();
        app.store().move_listener(caller.tenant.clone(), self.name.clone(), self.generation, None, now).await
    }
}

pub async fn list(State(app): State<App>, caller: Caller) -> Answer<Listing<ListenerView>> {
    let listeners = app.store().listeners(caller.tenant).await?;
    let data = listeners.into_iter().map(Into::into).collect();
    Ok(Json(Listing { data, next: None, searched_until: None }))
}

pub async fn get(State(app): State<App>, caller: Caller, Named(name): Named<ListenerName>) -> Answer<ListenerView> {
    Ok(Json(find(&app, caller.tenant, name).await?.into()))
}

async fn find(app: &App, tenant: Tenant, name: ListenerName) -> Result<Listener, Problem> {
    let found = app.store().listener(tenant, name.clone()).await?;
    found.ok_or_else(|| Problem::not_found("listener", name))
}

pub async fn open(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<ListenerName>,
    Body(wish): Body<OpenListener>,
) -> Answer<ListenerView> {
    let tenant = caller.tenant;
    let faults = wrong_labels([("type", wish.event_type.as_ref()), ("subject", wish.subject.as_ref())]);
    if !faults.is_empty() {
        return Err(Code::InvalidBody.because("The type or subject is not valid; 'errors' says why.").with(faults));
    }
    if let Some(source) = wish.source.as_ref().filter(|source| !is_known(&app, &tenant, source)) {
        return Err(Problem::not_found("source", source));
    }
    let others = app.store().listeners(tenant.clone()).await?;
    if others.len() >= LISTENERS_MAX && others.iter().all(|other| other.name != name) {
        return Err(Code::TooManyListeners.because(format!("There are {LISTENERS_MAX} already; forget one of them.")));
    }
    let begin = wish.since.map_or(Begin::Now, Begin::Since);
    let now = app.engine.clock().now();
    let OpenListener { source, connection, event_type, subject, .. } = wish;
    let listener = Listener {
        position: begin.position(&app, &tenant).await?,
        tenant,
        name,
        filter: EventFilter { source, connection, event_type, subject, ..EventFilter::default() },
        generation: 1,
        created_at: now,
        seen_at: now,
    };
    Ok(Json(app.store().open_listener(listener).await?.into()))
}

fn is_known(app: &App, tenant: &Tenant, source: &SourceName) -> bool {
    let topology = app.engine.topology();
    topology.sources().any(|known| known.spec.tenant == *tenant && known.spec.name == *source)
}

pub async fn stream(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<ListenerName>,
    Params(query): Params<HearQuery>,
) -> Result<impl IntoResponse, Problem> {
    let listener = find(&app, caller.tenant.clone(), name).await?;
    let hearing = Hearing { name: listener.name, generation: query.generation, body: query.body };
    if !hearing.goes_on(&app, &caller).await? {
        return Err(taken(&hearing.name));
    }
    begin(app, caller, listener.filter, Begin::At(listener.position), Telling::Listener(hearing)).await
}

pub async fn handled(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<ListenerName>,
    Body(Handled { generation, position }): Body<Handled>,
) -> Answer<Moved> {
    let (tenant, now) = (caller.tenant, app.engine.clock().now());
    let at = known_position(&app, &tenant, mark(&tenant), position.clone()).await.map_err(|problem| {
        let detail = "give the id of a message of this listener's stream".to_owned();
        problem.with(vec![Fault { field: "position".to_owned(), detail }])
    })?;
    if app.store().move_listener(tenant.clone(), name.clone(), generation, Some(at), now).await? {
        return Ok(Json(Moved { position }));
    }
    find(&app, tenant, name.clone()).await?;
    Err(taken(&name))
}

pub async fn forget(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<ListenerName>,
) -> Result<StatusCode, Problem> {
    if app.store().forget_listener(caller.tenant, name.clone()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("listener", name))
}

fn taken(name: &ListenerName) -> Problem {
    Code::ListenerTaken.because(format!("Somebody else took listener '{name}' over, and hears what it hears now."))
}
