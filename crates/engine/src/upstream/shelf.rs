//! The readers of all connections that were asked: each made once and kept, with its tokens and its budget, until the
//! connection's definition changes. At most as many as there are connections.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use store::Store;

use super::book::{Book, Counted, Mask};
use super::rotated::{Keeper, Rotated};
use super::{Account, Unopened, Upstream};
use crate::budget::{Budgets, Purse};
use crate::clock::SharedClock;
use crate::connector::Connector;
use crate::entropy::SharedEntropy;
use crate::ledger::Ledger;
use crate::reading::{Hosts, Learned, Outside, ReadFailure, Reader, migrated, timestamp, usable};
use crate::spec::ConnectorSpec;
use crate::topology::{Policies, Topology};
use crate::transport::{EgressPolicy, Transport};
use crate::vault::Vault;

/// What readers take from the engine. Nothing of it keeps the engine alive.
pub(crate) struct Upstreams {
    store: Arc<dyn Store>,
    clock: SharedClock,
    entropy: SharedEntropy,
    transport: Arc<dyn Transport>,
    policies: Arc<dyn Policies + Send + Sync>,
    vault: Arc<Vault>,
    ledger: Arc<Ledger>,
    budgets: Arc<Budgets>,
    slots: Mutex<FxHashMap<Account, Arc<Slot>>>,
    /// Readers that were made.
    made: AtomicU64,
    listing: Arc<tokio::sync::Mutex<()>>,
}

/// The place of one connection's reader. Held while one is made, so that those who need it at once get the same.
struct Slot {
    opened: tokio::sync::Mutex<Option<Opened>>,
    rotated: Arc<Rotated>,
    /// Of all its readers: a source may speak of what it gave the one before.
    learned: Arc<Learned>,
}

struct Opened {
    definition: Definition,
    upstream: Arc<Upstream>,
}

/// All that a reader is made of and that its owner can change.
#[derive(Clone, PartialEq)]
pub(super) struct Definition {
    pub connector: Arc<Connector>,
    pub config: Arc<Json>,
    policy: Arc<EgressPolicy>,
    purse: Purse,
}

/// What the upstreams are made with.
pub(crate) struct UpstreamParts<'p> {
    pub store: &'p Arc<dyn Store>,
    pub clock: &'p SharedClock,
    pub entropy: &'p SharedEntropy,
    pub transport: &'p Arc<dyn Transport>,
    pub policies: &'p Arc<dyn Policies + Send + Sync>,
    pub vault: &'p Arc<Vault>,
    pub ledger: &'p Arc<Ledger>,
    pub budgets: &'p Arc<Budgets>,
}

impl Upstreams {
    pub fn new(parts: &UpstreamParts<'_>) -> Self {
        Self {
            store: Arc::clone(parts.store),
            clock: Arc::clone(parts.clock),
            entropy: Arc::clone(parts.entropy),
            transport: Arc::clone(parts.transport),
            policies: Arc::clone(parts.policies),
            vault: Arc::clone(parts.vault),
            ledger: Arc::clone(parts.ledger),
            budgets: Arc::clone(parts.budgets),
            slots: Mutex::default(),
            made: AtomicU64::new(0),
            listing: Arc::default(),
        }
    }

    /// The connection's reader as the topology defines it now.
    pub async fn get(&self, topology: &Topology, account: &Account) -> Result<Arc<Upstream>, Unopened> {
        let definition = self.definition(topology, account)?;
        let slot = self.slot(account);
        let mut opened = slot.opened.lock().await;
        if let Some(known) = &*opened
            && known.definition == definition
            && !known.upstream.is_spent()
        {
            return Ok(Arc::clone(&known.upstream));
        }
        let upstream = Arc::new(self.open(account, &definition, &slot).await?);
        *opened = Some(Opened { definition, upstream: Arc::clone(&upstream) });
        Ok(upstream)
    }

    /// The way to a source by what is not configured any more. It is made anew each time and kept by nobody.
    pub async fn former(
        &self,
        account: &Account,
        spec: &ConnectorSpec,
        config: Arc<Json>,
    ) -> Result<Arc<Upstream>, Unopened> {
        let (connector, policy) = (Arc::clone(&spec.connector), self.policies.egress(&account.tenant));
        let definition = Definition { connector, config, policy, purse: self.budgets.purse(account, spec) };
        let slot = self.slot(account);
        self.open(account, &definition, &slot).await.map(Arc::new)
    }

    /// Lets go of what is defined no more, or otherwise. Whoever reads goes on to the end.
    pub fn keep_only(&self, topology: &Topology) {
        self.slots().retain(|account, slot| {
            let Ok(definition) = self.definition(topology, account) else { return false };
            // Whoever holds it looks at the definition by itself.
            if let Ok(mut opened) = slot.opened.try_lock() {
                opened.take_if(|opened| opened.definition != definition);
            }
            true
        });
    }

    /// Lets go of a connection's reader: another node has read meanwhile, and what the source changed in the
    /// connection's configuration is in the store.
    pub fn forget(&self, account: &Account) {
        self.slots().remove(account);
    }

    fn definition(&self, topology: &Topology, account: &Account) -> Result<Definition, Unopened> {
        let (spec, config) = topology.upstream(account)?;
        let (connector, policy) = (Arc::clone(&spec.connector), self.policies.egress(&account.tenant));
        Ok(Definition { connector, config, policy, purse: self.budgets.purse(account, spec) })
    }

    fn slot(&self, account: &Account) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(account) {
            return Arc::clone(slot);
        }
        let rotated = Rotated {
            account: account.clone(),
            store: Arc::clone(&self.store),
            vault: Arc::clone(&self.vault),
            entropy: Arc::clone(&self.entropy),
            listing: Arc::clone(&self.listing),
            is_listed: AtomicBool::new(false),
            last: tokio::sync::Mutex::new(0),
        };
        let (rotated, learned) = (Arc::new(rotated), Arc::default());
        let slot = Arc::new(Slot { opened: tokio::sync::Mutex::default(), rotated, learned });
        slots.insert(account.clone(), Arc::clone(&slot));
        slot
    }

    async fn open(&self, account: &Account, definition: &Definition, slot: &Slot) -> Result<Upstream, Unopened> {
        let Definition { connector, config, policy, purse } = definition;
        let owner = Arc::new(self.usable(connector, config)?);
        let config = slot.rotated.applied(&owner).await?;
        // What an earlier reader was given, perhaps of another process, and what it was given for.
        slot.learned.note_changes(&config, &owner);
        slot.learned.note_changes(&owner, &config);
        let learned = Arc::clone(&slot.learned);
        let mask = Mask { connector: Arc::clone(connector), config: Arc::clone(&config), learned };
        let counted = Arc::<Counted>::default();
        let (ledger, account) = (Arc::clone(&self.ledger), account.clone());
        let book = Book { ledger, account: account.clone(), mask: mask.clone(), counted: Arc::clone(&counted) };
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let keeper = Keeper { rotated: Arc::clone(&slot.rotated), number, owner };
        let outside = Outside {
            transport: Arc::clone(&self.transport),
            policy: Arc::clone(policy),
            hosts: Hosts::any(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            calls: Arc::new(book),
            purse: Some(purse.clone()),
            writer: Arc::new(keeper),
            learned: Arc::clone(&slot.learned),
            files: Arc::clone(&connector.files),
        };
        let reader = Reader::new(Arc::clone(&connector.source), config, outside).map_err(|why| mask.failure(why))?;
        Ok(Upstream::new(account, reader, mask, counted))
    }

    /// The owner's configuration as the streams expect it, if it is one that they can be read with.
    fn usable(&self, connector: &Connector, config: &Json) -> Result<Json, ReadFailure> {
        let Some(spec) = &connector.source.spec else { return Ok(config.clone()) };
        let now = timestamp(self.clock.now());
        let usable = migrated(spec, config.clone(), now).and_then(|(config, _)| usable(spec, config, now));
        usable.map_err(|why| ReadFailure { message: spec.secrets().hide(&why.message, config), ..why })
    }

    fn slots(&self) -> MutexGuard<'_, FxHashMap<Account, Arc<Slot>>> {
        // Entries are put in and taken out whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
