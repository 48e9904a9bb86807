//! The rules of the schedule, and what it is worth: a simulation against asking everything equally often.

use super::*;

const HOUR: u64 = 3_600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + i64::try_from(seconds).expect("small"))
}

fn terms(at_least: u64, at_most: u64) -> Terms {
    Terms { weight: 1.0, at_least: Duration::from_secs(at_least), at_most: Duration::from_secs(at_most) }
}

fn schedule(keys: &[&'static str], terms: Terms) -> Schedule<&'static str> {
    let mut schedule = Schedule::default();
    keys.iter().for_each(|key| schedule.put(*key, terms, at(0)));
    schedule
}

#[test]
fn nobody_is_asked_twice_at_once_nor_sooner_than_allowed() {
    let mut schedule = schedule(&["a"], terms(10, 100));
    assert_eq!(schedule.next(at(9)), Next::Wait(at(10)));
    assert_eq!(schedule.next(at(10)), Next::Ask("a"));
    assert_eq!(schedule.next(at(11)), Next::Idle);
    schedule.asked(&"a", Found::Nothing, at(12), None);
    assert_eq!(schedule.next(at(12)), Next::Wait(at(22)));
}

#[test]
fn what_the_source_asks_for_is_kept_whatever_is_hinted() {
    let mut schedule = schedule(&["a"], terms(1, 100));
    assert_eq!(schedule.next(at(5)), Next::Ask("a"));
    schedule.asked(&"a", Found::Nothing, at(5), Some(at(65)));
    schedule.hint(&"a");
    assert_eq!(schedule.next(at(64)), Next::Wait(at(65)));
    assert_eq!(schedule.next(at(65)), Next::Ask("a"));
}

#[test]
fn hints_go_first_and_then_those_that_waited_too_long() {
    let mut schedule = schedule(&["a", "b", "c"], terms(1, 50));
    schedule.put("slow", terms(1, 10), at(0));
    schedule.hint(&"c");
    assert_eq!(schedule.next(at(20)), Next::Ask("c"));
    assert_eq!(schedule.next(at(20)), Next::Ask("slow"));
}

#[test]
fn a_failure_teaches_nothing_but_when() {
    let mut schedule = schedule(&["a"], terms(5, 100));
    let before = schedule.rate(&"a");
    assert_eq!(schedule.next(at(10)), Next::Ask("a"));
    schedule.failed(&"a", at(11), Some(at(30)));
    assert_eq!(schedule.rate(&"a"), before);
    assert_eq!(schedule.next(at(12)), Next::Wait(at(30)));
    schedule.remove(&"a");
    assert_eq!(schedule.next(at(40)), Next::Idle);
}

#[test]
fn rates_are_learned_from_answers_of_one_bit_and_from_counts() {
    for count in [false, true] {
        let mut schedule = schedule(&["busy", "quiet"], terms(1, 10 * HOUR));
        // Four changes an hour against one in eight hours, each asked every ten minutes.
        for poll in 1..=600 {
            let now = at(poll * 600);
            let busy = if count {
                Found::Changes(u32::from(poll % 3 == 0) * 2)
            } else if poll % 3 == 0 {
                Found::Nothing
            } else {
                Found::Something
            };
            schedule.asked(&"busy", busy, now, None);
            let quiet = if poll % 48 == 0 { Found::Something } else { Found::Nothing };
            schedule.asked(&"quiet", quiet, now, None);
        }
        let (busy, quiet) = (schedule.rate(&"busy").unwrap() * 3_600.0, schedule.rate(&"quiet").unwrap() * 3_600.0);
        assert!((2.5..8.0).contains(&busy), "counted {count}: {busy}");
        assert!((0.08..0.3).contains(&quiet), "counted {count}: {quiet}");
    }
}

/// SplitMix64: the simulation is the same everywhere.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, rate: f64) -> f64 {
        -(1.0 - self.unit()).ln() / rate
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Streams with log-normal rates (σ = 2), a request every so many seconds, four days of which two are learning. Gives
/// by which factor the mean delay is shorter than when all are asked in turn, and by which it could be at best if the
/// rates were known.
fn gain(streams: usize, requests_per_hour: f64, seed: u64) -> (f64, f64) {
    let mut chance = Chance(seed);
    let rates: Vec<f64> = (0..streams).map(|_| (2.0 * chance.normal() - 2.0).exp() * 2.0 / 3_600.0).collect();
    let mean = rates.iter().sum::<f64>() / streams as f64;
    let rates: Vec<f64> = rates.iter().map(|rate| rate / mean * 2.0 / 3_600.0).collect();
    let mut changes: Vec<f64> = rates.iter().map(|rate| chance.exponential(*rate)).collect();
    let mut schedule = Schedule::default();
    (0..streams).for_each(|stream| schedule.put(stream, terms(1, 24 * HOUR), at(0)));
    let gap = 3_600.0 / requests_per_hour;
    let (mut delays, mut seen) = (0.0, 0_u64);
    for request in 1..(96.0 * requests_per_hour) as u64 {
        let seconds = request as f64 * gap;
        let now = Timestamp::from_micros(at(0).as_micros() + (seconds * 1e6) as i64);
        let Next::Ask(stream) = schedule.next(now) else { continue };
        let mut found = Found::Nothing;
        while changes[stream] < seconds {
            found = Found::Something;
            if seconds > 48.0 * 3_600.0 {
                delays += seconds - changes[stream];
                seen += 1;
            }
            changes[stream] += chance.exponential(rates[stream]);
        }
        schedule.asked(&stream, found, now, None);
    }
    let fixed = streams as f64 * gap / 2.0;
    let roots: f64 = rates.iter().map(|rate| rate.sqrt()).sum();
    (fixed / (delays / seen as f64), streams as f64 * rates.iter().sum::<f64>() / (roots * roots))
}

#[test]
fn the_same_requests_tell_of_changes_nearly_as_soon_as_if_the_rates_were_known() {
    let mut of_best = 0.0;
    for seed in 1..=2 {
        let (gain, best) = gain(40, 1_000.0, seed);
        of_best += gain / best / 2.0;
    }
    assert!(of_best >= 0.92, "{of_best}");
}
