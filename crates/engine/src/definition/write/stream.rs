//! Streams and budgets as JSON.

use domain::budget::Counting;
use serde_json::{Map, Value as Json, json};

use super::super::units::print_duration;
use crate::spec::{BudgetScope, BudgetSpec, PollSpec, ReconcileSpec, Schedule, StreamSpec};

pub(super) fn stream(spec: &StreamSpec) -> Json {
    let mut json = Map::new();
    if let Some(poll) = &spec.poll {
        json.insert("poll".to_owned(), poll_json(poll));
    }
    if let Some(reconcile) = &spec.reconcile {
        json.insert("reconcile".to_owned(), reconcile_json(reconcile));
    }
    json.insert("start".to_owned(), spec.start.to_string().into());
    json.insert("overlap".to_owned(), print_duration(spec.overlap).into());
    json.into()
}

fn poll_json(poll: &PollSpec) -> Json {
    match poll {
        PollSpec::On(schedule) => schedule_json(schedule).into(),
        PollSpec::Budget(share) => json!({
            "budget": share.rate.to_string(),
            "at_least": print_duration(share.at_least),
            "at_most": print_duration(share.at_most),
            "weight": share.weight as u64,
        }),
    }
}

fn reconcile_json(spec: &ReconcileSpec) -> Json {
    let mut json = schedule_json(&spec.schedule);
    for (key, span) in [("lookback", spec.lookback), ("grace", spec.grace)] {
        json.extend(span.map(|span| (key.to_owned(), print_duration(span).into())));
    }
    json.extend(spec.max_deletes.map(|most| ("max_deletes".to_owned(), most.into())));
    json.into()
}

fn schedule_json(schedule: &Schedule) -> Map<String, Json> {
    let (key, value) = match schedule {
        Schedule::Every(interval) => ("every", print_duration(*interval)),
        Schedule::Cron(cron) => ("cron", cron.to_string()),
    };
    Map::from_iter([(key.to_owned(), value.into())])
}

pub(super) fn budget(spec: &BudgetSpec) -> Json {
    let (window, burst) = match spec.allowance.counting {
        Counting::Moving => ("moving", None),
        Counting::Fixed => ("fixed", None),
        Counting::Bucket { burst } => ("bucket", Some(burst)),
    };
    let scope = match &spec.scope {
        BudgetScope::Connection => "connection",
        BudgetScope::Source => "source",
        BudgetScope::Named(name) => name,
    };
    let mut json = json!({ "limit": spec.allowance.rate.to_string(), "window": window, "scope": scope });
    if let Some(burst) = burst {
        json["burst"] = burst.into();
    }
    json
}
