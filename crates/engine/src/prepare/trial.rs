//! What a route would make of a stored event, with a `when` and a `map` that nobody has saved yet. Nothing is sent,
//! counted or kept.

use std::sync::Arc;

use domain::ordering::{OnDead, Ordering};
use domain::{DestinationName, Event, RouteName, SourceName, Tenant};
use serde_json::{Map, Value as Json};
use store::dispatch::Prepared;
use store::registry::ManagedBy;

use super::{Basis, Preparation, Preparer, filter, shape};
use crate::engine::{Engine, EngineError};
use crate::expression::Expression;
use crate::spec::{OnStale, RouteSpec};
use crate::topology::{Destination, Route};

/// A route as somebody thinks of it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The route that it would replace: what it fetches for the event is fetched here too.
    pub route: Option<RouteName>,
    pub from: SourceName,
    pub to: DestinationName,
    pub when: Option<String>,
    pub map: Option<String>,
}

/// What `when` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// There is no `when`, or it lets the event through.
    Passes,
    Stopped,
    /// It cannot be read, or failed on this event.
    Failed(String),
}

/// What would come of it.
#[derive(Clone, Debug)]
pub struct Trial {
    pub passing: Passing,
    /// The records that were fetched, by their names; `None` where none are, or `when` stopped the event before.
    pub enriched: Option<Map<String, Json>>,
    /// What would be sent, whether or not `when` lets it go; else why nothing can be.
    pub body: Result<Prepared, String>,
}

impl Trial {
    fn unreadable(passing: Passing, why: String) -> Self {
        Self { passing, enriched: None, body: Err(why) }
    }
}

impl Preparer {
    async fn trial(&self, event: &Arc<Event>, route: &Arc<Route>) -> Trial {
        let whole = match self.whole(event, route).await {
            Ok(whole) => whole,
            Err(ended) => return Trial::unreadable(Passing::Passes, why(ended)),
        };
        let (owner, before, moment) = (Arc::clone(route), Basis::of(&whole, false, None), self.moment());
        let filtered = self.compute(false, move || filter(&before.root(), &owner, &moment)).await;
        let passing = match filtered.and_then(|verdict| verdict) {
            Ok(()) => Passing::Passes,
            Err(Preparation::Filtered { .. }) => Passing::Stopped,
            Err(ended) => Passing::Failed(why(ended)),
        };
        let records = match (&passing, route.enrich.is_empty()) {
            (Passing::Passes, false) => match self.enriched(route, &whole, false, &self.moment()).await {
                Ok(records) => Some(records),
                Err(ended) => return Trial::unreadable(passing, why(ended)),
            },
            _ => None,
        };
        let (owner, basis, moment) = (Arc::clone(route), Basis::of(&whole, false, records.clone()), self.moment());
        let shaped = self.compute(false, move || shape(&basis, &basis.root(), &owner, &moment, true)).await;
        let body = match shaped {
            Ok(Preparation::Ready { body, .. }) => Ok(body),
            Ok(ended) | Err(ended) => Err(why(ended)),
        };
        Trial { passing, enriched: records, body }
    }
}

fn why(ended: Preparation) -> String {
    match ended {
        Preparation::Filtered { detail, .. }
        | Preparation::Unready { detail, .. }
        | Preparation::Failed { detail, .. } => detail,
        Preparation::Ready { .. } => String::new(),
    }
}

impl Engine {
    /// Tries a draft on a stored event. Records that the route names are fetched, and paid for, as for a delivery.
    pub async fn try_route(&self, event: &Arc<Event>, draft: &Draft) -> Result<Trial, EngineError> {
        let tenant = &event.tenant;
        let topology = self.topology();
        let Some(destination) = topology.destination(tenant.as_str(), draft.to.as_str()) else {
            return Err(EngineError::NotFound(format!("there is no destination '{}'", draft.to)));
        };
        let known = draft.route.as_ref().and_then(|name| topology.route(tenant.as_str(), name.as_str()));
        let (when, map) = (compiled(draft.when.as_deref()), compiled(draft.map.as_deref()));
        let (when, map) = match (when, map) {
            (Ok(when), Ok(map)) => (when, map),
            (Err(problem), _) => {
                let nothing = "`when` cannot be read, so nothing is sent".to_owned();
                return Ok(Trial::unreadable(Passing::Failed(problem), nothing));
            }
            (Ok(_), Err(problem)) => return Ok(Trial::unreadable(Passing::Passes, problem)),
        };
        let route = Arc::new(drafted(tenant, draft, known.map(Arc::as_ref), destination, when, map));
        Ok(self.inner.deliverer.preparer.trial(event, &route).await)
    }
}

fn compiled(text: Option<&str>) -> Result<Option<Expression>, String> {
    text.map(Expression::compile).transpose().map_err(|problem| problem.to_string())
}

fn drafted(
    tenant: &Tenant,
    draft: &Draft,
    known: Option<&Route>,
    destination: &Arc<Destination>,
    when: Option<Expression>,
    map: Option<Expression>,
) -> Route {
    let spec = match known {
        Some(known) => RouteSpec { when: draft.when.clone(), map: draft.map.clone(), ..known.spec.clone() },
        None => new_spec(tenant, draft),
    };
    let enrich = known.map_or_else(Vec::new, |known| {
        let own = known.enrich.iter();
        own.filter_map(|enrich| {
            let id = Expression::compile(&enrich.spec.id).ok()?;
            Some(crate::topology::Enrich { spec: enrich.spec.clone(), id, object: Arc::clone(&enrich.object) })
        })
        .collect()
    });
    let whole = known
        .and_then(|known| known.whole.as_ref())
        .map(|whole| crate::topology::Whole { connector: Arc::clone(&whole.connector), is_thin: whole.is_thin });
    let (veil, destination, filter) = (Arc::default(), Arc::clone(destination), Arc::default());
    Route { spec, veil, when, map, enrich, whole, destination, filter }
}

fn new_spec(tenant: &Tenant, draft: &Draft) -> RouteSpec {
    RouteSpec {
        tenant: tenant.clone(),
        name: RouteName::of_pair(&draft.from, &draft.to),
        managed_by: ManagedBy::Api,
        from: draft.from.clone(),
        to: draft.to.clone(),
        connections: Vec::new(),
        assurance: None,
        when: draft.when.clone(),
        enrich: Vec::new(),
        map: draft.map.clone(),
        ordering: Ordering::None,
        on_dead: OnDead::Continue,
        stale: OnStale::Deliver,
        retry: None,
        body: None,
    }
}
