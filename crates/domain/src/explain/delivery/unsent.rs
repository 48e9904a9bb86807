//! Rules about deliveries that were not sent: they wait, or could not be prepared.

use super::super::{Rule, Said, certain, in_words, likely};
use super::{Facts, Standing};
use crate::DeliveryState;

pub(super) const RULES: &[Rule<Facts>] = &[
    ("destination_paused", destination_paused),
    ("destination_disabled", destination_disabled),
    ("destination_removed", destination_removed),
    ("route_removed", route_removed),
    ("behind_another", behind_another),
    ("breaker_open", breaker_open),
    ("filtered_by_when", filtered_by_when),
    ("stale_dropped", stale_dropped),
    ("map_gave_nothing", map_gave_nothing),
    ("expression_failed", expression_failed),
    ("expression_too_heavy", expression_too_heavy),
    ("record_unfetched", record_unfetched),
    ("enrich_id_invalid", enrich_id_invalid),
    ("gateway_loop", gateway_loop),
    ("end_unknown", end_unknown),
];

fn is_held(facts: &Facts, standing: Standing) -> bool {
    facts.state == DeliveryState::Held && facts.destination.standing == standing
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn destination_paused(facts: &Facts) -> Option<Said> {
    let destination = &facts.destination;
    is_held(facts, Standing::Paused).then_some(())?;
    certain(
        format!("Destination '{}' is paused{}.", destination.name, because(&destination.why)),
        "Resume it: what is held goes first.",
    )
}

fn destination_disabled(facts: &Facts) -> Option<Said> {
    let destination = &facts.destination;
    is_held(facts, Standing::Disabled).then_some(())?;
    certain(
        format!("Destination '{}' is disabled{}.", destination.name, because(&destination.why)),
        "Find out why it wanted no more (it answers 410 Gone when it is taken out of service), then resume it.",
    )
}

fn destination_removed(facts: &Facts) -> Option<Said> {
    is_held(facts, Standing::Retired).then_some(())?;
    certain(
        format!(
            "Destination '{}' was removed from the configuration, so there is nowhere to send to.",
            facts.destination.name
        ),
        "Configure it again under this name, or cancel the delivery.",
    )
}

fn route_removed(facts: &Facts) -> Option<Said> {
    (facts.state == DeliveryState::Held && facts.route_gone).then_some(())?;
    certain(
        format!("Route '{}' was removed from the configuration while it still owed this.", facts.route),
        "Configure it again under this name, or cancel the delivery.",
    )
}

fn behind_another(facts: &Facts) -> Option<Said> {
    (facts.behind && facts.state.is_open()).then_some(())?;
    let subject = facts.subject.as_deref().unwrap_or("its destination");
    certain(
        format!("An earlier delivery of {subject} has not ended: this one waits its turn, because order is promised."),
        "Look at the earlier one: cancel it if it cannot be delivered, or set `on_dead: continue` on the route so \
             that a dead one holds nobody up.",
    )
}

fn breaker_open(facts: &Facts) -> Option<Said> {
    let waits = matches!(facts.state, DeliveryState::Pending | DeliveryState::Retrying);
    (waits && facts.destination.breaker_open && !facts.behind).then_some(())?;
    certain(
        format!(
            "'{}' failed so often in a row that everything for it waits; a single delivery tries it now and then. \
                 No try of this one is used up meanwhile.",
            facts.destination.name
        ),
        "Bring the destination back: deliveries go on by themselves as soon as one try succeeds.",
    )
}

fn filtered_by_when(facts: &Facts) -> Option<Said> {
    (facts.state == DeliveryState::Filtered).then_some(())?;
    facts.cause_is("when")?;
    certain(
        format!("`when` of route '{}' is not true for this event.", facts.route),
        format!(
            "If it should be: `trireme try {} --event ID --when '…'` shows what another condition says. A misspelt \
                 name is simply false in JSONata.",
            facts.route
        ),
    )
}

fn stale_dropped(facts: &Facts) -> Option<Said> {
    (facts.state == DeliveryState::Filtered).then_some(())?;
    facts.cause_is("stale")?;
    certain(
        format!(
            "A later version of {} was sent before, and route '{}' drops what is stale.",
            facts.subject.as_deref().unwrap_or("the same thing"),
            facts.route
        ),
        "Nothing has to be done; set `stale: deliver` on the route if the destination wants every version.",
    )
}

fn map_gave_nothing(facts: &Facts) -> Option<Said> {
    facts.cause_is("map_gave_nothing")?;
    certain(
        format!("`map` of route '{}' gives nothing for this event: what it names is not in it.", facts.route),
        format!(
            "Try it on the event with `trireme try {} --event ID --map '…'`, or keep such events out with `when`.",
            facts.route
        ),
    )
}

fn expression_failed(facts: &Facts) -> Option<Said> {
    let detail = facts.cause_is("expression_failed")?;
    (!is_heavy(detail)).then_some(())?;
    certain(
        format!("An expression of route '{}' fails on this event: {detail}.", facts.route),
        "Correct it (often a field is missing or of another type here: guard it with `$exists` or a default), then \
             retry the delivery.",
    )
}

fn expression_too_heavy(facts: &Facts) -> Option<Said> {
    let heavy = facts.cause_is("expression_failed").is_some_and(is_heavy);
    (heavy || facts.cause_is("expression_panicked").is_some()).then_some(())?;
    certain(
        format!("An expression of route '{}' would take more time or memory on this event than it may.", facts.route),
        "Look for a loop over a long list, or a wildcard over a large event; choose fewer fields, then retry the \
             delivery.",
    )
}

/// What the limits of expressions are told as.
fn is_heavy(detail: &str) -> bool {
    ["it would need", "D1011", "D1012", "D2015", "U1001", "U1002"].iter().any(|mark| detail.contains(mark))
}

fn record_unfetched(facts: &Facts) -> Option<Said> {
    let detail = facts
        .cause_is("record_unfetched")
        .or_else(|| facts.ended("record_unfetched").map(|last| last.error.as_str()))?;
    likely(
        format!("A record that route '{}' adds to the event could not be had from its source: {detail}.", facts.route),
        "The destination has no part in it. Check the source's connection (its credentials and its budget), then \
             retry the delivery.",
    )
}

fn enrich_id_invalid(facts: &Facts) -> Option<Said> {
    let detail = facts.cause_is("enrich_id_invalid")?;
    certain(
        format!("Route '{}' does not find the id of the record that it wants to add: {detail}.", facts.route),
        "Correct the `id` under `enrich`, or keep events without one out with `when`.",
    )
}

fn gateway_loop(facts: &Facts) -> Option<Said> {
    let detail = facts.cause_is("hop_limit")?;
    certain(
        format!("The event goes round in a circle: {detail}."),
        "Take one of the routes away by which these gateways deliver to each other.",
    )
}

fn end_unknown(facts: &Facts) -> Option<Said> {
    let last = facts.ended(crate::delivery::END_UNKNOWN)?;
    certain(
        format!(
            "The gateway stopped or lost its store during the try {} ago, so nobody knows whether it arrived.",
            in_words(facts.now.since(last.at))
        ),
        format!(
            "Nothing has to be done there: {} has the same `webhook-id`, by which the destination can tell it.",
            facts.next_try()
        ),
    )
}
