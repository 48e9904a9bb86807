//! The parts that only compute: a signature, and one value looked up in a body.

use std::hint::black_box;
use std::time::Duration;

use ring::hmac;

use crate::payload::find_id;
use crate::stopwatch::thread_cpu;

/// CPU time spent on each: long against the clock's own cost, short against the run.
const SPEND: Duration = Duration::from_millis(100);
/// Operations between two looks at the clock.
const BATCH: u32 = 1000;

pub(super) fn hmac_us() -> f64 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"calibration");
    let body = [b'o'; crate::payload::BODY_BYTES];
    each_us(|| hmac::sign(&key, black_box(&body)))
}

/// The value stands at the end, as the data of an envelope does.
pub(super) fn lookup_us() -> f64 {
    let mut body = vec![b' '; crate::payload::BODY_BYTES];
    let value = b"~00000000000000ff~";
    let start = body.len() - value.len();
    body[start..].copy_from_slice(value);
    each_us(|| find_id(black_box(&body)))
}

fn each_us<T>(operation: impl Fn() -> T) -> f64 {
    let started = thread_cpu();
    let mut count = 0.0;
    loop {
        for _ in 0..BATCH {
            black_box(operation());
        }
        count += f64::from(BATCH);
        let used = thread_cpu().saturating_sub(started);
        if used >= SPEND {
            return used.as_secs_f64() * 1e6 / count;
        }
    }
}
