//! The tracking issue: one a family, found again before it is opened, told what happens, and closed when the fix holds.
use crate::domain::{AfterOutcome, EventType, NewEvent, PrState, Reason, Status, Tracking};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::words::{Kind, Text, is_marked, marker};
use crate::forge::{Issue, IssueEdit, NewIssue};
use jiff::SignedDuration;
use serde_json::json;

/// Issues that are looked through for ours.
const MAX_ISSUES: usize = 300;
/// The shortest time between two changes of an issue.
const BETWEEN: SignedDuration = SignedDuration::from_mins(1);

impl Scene<'_> {
    /// Opens the issue, or opens it again.
    pub(super) async fn track(&mut self) -> Stepped {
        let is_limited = self.run.escalation_reason == Some(Reason::RateLimited);
        if !self.rules.notifications.creates_issue
            || !self.rules.is_enabled
            || is_limited
            || self.run.order.ci.is_none()
        {
            return Ok(None);
        }
        let (repository, writes) = (self.repository(), self.writes()?);
        if let Some(issue) = &self.family.issue {
            // Closed after a merge, and a later run stands for the family.
            let is_closed_with_it = self.family.chores.issue_closed.is_some_and(|(_, run)| run == self.run.id);
            let is_over = self.run.status == Status::Resolved || self.is_after_its_merge() || is_closed_with_it;
            let is_back = !issue.is_open && !is_over;
            if !is_back {
                return Ok(None);
            }
            let number = issue.number;
            let edit = IssueEdit { is_open: Some(true), ..IssueEdit::default() };
            self.write(writes.edit_issue(&repository, number, &edit)).await?;
            let fact = NewEvent::new(EventType::IssueOpened, "system", format!("issue #{number} opened again"));
            return self.record_issue(vec![fact.with(json!({ "number": number }))], |it| it.is_open = true).await;
        }
        // Nobody hears of a failure that is settled.
        if matches!(self.run.status, Status::Resolved | Status::Aborted)
            || self.run.escalation_reason == Some(Reason::Denied)
        {
            return Ok(None);
        }
        if let Some(there) = self.find_issue().await? {
            return self.adopt_issue(&there, false).await;
        }
        let text = self.issue_text();
        let labels = self.rules.labels.issues.clone();
        let new = NewIssue { title: &text.title, body: &text.body, labels: &labels };
        let there = self.write(writes.open_issue(&repository, &new)).await?;
        self.adopt_issue(&there, true).await
    }

    /// Returns the issue as it should be now.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough in its lifetime"
    )]
    pub(super) fn issue_text(&self) -> Text {
        self.words(|it| it.issue())
    }

    /// Whether the run that stands for the family is the one whose fix was merged.
    fn is_after_its_merge(&self) -> bool {
        self.family.after.as_ref().is_some_and(|it| it.run_id == self.run.id)
    }

    async fn find_issue(&self) -> Result<Option<Issue>, Trouble> {
        let mark = marker(Kind::Issue, &self.family.key, "");
        let labels: Vec<&str> = self.rules.labels.issues.iter().take(1).map(String::as_str).collect();
        for issue in self.reads.issues(&self.family.repository, &labels, MAX_ISSUES).await? {
            if is_marked(&issue.body, &mark) && self.steward.is_ours(&*self.reads, &issue.author).await? {
                return Ok(Some(issue));
            }
        }
        Ok(None)
    }

    async fn adopt_issue(&mut self, there: &Issue, is_new: bool) -> Stepped {
        let issue = Tracking {
            number: there.number,
            url: there.url.clone(),
            is_open: there.is_open,
            told_count: if is_new { self.family.count } else { 1 },
            comment: None,
            told_status: is_new.then(|| self.issue_text().body_digest().to_string()),
        };
        let message = format!("issue #{} {}: {}", issue.number, if is_new { "opened" } else { "found" }, issue.url);
        let fact = NewEvent::new(EventType::IssueOpened, "system", message);
        let fact = fact.with(json!({ "number": issue.number, "url": issue.url }));
        let now = self.now;
        self.record(vec![fact], |family| {
            family.issue = Some(issue);
            family.chores.told_at = Some(now);
        })
        .await
    }

    async fn record_issue(&mut self, facts: Vec<NewEvent>, change: impl FnOnce(&mut Tracking)) -> Stepped {
        let now = self.now;
        self.record(facts, |family| {
            family.chores.told_at = Some(now);
            if let Some(issue) = &mut family.issue {
                change(issue);
            }
        })
        .await
    }

    /// Tells where things stand and how often the failure was seen, at most once a minute.
    pub(super) async fn tell(&mut self) -> Stepped {
        let Some(issue) = self.family.issue.clone().filter(|it| it.is_open) else { return Ok(None) };
        let (repository, writes) = (self.repository(), self.writes()?);
        let text = self.issue_text();
        let status = text.body_digest().to_string();
        let count = self.family.count;
        let is_news = issue.told_status.as_ref() != Some(&status);
        if !is_news && issue.told_count >= count {
            return Ok(None);
        }
        // Somebody waits for Copilot, which reads only what stands there when it is asked.
        let is_urgent = is_news && self.copilot_wanted().is_some();
        let next = self.family.chores.told_at.map(|it| it + BETWEEN);
        if let Some(at) = next.filter(|it| !is_urgent && *it > self.now) {
            self.look_again(at);
            return Ok(None);
        }
        if is_news {
            let there = self.reads.issue(&repository, issue.number).await?;
            let stands = Text { title: there.title, body: there.body }.body_digest().to_string();
            // What somebody else wrote there is theirs.
            if issue.told_status.as_ref().is_none_or(|it| *it == stands) {
                let edit = IssueEdit { body: Some(&text.body), ..IssueEdit::default() };
                self.write(writes.edit_issue(&repository, issue.number, &edit)).await?;
            }
            return self.record_issue(Vec::new(), |it| it.told_status = Some(status)).await;
        }
        let day = self.now.strftime("%Y-%m-%d").to_string();
        let body = self.words(|it| it.seen(&day));
        let todays = match issue.comment.filter(|(_, it)| *it == day) {
            Some((id, _)) => Some(id),
            None => self.find_comment(issue.number, &day).await?,
        };
        let (id, facts) = if let Some(id) = todays {
            self.write(writes.edit_comment(&repository, id, &body)).await?;
            (id, Vec::new())
        } else {
            let made = self.write(writes.add_comment(&repository, issue.number, &body)).await?;
            let message = format!("told issue #{} that it was seen {count} times", issue.number);
            (made.id, vec![NewEvent::new(EventType::IssueCommented, "system", message)])
        };
        self.record_issue(facts, |it| (it.told_count, it.comment) = (count, Some((id, day)))).await
    }

    async fn find_comment(&self, issue: u64, day: &str) -> Result<Option<u64>, Trouble> {
        let mark = marker(Kind::Seen, &self.family.key, &format!("day={day}"));
        for comment in self.reads.comments(&self.family.repository, issue).await?.iter().rev() {
            if is_marked(&comment.body, &mark) && self.steward.is_ours(&*self.reads, &comment.author).await? {
                return Ok(Some(comment.id));
            }
        }
        Ok(None)
    }

    /// Closes the issue when a merged fix holds, with a word on it: once, so that what is back later keeps it open.
    pub(super) async fn close_issue(&mut self) -> Stepped {
        let Some(issue) = self.family.issue.clone().filter(|it| it.is_open) else { return Ok(None) };
        let is_merged = self.run.status == Status::Resolved && self.run.pr_state == PrState::Merged;
        let of_pull = self.family.pull.as_ref().and_then(|it| it.number);
        // Merged by hand without a proof: what follows is for whoever did.
        let is_copilots =
            self.family.copilot.as_ref().is_some_and(|it| it.pull.is_some() && it.pull == self.run.pr_number);
        let is_as_proved = self.family.pull.as_ref().is_some_and(|it| it.hands_off.is_none());
        let (number, outcome) = match (&self.family.after, of_pull) {
            (Some(after), _) => (after.number, after.outcome),
            // Nothing is known that could be watched.
            (None, Some(number)) if is_merged && is_as_proved && !is_copilots => (number, Some(AfterOutcome::Unseen)),
            (None, _) => return Ok(None),
        };
        let is_seen = match outcome {
            Some(AfterOutcome::Held) => true,
            Some(AfterOutcome::Unseen) => false,
            Some(AfterOutcome::Regressed) | None => return Ok(None),
        };
        if self.family.chores.issue_closed.is_some_and(|(of, _)| of == number) {
            return Ok(None);
        }
        let (repository, writes) = (self.repository(), self.writes()?);
        if self.family.chores.held_told != Some(number) {
            let mark = marker(Kind::Held, &self.family.key, &format!("pull={number}"));
            if !self.is_said(issue.number, &mark).await? {
                let body = self.words(|it| it.held(number, is_seen));
                self.write(writes.add_comment(&repository, issue.number, &body)).await?;
            }
            return self.record(Vec::new(), |family| family.chores.held_told = Some(number)).await;
        }
        let edit = IssueEdit { is_open: Some(false), ..IssueEdit::default() };
        self.write(writes.edit_issue(&repository, issue.number, &edit)).await?;
        let fact =
            NewEvent::new(EventType::IssueClosed, "system", format!("issue #{} closed: the fix holds", issue.number));
        let (now, run) = (self.now, self.run.id);
        self.record(vec![fact.with(json!({ "number": issue.number }))], |family| {
            (family.chores.issue_closed, family.chores.told_at) = (Some((number, run)), Some(now));
            if let Some(issue) = &mut family.issue {
                issue.is_open = false;
            }
        })
        .await
    }
}
