//! Whose subscriptions work: what they tell need not be polled for. Shared with the schedule of the streams.

use std::sync::{PoisonError, RwLock};

use crate::latest;
use domain::StreamKey;
use rustc_hash::FxHashSet;

use crate::topology::Source;
use crate::upstream::Account;

/// How a stream stands to the subscriptions of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covering {
    /// A working subscription tells its changes: its polls rest.
    Covers,
    /// None works now, so it is polled.
    Failing,
    /// The connector maps no topic to its changes, so it is polled.
    NotTold,
    /// The connector does not say how to subscribe, so it is polled.
    Unsupported,
}

impl Covering {
    pub const ALL: [Self; 4] = [Self::Covers, Self::Failing, Self::NotTold, Self::Unsupported];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Covers => "covers",
            Self::Failing => "failing",
            Self::NotTold => "not_told",
            Self::Unsupported => "unsupported",
        }
    }
}

pub(crate) struct Coverage {
    working: RwLock<FxHashSet<Account>>,
    changed: latest::Sender<u64>,
}

impl Coverage {
    pub fn new() -> Self {
        Self { working: RwLock::default(), changed: latest::channel(0).0 }
    }

    /// Notes whether a connection's subscriptions work, and wakes who waits if that is news.
    pub fn set(&self, account: &Account, works: bool) {
        let mut working = self.working.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = if works { working.insert(account.clone()) } else { working.remove(account) };
        drop(working);
        if is_news {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    pub fn works(&self, account: &Account) -> bool {
        self.working.read().unwrap_or_else(PoisonError::into_inner).contains(account)
    }

    /// Changes whenever some connection's standing does.
    pub fn changes(&self) -> latest::Receiver<u64> {
        self.changed.subscribe()
    }

    /// `None`: its source does not subscribe.
    pub fn of(&self, source: &Source, key: &StreamKey) -> Option<Covering> {
        let spec = source.spec.connector.as_ref().filter(|spec| spec.subscribe)?;
        let extension = &spec.connector.extension;
        if extension.webhooks.is_none() || source.listener.is_none() {
            return Some(Covering::Unsupported);
        }
        if !extension.tells(&key.stream) {
            return Some(Covering::NotTold);
        }
        let account =
            Account { tenant: key.tenant.clone(), source: key.source.clone(), connection: key.connection.clone() };
        Some(if self.works(&account) { Covering::Covers } else { Covering::Failing })
    }

    /// Whether a stream is told by a subscription, so that its polls rest.
    pub fn covers(&self, source: &Source, key: &StreamKey) -> bool {
        self.of(source, key) == Some(Covering::Covers)
    }
}
