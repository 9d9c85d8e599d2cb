//! GitHub's coding agent as an agent: says what is wanted of it, and takes the change of its pull request when that is ready. In between the run
//! waits without a worker: the steward asks it at the tracking issue, follows its pull request, and wakes the run.
//!
//! It goes by states, as the steward does: each turn judges anew, so that a worker that takes a run over asks for nothing twice.
use crate::agent::{Account, Agent, Task, Turn};
use crate::domain::{AttemptFailure, CopilotAsk, CopilotChange, Family};
use crate::engine::Engine;
use crate::engine::watch::rules_file::Read;
use crate::forge::Reads;
use crate::store::StoreError;
use async_trait::async_trait;
use jiff::SignedDuration;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What it is called in orders and settings.
pub const NAME: &str = "copilot";
/// To whom an issue is assigned.
pub(in crate::engine) const ASSIGNEE: &str = "copilot-swe-agent[bot]";
/// By whom GitHub says that it writes.
const LOGINS: &[&str] = &["Copilot", ASSIGNEE];
/// How long somebody else who changes the family, or a database that is away, is left alone.
const SOON: Duration = Duration::from_secs(1);

/// How it is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two looks at its pull request.
    pub look: Duration,
    /// How long its branch must not move before its change counts as ready.
    pub rest: Duration,
    /// The shortest time that it is given: it seldom needs less than ten minutes.
    pub least: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { look: Duration::from_secs(20), rest: Duration::from_mins(1), least: Duration::from_mins(30) }
    }
}

/// Whether a login is that of GitHub's coding agent.
pub(in crate::engine) fn is_copilot(login: &str) -> bool {
    LOGINS.iter().any(|it| it.eq_ignore_ascii_case(login))
}

/// GitHub's coding agent.
#[derive(Debug)]
pub struct Copilot {
    engine: Engine,
}

#[async_trait]
impl Agent for Copilot {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn propose(&self, task: &Task<'_>, cancel: &CancellationToken) -> Turn {
        loop {
            match cancel.run_until_cancelled(Box::pin(self.turn(task))).await {
                None => break,
                Some(Ok(turn)) => return turn,
                Some(Err(StoreError::Conflict | StoreError::Unavailable(_))) => {}
                Some(Err(error)) => return failed(AttemptFailure::AgentCrashed, error.to_string()),
            }
            if cancel.run_until_cancelled(tokio::time::sleep(SOON)).await.is_none() {
                break;
            }
        }
        failed(AttemptFailure::AgentTimedOut, "the wait for Copilot was stopped".to_owned())
    }
}

impl Copilot {
    /// Returns the agent; it asks nothing yet.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    async fn turn(&self, task: &Task<'_>) -> Result<Turn, StoreError> {
        let (store, now) = (&self.engine.store, self.engine.clock.now());
        let family = store.family_of_run(task.run_id).await?;
        // What it was asked for already is taken whatever has changed since.
        let is_asked = |it: &CopilotAsk| it.run_id == task.run_id && it.asked.is_some();
        if !family.as_ref().and_then(|it| it.copilot.as_ref()).is_some_and(is_asked)
            && let Some(why) = self.why_not(task).await?
        {
            return Ok(Turn::Declined(why));
        }
        let (Some(reads), Some(family)) = (&self.engine.forge.reads, family) else {
            return Ok(Turn::Declined("no tracking issue stands for this run".to_owned()));
        };
        if family.held.as_ref().is_some_and(|it| it.until > now) {
            return Err(StoreError::Conflict);
        }
        let wait = SignedDuration::try_from(task.timeout.max(self.engine.settings.copilot.least));
        let until = now.saturating_add(wait.unwrap_or(SignedDuration::MAX)).unwrap_or(now);
        let before = family.copilot.as_ref();
        let ask = CopilotAsk::wanted(before, task.run_id, task.attempt_no, task.earlier, task.hint, until);
        if let Some(number) = ask.pull.filter(|_| ask.change == CopilotChange::Closed) {
            self.keep(&family, ask.closed(now)).await?;
            let why = format!(
                "Copilot's pull request #{number} was closed, or merged elsewhere, before its change was taken"
            );
            return Ok(Turn::Declined(why));
        }
        if before != Some(&ask) {
            self.keep(&family, ask.clone()).await?;
        }
        let words = ask.words(family.issue.as_ref().map(|it| it.number));
        if let (CopilotChange::Ready, Some(number), Some((head, _))) = (ask.change, ask.pull, &ask.head) {
            return self.take(reads.as_ref(), task, &ask, number, head).await;
        }
        if now >= ask.until {
            let trouble = family.trouble().map_or(String::new(), |it| format!(" ({it})"));
            let why = format!("Copilot was not done in time: {words}{trouble}");
            return Ok(failed(AttemptFailure::AgentTimedOut, why));
        }
        Ok(Turn::Waiting { until: ask.until, why: "waiting for Copilot".to_owned() })
    }

    /// Returns why it is not to be asked.
    async fn why_not(&self, task: &Task<'_>) -> Result<Option<String>, StoreError> {
        let seat = &self.engine.forge;
        let (Some(reads), Some(_)) = (&seat.reads, &seat.writes) else {
            let why = seat.why_not.as_deref().unwrap_or("it is not set up");
            return Ok(Some(format!("Copilot is not asked, as nothing is changed at GitHub: {why}")));
        };
        let run = self.engine.store.run(task.run_id).await?;
        let Some(ci) = run.order.ci.filter(|_| task.order.is_none()) else {
            return Ok(Some("Copilot is asked about red runs of a watched repository only".to_owned()));
        };
        if !seat.terms.watches(task.repository) {
            return Ok(Some(format!("{} is not watched any more", task.repository)));
        }
        if ci.is_fork {
            return Ok(Some("the commit is from a fork".to_owned()));
        }
        let mut read = Read::default();
        let refreshed = match reads.repository(task.repository).await {
            Ok(there) => {
                read.refresh(reads.as_ref(), task.repository, &there.default_branch, true, self.engine.clock.now())
                    .await
            }
            Err(error) => Err(error),
        };
        Ok(match (refreshed, read.refusal(), &read.rules) {
            (Err(error), ..) => Some(format!("the repository's rules cannot be read: {error}")),
            (_, Some(why), _) => Some(format!("the repository's rules cannot be followed: {why}")),
            (_, _, Some(rules)) if !rules.is_enabled => Some("healing is off here (`enabled: false`)".to_owned()),
            (_, _, Some(rules)) if !rules.copilot.is_enabled => {
                Some("the repository does not want it (`copilot.enabled: false`)".to_owned())
            }
            (_, _, Some(rules)) if !rules.notifications.creates_issue => {
                Some("there is no tracking issue to ask it on (`notifications.create_issue: false`)".to_owned())
            }
            _ => None,
        })
    }

    /// Takes the change of its pull request, as GitHub shows it there. What cannot be had right now is waited for.
    async fn take(
        &self,
        reads: &dyn Reads,
        task: &Task<'_>,
        ask: &CopilotAsk,
        number: u64,
        head: &str,
    ) -> Result<Turn, StoreError> {
        let pause = SignedDuration::try_from(self.engine.settings.copilot.rest).unwrap_or_default();
        let later = |why: String| {
            let until = ask.until.min(self.engine.clock.now() + pause);
            if self.is_over(ask) { failed(AttemptFailure::AgentTimedOut, why) } else { Turn::Waiting { until, why } }
        };
        let pull = match reads.pull(task.repository, number).await {
            Ok(pull) => pull,
            Err(error) => {
                self.change(task, look_anew).await?;
                return Ok(later(format!("Copilot's pull request #{number} cannot be read: {error}")));
            }
        };
        if !pull.is_open || pull.head_commit != head {
            self.change(task, look_anew).await?;
            return Ok(later(format!("Copilot's pull request #{number} has changed")));
        }
        let commits = [(pull.base_commit.as_str(), pull.base_branch.as_str()), (head, &pull.head_branch)];
        let located = match self.engine.repositories.with_commits(task.repository, &commits).await {
            Ok(located) => located,
            Err(why) => {
                self.change(task, look_anew).await?;
                return Ok(later(format!("Copilot's pull request #{number} cannot be fetched: {why}")));
            }
        };
        let change = self.engine.workspace.difference_of_branch(&located.path, &pull.base_commit, head).await;
        self.change(task, |it| it.taken = Some(head.to_owned())).await?;
        let said = format!("{}\n\n{}", pull.title, pull.body);
        let account = Account { output: said.clone().into_bytes(), diagnosis: said, ..Account::default() };
        Ok(match change {
            Ok(patch) if patch.is_empty() => {
                let reason = format!("Copilot's pull request #{number} changes nothing");
                Turn::Failed { kind: AttemptFailure::NoChange, reason, account }
            }
            Ok(patch) => Turn::Patched { patch, account },
            Err(error) => {
                let reason = format!("the change of Copilot's pull request #{number} cannot be taken: {error}");
                Turn::Failed { kind: AttemptFailure::BadPatch, reason, account }
            }
        })
    }

    fn is_over(&self, ask: &CopilotAsk) -> bool {
        self.engine.clock.now() >= ask.until
    }

    /// Stores what is known of it by now.
    async fn change(&self, task: &Task<'_>, change: impl FnOnce(&mut CopilotAsk)) -> Result<(), StoreError> {
        let Some(family) = self.engine.store.family_of_run(task.run_id).await? else { return Ok(()) };
        let Some(mut ask) = family.copilot.clone() else { return Ok(()) };
        change(&mut ask);
        self.keep(&family, ask).await
    }

    /// Stores what is wanted or known now, and has the steward look.
    async fn keep(&self, family: &Family, ask: CopilotAsk) -> Result<(), StoreError> {
        let now = self.engine.clock.now();
        let next = Family { copilot: Some(ask), due_at: Some(now), ..family.next() };
        self.engine.store.put_family(&next, &[], now).await
    }
}

/// Has the steward look at its pull request again, and wake the run only when that has been at rest for a while.
fn look_anew(ask: &mut CopilotAsk) {
    (ask.change, ask.head) = (CopilotChange::Growing, None);
}

fn failed(kind: AttemptFailure, reason: String) -> Turn {
    Turn::Failed { kind, reason, account: Account::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_login_is_copilots() {
        for (login, expected) in
            [("Copilot", true), ("copilot-swe-agent[bot]", true), ("copilot-swe-agent", false), ("c0pilot", false)]
        {
            assert_eq!(is_copilot(login), expected, "{login}");
        }
    }
}
