//! The contract of the backlog: the same tests for the one in this process and the one on a server.
//!
//! A test takes a [`home::Home`]: where the backlog lives. Another database makes another `Place`.
mod deciding;
pub(crate) mod home;
mod reading;

/// Makes one test of each contract function for a home.
macro_rules! held_to_the_contract {
    ($name:ident, $home:ty: $($module:ident { $($test:ident),+ $(,)? })+) => {
        mod $name {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    use crate::backlog_contract::home::Home as _;
                    crate::backlog_contract::$module::$test(&<$home>::fresh().await).await;
                }
            )+)+
        }
    };
}

/// Names the tests once for both homes.
macro_rules! both_homes {
    ($($tests:tt)+) => {
        held_to_the_contract! { embedded, crate::backlog_contract::home::Here: $($tests)+ }
        held_to_the_contract! { remote, crate::backlog_contract::home::There: $($tests)+ }
    };
}

both_homes! {
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
