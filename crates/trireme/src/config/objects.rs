//! `sources`, `destinations`, `routes`, `alerts` and `egress` of one tenant: the top level's, or one below `tenants`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::store::registry::{ManagedBy, ObjectKind};
use domain::{DestinationName, RouteName, SourceName, Tenant};
use engine::definition::{At, Context, Fields, Known, alerting, destination, route, source};
use engine::spec::{RouteSpec, Specs};
use engine::transport::EgressPolicy;
use ipnet::IpNet;

use super::connectors::Files;
use super::{Surroundings, egress};

/// Most objects of a kind that one tenant has in a file.
const OBJECTS_MAX: usize = 10_000;

/// What objects are read with: their surroundings, and what senders call.
pub(super) type Within<'w> = (&'w Surroundings<'w>, Option<&'w Arc<str>>);

/// What one tenant has.
pub(super) struct Owned {
    pub tenant: Tenant,
    pub egress_allow: Vec<IpNet>,
    pub specs: Specs,
}

/// `allowed` is what the tenant may reach beside what its own section allows.
pub(super) fn owned(fields: &mut Fields<'_>, tenant: Tenant, allowed: &[IpNet], within: Within<'_>) -> Owned {
    let (around, public_url) = within;
    let own = &around.own;
    let mut egress_allow = fields.take("egress").and_then(|at| egress::allow(&at)).unwrap_or_default();
    egress_allow.extend(allowed);
    let policy = Arc::new(EgressPolicy::new(egress_allow.clone(), Vec::new()));
    let context = Context {
        tenant: tenant.clone(),
        managed_by: ManagedBy::File,
        catalogue: Arc::clone(&own.catalogue),
        wrong_recipes: Arc::clone(&own.wrong),
        connectors: Arc::<Files>::clone(&around.connectors),
        public_url: public_url.cloned(),
        egress: policy,
    };
    let mut owned = Owned { tenant, egress_allow, specs: Specs::default() };
    let mut known = Known::default();
    for (name, at) in named::<SourceName>(fields.take("sources")) {
        owned.specs.veils.note(ObjectKind::Source, &owned.tenant, name.as_str(), at.node());
        let spec = source(&at, name.clone(), &context);
        known.source(name, spec.as_ref(), &context.catalogue);
        owned.specs.sources.extend(spec);
    }
    for (name, at) in named::<DestinationName>(fields.take("destinations")) {
        owned.specs.veils.note(ObjectKind::Destination, &owned.tenant, name.as_str(), at.node());
        known.destinations.insert(name.clone());
        owned.specs.destinations.extend(destination(&at, name, &context));
    }
    owned.specs.alerting.extend(fields.take("alerts").and_then(|at| alerting(&at, &context)));
    if let Some(at) = fields.take("routes") {
        owned.routes(&at, &known, &context);
    }
    owned
}

impl Owned {
    fn routes(&mut self, at: &At<'_>, known: &Known, context: &Context) {
        let items = at.items().unwrap_or_default();
        bound(at, items.len());
        let mut taken = BTreeSet::new();
        for item in items {
            let Some(spec) = route(&item, known, context) else { continue };
            if taken.insert(spec.name.clone()) {
                self.specs.veils.note(ObjectKind::Route, &self.tenant, spec.name.as_str(), item.node());
                self.specs.routes.push(spec);
            } else {
                name_taken(&item, &spec);
            }
        }
    }
}

fn named<N>(section: Option<At<'_>>) -> Vec<(N, At<'_>)>
where
    N: std::str::FromStr,
    N::Err: std::fmt::Display,
{
    let Some(at) = section else { return Vec::new() };
    let entries = at.named_entries();
    bound(&at, entries.len());
    entries
}

fn bound(at: &At<'_>, count: usize) {
    if count > OBJECTS_MAX {
        let message = format!("{count} of these, at most {OBJECTS_MAX} are allowed in a file");
        at.error("too_many", message, "make the others through the API, or give them to another tenant");
    }
}

fn name_taken(at: &At<'_>, spec: &RouteSpec) {
    let RouteSpec { name, from, to, .. } = spec;
    if *name == RouteName::of_pair(from, to) {
        let message = format!("a second route from '{from}' to '{to}' must name itself");
        at.error("name_taken", message, format!("add name: {name}-2, or whatever tells it apart"));
    } else {
        at.error("name_taken", format!("there is a route '{name}' already"), "choose another name");
    }
}
