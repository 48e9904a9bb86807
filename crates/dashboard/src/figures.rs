//! Figures over time as pages show them: the last hour, day or week, in bars of one width.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Latencies, Tenant, Timestamp};
use serde::Deserialize;
use store::watch::{Series, Step};

use crate::desk::Desk;
use crate::reply::Trouble;

mod waits;

pub(crate) use waits::{Waits, waits};

/// How far a chart looks back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Span {
    #[default]
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

impl Span {
    pub(crate) const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// In words, after a figure.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Hour => "in the last hour",
            Self::Day => "in the last 24 hours",
            Self::Week => "in the last 7 days",
        }
    }

    const fn step(self) -> Step {
        match self {
            Self::Hour => Step::Minute,
            Self::Day | Self::Week => Step::Hour,
        }
    }

    /// Bars, and how many steps each is wide.
    const fn bars(self) -> (usize, u32) {
        match self {
            Self::Hour => (60, 1),
            Self::Day => (24, 1),
            Self::Week => (56, 3),
        }
    }

    pub(crate) const fn bar_words(self) -> &'static str {
        match self {
            Self::Hour => "by the minute",
            Self::Day => "by the hour",
            Self::Week => "by three hours",
        }
    }

    pub(crate) fn length(self) -> Duration {
        self.bar() * u32::try_from(self.bars().0).unwrap_or(1)
    }

    fn bar(self) -> Duration {
        self.step().length() * self.bars().1
    }

    /// In which bar a time is, if the first begins at `first`.
    fn bar_of(self, at: Timestamp, first: Timestamp) -> usize {
        usize::try_from(at.since(first).as_secs() / self.bar().as_secs()).unwrap_or(usize::MAX)
    }

    /// Where the first bar begins.
    fn first(self, now: Timestamp) -> Timestamp {
        let before = u32::try_from(self.bars().0 - 1).unwrap_or(0);
        self.step().floor(now) - self.bar() * before
    }
}

/// One object's figures over a span.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    /// Count and failed, the oldest first.
    pub(crate) bars: Vec<(u64, u64)>,
    pub(crate) count: u64,
    pub(crate) failed: u64,
    pub(crate) latencies: Latencies,
}

impl Track {
    pub(crate) fn empty(span: Span) -> Self {
        Self { bars: vec![(0, 0); span.bars().0], count: 0, failed: 0, latencies: Latencies::default() }
    }

    fn add(&mut self, bar: usize, count: u64, failed: u64, latencies: &Latencies) {
        let last = self.bars.len() - 1;
        let (bar_count, bar_failed) = &mut self.bars[bar.min(last)];
        *bar_count += count;
        *bar_failed += failed;
        self.count += count;
        self.failed += failed;
        self.latencies.merge(latencies);
    }
}

/// Every object's figures of a series, by its name.
pub(crate) async fn tracks(
    desk: &Desk,
    tenant: &Tenant,
    series: Series,
    span: Span,
) -> Result<BTreeMap<Arc<str>, Track>, Trouble> {
    let first = span.first(desk.now());
    let mut tracks: BTreeMap<Arc<str>, Track> = BTreeMap::new();
    for (at, figure) in desk.store().figures(tenant.clone(), series, span.step(), first).await? {
        let track = tracks.entry(figure.object).or_insert_with(|| Track::empty(span));
        track.add(span.bar_of(at, first), figure.count, figure.failed, &figure.latencies);
    }
    Ok(tracks)
}

/// All objects' figures of a series together.
pub(crate) async fn total(desk: &Desk, tenant: &Tenant, series: Series, span: Span) -> Result<Track, Trouble> {
    let mut total = Track::empty(span);
    for track in tracks(desk, tenant, series, span).await?.into_values() {
        for (bar, (count, failed)) in track.bars.iter().enumerate() {
            total.add(bar, *count, *failed, &Latencies::default());
        }
        total.latencies.merge(&track.latencies);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_as_long_as_it_is_called() {
        for (span, hours) in [(Span::Hour, 1), (Span::Day, 24), (Span::Week, 24 * 7)] {
            assert_eq!(span.length(), Duration::from_secs(hours * 3_600), "{span:?}");
            let now = Timestamp::from_secs(1_000_000_000);
            let back = now.since(span.first(now));
            assert!(back < span.length() && back + span.bar() >= span.length(), "{span:?}");
        }
    }

    #[test]
    fn what_is_counted_is_in_its_bar_and_in_the_whole() {
        let mut track = Track::empty(Span::Day);
        track.add(3, 5, 1, &Latencies::default());
        track.add(3, 2, 0, &Latencies::default());
        track.add(usize::MAX, 1, 0, &Latencies::default());
        assert_eq!((track.bars[3], track.bars[23], track.count, track.failed), ((7, 1), (1, 0), 8, 1));
    }
}
