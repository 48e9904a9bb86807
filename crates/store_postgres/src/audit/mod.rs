//! The audit log: the verbs of [`store::audit::Audit`].

mod row;

use std::sync::Arc;

use domain::audit::{Cut, Entry, GENESIS, Head, Note, Statement};
use domain::{Tenant, Timestamp};
use store::audit::{Audit, AuditFilter, AuditPlace, Chain};
use store::read::{Listed, Page};
use store::{StoreError, Verb};

use crate::PostgresStore;
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::read::pager::{Entry as Seen, Pager};
use crate::row::cell;
use crate::session::Session;
use crate::value::{Blob, Text, column, params, signed};

impl Audit for PostgresStore {
    fn append_audit(&self, tenant: Tenant, node: Arc<str>, notes: Vec<Note>) -> Verb<'_, Vec<Entry>> {
        self.verb(move |inner| async move {
            let (tenant, node, notes) = (&tenant, &node, &notes);
            inner.transaction(notes.len(), |session| async move { append(&session, tenant, node, notes).await }).await
        })
    }

    fn audit(&self, tenant: Tenant, filter: AuditFilter, page: Page) -> Verb<'_, Listed<Entry>> {
        self.search(move |inner| async move { list(&inner, &tenant, &filter, &page).await })
    }

    fn audit_chain(&self, tenant: Tenant, node: Arc<str>, after: u64, limit: u32) -> Verb<'_, Vec<Entry>> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), Text::from(&node), signed(after), i64::from(limit)];
            inner.rows(Query::audit_chain, row).await?.iter().map(row::entry).collect()
        })
    }

    fn audit_chains(&self, tenant: Option<Tenant>) -> Verb<'_, Vec<Chain>> {
        self.verb(move |inner| async move {
            let rows = match &tenant {
                Some(tenant) => inner.rows(Query::audit_chains_of, || params![Text::from(tenant.as_str())]).await?,
                None => inner.rows(Query::audit_chains, Vec::new).await?,
            };
            rows.iter().map(row::chain).collect()
        })
    }

    fn put_audit_statement(&self, statement: Statement) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let heads = store::audit::heads_to_json(&statement.heads);
            let row = || {
                params![
                    Text::from(statement.tenant.as_str()),
                    Text::from(&statement.signer),
                    signed(statement.number),
                    statement.at.as_micros(),
                    Text::from(&heads),
                    Text::from(&statement.key),
                    Blob::of(&statement.signature.0),
                ]
            };
            if inner.write(Query::insert_audit_statement, row).await? == 0 {
                let (signer, number) = (&statement.signer, statement.number);
                return Err(StoreError::Conflict(format!("{signer} has made statement {number} already")).into());
            }
            Ok(())
        })
    }

    fn audit_statements(&self, tenant: Tenant, after: (Arc<str>, u64), limit: u32) -> Verb<'_, Vec<Statement>> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), Text::from(&after.0), signed(after.1), i64::from(limit)];
            inner.rows(Query::audit_statements, row).await?.iter().map(row::statement).collect()
        })
    }

    fn last_audit_statement(&self, tenant: Tenant, signer: Arc<str>) -> Verb<'_, Option<Statement>> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), Text::from(&signer)];
            inner.row(Query::last_audit_statement, row).await?.as_ref().map(row::statement).transpose()
        })
    }

    fn prune_audit(&self, cut: Cut, statements_before: Timestamp) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let cut = &cut;
            inner.transaction(1, |session| async move { prune(&session, cut, statements_before).await }).await
        })
    }
}

/// The row of the chain is locked until the commit: whoever comes next follows this one.
async fn append(session: &Session, tenant: &Tenant, node: &Arc<str>, notes: &[Note]) -> Result<Vec<Entry>, Failure> {
    let place = || (Text::from(tenant.as_str()), Text::from(node));
    session.execute(Query::insert_audit_chain, params![place().0, place().1, Blob::of(&GENESIS.0)]).await?;
    let known = session.row(Query::lock_audit_chain, params![place().0, place().1]).await?;
    let known = known.map(|found| row::head(&found, Arc::clone(node), 0)).transpose()?;
    let mut head = known.unwrap_or_else(|| Head::genesis(Arc::clone(node)));
    let mut entries = Vec::with_capacity(notes.len());
    for note in notes {
        let entry = Entry::after(&head, tenant.clone(), note.clone());
        head = entry.head();
        entries.push(entry);
    }
    insert(session, tenant, node, &entries);
    let row = params![place().0, place().1, signed(head.sequence), Blob::of(&head.digest.0)];
    session.later(Query::put_audit_head, row);
    Ok(entries)
}

fn insert(session: &Session, tenant: &Tenant, node: &Arc<str>, entries: &[Entry]) {
    let row = params![
        Text::from(tenant.as_str()),
        Text::from(node),
        column(entries, |entry| signed(entry.sequence)),
        column(entries, |entry| entry.note.at.as_micros()),
        column(entries, |entry| Text::from(entry.note.who.kind.as_str())),
        column(entries, |entry| Text::from(&entry.note.who.id)),
        column(entries, |entry| Text::from(&entry.note.from)),
        column(entries, |entry| Text::from(&entry.note.action)),
        column(entries, |entry| Text::from(&entry.note.object)),
        column(entries, |entry| Text::from(&entry.note.detail)),
        column(entries, |entry| Text::from(entry.note.outcome.as_str())),
        column(entries, |entry| entry.note.began.map(signed)),
        column(entries, |entry| Blob::of(&entry.previous.0)),
        column(entries, |entry| Blob::of(&entry.digest.0)),
    ];
    session.later(Query::insert_audit, row);
}

async fn list(inner: &Inner, tenant: &Tenant, filter: &AuditFilter, page: &Page) -> Result<Listed<Entry>, Failure> {
    let mut before = AuditPlace::begin(filter, page)?;
    let since = filter.since.map_or(i64::MIN, Timestamp::as_micros);
    // Even where nothing is asked for, some were begun and have ended.
    let mut pager = Pager::new(page, false, inner.options.inline);
    let mut found = Vec::new();
    loop {
        let chunk = pager.chunk();
        let row = || {
            let (at, sequence) = (before.at.as_micros(), signed(before.sequence));
            params![Text::from(tenant.as_str()), at, sequence, Text::from(&before.node), since, chunk]
        };
        let rows = inner.rows(Query::audit_by_time, row).await?;
        let mut seen = Vec::with_capacity(rows.len());
        for row in &rows {
            let entry = row::entry(row)?;
            let wanted = filter.matches(&entry, cell(row, 14)?);
            let key = AuditPlace::of(&entry);
            before = key.clone();
            seen.push(Seen { key, at: entry.note.at, wanted });
            if wanted {
                found.push(entry);
            }
        }
        if !pager.goes_on(seen) {
            break;
        }
    }
    // The last chunk may have more of them than the page has room for.
    found.truncate(pager.chosen.len());
    let next = pager.next_position(|place| place.position().0);
    Ok(Listed { rows: found, next, searched_until: pager.searched_until })
}

async fn prune(session: &Session, cut: &Cut, statements_before: Timestamp) -> Result<(), Failure> {
    let tenant = || Text::from(cut.tenant.as_str());
    let (node, sequence) = (|| Text::from(&cut.through.node), signed(cut.through.sequence));
    let row = params![
        tenant(),
        node(),
        sequence,
        Blob::of(&cut.through.digest.0),
        cut.at.as_micros(),
        Text::from(&cut.key),
        Blob::of(&cut.signature.0),
    ];
    if session.execute(Query::cut_audit, row).await? > 0 {
        session.later(Query::delete_audit, params![tenant(), node(), sequence]);
    }
    session.later(Query::delete_audit_statements, params![tenant(), statements_before.as_micros()]);
    Ok(())
}
