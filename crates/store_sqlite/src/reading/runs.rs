//! Runs and the gaps they found.

use domain::run::{Gap, Run, RunFigures, RunKind, RunState, StreamKey, Trust};
use domain::{EventId, RunId, Subject, Tenant, Timestamp};
use rusqlite::{Row, params};
use serde::Serialize;
use store::StoreError;
use store::read::{Listed, PAGE_MAX, Page, Position};
use store::reading::{GAPS_PER_RUN, RUNS_PER_STREAM, RunFilter};
use uuid::Uuid;

use super::streams::{known_place, place};
use crate::code::{action_code, action_of, version_code, version_of};
use crate::failure::Failure;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::row::{Lookup, micros, text, time, time_or_none, uuid};
use crate::tx::Tx;
use crate::view::View;
use store::patience::Patience;

pub(crate) fn put(tx: &mut Tx<'_, '_>, run: &Run) -> Result<(), Failure> {
    let at = place(tx, &run.key)?;
    let trust = run.trust.as_ref().map(json).transpose()?;
    let kind = kind_code(run.kind);
    let row = params![
        run.id.as_bytes(),
        at.tenant,
        at.source,
        at.connection,
        &*run.key.stream,
        kind,
        run.dry,
        state_code(run.state),
        run.started_at.as_micros(),
        micros(run.finished_at),
        json(&run.figures)?,
        trust,
        run.problem,
    ];
    tx.execute(Query::insert_run, row)?;
    let stream = params![at.tenant, at.source, at.connection, &*run.key.stream, kind, RUNS_PER_STREAM];
    let old = tx.sql.rows(Query::old_runs, stream, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?)))?;
    for (seq, id) in old {
        tx.execute(Query::delete_gaps, (at.tenant, id))?;
        tx.execute(Query::delete_run, [seq])?;
    }
    Ok(())
}

pub(crate) fn end_lost(tx: &mut Tx<'_, '_>, now: Timestamp) -> Result<u32, Failure> {
    let lost = tx.sql.rows(Query::running_runs, [], |row| {
        let (seq, owner): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        let until = time_or_none(row, 2)?;
        Ok((seq, owner.is_some() && until.is_some_and(|until| until > now)))
    })?;
    let mut ended = 0;
    for (seq, _) in lost.into_iter().filter(|(_, leased)| !leased) {
        tx.execute(Query::interrupt_run, (seq, now.as_micros()))?;
        ended += 1;
    }
    Ok(ended)
}

pub(crate) fn one(view: &mut View<'_, '_>, tenant: &Tenant, id: RunId) -> Result<Option<Run>, Failure> {
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant.as_str())? else { return Ok(None) };
    view.row(Query::run_by_id, params![tenant, id.as_bytes()], |row| read(row, lookup))
}

pub(crate) fn list(
    view: &mut View<'_, '_>,
    tenant: &Tenant,
    filter: &RunFilter,
    page: &Page,
) -> Result<Listed<Run>, Failure> {
    let mut listed = Listed { rows: Vec::new(), next: None, searched_until: None };
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant.as_str())? else { return Ok(listed) };
    let below = page.after.as_ref().map_or(Ok(i64::MAX), parse)?;
    let mut patience = Patience::new(page.scan, view.shared.options.inline);
    let limit = page.limit.clamp(1, PAGE_MAX) as usize;
    let (mut last, mut given, mut over) = (below, 0, false);
    let found = view.sql.rows_while(Query::runs_by_seq, (tenant, below), |row| {
        if over || given == limit {
            listed.next = Some(Position(last.to_string()));
            return Ok(None);
        }
        last = row.get(0)?;
        if patience.exhausted() {
            over = true;
            listed.searched_until = Some(time(row, 9)?);
        }
        let run = read(row, lookup)?;
        let matches = matches(filter, &run);
        given += usize::from(matches);
        Ok(Some(matches.then_some(run)))
    })?;
    listed.rows = found.into_iter().flatten().collect();
    Ok(listed)
}

fn matches(filter: &RunFilter, run: &Run) -> bool {
    filter.source.as_ref().is_none_or(|wanted| *wanted == run.key.source)
        && filter.connection.as_ref().is_none_or(|wanted| *wanted == run.key.connection)
        && filter.stream.as_deref().is_none_or(|wanted| *wanted == *run.key.stream)
        && filter.kind.is_none_or(|wanted| wanted == run.kind)
        && filter.state.is_none_or(|wanted| wanted == run.state)
}

fn read(row: &Row<'_>, lookup: Lookup<'_>) -> Result<Run, Failure> {
    let trust: Option<String> = row.get(12)?;
    Ok(Run {
        id: RunId::from_uuid(uuid(row, 1)?),
        key: StreamKey {
            tenant: lookup.name(row.get(2)?)?.tenant()?,
            source: lookup.name(row.get(3)?)?.source()?,
            connection: lookup.name(row.get(4)?)?.connection()?,
            stream: text(row, 5)?,
        },
        kind: kind_of(row.get(6)?)?,
        dry: row.get(7)?,
        state: state_of(row.get(8)?)?,
        started_at: time(row, 9)?,
        finished_at: time_or_none(row, 10)?,
        figures: parsed::<RunFigures>(&row.get::<_, String>(11)?)?,
        trust: trust.as_deref().map(parsed::<Trust>).transpose()?,
        problem: row.get(13)?,
    })
}

pub(crate) fn add_gaps(tx: &mut Tx<'_, '_>, gaps: &[Gap]) -> Result<(), Failure> {
    let mut counted: Option<(RunId, i64)> = None;
    for gap in gaps {
        let at = place(tx, &gap.key)?;
        let known = match counted {
            Some((run, known)) if run == gap.run => known,
            _ => tx
                .row(Query::count_gaps, params![at.tenant, gap.run.as_bytes()], |row| Ok(row.get(0)?))?
                .unwrap_or_default(),
        };
        counted = Some((gap.run, known + 1));
        if known >= i64::from(GAPS_PER_RUN) {
            continue;
        }
        let (kind, version) = version_code(gap.version);
        let row = params![
            at.tenant,
            gap.run.as_bytes(),
            at.source,
            at.connection,
            &*gap.key.stream,
            gap.subject.as_str(),
            action_code(gap.action),
            kind,
            version,
            gap.event.as_ref().map(EventId::as_bytes),
            gap.found_at.as_micros(),
        ];
        tx.execute(Query::insert_gap, row)?;
    }
    Ok(())
}

pub(crate) fn gaps(view: &mut View<'_, '_>, tenant: &Tenant, run: RunId) -> Result<Vec<Gap>, Failure> {
    let lookup = view.lookup();
    let Some(number) = lookup.id(tenant.as_str())? else { return Ok(Vec::new()) };
    view.rows(Query::gaps_of_run, params![number, run.as_bytes()], |row| {
        let event: Option<[u8; 16]> = row.get(7)?;
        Ok(Gap {
            run,
            key: StreamKey {
                tenant: tenant.clone(),
                source: lookup.name(row.get(0)?)?.source()?,
                connection: lookup.name(row.get(1)?)?.connection()?,
                stream: text(row, 2)?,
            },
            subject: Subject::from_text(&text(row, 3)?),
            action: action_of(row.get(4)?)?,
            version: version_of(row.get(5)?, row.get(6)?)?,
            event: event.map(|id| EventId::from_uuid(Uuid::from_bytes(id))),
            found_at: time(row, 8)?,
            late_at: time_or_none(row, 9)?,
        })
    })
}

pub(crate) fn mark_late(tx: &mut Tx<'_, '_>, key: &StreamKey) -> Result<u32, Failure> {
    let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
    let Some(at) = known_place(lookup, key)? else { return Ok(0) };
    let row = params![at.tenant, at.source, at.connection, &*key.stream];
    let late = tx.sql.rows(Query::late_gaps, row, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (seq, at) in &late {
        tx.execute(Query::mark_late_gap, (seq, at))?;
    }
    Ok(u32::try_from(late.len()).unwrap_or(u32::MAX))
}

const fn kind_code(kind: RunKind) -> i64 {
    match kind {
        RunKind::Poll => 1,
        RunKind::Backfill => 2,
        RunKind::Reconcile => 3,
    }
}

fn kind_of(code: i64) -> Result<RunKind, Failure> {
    let found = RunKind::ALL.into_iter().find(|kind| kind_code(*kind) == code);
    found.ok_or_else(|| StoreError::Corrupt(format!("there is no run kind {code}")).into())
}

const fn state_code(state: RunState) -> i64 {
    match state {
        RunState::Running => 1,
        RunState::Done => 2,
        RunState::Failed => 3,
        RunState::Interrupted => 4,
        RunState::Waiting => 5,
    }
}

fn state_of(code: i64) -> Result<RunState, Failure> {
    let found = RunState::ALL.into_iter().find(|state| state_code(*state) == code);
    found.ok_or_else(|| StoreError::Corrupt(format!("there is no run state {code}")).into())
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()).into())
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a run cannot be read: {error}")).into())
}

fn parse(position: &Position) -> Result<i64, Failure> {
    position.0.parse().map_err(|_| not_a_position(position))
}
