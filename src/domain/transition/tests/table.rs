//! Every action in every state: where it leads, or the text that refuses it.
use super::at;
use super::attempt;
use super::by;
use super::hint;
use super::proved;
use super::run_in;
use crate::domain::Attempt;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Category;
use crate::domain::EventType;
use crate::domain::Failure;
use crate::domain::Reason;
use crate::domain::Status;
use crate::domain::Verdict;
use crate::domain::run::Run;
use crate::domain::transition::Decided;
use crate::domain::transition::Illegal;
use crate::domain::transition::Transition;

/// What comes of an action: the new state and whether the lease ends, "already …", or the refusal.
pub(super) type Outcome = Result<(Status, bool), String>;

pub(super) fn of_worker(result: Result<Transition, Illegal>) -> Outcome {
    let transition = result.map_err(|it| it.to_string())?;
    Ok((transition.run.status, transition.releases_lease))
}

fn of_person(result: Result<Decided, Illegal>) -> Outcome {
    match result.map_err(|it| it.to_string())? {
        Decided::Change(it) | Decided::FirstKey(it) => Ok((it.run.status, it.releases_lease)),
        Decided::AlreadyDone(text) => Err(text),
    }
}

/// Asks `act` in every state and compares with what is expected, in the order of `Status::ALL`.
pub(super) fn check<Words: Into<String>>(act: impl Fn(&Run) -> Outcome, expected: [Result<(Status, bool), Words>; 6]) {
    for (status, expected) in Status::ALL.iter().zip(expected) {
        assert_eq!(act(&run_in(*status)), expected.map_err(Into::into), "in state {status}");
    }
}

fn failure() -> Failure {
    Failure {
        category: Category::Test,
        confidence: 0.9,
        error_type: "AssertionError".to_owned(),
        summary: "1 != 2".to_owned(),
        hash: "v1:1234".to_owned(),
        lines: Vec::new(),
        files: Vec::new(),
        reduced_log: String::new(),
        report: None,
        total_lines: 1,
        total_bytes: 1,
    }
}

#[test]
fn claim() {
    check(
        |run| of_worker(run.claimed("w", at(9))),
        [
            Ok((Status::Running, false)),
            Err("cannot claim a run that is running"),
            Err("cannot claim a run that is fixed"),
            Err("cannot claim a run that is escalated"),
            Err("cannot claim a run that is resolved; that is final"),
            Err("cannot claim a run that is aborted"),
        ],
    );
}

#[test]
fn release() {
    check(
        |run| of_worker(run.released("lease lost", at(9))),
        [
            Err("cannot release a run that is queued"),
            Ok((Status::Queued, true)),
            Err("cannot release a run that is fixed"),
            Err("cannot release a run that is escalated"),
            Err("cannot release a run that is resolved; that is final"),
            Err("cannot release a run that is aborted"),
        ],
    );
}

/// All that a worker reports needs a running run; only the end of an attempt moves it on.
#[test]
fn work() {
    let refusals = |moved| {
        [
            Err("cannot work on a run that is queued"),
            moved,
            Err("cannot work on a run that is fixed"),
            Err("cannot work on a run that is escalated"),
            Err("cannot work on a run that is resolved; that is final"),
            Err("cannot work on a run that is aborted"),
        ]
    };
    let failed = || attempt("playbook", AttemptStatus::Failed, Verdict::Ok);
    let stop = || Some((Reason::Exhausted, "no luck".to_owned()));
    let agent = || Author::Agent("playbook".to_owned());
    let stays = Ok((Status::Running, false));
    check(|run| of_worker(run.told(Vec::new(), at(9))), refusals(stays));
    check(|run| of_worker(run.reproduced(failure(), "red".to_owned(), at(9))), refusals(stays));
    check(|run| of_worker(run.attempt_started(agent(), None, at(9))), refusals(stays));
    check(|run| of_worker(run.attempt_updated(failed(), Vec::new(), at(9))), refusals(stays));
    check(|run| of_worker(run.fixed(failed(), at(9))), refusals(Ok((Status::Fixed, true))));
    check(|run| of_worker(run.escalated(Reason::Flaky, "flaky", at(9))), refusals(Ok((Status::Escalated, true))));
    check(|run| of_worker(run.attempt_failed(failed(), stop(), at(9))), refusals(Ok((Status::Escalated, true))));

    let mut expected = refusals(Ok((Status::Queued, true)));
    expected[0] = Err("cannot release a run that is queued");
    expected[2] = Err("cannot release a run that is fixed");
    expected[3] = Err("cannot release a run that is escalated");
    expected[4] = Err("cannot release a run that is resolved; that is final");
    expected[5] = Err("cannot release a run that is aborted");
    check(|run| of_worker(run.attempt_failed(failed(), None, at(9))), expected);
}

#[test]
fn approve() {
    check(
        |run| of_person(run.approve(&proved(Verdict::Ok), &by("bob"))),
        [
            Err("cannot approve a run that is queued; wait until it is fixed or escalated"),
            Err("cannot approve a run that is running; wait until it is fixed or escalated"),
            Ok((Status::Resolved, true)),
            Err("cannot approve a run that is escalated; there is no proved patch, supply a human fix or retry"),
            Err("cannot approve a run that is resolved; that is final"),
            Err("cannot approve a run that is aborted; retry it first"),
        ],
    );
}

#[test]
fn deny() {
    check(
        |run| of_person(run.deny(&proved(Verdict::Ok), &by("bob"))),
        [
            Err("cannot deny a run that is queued; wait until it is fixed or escalated"),
            Err("cannot deny a run that is running; wait until it is fixed or escalated"),
            Ok((Status::Escalated, true)),
            Ok((Status::Escalated, true)),
            Err("cannot deny a run that is resolved; that is final"),
            Err("cannot deny a run that is aborted; retry it first"),
        ],
    );
}

#[test]
fn abort() {
    check(
        |run| of_person(run.abort(&[], &by("bob"))),
        [
            Ok((Status::Aborted, true)),
            Ok((Status::Aborted, true)),
            Ok((Status::Aborted, true)),
            Ok((Status::Aborted, true)),
            Err("cannot abort a run that is resolved; that is final"),
            Err("already aborted"),
        ],
    );
}

#[test]
fn retry() {
    check(
        |run| of_person(run.retry(&by("bob"))),
        [
            Err("already in the queue"),
            Err("cannot retry a run that is running; abort it first, or wait until it comes to rest"),
            Ok((Status::Queued, true)),
            Ok((Status::Queued, true)),
            Err("cannot retry a run that is resolved; that is final"),
            Ok((Status::Queued, true)),
        ],
    );
}

#[test]
fn human_fix() {
    check(
        |run| of_person(run.human_fix(hint(), &by("bob"))),
        [
            Err("cannot human-fix a run that is queued; abort it first, or wait until it comes to rest"),
            Err("cannot human-fix a run that is running; abort it first, or wait until it comes to rest"),
            Ok((Status::Queued, true)),
            Ok((Status::Queued, true)),
            Err("cannot human-fix a run that is resolved; that is final"),
            Err("cannot human-fix a run that is aborted; retry it first"),
        ],
    );
}

#[test]
fn only_rest_waits_for_nobody() {
    let at_rest: Vec<_> = Status::ALL.iter().filter(|it| it.is_at_rest()).map(|it| it.as_str()).collect();
    assert_eq!(at_rest, ["fixed", "escalated", "resolved", "aborted"]);
}

#[test]
fn what_was_reproduced_is_known_to_the_run() {
    let told = run_in(Status::Running).reproduced(failure(), "red".to_owned(), at(9)).unwrap();
    assert_eq!(told.run.error_hash, "v1:1234");
    assert_eq!(told.run.error_type.as_deref(), Some("AssertionError"));
    assert_eq!(told.run.error_summary, "1 != 2");
    assert_eq!(told.run.failure, Some(failure()));
    assert_eq!((told.events[0].kind, told.events[0].message.as_str()), (EventType::AttemptReproduced, "red"));
    assert_eq!(told.events[0].payload["errorHash"], "v1:1234");
}

#[test]
fn each_step_tells_its_facts_in_order() {
    let kinds = |it: &Transition| it.events.iter().map(|it| it.kind).collect::<Vec<_>>();
    let running = run_in(Status::Running);
    let mut failed = attempt("playbook", AttemptStatus::Failed, Verdict::Ok);
    failed.failure_reason = Some("still red".to_owned());
    let again = running.attempt_failed(failed.clone(), None, at(9)).unwrap();
    assert_eq!(kinds(&again), [EventType::AttemptFailed, EventType::RunRequeued]);
    assert_eq!(again.events[0].message, "attempt 1 failed: still red");
    assert_eq!(again.attempt, Some(failed.clone()));
    let stopped = running.attempt_failed(failed, Some((Reason::OverLimits, "big".to_owned())), at(9)).unwrap();
    assert_eq!(kinds(&stopped), [EventType::AttemptFailed, EventType::RunEscalated]);
    assert_eq!(stopped.run.escalation_reason, Some(Reason::OverLimits));
    assert_eq!(stopped.run.escalation_note.as_deref(), Some("big"));
    assert_eq!(stopped.events[1].payload["reason"], "over_limits");
    let started = running.attempt_started(Author::Human("ann".to_owned()), Some("h".to_owned()), at(9)).unwrap();
    assert_eq!(kinds(&started), [EventType::AttemptStarted]);
    let begun = Attempt::started(2, Author::Human("ann".to_owned()), Some("h".to_owned()), at(9));
    assert_eq!((started.run.attempt_count, started.attempt), (2, Some(begun)));
    let fixed = running.fixed(attempt("human:ann", AttemptStatus::Succeeded, Verdict::Ok), at(9)).unwrap();
    assert_eq!(kinds(&fixed), [EventType::AttemptSucceeded]);
    let supplied = super::changed(run_in(Status::Escalated).human_fix(hint(), &by("ann")));
    assert_eq!(kinds(&supplied), [EventType::RunHumanFixed, EventType::RunQueued]);
    assert_eq!(supplied.events[0].actor, "human:ann");
}
