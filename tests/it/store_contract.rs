//! The contract that every store is held to, and what is particular to one adapter.
//!
//! A further adapter implements [`backend::Backend`] and takes the same list of tests.
mod archive;
mod backend;
mod chain;
mod families;
pub(crate) mod fixtures;
mod life;
mod postgres;
mod queue;
mod reading;
mod sharing;
mod sqlite;

/// Makes one test of each contract function for a backend.
macro_rules! held_to_the_contract {
    ($backend:ty) => { crate::store_contract::held_to_the_contract! { $backend:
        life {
            every_field_reads_back_as_written,
            a_run_is_created_once,
            what_is_not_there_is_not_found,
            only_the_next_version_is_committed,
            a_failing_commit_writes_nothing,
            what_would_not_read_back_is_refused,
            one_of_many_approvals_wins,
            a_first_key_is_kept,
        }
        queue {
            the_oldest_is_claimed_first,
            a_run_waits_for_its_time,
            a_claim_may_name_its_run,
            what_is_tied_to_a_machine_is_left_to_it,
            a_creator_may_hold_from_the_start,
            no_run_is_claimed_twice,
            a_stalled_worker_is_fenced_off,
            a_lease_is_good_for_its_run_alone,
            an_abort_ends_the_lease,
            a_heartbeat_extends_and_never_shortens,
            lost_runs_are_taken_back,
            a_lost_run_is_taken_back_once,
            a_running_run_without_a_lease_is_taken_back,
        }
        reading {
            runs_are_found_by_prefix,
            latest_is_the_one_created_last,
            pages_tile_the_list,
            events_come_in_order_from_any_place,
            the_summary_counts,
            outputs_keep_every_byte,
            an_output_has_a_limit,
        }
        sharing {
            a_report_becomes_a_run_with_its_log,
            a_duplicate_tells_of_the_run_as_it_is_now,
            a_replayed_delivery_changes_nothing,
            a_batch_is_stored_whole_or_not_at_all,
            the_same_failure_at_the_same_instant_is_one_run,
            every_kind_of_write_goes_on_at_once,
            a_note_changes_no_state,
            news_wake_who_waits,
            repositories_are_counted,
            the_depth_tells_what_waits_and_since_when,
            claims_are_fair_between_repositories,
            the_longest_unserved_comes_first,
            a_repository_has_its_limit,
            the_limit_is_exact_with_many_workers,
            a_place_in_the_chain_is_held_by_one,
            a_place_is_taken_by_one_of_many,
            who_works_is_known_until_they_are_silent,
            operators_are_kept_with_their_facts,
            an_operator_of_a_name_is_added_once,
        }
        families {
            fifty_equal_failures_are_one_run,
            the_same_failure_from_two_processes_at_once_is_one_run,
            what_came_to_rest_takes_in_for_a_while,
            what_a_trusted_branch_has_is_no_forks,
            what_is_back_after_a_merge_is_new,
            a_run_that_was_there_gets_its_family,
            of_many_writers_of_a_family_one_wins,
            a_family_is_looked_at_when_it_is_due,
            snapshots_are_replaced,
            old_outputs_of_what_came_to_rest_are_removed,
        }
        chain {
            an_empty_chain_is_intact,
            an_untouched_chain_is_intact,
            many_writers_make_one_chain,
            an_edited_message_is_found,
            an_edited_payload_is_found,
            an_edit_with_a_new_digest_is_found,
            an_edited_last_event_is_found,
            a_forged_end_is_found,
            a_deleted_event_is_found,
            a_deleted_beginning_is_found,
            a_deleted_tail_is_found,
            a_deleted_chain_is_found,
            swapped_events_are_found,
            an_inserted_event_is_found,
            a_run_set_back_is_found,
            a_first_key_made_final_is_found,
            a_changed_patch_is_found,
            the_last_proposal_counts,
            a_deleted_attempt_is_found,
            a_deleted_or_ruined_run_is_found,
            problems_are_bounded,
        }
    } };
    ($backend:ty: $($module:ident { $($name:ident),+ $(,)? })+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use crate::store_contract::backend::Backend as _;
                crate::store_contract::$module::$name(&<$backend>::fresh().await).await;
            }
        )+)+
    };
}
pub(crate) use held_to_the_contract;
