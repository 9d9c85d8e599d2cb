//! Whether the loop stops after a failed attempt, and with which typed reason. Pure.
use crate::domain::{Attempt, AttemptFailure, Reason, Run};

/// Decides whether the loop stops after a failed attempt, and why.
pub(super) fn stop_reason(
    run: &Run,
    earlier: &[Attempt],
    attempt: &Attempt,
    is_out_of_agents: bool,
) -> Option<(Reason, String)> {
    if attempt.author.human().is_some() {
        return None;
    }
    let why = attempt.failure_reason.clone().unwrap_or_default();
    if run.order.test_command.is_none() && attempt.failure_kind == Some(AttemptFailure::NotProved) {
        return Some((Reason::NoTests, why));
    }
    if attempt.is_again && run.budget == 0 {
        return Some((Reason::StaleHead, format!("the branch moved on, and the fix does not stand there: {why}")));
    }
    // An attempt that was given back or aborted was never judged.
    let mut all: Vec<&Attempt> = earlier.iter().filter(|it| it.failure_kind.is_some()).collect();
    all.push(attempt);
    let is_without_patch = |it: &&Attempt| it.failure_kind.is_none_or(AttemptFailure::is_without_patch);
    if is_out_of_agents {
        let reason = if all.iter().all(is_without_patch) { Reason::AgentFailed } else { Reason::Exhausted };
        return Some((reason, why));
    }
    if attempt.failure_kind == Some(AttemptFailure::RepeatedPatch) {
        return Some((Reason::Exhausted, format!("stopped early: {why}")));
    }
    if has_grown_twice(run, &all) {
        return Some((Reason::Exhausted, "stopped early: two attempts in a row broke more tests".to_owned()));
    }
    if run.budget > 0 {
        return None;
    }
    let all_are = |kind: AttemptFailure| all.iter().all(|it| it.failure_kind == Some(kind));
    let reason = if all.iter().all(is_without_patch) {
        Reason::AgentFailed
    } else if all_are(AttemptFailure::OverLimits) {
        Reason::OverLimits
    } else if all
        .iter()
        .all(|it| matches!(it.failure_kind, Some(AttemptFailure::PolicyViolation | AttemptFailure::OverLimits)))
    {
        Reason::PolicyViolation
    } else {
        Reason::Exhausted
    };
    let n = all.len();
    let noun = if n == 1 { "attempt" } else { "attempts" };
    Some((reason, format!("{n} {noun} failed; the last: {why}")))
}

/// Whether the set of failing tests grew in the last two attempts, each time over the one before.
fn has_grown_twice(run: &Run, all: &[&Attempt]) -> bool {
    let [.., one, two] = all else { return false };
    if one.failure_kind != Some(AttemptFailure::StillRed) || two.failure_kind != Some(AttemptFailure::StillRed) {
        return false;
    }
    let base = run.failure.as_ref().and_then(|it| it.report.as_ref()).map_or(0, |it| it.failing().len());
    let zero = all.len().checked_sub(3).map_or(base, |idx| match all[idx].failing_tests.len() {
        0 => base,
        n => n,
    });
    zero > 0 && zero < one.failing_tests.len() && one.failing_tests.len() < two.failing_tests.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::TestOutcome;
    use crate::domain::{AttemptStatus, Author, Category, Failure, Order, Status, TestReport};
    use jiff::Timestamp;

    fn run(budget: u32) -> Run {
        let report = TestReport {
            runner: "unittest".to_owned(),
            tests: [("a".to_owned(), TestOutcome::Failed), ("b".to_owned(), TestOutcome::Passed)].into(),
            ..TestReport::default()
        };
        let failure = Failure {
            category: Category::Test,
            confidence: 0.9,
            error_type: "AssertionError".to_owned(),
            summary: String::new(),
            hash: "v1:0".to_owned(),
            lines: Vec::new(),
            files: Vec::new(),
            reduced_log: String::new(),
            report: Some(report),
            total_lines: 0,
            total_bytes: 0,
        };
        let run = Run::queued("r", "main", "c", Order::default(), 3, Timestamp::UNIX_EPOCH);
        Run { status: Status::Running, budget, failure: Some(failure), ..run }
    }

    fn failed(kind: AttemptFailure, n_failing: usize) -> Attempt {
        Attempt {
            status: AttemptStatus::Failed,
            failure_kind: Some(kind),
            failing_tests: (0..n_failing).map(|it| it.to_string()).collect(),
            ..Attempt::started(1, Author::Agent("a".to_owned()), None, Timestamp::UNIX_EPOCH)
        }
    }

    fn reason(budget: u32, kinds: &[(AttemptFailure, usize)]) -> Option<Reason> {
        let mut all: Vec<Attempt> = kinds.iter().map(|(kind, n)| failed(*kind, *n)).collect();
        let last = all.pop().unwrap();
        stop_reason(&run(budget), &all, &last, false).map(|(reason, _)| reason)
    }

    use AttemptFailure::{AgentCrashed, NoChange, OverLimits, PolicyViolation, RepeatedPatch, StillRed};

    #[test]
    fn while_budget_is_left_the_loop_goes_on() {
        for kind in [StillRed, NoChange, PolicyViolation] {
            assert_eq!(reason(1, &[(kind, 1)]), None);
        }
    }

    #[test]
    fn the_reason_is_what_all_attempts_have_in_common() {
        assert_eq!(reason(0, &[(NoChange, 0), (AgentCrashed, 0)]), Some(Reason::AgentFailed));
        assert_eq!(reason(0, &[(NoChange, 0), (StillRed, 1)]), Some(Reason::Exhausted));
        assert_eq!(reason(0, &[(OverLimits, 0), (OverLimits, 0)]), Some(Reason::OverLimits));
        assert_eq!(reason(0, &[(OverLimits, 0), (PolicyViolation, 0)]), Some(Reason::PolicyViolation));
        assert_eq!(reason(0, &[(PolicyViolation, 0), (StillRed, 1)]), Some(Reason::Exhausted));
    }

    #[test]
    fn a_repeated_patch_stops_at_once() {
        assert_eq!(reason(2, &[(StillRed, 1), (RepeatedPatch, 0)]), Some(Reason::Exhausted));
    }

    #[test]
    fn twice_more_failing_tests_stop_the_loop_and_once_does_not() {
        assert_eq!(reason(1, &[(StillRed, 2), (StillRed, 3)]), Some(Reason::Exhausted));
        assert_eq!(reason(1, &[(StillRed, 1), (StillRed, 3)]), None);
        assert_eq!(reason(1, &[(StillRed, 3), (StillRed, 2)]), None);
    }

    #[test]
    fn a_fix_that_its_branch_left_behind_is_told_apart() {
        let again = Attempt { is_again: true, ..failed(StillRed, 1) };
        let stop = stop_reason(&run(0), &[], &again, false).unwrap();
        assert_eq!(stop.0, Reason::StaleHead);
        assert_eq!(stop_reason(&run(1), &[], &again, false), None);
    }

    #[test]
    fn a_persons_failed_patch_never_stops_the_loop() {
        let mut last = failed(StillRed, 1);
        last.author = Author::Human("mara".to_owned());
        assert_eq!(stop_reason(&run(0), &[], &last, false), None);
    }
}
