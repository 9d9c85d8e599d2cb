//! What a person's word reaches and what it does not: rules that moved, another patch, what runs before anybody approved it, and what people do
//! at GitHub while nothing may be written there.
use crate::github::house::{House, SHOP, stands};
use paramedic::domain::{Author, EventType, Finding, ForgeTerms, Judgement, PrState, Reason, Status, Verdict};
use paramedic::engine::EngineError;
use paramedic::engine::decisions::{Action, Done, Operator};

/// Has a person ask for a pull request.
async fn publish(house: &House, by: &str) -> Result<Done, EngineError> {
    let operator = Operator { name: by.to_owned(), ..Operator::default() };
    Box::pin(house.engine.decide(house.run().await.id, &Action::Publish, &operator)).await
}

/// Ann hands in a patch that changes what CI runs.
async fn ann_changes_ci(house: &House, right: &str) {
    let finding = Finding {
        file: ".github/workflows/ci.yml".to_owned(),
        line: Some(1),
        rule: "ci-config".to_owned(),
        reason: "CI configuration is not for a fix to change".to_owned(),
        verdict: Verdict::NeedsTwoKeys,
    };
    let guard = Judgement::from_findings(vec![finding]);
    house.proves_as(house.run().await.id, right, Author::Human("ann".to_owned()), guard).await;
}

#[tokio::test]
async fn who_changes_what_ci_runs_does_not_bring_it_there_alone() {
    let house = House::new("").await;
    house.fails("first", |_| {}).await;
    ann_changes_ci(&house, "right").await;
    house.settles_for(100).await;
    assert!(house.branches().is_empty(), "GitHub runs what is on a branch");
    let told = house.told(EventType::PrSkipped).await;
    assert!(told.len() == 1 && told[0].contains("somebody other than ann must ask for it"), "{told:?}");
    let refused = publish(&house, "ann").await.unwrap_err().to_string();
    assert!(refused.contains("ann wrote this patch"), "{refused}");
    assert!(matches!(publish(&house, "bob").await, Ok(Done::Changed { .. })));
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
}

#[tokio::test]
async fn nor_as_the_next_commit_of_a_pull_request_that_is_open() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let branch = house.branches().remove(0);
    house.decides(|run, by| run.retry(by).unwrap()).await;
    ann_changes_ci(&house, "better").await;
    house.settles_for(100).await;
    assert_eq!(house.commits(&branch).len(), 1);
    let body = || house.pulls()[0]["body"].as_str().unwrap().to_owned();
    assert!(body().contains("| 2 | ` human:ann ` | ` proved, and held back: another person"), "{}", body());
    // The same person in other letters.
    assert!(publish(&house, "ann").await.is_err() && publish(&house, "Ann").await.is_err());
    assert!(matches!(publish(&house, "bob").await, Ok(Done::Changed { .. })));
    house.settles_for(100).await;
    assert!(body().contains("| 2 | ` human:ann ` | ` proved ` |"), "{}", body());
    assert_eq!((house.commits(&branch).len(), house.pulls().len()), (2, 1));
    assert!(matches!(publish(&house, "cleo").await, Ok(Done::Repeat { .. })));
}

#[tokio::test]
async fn the_rules_are_those_of_the_branch_that_is_the_default_now() {
    let strict = "security:\n  trusted_branches: [main]\nrequire_manual_approval: true\n";
    for (default, why) in [
        ("trunk", "a person must ask for it"),
        ("gone", "the repository's rules cannot be followed: the default branch gone is not there"),
    ] {
        let house = House::new("").await;
        house.is_proved().await;
        house.fake.commit(SHOP, "trunk", &[(".github/auto-heal-config.yml", strict)]);
        house.fake.state().shop().default_branch = default.to_owned();
        house.settles_for(100).await;
        assert!(house.branches().is_empty(), "{default}");
        let told = house.told(EventType::PrSkipped).await;
        assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
    }
}

#[tokio::test]
async fn a_word_for_one_patch_is_none_for_another() {
    for is_old_document in [false, true] {
        let house = House::new("require_manual_approval: true\n").await;
        house.is_proved().await;
        if is_old_document {
            house.edit_family(|it| it.wanted_by = Some("ann".to_owned())).await;
        } else {
            publish(&house, "ann").await.unwrap();
        }
        house.fake.commit(SHOP, "main", &[("other.py", "1\n")]);
        house.settles_for(100).await;
        assert_eq!(house.run().await.status, Status::Queued);
        house.proves("better", Verdict::Ok).await;
        house.settles_for(100).await;
        assert!(house.branches().is_empty());
        assert!(house.told(EventType::PrSkipped).await[0].contains("a person must ask for it"));
        assert!(matches!(publish(&house, "ann").await, Ok(Done::Changed { .. })));
        house.settles_for(100).await;
        assert!(house.pulls()[0]["body"].as_str().unwrap().contains("Asked for by ` ann `."));
    }
}

#[tokio::test]
async fn a_word_stands_for_the_same_patch_on_a_base_that_moved() {
    let house = House::new("require_manual_approval: true\n").await;
    house.is_proved().await;
    publish(&house, "ann").await.unwrap();
    house.fake.commit(SHOP, "main", &[("other.py", "1\n")]);
    house.settles_for(100).await;
    house.proves("right", Verdict::Ok).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
}

#[tokio::test]
async fn a_repository_that_is_not_watched_any_more_is_left_alone() {
    let mut house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let n_writes = house.fake.writes().len();
    house.engine.forge.terms = ForgeTerms { watch: Vec::new(), ..house.engine.forge.terms.clone() };
    let operator = Operator { name: "ann".to_owned(), ..Operator::default() };
    let refused = Box::pin(house.engine.decide(house.run().await.id, &Action::Approve, &operator)).await.unwrap_err();
    assert!(refused.to_string().contains("the settings do not watch acme/shop any more"), "{refused}");
    house.edit_family(|it| it.pull = None).await;
    let refused = publish(&house, "ann").await.unwrap_err();
    assert!(refused.to_string().contains("the settings do not watch acme/shop any more"), "{refused}");
    assert_eq!((house.fake.writes().len(), house.run().await.status), (n_writes, Status::Fixed));
}

#[tokio::test]
async fn what_people_do_there_is_seen_also_where_nothing_may_be_written() {
    for is_merged in [true, false] {
        let mut house = House::new("").await;
        house.is_proved().await;
        house.settles_for(100).await;
        house.engine.forge.writes = None;
        house.engine.forge.why_not = Some("safe mode is on".to_owned());
        let number = house.run().await.pr_number.unwrap();
        let n_writes = house.fake.writes().len();
        house.settles().await;
        assert!(house.told(EventType::PrSkipped).await.is_empty(), "it stands there already");
        if is_merged {
            house.fake.state().shop().pull(number).unwrap()["draft"] = false.into();
            house.fake.merge_by_hand(SHOP, number, "octocat");
        } else {
            house.fake.close_by_hand(SHOP, number);
        }
        house.forward(121);
        house.settles().await;
        let run = house.run().await;
        let found = (run.status, run.escalation_reason);
        if is_merged {
            assert_eq!(found, (Status::Resolved, None));
            assert!(stands(&house, PrState::Merged).await && house.family().await.after.is_some());
        } else {
            assert_eq!(found, (Status::Escalated, Some(Reason::Denied)));
            assert!(stands(&house, PrState::Closed).await);
        }
        assert_eq!(house.fake.writes().len(), n_writes);
        house.is_intact().await;
    }
}
