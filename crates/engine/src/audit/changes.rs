//! What a configuration file changes: the names of what it adds, removes and defines otherwise, by tenant.

use std::collections::{BTreeMap, BTreeSet};

use domain::Tenant;
use store::registry::{ManagedBy, Object, ObjectKind};

use crate::spec::Specs;

/// Names told one by one.
const NAMES_MAX: usize = 30;

/// What changes for each tenant that anything changes for, as text: `+source/a -route/b ~destination/c`.
pub(crate) type Changes = BTreeMap<Tenant, String>;

type Name = (Tenant, ObjectKind, String);

/// What `next` changes: of what ran in this process before, else of what an earlier process recorded.
pub(crate) fn changes_of(before: Option<&Specs>, recorded: &[Object], next: &Specs) -> Changes {
    let known = match before {
        Some(before) => names(before),
        None => recorded.iter().filter(|object| object.managed_by == ManagedBy::File).map(name_of).collect(),
    };
    let defined = names(next);
    let mut told: BTreeMap<Tenant, Vec<String>> = BTreeMap::new();
    let mut tell = |mark: char, (tenant, kind, name): &Name| {
        told.entry(tenant.clone()).or_default().push(format!("{mark}{}/{name}", kind.as_str()));
    };
    defined.difference(&known).for_each(|name| tell('+', name));
    known.difference(&defined).for_each(|name| tell('-', name));
    if let Some(before) = before {
        let same = |name: &&Name| is_same(before, next, name);
        defined.intersection(&known).filter(|name| !same(name)).for_each(|name| tell('~', name));
    }
    told.into_iter().map(|(tenant, names)| (tenant, shown(&names))).collect()
}

fn shown(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let text = names[..names.len() - more].join(" ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

fn names(specs: &Specs) -> BTreeSet<Name> {
    let source = specs.sources.iter().map(|spec| (spec.tenant.clone(), ObjectKind::Source, spec.name.to_string()));
    let destination =
        specs.destinations.iter().map(|spec| (spec.tenant.clone(), ObjectKind::Destination, spec.name.to_string()));
    let route = specs.routes.iter().map(|spec| (spec.tenant.clone(), ObjectKind::Route, spec.name.to_string()));
    source.chain(destination).chain(route).collect()
}

fn name_of(object: &Object) -> Name {
    (object.tenant.clone(), object.kind, object.name.to_string())
}

fn is_same(before: &Specs, next: &Specs, (tenant, kind, name): &Name) -> bool {
    macro_rules! same {
        ($list:ident) => {{
            let find = |specs: &Specs| {
                specs.$list.iter().find(|spec| spec.tenant == *tenant && spec.name.as_str() == name).cloned()
            };
            find(before) == find(next)
        }};
    }
    match kind {
        ObjectKind::Source => same!(sources),
        ObjectKind::Destination => same!(destinations),
        ObjectKind::Route => same!(routes),
    }
}
