//! `retry`: how the waits between tries grow, and how many tries there are.

use std::time::Duration;

use domain::retry::{ATTEMPTS_MAX, Backoff, RetryPolicy, WAIT_MAX};

use super::reader::{At, Fields};

/// Shortest wait of a policy: less would be a busy loop against a destination that is down.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// Most waits in a list; the last one repeats, so that longer lists say nothing new.
const LIST_MAX: usize = 100;
/// Growth of an exponential policy that names none.
const FACTOR_DEFAULT: u32 = 2;
/// Beyond ten, the second wait is already the longest.
const FACTOR_MAX: u32 = 10;

pub(super) fn retry(at: &At<'_>) -> Option<RetryPolicy> {
    let standard = RetryPolicy::default();
    let mut fields = at.fields()?;
    let (backoff, tries) = backoff(&mut fields).unwrap_or((standard.backoff, standard.attempts));
    let attempts = fields.take("attempts").and_then(|at| at.integer(1..=ATTEMPTS_MAX)).unwrap_or(tries);
    let jitter_percent = fields.take("jitter").and_then(|at| at.percent()).unwrap_or(standard.jitter_percent);
    fields.finish();
    Some(RetryPolicy { backoff, attempts, jitter_percent })
}

/// The one way of growing that was chosen, with the number of tries that goes with it by default.
fn backoff(fields: &mut Fields<'_>) -> Option<(Backoff, u32)> {
    let tries = RetryPolicy::default().attempts;
    let (fibonacci, exponential, list) = (fields.take("fibonacci"), fields.take("exponential"), fields.take("list"));
    let (factor, max) = (fields.take("factor"), fields.take("max"));
    only_with(factor.as_ref(), "factor", "exponential", exponential.is_some());
    only_with(max.as_ref(), "max", "fibonacci or exponential", fibonacci.is_some() || exponential.is_some());
    let longest = max.and_then(|at| wait(&at)).unwrap_or(WAIT_MAX);
    let chosen: Vec<&At<'_>> = [&fibonacci, &exponential, &list].into_iter().flatten().collect();
    if let [_, second, ..] = chosen[..] {
        let message = "more than one of 'fibonacci', 'exponential' and 'list' is given";
        second.error("conflict", message, "keep the one that you mean");
    }
    if let Some(at) = fibonacci {
        return Some((Backoff::Fibonacci { first: wait(&at)?, max: longest }, tries));
    }
    if let Some(at) = exponential {
        let factor = factor.and_then(|at| at.integer(2..=FACTOR_MAX)).unwrap_or(FACTOR_DEFAULT);
        return Some((Backoff::Exponential { first: wait(&at)?, factor, max: longest }, tries));
    }
    let waits = waits(&list?)?;
    let tries = u32::try_from(waits.len()).unwrap_or(u32::MAX).saturating_add(1);
    Some((Backoff::List(waits), tries))
}

fn only_with(at: Option<&At<'_>>, key: &str, owner: &str, is_there: bool) {
    if let Some(at) = at.filter(|_| !is_there) {
        at.error(
            "conflict",
            format!("'{key}' says nothing without {owner}"),
            format!("add {owner}, or remove '{key}'"),
        );
    }
}

fn wait(at: &At<'_>) -> Option<Duration> {
    at.duration(WAIT_MIN..=WAIT_MAX)
}

fn waits(at: &At<'_>) -> Option<Vec<Duration>> {
    let items = at.items()?;
    if items.is_empty() || items.len() > LIST_MAX {
        at.error("out_of_range", format!("a list of 1 to {LIST_MAX} waits is needed"), "write it as [5s, 5m, 1h]");
    }
    Some(items.iter().filter_map(wait).collect())
}
