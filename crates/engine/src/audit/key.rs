//! The key that signs: one for all nodes of a store, made on the first start and kept sealed by the master key, so that
//! a new master key leaves what was signed before as it is.

use domain::audit::AuditKey;
use store::{Store, StoreError};
use zeroize::Zeroizing;

use super::Audit;
use crate::engine::EngineError;
use crate::entropy::Entropy;
use crate::vault::{Place, Vault, VaultError};

/// Name of the setting that holds the key.
pub const AUDIT_KEY_SETTING: &str = "audit_key";
const PLACE: Place<'static> = Place { tenant: "", object: "audit", role: "key" };
const KEY_BYTES: usize = 32;

impl Audit {
    /// Reads the key, or makes it on the first start.
    pub(crate) async fn unlock(&self, vault: &Vault) -> Result<(), EngineError> {
        if self.key.get().is_some() {
            return Ok(());
        }
        let sealed = match self.store.setting(AUDIT_KEY_SETTING.into()).await? {
            Some(sealed) => sealed,
            None => {
                let mut key = Zeroizing::new([0; KEY_BYTES]);
                self.entropy.fill(&mut *key);
                let sealed = vault.seal(&*self.entropy, &PLACE, &*key).map_err(not_ours)?;
                // Another node may have made one meanwhile: then that counts.
                self.store.keep_setting(AUDIT_KEY_SETTING.into(), sealed.into_bytes().into()).await?
            }
        };
        let sealed = String::from_utf8_lossy(&sealed).into_owned();
        let key = open_sealed_key(vault, &sealed).map_err(not_ours)?;
        // Another one that came first read the same.
        let _ = self.key.set((key, sealed.into()));
        Ok(())
    }
}

/// The key in its sealed form, as exports carry it.
pub fn open_sealed_key(vault: &Vault, sealed: &str) -> Result<AuditKey, VaultError> {
    let opened = vault.open(&PLACE, sealed)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if opened.len() != KEY_BYTES {
        return Err(VaultError::UnknownForm);
    }
    key.copy_from_slice(&opened);
    Ok(AuditKey::new(&key))
}

/// The key under another master key, for whoever changes that. Does nothing where there is none yet, or where it was
/// done already.
pub async fn rewrap_audit_key(
    store: &dyn Store,
    (from, to): (&Vault, &Vault),
    entropy: &dyn Entropy,
) -> Result<Result<(), VaultError>, StoreError> {
    let Some(sealed) = store.setting(AUDIT_KEY_SETTING.into()).await? else { return Ok(Ok(())) };
    let sealed = String::from_utf8_lossy(&sealed);
    if to.open(&PLACE, &sealed).is_ok() {
        return Ok(Ok(()));
    }
    match from.rewrap(to, entropy, &PLACE, &sealed) {
        Ok(sealed) => store.put_setting(AUDIT_KEY_SETTING.into(), sealed.into_bytes().into()).await.map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

fn not_ours(error: VaultError) -> EngineError {
    EngineError::Invalid { code: error.code(), detail: format!("the key of the audit log: {error}") }
}
