//! The first key: made on the first start, or given by the owner for automation.

use std::sync::Arc;

use domain::{Tenant, Timestamp};
use store::registry::ApiKey;
use store::{Store, StoreError};

use crate::entropy::Entropy;
use crate::spec::Secret;

use super::key::{KeyText, SECRET_CHARS_MIN, Scope};

/// Note of a key that its owner gave, so that the next one given takes its place.
const GIVEN_NOTE: &str = "given by TRIREME_ADMIN_KEY";
const CREATED_NOTE: &str = "made on the first start";

/// How the API can be opened after a start.
#[derive(Debug, PartialEq, Eq)]
pub enum FirstKey {
    /// There was none: this one was made, and is shown this once.
    Created(Secret),
    /// The owner's own is in force.
    Given,
    /// The owner's own was revoked by somebody: it stays so.
    GivenButRevoked,
    /// There are keys already.
    Exists,
}

#[derive(Debug, thiserror::Error)]
pub enum FirstKeyError {
    #[error(
        "TRIREME_ADMIN_KEY is not a key: write trk_admin_ followed by at least {SECRET_CHARS_MIN} letters and digits, \
         such as trk_admin_$(openssl rand -hex 32)"
    )]
    NotAKey,
    #[error(
        "TRIREME_ADMIN_KEY has another secret than the key '{0}' before it: give the new one another name, such as \
         trk_{0}2_$(openssl rand -hex 32)"
    )]
    NameTaken(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What has to be done so that the default tenant has a key with all scopes: decided before it is done, so that it can be
/// written down first.
#[derive(Debug)]
pub struct FirstKeyPlan {
    revoke: Vec<ApiKey>,
    make: Option<ApiKey>,
    gives: FirstKey,
}

impl FirstKeyPlan {
    /// `given` is the value of `TRIREME_ADMIN_KEY`; a key that was given before and differs is revoked, because changing
    /// the value is how it is taken back.
    pub async fn new(
        store: &dyn Store,
        given: Option<&str>,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, FirstKeyError> {
        let keys = store.api_keys(Some(Tenant::default_tenant())).await?;
        if let Some(given) = given {
            let text = KeyText::parse(given.trim()).ok_or(FirstKeyError::NotAKey)?;
            let same_name = store.api_key(text.id().into()).await?;
            return Self::of_given(&text, same_name.as_ref(), keys, now);
        }
        if !keys.is_empty() {
            return Ok(Self { revoke: Vec::new(), make: None, gives: FirstKey::Exists });
        }
        let text = KeyText::generate(entropy);
        let make = Some(admin_key(&text, CREATED_NOTE, now));
        Ok(Self { revoke: Vec::new(), make, gives: FirstKey::Created(text.text().clone()) })
    }

    fn of_given(
        text: &KeyText,
        same_name: Option<&ApiKey>,
        keys: Vec<ApiKey>,
        now: Timestamp,
    ) -> Result<Self, FirstKeyError> {
        let hash = text.hash();
        if same_name.is_some_and(|key| key.hash != hash) {
            return Err(FirstKeyError::NameTaken(text.id().to_owned()));
        }
        let known = keys.iter().find(|key| key.hash == hash);
        let gives = match known {
            Some(key) if key.revoked_at.is_some() => FirstKey::GivenButRevoked,
            _ => FirstKey::Given,
        };
        let make = known.is_none().then(|| admin_key(text, GIVEN_NOTE, now));
        let before = |key: &ApiKey| key.note == GIVEN_NOTE && key.hash != hash && key.revoked_at.is_none();
        Ok(Self { revoke: keys.into_iter().filter(before).collect(), make, gives })
    }

    /// The deeds of it, each by its code in the audit log, and the ids of their keys.
    pub fn deeds(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let revoked = self.revoke.iter().map(|key| ("key.revoke", &*key.id));
        revoked.chain(self.make.iter().map(|key| ("key.create", &*key.id)))
    }

    /// Does it.
    pub async fn carry_out(self, store: &dyn Store, now: Timestamp) -> Result<FirstKey, FirstKeyError> {
        for old in self.revoke {
            store.revoke_api_key(old.tenant, old.id, now).await?;
        }
        let Some(key) = self.make else { return Ok(self.gives) };
        match store.put_api_key(key.clone()).await {
            Err(StoreError::Conflict(_)) if self.gives == FirstKey::Given => given_by_another(store, &key).await,
            made => Ok(made.map(|()| self.gives)?),
        }
    }
}

/// Makes sure that the default tenant has a key with all scopes, without a word in the audit log.
pub async fn ensure_first_key(
    store: &dyn Store,
    given: Option<&str>,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<FirstKey, FirstKeyError> {
    FirstKeyPlan::new(store, given, entropy, now).await?.carry_out(store, now).await
}

/// Another node that starts at the same moment was quicker: with the same key, or with another one of that name.
async fn given_by_another(store: &dyn Store, given: &ApiKey) -> Result<FirstKey, FirstKeyError> {
    match store.api_key(Arc::clone(&given.id)).await? {
        Some(key) if key.hash == given.hash => Ok(FirstKey::Given),
        _ => Err(FirstKeyError::NameTaken(given.id.to_string())),
    }
}

fn admin_key(text: &KeyText, note: &str, now: Timestamp) -> ApiKey {
    ApiKey {
        tenant: Tenant::default_tenant(),
        id: text.id().into(),
        hash: text.hash(),
        scopes: vec![Scope::Admin.as_str().to_owned()],
        note: note.to_owned(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}
