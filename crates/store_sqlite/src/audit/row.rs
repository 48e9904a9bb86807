//! Rows of the audit log as the domain's nouns.

use std::sync::Arc;

use domain::audit::{Cut, Entry, Head, Note, Outcome, Statement, Who, WhoKind};
use domain::identity::Digest;
use domain::{Tenant, Timestamp};
use rusqlite::Row;
use store::StoreError;
use store::audit::{Chain, heads_from_json};

use crate::failure::Failure;
use crate::row::{count, text, time};

fn broken(what: &str) -> StoreError {
    StoreError::Corrupt(format!("the audit log holds {what}"))
}

fn tenant(row: &Row<'_>) -> Result<Tenant, Failure> {
    let text: String = row.get(0)?;
    Ok(text.parse().map_err(|_| broken("a tenant that is no name"))?)
}

fn digest(row: &Row<'_>, column: usize) -> Result<Digest, Failure> {
    Ok(Digest(row.get(column)?))
}

/// A number and a digest, from the column on.
pub(super) fn head(row: &Row<'_>, node: Arc<str>, column: usize) -> Result<Head, Failure> {
    Ok(Head { node, sequence: count(row, column)?, digest: digest(row, column + 1)? })
}

pub(super) fn entry(row: &Row<'_>) -> Result<Entry, Failure> {
    let kind = WhoKind::parse(&text(row, 4)?).ok_or_else(|| broken("an unknown kind of caller"))?;
    let outcome = Outcome::parse(&text(row, 10)?).ok_or_else(|| broken("an unknown outcome"))?;
    let began = row.get::<_, Option<i64>>(11)?.and_then(|began| u64::try_from(began).ok());
    let note = Note {
        at: time(row, 3)?,
        who: Who { kind, id: text(row, 5)? },
        from: text(row, 6)?,
        action: text(row, 7)?,
        object: text(row, 8)?,
        detail: row.get(9)?,
        outcome,
        began,
    };
    Ok(Entry {
        tenant: tenant(row)?,
        node: text(row, 1)?,
        sequence: count(row, 2)?,
        note,
        previous: digest(row, 12)?,
        digest: digest(row, 13)?,
    })
}

pub(super) fn chain(row: &Row<'_>) -> Result<Chain, Failure> {
    let (tenant, node) = (tenant(row)?, text(row, 1)?);
    let cut = match row.get::<_, Option<i64>>(4)? {
        None => None,
        Some(_) => Some(Cut {
            tenant: tenant.clone(),
            through: head(row, Arc::clone(&node), 4)?,
            at: time(row, 6)?,
            key: text(row, 7)?,
            signature: digest(row, 8)?,
        }),
    };
    Ok(Chain { tenant, head: head(row, node, 2)?, cut })
}

pub(super) fn statement(row: &Row<'_>) -> Result<Statement, Failure> {
    Ok(Statement {
        tenant: tenant(row)?,
        signer: text(row, 1)?,
        number: count(row, 2)?,
        at: Timestamp::from_micros(row.get(3)?),
        heads: heads_from_json(&row.get::<_, String>(4)?)?,
        key: text(row, 5)?,
        signature: digest(row, 6)?,
    })
}
