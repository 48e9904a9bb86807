//! What waited over a span, as it was seen now and then: how many deliveries, and for how long the oldest had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Tenant;
use store::watch::{Figure, Series};

use super::Span;
use crate::desk::Desk;
use crate::reply::Trouble;

/// What waited for one destination, or for all of them, in bars, the oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    /// Deliveries, on average over the looks at which any waited: a short jam is not made to look like none.
    pub(crate) deliveries: Vec<u64>,
    /// How long the oldest had waited at most.
    pub(crate) oldest: Vec<Duration>,
}

impl Waits {
    pub(crate) fn none(span: Span) -> Self {
        let bars = span.bars().0;
        Self { deliveries: vec![0; bars], oldest: vec![Duration::ZERO; bars] }
    }

    fn add(&mut self, bar: usize, deliveries: u64, oldest: Duration) {
        let bar = bar.min(self.deliveries.len() - 1);
        self.deliveries[bar] += deliveries;
        self.oldest[bar] = self.oldest[bar].max(oldest);
    }

    /// All destinations together: what waits adds up, and the oldest is the oldest of any.
    pub(crate) fn together<'a>(all: impl Iterator<Item = &'a Self>, span: Span) -> Self {
        let mut sum = Self::none(span);
        for waits in all {
            for (bar, (deliveries, oldest)) in waits.deliveries.iter().zip(&waits.oldest).enumerate() {
                sum.add(bar, *deliveries, *oldest);
            }
        }
        sum
    }
}

/// What waited for every destination for which anything did, by its name.
pub(crate) async fn waits(desk: &Desk, tenant: &Tenant, span: Span) -> Result<BTreeMap<Arc<str>, Waits>, Trouble> {
    let first = span.first(desk.now());
    let mut bars: BTreeMap<(Arc<str>, usize), Figure> = BTreeMap::new();
    for (at, figure) in desk.store().figures(tenant.clone(), Series::Waiting, span.step(), first).await? {
        // A bar may be several steps wide.
        let key = (Arc::clone(&figure.object), span.bar_of(at, first));
        if let Some(sum) = bars.get_mut(&key) {
            sum.count += figure.count;
            sum.latencies.merge(&figure.latencies);
        } else {
            bars.insert(key, figure);
        }
    }
    let mut waits: BTreeMap<Arc<str>, Waits> = BTreeMap::new();
    for ((object, bar), figure) in bars {
        let average = figure.count.div_ceil(figure.latencies.count().max(1));
        let oldest = figure.latencies.quantile(1.0).unwrap_or_default();
        waits.entry(object).or_insert_with(|| Waits::none(span)).add(bar, average, oldest);
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_adds_up_and_the_oldest_is_the_oldest_of_any() {
        let (mut one, mut other) = (Waits::none(Span::Hour), Waits::none(Span::Hour));
        one.add(3, 5, Duration::from_secs(9));
        other.add(3, 2, Duration::from_secs(60));
        other.add(usize::MAX, 1, Duration::from_secs(1));
        let sum = Waits::together([&one, &other].into_iter(), Span::Hour);
        assert_eq!((sum.deliveries[3], sum.oldest[3]), (7, Duration::from_secs(60)));
        assert_eq!((sum.deliveries[59], sum.oldest[59]), (1, Duration::from_secs(1)));
    }
}
