//! A person's decision: one key or two, repeats, and decisions on what has moved on.
use super::at;
use super::attempt;
use super::by;
use super::changed;
use super::hint;
use super::proved;
use super::run_in;
use crate::domain::Attempt;
use crate::domain::AttemptStatus;
use crate::domain::EventType;
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

fn first_key(decided: Result<Decided, Illegal>) -> Run {
    match decided {
        Ok(Decided::FirstKey(transition)) => {
            assert!(!transition.releases_lease);
            assert_eq!(transition.events[0].payload["final"], false);
            transition.run
        }
        other => panic!("expected a first key, got {other:?}"),
    }
}

fn refusal(decided: Result<Decided, Illegal>) -> String {
    decided.unwrap_err().to_string()
}

#[test]
fn one_key_resolves_an_ordinary_patch() {
    let decision = Decision { note: Some("looks right"), ..by("ann") };
    let done = changed(run_in(Status::Fixed).approve(&proved(Verdict::Ok), &decision));
    assert_eq!((done.run.status, done.run.version, done.run.updated_at), (Status::Resolved, 8, at(9)));
    assert_eq!((done.run.approved_by, done.run.resolved_by), (vec!["ann".to_owned()], Some(ResolvedBy::Ai)));
    let fact = &done.events[0];
    assert_eq!((fact.kind, fact.actor.as_str()), (EventType::RunApproved, "human:ann"));
    assert_eq!(fact.message, "approved: looks right");
    assert_eq!(fact.payload["final"], true);
    assert_eq!(fact.payload["patchDigest"], proved(Verdict::Ok)[0].patch_digest.as_ref().unwrap().as_str());
}

#[test]
fn two_keys_are_two_people() {
    let attempts = proved(Verdict::NeedsTwoKeys);
    let run = first_key(run_in(Status::Fixed).approve(&attempts, &by("ann")));
    assert_eq!((run.status, run.version), (Status::Fixed, 8));
    assert_eq!(run.approved_by, ["ann"]);
    // Sent twice, with the version that was looked at, it is still one key.
    let again = run.approve(&attempts, &Decision { version: Some(7), ..by("ann") });
    let message = "ann already approved; the second key must be another person's";
    assert_eq!(again, Ok(Decided::AlreadyDone(message.to_owned())));
    let of_another_patch = Decision { rev: Some("0123456"), ..by("ann") };
    assert!(matches!(run.approve(&attempts, &of_another_patch), Err(Illegal::StaleDigest { .. })));
    let done = changed(run.approve(&attempts, &by("bob")));
    assert_eq!((done.run.status, done.run.version), (Status::Resolved, 9));
    assert_eq!(done.run.approved_by, ["ann", "bob"]);
}

#[test]
fn a_name_in_other_letters_is_no_other_person() {
    // As it may stand in an older database.
    let run = Run { approved_by: vec!["Ann".to_owned()], ..run_in(Status::Fixed) };
    let again = run.approve(&proved(Verdict::NeedsTwoKeys), &by("ann"));
    assert_eq!(
        again,
        Ok(Decided::AlreadyDone("ann already approved; the second key must be another person's".to_owned()))
    );
    let resolved = Run { status: Status::Resolved, ..run.clone() };
    let again = resolved.approve(&proved(Verdict::Ok), &by("ANN"));
    assert_eq!(again, Ok(Decided::AlreadyDone("already approved by ANN".to_owned())));
    let own = vec![attempt("human:Ann", AttemptStatus::Succeeded, Verdict::NeedsTwoKeys)];
    assert!(refusal(run_in(Status::Fixed).approve(&own, &by("ann"))).contains("wrote this patch"));
    let known = Decision { is_authenticated: true, ..by("ann") };
    let own = vec![attempt("human:Ann", AttemptStatus::Succeeded, Verdict::Ok)];
    assert!(refusal(run_in(Status::Fixed).approve(&own, &known)).contains("wrote this patch"));
    let mut ordered = run_in(Status::Fixed);
    ordered.order.requested_by = Some("Ann".to_owned());
    assert!(refusal(ordered.approve(&proved(Verdict::NeedsTwoKeys), &by("ann"))).contains("ordered this change"));
}

#[test]
fn an_author_holds_no_key_to_their_own_protected_patch() {
    let attempts = vec![attempt("human:ann", AttemptStatus::Succeeded, Verdict::NeedsTwoKeys)];
    let fixed = run_in(Status::Fixed);
    let own = refusal(fixed.approve(&attempts, &by("ann")));
    assert_eq!(own, "ann wrote this patch; two other people must approve it");
    let run = first_key(fixed.approve(&attempts, &by("bob")));
    assert!(matches!(run.approve(&attempts, &by("ann")), Err(Illegal::NotThisPerson(_))));
    assert_eq!(changed(run.approve(&attempts, &by("cid"))).run.approved_by, ["bob", "cid"]);
}

#[test]
fn where_one_key_is_enough_it_is_the_authors_only_on_their_own_machine() {
    let fixed = run_in(Status::Fixed);
    let ordinary = vec![attempt("human:ann", AttemptStatus::Succeeded, Verdict::Ok)];
    changed(fixed.approve(&ordinary, &by("ann")));
    let known = |name| Decision { is_authenticated: true, ..by(name) };
    let own = refusal(fixed.approve(&ordinary, &known("ann")));
    assert_eq!(own, "ann wrote this patch; another person must approve it");
    changed(fixed.approve(&ordinary, &known("bob")));
    changed(fixed.approve(&proved(Verdict::Ok), &known("ann")));
    // The author may still withdraw it.
    changed(fixed.deny(&ordinary, &known("ann")));
}

#[test]
fn whoever_ordered_a_change_holds_no_key_to_it_where_two_are_needed() {
    let mut fixed = run_in(Status::Fixed);
    fixed.order.requested_by = Some("ann".to_owned());
    let own = refusal(fixed.approve(&proved(Verdict::NeedsTwoKeys), &by("ann")));
    assert_eq!(own, "ann ordered this change; two other people must approve it");
    let run = first_key(fixed.approve(&proved(Verdict::NeedsTwoKeys), &by("bob")));
    assert!(matches!(run.approve(&proved(Verdict::NeedsTwoKeys), &by("ann")), Err(Illegal::NotThisPerson(_))));
    changed(run.approve(&proved(Verdict::NeedsTwoKeys), &by("cid")));
    changed(fixed.approve(&proved(Verdict::Ok), &Decision { is_authenticated: true, ..by("ann") }));
}

#[test]
fn nothing_unproved_or_unjudged_is_approved() {
    let fixed = run_in(Status::Fixed);
    let unjudged = Attempt { guard: None, ..proved(Verdict::Ok).remove(0) };
    let not_the_last = [proved(Verdict::Ok), vec![attempt("a", AttemptStatus::Failed, Verdict::Ok)]].concat();
    for attempts in [Vec::new(), proved(Verdict::Violation), vec![unjudged], not_the_last] {
        let result = fixed.approve(&attempts, &by("ann"));
        assert!(matches!(result, Err(Illegal::State { .. })), "{result:?}");
    }
}

#[test]
fn a_key_is_lost_with_a_new_patch() {
    let attempts = proved(Verdict::NeedsTwoKeys);
    let run = first_key(run_in(Status::Fixed).approve(&attempts, &by("ann")));
    for back in [run.deny(&attempts, &by("bob")), run.retry(&by("bob")), run.human_fix(hint(), &by("bob"))] {
        let back = changed(back).run;
        assert_eq!((back.approved_by, back.resolved_by), (Vec::<String>::new(), None));
    }
    assert_eq!(changed(run.abort(&attempts, &by("bob"))).run.approved_by, Vec::<String>::new());
    let running = Run { status: Status::Running, ..run };
    let fixed = running.fixed(proved(Verdict::NeedsTwoKeys).remove(0), at(9)).unwrap();
    assert_eq!(fixed.run.approved_by, Vec::<String>::new());
}

#[test]
fn a_repeat_changes_nothing() {
    let attempts = proved(Verdict::Ok);
    let resolved = changed(run_in(Status::Fixed).approve(&attempts, &by("ann"))).run;
    let denied = changed(run_in(Status::Fixed).deny(&attempts, &by("ann"))).run;
    let aborted = changed(run_in(Status::Running).abort(&attempts, &by("ann"))).run;
    // A repeat still names the version that its first time looked at.
    let repeat = Decision { version: Some(7), ..by("ann") };
    let expect = |decided: Result<Decided, Illegal>, text: &str| {
        assert_eq!(decided.unwrap(), Decided::AlreadyDone(text.to_owned()));
    };
    expect(resolved.approve(&attempts, &repeat), "already approved by ann");
    expect(denied.deny(&attempts, &repeat), "already denied");
    expect(aborted.abort(&attempts, &repeat), "already aborted");
    // Somebody else's approval after the last one is no repeat: they must learn that they were late.
    assert!(refusal(resolved.approve(&attempts, &by("bob"))).contains("resolved; that is final"));
}

#[test]
fn a_stale_digest_is_refused() {
    let attempts = proved(Verdict::Ok);
    let digest = attempts[0].patch_digest.clone().unwrap();
    let fixed = run_in(Status::Fixed);
    fn naming(rev: &str) -> Decision<'_> {
        Decision { rev: Some(rev), ..by("ann") }
    }
    for good in [digest.as_str(), digest.short(), &format!("sha256:{digest}"), &digest.as_str().to_uppercase()] {
        changed(fixed.approve(&attempts, &naming(good)));
        changed(fixed.deny(&attempts, &naming(good)));
    }
    for bad in ["", &digest.as_str()[..6], "0000000", &format!("{digest}0"), "latest"] {
        let expected = Illegal::StaleDigest { named: bad.to_owned(), now: digest.short().to_owned() };
        assert_eq!(fixed.approve(&attempts, &naming(bad)), Err(expected.clone()), "{bad:?}");
        assert_eq!(fixed.deny(&attempts, &naming(bad)), Err(expected));
    }
    let text = refusal(fixed.approve(&attempts, &naming("0000000")));
    assert_eq!(
        text,
        format!("the patch is now {}, not 0000000; look at it again and decide on that one", digest.short())
    );
    let text = refusal(run_in(Status::Escalated).deny(&[], &naming("0000000")));
    assert_eq!(text, "the patch is now none, not 0000000; look at it again and decide on that one");
    // Also a repeat: it was another patch that was approved.
    let resolved = changed(fixed.approve(&attempts, &by("ann"))).run;
    assert!(matches!(resolved.approve(&attempts, &naming("0000000")), Err(Illegal::StaleDigest { .. })));
}

#[test]
fn a_digest_names_the_latest_patch() {
    let older = proved(Verdict::Ok).remove(0);
    let patch = Patch("diff --git a/y b/y\n".to_owned());
    let newer =
        Attempt { attempt_no: 2, patch_digest: Some(patch.digest()), proposed_fix: Some(patch), ..older.clone() };
    let naming = |it: &Attempt| it.patch_digest.clone().unwrap().to_string();
    let (old, new) = (naming(&older), naming(&newer));
    let attempts = [older, newer];
    let fixed = run_in(Status::Fixed);
    changed(fixed.approve(&attempts, &Decision { rev: Some(&new), ..by("ann") }));
    let stale = fixed.approve(&attempts, &Decision { rev: Some(&old), ..by("ann") });
    assert!(matches!(stale, Err(Illegal::StaleDigest { .. })), "{stale:?}");
}

#[test]
fn a_stale_version_is_refused() {
    let attempts = proved(Verdict::Ok);
    let fixed = run_in(Status::Fixed);
    for named in [0, 6, 8, u64::MAX] {
        let seen = Decision { version: Some(named), ..by("ann") };
        let stale = Err(Illegal::StaleVersion { named, now: 7 });
        assert_eq!(fixed.approve(&attempts, &seen), stale);
        assert_eq!(fixed.deny(&attempts, &seen), stale);
        assert_eq!(fixed.abort(&attempts, &seen), stale);
        assert_eq!(fixed.retry(&seen), stale);
        assert_eq!(fixed.human_fix(hint(), &seen), stale);
    }
    let text = refusal(fixed.retry(&Decision { version: Some(6), ..by("ann") }));
    assert_eq!(text, "the run has moved on: version 7, not 6; look at it again");
    changed(fixed.approve(&attempts, &Decision { version: Some(7), ..by("ann") }));
}

#[test]
fn a_denial_is_recorded_with_its_reason() {
    let attempts = proved(Verdict::Ok);
    let plain = changed(run_in(Status::Fixed).deny(&attempts, &by("ann"))).run;
    assert_eq!(plain.escalation_reason, Some(Reason::Denied));
    assert_eq!(plain.escalation_note.as_deref(), Some("Rejected by human reviewer."));
    let decision = Decision { note: Some("wrong file"), ..by("ann") };
    let closed = changed(run_in(Status::Escalated).deny(&[], &decision));
    assert_eq!(closed.run.escalation_note.as_deref(), Some("wrong file"));
    assert_eq!((closed.run.escalation_reason, closed.run.resolved_by), (Some(Reason::Denied), None));
    assert_eq!(
        (closed.events[0].actor.as_str(), closed.events[0].message.as_str()),
        ("human:ann", "denied: wrong file")
    );
}

#[test]
fn an_abort_ends_the_running_attempt_and_no_other() {
    let begun = attempt("playbook", AttemptStatus::Running, Verdict::Ok);
    let done = changed(run_in(Status::Running).abort(std::slice::from_ref(&begun), &by("ann")));
    let ended = done.attempt.unwrap();
    assert_eq!((ended.status, ended.failure_reason.as_deref()), (AttemptStatus::Failed, Some("aborted by ann")));
    assert_eq!(ended.proposed_fix, begun.proposed_fix);
    assert_eq!(changed(run_in(Status::Fixed).abort(&proved(Verdict::Ok), &by("ann"))).attempt, None);
    let waiting = Run { pending: Some(hint()), ..run_in(Status::Queued) };
    assert_eq!(changed(waiting.abort(&[], &by("ann"))).run.pending, None);
}

#[test]
fn what_a_person_hands_in_waits_for_the_next_attempt() {
    let patch = Patch("diff --git a/z b/z\n".to_owned());
    let digest = patch.digest();
    let pending = Pending::Patch { by: "ann".to_owned(), patch, note: None };
    let supplied = changed(run_in(Status::Escalated).human_fix(pending.clone(), &by("ann")));
    assert_eq!(supplied.run.pending, Some(pending));
    assert_eq!((supplied.run.escalation_reason, supplied.run.escalation_note), (None, None));
    assert_eq!(supplied.events[0].payload["patchDigest"], digest.as_str());
    assert_eq!(supplied.events[0].message, "supplied a patch");
    let decision = Decision { note: Some("try x"), ..by("ann") };
    let hinted = changed(run_in(Status::Fixed).human_fix(hint(), &decision));
    assert_eq!(hinted.events[0].message, "supplied a hint: try x");
}

#[test]
fn who_heals_in_the_foreground_keeps_the_run_to_their_machine_until_they_let_go_of_it() {
    let here = Decision { machine: Some("here"), ..by("ann") };
    let escalated = run_in(Status::Escalated);
    for back in [escalated.retry(&here), escalated.human_fix(hint(), &here)] {
        let queued = changed(back).run;
        assert_eq!(queued.order.machine.as_deref(), Some("here"));
        assert!(matches!(queued.retry(&here), Ok(Decided::AlreadyDone(_))));
        let running = queued.claimed("w", at(9)).unwrap().run;
        assert_eq!(
            running.released("another attempt is left", at(9)).unwrap().run.order.machine.as_deref(),
            Some("here")
        );
        for gone in [running.given_back(None, "stopped", at(9)), running.lost("silent", at(9))] {
            assert_eq!(gone.unwrap().run.order.machine, None);
        }
        // Whoever had it is gone without a word: others may ask for it.
        let asked = changed(queued.retry(&by("bob"))).run;
        assert_eq!((asked.status, asked.order.machine.clone()), (Status::Queued, None));
        assert!(matches!(asked.retry(&by("bob")), Ok(Decided::AlreadyDone(_))));
    }
    // What is a path of another machine stays there, whoever asks for it.
    let mut local = run_in(Status::Escalated);
    local.order.repo_path = "/srv/shop".to_owned();
    local.order.machine = Some("there".to_owned());
    let queued = changed(local.retry(&here)).run;
    assert_eq!(queued.order.machine.as_deref(), Some("there"));
    assert!(matches!(queued.retry(&by("bob")), Ok(Decided::AlreadyDone(_))));
    assert_eq!(
        queued.claimed("w", at(9)).unwrap().run.lost("silent", at(9)).unwrap().run.order.machine,
        queued.order.machine
    );
}
