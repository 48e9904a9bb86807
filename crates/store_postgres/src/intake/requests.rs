//! Requests that made no event, and what they are bounded by (design §6, Rejected requests).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::request::{InboundRequest, Reason, Verdict};
use domain::{RequestId, SourceName, Tenant, Timestamp};
use store::StoreError;
use store::intake::kept::{decode_headers, due_of, encode_headers, size};
use store::intake::{KeptRequest, RejectedBounds};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::code::{verdict_code, verdict_of};
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{bytes, cell, name, string_or_none, text, text_or_none, time, time_or_none};
use crate::session::Session;
use crate::value::{Blob, Text, column, micros, params, signed};

/// Keeps requests; of the same source and reason the oldest behind the first half makes room.
pub(crate) async fn keep(session: &Session, requests: &[KeptRequest], bounds: RejectedBounds) -> Result<(), Failure> {
    let mut by_tenant: BTreeMap<&Tenant, Vec<&KeptRequest>> = BTreeMap::new();
    for kept in requests {
        by_tenant.entry(&kept.request.tenant).or_default().push(kept);
    }
    for (tenant, own) in by_tenant {
        insert(session, tenant, &own, Some(bounds)).await?;
        let mut kinds: Vec<(&SourceName, &str)> = own
            .iter()
            .filter(|kept| kept.verdict == Verdict::Rejected)
            .filter_map(|kept| Some((&kept.request.source, &*kept.reason.as_ref()?.code)))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        for (source, code) in kinds {
            make_room(session, tenant, (source, code), bounds).await?;
        }
    }
    Ok(())
}

/// Keeps an accepted request, or marks the kept one accepted if it was judged again.
pub(crate) async fn keep_accepted(session: &Session, kept: &KeptRequest, worth_keeping: bool) -> Result<(), Failure> {
    let tenant = &kept.request.tenant;
    match find(session, tenant, kept.request.id).await? {
        Some(_) => change_verdict(session, tenant, kept.request.id, kept.verdict, kept.reason.as_ref(), kept.due),
        None if worth_keeping => insert(session, tenant, &[kept], None).await?,
        None => {}
    }
    Ok(())
}

/// Gives a kept request its new verdict.
pub(crate) async fn rejudge(
    session: &Session,
    tenant: &Tenant,
    request: RequestId,
    verdict: Verdict,
    reason: Option<&Reason>,
    due: Option<Timestamp>,
) -> Result<(), Failure> {
    match find(session, tenant, request).await? {
        None => Err(StoreError::Refused(format!("there is no request {request}")).into()),
        Some(Verdict::Accepted) => Err(StoreError::Conflict(format!("request {request} was accepted already")).into()),
        Some(_) => {
            change_verdict(session, tenant, request, verdict, reason, due);
            Ok(())
        }
    }
}

/// The verdict of a kept request, which nobody else changes until the commit.
async fn find(session: &Session, tenant: &Tenant, id: RequestId) -> Result<Option<Verdict>, Failure> {
    let row = session.row(Query::lock_requests, params![Text::from(tenant.as_str()), id.uuid()]).await?;
    row.map(|row| Ok(verdict_of(cell(&row, 0)?)?)).transpose()
}

fn change_verdict(
    session: &Session,
    tenant: &Tenant,
    id: RequestId,
    verdict: Verdict,
    reason: Option<&Reason>,
    due: Option<Timestamp>,
) {
    let row = params![
        Text::from(tenant.as_str()),
        id.uuid(),
        verdict_code(verdict),
        reason.map(|reason| Text::from(&reason.code)),
        reason.map(|reason| Text::from(&reason.detail)),
        micros(due_of(verdict, due)),
    ];
    session.later(Query::set_verdict, row);
}

async fn make_room(
    session: &Session,
    tenant: &Tenant,
    (source, code): (&SourceName, &str),
    bounds: RejectedBounds,
) -> Result<(), Failure> {
    let kind = || params![Text::from(tenant.as_str()), Text::from(source.as_str()), Text::from(code)];
    let Some(total) = session.row(Query::rejected_total, kind()).await? else { return Ok(()) };
    let (count, bytes): (i64, i64) = (cell(&total, 0)?, cell(&total, 1)?);
    let (staying, beyond) = (i64::from(bounds.count_max / 2), count - i64::from(bounds.count_max));
    // Only where the bytes are too many has each of them to be looked at.
    let too_large = bytes > signed(bounds.bytes_max);
    let (from, most) = if too_large { (0, count) } else { (staying, beyond) };
    if most <= 0 {
        return Ok(());
    }
    let mut there = Vec::new();
    for row in session.rows(Query::rejected_of, [kind(), params![from, most]].into_iter().flatten().collect()).await? {
        there.push((cell::<Uuid>(&row, 0)?, cell::<i64>(&row, 1)?));
    }
    let gone = if too_large { too_many(there, bounds) } else { there.into_iter().map(|one| one.0).collect() };
    if !gone.is_empty() {
        session.later(Query::delete_requests, params![Text::from(tenant.as_str()), gone]);
    }
    Ok(())
}

/// Which of the kept ones, oldest first, have to go: those behind the first half, until the rest is within the bounds.
fn too_many(mut there: Vec<(Uuid, i64)>, bounds: RejectedBounds) -> Vec<Uuid> {
    let mut bytes: i64 = there.iter().map(|one| one.1).sum();
    let (count_max, bytes_max) = (bounds.count_max as usize, signed(bounds.bytes_max));
    let staying = count_max / 2;
    let beyond = there.len().saturating_sub(count_max).min(there.len().saturating_sub(staying));
    let mut gone: Vec<(Uuid, i64)> = there.drain(staying.min(there.len())..).collect();
    let rest = gone.split_off(beyond);
    there.extend(rest);
    bytes -= gone.iter().map(|one| one.1).sum::<i64>();
    while bytes > bytes_max && !there.is_empty() {
        let next = there.remove(count_max.min(there.len()) / 2);
        bytes -= next.1;
        gone.push(next);
    }
    gone.into_iter().map(|one| one.0).collect()
}

async fn insert(
    session: &Session,
    tenant: &Tenant,
    requests: &[&KeptRequest],
    bounds: Option<RejectedBounds>,
) -> Result<(), Failure> {
    let bodies =
        column(requests, |kept| bounds.map_or_else(|| kept.request.body.clone(), |bounds| kept.body_within(bounds)));
    let sizes: Vec<i64> = requests.iter().zip(&bodies).map(|(kept, body)| signed(size(&kept.request, body))).collect();
    let row = params![
        Text::from(tenant.as_str()),
        column(requests, |kept| kept.request.id.uuid()),
        column(requests, |kept| kept.request.received_at.as_micros()),
        column(requests, |kept| micros(kept.due())),
        sizes,
        column(requests, |kept| verdict_code(kept.verdict)),
        column(requests, |kept| Text::from(kept.request.source.as_str())),
        column(requests, |kept| kept.reason.as_ref().map(|reason| Text::from(&reason.code))),
        column(requests, |kept| kept.reason.as_ref().map(|reason| Text::from(&reason.detail))),
        column(requests, |kept| Text::from(&kept.request.connection)),
        column(requests, |kept| Text::from(&kept.request.method)),
        column(requests, |kept| Text::from(&kept.request.url)),
        column(requests, |kept| Text::from(&kept.request.remote)),
        column(requests, |kept| Blob(encode_headers(&kept.request.headers).into())),
        bodies.into_iter().map(Blob).collect::<Vec<_>>(),
    ];
    session.execute(Query::insert_requests, row).await.map(drop)
}

/// The kept request in the columns of `request`.
pub(crate) fn read(row: &Row) -> Result<KeptRequest, Failure> {
    let body = bytes(row, 13)?;
    let head = read_apart(row, body.len() as u64)?;
    let request = Arc::new(InboundRequest { body, ..Arc::unwrap_or_clone(head.request) });
    Ok(KeptRequest { request, ..head })
}

/// The same without its body, as lists show it: a page of whole bodies would not fit into memory.
pub(crate) fn read_head(row: &Row) -> Result<KeptRequest, Failure> {
    read_apart(row, cell::<i32>(row, 13)?.unsigned_abs().into())
}

fn read_apart(row: &Row, body_bytes: u64) -> Result<KeptRequest, Failure> {
    let request = InboundRequest {
        id: RequestId::from_uuid(cell(row, 0)?),
        tenant: name(row, 1)?,
        source: name(row, 2)?,
        received_at: time(row, 7)?,
        connection: text(row, 8)?,
        method: text(row, 9)?,
        url: string_or_none(row, 10)?.unwrap_or_default().into(),
        remote: text(row, 11)?,
        headers: decode_headers(&bytes(row, 12)?)?,
        body: Bytes::new(),
    };
    let detail = string_or_none(row, 5)?.unwrap_or_default();
    Ok(KeptRequest {
        request: Arc::new(request),
        verdict: verdict_of(cell(row, 3)?)?,
        reason: text_or_none(row, 4)?.map(|code| Reason { code, detail }),
        due: time_or_none(row, 6)?,
        body_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_stays_and_the_oldest_behind_it_goes() {
        let gone = |sizes: &[i64], count_max, bytes_max| -> Vec<u128> {
            let there = sizes.iter().enumerate().map(|(at, size)| (Uuid::from_u128(at as u128), *size)).collect();
            too_many(there, RejectedBounds { count_max, bytes_max }).iter().map(Uuid::as_u128).collect()
        };
        assert_eq!(gone(&[1; 5], 3, 100), [1, 2]);
        assert_eq!(gone(&[1; 3], 3, 100), [0u128; 0]);
        assert_eq!(gone(&[1; 2], 1, 100), [0]);
        assert_eq!(gone(&[10, 10, 10], 100, 25), [1]);
        assert_eq!(gone(&[10, 10, 10], 100, 5), [1, 2, 0]);
        assert_eq!(gone(&[1; 7], 4, 100), [2, 3, 4]);
    }
}
