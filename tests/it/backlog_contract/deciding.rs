//! Deciding: the same decision comes to the same end, and a refusal has the same kind and words.
use crate::backlog_contract::home::{Decision, Home, RIGHT_PATCH};
use crate::store_contract::fixtures::at;
use paramedic::backlog::{ActionKind, BacklogError, HandMade};
use paramedic::domain::{EventType, Pending, RunId, Status, Verdict};

/// Checks that the backlog in this process refuses in the same way.
async fn refused(home: &impl Home, by: &str, id: RunId, decision: Decision<'_>) -> BacklogError {
    let error = home.decide(by, id, decision.clone()).await.unwrap_err();
    let here = home.place().embedded(false).act(id, decision.request(by)).await.unwrap_err();
    assert_eq!(error, here);
    error
}

pub(super) async fn an_approve_makes_a_branch(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    let detail = home.of("ann").run(run.id).await.unwrap();
    let rev = detail.candidate().unwrap().patch_digest.clone().unwrap();
    let decision = Decision {
        note: Some("looks right"),
        rev: Some(rev.as_str()),
        version: Some(run.version),
        ..Decision::of(ActionKind::Approve)
    };
    let acted = home.decide("ann", run.id, decision).await.unwrap();
    assert_eq!((acted.run.status, acted.is_repeat, acted.needs_second_key), (Status::Resolved, false, false));
    assert_eq!(acted.run.approved_by, ["ann"]);
    let branch = acted.run.heal_branch.clone().unwrap();
    assert!(home.place().world.git(&["show", &format!("{branch}:calc.py")]).contains("a + b"));
    let detail = home.of("ann").run(run.id).await.unwrap();
    assert_eq!(detail.run, acted.run);
    let last = detail.events.last().unwrap();
    assert_eq!((last.kind, last.actor.as_str()), (EventType::RunApproved, "human:ann"));
    assert!(last.message.contains("looks right"));
}

pub(super) async fn a_second_approve_changes_nothing(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    let first = home.decide("ann", run.id, Decision::of(ActionKind::Approve)).await.unwrap();
    let before = home.place().store().last_seq().await.unwrap();
    let again = home.decide("ann", run.id, Decision::of(ActionKind::Approve)).await.unwrap();
    assert!(again.is_repeat);
    assert_eq!(again.run, first.run);
    assert_eq!(home.place().store().last_seq().await.unwrap(), before);
}

pub(super) async fn a_deny_keeps_the_note(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    let decision = Decision { note: Some("not like this: ü"), ..Decision::of(ActionKind::Deny) };
    let acted = home.decide("bob", run.id, decision).await.unwrap();
    assert_eq!(acted.run.status, Status::Escalated);
    let events = home.of("bob").run(run.id).await.unwrap().events;
    assert!(events.iter().any(|it| it.kind == EventType::RunDenied && it.message.contains("not like this: ü")));
}

pub(super) async fn an_abort_and_a_retry_lead_back(home: &impl Home) {
    let run = home.place().queued(at(0)).await;
    let acted = home.decide("ann", run.id, Decision::of(ActionKind::Abort)).await.unwrap();
    assert_eq!(acted.run.status, Status::Aborted);
    assert!(home.decide("bob", run.id, Decision::of(ActionKind::Abort)).await.unwrap().is_repeat);
    let acted = home.decide("ann", run.id, Decision::of(ActionKind::Retry)).await.unwrap();
    assert_eq!(acted.run.status, Status::Queued);
}

pub(super) async fn a_fix_by_hand_is_queued(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    let hint = Decision { fix: Some(HandMade::Hint("look at the sign".to_owned())), ..Decision::default() };
    let acted = home.decide("ann", run.id, hint).await.unwrap();
    assert_eq!(acted.run.status, Status::Queued);
    assert!(
        matches!(&acted.run.pending, Some(Pending::Hint { by, text }) if by == "ann" && text == "look at the sign")
    );
    home.decide("ann", run.id, Decision::of(ActionKind::Abort)).await.unwrap();
    home.decide("ann", run.id, Decision::of(ActionKind::Retry)).await.unwrap();
    let run = home.place().fixed(at(50), "playbook", Verdict::Ok).await;
    let patch = Decision { fix: Some(HandMade::Patch(RIGHT_PATCH.to_owned())), ..Decision::default() };
    let acted = home.decide("bob", run.id, patch).await.unwrap();
    assert!(matches!(&acted.run.pending, Some(Pending::Patch { by, .. }) if by == "bob"));
}

pub(super) async fn what_is_no_fix_is_refused(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    for fix in [
        HandMade::Patch(String::new()),
        HandMade::Patch("no patch".to_owned()),
        HandMade::Patch(RIGHT_PATCH.replace("a - b", "a % b")),
        HandMade::Hint("  ".to_owned()),
    ] {
        let error = refused(home, "ann", run.id, Decision { fix: Some(fix.clone()), ..Decision::default() }).await;
        assert!(matches!(error, BacklogError::Invalid(_)), "{fix:?}: {error:?}");
    }
    let error = refused(home, "ann", run.id, Decision::default()).await;
    assert!(matches!(error, BacklogError::Invalid(_)), "{error:?}");
    assert_eq!(home.of("ann").run(run.id).await.unwrap().run, run);
}

pub(super) async fn a_wrong_state_is_told(home: &impl Home) {
    let run = home.place().queued(at(0)).await;
    for kind in [ActionKind::Approve, ActionKind::Deny] {
        let error = refused(home, "ann", run.id, Decision { note: Some("n"), ..Decision::of(kind) }).await;
        assert!(matches!(error, BacklogError::Illegal { state: Status::Queued, .. }), "{kind}: {error:?}");
    }
    let error = refused(home, "ann", RunId::random(), Decision::of(ActionKind::Abort)).await;
    assert!(matches!(error, BacklogError::NotFound(_)), "{error:?}");
}

pub(super) async fn what_moved_is_told_with_both_values(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    let now = home.of("ann").run(run.id).await.unwrap().candidate().unwrap().patch_digest.clone().unwrap();
    let other = "0123456789abcdef";
    let error = refused(home, "ann", run.id, Decision { rev: Some(other), ..Decision::of(ActionKind::Approve) }).await;
    assert!(
        matches!(&error, BacklogError::Moved { named, now: is, .. } if named.starts_with("0123456") && now.as_str().starts_with(is.as_str())),
        "{error:?}"
    );
    let decision = Decision { version: Some(1), ..Decision::of(ActionKind::Approve) };
    let error = refused(home, "ann", run.id, decision).await;
    let version = run.version.to_string();
    assert!(matches!(&error, BacklogError::Moved { named, now, .. } if named == "1" && *now == version), "{error:?}");
}

pub(super) async fn two_keys_are_two_people(home: &impl Home) {
    let run = home.place().fixed(at(0), "playbook", Verdict::NeedsTwoKeys).await;
    let first = home.decide("ann", run.id, Decision::of(ActionKind::Approve)).await.unwrap();
    assert_eq!((first.run.status, first.needs_second_key), (Status::Fixed, true));
    let again = home.decide("ann", run.id, Decision::of(ActionKind::Approve)).await.unwrap();
    assert_eq!((again.is_repeat, again.needs_second_key), (true, true));
    assert_eq!(again.run, first.run, "the same person is one key");
    let second = home.decide("bob", run.id, Decision::of(ActionKind::Approve)).await.unwrap();
    assert_eq!((second.run.status, second.needs_second_key), (Status::Resolved, false));
    assert_eq!(second.run.approved_by, ["ann", "bob"]);
}

pub(super) async fn nobody_approves_their_own_patch(home: &impl Home) {
    let run = home.place().fixed(at(0), "human:ann", Verdict::Ok).await;
    let error = refused(home, "ann", run.id, Decision::of(ActionKind::Approve)).await;
    assert!(matches!(&error, BacklogError::Refused(it) if it.contains("wrote this patch")), "{error:?}");
    assert_eq!(
        home.decide("bob", run.id, Decision::of(ActionKind::Approve)).await.unwrap().run.status,
        Status::Resolved
    );
}

pub(super) async fn read_only_decides_nothing(home: &impl Home) {
    let run = home.place().queued(at(0)).await;
    let error = home.read_only().act(run.id, Decision::of(ActionKind::Abort).request("ann")).await.unwrap_err();
    let here = home.place().embedded(true).act(run.id, Decision::of(ActionKind::Abort).request("ann")).await;
    assert_eq!(Err(error), here);
    assert_eq!(home.of("ann").run(run.id).await.unwrap().run, run);
}
