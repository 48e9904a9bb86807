//! Managing: taking over a configuration, objects of the API, destinations that are paused, disabled or retired.

use std::sync::{Arc, PoisonError};

use domain::audit::{Who, WhoKind};
use domain::{DeliveryState, DestinationName, RouteName, Tenant};
use rustc_hash::FxHashSet;
use store::nodes::Hint;
use store::people::{DestinationState, DestinationStatus, HoldScope};
use store::read::Page;
use store::registry::{ManagedBy, Object, ObjectKind};
use store::{Store, StoreError};

use crate::alert::{DESTINATION_DISABLED, RETIRED_WITH_OPEN_DELIVERIES, SIGNATURES_FAILING, owed_by};
use crate::audit::changes_of;
use crate::connector::Ours;
use crate::definition::{Context, Known, SECRET_MARKER, replace_secrets};
use crate::dispatch::Message;
use crate::engine::{Engine, EngineError};
use crate::keep::move_held;
use crate::objects;
use crate::spec::{DestinationSpec, RouteSpec, SourceSpec, Specs};
use crate::topology::{Topology, compile};
use crate::work::DestinationKey;

/// Longest reason of a person that is kept, in bytes: it stands in lists.
pub const REASON_BYTES_MAX: usize = 500;
/// Why a destination is paused that its own definition says is paused: taken back when the definition changes.
const PAUSED_BY_DEFINITION: &str = "configured as paused";

/// What is configured, apart by who owns it.
#[derive(Default)]
pub(crate) struct Configured {
    /// The file was read once.
    pub is_configured: bool,
    pub file: Specs,
    pub api: Specs,
}

/// Who lets destinations take deliveries again that a new configuration has once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resuming {
    /// Who changes the configuration.
    Now,
    /// It was changed elsewhere, and whoever did so sees to it.
    LeftToOthers,
}

/// An object's key: kinds have names of their own.
pub(crate) type Key = (ObjectKind, Tenant, String);

impl Engine {
    /// Takes over the file's objects, beside those of the API that the store holds. An invalid configuration
    /// changes nothing. Called once at start, and again whenever the file was changed.
    pub async fn configure(&self, file: Specs) -> Result<(), EngineError> {
        self.configure_by(file, Who::new(WhoKind::File, "")).await
    }

    /// The same of a file that is known by its digest. That it is applied, and what it changes, is written down first.
    pub async fn configure_by(&self, file: Specs, who: Who) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        self.inner.alerts.load().await?;
        self.inner.heads.unlock(&*self.inner.store, &self.inner.vault).await?;
        self.inner.audit.unlock(&self.inner.vault).await?;
        let objects = self.inner.store.objects().await?;
        let api = self.api_specs(&file, &objects)?;
        let changes = changes_of(configured.is_configured.then_some(&configured.file), &objects, &file);
        let begun = self.inner.audit.begin_file(&who, changes).await?;
        let applied = self.take_file(&file, &api, &objects).await;
        self.inner.audit.end_file(begun, &applied).await;
        applied?;
        *configured = Configured { is_configured: true, file, api };
        self.open_all_approved().await?;
        self.release_in_background();
        Ok(())
    }

    async fn take_file(&self, file: &Specs, api: &Specs, objects: &[Object]) -> Result<(), EngineError> {
        self.apply(file, api, Resuming::Now).await?;
        self.record_file_objects(file, objects).await
    }

    fn release_in_background(&self) {
        let engine = self.clone();
        self.spawn(async move { engine.release_held().await });
    }

    /// Sets free what is held although its destination is active and its route exists: what an earlier process did
    /// not get to, and what came back with a configuration.
    async fn release_held(&self) {
        let topology = self.topology();
        for destination in topology.destinations().filter(|destination| !destination.gate.held()) {
            let key = DestinationKey { tenant: destination.spec.tenant.clone(), name: destination.spec.name.clone() };
            let scope = HoldScope::Destination(key.name.clone());
            if let Err(error) = self.move_scope(&key, scope, false).await {
                tracing::warn!(event = "release_failed", destination = %key.name, code = error.code(), %error);
                return;
            }
        }
        for object in topology.routes().map(|route| (&route.spec.tenant, format!("route/{}", route.spec.name))) {
            self.inner.alerts.gone(object.0, RETIRED_WITH_OPEN_DELIVERIES, object.1);
        }
        for object in topology.destinations().map(|own| (&own.spec.tenant, format!("destination/{}", own.spec.name))) {
            self.inner.alerts.gone(object.0, RETIRED_WITH_OPEN_DELIVERIES, object.1);
        }
    }

    /// Creates or replaces an object of the API from its definition, as `GET` shows it and the file writes it.
    pub async fn put_object(
        &self,
        kind: ObjectKind,
        tenant: Tenant,
        name: &str,
        definition: serde_json::Value,
        create: bool,
    ) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        if keys_of(&configured.file).contains(&(kind, tenant.clone(), name.to_owned())) {
            return Err(EngineError::ManagedByFile(format!("{} '{name}'", kind.as_str())));
        }
        let mut api = configured.api.clone();
        let known = remove_spec(&mut api, kind, &tenant, name);
        if create && known {
            return Err(EngineError::Conflict(format!("there is a {} '{name}' already", kind.as_str())));
        }
        self.read_definition(&configured.file, &mut api, kind, &tenant, name, definition.clone())?;
        compile(&merged(&configured.file, &api), &*self.inner.policies, None).map_err(EngineError::Specs)?;
        let now = self.inner.clock.now();
        let object = Object {
            tenant: tenant.clone(),
            kind,
            name: name.into(),
            managed_by: ManagedBy::Api,
            definition: objects::seal(&self.inner.vault, &*self.inner.entropy, kind, &tenant, name, definition)?,
            created_at: now,
            updated_at: now,
            retired_at: None,
        };
        self.inner.store.put_object(object, create).await?;
        self.apply(&configured.file, &api, Resuming::Now).await?;
        configured.api = api;
        self.inner.store.tell(Hint::Configured);
        self.release_in_background();
        Ok(())
    }

    /// Retires an object of the API: its events stay, its open deliveries are held.
    pub async fn remove_object(&self, kind: ObjectKind, tenant: Tenant, name: &str) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        if keys_of(&configured.file).contains(&(kind, tenant.clone(), name.to_owned())) {
            return Err(EngineError::ManagedByFile(format!("{} '{name}'", kind.as_str())));
        }
        let mut api = configured.api.clone();
        if !remove_spec(&mut api, kind, &tenant, name) {
            return Err(EngineError::NotFound(format!("there is no {} '{name}'", kind.as_str())));
        }
        compile(&merged(&configured.file, &api), &*self.inner.policies, None).map_err(EngineError::Specs)?;
        self.apply(&configured.file, &api, Resuming::Now).await?;
        self.hold_open_deliveries(kind, &tenant, name).await?;
        self.inner.store.retire_object(tenant.clone(), kind, name.into(), self.inner.clock.now()).await?;
        configured.api = api;
        self.inner.store.tell(Hint::Configured);
        Ok(())
    }

    /// The definition of an object as its owner wrote it, secrets replaced by a marker; the file's have none here.
    pub async fn object_definition(
        &self,
        kind: ObjectKind,
        tenant: &Tenant,
        name: &str,
    ) -> Result<Option<serde_json::Value>, EngineError> {
        let objects = self.inner.store.objects().await?;
        let found = objects.into_iter().find(|object| {
            object.kind == kind
                && object.tenant == *tenant
                && *object.name == *name
                && object.managed_by == ManagedBy::Api
        });
        Ok(found.map(|object| {
            let mut definition = object.definition;
            replace_secrets(&mut definition, &mut |_| SECRET_MARKER.to_owned());
            definition
        }))
    }

    /// Stops deliveries to a destination; what is open waits as held.
    pub async fn pause(&self, tenant: Tenant, name: DestinationName, reason: String) -> Result<(), EngineError> {
        let _changing = self.inner.changing.lock().await;
        self.set_state(tenant, name, DestinationState::Paused, reason).await
    }

    /// Like pausing, for a destination that is not to come back by itself.
    pub async fn disable(&self, tenant: Tenant, name: DestinationName, reason: String) -> Result<(), EngineError> {
        let detail =
            format!("destination '{name}' takes no deliveries any more: {reason}; they are held until it is enabled");
        let object = format!("destination/{name}");
        let _changing = self.inner.changing.lock().await;
        self.set_state(tenant.clone(), name, DestinationState::Disabled, reason).await?;
        self.inner.alerts.raise(&tenant, DESTINATION_DISABLED, object, detail).await;
        Ok(())
    }

    /// Lets a paused or disabled destination take deliveries again, those that were held first.
    pub async fn resume(&self, tenant: Tenant, name: DestinationName) -> Result<(), EngineError> {
        let _changing = self.inner.changing.lock().await;
        self.activate(tenant, name).await
    }

    async fn activate(&self, tenant: Tenant, name: DestinationName) -> Result<(), EngineError> {
        let object = format!("destination/{name}");
        self.set_state(tenant.clone(), name, DestinationState::Active, String::new()).await?;
        self.inner.alerts.resolve(&tenant, DESTINATION_DISABLED, object).await;
        Ok(())
    }

    async fn set_state(
        &self,
        tenant: Tenant,
        name: DestinationName,
        state: DestinationState,
        reason: String,
    ) -> Result<(), EngineError> {
        let topology = self.topology();
        let Some(destination) = topology.destination(tenant.as_str(), name.as_str()) else {
            return Err(EngineError::NotFound(format!("there is no destination '{name}'")));
        };
        let status = DestinationStatus { state, since: self.inner.clock.now(), reason };
        self.inner.store.set_destination_status(tenant.clone(), name.clone(), status).await?;
        let held = state != DestinationState::Active;
        destination.gate.set_held(held);
        self.inner.store.tell(Hint::Configured);
        let key = DestinationKey { tenant, name: name.clone() };
        self.inner.dispatch.tell(Message::Changed(key.clone()));
        self.move_scope(&key, HoldScope::Destination(name), held).await
    }

    async fn move_scope(&self, key: &DestinationKey, scope: HoldScope, hold: bool) -> Result<(), EngineError> {
        let inner = &self.inner;
        move_held(&*inner.store, &inner.clock, &inner.dispatch, key, scope, hold).await?;
        Ok(())
    }

    /// Compiles what the file and the API say and puts it in the place of what ran before.
    pub(crate) async fn apply(&self, file: &Specs, api: &Specs, resuming: Resuming) -> Result<(), EngineError> {
        if let Some((kind, _, name)) = keys_of(file).intersection(&keys_of(api)).next() {
            let detail = format!(
                "{} '{name}' is defined both in the file and through the API: remove one of them",
                kind.as_str()
            );
            return Err(EngineError::Conflict(detail));
        }
        let before = self.topology();
        let topology = compile(&merged(file, api), &*self.inner.policies, Some(&before)).map_err(EngineError::Specs)?;
        let topology = Arc::new(topology);
        let resumed = self.take_states(&topology).await?;
        self.take_suspicions(&topology);
        let rules = topology.alertings().map(|spec| (spec.tenant.clone(), spec.rules.clone()));
        self.inner.alerts.set_rules(rules.collect());
        self.inner.subscriptions.desk.load().await?;
        let unchanged = self.inner.handshakes.take_over(&topology).await?;
        *self.inner.topology.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&topology);
        self.inner.upstreams.keep_only(&topology);
        self.inner.configured.send_replace(Arc::clone(&topology));
        drop(unchanged);
        self.inner.dispatch.tell(Message::Topology(topology));
        for name in resumed.into_iter().filter(|_| resuming == Resuming::Now) {
            self.activate(name.tenant, name.name).await?;
        }
        Ok(())
    }

    /// Sources whose signatures failed before this process began: the next good one resolves the alert.
    fn take_suspicions(&self, topology: &Topology) {
        for source in topology.sources() {
            let object = format!("source/{}", source.spec.name);
            if let Some(listener) = &source.listener
                && self.inner.alerts.is_open(&source.spec.tenant, SIGNATURES_FAILING, &object)
            {
                listener.health.suspect();
            }
        }
    }

    /// Shuts the gates of destinations that are not active, and gives those that are to be active again.
    async fn take_states(&self, topology: &Topology) -> Result<Vec<DestinationKey>, EngineError> {
        let statuses = self.inner.store.destination_statuses().await?;
        let mut resumed = Vec::new();
        for destination in topology.destinations() {
            let spec = &destination.spec;
            let status = statuses.iter().find(|(tenant, name, _)| *tenant == spec.tenant && *name == spec.name);
            let state = status.map_or(DestinationState::Active, |(_, _, status)| status.state);
            let by_definition = status.is_some_and(|(_, _, status)| status.reason == PAUSED_BY_DEFINITION);
            let active = state == DestinationState::Active;
            if spec.paused && (active || state == DestinationState::Retired) {
                self.write_state(spec, DestinationState::Paused, PAUSED_BY_DEFINITION).await?;
            } else if state == DestinationState::Retired || (by_definition && !spec.paused) {
                resumed.push(DestinationKey { tenant: spec.tenant.clone(), name: spec.name.clone() });
            }
            destination.gate.set_held(spec.paused || !active);
        }
        Ok(resumed)
    }

    async fn write_state(
        &self,
        spec: &DestinationSpec,
        state: DestinationState,
        reason: &str,
    ) -> Result<(), EngineError> {
        let status = DestinationStatus { state, since: self.inner.clock.now(), reason: reason.to_owned() };
        self.inner.store.set_destination_status(spec.tenant.clone(), spec.name.clone(), status).await?;
        Ok(())
    }

    /// Remembers which objects the file defines, and retires those that it defines no more.
    async fn record_file_objects(&self, file: &Specs, recorded: &[Object]) -> Result<(), EngineError> {
        let now = self.inner.clock.now();
        let defined = keys_of(file);
        let known: FxHashSet<Key> =
            recorded.iter().filter(|object| object.managed_by == ManagedBy::File).map(key_of).collect();
        for (kind, tenant, name) in defined.difference(&known) {
            let object = Object {
                tenant: tenant.clone(),
                kind: *kind,
                name: name.as_str().into(),
                managed_by: ManagedBy::File,
                definition: serde_json::Value::Null,
                created_at: now,
                updated_at: now,
                retired_at: None,
            };
            self.inner.store.put_object(object, false).await?;
        }
        for (kind, tenant, name) in known.difference(&defined) {
            // Held first: were the process to die in between, the next start would do both again.
            self.hold_open_deliveries(*kind, tenant, name).await?;
            self.inner.store.retire_object(tenant.clone(), *kind, name.as_str().into(), now).await?;
        }
        Ok(())
    }

    /// Of a retired route or destination: only a person cancels what it still owes.
    async fn hold_open_deliveries(&self, kind: ObjectKind, tenant: &Tenant, name: &str) -> Result<(), EngineError> {
        let not_a_name = |_| EngineError::NotFound(format!("there is no {} '{name}'", kind.as_str()));
        let (scope, destination) = match kind {
            ObjectKind::Source => return self.inner.handshakes.forget_source(tenant, name).await,
            ObjectKind::Destination => {
                let destination: DestinationName = name.parse().map_err(not_a_name)?;
                let status = DestinationStatus {
                    state: DestinationState::Retired,
                    since: self.inner.clock.now(),
                    reason: "removed from the configuration".to_owned(),
                };
                self.inner.store.set_destination_status(tenant.clone(), destination.clone(), status).await?;
                (HoldScope::Destination(destination.clone()), destination)
            }
            ObjectKind::Route => {
                let route: RouteName = name.parse().map_err(not_a_name)?;
                (HoldScope::Route(route), name.parse().unwrap_or_else(|_| nobody()))
            }
        };
        let key = DestinationKey { tenant: tenant.clone(), name: destination };
        let inner = &self.inner;
        let held = move_held(&*inner.store, &inner.clock, &inner.dispatch, &key, scope, true).await?;
        if held > 0 || holds_any(&*inner.store, tenant, kind, name).await? {
            let kind = kind.as_str();
            let detail =
                format!("{kind} '{name}' was removed while deliveries were open: cancel them, or define it again");
            inner.alerts.raise(tenant, RETIRED_WITH_OPEN_DELIVERIES, format!("{kind}/{name}"), detail).await;
        }
        Ok(())
    }

    pub(crate) fn api_specs(&self, file: &Specs, objects: &[Object]) -> Result<Specs, EngineError> {
        let mut specs = Specs::default();
        // Routes are read last: they name sources and destinations.
        for kind in [ObjectKind::Source, ObjectKind::Destination, ObjectKind::Route] {
            for object in objects.iter().filter(|object| object.managed_by == ManagedBy::Api && object.kind == kind) {
                let definition = objects::unseal(&self.inner.vault, object)?;
                self.read_definition(file, &mut specs, kind, &object.tenant, &object.name, definition)?;
            }
        }
        Ok(specs)
    }

    fn read_definition(
        &self,
        file: &Specs,
        specs: &mut Specs,
        kind: ObjectKind,
        tenant: &Tenant,
        name: &str,
        definition: serde_json::Value,
    ) -> Result<(), EngineError> {
        let egress = self.inner.policies.egress(tenant);
        let context = Context {
            tenant: tenant.clone(),
            managed_by: ManagedBy::Api,
            catalogue: Arc::clone(&file.catalogue),
            public_url: file.public_url.clone(),
            wrong_recipes: Arc::default(),
            connectors: Arc::new(Ours {
                clock: Arc::clone(&self.inner.clock),
                entropy: Arc::clone(&self.inner.entropy),
            }),
            egress,
        };
        let mut known = Known::default();
        for spec in file.sources.iter().chain(&specs.sources).filter(|spec| spec.tenant == *tenant) {
            known.source(spec.name.clone(), Some(spec), &file.catalogue);
        }
        let destinations = file.destinations.iter().chain(&specs.destinations).filter(|spec| spec.tenant == *tenant);
        known.destinations = destinations.map(|spec| spec.name.clone()).collect();
        objects::read(specs, &known, &context, kind, name, definition)
    }
}

/// Whether it left anything behind that is held: what was held before it went counts as well.
async fn holds_any(store: &dyn Store, tenant: &Tenant, kind: ObjectKind, name: &str) -> Result<bool, StoreError> {
    let Some(filter) = owed_by(&format!("{}/{name}", kind.as_str()), DeliveryState::Held) else { return Ok(false) };
    let found = store.deliveries(tenant.clone(), filter, Page::first(1)).await?;
    Ok(!found.rows.is_empty())
}

/// A destination that nothing is configured for: its messages reach nobody.
pub(crate) fn nobody() -> DestinationName {
    "none".parse().expect("a plain word is a name")
}

fn key_of(object: &Object) -> Key {
    (object.kind, object.tenant.clone(), object.name.to_string())
}

pub(crate) fn keys_of(specs: &Specs) -> FxHashSet<Key> {
    let source = |spec: &SourceSpec| (ObjectKind::Source, spec.tenant.clone(), spec.name.to_string());
    let destination = |spec: &DestinationSpec| (ObjectKind::Destination, spec.tenant.clone(), spec.name.to_string());
    let route = |spec: &RouteSpec| (ObjectKind::Route, spec.tenant.clone(), spec.name.to_string());
    let sources = specs.sources.iter().map(source);
    sources.chain(specs.destinations.iter().map(destination)).chain(specs.routes.iter().map(route)).collect()
}

fn remove_spec(specs: &mut Specs, kind: ObjectKind, tenant: &Tenant, name: &str) -> bool {
    let before = specs.sources.len() + specs.destinations.len() + specs.routes.len();
    match kind {
        ObjectKind::Source => specs.sources.retain(|spec| spec.tenant != *tenant || spec.name.as_str() != name),
        ObjectKind::Destination => {
            specs.destinations.retain(|spec| spec.tenant != *tenant || spec.name.as_str() != name)
        }
        ObjectKind::Route => specs.routes.retain(|spec| spec.tenant != *tenant || spec.name.as_str() != name),
    }
    specs.sources.len() + specs.destinations.len() + specs.routes.len() < before
}

fn merged(file: &Specs, api: &Specs) -> Specs {
    let mut all = file.clone();
    all.sources.extend(api.sources.iter().cloned());
    all.destinations.extend(api.destinations.iter().cloned());
    all.routes.extend(api.routes.iter().cloned());
    all.alerting.extend(api.alerting.iter().cloned());
    all
}
