//! The tokens of one reading, one for each set of credentials. Whoever needs one that is not there, or no longer good,
//! gets it; everybody else who needs the same one meanwhile waits for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use connectors::manifest::auth::{Token, TokenKey};

/// Most sets of credentials. A manifest has one or two; a template that makes a new one for each slice would fill memory.
const KEYS_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<TokenKey, Arc<Slot>>>,
}

/// One token and the right to change it.
#[derive(Default)]
pub(super) struct Slot {
    /// Held by the one who gets a token.
    pub turn: tokio::sync::Mutex<()>,
    kept: Mutex<Option<Arc<Token>>>,
}

impl Tokens {
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
    pub fn kept(&self) -> Option<Arc<Token>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn keep(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        token
    }
}
