//! What is said of a failure that no other rule knows: what was seen of it, and where more is to be found.

use super::super::{Rule, Said, in_words, possible};
use super::Facts;
use crate::DeliveryState;

pub(super) const RULES: &[Rule<Facts>] =
    &[("program_failed", program_failed), ("late_once", late_once), ("ended_otherwise", ended_otherwise)];

fn program_failed(facts: &Facts) -> Option<Said> {
    let last = facts.failed()?;
    let (status, host) = (last.status?, facts.host());
    let whose =
        if status >= 500 { "the program there failed on this message" } else { "it does not want this message" };
    possible(
        format!("{host} answers {status}: {whose}. Only a status from 200 to 299 counts as delivered."),
        format!(
            "Read its answer, which is kept with the try, and its own log at {}. Once the program takes the message, \
                 retry the delivery.",
            last.at
        ),
    )
}

fn late_once(facts: &Facts) -> Option<Said> {
    let last = facts.failed()?;
    matches!(&*last.outcome, "first_byte_timeout" | "total_timeout").then_some(())?;
    possible(
        format!(
            "{} took the message and did not answer within {}. Nothing else is known of it in the last hour.",
            facts.host(),
            in_words(last.duration)
        ),
        "See in its log whether it was busy. If it does its work before it answers, let it answer 2xx first, or raise \
             the destination's `timeouts`.",
    )
}

fn ended_otherwise(facts: &Facts) -> Option<Said> {
    let of_try = || facts.failed().filter(|last| last.status.is_none() && !last.outcome.ends_with("_timeout"));
    let of_cause = || facts.cause.clone().filter(|_| facts.state == DeliveryState::Dead && facts.last().is_none());
    let (code, detail) = of_try().map(|last| (last.outcome.clone(), last.error.clone())).or_else(of_cause)?;
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    possible(
        format!("It ended with `{code}`{detail}, and no rule knows more about that."),
        format!("Compare what '{}' is configured with, and its log, with what is said here.", facts.destination.name),
    )
}
