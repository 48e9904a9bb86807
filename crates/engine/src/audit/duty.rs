//! Once an hour: what was written since the last time is verified, every chain's end is signed, and what is too old is
//! removed behind a signed cut. The log of the process names what was signed, for those who keep that elsewhere.

use std::sync::Arc;
use std::time::Duration;

use domain::audit::{Cut, Entry, Fault, GENESIS, Head, Outcome, Statement, Verifier};
use domain::{Tenant, Timestamp};
use store::StoreError;
use store::audit::Chain;
use tokio_util::sync::CancellationToken;

use super::{Act, Audit, RECENT_ENTRIES, Said, Stated, bound};
use crate::alert::{AUDIT_BROKEN, Alerts};
use crate::failure::Failure;
use crate::telemetry;

/// How often the ends of chains are signed: what is cut off within this span is noticed only if it was signed before.
pub(crate) const SIGN_EVERY: Duration = Duration::from_secs(60 * 60);
/// After a start: what happened to the chains while no process looked is noticed soon.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// Entries of one chain: about half a GiB. A program that runs wild with a good key must not fill the disk.
const ENTRIES_MAX: u64 = 1_000_000;
/// Entries removed in one transaction.
const PRUNED_AT_ONCE: u32 = 500;

pub(crate) struct Duty {
    pub audit: Arc<Audit>,
    pub alerts: Alerts,
    pub failure: Failure,
    /// How long entries are kept.
    pub kept: Duration,
    pub stop: CancellationToken,
}

impl Duty {
    pub async fn run(self) {
        let mut wait = FIRST_AFTER;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.audit.clock.sleep(wait) => {}
            }
            wait = SIGN_EVERY;
            if let Err(error) = self.round().await {
                self.alerts.store_failed("audit", &error);
                if error.fatal() {
                    self.failure.report(error);
                }
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        self.audit.tell_left_out().await?;
        for (tenant, chains) in self.audit.chains().await? {
            let missing = self.audit.taken_out(&tenant, self.kept).await?;
            self.tell(&tenant, missing.as_slice());
            let faults = self.audit.sign(&tenant, &chains).await?;
            self.tell(&tenant, &faults);
            for chain in &chains {
                let faults = self.audit.prune(&tenant, chain, self.kept).await?;
                self.tell(&tenant, &faults);
            }
        }
        Ok(())
    }

    /// Only a person resolves it: that a chain holds from here on says nothing about what was done to it.
    fn tell(&self, tenant: &Tenant, faults: &[Fault]) {
        let Some(first) = faults.first() else { return };
        let detail = format!("{first}; `trireme audit verify` says all of it");
        self.alerts.note(tenant, AUDIT_BROKEN, "audit", detail);
    }
}

impl Audit {
    /// The chains of every tenant.
    async fn chains(&self) -> Result<Vec<(Tenant, Vec<Chain>)>, StoreError> {
        let mut by_tenant: Vec<(Tenant, Vec<Chain>)> = Vec::new();
        for chain in self.store.audit_chains(None).await? {
            match by_tenant.last_mut() {
                Some((tenant, chains)) if *tenant == chain.tenant => chains.push(chain),
                _ => by_tenant.push((chain.tenant.clone(), vec![chain])),
            }
        }
        Ok(by_tenant)
    }

    /// Signs where all chains end, once more before the process does. What the store does not take the next process
    /// signs, or another node.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.sign_all().await {
            telemetry::store_failed("put_audit_statement", &error);
        }
    }

    async fn sign_all(&self) -> Result<(), StoreError> {
        self.tell_left_out().await?;
        for (tenant, chains) in self.chains().await? {
            self.sign(&tenant, &chains).await?;
        }
        Ok(())
    }

    async fn tell_left_out(&self) -> Result<(), StoreError> {
        let left_out = super::lock(&self.bound).take_left_out(self.clock.monotonic());
        for (tenant, action, count) in left_out {
            let act = bound::after(Act::by_system(action, ""), count);
            self.record(&tenant, act, Outcome::Refused).await?;
        }
        Ok(())
    }

    /// Says where those chains of a tenant end that have moved since this process last said so; the first time, all.
    /// Gives what is wrong with what was written since then.
    pub(crate) async fn sign(&self, tenant: &Tenant, chains: &[Chain]) -> Result<Vec<Fault>, StoreError> {
        let Some((key, _)) = self.key.get() else { return Ok(Vec::new()) };
        let last = self.store.last_audit_statement(tenant.clone(), Arc::clone(&self.node)).await?;
        let mut said = self.said_of(tenant, last.as_ref());
        // Chains whose entries are all gone for their age have nothing left to be compared with.
        let is_left = |chain: &Chain| chain.cut.as_ref().is_none_or(|cut| cut.through.sequence < chain.head.sequence);
        let moved = |chain: &&Chain| is_left(chain) && said.get(&chain.head.node) != Some(&chain.head);
        let moved: Vec<&Chain> = chains.iter().filter(moved).collect();
        let is_there = |node: &Arc<str>| chains.iter().any(|chain| chain.head.node == *node);
        // No chain is ever removed whole.
        let gone: Vec<Head> = said.extract_if(.., |node, _| !is_there(node)).map(|(_, head)| head).collect();
        let faults = self.verify_since(tenant, &moved, (&said, &gone)).await?;
        if moved.is_empty() {
            super::lock(&self.said).insert(tenant.clone(), said);
            return Ok(faults);
        }
        let heads: Vec<Head> = moved.iter().map(|chain| chain.head.clone()).collect();
        said.extend(heads.iter().map(|head| (Arc::clone(&head.node), head.clone())));
        let own = super::lock(&self.stated).get(tenant).map_or(0, |stated| stated.number);
        let number = last.map_or(0, |last| last.number).max(own) + 1;
        let (of, signer, at) = (tenant.clone(), Arc::clone(&self.node), self.clock.now());
        let statement =
            Statement { tenant: of, signer, number, at, heads, key: "".into(), signature: GENESIS }.signed(key);
        tell_log(&statement);
        match self.store.put_audit_statement(statement).await {
            // Another process of the same name said something a moment ago: this is said the next time.
            Err(StoreError::Conflict(_)) => return Ok(faults),
            done => done?,
        }
        super::lock(&self.said).insert(tenant.clone(), said);
        super::lock(&self.stated).insert(tenant.clone(), Stated { number, at, missed: false });
        Ok(faults)
    }

    /// Which statements of this process somebody took out, told once. What is too old any node may have removed.
    async fn taken_out(&self, tenant: &Tenant, kept: Duration) -> Result<Option<Fault>, StoreError> {
        let stated = super::lock(&self.stated).get(tenant).copied();
        let young = |stated: &Stated| !stated.missed && stated.at >= self.clock.now() - kept;
        let Some(stated) = stated.filter(young) else { return Ok(None) };
        let signer = Arc::clone(&self.node);
        let last = self.store.last_audit_statement(tenant.clone(), Arc::clone(&signer)).await?;
        let there = last.map_or(0, |last| last.number);
        if there >= stated.number {
            return Ok(None);
        }
        super::lock(&self.stated).insert(tenant.clone(), Stated { missed: true, ..stated });
        Ok(Some(Fault::Unsaid { signer, first: there + 1, last: stated.number }))
    }

    /// What this process last said of each chain. At its start it goes by the last statement of its predecessor.
    fn said_of(&self, tenant: &Tenant, last: Option<&Statement>) -> Said {
        let own = super::lock(&self.said).get(tenant).cloned();
        let (key, heads) = (self.key.get().map(|(key, _)| key), last.iter().flat_map(|last| &last.heads));
        let is_ours = || last.is_some_and(|last| key.is_some_and(|key| last.is_signed_by(key)));
        own.unwrap_or_else(|| match is_ours() {
            true => heads.map(|head| (Arc::clone(&head.node), head.clone())).collect(),
            false => Said::new(),
        })
    }

    /// What is wrong with what was written since this process last looked. Of chains that it never looked at, the end
    /// is read: there may be many of nodes that are gone, and the command line reads all.
    async fn verify_since(
        &self,
        tenant: &Tenant,
        chains: &[&Chain],
        (said, gone): (&Said, &[Head]),
    ) -> Result<Vec<Fault>, StoreError> {
        if chains.is_empty() && gone.is_empty() {
            return Ok(Vec::new());
        }
        let mut verifier = Verifier::new(self.key.get().map(|(key, _)| key.clone()));
        gone.iter().for_each(|head| verifier.known(head, &self.node));
        for chain in chains {
            let head = said.get(&chain.head.node);
            head.into_iter().for_each(|head| verifier.known(head, &self.node));
            let recent = chain.head.sequence.saturating_sub(RECENT_ENTRIES);
            // The entry that was signed is read again: it has to be there still.
            let after = head.map_or(recent, |head| head.sequence.saturating_sub(1));
            self.verify_from(&mut verifier, tenant, chain, after).await?;
        }
        self.read_cuts(&mut verifier, tenant).await?;
        Ok(verifier.finish().faults)
    }

    /// Removes what is too old of one chain, as far as it holds. Gives what is wrong with it.
    pub(crate) async fn prune(&self, tenant: &Tenant, chain: &Chain, kept: Duration) -> Result<Vec<Fault>, StoreError> {
        let Some((key, _)) = self.key.get() else { return Ok(Vec::new()) };
        let (now, node) = (self.clock.now(), &chain.head.node);
        let bound = Age::of(chain, now - kept);
        let mut through = chain.cut.as_ref().map(|cut| cut.through.clone());
        let mut removed = 0;
        loop {
            let after = through.as_ref().map_or(0, |head| head.sequence);
            let old = self.store.audit_chain(tenant.clone(), Arc::clone(node), after, PRUNED_AT_ONCE).await?;
            let old: Vec<_> = old.into_iter().take_while(|entry| bound.is_past(entry)).collect();
            let Some(last) = old.last() else { break };
            let mut verifier = Verifier::new(None);
            through.into_iter().for_each(|head| verifier.begin_after(head));
            old.iter().for_each(|entry| verifier.entry(entry));
            let verdict = verifier.finish();
            if !verdict.holds() {
                // What is broken stays, to be looked into; what another node removed a moment ago is not broken.
                return Ok(if self.is_cut_after(tenant, node, after).await? { Vec::new() } else { verdict.faults });
            }
            removed += old.len();
            let cut = Cut::signed(tenant.clone(), last.head(), now, key);
            self.store.prune_audit(cut, bound.before).await?;
            through = Some(last.head());
        }
        if let Some(head) = through.filter(|_| removed > 0) {
            let told = format!("{removed} entries up to {} were older than they are kept, or too many", head.sequence);
            let act = Act::by_system("audit.prune", format!("node/{node}")).saying(told);
            self.record(tenant, act, Outcome::Done).await?;
        }
        Ok(Vec::new())
    }

    /// Whether more of a chain was removed than up to here.
    async fn is_cut_after(&self, tenant: &Tenant, node: &Arc<str>, sequence: u64) -> Result<bool, StoreError> {
        let chains = self.store.audit_chains(Some(tenant.clone())).await?;
        let cut = chains.into_iter().find(|chain| chain.head.node == *node).and_then(|chain| chain.cut);
        Ok(cut.is_some_and(|cut| cut.through.sequence > sequence))
    }
}

/// What of a chain is kept no longer.
struct Age {
    before: Timestamp,
    through: u64,
}

impl Age {
    fn of(chain: &Chain, before: Timestamp) -> Self {
        Self { before, through: chain.head.sequence.saturating_sub(ENTRIES_MAX) }
    }

    fn is_past(&self, entry: &Entry) -> bool {
        entry.note.at < self.before || entry.sequence <= self.through
    }
}

/// Whoever keeps the process's log elsewhere has what the store cannot take back.
fn tell_log(statement: &Statement) {
    let heads: Vec<String> = statement.heads.iter().map(told).collect();
    telemetry::audit_signed(&statement.tenant, statement.number, &heads.join(" "));
}

fn told(head: &Head) -> String {
    format!("{}:{}:{}", head.node, head.sequence, data_encoding::HEXLOWER.encode(&head.digest.0))
}

#[cfg(test)]
mod tests {
    use domain::audit::{Note, Who};

    use super::*;

    #[test]
    fn what_is_old_goes_and_so_does_what_is_too_much() {
        let now = Timestamp::from_secs(1_000);
        let numbered = |sequence, at| {
            let note = Note {
                at,
                who: Who::system(),
                from: "".into(),
                action: "x".into(),
                object: "".into(),
                detail: String::new(),
                outcome: Outcome::Done,
                began: None,
            };
            let before = Head { node: "a".into(), sequence: sequence - 1, digest: GENESIS };
            Entry::after(&before, Tenant::default_tenant(), note)
        };
        let head = numbered(ENTRIES_MAX + 10, now).head();
        let chain = Chain { tenant: Tenant::default_tenant(), head, cut: None };
        let age = Age::of(&chain, now - Duration::from_secs(100));
        let ago = |seconds| now - Duration::from_secs(seconds);
        for (sequence, at, expected) in [
            (10, ago(1), true),
            (11, ago(1), false),
            (11, ago(100), false),
            (11, ago(101), true),
            (ENTRIES_MAX + 10, ago(101), true),
        ] {
            assert_eq!(age.is_past(&numbered(sequence, at)), expected, "{sequence} of {at}");
        }
    }
}
