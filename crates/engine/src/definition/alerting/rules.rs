//! `alerts.rules.<kind>`: `off`, or what is different from the standard.

use std::ops::RangeInclusive;
use std::time::Duration;

use domain::alert::rule::{Change, STANDARD, Thresholds, standard_of};
use domain::alert::{Rules, Severity};

use crate::definition::nearest;
use crate::definition::reader::{At, Fields};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest that an alert is kept to itself: later than this nobody can act on it.
const AFTER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(7 * 24 * 60 * 60);
/// Figures by the minute are kept for a day.
const WITHIN: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(24 * 60 * 60);
const COUNT_MAX: u32 = 1_000_000;

pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

pub(super) fn rules(at: &At<'_>) -> Rules {
    let mut rules = Rules::default();
    for (kind, at) in at.own_entries() {
        if standard_of(kind).is_none() {
            let kinds = STANDARD.iter().map(|rule| rule.kind);
            let help = match nearest(kind, kinds.clone()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("known here: {}", kinds.collect::<Vec<_>>().join(", ")),
            };
            at.error_at_key("unknown_key", "there is no rule of this name", help);
            continue;
        }
        let change = rule(&at, kind, &mut rules.thresholds).unwrap_or_default();
        rules.changes.insert(kind.to_owned(), change);
    }
    rules
}

fn rule(at: &At<'_>, kind: &str, thresholds: &mut Thresholds) -> Option<Change> {
    if is_off(at) {
        return Some(Change { off: true, ..Change::default() });
    }
    let mut fields = at.fields()?;
    let enabled = fields.take("enabled").and_then(|at| at.flag()).unwrap_or(true);
    let severity = fields.take("severity").and_then(|at| at.choice(&SEVERITIES));
    let after = fields.take("after").and_then(|at| at.duration(AFTER));
    let count = fields.take("count").and_then(|at| at.integer(1..=COUNT_MAX)).map(u64::from);
    own(&mut fields, kind, thresholds);
    fields.finish();
    Some(Change { off: !enabled, severity, after, count })
}

/// `off`, which YAML 1.2 has as a text, or `false`.
fn is_off(at: &At<'_>) -> bool {
    use crate::definition::tree::Value;
    match &at.node().value {
        Value::Bool(flag) => !flag,
        Value::Text(text) => text.as_str() == "off",
        _ => false,
    }
}

/// The thresholds that only this kind has.
fn own(fields: &mut Fields<'_>, kind: &str, thresholds: &mut Thresholds) {
    let mut duration = |key, range: RangeInclusive<Duration>, into: &mut Duration| {
        if let Some(given) = fields.take(key).and_then(|at| at.duration(range)) {
            *into = given;
        }
    };
    match kind {
        "delivery_failing" => duration("within", WITHIN, &mut thresholds.failing.within),
        "backlog_growing" => {
            duration("lag", MINUTE..=7 * DAY, &mut thresholds.backlog.lag);
            duration("within", 2 * MINUTE..=DAY, &mut thresholds.backlog.within);
        }
        "silence" => {
            duration("at_least", 5 * MINUTE..=7 * DAY, &mut thresholds.silence.at_least);
            duration("history", 7 * DAY..=28 * DAY, &mut thresholds.silence.history);
        }
        "disk_filling" => duration("full_within", HOUR..=30 * DAY, &mut thresholds.disk.full_within),
        "budget_exhausted" => duration("waiting", MINUTE..=DAY, &mut thresholds.budget_for),
        "credentials_expiring" => duration("before", HOUR..=90 * DAY, &mut thresholds.expiring_before),
        _ => {}
    }
    let mut number = |key| fields.take(key).and_then(|at| at.integer(1..=COUNT_MAX)).map(u64::from);
    match kind {
        "delivery_failing" => {
            if let Some(attempts) = number("attempts") {
                thresholds.failing.attempts = attempts;
            }
            if let Some(share) = fields.take("share").and_then(|at| at.percent()) {
                thresholds.failing.share = f64::from(share) / 100.0;
            }
        }
        "backlog_growing" => {
            if let Some(deliveries) = number("deliveries") {
                thresholds.backlog.deliveries = deliveries;
            }
        }
        "disk_filling" => {
            if let Some(free) = fields.take("free").and_then(|at| at.size(1 << 20..=1 << 50)) {
                thresholds.disk.free_bytes = free;
            }
        }
        _ => {}
    }
}
