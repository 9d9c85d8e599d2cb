//! After a merge: it holds and the issue is closed, or the failure is back and a person is asked whether to take the fix back.
use crate::github::house::{House, SHOP};
use paramedic::domain::{AfterOutcome, EventType, Reason, Revert, Run, RunId, Status};
use serde_json::json;

/// Returns a house whose fix was merged, and the commit that it became.
async fn merged(rules: &str) -> (House, u64, String) {
    let house = House::new(rules).await;
    house.is_proved().await;
    house.settles_for(5).await;
    let number = house.run().await.pr_number.unwrap();
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let commit = house.fake.merge_by_hand(SHOP, number, "octocat");
    house.forward(121);
    house.settles_for(5).await;
    (house, number, commit)
}

/// The failure is seen again on what was merged, as the watcher takes it in.
async fn comes_back(house: &House, number: u64, merged: &str) -> RunId {
    let at_merge = |run: &mut Run| merged.clone_into(&mut run.commit_sha);
    house.fails_as("later", at_merge, |it| it.regressed(number)).await
}

#[tokio::test]
async fn a_fix_that_holds_closes_the_issue() {
    let (house, number, _) = merged("").await;
    assert_eq!(house.issues()[0]["state"], "open", "not before it is known to hold");
    house.forward(60);
    house.settles_for(20).await;
    assert_eq!(house.family().await.after.unwrap().outcome, None);
    house.is_green_later();
    house.forward(60);
    house.settles_for(100).await;
    assert_eq!(house.family().await.after.unwrap().outcome, Some(AfterOutcome::Held));
    let issue = house.issues()[0].clone();
    assert_eq!(issue["state"], "closed");
    let comments = house.comments(issue["number"].as_u64().unwrap());
    assert!(
        comments.len() == 1 && comments[0].starts_with(&format!("Fixed by #{number}: CI is green")),
        "{comments:?}"
    );
    assert_eq!(house.told(EventType::BranchDeleted).await.len(), 1);
    assert_eq!(house.told(EventType::CiRerun).await.len(), 0);
    let n_writes = house.fake.writes().len();
    house.forward(7_200);
    house.settles_for(100).await;
    assert_eq!(house.fake.writes().len(), n_writes);
}

#[tokio::test]
async fn where_nothing_runs_the_time_decides() {
    let (house, ..) = merged("").await;
    house.forward(7_200);
    house.settles_for(100).await;
    assert_eq!(house.family().await.after.unwrap().outcome, Some(AfterOutcome::Unseen));
    assert_eq!(house.issues()[0]["state"], "closed");
}

#[tokio::test]
async fn the_failed_jobs_are_started_again_once_where_that_is_wanted() {
    let (house, ..) = merged("retry:\n  retry_on_merge: true\n  retry_delay: 5\n").await;
    house.settles_for(20).await;
    assert_eq!(house.told(EventType::CiRerun).await.len(), 0, "not before its time");
    house.forward(300);
    for _ in 0..3 {
        house.settles_for(20).await;
        house.forward(60);
    }
    assert_eq!(house.told(EventType::CiRerun).await.len(), 1);
    assert_eq!(house.fake.count("POST /repos/acme/shop/actions/runs/*/rerun-failed-jobs$"), 1);
}

#[tokio::test]
async fn a_fix_that_does_not_hold_is_proposed_to_be_taken_back_and_no_more() {
    let (house, number, commit) = merged("").await;
    // Others work on, too.
    house.fake.commit(SHOP, "main", &[("other.py", "1\n")]);
    let run = comes_back(&house, number, &commit).await;
    assert_eq!(house.family().await.run_id, run);
    house.settles_for(100).await;
    let after = house.family().await.after.unwrap();
    assert_eq!(after.outcome, Some(AfterOutcome::Regressed));
    let pulls = house.pulls();
    assert_eq!((pulls.len(), &pulls[0]["draft"], pulls[0]["state"].as_str()), (2, &json!(true), Some("open")));
    assert_eq!(pulls[0]["title"], format!("Revert #{number}: the failure is back"));
    let branch = format!("heal/revert-{}", &commit[..8]);
    let number = pulls[0]["number"].as_u64().unwrap();
    assert_eq!(after.revert, Some(Revert::Proposed { branch: branch.clone(), number }));
    let calc = house.fake.state().repos[SHOP].git.run(&["show", &format!("{branch}:calc.py")]);
    let other = house.fake.state().repos[SHOP].git.run(&["show", &format!("{branch}:other.py")]);
    assert_eq!((calc.trim(), other.trim()), ("wrong", "1"));
    assert_eq!(house.issues()[0]["state"], "open");
    assert_eq!(house.run().await.status, Status::Escalated);
    house.forward(24 * 3_600);
    house.settles_for(100).await;
    assert_eq!((house.pulls().len(), house.pulls()[0]["state"].as_str()), (2, Some("open")));
    house.is_intact().await;
}

#[tokio::test]
async fn a_later_run_of_a_fork_does_not_end_the_watch() {
    let (house, number, _) = merged("").await;
    let fork = house.fails("fork", |run| run.order.ci.as_mut().unwrap().is_fork = true).await;
    house.settles_for(20).await;
    assert_eq!((house.family().await.run_id, house.family().await.after.unwrap().outcome), (fork, None));
    house.is_green_later();
    house.forward(61);
    house.settles_for(100).await;
    assert_eq!(house.family().await.after.unwrap().outcome, Some(AfterOutcome::Held));
    let told = house.comments(house.issues()[0]["number"].as_u64().unwrap());
    assert!(told.iter().any(|it| it.starts_with(&format!("Fixed by #{number}: CI is green"))), "{told:?}");
    for _ in 0..3 {
        house.forward(3_600);
        house.settles_for(100).await;
        assert_eq!(house.issues()[0]["state"], "closed");
    }
    assert_eq!(house.told(EventType::IssueClosed).await.len(), 1);
}

#[tokio::test]
async fn what_another_run_had_published_is_taken_back_too() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(5).await;
    let number = house.run().await.pr_number.unwrap();
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.abort(&attempts, by).unwrap()).await;
    house.forward(25 * 3_600);
    house.fake.state().skew_s = 25 * 3_600;
    let later = house.fails_as("2", |_| {}, |it| it.declined(Reason::RateLimited, "3 of 3 today")).await;
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let commit = house.fake.merge_by_hand(SHOP, number, "octocat");
    house.settles_for(5).await;
    let after = house.family().await.after.unwrap();
    assert_eq!(after.run_id, later);
    comes_back(&house, number, &commit).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls()[0]["title"], format!("Revert #{number}: the failure is back"));
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_said() {
    let (house, number, commit) = merged("").await;
    house.fake.commit(SHOP, "main", &[("calc.py", "rewritten\n")]);
    comes_back(&house, number, &commit).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
    let told = house.told(EventType::PrSkipped).await;
    assert!(told.len() == 1 && told[0].contains("cannot be taken back"), "{told:?}");
}

#[tokio::test]
async fn a_failure_that_is_back_opens_its_issue_again() {
    let (house, number, commit) = merged("").await;
    house.is_green_later();
    house.forward(60);
    house.settles_for(100).await;
    assert_eq!(house.issues()[0]["state"], "closed");
    house.forward(3_600);
    house.fails("much later", |run| run.commit_sha = commit.clone()).await;
    house.settles_for(100).await;
    assert_eq!((house.issues().len(), house.issues()[0]["state"].as_str()), (1, Some("open")));
    assert!(house.pulls().len() == 1 && number > 0);
}
