//! CI as the second proof: green is told, red takes the proof back, and what says nothing is told as that.
use crate::github::house::{House, SHOP};
use crate::support::github::RunSpec;
use paramedic::domain::{AttemptFailure, AttemptStatus, ChecksState, EventType, ForgeTerms, Status, Verdict};
use std::time::Duration;

/// Returns a house whose fix stands as a pull request, and the commit that it is at.
async fn published(terms: ForgeTerms) -> (House, String) {
    let terms = ForgeTerms { checks_grace: Duration::from_mins(5), ..terms };
    let house = House::with_terms("", terms).await;
    house.is_proved().await;
    house.settles_for(5).await;
    let head = house.family().await.pull.unwrap().head;
    (house, head)
}

async fn checks(house: &House) -> ChecksState {
    house.family().await.pull.unwrap().checks
}

#[tokio::test]
async fn green_counts_when_it_has_settled() {
    let (house, head) = published(ForgeTerms::default()).await;
    house.fake.checks(SHOP, &head, &[("build", "in_progress"), ("lint", "success")]);
    house.settles().await;
    assert_eq!(checks(&house).await, ChecksState::Pending);
    house.fake.checks(SHOP, &head, &[("build", "success"), ("lint", "skipped")]);
    house.settles().await;
    house.forward(20);
    house.settles().await;
    assert_eq!(checks(&house).await, ChecksState::Pending, "others may appear a moment later");
    house.forward(11);
    house.settles().await;
    assert_eq!(checks(&house).await, ChecksState::Green);
    assert_eq!(house.told(EventType::PrChecksPassed).await, ["CI is green with the fix, in 1 of 1 checks"]);
    assert_eq!(house.pulls()[0]["draft"], true, "a draft stays one unless the settings say otherwise");
}

/// What was green is asked about as long as the pull request is looked at, at no cost where it stays so.
#[tokio::test]
async fn green_that_turns_red_later_is_told_and_takes_the_proof_back() {
    let (house, head) = published(ForgeTerms::default()).await;
    house.fake.checks(SHOP, &head, &[("build", "success")]);
    house.settles_for(60).await;
    assert_eq!(checks(&house).await, ChecksState::Green);
    let steward = house.steward();
    let before = house.fake.state().remaining;
    for _ in 0..5 {
        house.forward(121);
        house.settles_by(&steward).await;
    }
    assert_eq!((checks(&house).await, house.fake.state().remaining), (ChecksState::Green, before));
    house.fake.checks(SHOP, &head, &[("build", "success"), ("late", "failure")]);
    house.forward(121);
    house.settles_for(60).await;
    assert_eq!((house.run().await.status, checks(&house).await), (Status::Queued, ChecksState::Red));
    house.is_intact().await;
}

#[tokio::test]
async fn red_goes_to_the_next_attempt_with_its_log() {
    let (house, head) = published(ForgeTerms::default()).await;
    let jobs = [("build", "failure", &b"E   AssertionError: only in CI\n"[..])];
    let branch = house.branches()[0].clone();
    house.fake.run(SHOP, &RunSpec { branch: &branch, commit: Some(&head), jobs: &jobs, ..RunSpec::default() });
    house.settles_for(60).await;
    let run = house.run().await;
    assert_eq!((run.status, checks(&house).await), (Status::Queued, ChecksState::Red));
    let attempts = house.engine.store.attempts(run.id).await.unwrap();
    assert_eq!((attempts[0].status, attempts[0].failure_kind), (AttemptStatus::Failed, Some(AttemptFailure::CiRed)));
    let log = attempts[0].new_failure.clone().unwrap();
    assert!(log.starts_with("Red in CI: build") && log.contains("AssertionError: only in CI"), "{log}");
    assert_eq!(house.told(EventType::PrChecksFailed).await.len(), 1);
    // The next one is the next commit, and is asked about anew.
    house.proves("better", Verdict::Ok).await;
    house.settles_for(20).await;
    let next = house.family().await.pull.unwrap();
    assert_ne!((next.head.as_str(), next.checks), (head.as_str(), ChecksState::Red));
    house.fake.checks(SHOP, &next.head, &[("build", "success")]);
    house.settles_for(60).await;
    assert_eq!(checks(&house).await, ChecksState::Green);
    assert_eq!(house.pulls().len(), 1);
    house.is_intact().await;
}

#[tokio::test]
async fn red_elsewhere_on_the_base_is_not_ours_and_the_healed_workflow_is() {
    let (house, head) = published(ForgeTerms::default()).await;
    let red = |commit: &str, workflow: &str| {
        let jobs = [(workflow, "failure", &b"no\n"[..])];
        house.fake.run(SHOP, &RunSpec { workflow, commit: Some(commit), jobs: &jobs, ..RunSpec::default() });
    };
    red(&house.base, "Nightly");
    red(&head, "Nightly");
    let well = [("build", "success", &b"well\n"[..])];
    house
        .fake
        .run(SHOP, &RunSpec { commit: Some(&head), conclusion: Some("success"), jobs: &well, ..RunSpec::default() });
    house.settles_for(60).await;
    assert_eq!((house.run().await.status, checks(&house).await), (Status::Fixed, ChecksState::Green));
    let told = house.told(EventType::PrChecksPassed).await;
    assert_eq!(told, ["CI is green with the fix, in 1 of 2 checks; red without it, too: Nightly"]);

    // `build` is red on the base, too: that is what is to be healed.
    let (house, head) = published(ForgeTerms::default()).await;
    let jobs = [("build", "failure", &b"no\n"[..])];
    house.fake.run(SHOP, &RunSpec { commit: Some(&head), jobs: &jobs, ..RunSpec::default() });
    house.settles_for(60).await;
    assert_eq!(house.run().await.status, Status::Queued);
}

#[tokio::test]
async fn no_check_at_all_is_said_after_a_while() {
    let (house, head) = published(ForgeTerms::default()).await;
    house.forward(290);
    house.settles().await;
    assert_eq!(checks(&house).await, ChecksState::None);
    house.forward(20);
    house.settles().await;
    assert_eq!(checks(&house).await, ChecksState::Absent);
    house.forward(61);
    house.settles().await;
    assert!(house.issues()[0]["body"].as_str().unwrap().contains("CI did not run on it"));
    // Better late than never.
    house.fake.checks(SHOP, &head, &[("build", "success")]);
    house.forward(121);
    house.settles_for(60).await;
    assert_eq!(checks(&house).await, ChecksState::Green);
}

#[tokio::test]
async fn a_green_draft_becomes_ready_where_that_is_wanted() {
    let terms = ForgeTerms { ready_when_green: true, ..ForgeTerms::default() };
    let (house, head) = published(terms).await;
    house.fake.checks(SHOP, &head, &[("build", "success")]);
    house.settles_for(60).await;
    assert_eq!(house.pulls()[0]["draft"], false);
    assert_eq!(house.told(EventType::PrReady).await.len(), 1);
    assert!(!house.family().await.pull.unwrap().is_draft);
}
