//! Figures by the minute and by the hour: added up, read as a range of their key, forgotten with age.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Latencies, Tenant, Timestamp};
use store::StoreError;
use store::watch::{Figure, Series, Step};
use tokio_postgres::Row;

use crate::code::{series_code, step_code};
use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, count, text, time};
use crate::session::Session;
use crate::value::{Blob, Param, Text, column, params, signed};

/// A figure's place within its tenant: series, step, the step's beginning, object.
type Key = (i16, i16, i64, String);

#[derive(Clone, Default)]
struct Sums {
    count: u64,
    failed: u64,
    latencies: Latencies,
}

pub(super) async fn add(inner: &Inner, at: Timestamp, figures: &[Figure]) -> Result<(), Failure> {
    let mut by_tenant: BTreeMap<&Tenant, BTreeMap<Key, Sums>> = BTreeMap::new();
    for figure in figures {
        let own = by_tenant.entry(&figure.tenant).or_default();
        for step in Step::ALL {
            let (series, code) = (series_code(figure.series), step_code(step));
            let key = (series, code, step.floor(at).as_micros(), figure.object.to_string());
            own.entry(key).or_default().add(figure.count, figure.failed, &figure.latencies);
        }
    }
    let by_tenant = &by_tenant;
    inner
        .transaction(figures.len(), |session| async move {
            for (tenant, own) in by_tenant {
                add_of(&session, tenant, own, at).await?;
            }
            Ok(())
        })
        .await
}

impl Sums {
    fn add(&mut self, count: u64, failed: u64, latencies: &Latencies) {
        self.count = self.count.saturating_add(count);
        self.failed = self.failed.saturating_add(failed);
        self.latencies.merge(latencies);
    }
}

async fn add_of(
    session: &Session,
    tenant: &Tenant,
    figures: &BTreeMap<Key, Sums>,
    at: Timestamp,
) -> Result<(), Failure> {
    let keys: Vec<&Key> = figures.keys().collect();
    // Made first where they are missing, so that two nodes add to one row and none overwrites the other.
    let mut row = key_params(tenant, &keys);
    row.push(Box::new(Blob(Latencies::default().to_bytes().into())));
    session.execute(Query::insert_figures, row).await?;
    let mut sums = Vec::new();
    for row in session.rows(Query::lock_figures, key_params(tenant, &keys)).await? {
        let key: Key = (cell(&row, 0)?, cell(&row, 1)?, cell(&row, 2)?, text(&row, 3)?.to_string());
        let mut known = read_sums(&row, 4)?;
        if let Some(more) = figures.get(&key) {
            known.add(more.count, more.failed, &more.latencies);
        }
        sums.push((key, known));
    }
    let changed: Vec<&Key> = sums.iter().map(|(key, _)| key).collect();
    let mut row = key_params(tenant, &changed);
    row.push(Box::new(column(&sums, |(_, sums)| signed(sums.count))));
    row.push(Box::new(column(&sums, |(_, sums)| signed(sums.failed))));
    row.push(Box::new(column(&sums, |(_, sums)| Blob(sums.latencies.to_bytes().into()))));
    session.later(Query::put_figures, row);
    let touched: BTreeSet<(i16, i16)> = keys.iter().map(|key| (key.0, key.1)).collect();
    for (series, step) in touched {
        for kept in Step::ALL.into_iter().filter(|one| step_code(*one) == step) {
            let oldest = (at - kept.kept()).as_micros();
            session.later(Query::forget_figures, params![Text::from(tenant.as_str()), series, step, oldest]);
        }
    }
    Ok(())
}

fn key_params(tenant: &Tenant, keys: &[&Key]) -> Vec<Param> {
    params![
        Text::from(tenant.as_str()),
        column(keys, |key| key.0),
        column(keys, |key| key.1),
        column(keys, |key| key.2),
        column(keys, |key| Text::from(&key.3)),
    ]
}

fn read_sums(row: &Row, at: usize) -> Result<Sums, Failure> {
    let damaged = || StoreError::Corrupt("the latencies of a figure cannot be read".to_owned());
    let latencies = Latencies::from_bytes(cell(row, at + 2)?).ok_or_else(damaged)?;
    Ok(Sums { count: count(row, at)?, failed: count(row, at + 1)?, latencies })
}

pub(super) async fn read(
    inner: &Inner,
    tenant: &Tenant,
    series: Series,
    step: Step,
    since: Timestamp,
) -> Result<Vec<(Timestamp, Figure)>, Failure> {
    let from = step.floor(since).as_micros();
    let key = || params![Text::from(tenant.as_str()), series_code(series), step_code(step), from];
    let rows = inner.rows(Query::figures, key).await?;
    let figure = |row: &Row| {
        let Sums { count, failed, latencies } = read_sums(row, 2)?;
        let object = text(row, 1)?;
        Ok((time(row, 0)?, Figure { tenant: tenant.clone(), series, object, count, failed, latencies }))
    };
    rows.iter().map(figure).collect()
}
