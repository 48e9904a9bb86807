//! What the command line does to a store while no node runs, as it stands in the audit log.

use domain::audit::{Note, Outcome, Who, WhoKind};
use domain::{Tenant, Timestamp};
use store::{Store, StoreError};

/// Whose chain has it.
const CHAIN: &str = "offline";

/// What is done, and to what.
pub struct Deed {
    /// A stable code.
    pub action: &'static str,
    pub object: &'static str,
    pub detail: String,
}

impl Deed {
    /// Writes it down; gives its number, for the entry that says how it ended.
    pub async fn write(
        &self,
        store: &dyn Store,
        at: Timestamp,
        outcome: Outcome,
        began: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let note = Note {
            at,
            who: Who::new(WhoKind::Cli, ""),
            from: "".into(),
            action: self.action.into(),
            object: self.object.into(),
            detail: self.detail.clone(),
            outcome,
            began,
        };
        let entries = store.append_audit(Tenant::default_tenant(), CHAIN.into(), vec![note]).await?;
        Ok(entries.first().map(|entry| entry.sequence))
    }
}
