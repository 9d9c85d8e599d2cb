//! One attempt, from the agent's turn to the verdict of the tests: propose, guard, prove.
use crate::agent::{Account, Task, Turn};
use crate::domain::attempt::AttemptFailure;
use crate::domain::output;
use crate::domain::{Attempt, AttemptStatus, Author, EventType, NewEvent, Patch, Pending, Provider, Verdict};
use crate::engine::EngineError;
use crate::engine::policy::base_files;
use crate::engine::session::Session;
use crate::engine::stop::stop_reason;
use crate::engine::trial::Trial;
use crate::evidence::{progress, report};
use crate::guard;
use crate::process::Exit;
use crate::workspace::{Tree, WorkspaceError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::time::Duration;

/// How often an attempt is taken up again after its worker died; then the run is escalated, it may be the cause.
const MAX_RESUMES: usize = 5;
const NO_TESTS: &str = "no test command was found, so the change is not proved; \"no tests\" is never a pass";
const MAX_DIAGNOSIS_CHARS: usize = 8_000;
const MAX_VALIDATION_CHARS: usize = 6_000;

/// An attempt that came to nothing: what kind, and in words.
type Failed = (AttemptFailure, String);

/// What the agents made of a turn.
enum Proposal {
    /// A patch, which is stored with the attempt.
    Made,
    Failed(Failed),
    /// The agent waits for somebody outside.
    Waits {
        until: Timestamp,
        why: String,
    },
}

impl Session<'_> {
    /// Takes one attempt from its start, or from where a crash left it, to its end.
    pub async fn attempt(&mut self) -> Result<(), EngineError> {
        let earlier = self.patiently(|| self.engine.store.attempts(self.run.id)).await?;
        let started = crate::clock::instant();
        let (mut attempt, earlier) = self.start_or_resume(earlier).await?;
        let mut is_out_of_agents = false;
        let outcome = match self.propose_if_needed(&mut attempt, &earlier, &mut is_out_of_agents).await? {
            Proposal::Waits { until, why } => return self.wait(attempt, until, &why).await,
            Proposal::Failed(failed) => Err(failed),
            Proposal::Made => match self.judge(&mut attempt, &earlier).await? {
                Err(failed) => Err(failed),
                Ok(()) => self.prove(&mut attempt).await?,
            },
        };
        attempt.duration_ms += u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                attempt.status = AttemptStatus::Succeeded;
                self.commit(self.run.fixed(attempt, self.now())).await
            }
            Err((kind, reason)) => {
                attempt.status = AttemptStatus::Failed;
                attempt.failure_kind = Some(kind);
                attempt.failure_reason = Some(self.engine.safe_text(&reason, 2_000));
                let stop = stop_reason(&self.run, &earlier, &attempt, is_out_of_agents);
                let wait = stop.is_none().then(|| self.retry_delay());
                let mut failed = self.run.attempt_failed(attempt, stop, self.now())?;
                if let Some(wait) = wait.filter(|it| !it.is_zero()) {
                    let now = self.now();
                    failed.run.not_before = Some(self.patiently(|| self.engine.store.time(now)).await? + wait);
                }
                self.commit(Ok(failed)).await
            }
        }
    }

    /// Gives the run back for the time of a wait. It is as long by the clock of the database as it is here.
    async fn wait(&mut self, attempt: Attempt, until: Timestamp, why: &str) -> Result<(), EngineError> {
        let now = self.now();
        let left = until.duration_since(now).max(SignedDuration::ZERO);
        let until = self.patiently(|| self.engine.store.time(now)).await? + left;
        let why = self.engine.safe_text(why, 1_000);
        self.commit(self.run.waits(attempt, &why, until, now)).await
    }

    /// Returns how long the run waits before its next attempt: somebody sits before a local one.
    fn retry_delay(&self) -> Duration {
        if self.run.provider == Provider::Local { Duration::ZERO } else { self.engine.settings.retry_delay }
    }

    async fn start_or_resume(&mut self, mut earlier: Vec<Attempt>) -> Result<(Attempt, Vec<Attempt>), EngineError> {
        if earlier.last().is_some_and(|it| it.status == AttemptStatus::Running) {
            let Some(attempt) = earlier.pop() else { return Err(EngineError::Stopped) };
            let no = attempt.attempt_no;
            if let Some(since) = attempt.waiting_since {
                let waited = self.now().duration_since(since).unsigned_abs().as_millis();
                let attempt = Attempt {
                    waiting_since: None,
                    duration_ms: attempt.duration_ms.saturating_add(u64::try_from(waited).unwrap_or_default()),
                    ..attempt
                };
                self.update(&attempt, Vec::new()).await?;
                return Ok((attempt, earlier));
            }
            let events = self.patiently(|| self.engine.store.events(Some(self.run.id), 0, 10_000)).await?;
            let resumed = events.iter().filter(|it| it.payload["resumed"] == json!(no)).count();
            if resumed >= MAX_RESUMES {
                return Err(EngineError::Invalid(format!("attempt {no} ended its worker {} times", resumed + 1)));
            }
            let message = format!("attempt {no} goes on after its worker stopped");
            let fact = NewEvent::new(EventType::AttemptThinking, "system", message).with(json!({ "resumed": no }));
            self.tell(vec![fact]).await?;
            return Ok((attempt, earlier));
        }
        let (author, patch, hint) = match self.run.pending.clone() {
            Some(Pending::Patch { by, patch, .. }) => (Author::Human(by), Some(patch), None),
            Some(Pending::Again { by, patch }) => (by, Some(patch), None),
            Some(Pending::Hint { text, .. }) => (self.first_agent(), None, Some(text)),
            None => (self.first_agent(), None, None),
        };
        let mut transition = self.run.attempt_started(author, hint, self.now())?;
        let Some(mut attempt) = transition.attempt.take() else { return Err(EngineError::Stopped) };
        if let Some(patch) = patch {
            attempt.patch_digest = Some(patch.digest());
            attempt.proposed_fix = Some(patch);
            let what =
                if attempt.is_again { "The patch as before, on a base that moved." } else { "A person's patch." };
            what.clone_into(&mut attempt.diagnosis);
            transition.events.push(proposed(&attempt));
        }
        transition.attempt = Some(attempt.clone());
        self.commit(Ok(transition)).await?;
        Ok((attempt, earlier))
    }

    fn first_agent(&self) -> Author {
        Author::Agent(self.run.order.agents.first().cloned().unwrap_or_else(|| "none".to_owned()))
    }

    /// Asks the agents in order until one takes the turn, and stores its patch. An attempt that has a patch already keeps it.
    async fn propose_if_needed(
        &mut self,
        attempt: &mut Attempt,
        earlier: &[Attempt],
        is_out_of_agents: &mut bool,
    ) -> Result<Proposal, EngineError> {
        if let Some(patch) = attempt.proposed_fix.clone() {
            return Ok(self.settle_patch(attempt, &patch).await?.map_or_else(Proposal::Failed, |()| Proposal::Made));
        }
        let agents = self.engine.agents.for_order(&self.run.order, self.engine).map_err(EngineError::Invalid)?;
        let is_order = self.run.order.instruction.is_some();
        let base = if is_order { ordered_patch(since_moved(earlier)) } else { continued_patch(earlier) }.cloned();
        let mut declined = Vec::new();
        // Those before the one that waited had their turn.
        let from =
            agents.iter().position(|it| attempt.author == Author::Agent(it.name().to_owned())).unwrap_or_default();
        for agent in agents.into_iter().skip(from) {
            let tree = self.fresh_tree(base.as_ref()).await?;
            attempt.author = Author::Agent(agent.name().to_owned());
            let phase = format!("attempt {}: {}", attempt.attempt_no, agent.name());
            let live = crate::engine::live::Live { phase, tail: String::new(), updated_at: self.now() };
            self.engine.live.write(self.run.id, &live);
            let failure = self.run.failure.clone().ok_or(EngineError::Stopped)?;
            let hint = hint_for(attempt, earlier);
            let progress = earlier.iter().rev().find_map(|it| it.progress.as_deref());
            let command = self.run.order.test_command.clone().unwrap_or_default();
            let task = Task {
                run_id: self.run.id,
                repository: &self.run.repository,
                attempt_no: attempt.attempt_no,
                max_attempts: self.run.max_attempts,
                test_command: &command,
                failure: &failure,
                order: self.run.order.instruction.as_ref(),
                earlier,
                progress,
                hint: hint.as_deref(),
                tree: &tree.root,
                scratch: &tree.scratch,
                git_dir: &tree.git_dir,
                timeout: Duration::from_millis(self.run.order.timeout_ms),
            };
            let turn = agent.propose(&task, &self.cancel).await;
            if self.cancel.is_cancelled() {
                return Err(EngineError::Stopped);
            }
            let (made, account) = match turn {
                Turn::Declined(why) => {
                    let why = self.engine.safe_text(&why, 1_000);
                    let fact = NewEvent::new(EventType::AttemptThinking, agent.name(), format!("declined: {why}"));
                    declined.push(format!("{}: {why}", agent.name()));
                    self.update(attempt, vec![fact]).await?;
                    continue;
                }
                Turn::Failed { kind, reason, account } => {
                    self.take_account(attempt, account).await?;
                    return Ok(Proposal::Failed((kind, reason)));
                }
                Turn::Waiting { until, why } => return Ok(Proposal::Waits { until, why }),
                Turn::Edited(account) => (None, account),
                Turn::Patched { patch, account } => (Some(patch), account),
            };
            self.take_account(attempt, account).await?;
            let patch = match &made {
                Some(made) => self.settled(made).await?,
                None => self.difference(&tree).await?,
            };
            let patch = match patch {
                Ok(patch) => patch,
                Err(failed) => return Ok(Proposal::Failed(failed)),
            };
            if patch.is_empty() || base.as_ref() == Some(&patch) {
                let why = "the agent changed nothing".to_owned();
                return Ok(Proposal::Failed((AttemptFailure::NoChange, why)));
            }
            attempt.patch_digest = Some(patch.digest());
            attempt.proposed_fix = Some(patch);
            let fact = proposed(attempt);
            self.update(attempt, vec![fact]).await?;
            return Ok(Proposal::Made);
        }
        *is_out_of_agents = true;
        let who = if declined.is_empty() { "no agent is set up".to_owned() } else { declined.join("; ") };
        Ok(Proposal::Failed((AttemptFailure::NoChange, format!("no agent had anything to propose ({who})"))))
    }

    /// Brings a patch that was handed in unseen, where no copy was at hand, into the form in which all are judged and applied.
    async fn settle_patch(&mut self, attempt: &mut Attempt, patch: &Patch) -> Result<Result<(), Failed>, EngineError> {
        if !attempt.is_again && (!self.run.order.repo_path.is_empty() || attempt.author.human().is_none()) {
            return Ok(Ok(()));
        }
        let settled = match self.settled(patch).await? {
            Ok(settled) => settled,
            Err(failed) => return Ok(Err(failed)),
        };
        if settled != *patch {
            attempt.patch_digest = Some(settled.digest());
            attempt.proposed_fix = Some(settled);
            let fact = proposed(attempt);
            self.update(attempt, vec![fact]).await?;
        }
        Ok(Ok(()))
    }

    /// Returns a patch that was made elsewhere as the difference that it makes.
    async fn settled(&mut self, patch: &Patch) -> Result<Result<Patch, Failed>, EngineError> {
        let short = self.run.working_commit().get(..8).unwrap_or_default().to_owned();
        let tree = match self.fresh_tree(Some(patch)).await {
            Ok(tree) => tree,
            Err(EngineError::Workspace(WorkspaceError::DoesNotApply(why) | WorkspaceError::BadPatch(why))) => {
                let why = format!("the patch does not apply to {short}: {why}; make it against that commit");
                return Ok(Err((AttemptFailure::BadPatch, why)));
            }
            Err(error) => return Err(error),
        };
        let settled = self.difference(&tree).await?;
        let is_nothing = settled.as_ref().is_ok_and(Patch::is_empty);
        Ok(if is_nothing {
            Err((AttemptFailure::NoChange, format!("the patch makes no difference from {short}")))
        } else {
            settled
        })
    }

    /// Returns what was changed in a tree.
    async fn difference(&self, tree: &Tree) -> Result<Result<Patch, Failed>, EngineError> {
        match self.engine.workspace.difference(tree).await {
            Ok(patch) => Ok(Ok(patch)),
            Err(WorkspaceError::BadPatch(why)) => Ok(Err((AttemptFailure::BadPatch, why))),
            Err(error) => Err(error.into()),
        }
    }

    async fn take_account(&self, attempt: &mut Attempt, account: Account) -> Result<(), EngineError> {
        attempt.diagnosis = self.engine.safe_text(account.diagnosis.trim(), MAX_DIAGNOSIS_CHARS);
        attempt.recorded = account.recorded;
        attempt.tokens = account.tokens;
        attempt.cost_usd = account.cost_usd;
        if !account.output.is_empty() {
            let name = output::of_agent(attempt.attempt_no);
            self.keep_output(&name, &account.output, 0).await?;
        }
        Ok(())
    }

    /// Looks for a repeat, then asks the guard; a violation is never run.
    async fn judge(&mut self, attempt: &mut Attempt, earlier: &[Attempt]) -> Result<Result<(), Failed>, EngineError> {
        let Some(patch) = attempt.proposed_fix.clone() else { return Err(EngineError::Stopped) };
        let is_human = attempt.author.human().is_some();
        // An attempt that was aborted was never judged, and what was proved is proved again where a person asks anew: its patch may come again.
        let was_refuted = |it: &&Attempt| it.failure_kind.is_some();
        let may_repeat = is_human || attempt.is_again;
        let twin = earlier.iter().filter(was_refuted).find(|it| !may_repeat && it.patch_digest == attempt.patch_digest);
        if let Some(twin) = twin {
            let why = format!("the same patch as attempt {}", twin.attempt_no);
            attempt.guard.clone_from(&twin.guard);
            return Ok(Err((AttemptFailure::RepeatedPatch, why)));
        }
        let policy = match self.policy().await? {
            Ok(policy) => policy,
            Err(why) => return Ok(Err((AttemptFailure::PolicyViolation, why.clone()))),
        };
        let base = base_files(self.engine.workspace.as_ref(), self.base().await?, &patch).await?;
        let failure = self.run.failure.as_ref();
        let judgement = guard::judge(
            &patch,
            &guard::Context {
                policy,
                author_is_human: is_human,
                category: failure.map(|it| it.category),
                failure_files: failure.map_or(&[], |it| &it.files),
                test_command: self.run.order.test_command.as_deref(),
                base: &base,
            },
        );
        let findings: Vec<String> = judgement
            .findings
            .iter()
            .map(|it| {
                let line = it.line.map(|it| format!(":{it}")).unwrap_or_default();
                format!("{}{line} [{}] {}", it.file, it.rule, it.reason)
            })
            .collect();
        let text = self.engine.safe_text(&findings.join("; "), 2_000);
        let is_over_limits = judgement
            .findings
            .iter()
            .filter(|it| it.verdict == Verdict::Violation)
            .all(|it| guard::is_size_rule(&it.rule));
        let verdict = judgement.verdict;
        attempt.guard = Some(judgement);
        let message = match (verdict, text.is_empty()) {
            (_, true) => format!("guard: {verdict}"),
            (_, false) => format!("guard: {verdict}: {text}"),
        };
        let fact = NewEvent::new(EventType::AttemptGuarded, "system", message).with(json!({ "verdict": verdict }));
        self.update(attempt, vec![fact]).await?;
        if verdict != Verdict::Violation {
            return Ok(Ok(()));
        }
        let kind = if is_over_limits { AttemptFailure::OverLimits } else { AttemptFailure::PolicyViolation };
        Ok(Err((kind, format!("the guard refused the patch, it was not run: {text}"))))
    }

    /// Proves a patch: the failing command is green with it, green again, and no test vanished, was skipped, or fell silent.
    async fn prove(&mut self, attempt: &mut Attempt) -> Result<Result<(), Failed>, EngineError> {
        let Some(patch) = attempt.proposed_fix.clone() else { return Err(EngineError::Stopped) };
        if self.run.order.test_command.is_none() {
            return Ok(Err((AttemptFailure::NotProved, NO_TESTS.to_owned())));
        }
        let n = attempt.attempt_no;
        let first = match self.trial(&format!("attempt {n}: proving"), &output::of_tests(n), Some(&patch)).await {
            Ok(trial) => trial,
            Err(EngineError::Workspace(WorkspaceError::DoesNotApply(why))) => {
                return Ok(Err((AttemptFailure::BadPatch, format!("the patch does not apply: {why}"))));
            }
            Err(error) => return Err(error),
        };
        self.read_trial(attempt, &first);
        if let Some(failed) = self.objection(&first) {
            self.validated(attempt, &first, false).await?;
            return Ok(Err(failed));
        }
        let name = output::of_tests_again(n);
        let again = self.trial(&format!("attempt {n}: proving again"), &name, Some(&patch)).await?;
        if let Some((kind, why)) = self.objection(&again) {
            self.read_trial(attempt, &again);
            self.validated(attempt, &again, false).await?;
            let kind = if again.is_green() { kind } else { AttemptFailure::Unstable };
            return Ok(Err((kind, format!("green once, then {}: {why}", again.ended()))));
        }
        self.validated(attempt, &again, true).await?;
        Ok(Ok(()))
    }

    fn read_trial(&self, attempt: &mut Attempt, trial: &Trial) {
        let failure = &trial.failure;
        attempt.failing_tests = failure.report.as_ref().map(report_failing).unwrap_or_default();
        if trial.is_green() {
            attempt.validation_log = format!("{}\n", trial.ended());
            attempt.new_failure = None;
        } else {
            attempt.new_failure = Some(failure.reduced_log.clone());
            attempt.progress = self.run.failure.as_ref().map(|before| {
                let was_failing = before.report.as_ref().map(report_failing).unwrap_or_default();
                progress::progress(&was_failing, &attempt.failing_tests, before, failure)
            });
        }
        let tail: String = tail_chars(&failure.reduced_log, MAX_VALIDATION_CHARS);
        attempt.validation_log = format!("{}\n{tail}", trial.ended());
    }

    async fn validated(&mut self, attempt: &Attempt, trial: &Trial, passed: bool) -> Result<(), EngineError> {
        let what = if passed { "proved, green twice" } else { "not proved" };
        let message = format!("tests with the patch: {} ({what})", trial.ended());
        let fact = NewEvent::new(EventType::AttemptValidated, "system", message)
            .with(json!({ "passed": passed, "failing": attempt.failing_tests.len() }));
        self.update(attempt, vec![fact]).await
    }

    /// Returns why a trial is no proof.
    fn objection(&self, trial: &Trial) -> Option<Failed> {
        match trial.exit {
            Exit::TimedOut => {
                return Some((
                    AttemptFailure::TestsTimedOut,
                    "the tests ran into the time limit with the patch".to_owned(),
                ));
            }
            Exit::Code(0) => {}
            _ => {
                let summary = &trial.failure.summary;
                return Some((AttemptFailure::StillRed, format!("still {}: {summary}", trial.ended())));
            }
        }
        let before = self.run.failure.as_ref().and_then(|it| it.report.as_ref());
        let objections = match (before, trial.failure.report.as_ref()) {
            (Some(before), None) => {
                vec![format!("{} reported its tests before the patch and is silent after it", before.runner)]
            }
            (Some(before), Some(after)) => report::compare(before, after),
            (None, Some(after)) if after.total == Some(0) => vec!["the runner found no tests".to_owned()],
            (None, _) => Vec::new(),
        };
        (!objections.is_empty())
            .then(|| (AttemptFailure::NotProved, format!("green, but no proof: {}", objections.join("; "))))
    }
}

fn report_failing(report: &crate::domain::TestReport) -> Vec<String> {
    report.failing().into_iter().take(200).collect()
}

fn tail_chars(text: &str, max: usize) -> String {
    let n = text.chars().count();
    text.chars().skip(n.saturating_sub(max)).collect()
}

fn proposed(attempt: &Attempt) -> NewEvent {
    let (files, added, removed) = attempt.proposed_fix.as_ref().map(Patch::stat).unwrap_or_default();
    let recorded = if attempt.recorded { ", a recorded answer" } else { "" };
    let noun = if files == 1 { "file" } else { "files" };
    let message = format!("proposed a patch: {files} {noun} +{added} -{removed}{recorded}");
    NewEvent::new(EventType::AttemptProposed, attempt.author.to_string(), message).with(
        json!({ "attempt": attempt.attempt_no, "patchDigest": attempt.patch_digest, "recorded": attempt.recorded }),
    )
}

/// Returns the attempts since the branch last moved on: a patch of before may not apply any more.
fn since_moved(earlier: &[Attempt]) -> &[Attempt] {
    let moved = earlier.iter().rposition(|it| it.is_again).unwrap_or_default();
    earlier.get(moved..).unwrap_or_default()
}

/// Returns the last patch of an order that was run and is to be repaired.
fn ordered_patch(earlier: &[Attempt]) -> Option<&Patch> {
    let was_run = |it: &&Attempt| {
        let kinds = [
            AttemptFailure::StillRed,
            AttemptFailure::TestsTimedOut,
            AttemptFailure::NotProved,
            AttemptFailure::Unstable,
            AttemptFailure::CiRed,
        ];
        it.failure_kind.is_some_and(|it| kinds.contains(&it))
    };
    earlier.iter().rev().find(was_run)?.proposed_fix.as_ref()
}

/// Returns the person's failed patch that the loop goes on from.
fn continued_patch(earlier: &[Attempt]) -> Option<&Patch> {
    let last = earlier.iter().rev().find(|it| it.author.human().is_some())?;
    let was_run = !matches!(
        last.failure_kind,
        Some(AttemptFailure::PolicyViolation | AttemptFailure::OverLimits | AttemptFailure::BadPatch)
    );
    (last.status == AttemptStatus::Failed && was_run).then_some(last.proposed_fix.as_ref()).flatten()
}

/// Returns the hint for this attempt: its own, else the latest given before.
fn hint_for(attempt: &Attempt, earlier: &[Attempt]) -> Option<String> {
    attempt.hint.clone().or_else(|| earlier.iter().rev().find_map(|it| it.hint.clone()))
}
