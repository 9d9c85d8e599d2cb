//! One pull request is enough: for two failures of one commit with the very same fix, and for one whose data folder was lost.
use crate::github::house::{House, SHOP, stands};
use paramedic::domain::{
    AfterOutcome, Author, Digest, EventType, Family, Judgement, PrState, Run, RunId, Status, Verdict, family_key,
};
use paramedic::engine::EngineError;
use paramedic::engine::decisions::{Action, Done, Operator};
use serde_json::json;

const OTHER_HASH: &str = "v1:ffeeddccbbaa";

fn other() -> Digest {
    family_key(SHOP, OTHER_HASH)
}

/// Returns a house with a published fix, and the run of another failure that the same patch heals.
async fn house_with_twins() -> (House, RunId) {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let second = house.fails("second", |run| OTHER_HASH.clone_into(&mut run.error_hash)).await;
    house.proves_for(second, "right", Verdict::Ok).await;
    house.settles_at(&other(), 100).await;
    (house, second)
}

async fn second(house: &House, id: RunId) -> (Run, Family) {
    let family = house.engine.store.family(&other()).await.unwrap().unwrap();
    (house.engine.store.run(id).await.unwrap(), family)
}

async fn decide(house: &House, run: RunId, action: Action) -> Result<(), String> {
    let operator = Operator { name: "ann".to_owned(), ..Operator::default() };
    match house.engine.decide(run, &action, &operator).await {
        Ok(_) => Ok(()),
        Err(EngineError::Precondition(why)) => Err(why),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_same_fix_of_two_failures_is_one_pull_request_and_its_merge_is_the_end_of_both() {
    let (house, id) = house_with_twins().await;
    let number = house.run().await.pr_number.unwrap();
    let (run, family) = second(&house, id).await;
    assert_eq!((house.pulls().len(), house.branches().len(), run.status), (1, 1, Status::Fixed));
    assert_eq!(family.skipped.unwrap(), format!("pull request #{number} has this very fix"));
    let operator = Operator { name: "ann".to_owned(), ..Operator::default() };
    let Ok(Done::Changed { message, .. }) = house.engine.decide(id, &Action::Publish, &operator).await else {
        panic!()
    };
    assert_eq!(
        message,
        format!("a pull request is not needed: pull request #{number} has this very fix, and is followed")
    );
    house.settles_at(&other(), 100).await;
    let told = decide(&house, id, Action::Approve).await.unwrap_err();
    assert_eq!(told, format!("pull request #{number} has this very fix; merge or close it there"));

    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let commit = house.fake.merge_by_hand(SHOP, number, "octocat");
    house.forward(121);
    house.settles_for(20).await;
    house.settles_at(&other(), 20).await;
    let (run, family) = second(&house, id).await;
    assert_eq!((run.status, run.pr_number, run.pr_state), (Status::Resolved, Some(number), PrState::Merged));
    assert_eq!(family.after.unwrap().merged_sha, commit);
    let told = house.told(EventType::PrMerged).await;
    let words = format!("pull request #{number} of another failure, which has this very fix, was merged");
    assert!(told.len() == 2 && told.contains(&words), "{told:?}");
    house.is_green_later();
    house.forward(61);
    house.settles_for(100).await;
    house.settles_at(&other(), 100).await;
    let (_, family) = second(&house, id).await;
    assert_eq!(family.after.unwrap().outcome, Some(AfterOutcome::Held));
    assert!(house.issues().len() == 2 && house.issues().iter().all(|it| it["state"] == "closed"));
    assert!(house.branches().is_empty());
    house.is_intact().await;
}

#[tokio::test]
async fn a_no_to_the_pull_request_of_another_failure_publishes_nothing_by_itself() {
    let (house, id) = house_with_twins().await;
    let number = house.run().await.pr_number.unwrap();
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.deny(&attempts, by).unwrap()).await;
    house.settles_for(100).await;
    house.forward(121);
    house.settles_at(&other(), 100).await;
    let (run, family) = second(&house, id).await;
    assert_eq!((run.status, house.pulls().len(), house.branches().len()), (Status::Fixed, 1, 1));
    let closed = format!("pull request #{number}, which had this very fix, was closed; ask for one by hand");
    assert_eq!(family.skipped, Some(closed));
    house.forward(7_200);
    house.settles_at(&other(), 100).await;
    assert_eq!(house.pulls().len(), 1);
    decide(&house, id, Action::Publish).await.unwrap();
    house.settles_at(&other(), 100).await;
    let (run, family) = second(&house, id).await;
    assert_eq!((house.pulls().len(), run.pr_state, family.other_pull), (2, PrState::Open, None));
    house.is_intact().await;
}

#[tokio::test]
async fn another_fix_of_the_same_commit_is_a_pull_request_of_its_own() {
    let (house, id) = house_with_twins().await;
    decide(&house, id, Action::Retry).await.unwrap();
    house.proves_for(id, "better", Verdict::Ok).await;
    house.settles_at(&other(), 100).await;
    let (run, family) = second(&house, id).await;
    assert_eq!((house.pulls().len(), run.pr_state, family.other_pull), (2, PrState::Open, None));
}

/// Both had the very same fix; the one was merged with something else in it, which leaves the other in conflict.
#[tokio::test]
async fn what_a_merge_of_something_else_leaves_in_conflict_is_proved_anew() {
    let (house, id) = house_with_twins().await;
    let number = house.run().await.pr_number.unwrap();
    house.fake.commit(SHOP, &house.branches()[0], &[("calc.py", "theirs\n")]);
    house.forward(121);
    house.settles_for(100).await;
    house.settles_at(&other(), 100).await;
    let (run, _) = second(&house, id).await;
    let own = run.pr_number.unwrap();
    assert!(own != number && run.pr_state == PrState::Open);
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let merged = house.fake.merge_by_hand(SHOP, number, "octocat");
    house.forward(121);
    house.settles_at(&other(), 100).await;
    house.forward(121);
    house.settles_at(&other(), 100).await;
    let told = house.told(EventType::PrSkipped).await;
    let words = format!("pull request #{own} is in conflict with what main has become since the fix was proved");
    assert_eq!(told.iter().filter(|it| it.starts_with(&words)).count(), 1, "{told:?}");
    let why = decide(&house, id, Action::Approve).await.unwrap_err();
    assert!(why.contains("it is in conflict") && why.contains("`retry` the run"), "{why}");
    decide(&house, id, Action::Retry).await.unwrap();
    let (run, _) = second(&house, id).await;
    assert_eq!((run.status, run.working_commit()), (Status::Queued, merged.as_str()));
    house.forward(121);
    house.settles_at(&other(), 20).await;
    let guard = Judgement { verdict: Verdict::Ok, findings: Vec::new() };
    house.proves_instead_of(id, ("theirs", "right"), Author::Agent("playbook".to_owned()), guard).await;
    house.settles_at(&other(), 100).await;
    let (run, family) = second(&house, id).await;
    let state = |number: u64| house.pulls().into_iter().find(|it| it["number"] == number).unwrap()["state"].clone();
    assert_eq!((run.status, run.pr_state, state(own)), (Status::Fixed, PrState::Open, json!("closed")));
    assert!(run.pr_number != Some(own) && family.cooled_until.is_none() && family.conflicting_pull().is_none());
    assert_eq!((state(run.pr_number.unwrap()), family.pull.unwrap().base_sha), (json!("open"), merged));
    let told = house.told(EventType::PrSkipped).await;
    assert_eq!(told.iter().filter(|it| it.starts_with(&words)).count(), 1, "{told:?}");
    house.is_intact().await;
}

#[tokio::test]
async fn a_lost_data_folder_goes_on_with_the_pull_request_that_has_the_very_fix() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let before = (house.branches(), house.run().await);
    // The branch has moved on; what is published is seen to by people and GitHub.
    house.fake.commit(SHOP, "main", &[("other.py", "1\n")]);
    let house = house.forgets().await;
    house.is_proved().await;
    house.settles_for(100).await;
    let run = house.run().await;
    assert_ne!(run.id, before.1.id);
    assert_eq!(
        (house.branches(), run.pr_number, &run.heal_commit),
        (before.0, before.1.pr_number, &before.1.heal_commit)
    );
    assert!(stands(&house, PrState::Open).await && house.pulls().len() == 1 && run.status == Status::Fixed);
    let body = house.pulls()[0]["body"].as_str().unwrap().to_owned();
    assert!(body.contains(&run.id.to_string()) && !body.contains(&before.1.id.to_string()), "{body}");
    house.is_intact().await;
}

#[tokio::test]
async fn a_lost_data_folder_leaves_no_stray_branch_beside_the_old_pull_request() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let (number, branches) = (house.run().await.pr_number.unwrap(), house.branches());
    let house = house.forgets().await;
    house.fails("first", |_| {}).await;
    house.proves("better", Verdict::Ok).await;
    house.settles_for(100).await;
    let run = house.run().await;
    assert_eq!((house.branches(), house.pulls().len(), run.status), (branches, 1, Status::Fixed));
    let told = decide(&house, run.id, Action::Approve).await.unwrap_err();
    assert_eq!(told, format!("pull request #{number} stands for this failure already; merge or close it there"));
    // Once the old one is closed, this one has its turn.
    house.fake.close_by_hand(SHOP, number);
    house.forward(3_601);
    house.settles_for(100).await;
    assert_eq!((house.pulls().len(), house.run().await.pr_state), (2, PrState::Open));
}
