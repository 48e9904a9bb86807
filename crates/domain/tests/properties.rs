//! Properties of the pure decisions, over everything that can be thrown at them.

use std::time::Duration;

use domain::breaker::{Breaker, BreakerPolicy, BreakerState, Permit};
use domain::delivery::{DeliveryState, Outcome, settle};
use domain::ordering::{goes_before, head};
use domain::rate::{Rate, TokenBucket};
use domain::retry::{Backoff, RetryPolicy, WAIT_MAX};
use domain::subject::{SubjectState, advance};
use domain::{Timestamp, Version};
use proptest::prelude::*;

fn durations() -> impl Strategy<Value = Duration> {
    (0_u64..=u64::MAX / 1_000_000).prop_map(Duration::from_micros)
}

fn backoffs() -> impl Strategy<Value = Backoff> {
    prop_oneof![
        (durations(), durations()).prop_map(|(first, max)| Backoff::Fibonacci { first, max }),
        (durations(), any::<u32>(), durations()).prop_map(|(first, factor, max)| Backoff::Exponential {
            first,
            factor,
            max
        }),
        prop::collection::vec(durations(), 0..5).prop_map(Backoff::List),
    ]
}

fn policies() -> impl Strategy<Value = RetryPolicy> {
    (backoffs(), any::<u32>(), any::<u8>()).prop_map(|(backoff, attempts, jitter_percent)| RetryPolicy {
        backoff,
        attempts,
        jitter_percent,
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Delivered),
        Just(Outcome::Filtered),
        Just(Outcome::Gone),
        Just(Outcome::Unpreparable),
        prop::option::of(durations()).prop_map(|retry_after| Outcome::Failed { retry_after }),
        any::<i64>().prop_map(|due| Outcome::Untried { due: Timestamp::from_micros(due) }),
    ]
}

fn versions() -> impl Strategy<Value = Option<Version>> {
    prop_oneof![
        Just(None),
        (0_i64..4).prop_map(|number| Some(Version::Number(number))),
        (0_i64..4).prop_map(|secs| Some(Version::Time(Timestamp::from_secs(secs)))),
    ]
}

proptest! {
    #[test]
    fn every_end_of_a_try_is_a_step_of_the_machine(
        outcome in outcomes(), attempts in any::<u32>(), policy in policies(), now in any::<i64>(), chance in any::<f64>(),
    ) {
        let now = Timestamp::from_micros(now);
        let transition = settle(&outcome, attempts, &policy, now, chance);
        prop_assert!(DeliveryState::InFlight.can_become(transition.state));
        prop_assert!(transition.attempts >= attempts && transition.attempts <= attempts.saturating_add(1));
        prop_assert_eq!(transition.disable_destination, outcome == Outcome::Gone);
        if transition.state == DeliveryState::Retrying && !matches!(outcome, Outcome::Untried { .. }) {
            prop_assert!(transition.due >= now && transition.due <= now + WAIT_MAX);
        }
    }

    #[test]
    fn a_delivery_that_keeps_failing_dies_after_its_tries_and_not_before(policy in policies(), chance in 0.0..1.0_f64) {
        let policy = RetryPolicy { attempts: policy.attempts % 50, ..policy };
        let mut attempts = 0;
        loop {
            let transition = settle(&Outcome::Failed { retry_after: None }, attempts, &policy, Timestamp::EPOCH, chance);
            attempts = transition.attempts;
            if transition.state == DeliveryState::Dead {
                break;
            }
            prop_assert!(attempts < 50);
        }
        prop_assert_eq!(attempts, policy.attempts.max(1));
    }

    #[test]
    fn final_states_are_left_only_for_pending(from in 0..8_usize, to in 0..8_usize) {
        let (from, to) = (DeliveryState::ALL[from], DeliveryState::ALL[to]);
        if !from.is_open() && from.can_become(to) {
            prop_assert_eq!(to, DeliveryState::Pending);
        }
    }

    #[test]
    fn two_deliveries_never_both_go_before_the_other(a in versions(), b in versions(), first in 0_i64..9, second in 0_i64..9) {
        prop_assert!(!(goes_before((a, first), (b, second)) && goes_before((b, second), (a, first))));
        if first != second {
            prop_assert!(goes_before((a, first), (b, second)) || goes_before((b, second), (a, first)));
        }
    }

    #[test]
    fn a_lane_always_has_a_head_and_ends(versions in prop::collection::vec(versions(), 1..12)) {
        let mut waiting: Vec<_> = versions.into_iter().zip(0_i64..).collect();
        while !waiting.is_empty() {
            let next = head(&waiting);
            prop_assert!(next.is_some_and(|index| index < waiting.len()));
            waiting.remove(next.unwrap_or_default());
        }
    }

    #[test]
    fn a_bucket_never_gives_more_than_its_rate(count in 1_u32..500, asks in prop::collection::vec(0_u64..200_000, 1..400)) {
        let rate = Rate { count, per: Duration::from_secs(1) };
        let mut bucket = TokenBucket::new(rate, Timestamp::EPOCH);
        let (mut now, mut given) = (Timestamp::EPOCH, 0_u64);
        for wait in asks {
            now = now + Duration::from_micros(wait);
            match bucket.take(now) {
                Ok(()) => given += 1,
                Err(next) => prop_assert!(next > now),
            }
        }
        let most = f64::from(count) * (now.since(Timestamp::EPOCH).as_secs_f64() + 0.05);
        prop_assert!(given as f64 <= most + 1.0, "{given} of {most}");
    }

    #[test]
    fn a_breaker_never_lets_two_probes_go_at_once(steps in prop::collection::vec(0..4_u8, 1..200)) {
        let mut breaker = Breaker::new(BreakerPolicy { failures: 3, ..BreakerPolicy::default() });
        let (mut now, mut probing) = (Timestamp::EPOCH, false);
        for step in steps {
            now = now + Duration::from_millis(700);
            match step {
                0 => { breaker.succeeded(); probing = false; }
                1 => { breaker.failed(now); probing = false; }
                2 => { breaker.probe_withdrawn(); probing = false; }
                _ => match breaker.permit(now) {
                    Permit::Probe => { prop_assert!(!probing); probing = true; }
                    Permit::Free => prop_assert_eq!(breaker.state(), BreakerState::Closed),
                    Permit::Wait(until) => prop_assert!(until > now),
                },
            }
        }
    }

    #[test]
    fn a_subject_only_moves_forward(arrivals in prop::collection::vec((versions(), any::<bool>(), prop::option::of(0_u8..3)), 1..30)) {
        let mut row = None;
        for (version, deleted, reading) in arrivals {
            let reading = reading.map(|body| domain::identity::Digest::of(&[body]));
            let before: Option<domain::subject::SubjectRow> = row.clone();
            let moved = advance(before.as_ref(), &SubjectState { version, deleted, reading });
            if let Some(before) = &before {
                prop_assert!(moved.row.change >= before.change);
                prop_assert!(!matches!((moved.row.version, before.version), (Some(now), Some(then)) if now < then));
            }
            let again = advance(Some(&moved.row), &SubjectState { version, deleted, reading });
            if reading.is_some() {
                prop_assert_eq!(again.mark, None, "reading the same twice tells nothing new");
            }
            row = Some(moved.row);
        }
    }
}
