//! The default branch gets another name while a pull request of ours is open: the pull request goes with it, and so does the run.
use crate::github::house::{House, SHOP, stands};
use crate::support::github::RunSpec;
use paramedic::domain::{AfterOutcome, EventType, PrState, ResolvedBy, Status, Verdict};
use paramedic::engine::decisions::{Action, Done};

/// Returns a house whose fix stands as a pull request that is green, and its number.
async fn green() -> (House, u64) {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(5).await;
    let head = house.family().await.pull.unwrap().head;
    house.fake.checks(SHOP, &head, &[("build", "success")]);
    house.settles_for(100).await;
    let number = house.run().await.pr_number.unwrap();
    (house, number)
}

/// Later CI is green on the renamed branch.
async fn holds(house: &House) {
    let jobs = [("build", "success", &b"well\n"[..])];
    house.fake.run(SHOP, &RunSpec { branch: "trunk", conclusion: Some("success"), jobs: &jobs, ..RunSpec::default() });
    house.forward(61);
    house.settles_for(50).await;
    let after = house.family().await.after.unwrap();
    assert_eq!((after.branch.as_str(), after.outcome), ("trunk", Some(AfterOutcome::Held)));
}

#[tokio::test]
async fn a_pull_request_follows_the_new_name_of_its_branch_and_is_merged_there() {
    let (house, number) = green().await;
    house.fake.rename_default_branch(SHOP, "trunk");
    let why = house.acts(Action::Approve).await.unwrap_err();
    assert_eq!(why, "main is called trunk by now; the run follows in a moment, approve it again then");
    assert!(house.family().await.due_at.unwrap() <= house.now());
    house.settles_for(100).await;
    let (run, pull) = (house.run().await, house.family().await.pull.unwrap());
    assert_eq!((run.status, run.branch.as_str(), pull.base_branch.as_str()), (Status::Fixed, "trunk", "trunk"));
    assert_eq!(run.order.ci.as_ref().unwrap().default_branch, "trunk");
    let told = house.told(EventType::PrUpdated).await;
    assert_eq!(told, ["the branch main is called trunk by now, and the fix goes there"]);
    // What is red there is the same failure.
    let red = house.fails("on trunk", |it| it.branch = "trunk".to_owned()).await;
    assert_eq!((red, house.family().await.count, house.pulls().len()), (run.id, 2, 1));
    let Ok(Done::Changed { message, .. }) = house.acts(Action::Approve).await else { panic!() };
    assert!(message.contains(&format!("pull request #{number} is merged")), "{message}");
    assert!(stands(&house, PrState::Merged).await);
    holds(&house).await;
    house.is_intact().await;
}

#[tokio::test]
async fn what_is_merged_under_the_new_name_before_anybody_looked_is_the_fix() {
    let (house, number) = green().await;
    house.fake.rename_default_branch(SHOP, "trunk");
    house.fake.state().shop().pull(number).unwrap()["draft"] = false.into();
    house.fake.merge_by_hand(SHOP, number, "octocat");
    house.forward(121);
    house.settles_for(20).await;
    let run = house.run().await;
    assert_eq!((run.status, run.resolved_by, run.branch.as_str()), (Status::Resolved, Some(ResolvedBy::Ai), "trunk"));
    assert!(house.told(EventType::PrSkipped).await.is_empty());
    holds(&house).await;
}

/// Where the old name is still there, somebody has chosen another branch.
#[tokio::test]
async fn another_branch_is_no_new_name() {
    let (house, number) = green().await;
    house.fake.commit(SHOP, "trunk", &[("x", "1")]);
    house.fake.state().shop().default_branch = "trunk".to_owned();
    house.fake.state().shop().pull(number).unwrap()["base"]["ref"] = "trunk".into();
    house.forward(121);
    house.settles_for(100).await;
    assert_eq!(house.run().await.branch, "main");
    let why = house.acts(Action::Approve).await.unwrap_err();
    assert!(why.contains("it goes to trunk now, and the fix was proved for main; set it back"), "{why}");
}

/// Where a branch that never was the default one is gone, its pull requests are sent to the default branch, too.
#[tokio::test]
async fn a_branch_that_is_gone_has_no_new_name() {
    let house = House::new("").await;
    house.fails("first", |run| run.order.ci.as_mut().unwrap().default_branch = "develop".to_owned()).await;
    house.proves("right", Verdict::Ok).await;
    house.settles_for(100).await;
    house.fake.rename_default_branch(SHOP, "trunk");
    house.forward(121);
    house.settles_for(100).await;
    assert_eq!(house.run().await.branch, "main");
    let why = house.acts(Action::Approve).await.unwrap_err();
    assert!(why.contains("it goes to trunk now, and the fix was proved for main"), "{why}");
}
