//! From a red run of CI to a run of ours: read it, know its family, keep the limits, store it once.
use crate::domain::{
    CiRef, CiRun, Digest, EventType, Family, ForgeTerms, NewEvent, Order, Provider, Reason, Run, RunId, RunQuery,
    Source, Transition, family_key, heals_today_of,
};
use crate::engine::analysis::Analysis;
use crate::engine::baseline::declined_kind;
use crate::engine::inbox::creation;
use crate::engine::watch::Shared;
use crate::engine::watch::filters::Judge;
use crate::forge::ForgeError;
use crate::rules::Rules;
use crate::store::{Arrival, FamilySighting, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Runs of a repository among which those of a day are counted.
const MAX_RUNS: u64 = 500;
/// For how long after its end the log of a run may still be on its way.
const LOG_IS_LATE: SignedDuration = SignedDuration::from_mins(2);

/// A red run that is to be taken in, and what is known of its repository.
#[derive(Debug, Clone)]
pub(super) struct Red {
    pub(super) repository: String,
    pub(super) default_branch: String,
    pub(super) rules: Arc<Rules>,
    pub(super) run: CiRun,
    /// Whether to take it in also without its log, which may be late.
    pub(super) is_last_try: bool,
}

/// Why a red run was not taken in.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntakeError {
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its log is not there yet")]
    LogIsLate,
    #[error("reading it broke off; the log of the process says why")]
    BrokeOff,
}

impl Red {
    /// Returns the name by which the same run is never taken in twice.
    pub(super) fn delivery(run: &CiRun) -> String {
        format!("github:run:{}:{}", run.id, run.attempt)
    }
}

impl Shared {
    /// Takes a red run in; returns the run that stands for it.
    pub(super) async fn take_in(&self, red: &Red) -> Result<RunId, IntakeError> {
        let delivery = Red::delivery(&red.run);
        if let Some(known) = self.engine.store.delivery(&delivery).await? {
            return Ok(known);
        }
        let analysis = self.analyst.analyse(&red.repository, &red.run, &red.rules, &red.default_branch).await?;
        // Both by the forge's clock: ours may be minutes ahead.
        let age = self.reads.now().duration_since(red.run.updated_at);
        if analysis.lacks_log && !red.is_last_try && age < LOG_IS_LATE {
            return Err(IntakeError::LogIsLate);
        }
        // One at a time: each sees in the limits what the one before has used up.
        let _turn = self.settling.lock().await;
        let arrival = self.arrival(red, analysis, delivery).await?;
        let arrived = self.engine.store.arrive(std::slice::from_ref(&arrival)).await?;
        let arrived = arrived.first().ok_or_else(|| StoreError::Broken("an arrival got no answer".to_owned()))?;
        let (run, is_new) = (arrived.run_id, !arrived.is_duplicate);
        tracing::info!(repository = red.repository, ci_run = red.run.id, %run, is_new, "a red run was taken in");
        Ok(run)
    }

    async fn arrival(&self, red: &Red, analysis: Analysis, delivery: String) -> Result<Arrival, StoreError> {
        let now = self.engine.clock.now();
        let hash = analysis.failure.hash.clone();
        let run = self.queued(red, &analysis, now);
        let url = run.pipeline_url.clone();
        let mut creation = creation(run);
        let notes = analysis.notes.iter().map(|it| NewEvent::new(EventType::AttemptThinking, "system", it.clone()));
        // What is told last says that it waits.
        creation.events.splice(1..1, notes);
        let creation = self.declined(red, &analysis, creation, now).await?;
        let key = arrival_key(&creation.run);
        let mut outputs = vec![analysis.log];
        outputs.extend(analysis.artifacts);
        let live_for = self.engine.forge.terms.cooldown;
        let family = Some(FamilySighting { error_hash: hash, url, began_at: red.run.created_at, live_for });
        Ok(Arrival { creation, key, delivery: Some(delivery), outputs, family })
    }

    fn queued(&self, red: &Red, analysis: &Analysis, now: Timestamp) -> Run {
        let engine = &self.engine;
        let name = |text: &str| engine.safe_text(&text.split_whitespace().collect::<Vec<_>>().join(" "), 500);
        let (ci, merged) = (&red.run, BTreeSet::new());
        let judge = Judge {
            repository: &red.repository,
            default_branch: &red.default_branch,
            rules: &red.rules,
            merged: &merged,
        };
        let terms = engine.repositories.terms(&red.repository);
        let order = Order {
            agents: terms.agents,
            timeout_ms: terms.timeout_ms,
            workflow: Some(name(&ci.workflow)),
            ci: Some(CiRef {
                run_id: ci.id,
                attempt: ci.attempt,
                workflow_id: ci.workflow_id,
                workflow: name(&ci.workflow),
                workflow_path: name(&ci.workflow_path),
                event: name(&ci.event),
                url: name(&ci.url),
                is_fork: judge.is_fork(ci),
                is_trusted: judge.is_trusted(ci),
                default_branch: name(&red.default_branch),
            }),
            ..Order::default()
        };
        let branch = name(&ci.branch);
        Run {
            provider: Provider::Github,
            source: Source::Poll,
            pipeline_url: Some(name(&ci.url)),
            error_hash: analysis.failure.hash.clone(),
            error_type: Some(analysis.failure.error_type.clone()),
            error_summary: analysis.failure.summary.clone(),
            ..Run::queued(&red.repository, &branch, &name(&ci.commit_sha), order, terms.max_attempts, now)
        }
    }

    /// Keeps what must not be healed from it: what came back after a merge, what is for people, what is over the limit.
    async fn declined(
        &self,
        red: &Red,
        analysis: &Analysis,
        creation: Transition,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let store = &self.engine.store;
        let family = store.family(&family_key(&red.repository, &analysis.failure.hash)).await?;
        let is_fork = creation.run.order.ci.as_ref().is_none_or(|it| it.is_fork);
        if let Some(family) = &family
            && let Some(number) = regressed(family, &store.run(family.run_id).await?, &red.run, is_fork, now)
        {
            return Ok(creation.regressed(number));
        }
        if let Some((reason, note)) = declined_kind(&analysis.failure) {
            return Ok(creation.declined(reason, &note));
        }
        if let Some(silence) = &analysis.silence {
            return Ok(creation.declined(Reason::Infrastructure, silence));
        }
        let heals = heals_a_day(&red.rules, &self.engine.forge.terms);
        let query = RunQuery { repository: Some(red.repository.clone()), limit: MAX_RUNS, ..RunQuery::default() };
        let is_trusted = creation.run.order.is_trusted();
        let used = heals_today_of(&store.runs(&query).await?.0, red.run.workflow_id, is_trusted, now);
        if heals.is_some_and(|it| used >= it) {
            let note = format!("{used} runs of this workflow were healed in 24 hours; no more are allowed");
            return Ok(creation.declined(Reason::RateLimited, &note));
        }
        Ok(creation)
    }
}

/// Returns what a red run is known by. A commit and its failure may be a fork's as well as a trusted branch's: neither stands for the other,
/// nor does what another workflow found there for what says that a merge does not hold.
fn arrival_key(run: &Run) -> Digest {
    let known = (&run.repository, &run.commit_sha, &run.error_hash);
    let key = match run.escalation_reason {
        _ if !run.order.is_trusted() => json!((known, "untrusted")),
        Some(Reason::Regressed) => json!((known, "regressed")),
        _ => json!(known),
    };
    Digest::of(key.to_string())
}

/// Returns how many runs of a workflow may be healed in 24 hours, `None` where any number may. What the repository has written goes before only
/// where it is stricter.
pub(super) fn heals_a_day(rules: &Rules, terms: &ForgeTerms) -> Option<u32> {
    let ours = Some(terms.runs_per_day).filter(|it| *it > 0);
    [rules.heals_per_day, ours].into_iter().flatten().min()
}

/// Returns the number of the pull request that was merged for a failure, if `seen` says that it did not hold. What a fork runs never says so,
/// whatever its branch is called. Which run stands for the failure meanwhile does not matter, unless it has said so before.
fn regressed(family: &Family, stands: &Run, seen: &CiRun, is_fork: bool, now: Timestamp) -> Option<u64> {
    let after = family.after.as_ref().filter(|it| it.is_open(now))?;
    let is_said = stands.escalation_reason == Some(Reason::Regressed);
    let is_later = after.is_later(&seen.branch, &seen.commit_sha, seen.created_at);
    (is_later && seen.workflow_id == after.workflow_id && !is_said && !is_fork).then_some(after.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Aftermath, Digest, PrState, Status};
    use crate::engine::watch::testing::red;

    #[test]
    fn what_the_repository_has_written_tightens_the_limit_and_never_lifts_it() {
        for (written, runs_per_day, expected) in [
            ("max_heal_attempts_per_day: 0", 1, Some(1)),
            ("max_heal_attempts_per_day: -1", 1, Some(1)),
            ("enabled: true", 7, Some(7)),
            ("max_heal_attempts_per_day: 5", 1, Some(1)),
            ("max_heal_attempts_per_day: 2", 7, Some(2)),
            ("max_heal_attempts_per_day: 2", 0, Some(2)),
            ("", 0, None),
        ] {
            let terms = ForgeTerms { runs_per_day, ..ForgeTerms::default() };
            let rules = Rules::read(written.as_bytes()).unwrap().0;
            assert_eq!(heals_a_day(&rules, &terms), expected, "{written} {runs_per_day}");
        }
    }

    #[test]
    fn only_what_ran_after_the_merge_says_that_it_did_not_hold() {
        let merged_at = red(1).created_at;
        let now = merged_at + SignedDuration::from_mins(5);
        let queued = Run::queued("acme/shop", "main", "c0ffee", Order::default(), 3, merged_at);
        let merged = Run { status: Status::Resolved, pr_state: PrState::Merged, ..queued };
        let mut family = Family::first_seen(&merged, "v1:a", None, merged_at);
        assert_eq!(regressed(&family, &merged, &red(1), false, now), None);
        family.after = Some(Aftermath {
            run_id: merged.id,
            number: 12,
            merged_sha: "beef".to_owned(),
            patch: Digest::of("a patch"),
            patch_run: None,
            merged_at,
            branch: "main".to_owned(),
            workflow_id: 3,
            until: now + SignedDuration::from_mins(1),
            rerun_at: None,
            reran: false,
            outcome: None,
            revert: None,
        });
        assert_eq!(regressed(&family, &merged, &red(1), false, now), None, "it began before the merge");
        let later = CiRun { created_at: now, ..red(2) };
        assert_eq!(regressed(&family, &merged, &later, false, now), Some(12));
        let at_merge = CiRun { commit_sha: "beef".to_owned(), ..red(2) };
        assert_eq!(regressed(&family, &merged, &at_merge, false, now), Some(12));
        assert_eq!(regressed(&family, &merged, &at_merge, true, now), None, "a fork's");
        let sibling = Run { status: Status::Queued, pr_state: PrState::None, ..merged.clone() };
        assert_eq!(regressed(&family, &sibling, &later, false, now), Some(12), "whichever run stands for it");
        let said = Run { status: Status::Escalated, escalation_reason: Some(Reason::Regressed), ..sibling };
        assert_eq!(regressed(&family, &said, &later, false, now), None, "once");
        for other in [CiRun { branch: "topic".to_owned(), ..later.clone() }, CiRun { workflow_id: 4, ..later.clone() }]
        {
            assert_eq!(regressed(&family, &merged, &other, false, now), None);
        }
        assert_eq!(regressed(&family, &merged, &later, false, now + SignedDuration::from_hours(1)), None, "it is over");
    }
}
