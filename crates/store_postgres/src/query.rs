//! Every SQL statement this store runs, by name, from the files in `queries/`.
//!
//! Lists are an exception: `read` puts theirs together from pieces, because which index serves a list depends on its
//! filter. `copying` is another: its texts come from the list of columns that both stores share. And those about a single
//! partition are in `keep::text`, since its name is not known before.

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
    "schema.sql": bookkeeping server has_bookkeeping lock_schema applied_migrations note_migration ping database_bytes
        unknown_tables new_instance;
    "identities.sql": insert_identities insert_new_identities lock_identities put_identities delete_identities
        insert_subjects lock_subjects put_subjects sight;
    "events.sql": insert_tenant lock_tenant tenants insert_events event_by_id events_whole event_heads event_versions
        connections last_seq first_since accepted_before;
    "lanes.sql": insert_lanes lock_lanes put_lanes lane_heads next_of_lanes;
    "deliveries.sql": insert_open set_behind hurry peek_lanes lock_open end_born end_plain end_open move_open promote
        due_deliveries due_backfill next_due claim_deliveries claimed_whole insert_attempts put_prepared delete_prepared
        lapsed lock_lapsed lock_ended lock_event delete_ended count_late_tries
        hold_destination hold_route resume_destination resume_route
        open_ids delivery_by_id delivery_rows deliveries_of_event attempts prepared sightings backlog_open backlog_dead;
    "births.sql": insert_births lock_births lock_free_births share_births unfold_births births_of born_among all_births
        lapsed_births backlog_born;
    "requests.sql": insert_requests lock_requests set_verdict request rejected_total rejected_of delete_requests rejected_ids
        waiting pending_requests request_heads;
    "replays.sql": insert_replay replay lock_replay replays running_replays step_replay end_replay;
    "registry.sql": objects lock_object insert_object replace_object retire_object
        insert_api_key api_keys api_keys_of api_key revoke_api_key touch_api_keys
        begin_idempotent lock_idempotent restart_idempotent answer_idempotent forget_idempotent forget_unanswered
        setting put_setting keep_setting insert_setting exchange_setting
        put_destination activate_destination destinations;
    "alerts.sql": count_alert open_alert reopen_alert resolve_alert acknowledge_alert unsettled_alerts settle_alerts alerts open_alerts_of
        open_alerts;
    "notices.sql": insert_notices drop_notices close_notices told waiting_notices claim_notices end_notice notices;
    "prune.sql": take_duty weigh_events delete_events delete_ended_of delete_attempts_of delete_prepared_of
        delete_sightings_of raise_floor identities_from delete_old_identities lanes_from delete_lanes
        delete_old_requests old_idempotency old_alerts old_notices old_replays spans insert_span delete_span;
    "shapes.sql": shape lock_shape count_shapes insert_shape move_shape shapes last_shape_change insert_shape_changes
        trim_shape_changes shape_changes delete_shape delete_shape_changes;
    "reading.sql": insert_checkpoint lock_checkpoint lease_checkpoint renew_checkpoint leave_checkpoint move_checkpoint
        forget_checkpoint add_progress checkpoints known_subjects subjects_from absent_of forget_absent insert_absent
        put_run trim_runs lost_runs interrupt_runs run_by_id insert_gaps gaps_of_run mark_late
        insert_budget lock_budget put_budget budgets;
    "nodes.sql": beat gone_nodes forget_nodes nodes counters counter count_up count_up_from charges lock_lapsed_nodes lock_living_node take_charges
        leave_charges leave_all_charges tenants_in_charge forget_node own_claims;
    "audit.sql": insert_audit_chain lock_audit_chain put_audit_head insert_audit audit_by_time audit_chain audit_chains audit_chains_of
        insert_audit_statement audit_statements last_audit_statement cut_audit delete_audit delete_audit_statements;
    "hints.sql": notify listen;
    "copying.sql": last_numbers count_lanes put_heads raise_floor_to;
    "listen.sql": open_listener listener listeners move_listener forget_listener old_listeners;
    "watch.sql": insert_calls trim_calls insert_figures lock_figures put_figures forget_figures figures;
}

impl Query {
    pub(crate) const fn text(self) -> &'static str {
        TEXTS[self as usize]
    }
}

#[cfg(test)]
mod distributed;
#[cfg(test)]
pub(crate) mod plans;
#[cfg(test)]
mod tests;
