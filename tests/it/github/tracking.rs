//! One issue a family, told what happens, found again, and by nobody else's hand.
use crate::github::house::{House, ISSUES};
use crate::support::github::Fault;
use paramedic::domain::{EventType, Reason};
use serde_json::json;

#[tokio::test]
async fn an_issue_is_opened_once_and_says_where_things_stand() {
    let house = House::new("notifications:\n  mentions:\n    default: [ann]\n").await;
    house.fails("first", |_| {}).await;
    house.settles().await;
    let issues = house.issues();
    assert_eq!(issues.len(), 1);
    let text = |at: &str| issues[0][at].as_str().unwrap().to_owned();
    assert_eq!(text("title"), "🔧 Auto-Heal: CI fails: AssertionError");
    assert!(text("body").contains("cc @ann") && text("body").contains("being worked on"), "{}", text("body"));
    assert!(text("body").lines().last().unwrap().starts_with("<!-- paramedic:issue v1 family="));
    assert_eq!(issues[0]["labels"].as_array().unwrap().len(), 3);
    assert_eq!(house.told(EventType::IssueOpened).await.len(), 1);

    house.proves("right", paramedic::domain::Verdict::Ok).await;
    house.settles_for(100).await;
    let number = house.family().await.pull.unwrap().number.unwrap();
    let body = house.issues()[0]["body"].as_str().unwrap().to_owned();
    assert!(body.contains(&format!("a fix is proposed in #{number}")), "{body}");
    assert_eq!(house.fake.count(&format!("POST {ISSUES}")), 1);
    assert!(house.comments(issues[0]["number"].as_u64().unwrap()).is_empty());
    house.is_intact().await;
}

#[tokio::test]
async fn later_failures_are_one_comment_a_day_with_a_count() {
    let house = House::new("").await;
    house.fails("1", |_| {}).await;
    house.settles_for(100).await;
    let issue = house.issues()[0]["number"].as_u64().unwrap();
    for n in 2..=50 {
        house.fails(&n.to_string(), |_| {}).await;
        house.settles().await;
    }
    house.settles_for(100).await;
    let comments = house.comments(issue);
    assert!(comments.len() == 1 && comments[0].starts_with("Seen again: 50 times"), "{comments:?}");
    assert!(comments[0].contains("[The last run](") || comments[0].contains("The last run: "), "{comments:?}");
    let writes = house.fake.writes().len();
    assert!(writes < 8, "{writes} writes for fifty failures");

    house.fails("51", |_| {}).await;
    house.forward(61);
    house.settles_for(100).await;
    let comments = house.comments(issue);
    assert!(comments.len() == 1 && comments[0].starts_with("Seen again: 51 times"), "{comments:?}");
    house.forward(24 * 3_600);
    house.fails("52", |_| {}).await;
    house.settles_for(100).await;
    assert_eq!(house.comments(issue).len(), 2, "another day, another comment");
    assert_eq!(house.told(EventType::IssueCommented).await.len(), 2);
    assert_eq!(house.issues().len(), 1);
}

#[tokio::test]
async fn an_issue_is_found_again_and_a_strangers_is_not_ours() {
    let house = House::new("").await;
    house.fails("1", |_| {}).await;
    house.settles().await;
    let ours = house.issues()[0].clone();
    // The database forgets it, and somebody copies our words.
    house.edit_family(|it| it.issue = None).await;
    {
        let mut state = house.fake.state();
        let mut copy = ours.clone();
        (copy["number"], copy["user"]["login"]) = (json!(77), json!("mallory"));
        state.shop().issues.insert(0, copy);
    }
    house.settles_for(100).await;
    assert_eq!(Some(house.family().await.issue.unwrap().number), ours["number"].as_u64());
    assert_eq!(house.fake.count(&format!("POST {ISSUES}")), 1);
}

#[tokio::test]
async fn no_issue_where_none_is_wanted() {
    let silent = House::new("notifications:\n  create_issue: false\n").await;
    silent.is_proved().await;
    silent.settles_for(100).await;
    assert!(silent.issues().is_empty() && silent.pulls().len() == 1);

    let limited = House::new("").await;
    limited.fails_as("1", |_| {}, |it| it.declined(Reason::RateLimited, "3 of 3 today")).await;
    limited.settles_for(100).await;
    assert!(limited.fake.writes().is_empty());
}

#[tokio::test]
async fn issues_that_are_off_stop_nothing_else() {
    let house = House::new("").await;
    let words = "Issues are disabled for this repo";
    house.fake.always(&format!("POST {ISSUES}"), Fault::said(410, words));
    house.is_proved().await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
    let family = house.family().await;
    assert!(family.trouble().unwrap().contains(words));
    assert_eq!(house.told(EventType::CiRefused).await.len(), 1, "told once");
    let before = house.fake.count(&format!("POST {ISSUES}"));
    for _ in 0..10 {
        house.forward(60);
        house.settles().await;
    }
    assert!(house.fake.count(&format!("POST {ISSUES}")) <= before + 5, "less and less often");
    house.fake.mend();
    house.forward(3_601);
    house.settles_for(100).await;
    assert_eq!((house.issues().len(), house.family().await.trouble()), (1, None));
    assert!(house.pulls()[0]["body"].as_str().unwrap().contains("Tracking issue: #"), "the pull request names it");
}
