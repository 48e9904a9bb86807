//! The tokens of one reader, one for each set of credentials. Whoever needs one that is not there, or no longer good,
//! gets it; everybody else who needs the same one meanwhile waits for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use connectors::manifest::auth::{Quotas, Token, TokenKey};

use super::client::SharedQuotas;

/// Most sets of credentials. A manifest has one or two; a template that makes a new one for each slice would fill memory.
const KEYS_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<TokenKey, Arc<Slot>>>,
    quotas: Mutex<HashMap<TokenKey, SharedQuotas>>,
}

/// One token and the right to change it.
#[derive(Default)]
pub(super) struct Slot {
    /// Held by the one who gets a token.
    pub turn: tokio::sync::Mutex<()>,
    kept: Mutex<Option<Arc<Held>>>,
}

/// A token that was got, and the number of the run that got it: one of an earlier run may have been revoked since.
pub(super) struct Held {
    pub token: Token,
    pub run: u64,
}

impl Tokens {
    pub fn quotas(&self, key: TokenKey) -> Option<SharedQuotas> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Keeps counts, unless somebody else has done so meanwhile.
    pub fn keep_quotas(&self, key: TokenKey, quotas: Quotas) -> SharedQuotas {
        let mut kept = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(key).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(quotas))))
    }

    pub fn slot(&self, key: TokenKey) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEYS_MAX && !slots.contains_key(&key) {
            // Whoever still uses one of these keeps it; the next to need it gets a new token.
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

impl Slot {
    pub fn kept(&self) -> Option<Arc<Held>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn keep(&self, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&held));
        held
    }
}
