//! Prepare: `when`, then `map`, once per delivery; what comes out is what every try sends.

use std::sync::Arc;

use domain::Event;
use store::dispatch::Prepared;
use tokio::sync::Semaphore;

use crate::alert::{Alerts, FILTER_PASSES_NOTHING};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::expression::{Expression, ExpressionError, Limits, Moment, Root};
use crate::message::{JSON, body_of, envelope_json, envelope_value};
use crate::spec::OnStale;
use crate::topology::{FILTER_SUSPECT_AFTER, FilterSuspicion, Route};
use crate::work::Work;

/// What preparing led to.
#[derive(Debug)]
pub enum Preparation {
    /// `mapped`: the bytes are not plain to see from the event, so they must be kept before they are sent.
    Ready { body: Prepared, mapped: bool },
    /// Nothing is to be sent, for this reason.
    Filtered { code: &'static str, detail: String },
    /// An expression failed: another try would fail alike.
    Failed { code: &'static str, detail: String },
}

/// Prepares deliveries that were not prepared before.
pub struct Preparer {
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub alerts: Alerts,
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
        if route.when.is_none() && route.map.is_none() {
            return Preparation::Ready { body: plain(event, route, work.stale), mapped: false };
        }
        let moment = Moment { now: self.clock.now(), entropy: Arc::clone(&self.entropy), limits: Limits::default() };
        let quick =
            |expression: &Option<Expression>| expression.as_ref().is_none_or(|own| own.is_quick(event.payload.len()));
        let prepared = if quick(&route.when) && quick(&route.map) {
            evaluate(event, route, work.stale, &moment)
        } else {
            self.evaluate_apart(work, moment).await
        };
        match prepared {
            Preparation::Ready { .. } if route.when.is_some() => self.watch_filter(route, true),
            Preparation::Filtered { .. } => self.watch_filter(route, false),
            Preparation::Ready { .. } | Preparation::Failed { .. } => {}
        }
        prepared
    }

    /// Off the async threads: what loops or is large may take its whole time.
    async fn evaluate_apart(&self, work: &Work, moment: Moment) -> Preparation {
        let _permit = self.heavy.acquire().await;
        let (event, route, stale) = (Arc::clone(&work.event), Arc::clone(&work.route), work.stale);
        let evaluation = tokio::task::spawn_blocking(move || evaluate(&event, &route, stale, &moment));
        evaluation.await.unwrap_or_else(|_| Preparation::Failed {
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

fn plain(event: &Event, route: &Route, stale: bool) -> Prepared {
    let body = body_of(event, route.body_mode(), stale);
    Prepared { content_type: body.content_type, body: body.bytes, stale }
}

fn evaluate(event: &Event, route: &Route, stale: bool, moment: &Moment) -> Preparation {
    // What is too deep to be read as JSON is given as bytes, so that it can still be routed by its other fields.
    let root =
        Root::parse(&envelope_json(event, stale)).unwrap_or_else(|_| Root::from_value(envelope_value(event, stale)));
    match route.when.as_ref().map(|when| when.is_true(&root, moment)) {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => {
            return Preparation::Filtered { code: "when", detail: "`when` did not let it through".into() };
        }
        Some(Err(error)) => return failed("when", &error),
    }
    match route.map.as_ref().map(|map| map.evaluate(&root, moment)) {
        None => Preparation::Ready { body: plain(event, route, stale), mapped: false },
        Some(Ok(Some(body))) => {
            Preparation::Ready { body: Prepared { content_type: JSON.into(), body, stale }, mapped: true }
        }
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
