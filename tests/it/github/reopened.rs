//! A pull request that somebody opens again after a no: seen without a request more, told, left open, and followed to its end.
use crate::github::house::{House, SHOP, stands};
use crate::github::watch::Watching;
use crate::support::eventually_answered;
use crate::support::github::RunSpec;
use paramedic::domain::{EventType, PrState, Reason, ResolvedBy, Status};
use paramedic::engine::decisions::{Action, Done};
use serde_json::json;
use std::time::Duration;

/// Returns a house whose fix was refused, here or by closing its pull request, and the number of that.
async fn refused(is_here: bool) -> (House, u64) {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let number = house.run().await.pr_number.unwrap();
    if is_here {
        house.acts(Action::Deny).await.unwrap();
    } else {
        house.fake.close_by_hand(SHOP, number);
        house.forward(121);
    }
    house.settles_for(100).await;
    assert!(stands(&house, PrState::Closed).await && house.pulls()[0]["state"] == "closed");
    assert_eq!(house.run().await.escalation_reason, Some(Reason::Denied));
    (house, number)
}

fn open_again(house: &House, number: u64) {
    house.fake.reopen_by_hand(SHOP, number);
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
}

#[tokio::test]
async fn what_is_opened_again_stays_open_until_somebody_says_no_again() {
    for is_here in [true, false] {
        let (house, number) = refused(is_here).await;
        open_again(&house, number);
        house.settles_for(100).await;
        house.forward(3_600);
        house.settles_for(100).await;
        assert!(stands(&house, PrState::Open).await && house.pulls()[0]["state"] == "open");
        let run = house.run().await;
        assert_eq!((run.status, run.escalation_reason), (Status::Escalated, Some(Reason::Denied)));
        let told: Vec<String> = house.told(EventType::PrOpened).await;
        assert!(told.len() == 2 && told[1].contains("was opened again at the forge; the no stands"), "{told:?}");
        let why = house.acts(Action::Approve).await.unwrap_err();
        assert!(
            why.contains(&format!("#{number} was opened again; `retry`")) && why.contains("`deny` it again"),
            "{why}"
        );
        let why = house.acts(Action::Publish).await.unwrap_err();
        assert!(why.contains("a no stands"), "{why}");
        let Ok(Done::Changed { message, .. }) = house.acts(Action::Deny).await else { panic!() };
        assert!(message.contains(&format!("#{number}, which was opened again, is to be closed")), "{message}");
        house.settles_for(100).await;
        assert!(stands(&house, PrState::Closed).await && house.pulls()[0]["state"] == "closed");
        assert!(matches!(house.acts(Action::Deny).await, Ok(Done::Repeat { .. })));
        assert!(house.pulls().len() == 1 && house.family().await.cooled_until.is_some());
        house.is_intact().await;
    }
}

#[tokio::test]
async fn what_is_opened_again_and_merged_is_resolved_by_whoever_merged_it() {
    for is_seen_open in [true, false] {
        let (house, number) = refused(true).await;
        open_again(&house, number);
        if is_seen_open {
            house.settles_for(100).await;
        }
        house.fake.merge_by_hand(SHOP, number, "octocat");
        house.forward(121);
        house.settles_for(20).await;
        let run = house.run().await;
        assert_eq!(
            (run.status, run.resolved_by, run.escalation_reason),
            (Status::Resolved, Some(ResolvedBy::Human), None)
        );
        assert!(stands(&house, PrState::Merged).await && house.family().await.after.is_some());
        let told = house.told(EventType::PrMerged).await;
        assert_eq!(told, [format!("pull request #{number} was merged at the forge by @octocat")]);
        house.is_intact().await;
    }
}

#[tokio::test]
async fn what_is_opened_again_goes_on_with_a_retry() {
    let (house, number) = refused(true).await;
    open_again(&house, number);
    house.settles_for(100).await;
    house.acts(Action::Retry).await.unwrap();
    house.proves("right", paramedic::domain::Verdict::Ok).await;
    house.settles_for(100).await;
    assert!(stands(&house, PrState::Open).await && house.pulls().len() == 1);
    house.acts(Action::Deny).await.unwrap();
    house.settles_for(100).await;
    assert_eq!(house.pulls()[0]["state"], "closed", "a new no is one to what was opened again, too");
    house.is_intact().await;
}

/// Until something is to be seen in what the watcher reads in any case, a closed pull request costs nothing.
#[tokio::test]
async fn what_is_opened_again_is_seen_in_what_is_read_anyway() {
    for is_listed in [true, false] {
        let (house, number) = refused(true).await;
        let is_due = async || house.family().await.due_at.filter(|it| *it <= house.now());
        assert_eq!(is_due().await, None);
        let mut engine = house.engine.clone();
        let poll = Duration::from_millis(20);
        (engine.forge.terms.poll_active, engine.forge.terms.poll_idle) = (poll, poll);
        let watching = Watching::start(&engine);
        let looks = || house.fake.count("GET /repos/acme/shop/actions/runs$");
        let looked = async || {
            let before = looks();
            eventually_answered(async || (looks() >= before + 3).then_some(())).await;
        };
        looked().await;
        let asked = || house.fake.count(&format!("GET /repos/acme/shop/pulls/{number}$"));
        let before = asked();
        house.forward(3_600);
        looked().await;
        assert_eq!((is_due().await, asked()), (None, before));
        open_again(&house, number);
        if is_listed {
            house.forward(3_600);
        } else {
            let commit = house.fake.merge_by_hand(SHOP, number, "octocat");
            house.fake.run(SHOP, &RunSpec { conclusion: Some("success"), commit: Some(&commit), ..RunSpec::default() });
            let words = format!("Heal AssertionError (#{number})");
            house.fake.state().shop().runs[0]["head_commit"]["message"] = json!(words);
        }
        eventually_answered(is_due).await;
        watching.stop().await;
        assert_eq!(asked(), before);
        house.settles_for(20).await;
        assert!(stands(&house, if is_listed { PrState::Open } else { PrState::Merged }).await);
    }
}
