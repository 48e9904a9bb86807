//! Left out: routes of the API that lead from or to what is configured no more. They stay objects and are not served, so
//! that everything else is.

use std::sync::Arc;

use domain::Tenant;
use rustc_hash::FxHashSet;
use store::registry::{ManagedBy, Object, ObjectKind};

use super::{Key, key_of, keys_of};
use crate::alert::{Alerts, ROUTE_LEFT_OUT};
use crate::spec::Specs;
use crate::topology::SpecError;

/// A route of the API, and which of its ends is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    tenant: Tenant,
    route: String,
    missing: ObjectKind,
    name: String,
}

impl LeftOut {
    /// Those that these objects hold; what they name may be the file's as well.
    pub fn among(file: &Specs, objects: &[Object]) -> Vec<Self> {
        let mut known: FxHashSet<Key> = keys_of(file);
        let of_api = || objects.iter().filter(|object| object.managed_by == ManagedBy::Api);
        known.extend(of_api().map(key_of));
        let routes = of_api().filter(|object| object.kind == ObjectKind::Route);
        routes.filter_map(|route| Self::of(route, &known)).collect()
    }

    fn of(route: &Object, known: &FxHashSet<Key>) -> Option<Self> {
        let ends = [("from", ObjectKind::Source), ("to", ObjectKind::Destination)];
        ends.into_iter().find_map(|(field, missing)| {
            // What names nothing at all is no matter of something being gone.
            let name = route.definition.get(field)?.as_str()?.to_owned();
            let is_gone = !known.contains(&(missing, route.tenant.clone(), name.clone()));
            is_gone.then(|| Self { tenant: route.tenant.clone(), route: route.name.to_string(), missing, name })
        })
    }

    pub fn key(&self) -> Key {
        (ObjectKind::Route, self.tenant.clone(), self.route.clone())
    }

    /// Why nobody may make it so.
    pub fn error(&self) -> SpecError {
        let (field, code) = match self.missing {
            ObjectKind::Destination => ("to", "unknown_destination"),
            ObjectKind::Source | ObjectKind::Route => ("from", "unknown_source"),
        };
        let (tenant, name) = (self.tenant.clone(), self.route.clone());
        let detail = format!("there is no {} '{}'", self.missing.as_str(), self.name);
        SpecError { kind: ObjectKind::Route, tenant, name, field, code, detail }
    }

    fn object(&self) -> String {
        format!("route/{}", self.route)
    }

    /// What it is, and what to do about it.
    fn detail(&self) -> String {
        let (route, kind, name) = (&self.route, self.missing.as_str(), &self.name);
        format!(
            "route '{route}' is not served, because there is no {kind} '{name}': make that {kind} again or remove the route; what comes meanwhile can be replayed"
        )
    }
}

/// Raises an alert of each, and resolves those of routes that are served again or were removed.
pub(crate) fn tell(alerts: &Alerts, left_out: &[LeftOut]) {
    let is_told = |one: &LeftOut| alerts.is_open(&one.tenant, ROUTE_LEFT_OUT, &one.object());
    for one in left_out.iter().filter(|one| !is_told(one)) {
        alerts.note(&one.tenant, ROUTE_LEFT_OUT, one.object(), one.detail());
    }
    let is_left_out = |(tenant, object): &(Tenant, Arc<str>)| {
        left_out.iter().any(|one| one.tenant == *tenant && one.object() == **object)
    };
    for (tenant, object) in alerts.open_of(ROUTE_LEFT_OUT).into_iter().filter(|open| !is_left_out(open)) {
        alerts.gone(&tenant, ROUTE_LEFT_OUT, object);
    }
}

#[cfg(test)]
mod tests;
