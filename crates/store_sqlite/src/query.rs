//! Every SQL statement this store runs, by name, from the files in `queries/`.
//!
//! A file holds the statements of one noun, each from a line `-- name: <name>` to the next empty line. Nothing else
//! contains SQL, `copying` aside, which puts its own together from the list of columns that both stores share.

use store::statements::section;

macro_rules! queries {
    ($($file:literal: $($name:ident)*;)*) => {
        /// A statement, named as in its file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(non_camel_case_types, reason = "the names are those of the .sql files, to be found by one search")]
        pub(crate) enum Query { $($($name,)*)* }

        // One by one: the compiler bounds how long it works on a single constant.
        const TEXTS: &[&str] =
            &[$($(const { section(include_str!(concat!("../queries/", $file)), stringify!($name)) },)*)*];

        #[cfg(test)]
        pub(crate) const ALL: &[Query] = &[$($(Query::$name,)*)*];
    };
}

queries! {
    "transaction.sql": begin begin_read commit rollback savepoint savepoint_rollback savepoint_release;
    "names.sql": name_id name_text insert_name;
    "counters.sql": counter put_counter last_event last_delivery;
    "events.sql": insert_event event_by_id event_by_seq event_row events_after last_seq first_since accepted_before
        events_by_time events_by_source events_by_subject next_connection;
    "identities.sql": insert_identity identity put_identity join_identity subject put_subject sight sightings;
    "deliveries.sql": insert_delivery recover_fresh due_deliveries due_backfill claim_delivery move_delivery bury_delivery
        delivery_head reopen_delivery count_try hurry set_due hold_delivery resume_delivery
        delivery_row delivery_by_id deliveries_of_event deliveries_by_id deliveries_by_state deliveries_by_replay
        next_open_destination open_of_destination open_groups oldest_open
        prepared put_prepared delete_prepared insert_attempt attempts;
    "lanes.sql": lane insert_lane set_head set_sent lane_head first_behind first_behind_version;
    "requests.sql": insert_request request set_verdict requests_by_id requests_by_source rejected_ids
        pending_requests waiting count_rejected rejected_total next_rejected delete_request;
    "replays.sql": insert_replay replay replays running_replays event_of_replay step_replay end_replay replay_seq;
    "registry.sql": objects object insert_object replace_object retire_object
        insert_api_key api_keys api_keys_of api_key revoke_api_key touch_api_key
        begin_idempotent idempotent restart_idempotent answer_idempotent forget_idempotent forget_unanswered
        setting put_setting keep_setting insert_setting exchange_setting
        put_destination activate_destination destinations;
    "alerts.sql": open_alert count_alert reopen_alert resolve_alert acknowledge_alert open_alert_by_id unsettled_alerts settle_alert alerts open_alerts_of
        open_alerts;
    "notices.sql": insert_notice drop_notice close_notices told waiting_notices due_notices claim_notice end_notice notices;
    "prune.sql": old_events deliveries_left delete_attempts delete_prepared_of delete_deliveries delete_sightings
        delete_event identities_from delete_identity old_requests old_idempotency old_alerts old_notices
        lanes_from delete_lane blocked_lanes old_replays;
    "watch.sql": insert_call trim_calls calls_by_seq calls_of_connection figure put_figure forget_figures figures;
    "shapes.sql": shape count_shapes insert_shape move_shape shapes last_shape_change insert_shape_change
        trim_shape_changes shape_changes delete_shape delete_shape_changes;
    "reading.sql": checkpoint insert_checkpoint lease_checkpoint renew_checkpoint leave_checkpoint move_checkpoint
        forget_checkpoint put_progress checkpoints end_leases known_subject subjects_from
        absent_of forget_absent insert_absent
        insert_run old_runs delete_run delete_gaps running_runs interrupt_run run_by_id runs_by_seq
        insert_gap count_gaps gaps_of_run late_gaps mark_late_gap
        budget put_budget budgets;
    "copying.sql": count_lanes number_is_taken put_head forget_rejected recount_rejected;
    "listen.sql": open_listener listener listeners move_listener forget_listener old_listeners;
    "audit.sql": insert_audit audit_head put_audit_head audit_by_time audit_chain audit_chains audit_chains_of
        insert_audit_statement audit_statements last_audit_statement cut_audit delete_audit delete_audit_statements;
}

impl Query {
    pub(crate) const COUNT: usize = TEXTS.len();

    pub(crate) const fn text(self) -> &'static str {
        TEXTS[self as usize]
    }
}

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;
