//! Alerts: open once, counted while they are, and the same again until they are settled.

use domain::AlertId;
use rusqlite::{Row, params};
use store::registry::Alert;

use crate::failure::Failure;
use crate::query::Query;
use crate::row::{Lookup, count, signed, small, text, text_or_none, time, time_or_none, uuid};
use crate::tx::Tx;

/// Opens it, counts it on, or opens it again. Gives whether it is a new one.
pub(super) fn raise(tx: &mut Tx<'_, '_>, alert: &Alert) -> Result<bool, Failure> {
    let tenant = tx.name(alert.tenant.as_str())?;
    let (last, times) = (alert.last_at.as_micros(), signed(alert.count));
    for again in [Query::count_alert, Query::reopen_alert] {
        let row = params![tenant, &*alert.kind, &*alert.object, last, times, alert.detail];
        if tx.execute(again, row)? > 0 {
            return Ok(false);
        }
    }
    let (id, opened) = (alert.id.as_bytes(), alert.opened_at.as_micros());
    let row = params![id, tenant, &*alert.kind, &*alert.object, alert.detail, opened, last, times];
    tx.execute(Query::open_alert, row)?;
    Ok(true)
}

pub(super) fn read(row: &Row<'_>, lookup: Lookup<'_>) -> Result<Alert, Failure> {
    Ok(Alert {
        id: AlertId::from_uuid(uuid(row, 0)?),
        tenant: lookup.name(row.get(1)?)?.tenant()?,
        kind: text(row, 2)?,
        object: text(row, 3)?,
        detail: row.get(4)?,
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
