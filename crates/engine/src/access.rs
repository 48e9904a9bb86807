//! API keys: who is calling, for which tenant, and what they may do.
//!
//! A key is shown once and kept only as its SHA-256 hash. A missing, unknown, wrong, expired or revoked key is
//! answered alike, after the same work.

mod first;
mod issue;
mod key;

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Tenant, Timestamp};
use rustc_hash::FxHashMap;
use store::registry::ApiKey;
use store::{Store, StoreError};

use crate::clock::SharedClock;

pub use first::{FirstKey, FirstKeyError, FirstKeyPlan, ensure_first_key};
pub use issue::{IssueError, NewKey, Wrong};
pub use key::{KeyText, Scope, Scopes};

/// How long a key is believed without asking the store: another node's revocation takes at most this long here.
/// One's own counts at once.
const CACHE_LIFE: Duration = Duration::from_secs(2);
/// Keys remembered at once, unknown ones included, so that junk costs the store nothing more than memory bounds.
const CACHE_MAX: usize = 4_096;
/// How often the times of last use are written back.
pub const WRITE_BACK_EVERY: Duration = Duration::from_secs(30);

/// Who calls: proof that a key was checked.
#[derive(Clone, Debug)]
pub struct Caller {
    pub tenant: Tenant,
    pub key: Arc<str>,
    pub scopes: Scopes,
}

/// The keys of a store, remembered for a moment each.
pub struct Access {
    store: Arc<dyn Store>,
    clock: SharedClock,
    cache: Mutex<Cache>,
    used: Mutex<FxHashMap<Arc<str>, Timestamp>>,
}

#[derive(Default)]
struct Cache {
    keys: FxHashMap<Arc<str>, Cached>,
    /// Grows with every forgotten key, so that a lookup that began before does not bring the old one back.
    generation: u64,
}

#[derive(Clone)]
struct Cached {
    key: Option<Arc<ApiKey>>,
    until: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Both maps are valid after every single operation on them, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: SharedClock) -> Self {
        Self { store, clock, cache: Mutex::default(), used: Mutex::default() }
    }

    /// Whose key this text is; `None` if it opens nothing, whatever the reason.
    pub async fn caller(&self, presented: Option<&str>) -> Result<Option<Caller>, StoreError> {
        let presented = presented.and_then(KeyText::parse);
        let known = match &presented {
            Some(text) => self.look_up(text.id()).await?,
            None => None,
        };
        let matches = key::same(presented.as_ref(), known.as_deref());
        let now = self.clock.now();
        Ok(known.filter(|key| matches && usable(key, now)).map(|key| self.used_by(&key, now)))
    }

    /// Who holds a key that was checked before, if it still opens.
    pub async fn holder(&self, id: &str) -> Result<Option<Caller>, StoreError> {
        let now = self.clock.now();
        Ok(self.look_up(id).await?.filter(|key| usable(key, now)).map(|key| self.used_by(&key, now)))
    }

    fn used_by(&self, key: &ApiKey, now: Timestamp) -> Caller {
        lock(&self.used).insert(Arc::clone(&key.id), now);
        Caller { tenant: key.tenant.clone(), key: Arc::clone(&key.id), scopes: Scopes::parse(&key.scopes) }
    }

    /// Whether a key that was accepted before would still be: long answers ask again.
    pub async fn still_valid(&self, caller: &Caller) -> bool {
        let now = self.clock.now();
        matches!(self.look_up(&caller.key).await, Ok(Some(key)) if usable(&key, now))
    }

    /// What is remembered of a key holds no more.
    fn forget(&self, id: &str) {
        let mut cache = lock(&self.cache);
        cache.generation += 1;
        cache.keys.remove(id);
    }

    /// Writes back when keys were last used. What fails is lost: it is a hint for people, not a record.
    pub async fn write_back(&self) -> Result<(), StoreError> {
        let used: Vec<_> = lock(&self.used).drain().collect();
        if used.is_empty() { Ok(()) } else { self.store.touch_api_keys(used).await }
    }

    async fn look_up(&self, id: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let now = self.clock.monotonic();
        let generation = {
            let cache = lock(&self.cache);
            if let Some(cached) = cache.keys.get(id).filter(|cached| now < cached.until) {
                return Ok(cached.key.clone());
            }
            cache.generation
        };
        let key = self.store.api_key(id.into()).await?.map(Arc::new);
        self.remember(id.into(), Cached { key: key.clone(), until: now + CACHE_LIFE }, generation);
        Ok(key)
    }

    fn remember(&self, id: Arc<str>, cached: Cached, generation: u64) {
        let mut cache = lock(&self.cache);
        if cache.generation != generation {
            return;
        }
        if cache.keys.len() >= CACHE_MAX {
            let now = self.clock.monotonic();
            cache.keys.retain(|_, cached| now < cached.until);
        }
        let has_room = cache.keys.len() < CACHE_MAX;
        match cache.keys.entry(id) {
            Entry::Occupied(mut entry) => {
                entry.insert(cached);
            }
            Entry::Vacant(entry) if has_room => {
                entry.insert(cached);
            }
            Entry::Vacant(_) => {}
        }
    }
}

fn usable(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}
