//! GitHub's coding agent is asked where a worker wants it: on the tracking issue, or again on its own pull request.
use crate::domain::{Asked, CopilotAsk, EventType, NewEvent, Status, Tracking};
use crate::engine::copilot::{ASSIGNEE, NAME, is_copilot};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::words::{Kind, holds_prompt, marker};
use crate::forge::PullsQuery;
use serde_json::json;

const MAX_REFUSAL_CHARS: usize = 300;
/// What is said where GitHub takes the assignment and leaves it out.
const LEFT_OUT: &str = "GitHub does not assign it: its coding agent is not on here, or the token may not assign it";

impl Scene<'_> {
    /// Returns what a worker waits for and Copilot is not asked yet.
    pub(super) fn copilot_wanted(&self) -> Option<&CopilotAsk> {
        let rules = &self.rules;
        let is_allowed = rules.is_enabled && rules.copilot.is_enabled && rules.notifications.creates_issue;
        let is_live = matches!(self.run.status, Status::Queued | Status::Running);
        let ask = self.family.copilot.as_ref().filter(|_| is_allowed && is_live)?;
        (ask.run_id == self.run.id && ask.asked.is_none() && ask.until > self.now).then_some(ask)
    }

    /// Asks it, one write a visit: the prompt stands in the issue by then.
    pub(super) async fn ask_copilot(&mut self) -> Stepped {
        let Some(ask) = self.copilot_wanted().cloned() else { return Ok(None) };
        if let Some(pull) = ask.pull {
            return self.ask_again(&ask, pull).await;
        }
        let status = self.issue_text().body_digest().to_string();
        let told = |it: &&Tracking| it.is_open && it.told_status.as_ref() == Some(&status);
        let Some(number) = self.family.issue.as_ref().filter(told).map(|it| it.number) else { return Ok(None) };
        let (repository, writes) = (self.repository(), self.writes()?);
        if ask.since.is_none() {
            let newest = self.reads.pulls(&repository, &PullsQuery { max: 1, ..PullsQuery::default() }).await?;
            let newest = newest.items.first().map_or(number, |it| it.number.max(number));
            return self.record_copilot(Vec::new(), |it| it.since = Some(newest)).await;
        }
        let there = self.reads.issue(&repository, number).await?;
        let is_assigned = there.assignees.iter().any(|it| is_copilot(it));
        if ask.must_release {
            if is_assigned {
                let logins: Vec<&str> =
                    there.assignees.iter().map(String::as_str).filter(|it| is_copilot(it)).collect();
                self.write(writes.remove_assignees(&repository, number, &logins)).await?;
            }
            return self.record_copilot(Vec::new(), |it| it.must_release = false).await;
        }
        let has_prompt = holds_prompt(&there.body);
        if (!has_prompt || ask.refusal.is_some()) && self.mention(&ask, number).await? {
            // Where somebody else wrote the issue, the comment stands for the prompt, and it is assigned in the next visit.
            return self.record(Vec::new(), |_| {}).await;
        }
        if is_assigned {
            // The answer to it was lost.
            return self.asked(number, Asked::Assigned).await;
        }
        if ask.refusal.is_some() {
            return self.asked(number, Asked::Mentioned).await;
        }
        let branch = Some(self.run.branch.clone()).filter(|it| *it != self.default_branch);
        let refusal = match self.write(writes.add_assignees(&repository, number, &[ASSIGNEE], branch.as_deref())).await
        {
            Ok(issue) if issue.assignees.iter().any(|it| is_copilot(it)) => {
                return self.asked(number, Asked::Assigned).await;
            }
            Ok(_) => LEFT_OUT.to_owned(),
            Err(error) if error.is_refusal() => error.to_string(),
            Err(error) => return Err(error),
        };
        let refusal = self.steward.engine.safe_text(&refusal, MAX_REFUSAL_CHARS);
        let fact = thinking(format!("issue #{number} cannot be assigned to Copilot, it is mentioned there: {refusal}"));
        self.record_copilot(vec![fact], |it| it.refusal = Some(refusal)).await
    }

    /// Mentions it on the issue, with what it is to do. Returns whether that was said only now.
    async fn mention(&mut self, ask: &CopilotAsk, issue: u64) -> Result<bool, Trouble> {
        if self.is_said(issue, &marker(Kind::Copilot, &self.family.key, &of_round(ask))).await? {
            return Ok(false);
        }
        let (repository, writes) = (self.repository(), self.writes()?);
        let body = self.words(|it| it.copilot_mention(ask, &of_round(ask)));
        self.write(writes.add_comment(&repository, issue, &body)).await?;
        Ok(true)
    }

    /// Asks for another change on its own pull request, with what came of the last one.
    async fn ask_again(&mut self, ask: &CopilotAsk, pull: u64) -> Stepped {
        let (repository, writes) = (self.repository(), self.writes()?);
        if !self.is_said(pull, &marker(Kind::Copilot, &self.family.key, &of_round(ask))).await? {
            let body = self.words(|it| it.copilot_again(ask, &of_round(ask)));
            self.write(writes.add_comment(&repository, pull, &body)).await?;
        }
        self.asked(pull, Asked::Again).await
    }

    async fn asked(&mut self, thread: u64, how: Asked) -> Stepped {
        let message = match how {
            Asked::Assigned => format!("asked Copilot on issue #{thread}"),
            Asked::Mentioned => format!("asked Copilot by a mention on issue #{thread}"),
            Asked::Again => format!("asked Copilot again, on its pull request #{thread}"),
        };
        let fact = thinking(message).with(json!({ "number": thread, "how": how, "idle": true }));
        self.record_copilot(vec![fact], |it| {
            it.asked = Some(how);
            it.is_assigned |= how == Asked::Assigned;
        })
        .await
    }

    pub(super) async fn record_copilot(
        &mut self,
        facts: Vec<NewEvent>,
        change: impl FnOnce(&mut CopilotAsk),
    ) -> Stepped {
        self.record(facts, |family| {
            if let Some(ask) = &mut family.copilot {
                change(ask);
            }
        })
        .await
    }
}

/// Returns what tells one round of asking from another.
fn of_round(ask: &CopilotAsk) -> String {
    format!("run={} round={}", ask.run_id, ask.round)
}

/// Tells of what is done for a run, whether a worker has it or not.
pub(super) fn thinking(message: String) -> NewEvent {
    NewEvent::new(EventType::AttemptThinking, NAME, message).with(json!({ "idle": true }))
}
