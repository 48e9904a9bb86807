//! Runs and the gaps they found.

use std::collections::BTreeMap;

use domain::run::{Gap, Run, RunFigures, StreamKey, Trust};
use domain::{EventId, RunId, Subject, Tenant, Timestamp};
use store::StoreError;
use store::read::{Listed, Page};
use store::reading::{GAPS_PER_RUN, RUNS_PER_STREAM, RunFilter};
use tokio_postgres::Row;
use uuid::Uuid;

use super::streams::{key_params, with};
use crate::code::{action_code, action_of, run_kind_code, run_kind_of, run_state_code, run_state_of, version_code};
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::read::not_a_position;
use crate::read::pager::{Entry, Pager, Statement, Wanted};
use crate::row::{cell, name, string_or_none, text, time, time_or_none, version};
use crate::session::Session;
use crate::value::{Param, Text, column, micros, params};

pub(super) async fn put(inner: &Inner, run: &Run) -> Result<(), Failure> {
    let (figures, trust) = (json(&run.figures)?, run.trust.as_ref().map(json).transpose()?);
    let (figures, trust) = (&figures, &trust);
    inner
        .transaction(1, |session| async move {
            session.later(Query::put_run, columns(run, figures, trust.as_ref()));
            let kept = params![run_kind_code(run.kind), i64::from(RUNS_PER_STREAM)];
            session.later(Query::trim_runs, with(&run.key, kept));
            Ok(())
        })
        .await
}

fn columns(run: &Run, figures: &String, trust: Option<&String>) -> Vec<Param> {
    let mut row = key_params(&run.key);
    row.insert(1, Box::new(run.id.uuid()));
    row.extend(params![
        run_kind_code(run.kind),
        run.dry,
        run_state_code(run.state),
        run.started_at.as_micros(),
        micros(run.finished_at),
        Text::from(figures),
        trust.map(Text::from),
        run.problem.as_ref().map(Text::from),
    ]);
    row
}

/// Looked for among all tenants, ended in each of them.
pub(super) async fn end_lost(inner: &Inner, now: Timestamp) -> Result<u32, Failure> {
    let (base, clock) = inner.lease_time(now);
    let mut lost: BTreeMap<Tenant, Vec<Uuid>> = BTreeMap::new();
    for row in inner.rows(Query::lost_runs, || params![base, clock]).await? {
        lost.entry(name(&row, 0)?).or_default().push(cell(&row, 1)?);
    }
    let mut ended = 0;
    for (tenant, ids) in &lost {
        let row = || params![Text::from(tenant.as_str()), ids.clone(), now.as_micros()];
        ended += inner.write(Query::interrupt_runs, row).await?;
    }
    Ok(u32::try_from(ended).unwrap_or(u32::MAX))
}

pub(super) async fn one(inner: &Inner, tenant: &Tenant, id: RunId) -> Result<Option<Run>, Failure> {
    let row = inner.row(Query::run_by_id, || params![Text::from(tenant.as_str()), id.uuid()]).await?;
    row.as_ref().map(|row| read(row, 0)).transpose()
}

fn entries(tenant: &Tenant, filter: &RunFilter, before: Uuid, chunk: i64) -> (Statement, bool) {
    let mut statement = Statement::new(params![Text::from(tenant.as_str()), before, chunk]);
    let mut wanted = Wanted::default();
    let texts = [
        ("source", filter.source.as_ref().map(|name| name.as_str())),
        ("connection", filter.connection.as_ref().map(|name| name.as_str())),
        ("stream", filter.stream.as_deref()),
    ];
    for (column, value) in texts {
        if let Some(value) = value {
            wanted.add(format!("{column} = {}", statement.param(Box::new(Text::from(value)))));
        }
    }
    let codes = [("kind", filter.kind.map(run_kind_code)), ("state", filter.state.map(run_state_code))];
    for (column, code) in codes {
        if let Some(code) = code {
            wanted.add(format!("{column} = {}", statement.param(Box::new(code))));
        }
    }
    statement.push(&format!(
        "SELECT {}, tenant, id, source, connection, stream, kind, dry, state, started_at, finished_at, figures, trust, \
         problem FROM runs WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        wanted.text()
    ));
    (statement, wanted.is_anything())
}

pub(super) async fn list(
    session: &Session,
    tenant: &Tenant,
    filter: &RunFilter,
    page: &Page,
    inline: bool,
) -> Result<Listed<Run>, Failure> {
    let after = page.after.as_ref();
    let mut before =
        after.map_or(Ok(Uuid::max()), |position| Uuid::try_parse(&position.0).map_err(|_| not_a_position(position)))?;
    let all = entries(tenant, filter, before, 1).1;
    let mut pager = Pager::new(page, all, inline);
    let mut runs = BTreeMap::new();
    loop {
        let (statement, _) = entries(tenant, filter, before, pager.chunk());
        let text = statement.text().to_owned();
        let mut chunk = Vec::new();
        for row in session.rows_of(&text, statement.params).await? {
            let (wanted, key): (bool, Uuid) = (cell(&row, 0)?, cell(&row, 2)?);
            chunk.push(Entry { key, at: time(&row, 9)?, wanted });
            if wanted {
                runs.insert(key, read(&row, 1)?);
            }
        }
        before = chunk.last().map_or(before, |entry| entry.key);
        if !pager.goes_on(chunk) {
            break;
        }
    }
    let next = pager.next_position(|id| id.simple().to_string());
    let rows = pager.chosen.iter().filter_map(|id| runs.remove(id)).collect();
    Ok(Listed { rows, next, searched_until: pager.searched_until })
}

/// The run in the columns from `at` on, as `run_by_id` names them.
fn read(row: &Row, at: usize) -> Result<Run, Failure> {
    Ok(Run {
        key: StreamKey {
            tenant: name(row, at)?,
            source: name(row, at + 2)?,
            connection: name(row, at + 3)?,
            stream: text(row, at + 4)?,
        },
        id: RunId::from_uuid(cell(row, at + 1)?),
        kind: run_kind_of(cell(row, at + 5)?)?,
        dry: cell(row, at + 6)?,
        state: run_state_of(cell(row, at + 7)?)?,
        started_at: time(row, at + 8)?,
        finished_at: time_or_none(row, at + 9)?,
        figures: parsed::<RunFigures>(cell(row, at + 10)?)?,
        trust: cell::<Option<&str>>(row, at + 11)?.map(parsed::<Trust>).transpose()?,
        problem: string_or_none(row, at + 12)?,
    })
}

pub(super) async fn add_gaps(inner: &Inner, gaps: &[Gap]) -> Result<(), Failure> {
    let mut by_run: BTreeMap<(&Tenant, RunId), Vec<&Gap>> = BTreeMap::new();
    for gap in gaps {
        by_run.entry((&gap.key.tenant, gap.run)).or_default().push(gap);
    }
    let by_run = &by_run;
    inner
        .transaction(gaps.len(), |session| async move {
            for ((tenant, run), own) in by_run {
                let row = params![
                    Text::from(tenant.as_str()),
                    run.uuid(),
                    column(own, |gap| Text::from(gap.key.source.as_str())),
                    column(own, |gap| Text::from(gap.key.connection.as_str())),
                    column(own, |gap| Text::from(&gap.key.stream)),
                    column(own, |gap| Text::from(gap.subject.as_str())),
                    column(own, |gap| action_code(gap.action)),
                    column(own, |gap| version_code(gap.version).0),
                    column(own, |gap| version_code(gap.version).1),
                    column(own, |gap| gap.event.map(EventId::uuid)),
                    column(own, |gap| gap.found_at.as_micros()),
                    i64::from(GAPS_PER_RUN),
                ];
                session.later(Query::insert_gaps, row);
            }
            Ok(())
        })
        .await
}

pub(super) async fn gaps(inner: &Inner, tenant: &Tenant, run: RunId) -> Result<Vec<Gap>, Failure> {
    let rows = inner.rows(Query::gaps_of_run, || params![Text::from(tenant.as_str()), run.uuid()]).await?;
    let gap = |row: &Row| {
        Ok(Gap {
            run,
            key: StreamKey {
                tenant: tenant.clone(),
                source: name(row, 0)?,
                connection: name(row, 1)?,
                stream: text(row, 2)?,
            },
            subject: Subject::from_text(&text(row, 3)?),
            action: action_of(cell(row, 4)?)?,
            version: version(row, 5)?,
            event: cell::<Option<Uuid>>(row, 7)?.map(EventId::from_uuid),
            found_at: time(row, 8)?,
            late_at: time_or_none(row, 9)?,
        })
    };
    rows.iter().map(gap).collect()
}

pub(super) async fn mark_late(inner: &Inner, key: &StreamKey) -> Result<u32, Failure> {
    let marked = inner.write(Query::mark_late, || key_params(key)).await?;
    Ok(u32::try_from(marked).unwrap_or(u32::MAX))
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()).into())
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a run cannot be read: {error}")).into())
}
