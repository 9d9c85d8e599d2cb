//! Tests of the state machine: every action in every state, keys, repeats, stale views, budgets.
mod budget;
mod decisions;
mod forge;
mod table;
mod walk;

use crate::domain::Attempt;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Judgement;
use crate::domain::Order;
use crate::domain::Patch;
use crate::domain::Pending;
use crate::domain::Reason;
use crate::domain::ResolvedBy;
use crate::domain::Run;
use crate::domain::Status;
use crate::domain::Verdict;
use crate::domain::transition::Decided;
use crate::domain::transition::Decision;
use crate::domain::transition::Illegal;
use crate::domain::transition::Transition;
use jiff::Timestamp;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_740_000_000 + seconds).unwrap()
}

/// Returns a run in `status`, with what belongs to that state.
fn run_in(status: Status) -> Run {
    let has_fix = matches!(status, Status::Fixed | Status::Resolved);
    let is_escalated = status == Status::Escalated;
    Run {
        status,
        attempt_count: 1,
        escalation_reason: is_escalated.then_some(Reason::Exhausted),
        escalation_note: is_escalated.then(|| "no luck".to_owned()),
        resolved_by: has_fix.then_some(ResolvedBy::Ai),
        approved_by: if status == Status::Resolved { vec!["ann".to_owned()] } else { Vec::new() },
        version: 7,
        budget: 2,
        ..Run::queued("acme/shop", "main", "c0ffee", Order::default(), 3, at(0))
    }
}

/// Returns an attempt with a patch, judged `verdict`.
fn attempt(author: &str, status: AttemptStatus, verdict: Verdict) -> Attempt {
    let patch = Patch("diff --git a/x b/x\n".to_owned());
    Attempt {
        status,
        patch_digest: Some(patch.digest()),
        proposed_fix: Some(patch),
        guard: Some(Judgement { verdict, findings: Vec::new() }),
        ..Attempt::started(1, Author::from(author), None, at(1))
    }
}

fn proved(verdict: Verdict) -> Vec<Attempt> {
    vec![attempt("playbook", AttemptStatus::Succeeded, verdict)]
}

fn by(name: &str) -> Decision<'_> {
    Decision { by: name, is_authenticated: false, note: None, rev: None, version: None, machine: None, now: at(9) }
}

fn hint() -> Pending {
    Pending::Hint { by: "ann".to_owned(), text: "look at x".to_owned() }
}

fn changed(decided: Result<Decided, Illegal>) -> Transition {
    match decided {
        Ok(Decided::Change(transition)) => *transition,
        other => panic!("expected a change, got {other:?}"),
    }
}
