//! The state machine: what may happen to a run, and which facts tell it. The store commits a transition whole or not at all.
use crate::domain::attempt::{Attempt, AttemptStatus, Author};
use crate::domain::event::{EventType, NewEvent};
use crate::domain::failure::Failure;
use crate::domain::operator::is_same_person;
use crate::domain::order::Pending;
use crate::domain::reason::Reason;
use crate::domain::run::{ResolvedBy, Run, Source, Status, candidate};
use crate::domain::verdict::Verdict;
use jiff::Timestamp;
use serde_json::json;

mod forge;
mod waiting;

pub use forge::{MergeFacts, MergedBy, PullFacts};

/// A run's next version with the facts that led there.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub run: Run,
    /// The attempt to insert or replace, by number.
    pub attempt: Option<Attempt>,
    pub events: Vec<NewEvent>,
    /// Whether the worker's lease ends with this transition.
    pub releases_lease: bool,
}

/// What a person's action comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decided {
    /// Commit this.
    Change(Box<Transition>),
    /// The first of two keys: commit this; the run stays `fixed`.
    FirstKey(Box<Transition>),
    /// The same was done before: success, nothing to do.
    AlreadyDone(String),
}

/// Why an action is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    #[error("cannot {action} a run that is {status}{hint}")]
    State { action: &'static str, status: Status, hint: String },
    #[error("the patch is now {now}, not {named}; look at it again and decide on that one")]
    StaleDigest { named: String, now: String },
    #[error("the run has moved on: version {now}, not {named}; look at it again")]
    StaleVersion { named: u64, now: u64 },
    #[error("{0}")]
    NotThisPerson(String),
}

impl Transition {
    /// Opens the run to workers of every machine, if its repository is not on one.
    fn for_any_machine(mut self) -> Self {
        if !self.run.order.is_of_a_path() {
            self.run.order.machine = None;
        }
        self
    }
}

impl Run {
    fn next(&self, now: Timestamp) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self.clone() }
    }

    fn illegal(&self, action: &'static str) -> Illegal {
        let hint = match (self.status, action) {
            (Status::Resolved, _) => "; that is final",
            (Status::Queued | Status::Running, "approve" | "deny") => "; wait until it is fixed or escalated",
            (Status::Queued | Status::Running, "retry" | "human-fix") => {
                "; abort it first, or wait until it comes to rest"
            }
            (Status::Aborted, "human-fix" | "approve" | "deny") => "; retry it first",
            (Status::Escalated, "approve") => "; there is no proved patch, supply a human fix or retry",
            _ => "",
        };
        Illegal::State { action, status: self.status, hint: hint.to_owned() }
    }

    /// A worker takes the run.
    pub fn claimed(&self, worker: &str, now: Timestamp) -> Result<Transition, Illegal> {
        if self.status != Status::Queued {
            return Err(self.illegal("claim"));
        }
        let run = Self { status: Status::Running, not_before: None, ..self.next(now) };
        let _ = worker;
        Ok(Transition { run, attempt: None, events: Vec::new(), releases_lease: false })
    }

    /// The worker's lease was lost, or it gave the run back.
    pub fn released(&self, why: &str, now: Timestamp) -> Result<Transition, Illegal> {
        if self.status != Status::Running {
            return Err(self.illegal("release"));
        }
        let run = Self { status: Status::Queued, ..self.next(now) };
        let events = vec![NewEvent::new(EventType::RunRequeued, "system", format!("back in the queue: {why}"))];
        Ok(Transition { run, attempt: None, events, releases_lease: true })
    }

    /// The run is taken back from a worker that gave no sign of life; the fact says so (`leaseLost`), for whoever counts such losses.
    pub fn lost(&self, why: &str, now: Timestamp) -> Result<Transition, Illegal> {
        let mut released = self.released(why, now)?.for_any_machine();
        for event in &mut released.events {
            event.payload = json!({ "leaseLost": true });
        }
        Ok(released)
    }

    /// The worker stops in an orderly way: `attempt`, the one it was in, ends without counting, and what a person handed in is kept for the next.
    pub fn given_back(&self, attempt: Option<Attempt>, why: &str, now: Timestamp) -> Result<Transition, Illegal> {
        let mut released = self.released(why, now)?.for_any_machine();
        let Some(mut attempt) = attempt.filter(|it| it.status == AttemptStatus::Running) else { return Ok(released) };
        (attempt.status, attempt.waiting_since) = (AttemptStatus::Failed, None);
        attempt.failure_reason = Some(format!("given back, does not count: {why}"));
        match (&attempt.author, &attempt.proposed_fix) {
            (by, Some(patch)) if attempt.is_again => {
                released.run.pending = Some(Pending::Again { by: by.clone(), patch: patch.clone() });
            }
            (Author::Human(by), Some(patch)) => {
                let (by, patch) = (by.clone(), patch.clone());
                released.run.pending = Some(Pending::Patch { by, patch, note: None });
            }
            _ => released.run.budget = (self.budget + 1).min(self.max_attempts),
        }
        let message = format!("attempt {} was given back and does not count: {why}", attempt.attempt_no);
        let fact = NewEvent::new(EventType::AttemptFailed, attempt.author.to_string(), message);
        released.events.insert(0, fact.with(json!({ "givenBack": attempt.attempt_no })));
        released.attempt = Some(attempt);
        Ok(released)
    }

    /// Something worth telling happened while a worker holds the run; the state stays.
    pub fn told(&self, events: Vec<NewEvent>, now: Timestamp) -> Result<Transition, Illegal> {
        if self.status != Status::Running {
            return Err(self.illegal("work on"));
        }
        Ok(Transition { run: self.next(now), attempt: None, events, releases_lease: false })
    }

    /// The failing command was seen red at the failing commit.
    pub fn reproduced(&self, failure: Failure, message: String, now: Timestamp) -> Result<Transition, Illegal> {
        let mut told = self.told(Vec::new(), now)?;
        told.events.push(NewEvent::new(EventType::AttemptReproduced, "system", message).with(json!({
            "errorType": failure.error_type, "errorHash": failure.hash, "category": failure.category,
            "confidence": failure.confidence,
        })));
        // What was reported stays: the run is known by it, and the same report must find it again.
        let is_reported = !matches!(self.source, Source::Local | Source::Dispatch) && !self.error_hash.is_empty();
        if !is_reported {
            told.run.error_hash.clone_from(&failure.hash);
            told.run.error_type = Some(failure.error_type.clone());
            told.run.error_summary.clone_from(&failure.summary);
        }
        told.run.failure = Some(failure);
        Ok(told)
    }

    /// For an order: how things stand before the change, red or green.
    pub fn surveyed(&self, failure: Failure, message: String, now: Timestamp) -> Result<Transition, Illegal> {
        let mut told = self.told(vec![NewEvent::new(EventType::AttemptThinking, "system", message)], now)?;
        told.run.failure = Some(failure);
        Ok(told)
    }

    /// A turn begins: an agent's uses up budget, a person's or one on a base that moved does not.
    pub fn attempt_started(&self, author: Author, hint: Option<String>, now: Timestamp) -> Result<Transition, Illegal> {
        let mut told = self.told(Vec::new(), now)?;
        let no = self.attempt_count + 1;
        told.run.attempt_count = no;
        let is_again = matches!(self.pending, Some(Pending::Again { .. }));
        if author.human().is_none() && !is_again {
            told.run.budget = self.budget.saturating_sub(1);
        }
        told.run.pending = None;
        let message = format!("attempt {no} by {author} started");
        told.events
            .push(NewEvent::new(EventType::AttemptStarted, author.to_string(), message).with(json!({ "attempt": no })));
        told.attempt = Some(Attempt { is_again, ..Attempt::started(no, author, hint, now) });
        Ok(told)
    }

    /// The running attempt learned something (patch, verdict, output): store it with its facts.
    pub fn attempt_updated(
        &self,
        attempt: Attempt,
        events: Vec<NewEvent>,
        now: Timestamp,
    ) -> Result<Transition, Illegal> {
        let mut told = self.told(events, now)?;
        told.attempt = Some(attempt);
        Ok(told)
    }

    /// The patch is proved.
    pub fn fixed(&self, attempt: Attempt, now: Timestamp) -> Result<Transition, Illegal> {
        let mut told = self.told(Vec::new(), now)?;
        let author = attempt.author.to_string();
        let proof = if self.order.instruction.is_some() {
            "green, green again"
        } else {
            "red before, green after, green again"
        };
        let message = format!("attempt {} proved: {proof}", attempt.attempt_no);
        told.events.push(
            NewEvent::new(EventType::AttemptSucceeded, author, message)
                .with(json!({ "attempt": attempt.attempt_no, "patchDigest": attempt.patch_digest })),
        );
        told.run.status = Status::Fixed;
        told.run.escalation_reason = None;
        told.run.escalation_note = None;
        told.run.approved_by.clear();
        told.run.resolved_by = Some(match attempt.author {
            Author::Agent(_) => ResolvedBy::Ai,
            Author::Human(_) => ResolvedBy::Human,
        });
        told.attempt = Some(attempt);
        told.releases_lease = true;
        Ok(told)
    }

    /// The attempt failed; the run goes back to the queue, or stops with a reason.
    pub fn attempt_failed(
        &self,
        attempt: Attempt,
        stop: Option<(Reason, String)>,
        now: Timestamp,
    ) -> Result<Transition, Illegal> {
        let why = attempt.failure_reason.clone().unwrap_or_default();
        let fact = NewEvent::new(
            EventType::AttemptFailed,
            attempt.author.to_string(),
            format!("attempt {} failed: {why}", attempt.attempt_no),
        )
        .with(json!({
            "attempt": attempt.attempt_no, "kind": attempt.failure_kind, "patchDigest": attempt.patch_digest,
            "retry": stop.is_none(),
        }));
        let mut told = match stop {
            Some((reason, note)) => self.escalated(reason, &note, now)?,
            None => self.released("another attempt is left", now)?,
        };
        if attempt.author.human().is_some() {
            told.run.budget = self.max_attempts;
        }
        told.events.insert(0, fact);
        told.attempt = Some(attempt);
        Ok(told)
    }

    /// The loop stops without a fix; a person must act.
    pub fn escalated(&self, reason: Reason, note: &str, now: Timestamp) -> Result<Transition, Illegal> {
        let mut told = self.told(Vec::new(), now)?;
        told.run.status = Status::Escalated;
        told.run.escalation_reason = Some(reason);
        told.run.escalation_note = Some(note.to_owned());
        told.run.resolved_by = None;
        told.events.push(
            NewEvent::new(EventType::RunEscalated, "system", format!("escalated ({reason}): {note}"))
                .with(json!({ "reason": reason })),
        );
        told.releases_lease = true;
        Ok(told)
    }

    /// Refuses a decision on a patch or a version that is not the one there is now.
    pub fn check_seen(&self, attempts: &[Attempt], rev: Option<&str>, version: Option<u64>) -> Result<(), Illegal> {
        if let Some(named) = rev {
            let digest = candidate(attempts).and_then(|it| it.patch_digest.as_ref());
            if !digest.is_some_and(|it| it.is_named_by(named)) {
                let now = digest.map_or_else(|| "none".to_owned(), |it| it.short().to_owned());
                return Err(Illegal::StaleDigest { named: named.to_owned(), now });
            }
        }
        match version {
            Some(named) if named != self.version => Err(Illegal::StaleVersion { named, now: self.version }),
            _ => Ok(()),
        }
    }

    /// A person accepts the proved patch.
    pub fn approve(&self, attempts: &[Attempt], decision: &Decision<'_>) -> Result<Decided, Illegal> {
        let by = decision.by;
        let is_same = |name: &str| is_same_person(name, by);
        let has_approved = self.approved_by.iter().any(|it| is_same(it));
        if self.status == Status::Resolved && has_approved {
            self.check_seen(attempts, decision.rev, None)?;
            return Ok(Decided::AlreadyDone(format!("already approved by {by}")));
        }
        if self.status != Status::Fixed {
            return Err(self.illegal("approve"));
        }
        if has_approved {
            self.check_seen(attempts, decision.rev, None)?;
            let message = format!("{by} already approved; the second key must be another person's");
            return Ok(Decided::AlreadyDone(message));
        }
        self.check_seen(attempts, decision.rev, decision.version)?;
        let Some(attempt) = candidate(attempts).filter(|it| it.status == AttemptStatus::Succeeded) else {
            return Err(self.illegal("approve"));
        };
        let verdict = attempt.guard.as_ref().map_or(Verdict::Violation, |it| it.verdict);
        let needs_two = match verdict {
            Verdict::Ok => false,
            Verdict::NeedsTwoKeys => true,
            Verdict::Violation => return Err(self.illegal("approve")),
        };
        let is_author = attempt.author.human().is_some_and(is_same);
        if is_author && needs_two {
            return Err(Illegal::NotThisPerson(format!("{by} wrote this patch; two other people must approve it")));
        }
        if is_author && decision.is_authenticated {
            return Err(Illegal::NotThisPerson(format!("{by} wrote this patch; another person must approve it")));
        }
        if needs_two && self.order.requested_by.as_deref().is_some_and(is_same) {
            return Err(Illegal::NotThisPerson(format!("{by} ordered this change; two other people must approve it")));
        }
        let mut run = self.next(decision.now);
        run.approved_by.push(by.to_owned());
        let is_last = !needs_two || run.approved_by.len() >= 2;
        if is_last {
            run.status = Status::Resolved;
        }
        let message = match (is_last, decision.note) {
            (true, None) => "approved".to_owned(),
            (true, Some(note)) => format!("approved: {note}"),
            (false, _) => "approved with the first of two keys".to_owned(),
        };
        let fact = NewEvent::new(EventType::RunApproved, decision.actor(), message).with(json!({
            "patchDigest": attempt.patch_digest, "final": is_last, "note": decision.note,
        }));
        let transition = Box::new(Transition { run, attempt: None, events: vec![fact], releases_lease: is_last });
        Ok(if is_last { Decided::Change(transition) } else { Decided::FirstKey(transition) })
    }

    /// A person refuses the fix, or closes an escalation.
    pub fn deny(&self, attempts: &[Attempt], decision: &Decision<'_>) -> Result<Decided, Illegal> {
        if self.status == Status::Escalated && self.escalation_reason == Some(Reason::Denied) {
            return Ok(Decided::AlreadyDone("already denied".to_owned()));
        }
        if !matches!(self.status, Status::Fixed | Status::Escalated) {
            return Err(self.illegal("deny"));
        }
        self.check_seen(attempts, decision.rev, decision.version)?;
        let note = decision.note.unwrap_or("Rejected by human reviewer.");
        let run = Self {
            status: Status::Escalated,
            escalation_reason: Some(Reason::Denied),
            escalation_note: Some(note.to_owned()),
            resolved_by: None,
            approved_by: Vec::new(),
            ..self.next(decision.now)
        };
        let fact = NewEvent::new(EventType::RunDenied, decision.actor(), format!("denied: {note}"));
        Ok(Decided::Change(Box::new(Transition { run, attempt: None, events: vec![fact], releases_lease: true })))
    }

    /// A person stops the run; whatever a worker still delivers is dropped.
    pub fn abort(&self, attempts: &[Attempt], decision: &Decision<'_>) -> Result<Decided, Illegal> {
        if self.status == Status::Aborted {
            return Ok(Decided::AlreadyDone("already aborted".to_owned()));
        }
        if self.status == Status::Resolved {
            return Err(self.illegal("abort"));
        }
        self.check_seen(&[], None, decision.version)?;
        let mut run = Self { status: Status::Aborted, pending: None, resolved_by: None, ..self.next(decision.now) };
        run.approved_by.clear();
        let note = decision.note.map(|it| format!(": {it}")).unwrap_or_default();
        let fact = NewEvent::new(EventType::RunAborted, decision.actor(), format!("aborted{note}"));
        let attempt = attempts.last().filter(|it| it.status == AttemptStatus::Running).map(|it| Attempt {
            status: AttemptStatus::Failed,
            failure_reason: Some(format!("aborted by {}", decision.by)),
            waiting_since: None,
            ..it.clone()
        });
        Ok(Decided::Change(Box::new(Transition { run, attempt, events: vec![fact], releases_lease: true })))
    }

    /// A person asks for another round with a fresh budget.
    pub fn retry(&self, decision: &Decision<'_>) -> Result<Decided, Illegal> {
        // Left to a machine that is perhaps not there any more, it may be asked for by others.
        let is_left_behind = !self.order.is_of_a_path()
            && self.order.machine.is_some()
            && self.order.machine.as_deref() != decision.machine;
        if self.status == Status::Queued && !is_left_behind {
            return Ok(Decided::AlreadyDone("already in the queue".to_owned()));
        }
        if !matches!(self.status, Status::Queued | Status::Fixed | Status::Escalated | Status::Aborted) {
            return Err(self.illegal("retry"));
        }
        self.check_seen(&[], None, decision.version)?;
        let note = decision.note.map(|it| format!(": {it}")).unwrap_or_default();
        let run = self.requeued(decision);
        let fact = NewEvent::new(EventType::RunRequeued, decision.actor(), format!("retried{note}"));
        Ok(Decided::Change(Box::new(Transition { run, attempt: None, events: vec![fact], releases_lease: true })))
    }

    /// A person supplies a patch or a hint; it goes through the same loop.
    pub fn human_fix(&self, pending: Pending, decision: &Decision<'_>) -> Result<Decided, Illegal> {
        if self.status == Status::Queued && self.pending.as_ref() == Some(&pending) {
            return Ok(Decided::AlreadyDone("the same fix is already in the queue".to_owned()));
        }
        if !matches!(self.status, Status::Fixed | Status::Escalated) {
            return Err(self.illegal("human-fix"));
        }
        self.check_seen(&[], None, decision.version)?;
        let (what, payload) = match &pending {
            Pending::Patch { patch, .. } | Pending::Again { patch, .. } => {
                ("a patch", json!({ "patchDigest": patch.digest() }))
            }
            Pending::Hint { .. } => ("a hint", json!({})),
        };
        let note = decision.note.map(|it| format!(": {it}")).unwrap_or_default();
        let mut run = self.requeued(decision);
        run.pending = Some(pending);
        let fact =
            NewEvent::new(EventType::RunHumanFixed, decision.actor(), format!("supplied {what}{note}")).with(payload);
        let queued = NewEvent::new(EventType::RunQueued, "system", "waiting for a worker");
        Ok(Decided::Change(Box::new(Transition {
            run,
            attempt: None,
            events: vec![fact, queued],
            releases_lease: true,
        })))
    }

    fn requeued(&self, decision: &Decision<'_>) -> Self {
        let mut order = self.order.clone();
        if !order.is_of_a_path() {
            order.machine = decision.machine.map(str::to_owned);
        }
        Self {
            order,
            status: Status::Queued,
            escalation_reason: None,
            escalation_note: None,
            resolved_by: None,
            approved_by: Vec::new(),
            budget: self.max_attempts,
            not_before: None,
            ..self.next(decision.now)
        }
    }
}

/// Who decides, when, and on what they saw.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    pub by: &'a str,
    /// Whether a server checked who they are. Then nobody approves a patch of their own. On one machine names are only names: a lone engineer
    /// may approve what they wrote, where one key is enough.
    pub is_authenticated: bool,
    pub note: Option<&'a str>,
    /// The patch digest, or a prefix of it, that the person looked at.
    pub rev: Option<&'a str>,
    /// The version of the run that the person looked at.
    pub version: Option<u64>,
    /// The machine on which who decides heals the run in the foreground: no worker elsewhere is to take it from them.
    pub machine: Option<&'a str>,
    pub now: Timestamp,
}

impl Decision<'_> {
    fn actor(&self) -> String {
        format!("human:{}", self.by)
    }
}

#[cfg(test)]
mod tests;
