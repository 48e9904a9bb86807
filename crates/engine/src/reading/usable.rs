//! Makes of an owner's configuration the one that streams are read with, or says field by field what is wrong with it.

use connectors::manifest::spec::{ConfigProblem, Spec, Weight};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::failure::ReadFailure;

/// A configuration of old as one of today, and whether anything had to change for that.
pub fn migrated(spec: &Spec, mut config: Json, now: Timestamp) -> Result<(Json, bool), ReadFailure> {
    let changed =
        spec.migrate(&mut config, now).map_err(|error| ReadFailure::config(error.code(), error.to_string()))?;
    Ok((config, changed))
}

/// What is left to be done to a configuration of today: held against the specification, transformed, and held against
/// the rules that go beyond it.
pub fn usable(spec: &Spec, mut config: Json, now: Timestamp) -> Result<Json, ReadFailure> {
    refuse_wrong(spec.check(&config))?;
    spec.transform(&mut config, now).map_err(|error| ReadFailure::config(error.code(), error.to_string()))?;
    refuse_wrong(spec.validate(&config, now))?;
    Ok(config)
}

fn refuse_wrong(mut problems: Vec<ConfigProblem>) -> Result<(), ReadFailure> {
    problems.retain(|problem| problem.weight == Weight::Error);
    if problems.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let message = format!("the configuration is not what the connector asks for: {}", told.join("; "));
    Err(ReadFailure::config("config_invalid", message))
}
