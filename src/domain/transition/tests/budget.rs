//! The budget: an agent's turn costs one, a person's none, and a person's action fills it again.
use super::at;
use super::attempt;
use super::by;
use super::changed;
use super::hint;
use super::run_in;
use crate::domain::AttemptStatus;
use crate::domain::Author;
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
