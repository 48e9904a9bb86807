//! The audit log: the verbs of [`store::audit::Audit`].

mod row;

use std::sync::Arc;

use domain::audit::{Cut, Entry, Head, Note, Statement};
use domain::{Tenant, Timestamp};
use rusqlite::{Row, params};
use store::audit::{Audit, AuditFilter, AuditPlace, Chain};
use store::patience::Patience;
use store::read::{Listed, PAGE_MAX, Page};
use store::{StoreError, Verb};

use crate::SqliteStore;
use crate::failure::Failure;
use crate::job::Work;
use crate::query::Query;
use crate::row::signed;
use crate::tx::Tx;
use crate::view::View;

impl Audit for SqliteStore {
    fn append_audit(&self, tenant: Tenant, node: Arc<str>, notes: Vec<Note>) -> Verb<'_, Vec<Entry>> {
        // Not as what brings new data in: what people do while the disk is nearly full is written down too.
        self.write(Work::rows(notes.len()), move |tx, _| append(tx, &tenant, &node, &notes))
    }

    fn audit(&self, tenant: Tenant, filter: AuditFilter, page: Page) -> Verb<'_, Listed<Entry>> {
        self.read(move |view| list(view, &tenant, &filter, &page))
    }

    fn audit_chain(&self, tenant: Tenant, node: Arc<str>, after: u64, limit: u32) -> Verb<'_, Vec<Entry>> {
        self.read(move |view| {
            view.rows(Query::audit_chain, (tenant.as_str(), &*node, signed(after), limit), row::entry)
        })
    }

    fn audit_chains(&self, tenant: Option<Tenant>) -> Verb<'_, Vec<Chain>> {
        self.read(move |view| match &tenant {
            Some(tenant) => view.rows(Query::audit_chains_of, [tenant.as_str()], row::chain),
            None => view.rows(Query::audit_chains, [], row::chain),
        })
    }

    fn put_audit_statement(&self, statement: Statement) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| {
            let (signer, number) = (&*statement.signer, signed(statement.number));
            let heads = store::audit::heads_to_json(&statement.heads);
            let (at, signature) = (statement.at.as_micros(), statement.signature.0);
            let row = params![statement.tenant.as_str(), signer, number, at, heads, &*statement.key, signature];
            if tx.execute(Query::insert_audit_statement, row)? == 0 {
                return Err(StoreError::Conflict(format!("{signer} has made statement {number} already")).into());
            }
            Ok(())
        })
    }

    fn audit_statements(&self, tenant: Tenant, after: (Arc<str>, u64), limit: u32) -> Verb<'_, Vec<Statement>> {
        self.read(move |view| {
            let row = (tenant.as_str(), &*after.0, signed(after.1), limit);
            view.rows(Query::audit_statements, row, row::statement)
        })
    }

    fn last_audit_statement(&self, tenant: Tenant, signer: Arc<str>) -> Verb<'_, Option<Statement>> {
        self.read(move |view| view.row(Query::last_audit_statement, (tenant.as_str(), &*signer), row::statement))
    }

    fn prune_audit(&self, cut: Cut, statements_before: Timestamp) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| {
            let (tenant, through) = (cut.tenant.as_str(), &cut.through);
            let (node, sequence) = (&*through.node, signed(through.sequence));
            let (at, digest, signature) = (cut.at.as_micros(), through.digest.0, cut.signature.0);
            let row = params![tenant, node, sequence, digest, at, &*cut.key, signature];
            if tx.execute(Query::cut_audit, row)? > 0 {
                tx.execute(Query::delete_audit, (tenant, node, sequence))?;
            }
            tx.execute(Query::delete_audit_statements, (tenant, statements_before.as_micros()))?;
            Ok(())
        })
    }
}

fn append(tx: &mut Tx<'_, '_>, tenant: &Tenant, node: &Arc<str>, notes: &[Note]) -> Result<Vec<Entry>, Failure> {
    let known = tx.row(Query::audit_head, (tenant.as_str(), &**node), |found| row::head(found, Arc::clone(node), 0))?;
    let mut head = known.unwrap_or_else(|| Head::genesis(Arc::clone(node)));
    let mut entries = Vec::with_capacity(notes.len());
    for note in notes {
        let entry = Entry::after(&head, tenant.clone(), note.clone());
        insert(tx, &entry)?;
        head = entry.head();
        entries.push(entry);
    }
    tx.execute(Query::put_audit_head, (tenant.as_str(), &**node, signed(head.sequence), head.digest.0))?;
    Ok(entries)
}

fn insert(tx: &mut Tx<'_, '_>, entry: &Entry) -> Result<(), Failure> {
    let note = &entry.note;
    let row = params![
        entry.tenant.as_str(),
        &*entry.node,
        signed(entry.sequence),
        note.at.as_micros(),
        note.who.kind.as_str(),
        &*note.who.id,
        &*note.from,
        &*note.action,
        &*note.object,
        note.detail,
        note.outcome.as_str(),
        note.began.map(signed),
        entry.previous.0,
        entry.digest.0,
    ];
    tx.execute(Query::insert_audit, row).map(drop)
}

fn list(view: &mut View<'_, '_>, tenant: &Tenant, filter: &AuditFilter, page: &Page) -> Result<Listed<Entry>, Failure> {
    let mut listed = Listed { rows: Vec::new(), next: None, searched_until: None };
    let begin = AuditPlace::begin(filter, page)?;
    let since = filter.since.map_or(i64::MIN, Timestamp::as_micros);
    let mut patience = Patience::new(page.scan, view.shared.options.inline);
    let limit = page.limit.clamp(1, PAGE_MAX) as usize;
    let (mut last, mut given, mut over) = (None, 0, false);
    let step = |found: &Row<'_>| {
        if over || given == limit {
            listed.next = last.as_ref().map(AuditPlace::position);
            return Ok(None);
        }
        let entry = row::entry(found)?;
        last = Some(AuditPlace::of(&entry));
        if patience.exhausted() {
            over = true;
            listed.searched_until = Some(entry.note.at);
        }
        let matches = filter.matches(&entry, found.get(14)?);
        given += usize::from(matches);
        Ok(Some(matches.then_some(entry)))
    };
    let row = (tenant.as_str(), begin.at.as_micros(), signed(begin.sequence), &*begin.node, since);
    let found = view.sql.rows_while(Query::audit_by_time, row, step)?;
    listed.rows = found.into_iter().flatten().collect();
    Ok(listed)
}
