//! Chance as an argument: random bytes, fractions and ids. A seeded source makes a run repeatable;
//! it must never be used where somebody gains by guessing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Timestamp;
use uuid::Uuid;

/// Where chance comes from.
pub trait Entropy: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);

    /// A number from 0 (included) to 1 (excluded).
    fn unit(&self) -> f64 {
        // 53 bits are all that a float between 0 and 1 can hold evenly.
        (next_u64(self) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A source of chance as it is handed around.
pub type SharedEntropy = Arc<dyn Entropy>;

fn next_u64<E: Entropy + ?Sized>(entropy: &E) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A UUIDv7 (RFC 9562 §5.7): milliseconds, then the fraction of the millisecond, then 62 random bits.
/// Ids of one microsecond are in no order.
#[must_use]
pub fn uuid_v7(entropy: &dyn Entropy, now: Timestamp) -> Uuid {
    const VERSION: u128 = 7 << 76;
    const VARIANT: u128 = 2 << 62;
    let micros = u128::try_from(now.as_micros()).unwrap_or(0);
    let millis = (micros / 1_000) & ((1 << 48) - 1);
    // The fraction fills the 12 bits, so that it sorts as the time does (method 3 of the RFC's §6.2).
    let fraction = (micros % 1_000) * 4_096 / 1_000;
    let random = u128::from(next_u64(entropy)) >> 2;
    Uuid::from_u128((millis << 80) | VERSION | (fraction << 64) | VARIANT | random)
}

/// How many bytes are asked of the kernel at once: a system call per id would cost more than the id.
const BATCH_BYTES: usize = 1_024;

/// The kernel's random source, read in batches. What has been handed out is wiped from the batch.
pub struct SystemEntropy {
    batch: Mutex<Batch>,
}

struct Batch {
    bytes: [u8; BATCH_BYTES],
    used: usize,
}

impl Batch {
    fn take(&mut self, out: &mut [u8]) {
        if BATCH_BYTES - self.used < out.len() {
            fill_from_kernel(&mut self.bytes);
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + out.len()];
        out.copy_from_slice(taken);
        taken.fill(0);
        self.used += out.len();
    }
}

fn fill_from_kernel(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("a process without a random source cannot make keys, so it must not go on");
}

impl SystemEntropy {
    #[must_use]
    pub fn new() -> Self {
        Self { batch: Mutex::new(Batch { bytes: [0; BATCH_BYTES], used: BATCH_BYTES }) }
    }

    #[must_use]
    pub fn shared() -> SharedEntropy {
        Arc::new(Self::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > BATCH_BYTES / 8 {
            return fill_from_kernel(bytes);
        }
        // A panic while the lock was held cannot leave bytes that were handed out twice: `used` moves last and
        // what was taken is zero, so start a new batch to be sure.
        let mut batch = self.batch.lock().unwrap_or_else(|poisoned| {
            let mut batch = PoisonError::into_inner(poisoned);
            batch.used = BATCH_BYTES;
            batch
        });
        batch.take(bytes);
    }
}

/// A repeatable source for simulation and tests: the SplitMix64 sequence of a seed.
#[derive(Debug)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A number that nobody else draws.
#[must_use]
pub fn number(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_carry_their_time_sort_by_it_and_differ_within_it() {
        let entropy = SystemEntropy::new();
        let at = |micros| uuid_v7(&entropy, Timestamp::from_micros(micros));
        let id = at(1_767_225_600_123_456);
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.get_timestamp().map(|time| time.to_unix().0), Some(1_767_225_600));
        assert_eq!(id.as_u128() >> 80, 1_767_225_600_123);
        for step in [1, 999, 1_000, 1_000_000] {
            assert!(at(1_767_225_600_000_000) < at(1_767_225_600_000_000 + step), "{step} µs later");
        }
        let many: HashSet<Uuid> = (0..10_000).map(|_| at(5)).collect();
        assert_eq!(many.len(), 10_000);
    }

    #[test]
    fn times_before_the_epoch_still_make_valid_ids() {
        let id = uuid_v7(&SeededEntropy::new(1), Timestamp::from_micros(-1));
        assert_eq!((id.get_version_num(), id.as_u128() >> 80), (7, 0));
    }

    #[test]
    fn a_seed_repeats_its_sequence() {
        let draw = |seed| {
            let entropy = SeededEntropy::new(seed);
            let mut bytes = [0; 19];
            entropy.fill(&mut bytes);
            (bytes, entropy.unit())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        // The first two numbers of the published algorithm for this seed.
        let entropy = SeededEntropy::new(1_234_567);
        assert_eq!([entropy.next(), entropy.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn fractions_are_spread_over_zero_to_one() {
        for entropy in [&SystemEntropy::new() as &dyn Entropy, &SeededEntropy::new(3)] {
            let drawn: Vec<f64> = (0..4_000).map(|_| entropy.unit()).collect();
            assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)));
            let mean = drawn.iter().sum::<f64>() / 4_000.0;
            assert!((0.45..0.55).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn batches_never_hand_out_the_same_bytes_twice() {
        let entropy = SystemEntropy::new();
        let mut seen = HashSet::new();
        for size in [1usize, 16, 24, 128, 129, 5_000].into_iter().cycle().take(600) {
            let mut bytes = vec![0; size];
            entropy.fill(&mut bytes);
            assert!(size < 16 || seen.insert(bytes[..16].to_vec()));
        }
    }
}
