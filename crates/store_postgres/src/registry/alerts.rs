//! Alerts: open once, counted while they are, and the same again until they are settled.

use domain::{AlertId, Tenant};
use store::read::{Listed, Page, Position};
use store::registry::Alert;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::row::{cell, count, name, small, string_or_none, text, text_or_none, time, time_or_none};
use crate::session::Session;
use crate::value::{Text, params, signed};

/// Opens it, counts it on, or opens it again. Gives whether it is a new one.
pub(super) async fn raise(inner: &Inner, alert: &Alert) -> Result<bool, Failure> {
    inner.know_tenants(std::iter::once(&alert.tenant)).await?;
    inner
        .transaction(1, |session| async move {
            if counted(&session, alert).await? {
                return Ok(false);
            }
            let row = params![
                Text::from(alert.tenant.as_str()),
                alert.id.uuid(),
                Text::from(&alert.kind),
                Text::from(&alert.object),
                Text::from(&alert.detail),
                alert.opened_at.as_micros(),
                alert.last_at.as_micros(),
                signed(alert.count),
            ];
            if session.execute(Query::open_alert, row).await? > 0 {
                return Ok(true);
            }
            // Another node opened it in between.
            counted(&session, alert).await.map(|_| false)
        })
        .await
}

/// Counts it on, or opens it again.
async fn counted(session: &Session, alert: &Alert) -> Result<bool, Failure> {
    for again in [Query::count_alert, Query::reopen_alert] {
        let row = params![
            Text::from(alert.tenant.as_str()),
            Text::from(&alert.kind),
            Text::from(&alert.object),
            alert.last_at.as_micros(),
            signed(alert.count),
            Text::from(&alert.detail),
        ];
        if session.execute(again, row).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Newest opened first, and of those of one moment by their ids.
pub(super) async fn list(
    inner: &Inner,
    tenant: &Tenant,
    open_only: bool,
    page: &Page,
) -> Result<Listed<Alert>, Failure> {
    let (at, id) = page.after.as_ref().map_or(Ok((i64::MAX, Uuid::max())), parse)?;
    let query = if open_only { Query::open_alerts_of } else { Query::alerts };
    let row = || params![Text::from(tenant.as_str()), at, id, i64::from(page.limit) + 1];
    let mut found = Vec::new();
    for row in &inner.rows(query, row).await? {
        let alert = read(row)?;
        let position = format!("{}.{}", alert.opened_at.as_micros(), alert.id.uuid().simple());
        found.push((Position(position), alert));
    }
    Ok(Listed::one_beyond(found, page.limit))
}

fn parse(position: &Position) -> Result<(i64, Uuid), Failure> {
    let parts = position.0.split_once('.');
    let key = parts.and_then(|(at, id)| Some((at.parse().ok()?, Uuid::try_parse(id).ok()?)));
    key.ok_or_else(|| not_a_position(position))
}

pub(super) fn read(row: &Row) -> Result<Alert, Failure> {
    Ok(Alert {
        id: AlertId::from_uuid(cell(row, 0)?),
        tenant: name(row, 1)?,
        kind: text(row, 2)?,
        object: text(row, 3)?,
        detail: string_or_none(row, 4)?.unwrap_or_default(),
        opened_at: time(row, 5)?,
        last_at: time(row, 6)?,
        count: count(row, 7)?,
        resolved_at: time_or_none(row, 8)?,
        acknowledged_at: time_or_none(row, 9)?,
        acknowledged_by: text_or_none(row, 10)?,
        resolved_by: text_or_none(row, 11)?,
        reopened: small(row, 12)?,
    })
}
