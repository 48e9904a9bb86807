//! Verifying a tenant's chains: what was changed, taken out, put elsewhere or cut off, by the numbers of the entries.
//!
//! Statements are given before entries. Memory is that of the signed heads, not of the entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::{AuditKey, Cut, Entry, GENESIS, Head, Line, NotALine, Statement};
use crate::identity::Digest;

/// Faults that are told one by one; past them they are counted.
const FAULTS_MAX: usize = 100;
/// Who knows the end of a chain, where no node said so.
const THE_STORE: &str = "the store";
/// Numbers in one hole that are remembered, to tell an entry that stands elsewhere from one that is gone.
const HOLE_MAX: u64 = 10_000;

/// What is wrong with a chain, or with what was said about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its content is not what its digest says.
    Tampered { node: Arc<str>, sequence: u64 },
    /// It does not follow from the entry before it: one of the two was written anew.
    Unlinked { node: Arc<str>, sequence: u64 },
    /// Entries are gone.
    Missing { node: Arc<str>, first: u64, last: u64 },
    /// It stands behind a later one, or twice.
    Reordered { node: Arc<str>, sequence: u64 },
    /// The chain ends before an entry that was signed, or noted, as its last.
    CutOff { node: Arc<str>, last: u64, signed: u64, signer: Arc<str> },
    /// The entry is another one than was signed, or noted, under its number.
    Rewritten { node: Arc<str>, sequence: u64, signer: Arc<str> },
    /// The chain begins later than at 1, and no signed cut says why.
    Headless { node: Arc<str>, first: u64 },
    /// A statement that was not signed with the key.
    Forged { signer: Arc<str>, number: u64 },
    /// A cut that was not signed with the key.
    ForgedCut { node: Arc<str> },
    /// Statements of a signer are gone.
    Unsaid { signer: Arc<str>, first: u64, last: u64 },
}

impl Fault {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Tampered { .. } => "tampered",
            Self::Unlinked { .. } => "unlinked",
            Self::Missing { .. } => "missing",
            Self::Reordered { .. } => "reordered",
            Self::CutOff { .. } => "cut_off",
            Self::Rewritten { .. } => "rewritten",
            Self::Headless { .. } => "headless",
            Self::Forged { .. } => "forged",
            Self::ForgedCut { .. } => "forged_cut",
            Self::Unsaid { .. } => "unsaid",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tampered { node, sequence } => write!(f, "entry {sequence} of {node} was changed"),
            Self::Unlinked { node, sequence } => {
                write!(
                    f,
                    "entry {sequence} of {node} does not follow from the one before it: one of them was rewritten"
                )
            }
            Self::Missing { node, first, last } if first == last => write!(f, "entry {first} of {node} is missing"),
            Self::Missing { node, first, last } => write!(f, "entries {first} to {last} of {node} are missing"),
            Self::Reordered { node, sequence } => write!(f, "entry {sequence} of {node} stands in the wrong place"),
            Self::CutOff { node, last, signed, signer } => {
                write!(
                    f,
                    "the chain of {node} ends at {last}, but {signer} knew its entry {signed}: its end was cut off"
                )
            }
            Self::Rewritten { node, sequence, signer } => {
                write!(f, "entry {sequence} of {node} is not the one that {signer} knew")
            }
            Self::Headless { node, first } => {
                write!(f, "the chain of {node} begins at {first}, and nothing signed says that it was cut there")
            }
            Self::ForgedCut { node } => write!(f, "the cut of {node} was not signed with the key"),
            Self::Forged { signer, number } => {
                write!(f, "statement {number} of {signer} was not signed with the key")
            }
            Self::Unsaid { signer, first, last } => {
                write!(f, "statements {first} to {last} of {signer} are missing")
            }
        }
    }
}

/// What came of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub entries: u64,
    pub statements: u64,
    /// Signatures were verified too; without the key only the chains and what was said about them are compared.
    pub with_key: bool,
    pub faults: Vec<Fault>,
    /// More faults than are told one by one.
    pub more: u64,
}

impl Verdict {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

/// One chain as far as it was read.
#[derive(Default)]
struct Chain {
    /// Number of the first entry, and the digest before it.
    first: Option<(u64, Digest)>,
    last: Option<(u64, Digest)>,
    holes: BTreeSet<u64>,
}

/// Signed heads of a chain that are still to be compared: by number, what was signed and by whom.
type Signed = BTreeMap<u64, Vec<(Digest, Arc<str>)>>;

/// Reads statements and ends, then entries, then cuts; then gives its verdict.
#[derive(Default)]
pub struct Verifier {
    key: Option<AuditKey>,
    chains: BTreeMap<Arc<str>, Chain>,
    signed: BTreeMap<Arc<str>, Signed>,
    cuts: BTreeMap<Arc<str>, Head>,
    said: BTreeMap<Arc<str>, u64>,
    verdict: Verdict,
}

impl Verifier {
    #[must_use]
    pub fn new(key: Option<AuditKey>) -> Self {
        let verdict = Verdict { with_key: key.is_some(), ..Verdict::default() };
        Self { key, verdict, ..Self::default() }
    }

    /// The chain is read from behind this head on, which is trusted.
    pub fn begin_after(&mut self, head: Head) {
        self.cuts.insert(Arc::clone(&head.node), head);
    }

    pub fn statement(&mut self, statement: &Statement) {
        self.verdict.statements += 1;
        let (signer, number) = (&statement.signer, statement.number);
        if let Some(said) = self.said.insert(Arc::clone(signer), number)
            && number != said.saturating_add(1)
        {
            self.fault(Fault::Unsaid { signer: Arc::clone(signer), first: said + 1, last: number.saturating_sub(1) });
        }
        if self.key.as_ref().is_some_and(|key| !statement.is_signed_by(key)) {
            // What nobody signed says nothing about the chains either.
            return self.fault(Fault::Forged { signer: Arc::clone(signer), number });
        }
        statement.heads.iter().for_each(|head| self.known(head, signer));
    }

    /// That the chain had this entry when somebody looked.
    pub fn known(&mut self, head: &Head, to: &Arc<str>) {
        let signed = self.signed.entry(Arc::clone(&head.node)).or_default().entry(head.sequence).or_default();
        if !signed.iter().any(|(digest, _)| *digest == head.digest) {
            signed.push((head.digest, Arc::clone(to)));
        }
    }

    /// Where the store has it that the chain ends. Nobody signed that, so it tells only of those who forgot to change
    /// it; but it is there from the first moment on.
    pub fn ends(&mut self, head: &Head) {
        self.known(head, &THE_STORE.into());
    }

    pub fn entry(&mut self, entry: &Entry) {
        self.verdict.entries += 1;
        let (node, sequence) = (&entry.node, entry.sequence);
        if entry.computed() != entry.digest {
            self.fault(Fault::Tampered { node: Arc::clone(node), sequence });
        }
        for fault in self.chains.entry(Arc::clone(node)).or_default().take(entry) {
            self.fault(fault);
        }
        let signed = self.signed.get_mut(node).and_then(|signed| signed.remove(&sequence)).unwrap_or_default();
        for (_, signer) in signed.into_iter().filter(|(digest, _)| *digest != entry.digest) {
            self.fault(Fault::Rewritten { node: Arc::clone(node), sequence, signer });
        }
    }

    pub fn cut(&mut self, cut: &Cut) {
        let through = &cut.through;
        if self.key.as_ref().is_some_and(|key| !cut.is_signed_by(key)) {
            return self.fault(Fault::ForgedCut { node: Arc::clone(&through.node) });
        }
        // A node may have removed more while the entries were read.
        if self.cuts.get(&through.node).is_none_or(|known| known.sequence < through.sequence) {
            self.cuts.insert(Arc::clone(&through.node), through.clone());
        }
    }

    /// A line of an export; the first and the last one say nothing that is verified here.
    ///
    /// # Errors
    /// If it names what no gateway names.
    pub fn line(&mut self, line: Line) -> Result<(), NotALine> {
        match line {
            Line::Export { .. } | Line::End { .. } => {}
            Line::Statement(line) => self.statement(&line.try_into()?),
            Line::Head(line) => self.ends(&line.into()),
            Line::Entry(line) => self.entry(&line.try_into()?),
            Line::Cut(line) => self.cut(&line.try_into()?),
        }
        Ok(())
    }

    #[must_use]
    pub fn finish(mut self) -> Verdict {
        for (node, chain) in std::mem::take(&mut self.chains) {
            let cut = self.cuts.get(&node).cloned().unwrap_or_else(|| Head::genesis(Arc::clone(&node)));
            chain.runs(cut.sequence).into_iter().for_each(|(first, last)| {
                self.fault(Fault::Missing { node: Arc::clone(&node), first, last });
            });
            self.begins_well(&node, chain.first, &cut);
            self.ends_well(&node, chain.last.map_or(cut.sequence, |(last, _)| last));
        }
        let unread: Vec<_> = self.signed.keys().cloned().collect();
        for node in unread {
            let cut = self.cuts.get(&node).map_or(0, |cut| cut.sequence);
            self.ends_well(&node, cut);
        }
        self.verdict.faults.sort();
        self.verdict
    }

    fn begins_well(&mut self, node: &Arc<str>, first: Option<(u64, Digest)>, cut: &Head) {
        let Some((first, previous)) = first else { return };
        // What is older than the cut may still have been there when the entries were read.
        let follows = if first == 1 {
            previous == GENESIS
        } else {
            first <= cut.sequence || (first == cut.sequence + 1 && previous == cut.digest)
        };
        if !follows {
            self.fault(Fault::Headless { node: Arc::clone(node), first });
        }
    }

    /// What was signed beyond the last entry is gone.
    fn ends_well(&mut self, node: &Arc<str>, last: u64) {
        let Some(mut signed) = self.signed.remove(node) else { return };
        if let Some((sequence, (_, signer))) =
            signed.pop_last().and_then(|(sequence, mut signed)| signed.pop().map(|signed| (sequence, signed)))
            && sequence > last
        {
            self.fault(Fault::CutOff { node: Arc::clone(node), last, signed: sequence, signer });
        }
    }

    fn fault(&mut self, fault: Fault) {
        if self.verdict.faults.len() < FAULTS_MAX {
            self.verdict.faults.push(fault);
        } else {
            self.verdict.more += 1;
        }
    }
}

impl Chain {
    /// Takes the next entry as it stands; gives what is wrong with its place.
    fn take(&mut self, entry: &Entry) -> Vec<Fault> {
        let (node, sequence) = (&entry.node, entry.sequence);
        let Some((last, digest)) = self.last else {
            self.first = Some((sequence, entry.previous));
            self.last = Some((sequence, entry.digest));
            return Vec::new();
        };
        if sequence <= last {
            self.holes.remove(&sequence);
            return vec![Fault::Reordered { node: Arc::clone(node), sequence }];
        }
        let next = last.saturating_add(1);
        self.last = Some((sequence, entry.digest));
        if sequence > next {
            self.holes.extend((next..sequence).take(HOLE_MAX as usize));
            return Vec::new();
        }
        if entry.previous == digest { Vec::new() } else { vec![Fault::Unlinked { node: Arc::clone(node), sequence }] }
    }

    /// The holes that nothing filled, beyond what was cut, as runs.
    fn runs(&self, cut: u64) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for number in self.holes.iter().copied().filter(|number| *number > cut) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => runs.push((number, number)),
            }
        }
        runs
    }
}
