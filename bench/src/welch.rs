//! Whether two classes of measurements differ by more than chance does: Welch's t. It knows nothing of what was
//! measured.

/// What is slower than so many per cent of all measurements is left out in turn: interrupts and others' work hide small
/// differences, and a difference that shows in any of the cuts is one.
const KEPT_PERCENT: [usize; 6] = [50, 75, 90, 95, 99, 100];

/// Welch's t of two samples; 0 where one of them has fewer than two measurements or nothing varies.
#[must_use]
pub fn t(one: &[u32], other: &[u32]) -> f64 {
    let (one, other) = (Moments::of(one), Moments::of(other));
    let error = (one.variance / one.count + other.variance / other.count).sqrt();
    if error > 0.0 { (one.mean - other.mean) / error } else { 0.0 }
}

/// The t that is farthest from 0 over the cuts, each made at one value for both samples.
#[must_use]
pub fn t_over_cuts(one: &[u32], other: &[u32]) -> f64 {
    let mut all = [one, other].concat();
    all.sort_unstable();
    let cut = |percent: usize| {
        let most = crate::stats::percentile(&all, percent);
        let keep = |sample: &[u32]| sample.iter().copied().filter(|value| *value <= most).collect::<Vec<_>>();
        t(&keep(one), &keep(other))
    };
    KEPT_PERCENT.map(cut).into_iter().max_by(|one, other| one.abs().total_cmp(&other.abs())).unwrap_or_default()
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(sample: &[u32]) -> Self {
        let count = sample.len() as f64;
        let mean = sample.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares: f64 = sample.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum();
        Self { count, mean, variance: if sample.len() > 1 { squares / (count - 1.0) } else { f64::NAN } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_is_that_of_the_textbook() {
        let (one, other) = ([30, 28, 31, 27, 29, 35], [26, 22, 25, 30, 21, 24]);
        // Means 30 and 24.666…, variances 8 and 10.266…, six each.
        let expected = (30.0 - 148.0 / 6.0) / (8.0_f64 / 6.0 + (308.0 / 6.0 / 5.0) / 6.0).sqrt();
        assert!((t(&one, &other) - expected).abs() < 1e-9, "{} instead of {expected}", t(&one, &other));
        assert!((t(&other, &one) + expected).abs() < 1e-9, "and the other way round");
    }

    #[test]
    fn samples_that_say_nothing_have_no_t() {
        for (one, other) in [(&[][..], &[][..]), (&[5], &[7]), (&[5, 5], &[5, 5]), (&[5, 5, 5], &[9])] {
            assert_eq!(t(one, other), 0.0, "{one:?} {other:?}");
            assert_eq!(t_over_cuts(one, other), 0.0, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_few_long_waits_do_not_hide_a_small_difference() {
        let quick = |base: u32| (0..1000).map(move |n| if n % 100 == 99 { 1_000_000 * (n + 1) } else { base + n % 10 });
        let (one, other): (Vec<_>, Vec<_>) = (quick(1000).collect(), quick(1002).collect());
        assert!(t(&one, &other).abs() < 1.0, "all of them: {}", t(&one, &other));
        assert!(t_over_cuts(&one, &other) < -10.0, "{}", t_over_cuts(&one, &other));
        assert!(t_over_cuts(&one, &one).abs() < 1e-9);
    }
}
