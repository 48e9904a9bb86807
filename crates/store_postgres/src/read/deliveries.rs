//! Lists of deliveries, newest first by id: among the open ones, the ended ones, or both.

use std::collections::BTreeMap;

use domain::{DeliveryId, DeliveryState, Tenant, Timestamp};
use store::dispatch::Prepared;
use store::read::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryRow, Listed, Page, Position};
use uuid::Uuid;

use crate::code::{state_code, state_of};
use crate::failure::Failure;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::read::pager::{Entry, Pager, Statement, Wanted};
use crate::row::{attempt, bytes, cell, count, delivery, name, text, time};
use crate::session::Session;
use crate::value::{Text, params};

/// The next entries of a list, and whether every row that it walks is wanted.
fn entries(tenant: &Tenant, filter: &DeliveryFilter, before: Uuid, chunk: i64) -> (Statement, bool) {
    let mut statement = Statement::new(params![Text::from(tenant.as_str()), before, chunk]);
    let wanted = wanted(&mut statement, filter);
    // Those among births are all in flight, and of no replay.
    let table = match (filter.state, filter.replay) {
        (Some(DeliveryState::InFlight), None) => "owed",
        (Some(state), _) if state.is_open() => "open_deliveries",
        (Some(_), _) => "ended_deliveries",
        (None, None) => "deliveries",
        (None, Some(_)) => "kept_deliveries",
    };
    // One by one: planned as a join, the statement reads every event there is.
    let join = match filter.source {
        Some(_) => {
            "LEFT JOIN LATERAL (SELECT source FROM events WHERE tenant = $1 AND id = d.event OFFSET 0) AS e ON true"
        }
        None => "",
    };
    let mut within = String::new();
    if filter.state == Some(DeliveryState::Dead) {
        within.push_str(&format!(" AND d.state = {}", state_code(DeliveryState::Dead)));
    }
    if let Some(replay) = filter.replay {
        let replay = statement.param(Box::new(replay.uuid()));
        within.push_str(&format!(" AND d.replay = {replay} AND d.replay <> '{}'", Uuid::nil()));
    }
    statement.push(&format!(
        "SELECT d.id, d.event, d.created_at, {} FROM {table} d {join} WHERE d.tenant = $1 AND d.id < $2{within} \
         ORDER BY d.id DESC LIMIT $3",
        wanted.text()
    ));
    (statement, wanted.is_anything())
}

fn wanted(statement: &mut Statement, filter: &DeliveryFilter) -> Wanted {
    let mut wanted = Wanted::default();
    if let Some(state) = filter.state.filter(|state| *state != DeliveryState::Dead) {
        wanted.add(format!("d.state = {}", statement.param(Box::new(state_code(state)))));
    }
    let texts = [
        ("d.destination", filter.destination.as_ref().map(|name| name.as_str())),
        ("d.route", filter.route.as_ref().map(|name| name.as_str())),
        ("e.source", filter.source.as_ref().map(|name| name.as_str())),
        ("d.cause_code", filter.cause.as_deref()),
    ];
    for (column, value) in texts {
        if let Some(value) = value {
            wanted.add(format!("{column} IS NOT DISTINCT FROM {}", statement.param(Box::new(Text::from(value)))));
        }
    }
    if let Some(since) = filter.since {
        wanted.add(format!("d.created_at >= {}", statement.param(Box::new(since.as_micros()))));
    }
    if let Some(until) = filter.until {
        wanted.add(format!("d.created_at < {}", statement.param(Box::new(until.as_micros()))));
    }
    wanted
}

pub(super) async fn list(
    session: &Session,
    tenant: &Tenant,
    filter: &DeliveryFilter,
    page: &Page,
    inline: bool,
) -> Result<Listed<DeliveryRow>, Failure> {
    let mut before = page.after.as_ref().map_or(Ok(Uuid::max()), parse)?;
    let all = entries(tenant, filter, before, 1).1;
    let mut pager = Pager::new(page, all, inline);
    loop {
        let (statement, _) = entries(tenant, filter, before, pager.chunk());
        let mut chunk = Vec::new();
        let text = statement.text().to_owned();
        for row in session.rows_of(&text, statement.params).await? {
            let key: (Uuid, Uuid) = (cell(&row, 0)?, cell(&row, 1)?);
            chunk.push(Entry { key, at: time(&row, 2)?, wanted: cell(&row, 3)? });
        }
        before = chunk.last().map_or(before, |entry| entry.key.0);
        if !pager.goes_on(chunk) {
            break;
        }
    }
    let next = pager.next_position(|(id, _)| id.simple().to_string());
    let rows = delivery_rows(session, tenant, pager.chosen).await?;
    // One that went on in the meantime is shown as it is; one that is not what was asked for any more is left out.
    let rows = rows.into_iter().filter(|row| filter.state.is_none_or(|state| state == row.state)).collect();
    Ok(Listed { rows, next, searched_until: pager.searched_until })
}

/// Those of these ids and events.
async fn delivery_rows(
    session: &Session,
    tenant: &Tenant,
    keys: Vec<(Uuid, Uuid)>,
) -> Result<Vec<DeliveryRow>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, events): (Vec<Uuid>, Vec<Uuid>) = keys.into_iter().unzip();
    let rows = session.rows(Query::delivery_rows, params![Text::from(tenant.as_str()), ids, events]).await?;
    rows.iter().map(delivery).collect()
}

pub(super) async fn detail(
    session: &Session,
    tenant: &Tenant,
    id: DeliveryId,
) -> Result<Option<DeliveryDetail>, Failure> {
    let tenant = || Text::from(tenant.as_str());
    let Some(row) = session.row(Query::delivery_by_id, params![tenant(), id.uuid()]).await? else { return Ok(None) };
    let row = delivery(&row)?;
    let key = || params![tenant(), row.event.uuid(), id.uuid()];
    let attempts = session.rows(Query::attempts, key()).await?;
    let prepared = session.row(Query::prepared, key()).await?;
    let prepared = prepared.map(|row| {
        let enriched = cell::<Option<Vec<u8>>>(&row, 3)?.map(bytes::Bytes::from);
        let (content_type, stale) = (text(&row, 0)?, cell(&row, 1)?);
        Ok::<_, Failure>(Prepared { content_type, stale, body: bytes(&row, 2)?, enriched })
    });
    Ok(Some(DeliveryDetail {
        attempts: attempts.iter().map(attempt).collect::<Result<_, _>>()?,
        prepared: prepared.transpose()?,
        row,
    }))
}

/// What is open or dead, counted by what waits for it.
pub(super) async fn backlog(session: &Session) -> Result<Vec<Backlog>, Failure> {
    let mut groups: BTreeMap<_, (u64, Option<Timestamp>)> = BTreeMap::new();
    // In the order in which a delivery goes from one to the next: none is missed on its way.
    for query in [Query::backlog_born, Query::backlog_open, Query::backlog_dead] {
        for row in session.rows(query, params![]).await? {
            let key = (name::<Tenant>(&row, 0)?, name::<domain::DestinationName>(&row, 1)?, cell::<i16>(&row, 2)?);
            let (more, oldest) = (count(&row, 3)?, time(&row, 4)?);
            let group = groups.entry(key).or_default();
            *group = (group.0 + more, Some(group.1.map_or(oldest, |known| known.min(oldest))));
        }
    }
    let groups = groups.into_iter().map(|((tenant, destination, state), (count, oldest))| {
        Ok(Backlog { tenant, destination, state: state_of(state)?, count, oldest })
    });
    groups.collect()
}

fn parse(position: &Position) -> Result<Uuid, Failure> {
    Uuid::try_parse(&position.0).map_err(|_| not_a_position(position))
}
