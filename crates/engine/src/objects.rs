//! Definitions of the API's objects on their way to the store and back: secrets sealed there, plain only in memory.

use domain::Tenant;
use store::registry::{Object, ObjectKind};

use crate::definition::{self, Context, Known, Report, read_json, replace_secrets};
use crate::engine::EngineError;
use crate::spec::Specs;
use crate::vault::Vault;

/// Reads one definition into the specs; a route may name any source and destination that is configured.
pub(crate) fn read(
    specs: &mut Specs,
    known: &Known,
    context: &Context,
    kind: ObjectKind,
    name: &str,
    json: serde_json::Value,
) -> Result<(), EngineError> {
    match kind {
        ObjectKind::Source => {
            let name = name.parse().map_err(invalid_name)?;
            let (spec, _) = read_json(json, |at| definition::source(at, name, context)).map_err(mistakes)?;
            specs.sources.push(spec);
        }
        ObjectKind::Destination => {
            let name = name.parse().map_err(invalid_name)?;
            let (spec, _) = read_json(json, |at| definition::destination(at, name, context)).map_err(mistakes)?;
            specs.destinations.push(spec);
        }
        ObjectKind::Route => {
            let name = name.parse().map_err(invalid_name)?;
            let (mut spec, _) = read_json(json, |at| definition::route(at, known, context)).map_err(mistakes)?;
            spec.name = name;
            specs.routes.push(spec);
        }
    }
    Ok(())
}

fn invalid_name(error: domain::name::NotAName) -> EngineError {
    EngineError::Invalid { code: "name_invalid", detail: error.to_string() }
}

fn mistakes(report: Report) -> EngineError {
    EngineError::Definition(report)
}

/// What a sealed secret belongs to: moved to another object it cannot be opened.
fn owner(kind: ObjectKind, tenant: &Tenant, name: &str) -> String {
    format!("{tenant}/{}/{name}", kind.as_str())
}

/// The definition with every secret sealed.
pub(crate) fn seal(
    vault: &Vault,
    kind: ObjectKind,
    tenant: &Tenant,
    name: &str,
    mut json: serde_json::Value,
) -> Result<serde_json::Value, EngineError> {
    let owner = owner(kind, tenant, name);
    let mut failed = None;
    replace_secrets(&mut json, &mut |secret| {
        vault.seal(&owner, secret).unwrap_or_else(|error| {
            failed = Some(error);
            String::new()
        })
    });
    match failed {
        None => Ok(json),
        Some(error) => Err(EngineError::Invalid { code: "secret_not_sealed", detail: error.to_string() }),
    }
}

/// The definition of a stored object with every secret opened.
pub(crate) fn unseal(vault: &Vault, object: &Object) -> Result<serde_json::Value, EngineError> {
    let owner = owner(object.kind, &object.tenant, &object.name);
    let mut json = object.definition.clone();
    let mut failed = None;
    replace_secrets(&mut json, &mut |sealed| match vault.open(&owner, sealed) {
        Ok(secret) => secret.expose().to_owned(),
        Err(error) => {
            failed = Some(error);
            String::new()
        }
    });
    match failed {
        None => Ok(json),
        Some(error) => {
            let detail = format!("{} '{}': {error}", object.kind.as_str(), object.name);
            Err(EngineError::Invalid { code: "secret_not_opened", detail })
        }
    }
}
