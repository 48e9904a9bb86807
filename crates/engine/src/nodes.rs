//! Nodes: sharing a store with others. Each says that it lives, takes its share of what is to be looked after, and
//! leaves the rest alone; what others changed it takes over from the store.
//!
//! | file | what it does |
//! |---|---|
//! | `tenure` | how long this node may act, by its own clocks |
//! | `roster` | beats, takes and leaves charges, rescues what dead nodes had in their hands |
//! | `follow` | acts on what other nodes tell, and looks by itself for what they did not |
//! | `file` | which configuration file this node and the others go by |
//! | `refresh` | takes over what was configured, paused or paired elsewhere |
//! | `view` | who is in charge of what, for people |

mod file;
mod follow;
mod refresh;
mod roster;
mod tenure;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::charge::Charge;
use domain::run::StreamKey;
use domain::{ReplayId, Tenant};

pub use file::{FileStanding, MayGo, may_go_by, now_goes_by, of_cluster, waiting};
pub(crate) use follow::Follower;
pub(crate) use roster::{Roster, Woken};
pub use tenure::{LEASE, Tenure};
pub use view::NodeView;

/// What a node is called, for people.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Arc<str>,
    pub version: Arc<str>,
    /// Which file it goes by.
    pub file: Arc<FileStanding>,
}

impl Default for Identity {
    fn default() -> Self {
        let (name, address, version) = ("local".into(), "".into(), env!("CARGO_PKG_VERSION").into());
        Self { name, address, version, file: Arc::default() }
    }
}

/// What this node is in charge of, with the generation of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Nobody else could be in charge of anything.
    pub sole: bool,
    /// Of all nodes that live it is the one that started first: it does what one of them has to do.
    pub first: bool,
    pub charges: BTreeMap<Charge, u64>,
}

impl Held {
    pub fn has(&self, charge: &Charge) -> bool {
        self.sole || self.charges.contains_key(charge)
    }

    /// Whether this node does what only one has to do, and what would be no harm if two did.
    pub fn leads(&self) -> bool {
        self.sole || self.first
    }

    pub fn has_stream(&self, key: &StreamKey) -> bool {
        self.sole || self.has(&connection_of(key))
    }

    pub fn has_replay(&self, tenant: &Tenant, id: ReplayId) -> bool {
        self.sole || self.has(&Charge::Replay(tenant.clone(), id))
    }
}

/// Whoever is in charge of a connection reads all of its streams: they share its budget and its tokens.
pub(crate) fn connection_of(key: &StreamKey) -> Charge {
    Charge::Connection(key.tenant.clone(), key.source.clone(), key.connection.clone())
}
