//! The names of the branches with fixes, and the message of the commit on them: the same for the same run and attempt.
use crate::domain::{Attempt, Failure, PrState, PullState, Run};
use crate::engine::decisions::commit_message;
use crate::forge::{ForgeError, PullRequest, Reads};
use crate::rules::BranchNaming;

/// Returns the name of the branch for a run's fix; one whose pull request was closed or merged is not taken again.
pub(super) fn name(naming: &BranchNaming, run: &Run, before: Option<&PullState>) -> String {
    let commit = run.commit_sha.get(..8).unwrap_or(&run.commit_sha);
    let mut name = format!("{}/{}-{commit}", naming.prefix, Failure::hash8(&run.error_hash));
    if let Some(ci) = run.order.ci.as_ref().filter(|_| naming.has_workflow_id) {
        name = format!("{name}-w{}", ci.workflow_id);
    }
    if naming.has_timestamp {
        name = format!("{name}-{}", run.created_at.as_second());
    }
    match before.filter(|it| matches!(it.state, PrState::Closed | PrState::Merged)) {
        Some(done) => format!("{name}-r{}", round(&done.branch) + 1),
        None => name,
    }
}

/// Returns the name of the branch that takes a merge back.
pub(super) fn revert_name(naming: &BranchNaming, merge: &str) -> String {
    format!("{}/revert-{}", naming.prefix, merge.get(..8).unwrap_or(merge))
}

/// Whether the branch that a pull request goes to is the default branch under a new name: what it went to before is not there any more, and
/// all that the fix was proved on is.
pub(in crate::engine) async fn is_renamed(
    reads: &dyn Reads,
    run: &Run,
    pull: &PullState,
    there: &PullRequest,
) -> Result<bool, ForgeError> {
    let (repository, before, now) = (&run.repository, &pull.base_branch, &there.base_branch);
    // Any other branch that is gone was merged, or deleted.
    let was_default = run.order.ci.as_ref().is_some_and(|it| it.default_branch == *before);
    Ok(was_default
        && before != now
        && reads.repository(repository).await?.default_branch == *now
        && reads.branch(repository, before).await?.is_none()
        && reads.is_on(repository, &pull.base_sha, now).await?)
}

/// Returns the message of a commit that is pushed.
pub(super) fn message(run: &Run, attempt: &Attempt) -> String {
    commit_message(run, attempt, &[])
}

/// Returns which of the failure's branches it is: 1 for the first.
fn round(branch: &str) -> u32 {
    branch.rsplit_once("-r").and_then(|(_, it)| it.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Order;
    use crate::rules::Rules;

    fn naming() -> BranchNaming {
        Rules::read(b"").unwrap().0.branch_naming
    }

    fn run() -> Run {
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let mut run = Run::queued("acme/shop", "main", &"deadbeef".repeat(5), Order::default(), 3, now);
        run.error_hash = "v1:1a2b3c4d5e6f".to_owned();
        run
    }

    #[test]
    fn a_name_follows_from_the_run_and_the_rules() {
        assert_eq!(name(&naming(), &run(), None), "heal/1a2b3c4d-deadbeef");
        let stamped = BranchNaming { prefix: "fix".to_owned(), has_timestamp: true, ..naming() };
        assert_eq!(name(&stamped, &run(), None), "fix/1a2b3c4d-deadbeef-1772323200");
        assert_eq!((round("heal/1a2b3c4d-deadbeef"), round("heal/1a2b3c4d-deadbeef-r3")), (1, 3));
    }
}
