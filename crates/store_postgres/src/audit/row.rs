//! Rows of the audit log as the domain's nouns.

use std::sync::Arc;

use domain::audit::{Cut, Entry, Head, Note, Outcome, Statement, Who, WhoKind};
use domain::identity::Digest;
use store::StoreError;
use store::audit::{Chain, heads_from_json};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::row::{cell, count, name, string_or_none, text, time};

fn broken(what: &str) -> Failure {
    StoreError::Corrupt(format!("the audit log holds {what}")).into()
}

fn digest(row: &Row, column: usize) -> Result<Digest, Failure> {
    let bytes: &[u8] = cell(row, column)?;
    bytes.try_into().map(Digest).map_err(|_| broken("a digest that is none"))
}

/// A number and a digest, from the column on.
pub(super) fn head(row: &Row, node: Arc<str>, column: usize) -> Result<Head, Failure> {
    Ok(Head { node, sequence: count(row, column)?, digest: digest(row, column + 1)? })
}

pub(super) fn entry(row: &Row) -> Result<Entry, Failure> {
    let kind = WhoKind::parse(cell(row, 4)?).ok_or_else(|| broken("an unknown kind of caller"))?;
    let outcome = Outcome::parse(cell(row, 10)?).ok_or_else(|| broken("an unknown outcome"))?;
    let began = cell::<Option<i64>>(row, 11)?.and_then(|began| u64::try_from(began).ok());
    let note = Note {
        at: time(row, 3)?,
        who: Who { kind, id: text(row, 5)? },
        from: text(row, 6)?,
        action: text(row, 7)?,
        object: text(row, 8)?,
        detail: string_or_none(row, 9)?.unwrap_or_default(),
        outcome,
        began,
    };
    Ok(Entry {
        tenant: name(row, 0)?,
        node: text(row, 1)?,
        sequence: count(row, 2)?,
        note,
        previous: digest(row, 12)?,
        digest: digest(row, 13)?,
    })
}

pub(super) fn chain(row: &Row) -> Result<Chain, Failure> {
    let (tenant, node): (domain::Tenant, _) = (name(row, 0)?, text(row, 1)?);
    let cut = match cell::<Option<i64>>(row, 4)? {
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

pub(super) fn statement(row: &Row) -> Result<Statement, Failure> {
    Ok(Statement {
        tenant: name(row, 0)?,
        signer: text(row, 1)?,
        number: count(row, 2)?,
        at: time(row, 3)?,
        heads: heads_from_json(cell(row, 4)?)?,
        key: text(row, 5)?,
        signature: digest(row, 6)?,
    })
}
