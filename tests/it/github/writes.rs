//! What is changed: once, told as it went, and not at all in safe mode.
use crate::support::github::{Fake, Fault, Protection, RunSpec, TOKEN, Waiting};
use paramedic::clock::SystemClock;
use paramedic::domain::{CiState, MergeMethod};
use paramedic::forge::github::{Github, Setup};
use paramedic::forge::{
    ForgeError, IssueEdit, Merge, NewIssue, NewPull, PullEdit, PullRequest, PullsQuery, Reads as _, Writes as _,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = "acme/shop";
const HEAL: &str = "heal/1a2b3c4d-deadbeef";

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

const fn new_pull(head: &str) -> NewPull<'_> {
    NewPull { title: "Heal CI", body: "**proved**", head, base: "main", is_draft: true }
}

const fn squash(sha: &str) -> Merge<'_> {
    Merge { sha, method: MergeMethod::Squash, title: "Heal CI (#2)", message: "Approved-by: ann" }
}

/// Makes a branch with a fix and opens a pull request for it.
async fn opened(fake: &Fake, github: &Github) -> PullRequest {
    fake.commit(SHOP, HEAL, &[("x.py", "fixed\n")]);
    github.open_pull(SHOP, &new_pull(HEAL)).await.unwrap()
}

#[tokio::test]
async fn what_is_tracked_is_opened_told_and_closed() {
    let fake = Fake::start();
    let github = fake.client();
    let names = labels(&["auto-heal", "ci"]);
    let new = NewIssue { title: "CI fails", body: "`x`", labels: &names };
    let issue = github.open_issue(SHOP, &new).await.unwrap();
    assert_eq!((issue.number, issue.author.as_str(), issue.is_open, &issue.labels), (1, "octocat", true, &names));
    let comment = github.add_comment(SHOP, 1, "again").await.unwrap();
    github.edit_comment(SHOP, comment.id, "again, 2 times").await.unwrap();
    assert_eq!(github.comments(SHOP, 1).await.unwrap()[0].body, "again, 2 times");
    github.add_labels(SHOP, 1, &labels(&["ci", "needs-review"])).await.unwrap();
    github.edit_issue(SHOP, 1, &IssueEdit { body: Some("healed"), ..IssueEdit::default() }).await.unwrap();
    github.edit_issue(SHOP, 1, &IssueEdit { is_open: Some(false), ..IssueEdit::default() }).await.unwrap();
    let closed = github.issue(SHOP, 1).await.unwrap();
    assert_eq!((closed.is_open, closed.title.as_str(), closed.body.as_str()), (false, "CI fails", "healed"));
    assert_eq!(closed.labels, ["auto-heal", "ci", "needs-review"]);
    assert_eq!(
        fake.seen("PATCH /repos/acme/shop/issues/1$")[1].json(),
        json!({ "state": "closed", "state_reason": "completed" })
    );
    assert_eq!(fake.state().shop().comments_on(1).len(), 1);
    assert_eq!(fake.writes().len(), 6);
}

#[tokio::test]
async fn a_pull_request_is_merged_at_the_commit_that_was_proved_and_only_there() {
    let fake = Fake::start();
    let github = fake.client();
    let pull = opened(&fake, &github).await;
    assert_eq!((pull.number, pull.is_draft, pull.head_branch.as_str()), (1, true, HEAL));
    assert_eq!(Some(&pull.head_commit), fake.tip(SHOP, HEAL).as_ref());
    github.request_reviewers(SHOP, 1, &labels(&["ann"]), &labels(&["core"])).await.unwrap();
    let edit = PullEdit { title: Some("Heal CI (Needs Review)"), ..PullEdit::default() };
    github.edit_pull(SHOP, 1, &edit).await.unwrap();
    let words = |error: ForgeError| error.to_string();
    let draft = github.merge(SHOP, 1, &squash(&pull.head_commit)).await.unwrap_err();
    assert!(
        matches!(&draft, ForgeError::Refused { status: 405, message } if message.contains("still a draft")),
        "{draft}"
    );
    github.mark_ready(&pull.node_id).await.unwrap();
    assert!(!github.pull(SHOP, 1).await.unwrap().is_draft);
    assert_eq!(github.objection(&pull.node_id).await, Ok(None));
    github.mark_draft(&pull.node_id).await.unwrap();
    assert!(github.pull(SHOP, 1).await.unwrap().is_draft);
    fake.state().shop().protection.needs_review = true;
    assert_eq!(github.objection(&pull.node_id).await, Ok(Some("an approving review is required".to_owned())));
    fake.state().shop().protection.needs_review = false;
    github.mark_ready(&pull.node_id).await.unwrap();
    // What the branch asks for is told in GitHub's words.
    let protection = Protection { checks: vec!["build".to_owned()], needs_review: true };
    fake.state().shop().protection = protection;
    for (check, expected) in [
        ("", "\"build\" is expected"),
        ("queued", "is in progress"),
        ("failure", "is failing"),
        ("success", "approving review"),
    ] {
        if !check.is_empty() {
            fake.checks(SHOP, &pull.head_commit, &[("build", check)]);
        }
        let refused = words(github.merge(SHOP, 1, &squash(&pull.head_commit)).await.unwrap_err());
        assert!(refused.contains(expected), "{refused}");
    }
    fake.state().shop().protection = Protection::default();
    fake.state().shop().merge_methods = vec!["merge"];
    assert_eq!(github.repository(SHOP).await.unwrap().merge_methods, [MergeMethod::Merge]);
    let refused = words(github.merge(SHOP, 1, &squash(&pull.head_commit)).await.unwrap_err());
    assert!(refused.contains("Squash merges are not allowed"), "{refused}");
    fake.state().shop().merge_methods = vec!["squash"];
    // Somebody pushed: that is not what was proved.
    let foreign = fake.commit(SHOP, HEAL, &[("x.py", "worse\n")]);
    let moved = github.merge(SHOP, 1, &squash(&pull.head_commit)).await.unwrap_err();
    assert!(matches!(&moved, ForgeError::Conflict(text) if text.contains("Head branch was modified")), "{moved}");
    // A conflict.
    fake.commit(SHOP, "main", &[("x.py", "another\n")]);
    let refused = words(github.merge(SHOP, 1, &squash(&foreign)).await.unwrap_err());
    assert!(refused.contains("merge conflicts"), "{refused}");
    fake.commit(SHOP, "main", &[("x.py", "worse\n")]);
    let merged = github.merge(SHOP, 1, &squash(&foreign)).await.unwrap();
    assert_eq!(fake.tip(SHOP, "main").as_ref(), Some(&merged));
    let pull = github.pull(SHOP, 1).await.unwrap();
    assert_eq!((pull.is_open, pull.is_merged, pull.merged_by.as_deref()), (false, true, Some("octocat")));
    assert_eq!((pull.merge_commit.as_ref(), pull.merged_at.is_some()), (Some(&merged), true));
    let message = github.commit(SHOP, &merged).await.unwrap().message;
    assert_eq!(message, "Heal CI (#2)\n\nApproved-by: ann");
    // Merged is merged.
    let refused = words(github.merge(SHOP, 1, &squash(&foreign)).await.unwrap_err());
    assert!(refused.contains("not mergeable"), "{refused}");
    github.delete_branch(SHOP, HEAL).await.unwrap();
    github.delete_branch(SHOP, HEAL).await.unwrap();
    assert_eq!(fake.tip(SHOP, HEAL), None);
    assert_eq!(fake.count("DELETE /repos/acme/shop/git/refs/heads%2Fheal%2F1a2b3c4d-deadbeef$"), 2);
}

#[tokio::test]
async fn what_cannot_be_published_is_told_in_githubs_words() {
    let fake = Fake::start();
    let github = fake.client();
    let refused = async |new: &NewPull<'_>| match github.open_pull(SHOP, new).await {
        Err(ForgeError::Refused { status: 422, message }) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(&new_pull("gone")).await.contains("invalid"));
    let main = fake.tip(SHOP, "main").unwrap();
    fake.state().shop().git.run(&["branch", "empty", &main]);
    assert!(refused(&new_pull("empty")).await.contains("No commits between main and empty"));
    opened(&fake, &github).await;
    assert!(refused(&new_pull(HEAL)).await.contains("A pull request already exists for acme:heal/1a2b3c4d-deadbeef."));
    let stranger = github.request_reviewers(SHOP, 1, &labels(&["stranger"]), &[]).await.unwrap_err();
    assert!(stranger.to_string().contains("Reviews may only be requested from collaborators"), "{stranger}");
    let unknown = github.mark_ready("PR_none").await.unwrap_err();
    assert!(matches!(&unknown, ForgeError::NotFound(text) if text.contains("Could not resolve")), "{unknown}");
    fake.next("POST /graphql", Fault::Status(200, Vec::new(), json!({ "data": null }).to_string()));
    assert!(matches!(github.mark_ready("PR_none").await, Err(ForgeError::Unknown(_))));
    // What people do at GitHub itself is seen.
    let merged = {
        fake.state().shop().pull(1).unwrap()["draft"] = json!(false);
        fake.merge_by_hand(SHOP, 1, "ann")
    };
    let pull = github.pull(SHOP, 1).await.unwrap();
    assert_eq!((pull.merged_by.as_deref(), pull.merge_commit.as_ref()), (Some("ann"), Some(&merged)));
    fake.commit(SHOP, "heal/2", &[("y.py", "2")]);
    let pull = github.open_pull(SHOP, &new_pull("heal/2")).await.unwrap();
    fake.close_by_hand(SHOP, pull.number);
    let open = PullsQuery { is_open: true, max: 10, ..PullsQuery::default() };
    assert!(github.pulls(SHOP, &open).await.unwrap().items.is_empty());
    fake.state().shop().may_push = false;
    let forbidden = github.add_comment(SHOP, 1, "x").await.unwrap_err();
    assert!(matches!(&forbidden, ForgeError::Unauthorised(text) if text.contains("not accessible")), "{forbidden}");
}

#[tokio::test]
async fn runs_are_started_again_cancelled_and_let_through() {
    let fake = Fake::start();
    let github = fake.client();
    let red = fake.red_run(SHOP, "CI", "main", "assert 1 == 2\n");
    let green = fake.green_run(SHOP, "CI", "main");
    github.rerun_failed(SHOP, red).await.unwrap();
    let again = github.run(SHOP, red).await.unwrap();
    assert_eq!((again.attempt, again.state), (2, CiState::Queued));
    let running = github.rerun_failed(SHOP, red).await.unwrap_err();
    assert!(matches!(&running, ForgeError::Unauthorised(text) if text.contains("already running")), "{running}");
    assert!(github.rerun_failed(SHOP, green).await.is_err());
    fake.finish(SHOP, red, "success");
    let jobs = github.jobs(SHOP, red, None).await.unwrap();
    assert_eq!((jobs.len(), jobs[0].attempt, jobs[0].state), (1, 2, CiState::Green));
    assert_eq!(github.jobs(SHOP, red, Some(1)).await.unwrap()[0].state, CiState::Red);
    let jobs = [("deploy", "success", &b""[..])];
    let spec = RunSpec {
        conclusion: None,
        event: "deployment",
        jobs: &jobs,
        fork: Some("mallory/shop"),
        ..RunSpec::default()
    };
    let waiting = fake.run(SHOP, &spec);
    assert_eq!(github.run(SHOP, waiting).await.unwrap().head_repository.as_deref(), Some("mallory/shop"));
    let environments =
        [Waiting { id: 5, name: "production", may_approve: true }, Waiting { id: 6, name: "moon", may_approve: false }];
    fake.state().shop().waiting.insert(waiting, environments.to_vec());
    let told = github.deployments(SHOP, waiting).await.unwrap();
    assert_eq!((told[0].environment_id, told[0].environment.as_str(), told[0].may_approve), (5, "production", true));
    assert_eq!(told[0].reviewers, ["ann", "core"]);
    assert!(github.review_deployments(SHOP, waiting, &[6], true, "").await.is_err());
    github.review_deployments(SHOP, waiting, &[5], true, "approved by ann").await.unwrap();
    assert_eq!(github.deployments(SHOP, waiting).await.unwrap().len(), 1);
    github.cancel(SHOP, waiting).await.unwrap();
    assert_eq!(github.run(SHOP, waiting).await.unwrap().state, CiState::Cancelled);
    assert!(matches!(github.cancel(SHOP, waiting).await, Err(ForgeError::Conflict(_))));
    // What has no body says so.
    let empty = fake.seen("POST /repos/acme/shop/actions/runs/*/cancel$");
    assert!(!empty.is_empty() && empty.iter().all(|it| it.length.as_deref() == Some("0")), "{empty:?}");
    fake.add_repository("acme/lab");
    assert!(
        github
            .runs("acme/lab", &paramedic::forge::RunsQuery { max: 9, ..Default::default() })
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(github.git_url("acme/lab").ends_with("/acme/lab.git") && fake.git_url("acme/lab").starts_with("file:///"));
}

/// Number of changes that [`change`] knows.
const N_CHANGES: usize = 19;

/// Makes one change, each of another kind.
async fn change(github: &Github, n: usize, run: u64) -> Result<(), ForgeError> {
    let none: &[String] = &[];
    let sha = "0".repeat(40);
    match n {
        0 => github.repository_dispatch(SHOP, "order", &json!({})).await,
        1 => github.open_issue(SHOP, &NewIssue { title: "t", body: "b", labels: none }).await.map(drop),
        2 => github.edit_issue(SHOP, 1, &IssueEdit::default()).await,
        3 => github.add_comment(SHOP, 1, "c").await.map(drop),
        4 => github.edit_comment(SHOP, 1, "c").await,
        5 => github.add_labels(SHOP, 1, none).await,
        6 => github.request_reviewers(SHOP, 1, none, none).await,
        7 => github.open_pull(SHOP, &new_pull(HEAL)).await.map(drop),
        8 => github.edit_pull(SHOP, 1, &PullEdit::default()).await,
        9 => github.mark_ready("PR_1").await,
        10 => github.merge(SHOP, 1, &squash(&sha)).await.map(drop),
        11 => github.delete_branch(SHOP, HEAL).await,
        12 => github.rerun_failed(SHOP, run).await,
        13 => github.cancel(SHOP, run).await,
        14 => github.review_deployments(SHOP, run, &[1], true, "").await,
        15 => github.remove_assignees(SHOP, 1, &["ann"]).await,
        16 => github.mark_draft("PR_1").await,
        17 => github.objection("PR_1").await.map(drop),
        _ => github.add_assignees(SHOP, 1, &["ann"], None).await.map(drop),
    }
}

#[tokio::test]
async fn a_change_without_an_answer_is_made_once_and_nobody_knows() {
    for n in 0..N_CHANGES {
        for fault in [Fault::LostAnswer, Fault::Reset, Fault::Cut, Fault::status(502), Fault::status(200)] {
            let fake = Fake::start();
            for method in ["POST", "PATCH", "PUT", "DELETE"] {
                fake.always(method, fault.clone());
            }
            let github = fake.client();
            let made = change(&github, n, 1).await;
            match (&fault, n) {
                // An empty success is one where nothing is to be told.
                (Fault::Status(200, ..), 2 | 4..=6 | 8 | 11..=15) => made.unwrap(),
                (Fault::Status(200, ..), 0) => assert!(matches!(made, Err(ForgeError::Odd(_)))),
                _ => assert!(matches!(made, Err(ForgeError::Unknown(_))), "{n} {fault:?}: {made:?}"),
            }
            assert_eq!(fake.seen("").len(), 1, "{n} {fault:?}");
        }
    }
    // It may have been done, and it may not.
    let fake = Fake::start();
    let github = fake.client();
    fake.next("POST", Fault::Reset);
    assert!(change(&github, 1, 1).await.is_err());
    assert!(github.issues(SHOP, &[], 9).await.unwrap().is_empty());
    fake.next("POST", Fault::LostAnswer);
    assert!(change(&github, 1, 1).await.is_err());
    assert_eq!(github.issues(SHOP, &[], 9).await.unwrap().len(), 1);
    // What only comes late is an answer.
    fake.next("POST", Fault::Delay(Duration::from_millis(50)));
    change(&github, 1, 1).await.unwrap();
    fake.mend();
}

#[tokio::test]
async fn a_limit_stops_every_change() {
    let fake = Fake::start();
    let github = fake.client();
    fake.next("POST /repos/acme/shop/dispatches", Fault::secondary(60));
    for n in 0..N_CHANGES {
        let made = change(&github, n, 1).await;
        assert!(matches!(made, Err(ForgeError::Later { .. })), "{n}: {made:?}");
    }
    assert_eq!(fake.seen("").len(), 1);
}

#[tokio::test]
async fn no_change_leaves_in_safe_mode_and_no_word_has_the_token() {
    let fake = Fake::start();
    let safe = Github::new(Setup { is_read_only: true, ..fake.setup() }, Arc::new(SystemClock)).unwrap();
    for n in 0..N_CHANGES {
        let made = change(&safe, n, 1).await.unwrap_err();
        assert!(matches!(&made, ForgeError::Unauthorised(text) if text.contains("safe mode")), "{made}");
    }
    assert_eq!((fake.seen("").len(), fake.writes().len()), (0, 0));
    safe.repository(SHOP).await.unwrap();
    let github = fake.client();
    for method in ["POST", "PATCH", "PUT", "DELETE"] {
        fake.always(method, Fault::said(422, &format!("no {TOKEN}\u{1b}[31m")));
    }
    for n in 0..N_CHANGES {
        let made = change(&github, n, 1).await.unwrap_err();
        assert!(!format!("{made} {made:?} {github:?}").contains(&TOKEN[4..]), "{made:?}");
        assert!(!made.to_string().contains('\u{1b}'), "{made:?}");
    }
    let token = github.git_token().await.unwrap();
    assert_eq!((token.reveal(), format!("{token:?}").as_str()), (TOKEN, "***"));
}
