//! Subjects: what is known of them, and which ones a complete scan did not have.

use std::collections::BTreeMap;

use domain::identity::Scope;
use domain::run::StreamKey;
use domain::subject::SubjectRow;
use domain::{EventId, Subject};
use store::dispatch::Claim;
use store::reading::Known;
use tokio_postgres::Row;
use uuid::Uuid;

use super::streams::{fence, key_params, with};
use crate::code::origin_of;
use crate::failure::Failure;
use crate::intake::identify::digest_or_none;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, count, text, time, version};
use crate::value::{Text, column, params};

pub(super) async fn known(inner: &Inner, scope: &Scope, subjects: &[Subject]) -> Result<Vec<Option<Known>>, Failure> {
    let of = || {
        let texts = column(subjects, |subject| Text::from(subject.as_str()));
        let (source, connection) = (Text::from(scope.source.as_str()), Text::from(scope.connection.as_str()));
        params![Text::from(scope.tenant.as_str()), source, connection, texts]
    };
    let mut found: BTreeMap<Subject, Known> = BTreeMap::new();
    for row in inner.rows(Query::known_subjects, of).await? {
        let told = match cell::<Option<i16>>(&row, 7)? {
            Some(origin) => Some((origin_of(origin)?, time(&row, 8)?)),
            None => None,
        };
        let event = cell::<Option<Uuid>>(&row, 6)?.map(EventId::from_uuid);
        found.insert(Subject::from_text(&text(&row, 0)?), Known { row: subject_row(&row, 1)?, event, told });
    }
    Ok(subjects.iter().map(|subject| found.get(subject).cloned()).collect())
}

pub(super) async fn of_object(
    inner: &Inner,
    scope: &Scope,
    object: &str,
    after: Option<&Subject>,
    limit: u32,
) -> Result<Vec<(Subject, SubjectRow)>, Failure> {
    // '0' follows '/': everything between the two begins with the object's name.
    let from = after.map_or_else(|| format!("{object}/"), |after| after.as_str().to_owned());
    let to = format!("{object}0");
    let of = || {
        let (source, connection) = (Text::from(scope.source.as_str()), Text::from(scope.connection.as_str()));
        let range = (Text::from(&from), Text::from(&to));
        params![Text::from(scope.tenant.as_str()), source, connection, range.0, range.1, i64::from(limit)]
    };
    let rows = inner.rows(Query::subjects_from, of).await?;
    rows.iter().map(|row| Ok((Subject::from_text(&text(row, 0)?), subject_row(row, 1)?))).collect()
}

pub(super) async fn absent(inner: &Inner, key: &StreamKey) -> Result<Vec<Subject>, Failure> {
    let rows = inner.rows(Query::absent_of, || key_params(key)).await?;
    rows.iter().map(|row| Ok(Subject::from_text(&text(row, 0)?))).collect()
}

pub(super) async fn put_absent(
    inner: &Inner,
    key: &StreamKey,
    claim: Claim,
    subjects: &[Subject],
) -> Result<(), Failure> {
    inner
        .transaction(1 + subjects.len(), |session| async move {
            fence(&session, inner, key, claim).await?;
            session.later(Query::forget_absent, key_params(key));
            let texts = column(subjects, |subject| Text::from(subject.as_str()));
            session.later(Query::insert_absent, with(key, params![texts]));
            Ok(())
        })
        .await
}

/// Version, digest, deleted and change, from a column on.
fn subject_row(row: &Row, from: usize) -> Result<SubjectRow, Failure> {
    Ok(SubjectRow {
        version: version(row, from)?,
        digest: digest_or_none(row, from + 2)?,
        deleted: cell(row, from + 3)?,
        change: count(row, from + 4)?,
    })
}
