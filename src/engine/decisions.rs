//! Carries out what people decide: approve, deny, abort, retry, publish, and a fix by hand.
mod merge;
mod no_or_retry;
mod publish;
mod pulls;

use crate::domain::run::candidate;
use crate::domain::transition::{Decided, Decision, Transition};
use crate::domain::{Attempt, AttemptStatus, Failure, Illegal, Instruction, Intent, Patch, Pending, Run, RunId};
use crate::engine::decisions::pulls::Way;
use crate::engine::{Engine, EngineError};
use crate::evidence::markdown;
use crate::evidence::text::is_blank;
use crate::store::StoreError;
use crate::workspace::{BranchCommit, WorkspaceError};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How often a decision is thought over again because the run moved in the meantime.
const MAX_ROUNDS: usize = 20;
const MAX_PATCH_BYTES: usize = 1024 * 1024;
const MAX_HINT_CHARS: usize = 4_000;
const MAX_NOTE_CHARS: usize = 2_000;

/// The operator's actions, with what each needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Approve,
    Deny,
    Abort,
    Retry,
    FixByPatch(String),
    FixByWorktree(PathBuf),
    Hint(String),
    /// Opens a pull request that would not be opened otherwise.
    Publish,
}

/// Who acts, and what they saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operator {
    pub name: String,
    /// Whether a server checked who they are; see [`Decision::is_authenticated`].
    pub is_authenticated: bool,
    pub note: Option<String>,
    pub rev: Option<String>,
    pub version: Option<u64>,
    /// See [`Decision::machine`].
    pub machine: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    Changed { run: Run, message: String },
    FirstKey { run: Run, message: String },
    Repeat { run: Run, message: String },
}

impl Engine {
    /// Carries out an action. When the run moves meanwhile, the action is judged again on the new state, never forced.
    pub async fn decide(&self, id: RunId, action: &Action, operator: &Operator) -> Result<Done, EngineError> {
        let note = operator.note.as_deref().filter(|it| !is_blank(it));
        let note = note.map(|it| self.safe_text(it, MAX_NOTE_CHARS));
        let operator = &Operator { note, ..operator.clone() };
        for _ in 0..MAX_ROUNDS {
            let run = self.store.run(id).await?;
            let attempts = self.store.attempts(id).await?;
            let decision = Decision {
                by: &operator.name,
                is_authenticated: operator.is_authenticated,
                note: operator.note.as_deref(),
                rev: operator.rev.as_deref(),
                version: operator.version,
                machine: operator.machine.as_deref(),
                now: self.clock.now(),
            };
            if !matches!(action, Action::Approve | Action::Deny) {
                run.check_seen(&attempts, operator.rev.as_deref(), None)?;
            }
            let decided = match action {
                Action::Publish => {
                    run.check_seen(&[], None, operator.version)?;
                    match self.publish(run, &attempts, operator).await {
                        Err(EngineError::Store(StoreError::Conflict)) => continue,
                        done => return done,
                    }
                }
                Action::Approve => match run.approve(&attempts, &decision) {
                    Ok(decided) => decided,
                    Err(illegal) => return Err(self.why_not_after_no(&run).await?.unwrap_or_else(|| illegal.into())),
                },
                Action::Deny => run.deny(&attempts, &decision)?,
                Action::Abort => run.abort(&attempts, &decision)?,
                Action::Retry => {
                    let run = self.without_merged(run.clone()).await?;
                    self.past_conflict(run).await?.retry(&decision)?
                }
                Action::FixByPatch(_) | Action::FixByWorktree(_) | Action::Hint(_) => {
                    check_fixable(&run, &decision)?;
                    let pending = self.pending(&run, action, operator).await?;
                    self.without_merged(run.clone()).await?.human_fix(pending, &decision)?
                }
            };
            let (mut transition, is_first_key) = match decided {
                Decided::AlreadyDone(message) => match self.say_no_again(&run, action, operator).await {
                    Err(EngineError::Store(StoreError::Conflict)) => continue,
                    Err(error) => return Err(error),
                    Ok(Some(said)) => {
                        let message = self.with_what_stays(&run, action, said).await;
                        return Ok(Done::Changed { run, message });
                    }
                    Ok(None) => {
                        let message = self.with_what_stays(&run, action, message).await;
                        return Ok(Done::Repeat { run, message });
                    }
                },
                Decided::Change(transition) => (transition, false),
                Decided::FirstKey(transition) => (transition, true),
            };
            let is_final_approve = *action == Action::Approve && !is_first_key;
            if !matches!(action, Action::Approve | Action::Abort) {
                self.check_not_merging(&run).await?;
            }
            let way = if is_final_approve { self.way_of(&run, &attempts).await? } else { Way::Here };
            if let Way::Merge(family) = &way {
                match Box::pin(self.approve_there(&run, &attempts, *transition, operator, family)).await? {
                    Some(done) => return Ok(done),
                    None => continue,
                }
            }
            let branch = match self.checkout_of(&run) {
                Some(repo) if is_final_approve => {
                    Some(self.commit_branch(&repo, &run, &attempts, &mut transition).await?)
                }
                _ => None,
            };
            match self.store.commit(&transition, None).await {
                Ok(()) => {
                    if let Err(error) = self.heed(&transition.run, action).await {
                        // The decision stands, and the steward follows it.
                        tracing::warn!(run = %id, %error, "what a decision means for its failure is not noted");
                    }
                    let is_unasked = matches!(way, Way::Unasked);
                    return Ok(match (done(transition, action, is_first_key, is_unasked), action) {
                        // Nothing is kept waiting by an abort, and it cannot take back what was asked before.
                        (Done::Changed { run, message }, Action::Abort | Action::Deny) => {
                            let message = match self.check_not_merging(&run).await {
                                Err(EngineError::Precondition(merging)) => format!("{message}; {merging}"),
                                _ => self.with_what_stays(&run, action, message).await,
                            };
                            Done::Changed { run, message }
                        }
                        (done, _) => done,
                    });
                }
                Err(StoreError::Conflict) => self.forget_branch(&run, branch).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Store(StoreError::Conflict))
    }

    /// Adds to what is said of a no that a pull request stays open nonetheless.
    async fn with_what_stays(&self, run: &Run, action: &Action, message: String) -> String {
        if !matches!(action, Action::Deny | Action::Abort) {
            return message;
        }
        match self.stays_open(run).await {
            Ok(Some(stays)) => format!("{message}; {stays}"),
            // The decision stands, whether or not this can be said.
            Ok(None) | Err(_) => message,
        }
    }

    async fn pending(&self, run: &Run, action: &Action, operator: &Operator) -> Result<Pending, EngineError> {
        let by = operator.name.clone();
        let repo = self.checkout_of(run);
        let patch = match action {
            Action::Hint(text) if is_blank(text) => {
                return Err(EngineError::Invalid("the hint has nothing in it that can be read".to_owned()));
            }
            Action::Hint(text) => return Ok(Pending::Hint { by, text: self.safe_text(text, MAX_HINT_CHARS) }),
            Action::FixByWorktree(dir) => {
                let repo = repo.ok_or_else(|| {
                    let text = format!("there is no checkout of {} here; hand in a patch instead", run.repository);
                    EngineError::Invalid(text)
                })?;
                self.workspace.difference_of(&repo, dir, run.working_commit()).await?
            }
            Action::FixByPatch(text) if text.len() > MAX_PATCH_BYTES => {
                return Err(EngineError::Invalid("the patch is larger than 1 MiB".to_owned()));
            }
            Action::FixByPatch(text) => {
                if is_blank(text) {
                    return Err(EngineError::Invalid("the patch is empty".to_owned()));
                }
                // Without a copy at hand the worker finds out whether it applies, as the next attempt.
                let Some(repo) = repo else {
                    return Ok(Pending::Patch { by, patch: Patch(text.clone()), note: operator.note.clone() });
                };
                let tree = self.workspace.tree(&repo, run.working_commit()).await?;
                self.workspace.apply(&tree, &Patch(text.clone())).await.map_err(|error| match error {
                    WorkspaceError::DoesNotApply(why) => EngineError::Invalid(format!(
                        "the patch does not apply to {}: {why}; make it against that commit",
                        run.working_commit().get(..8).unwrap_or_default()
                    )),
                    other => other.into(),
                })?;
                self.workspace.difference(&tree).await?
            }
            Action::Approve | Action::Deny | Action::Abort | Action::Retry | Action::Publish => {
                return Err(EngineError::Invalid("this action takes no fix".to_owned()));
            }
        };
        if patch.is_empty() {
            let short = run.working_commit().get(..8).unwrap_or_default();
            return Err(EngineError::Invalid(format!("there is no difference from {short}")));
        }
        Ok(Pending::Patch { by, patch, note: operator.note.clone() })
    }

    /// Makes the branch of an approve; the same approve makes the same commit, however often it is tried.
    async fn commit_branch(
        &self,
        repo: &Path,
        run: &Run,
        attempts: &[Attempt],
        transition: &mut Transition,
    ) -> Result<(String, String), EngineError> {
        let attempt = candidate(attempts).ok_or_else(|| EngineError::Invalid("there is no patch".to_owned()))?;
        let patch =
            attempt.proposed_fix.as_ref().ok_or_else(|| EngineError::Invalid("there is no patch".to_owned()))?;
        let message = commit_message(run, attempt, &transition.run.approved_by);
        let branch =
            format!("heal/{}-{}", Failure::hash8(&run.error_hash), run.commit_sha.get(..8).unwrap_or_default());
        let mut commit = BranchCommit {
            base: run.working_commit(),
            branch: &branch,
            patch,
            message: &message,
            unix_seconds: attempt.created_at.as_second(),
        };
        let with_digest = format!("{branch}-{}", patch.digest().short());
        let (branch, sha) = match self.workspace.commit_branch(repo, &commit).await {
            Ok(sha) => (branch.clone(), sha),
            // Another run of the same failure was approved with another patch.
            Err(WorkspaceError::BranchTaken { .. }) => {
                commit.branch = &with_digest;
                (with_digest.clone(), self.workspace.commit_branch(repo, &commit).await?)
            }
            Err(error) => return Err(error.into()),
        };
        transition.run.heal_branch = Some(branch.clone());
        transition.run.heal_commit = Some(sha.clone());
        for event in &mut transition.events {
            event.payload["branch"] = json!(branch);
            event.payload["commit"] = json!(sha);
        }
        Ok((branch, sha))
    }

    /// Takes back the branch of an approve that came too late, unless the decision that came first made the very same one.
    async fn forget_branch(&self, run: &Run, branch: Option<(String, String)>) -> Result<(), EngineError> {
        let Some((branch, sha)) = branch else { return Ok(()) };
        let now = self.store.run(run.id).await?;
        if now.heal_commit.as_ref() == Some(&sha) || now.status == crate::domain::Status::Fixed {
            return Ok(());
        }
        let Some(repo) = self.checkout_of(run) else { return Ok(()) };
        Ok(self.workspace.delete_branch(&repo, &branch, &sha).await?)
    }
}

/// Refuses before any work is done what the state would refuse afterwards.
fn check_fixable(run: &Run, decision: &Decision<'_>) -> Result<(), Illegal> {
    let probe = Pending::Hint { by: decision.by.to_owned(), text: String::new() };
    run.human_fix(probe, decision).map(|_| ())
}

fn done(transition: Box<Transition>, action: &Action, is_first_key: bool, is_unasked: bool) -> Done {
    let message = transition.events.first().map(|it| it.message.clone()).unwrap_or_default();
    let run = transition.run;
    let message = match (action, run.merge_command(), is_first_key) {
        (Action::Approve, Some(merge), false) => {
            format!("approved on branch {}; merge it with: {merge}", run.heal_branch.as_deref().unwrap_or_default())
        }
        (Action::Approve, None, false) => {
            let id = run.id.short();
            format!("approved; no checkout is at hand, get the patch with: paramedic diff {id} --raw | git apply")
        }
        (_, _, true) => "the first of two keys is kept; another person must approve too".to_owned(),
        _ => message,
    };
    let message = if is_unasked {
        format!("{message}; nothing was merged at GitHub (for a pull request, `publish` before the approve)")
    } else {
        message
    };
    if is_first_key { Done::FirstKey { run, message } } else { Done::Changed { run, message } }
}

/// Writes the commit message: its foreign text names nobody and closes nothing. Free of anything that changes between two tries of the same
/// approve.
pub(in crate::engine) fn commit_message(run: &Run, attempt: &Attempt, approved_by: &[String]) -> String {
    let short = run.working_commit().get(..8).unwrap_or_default();
    let subject = match &run.order.instruction {
        Some(order) => subject_of(order),
        None => format!("Heal {} of {short}", run.error_type.as_deref().unwrap_or("failure")),
    };
    let command = run.order.test_command.as_deref().unwrap_or_default();
    let command = command.lines().next().unwrap_or_default();
    let before = if run.order.instruction.is_some() { String::new() } else { format!("red at {short}, ") };
    let proof = match attempt.status {
        AttemptStatus::Succeeded => {
            format!("Proved by `{command}`: {before}green with this change, green again.")
        }
        _ => "Not proved: a person must look at it.".to_owned(),
    };
    let digest = attempt.patch_digest.as_ref().map(ToString::to_string).unwrap_or_default();
    let summary: String = run.error_summary.chars().take(300).collect();
    let author = &attempt.author;
    let n = attempt.attempt_no;
    let approvers: Vec<String> = approved_by.iter().map(|it| format!("Approved-by: {it}\n")).collect();
    let approvers = approvers.concat();
    let id = run.id;
    let message = format!(
        "{subject}\n\n{summary}\n\n{proof}\n\n\
         Paramedic-Run: {id}\nParamedic-Attempt: {n} by {author}\nParamedic-Patch: sha256:{digest}\n{approvers}"
    );
    message.lines().map(markdown::plain).collect::<Vec<_>>().join("\n")
}

/// Returns one line that says what was ordered.
fn subject_of(order: &Instruction) -> String {
    let what: String = order.text.lines().next().unwrap_or_default().chars().take(60).collect();
    match order.intent {
        Intent::Create => format!("Create: {what}"),
        Intent::Fix => format!("Fix: {what}"),
    }
}
