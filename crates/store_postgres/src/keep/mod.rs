//! Keeping house: the verbs of [`store::keep::Keep`].

mod prune;
mod span;
mod statistics;
mod text;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Tenant, Timestamp};
use store::keep::{Keep, Pruned, Retention, StoreStats};
use store::{StoreError, Verb};

pub(crate) use self::prune::Pruning;
pub(crate) use self::span::{make_of as make_spans_of, prepare as prepare_spans};
pub(crate) use self::statistics::Statistics;
#[cfg(test)]
pub(crate) use self::text::all as texts;
use crate::PostgresStore;
use crate::failure::Failure;
use crate::perform::{Inner, within};
use crate::query::Query;
use crate::row::{cell, count, name};
use crate::value::{Text, params};

/// What a round of pruning may take: dropping a span of time waits for whoever reads it.
const PRUNE_TIME: Duration = Duration::from_secs(10 * 60);

impl Keep for PostgresStore {
    fn prune(&self, retention: Retention, now: Timestamp, limit: u32) -> Verb<'_, Pruned> {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner);
            inner.is_open()?;
            let round = async move {
                let late = || StoreError::Unreachable("pruning took too long".to_owned());
                within(PRUNE_TIME, prune::prune(&inner, &retention, now, limit)).await.ok_or_else(late)
            };
            Ok(self.performer.perform(round).await???)
        })
    }

    fn ping(&self) -> Verb<'_, ()> {
        self.verb(|inner| async move {
            let row = inner.transaction(0, |session| async move { session.row(Query::ping, params![]).await }).await?;
            if row.map(|row| cell::<bool>(&row, 0)).transpose()? == Some(true) {
                let standby = "this server is a standby, or still recovering, and takes no writes";
                return Err(StoreError::Unreachable(standby.to_owned()).into());
            }
            measure(&inner).await?;
            statistics::look_after(&inner);
            Ok(())
        })
    }

    fn stats(&self) -> StoreStats {
        let figures = &self.inner.figures;
        StoreStats {
            statements: figures.statements.load(Ordering::Relaxed),
            commits: figures.commits.load(Ordering::Relaxed),
            committed: figures.committed.load(Ordering::Relaxed),
            bytes: self.inner.database_bytes.load(Ordering::Relaxed),
            // The database's disk is not ours to see.
            disk_free: None,
        }
    }

    fn close(&self) -> Verb<'_, ()> {
        Box::pin(async move {
            let (inner, hints) = (Arc::clone(&self.inner), self.hints.clone());
            // Answered last of all that was handed over before.
            let flushed = self.gatherer.hand_over(Vec::new(), Timestamp::EPOCH).ok();
            let closing = async move {
                if !inner.close().await {
                    return;
                }
                if let Some(flushed) = flushed {
                    let _ = flushed.await;
                }
                hints.stop();
                // What cannot be said now is found out by its age.
                let _ = forget_unanswered(&inner).await;
                inner.disconnect();
            };
            self.performer.perform(closing).await
        })
    }
}

/// Looks how large the database is, for the figures.
async fn measure(inner: &Inner) -> Result<(), Failure> {
    if let Some(row) = inner.row(Query::database_bytes, Vec::new).await? {
        inner.database_bytes.store(count(&row, 0)?, Ordering::Relaxed);
    }
    Ok(())
}

/// Lets others begin at once what this process has not finished.
async fn forget_unanswered(inner: &Inner) -> Result<(), Failure> {
    for tenant in tenants(inner).await? {
        let row = || params![Text::from(tenant.as_str()), inner.instance];
        inner.write(Query::forget_unanswered, row).await?;
    }
    Ok(())
}

/// Everyone who ever had something here.
pub(crate) async fn tenants(inner: &Inner) -> Result<Vec<Tenant>, Failure> {
    inner.rows(Query::tenants, Vec::new).await?.iter().map(|row| name(row, 0)).collect()
}
