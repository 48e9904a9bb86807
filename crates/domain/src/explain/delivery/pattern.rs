//! Rules about how tries fared over time: alone, one says less than all.

use std::time::Duration;

use super::super::{Rule, Said, in_words, likely, possible};
use super::{Facts, Minute, Try};

pub(super) const RULES: &[Rule<Facts>] = &[
    ("slow_handler", slow_handler),
    ("slow_start", slow_start),
    ("short_outage", short_outage),
    ("steady_errors", steady_errors),
    ("errors_now_and_then", errors_now_and_then),
    ("one_message_fails", one_message_fails),
];

/// Failures of a restart are over within so long.
const RESTART_MAX: Duration = Duration::from_secs(10 * 60);
/// Fewer tries say nothing about a destination as a whole.
const TRIES_MIN: u64 = 5;

fn is_timeout(tried: &Try) -> bool {
    matches!(&*tried.outcome, "first_byte_timeout" | "total_timeout")
}

fn is_server_error(tried: &Try) -> bool {
    tried.status.is_some_and(|status| (500..600).contains(&status))
}

/// Tries of the destination in the last hour, and how many of them failed.
fn of_all(facts: &Facts) -> (u64, u64) {
    facts.minutes.iter().fold((0, 0), |(tries, failed), minute| (tries + minute.tries, failed + minute.failed))
}

/// Minutes in which everything went well.
fn is_well(minute: &Minute) -> bool {
    minute.tries > 0 && minute.failed == 0
}

/// The first and last minute with failures, if there was a good one before.
fn outage(facts: &Facts) -> Option<(Minute, Minute)> {
    let first = *facts.minutes.iter().find(|minute| minute.failed > 0)?;
    let last = *facts.minutes.iter().rev().find(|minute| minute.failed > 0)?;
    facts.minutes.iter().any(|minute| is_well(minute) && minute.at < first.at).then_some((first, last))
}

/// It was well before, failed for a short time, and is well again.
fn is_restart(facts: &Facts) -> Option<Duration> {
    let (first, last) = outage(facts)?;
    let after = facts.minutes.iter().any(|minute| is_well(minute) && minute.at > last.at);
    let lasted = last.at.since(first.at) + Duration::from_secs(60);
    (after && lasted <= RESTART_MAX).then_some(lasted)
}

fn slow_handler(facts: &Facts) -> Option<Said> {
    facts.failed().filter(|last| is_timeout(last))?;
    let (tries, failed) = of_all(facts);
    let steady =
        facts.tries.iter().filter(|tried| is_timeout(tried)).count() > 1 || (tries >= TRIES_MIN && failed == tries);
    (steady && is_restart(facts).is_none()).then_some(())?;
    likely(
        format!(
            "{} takes the message and does not answer within {}, time after time: it does the work before it answers.",
            facts.destination.host,
            in_words(facts.destination.first_byte)
        ),
        "Let the handler keep the message and answer 2xx at once, and do the work afterwards. If it has to take \
             long, raise the destination's `timeouts`.",
    )
}

fn slow_start(facts: &Facts) -> Option<Said> {
    facts.failed().filter(|last| is_timeout(last))?;
    let lone = facts.tries.iter().filter(|tried| is_timeout(tried)).count() == 1;
    let (tries, failed) = of_all(facts);
    (lone && tries > failed && is_restart(facts).is_none()).then_some(())?;
    possible(
        format!(
            "{} answers others in time and was late for this one: it was waking up (a function that starts cold, a \
                 machine that scales to zero), or was busy for a moment.",
            facts.destination.host
        ),
        format!(
            "Nothing has to be done there: {} probably finds it awake. If that happens often, keep one instance running.",
            facts.next_try()
        ),
    )
}

fn short_outage(facts: &Facts) -> Option<Said> {
    let last = facts.failed()?;
    let by_absence = is_timeout(last)
        || is_server_error(last)
        || matches!(&*last.outcome, "connect_failed" | "connect_timeout" | "connection_reset");
    by_absence.then_some(())?;
    let lasted = is_restart(facts)?;
    likely(
        format!(
            "'{}' was well before, failed for about {}, and is well again: that is how a deployment or a restart \
                 looks.",
            facts.destination.name,
            in_words(lasted)
        ),
        format!(
            "Nothing has to be done there: {} finds it well. So that a restart costs none, let the old instance \
                 answer until the new one is ready, and close connections after their last request.",
            facts.next_try()
        ),
    )
}

fn steady_errors(facts: &Facts) -> Option<Said> {
    let last = facts.failed().filter(|last| is_server_error(last))?;
    let (tries, failed) = of_all(facts);
    (tries >= TRIES_MIN && failed == tries).then_some(())?;
    let status = last.status?;
    likely(
        format!(
            "All {tries} tries for '{}' in the last hour failed, this one with {status}: it is broken for \
                 everything, not for this message.",
            facts.destination.name
        ),
        "Look into its log, and at what was changed last. Once it is well, try all its dead letters again together \
             (`trireme dead-letters retry --all --destination NAME`).",
    )
}

fn errors_now_and_then(facts: &Facts) -> Option<Said> {
    facts.failed().filter(|last| is_server_error(last))?;
    let (tries, failed) = of_all(facts);
    // Neither nearly all nor nearly none.
    (tries >= TRIES_MIN && failed * 10 >= tries && failed * 10 <= tries * 9 && is_restart(facts).is_none())
        .then_some(())?;
    possible(
        format!(
            "{failed} of {tries} tries for '{}' in the last hour failed: it fails under load, or one of several \
                 instances is broken.",
            facts.destination.name
        ),
        "Compare the instances. If load is the reason, set the destination's `rate_limit` or lower its `concurrency`.",
    )
}

fn one_message_fails(facts: &Facts) -> Option<Said> {
    facts.failed().filter(|last| is_server_error(last))?;
    let own = facts.tries.iter().filter(|tried| is_server_error(tried)).count();
    let (tries, failed) = of_all(facts);
    (own >= 2 && tries >= 2 * TRIES_MIN && failed * 10 < tries && is_restart(facts).is_none()).then_some(())?;
    likely(
        format!(
            "'{}' takes others and fails on this message each time: something in it breaks the program.",
            facts.destination.name
        ),
        "Bring it to a program under a debugger (`trireme listen`), and handle what is unusual about it. Then \
             retry the delivery.",
    )
}
