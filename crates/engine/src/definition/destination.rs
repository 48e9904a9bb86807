//! `destinations.<name>`: where events go, how fast, and what happens when it does not answer.

use std::time::Duration;

use domain::DestinationName;
use domain::breaker::BreakerPolicy;

use super::Context;
use super::http::http;
use super::reader::At;
use super::retry::retry;
use crate::spec::DestinationSpec;

/// A breaker that needs more failures than this to open would protect nobody.
const FAILURES_MAX: u32 = 10_000;
/// Shortest and longest that a breaker may stay open: below, it is no pause; above, a recovery goes unnoticed.
const PAUSE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// Reads one destination.
#[must_use]
pub fn destination(at: &At<'_>, name: DestinationName, context: &Context) -> Option<DestinationSpec> {
    let mut fields = at.fields()?;
    let http = fields.require("http", "http: { url: https://…, secret: \"${…}\" }").and_then(|at| http(&at, context));
    let retry = fields.take("retry").and_then(|at| retry(&at)).unwrap_or_default();
    let rate_limit = fields.take("rate_limit").and_then(|at| at.parsed("a rate", "100/s, 6000/m or 50000/h"));
    let breaker = fields.take("breaker").and_then(|at| breaker(&at)).unwrap_or_default();
    let paused = fields.take("paused").and_then(|at| at.flag()).unwrap_or(false);
    fields.finish();
    let Context { tenant, managed_by, .. } = context.clone();
    Some(DestinationSpec { tenant, name, managed_by, http: http?, retry, rate_limit, breaker, paused })
}

fn breaker(at: &At<'_>) -> Option<BreakerPolicy> {
    let standard = BreakerPolicy::default();
    let mut fields = at.fields()?;
    let failures = fields.take("failures").and_then(|at| at.integer(1..=FAILURES_MAX)).unwrap_or(standard.failures);
    let pause = fields.take("pause").and_then(|at| at.duration(PAUSE)).unwrap_or(standard.pause);
    let longest = fields.take("pause_max");
    let pause_max = longest.as_ref().and_then(|at| at.duration(PAUSE));
    fields.finish();
    if let (Some(at), Some(_)) = (&longest, pause_max.filter(|longest| *longest < pause)) {
        at.error("conflict", "'pause_max' is shorter than 'pause'", "make it at least as long");
    }
    Some(BreakerPolicy { failures, pause, pause_max: pause_max.unwrap_or_else(|| standard.pause_max.max(pause)) })
}
