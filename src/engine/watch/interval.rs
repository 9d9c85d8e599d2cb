//! How long a repository is left alone between two looks. Pure.
use crate::domain::{Budget, CiRun, CiState, ForgeTerms};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Idle looks at all repositories together are at least this part of the idle interval apart: with a minute, 300 in an hour, however many there are.
const SHARE: u32 = 5;
/// A run that began longer ago does not keep a repository active: it hangs, or nobody takes it.
const ACTIVE_FOR: SignedDuration = SignedDuration::from_hours(6);
/// The longest pause after errors.
const MAX_PAUSE: Duration = Duration::from_mins(15);
/// By which part an interval may be longer or shorter.
const JITTER: f64 = 0.1;

/// Whether something is going on that will end soon.
pub(super) fn is_active(runs: &[&CiRun], now: Timestamp) -> bool {
    let is_under_way = |it: &&&CiRun| matches!(it.state, CiState::Queued | CiState::Running);
    runs.iter().filter(is_under_way).any(|it| now.duration_since(it.created_at) < ACTIVE_FOR)
}

/// Returns how long to wait until the next look at one of `n_watched` repositories. `chance` is between 0 and 1.
pub(super) fn interval(
    terms: &ForgeTerms,
    n_watched: usize,
    is_active: bool,
    budget: &Budget,
    chance: f64,
) -> Duration {
    let n_watched = u32::try_from(n_watched).unwrap_or(u32::MAX);
    let wait = if is_active {
        terms.poll_active
    } else {
        terms.poll_idle.max((terms.poll_idle / SHARE).saturating_mul(n_watched))
    };
    let wait = wait.saturating_mul(slower(budget));
    wait.mul_f64((1.0 - JITTER) + 2.0 * JITTER * chance.clamp(0.0, 1.0))
}

/// Returns how much slower to go with what is left of the budget.
fn slower(budget: &Budget) -> u32 {
    match () {
        () if is_spent(budget) => 10,
        () if is_scarce(budget) => 4,
        () => 1,
    }
}

/// Whether less than a fifth of the budget is left.
pub(super) fn is_scarce(budget: &Budget) -> bool {
    is_below(budget, 5)
}

/// Whether less than a twentieth is left: that is for what people do.
pub(super) fn is_spent(budget: &Budget) -> bool {
    is_below(budget, 20)
}

fn is_below(budget: &Budget, part: u64) -> bool {
    let known = budget.remaining.zip(budget.limit);
    known.is_some_and(|(left, limit)| u64::from(left) * part < u64::from(limit))
}

/// Returns how long to wait after `n_errors` looks in a row that came to nothing.
pub(super) fn pause(idle: Duration, n_errors: u32) -> Duration {
    idle.saturating_mul(2_u32.saturating_pow(n_errors.saturating_sub(1).min(10))).min(MAX_PAUSE.max(idle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::testing::red;

    fn budget(remaining: u32) -> Budget {
        Budget { limit: Some(5_000), remaining: Some(remaining), ..Budget::default() }
    }

    #[test]
    fn what_runs_is_looked_at_often_and_little_budget_slows_down() {
        let terms = ForgeTerms::default();
        let seconds = |n, is_active, left| interval(&terms, n, is_active, &budget(left), 0.5).as_secs();
        assert_eq!((seconds(8, true, 5_000), seconds(1, false, 5_000), seconds(8, false, 5_000)), (5, 60, 96));
        assert_eq!((seconds(8, true, 999), seconds(8, true, 249), seconds(1, false, 0)), (20, 50, 600));
        let unknown = Budget::default();
        assert_eq!(interval(&terms, 8, false, &unknown, 0.0), Duration::from_secs(96).mul_f64(0.9));
        assert_eq!(interval(&terms, 8, false, &unknown, 1.0), Duration::from_secs(96).mul_f64(1.1));
    }

    #[test]
    fn a_run_that_hangs_keeps_nobody_awake() {
        let running = CiRun { state: CiState::Running, ..red(1) };
        let began = running.created_at;
        assert!(is_active(&[&red(2), &running], began + SignedDuration::from_hours(5)));
        assert!(!is_active(&[&running], began + SignedDuration::from_hours(7)));
        assert!(!is_active(&[&red(2)], began));
    }

    #[test]
    fn errors_make_looks_rare() {
        let idle = Duration::from_mins(1);
        assert_eq!((pause(idle, 1), pause(idle, 3), pause(idle, 99)), (idle, idle * 4, MAX_PAUSE));
        assert_eq!(pause(Duration::from_hours(1), 5), Duration::from_hours(1));
    }
}
