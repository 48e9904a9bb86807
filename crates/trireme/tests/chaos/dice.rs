//! Chance that can be repeated: every suite prints its seed, and `TRIREME_CHAOS_SEED` sets it.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::Duration;

/// SplitMix64: enough for choosing moments and victims, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of a suite, from the environment or from the system's chance.
    pub fn of(suite: &str) -> Self {
        let given = std::env::var("TRIREME_CHAOS_SEED").ok();
        let seed = given.map_or_else(
            || RandomState::new().hash_one(suite),
            |text| text.parse().expect("TRIREME_CHAOS_SEED is a whole number"),
        );
        eprintln!("{suite}: TRIREME_CHAOS_SEED={seed}");
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn between(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start).max(1)
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    pub fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).expect("smaller than a count of things in memory")
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }

    /// Dice of their own for somebody who throws at the same time.
    pub fn fork(&mut self) -> Self {
        Self { state: self.next() }
    }
}

#[test]
fn the_same_seed_throws_the_same() {
    let throw = |seed| {
        let mut dice = Dice { state: seed };
        (0..8).map(|_| dice.between(10..20)).collect::<Vec<_>>()
    };
    assert_eq!(throw(7), throw(7));
    assert_ne!(throw(7), throw(8));
    assert!(throw(7).iter().all(|number| (10..20).contains(number)));
}
