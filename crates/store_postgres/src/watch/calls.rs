//! A ring of calls per connection, listed newest first.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Call, Tenant, Timestamp};
use store::read::{Listed, Page, Position};
use store::watch::{CALLS_PER_CONNECTION, CallFilter};
use tokio_postgres::Row;

use crate::code::{purpose_code, purpose_of};
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::read::not_a_position;
use crate::read::pager::{Entry, Pager, Statement, Wanted};
use crate::row::{cell, count, name, string_or_none, text, text_or_none, time};
use crate::session::Session;
use crate::value::{Text, column, params, signed};

pub(super) async fn record(inner: &Inner, calls: &[Call]) -> Result<(), Failure> {
    let mut by_tenant: BTreeMap<&Tenant, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_tenant.entry(&call.tenant).or_default().push(call);
    }
    let by_tenant = &by_tenant;
    inner
        .transaction(calls.len(), |session| async move {
            for (tenant, own) in by_tenant {
                record_of(&session, inner, tenant, own);
            }
            Ok(())
        })
        .await
}

fn record_of(session: &Session, inner: &Inner, tenant: &Tenant, calls: &[&Call]) {
    let row = params![
        Text::from(tenant.as_str()),
        inner.instance,
        column(calls, |call| Text::from(call.source.as_str())),
        column(calls, |call| Text::from(call.connection.as_str())),
        column(calls, |call| call.started_at.as_micros()),
        column(calls, |call| i64::try_from(call.duration.as_micros()).unwrap_or(i64::MAX)),
        column(calls, |call| signed(call.bytes)),
        column(calls, |call| call.budget_left.map(signed)),
        column(calls, |call| purpose_code(call.purpose)),
        column(calls, |call| call.status.map(i32::from)),
        column(calls, |call| call.stream.as_ref().map(Text::from)),
        column(calls, |call| Text::from(&call.method)),
        column(calls, |call| Text::from(&call.url)),
        column(calls, |call| call.error.as_ref().map(Text::from)),
    ];
    session.later(Query::insert_calls, row);
    let mut rings: Vec<_> = calls.iter().map(|call| (call.source.as_str(), call.connection.as_str())).collect();
    rings.sort_unstable();
    rings.dedup();
    let row = params![
        Text::from(tenant.as_str()),
        column(&rings, |ring| Text::from(ring.0)),
        column(&rings, |ring| Text::from(ring.1)),
        i64::from(CALLS_PER_CONNECTION),
    ];
    session.later(Query::trim_calls, row);
}

fn entries(tenant: &Tenant, filter: &CallFilter, before: i64, chunk: i64) -> (Statement, bool) {
    let mut statement = Statement::new(params![Text::from(tenant.as_str()), before, chunk]);
    let (mut wanted, mut within) = (Wanted::default(), String::new());
    let texts = [
        ("source", filter.source.as_ref().map(|name| name.as_str())),
        ("connection", filter.connection.as_ref().map(|name| name.as_str())),
        ("stream", filter.stream.as_deref()),
    ];
    // A connection of a source has a ring of its own, in order.
    let ring = filter.source.is_some() && filter.connection.is_some();
    for (column, value) in texts {
        let Some(value) = value else { continue };
        let value = statement.param(Box::new(Text::from(value)));
        match column {
            "source" | "connection" if ring => within.push_str(&format!(" AND {column} = {value}")),
            _ => wanted.add(format!("{column} IS NOT DISTINCT FROM {value}")),
        }
    }
    if let Some(purpose) = filter.purpose {
        wanted.add(format!("purpose = {}", statement.param(Box::new(purpose_code(purpose)))));
    }
    if let Some(failed) = filter.failed {
        wanted.add(format!("coalesce(status >= 400, true) = {}", statement.param(Box::new(failed))));
    }
    statement.push(&format!(
        "SELECT ended, {}, tenant, source, connection, stream, purpose, method, url, started_at, duration_us, status, \
         error, bytes, budget_left FROM calls WHERE tenant = $1 AND ended < $2{within} ORDER BY ended DESC LIMIT $3",
        wanted.text()
    ));
    (statement, wanted.is_anything())
}

pub(super) async fn list(
    session: &Session,
    tenant: &Tenant,
    filter: &CallFilter,
    page: &Page,
    inline: bool,
) -> Result<Listed<Call>, Failure> {
    let after = page.after.as_ref();
    let mut before = after.map_or(Ok(i64::MAX), |position| position.0.parse().map_err(|_| not_a_position(position)))?;
    let all = entries(tenant, filter, before, 1).1;
    let mut pager = Pager::new(page, all, inline);
    let mut calls = BTreeMap::new();
    loop {
        let (statement, _) = entries(tenant, filter, before, pager.chunk());
        let text = statement.text().to_owned();
        let mut chunk = Vec::new();
        for row in session.rows_of(&text, statement.params).await? {
            let (key, wanted): (i64, bool) = (cell(&row, 0)?, cell(&row, 1)?);
            chunk.push(Entry { key, at: time(&row, 9)?, wanted });
            if wanted {
                calls.insert(key, read(&row)?);
            }
        }
        before = chunk.last().map_or(before, |entry| entry.key);
        if !pager.goes_on(chunk) {
            break;
        }
    }
    let next = pager.next_position(|ended| ended.to_string()).map(|position: Position| position);
    let rows = pager.chosen.iter().filter_map(|ended| calls.remove(ended)).collect();
    Ok(Listed { rows, next, searched_until: pager.searched_until })
}

fn read(row: &Row) -> Result<Call, Failure> {
    Ok(Call {
        tenant: name(row, 2)?,
        source: name(row, 3)?,
        connection: name(row, 4)?,
        stream: text_or_none(row, 5)?,
        purpose: purpose_of(cell(row, 6)?)?,
        method: text(row, 7)?,
        url: string_or_none(row, 8)?.unwrap_or_default(),
        started_at: Timestamp::from_micros(cell(row, 9)?),
        duration: Duration::from_micros(count(row, 10)?),
        status: cell::<Option<i32>>(row, 11)?.and_then(|status| u16::try_from(status).ok()),
        error: text_or_none(row, 12)?,
        bytes: count(row, 13)?,
        budget_left: cell::<Option<i64>>(row, 14)?.map(|left| u64::try_from(left).unwrap_or(0)),
    })
}
