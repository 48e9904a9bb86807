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

/// Makes sure that the default tenant has a key with all scopes. `given` is the value of `TRIREME_ADMIN_KEY`; a
/// key that was given before and differs is revoked, because changing the value is how it is taken back.
pub async fn ensure_first_key(
    store: &dyn Store,
    given: Option<&str>,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<FirstKey, FirstKeyError> {
    let tenant = Tenant::default_tenant();
    let keys = store.api_keys(Some(tenant.clone())).await?;
    if let Some(given) = given {
        let text = KeyText::parse(given.trim()).ok_or(FirstKeyError::NotAKey)?;
        return keep_given(store, &text, keys, now).await;
    }
    if !keys.is_empty() {
        return Ok(FirstKey::Exists);
    }
    let text = KeyText::generate(entropy);
    store.put_api_key(admin_key(&text, CREATED_NOTE, now)).await?;
    Ok(FirstKey::Created(text.text().clone()))
}

async fn keep_given(
    store: &dyn Store,
    text: &KeyText,
    keys: Vec<ApiKey>,
    now: Timestamp,
) -> Result<FirstKey, FirstKeyError> {
    let hash = text.hash();
    let same_name = store.api_key(text.id().into()).await?;
    if same_name.is_some_and(|key| key.hash != hash) {
        return Err(FirstKeyError::NameTaken(text.id().to_owned()));
    }
    for old in keys.iter().filter(|key| key.note == GIVEN_NOTE && key.hash != hash && key.revoked_at.is_none()) {
        store.revoke_api_key(old.tenant.clone(), Arc::clone(&old.id), now).await?;
    }
    match keys.iter().find(|key| key.hash == hash) {
        Some(key) if key.revoked_at.is_some() => Ok(FirstKey::GivenButRevoked),
        Some(_) => Ok(FirstKey::Given),
        None => match store.put_api_key(admin_key(text, GIVEN_NOTE, now)).await {
            Ok(()) => Ok(FirstKey::Given),
            Err(StoreError::Conflict(_)) => given_by_another(store, text).await,
            Err(error) => Err(error.into()),
        },
    }
}

/// Another node that starts at the same moment was quicker: with the same key, or with another one of that name.
async fn given_by_another(store: &dyn Store, text: &KeyText) -> Result<FirstKey, FirstKeyError> {
    match store.api_key(text.id().into()).await? {
        Some(key) if key.hash == text.hash() => Ok(FirstKey::Given),
        _ => Err(FirstKeyError::NameTaken(text.id().to_owned())),
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
