//! Definitions of the API's objects on their way to the store and back: secrets sealed there, plain only in memory.

use domain::Tenant;
use store::registry::{Object, ObjectKind};

use crate::definition::{self, Context, Known, Report, read_json, replace_secrets};
use crate::engine::EngineError;
use crate::entropy::Entropy;
use crate::spec::Specs;
use crate::vault::{Place, Vault, VaultError};

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

/// The definition with every secret sealed for its place: this object, and the how-manyeth secret of it.
pub(crate) fn seal(
    vault: &Vault,
    entropy: &dyn Entropy,
    kind: ObjectKind,
    tenant: &Tenant,
    name: &str,
    definition: serde_json::Value,
) -> Result<serde_json::Value, EngineError> {
    let sealed =
        replaced(kind, tenant, name, definition, |place, secret| vault.seal(entropy, place, secret.as_bytes()));
    sealed.map_err(|error| EngineError::Invalid { code: error.code(), detail: error.to_string() })
}

/// The definition of a stored object with every secret opened.
pub(crate) fn unseal(vault: &Vault, object: &Object) -> Result<serde_json::Value, EngineError> {
    let open = |place: &Place<'_>, sealed: &str| {
        let bytes = vault.open(place, sealed)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| VaultError::NotAuthentic)
    };
    let opened = replaced(object.kind, &object.tenant, &object.name, object.definition.clone(), open);
    opened.map_err(|error| {
        let detail = format!("{} '{}': {error}", object.kind.as_str(), object.name);
        EngineError::Invalid { code: error.code(), detail }
    })
}

/// The definition of a stored object with every secret under another master key. What is there already stays, so that
/// an interrupted change can be taken up again.
pub fn rewrap_object(
    from: &Vault,
    to: &Vault,
    entropy: &dyn Entropy,
    object: &Object,
) -> Result<serde_json::Value, VaultError> {
    let rewrap = |place: &Place<'_>, sealed: &str| match from.rewrap(to, entropy, place, sealed) {
        Err(VaultError::WrongMasterKey { sealed_by, .. }) if sealed_by == to.key_id() => Ok(sealed.to_owned()),
        other => other,
    };
    replaced(object.kind, &object.tenant, &object.name, object.definition.clone(), rewrap)
}

/// A definition with every secret replaced; the first failure ends it.
fn replaced(
    kind: ObjectKind,
    tenant: &Tenant,
    name: &str,
    mut definition: serde_json::Value,
    replace: impl Fn(&Place<'_>, &str) -> Result<String, VaultError>,
) -> Result<serde_json::Value, VaultError> {
    let object = format!("{}/{name}", kind.as_str());
    let (mut number, mut failed) = (0, None);
    replace_secrets(&mut definition, &mut |secret| {
        let role = format!("secret[{number}]");
        number += 1;
        let place = Place { tenant: tenant.as_str(), object: &object, role: &role };
        replace(&place, secret).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            String::new()
        })
    });
    failed.map_or(Ok(definition), Err)
}
