//! What compiling hands on, and what filters count.

use super::*;

#[test]
fn a_filter_that_lets_nothing_through_is_suspected_once_and_cleared_by_the_first_that_passes() {
    let count = FilterCount::default();
    let told: Vec<_> = (0..FILTER_SUSPECT_AFTER * 2).filter_map(|_| count.count(false)).collect();
    assert_eq!(told, [FilterSuspicion::Raised]);
    assert_eq!((count.count(true), count.count(true)), (Some(FilterSuspicion::Cleared), None));
    let healthy = FilterCount::default();
    assert_eq!(healthy.count(true), Some(FilterSuspicion::Cleared), "an earlier process may have suspected it");
    assert!((0..300).all(|_| healthy.count(false).is_none()));
}
