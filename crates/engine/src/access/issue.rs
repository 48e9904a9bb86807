//! Keys that people make and revoke: what may be asked for, whoever asks. A revoked key ends here at once.

use std::sync::Arc;

use domain::{Tenant, Timestamp};
use store::StoreError;
use store::registry::ApiKey;

use super::{Access, KeyText, Scope};
use crate::entropy::Entropy;

/// Longest note that is kept, in bytes.
const NOTE_BYTES_MAX: usize = 200;

/// A key as somebody wants it.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub tenant: Tenant,
    pub scopes: Vec<Scope>,
    /// What it is for, in one line.
    pub note: String,
    pub expires_at: Option<Timestamp>,
}

/// What is wrong with one field of a [`NewKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub field: &'static str,
    pub detail: String,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("{}", in_words(.0))]
    Invalid(Vec<Wrong>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn in_words(wrong: &[Wrong]) -> String {
    let all: Vec<String> = wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.detail)).collect();
    all.join("; ")
}

impl NewKey {
    fn wrong(&self, now: Timestamp) -> Vec<Wrong> {
        let has_ended = self.expires_at.is_some_and(|end| end <= now);
        let is_no_line = self.note.len() > NOTE_BYTES_MAX || self.note.chars().any(char::is_control);
        let line = format!("use at most {NOTE_BYTES_MAX} bytes without control characters");
        let checks = [
            ("scopes", self.scopes.is_empty(), "name at least one scope".to_owned()),
            ("expires_at", has_ended, "must be in the future".to_owned()),
            ("note", is_no_line, line),
        ];
        let wrong = checks.into_iter().filter(|(_, is_wrong, _)| *is_wrong);
        wrong.map(|(field, _, detail)| Wrong { field, detail }).collect()
    }
}

impl Access {
    /// Makes a key. Its text is told here and kept nowhere.
    pub async fn issue(&self, entropy: &dyn Entropy, new: NewKey) -> Result<(KeyText, ApiKey), IssueError> {
        let now = self.clock.now();
        let wrong = new.wrong(now);
        if !wrong.is_empty() {
            return Err(IssueError::Invalid(wrong));
        }
        let text = KeyText::generate(entropy);
        let NewKey { tenant, mut scopes, note, expires_at } = new;
        scopes.sort_unstable();
        scopes.dedup();
        let key = ApiKey {
            tenant,
            id: text.id().into(),
            hash: text.hash(),
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            note,
            created_at: now,
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.store.put_api_key(key.clone()).await?;
        // It may have been asked for a moment ago, and be remembered as unknown.
        self.forget(&key.id);
        Ok((text, key))
    }

    /// Revokes a key: it opens nothing here from now on. Gives whether the tenant has such a key.
    pub async fn revoke(&self, tenant: &Tenant, id: &str) -> Result<bool, StoreError> {
        let known = self.store.revoke_api_key(tenant.clone(), Arc::from(id), self.clock.now()).await;
        // Whatever was answered: a store that failed may have done it.
        self.forget(id);
        known
    }
}
