//! Prepare: an event's own record if it was only told of, `when`, the records that the route names, `map`; once per
//! delivery. What comes out is what every try sends.

mod records;
mod trial;

use std::sync::Arc;

use bytes::Bytes;
use domain::Event;
use serde_json::{Map, Value as Json};
use store::dispatch::Prepared;
use tokio::sync::Semaphore;

use crate::alert::{Alerts, FILTER_PASSES_NOTHING};
use crate::clock::SharedClock;
use crate::enrich::Enricher;
use crate::entropy::SharedEntropy;
use crate::expression::{Expression, ExpressionError, Limits, Moment, QUICK_ROOT_BYTES_MAX, Root};
use crate::message::{JSON, body_of, envelope_json, envelope_value};
use crate::spec::{BodyMode, OnStale};
use crate::topology::{FILTER_SUSPECT_AFTER, FilterSuspicion, Route};
use crate::work::Work;

pub use trial::{Draft, Passing, Trial};

/// Of a record that is kept beside what was made of it: a store is not for copies of what the source has.
const KEPT_RECORD_BYTES_MAX: usize = 64 * 1024;

/// What preparing led to.
#[derive(Debug)]
pub enum Preparation {
    /// `mapped`: the bytes are not plain to see from the event, so they must be kept before they are sent.
    Ready { body: Prepared, mapped: bool },
    /// Nothing is to be sent, for this reason.
    Filtered { code: &'static str, detail: String },
    /// A record could not be fetched: another try may have it.
    Unready { code: &'static str, detail: String },
    /// An expression failed: another try would fail alike.
    Failed { code: &'static str, detail: String },
}

/// Prepares deliveries that were not prepared before.
pub struct Preparer {
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub alerts: Alerts,
    pub enricher: Enricher,
    /// As many heavy evaluations at once as there are cores: more would only slow each other down.
    pub heavy: Semaphore,
}

impl Preparer {
    /// What is to be sent, if anything.
    pub async fn prepare(&self, work: &Work) -> Preparation {
        let (event, route) = (&work.event, &work.route);
        if work.stale && route.spec.stale == OnStale::Drop {
            let detail = "a later version was already sent, and the route drops stale events".to_owned();
            return Preparation::Filtered { code: "stale", detail };
        }
        if route.when.is_none() && route.map.is_none() && route.enrich.is_empty() && route.whole.is_none() {
            return Preparation::Ready { body: plain(event, work.is_json, route, work.stale), mapped: false };
        }
        // Boxed, because what fetches records is large, and would make every delivery that needs none as large.
        let prepared = Box::pin(self.by_steps(work)).await.unwrap_or_else(|ended| ended);
        match prepared {
            Preparation::Ready { .. } if route.when.is_some() => self.watch_filter(route, true),
            Preparation::Filtered { .. } => self.watch_filter(route, false),
            Preparation::Ready { .. } | Preparation::Unready { .. } | Preparation::Failed { .. } => {}
        }
        prepared
    }

    async fn by_steps(&self, work: &Work) -> Result<Preparation, Preparation> {
        let route = &work.route;
        let event = self.whole(&work.event, route).await?;
        let is_fetched = !Arc::ptr_eq(&event, &work.event);
        let moment = self.moment();
        let quick =
            |expression: &Option<Expression>| expression.as_ref().is_none_or(|own| own.is_quick(event.payload.len()));
        let is_quick = quick(&route.when) && quick(&route.map);
        let basis = |records| Basis::of(&event, work.stale, records);
        if route.enrich.is_empty() {
            let (owner, basis) = (Arc::clone(route), basis(None));
            let evaluate = move || {
                let root = basis.root();
                filter(&root, &owner, &moment)?;
                Ok(shape(&basis, &root, &owner, &moment, is_fetched))
            };
            return self.compute(is_quick, evaluate).await?;
        }
        let (owner, before, own) = (Arc::clone(route), basis(None), moment.clone());
        self.compute(is_quick, move || filter(&before.root(), &owner, &own)).await??;
        let records = self.enriched(route, &event, work.stale, &moment).await?;
        let (owner, after) = (Arc::clone(route), basis(Some(records)));
        // The records may be larger than the event was.
        let is_quick = is_quick && after.is_small();
        self.compute(is_quick, move || shape(&after, &after.root(), &owner, &moment, true)).await
    }

    fn moment(&self) -> Moment {
        Moment { now: self.clock.now(), entropy: Arc::clone(&self.entropy), limits: Limits::default() }
    }

    /// Evaluates here, or off the async threads what loops or is large: it may take its whole time.
    async fn compute<T: Send + 'static>(
        &self,
        is_quick: bool,
        evaluate: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Preparation> {
        if is_quick {
            return Ok(evaluate());
        }
        let _permit = self.heavy.acquire().await;
        tokio::task::spawn_blocking(evaluate).await.map_err(|_| Preparation::Failed {
            code: "expression_panicked",
            detail: "evaluating the expression broke off; simplify it, or report it with the event's id".into(),
        })
    }

    fn watch_filter(&self, route: &Route, passed: bool) {
        let tenant = &route.spec.tenant;
        let object = || format!("route/{}", route.spec.name);
        match route.filter.count(passed) {
            Some(FilterSuspicion::Raised) => {
                let detail = format!(
                    "`when` of route '{}' let none of its first {FILTER_SUSPECT_AFTER} events through; a misspelt name is simply false in JSONata",
                    route.spec.name
                );
                self.alerts.note(tenant, FILTER_PASSES_NOTHING, object(), detail);
            }
            Some(FilterSuspicion::Cleared) => self.alerts.gone(tenant, FILTER_PASSES_NOTHING, object()),
            None => {}
        }
    }
}

/// What expressions look at: an event, and the records that were fetched for it.
struct Basis {
    event: Arc<Event>,
    stale: bool,
    records: Option<Map<String, Json>>,
}

impl Basis {
    fn of(event: &Arc<Event>, stale: bool, records: Option<Map<String, Json>>) -> Self {
        Self { event: Arc::clone(event), stale, records }
    }

    /// Whether its records can be looked at on an async thread.
    fn is_small(&self) -> bool {
        let records = self.records.iter().flat_map(Map::values);
        records.map(|record| record.to_string().len()).sum::<usize>() <= QUICK_ROOT_BYTES_MAX
    }

    /// The envelope with the records below `enriched`.
    fn envelope(&self) -> Json {
        let mut envelope = envelope_value(&self.event, self.stale);
        if let (Some(records), Json::Object(fields)) = (&self.records, &mut envelope) {
            fields.insert("enriched".to_owned(), Json::Object(records.clone()));
        }
        envelope
    }

    fn root(&self) -> Root {
        if self.records.is_some() {
            return Root::from_value(self.envelope());
        }
        // What is too deep to be read as JSON is given as bytes, so that it can still be routed by its other fields.
        let json = envelope_json(&self.event, self.stale);
        Root::parse(&json).unwrap_or_else(|_| Root::from_value(envelope_value(&self.event, self.stale)))
    }
}

fn plain(event: &Event, is_json: bool, route: &Route, stale: bool) -> Prepared {
    let body = body_of(event, is_json, route.body_mode(), stale);
    Prepared { content_type: body.content_type, body: body.bytes, stale, enriched: None }
}

/// Whether `when` lets the event through.
fn filter(root: &Root, route: &Route, moment: &Moment) -> Result<(), Preparation> {
    match route.when.as_ref().map(|when| when.is_true(root, moment)) {
        None | Some(Ok(true)) => Ok(()),
        Some(Ok(false)) => Err(Preparation::Filtered { code: "when", detail: "`when` did not let it through".into() }),
        Some(Err(error)) => Err(failed("when", &error)),
    }
}

/// The body. `is_fetched`: something in it is not in the event, and might be another the next time.
fn shape(basis: &Basis, root: &Root, route: &Route, moment: &Moment, is_fetched: bool) -> Preparation {
    let mut shaped = shaped(basis, root, route, moment, is_fetched);
    // An envelope has them, and anybody can see them there.
    let is_envelope = route.map.is_none() && route.body_mode() == BodyMode::Envelope;
    if let (Preparation::Ready { body, .. }, Some(records), false) = (&mut shaped, &basis.records, is_envelope) {
        body.enriched = Some(kept(records));
    }
    shaped
}

/// Records as they are kept with what was made of them.
fn kept(records: &Map<String, Json>) -> Bytes {
    let kept = records.iter().map(|(name, record)| {
        let length = record.to_string().len();
        let is_large = length > KEPT_RECORD_BYTES_MAX;
        let too_large = || Json::String(format!("{length} bytes of JSON, too large to be kept"));
        (name.clone(), if is_large { too_large() } else { record.clone() })
    });
    Json::Object(kept.collect()).to_string().into()
}

fn shaped(basis: &Basis, root: &Root, route: &Route, moment: &Moment, is_fetched: bool) -> Preparation {
    let stale = basis.stale;
    let json = |body| Preparation::Ready {
        body: Prepared { content_type: JSON.into(), body, stale, enriched: None },
        mapped: true,
    };
    match route.map.as_ref().map(|map| map.evaluate(root, moment)) {
        None if basis.records.is_some() && route.body_mode() == BodyMode::Envelope => {
            json(basis.envelope().to_string().into())
        }
        None => Preparation::Ready { body: plain(&basis.event, false, route, stale), mapped: is_fetched },
        Some(Ok(Some(body))) => json(body),
        Some(Ok(None)) => Preparation::Failed {
            code: "map_gave_nothing",
            detail: "`map` gave nothing for this event: name what it takes, or keep such events out with `when`".into(),
        },
        Some(Err(error)) => failed("map", &error),
    }
}

fn failed(field: &str, error: &ExpressionError) -> Preparation {
    Preparation::Failed { code: "expression_failed", detail: format!("`{field}`: {error}") }
}
