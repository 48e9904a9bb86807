//! What is configured, compiled: recipes with their keys, targets, expressions, and which route leaves where.
//!
//! A topology never changes; a new configuration is a new one, put in the place of the old.

mod shown;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use connectors::provider::{Catalogue, Recipe};
use domain::{Assurance, ConnectionName, DestinationName, RouteName, SourceName, Tenant};
use http::{HeaderMap, HeaderName, HeaderValue};
use rustc_hash::FxHashMap;
use store::registry::ObjectKind;

use crate::allow::AllowList;
use crate::connector::Connector;
use crate::definition::{Veil, Veils};
use crate::expression::Expression;
use crate::gate::{Gate, Hall};
use crate::key_set::{KeySet, KeysInForce};
use crate::sign::Signer;
use crate::signatures::SignatureHealth;
use crate::spec::{
    AlertingSpec, BodyMode, DestinationSpec, EnrichSpec, EnrichWay, RouteSpec, Secret, SourceSpec, Specs, WebhookSpec,
};
use crate::telemetry::{DestinationHandles, SourceHandles};
use crate::transport::{EgressPolicy, Target};
use crate::upstream::Account;

/// One thing that is wrong with a configured object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    pub kind: ObjectKind,
    pub tenant: Tenant,
    pub name: String,
    /// The field that is wrong, as its owner writes it: `http.url`, `when`.
    pub field: &'static str,
    pub code: &'static str,
    pub detail: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}', {}: {}", self.kind.as_str(), self.name, self.field, self.detail)
    }
}

/// A source that takes webhooks: how they are verified, and with which keys.
#[derive(Debug)]
pub struct Listener {
    pub recipe: Arc<Recipe>,
    pub keys: KeysInForce,
    pub health: Arc<SignatureHealth>,
    /// `None`: requests are taken from everywhere.
    pub allow: Option<AllowList>,
}

#[derive(Debug)]
pub struct Source {
    pub spec: SourceSpec,
    pub veil: Arc<Veil>,
    pub listener: Option<Listener>,
    pub routes: Vec<Arc<Route>>,
    pub handles: SourceHandles,
}

#[derive(Debug)]
pub struct Destination {
    pub spec: DestinationSpec,
    pub veil: Arc<Veil>,
    pub target: Arc<Target>,
    pub signer: Signer,
    pub headers: HeaderMap,
    pub gate: Arc<Gate>,
    pub handles: DestinationHandles,
}

/// How often a route's `when` was asked, and how often it said yes.
#[derive(Debug, Default)]
pub struct FilterCount {
    asked: AtomicU64,
    passed: AtomicU64,
}

/// A `when` that let none of its first so many events through is probably misspelt.
pub const FILTER_SUSPECT_AFTER: u64 = 100;

impl FilterCount {
    /// Counts one verdict; tells if this is the moment to suspect the filter, or to stop suspecting it.
    pub fn count(&self, passed: bool) -> Option<FilterSuspicion> {
        let asked = self.asked.fetch_add(1, Atomic::Relaxed) + 1;
        if passed {
            let first = self.passed.fetch_add(1, Atomic::Relaxed) == 0;
            return first.then_some(FilterSuspicion::Cleared);
        }
        (asked == FILTER_SUSPECT_AFTER && self.passed.load(Atomic::Relaxed) == 0).then_some(FilterSuspicion::Raised)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterSuspicion {
    Raised,
    /// The first that passed: an alert of this process or an earlier one is over.
    Cleared,
}

/// One record to fetch, compiled.
#[derive(Debug)]
pub struct Enrich {
    pub spec: EnrichSpec,
    pub id: Expression,
    /// What the stream's records are called.
    pub object: Arc<str>,
}

/// That native events of a source take their record along.
#[derive(Debug)]
pub struct Whole {
    pub connector: Arc<Connector>,
    /// The sender tells next to nothing, so facts of their own take it too.
    pub is_thin: bool,
}

#[derive(Debug)]
pub struct Route {
    pub spec: RouteSpec,
    pub veil: Arc<Veil>,
    pub when: Option<Expression>,
    pub map: Option<Expression>,
    pub enrich: Vec<Enrich>,
    /// What fetches the events' own records, if they are to be fetched.
    pub whole: Option<Whole>,
    pub destination: Arc<Destination>,
    pub filter: Arc<FilterCount>,
}

impl Route {
    /// Whether the route takes an event of this connection with this much proved.
    #[must_use]
    pub fn takes(&self, connection: &ConnectionName, assurance: Assurance) -> bool {
        let connections = &self.spec.connections;
        (connections.is_empty() || connections.contains(connection))
            && self.spec.assurance.is_none_or(|required| assurance >= required)
    }

    #[must_use]
    pub fn body_mode(&self) -> BodyMode {
        self.spec.body.unwrap_or(self.destination.spec.http.body)
    }
}

#[derive(Debug, Default)]
struct Owned {
    sources: FxHashMap<SourceName, Arc<Source>>,
    destinations: FxHashMap<DestinationName, Arc<Destination>>,
    routes: FxHashMap<RouteName, Arc<Route>>,
}

#[derive(Debug, Default)]
pub struct Topology {
    tenants: FxHashMap<Tenant, Owned>,
    catalogue: Arc<Catalogue>,
    hall: Arc<Hall>,
    public_url: Option<Arc<str>>,
    alerting: BTreeMap<Tenant, Arc<AlertingSpec>>,
}

impl Topology {
    /// Nothing yet, on a store that several nodes share or not.
    #[must_use]
    pub(crate) fn of_hall(hall: Arc<Hall>) -> Self {
        Self { hall, ..Self::default() }
    }

    #[must_use]
    pub fn source(&self, tenant: &str, name: &str) -> Option<&Arc<Source>> {
        self.tenants.get(tenant)?.sources.get(name)
    }

    #[must_use]
    pub fn destination(&self, tenant: &str, name: &str) -> Option<&Arc<Destination>> {
        self.tenants.get(tenant)?.destinations.get(name)
    }

    #[must_use]
    pub fn route(&self, tenant: &str, name: &str) -> Option<&Arc<Route>> {
        self.tenants.get(tenant)?.routes.get(name)
    }

    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.tenants.values().flat_map(|owned| owned.sources.values())
    }

    pub fn destinations(&self) -> impl Iterator<Item = &Arc<Destination>> {
        self.tenants.values().flat_map(|owned| owned.destinations.values())
    }

    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.tenants.values().flat_map(|owned| owned.routes.values())
    }

    /// What senders call, without a slash at its end.
    #[must_use]
    pub fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// What counts for a tenant's alerts: its own word, else that of the top level.
    #[must_use]
    pub fn alerting(&self, tenant: &Tenant) -> Arc<AlertingSpec> {
        let everyone = Tenant::default_tenant();
        let said = self.alerting.get(tenant).or_else(|| self.alerting.get(&everyone));
        said.cloned().unwrap_or_else(|| Arc::new(AlertingSpec::standard(everyone)))
    }

    /// What tenants say of their own.
    pub fn alertings(&self) -> impl Iterator<Item = &Arc<AlertingSpec>> {
        self.alerting.values()
    }

    /// The senders that can be named.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Where the webhooks of a connection come in, as the outside calls it; `None`: nobody said what that is.
    #[must_use]
    pub fn callback(&self, account: &Account) -> Option<String> {
        let Account { tenant, source, connection } = account;
        let spec = &self.source(tenant.as_str(), source.as_str())?.spec;
        let base = self.public_url.as_ref()?;
        let of_tenant = if *tenant == Tenant::default_tenant() { String::new() } else { format!("/t/{tenant}") };
        // Without others the source itself is the connection.
        let is_alone = *connection == ConnectionName::default_connection() && spec.connections.is_empty();
        let own = if is_alone { String::new() } else { format!("/{connection}") };
        Some(format!("{base}{of_tenant}/in/{source}{own}"))
    }

    /// Deliveries in memory now, of all destinations.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.hall.claimed()
    }
}

/// What compiling needs beside the specs: where requests may go, per tenant.
pub trait Policies {
    fn egress(&self, tenant: &Tenant) -> Arc<EgressPolicy>;
}

/// One policy for every tenant.
impl Policies for Arc<EgressPolicy> {
    fn egress(&self, _tenant: &Tenant) -> Arc<EgressPolicy> {
        Arc::clone(self)
    }
}

/// Compiles everything, or says all that is wrong. `before` hands on the gates of destinations that stay,
/// and what was counted of routes and sources.
pub fn compile(specs: &Specs, policies: &dyn Policies, before: Option<&Topology>) -> Result<Topology, Vec<SpecError>> {
    let mut compiler = Compiler { topology: Topology::default(), errors: Vec::new(), veils: &specs.veils };
    compiler.topology.catalogue = Arc::clone(&specs.catalogue);
    compiler.topology.public_url.clone_from(&specs.public_url);
    let alerting = specs.alerting.iter().map(|spec| (spec.tenant.clone(), Arc::new(spec.clone())));
    compiler.topology.alerting = alerting.collect();
    if let Some(before) = before {
        compiler.topology.hall = Arc::clone(&before.hall);
    }
    for spec in &specs.destinations {
        compiler.destination(spec, policies, before);
    }
    let mut leaving: HashMap<(Tenant, SourceName), Vec<Arc<Route>>> = HashMap::new();
    for spec in &specs.routes {
        if let Some(route) = compiler.route(spec, specs, before) {
            leaving.entry((spec.tenant.clone(), spec.from.clone())).or_default().push(route);
        }
    }
    for spec in &specs.sources {
        let routes = leaving.remove(&(spec.tenant.clone(), spec.name.clone())).unwrap_or_default();
        compiler.source(spec, routes, before);
    }
    compiler.errors.extend(crate::budget::wrong(&specs.sources));
    if compiler.errors.is_empty() { Ok(compiler.topology) } else { Err(compiler.errors) }
}

struct Compiler<'s> {
    topology: Topology,
    errors: Vec<SpecError>,
    veils: &'s Veils,
}

impl Compiler<'_> {
    fn owned(&mut self, tenant: &Tenant) -> &mut Owned {
        self.topology.tenants.entry(tenant.clone()).or_default()
    }

    fn destination(&mut self, spec: &DestinationSpec, policies: &dyn Policies, before: Option<&Topology>) {
        let mut wrong = Wrong::of(ObjectKind::Destination, &spec.tenant, spec.name.as_str());
        let policy = policies.egress(&spec.tenant);
        let target =
            Target::parse(&spec.http.url, &policy).map_err(|refused| wrong.add("http.url", "egress_refused", &refused));
        let signer = Signer::new(spec.http.secrets.iter().map(Secret::expose))
            .map_err(|problem| wrong.add("http.secret", "secret_invalid", &problem));
        let headers = own_headers(spec, &mut wrong);
        self.errors.append(&mut wrong.errors);
        let (Ok(target), Ok(signer)) = (target, signer) else { return };
        let gate = match before.and_then(|before| before.destination(spec.tenant.as_str(), spec.name.as_str())) {
            None => Arc::new(Gate::new(Arc::clone(&self.topology.hall), spec.http.concurrency)),
            Some(before) if before.spec.http.concurrency == spec.http.concurrency => Arc::clone(&before.gate),
            Some(before) => Arc::new(before.gate.resized(spec.http.concurrency)),
        };
        let veil = self.veils.get(ObjectKind::Destination, &spec.tenant, spec.name.as_str());
        let (target, handles) = (Arc::new(target), DestinationHandles::default());
        let destination = Destination { spec: spec.clone(), veil, target, signer, headers, gate, handles };
        self.owned(&spec.tenant).destinations.insert(spec.name.clone(), Arc::new(destination));
    }

    fn route(&mut self, spec: &RouteSpec, specs: &Specs, before: Option<&Topology>) -> Option<Arc<Route>> {
        let mut wrong = Wrong::of(ObjectKind::Route, &spec.tenant, spec.name.as_str());
        let when = expression(spec.when.as_deref(), "when", &mut wrong);
        let map = expression(spec.map.as_deref(), "map", &mut wrong);
        if !specs.sources.iter().any(|source| source.tenant == spec.tenant && source.name == spec.from) {
            wrong.add("from", "unknown_source", &format_args!("there is no source '{}'", spec.from));
        }
        let source = |name: &SourceName| {
            specs.sources.iter().find(|source| source.tenant == spec.tenant && source.name == *name)
        };
        let enrich: Vec<Option<Enrich>> =
            spec.enrich.iter().map(|own| enrich(own, &source, spec, &mut wrong)).collect();
        let whole = source(&spec.from).and_then(|source| whole(source, &specs.catalogue));
        let destination = self.topology.destination(spec.tenant.as_str(), spec.to.as_str()).cloned();
        let named = specs.destinations.iter().any(|other| other.tenant == spec.tenant && other.name == spec.to);
        if !named {
            wrong.add("to", "unknown_destination", &format_args!("there is no destination '{}'", spec.to));
        }
        if self.topology.route(spec.tenant.as_str(), spec.name.as_str()).is_some() {
            wrong.add("name", "name_taken", &"another route has this name; give one of them a `name`");
        }
        let failed = !wrong.errors.is_empty();
        self.errors.append(&mut wrong.errors);
        if failed {
            return None;
        }
        // A filter that did not change goes on being counted.
        let filter = before
            .and_then(|before| before.route(spec.tenant.as_str(), spec.name.as_str()))
            .filter(|before| before.spec.when == spec.when)
            .map_or_else(Arc::default, |before| Arc::clone(&before.filter));
        let enrich = enrich.into_iter().flatten().collect();
        let veil = self.veils.get(ObjectKind::Route, &spec.tenant, spec.name.as_str());
        let route = Route { spec: spec.clone(), veil, when, map, enrich, whole, destination: destination?, filter };
        let route = Arc::new(route);
        self.owned(&spec.tenant).routes.insert(spec.name.clone(), Arc::clone(&route));
        Some(route)
    }

    fn source(&mut self, spec: &SourceSpec, routes: Vec<Arc<Route>>, before: Option<&Topology>) {
        let mut wrong = Wrong::of(ObjectKind::Source, &spec.tenant, spec.name.as_str());
        let catalogue = &self.topology.catalogue;
        let listener = spec.webhook.as_ref().and_then(|webhook| listener(spec, webhook, catalogue, before, &mut wrong));
        self.errors.append(&mut wrong.errors);
        let veil = self.veils.get(ObjectKind::Source, &spec.tenant, spec.name.as_str());
        let source = Source { spec: spec.clone(), veil, listener, routes, handles: SourceHandles::default() };
        self.owned(&spec.tenant).sources.insert(spec.name.clone(), Arc::new(source));
    }
}

/// Collects what is wrong with one object.
struct Wrong {
    kind: ObjectKind,
    tenant: Tenant,
    name: String,
    errors: Vec<SpecError>,
}

impl Wrong {
    fn of(kind: ObjectKind, tenant: &Tenant, name: &str) -> Self {
        Self { kind, tenant: tenant.clone(), name: name.to_owned(), errors: Vec::new() }
    }

    fn add(&mut self, field: &'static str, code: &'static str, detail: &dyn fmt::Display) {
        let (kind, tenant, name) = (self.kind, self.tenant.clone(), self.name.clone());
        self.errors.push(SpecError { kind, tenant, name, field, code, detail: detail.to_string() });
    }
}

fn expression(text: Option<&str>, field: &'static str, wrong: &mut Wrong) -> Option<Expression> {
    Expression::compile(text?).map_err(|problem| wrong.add(field, "expression_invalid", &problem)).ok()
}

fn enrich<'s>(
    spec: &EnrichSpec,
    source: &impl Fn(&SourceName) -> Option<&'s SourceSpec>,
    route: &RouteSpec,
    wrong: &mut Wrong,
) -> Option<Enrich> {
    let owner = spec.source.as_ref().unwrap_or(&route.from);
    let Some(connector) = source(owner).and_then(|source| source.connector.as_ref()) else {
        let detail = format_args!("source '{owner}' has no connector: nothing can be asked of it");
        wrong.add("enrich", "no_connector", &detail);
        return None;
    };
    let object = match &spec.way {
        EnrichWay::Request(_) => Arc::clone(&spec.name),
        EnrichWay::Stream(stream) => match connector.connector.extension.streams.get(&**stream) {
            Some(known) if known.get.is_some() => known.object_of(stream).into(),
            _ => {
                let says = "does not say how one record of";
                wrong.add(
                    "enrich",
                    "get_missing",
                    &format_args!("the connector of '{owner}' {says} '{stream}' is asked for"),
                );
                return None;
            }
        },
    };
    let id = expression(Some(&spec.id), "enrich", wrong)?;
    Some(Enrich { spec: spec.clone(), id, object })
}

/// Whether the events of a source are to take their records along, and by what.
fn whole(source: &SourceSpec, catalogue: &Catalogue) -> Option<Whole> {
    let connector = source.connector.as_ref()?;
    let recipe = catalogue.get(&source.webhook.as_ref()?.provider)?;
    let is_thin = recipe.is_thin();
    let readable = connector.connector.extension.streams.values().any(|stream| stream.get.is_some());
    let wanted = (is_thin || connector.normalize) && readable;
    wanted.then(|| Whole { connector: Arc::clone(&connector.connector), is_thin })
}

/// Headers that say what a message is, or that the transport writes itself: not for an owner to set.
const RESERVED_HEADERS: [&str; 6] =
    ["host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade"];

fn own_headers(spec: &DestinationSpec, wrong: &mut Wrong) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &spec.http.headers {
        let parsed = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value.expose()));
        let (Ok(header), Ok(mut value)) = parsed else {
            wrong.add(
                "http.headers",
                "header_invalid",
                &format_args!("'{name}' or its value cannot be sent as a header"),
            );
            continue;
        };
        let text = header.as_str();
        if RESERVED_HEADERS.contains(&text) || text.starts_with("webhook-") || text.starts_with("trireme-") {
            wrong.add(
                "http.headers",
                "header_reserved",
                &format_args!("'{name}' is written by trireme itself; take another name"),
            );
            continue;
        }
        value.set_sensitive(true);
        headers.append(header, value);
    }
    headers
}

fn listener(
    spec: &SourceSpec,
    webhook: &WebhookSpec,
    catalogue: &Catalogue,
    before: Option<&Topology>,
    wrong: &mut Wrong,
) -> Option<Listener> {
    let Some(recipe) = catalogue.get(&webhook.provider) else {
        let known = "`trireme providers` lists the ones there are";
        wrong.add(
            "webhook.provider",
            "unknown_provider",
            &format_args!("there is no provider '{}'; {known}", webhook.provider),
        );
        return None;
    };
    let keys = KeySet::compile(&recipe, spec, webhook, &[])
        .map_err(|problem| wrong.add("webhook.secret", "secret_invalid", &problem))
        .ok()?;
    let keys = KeysInForce::new(keys);
    let before = before.and_then(|before| before.source(spec.tenant.as_str(), spec.name.as_str()));
    let before = before.and_then(|before| before.listener.as_ref());
    let health = before.map(|before| Arc::clone(&before.health)).unwrap_or_default();
    let allowed_before = before.and_then(|before| before.allow.as_ref());
    let allow = webhook.allow_from.as_ref().map(|spec| AllowList::new(spec, &recipe, allowed_before));
    Some(Listener { recipe, keys, health, allow })
}

#[cfg(test)]
mod tests;
