//! Judging: whether a change to one object fits to all the others, as they are when it is written.

use serde_json::Value as Json;
use store::StoreError;
use store::registry::{ManagedBy, Object};

use super::left_out::LeftOut;
use super::{Configured, Key, fits, key_of, remove_spec};
use crate::engine::{Engine, EngineError};
use crate::objects;
use crate::spec::Specs;

/// How often a change is judged anew. Each time another node's change was kept, so only a crowd comes this far.
pub(super) const TRIES_MAX: u32 = 64;

/// What is wanted of one object. Definitions have their secrets as they are.
#[derive(Clone, Copy)]
pub(super) enum Change<'j> {
    Create(&'j Json),
    Put(&'j Json),
    Remove,
}

impl<'j> Change<'j> {
    pub const fn creates(self) -> bool {
        matches!(self, Self::Create(_))
    }

    const fn definition(self) -> Option<&'j Json> {
        match self {
            Self::Create(definition) | Self::Put(definition) => Some(definition),
            Self::Remove => None,
        }
    }

    /// Whether there must be one of this name, or must not.
    fn check(self, (kind, _, name): &Key, is_known: bool) -> Result<(), EngineError> {
        let kind = kind.as_str();
        match self {
            Self::Create(_) if is_known => Err(EngineError::Conflict(format!("there is a {kind} '{name}' already"))),
            Self::Remove if !is_known => Err(EngineError::NotFound(format!("there is no {kind} '{name}'"))),
            Self::Create(_) | Self::Put(_) | Self::Remove => Ok(()),
        }
    }
}

/// What a change is judged by.
pub(super) struct Seen {
    /// What was counted before anything was read: what is written counts only if that is so still. `None` where nobody
    /// else configures.
    counted: Option<u64>,
    /// What the store has, where it need not be what this process remembers.
    objects: Option<Vec<Object>>,
}

/// What the API would have configured after a change.
pub(super) struct Judged {
    pub api: Specs,
    pub left_out: Vec<LeftOut>,
    /// As [`Seen`] has it.
    pub counted: Option<u64>,
}

impl Engine {
    /// What other nodes configured is read from the store, for this one may not have heard of it.
    pub(super) async fn see(&self, configured: &Configured) -> Result<Seen, EngineError> {
        let store = &self.inner.store;
        let counted = if store.is_shared() { Some(store.configured().await?) } else { None };
        // A route that was left out may be served after a change.
        let asks = counted.is_some() || !configured.left_out.is_empty();
        let objects = if asks { Some(store.objects().await?) } else { None };
        Ok(Seen { counted, objects })
    }

    /// What the API has configured, as far as this object needs.
    pub(super) fn before(&self, configured: &Configured, seen: &Seen, key: &Key) -> Result<Specs, EngineError> {
        let Some(objects) = &seen.objects else { return Ok(configured.api.clone()) };
        let mut specs = Specs::default();
        if let Some(object) = objects.iter().find(|object| is_of_api(object, key)) {
            let definition = objects::unseal(&self.inner.vault, object)?;
            // It is not what the caller wrote that may be wrong here.
            self.read_definition(&configured.file, &mut specs, key, definition).map_err(|error| named(error, key))?;
        }
        Ok(specs)
    }

    /// Reads and compiles everything as it would be, or says why it cannot be so.
    pub(super) fn judge(
        &self,
        configured: &Configured,
        seen: Seen,
        key: &Key,
        change: Change<'_>,
    ) -> Result<Judged, EngineError> {
        let Seen { counted, objects } = seen;
        let judged = if let Some(objects) = objects {
            let (api, left_out) = self.judge_by_store(&configured.file, objects, key, change)?;
            Judged { api, left_out, counted }
        } else {
            let api = self.judge_by_memory(configured, key, change)?;
            Judged { api, left_out: Vec::new(), counted }
        };
        fits(&configured.file, &judged.api, &*self.inner.policies)?;
        Ok(judged)
    }

    fn judge_by_memory(&self, configured: &Configured, key: &Key, change: Change<'_>) -> Result<Specs, EngineError> {
        let mut api = configured.api.clone();
        change.check(key, remove_spec(&mut api, key))?;
        if let Some(definition) = change.definition() {
            self.read_definition(&configured.file, &mut api, key, definition.clone())?;
        }
        Ok(api)
    }

    fn judge_by_store(
        &self,
        file: &Specs,
        mut objects: Vec<Object>,
        key: &Key,
        change: Change<'_>,
    ) -> Result<(Specs, Vec<LeftOut>), EngineError> {
        let left_out_before = LeftOut::among(file, &objects);
        let is_this = |object: &Object| is_of_api(object, key);
        change.check(key, objects.iter().any(is_this))?;
        objects.retain(|object| !is_this(object));
        let others = objects.len();
        objects.extend(change.definition().map(|definition| as_object(key, definition.clone())));
        let mut left_out = LeftOut::among(file, &objects);
        // What is wrong with the definition itself, reading it says best.
        left_out.retain(|one| one.key() != *key);
        refuse_new(&left_out, &left_out_before)?;
        let mut defined = self.unsealed(&objects[..others], &left_out)?;
        defined.extend(change.definition().map(|definition| (key.clone(), definition.clone())));
        Ok((self.read_all(file, defined, Some(key))?, left_out))
    }

    /// What the API has configured, those that are left out aside.
    pub(crate) fn api_specs(
        &self,
        file: &Specs,
        objects: &[Object],
        left_out: &[LeftOut],
    ) -> Result<Specs, EngineError> {
        self.read_all(file, self.unsealed(objects, left_out)?, None)
    }

    fn unsealed(&self, objects: &[Object], left_out: &[LeftOut]) -> Result<Vec<(Key, Json)>, EngineError> {
        let of_api = objects.iter().filter(|object| object.managed_by == ManagedBy::Api);
        let keyed = of_api.map(|object| (key_of(object), object));
        let served = keyed.filter(|(key, _)| !left_out.iter().any(|one| one.key() == *key));
        served.map(|(key, object)| Ok((key, objects::unseal(&self.inner.vault, object)?))).collect()
    }

    /// Mistakes in what was stored say whose they are; those in what is `asked` for need not.
    fn read_all(&self, file: &Specs, mut defined: Vec<(Key, Json)>, asked: Option<&Key>) -> Result<Specs, EngineError> {
        let mut specs = Specs::default();
        // Routes are read last: they name sources and destinations.
        defined.sort_by_key(|((kind, _, _), _)| *kind);
        for (key, definition) in defined {
            let read = self.read_definition(file, &mut specs, &key, definition);
            read.map_err(|error| if asked == Some(&key) { error } else { named(error, &key) })?;
        }
        Ok(specs)
    }
}

fn is_of_api(object: &Object, key: &Key) -> bool {
    object.managed_by == ManagedBy::Api && key_of(object) == *key
}

/// Nobody may take away what a route of the API that is served leads from or to.
pub(super) fn refuse_new(left_out: &[LeftOut], before: &[LeftOut]) -> Result<(), EngineError> {
    let new: Vec<_> = left_out
        .iter()
        .filter(|one| !before.iter().any(|known| known.key() == one.key()))
        .map(LeftOut::error)
        .collect();
    if new.is_empty() { Ok(()) } else { Err(EngineError::Specs(new)) }
}

/// The change was made so often by others first that it was given up.
pub(super) fn given_up((kind, _, name): &Key) -> EngineError {
    let kind = kind.as_str();
    EngineError::Store(StoreError::Conflict(format!(
        "other nodes changed what is configured {TRIES_MAX} times while {kind} '{name}' was to be changed; try again"
    )))
}

/// An object as far as its ends are looked at.
fn as_object((kind, tenant, name): &Key, definition: Json) -> Object {
    let at = domain::Timestamp::EPOCH;
    Object {
        tenant: tenant.clone(),
        kind: *kind,
        name: name.as_str().into(),
        managed_by: ManagedBy::Api,
        definition,
        created_at: at,
        updated_at: at,
        retired_at: None,
    }
}

/// The pointers of a definition's mistakes, led by whose definition it is.
fn named(error: EngineError, (kind, _, name): &Key) -> EngineError {
    let EngineError::Definition(mut report) = error else { return error };
    for finding in &mut report.findings {
        finding.pointer.insert_str(0, &format!("/{}s/{name}", kind.as_str()));
    }
    EngineError::Definition(report)
}
