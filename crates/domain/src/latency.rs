//! Durations counted in buckets that grow with them: any quantile to within a sixteenth, in a few bytes, and two
//! such counts add up.

use std::time::Duration;

/// Buckets per doubling.
const STEPS: u32 = 8;
/// Everything shorter than 2^7 = 128 µs is in the first bucket.
const FIRST_BITS: u32 = 7;
/// Everything longer than about three days is in the last one.
const LAST_BITS: u32 = 38;
const BUCKETS: usize = ((LAST_BITS - FIRST_BITS) * STEPS) as usize + 1;

/// How many durations fell into which bucket. A handful of buckets are ever used, so only those are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Bucket and count, by bucket.
    counts: Vec<(u8, u32)>,
}

impl Latencies {
    pub fn add(&mut self, duration: Duration) {
        self.add_many(bucket(duration), 1);
    }

    fn add_many(&mut self, bucket: u8, count: u32) {
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.counts[at].1 = self.counts[at].1.saturating_add(count),
            Err(at) => self.counts.insert(at, (bucket, count)),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(bucket, count)| self.add_many(*bucket, *count));
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The duration that a share of them (0 to 1) did not pass; `None` if there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let wanted = ((share.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += u64::from(*count);
            seen >= wanted
        });
        found.map(|(bucket, _)| middle(*bucket))
    }

    /// Five bytes per bucket that is used: its number, and the count in little endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.counts.len() * 5);
        for (bucket, count) in &self.counts {
            bytes.push(*bucket);
            bytes.extend(count.to_le_bytes());
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) gave; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<5>();
        let mut latencies = Self::default();
        for [bucket, count @ ..] in chunks {
            latencies.add_many(*bucket, u32::from_le_bytes(*count));
        }
        let known = latencies.counts.iter().all(|(bucket, _)| usize::from(*bucket) < BUCKETS);
        (rest.is_empty() && known).then_some(latencies)
    }
}

fn bucket(duration: Duration) -> u8 {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let Some(bits) = micros.checked_ilog2().filter(|bits| *bits >= FIRST_BITS) else { return 0 };
    if bits >= LAST_BITS {
        return (BUCKETS - 1) as u8;
    }
    let step = (micros >> (bits - STEPS.ilog2())) as u32 & (STEPS - 1);
    ((bits - FIRST_BITS) * STEPS + step + 1).min(BUCKETS as u32 - 1) as u8
}

fn middle(bucket: u8) -> Duration {
    let Some(index) = u32::from(bucket).checked_sub(1) else { return Duration::from_micros(64) };
    let (bits, step) = (index / STEPS + FIRST_BITS, u64::from(index % STEPS));
    let width = 1_u64 << (bits - STEPS.ilog2());
    Duration::from_micros((1_u64 << bits) + step * width + width / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        millis.into_iter().for_each(|millis| latencies.add(Duration::from_millis(millis)));
        latencies
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Latencies::default().quantile(0.5), None);
        assert_eq!(Latencies::from_bytes(&[]), Some(Latencies::default()));
    }

    #[test]
    fn quantiles_are_near() {
        let latencies = of(1..=1_000);
        for (share, millis) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (0.0, 1.0), (1.0, 1_000.0)] {
            let found = latencies.quantile(share).expect("there are some").as_secs_f64() * 1_000.0;
            assert!((found / millis - 1.0).abs() < 0.08, "{share}: {found}");
        }
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for bytes in [&[1_u8, 2][..], &[255, 1, 0, 0, 0], &[1, 0, 0, 0, 0, 9]] {
            assert_eq!(Latencies::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_duration_is_within_a_sixteenth(micros in 128_u64..1 << LAST_BITS) {
            let found = middle(bucket(Duration::from_micros(micros))).as_micros() as f64;
            prop_assert!((found / micros as f64 - 1.0).abs() <= 1.0 / 15.0);
        }

        #[test]
        fn parts_add_up_and_bytes_come_back(all in prop::collection::vec(0_u64..10_000_000, 0..50), at in 0_usize..50) {
            let (left, right) = all.split_at(at.min(all.len()));
            let mut sum = of(left.iter().copied());
            sum.merge(&of(right.iter().copied()));
            prop_assert_eq!(&sum, &of(all.iter().copied()));
            prop_assert_eq!(Latencies::from_bytes(&sum.to_bytes()), Some(sum));
        }
    }
}
