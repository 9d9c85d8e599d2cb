//! The contract of the backlog: the same tests for the one in this process and the one on a server.
//!
//! A test takes a [`home::Home`]: where the backlog lives, on which database.
mod ci;
mod deciding;
pub(crate) mod home;
mod reading;

/// Makes one test of each contract function for a home.
macro_rules! held_to_the_contract {
    ($name:ident, $make:ident, $home:ty: $($module:ident { $($test:ident),+ $(,)? })+) => {
        mod $name {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    use crate::backlog_contract::home::Home as _;
                    crate::backlog_contract::$module::$test(&<$home>::$make().await).await;
                }
            )+)+
        }
    };
}

/// Names the tests once for both homes.
macro_rules! both_homes {
    ($make:ident: $($tests:tt)+) => {
        held_to_the_contract! { embedded_sqlite, $make, crate::backlog_contract::home::Here<crate::backlog_contract::home::Sqlite>: $($tests)+ }
        held_to_the_contract! { embedded_postgres, $make, crate::backlog_contract::home::Here<crate::backlog_contract::home::Postgres>: $($tests)+ }
        held_to_the_contract! { remote_sqlite, $make, crate::backlog_contract::home::There<crate::backlog_contract::home::Sqlite>: $($tests)+ }
        held_to_the_contract! { remote_postgres, $make, crate::backlog_contract::home::There<crate::backlog_contract::home::Postgres>: $($tests)+ }
    };
}

both_homes! { fresh:
    reading {
        pages_tile_the_list,
        filters_filter,
        a_run_reads_back_whole,
        a_run_is_found_by_its_beginning,
        outputs_keep_every_byte,
        what_is_printed_now_is_told,
        events_come_in_order,
        counts_and_the_chain_are_told,
        news_wake_who_waits,
    }
    deciding {
        an_approve_makes_a_branch,
        a_second_approve_changes_nothing,
        a_deny_keeps_the_note,
        an_abort_and_a_retry_lead_back,
        a_fix_by_hand_is_queued,
        what_is_no_fix_is_refused,
        a_wrong_state_is_told,
        what_moved_is_told_with_both_values,
        two_keys_are_two_people,
        nobody_approves_their_own_patch,
        read_only_decides_nothing,
    }
}

/// Homes that watch repositories at a fake of GitHub.
mod at_forge {
    both_homes! { at_forge:
        ci {
            what_was_seen_is_told_and_nothing_is_asked,
            jobs_and_logs_are_those_of_the_forge,
            of_what_is_not_watched_nothing_is_told,
            failed_jobs_are_run_again_with_a_fact_before_and_one_after,
            a_run_is_cancelled_once,
            a_deployment_that_waits_is_answered_where_it_may_be,
            an_answer_that_is_lost_is_said_to_be_unknown,
            who_only_reads_does_nothing_at_the_forge,
            a_run_tells_what_stands_for_it_at_the_forge,
        }
    }
}
