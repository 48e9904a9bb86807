//! Prepare: `when`, then `map`, once per delivery; what comes out is what every try sends.

use std::sync::Arc;

use bytes::Bytes;
use domain::Event;
use domain::ordering::Ordering;
use store::dispatch::Prepared;

use crate::alert::{Alerts, FILTER_PASSES_NOTHING};
use crate::expression::{Evaluated, Expression, ExpressionError};
use crate::message::{JSON, body_of, envelope_value};
use crate::spec::OnStale;
use crate::topology::{FILTER_SUSPECT_AFTER, FilterSuspicion, Route};
use crate::work::Work;

/// A payload larger than this is evaluated off the async threads: parsing it alone takes a millisecond.
const INLINE_BYTES_MAX: usize = 64 * 1024;

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

/// Prepares a delivery that was not prepared before.
pub async fn prepare(work: &Work, alerts: &Alerts) -> Preparation {
    let (event, route) = (&work.event, &work.route);
    if work.stale && route.spec.stale == OnStale::Drop {
        return Preparation::Filtered { code: "stale", detail: "a later version was already sent, and the route drops stale events".into() };
    }
    if route.when.is_none() && route.map.is_none() {
        return Preparation::Ready { body: plain(event, route, work.stale), mapped: false };
    }
    // `when` decided on the first try; asking again could change its mind about a message already sent.
    let ask_when = work.attempts == 0;
    let evaluated = if event.payload.len() > INLINE_BYTES_MAX {
        let (event, route, stale) = (Arc::clone(event), Arc::clone(route), work.stale);
        let evaluate = move || evaluate(&event, &route, stale, ask_when);
        tokio::task::spawn_blocking(evaluate).await.unwrap_or_else(|_| Preparation::Failed {
            code: "expression_panicked",
            detail: "evaluating the expression broke off; simplify it, or report it with the event's id".into(),
        })
    } else {
        evaluate(event, route, work.stale, ask_when)
    };
    if ask_when && route.when.is_some() {
        watch_filter(route, !matches!(evaluated, Preparation::Filtered { .. }), alerts).await;
    }
    evaluated
}

fn plain(event: &Event, route: &Route, stale: bool) -> Prepared {
    let body = body_of(event, route.body_mode(), stale);
    Prepared { content_type: body.content_type, body: body.bytes, stale }
}

fn evaluate(event: &Event, route: &Route, stale: bool, ask_when: bool) -> Preparation {
    let root = envelope_value(event, stale);
    if let Some(when) = route.when.as_ref().filter(|_| ask_when) {
        match when.is_true(&root) {
            Ok(true) => {}
            Ok(false) => return Preparation::Filtered { code: "when", detail: "`when` did not let it through".into() },
            Err(error) => return failed("when", &error),
        }
    }
    match route.map.as_ref().map(|map| mapped(map, &root)) {
        None => Preparation::Ready { body: plain(event, route, stale), mapped: false },
        Some(Ok(body)) => Preparation::Ready { body: Prepared { content_type: JSON.into(), body, stale }, mapped: true },
        Some(Err(failure)) => failure,
    }
}

fn mapped(map: &Expression, root: &serde_json::Value) -> Result<Bytes, Preparation> {
    let value: Evaluated = map.evaluate(root).map_err(|error| failed("map", &error))?;
    match value {
        Some(value) => Ok(value.to_string().into()),
        None => Err(Preparation::Failed {
            code: "map_gave_nothing",
            detail: "`map` gave nothing for this event: name what it takes, or keep such events out with `when`".into(),
        }),
    }
}

fn failed(field: &str, error: &ExpressionError) -> Preparation {
    Preparation::Failed { code: "expression_failed", detail: format!("`{field}`: {error}") }
}

async fn watch_filter(route: &Route, passed: bool, alerts: &Alerts) {
    let tenant = &route.spec.tenant;
    let object = || format!("route/{}", route.spec.name);
    match route.filter.count(passed) {
        Some(FilterSuspicion::Raised) => {
            let detail = format!(
                "`when` of route '{}' let none of its first {FILTER_SUSPECT_AFTER} events through; a misspelt name is simply false in JSONata",
                route.spec.name
            );
            alerts.raise(tenant, FILTER_PASSES_NOTHING, object(), detail).await;
        }
        Some(FilterSuspicion::Cleared) => alerts.resolve(tenant, FILTER_PASSES_NOTHING, object()).await,
        None => {}
    }
}

/// Whether the route promises an order, so that `stale` can be told.
#[must_use]
pub fn is_ordered(route: &Route) -> bool {
    route.spec.ordering != Ordering::None
}
