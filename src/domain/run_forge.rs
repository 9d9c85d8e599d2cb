//! What stands for a run at the forge, as people and scripts are told it.
use crate::domain::attempt::Attempt;
use crate::domain::family::{ChecksState, Family};
use crate::domain::order::CiRef;
use crate::domain::run::{PrState, Run};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The tracking issue, the pull request and the run of CI that belong to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunForge {
    pub issue_number: Option<u64>,
    pub issue_url: Option<String>,
    /// How often the failure was seen.
    pub occurrences: u64,
    pub pull: Option<RunPull>,
    /// What of GitHub's coding agent is waited for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Why there is no pull request, in words.
    pub skipped: Option<String>,
    /// What the forge refused last, in words.
    pub trouble: Option<String>,
    /// The run of CI that failed.
    pub ci: Option<CiRef>,
}

/// A run's pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunPull {
    /// None: its branch is pushed, it is not opened yet.
    pub number: Option<u64>,
    pub url: Option<String>,
    pub branch: String,
    /// Where it is to be merged to; none: not known any more.
    pub base_branch: Option<String>,
    /// The last commit of ours on the branch.
    pub head: String,
    pub is_draft: bool,
    pub state: PrState,
    pub checks: ChecksState,
    /// Somebody else pushed to the branch, in words: it is not touched again.
    pub hands_off: Option<String>,
}

impl RunForge {
    /// Returns what stands for a run: what its family says, and where another run stands for that by now, what the run itself remembers, and
    /// which one it is. `None` where it has nothing to do with a forge.
    pub fn of(run: &Run, attempts: &[Attempt], family: Option<&Family>) -> Option<Self> {
        let ci = run.order.ci.clone();
        let own = family.filter(|it| it.run_id == run.id);
        let of_family = own.and_then(|it| it.pull.as_ref()).map(|it| RunPull {
            number: it.number,
            url: it.url.clone(),
            branch: it.branch.clone(),
            base_branch: Some(it.base_branch.clone()),
            head: it.head.clone(),
            is_draft: it.is_draft,
            state: it.state,
            checks: it.checks,
            hands_off: it.hands_off.clone(),
        });
        let pull = of_family.or_else(|| remembered(run));
        if family.is_none() && ci.is_none() && pull.is_none() {
            return None;
        }
        let issue = family.and_then(|it| it.issue.as_ref());
        let skipped = match family {
            Some(it) if it.run_id == run.id => it.skipped.clone(),
            Some(it) if pull.is_none() => Some(overtaken(it)),
            _ => None,
        };
        Some(Self {
            issue_number: issue.map(|it| it.number),
            issue_url: issue.map(|it| it.url.clone()),
            occurrences: family.map_or(1, |it| it.count),
            pull,
            waits_for: waits_for(run, attempts, family),
            skipped,
            trouble: own.and_then(Family::trouble).map(str::to_owned),
            ci,
        })
    }
}

/// Returns what of GitHub's coding agent a run waits for.
fn waits_for(run: &Run, attempts: &[Attempt], family: Option<&Family>) -> Option<String> {
    let family = family.filter(|_| run.waiting(attempts).is_some())?;
    let ask = family.copilot.as_ref().filter(|it| it.run_id == run.id && it.taken.is_none())?;
    let words = ask.words(family.issue.as_ref().map(|it| it.number));
    Some(format!("Copilot: {words}; until {} at the longest", ask.until.strftime("%H:%MZ")))
}

/// Says which run stands for a failure or an order, and with which pull request.
fn overtaken(family: &Family) -> String {
    let with = family.open_pull().map(|(number, _)| format!(", with pull request #{number}")).unwrap_or_default();
    format!("run {} stands for the same by now{with}", family.run_id.short())
}

fn remembered(run: &Run) -> Option<RunPull> {
    Some(RunPull {
        number: Some(run.pr_number?),
        url: run.pr_url.clone(),
        branch: run.heal_branch.clone().unwrap_or_default(),
        base_branch: None,
        head: run.heal_commit.clone().unwrap_or_default(),
        is_draft: false,
        state: run.pr_state,
        checks: ChecksState::None,
        hands_off: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RunId;
    use crate::domain::order::Order;
    use jiff::Timestamp;

    fn run() -> Run {
        Run::queued("acme/shop", "main", "c0ffee", Order::default(), 3, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_local_run_has_nothing_to_do_with_a_forge() {
        assert_eq!(RunForge::of(&run(), &[], None), None);
    }

    #[test]
    fn what_the_family_says_goes_before_what_the_run_remembers() {
        let run = Run { pr_number: Some(12), pr_state: PrState::Closed, ..run() };
        let of_run = RunForge::of(&run, &[], None).unwrap();
        assert_eq!(of_run.pull.as_ref().map(|it| (it.number, it.state)), Some((Some(12), PrState::Closed)));
        let family = Family { count: 50, ..Family::first_seen(&run, "v1:a", None, Timestamp::UNIX_EPOCH) };
        let of_family = RunForge::of(&run, &[], Some(&family)).unwrap();
        assert_eq!((of_family.occurrences, of_family.pull, of_family.skipped), (50, of_run.pull, None));
        // Another one stands for the failure by now.
        let later = Run { id: RunId::random(), ..run.clone() };
        let family = Family { run_id: later.id, skipped: Some("a limit".to_owned()), ..family };
        let skipped = |run: &Run| RunForge::of(run, &[], Some(&family)).unwrap().skipped;
        assert_eq!((skipped(&later).as_deref(), skipped(&run)), (Some("a limit"), None));
        let without = Run { pr_number: None, pr_state: PrState::None, ..run };
        assert_eq!(skipped(&without), Some(format!("run {} stands for the same by now", later.id.short())));
    }
}
