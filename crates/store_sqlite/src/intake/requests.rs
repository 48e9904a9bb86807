//! Requests that made no event, and what they are bounded by (design §6, Rejected requests).

use std::sync::Arc;

use bytes::Bytes;
use domain::request::{InboundRequest, Reason, Verdict};
use domain::{RequestId, Timestamp};
use rusqlite::{Row, params};
use store::StoreError;
use store::intake::kept::{decode_headers, due_of, encode_headers, size};
use store::intake::{KeptRequest, RejectedBounds};

use crate::code::{verdict_code, verdict_of};
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::row::{Lookup, bytes, micros, signed, text, text_or_none, time, time_or_none, uuid};
use crate::tx::Tx;

/// What a verdict needs to know of a request that is kept already.
struct Kept {
    seq: i64,
    tenant: NameId,
    source: NameId,
    verdict: Verdict,
    reason: Option<Arc<str>>,
    bytes: i64,
}

/// Keeps one request; of the same source and reason the oldest behind the first half makes room for it.
pub(crate) fn keep(tx: &mut Tx<'_, '_>, kept: &KeptRequest, bounds: RejectedBounds) -> Result<(), Failure> {
    let tenant = tx.name(kept.request.tenant.as_str())?;
    let source = tx.name(kept.request.source.as_str())?;
    let body = kept.body_within(bounds);
    let bytes = signed(size(&kept.request, &body));
    insert(tx, (tenant, source), kept, &body, bytes)?;
    if let (Verdict::Rejected, Some(reason)) = (kept.verdict, &kept.reason) {
        count(tx, (tenant, source, &reason.code), 1, bytes)?;
        make_room(tx, (tenant, source, &reason.code), bounds)?;
    }
    Ok(())
}

/// Keeps an accepted request, or marks the kept one accepted if it was judged again.
pub(crate) fn keep_accepted(tx: &mut Tx<'_, '_>, kept: &KeptRequest, worth_keeping: bool) -> Result<(), Failure> {
    let tenant = tx.name(kept.request.tenant.as_str())?;
    let source = tx.name(kept.request.source.as_str())?;
    match find(tx, tenant, kept.request.id)? {
        Some(known) => change_verdict(tx, &known, kept.verdict, kept.reason.as_ref(), kept.due),
        None if worth_keeping => {
            let bytes = signed(size(&kept.request, &kept.request.body));
            insert(tx, (tenant, source), kept, &kept.request.body, bytes)
        }
        None => Ok(()),
    }
}

/// Gives a kept request its new verdict.
pub(crate) fn rejudge(
    tx: &mut Tx<'_, '_>,
    (tenant, request): (&str, RequestId),
    verdict: Verdict,
    reason: Option<&Reason>,
    due: Option<Timestamp>,
) -> Result<(), Failure> {
    let tenant = tx.name(tenant)?;
    match find(tx, tenant, request)? {
        None => Err(StoreError::Refused(format!("there is no request {request}")).into()),
        Some(known) if known.verdict == Verdict::Accepted => {
            Err(StoreError::Conflict(format!("request {request} was accepted already")).into())
        }
        Some(known) => change_verdict(tx, &known, verdict, reason, due),
    }
}

fn change_verdict(
    tx: &mut Tx<'_, '_>,
    known: &Kept,
    verdict: Verdict,
    reason: Option<&Reason>,
    due: Option<Timestamp>,
) -> Result<(), Failure> {
    uncount(tx, known)?;
    let code = reason.map(|reason| &*reason.code);
    let detail = reason.map(|reason| &*reason.detail);
    let due = due_of(verdict, due);
    tx.execute(Query::set_verdict, params![known.seq, verdict_code(verdict), code, detail, micros(due)])?;
    match (verdict, code) {
        (Verdict::Rejected, Some(code)) => count(tx, (known.tenant, known.source, code), 1, known.bytes),
        _ => Ok(()),
    }
}

fn uncount(tx: &mut Tx<'_, '_>, known: &Kept) -> Result<(), Failure> {
    match (known.verdict, &known.reason) {
        (Verdict::Rejected, Some(code)) => count(tx, (known.tenant, known.source, code), -1, -known.bytes),
        _ => Ok(()),
    }
}

pub(crate) fn count(
    tx: &mut Tx<'_, '_>,
    (tenant, source, code): (NameId, NameId, &str),
    requests: i64,
    bytes: i64,
) -> Result<(), Failure> {
    tx.execute(Query::count_rejected, params![tenant, source, code, requests, bytes]).map(drop)
}

fn make_room(
    tx: &mut Tx<'_, '_>,
    (tenant, source, code): (NameId, NameId, &str),
    bounds: RejectedBounds,
) -> Result<(), Failure> {
    let key = params![tenant, source, code];
    let total = tx.row(Query::rejected_total, key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let (mut requests, mut bytes) = total.unwrap_or_default();
    while requests > i64::from(bounds.count_max) || bytes > signed(bounds.bytes_max) {
        let staying = i64::from(bounds.count_max).min(requests) / 2;
        let key = params![tenant, source, code, staying];
        let next = tx.row(Query::next_rejected, key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let Some((seq, size)) = next else { break };
        tx.execute(Query::delete_request, [seq])?;
        count(tx, (tenant, source, code), -1, -size)?;
        requests -= 1;
        bytes -= size;
    }
    Ok(())
}

fn insert(
    tx: &mut Tx<'_, '_>,
    (tenant, source): (NameId, NameId),
    kept: &KeptRequest,
    body: &Bytes,
    bytes: i64,
) -> Result<(), Failure> {
    let request = &kept.request;
    let row = params![
        request.id.as_bytes(),
        tenant,
        source,
        verdict_code(kept.verdict),
        kept.reason.as_ref().map(|reason| &*reason.code),
        kept.reason.as_ref().map(|reason| &*reason.detail),
        micros(kept.due()),
        request.received_at.as_micros(),
        bytes,
        &*request.connection,
        &*request.method,
        &*request.url,
        &*request.remote,
        encode_headers(&request.headers),
        &**body,
    ];
    tx.execute(Query::insert_request, row).map(drop)
}

fn find(tx: &mut Tx<'_, '_>, tenant: NameId, id: RequestId) -> Result<Option<Kept>, Failure> {
    tx.row(Query::request, params![tenant, id.as_bytes()], |row| {
        Ok(Kept {
            seq: row.get(14)?,
            tenant: row.get(1)?,
            source: row.get(2)?,
            verdict: verdict_of(row.get(3)?)?,
            reason: text_or_none(row, 4)?,
            bytes: row.get(15)?,
        })
    })
}

/// The kept request in the columns of `request`.
pub(crate) fn read(row: &Row<'_>, lookup: Lookup<'_>) -> Result<KeptRequest, Failure> {
    let body = bytes(row, 13)?;
    let head = read_apart(row, lookup, body.len() as u64)?;
    let request = Arc::new(InboundRequest { body, ..Arc::unwrap_or_clone(head.request) });
    Ok(KeptRequest { request, ..head })
}

/// The same without its body, as lists show it: a page of whole bodies would not fit into memory.
pub(crate) fn read_head(row: &Row<'_>, lookup: Lookup<'_>) -> Result<KeptRequest, Failure> {
    read_apart(row, lookup, row.get::<_, i64>(13)?.unsigned_abs())
}

fn read_apart(row: &Row<'_>, lookup: Lookup<'_>, body_bytes: u64) -> Result<KeptRequest, Failure> {
    let request = InboundRequest {
        id: RequestId::from_uuid(uuid(row, 0)?),
        tenant: lookup.name(row.get(1)?)?.tenant()?,
        source: lookup.name(row.get(2)?)?.source()?,
        received_at: time(row, 7)?,
        connection: text(row, 8)?,
        method: text(row, 9)?,
        url: text(row, 10)?,
        remote: text(row, 11)?,
        headers: decode_headers(&bytes(row, 12)?)?,
        body: Bytes::new(),
    };
    let detail: Option<String> = row.get(5)?;
    Ok(KeptRequest {
        request: Arc::new(request),
        verdict: verdict_of(row.get(3)?)?,
        reason: text_or_none(row, 4)?.map(|code| Reason { code, detail: detail.unwrap_or_default() }),
        due: time_or_none(row, 6)?,
        body_bytes,
    })
}
