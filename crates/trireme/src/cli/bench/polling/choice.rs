//! One decision of the schedule: which of many streams the next request goes to, and what its answer teaches.

use std::time::Duration;

use bench::scenario::Choice;
use bench::stopwatch::thread_cpu;
use domain::Timestamp;
use domain::poll::{Found, Next, Schedule, Terms};

use super::Failed;

/// Enough for a figure that a second run repeats.
const ROUNDS: usize = 20_000;
const BEGINS: Timestamp = Timestamp::from_secs(1_767_225_600);

pub fn measure(streams: usize) -> Result<Choice, Failed> {
    let mut schedule = Schedule::default();
    // Long enough that all of them may be asked.
    let mut now = BEGINS + Duration::from_secs(60);
    (0..streams).for_each(|stream| schedule.put(stream, Terms::default(), BEGINS));
    let (mut picking, mut updating) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        now = now + Duration::from_millis(720);
        let began = thread_cpu();
        let next = schedule.next(now);
        picking += thread_cpu() - began;
        let Next::Ask(stream) = next else { return Err(format!("nothing to ask in round {round}: {next:?}").into()) };
        let found = if stream % 7 == 0 { Found::Changes(1) } else { Found::Nothing };
        let began = thread_cpu();
        schedule.asked(&stream, found, now, None);
        updating += thread_cpu() - began;
    }
    let of_one = |time: Duration| time.as_secs_f64() * 1e6 / ROUNDS as f64;
    Ok(Choice { streams, pick_us: of_one(picking), update_us: of_one(updating) })
}
