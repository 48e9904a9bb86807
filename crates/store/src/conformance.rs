//! The promises of a store as tests: one function per promise, named by it, the same for every store.
//!
//! A store's own tests give [`conformance_suite!`](crate::conformance_suite) a value that opens it; each promise
//! becomes a test of its own. Nothing here knows what the store is made of.

pub mod accept;
pub mod audit;
pub mod claim;
pub mod copying;
pub mod growth;
pub mod identity;
pub mod keep;
pub mod lanes;
pub mod listen;
pub mod lists;
pub mod nodes;
pub mod notices;
pub mod people;
pub mod questions;
pub mod reading;
pub mod registry;
pub mod replays;
pub mod requests;
pub mod settle;
pub mod shapes;
pub mod timing;
pub mod walk;
pub mod watch;
mod world;

pub use world::Open;

/// Makes one `#[tokio::test]` per promise. Takes an expression that gives an [`Open`] for an empty store.
#[macro_export]
macro_rules! conformance_suite {
    ($open:expr) => {
        $crate::conformance_tests! { $open;
            accept:
                what_was_accepted_is_read_back_whole
                a_request_of_one_event_that_shares_its_uuid_is_still_named
                owed_deliveries_wait_and_their_destinations_are_named_once
                answers_are_in_the_order_of_the_groups
                a_group_that_cannot_be_stored_fails_alone_and_whole
                a_split_request_is_kept_beside_its_events_unless_nothing_of_it_is_new
                a_claim_at_birth_is_granted_and_settles
                a_claim_at_birth_is_not_granted_where_something_is_in_its_way
                a_claim_at_birth_ends_with_its_process_and_nothing_is_lost
                tenants_do_not_see_one_another;
            identity:
                the_same_message_is_one_event_before_and_after_a_restart
                messages_of_other_connections_are_other_facts
                equal_bytes_without_a_key_are_two_events
                equal_bytes_count_only_within_their_span
                a_request_judged_late_is_compared_by_when_it_came
                any_known_identity_makes_a_duplicate_and_the_others_are_remembered
                children_of_one_request_are_one_transaction_and_know_each_other
                every_path_is_sighted_on_its_own
                a_webhook_and_a_reading_of_the_same_state_are_one_event
                in_every_order_of_the_ways_one_change_is_one_event
                in_every_order_of_the_ways_two_changes_are_never_more_than_two_events
                two_webhooks_are_never_joined_by_their_state
                several_readings_of_one_tick_are_each_joined_by_a_webhook_of_their_own
                webhooks_join_what_was_read_within_their_tick_also_after_a_later_one_was_read
                webhooks_of_before_and_after_a_record_was_gone_within_one_tick_join_a_reading_each
                after_one_webhook_too_many_of_a_record_that_is_back_within_its_tick_a_reading_has_the_last_word
                a_change_within_the_tick_of_a_webhook_that_was_joined_is_told
                a_late_webhook_of_a_deletion_does_not_undo_that_the_record_is_back
                a_late_webhook_of_a_change_does_not_undo_that_the_record_is_gone
                two_webhooks_of_one_tick_with_a_reading_between_them_are_all_that_is_told
                a_new_version_that_is_read_after_a_webhook_without_one_is_told
                a_reading_that_tells_nothing_new_makes_no_event
                a_repeated_message_does_not_move_its_subject
                subjects_of_other_connections_have_states_of_their_own;
            claim:
                what_is_due_is_given_oldest_first_and_once
                a_claim_carries_all_that_a_try_needs
                asks_are_answered_in_order_and_apart
                backfilled_ones_are_given_after_all_others_and_into_room_of_their_own
                when_a_backfilled_one_is_due_is_told_with_the_others
                a_backfilled_one_that_a_person_retries_goes_with_the_others
                payloads_are_bounded_but_one_is_always_given
                what_is_due_later_is_told_and_given_then
                held_ones_are_not_given
                prepared_bytes_come_with_every_later_try
                a_lapsed_lease_is_a_try_of_unknown_end_that_counts
                rescue_takes_no_more_than_it_was_told
                a_lease_does_not_lapse_while_its_node_beats_and_others_do
                claims_end_with_their_process;
            settle:
                every_end_of_a_try_leads_where_it_says
                attempts_are_kept_whole_and_in_order
                a_try_that_was_not_made_leaves_no_trace
                only_the_claim_that_took_it_may_settle
                a_try_that_ends_after_its_delivery_was_cancelled_is_told_and_moves_nothing
                a_try_cannot_end_in_flight
                waiting_for_ever_is_still_waiting;
            lanes:
                who_waits_behind_a_backfilled_one_takes_it_along
                of_a_backfilled_one_and_another_the_earlier_version_still_goes_first
                one_after_another_as_accepted
                the_waiting_go_by_version_where_both_have_one
                an_earlier_version_does_not_overtake_what_is_being_sent_or_was_tried
                what_comes_after_a_later_version_was_sent_is_stale
                what_was_not_sent_makes_nothing_stale
                lanes_do_not_wait_for_one_another
                routes_of_one_destination_share_the_lane_of_a_subject
                a_destination_in_order_is_one_lane_without_versions
                settling_tells_whether_the_next_became_due
                after_a_dead_head_the_next_goes_unless_it_blocks
                a_blocking_dead_head_goes_first_when_it_is_retried
                a_blocking_dead_head_gives_way_when_it_is_cancelled
                a_dead_one_that_others_passed_joins_its_lane_again
                a_cancelled_head_lets_the_next_go_and_a_cancelled_other_does_not
                many_of_a_lane_are_cancelled_together_and_the_first_of_the_others_goes
                many_of_a_lane_are_retried_together_and_go_in_their_order
                a_held_head_keeps_its_lane
                a_lapsed_head_keeps_its_lane
                a_lane_of_many_gives_them_in_the_order_of_the_rule;
            requests:
                a_rejected_request_is_kept_whole
                what_was_rejected_first_stays_whatever_junk_comes_after
                junk_of_one_reason_pushes_out_only_its_own
                rejected_requests_are_bounded_by_bytes_too
                pending_requests_are_outside_of_the_bounds_and_come_when_due
                what_waits_is_counted_by_its_source_until_it_is_judged
                judging_again_gives_a_verdict_and_its_events_at_once
                an_unknown_request_is_not_judged
                judged_again_and_rejected_it_counts_towards_its_new_reason
                rejected_ids_are_listed_newest_first_and_paged
                requests_are_listed_by_every_filter_without_their_bodies
                accepting_a_kept_request_takes_it_off_its_bound;
            people:
                dead_and_cancelled_ones_are_retried_and_no_others
                open_ones_are_cancelled_and_no_others
                wishes_are_answered_in_order_and_unknown_ones_are_told
                a_retried_one_starts_over_and_keeps_its_history
                many_are_cancelled_by_filter_a_few_at_a_time
                wishes_for_many_are_answered_each_by_its_state
                a_held_destination_keeps_what_it_is_owed_until_it_is_resumed
                one_route_is_held_without_the_others
                a_destination_is_remembered_unless_it_is_plainly_active;
            replays:
                a_step_makes_its_deliveries_and_moves_the_position_at_once
                a_cancelled_replay_takes_no_more_steps
                a_step_from_where_a_replay_stands_no_more_is_not_made
                running_replays_go_on_after_a_restart_from_where_they_were
                replays_are_paged_newest_first
                events_that_retention_removed_are_passed_over
                replayed_deliveries_keep_the_order_of_their_lane;
            lists:
                events_are_listed_by_every_filter_newest_first
                a_search_finds_what_senders_escaped
                a_listed_event_has_everything_but_its_payload
                pages_stay_whole_while_events_arrive
                a_scan_ends_where_its_time_does_and_goes_on_from_there
                positions_of_another_list_are_refused
                the_tail_goes_on_exactly_where_it_was_also_after_a_restart
                a_tail_that_looks_back_begins_before_all_that_was_received_since
                a_selective_tail_looks_at_each_event_once_and_only_for_its_time
                deliveries_are_listed_by_every_filter_newest_first
                the_backlog_counts_what_waits_and_since_when;
            listen:
                a_listener_is_read_back_whole_by_its_tenant
                who_takes_a_listener_over_goes_on_where_it_was
                listeners_that_nobody_listens_to_are_forgotten;
            registry:
                an_object_is_made_replaced_and_retired
                an_object_that_several_put_at_once_is_one
                an_object_is_written_only_on_what_it_was_judged_on
                of_all_who_configure_at_once_by_what_they_read_one_does
                an_api_key_is_found_by_its_name_and_revoked_by_its_tenant
                a_repeated_request_gets_the_first_answer
                a_request_that_was_abandoned_may_start_over
                a_request_whose_process_ended_may_start_over_at_once
                an_alert_is_open_once_until_it_is_resolved
                alerts_are_paged_newest_first
                a_setting_is_kept_under_its_name
                the_first_setting_of_a_name_stays_until_it_is_empty
                a_setting_is_exchanged_only_for_the_one_that_was_read
                of_all_who_exchange_a_setting_at_once_one_does;
            keep:
                old_events_go_with_all_that_is_theirs
                nothing_with_an_open_delivery_goes
                dead_letters_stay_their_own_time
                a_lane_that_stood_still_for_a_dead_letter_goes_on_when_that_goes
                a_dead_letter_is_retried_in_its_lane_although_that_was_forgotten
                one_from_the_future_keeps_none_of_the_others
                a_round_is_bounded_and_says_that_there_is_more
                identities_outlive_their_events_and_go_with_age
                requests_go_by_age_but_never_pending_ones
                kept_answers_go_with_age
                the_tail_does_not_go_backwards_when_the_newest_events_go
                figures_grow_with_the_work
                a_closed_store_says_so;
            shapes:
                a_shape_is_read_back_as_it_was_written
                a_shape_that_somebody_else_wrote_is_not_written_over
                shapes_are_listed_by_source_and_in_pages
                shapes_and_their_changes_are_bounded_and_forgotten_when_told;
            watch:
                calls_are_listed_by_every_filter_newest_first
                a_call_is_read_back_whole
                of_each_connection_the_newest_calls_stay
                figures_add_up_by_minute_and_by_hour
                figures_are_forgotten_with_age;
            reading:
                a_stream_has_one_reader_until_its_lease_ends
                a_page_is_committed_with_its_checkpoint_or_not_at_all
                where_a_slice_goes_on_is_kept_until_the_state_moves
                who_lost_a_stream_cannot_write_to_it
                a_stream_ends_with_its_process_and_can_begin_anew
                polls_add_up
                checkpoints_are_listed_by_source_connection_and_stream
                known_subjects_are_given_in_their_order_and_by_their_object
                absent_subjects_are_replaced_as_a_whole
                a_setting_is_kept_on_behalf_of_whoever_has_the_stream_and_of_nobody_else
                a_run_is_written_again_and_read_back_whole
                runs_are_listed_by_every_filter_newest_first
                of_each_stream_the_newest_runs_of_a_kind_stay_with_their_gaps
                runs_of_a_process_that_ended_are_interrupted
                a_gap_whose_webhook_comes_after_all_is_late
                the_gaps_of_a_run_are_bounded
                a_budget_is_shared_by_all_who_reserve_of_it
                what_a_source_says_of_a_budget_counts_for_all;
            nodes:
                what_a_node_says_of_itself_is_listed_until_it_leaves
                a_node_lives_as_long_as_its_lease_and_is_forgotten_later
                a_charge_is_one_nodes_until_it_is_left_or_its_lease_is_over
                charges_of_every_kind_and_tenant_are_told_apart
                every_change_is_counted_for_those_who_look
                nothing_is_given_for_a_destination_that_passed_to_another
                claims_hold_as_long_as_their_node_lives;
            notices:
                an_alert_is_acknowledged_once_while_it_is_open
                what_comes_back_before_it_is_settled_is_the_same_alert
                a_message_is_made_once_until_its_cause_is_closed
                a_message_is_sent_by_one_until_it_is_known_how_it_went
                a_message_that_is_dropped_is_not_sent;
            audit:
                an_entry_is_read_back_whole_in_its_chain
                chains_of_tenants_and_nodes_are_told_apart
                many_at_once_leave_no_gap
                entries_are_listed_by_every_filter_newest_first
                pages_of_entries_neither_skip_nor_repeat
                what_was_begun_is_listed_until_its_end_is
                a_clock_that_goes_back_leaves_no_gap
                statements_are_kept_in_their_order_and_once
                old_entries_go_behind_a_cut_and_the_chain_goes_on;
            walk:
                random_steps_lose_nothing_and_double_no_lane;
        }
    };
}

/// The expansion of [`conformance_suite!`](crate::conformance_suite): not for use by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($open:expr; $($verb:ident: $($promise:ident)*;)*) => {$(
        mod $verb {
            use super::*;

            $(#[tokio::test]
            async fn $promise() {
                $crate::conformance::$verb::$promise($open).await;
            })*
        }
    )*};
}
