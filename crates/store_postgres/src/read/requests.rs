//! Lists of requests, newest first by id.

use domain::Tenant;
use domain::request::Verdict;
use store::intake::KeptRequest;
use store::read::{Listed, Page, Position, RequestFilter};
use uuid::Uuid;

use crate::code::verdict_code;
use crate::failure::Failure;
use crate::intake::requests::read_head;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::read::pager::{Entry, Pager, Statement, Wanted};
use crate::row::{cell, time};
use crate::session::Session;
use crate::value::{Text, params};

fn entries(tenant: &Tenant, filter: &RequestFilter, before: Uuid, chunk: i64) -> (Statement, bool) {
    let mut statement = Statement::new(params![Text::from(tenant.as_str()), before, chunk]);
    let (mut wanted, mut within) = (Wanted::default(), String::new());
    let rejected = format!("verdict = {}", verdict_code(Verdict::Rejected));
    match (filter.verdict, &filter.source) {
        // What there is an index for.
        (Some(Verdict::Rejected), Some(source)) => {
            let source = statement.param(Box::new(Text::from(source.as_str())));
            within = format!(" AND {rejected} AND source = {source}");
        }
        (verdict, source) => {
            if let Some(verdict) = verdict {
                wanted.add(format!("verdict = {}", statement.param(Box::new(verdict_code(verdict)))));
            }
            if let Some(source) = source {
                wanted.add(format!("source = {}", statement.param(Box::new(Text::from(source.as_str())))));
            }
        }
    }
    if let Some(reason) = &filter.reason {
        let reason = statement.param(Box::new(Text::from(reason)));
        wanted.add(format!("reason_code IS NOT DISTINCT FROM {reason}"));
    }
    statement.push(&format!(
        "SELECT id, received_at, {} FROM requests WHERE tenant = $1 AND id < $2{within} ORDER BY id DESC LIMIT $3",
        wanted.text()
    ));
    (statement, wanted.is_anything())
}

pub(super) async fn list(
    session: &Session,
    tenant: &Tenant,
    filter: &RequestFilter,
    page: &Page,
    inline: bool,
) -> Result<Listed<KeptRequest>, Failure> {
    let mut before = page.after.as_ref().map_or(Ok(Uuid::max()), parse)?;
    let all = entries(tenant, filter, before, 1).1;
    let mut pager = Pager::new(page, all, inline);
    loop {
        let (statement, _) = entries(tenant, filter, before, pager.chunk());
        let mut chunk = Vec::new();
        let text = statement.text().to_owned();
        for row in session.rows_of(&text, statement.params).await? {
            chunk.push(Entry { key: cell::<Uuid>(&row, 0)?, at: time(&row, 1)?, wanted: cell(&row, 2)? });
        }
        before = chunk.last().map_or(before, |entry| entry.key);
        if !pager.goes_on(chunk) {
            break;
        }
    }
    let next = pager.next_position(|id| id.simple().to_string());
    let mut rows = Vec::new();
    if !pager.chosen.is_empty() {
        let ids = params![Text::from(tenant.as_str()), pager.chosen];
        rows = session.rows(Query::request_heads, ids).await?.iter().map(read_head).collect::<Result<_, _>>()?;
    }
    Ok(Listed { rows, next, searched_until: pager.searched_until })
}

pub(crate) fn parse(position: &Position) -> Result<Uuid, Failure> {
    Uuid::try_parse(&position.0).map_err(|_| not_a_position(position))
}
