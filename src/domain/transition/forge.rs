//! What a forge does to a run: its pull request is opened, judged by CI, merged or closed, and its base moves.
use crate::domain::attempt::{Attempt, AttemptFailure, AttemptStatus};
use crate::domain::event::{EventType, NewEvent};
use crate::domain::family::Merging;
use crate::domain::ids::{Digest, RunId};
use crate::domain::order::Pending;
use crate::domain::reason::Reason;
use crate::domain::run::{PrState, ResolvedBy, Run, Status, candidate};
use crate::domain::transition::{Illegal, Transition};
use jiff::Timestamp;
use serde_json::json;

/// How often a fix is proved again because its base moved; a branch that moves faster is for people.
const MAX_REBASES: u32 = 3;

/// A pull request as it stands at the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullFacts<'a> {
    pub number: u64,
    pub url: &'a str,
    pub branch: &'a str,
    /// Our last commit on the branch.
    pub head: &'a str,
    pub is_draft: bool,
}

/// By whose word a pull request was merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergedBy<'a> {
    /// By people who approved here.
    Approval(&'a Merging),
    /// By somebody at the forge, as far as it tells whom.
    Forge(Option<&'a str>),
    /// As the pull request of another failure, which has the very same fix.
    Another,
}

impl MergedBy<'_> {
    /// Returns whose deed a merge is, and what is told of it.
    pub(super) fn words(self, number: u64) -> (String, String) {
        let by_system = |message| ("system".to_owned(), message);
        match self {
            Self::Approval(merging) => (format!("human:{}", merging.by), format!("merged pull request #{number}")),
            Self::Forge(login) => {
                let by = login.map(|it| format!(" by @{it}")).unwrap_or_default();
                by_system(format!("pull request #{number} was merged at the forge{by}"))
            }
            Self::Another => {
                by_system(format!("pull request #{number} of another failure, which has this very fix, was merged"))
            }
        }
    }
}

/// A merge that the forge tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeFacts<'a> {
    pub number: u64,
    /// The commit that the merge made.
    pub commit: &'a str,
    /// Digest of the merged patch.
    pub patch: &'a Digest,
    pub by: MergedBy<'a>,
}

impl Transition {
    /// Makes the creation of a run one that nobody works on: it waits for a person from the start.
    #[must_use]
    pub fn declined(mut self, reason: Reason, note: &str) -> Self {
        self.run.status = Status::Escalated;
        self.run.escalation_reason = Some(reason);
        self.run.escalation_note = Some(note.to_owned());
        self.events.retain(|it| it.kind != EventType::RunQueued);
        self.events.push(at_rest(reason, note));
        self
    }

    /// The same for a failure that is back after its fix was merged by pull request `number`.
    #[must_use]
    pub fn regressed(self, number: u64) -> Self {
        self.declined(Reason::Regressed, &format!("the same failure is back after pull request #{number} was merged"))
    }

    /// Adds to the last key of an approve that the pull request was merged for it.
    #[must_use]
    pub fn with_merge(mut self, number: u64, commit: &str) -> Self {
        self.run.pr_state = PrState::Merged;
        let actor = self.events.first().map_or_else(|| "system".to_owned(), |it| it.actor.clone());
        self.events.push(pr_merged(&actor, number, commit, &format!("merged pull request #{number}")));
        self
    }
}

impl Run {
    /// Our pull request stands at the forge.
    pub fn pull_opened(&self, pull: &PullFacts<'_>, now: Timestamp) -> Result<Transition, Illegal> {
        let kind = if pull.is_draft { "a draft" } else { "ready for review" };
        let message = format!("pull request #{} opened, {kind}: {}", pull.number, pull.url);
        self.pull_stands(EventType::PrOpened, &message, pull, now)
    }

    /// Our pull request got another commit.
    pub fn pull_updated(&self, pull: &PullFacts<'_>, now: Timestamp) -> Result<Transition, Illegal> {
        let head: String = pull.head.chars().take(8).collect();
        let message = format!("pull request #{} updated to {head}", pull.number);
        self.pull_stands(EventType::PrUpdated, &message, pull, now)
    }

    fn pull_stands(
        &self,
        kind: EventType,
        message: &str,
        pull: &PullFacts<'_>,
        now: Timestamp,
    ) -> Result<Transition, Illegal> {
        let mut run = self.at_rest("publish", now)?;
        run.pr_number = Some(pull.number);
        run.pr_url = Some(pull.url.to_owned());
        run.pr_state = PrState::Open;
        run.heal_branch = Some(pull.branch.to_owned());
        run.heal_commit = Some(pull.head.to_owned());
        let fact = NewEvent::new(kind, "system", message).with(json!({
            "number": pull.number, "url": pull.url, "branch": pull.branch, "commit": pull.head, "draft": pull.is_draft,
        }));
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// CI is red with the proved patch of `attempt`: it counts as failed, and the next one gets CI's log.
    pub fn ci_red(&self, attempt: &Attempt, log: String, now: Timestamp) -> Result<Transition, Illegal> {
        if self.status != Status::Fixed || attempt.status != AttemptStatus::Succeeded {
            return Err(self.illegal("refute"));
        }
        let no = attempt.attempt_no;
        let failed = Attempt {
            status: AttemptStatus::Failed,
            failure_kind: Some(AttemptFailure::CiRed),
            failure_reason: Some("green here, red in CI: something differs between the two".to_owned()),
            new_failure: Some(log),
            ..attempt.clone()
        };
        let told = format!("CI is red with the patch of attempt {no}");
        let fact = NewEvent::new(EventType::PrChecksFailed, "system", told.clone()).with(json!({
            "attempt": no, "patchDigest": attempt.patch_digest, "commit": self.heal_commit,
        }));
        let mut run = Self { resolved_by: None, ..self.next(now) };
        run.approved_by.clear();
        if attempt.author.human().is_some() {
            run.budget = self.max_attempts;
        }
        let next = if run.budget > 0 {
            run.status = Status::Queued;
            requeued(format!("back in the queue: {told}, another attempt is left"))
        } else {
            run.status = Status::Escalated;
            run.escalation_reason = Some(Reason::Exhausted);
            run.escalation_note = Some(format!("{told}, and no attempt is left"));
            at_rest(Reason::Exhausted, &format!("{told}, and no attempt is left"))
        };
        Ok(Transition { run, attempt: Some(failed), events: vec![fact, next], releases_lease: false })
    }

    /// The branch of a fix that is not published yet moved on to `onto`: the same patch is to be proved there.
    pub fn moved(&self, attempts: &[Attempt], onto: &str, now: Timestamp) -> Result<Transition, Illegal> {
        let proved = candidate(attempts).filter(|it| it.status == AttemptStatus::Succeeded);
        let (Status::Fixed, false, Some(attempt)) = (self.status, self.pr_state == PrState::Open, proved) else {
            return Err(self.illegal("rebase"));
        };
        let short: String = onto.chars().take(8).collect();
        let mut run = Self { resolved_by: None, ..self.next(now) };
        run.approved_by.clear();
        let fact = if self.rebases >= MAX_REBASES {
            let note =
                format!("the branch moved on again, to {short}, after the fix was proved {MAX_REBASES} times anew");
            run.status = Status::Escalated;
            run.escalation_reason = Some(Reason::StaleHead);
            run.escalation_note = Some(note.clone());
            at_rest(Reason::StaleHead, &note)
        } else {
            run.status = Status::Queued;
            run.rebased_on = Some(onto.to_owned());
            run.rebases += 1;
            run.failure = None;
            run.pending =
                attempt.proposed_fix.clone().map(|patch| Pending::Again { by: attempt.author.clone(), patch });
            let mut fact = requeued(format!("back in the queue: the branch moved on to {short}"));
            fact.payload["onto"] = json!(onto);
            fact
        };
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// The branch of the run has another name by now.
    pub fn follows_branch(&self, name: &str, now: Timestamp) -> Result<Transition, Illegal> {
        let mut run = self.at_rest("rename the branch of", now)?;
        let before = std::mem::replace(&mut run.branch, name.to_owned());
        if let Some(ci) = run.order.ci.as_mut().filter(|it| it.default_branch == before) {
            name.clone_into(&mut ci.default_branch);
        }
        let message = format!("the branch {before} is called {name} by now, and the fix goes there");
        let fact =
            NewEvent::new(EventType::PrUpdated, "system", message).with(json!({ "branch": name, "was": before }));
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// The pull request was merged: the fix is accepted, here or there.
    pub fn merged(&self, merge: &MergeFacts<'_>, now: Timestamp) -> Result<Transition, Illegal> {
        let mut run = self.at_rest("merge", now)?;
        run.status = Status::Resolved;
        (run.pr_number, run.pr_state) = (Some(merge.number), PrState::Merged);
        run.escalation_reason = None;
        run.escalation_note = None;
        run.resolved_by = run.resolved_by.or(Some(ResolvedBy::Human));
        let number = merge.number;
        let mut events = Vec::new();
        let (actor, message) = merge.by.words(number);
        if let MergedBy::Approval(merging) = merge.by {
            run.approved_by.clone_from(&merging.approvals);
            let note = merging.note.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
            events.push(
                NewEvent::new(EventType::RunApproved, actor.as_str(), format!("approved{note}"))
                    .with(json!({ "patchDigest": merge.patch, "final": true, "note": merging.note })),
            );
        }
        events.push(pr_merged(&actor, number, merge.commit, &message));
        Ok(Transition { run, attempt: None, events, releases_lease: false })
    }

    /// Somebody merged the pull request of a run that was given up; the state stays.
    pub fn merged_nonetheless(
        &self,
        number: u64,
        commit: &str,
        by: MergedBy<'_>,
        now: Timestamp,
    ) -> Result<Transition, Illegal> {
        if self.status != Status::Aborted {
            return Err(self.illegal("merge"));
        }
        let run = Self { pr_state: PrState::Merged, ..self.next(now) };
        let (actor, merged) = by.words(number);
        let fact = NewEvent::new(EventType::PrMerged, actor, format!("{merged}, although the run was aborted"))
            .with(json!({ "number": number, "commit": commit, "final": false }));
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// Somebody closed the pull request at the forge, which is a no.
    pub fn closed_elsewhere(&self, now: Timestamp) -> Result<Transition, Illegal> {
        let mut run = self.at_rest("close", now)?;
        let note = "its pull request was closed at the forge";
        run.status = Status::Escalated;
        run.escalation_reason = Some(Reason::Denied);
        run.escalation_note = Some(note.to_owned());
        run.resolved_by = None;
        run.approved_by.clear();
        run.pr_state = PrState::Closed;
        let events = vec![self.pr_closed(note), at_rest(Reason::Denied, note)];
        Ok(Transition { run, attempt: None, events, releases_lease: false })
    }

    /// The pull request of a run was closed, which was no word on what the run is about now; the state stays.
    pub fn pull_closed(&self, why: &str, now: Timestamp) -> Result<Transition, Illegal> {
        if matches!(self.status, Status::Queued | Status::Running) {
            return Err(self.illegal("close the pull request of"));
        }
        let run = Self { pr_state: PrState::Closed, ..self.next(now) };
        let events = vec![self.pr_closed(why)];
        Ok(Transition { run, attempt: None, events, releases_lease: false })
    }

    /// Another run of the same failure has taken the pull request over; the state stays.
    pub fn pull_passed_on(&self, to: RunId, now: Timestamp) -> Result<Transition, Illegal> {
        if matches!(self.status, Status::Queued | Status::Running) {
            return Err(self.illegal("pass on the pull request of"));
        }
        let number = self.pr_number.unwrap_or_default();
        let run = Self {
            pr_number: None,
            pr_url: None,
            pr_state: PrState::None,
            heal_branch: None,
            heal_commit: None,
            ..self.next(now)
        };
        let message = format!("pull request #{number} is that of run {} by now", to.short());
        let fact = NewEvent::new(EventType::PrSkipped, "system", message).with(json!({ "number": number, "run": to }));
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// Somebody opened the pull request of a refused run again; the no stands, and so does the state.
    pub fn reopened(&self, number: u64, now: Timestamp) -> Result<Transition, Illegal> {
        if !matches!(self.status, Status::Escalated | Status::Aborted) {
            return Err(self.illegal("open the pull request of"));
        }
        let run = Self { pr_number: Some(number), pr_state: PrState::Open, ..self.next(now) };
        let message = format!(
            "pull request #{number} was opened again at the forge; the no stands: it is neither changed nor merged from here, and closed only \
             if somebody says no again"
        );
        let fact = NewEvent::new(EventType::PrOpened, "system", message).with(json!({ "number": number }));
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// Returns the next version of a run whose patch waits for a person.
    fn at_rest(&self, action: &'static str, now: Timestamp) -> Result<Self, Illegal> {
        if matches!(self.status, Status::Fixed | Status::Escalated) {
            Ok(self.next(now))
        } else {
            Err(self.illegal(action))
        }
    }

    fn pr_closed(&self, message: &str) -> NewEvent {
        NewEvent::new(EventType::PrClosed, "system", message).with(json!({ "number": self.pr_number }))
    }
}

/// Tells of an escalation that no worker made.
fn at_rest(reason: Reason, note: &str) -> NewEvent {
    NewEvent::new(EventType::RunEscalated, "system", format!("escalated ({reason}): {note}"))
        .with(json!({ "reason": reason, "idle": true }))
}

/// Tells that a run which no worker held is to be worked on again.
fn requeued(message: String) -> NewEvent {
    NewEvent::new(EventType::RunRequeued, "system", message).with(json!({ "idle": true }))
}

pub(super) fn pr_merged(actor: &str, number: u64, commit: &str, message: &str) -> NewEvent {
    NewEvent::new(EventType::PrMerged, actor, message)
        .with(json!({ "number": number, "commit": commit, "final": true }))
}
