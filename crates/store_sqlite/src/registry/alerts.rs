//! Alerts: open once, counted while they are, and the same again until they are settled.

use domain::AlertId;
use rusqlite::{Row, params};
use store::read::{Listed, Page, Position};
use store::registry::Alert;

use crate::failure::Failure;
use crate::query::Query;
use crate::read::events::number;
use crate::row::{Lookup, count, signed, small, text, text_or_none, time, time_or_none, uuid};
use crate::tx::Tx;
use crate::view::View;

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

/// Newest first, by their numbers.
pub(super) fn list(
    view: &mut View<'_, '_>,
    tenant: &str,
    open_only: bool,
    page: &Page,
) -> Result<Listed<Alert>, Failure> {
    let lookup = view.lookup();
    let before = page.after.as_ref().map_or(Ok(i64::MAX), number)?;
    let Some(tenant) = lookup.id(tenant)? else { return Ok(Listed::one_beyond(Vec::new(), page.limit)) };
    let query = if open_only { Query::open_alerts_of } else { Query::alerts };
    let found = view.rows(query, (tenant, before, i64::from(page.limit) + 1), |row| {
        Ok((Position(row.get::<_, i64>(13)?.to_string()), read(row, lookup)?))
    })?;
    Ok(Listed::one_beyond(found, page.limit))
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
