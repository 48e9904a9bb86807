//! Messages about alerts: made once, taken by one, and said how they went: the verbs of [`store::notices::Notices`].

use std::sync::Arc;

use domain::alert::Severity;
use domain::alert::tell::{NoticeState, Stage};
use domain::{AlertId, NoticeId, Tenant, Timestamp};
use rusqlite::{Row, params};
use store::notices::{CauseStep, Notice, NoticeEnd, Notices};
use store::registry::Alert;
use store::{StoreError, Verb};

use super::alerts;
use crate::SqliteStore;
use crate::failure::Failure;
use crate::job::Work;
use crate::names::NameId;
use crate::query::Query;
use crate::row::{Lookup, small, text, time, time_or_none, uuid};
use crate::tx::Tx;

impl Notices for SqliteStore {
    fn acknowledge_alert(&self, tenant: Tenant, id: AlertId, by: Arc<str>, now: Timestamp) -> Verb<'_, Option<Alert>> {
        self.write(Work::rows(1), move |tx, _| {
            let Some(tenant) = tx.known_name(tenant.as_str())? else { return Ok(None) };
            tx.execute(Query::acknowledge_alert, params![tenant, id.as_bytes(), now.as_micros(), &*by])?;
            let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
            tx.sql.row(Query::open_alert_by_id, params![tenant, id.as_bytes()], |row| alerts::read(row, lookup))
        })
    }

    fn unsettled_alerts(&self) -> Verb<'_, Vec<Alert>> {
        self.read(|view| {
            let lookup = view.lookup();
            view.rows(Query::unsettled_alerts, [], |row| alerts::read(row, lookup))
        })
    }

    fn waiting_notices(&self) -> Verb<'_, Vec<(Tenant, Arc<str>, Timestamp)>> {
        self.read(|view| {
            let lookup = view.lookup();
            let read = |row: &Row<'_>| Ok((lookup.name(row.get(0)?)?.tenant()?, text(row, 1)?, time(row, 2)?));
            view.rows(Query::waiting_notices, [], read)
        })
    }

    fn told(&self, tenant: Tenant) -> Verb<'_, Vec<Notice>> {
        self.read(move |view| {
            let lookup = view.lookup();
            let Some(tenant) = lookup.id(tenant.as_str())? else { return Ok(Vec::new()) };
            view.rows(Query::told, [tenant], |row| read(row, lookup))
        })
    }

    fn step_cause(&self, tenant: Tenant, step: CauseStep, now: Timestamp) -> Verb<'_, u32> {
        let rows = step.make.len() + step.drop.len() + 1;
        self.write(Work::rows(rows), move |tx, _| take_step(tx, &tenant, &step, now))
    }

    fn claim_notices(
        &self,
        tenant: Tenant,
        channel: Arc<str>,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Verb<'_, Vec<Notice>> {
        self.write(Work::rows(limit as usize), move |tx, _| {
            let Some(tenant) = tx.known_name(tenant.as_str())? else { return Ok(Vec::new()) };
            let mut due = due(tx, tenant, &channel, now, limit)?;
            for notice in &mut due {
                tx.execute(Query::claim_notice, (notice.id.as_bytes(), until.as_micros()))?;
                notice.tries += 1;
                notice.due_at = until;
            }
            Ok(due)
        })
    }

    fn end_notice(&self, tenant: Tenant, id: NoticeId, end: NoticeEnd, now: Timestamp) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| {
            let Some(tenant) = tx.known_name(tenant.as_str())? else { return Ok(()) };
            let (state, ended_at, due_at, problem) = match &end {
                NoticeEnd::Sent => (NoticeState::Sent, Some(now), now, ""),
                NoticeEnd::Again { at, problem } => (NoticeState::Waiting, None, *at, problem.as_str()),
                NoticeEnd::Failed { problem } => (NoticeState::Failed, Some(now), now, problem.as_str()),
            };
            let ended_at = ended_at.map(Timestamp::as_micros);
            let row = params![tenant, id.as_bytes(), state.as_str(), ended_at, due_at.as_micros(), problem];
            tx.execute(Query::end_notice, row).map(drop)
        })
    }

    fn notices(&self, tenant: Tenant, limit: u32) -> Verb<'_, Vec<Notice>> {
        self.read(move |view| {
            let lookup = view.lookup();
            let Some(tenant) = lookup.id(tenant.as_str())? else { return Ok(Vec::new()) };
            view.rows(Query::notices, (tenant, limit), |row| read(row, lookup))
        })
    }
}

fn take_step(tx: &mut Tx<'_, '_>, tenant: &Tenant, step: &CauseStep, now: Timestamp) -> Result<u32, Failure> {
    let tenant = tx.name(tenant.as_str())?;
    for (channel, stage) in &step.drop {
        let row = params![tenant, &*step.cause, stage.as_str(), &**channel, now.as_micros()];
        tx.execute(Query::drop_notice, row)?;
    }
    let mut made = 0;
    for notice in &step.make {
        let row = params![
            notice.id.as_bytes(),
            tenant,
            &*step.cause,
            notice.alert.map(|id| *id.as_bytes()),
            &*notice.channel,
            notice.stage.as_str(),
            notice.severity.as_str(),
            notice.made_at.as_micros(),
            notice.due_at.as_micros(),
        ];
        made += u32::from(tx.execute(Query::insert_notice, row)? > 0);
    }
    if let Some(alerts) = &step.close {
        for id in alerts {
            if tx.execute(Query::settle_alert, params![tenant, id.as_bytes()])? == 0 {
                return Err(StoreError::Conflict("an alert of this cause is open again".to_owned()).into());
            }
        }
        tx.execute(Query::close_notices, params![tenant, &*step.cause])?;
    }
    Ok(made)
}

fn due(tx: &mut Tx<'_, '_>, tenant: NameId, channel: &str, now: Timestamp, limit: u32) -> Result<Vec<Notice>, Failure> {
    let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
    tx.sql.rows(Query::due_notices, params![tenant, channel, now.as_micros(), limit], |row| read(row, lookup))
}

fn read(row: &Row<'_>, lookup: Lookup<'_>) -> Result<Notice, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("a notice's {what} cannot be read"));
    let alert = row.get::<_, Option<[u8; 16]>>(3)?;
    Ok(Notice {
        id: NoticeId::from_uuid(uuid(row, 0)?),
        tenant: lookup.name(row.get(1)?)?.tenant()?,
        cause: text(row, 2)?,
        alert: alert.map(|id| AlertId::from_uuid(uuid::Uuid::from_bytes(id))),
        channel: text(row, 4)?,
        stage: Stage::parse(&text(row, 5)?).ok_or_else(|| damaged("stage"))?,
        severity: Severity::parse(&text(row, 6)?).ok_or_else(|| damaged("severity"))?,
        state: NoticeState::parse(&text(row, 7)?).ok_or_else(|| damaged("state"))?,
        made_at: time(row, 8)?,
        due_at: time(row, 9)?,
        tries: small(row, 10)?,
        ended_at: time_or_none(row, 11)?,
        problem: row.get(12)?,
    })
}
