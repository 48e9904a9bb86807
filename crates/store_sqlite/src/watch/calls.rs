//! A ring of calls per connection, listed newest first.

use std::collections::BTreeSet;

use domain::{Call, Timestamp};
use rusqlite::{Row, params};
use store::read::{Listed, PAGE_MAX, Page, Position};
use store::watch::{CALLS_PER_CONNECTION, CallFilter};

use crate::code::{purpose_code, purpose_of};
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::row::{Lookup, count, signed, text, text_or_none, time};
use crate::tx::Tx;
use crate::view::View;
use store::patience::Patience;

pub(crate) fn record(tx: &mut Tx<'_, '_>, calls: &[Call]) -> Result<(), Failure> {
    let mut rings = BTreeSet::new();
    for call in calls {
        let tenant = tx.name(call.tenant.as_str())?;
        let source = tx.name(call.source.as_str())?;
        let connection = tx.name(call.connection.as_str())?;
        rings.insert((tenant, source, connection));
        let row = params![
            tenant,
            source,
            connection,
            purpose_code(call.purpose),
            call.started_at.as_micros(),
            i64::try_from(call.duration.as_micros()).unwrap_or(i64::MAX),
            call.status,
            signed(call.bytes),
            call.budget_left.map(signed),
            call.stream.as_deref(),
            &*call.method,
            call.url,
            call.error.as_deref(),
        ];
        tx.execute(Query::insert_call, row)?;
    }
    for (tenant, source, connection) in rings {
        tx.execute(Query::trim_calls, (tenant, source, connection, CALLS_PER_CONNECTION))?;
    }
    Ok(())
}

/// The filter's names as their numbers.
struct Wanted<'f> {
    filter: &'f CallFilter,
    source: Option<NameId>,
    connection: Option<NameId>,
}

impl Wanted<'_> {
    fn matches(&self, row: &Row<'_>) -> Result<bool, Failure> {
        let (source, connection, purpose): (NameId, NameId, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let status: Option<u16> = row.get(7)?;
        let failed = status.is_none_or(|status| status >= 400);
        Ok(self.source.is_none_or(|wanted| wanted == source)
            && self.connection.is_none_or(|wanted| wanted == connection)
            && self.filter.purpose.is_none_or(|wanted| purpose_code(wanted) == purpose)
            && self.filter.failed.is_none_or(|wanted| wanted == failed)
            && (self.filter.stream.is_none() || text_or_none(row, 10)?.as_deref() == self.filter.stream.as_deref()))
    }
}

pub(crate) fn list(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &CallFilter,
    page: &Page,
) -> Result<Listed<Call>, Failure> {
    let mut listed = Listed { rows: Vec::new(), next: None, searched_until: None };
    let lookup = view.lookup();
    let number = |name: Option<&str>| name.map(|name| lookup.id(name)).transpose();
    let Some(tenant) = lookup.id(tenant)? else { return Ok(listed) };
    let source = number(filter.source.as_ref().map(|name| name.as_str()))?;
    let connection = number(filter.connection.as_ref().map(|name| name.as_str()))?;
    if source == Some(None) || connection == Some(None) {
        return Ok(listed);
    }
    let wanted = Wanted { filter, source: source.flatten(), connection: connection.flatten() };
    let below = page.after.as_ref().map_or(Ok(i64::MAX), parse)?;
    let mut patience = Patience::new(page.scan, view.shared.options.inline);
    let limit = page.limit.clamp(1, PAGE_MAX) as usize;
    let (mut last, mut given, mut over) = (below, 0, false);
    let step = |row: &Row<'_>| {
        if over || given == limit {
            listed.next = Some(Position(last.to_string()));
            return Ok(None);
        }
        last = row.get(0)?;
        if patience.exhausted() {
            over = true;
            listed.searched_until = Some(time(row, 5)?);
        }
        let matches = wanted.matches(row)?;
        given += usize::from(matches);
        Ok(Some(if matches { Some(read(row, lookup)?) } else { None }))
    };
    let found = match (wanted.source, wanted.connection) {
        (Some(source), Some(connection)) => {
            view.sql.rows_while(Query::calls_of_connection, (tenant, below, source, connection), step)?
        }
        _ => view.sql.rows_while(Query::calls_by_seq, (tenant, below), step)?,
    };
    listed.rows = found.into_iter().flatten().collect();
    Ok(listed)
}

fn read(row: &Row<'_>, lookup: Lookup<'_>) -> Result<Call, Failure> {
    Ok(Call {
        tenant: lookup.name(row.get(1)?)?.tenant()?,
        source: lookup.name(row.get(2)?)?.source()?,
        connection: lookup.name(row.get(3)?)?.connection()?,
        stream: text_or_none(row, 10)?,
        purpose: purpose_of(row.get(4)?)?,
        method: text(row, 11)?,
        url: row.get(12)?,
        started_at: Timestamp::from_micros(row.get(5)?),
        duration: std::time::Duration::from_micros(count(row, 6)?),
        status: row.get(7)?,
        error: text_or_none(row, 13)?,
        bytes: count(row, 8)?,
        budget_left: row.get::<_, Option<i64>>(9)?.map(|left| u64::try_from(left).unwrap_or(0)),
    })
}

fn parse(position: &Position) -> Result<i64, Failure> {
    position.0.parse().map_err(|_| not_a_position(position))
}
