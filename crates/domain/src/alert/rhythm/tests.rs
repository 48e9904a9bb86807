//! Sources of many rhythms, as they keep them and as they stop.

use super::*;
use crate::alert::rule::Thresholds;

/// Monday, 2026-01-05T00:00:00Z, as a number of minutes.
const MONDAY: i64 = 1_767_571_200 / 60;
const DAY: i64 = MINUTES_OF_DAY;
const WEEK: i64 = 7 * DAY;

/// A source that says something in some minutes, and is listened to as a gateway would.
struct World {
    /// How many events come in each minute since `MONDAY`, and in each hour.
    minutes: Vec<u64>,
    hours: Vec<u64>,
}

impl World {
    fn new(speaks: impl Fn(i64) -> u64) -> Self {
        let minutes: Vec<u64> = (0..6 * WEEK).map(speaks).collect();
        let hours = minutes.chunks(60).map(|hour| hour.iter().sum()).collect();
        Self { minutes, hours }
    }

    fn heard(&self, minute: i64) -> Heard {
        let at = |index: i64| usize::try_from(index).expect("after the start");
        let hour = minute / 60;
        let past = ((hour - 31 * 24).max(0)..hour).map(|hour| (hour, self.hours[at(hour)]));
        let begun = (hour, self.minutes[at(hour * 60)..=at(minute)].iter().sum());
        let hours = past.chain([begun]).map(|(hour, count)| (MONDAY / 60 + hour, count));
        let minutes = ((minute - DAY - 60).max(0)..=minute).map(|minute| (MONDAY + minute, self.minutes[at(minute)]));
        let hours = hours.filter(|(_, count)| *count > 0).collect();
        let minutes = minutes.filter(|(_, count)| *count > 0).collect();
        let marks = Thresholds::default().silence;
        let now = Timestamp::from_secs((MONDAY + minute) * 60 + 30);
        listen(History { hours: &hours, minutes: &minutes }, &marks, now)
    }

    /// The first minute of a span in which it is silent, looked at every five.
    fn silent_in(&self, span: std::ops::Range<i64>) -> Option<i64> {
        span.step_by(5).find(|minute| matches!(self.heard(*minute), Heard::Silent { .. }))
    }
}

/// Chance by a number: which minutes of a thin source speak.
fn mixed(minute: i64) -> u64 {
    let mut x = u64::try_from(minute).expect("after the start").wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 29)
}

fn office(minute: i64) -> bool {
    let (day, hour) = (minute.div_euclid(DAY) % 7, minute.rem_euclid(DAY) / 60);
    day < 5 && (9..17).contains(&hour)
}

type Speaks = fn(i64) -> u64;

const ALWAYS: Speaks = |_| 10;
const OFFICE: Speaks = |minute| if office(minute) { 2 } else { 0 };
const NIGHTLY: Speaks = |minute| if minute.rem_euclid(DAY) == 150 { 1_000 } else { 0 };
const NIGHTLY_ONE: Speaks = |minute| if minute.rem_euclid(DAY) == 150 { 1 } else { 0 };
const THIN: Speaks = |minute| u64::from(mixed(minute).is_multiple_of(200));
const LUNCH: Speaks = |minute| if (730..780).contains(&minute.rem_euclid(DAY)) { 0 } else { 5 };
const WEEKLY: Speaks = |minute| if minute.rem_euclid(WEEK) == 3 * DAY + 600 { 50 } else { 0 };

#[test]
fn a_source_that_keeps_its_rhythm_is_never_silent() {
    let rhythms: [(&str, Speaks); 7] = [
        ("always", ALWAYS),
        ("office hours", OFFICE),
        ("nightly batch", NIGHTLY),
        ("nightly event", NIGHTLY_ONE),
        ("now and then", THIN),
        ("with a lunch break", LUNCH),
        ("weekly", WEEKLY),
    ];
    for (name, speaks) in rhythms {
        let world = World::new(speaks);
        assert_eq!(world.silent_in(2 * WEEK..2 * WEEK + 3 * DAY), None, "{name}, in the third week");
        assert_eq!(world.silent_in(4 * WEEK + 4 * DAY..5 * WEEK), None, "{name}, to the end of the fifth week");
    }
}

/// When the one that stopped at a time is called silent, in minutes after that.
fn noticed(speaks: Speaks, stopped: i64, within: i64) -> Option<i64> {
    let world = World::new(move |minute| if minute < stopped { speaks(minute) } else { 0 });
    world.silent_in(stopped..stopped + within).map(|minute| minute - stopped)
}

#[test]
fn a_source_that_stops_is_silent_as_soon_as_its_rhythm_says_so() {
    let tuesday = 4 * WEEK + DAY;
    // Busy at all hours: within the quarter of an hour that is the least.
    assert!((15..=20).contains(&noticed(ALWAYS, tuesday + 100, DAY).expect("noticed")));
    // It stops with the day's end on Friday: the first hours of Monday tell.
    let friday = 4 * WEEK + 4 * DAY + 17 * 60;
    let monday = 5 * WEEK + 9 * 60;
    let after_monday = friday + noticed(OFFICE, friday, 4 * DAY).expect("noticed") - monday;
    assert!((0..=120).contains(&after_monday), "{after_monday} minutes after the doors opened");
    // It stops on a Tuesday morning.
    let after = noticed(OFFICE, tuesday + 10 * 60 + 20, DAY).expect("noticed");
    assert!((15..=150).contains(&after), "{after}");
    // The second night without its job tells, however much it used to bring.
    let after = noticed(NIGHTLY_ONE, tuesday, 4 * DAY).expect("noticed");
    assert!((DAY..=DAY + 6 * 60).contains(&after), "{after}");
    assert!(noticed(NIGHTLY, tuesday, 4 * DAY).is_some_and(|after| after <= DAY + 6 * 60));
    // A break at noon does not hide a failure after it.
    assert!(noticed(LUNCH, tuesday + 15 * 60, DAY).is_some_and(|after| after <= 180));
}

#[test]
fn nothing_is_said_of_a_source_before_its_rhythm_is_known() {
    let world = World::new(|minute| if minute < 10 * DAY { 10 } else { 0 });
    assert_eq!(world.heard(13 * DAY), Heard::Learning);
    assert_eq!(World::new(|_| 0).heard(20 * DAY), Heard::Learning);
    assert!(noticed(ALWAYS, 2 * WEEK + 60, DAY).is_some(), "two weeks are enough");
}

#[test]
fn what_a_zone_does_to_its_clocks_is_no_silence() {
    // From the fifth week on everything comes an hour later.
    let world = World::new(|minute| OFFICE(if minute < 4 * WEEK { minute } else { minute - 60 }));
    assert_eq!(world.silent_in(4 * WEEK..4 * WEEK + 5 * DAY), None);
    let world = World::new(|minute| NIGHTLY(if minute < 4 * WEEK { minute } else { minute - 60 }));
    assert_eq!(world.silent_in(4 * WEEK..4 * WEEK + 5 * DAY), None);
}

#[test]
fn one_silent_week_of_four_does_not_blind_it() {
    let away = |minute: i64| (2 * WEEK..3 * WEEK).contains(&minute);
    let world = World::new(move |minute| if away(minute) || minute >= 4 * WEEK + DAY { 0 } else { ALWAYS(minute) });
    assert!(world.silent_in(4 * WEEK + DAY..4 * WEEK + 2 * DAY).is_some());
}

#[test]
fn what_is_silent_says_since_when_and_how_much_is_missing() {
    let stopped = 4 * WEEK + DAY;
    let world = World::new(move |minute| if minute < stopped { 10 } else { 0 });
    let Heard::Silent { since, expected } = world.heard(stopped + 20) else { panic!("it is silent") };
    assert_eq!(since, Timestamp::from_secs((MONDAY + stopped) * 60));
    assert_eq!(expected, 200);
}
