//! Requests that made no event, and what they are bounded by (design §6, Rejected requests).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::request::{InboundRequest, Reason, Verdict};
use domain::{RequestId, SourceName, Tenant, Timestamp};
use store::StoreError;
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

/// Only pending ones are due; one that says no time is due at once.
fn due_of(verdict: Verdict, due: Option<Timestamp>) -> Option<Timestamp> {
    (verdict == Verdict::Pending).then(|| due.unwrap_or_default())
}

async fn make_room(
    session: &Session,
    tenant: &Tenant,
    (source, code): (&SourceName, &str),
    bounds: RejectedBounds,
) -> Result<(), Failure> {
    let kind = params![Text::from(tenant.as_str()), Text::from(source.as_str()), Text::from(code)];
    let mut there = Vec::new();
    for row in session.rows(Query::rejected_of, kind).await? {
        there.push((cell::<Uuid>(&row, 0)?, cell::<i64>(&row, 1)?));
    }
    let gone = too_many(there, bounds);
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

/// What a request takes: its body and headers.
fn size(request: &InboundRequest, body: &Bytes) -> u64 {
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (body.len() + headers + request.url.len()) as u64
}

/// One that is larger than all of its kind may be together is kept without its body: it must not push out the rest.
fn kept_body(kept: &KeptRequest, bounds: Option<RejectedBounds>) -> Bytes {
    let too_large = bounds.is_some_and(|bounds| size(&kept.request, &kept.request.body) > bounds.bytes_max);
    if too_large && kept.verdict == Verdict::Rejected { Bytes::new() } else { kept.request.body.clone() }
}

async fn insert(
    session: &Session,
    tenant: &Tenant,
    requests: &[&KeptRequest],
    bounds: Option<RejectedBounds>,
) -> Result<(), Failure> {
    let bodies = column(requests, |kept| kept_body(kept, bounds));
    let sizes: Vec<i64> = requests.iter().zip(&bodies).map(|(kept, body)| signed(size(&kept.request, body))).collect();
    let row = params![
        Text::from(tenant.as_str()),
        column(requests, |kept| kept.request.id.uuid()),
        column(requests, |kept| kept.request.received_at.as_micros()),
        column(requests, |kept| micros(due_of(kept.verdict, kept.due))),
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
    let head = read_head(row)?;
    let request = Arc::new(InboundRequest { body: bytes(row, 13)?, ..Arc::unwrap_or_clone(head.request) });
    Ok(KeptRequest { request, ..head })
}

/// The same without its body, as lists show it: a page of whole bodies would not fit into memory.
pub(crate) fn read_head(row: &Row) -> Result<KeptRequest, Failure> {
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
    })
}

/// Headers as length-prefixed names and values: values are bytes, not text.
fn encode_headers(headers: &[(Arc<str>, Bytes)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

fn decode_headers(bytes: &Bytes) -> Result<Vec<(Arc<str>, Bytes)>, Failure> {
    let mut rest = bytes.clone();
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (name, value) = (part(&mut rest)?, part(&mut rest)?);
        headers.push((String::from_utf8_lossy(&name).into(), value));
    }
    Ok(headers)
}

fn part(rest: &mut Bytes) -> Result<Bytes, Failure> {
    let damaged = || StoreError::Corrupt("the headers of a request cannot be read".to_owned());
    let length = rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    if rest.len() < 4 + length {
        return Err(damaged().into());
    }
    let part = rest.slice(4..4 + length);
    *rest = rest.slice(4 + length..);
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back_as_they_came_and_damage_is_told() {
        let headers = vec![("a".into(), Bytes::from_static(&[0, 255])), ("a".into(), Bytes::new())];
        let encoded = Bytes::from(encode_headers(&headers));
        assert_eq!(decode_headers(&encoded).ok(), Some(headers));
        assert!(decode_headers(&encoded.slice(..encoded.len() - 1)).is_err());
        assert!(decode_headers(&encoded.slice(..3)).is_err());
    }

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
