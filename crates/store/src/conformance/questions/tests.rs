//! Whether every verb of the store is either asked here or one that has nothing to look for.

use std::collections::BTreeSet;

use super::*;

/// The traits, as they are written.
const TRAITS: [&str; 13] = [
    include_str!("../../intake.rs"),
    include_str!("../../dispatch.rs"),
    include_str!("../../people.rs"),
    include_str!("../../read.rs"),
    include_str!("../../registry.rs"),
    include_str!("../../keep.rs"),
    include_str!("../../watch.rs"),
    include_str!("../../reading.rs"),
    include_str!("../../nodes.rs"),
    include_str!("../../shapes.rs"),
    include_str!("../../listen.rs"),
    include_str!("../../notices.rs"),
    include_str!("../../audit.rs"),
];

/// Verbs that change something, wait, or tell what is in memory. What they look up they are given the ids of, or they
/// are bounded by a limit that their caller passes.
const CHANGES: [&str; 68] = [
    "accept",
    "keep_requests",
    "rejudge",
    "claim_due",
    "keep_prepared",
    "settle",
    "rescue_lapsed",
    "retry",
    "cancel",
    "cancel_matching",
    "hold",
    "resume",
    "set_destination_status",
    "create_replay",
    "replay_step",
    "cancel_replay",
    "put_object",
    "retire_object",
    "put_api_key",
    "revoke_api_key",
    "touch_api_keys",
    "begin_idempotent",
    "finish_idempotent",
    "raise_alert",
    "resolve_alert",
    "put_setting",
    "exchange_setting",
    "keep_setting",
    "put_claimed_setting",
    "prune",
    "ping",
    "stats",
    "close",
    "record_calls",
    "add_figures",
    "take_stream",
    "renew_stream",
    "leave_stream",
    "commit_page",
    "forget_checkpoint",
    "note_polls",
    "put_absent_subjects",
    "put_run",
    "end_lost_runs",
    "add_gaps",
    "mark_late",
    "reserve",
    "learn_budget",
    "is_shared",
    "beat",
    "take_charges",
    "leave_charges",
    "leave",
    "lost_claims",
    "tell",
    "hint",
    "save_shape",
    "forget_shape",
    "open_listener",
    "move_listener",
    "forget_listener",
    "acknowledge_alert",
    "step_cause",
    "claim_notices",
    "end_notice",
    "append_audit",
    "put_audit_statement",
    "prune_audit",
];

/// The methods of the traits in a file: those that stand one step in, behind `pub trait`.
fn verbs(file: &str) -> impl Iterator<Item = &str> {
    let from = file.find("\npub trait").expect("a trait");
    let methods = file[from..].lines().filter_map(|line| line.strip_prefix("    fn "));
    methods.map(|method| method.split(['(', '<']).next().unwrap_or_default())
}

#[test]
fn every_verb_is_asked_or_has_nothing_to_look_for() {
    let verbs: BTreeSet<&str> = TRAITS.iter().flat_map(|file| verbs(file)).collect();
    assert!(verbs.len() > 80, "only {} verbs were found: the rule would hold vacuously", verbs.len());
    let asked: BTreeSet<&str> =
        all(&Growth::tested(), 0, Duration::ZERO).iter().map(|question| question.verb).collect();
    let changes: BTreeSet<&str> = CHANGES.into_iter().collect();
    let known: BTreeSet<&str> = asked.union(&changes).copied().collect();
    assert_eq!(known, verbs, "a verb that reads needs its questions, one that writes its place in CHANGES");
    assert_eq!(asked.intersection(&changes).count(), 0, "a verb is one or the other");
}

#[test]
fn rounds_ask_the_same_of_other_rows() {
    let growth = Growth::tested();
    let names = |round| all(&growth, round, Duration::ZERO).iter().map(Question::name).collect::<Vec<_>>();
    assert_eq!(names(0), names(1));
    assert_ne!(number(&growth, 0), number(&growth, 1));
    assert_eq!(names(0).iter().collect::<BTreeSet<_>>().len(), names(0).len(), "each has a name of its own");
}
