//! Alerts: open once, counted while they are, and the same again until they are settled.

use domain::AlertId;
use store::registry::Alert;
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
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
