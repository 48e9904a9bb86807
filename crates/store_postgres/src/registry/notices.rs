//! Messages about alerts: made once, taken by one, and said how they went: the verbs of [`store::notices::Notices`].

use std::sync::Arc;

use domain::alert::Severity;
use domain::alert::tell::{NoticeState, Stage};
use domain::{AlertId, NoticeId, Tenant, Timestamp};
use store::notices::{CauseStep, Notice, NoticeEnd, Notices};
use store::registry::Alert;
use store::{StoreError, Verb};
use tokio_postgres::Row;
use uuid::Uuid;

use super::alerts;
use crate::PostgresStore;
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, name, small, string_or_none, text, time, time_or_none};
use crate::session::Session;
use crate::value::{Param, Text, column, params};

impl Notices for PostgresStore {
    fn acknowledge_alert(&self, tenant: Tenant, id: AlertId, by: Arc<str>, now: Timestamp) -> Verb<'_, Option<Alert>> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), id.uuid(), now.as_micros(), Text::from(&by)];
            let rows = changed(&inner, Query::acknowledge_alert, row).await?;
            rows.first().map(alerts::read).transpose()
        })
    }

    fn unsettled_alerts(&self) -> Verb<'_, Vec<Alert>> {
        self.verb(|inner| async move {
            inner.rows(Query::unsettled_alerts, Vec::new).await?.iter().map(alerts::read).collect()
        })
    }

    fn waiting_notices(&self) -> Verb<'_, Vec<(Tenant, Arc<str>, Timestamp)>> {
        self.verb(|inner| async move {
            let rows = inner.rows(Query::waiting_notices, Vec::new).await?;
            rows.iter().map(|row| Ok((name(row, 0)?, text(row, 1)?, time(row, 2)?))).collect()
        })
    }

    fn told(&self, tenant: Tenant) -> Verb<'_, Vec<Notice>> {
        self.verb(move |inner| async move {
            let rows = inner.rows(Query::told, || params![Text::from(tenant.as_str())]).await?;
            rows.iter().map(read).collect()
        })
    }

    fn step_cause(&self, tenant: Tenant, step: CauseStep, now: Timestamp) -> Verb<'_, u32> {
        self.verb(move |inner| async move { take_step(&inner, &tenant, &step, now).await })
    }

    fn claim_notices(
        &self,
        tenant: Tenant,
        channel: Arc<str>,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Verb<'_, Vec<Notice>> {
        self.verb(move |inner| async move {
            let row = || {
                let whose = (Text::from(tenant.as_str()), Text::from(&channel));
                params![whose.0, whose.1, now.as_micros(), until.as_micros(), i64::from(limit)]
            };
            let rows = changed(&inner, Query::claim_notices, row).await?;
            let mut taken: Vec<Notice> = rows.iter().map(read).collect::<Result<_, _>>()?;
            // What a statement changed comes in no order.
            taken.sort_by_key(|notice| (notice.made_at, notice.id.uuid()));
            Ok(taken)
        })
    }

    fn end_notice(&self, tenant: Tenant, id: NoticeId, end: NoticeEnd, now: Timestamp) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let (state, ended_at, due_at, problem) = match &end {
                NoticeEnd::Sent => (NoticeState::Sent, Some(now), now, ""),
                NoticeEnd::Again { at, problem } => (NoticeState::Waiting, None, *at, problem.as_str()),
                NoticeEnd::Failed { problem } => (NoticeState::Failed, Some(now), now, problem.as_str()),
            };
            let row = || {
                params![
                    Text::from(tenant.as_str()),
                    id.uuid(),
                    Text::from(state.as_str()),
                    ended_at.map(Timestamp::as_micros),
                    due_at.as_micros(),
                    Text::from(problem),
                ]
            };
            inner.write(Query::end_notice, row).await.map(drop)
        })
    }

    fn notices(&self, tenant: Tenant, limit: u32) -> Verb<'_, Vec<Notice>> {
        self.verb(move |inner| async move {
            let row = || params![Text::from(tenant.as_str()), i64::from(limit)];
            inner.rows(Query::notices, row).await?.iter().map(read).collect()
        })
    }
}

/// The rows that one statement changed, as they are then.
async fn changed(inner: &Inner, query: Query, row: impl Fn() -> Vec<Param>) -> Result<Vec<Row>, Failure> {
    inner
        .transaction(1, |session| {
            let row = row();
            async move { session.rows(query, row).await }
        })
        .await
}

async fn take_step(inner: &Inner, tenant: &Tenant, step: &CauseStep, now: Timestamp) -> Result<u32, Failure> {
    inner.know_tenants(std::iter::once(tenant)).await?;
    let rows = step.make.len() + step.drop.len() + 1;
    inner
        .transaction(rows, |session| async move {
            let cause = || (Text::from(tenant.as_str()), Text::from(&step.cause));
            if !step.drop.is_empty() {
                let stages = column(&step.drop, |(_, stage)| Text::from(stage.as_str()));
                let channels = column(&step.drop, |(channel, _)| Text::from(channel));
                let row = params![cause().0, cause().1, stages, channels, now.as_micros()];
                session.execute(Query::drop_notices, row).await?;
            }
            let made = make(&session, tenant, step).await?;
            if let Some(alerts) = &step.close {
                let ids: Vec<Uuid> = alerts.iter().map(|id| id.uuid()).collect();
                let wanted = ids.len() as u64;
                if session.execute(Query::settle_alerts, params![cause().0, ids]).await? != wanted {
                    return Err(StoreError::Conflict("an alert of this cause is open again".to_owned()).into());
                }
                session.execute(Query::close_notices, params![cause().0, cause().1]).await?;
            }
            Ok(u32::try_from(made).unwrap_or(u32::MAX))
        })
        .await
}

async fn make(session: &Session, tenant: &Tenant, step: &CauseStep) -> Result<u64, Failure> {
    if step.make.is_empty() {
        return Ok(0);
    }
    let row = params![
        Text::from(tenant.as_str()),
        Text::from(&step.cause),
        column(&step.make, |notice| notice.id.uuid()),
        column(&step.make, |notice| notice.alert.map(|id| id.uuid())),
        column(&step.make, |notice| Text::from(&notice.channel)),
        column(&step.make, |notice| Text::from(notice.stage.as_str())),
        column(&step.make, |notice| Text::from(notice.severity.as_str())),
        column(&step.make, |notice| notice.made_at.as_micros()),
        column(&step.make, |notice| notice.due_at.as_micros()),
    ];
    session.execute(Query::insert_notices, row).await
}

fn read(row: &Row) -> Result<Notice, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("a notice's {what} cannot be read"));
    Ok(Notice {
        id: NoticeId::from_uuid(cell(row, 0)?),
        tenant: name(row, 1)?,
        cause: text(row, 2)?,
        alert: cell::<Option<Uuid>>(row, 3)?.map(AlertId::from_uuid),
        channel: text(row, 4)?,
        stage: Stage::parse(cell(row, 5)?).ok_or_else(|| damaged("stage"))?,
        severity: Severity::parse(cell(row, 6)?).ok_or_else(|| damaged("severity"))?,
        state: NoticeState::parse(cell(row, 7)?).ok_or_else(|| damaged("state"))?,
        made_at: time(row, 8)?,
        due_at: time(row, 9)?,
        tries: small(row, 10)?,
        ended_at: time_or_none(row, 11)?,
        problem: string_or_none(row, 12)?.unwrap_or_default(),
    })
}
