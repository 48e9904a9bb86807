//! Lists of requests, newest first by id.

use domain::request::Verdict;
use rusqlite::Row;
use store::intake::KeptRequest;
use store::read::{Listed, PAGE_MAX, Page, Position, RequestFilter};
use uuid::Uuid;

use crate::code::verdict_code;
use crate::failure::Failure;
use crate::intake::requests::read_head;
use crate::names::NameId;
use crate::query::Query;
use crate::read::before;
use crate::read::events::not_a_position;
use crate::row::{time, uuid};
use crate::view::View;
use store::patience::Patience;

pub(crate) fn list(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &RequestFilter,
    page: &Page,
) -> Result<Listed<KeptRequest>, Failure> {
    let mut listed = Listed { rows: Vec::new(), next: None, searched_until: None };
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant)? else { return Ok(listed) };
    let source = match &filter.source {
        None => None,
        Some(name) => match lookup.id(name.as_str())? {
            None => return Ok(listed),
            known => known,
        },
    };
    let after = page.after.as_ref().map(parse).transpose()?;
    let mut patience = Patience::new(page.scan, view.shared.options.inline);
    let limit = page.limit.clamp(1, PAGE_MAX) as usize;
    let mut last = None;
    let mut given = 0;
    let mut over = false;
    let step = |row: &Row<'_>| {
        if over {
            return Ok(None);
        }
        if given == limit {
            listed.next = last.map(position);
            return Ok(None);
        }
        last = Some(uuid(row, 0)?);
        if patience.exhausted() {
            over = true;
            listed.next = last.map(position);
            listed.searched_until = Some(time(row, 7)?);
        }
        let wanted = matches(filter, source, row)?;
        given += usize::from(wanted);
        Ok(Some(if wanted { Some(read_head(row, lookup)?) } else { None }))
    };
    let found = match (filter.verdict, source) {
        (Some(Verdict::Rejected), Some(source)) => {
            view.sql.rows_while(Query::requests_by_source, (tenant, before(after), source), step)?
        }
        _ => view.sql.rows_while(Query::requests_by_id, (tenant, before(after)), step)?,
    };
    listed.rows = found.into_iter().flatten().collect();
    Ok(listed)
}

fn matches(filter: &RequestFilter, source: Option<NameId>, row: &Row<'_>) -> Result<bool, Failure> {
    let verdict = filter.verdict.map(verdict_code);
    let (of, judged): (NameId, i64) = (row.get(2)?, row.get(3)?);
    let fits = source.is_none_or(|source| source == of) && verdict.is_none_or(|verdict| verdict == judged);
    if !fits || filter.reason.is_none() {
        return Ok(fits);
    }
    Ok(row.get_ref(4)?.as_str_or_null().ok().flatten() == filter.reason.as_deref())
}

fn position(last: Uuid) -> Position {
    Position(last.simple().to_string())
}

pub(crate) fn parse(position: &Position) -> Result<Uuid, Failure> {
    Uuid::try_parse(&position.0).map_err(|_| not_a_position(position))
}
