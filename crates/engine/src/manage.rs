//! Managing: taking over a configuration, objects of the API, destinations that are paused, disabled or retired.

mod judge;
pub(crate) mod left_out;
mod retired;

use std::sync::{Arc, PoisonError};

use domain::audit::{Who, WhoKind};
use domain::{DestinationName, Tenant};
use rustc_hash::FxHashSet;
use store::StoreError;
use store::nodes::Hint;
use store::people::{DestinationState, DestinationStatus, HoldScope};
use store::registry::{ManagedBy, Object, ObjectKind};

use crate::alert::{DESTINATION_DISABLED, RETIRED_WITH_OPEN_DELIVERIES, SIGNATURES_FAILING};
use crate::audit::changes_of;
use crate::connector::Ours;
use crate::definition::{Context, Known};
use crate::dispatch::Message;
use crate::engine::{Engine, EngineError};
use crate::keep::move_held;
use crate::objects;
use crate::spec::{DestinationSpec, RouteSpec, SourceSpec, Specs};
use crate::topology::{Policies, Topology, compile};
use crate::work::DestinationKey;
use judge::{Change, Judged, TRIES_MAX, given_up, refuse_new};
use left_out::LeftOut;

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
    /// Objects of the API that cannot run.
    pub left_out: Vec<LeftOut>,
}

impl Configured {
    /// What the API configures no more when it has this. What is only left out is still there.
    pub fn gone_with(&self, api: &Specs, left_out: &[LeftOut]) -> Vec<Key> {
        let mut gone: Vec<Key> = keys_of(&self.api).difference(&keys_of(api)).cloned().collect();
        gone.retain(|key| !left_out.iter().any(|one| one.key() == *key));
        gone
    }
}

/// Who lets destinations take deliveries again that a new configuration has once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resuming {
    /// Who changes the configuration.
    Now,
    /// It was changed elsewhere, and whoever did so sees to it.
    LeftToOthers,
}

/// Decides what an object is to be, by what the API has configured until then, where that one is among.
pub(crate) type Decide<'d> = dyn Fn(&Specs) -> Result<serde_json::Value, EngineError> + Sync + 'd;

/// What an object is to be.
enum Wanted<'w> {
    Is(serde_json::Value),
    Becomes(&'w Decide<'w>),
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
        self.take_configuration(file, who, false).await
    }

    /// The same of a file that the nodes go by already: to refuse it here would only divide them.
    pub async fn configure_as_others(&self, file: Specs, who: Who) -> Result<(), EngineError> {
        self.take_configuration(file, who, true).await
    }

    async fn take_configuration(&self, file: Specs, who: Who, as_others: bool) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        self.inner.alerts.load().await?;
        self.inner.heads.unlock(&*self.inner.store, &self.inner.vault).await?;
        self.inner.audit.unlock(&self.inner.vault).await?;
        let objects = self.inner.store.objects().await?;
        let left_out = LeftOut::among(&file, &objects);
        if configured.is_configured && !as_others {
            // A start must not fail for what others have done meanwhile; a change to the file can be refused.
            refuse_new(&left_out, &configured.left_out)?;
        }
        let api = self.api_specs(&file, &objects, &left_out)?;
        let changes = changes_of(configured.is_configured.then_some(&configured.file), &objects, &file);
        let begun = self.inner.audit.begin_file(&who, changes).await?;
        let applied = self.take_file(&file, &api, &objects).await;
        self.inner.audit.end_file(begun, &applied).await;
        applied?;
        *configured = Configured { is_configured: true, file, api, left_out };
        left_out::tell(&self.inner.alerts, &configured.left_out);
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
            let (tenant, name) = (&destination.spec.tenant, &destination.spec.name);
            if let Err(error) = self.move_destination(tenant, name, false).await {
                crate::telemetry::release_failed(name, error.code(), &error);
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
        self.put((kind, tenant, name.to_owned()), create, Wanted::Is(definition)).await
    }

    /// The same of an object that becomes what `change` makes of the one before, which is asked again for each state that it
    /// turns out to be in.
    pub(crate) async fn change_object(&self, key: Key, change: &Decide<'_>) -> Result<(), EngineError> {
        self.put(key, false, Wanted::Becomes(change)).await
    }

    async fn put(&self, key: Key, create: bool, wanted: Wanted<'_>) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        refuse_the_files(&configured.file, &key)?;
        for _ in 0..TRIES_MAX {
            let seen = self.see(&configured).await?;
            let definition = match &wanted {
                Wanted::Is(definition) => definition.clone(),
                Wanted::Becomes(change) => change(&self.before(&configured, &seen, &key)?)?,
            };
            let change = if create { Change::Create(&definition) } else { Change::Put(&definition) };
            let judged = self.judge(&configured, seen, &key, change)?;
            let object = self.sealed(&key, definition.clone())?;
            match self.inner.store.put_object(object, change.creates(), judged.counted).await {
                Err(StoreError::Outdated) => continue,
                written => written?,
            }
            self.apply(&configured.file, &judged.api, Resuming::Now).await?;
            self.take_judged(&mut configured, judged, &key);
            self.release_in_background();
            return Ok(());
        }
        Err(given_up(&key))
    }

    fn sealed(&self, (kind, tenant, name): &Key, definition: serde_json::Value) -> Result<Object, EngineError> {
        let now = self.inner.clock.now();
        Ok(Object {
            tenant: tenant.clone(),
            kind: *kind,
            name: name.as_str().into(),
            managed_by: ManagedBy::Api,
            definition: objects::seal(&self.inner.vault, &*self.inner.entropy, *kind, tenant, name, definition)?,
            created_at: now,
            updated_at: now,
            retired_at: None,
        })
    }

    /// Retires an object of the API: its events stay, its open deliveries are held.
    pub async fn remove_object(&self, kind: ObjectKind, tenant: Tenant, name: &str) -> Result<(), EngineError> {
        let mut configured = self.inner.changing.lock().await;
        let key = (kind, tenant, name.to_owned());
        refuse_the_files(&configured.file, &key)?;
        for _ in 0..TRIES_MAX {
            let seen = self.see(&configured).await?;
            let judged = self.judge(&configured, seen, &key, Change::Remove)?;
            let counted = judged.counted;
            // Where others configure too they may have refused it by what they wrote: then nothing may be held yet.
            if counted.is_some() {
                match self.retire(&key, counted).await {
                    Err(StoreError::Outdated) => continue,
                    retired => retired?,
                }
            }
            self.apply(&configured.file, &judged.api, Resuming::Now).await?;
            self.hold_open_deliveries(kind, &key.1, name).await?;
            if counted.is_none() {
                // Held first: were the process to die in between, it would only be removed once more.
                self.retire(&key, None).await?;
            }
            self.take_judged(&mut configured, judged, &key);
            if counted.is_some() && self.is_object(&key).await? {
                // Made again elsewhere while its deliveries were being held: they are not to stay so.
                let gone = self.take_over(&mut configured, Resuming::Now).await?;
                self.hold_in_background(gone);
                self.release_in_background();
            }
            return Ok(());
        }
        Err(given_up(&key))
    }

    async fn retire(&self, (kind, tenant, name): &Key, judged_on: Option<u64>) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        self.inner.store.retire_object(tenant.clone(), *kind, name.as_str().into(), now, judged_on).await.map(drop)
    }

    /// Remembers what runs now, and tells of it. What others had removed until this was judged is held.
    fn take_judged(&self, configured: &mut Configured, judged: Judged, own: &Key) {
        let mut gone = configured.gone_with(&judged.api, &judged.left_out);
        gone.retain(|key| key != own);
        (configured.api, configured.left_out) = (judged.api, judged.left_out);
        left_out::tell(&self.inner.alerts, &configured.left_out);
        self.inner.store.tell(Hint::Configured);
        self.hold_in_background(gone);
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
        let key = DestinationKey { tenant: tenant.clone(), name: name.clone() };
        self.inner.dispatch.tell(Message::Changed(key));
        Ok(self.move_destination(&tenant, &name, held).await?)
    }

    /// Holds what a destination is owed, or sets it free.
    async fn move_destination(&self, tenant: &Tenant, name: &DestinationName, hold: bool) -> Result<(), StoreError> {
        let (inner, scope) = (&self.inner, (HoldScope::Destination(name.clone()), Some(name.clone())));
        move_held(&*inner.store, &inner.dispatch, tenant, scope, hold).await.map(drop)
    }

    /// Compiles what the file and the API say and puts it in the place of what ran before.
    pub(crate) async fn apply(&self, file: &Specs, api: &Specs, resuming: Resuming) -> Result<(), EngineError> {
        refuse_doubles(file, api)?;
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
            self.inner.store.put_object(object, false, None).await?;
        }
        for key in known.difference(&defined) {
            let (kind, tenant, name) = key;
            // Held first: were the process to die in between, the next start would do both again.
            self.hold_open_deliveries(*kind, tenant, name).await?;
            self.retire(key, None).await?;
        }
        Ok(())
    }

    fn read_definition(
        &self,
        file: &Specs,
        specs: &mut Specs,
        (kind, tenant, name): &Key,
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
        objects::read(specs, &known, &context, *kind, name, definition)
    }
}

pub(crate) fn key_of(object: &Object) -> Key {
    (object.kind, object.tenant.clone(), object.name.to_string())
}

pub(crate) fn keys_of(specs: &Specs) -> FxHashSet<Key> {
    let source = |spec: &SourceSpec| (ObjectKind::Source, spec.tenant.clone(), spec.name.to_string());
    let destination = |spec: &DestinationSpec| (ObjectKind::Destination, spec.tenant.clone(), spec.name.to_string());
    let route = |spec: &RouteSpec| (ObjectKind::Route, spec.tenant.clone(), spec.name.to_string());
    let sources = specs.sources.iter().map(source);
    sources.chain(specs.destinations.iter().map(destination)).chain(specs.routes.iter().map(route)).collect()
}

fn remove_spec(specs: &mut Specs, (kind, tenant, name): &Key) -> bool {
    let before = specs.sources.len() + specs.destinations.len() + specs.routes.len();
    match kind {
        ObjectKind::Source => specs.sources.retain(|spec| spec.tenant != *tenant || spec.name.as_str() != *name),
        ObjectKind::Destination => {
            specs.destinations.retain(|spec| spec.tenant != *tenant || spec.name.as_str() != *name);
        }
        ObjectKind::Route => specs.routes.retain(|spec| spec.tenant != *tenant || spec.name.as_str() != *name),
    }
    specs.sources.len() + specs.destinations.len() + specs.routes.len() < before
}

/// The file's objects are changed in the file.
fn refuse_the_files(file: &Specs, key: &Key) -> Result<(), EngineError> {
    let (kind, _, name) = key;
    let is_the_files = keys_of(file).contains(key);
    let refused = || Err(EngineError::ManagedByFile(format!("{} '{name}'", kind.as_str())));
    if is_the_files { refused() } else { Ok(()) }
}

fn refuse_doubles(file: &Specs, api: &Specs) -> Result<(), EngineError> {
    let Some((kind, _, name)) = keys_of(file).intersection(&keys_of(api)).next().cloned() else { return Ok(()) };
    let kind = kind.as_str();
    let detail = format!("{kind} '{name}' is defined both in the file and through the API: remove one of them");
    Err(EngineError::Conflict(detail))
}

/// Whether what the file and the API say can run together.
fn fits(file: &Specs, api: &Specs, policies: &dyn Policies) -> Result<(), EngineError> {
    refuse_doubles(file, api)?;
    compile(&merged(file, api), policies, None).map(drop).map_err(EngineError::Specs)
}

fn merged(file: &Specs, api: &Specs) -> Specs {
    let mut all = file.clone();
    all.sources.extend(api.sources.iter().cloned());
    all.destinations.extend(api.destinations.iter().cloned());
    all.routes.extend(api.routes.iter().cloned());
    all.alerting.extend(api.alerting.iter().cloned());
    all
}
