//! API keys: who is calling, for which tenant, and what they may do.
//!
//! A key is shown once and kept only as its SHA-256 hash. A missing, unknown, wrong, expired or revoked key is
//! answered alike, after the same work.

mod first;
mod key;

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{Tenant, Timestamp};
use engine::clock::SharedClock;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use rustc_hash::FxHashMap;
use store::registry::ApiKey;
use store::{Store, StoreError};

pub use first::{FirstKey, FirstKeyError, ensure_first_key};
pub use key::{KeyText, Scope, Scopes};

use crate::app::App;
use crate::problem::{Code, Problem};

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

pub struct Auth {
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

impl Auth {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: SharedClock) -> Self {
        Self { store, clock, cache: Mutex::default(), used: Mutex::default() }
    }

    /// Who sent these headers.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let presented = bearer(headers).and_then(KeyText::parse);
        let known = match &presented {
            Some(text) => self.look_up(text.id()).await?,
            None => None,
        };
        let matches = key::same(presented.as_ref(), known.as_deref());
        let now = self.clock.now();
        match known {
            Some(key) if matches && usable(&key, now) => {
                lock(&self.used).insert(Arc::clone(&key.id), now);
                Ok(Caller { tenant: key.tenant.clone(), key: Arc::clone(&key.id), scopes: Scopes::parse(&key.scopes) })
            }
            _ => Err(unauthorized()),
        }
    }

    /// Whether a key that was accepted before would still be: long answers ask again.
    pub async fn still_valid(&self, caller: &Caller) -> bool {
        let now = self.clock.now();
        matches!(self.look_up(&caller.key).await, Ok(Some(key)) if usable(&key, now))
    }

    /// Makes a revoked key end here at once.
    pub fn forget(&self, id: &str) {
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

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, another) = (all.next()?, all.next());
    // Two credentials leave open which one counts.
    if another.is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// One answer for every key that does not open.
fn unauthorized() -> Problem {
    Code::Unauthorized
        .because("Send 'Authorization: Bearer trk_…' with an API key that is known here, not expired and not revoked.")
}

/// Lets only keys with `needed` through to the routes below it, and tells those who is calling.
pub async fn authorize(State((app, needed)): State<(App, Scope)>, mut request: Request, next: Next) -> Response {
    match allowed(&app, needed, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn allowed(app: &App, needed: Scope, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = app.auth.caller(headers).await?;
    if caller.scopes.allow(needed) {
        return Ok(caller);
    }
    Err(Code::Forbidden
        .because(format!("This needs a key with the scope '{}'; this key has not got it.", needed.as_str())))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    /// A route that asks for a caller without being behind [`authorize`] lets nobody in.
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}
