//! How much of the daily limits a repository has used up (DESIGN, decision 6).
use crate::domain::ci::{LimitsPicture, Used};
use crate::domain::family::{Family, PullState};
use crate::domain::forge::ForgeTerms;
use crate::domain::reason::Reason;
use crate::domain::run::{PrState, Run};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Returns what the 24 hours before `now` used up in one repository, given its newest families and runs. Runs of one workflow may be healed
/// `heals_per_day` times; none: as often as they come. Those of trusted branches are told. Of the terms, 0 is no limit.
pub fn limits(
    families: &[Family],
    runs: &[Run],
    terms: &ForgeTerms,
    heals_per_day: Option<u32>,
    now: Timestamp,
) -> LimitsPicture {
    let is_recent = |at: Timestamp| now.duration_since(at) < DAY;
    // A name is for showing alone: whoever opens a pull request can change it.
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    for ci in runs.iter().filter_map(|it| it.order.ci.as_ref()) {
        names.entry(ci.workflow_id).or_insert(&ci.workflow);
    }
    let mut heals_today: BTreeMap<String, Used> = BTreeMap::new();
    for (id, name) in names {
        let used = heals_today_of(runs, id, true, now);
        if used > 0 {
            let shown = heals_today.entry(name.to_owned()).or_insert(Used { used: 0, limit: heals_per_day });
            shown.used = shown.used.max(used);
        }
    }
    let pulls = || families.iter().filter_map(|it| it.pull.as_ref());
    let count =
        |is_one: &dyn Fn(&&PullState) -> bool| u32::try_from(pulls().filter(is_one).count()).unwrap_or(u32::MAX);
    let limit = |n: u32| (n > 0).then_some(n);
    LimitsPicture {
        heals_today,
        prs_today: Used { used: count(&|it| it.opened_at.is_some_and(is_recent)), limit: limit(terms.prs_per_day) },
        open_prs: Used {
            used: count(&|it| it.number.is_some() && it.state == PrState::Open),
            limit: limit(terms.open_prs),
        },
    }
}

/// Returns how many runs of one workflow were healed in the 24 hours before `now`: those of trusted branches, or those of all others. Whoever may
/// only open a pull request must not use up the day of a trusted branch.
pub fn heals_today_of(runs: &[Run], workflow_id: u64, is_trusted: bool, now: Timestamp) -> u32 {
    let is_of_it = |run: &&Run| run.order.ci.as_ref().is_some_and(|it| it.workflow_id == workflow_id);
    let is_recent = |run: &&Run| now.duration_since(run.created_at) < DAY;
    let is_alike = |run: &&Run| run.order.is_trusted() == is_trusted && is_heal(run);
    let n = runs.iter().filter(is_of_it).filter(is_recent).filter(is_alike).count();
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Whether a run is, or was, worked on: one that was declined from the start costs nothing.
fn is_heal(run: &Run) -> bool {
    match run.escalation_reason {
        Some(Reason::RateLimited | Reason::Regressed) => false,
        Some(Reason::Infrastructure | Reason::NeedsSecret | Reason::Security) => run.attempt_count > 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::family::ChecksState;
    use crate::domain::ids::Digest;
    use crate::domain::order::{CiRef, Order};

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_740_000_000 + hours * 3_600).unwrap()
    }

    fn run(workflow: &str, created_at: Timestamp, escalation_reason: Option<Reason>) -> Run {
        let ci = CiRef {
            run_id: 1,
            attempt: 1,
            workflow_id: workflow.chars().next().map_or(0, u64::from),
            workflow: workflow.to_owned(),
            workflow_path: String::new(),
            event: "push".to_owned(),
            url: String::new(),
            is_fork: false,
            is_trusted: true,
            default_branch: "main".to_owned(),
        };
        let order = Order { ci: Some(ci), ..Order::default() };
        Run { escalation_reason, ..Run::queued("acme/shop", "main", "c0ffee", order, 3, created_at) }
    }

    fn family(number: Option<u64>, state: PrState, opened_at: Option<Timestamp>) -> Family {
        let pull = PullState {
            number,
            url: None,
            branch: "heal/1".to_owned(),
            base_branch: "main".to_owned(),
            base_sha: String::new(),
            head: String::new(),
            attempt_no: 1,
            patch: Digest::of(""),
            patch_run: None,
            is_draft: true,
            state,
            hands_off: None,
            opened_at,
            checks: ChecksState::None,
            checks_since: None,
            body_digest: Digest::of(""),
            merging: None,
        };
        Family { pull: Some(pull), ..Family::first_seen(&run("CI", at(0), None), "v1:a", None, at(0)) }
    }

    #[test]
    fn what_a_fork_uses_up_is_not_a_trusted_branchs() {
        let mut forks = run("CI", at(1), None);
        forks.order.ci.as_mut().unwrap().is_fork = true;
        let runs = [forks.clone(), forks, run("CI", at(2), None)];
        let used = |is_trusted| heals_today_of(&runs, u64::from('C'), is_trusted, at(3));
        assert_eq!((used(true), used(false)), (1, 2));
        let told = limits(&[], &runs, &ForgeTerms::default(), Some(2), at(3));
        assert_eq!(told.heals_today["CI"], Used { used: 1, limit: Some(2) });
    }

    #[test]
    fn a_day_is_counted_by_workflow_and_what_is_open_whenever_it_was_opened() {
        let runs = [
            run("CI", at(0), None),
            run("CI", at(1), None),
            run("CI", at(20), Some(Reason::Exhausted)),
            run("CI", at(20), Some(Reason::RateLimited)),
            run("CI", at(20), Some(Reason::Infrastructure)),
            run("CI", at(20), Some(Reason::NeedsSecret)),
            run("Lint", at(24), None),
            // The same one, under another name.
            run("CI, renamed", at(20), None),
            Run::queued("acme/shop", "main", "c0ffee", Order::default(), 3, at(24)),
        ];
        let families = [
            family(Some(1), PrState::Open, Some(at(-9))),
            family(Some(2), PrState::Open, Some(at(9))),
            family(Some(3), PrState::Merged, Some(at(9))),
            family(None, PrState::Open, None),
        ];
        let terms = ForgeTerms { prs_per_day: 2, open_prs: 0, ..ForgeTerms::default() };
        let limits = limits(&families, &runs, &terms, Some(2), at(24));
        assert_eq!(limits.heals_today["CI"], Used { used: 3, limit: Some(2) });
        assert_eq!(limits.heals_today.len(), 2);
        assert_eq!(limits.heals_today["Lint"], Used { used: 1, limit: Some(2) });
        assert_eq!((limits.prs_today, limits.prs_today.is_up()), (Used { used: 2, limit: Some(2) }, true));
        assert_eq!((limits.open_prs, limits.open_prs.is_up()), (Used { used: 2, limit: None }, false));
    }
}
