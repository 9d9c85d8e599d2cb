//! What people did at the forge becomes so here: a pull request that was merged or closed, and a merge that was under way.
use crate::domain::transition::{MergeFacts, MergedBy, PullFacts};
use crate::domain::{EventType, NewEvent, PrState, PullState, Reason, Status};
use crate::engine::steward::gate::MAX_FACTS;
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::{Visit, branch};
use crate::forge::PullRequest;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// How long the process that began a merge is left alone with it.
const MERGING: SignedDuration = SignedDuration::from_secs(10);
/// After how long a merge that is not to be seen was none.
const NOT_MERGED: SignedDuration = SignedDuration::from_mins(2);
/// How often an open pull request is looked at.
pub(super) const OPEN: SignedDuration = SignedDuration::from_mins(2);
/// How often it is asked whether a worker is done with a run.
const HELD_RUN: SignedDuration = SignedDuration::from_secs(30);
const MAX_WHY_CHARS: usize = 300;

impl Scene<'_> {
    /// Settles a merge whose end nobody recorded.
    pub(super) async fn settle_merge(&mut self) -> Stepped {
        let Some(pull) = &self.family.pull else { return Ok(None) };
        let (Some(merging), Some(number)) = (pull.merging.clone(), pull.number) else { return Ok(None) };
        let age = self.now.duration_since(merging.at);
        if age < MERGING {
            return Ok(Some(Visit::Until(merging.at + MERGING)));
        }
        let there = self.reads.pull(&self.family.repository, number).await?;
        if there.is_merged {
            return self.merged(&there).await;
        }
        if age >= NOT_MERGED || !there.is_open {
            return self.record_pull(Vec::new(), |it| it.merging = None).await;
        }
        Ok(Some(Visit::Until(self.now + MERGING)))
    }

    /// Looks at the pull request, and takes over what became of it there.
    pub(super) async fn sync(&mut self) -> Stepped {
        let Some((number, _)) = self.family.open_pull() else {
            self.let_go_of_closed().await?;
            return self.look_at_closed().await;
        };
        self.pass_on(number).await?;
        let there = self.reads.pull(&self.family.repository, number).await?;
        self.look_again(self.now + OPEN);
        if let Some(visit) = self.follow_rename(&there).await? {
            return Ok(Some(visit));
        }
        if there.is_merged {
            return self.merged(&there).await;
        }
        if !there.is_open {
            return self.closed().await;
        }
        let pull = there.clone();
        self.pull = Some(there);
        if self.is_at_rest() {
            self.stands(&pull).await?;
        }
        self.heed_conflict(&pull).await
    }

    /// Says once that a pull request of ours is in conflict with what its branch has become, and what helps.
    async fn heed_conflict(&mut self, there: &PullRequest) -> Stepped {
        let Some((number, pull)) = self.family.open_pull() else { return Ok(None) };
        if !self.is_at_rest() {
            return Ok(None);
        }
        let was = self.family.conflicting_pull().is_some();
        let is = match there.is_mergeable {
            Some(is_mergeable) => !is_mergeable && pull.hands_off.is_none(),
            None => was,
        };
        if is == was {
            return Ok(None);
        }
        let branch = pull.base_branch.clone();
        let message = format!(
            "pull request #{number} is in conflict with what {branch} has become since the fix was proved; a `retry` proves it anew there"
        );
        let fact = NewEvent::new(EventType::PrSkipped, "system", message).with(json!({ "number": number }));
        let facts = is.then_some(fact).into_iter().collect();
        self.record(facts, |family| family.chores.in_conflict = is.then_some(number)).await
    }

    /// Says with the run that the pull request was of before whose it is by now. A proved fix of that one stays its own.
    async fn pass_on(&mut self, number: u64) -> Result<(), Trouble> {
        let before = self.family.pull.as_ref().and_then(|it| it.patch_run).filter(|it| *it != self.run.id);
        let Some(before) = before else { return Ok(()) };
        let store = &self.steward.engine.store;
        let before = store.run(before).await?;
        let is_its = before.pr_number == Some(number) && before.pr_state == PrState::Open;
        if is_its && matches!(before.status, Status::Escalated | Status::Aborted) {
            store.commit(&before.pull_passed_on(self.run.id, self.now)?, None).await?;
        }
        Ok(())
    }

    /// Follows the default branch to its new name, where the forge has taken the pull request along.
    async fn follow_rename(&mut self, there: &PullRequest) -> Stepped {
        let Some(pull) = self.family.pull.clone() else { return Ok(None) };
        let is_at_rest = matches!(self.run.status, Status::Fixed | Status::Escalated);
        if !is_at_rest || !branch::is_renamed(&*self.reads, &self.run, &pull, there).await? {
            return Ok(None);
        }
        let name = self.steward.engine.safe_text(&there.base_branch, MAX_WHY_CHARS);
        if self.run.branch == pull.base_branch {
            let transition = self.run.follows_branch(&name, self.now)?;
            self.commit(transition).await?;
        }
        self.record_pull(Vec::new(), |it| it.base_branch = name).await
    }

    /// Comes again when a worker may be done with the run. What the run itself waits for goes on meanwhile.
    fn not_at_rest(&mut self) -> Option<Visit> {
        let at = self.now + HELD_RUN;
        if self.run.waiting(&self.attempts).is_none() {
            return Some(Visit::Until(at));
        }
        self.look_again(at);
        None
    }

    /// Whether no worker has the run and no person has refused it.
    fn is_at_rest(&self) -> bool {
        match self.run.status {
            Status::Fixed => true,
            Status::Escalated => !self.is_refused(),
            _ => false,
        }
    }

    /// Brings the run's own words about its pull request up to date.
    async fn stands(&mut self, there: &PullRequest) -> Result<(), Trouble> {
        let Some((number, pull)) = self.family.open_pull() else { return Ok(()) };
        if self.is_of_another(pull) && !self.holds_fix() {
            return Ok(());
        }
        let facts =
            PullFacts { number, url: &there.url, branch: &pull.branch, head: &pull.head, is_draft: pull.is_draft };
        let is_known = self.run.pr_number == Some(number) && self.run.pr_state == PrState::Open;
        let transition = match is_known {
            false => self.run.pull_opened(&facts, self.now)?,
            true if self.run.heal_commit.as_ref() != Some(&pull.head) => self.run.pull_updated(&facts, self.now)?,
            true => return Ok(()),
        };
        self.commit(transition).await
    }

    async fn merged(&mut self, there: &PullRequest) -> Stepped {
        let Some(pull) = self.family.pull.clone() else { return Ok(None) };
        let commit = there.merge_commit.clone().unwrap_or_else(|| pull.head.clone());
        let by = pull.merging.as_ref().filter(|it| it.head == there.head_commit);
        let by = by.map_or(MergedBy::Forge(there.merged_by.as_deref()), MergedBy::Approval);
        let otherwise = self.merged_otherwise(&pull, there);
        let number = there.number;
        let mut facts = Vec::new();
        match self.run.status {
            // The fix of the run is another one, and is not accepted with it.
            Status::Fixed | Status::Escalated
                if self.is_of_another(&pull) && self.candidate().is_some() && !self.holds_fix() =>
            {
                let message = format!("pull request #{number}, which holds another fix, was merged");
                let fact = NewEvent::new(EventType::PrMerged, "system", message);
                facts.push(fact.with(json!({ "number": number, "commit": commit, "final": false })));
            }
            Status::Fixed | Status::Escalated => {
                let merge = MergeFacts { number, commit: &commit, patch: &pull.patch, by };
                let transition = self.run.merged(&merge, self.now)?;
                self.commit(transition).await?;
            }
            // A worker has it: when it comes to rest, this is found again.
            Status::Queued | Status::Running => return Ok(self.not_at_rest()),
            Status::Aborted if self.run.pr_state != PrState::Merged => {
                let transition = self.run.merged_nonetheless(number, &commit, by, self.now)?;
                self.commit(transition).await?;
            }
            Status::Resolved | Status::Aborted => {}
        }
        if let Some(why) = &otherwise {
            let message = format!("pull request #{number}: {why}; it is not watched whether the fix holds");
            facts.push(NewEvent::new(EventType::PrSkipped, "system", message));
        }
        let (run, at) = (self.run.clone(), there.merged_at.unwrap_or(self.now));
        let watched_for = self.steward.engine.forge.terms.watch_after_merge;
        self.record(facts, |family| {
            family.was_merged(&run, &commit, at, watched_for);
            if let (Some(why), Some(pull)) = (otherwise, &mut family.pull) {
                (family.after, pull.hands_off) = (None, Some(why));
            }
        })
        .await
    }

    /// Returns how a merge is not the one that was proved, in words: what follows on its branch says nothing of the fix.
    fn merged_otherwise(&self, pull: &PullState, there: &PullRequest) -> Option<String> {
        if there.base_branch != pull.base_branch {
            let why = format!("it was merged into {}, and not into {}", there.base_branch, pull.base_branch);
            return Some(self.steward.engine.safe_text(&why, MAX_WHY_CHARS));
        }
        (there.head_commit != pull.head).then(|| "it was merged with commits that are not ours".to_owned())
    }

    async fn closed(&mut self) -> Stepped {
        if self.is_overtaken().await? {
            return self.record_pull(Vec::new(), |it| (it.state, it.merging) = (PrState::Closed, None)).await;
        }
        let is_refused = self.run.escalation_reason == Some(Reason::Denied);
        match self.run.status {
            Status::Fixed | Status::Escalated if !is_refused => {
                let transition = self.run.closed_elsewhere(self.now)?;
                self.commit(transition).await?;
            }
            Status::Queued | Status::Running => return Ok(self.not_at_rest()),
            // We closed it, and did not come to say so.
            _ if self.run.pr_state == PrState::Open => {
                let transition = self.run.pull_closed("its pull request was closed", self.now)?;
                self.commit(transition).await?;
            }
            _ => {}
        }
        let cooled_until = self.cooled_until();
        self.record(Vec::new(), |family| {
            family.cooled_until = cooled_until;
            family.wanted_by = None;
            family.chores.reopened = None;
            if let Some(pull) = &mut family.pull {
                (pull.state, pull.merging) = (PrState::Closed, None);
            }
        })
        .await
    }

    /// Whether the run is about another fix by now than its pull request, so that closing that one is no word on it: the fix is another run's,
    /// or a person asked for another round since.
    async fn is_overtaken(&self) -> Result<bool, Trouble> {
        let Some(pull) = &self.family.pull else { return Ok(false) };
        match self.run.status {
            Status::Fixed | Status::Escalated if self.holds_fix() => return Ok(false),
            Status::Aborted | Status::Resolved => return Ok(false),
            _ if self.is_of_another(pull) => return Ok(true),
            _ => {}
        }
        let Some(attempt) = self.attempts.iter().find(|it| it.attempt_no == pull.attempt_no) else { return Ok(false) };
        let facts = self.steward.engine.store.events(Some(self.run.id), 0, MAX_FACTS).await?;
        Ok(facts.iter().any(|it| {
            matches!(it.kind, EventType::RunRequeued | EventType::RunHumanFixed)
                && it.actor.starts_with("human:")
                && it.created_at > attempt.created_at
        }))
    }

    /// Says with the run at rest, too, that its pull request is closed, where that was no word on it.
    async fn let_go_of_closed(&mut self) -> Result<(), Trouble> {
        let closed = self.family.pull.as_ref().filter(|it| it.state == PrState::Closed).and_then(|it| it.number);
        let is_of_run = closed.is_some() && closed == self.run.pr_number && self.run.pr_state == PrState::Open;
        if is_of_run && !matches!(self.run.status, Status::Queued | Status::Running) {
            let transition = self.run.pull_closed("its pull request was closed", self.now)?;
            self.commit(transition).await?;
        }
        Ok(())
    }

    /// Looks whether somebody opened a closed pull request again, and perhaps merged it. The watcher says when it is worth a look.
    async fn look_at_closed(&mut self) -> Stepped {
        let closed = self.family.pull.as_ref().filter(|it| it.state == PrState::Closed);
        let Some(number) = closed.and_then(|it| it.number) else { return Ok(None) };
        let there = self.reads.pull(&self.family.repository, number).await?;
        if there.is_merged {
            return self.merged(&there).await;
        }
        if !there.is_open {
            return Ok(None);
        }
        if self.is_refused() && self.run.pr_state != PrState::Open {
            let transition = self.run.reopened(number, self.now)?;
            self.commit(transition).await?;
        }
        self.record(Vec::new(), |family| {
            family.chores.reopened = Some(number);
            if let Some(pull) = &mut family.pull {
                pull.state = PrState::Open;
            }
        })
        .await
    }

    /// Returns until when a no of now stands.
    pub(super) fn cooled_until(&self) -> Option<Timestamp> {
        let length = SignedDuration::try_from(self.steward.engine.forge.terms.cooldown).ok()?;
        Some(self.now + length)
    }

    /// Keeps its hands off a branch from now on.
    pub(super) async fn hands_off(&mut self, at: &str) -> Stepped {
        let short = at.get(..8).unwrap_or(at);
        let why = format!("somebody pushed {short} to it");
        let number = self.family.pull.as_ref().and_then(|it| it.number).map(|it| format!(" of pull request #{it}"));
        let message = format!("hands off the branch{}: {why}", number.unwrap_or_default());
        let fact = NewEvent::new(EventType::PrSkipped, "system", message);
        self.record_pull(vec![fact], |it| it.hands_off = Some(why)).await
    }
}
