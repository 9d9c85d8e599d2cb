//! Branches with fixes that lead nowhere: listed, and deleted only where the settings say so and only if they are ours.
use crate::github::house::House;
use crate::support::eventually_answered;
use paramedic::domain::{EventType, ForgeTerms};
use tokio_util::sync::CancellationToken;

/// Makes branches of all kinds, of which one is stale.
async fn house_with_branches(terms: ForgeTerms) -> House {
    let house = House::with_terms("", terms).await;
    let (old, young) = ("1767225600 +0000", "4923072000 +0000");
    for (branch, committer, at) in [
        ("heal/1a2b3c4d-00000001", "Paramedic <paramedic@localhost>", old),
        ("heal/1a2b3c4d-00000002", "Paramedic <paramedic@localhost>", young),
        ("heal/1a2b3c4d-00000003", "Ann <ann@example.com>", old),
        ("heal/mine", "Paramedic <paramedic@localhost>", old),
    ] {
        let who = format!("{committer} {at}");
        house.fake.state().shop().git.commit_by(&who, branch, &[("x", "1")], "Heal\n\nParamedic-Run: 1");
    }
    house
}

async fn stale(house: &House) -> Option<Vec<String>> {
    let view = house.engine.ci_view().await.unwrap();
    Some(view.pictures[0].stale_branches.clone()).filter(|it| !it.is_empty())
}

#[tokio::test]
async fn stale_branches_are_only_listed_at_first() {
    let house = house_with_branches(ForgeTerms::default()).await;
    let (stop, steward) = (CancellationToken::new(), house.steward());
    let listed = async {
        let listed = eventually_answered(async || stale(&house).await).await;
        stop.cancel();
        listed
    };
    let (listed, ()) = tokio::join!(listed, steward.run(&stop));
    assert_eq!(listed, ["heal/1a2b3c4d-00000001"]);
    assert!(house.fake.writes().is_empty() && house.branches().len() == 4);
}

#[tokio::test]
async fn stale_branches_are_deleted_where_the_settings_say_so() {
    let house = house_with_branches(ForgeTerms { delete_stale_branches: true, ..ForgeTerms::default() }).await;
    let (stop, steward) = (CancellationToken::new(), house.steward());
    let gone = async {
        eventually_answered(async || (house.branches().len() == 3).then_some(())).await;
        eventually_answered(async || (!house.told(EventType::BranchDeleted).await.is_empty()).then_some(())).await;
        stop.cancel();
    };
    tokio::join!(gone, steward.run(&stop));
    assert_eq!(house.branches(), ["heal/1a2b3c4d-00000002", "heal/1a2b3c4d-00000003", "heal/mine"]);
    assert_eq!(house.fake.writes().len(), 1);
}

#[tokio::test]
async fn the_loop_follows_what_happens_and_one_process_does() {
    let house = House::new("").await;
    let stop = CancellationToken::new();
    let (one, two) = (house.steward(), house.steward());
    let work = async {
        house.is_proved().await;
        eventually_answered(async || (house.run().await.pr_number.is_some()).then_some(())).await;
        let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
        house.decides(|run, by| run.abort(&attempts, by).unwrap()).await;
        eventually_answered(async || (house.pulls()[0]["state"] == "closed").then_some(())).await;
        stop.cancel();
    };
    tokio::join!(work, one.run(&stop), two.run(&stop));
    assert_eq!((house.issues().len(), house.pulls().len(), house.branches().len()), (1, 1, 1));
}
