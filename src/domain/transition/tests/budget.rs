//! The budget: an agent's turn costs one, a person's none, and a person's action fills it again.
use super::at;
use super::attempt;
use super::by;
use super::changed;
use super::hint;
use super::run_in;
use crate::domain::Attempt;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Patch;
use crate::domain::Pending;
use crate::domain::Reason;
use crate::domain::Run;
use crate::domain::Status;
use crate::domain::Verdict;

fn running(budget: u32) -> Run {
    Run { budget, pending: Some(hint()), ..run_in(Status::Running) }
}

#[test]
fn an_agents_turn_costs_one() {
    let mut run = running(3);
    for left in [2, 1, 0, 0] {
        run = run.attempt_started(Author::Agent("a".to_owned()), None, at(9)).unwrap().run;
        assert_eq!(run.budget, left);
    }
    assert_eq!((run.attempt_count, run.pending), (5, None));
}

#[test]
fn a_persons_turn_is_free() {
    for budget in [0, 2] {
        let run = running(budget).attempt_started(Author::Human("ann".to_owned()), None, at(9)).unwrap().run;
        assert_eq!((run.budget, run.attempt_count, run.pending), (budget, 2, None));
    }
}

#[test]
fn a_failed_persons_turn_fills_it() {
    let failed = |author| attempt(author, AttemptStatus::Failed, Verdict::Ok);
    let stop = || Some((Reason::Exhausted, String::new()));
    assert_eq!(running(0).attempt_failed(failed("human:ann"), None, at(9)).unwrap().run.budget, 3);
    assert_eq!(running(0).attempt_failed(failed("human:ann"), stop(), at(9)).unwrap().run.budget, 3);
    assert_eq!(running(1).attempt_failed(failed("playbook"), None, at(9)).unwrap().run.budget, 1);
    assert_eq!(running(0).attempt_failed(failed("playbook"), stop(), at(9)).unwrap().run.budget, 0);
}

#[test]
fn a_new_round_fills_it() {
    let spent = |status| Run { budget: 0, ..run_in(status) };
    for status in [Status::Fixed, Status::Escalated, Status::Aborted] {
        assert_eq!(changed(spent(status).retry(&by("ann"))).run.budget, 3);
    }
    for status in [Status::Fixed, Status::Escalated] {
        assert_eq!(changed(spent(status).human_fix(hint(), &by("ann"))).run.budget, 3);
    }
}

/// A worker that dies between taking the run and beginning an attempt costs nothing and loses nothing.
#[test]
fn a_lost_lease_costs_nothing() {
    let lost = running(2).released("lease lost", at(9)).unwrap();
    assert_eq!((lost.run.budget, lost.run.attempt_count, lost.run.pending.clone()), (2, 1, Some(hint())));
    let taken = lost.run.claimed("w", at(10)).unwrap().run;
    assert_eq!((taken.budget, taken.pending), (2, Some(hint())));
}

/// A worker that stops in an orderly way leaves no attempt running, and what it was in costs nothing.
#[test]
fn an_attempt_given_back_does_not_count() {
    let started = running(2).attempt_started(Author::from("claude"), None, at(9)).unwrap();
    let back = started.run.given_back(started.attempt, "its worker was stopped", at(10)).unwrap();
    assert_eq!((back.run.status, back.run.budget, back.run.attempt_count), (Status::Queued, 2, 2));
    let attempt = back.attempt.unwrap();
    assert_eq!((attempt.status, attempt.failure_kind), (AttemptStatus::Failed, None));
    assert!(attempt.failure_reason.unwrap().contains("does not count"));
    assert!(running(2).given_back(None, "stopped", at(10)).unwrap().attempt.is_none());
}

/// A person's patch is not lost with the attempt that it was in.
#[test]
fn a_persons_patch_is_handed_in_again() {
    let started = running(2).attempt_started(Author::from("human:ann"), None, at(9)).unwrap();
    let patch = Patch("diff".to_owned());
    let attempt = started.attempt.map(|it| Attempt { proposed_fix: Some(patch.clone()), ..it });
    let back = started.run.given_back(attempt, "stopped", at(10)).unwrap();
    assert_eq!(
        (back.run.budget, back.run.pending),
        (2, Some(Pending::Patch { by: "ann".to_owned(), patch, note: None }))
    );
}
