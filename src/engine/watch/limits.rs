//! How much was done in a repository in the last 24 hours, and how much may be. Pure.
use crate::domain::{Family, ForgeTerms, LimitsPicture, PrState, Reason, Run, Used};
use crate::rules::Rules;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Returns how many runs of a workflow may be healed in 24 hours, `None` where any number may. What the repository has written itself goes before.
pub(super) fn heals_a_day(rules: &Rules, is_written: bool, terms: &ForgeTerms) -> Option<u32> {
    if is_written { rules.heals_per_day } else { Some(terms.runs_per_day) }
}

/// Returns how many of these runs were taken in to heal a workflow in the last 24 hours.
pub(super) fn healed(runs: &[Run], workflow: u64, now: Timestamp) -> u32 {
    let is_of_it = |it: &&Run| it.order.ci.as_ref().is_some_and(|ci| ci.workflow_id == workflow);
    count(runs.iter().filter(is_of_it).filter(|it| is_heal(it, now)))
}

/// Returns what a screen shows: `heals` a day, and the limits of the settings.
pub(super) fn picture(
    runs: &[Run],
    families: &[Family],
    heals: Option<u32>,
    terms: &ForgeTerms,
    now: Timestamp,
) -> LimitsPicture {
    let mut heals_today: BTreeMap<String, Used> = BTreeMap::new();
    for ci in runs.iter().filter(|it| is_heal(it, now)).filter_map(|it| it.order.ci.as_ref()) {
        heals_today.entry(ci.workflow.clone()).or_insert(Used { used: 0, limit: heals }).used += 1;
    }
    let pulls = || families.iter().filter_map(|it| it.pull.as_ref());
    let is_new = |at: Timestamp| now.duration_since(at) < DAY;
    LimitsPicture {
        heals_today,
        prs_today: Used {
            used: count(pulls().filter(|it| it.opened_at.is_some_and(is_new))),
            limit: Some(terms.prs_per_day),
        },
        open_prs: Used {
            used: count(pulls().filter(|it| it.number.is_some() && it.state == PrState::Open)),
            limit: Some(terms.open_prs),
        },
    }
}

/// Whether a run was made to be healed in the last 24 hours; what a limit kept from it is none.
fn is_heal(run: &Run, now: Timestamp) -> bool {
    now.duration_since(run.created_at) < DAY && run.escalation_reason != Some(Reason::RateLimited)
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CiRef, Order};

    fn run(workflow: u64, hours_ago: i64, reason: Option<Reason>) -> Run {
        let ci = CiRef {
            run_id: 1,
            attempt: 1,
            workflow_id: workflow,
            workflow: format!("w{workflow}"),
            workflow_path: String::new(),
            event: String::new(),
            url: String::new(),
            is_fork: false,
            is_trusted: true,
            default_branch: String::new(),
        };
        let order = Order { ci: Some(ci), ..Order::default() };
        let at = now() - SignedDuration::from_hours(hours_ago);
        Run { escalation_reason: reason, ..Run::queued("acme/shop", "main", "c0ffee", order, 3, at) }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    #[test]
    fn what_a_limit_stopped_uses_nothing_up() {
        let runs = [
            run(1, 1, None),
            run(1, 23, Some(Reason::Exhausted)),
            run(1, 2, Some(Reason::RateLimited)),
            run(1, 25, None),
            run(2, 1, None),
        ];
        assert_eq!((healed(&runs, 1, now()), healed(&runs, 2, now()), healed(&runs, 3, now())), (2, 1, 0));
        let picture = picture(&runs, &[], Some(2), &ForgeTerms::default(), now());
        assert!(picture.heals_today["w1"].is_up() && !picture.heals_today["w2"].is_up());
        assert_eq!(picture.prs_today, Used { used: 0, limit: Some(5) });
    }

    #[test]
    fn what_the_repository_has_written_goes_before() {
        let terms = ForgeTerms { runs_per_day: 7, ..ForgeTerms::default() };
        let rules = Rules::read(b"max_heal_attempts_per_day: 0").unwrap().0;
        assert_eq!(heals_a_day(&rules, true, &terms), None);
        assert_eq!(heals_a_day(&rules, false, &terms), Some(7));
    }
}
