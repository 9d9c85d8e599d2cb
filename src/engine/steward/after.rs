//! After a merge: the branch goes, the original workflow is watched, and a fix that does not hold is proposed to be taken back.
use crate::domain::{AfterOutcome, Aftermath, CiState, EventType, NewEvent, PrState, Reason, Revert, Run};
use crate::engine::steward::branch;
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::forge::{CommitFacts, ForgeError, NewPull, PullsQuery, RunsQuery};
use crate::workspace::{BranchCommit, OUR_EMAIL, Push, WorkspaceError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// How often the workflow is looked at.
const LOOK: SignedDuration = SignedDuration::from_secs(60);
/// Runs that are looked through.
const MAX_RUNS: usize = 50;

impl Scene<'_> {
    /// Deletes the branch of a merged pull request, if nothing else is on it.
    pub(super) async fn delete_branch(&mut self) -> Stepped {
        let Some(pull) = self.family.pull.clone().filter(|it| it.state == PrState::Merged) else { return Ok(None) };
        if self.family.chores.is_branch_gone || pull.hands_off.is_some() {
            return Ok(None);
        }
        let (repository, reads, writes) = (self.repository(), self.reads.clone(), self.writes()?);
        let mut facts = Vec::new();
        if reads.branch(&repository, &pull.branch).await?.as_ref() == Some(&pull.head) {
            self.write(writes.delete_branch(&repository, &pull.branch)).await?;
            let fact = NewEvent::new(EventType::BranchDeleted, "system", format!("branch {} deleted", pull.branch));
            facts.push(fact.with(json!({ "branch": pull.branch })));
        }
        self.record(facts, |family| family.chores.is_branch_gone = true).await
    }

    /// Watches what comes of a merge, whichever run stands for the family by now: a fork may fail with the same, and says nothing of it.
    pub(super) async fn follow_up(&mut self) -> Stepped {
        let Some(after) = self.family.after.clone().filter(|it| it.outcome.is_none()) else { return Ok(None) };
        if after.run_id != self.run.id && self.run.escalation_reason == Some(Reason::Regressed) {
            return self.record_after(Vec::new(), |it| it.outcome = Some(AfterOutcome::Regressed)).await;
        }
        let query = RunsQuery { branch: Some(after.branch.clone()), max: MAX_RUNS };
        let page = self.reads.runs(&self.family.repository, &query).await?;
        let from = |it: &str| it.eq_ignore_ascii_case(&self.family.repository);
        let mut later = page.items.iter().filter(|it| {
            // A branch of a fork may have the same name.
            it.head_repository.as_deref().is_some_and(from)
                && it.workflow_id == after.workflow_id
                && (it.commit_sha == after.merged_sha || it.created_at > after.merged_at)
        });
        if later.any(|it| it.state == CiState::Green) {
            return self.record_after(Vec::new(), |it| it.outcome = Some(AfterOutcome::Held)).await;
        }
        if self.now >= after.until {
            return self.record_after(Vec::new(), |it| it.outcome = Some(AfterOutcome::Unseen)).await;
        }
        self.look_again(after.until.min(self.now + LOOK));
        Ok(None)
    }

    /// Runs the failed jobs of the original run again, once, where the repository wants that. It is written down before it is done: GitHub
    /// would do it twice. What surely was not done is taken back.
    pub(super) async fn run_again(&mut self) -> Stepped {
        let Some(after) = self.family.after.clone().filter(|it| it.outcome.is_none()) else { return Ok(None) };
        let Some(run) = self.run.order.ci.as_ref().map(|it| it.run_id) else { return Ok(None) };
        // Where a later run stands for the family, its run of CI is another one.
        if after.reran || after.run_id != self.run.id || !self.rules.retry.is_on_merge {
            return Ok(None);
        }
        let delay = SignedDuration::try_from(self.rules.retry.delay).unwrap_or_default();
        let at = after.rerun_at.unwrap_or_else(|| after.merged_at.checked_add(delay).unwrap_or(Timestamp::MAX));
        if at > self.now {
            self.look_again(at);
            return Ok(None);
        }
        self.may_write()?;
        let fact = NewEvent::new(EventType::CiRerun, "system", format!("running the failed jobs of run {run} again"));
        let fact = after.rerun_at.is_none().then(|| fact.with(json!({ "runId": run })));
        let facts = fact.into_iter().collect();
        let visit = self.record_after(facts, |it| (it.reran, it.rerun_at) = (true, Some(at))).await?;
        let (repository, writes) = (self.repository(), self.writes()?);
        match self.write(writes.rerun_failed(&repository, run)).await {
            Ok(()) => {}
            Err(trouble @ (Trouble::Forge(ForgeError::Unknown(_)) | Trouble::Store(_))) => return Err(trouble),
            Err(trouble) => {
                self.record_after(Vec::new(), |it| it.reran = false).await?;
                return Err(trouble);
            }
        }
        self.record(Vec::new(), |_| {}).await?;
        Ok(visit)
    }

    /// Proposes to take back a merge that does not hold. A person decides.
    pub(super) async fn take_back(&mut self) -> Stepped {
        let is_regressed = |it: &Aftermath| it.outcome == Some(AfterOutcome::Regressed);
        let Some(after) = self.family.after.clone().filter(is_regressed) else { return Ok(None) };
        let (repository, reads, writes) = (self.repository(), self.reads.clone(), self.writes()?);
        match after.revert.clone() {
            Some(Revert::Proposed { .. } | Revert::Impossible) => Ok(None),
            None => {
                let branch = branch::revert_name(&self.rules.branch_naming, &after.merged_sha);
                match self.push_revert(&after, &branch).await {
                    Ok(()) => {}
                    Err(Trouble::Workspace(
                        error @ (WorkspaceError::DoesNotApply(_) | WorkspaceError::BadPatch(_)),
                    )) => {
                        let why = self.steward.engine.safe_text(&error.to_string(), 500);
                        let fact = NewEvent::new(
                            EventType::PrSkipped,
                            "system",
                            format!("the merge cannot be taken back: {why}"),
                        );
                        return self.record_after(vec![fact], |it| it.revert = Some(Revert::Impossible)).await;
                    }
                    Err(error) => return Err(error),
                }
                self.record_after(Vec::new(), |it| it.revert = Some(Revert::Pushed { branch })).await
            }
            Some(Revert::Pushed { branch }) => {
                let owner = repository.split('/').next().unwrap_or_default();
                let query = PullsQuery { is_open: false, head: Some(format!("{owner}:{branch}")), max: 20 };
                let page = reads.pulls(&repository, &query).await?;
                let there = page.items.into_iter().find(|it| it.head_branch == branch);
                let there = if let Some(there) = there {
                    there
                } else {
                    let text = self.words(|it| it.revert(after.number, &after.merged_sha));
                    let new = NewPull {
                        title: &text.title,
                        body: &text.body,
                        head: &branch,
                        base: &after.branch,
                        is_draft: true,
                    };
                    self.write(writes.open_pull(&repository, &new)).await?
                };
                let number = there.number;
                let message = format!("pull request #{number} proposes to take #{} back: {}", after.number, there.url);
                let fact = NewEvent::new(EventType::PrOpened, "system", message);
                let fact = fact.with(json!({ "number": number, "url": there.url, "reverts": after.number }));
                self.record_after(vec![fact], |it| it.revert = Some(Revert::Proposed { branch, number })).await
            }
        }
    }

    /// Pushes the merged change, taken back, on what its branch is at now; finds it where that was done before.
    async fn push_revert(&self, after: &Aftermath, name: &str) -> Result<(), Trouble> {
        self.may_write()?;
        let (engine, repository) = (&self.steward.engine, &self.family.repository);
        if let Some(at) = self.reads.branch(repository, name).await? {
            let there = self.reads.commit(repository, &at).await?;
            if is_our_commit(&there) {
                return Ok(());
            }
            return Err(WorkspaceError::Foreign { branch: name.to_owned(), at }.into());
        }
        let attempts = engine.store.attempts(after.patch_run.unwrap_or(after.run_id)).await?;
        let merged = attempts.iter().rev().find(|it| it.patch_digest.as_ref() == Some(&after.patch));
        let merged = merged.and_then(|it| it.proposed_fix.clone());
        let patch = merged.ok_or_else(|| WorkspaceError::BadPatch("the merged patch is not kept".to_owned()))?;
        let tip = self.reads.branch(repository, &after.branch).await?;
        let tip = tip.ok_or_else(|| WorkspaceError::Unusable(format!("the branch {} is gone", after.branch)))?;
        let at_tip = Run { rebased_on: Some(tip.clone()), branch: after.branch.clone(), ..self.run.clone() };
        let located = engine.repositories.locate(&at_tip).await?;
        let remote = engine.repositories.push_target(repository).await?;
        let message = format!(
            "Revert pull request {}\n\nThe failure that it was to fix is back.\n\nParamedic-Run: {}",
            after.number, self.run.id
        );
        let commit = BranchCommit {
            base: &tip,
            branch: name,
            patch: &patch,
            message: &message,
            unix_seconds: self.run.created_at.as_second(),
        };
        let push = Push { commit, parent: None, is_reverse: true, remote: &remote };
        engine.workspace.push(&located.path, &push).await?;
        Ok(())
    }

    async fn record_after(&mut self, facts: Vec<NewEvent>, change: impl FnOnce(&mut Aftermath)) -> Stepped {
        self.record(facts, |family| {
            if let Some(after) = &mut family.after {
                change(after);
            }
        })
        .await
    }
}

/// Whether a commit was made by us: by what it says of its run, under our address.
pub(super) fn is_our_commit(commit: &CommitFacts) -> bool {
    commit.committer_email == OUR_EMAIL && commit.message.contains("\nParamedic-Run: ")
}
