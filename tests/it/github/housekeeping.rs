//! Branches with fixes that lead nowhere: listed, and deleted only where the settings say so and only if they are ours.
use crate::github::house::{House, SHOP};
use crate::support::eventually_answered;
use crate::support::github::Fault;
use paramedic::domain::{EventType, ForgeTerms};
use serde_json::json;
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

/// Where not all open pull requests were read, each of the branches may have one.
#[tokio::test]
async fn among_too_many_pull_requests_no_branch_is_stale() {
    let house = house_with_branches(ForgeTerms { delete_stale_branches: true, ..ForgeTerms::default() }).await;
    let rows: Vec<_> = (0..1_001).map(|n| json!({ "number": n, "head": { "ref": "topic" } })).collect();
    let full = Fault::Status(200, vec![("content-type", "application/json".to_owned())], json!(rows).to_string());
    house.fake.always("GET /repos/acme/shop/pulls", full);
    let (stop, steward) = (CancellationToken::new(), house.steward());
    let swept = async {
        let n_lists = || house.fake.count("GET /repos/acme/shop/pulls");
        eventually_answered(async || (n_lists() == 1).then_some(())).await;
        house.forward(3_601);
        // The one sweep is over when the next begins.
        eventually_answered(async || (n_lists() == 2).then_some(())).await;
        stop.cancel();
    };
    tokio::join!(swept, steward.run(&stop));
    assert!(house.fake.writes().is_empty() && house.branches().len() == 4);
    assert_eq!(stale(&house).await, None);
}

/// However many young branches there are, those behind them have their turn.
#[tokio::test]
async fn young_branches_hide_no_stale_one() {
    let house = House::new("").await;
    for n in 0..26 {
        let (year, branch) = if n < 25 { ("4923072000", format!("{n:08x}")) } else { ("1767225600", "f".repeat(8)) };
        let who = format!("Paramedic <paramedic@localhost> {year} +0000");
        let branch = format!("heal/{branch}-00000001");
        house.fake.state().shop().git.commit_by(&who, &branch, &[("x", &branch)], "Heal\n\nParamedic-Run: 1");
    }
    let (stop, steward) = (CancellationToken::new(), house.steward());
    let listed = async {
        let n_commits = || house.fake.count("GET /repos/acme/shop/commits/");
        eventually_answered(async || (n_commits() == 20).then_some(())).await;
        house.forward(3_601);
        let listed = eventually_answered(async || stale(&house).await).await;
        stop.cancel();
        (listed, n_commits())
    };
    let ((listed, n_commits), ()) = tokio::join!(listed, steward.run(&stop));
    assert_eq!((listed, n_commits), (vec!["heal/ffffffff-00000001".to_owned()], 26), "each commit is asked for once");
}

/// Between the look at a branch and its end somebody may work on it.
#[tokio::test]
async fn what_is_pushed_to_a_stale_branch_meanwhile_is_kept() {
    let house = House::with_terms("", ForgeTerms { delete_stale_branches: true, ..ForgeTerms::default() }).await;
    let (name, mut commits) = ("heal/1a2b3c4d-00000001", Vec::new());
    for (who, at) in [("Paramedic <paramedic@localhost>", "1767225600"), ("Ann <ann@example.com>", "1767225700")] {
        let who = format!("{who} {at} +0000");
        commits.push(house.fake.state().shop().git.commit_by(&who, name, &[("x", at)], "Heal\n\nParamedic-Run: 1"));
    }
    let row = json!([{ "ref": format!("refs/heads/{name}"), "object": { "type": "commit", "sha": commits[0] } }]);
    let before = Fault::Status(200, vec![("content-type", "application/json".to_owned())], row.to_string());
    house.fake.next("GET /repos/acme/shop/git/matching-refs/", before);
    let (stop, steward) = (CancellationToken::new(), house.steward());
    let swept = async {
        let snapshots = async || house.engine.store.snapshots("").await.unwrap();
        eventually_answered(async || (!snapshots().await.is_empty()).then_some(())).await;
        stop.cancel();
    };
    tokio::join!(swept, steward.run(&stop));
    assert_eq!(house.fake.tip(SHOP, name).as_ref(), Some(&commits[1]));
    assert!(house.fake.writes().is_empty());
    assert_eq!(house.fake.count(&format!("GET /repos/acme/shop/commits/{}", commits[0])), 1, "it was judged");
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
