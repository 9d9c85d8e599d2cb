//! What a no, or another round, means to the pull request of a run.
use crate::domain::run::candidate;
use crate::domain::{EventType, Family, NewEvent, PrState, Reason, Run, Status};
use crate::engine::decisions::pulls::{MAX_WORDS, has_merged, holds_another, no};
use crate::engine::decisions::{Action, Operator};
use crate::engine::{Engine, EngineError};
use serde_json::json;

impl Engine {
    /// Leaves a failure alone after somebody's no, and lets the steward take down what stands for it; a new round ends that.
    pub(super) async fn heed(&self, run: &Run, action: &Action) -> Result<(), EngineError> {
        let now = self.clock.now();
        let cooled_until = match action {
            Action::Deny | Action::Abort => now.checked_add(self.forge.terms.cooldown).ok(),
            Action::Retry | Action::FixByPatch(_) | Action::FixByWorktree(_) | Action::Hint(_) => None,
            Action::Approve | Action::Publish => return Ok(()),
        };
        let Some(family) = self.store.family_of_run(run.id).await? else { return Ok(()) };
        self.change_family(&family.key, |it| {
            (it.cooled_until, it.wanted_by) = (cooled_until, None);
            (it.due_at, it.chores.reopened) = (Some(now), None);
            if cooled_until.is_none() {
                it.other_pull = None;
                it.pull = it.pull.take().filter(|it| it.state != PrState::Merged);
            }
        })
        .await
    }

    /// Returns that the pull request of a run that was refused stays open all the same, and why; `None`: it is closed in a moment, or there is none.
    pub(super) async fn stays_open(&self, run: &Run) -> Result<Option<String>, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let open = family.as_ref().and_then(Family::open_pull);
        let of_run = run.pr_number.filter(|_| run.pr_state == PrState::Open);
        let Some(number) = open.map(|it| it.0).or(of_run) else { return Ok(None) };
        let attempts = self.store.attempts(run.id).await?;
        let patch = candidate(&attempts).and_then(|it| it.patch_digest.as_ref());
        let (why, url) = match (self.why_not_there(&run.repository), open) {
            (Some(why), _) => (why, open.map_or(&run.pr_url, |(_, pull)| &pull.url)),
            (None, None) => ("it is not followed any more".to_owned(), &run.pr_url),
            (None, Some((_, pull))) => match &pull.hands_off {
                Some(why) => (why.clone(), &pull.url),
                None if holds_another(pull, run.id, patch) => ("it holds another run's fix".to_owned(), &pull.url),
                None => return Ok(None),
            },
        };
        let at = url.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        Ok(Some(format!("pull request #{number}{at} stays open: {why}; close it there")))
    }

    /// Returns why a run that was refused cannot be approved although its pull request is open again; `None`: it is not.
    pub(super) async fn why_not_after_no(&self, run: &Run) -> Result<Option<EngineError>, EngineError> {
        let family = self.store.family_of_run(run.id).await?.filter(Family::is_reopened);
        let is_denied = run.escalation_reason == Some(Reason::Denied);
        let Some((number, _)) = family.as_ref().and_then(Family::open_pull).filter(|_| is_denied) else {
            return Ok(None);
        };
        Ok(Some(no(format!(
            "it was denied, and the no stands although pull request #{number} was opened again; `retry` the run and approve what comes of it, \
             merge it there, or `deny` it again to have it closed"
        ))))
    }

    /// Carries out a no that is said again, to a pull request that somebody opened again since; `None`: there is nothing to carry out.
    pub(super) async fn say_no_again(
        &self,
        run: &Run,
        action: &Action,
        operator: &Operator,
    ) -> Result<Option<String>, EngineError> {
        let kind = match action {
            Action::Deny => EventType::RunDenied,
            Action::Abort => EventType::RunAborted,
            _ => return Ok(None),
        };
        let family = self.store.family_of_run(run.id).await?.filter(Family::is_reopened);
        let Some((number, family)) = family.and_then(|it| Some((it.open_pull()?.0, it))) else { return Ok(None) };
        let now = self.clock.now();
        let message = format!("said no again: pull request #{number}, which was opened again, is to be closed");
        let fact = NewEvent::new(kind, format!("human:{}", operator.name), message.clone())
            .with(json!({ "number": number, "note": operator.note }));
        let cooled_until = now.checked_add(self.forge.terms.cooldown).ok();
        let mut next = Family { cooled_until, wanted_by: None, due_at: Some(now), ..family.next() };
        next.chores.reopened = None;
        self.store.put_family(&next, &[fact], now).await?;
        Ok(Some(message))
    }

    /// Returns a run that is to be worked on again without a pull request of it that was merged: that one is done with.
    pub(super) async fn without_merged(&self, run: Run) -> Result<Run, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        if run.status == Status::Resolved || !family.as_ref().is_some_and(has_merged) {
            return Ok(run);
        }
        Ok(Run { pr_number: None, pr_url: None, pr_state: PrState::None, heal_branch: None, heal_commit: None, ..run })
    }

    /// Returns a run that is to be tried again on what its branch is now, where its pull request is in conflict with that.
    pub(super) async fn past_conflict(&self, run: Run) -> Result<Run, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let (Some((number, pull)), Some(reads)) =
            (family.as_ref().and_then(Family::conflicting_pull), &self.forge.reads)
        else {
            return Ok(run);
        };
        let tip = reads.branch(&run.repository, &pull.base_branch).await;
        let tip = tip
            .map_err(|it| no(self.safe_text(&format!("{} cannot be looked at: {it}", pull.base_branch), MAX_WORDS)))?;
        let tip = tip.ok_or_else(|| no(format!("the branch of pull request #{number} is gone")))?;
        Ok(Run { rebased_on: Some(tip), failure: None, ..run })
    }
}
