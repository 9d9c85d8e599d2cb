//! Two failures of one commit with the very same fix: one pull request is enough, and both runs follow it.
use crate::domain::transition::{MergeFacts, MergedBy};
use crate::domain::{Digest, EventType, Family, NewEvent, OtherPull, PrState, PullState, Run, Status};
use crate::engine::steward::gate::{MAX_FAMILIES, Skip, is_just_pushed};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::sync::OPEN;
use crate::forge::PullRequest;
use jiff::{SignedDuration, Timestamp};

/// How soon a branch that was just pushed is looked at again: its pull request follows.
const PUSHED: SignedDuration = SignedDuration::from_secs(30);

impl Scene<'_> {
    /// Returns why no pull request is needed: another failure has one with this fix, or had one that was closed.
    pub(super) async fn twin(&self) -> Result<Option<Skip>, Trouble> {
        if let Some(pull) = self.open_twin().await? {
            let Some(number) = pull.number else {
                let why = "another failure has this very fix, and its pull request comes in a moment";
                return Ok(Some(Skip::until(self.now + PUSHED, why)));
            };
            let other = OtherPull { number, head: Some(pull.head), is_open: true };
            let until = Some(self.now + OPEN);
            return Ok(Some(Skip {
                until,
                ..Skip::because_of(other, format!("pull request #{number} has this very fix"))
            }));
        }
        let other = self.family.other_pull.clone().filter(|it| it.head.is_some() && !it.is_open);
        Ok(other.filter(|_| self.asked_by().is_none()).map(closed))
    }

    async fn open_twin(&self) -> Result<Option<PullState>, Trouble> {
        let families = self.steward.engine.store.families(&self.family.repository, MAX_FAMILIES).await?;
        Ok(twin_among(families, &self.family.key, &self.run, self.patch_digest().as_ref(), self.now))
    }

    /// Takes over what became of the pull request that has the run's fix: merged, it is this failure's end, too; closed, it is nobody's word
    /// on this one.
    pub(super) async fn follow_twin(&mut self) -> Stepped {
        let other = self.family.other_pull.clone().filter(|it| it.is_open);
        let Some((other, head)) = other.and_then(|it| Some((it.clone(), it.head?))) else { return Ok(None) };
        let is_at_rest = matches!(self.run.status, Status::Fixed | Status::Escalated) && !self.is_refused();
        if !is_at_rest || self.open_twin().await?.is_some() {
            return Ok(None);
        }
        let there = self.reads.pull(&self.family.repository, other.number).await?;
        if there.is_merged && there.head_commit == head && there.base_branch == self.run.branch {
            return self.merged_as(&there, head).await;
        }
        if there.is_open || there.is_merged {
            // It holds something else by now.
            let message =
                format!("pull request #{}, which had this very fix, was merged with another one", other.number);
            let fact = there.is_merged.then(|| NewEvent::new(EventType::PrSkipped, "system", message));
            let facts = fact.into_iter().collect();
            return self.record(facts, |family| (family.other_pull, family.skipped) = (None, None)).await;
        }
        self.say_skipped(closed(OtherPull { is_open: false, ..other })).await
    }

    /// The run's fix was merged as another failure's.
    async fn merged_as(&mut self, there: &PullRequest, head: String) -> Stepped {
        let Some(attempt) = self.candidate() else { return Ok(None) };
        let branch = there.head_branch.clone();
        let Some(pushed) = PullState::pushed(&self.run, attempt, branch, head.clone(), self.now) else {
            return Ok(None);
        };
        let commit = there.merge_commit.clone().unwrap_or(head);
        let facts = MergeFacts { number: there.number, commit: &commit, patch: &pushed.patch, by: MergedBy::Another };
        let mut transition = self.run.merged(&facts, self.now)?;
        transition.run.pr_url = Some(there.url.clone());
        self.commit(transition).await?;
        let pull = PullState { number: Some(there.number), url: Some(there.url.clone()), ..pushed };
        let (run, at) = (self.run.clone(), there.merged_at.unwrap_or(self.now));
        let watched_for = self.steward.engine.forge.terms.watch_after_merge;
        self.record(Vec::new(), |family| {
            (family.other_pull, family.skipped, family.pull) = (None, None, Some(pull));
            // The branch is for those to delete who made it.
            family.chores.is_branch_gone = true;
            family.was_merged(&run, &commit, at, watched_for);
        })
        .await
    }
}

/// Returns the pull request of another failure than `own` that holds a run's patch where it was proved.
pub(in crate::engine) fn twin_among(
    families: Vec<Family>,
    own: &Digest,
    run: &Run,
    patch: Option<&Digest>,
    now: Timestamp,
) -> Option<PullState> {
    let is_twin = |it: &PullState| {
        (it.state == PrState::Open || is_just_pushed(it, now))
            && it.hands_off.is_none()
            && Some(&it.patch) == patch
            && it.base_branch == run.branch
            && it.base_sha == run.working_commit()
    };
    families.into_iter().filter(|it| it.key != *own).filter_map(|it| it.pull).find(is_twin)
}

fn closed(other: OtherPull) -> Skip {
    let why = format!("pull request #{}, which had this very fix, was closed; ask for one by hand", other.number);
    Skip::because_of(other, why)
}
