//! Figures by the minute and by the hour: added up, read as a range of their key, forgotten with age.

use std::collections::BTreeSet;

use domain::{Latencies, Tenant, Timestamp};
use rusqlite::{Row, params};
use store::StoreError;
use store::watch::{Figure, Series, Step};

use crate::code::{series_code, step_code};
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{count, signed, time};
use crate::tx::Tx;
use crate::view::View;

pub(crate) fn add(tx: &mut Tx<'_, '_>, at: Timestamp, figures: &[Figure]) -> Result<(), Failure> {
    let mut touched = BTreeSet::new();
    for figure in figures {
        let (tenant, object) = (tx.name(figure.tenant.as_str())?, tx.name(&figure.object)?);
        for step in Step::ALL {
            let key = (tenant, series_code(figure.series), step_code(step), step.floor(at).as_micros(), object);
            touched.insert((key.0, key.1, key.2));
            let known = tx.row(Query::figure, key, |row| sums(row, 0))?;
            let (mut total, mut failed, mut latencies) = known.unwrap_or_default();
            total = signed(total).saturating_add(signed(figure.count)) as u64;
            failed = signed(failed).saturating_add(signed(figure.failed)) as u64;
            latencies.merge(&figure.latencies);
            let row = params![key.0, key.1, key.2, key.3, key.4, signed(total), signed(failed), latencies.to_bytes()];
            tx.execute(Query::put_figure, row)?;
        }
    }
    for (tenant, series, code) in touched {
        for step in Step::ALL.into_iter().filter(|step| step_code(*step) == code) {
            tx.execute(Query::forget_figures, (tenant, series, code, step.floor(at - step.kept()).as_micros()))?;
        }
    }
    Ok(())
}

pub(crate) fn since(
    view: &mut View<'_, '_>,
    tenant: &Tenant,
    series: Series,
    step: Step,
    since: Timestamp,
) -> Result<Vec<(Timestamp, Figure)>, Failure> {
    let lookup = view.lookup();
    let Some(number) = lookup.id(tenant.as_str())? else { return Ok(Vec::new()) };
    let key = (number, series_code(series), step_code(step), step.floor(since).as_micros());
    view.rows(Query::figures, key, |row| {
        let (count, failed, latencies) = sums(row, 2)?;
        let object = lookup.name(row.get(1)?)?.text.clone();
        let figure = Figure { tenant: tenant.clone(), series, object, count, failed, latencies };
        Ok((time(row, 0)?, figure))
    })
}

/// Count, failed and latencies, from a column on.
fn sums(row: &Row<'_>, from: usize) -> Result<(u64, u64, Latencies), Failure> {
    let bytes: Vec<u8> = row.get(from + 2)?;
    let latencies = Latencies::from_bytes(&bytes);
    let latencies = latencies.ok_or_else(|| StoreError::Corrupt("a figure's latencies cannot be read".to_owned()))?;
    Ok((count(row, from)?, count(row, from + 1)?, latencies))
}
