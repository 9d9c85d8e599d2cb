//! Decisions on a run whose fix stands, or is to stand, as a pull request at a forge: an approve merges there first.
use crate::domain::operator::is_same_person;
use crate::domain::run::candidate;
use crate::domain::transition::{MergeFacts, MergedBy, Transition};
use crate::domain::{
    Attempt, ChecksState, CiState, Digest, EventType, Family, Merging, NewEvent, PrState, PullState, Reason, Run,
    RunId, Status, Verdict,
};
use crate::engine::decisions::{Action, Done, Operator, commit_message};
use crate::engine::steward::twin::twin_among;
use crate::engine::steward::{branch, checks, gate};
use crate::engine::{Engine, EngineError};
use crate::forge::{Check, ForgeError, Merge, PullRequest, Writes};
use crate::store::StoreError;
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

/// How often something small is stored again because somebody else changed the family in the meantime.
const MAX_ROUNDS: usize = 10;
/// How long a merge that somebody began is left to them.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(2);
/// After how long a merge without an answer is in doubt: before anybody else may take it for one that was not done.
const MERGE_TIME: Duration = Duration::from_secs(90);
/// How often it is looked whether a merge without an answer was done, and how long after each other.
const LOOKS: usize = 3;
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// Checks that a refusal names.
const MAX_NAMES: usize = 5;
const MAX_WORDS: usize = 1_000;
const HOLDS_ANOTHER: &str = "it holds another run's fix; close it there, and this one gets its own";

/// What an approve does with the pull request of its run.
pub(super) enum Way {
    /// There is none, and none is to be: the fix is accepted here alone.
    Here,
    /// There could be one, and nobody asked for it: the fix is accepted here alone, too.
    Unasked,
    /// It is merged first.
    Merge(Box<Family>),
}

/// What came of a merge.
enum Merged {
    Now {
        number: u64,
        commit: String,
    },
    /// Its family was changed by somebody else before anything was asked.
    Moved,
    /// Somebody's approve had merged it before, and did not come to say so.
    Before {
        number: u64,
        commit: String,
        transition: Box<Transition>,
    },
}

fn no(why: impl Into<String>) -> EngineError {
    EngineError::Precondition(why.into())
}

impl Engine {
    /// Returns what an approve of a run does at the forge. The error says why it can do neither yet.
    pub(super) async fn way_of(&self, run: &Run, attempts: &[Attempt]) -> Result<Way, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let patch = candidate(attempts).and_then(|it| it.patch_digest.as_ref());
        let is_asked_for = family.as_ref().is_some_and(|it| it.asked_by(patch).is_some());
        let refusal = self.why_not_there(&run.repository);
        let open = family.as_ref().and_then(Family::open_pull).map(|it| it.0);
        let number = open.or(run.pr_number.filter(|_| run.pr_state == PrState::Open));
        match (family, number) {
            (Some(_) | None, Some(number)) if refusal.is_some() => Err(no(format!(
                "pull request #{number} is open and cannot be merged from here: {}; merge or close it there",
                refusal.unwrap_or_default()
            ))),
            (Some(family), Some(_)) if open.is_some() => Ok(Way::Merge(Box::new(family))),
            (Some(family), Some(number)) if has_merged(&family) => Err(no(format!(
                "pull request #{number} was merged before; retry the run, and approve what comes of it"
            ))),
            (_, Some(number)) => {
                Err(no(format!("pull request #{number} is not followed any more; merge or close it there")))
            }
            (Some(family), None) => match (&family.skipped, family.trouble()) {
                _ if refusal.is_some() => Ok(Way::Here),
                // One stands that is not this run's to merge, so that an approve would be a word without a deed.
                (Some(why), _) if family.other_pull.as_ref().is_some_and(|it| it.is_open) => {
                    Err(no(format!("{why}; merge or close it there")))
                }
                (Some(_), _) if !is_asked_for && run.order.is_trusted() => Ok(Way::Unasked),
                (Some(_), _) if !is_asked_for => Ok(Way::Here),
                (_, Some(trouble)) => Err(no(format!("its pull request is not open yet: {trouble}"))),
                (_, None) => {
                    Err(no("its pull request is not open yet; look at its checks when it is, and approve again"))
                }
            },
            (None, None) => Ok(Way::Here),
        }
    }

    /// Returns why nothing is changed at the forge for a repository, in words.
    fn why_not_there(&self, repository: &str) -> Option<String> {
        if self.forge.writes.is_none() {
            return Some(self.forge.why_not.clone().unwrap_or_else(|| "nothing is changed at the forge".to_owned()));
        }
        (!self.forge.terms.watches(repository)).then(|| format!("the settings do not watch {repository} any more"))
    }

    /// Refuses what would contradict a merge that somebody's word has begun: it may be done any moment.
    pub(super) async fn check_not_merging(&self, run: &Run) -> Result<(), EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let Some((number, pull)) = family.as_ref().and_then(Family::open_pull) else { return Ok(()) };
        match &pull.merging {
            Some(it) if self.clock.now().duration_since(it.at) < UNDER_WAY => Err(no(format!(
                "pull request #{number} is being merged by the word of {}; look again in a moment",
                it.by
            ))),
            _ => Ok(()),
        }
    }

    /// Carries out the last key of an approve at the forge, then here; `None`: somebody changed the run before anything was asked.
    pub(super) async fn approve_there(
        &self,
        run: &Run,
        attempts: &[Attempt],
        transition: Transition,
        operator: &Operator,
        family: &Family,
    ) -> Result<Option<Done>, EngineError> {
        let (number, commit, transition) = match self.merge(run, attempts, &transition, operator, family).await? {
            Merged::Moved => return Ok(None),
            Merged::Now { number, commit } => {
                let transition = transition.with_merge(number, &commit);
                (number, commit, transition)
            }
            Merged::Before { number, commit, transition } => (number, commit, *transition),
        };
        let run = match self.store.commit(&transition, None).await {
            Ok(()) => transition.run,
            Err(StoreError::Conflict) => self.settle_merged(run.id, number, &commit, operator).await?,
            Err(error) => return Err(error.into()),
        };
        if let Err(error) = self.after_merge(&run, number, &commit).await {
            // The steward finds it merged, too.
            tracing::warn!(run = %run.id, %error, "what follows a merge is not noted yet");
        }
        let short = commit.get(..8).unwrap_or(&commit);
        if !run.approved_by.iter().any(|it| is_same_person(it, &operator.name)) {
            let by = run.approved_by.join(" and ");
            let message = format!("pull request #{number} was merged before as {short}, by the word of {by}");
            return Ok(Some(Done::Repeat { message, run }));
        }
        Ok(Some(Done::Changed { message: format!("approved; pull request #{number} is merged as {short}"), run }))
    }

    /// Merges the pull request at exactly the proved commit, by the word of those whom `transition` names.
    async fn merge(
        &self,
        run: &Run,
        attempts: &[Attempt],
        transition: &Transition,
        operator: &Operator,
        family: &Family,
    ) -> Result<Merged, EngineError> {
        let (Some(writes), Some((number, pull))) = (&self.forge.writes, family.open_pull()) else {
            return Err(no("its pull request cannot be merged from here"));
        };
        let attempt = candidate(attempts).ok_or_else(|| no("there is no patch"))?;
        let there = writes.pull(&run.repository, number).await.map_err(|it| self.not_asked(number, &it))?;
        let now = self.clock.now();
        if let Some(merging) = &pull.merging {
            if there.is_merged && merging.head == there.head_commit {
                let commit = there.merge_commit.unwrap_or(there.head_commit);
                let facts = MergeFacts { number, commit: &commit, patch: &pull.patch, by: MergedBy::Approval(merging) };
                let transition = Box::new(run.merged(&facts, now)?);
                return Ok(Merged::Before { number, commit, transition });
            }
            if now.duration_since(merging.at) < UNDER_WAY && !there.is_merged {
                let by = &merging.by;
                return Err(no(format!(
                    "a merge of pull request #{number} that {by} began may be under way; look again in two minutes"
                )));
            }
        }
        let is_renamed = branch::is_renamed(writes.as_ref(), run, pull, &there).await;
        if is_renamed.map_err(|it| self.not_asked(number, &it))? {
            self.store.make_due(&[run.id], now).await?;
            let (before, name) = (&pull.base_branch, &there.base_branch);
            return Err(no(self.safe_text(
                &format!("{before} is called {name} by now; the run follows in a moment, approve it again then"),
                MAX_WORDS,
            )));
        }
        let mut objection = changed(number, pull, &there, run.id, attempt.patch_digest.as_ref());
        if objection.is_none() {
            let is_on = writes.is_on(&run.repository, &pull.base_sha, &pull.base_branch).await;
            objection = (!is_on.map_err(|it| self.not_asked(number, &it))?).then(|| rewritten(pull));
        }
        if objection.is_none() && there.is_mergeable == Some(false) {
            self.change_family(&family.key, |it| it.chores.in_conflict = Some(number)).await?;
            objection = Some(in_conflict(pull));
        }
        if objection.is_none() && self.forge.terms.require_green {
            let not_green = self.not_green(run, pull, writes.as_ref()).await;
            objection = not_green.map_err(|it| self.not_asked(number, &it))?;
        }
        if let Some(why) = objection {
            return Err(self.refused(run.id, number, operator, &format!("pull request #{number}: {why}")).await?);
        }
        let note = transition.events.first().and_then(|it| it.payload["note"].as_str()).map(str::to_owned);
        let approvals = transition.run.approved_by.clone();
        // From here on the others count: what was asked before may have taken long.
        let now = self.clock.now();
        let merging = Merging { by: operator.name.clone(), approvals, note, head: pull.head.clone(), at: now };
        // Kept before the forge is asked: were this the last that this process does, the merge still has its author.
        let intent = with_pull(family.next(), |it| it.merging = Some(merging.clone()));
        match self.store.put_family(&intent, &[], now).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Ok(Merged::Moved),
            Err(error) => return Err(error.into()),
        }
        let text = commit_message(run, attempt, &merging.approvals);
        let mut is_ready = false;
        let asked = self.ask_to_merge(writes.as_ref(), run, &there, &pull.head, &text, &mut is_ready);
        let told = tokio::time::timeout(MERGE_TIME, asked).await;
        match told.unwrap_or_else(|_| Err(ForgeError::Unknown("there was no answer in time".to_owned()))) {
            Ok(commit) => Ok(Merged::Now { number, commit }),
            Err(error) => {
                let words = self.safe_text(&error.to_string(), MAX_WORDS);
                let is_over = !is_in_doubt(&error);
                if is_over || is_ready {
                    self.change_family(&family.key, |it| {
                        let Some(pull) = &mut it.pull else { return };
                        pull.merging = pull.merging.take().filter(|it| !is_over || *it != merging);
                        pull.is_draft &= !is_ready;
                    })
                    .await?;
                }
                if is_ready {
                    let message = format!("pull request #{number} is ready for review: it was approved");
                    let fact = NewEvent::new(EventType::PrReady, format!("human:{}", operator.name), message);
                    self.store.note(run.id, &[fact], self.clock.now()).await?;
                }
                let ready = if is_ready { "; it was a draft, and is ready for review now" } else { "" };
                let words = if is_in_doubt(&error) {
                    format!(
                        "it is not known whether pull request #{number} was merged: {words}; look again in two minutes"
                    )
                } else {
                    format!("pull request #{number} was not merged: {words}{ready}")
                };
                Err(self.refused(run.id, number, operator, &words).await?)
            }
        }
    }

    /// Asks for the merge. A draft is made ready where the forge insists, nobody aborted the run meanwhile and nothing else stands in the way; refused
    /// all the same, it becomes a draft again. `is_ready` tells that it stayed ready. An answer that was lost is looked for.
    async fn ask_to_merge(
        &self,
        writes: &dyn Writes,
        run: &Run,
        there: &PullRequest,
        head: &str,
        text: &str,
        is_ready: &mut bool,
    ) -> Result<String, ForgeError> {
        let (subject, message) = text.split_once("\n\n").unwrap_or((text, ""));
        let title = format!("{subject} (#{})", there.number);
        let merge = Merge { sha: head, method: self.forge.terms.merge_method, title: &title, message };
        let repository = run.repository.as_str();
        let refused = |message: String| ForgeError::Refused { status: 405, message };
        let merged = match writes.merge(repository, there.number, &merge).await {
            Err(ForgeError::Refused { status: 405, message })
                if there.is_draft && message.to_lowercase().contains("draft") =>
            {
                let stands = self.store.run(run.id).await.map_err(|it| refused(it.to_string()))?;
                if stands.status == Status::Aborted {
                    return Err(refused("the run was aborted meanwhile".to_owned()));
                }
                if let Ok(Some(why)) = writes.objection(&there.node_id).await {
                    return Err(refused(format!("{why}; it is a draft still")));
                }
                let ready = writes.mark_ready(&there.node_id).await;
                ready.map_err(|it| refused(format!("it is a draft: {it}")))?;
                *is_ready = true;
                let merged = writes.merge(repository, there.number, &merge).await;
                if merged.as_ref().is_err_and(|it| !is_in_doubt(it)) {
                    *is_ready = writes.mark_draft(&there.node_id).await.is_err();
                }
                merged
            }
            merged => merged,
        };
        let error = match merged {
            Err(error) if is_in_doubt(&error) => error,
            told => return told,
        };
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_PAUSE).await;
            let Ok(there) = writes.pull(repository, there.number).await else { continue };
            if there.is_merged && there.head_commit == head {
                return Ok(there.merge_commit.unwrap_or_else(|| head.to_owned()));
            }
        }
        Err(error)
    }

    /// Tells of a merge that went through while somebody else changed the run. What stands is the merge.
    async fn settle_merged(
        &self,
        id: RunId,
        number: u64,
        commit: &str,
        operator: &Operator,
    ) -> Result<Run, EngineError> {
        for _ in 0..MAX_ROUNDS {
            let (run, now) = (self.store.run(id).await?, self.clock.now());
            let family = self.store.family_of_run(id).await?;
            let pull = family.as_ref().and_then(|it| it.pull.as_ref());
            let merging = pull.and_then(|it| Some((it.merging.as_ref()?, &it.patch)));
            match (run.status, merging) {
                (Status::Resolved, _) => return Ok(run),
                (Status::Fixed | Status::Escalated, Some((merging, patch))) => {
                    let facts = MergeFacts { number, commit, patch, by: MergedBy::Approval(merging) };
                    let transition = run.merged(&facts, now)?;
                    match self.store.commit(&transition, None).await {
                        Err(StoreError::Conflict) => {}
                        done => return Ok(done.map(|()| transition.run)?),
                    }
                }
                // Nobody who works on it hears of the merge; when it comes to rest, the steward settles it by who approved.
                (Status::Queued | Status::Running, Some(_)) => {
                    self.store.make_due(&[id], now).await?;
                    return Err(no(format!(
                        "pull request #{number} was merged, while the run became {}; it is settled when that is over",
                        run.status
                    )));
                }
                // The steward finds nothing left to say once the family knows of the merge: the run must.
                (Status::Aborted, Some((merging, _))) => {
                    let by = MergedBy::Approval(merging);
                    let transition = run.merged_nonetheless(number, commit, by, now)?;
                    match self.store.commit(&transition, None).await {
                        Err(StoreError::Conflict) => continue,
                        done => done?,
                    }
                    self.after_merge(&transition.run, number, commit).await?;
                    return Err(no(format!("pull request #{number} was merged, while the run became aborted")));
                }
                (status, _) => {
                    let message = format!("pull request #{number} was merged, while the run became {status}");
                    let fact = NewEvent::new(EventType::PrMerged, format!("human:{}", operator.name), message.clone());
                    let fact = fact.with(json!({ "number": number, "commit": commit }));
                    self.store.note(id, &[fact], now).await?;
                    self.after_merge(&run, number, commit).await?;
                    return Err(no(message));
                }
            }
        }
        Err(EngineError::Store(StoreError::Conflict))
    }

    /// Keeps what follows from a merge with the family, for the steward to look after.
    async fn after_merge(&self, run: &Run, number: u64, commit: &str) -> Result<(), EngineError> {
        let Some(family) = self.store.family_of_run(run.id).await? else { return Ok(()) };
        let watched_for = self.forge.terms.watch_after_merge;
        let there = match &self.forge.reads {
            Some(reads) => reads.pull(&run.repository, number).await.ok(),
            None => None,
        };
        // What runs later is told by the forge's clock.
        let at = there.and_then(|it| it.merged_at).unwrap_or_else(|| self.clock.now());
        self.change_family(&family.key, |it| it.was_merged(run, commit, at, watched_for)).await
    }

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

    /// Lets a patch be published that would not be otherwise: an escalated run's as a draft, or a proved one that waits for a person's word.
    pub(super) async fn publish(
        &self,
        run: Run,
        attempts: &[Attempt],
        operator: &Operator,
    ) -> Result<Done, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let what = if run.order.is_of_a_path() { "of a folder on a machine" } else { "not of a watched repository" };
        let family = family.ok_or_else(|| no(format!("this run is {what}; there is nowhere to publish it")))?;
        // The author of what runs at the forge needs another person's word also where a pull request is open for it to follow on.
        let author = candidate(attempts).and_then(Attempt::waits_for_another);
        let digest = candidate(attempts).and_then(|it| it.patch_digest.as_ref());
        if run.escalation_reason == Some(Reason::Denied) {
            return Err(no("it was denied, and a no stands; `retry` it first"));
        }
        if let Some((number, pull)) = family.open_pull() {
            if digest.is_some() && holds_another(pull, run.id, digest) {
                return Err(no(format!("pull request #{number}: {HOLDS_ANOTHER}")));
            }
            if author.is_none() || digest == Some(&pull.patch) {
                return Ok(Done::Repeat { message: format!("pull request #{number} is open already"), run });
            }
        }
        if let Some(why) = self.why_not_there(&family.repository) {
            return Err(no(format!("no pull request can be opened: {why}")));
        }
        if !matches!(run.status, Status::Fixed | Status::Escalated) {
            return Err(no(format!("cannot publish a run that is {}", run.status)));
        }
        let attempt = candidate(attempts).ok_or_else(|| no("there is no patch to publish"))?;
        if attempt.guard.as_ref().is_none_or(|it| it.verdict == Verdict::Violation) {
            return Err(no("the guard refused the patch; it is not published"));
        }
        if !run.order.is_trusted() {
            return Err(no("the branch is not trusted: its patch stays here, get it with `paramedic diff`"));
        }
        if author.is_some_and(|it| is_same_person(it, &operator.name)) {
            let by = &operator.name;
            return Err(no(format!(
                "{by} wrote this patch, which changes what runs at the forge; another person must ask"
            )));
        }
        let now = self.clock.now();
        let comes = self.comes(&family, &run, digest).await?;
        if family.asked_by(digest).is_some_and(|it| is_same_person(it, &operator.name)) {
            return Ok(Done::Repeat { message: format!("already asked for; it {comes}"), run });
        }
        let fact = NewEvent::new(EventType::PrWanted, format!("human:{}", operator.name), "asked for a pull request")
            .with(json!({ "patchDigest": attempt.patch_digest, "note": operator.note }));
        let next = Family {
            wanted_by: Some(operator.name.clone()),
            wanted_patch: attempt.patch_digest.clone(),
            skipped: None,
            other_pull: None,
            cooled_until: None,
            due_at: Some(now),
            ..family.next()
        };
        self.store.put_family(&next, &[fact], now).await?;
        let kind = if run.status == Status::Fixed { "a pull request" } else { "a draft" };
        Ok(Done::Changed { message: format!("{kind} {comes}"), run })
    }

    /// Returns when a pull request that a person asked for comes, in words: their word opens what would wait for one, and no limit is lifted by it.
    async fn comes(&self, family: &Family, run: &Run, patch: Option<&Digest>) -> Result<String, StoreError> {
        let now = self.clock.now();
        let families = self.store.families(&family.repository, gate::MAX_FAMILIES).await?;
        if let Some(skip) = gate::used_up(&families, Some(&family.key), &self.forge.terms, now) {
            return Ok(format!("is opened when there is room: {}", skip.why));
        }
        Ok(match twin_among(families, &family.key, run, patch, now).map(|it| it.number) {
            Some(Some(number)) => format!("is not needed: pull request #{number} has this very fix, and is followed"),
            Some(None) => "is not needed: another failure's, with this very fix, is opened in a moment".to_owned(),
            None => "is opened in a moment; where something is in the way, `show` says what".to_owned(),
        })
    }

    /// Changes a family, again and again where somebody else was faster.
    async fn change_family(&self, key: &Digest, change: impl Fn(&mut Family)) -> Result<(), EngineError> {
        for _ in 0..MAX_ROUNDS {
            let Some(family) = self.store.family(key).await? else { return Ok(()) };
            let mut next = family.next();
            change(&mut next);
            match self.store.put_family(&next, &[], self.clock.now()).await {
                Err(StoreError::Conflict) => {}
                done => return Ok(done?),
            }
        }
        Err(EngineError::Store(StoreError::Conflict))
    }

    /// Tells a refusal in the timeline, and returns it for whoever decided. Nothing else changes.
    async fn refused(
        &self,
        run: RunId,
        number: u64,
        operator: &Operator,
        words: &str,
    ) -> Result<EngineError, EngineError> {
        let words = self.safe_text(words, MAX_WORDS);
        let fact = NewEvent::new(EventType::PrRefused, format!("human:{}", operator.name), words.clone())
            .with(json!({ "number": number }));
        self.store.note(run, &[fact], self.clock.now()).await?;
        Ok(no(words))
    }

    fn not_asked(&self, number: u64, error: &ForgeError) -> EngineError {
        let why = self.safe_text(&error.to_string(), MAX_WORDS);
        no(format!("pull request #{number} cannot be looked at, nothing was merged: {why}"))
    }

    /// Returns why the checks do not speak for a pull request, in words.
    async fn not_green(&self, run: &Run, pull: &PullState, writes: &dyn Writes) -> Result<Option<String>, ForgeError> {
        let checks = writes.checks(&run.repository, &pull.head).await?;
        let of =
            |states: &[CiState]| -> Vec<&Check> { checks.iter().filter(|it| states.contains(&it.state)).collect() };
        let red = match pull.checks {
            // What is red without the fix, too, was judged by the steward not to be about it.
            ChecksState::Green => checks::red(writes, run, &checks, &pull.base_sha).await?,
            _ => of(&[CiState::Red]),
        };
        let pending = of(&[CiState::Queued, CiState::Waiting, CiState::Running]);
        let broken_off = of(checks::BROKEN_OFF);
        let grace = SignedDuration::try_from(self.forge.terms.checks_grace).unwrap_or(SignedDuration::MAX);
        let now = self.clock.now();
        let is_young = pull.checks_since.or(pull.opened_at).is_some_and(|it| now.duration_since(it) < grace);
        Ok(match () {
            () if !red.is_empty() => Some(format!("these checks are red: {}", named(&red))),
            () if !pending.is_empty() => Some(format!("these checks have not ended: {}", named(&pending))),
            () if !broken_off.is_empty() => {
                Some(format!("these checks were broken off, run them again: {}", named(&broken_off)))
            }
            () if is_young && of(&[CiState::Green]).is_empty() => Some("no check has begun yet".to_owned()),
            () => None,
        })
    }
}

/// Returns the names of checks, some of them if there are many.
fn named(checks: &[&Check]) -> String {
    let names: Vec<_> = checks.iter().take(MAX_NAMES).map(|it| it.name.as_str()).collect();
    let more = match checks.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{}{more}", names.join(", "))
}

/// Whether a write may have been done all the same.
const fn is_in_doubt(error: &ForgeError) -> bool {
    matches!(error, ForgeError::Unknown(_) | ForgeError::Unanswered(_) | ForgeError::TooLarge(_) | ForgeError::Odd(_))
}

/// Returns how a pull request differs from the one that was proved and seen here.
fn changed(number: u64, pull: &PullState, there: &PullRequest, run: RunId, patch: Option<&Digest>) -> Option<String> {
    let short = |sha: &str| sha.get(..8).unwrap_or(sha).to_owned();
    if there.number != number || there.head_branch != pull.branch {
        return Some("the forge tells of another one".to_owned());
    }
    if let Some(why) = &pull.hands_off {
        return Some(format!("it is not only ours any more: {why}; merge or close it there"));
    }
    if there.is_merged {
        return Some("it was merged there; the run follows in a moment".to_owned());
    }
    if !there.is_open {
        return Some("it was closed there; the run follows in a moment".to_owned());
    }
    if there.head_commit != pull.head {
        let (theirs, ours) = (short(&there.head_commit), short(&pull.head));
        return Some(format!("its head is {theirs}, and what was proved is {ours}; look at it again"));
    }
    if there.base_branch != pull.base_branch {
        let (theirs, ours) = (&there.base_branch, &pull.base_branch);
        return Some(format!(
            "it goes to {theirs} now, and the fix was proved for {ours}; set it back, merge it there, or `deny` it"
        ));
    }
    if holds_another(pull, run, patch) {
        return Some(HOLDS_ANOTHER.to_owned());
    }
    if patch != Some(&pull.patch) {
        return Some(
            "it does not hold the proved patch yet; look at its checks when it does, and approve again".to_owned(),
        );
    }
    None
}

/// Says what helps where a pull request cannot be merged any more.
fn in_conflict(pull: &PullState) -> String {
    let branch = &pull.base_branch;
    format!(
        "it is in conflict with what {branch} has become since the fix was proved; `retry` the run, which proves it anew there"
    )
}

/// Says that a merge would bring back what somebody took off the branch.
fn rewritten(pull: &PullState) -> String {
    let (base, branch) = (pull.base_sha.get(..8).unwrap_or(&pull.base_sha), &pull.base_branch);
    format!(
        "{branch} was rewritten: {base}, on which the fix was proved, is not on it any more, and a merge would bring it back; \
         close it there, and retry the run"
    )
}

/// Whether a pull request holds the patch of another run, and not this one.
fn holds_another(pull: &PullState, run: RunId, patch: Option<&Digest>) -> bool {
    patch != Some(&pull.patch) && pull.patch_run.is_some_and(|it| it != run)
}

fn has_merged(family: &Family) -> bool {
    family.pull.as_ref().is_some_and(|it| it.state == PrState::Merged)
}

fn with_pull(mut family: Family, change: impl FnOnce(&mut PullState)) -> Family {
    if let Some(pull) = &mut family.pull {
        change(pull);
    }
    family
}
