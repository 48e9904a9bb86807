//! Percentiles of one run and the spread over several.

use serde::Serialize;

/// Of many waits of one run, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: usize,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Percentiles {
    /// Of waits in microseconds; all zero when there are none, with a count that says so.
    #[must_use]
    pub fn of(mut waits_us: Vec<u32>) -> Self {
        waits_us.sort_unstable();
        let at = |percent| f64::from(percentile(&waits_us, percent)) / 1000.0;
        Self { count: waits_us.len(), p50_ms: at(50), p90_ms: at(90), p99_ms: at(99), max_ms: at(100) }
    }
}

/// The smallest value that at least `percent` of a sorted list do not exceed; 0 of an empty one.
pub(crate) fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// One figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub runs: usize,
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// `None` of no runs.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { runs: sorted.len(), median: f64::midpoint(low, high), least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let thousand = Percentiles::of((1..=1000).rev().map(|ms| ms * 1000).collect());
        assert_eq!(thousand, Percentiles { count: 1000, p50_ms: 500.0, p90_ms: 900.0, p99_ms: 990.0, max_ms: 1000.0 });
        let one = Percentiles::of(vec![7000]);
        assert_eq!((one.p50_ms, one.p99_ms, one.max_ms), (7.0, 7.0, 7.0));
        assert_eq!(Percentiles::of(Vec::new()).count, 0);
    }

    #[test]
    fn the_median_of_an_even_number_of_runs_is_between_the_middle_two() {
        let cases: [(&[f64], f64); 3] = [(&[3.0], 3.0), (&[9.0, 1.0, 5.0], 5.0), (&[1.0, 4.0, 2.0, 100.0], 3.0)];
        for (values, median) in cases {
            assert_eq!(Spread::of(values).unwrap().median, median, "{values:?}");
        }
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[2.0, 8.0]).map(|spread| (spread.least, spread.most)), Some((2.0, 8.0)));
    }
}
