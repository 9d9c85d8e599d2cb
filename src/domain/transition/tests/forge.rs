//! What a forge does to a run: in which states it may, where it leads, and what is told.
use super::at;
use super::attempt;
use super::by;
use super::changed;
use super::proved;
use super::run_in;
use super::table::check;
use super::table::of_worker;
use crate::domain::Attempt;
use crate::domain::AttemptFailure;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Digest;
use crate::domain::EventType;
use crate::domain::MergeFacts;
use crate::domain::MergedBy;
use crate::domain::Merging;
use crate::domain::NewEvent;
use crate::domain::Pending;
use crate::domain::PrState;
use crate::domain::PullFacts;
use crate::domain::Reason;
use crate::domain::ResolvedBy;
use crate::domain::Run;
use crate::domain::Status;
use crate::domain::Transition;
use crate::domain::Verdict;
use crate::domain::transition::Illegal;

const PULL: PullFacts<'_> =
    PullFacts { number: 12, url: "https://forge.test/pull/12", branch: "heal/1", head: "beefbeefbeef", is_draft: true };

fn kinds(transition: &Transition) -> Vec<EventType> {
    transition.events.iter().map(|it| it.kind).collect()
}

fn merging() -> Merging {
    let approvals = vec!["bob".to_owned(), "ann".to_owned()];
    Merging { by: "ann".to_owned(), approvals, note: Some("good".to_owned()), head: "beef".to_owned(), at: at(8) }
}

fn merged(run: &Run, by: MergedBy<'_>) -> Result<Transition, Illegal> {
    run.merged(&MergeFacts { number: 12, commit: "feed", patch: &Digest::of("p"), by }, at(9))
}

/// Returns what is refused in every state but those where a patch waits for a person.
fn only_at_rest(action: &str, fixed: (Status, bool), escalated: (Status, bool)) -> [Result<(Status, bool), String>; 6] {
    let no = |status: &str| Err(format!("cannot {action} a run that is {status}"));
    [no("queued"), no("running"), Ok(fixed), Ok(escalated), no("resolved; that is final"), no("aborted")]
}

#[test]
fn every_state() {
    let stays = |action| only_at_rest(action, (Status::Fixed, false), (Status::Escalated, false));
    check(|run| of_worker(run.pull_opened(&PULL, at(9))), stays("publish"));
    check(|run| of_worker(run.pull_updated(&PULL, at(9))), stays("publish"));
    let both = |action, status| only_at_rest(action, (status, false), (status, false));
    check(|run| of_worker(merged(run, MergedBy::Forge(None))), both("merge", Status::Resolved));
    check(|run| of_worker(merged(run, MergedBy::Approval(&merging()))), both("merge", Status::Resolved));
    check(|run| of_worker(run.closed_elsewhere(at(9))), both("close", Status::Escalated));
    let no = |action: &str, status: &str| Err(format!("cannot {action} a run that is {status}"));
    let only_fixed = |action| {
        let mut expected = both(action, Status::Queued);
        expected[3] = no(action, "escalated");
        expected
    };
    let attempts = proved(Verdict::Ok);
    check(|run| of_worker(run.ci_red(&attempts[0], String::new(), at(9))), only_fixed("refute"));
    check(|run| of_worker(run.moved(&attempts, "feed", at(9))), only_fixed("rebase"));
    let close = "close the pull request of";
    check(
        |run| of_worker(run.pull_closed("closed", at(9))),
        [
            no(close, "queued"),
            no(close, "running"),
            Ok((Status::Fixed, false)),
            Ok((Status::Escalated, false)),
            Ok((Status::Resolved, false)),
            Ok((Status::Aborted, false)),
        ],
    );
}

#[test]
fn a_pull_request_is_known_by_the_run() {
    let opened = run_in(Status::Fixed).pull_opened(&PULL, at(9)).unwrap();
    let run = &opened.run;
    assert_eq!((run.pr_number, run.pr_url.as_deref(), run.pr_state), (Some(12), Some(PULL.url), PrState::Open));
    assert_eq!((run.heal_branch.as_deref(), run.heal_commit.as_deref()), (Some("heal/1"), Some(PULL.head)));
    assert_eq!((run.version, kinds(&opened)), (8, vec![EventType::PrOpened]));
    assert_eq!(opened.events[0].message, "pull request #12 opened, a draft: https://forge.test/pull/12");
    let updated = run.pull_updated(&PullFacts { head: "0123456789", ..PULL }, at(10)).unwrap();
    assert_eq!(updated.run.heal_commit.as_deref(), Some("0123456789"));
    assert_eq!(updated.events[0].message, "pull request #12 updated to 01234567");
}

#[test]
fn red_in_ci_refutes_the_attempt_and_keys_are_given_anew() {
    let attempts = proved(Verdict::NeedsTwoKeys);
    let run = Run { approved_by: vec!["ann".to_owned()], ..run_in(Status::Fixed) };
    let red = run.ci_red(&attempts[0], "boom".to_owned(), at(9)).unwrap();
    assert_eq!((red.run.status, red.run.budget), (Status::Queued, 2));
    assert!(red.run.approved_by.is_empty() && red.run.resolved_by.is_none());
    assert_eq!(kinds(&red), [EventType::PrChecksFailed, EventType::RunRequeued]);
    let failed = red.attempt.unwrap();
    assert_eq!((failed.status, failed.failure_kind), (AttemptStatus::Failed, Some(AttemptFailure::CiRed)));
    assert_eq!((failed.new_failure.as_deref(), &failed.proposed_fix), (Some("boom"), &attempts[0].proposed_fix));
    // What was refuted before is not refuted again.
    assert!(run.ci_red(&failed, "boom".to_owned(), at(9)).is_err());

    let spent = Run { budget: 0, ..run_in(Status::Fixed) };
    let red = spent.ci_red(&attempts[0], "boom".to_owned(), at(9)).unwrap();
    assert_eq!((red.run.status, red.run.escalation_reason), (Status::Escalated, Some(Reason::Exhausted)));
    assert_eq!(kinds(&red), [EventType::PrChecksFailed, EventType::RunEscalated]);
    let by_hand = attempt("human:ann", AttemptStatus::Succeeded, Verdict::Ok);
    let red = spent.ci_red(&by_hand, "boom".to_owned(), at(9)).unwrap();
    assert_eq!((red.run.status, red.run.budget), (Status::Queued, 3));
}

#[test]
fn on_a_moved_base_the_same_patch_is_proved_without_budget() {
    let attempts = proved(Verdict::Ok);
    let fixed = Run { failure: None, budget: 1, ..run_in(Status::Fixed) };
    let moved = fixed.moved(&attempts, "feedfeedfeed", at(9)).unwrap();
    assert_eq!((moved.run.working_commit(), moved.run.commit_sha.as_str()), ("feedfeedfeed", "c0ffee"));
    assert_eq!((moved.run.rebases, moved.run.failure.is_none()), (1, true));
    assert_eq!(
        (kinds(&moved), moved.events[0].payload["onto"].as_str()),
        (vec![EventType::RunRequeued], Some("feedfeedfeed"))
    );
    let patch = attempts[0].proposed_fix.clone().unwrap();
    let again = Pending::Again { by: Author::from("playbook"), patch: patch.clone() };
    assert_eq!(moved.run.pending, Some(again.clone()));

    let running = moved.run.claimed("w", at(10)).unwrap().run;
    let started = running.attempt_started(Author::from("playbook"), None, at(11)).unwrap();
    let attempt = started.attempt.map(|it| Attempt { proposed_fix: Some(patch), ..it }).unwrap();
    assert_eq!((started.run.budget, started.run.pending.is_none(), attempt.is_again), (1, true, true));
    // Given back, it is the same turn again, and still costs nothing.
    let back = started.run.given_back(Some(attempt), "stopped", at(12)).unwrap();
    assert_eq!((back.run.budget, back.run.pending), (1, Some(again)));
}

#[test]
fn a_branch_that_moves_all_the_time_is_for_people() {
    let attempts = proved(Verdict::Ok);
    let run = Run { rebases: 3, ..run_in(Status::Fixed) };
    let moved = run.moved(&attempts, "feed", at(9)).unwrap();
    assert_eq!((moved.run.status, moved.run.escalation_reason), (Status::Escalated, Some(Reason::StaleHead)));
    assert_eq!(
        (moved.run.rebased_on, moved.run.resolved_by, kinds_of(&moved.events)),
        (None, None, vec![EventType::RunEscalated])
    );
    // What is published stays where it is.
    let open = Run { pr_state: PrState::Open, ..run_in(Status::Fixed) };
    assert!(open.moved(&attempts, "feed", at(9)).is_err());
}

fn kinds_of(events: &[NewEvent]) -> Vec<EventType> {
    events.iter().map(|it| it.kind).collect()
}

#[test]
fn a_merge_tells_by_whose_word_it_was() {
    let by_approval = merged(&run_in(Status::Fixed), MergedBy::Approval(&merging())).unwrap();
    assert_eq!(by_approval.run.approved_by, ["bob", "ann"]);
    assert_eq!((by_approval.run.pr_state, by_approval.run.resolved_by), (PrState::Merged, Some(ResolvedBy::Ai)));
    let told: Vec<_> = by_approval.events.iter().map(|it| (it.kind, it.actor.as_str(), it.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (EventType::RunApproved, "human:ann", "approved: good"),
            (EventType::PrMerged, "human:ann", "merged pull request #12"),
        ]
    );
    let elsewhere = merged(&run_in(Status::Escalated), MergedBy::Forge(Some("mona"))).unwrap();
    assert_eq!((elsewhere.run.approved_by.len(), elsewhere.run.resolved_by), (0, Some(ResolvedBy::Human)));
    assert_eq!(elsewhere.run.escalation_reason, None);
    let fact = &elsewhere.events[0];
    assert_eq!((fact.actor.as_str(), fact.payload["final"].as_bool()), ("system", Some(true)));
    assert_eq!(fact.message, "pull request #12 was merged at the forge by @mona");
    let another = merged(&run_in(Status::Fixed), MergedBy::Another).unwrap();
    let told = "pull request #12 of another failure, which has this very fix, was merged";
    assert_eq!((another.run.pr_number, another.events[0].message.as_str()), (Some(12), told));
    let approved = changed(run_in(Status::Fixed).approve(&proved(Verdict::Ok), &by("ann"))).with_merge(12, "feed");
    assert_eq!(
        (approved.run.pr_state, kinds(&approved)),
        (PrState::Merged, vec![EventType::RunApproved, EventType::PrMerged])
    );
}

#[test]
fn closing_it_elsewhere_is_a_no() {
    let closed = run_in(Status::Fixed).closed_elsewhere(at(9)).unwrap();
    assert_eq!((closed.run.escalation_reason, closed.run.pr_state), (Some(Reason::Denied), PrState::Closed));
    assert_eq!(closed.run.escalation_note.as_deref(), Some("its pull request was closed at the forge"));
    assert_eq!(kinds(&closed), [EventType::PrClosed, EventType::RunEscalated]);
}

#[test]
fn a_run_may_be_for_people_from_the_start() {
    let creation = || {
        let events = vec![
            NewEvent::new(EventType::RunCreated, "system", "taken in"),
            NewEvent::new(EventType::RunQueued, "system", "waiting for a worker"),
        ];
        Transition { run: run_in(Status::Queued), attempt: None, events, releases_lease: false }
    };
    let limited = creation().declined(Reason::RateLimited, "3 of 3 today");
    assert_eq!((limited.run.status, limited.run.escalation_note.as_deref()), (Status::Escalated, Some("3 of 3 today")));
    assert_eq!((limited.run.version, kinds(&limited)), (7, vec![EventType::RunCreated, EventType::RunEscalated]));
    assert_eq!(creation().regressed(12).run.escalation_reason, Some(Reason::Regressed));
}
