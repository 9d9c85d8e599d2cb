//! What is read, and how: whole, once, at the right place, and with the token only where it belongs.
use crate::support::github::{Fake, Fault, TOKEN};
use paramedic::clock::SystemClock;
use paramedic::domain::CiState;
use paramedic::forge::github::{Github, Setup};
use paramedic::forge::{ForgeError, LogEnd, May, PullsQuery, Reads as _, RunsQuery, TokenKind, Writes as _};
use serde_json::json;
use std::sync::Arc;

fn runs(max: usize) -> RunsQuery {
    RunsQuery { max, ..RunsQuery::default() }
}

#[tokio::test]
async fn everything_that_is_there_is_read() {
    let fake = Fake::start();
    let rules = "enabled: true # naïve\n".repeat(20);
    let main = fake.commit(
        "acme/shop",
        "main",
        &[(".github/auto-heal-config.yml", &rules), ("huge", &"x".repeat((1 << 20) + 1))],
    );
    let head = fake.commit("acme/shop", "heal/1a2b", &[("src/x.py", "1"), ("src/deep/y.py", "2")]);
    {
        let mut state = fake.state();
        let shop = state.shop();
        shop.add_run(7, Some("failure"));
        shop.add_run(8, None);
        shop.add_job(70, 7, b"");
        shop.add_issue(1, "auto-heal");
        shop.add_issue(2, "bug");
        shop.add_pull(3, "heal/1a2b");
        shop.comments.push((1, json!({ "id": 5, "body": "me, too", "user": { "login": "ann" } })));
        let page = "https://github.com/acme/shop/actions/runs/7/job/70?pr=3";
        let check =
            json!({ "id": 4, "name": "build", "status": "completed", "conclusion": "success", "details_url": page });
        shop.check_runs.insert(main.clone(), vec![check]);
        let statuses = [
            json!({ "context": "ci/jenkins", "state": "pending", "target_url": null }),
            json!({ "context": "ci/travis", "state": "failure" }),
        ];
        shop.statuses.insert(main.clone(), statuses.to_vec());
    }
    let github = fake.client();
    let shop = "acme/shop";
    let facts = github.repository(shop).await.unwrap();
    assert_eq!((facts.default_branch.as_str(), facts.may_push, facts.is_archived), ("main", Some(true), false));
    let all = github.runs(shop, &runs(100)).await.unwrap();
    assert_eq!(
        all.items.iter().map(|it| (it.id, it.state)).collect::<Vec<_>>(),
        [(8, CiState::Running), (7, CiState::Red)]
    );
    assert!(all.is_last);
    let red = github.run(shop, 7).await.unwrap();
    assert_eq!(red, all.items[1]);
    assert_eq!((red.attempt, red.workflow.as_str(), red.author_email.as_str()), (2, "CI", "octocat@github.com"));
    for attempt in [None, Some(2)] {
        let jobs = github.jobs(shop, 7, attempt).await.unwrap();
        assert_eq!((jobs.len(), jobs[0].state, jobs[0].steps[1].state), (1, CiState::Red, CiState::Red));
        assert_eq!(jobs[0].steps[1].name, "Run tests");
    }
    let checks = github.checks(shop, &main).await.unwrap();
    assert_eq!((checks[0].run_id, checks[0].job_id, checks[1].run_id), (Some(7), Some(70), None));
    let checks: Vec<_> = checks.iter().map(|it| (it.name.as_str(), it.state)).collect();
    assert_eq!(checks, [("build", CiState::Green), ("ci/jenkins", CiState::Running), ("ci/travis", CiState::Red)]);
    assert_eq!(github.branch(shop, "heal/1a2b").await.unwrap().as_ref(), Some(&head));
    assert_eq!(github.branch(shop, "gone").await.unwrap(), None);
    assert_eq!(github.branches(shop, "heal/").await.unwrap(), [("heal/1a2b".to_owned(), head.clone())]);
    let file = github.file(shop, ".github/auto-heal-config.yml", "main").await.unwrap().unwrap();
    assert_eq!(file, "enabled: true # naïve\n".repeat(20).as_bytes());
    assert_eq!(github.file(shop, "gone", "main").await.unwrap(), None);
    assert!(matches!(github.file(shop, "huge", "main").await, Err(ForgeError::TooLarge(_))));
    let pulls = github.pulls(shop, &PullsQuery { is_open: true, max: 10, ..PullsQuery::default() }).await.unwrap();
    assert_eq!(
        (pulls.items[0].number, pulls.items[0].is_draft, pulls.items[0].head_branch.as_str()),
        (3, true, "heal/1a2b")
    );
    let issues = github.issues(shop, &["auto-heal"], 10).await.unwrap();
    assert_eq!(issues.iter().map(|it| it.number).collect::<Vec<_>>(), [1]);
    assert_eq!(github.issues(shop, &[], 10).await.unwrap().len(), 2, "a pull request is no issue");
    assert_eq!(github.comments(shop, 1).await.unwrap()[0].author, "ann");
    assert_eq!(github.issue(shop, 2).await.unwrap().author, "mallory");
    let pull = github.pull(shop, 3).await.unwrap();
    assert_eq!((&pull.head_commit, pull.is_draft), (&head, true));
    assert_eq!((pull.merge_commit, pull.merged_at, pull.node_id.is_empty()), (None, None, false));
    let commit = github.commit(shop, &head).await.unwrap();
    assert_eq!(commit.message, "Change something");
    assert!(commit.committed_at.is_some());
    assert_eq!(github.folder(shop, "src", "heal/1a2b").await.unwrap(), ["src/x.py"]);
    assert_eq!(github.folder(shop, "", "main").await.unwrap(), ["README.md", "huge"]);
    assert!(github.folder(shop, "gone", "main").await.unwrap().is_empty());
    let missing = github.run(shop, 99).await.unwrap_err();
    assert!(matches!(&missing, ForgeError::NotFound(text) if text.contains("/actions/runs/99")), "{missing}");
    assert!(fake.seen("POST").is_empty());
    assert!(fake.seen("GET").iter().all(|it| it.authorization.as_deref() == Some(&format!("Bearer {TOKEN}"))));
    // A slash inside a name is part of the name.
    assert_eq!(fake.seen("GET /repos/acme/shop/branches/heal%2F1a2b").len(), 1);
}

#[tokio::test]
async fn a_token_tells_what_it_is() {
    let fake = Fake::start();
    fake.state().skew_s = -7_200;
    let github = fake.client();
    let abilities = github.abilities().await.unwrap();
    assert_eq!((abilities.kind, abilities.login.as_deref()), (TokenKind::Classic, Some("octocat")));
    assert_eq!(abilities.scopes, ["repo", "workflow"]);
    assert_eq!(abilities.expires_at.unwrap().to_string(), "2030-12-31T10:00:00Z");
    assert!((-7_260..=-7_140).contains(&abilities.clock_skew_s.unwrap()), "{abilities:?}");
    assert_eq!(abilities.may_change_workflows(), May::Yes);
    // Its reset is half an hour away, whatever the clocks say.
    let resets_at = github.budget().resets_at.unwrap();
    let away = resets_at.duration_since(jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap());
    assert!((1_680..=1_800).contains(&away.as_secs()), "{away}");
    fake.state().token = "another".to_owned();
    let refused = github.abilities().await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Unauthorised(text) if text.contains("not valid")), "{refused}");
}

/// A hundred comments fill a page, which stays as it is when another one is written.
#[tokio::test]
async fn the_first_row_of_a_page_that_was_not_there_is_seen() {
    let fake = Fake::start();
    let github = fake.client();
    let comment = |n: u64| (1, serde_json::json!({ "id": n, "body": "a", "user": { "login": "ann" } }));
    fake.state().shop().comments.extend((1..=100).map(comment));
    assert_eq!(github.comments("acme/shop", 1).await.unwrap().len(), 100);
    fake.state().shop().comments.push(comment(101));
    assert_eq!(github.comments("acme/shop", 1).await.unwrap().len(), 101);
}

#[tokio::test]
async fn checks_are_told_as_a_whole_or_not_at_all() {
    let fake = Fake::start();
    let names: Vec<String> = (0..60).map(|n| format!("check {n}")).collect();
    let checks: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "success")).collect();
    let head = fake.tip("acme/shop", "main").unwrap();
    fake.checks("acme/shop", &head, &checks);
    assert_eq!(fake.client().checks("acme/shop", &head).await.unwrap().len(), 60);
    // So small pages that not all of them are read.
    fake.state().page_size = 1;
    let cut = fake.client().checks("acme/shop", &head).await;
    assert!(matches!(cut, Err(ForgeError::TooLarge(_))), "{cut:?}");
}

#[tokio::test]
async fn an_unchanged_list_costs_nothing_and_is_the_stored_one() {
    let fake = Fake::start();
    (1..=150).for_each(|id| fake.state().shop().add_run(id, Some("success")));
    let github = fake.client();
    let first = github.runs("acme/shop", &runs(1_000)).await.unwrap();
    assert_eq!(first.items.len(), 150);
    let left = fake.state().remaining;
    for _ in 0..3 {
        let again = github.runs("acme/shop", &runs(1_000)).await.unwrap();
        assert_eq!((again.items.len(), again.is_last), (150, true));
        assert_eq!(again.items, first.items);
    }
    assert_eq!(fake.state().remaining, left);
    let budget = github.budget();
    assert_eq!((budget.requests, budget.unchanged, budget.remaining), (8, 6, Some(left)));
    assert!(budget.per_hour >= 8);
    fake.state().shop().add_run(151, Some("failure"));
    let changed = github.runs("acme/shop", &runs(1_000)).await.unwrap();
    assert_eq!(changed.items.len(), 151);
}

#[tokio::test]
async fn pages_are_followed_to_the_end_and_never_in_a_circle() {
    let fake = Fake::start();
    fake.state().page_size = 7;
    (1..=30).for_each(|id| fake.state().shop().add_run(id, Some("success")));
    let github = fake.client();
    let all = github.runs("acme/shop", &runs(1_000)).await.unwrap();
    assert_eq!((all.items.len(), all.is_last), (30, true));
    let some = github.runs("acme/shop", &runs(10)).await.unwrap();
    assert_eq!((some.items.len(), some.is_last), (10, false));
    for next in ["/repos/acme/shop/issues?state=all&per_page=100", "https://evil.test/repos/acme/shop/issues?page=2"] {
        let n_before = fake.seen("GET").len();
        let link = vec![("link", format!("<{next}>; rel=\"next\""))];
        fake.always("GET /repos/acme/shop/issues", Fault::Status(200, link, "[]".to_owned()));
        let odd = github.issues("acme/shop", &[], 100).await.unwrap_err();
        assert!(matches!(odd, ForgeError::Odd(_)), "{odd}");
        assert_eq!(fake.seen("GET").len(), n_before + 1);
        fake.state().faults.clear();
    }
}

#[tokio::test]
async fn a_renamed_repository_is_read_at_its_new_place_and_a_write_to_it_is_refused() {
    for base in ["", "/api/v3"] {
        let fake = Fake::start();
        fake.state().renamed.insert("acme/old".to_owned(), "acme/shop".to_owned());
        fake.state().page_size = 2;
        (1..=5).for_each(|id| fake.state().shop().add_run(id, Some("success")));
        let setup = Setup { api_url: format!("{}{base}", fake.url), ..fake.setup() };
        let github = Github::new(setup, Arc::new(SystemClock)).unwrap();
        assert_eq!(github.runs("acme/old", &runs(100)).await.unwrap().items.len(), 5);
        assert!(
            fake.seen("GET").iter().all(|it| it.path.starts_with(&format!("{base}/rep")) && it.authorization.is_some())
        );
        let refused = github.repository_dispatch("acme/old", "order", &json!({})).await.unwrap_err();
        assert!(
            matches!(&refused, ForgeError::Refused { status: 307, message } if message.contains("renamed")),
            "{refused}"
        );
        assert_eq!(fake.seen("POST").len(), 1);
        github.repository_dispatch("acme/shop", "order", &json!({ "a": 1 })).await.unwrap();
        assert_eq!(
            fake.seen("POST")[1].body,
            json!({ "event_type": "order", "client_payload": { "a": 1 } }).to_string()
        );
    }
}

#[tokio::test]
async fn a_log_at_another_host_is_fetched_without_the_token() {
    let fake = Fake::start();
    let log: Vec<u8> = (0..300_000_u32).flat_map(|it| format!("{it} \u{1b}[31mline\u{0}\n").into_bytes()).collect();
    fake.state().shop().add_job(70, 7, &log);
    let github = fake.client();
    let mut taken = Vec::new();
    let mut take = |piece: &[u8]| {
        taken.extend_from_slice(piece);
        true
    };
    let end = github.job_log("acme/shop", 70, u64::MAX, &mut take).await.unwrap();
    assert_eq!(end, LogEnd { bytes: log.len() as u64, is_cut: false });
    assert!(taken == log);
    let blob = &fake.seen("GET /blob/job-70")[0];
    assert!(blob.authorization.is_none() && blob.host.starts_with("localhost:"), "{blob:?}");
    // No more than is wanted, in both ways.
    let end = github.job_log("acme/shop", 70, 1_000, &mut |_| true).await.unwrap();
    assert_eq!(end, LogEnd { bytes: 1_000, is_cut: true });
    let end = github.job_log("acme/shop", 70, u64::MAX, &mut |_| false).await.unwrap();
    assert!(end.is_cut && end.bytes < log.len() as u64);
    // What is not kept any more, at GitHub or at the host of the logs.
    assert!(matches!(github.job_log("acme/shop", 71, 9, &mut |_| true).await, Err(ForgeError::NotFound(_))));
    fake.next("GET /blob/job-70", Fault::status(410));
    assert!(matches!(github.job_log("acme/shop", 70, 9, &mut |_| true).await, Err(ForgeError::NotFound(_))));
    fake.next("GET /blob/job-70", Fault::status(500));
    let broken = github.job_log("acme/shop", 70, 9, &mut |_| true).await.unwrap_err();
    assert!(!broken.to_string().contains("s3cret"), "the address of a log is a key to it: {broken}");
    fake.next("GET /blob/job-70", Fault::Cut);
    let cut = github.job_log("acme/shop", 70, 1_000, &mut |_| true).await;
    assert!(matches!(cut, Err(ForgeError::Unanswered(_))), "{cut:?}");
    for place in ["http://192.0.2.1/log", "file:///etc/passwd", "//"] {
        let elsewhere = vec![("location", place.to_owned())];
        fake.next("GET /repos/acme/shop/actions/jobs/70", Fault::Status(302, elsewhere, String::new()));
        assert!(github.job_log("acme/shop", 70, 9, &mut |_| true).await.is_err(), "{place}");
    }
}

#[tokio::test]
async fn nothing_but_get_leaves_in_safe_mode() {
    let fake = Fake::start();
    let github = Github::new(Setup { is_read_only: true, ..fake.setup() }, Arc::new(SystemClock)).unwrap();
    let refused = github.repository_dispatch("acme/shop", "order", &json!({})).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Unauthorised(text) if text.contains("safe mode")), "{refused}");
    github.repository("acme/shop").await.unwrap();
    assert_eq!(fake.seen("").len(), 1);
}
