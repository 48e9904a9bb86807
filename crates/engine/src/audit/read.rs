//! The whole of a tenant's log, page by page, in the order in which it is verified: statements, ends, entries, cuts. So a
//! log that grows while it is read is not taken for a broken one.

use std::sync::Arc;

use domain::Tenant;
use domain::audit::{Entry, GENESIS, Head, Line, Verdict, Verifier};
use store::audit::Chain;
use store::{Store, StoreError};

use super::Audit;

/// Rows read at once.
const PAGE: u32 = 500;
/// Entries that are looked at where a person waits: a page has to be there in a moment.
pub const RECENT_ENTRIES: u64 = 2_000;

/// Reads a log as lines.
pub struct Reader {
    store: Arc<dyn Store>,
    tenant: Tenant,
    first: Option<Line>,
    at: At,
    entries: u64,
}

/// What comes next.
enum At {
    Statements(Arc<str>, u64),
    Entries { chains: std::vec::IntoIter<Chain>, of: Option<Arc<str>>, after: u64 },
    Cuts,
    Over,
}

impl Reader {
    /// The next lines; none at the end.
    pub async fn next(&mut self) -> Result<Vec<Line>, StoreError> {
        if let Some(first) = self.first.take() {
            return Ok(vec![first]);
        }
        loop {
            let lines = match std::mem::replace(&mut self.at, At::Over) {
                At::Statements(signer, number) => self.statements(signer, number).await?,
                At::Entries { chains, of, after } => self.entries(chains, of, after).await?,
                At::Cuts => return self.cuts().await,
                At::Over => return Ok(Vec::new()),
            };
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// The same as text, a line each; `None` at the end.
    pub async fn next_text(&mut self) -> Result<Option<String>, StoreError> {
        let lines = self.next().await?;
        Ok((!lines.is_empty()).then(|| lines.iter().map(|line| line.to_json() + "\n").collect()))
    }

    async fn statements(&mut self, signer: Arc<str>, number: u64) -> Result<Vec<Line>, StoreError> {
        let statements = self.store.audit_statements(self.tenant.clone(), (signer, number), PAGE).await?;
        self.at = match statements.last() {
            Some(last) => At::Statements(Arc::clone(&last.signer), last.number),
            None => {
                let chains = self.store.audit_chains(Some(self.tenant.clone())).await?;
                let ends = chains.iter().map(|chain| Line::Head((&chain.head).into())).collect();
                self.at = At::Entries { chains: chains.into_iter(), of: None, after: 0 };
                return Ok(ends);
            }
        };
        Ok(statements.iter().map(|statement| Line::Statement(statement.into())).collect())
    }

    async fn entries(
        &mut self,
        mut chains: std::vec::IntoIter<Chain>,
        of: Option<Arc<str>>,
        after: u64,
    ) -> Result<Vec<Line>, StoreError> {
        let Some(node) = of else {
            self.at = match chains.next() {
                Some(chain) => At::Entries { chains, of: Some(chain.head.node), after: 0 },
                None => At::Cuts,
            };
            return Ok(Vec::new());
        };
        let entries = self.store.audit_chain(self.tenant.clone(), Arc::clone(&node), after, PAGE).await?;
        self.entries += entries.len() as u64;
        self.at = match entries.last() {
            Some(last) => At::Entries { chains, of: Some(node), after: last.sequence },
            None => At::Entries { chains, of: None, after: 0 },
        };
        Ok(entries.iter().map(|entry| Line::Entry(entry.into())).collect())
    }

    async fn cuts(&self) -> Result<Vec<Line>, StoreError> {
        let chains = self.store.audit_chains(Some(self.tenant.clone())).await?;
        let cuts = chains.into_iter().filter_map(|chain| chain.cut).map(|cut| Line::Cut((&cut).into()));
        Ok(cuts.chain([Line::End { entries: self.entries }]).collect())
    }
}

impl Audit {
    /// The whole log of a tenant.
    #[must_use]
    pub fn export(&self, tenant: &Tenant) -> Reader {
        let first = Line::Export {
            tenant: tenant.to_string(),
            at: self.clock.now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key: self.key.get().map(|(_, sealed)| sealed.to_string()),
        };
        let at = At::Statements("".into(), 0);
        Reader { store: Arc::clone(&self.store), tenant: tenant.clone(), first: Some(first), at, entries: 0 }
    }

    /// Verifies what a tenant's nodes wrote of late, back to about [`RECENT_ENTRIES`]; the command line verifies all.
    pub async fn verify_recent(&self, tenant: &Tenant) -> Result<Verdict, StoreError> {
        let chains = self.store.audit_chains(Some(tenant.clone())).await?;
        let mut verifier = Verifier::new(self.key.get().map(|(key, _)| key.clone()));
        for chain in &chains {
            let last = self.store.last_audit_statement(tenant.clone(), Arc::clone(&chain.head.node)).await?;
            last.iter().for_each(|statement| verifier.statement(statement));
        }
        let each = RECENT_ENTRIES / (chains.len() as u64).max(1);
        for chain in &chains {
            let after = chain.head.sequence.saturating_sub(each);
            self.verify_from(&mut verifier, tenant, chain, after).await?;
        }
        self.read_cuts(&mut verifier, tenant).await?;
        Ok(verifier.finish())
    }

    /// Last of all, because a node may have removed what is old while it was read.
    pub(super) async fn read_cuts(&self, verifier: &mut Verifier, tenant: &Tenant) -> Result<(), StoreError> {
        let chains = self.store.audit_chains(Some(tenant.clone())).await?;
        chains.iter().filter_map(|chain| chain.cut.as_ref()).for_each(|cut| verifier.cut(cut));
        Ok(())
    }

    /// Reads a chain from behind a number to its end. What is before the first that is read is trusted, unless the
    /// chain begins there. The cuts are to be read after it.
    pub(super) async fn verify_from(
        &self,
        verifier: &mut Verifier,
        tenant: &Tenant,
        chain: &Chain,
        after: u64,
    ) -> Result<(), StoreError> {
        let node = &chain.head.node;
        let cut = chain.cut.as_ref().map_or(0, |cut| cut.through.sequence);
        verifier.ends(&chain.head);
        let (mut last, mut is_first) = (after.max(cut), after > cut);
        loop {
            let entries = self.store.audit_chain(tenant.clone(), Arc::clone(node), last, PAGE).await?;
            if std::mem::take(&mut is_first) {
                let first = entries.first().filter(|first| first.sequence == after + 1);
                let nothing = || Head { node: Arc::clone(node), sequence: after, digest: GENESIS };
                verifier.begin_after(first.map_or_else(nothing, before));
            }
            entries.iter().for_each(|entry| verifier.entry(entry));
            match entries.last() {
                Some(entry) => last = entry.sequence,
                None => return Ok(()),
            }
        }
    }
}

/// What an entry says that it follows.
fn before(entry: &Entry) -> Head {
    let sequence = entry.sequence.saturating_sub(1);
    Head { node: Arc::clone(&entry.node), sequence, digest: entry.previous }
}
