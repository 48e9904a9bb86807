//! `streams.<name>` and `budget` of a source: what is asked by itself, when, and at what cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::node::Read as _;
use connectors::manifest::stream::Stream;
use domain::SourceName;
use domain::budget::{Allowance, Counting};
use domain::rate::Rate;
use domain::suggest::nearest;

use super::reader::{At, Fields};
use super::units::print_duration;
use crate::connector::Connector;
use crate::spec::{
    BudgetScope, BudgetSpec, ConnectorSpec, Cost, Cron, OVERLAP_DEFAULT, POLL_MIN, PollBudget, PollSpec, ReconcileSpec,
    Schedule, Start, StreamSpec,
};

/// Longest time between two polls or reconciliations, and longest look back.
const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Shortest time between two reconciliations: each reads a window anew.
const RECONCILE_MIN: Duration = Duration::from_secs(10);
/// Longest overlap: more is a reconciliation.
const OVERLAP_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most requests at once of a bucket.
const BURST_MAX: u32 = 1_000_000;
const WEIGHT_MAX: u32 = 1_000;
/// How streams are reconciled whose polls rest while a subscription tells their changes, unless their owner says so.
const RECONCILE_TOLD: ReconcileSpec = ReconcileSpec {
    schedule: Schedule::Every(Duration::from_secs(60 * 60)),
    lookback: None,
    grace: None,
    max_deletes: None,
};
/// A stream of a shared budget that names no longest wait is asked once a day at least.
const AT_MOST_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `streams` and `budget`, and judges them against the connector.
pub(super) fn streams(
    fields: &mut Fields<'_>,
    connector: Option<&ConnectorSpec>,
) -> (BTreeMap<Arc<str>, StreamSpec>, Option<BudgetSpec>) {
    let (streams_at, budget_at) = (fields.take("streams"), fields.take("budget"));
    let budget = budget_at.as_ref().and_then(budget);
    let Some(spec) = connector else {
        // A connector that could not be read was told already.
        if !fields.has("connector") {
            for at in [&streams_at, &budget_at].into_iter().flatten() {
                at.error(
                    "conflict",
                    "this is for a connector, and none is named",
                    "add connector: NAME, or ./FILE.yaml",
                );
            }
        }
        return (BTreeMap::new(), budget);
    };
    let mut found: BTreeMap<Arc<str>, StreamSpec> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (name, at) in streams_at.iter().flat_map(At::own_entries) {
        check_stream(&at, name, &spec.connector);
        if let Some(mut stream) = stream(&at) {
            if stream.poll.is_some() && is_told(spec, name) {
                stream.reconcile.get_or_insert(RECONCILE_TOLD);
            }
            doubt_lookback(&at, &stream);
            places.insert(name.into(), at);
            found.insert(name.into(), stream);
        }
    }
    check_shares(&found, &places, spec.configs.len().max(1));
    if let (Some(budget), Some(at)) = (&budget, &budget_at) {
        check_cost(at, &found, budget, spec.configs.len().max(1));
    }
    (found, budget)
}

/// Whether a subscription of ours may tell a stream's changes.
fn is_told(spec: &ConnectorSpec, stream: &str) -> bool {
    let extension = &spec.connector.extension;
    spec.subscribe && extension.webhooks.is_some() && extension.tells(stream)
}

fn stream(at: &At<'_>) -> Option<StreamSpec> {
    let mut fields = at.fields()?;
    let poll = fields.take("poll").and_then(|at| poll(&at));
    let reconcile = fields.take("reconcile").and_then(|at| reconcile(&at));
    let start = fields.take("start").and_then(|at| start(&at)).unwrap_or_default();
    let overlap = fields.take("overlap").and_then(|at| at.duration(Duration::ZERO..=OVERLAP_MAX));
    fields.finish();
    Some(StreamSpec { poll, reconcile, start, overlap: overlap.unwrap_or(OVERLAP_DEFAULT) })
}

/// A text is an interval; a mapping says more.
fn poll(at: &At<'_>) -> Option<PollSpec> {
    if !is_map(at) {
        return at.duration(POLL_MIN..=SPAN_MAX).map(|interval| PollSpec::On(Schedule::Every(interval)));
    }
    let mut fields = at.fields()?;
    let rate: Option<Rate> = fields.take("budget").and_then(|at| at.parsed("a rate", "5000/h or 60/m"));
    if let Some(rate) = rate {
        let at_least = fields.take("at_least").and_then(|at| at.duration(POLL_MIN..=SPAN_MAX)).unwrap_or(POLL_MIN);
        let at_most = fields.take("at_most");
        let most = at_most.as_ref().and_then(|at| at.duration(POLL_MIN..=SPAN_MAX));
        let most = most.unwrap_or(AT_MOST_DEFAULT.max(at_least));
        if let Some(at) = at_most.filter(|_| most < at_least) {
            let message = format!("'at_most' is shorter than 'at_least' ({})", print_duration(at_least));
            at.error("conflict", message, "write the longer time as 'at_most'");
        }
        let weight = fields.take("weight").and_then(|at| at.integer(1..=WEIGHT_MAX)).unwrap_or(1);
        fields.finish();
        return Some(PollSpec::Budget(PollBudget { rate, at_least, at_most: most, weight: f64::from(weight) }));
    }
    let schedule = schedule(&mut fields, POLL_MIN);
    fields.finish();
    schedule.map(PollSpec::On)
}

/// `every` or `cron`.
fn schedule(fields: &mut Fields<'_>, least: Duration) -> Option<Schedule> {
    let (every, cron) = (fields.take("every"), fields.take("cron"));
    match (every, cron) {
        (Some(_), Some(at)) => {
            at.error("conflict", "both 'every' and 'cron' are given", "keep the one that you mean");
            None
        }
        (Some(at), None) => at.duration(least..=SPAN_MAX).map(Schedule::Every),
        (None, Some(at)) => match at.text()?.as_str().parse::<Cron>() {
            Ok(cron) => Some(Schedule::Cron(cron)),
            Err(_) if has_seconds(at.text()?.as_str()) => {
                let help = "leave the seconds out, as cron: \"*/15 * * * *\", or write every: 10s";
                at.error("invalid_value", "a crontab has five fields and begins with the minute: this has six", help);
                None
            }
            Err(error) => {
                let message = format!("this is no crontab: {}", error.replace('\n', " "));
                at.error("invalid_value", message, "write five fields, as cron: \"*/15 * * * *\"");
                None
            }
        },
        (None, None) => {
            let help = "write every: 1h, or cron: \"0 * * * *\"";
            fields.at().error("missing_key", "it is not said when", help);
            None
        }
    }
}

/// Six fields of times: five and the name of a zone is another thing.
fn has_seconds(text: &str) -> bool {
    let is_time = |field: &str| !field.is_empty() && field.chars().all(|own| "0123456789*/,-?".contains(own));
    let fields: Vec<&str> = text.split_whitespace().collect();
    fields.len() == 6 && fields.into_iter().all(is_time)
}

fn reconcile(at: &At<'_>) -> Option<ReconcileSpec> {
    if !is_map(at) {
        let interval = at.duration(RECONCILE_MIN..=SPAN_MAX)?;
        let schedule = Schedule::Every(interval);
        return Some(ReconcileSpec { schedule, lookback: None, grace: None, max_deletes: None });
    }
    let mut fields = at.fields()?;
    let schedule = schedule(&mut fields, RECONCILE_MIN);
    let lookback = fields.take("lookback").and_then(|at| at.duration(POLL_MIN..=SPAN_MAX));
    let grace_at = fields.take("grace");
    let grace = grace_at.as_ref().and_then(|at| at.duration(Duration::ZERO..=SPAN_MAX));
    if let (Some(at), Some(lookback)) = (grace_at, lookback.filter(|lookback| grace.is_some_and(|it| it >= *lookback)))
    {
        let span = print_duration(lookback);
        let message = format!("nothing that is looked at would be old enough: 'lookback' is {span}");
        at.error("conflict", message, format!("write less than {span}, or a longer lookback"));
    }
    let max_deletes = fields.take("max_deletes").and_then(|at| at.integer(0..=u32::MAX));
    fields.finish();
    Some(ReconcileSpec { schedule: schedule?, lookback, grace, max_deletes })
}

fn start(at: &At<'_>) -> Option<Start> {
    at.parsed("a start", "now, all, or a time such as 2026-01-31T00:00:00Z")
}

/// A text is a rate; a mapping says more.
fn budget(at: &At<'_>) -> Option<BudgetSpec> {
    const EXAMPLES: &str = "5000/h or 100/s";
    if !is_map(at) {
        let allowance: Allowance = at.parsed("a rate", EXAMPLES)?;
        return Some(BudgetSpec { allowance, scope: BudgetScope::default() });
    }
    let mut fields = at.fields()?;
    let limit = fields.require("limit", "so many requests in a time, as limit: 5000/h");
    let limit: Option<Rate> = limit.and_then(|at| at.parsed("a rate", EXAMPLES));
    let counting = fields.take("window").and_then(|at| at.choice(&[("moving", 0), ("fixed", 1), ("bucket", 2)]));
    let burst = fields.take("burst");
    if let Some(at) = burst.as_ref().filter(|_| counting != Some(2)) {
        at.error("conflict", "'burst' says nothing without window: bucket", "add window: bucket, or remove 'burst'");
    }
    let burst = burst.and_then(|at| at.integer(1..=BURST_MAX));
    let scope = fields.take("scope").and_then(|at| scope(&at));
    fields.finish();
    let rate = limit?;
    let counting = match counting.unwrap_or(0) {
        1 => Counting::Fixed,
        2 => Counting::Bucket { burst: burst.unwrap_or(rate.count) },
        _ => Counting::Moving,
    };
    Some(BudgetSpec { allowance: Allowance { rate, counting }, scope: scope.unwrap_or_default() })
}

/// `connection`, `source`, or a name of its own, which is one by the rules of all names.
fn scope(at: &At<'_>) -> Option<BudgetScope> {
    let text = at.text()?;
    match text.as_str() {
        "connection" => Some(BudgetScope::Connection),
        "source" => Some(BudgetScope::Source),
        name if name.parse::<SourceName>().is_ok() => Some(BudgetScope::Named(name.to_owned())),
        _ => {
            let help = "write connection, source, or a name of letters, digits, '-' and '_' that other sources share";
            at.error("invalid_name", format!("'{}' cannot name a budget", at.shown(text)), help);
            None
        }
    }
}

fn is_map(at: &At<'_>) -> bool {
    matches!(at.node().value, super::tree::Value::Map(_))
}

/// The stream is one of the connector's, and it can tell a change.
fn check_stream(at: &At<'_>, name: &str, connector: &Connector) {
    let declared = connector.source.declared();
    let Some(found) = declared.iter().find(|declared| declared.name == name) else {
        let makes_more = connector.source.dynamic_nodes().is_ok_and(|templates| !templates.is_empty());
        let near = nearest(name, declared.iter().map(|declared| declared.name.as_str()));
        let help = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => "`trireme connector inspect` lists its streams".to_owned(),
        };
        let message = format!("the connector has no stream '{name}'");
        if makes_more {
            at.warning("unknown_name", format!("{message}, unless the source makes one of that name"), help);
        } else {
            at.error_at_key("unknown_name", message, help);
        }
        return;
    };
    match Stream::read(&found.node.afresh()) {
        Err(problem) => at.error_at_key("stream_unusable", problem.to_string(), "see `trireme connector inspect`"),
        Ok(stream) if stream.is_blind() => {
            let message = format!("changes of '{name}' can never be told: it has neither a cursor nor a primary key");
            at.error_at_key(
                "poll_blind",
                message,
                "give the stream a primary_key in the manifest, or read it yourself",
            );
        }
        Ok(_) => {}
    }
}

/// Polls move on what reconciliation looks back from, so what lies between two looks is never compared.
fn doubt_lookback(at: &At<'_>, stream: &StreamSpec) {
    let Some(reconcile) = stream.reconcile.as_ref().filter(|_| stream.poll.is_some()) else { return };
    let Some((lookback, every)) = reconcile.lookback.zip(reconcile.schedule.interval()) else { return };
    if lookback < every {
        let (lookback, every) = (print_duration(lookback), print_duration(every));
        let message = format!("of every {every} between two reconciliations only the last {lookback} are looked at");
        at.warning(
            "lookback_short",
            message,
            format!("write lookback: {every} or more, or leave it out for everything"),
        );
    }
}

/// Streams that are polled from one budget say the same of it, and no less than asking each of them in time takes.
fn check_shares(streams: &BTreeMap<Arc<str>, StreamSpec>, places: &BTreeMap<Arc<str>, At<'_>>, connections: usize) {
    let mut first: Option<(&Arc<str>, Rate)> = None;
    // Whoever names no longest wait wants none kept.
    let (mut wanted, mut waiting) = (0.0, 0.0);
    for (name, stream) in streams {
        let Some(PollSpec::Budget(share)) = &stream.poll else { continue };
        match first {
            None => first = Some((name, share.rate)),
            Some((other, rate)) if rate != share.rate => {
                let message = format!("the streams of a source share one poll budget, and '{other}' says {rate}");
                places[name].error("conflict", message, format!("write budget: {rate} here too"));
            }
            Some(_) => {}
        }
        if share.at_least <= share.at_most && share.at_most < AT_MOST_DEFAULT {
            wanted += connections as f64 / share.at_most.as_secs_f64();
            waiting += connections as f64;
        }
    }
    let Some((name, rate)) = first else { return };
    let allowed = f64::from(rate.count) / rate.per.as_secs_f64();
    if wanted > allowed {
        let most = print_duration(Duration::from_secs_f64((waiting / allowed).ceil()));
        let needs = (wanted * 3_600.0).ceil();
        let message = format!("{rate} is too small: to ask each stream by its 'at_most' takes at least {needs}/h");
        places[name].error("budget_too_small", message, format!("an at_most of {most} is what it allows"));
    }
}

/// Fixed intervals need no more requests than the source allows: at least one each, for each connection.
fn check_cost(at: &At<'_>, streams: &BTreeMap<Arc<str>, StreamSpec>, budget: &BudgetSpec, connections: usize) {
    let sharing = if budget.scope == BudgetScope::Connection { 1 } else { connections };
    let cost = Cost::of(streams.values(), sharing);
    let rate = budget.allowance.rate;
    if let Some(interval) = cost.too_much_for(rate) {
        let message = format!("{rate} is too small: the polls of its streams need at least {}/h", cost.per_hour());
        let help =
            format!("an interval of {} is what it allows, or poll: {{ budget: {rate} }}", print_duration(interval));
        at.error("budget_too_small", message, help);
    }
}
