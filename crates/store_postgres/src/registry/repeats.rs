//! Answers for requests that come again with the same `Idempotency-Key`.

use bytes::Bytes;
use domain::identity::Digest;
use domain::{Tenant, Timestamp};
use store::registry::{IDEMPOTENT_WORK_MAX, Idempotency};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, time};
use crate::session::Session;
use crate::value::{Blob, Text, params};

pub(super) async fn begin(
    inner: &Inner,
    key: (&Tenant, &str),
    request: Digest,
    now: Timestamp,
) -> Result<Idempotency, Failure> {
    inner.know_tenants(std::iter::once(key.0)).await?;
    inner.transaction(1, |session| async move { begin_one(&session, inner, key, request, now).await }).await
}

async fn begin_one(
    session: &Session,
    inner: &Inner,
    (tenant, key): (&Tenant, &str),
    request: Digest,
    now: Timestamp,
) -> Result<Idempotency, Failure> {
    let text = || (Text::from(tenant.as_str()), Text::from(key));
    let row = params![text().0, text().1, Blob::of(&request.0), now.as_micros(), inner.instance];
    if session.execute(Query::begin_idempotent, row).await? == 1 {
        return Ok(Idempotency::Fresh);
    }
    let found = session.row(Query::lock_idempotent, params![text().0, text().1]).await?;
    let known = found.as_ref().map(read).transpose()?;
    Ok(match known {
        Some(known) if known.request != request.0 => Idempotency::Mismatch,
        Some(Known { answer: Some((status, body)), .. }) => Idempotency::Answered { status, body },
        Some(known) if now.since(known.begun_at) < IDEMPOTENT_WORK_MAX => Idempotency::InProgress,
        Some(_) => {
            let row = params![text().0, text().1, now.as_micros(), inner.instance];
            session.later(Query::restart_idempotent, row);
            Idempotency::Fresh
        }
        // It was taken back in between; whoever asks again finds it free.
        None => Idempotency::InProgress,
    })
}

/// What is known of a key.
struct Known {
    request: Vec<u8>,
    begun_at: Timestamp,
    answer: Option<(u16, Bytes)>,
}

fn read(row: &Row) -> Result<Known, Failure> {
    let status = cell::<Option<i32>>(row, 2)?.and_then(|status| u16::try_from(status).ok());
    let body = cell::<Option<&[u8]>>(row, 3)?.map(Bytes::copy_from_slice);
    Ok(Known { request: cell(row, 0)?, begun_at: time(row, 1)?, answer: status.zip(body) })
}

pub(super) async fn finish(
    inner: &Inner,
    (tenant, key): (&Tenant, &str),
    answer: Option<&(u16, Bytes)>,
) -> Result<(), Failure> {
    let text = || (Text::from(tenant.as_str()), Text::from(key));
    let done = match answer {
        Some((status, body)) => {
            let row = || params![text().0, text().1, i32::from(*status), Blob(body.clone())];
            inner.write(Query::answer_idempotent, row).await
        }
        None => inner.write(Query::forget_idempotent, || params![text().0, text().1]).await,
    };
    done.map(drop)
}
