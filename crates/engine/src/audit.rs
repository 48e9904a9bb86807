//! The audit log: what is done is written down before it is done, and how it ended after it, in this node's chain.
//!
//! | file | what it does |
//! |---|---|
//! | `bound` | refusals and failed logins, so many in a span, the rest by their number |
//! | `changes` | what a configuration file changes, by name |
//! | `duty` | signs where the chains end, and removes what is too old |
//! | `key` | the key that signs, sealed by the master key |
//! | `read` | the whole of a tenant's log, for exports and for verifying |
//!
//! Nothing here may be given a secret or a payload.

mod bound;
mod changes;
mod duty;
mod key;
mod read;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domain::audit::{AuditKey, Head, Note, Outcome, Who};
use domain::{Tenant, Timestamp};
use rustc_hash::FxHashMap;
use store::{Store, StoreError};

use crate::clock::SharedClock;
use crate::engine::{Engine, EngineError};
use crate::entropy::SharedEntropy;
use crate::telemetry;
use bound::Bound;
pub(crate) use changes::{Changes, changes_of};
pub(crate) use duty::Duty;
pub use key::{AUDIT_KEY_SETTING, open_sealed_key, rewrap_audit_key};
pub use read::{RECENT_ENTRIES, Reader};

/// Tries to write down how something ended; it has been done, so nothing can be taken back any more.
const END_TRIES: u32 = 3;
/// Between two of them.
const END_AGAIN: Duration = Duration::from_millis(200);

/// Where a request came from, as judged by the trusted proxies: put beside it by the HTTP face.
#[derive(Clone, Debug)]
pub struct CallerAddress(pub Arc<str>);

/// What something is done to, by its form: parts in braces are asked for.
#[must_use]
pub fn object_of(form: &str, part: impl Fn(&str) -> Option<String>) -> String {
    let fill = |piece: &str| match piece.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        Some(name) => part(name).unwrap_or_default(),
        None => piece.to_owned(),
    };
    form.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// What somebody does, or wants to.
#[derive(Clone, Debug)]
pub struct Act {
    pub who: Who,
    /// Empty where it came from nowhere.
    pub from: Arc<str>,
    /// A stable code.
    pub action: &'static str,
    /// As `destination/app`.
    pub object: String,
    pub detail: String,
}

impl Act {
    /// What the gateway does by itself.
    #[must_use]
    pub fn by_system(action: &'static str, object: impl Into<String>) -> Self {
        Self { who: Who::system(), from: "".into(), action, object: object.into(), detail: String::new() }
    }

    #[must_use]
    pub fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// Something that was written down as begun; how it ends is still to be.
#[derive(Debug)]
#[must_use = "an entry that was begun has to be ended"]
pub struct Begun {
    tenant: Tenant,
    act: Act,
    sequence: u64,
}

/// What is known only at the end.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What it was done to, where that was not known before.
    pub object: Option<String>,
    pub detail: String,
}

/// The audit log of this process.
pub struct Audit {
    store: Arc<dyn Store>,
    clock: SharedClock,
    entropy: SharedEntropy,
    node: Arc<str>,
    /// The key that signs, and its sealed form; `None` until it was read.
    key: OnceLock<(AuditKey, Arc<str>)>,
    bound: Mutex<Bound>,
    /// What this process last said of each tenant's chains.
    said: Mutex<FxHashMap<Tenant, Said>>,
    /// The last statement of this process about each tenant.
    stated: Mutex<FxHashMap<Tenant, Stated>>,
}

/// A statement that the store took.
#[derive(Clone, Copy)]
struct Stated {
    /// Every later one has a higher number, also if somebody took this one out.
    number: u64,
    at: Timestamp,
    /// That it is gone was told.
    missed: bool,
}

/// Ends of chains, by node.
type Said = BTreeMap<Arc<str>, Head>;

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    // It is whole after every single operation on it.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Where it is written down who did what.
    #[must_use]
    pub fn audit(&self) -> &Arc<Audit> {
        &self.inner.audit
    }
}

impl Audit {
    #[must_use]
    pub(crate) fn new(store: Arc<dyn Store>, clock: SharedClock, entropy: SharedEntropy, node: Arc<str>) -> Self {
        Self {
            store,
            clock,
            entropy,
            node,
            key: OnceLock::new(),
            bound: Mutex::default(),
            said: Mutex::default(),
            stated: Mutex::default(),
        }
    }

    /// Writes down that something is about to be done. Unless this succeeds it must not be done.
    pub async fn begin(&self, tenant: &Tenant, act: Act) -> Result<Begun, StoreError> {
        let sequence = self.append(tenant, self.note(&act, Outcome::Begun, None)).await?;
        Ok(Begun { tenant: tenant.clone(), act, sequence })
    }

    /// Writes down how it ended. It has been done, so a store that refuses changes nothing about that: then the entry
    /// that says that it was begun is all there is.
    pub async fn end(&self, begun: Begun, outcome: Outcome, told: Told) {
        let Begun { tenant, mut act, sequence } = begun;
        act.object = told.object.unwrap_or(act.object);
        if !told.detail.is_empty() {
            act.detail = told.detail;
        }
        for tries in 1..=END_TRIES {
            match self.append(&tenant, self.note(&act, outcome, Some(sequence))).await {
                Ok(_) => return,
                Err(error) if tries == END_TRIES || error.fatal() => {
                    return telemetry::store_failed("append_audit", &error);
                }
                Err(_) => self.clock.sleep(END_AGAIN).await,
            }
        }
    }

    /// Writes down something that is over, or is nothing but this entry.
    pub async fn record(&self, tenant: &Tenant, act: Act, outcome: Outcome) -> Result<(), StoreError> {
        self.append(tenant, self.note(&act, outcome, None)).await.map(drop)
    }

    /// The same of what anybody can cause as often as they like: so many in a span are written down one by one, the
    /// others by their number. What the store does not take is lost: nothing was done.
    pub async fn record_refused(&self, tenant: &Tenant, act: Act) {
        let now = self.clock.monotonic();
        let Some(left_out) = lock(&self.bound).admit(tenant, act.action, now) else { return };
        let act = if left_out == 0 { act } else { bound::after(act, left_out) };
        if let Err(error) = self.record(tenant, act, Outcome::Refused).await {
            telemetry::store_failed("append_audit", &error);
        }
    }

    /// Writes down that a file is about to be applied: for the default tenant in any case, for others where something
    /// of theirs changes.
    pub(crate) async fn begin_file(&self, who: &Who, mut changes: Changes) -> Result<Vec<Begun>, StoreError> {
        changes.entry(Tenant::default_tenant()).or_insert_with(|| "nothing changed".to_owned());
        let mut begun = Vec::with_capacity(changes.len());
        for (tenant, detail) in changes {
            let act = Act { who: who.clone(), ..Act::by_system("file.apply", "file") }.saying(detail);
            begun.push(self.begin(&tenant, act).await?);
        }
        Ok(begun)
    }

    pub(crate) async fn end_file(&self, begun: Vec<Begun>, applied: &Result<(), EngineError>) {
        for begun in begun {
            let (outcome, told) = match applied {
                Ok(()) => (Outcome::Done, Told::default()),
                Err(error) => (Outcome::Failed, Told { detail: error.code().to_owned(), ..Told::default() }),
            };
            self.end(begun, outcome, told).await;
        }
    }

    /// A file that was not even tried, for this reason. What the store does not take is lost: nothing was done.
    pub async fn record_file_not_taken(&self, file: Who, code: &str) {
        let act = Act { who: file, ..Act::by_system("file.apply", "file") }.saying(code);
        if let Err(error) = self.record(&Tenant::default_tenant(), act, Outcome::Failed).await {
            telemetry::store_failed("append_audit", &error);
        }
    }

    fn note(&self, act: &Act, outcome: Outcome, began: Option<u64>) -> Note {
        Note {
            at: self.clock.now(),
            who: act.who.clone(),
            from: Arc::clone(&act.from),
            action: act.action.into(),
            object: act.object.as_str().into(),
            detail: act.detail.clone(),
            outcome,
            began,
        }
    }

    async fn append(&self, tenant: &Tenant, note: Note) -> Result<u64, StoreError> {
        let entries = self.store.append_audit(tenant.clone(), Arc::clone(&self.node), vec![note]).await?;
        Ok(entries.first().map_or(0, |entry| entry.sequence))
    }
}
