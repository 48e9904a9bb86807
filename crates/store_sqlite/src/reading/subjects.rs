//! Subjects: what is known of them, and which ones a complete scan did not have.

use std::sync::Arc;

use domain::identity::{Digest, Scope};
use domain::run::StreamKey;
use domain::subject::SubjectRow;
use domain::{EventId, Subject};
use rusqlite::{Row, params};
use store::dispatch::Claim;
use store::reading::Known;
use uuid::Uuid;

use super::streams::{fence, known_place, place};
use crate::code::{origin_of, version_of};
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{count, text, time};
use crate::tx::Tx;
use crate::view::View;

pub(crate) fn known(
    view: &mut View<'_, '_>,
    scope: &Scope,
    subjects: &[Subject],
) -> Result<Vec<Option<Known>>, Failure> {
    let lookup = view.lookup();
    let (tenant, source) = (lookup.id(scope.tenant.as_str())?, lookup.id(scope.source.as_str())?);
    let (Some(tenant), Some(source), Some(connection)) = (tenant, source, lookup.id(scope.connection.as_str())?) else {
        return Ok(vec![None; subjects.len()]);
    };
    let mut found = Vec::with_capacity(subjects.len());
    for subject in subjects {
        found.push(view.row(Query::known_subject, params![tenant, source, connection, subject.as_str()], |row| {
            let event = row.get::<_, Option<[u8; 16]>>(5)?.map(|id| EventId::from_uuid(Uuid::from_bytes(id)));
            let told = row.get::<_, Option<i64>>(6)?.map(|code| Ok::<_, Failure>((origin_of(code)?, time(row, 7)?)));
            Ok(Known { row: subject_row(row, 0)?, event, told: told.transpose()? })
        })?);
    }
    Ok(found)
}

pub(crate) fn of_object(
    view: &mut View<'_, '_>,
    scope: &Scope,
    object: &Arc<str>,
    after: Option<&Subject>,
    limit: u32,
) -> Result<Vec<(Subject, SubjectRow)>, Failure> {
    let key = StreamKey {
        tenant: scope.tenant.clone(),
        source: scope.source.clone(),
        connection: scope.connection.clone(),
        stream: Arc::clone(object),
    };
    let Some(at) = known_place(view.lookup(), &key)? else { return Ok(Vec::new()) };
    // '0' follows '/': everything between the two begins with the object's name.
    let from = after.map_or_else(|| format!("{object}/"), |after| after.as_str().to_owned());
    let row = params![at.tenant, at.source, at.connection, from, format!("{object}0"), limit];
    view.rows(Query::subjects_from, row, |row| {
        Ok((Subject::from_text(&row.get::<_, String>(0)?), subject_row(row, 1)?))
    })
}

pub(crate) fn absent(view: &mut View<'_, '_>, key: &StreamKey) -> Result<Vec<Subject>, Failure> {
    let Some(at) = known_place(view.lookup(), key)? else { return Ok(Vec::new()) };
    view.rows(Query::absent_of, params![at.tenant, at.source, at.connection, &*key.stream], |row| {
        Ok(Subject::from_text(&text(row, 0)?))
    })
}

pub(crate) fn put_absent(
    tx: &mut Tx<'_, '_>,
    key: &StreamKey,
    claim: Claim,
    subjects: &[Subject],
) -> Result<(), Failure> {
    let at = place(tx, key)?;
    fence(tx, at, key, claim)?;
    tx.execute(Query::forget_absent, (at.tenant, at.source, at.connection, &*key.stream))?;
    for subject in subjects {
        let row = params![at.tenant, at.source, at.connection, &*key.stream, subject.as_str()];
        tx.execute(Query::insert_absent, row)?;
    }
    Ok(())
}

/// Version, digest, deleted and change, from a column on.
fn subject_row(row: &Row<'_>, from: usize) -> Result<SubjectRow, Failure> {
    Ok(SubjectRow {
        version: version_of(row.get(from)?, row.get(from + 1)?)?,
        digest: row.get::<_, Option<[u8; 32]>>(from + 2)?.map(Digest),
        deleted: row.get(from + 3)?,
        change: count(row, from + 4)?,
    })
}
