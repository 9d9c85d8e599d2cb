//! An approve of a run whose fix stands as a pull request: it is merged there first, at exactly the proved commit, and a refusal changes nothing.
use crate::domain::operator::is_same_person;
use crate::domain::run::candidate;
use crate::domain::transition::{MergeFacts, MergedBy, Transition};
use crate::domain::{
    Attempt, ChecksState, CiState, Digest, EventType, Family, Merging, NewEvent, PullState, Run, RunId, Status,
};
use crate::engine::decisions::pulls::{HOLDS_ANOTHER, MAX_ROUNDS, MAX_WORDS, UNDER_WAY, holds_another, no};
use crate::engine::decisions::{Done, Operator, commit_message};
use crate::engine::steward::{branch, checks};
use crate::engine::{Engine, EngineError};
use crate::forge::{Check, ForgeError, Merge, PullRequest, Writes};
use crate::store::StoreError;
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

/// After how long a merge without an answer is in doubt: before anybody else may take it for one that was not done.
const MERGE_TIME: Duration = Duration::from_secs(90);
/// How often it is looked whether a merge without an answer was done, and how long after each other.
const LOOKS: usize = 3;
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// Checks that a refusal names.
const MAX_NAMES: usize = 5;

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

impl Engine {
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

fn with_pull(mut family: Family, change: impl FnOnce(&mut PullState)) -> Family {
    if let Some(pull) = &mut family.pull {
        change(pull);
    }
    family
}
