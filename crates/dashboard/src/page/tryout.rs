//! The try-it panel: a stored event, a `when` and a `map`, and at once what would come of them; then saving it.

mod save;
mod shown;

use std::sync::Arc;

use axum::extract::State;
use domain::{DestinationName, Event, EventId, RouteName, SourceName};
use engine::access::Scope;
use engine::message::envelope_json;
use engine::prepare::{Draft, Trial};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use store::read::{EventFilter, EventRow, Page};

use crate::desk::Desk;
use crate::extract::{Form, Query};
use crate::list::said;
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

pub(crate) use save::save;

/// Events that can be picked; any other is tried by its id.
const EVENTS_MAX: u32 = 25;

/// What the panel holds. What is absent is taken from the route, what is empty is not.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Panel {
    #[serde(default)]
    route: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    /// Of a new route, where its ends are not to name it.
    #[serde(default)]
    name: String,
    #[serde(default)]
    event: String,
    when: Option<String>,
    map: Option<String>,
}

/// The panel, filled in, with what it can choose from.
struct Bench {
    panel: Panel,
    draft: Option<Draft>,
    /// The definition of the route that it would replace.
    known: Option<Map<String, Json>>,
    /// The file owns that route, so that it is changed there.
    by_file: bool,
    sources: Vec<String>,
    destinations: Vec<String>,
    events: Vec<EventRow>,
    event: Option<Arc<Event>>,
    trial: Option<Trial>,
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(panel): Query<Panel>) -> Answer {
    render(&desk, &visitor, panel).await
}

pub(crate) async fn again(State(desk): State<Desk>, visitor: Visitor, Form(panel): Form<Panel>) -> Answer {
    render(&desk, &visitor, panel).await
}

async fn render(desk: &Desk, visitor: &Visitor, panel: Panel) -> Answer {
    // Trying may fetch records, which the source's budget pays for.
    visitor.needs(Scope::Operate)?;
    let bench = Bench::laid(desk, visitor, panel).await?;
    Ok(page(visitor, "/routes", "Try it", &shown::panel(visitor, &bench, desk.now())))
}

impl Bench {
    async fn laid(desk: &Desk, visitor: &Visitor, mut panel: Panel) -> Result<Self, Trouble> {
        let topology = desk.engine.topology();
        let tenant = visitor.tenant();
        let own = topology.sources().filter(|source| source.spec.tenant == *tenant);
        let mut sources: Vec<_> = own.map(|source| source.spec.name.to_string()).collect();
        let own = topology.destinations().filter(|destination| destination.spec.tenant == *tenant);
        let mut destinations: Vec<_> = own.map(|destination| destination.spec.name.to_string()).collect();
        sources.sort_unstable();
        destinations.sort_unstable();
        panel.fill(desk, visitor, &sources, &destinations)?;
        let draft = panel.draft()?;
        let by_file = draft.as_ref().is_some_and(|draft| save::is_by_file(desk, visitor, draft));
        let known = draft.as_ref().and_then(|draft| save::known(desk, visitor, draft));
        let mut bench =
            Self { panel, draft, known, by_file, sources, destinations, events: Vec::new(), event: None, trial: None };
        bench.pick(desk, visitor).await?;
        if let (Some(event), Some(draft)) = (&bench.event, &bench.draft) {
            bench.trial = Some(desk.engine.try_route(event, draft).await?);
        }
        Ok(bench)
    }

    /// The event that was asked for, or the newest of the source: one of another source never comes along this route.
    async fn pick(&mut self, desk: &Desk, visitor: &Visitor) -> Result<(), Trouble> {
        let Some(draft) = &self.draft else { return Ok(()) };
        let filter = EventFilter { source: Some(draft.from.clone()), ..EventFilter::default() };
        self.events = desk.store().events(visitor.tenant().clone(), filter, Page::first(EVENTS_MAX)).await?.rows;
        let wrong = |_| Trouble::wrong("An event's id looks like evt_01h455vb4pex5vsknk084sn02q.");
        let asked: Option<EventId> = said(&self.panel.event).map(str::parse).transpose().map_err(wrong)?;
        let mut event = match asked {
            Some(id) => Some(found(desk, visitor, id).await?).filter(|event| event.source == draft.from),
            None => None,
        };
        if let (None, Some(newest)) = (&event, self.events.first()) {
            event = Some(found(desk, visitor, newest.event.id).await?);
        }
        self.panel.event = event.as_ref().map(|event| event.id.to_string()).unwrap_or_default();
        self.event = event;
        Ok(())
    }

    /// What expressions are evaluated against.
    fn root(&self) -> Option<Vec<u8>> {
        self.event.as_ref().map(|event| envelope_json(event, false).to_vec())
    }
}

async fn found(desk: &Desk, visitor: &Visitor, id: EventId) -> Result<Arc<Event>, Trouble> {
    let found = desk.store().event(visitor.tenant().clone(), id).await?;
    found.map(|found| found.event).ok_or_else(|| Trouble::not_found("event"))
}

impl Panel {
    /// Takes from the route what the panel does not say, and the first of each where there is no route.
    fn fill(
        &mut self,
        desk: &Desk,
        visitor: &Visitor,
        sources: &[String],
        destinations: &[String],
    ) -> Result<(), Trouble> {
        if let Some(name) = said(&self.route) {
            let topology = desk.engine.topology();
            let route = topology.route(visitor.tenant().as_str(), name);
            let spec = &route.ok_or_else(|| Trouble::not_found("route"))?.spec;
            (self.from, self.to) = (spec.from.to_string(), spec.to.to_string());
            self.when.get_or_insert_with(|| spec.when.clone().unwrap_or_default());
            self.map.get_or_insert_with(|| spec.map.clone().unwrap_or_default());
        }
        for (value, known) in [(&mut self.from, sources), (&mut self.to, destinations)] {
            if said(value).is_none() {
                *value = known.first().cloned().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// What a new route is to be called, if its ends are not to name it.
    fn new_name(&self) -> Option<&str> {
        said(&self.name).filter(|_| said(&self.route).is_none())
    }

    /// `None` while there is no source or no destination.
    fn draft(&self) -> Result<Option<Draft>, Trouble> {
        let (Some(from), Some(to)) = (said(&self.from), said(&self.to)) else { return Ok(None) };
        let wrong = |what: &str, error: &dyn std::fmt::Display| Trouble::wrong(format!("{what}: {error}"));
        let from: SourceName = from.parse().map_err(|error| wrong("from", &error))?;
        let to: DestinationName = to.parse().map_err(|error| wrong("to", &error))?;
        let route: Option<RouteName> =
            said(&self.route).map(str::parse).transpose().map_err(|error| wrong("route", &error))?;
        let text = |text: &Option<String>| text.as_deref().and_then(said).map(str::to_owned);
        Ok(Some(Draft { route, from, to, when: text(&self.when), map: text(&self.map) }))
    }
}
