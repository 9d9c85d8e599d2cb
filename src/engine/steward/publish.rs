//! The branch with a fix, and the pull request for it.
use crate::domain::{Attempt, ChecksState, EventType, NewEvent, OtherPull, PrState, PullState, Status};
use crate::engine::steward::gate::{self, Skip, Wanted};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::words::{Kind, Text, is_marked, marker};
use crate::engine::steward::{Visit, branch};
use crate::forge::{ForgeError, NewPull, PullEdit, PullRequest, PullsQuery};
use crate::workspace::{BranchCommit, Push, WorkspaceError};

/// Open pull requests that are looked through for one of the same family.
const MAX_PULLS: usize = 100;

impl Scene<'_> {
    /// Publishes what should be: first the commit, in the next visit the pull request.
    pub(super) async fn publish(&mut self) -> Stepped {
        let Some(wanted) = self.wanted() else { return Ok(None) };
        let pull = self.family.pull.as_ref().filter(|it| matches!(it.state, PrState::Open | PrState::None));
        match pull {
            Some(pull) if pull.hands_off.is_some() => Ok(None),
            Some(_) if wanted == Wanted::Proved && self.is_proved_past_conflict() => self.give_way().await,
            // What is not proved adds nothing to what stands there.
            Some(pull) if pull.number.is_some() && wanted == Wanted::ForReview => {
                let number = pull.number.filter(|_| self.is_of_another(pull) && !self.holds_fix());
                let Some(number) = number.filter(|_| self.candidate().is_some()) else { return Ok(None) };
                let why = format!(
                    "pull request #{number} holds another change, and this one is not proved; close it there, and ask for one by hand"
                );
                self.say_skipped(Skip::always(why)).await
            }
            Some(pull) if pull.number.is_some() && self.patch_digest().as_ref() == Some(&pull.patch) => {
                self.watch_head().await
            }
            Some(pull) if self.patch_digest().as_ref() == Some(&pull.patch) => self.open(wanted).await,
            Some(pull) if pull.number.is_some() => {
                let stays = self.stands_elsewhere(pull).or_else(|| self.stays(&pull.base_branch));
                match stays.or_else(|| self.waits_for_another()) {
                    Some(why) => self.say_skipped(Skip::always(why)).await,
                    None => self.push().await,
                }
            }
            _ => self.begin(wanted).await,
        }
    }

    /// Returns why a patch of the run cannot follow on an open pull request: what lies between two bases would be taken for a part of the fix.
    fn stands_elsewhere(&self, pull: &PullState) -> Option<String> {
        let number = pull.number?;
        if pull.base_branch != self.run.branch {
            return Some(format!(
                "pull request #{number} is open for another branch; close it, and this fix gets its own"
            ));
        }
        (pull.base_sha != self.run.working_commit()).then(|| {
            format!("pull request #{number} holds another fix, of another commit; close it, and this one gets its own")
        })
    }

    /// Whether the fix was proved anew where its branch is now, while its pull request is in conflict with that.
    fn is_proved_past_conflict(&self) -> bool {
        let pull = self.family.conflicting_pull();
        pull.is_some_and(|(_, it)| !self.is_of_another(it) && it.base_sha != self.run.working_commit())
    }

    /// Closes a pull request in conflict, so that what was proved anew gets one of its own. It is taken for closed before it is: should it
    /// stay open, it is found so.
    async fn give_way(&mut self) -> Stepped {
        self.may_write()?;
        let Some((number, _)) = self.family.open_pull() else { return Ok(None) };
        if let Some(visit) = self.watch_head().await? {
            return Ok(Some(visit));
        }
        // What keeps its successor back keeps it, too.
        if let Some(skip) = self.skip(&self.run.branch.clone()).await? {
            return self.say_skipped(skip).await;
        }
        let (repository, writes) = (self.repository(), self.writes()?);
        if self.run.pr_state == PrState::Open {
            let why = "its pull request, which is in conflict, is closed: the fix was proved anew";
            let transition = self.run.pull_closed(why, self.now)?;
            self.commit(transition).await?;
        }
        self.record_pull(Vec::new(), |it| it.state = PrState::Closed).await?;
        let edit = PullEdit { is_open: Some(false), ..PullEdit::default() };
        self.write(writes.edit_pull(&repository, number, &edit)).await?;
        self.record(Vec::new(), |_| {}).await
    }

    /// Goes on only where the branch is where we left it.
    async fn watch_head(&mut self) -> Stepped {
        let Some(pull) = self.family.pull.clone() else { return Ok(None) };
        if self.pull.as_ref().is_none_or(|it| it.head_commit == pull.head) {
            return Ok(None);
        }
        // After a push the forge tells the old head for a while; where the branch is it knows at once.
        match self.reads.branch(&self.family.repository, &pull.branch).await? {
            Some(at) if at != pull.head => self.hands_off(&at).await,
            _ => Ok(None),
        }
    }

    /// The first commit of a pull request: only of what may be published, and only on the commit that it was proved on.
    async fn begin(&mut self, wanted: Wanted) -> Stepped {
        let base_branch = self.run.branch.clone();
        if let Some(skip) = self.skip(&base_branch).await? {
            return self.say_skipped(skip).await;
        }
        // An unfinished one of ours goes on; any other open one of the family is from a time of which we know nothing.
        let unfinished = self.family.pull.as_ref().filter(|it| it.state == PrState::None && self.is_on_base(it));
        let unfinished = unfinished.map(|it| it.branch.clone());
        if let Some(there) = self.of_family(unfinished.as_deref()).await? {
            return self.resume(&there).await;
        }
        let repository = self.repository();
        let Some(tip) = self.reads.branch(&repository, &base_branch).await? else {
            return self.say_skipped(Skip::always("the branch is gone")).await;
        };
        if tip != self.run.working_commit() && wanted == Wanted::Proved {
            if self.family.wanted_by.is_some() && self.family.wanted_patch.is_none() {
                let patch = self.patch_digest();
                return self.record(Vec::new(), |family| family.wanted_patch = patch).await;
            }
            let transition = self.run.moved(&self.attempts, &tip, self.now)?;
            self.commit(transition).await?;
            return Ok(Some(Visit::Again));
        }
        self.push().await
    }

    /// Goes on with an open pull request that holds the very fix; else there is no second one.
    async fn resume(&mut self, there: &PullRequest) -> Stepped {
        let attempt = self.candidate().filter(|_| there.base_branch == self.run.branch).cloned();
        if let Some(attempt) = attempt {
            let held = self.held_at(&there.head_branch, &attempt).await?.filter(|it| *it == there.head_commit);
            let now = self.now;
            let branch = there.head_branch.clone();
            let pull = held.and_then(|head| PullState::pushed(&self.run, &attempt, branch, head, now));
            if let Some(pull) = pull {
                return self.record_first(pull).await;
            }
        }
        self.say_skipped(stands_already(there.number)).await
    }

    pub(super) async fn say_skipped(&mut self, skip: Skip) -> Stepped {
        if let Some(until) = skip.until {
            self.look_again(until);
        }
        let why = self.steward.engine.safe_text(&skip.why, 300);
        // A time within the words is no news.
        let kind = |it: &str| it.replace(|ch: char| ch.is_ascii_digit(), "");
        if self.family.skipped.as_deref().map(kind) == Some(kind(&why)) && self.family.other_pull == skip.pull {
            return Ok(None);
        }
        let fact = gate::skipped(&why);
        self.record(vec![fact], |family| (family.skipped, family.other_pull) = (Some(why), skip.pull)).await
    }

    /// Pushes the candidate as the next commit of the branch. The same attempt makes the same commit, so that doing it again is harmless.
    async fn push(&mut self) -> Stepped {
        self.may_write()?;
        let Some(attempt) = self.candidate().cloned() else { return Ok(None) };
        let (Some(patch), Some(digest)) = (&attempt.proposed_fix, attempt.patch_digest.clone()) else {
            return Ok(None);
        };
        if patch.is_empty() {
            return self.say_skipped(Skip::always("there is no change")).await;
        }
        let before = self.family.pull.clone();
        let is_standing =
            |it: &&PullState| it.state == PrState::Open || (it.state == PrState::None && self.is_on_base(it));
        let standing = before.as_ref().filter(is_standing);
        let name = standing.map_or_else(
            || branch::name(&self.rules.branch_naming, &self.run, before.as_ref()),
            |it| it.branch.clone(),
        );
        let parent = standing.map(|it| it.head.clone());
        let with_digest = format!("{name}-{}", digest.as_str().get(..8).unwrap_or_default());
        let (name, pushed) = match self.push_to(&name, &attempt, parent.as_deref()).await {
            // A branch of this name is left from a time of which we know nothing.
            Err(Trouble::Workspace(WorkspaceError::Foreign { .. })) if standing.is_none() => {
                if let Some(commit) = self.held_at(&name, &attempt).await? {
                    (name, Ok(commit))
                } else {
                    let pushed = self.push_to(&with_digest, &attempt, None).await;
                    (with_digest, pushed)
                }
            }
            other => (name, other),
        };
        let pushed = match pushed {
            Err(Trouble::Workspace(WorkspaceError::Foreign { at, .. })) if standing.is_some() => {
                return self.hands_off(&at).await;
            }
            Err(Trouble::Workspace(WorkspaceError::Foreign { branch, .. })) => {
                let why = format!("the branch {branch} is somebody else's");
                return self.say_skipped(Skip::always(why)).await;
            }
            other => other?,
        };
        let Some(next) = PullState::pushed(&self.run, &attempt, name, pushed, self.now) else { return Ok(None) };
        let Some(pull) = standing.cloned() else { return self.record_first(next).await };
        let PullState { head, attempt_no, patch, patch_run, checks, checks_since, .. } = next;
        let pull = PullState { head, attempt_no, patch, patch_run, checks, checks_since, ..pull };
        self.record(Vec::new(), |family| (family.skipped, family.other_pull, family.pull) = (None, None, Some(pull)))
            .await
    }

    /// Keeps that a branch is there for which a pull request is to be opened, or found.
    async fn record_first(&mut self, pull: PullState) -> Stepped {
        self.record(Vec::new(), |family| {
            (family.skipped, family.other_pull, family.pull) = (None, None, Some(pull));
            family.chores.labels.clear();
            (family.chores.has_reviewers, family.chores.is_branch_gone) = (false, false);
        })
        .await
    }

    /// Whether a branch begins where the run's patch was proved.
    pub(super) fn is_on_base(&self, pull: &PullState) -> bool {
        pull.base_branch == self.run.branch && pull.base_sha == self.run.working_commit()
    }

    /// Pushes the patch of an attempt; returns the commit that the branch is at.
    async fn push_to(&self, name: &str, attempt: &Attempt, parent: Option<&str>) -> Result<String, Trouble> {
        let engine = &self.steward.engine;
        let Some(patch) = &attempt.proposed_fix else {
            return Err(WorkspaceError::BadPatch("there is no patch".to_owned()).into());
        };
        let message = branch::message(&self.run, attempt);
        let commit = BranchCommit {
            base: self.run.working_commit(),
            branch: name,
            patch,
            message: &message,
            unix_seconds: attempt.created_at.as_second(),
        };
        let located = engine.repositories.locate(&self.run).await?;
        let remote = engine.repositories.push_target(&self.family.repository).await?;
        let push = Push { commit, parent, is_reverse: false, remote: &remote };
        Ok(engine.workspace.push(&located.path, &push).await?.commit)
    }

    /// Returns the commit that a branch is at, if it is the patch of an attempt where it was proved, and no more.
    async fn held_at(&self, name: &str, attempt: &Attempt) -> Result<Option<String>, Trouble> {
        let engine = &self.steward.engine;
        let Some(patch) = &attempt.proposed_fix else { return Ok(None) };
        let located = engine.repositories.locate(&self.run).await?;
        let remote = engine.repositories.push_target(&self.family.repository).await?;
        let base = self.run.working_commit();
        Ok(engine.workspace.find_patch(&located.path, base, patch, name, &remote).await?)
    }

    /// Finds the pull request of the branch, or opens it.
    async fn open(&mut self, wanted: Wanted) -> Stepped {
        let Some(pull) = self.family.pull.clone() else { return Ok(None) };
        let (repository, writes) = (self.repository(), self.writes()?);
        if let Some(there) = self.find(&pull).await? {
            if self.steward.is_ours(&*self.reads, &there.author).await? {
                return self.adopt(&there).await;
            }
            let why = format!("pull request #{} of our branch is somebody else's", there.number);
            let other = OtherPull { number: there.number, head: None, is_open: there.is_open };
            return self.say_skipped(Skip::because_of(other, why)).await;
        }
        if let Some(there) = self.of_family(Some(&pull.branch)).await? {
            return self.say_skipped(stands_already(there.number)).await;
        }
        // Since the push, a limit may have been used up; a branch alone does no harm.
        if let Some(skip) = self.skip_by_number(false).await? {
            return self.say_skipped(skip).await;
        }
        let needs_review = wanted == Wanted::ForReview;
        let text = self.words(|it| it.pull(needs_review));
        let is_draft = needs_review || self.rules.pull_request.is_draft || !self.is_harmless();
        let new =
            NewPull { title: &text.title, body: &text.body, head: &pull.branch, base: &pull.base_branch, is_draft };
        match self.write(writes.open_pull(&repository, &new)).await {
            Ok(there) => self.adopt(&there).await,
            Err(Trouble::Forge(ForgeError::Refused { message, .. })) if message.contains("No commits between") => {
                self.say_skipped(Skip::always("there is nothing new on the branch")).await
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the pull request that comes from a branch of ours: the open one, else one that was closed with our commit on it.
    pub(super) async fn find(&self, pull: &PullState) -> Result<Option<PullRequest>, Trouble> {
        let repository = &self.family.repository;
        let owner = repository.split('/').next().unwrap_or_default();
        let head = Some(format!("{owner}:{}", pull.branch));
        let page = self.reads.pulls(repository, &PullsQuery { is_open: false, head, max: 20 }).await?;
        let is_it = |it: &PullRequest| it.head_branch == pull.branch && (it.is_open || it.head_commit == pull.head);
        let mut of_branch: Vec<PullRequest> = page.items.into_iter().filter(is_it).collect();
        of_branch.sort_by_key(|it| (!it.is_open, std::cmp::Reverse(it.number)));
        Ok(of_branch.into_iter().next())
    }

    /// Returns an open pull request of ours for the same family that is on another branch than this one.
    async fn of_family(&self, branch: Option<&str>) -> Result<Option<PullRequest>, Trouble> {
        let query = PullsQuery { is_open: true, head: None, max: MAX_PULLS };
        let page = self.reads.pulls(&self.family.repository, &query).await?;
        for it in page.items.into_iter().filter(|it| branch != Some(it.head_branch.as_str())) {
            if self.is_of_us(&it).await? {
                return Ok(Some(it));
            }
        }
        Ok(None)
    }

    /// Whether a pull request is ours by its author, and of this family by its marker.
    pub(super) async fn is_of_us(&self, there: &PullRequest) -> Result<bool, Trouble> {
        let mark = marker(Kind::Pull, &self.family.key, "");
        let last = there.body.trim_end().lines().next_back().unwrap_or_default();
        Ok(last.starts_with(mark.trim_end_matches(" -->"))
            && is_marked(&there.body, last)
            && self.steward.is_ours(&*self.reads, &there.author).await?)
    }

    pub(super) async fn adopt(&mut self, there: &PullRequest) -> Stepped {
        let (number, url, is_draft, now) = (there.number, there.url.clone(), there.is_draft, self.now);
        let stands = Text { title: there.title.clone(), body: there.body.clone() };
        self.record(Vec::new(), |family| {
            (family.skipped, family.other_pull) = (None, None);
            let Some(pull) = &mut family.pull else { return };
            (pull.number, pull.url, pull.is_draft) = (Some(number), Some(url), is_draft);
            (pull.state, pull.opened_at, pull.checks_since) = (PrState::Open, Some(now), Some(now));
            pull.body_digest = stands.digest();
        })
        .await
    }

    /// Makes a draft ready for review, where the repository wants that and CI is green.
    pub(super) async fn ready(&mut self) -> Stepped {
        let Some((number, pull)) = self.family.open_pull() else { return Ok(None) };
        let Some(there) = self.pull.clone() else { return Ok(None) };
        let fact = |by: &str| {
            NewEvent::new(EventType::PrReady, "system", format!("pull request #{number} is ready for review{by}"))
        };
        if !pull.is_draft || pull.hands_off.is_some() {
            return Ok(None);
        }
        if !there.is_draft {
            return self.record_pull(vec![fact(": somebody said so at the forge")], |it| it.is_draft = false).await;
        }
        let is_wanted = self.steward.engine.forge.terms.ready_when_green
            && pull.checks == ChecksState::Green
            && self.run.status == Status::Fixed
            && self.holds_fix()
            && self.is_harmless();
        if !is_wanted {
            return Ok(None);
        }
        let writes = self.writes()?;
        self.write(writes.mark_ready(&there.node_id)).await?;
        self.record_pull(vec![fact(": CI is green")], |it| it.is_draft = false).await
    }
}

fn stands_already(number: u64) -> Skip {
    let other = OtherPull { number, head: None, is_open: true };
    Skip::because_of(other, format!("pull request #{number} stands for this failure already"))
}
