//! Every request of the client is one that GitHub describes: a validating proxy stands between it and the fake.
use crate::support::eventually;
use crate::support::github::{Fake, Seen, Waiting};
use paramedic::clock::SystemClock;
use paramedic::domain::MergeMethod;
use paramedic::forge::github::{AppKey, Credential, Github, Setup};
use paramedic::forge::{IssueEdit, Merge, NewIssue, NewPull, PullEdit, PullsQuery, Reads as _, RunsQuery, Writes as _};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// The paths of GitHub's description that the client uses.
const PATHS: &str = include_str!("../../../.ci/prism/paths.txt");

/// The proxy; ended when it is dropped.
pub(crate) struct Prism {
    child: Child,
    log: PathBuf,
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prism {
    pub(crate) fn start(upstream: &str) -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| std::env::home_dir().map(|it| it.join(".cache"))).unwrap();
        let place = cache.join("paramedic-tests/prism");
        let program = place.join("node_modules/@stoplight/prism-cli/dist/index.js");
        assert!(program.exists(), "{} is missing: run .ci/prepare", program.display());
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let said = File::create(&log).unwrap();
        let child = Command::new("node")
            .arg(program)
            .args(["proxy", "--host", "127.0.0.1", "--port", "0"])
            .arg(place.join("github.json"))
            .arg(upstream)
            .stdin(Stdio::null())
            .stderr(said.try_clone().unwrap())
            .stdout(said)
            .spawn()
            .unwrap();
        let mut prism = Self { child, log, url: String::new(), _folder: folder };
        prism.url = eventually("the proxy listens", || {
            let lines = prism.lines();
            let line = lines.iter().find(|it| it.contains("Prism is listening on"))?;
            Some(line.split_whitespace().last()?.to_owned())
        });
        prism
    }

    /// Returns what it has said so far, without colours.
    fn lines(&self) -> Vec<String> {
        let text = fs::read(&self.log).unwrap();
        let text = paramedic::evidence::text::strip_escapes(&String::from_utf8_lossy(&text));
        text.lines().map(str::to_owned).collect()
    }

    /// Returns what it found wrong with requests.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.lines().into_iter().filter(|it| it.contains("Violation: request")).collect()
    }
}

/// Returns the described path that a request was made to.
fn described(seen: &Seen) -> Option<&'static str> {
    let parts: Vec<&str> = seen.path.split('/').collect();
    let fits = |path: &&str| {
        let wanted: Vec<&str> = path.split('/').collect();
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(it, part)| it.starts_with('{') || it == part)
    };
    PATHS.lines().filter(fits).min_by_key(|it| it.matches('{').count())
}

/// Makes every change once.
async fn changes(fake: &Fake, github: &Github) {
    let shop = "acme/shop";
    github.repository_dispatch(shop, "jarvis_order", &json!({ "intent": "create" })).await.unwrap();
    let labels = ["auto-heal".to_owned()];
    let new = NewIssue { title: "CI fails", body: "`x`", labels: &labels };
    let issue = github.open_issue(shop, &new).await.unwrap();
    github.issue(shop, issue.number).await.unwrap();
    let edit = IssueEdit { title: Some("t"), body: Some("b"), is_open: Some(false) };
    github.edit_issue(shop, issue.number, &edit).await.unwrap();
    github.edit_issue(shop, issue.number, &IssueEdit { is_open: Some(true), ..IssueEdit::default() }).await.unwrap();
    let comment = github.add_comment(shop, issue.number, "again").await.unwrap();
    github.edit_comment(shop, comment.id, "again, twice").await.unwrap();
    github.add_labels(shop, issue.number, &labels).await.unwrap();
    let copilot = ["copilot-swe-agent[bot]"];
    let assigned = github.add_assignees(shop, issue.number, &copilot, Some("topic")).await.unwrap();
    assert_eq!(assigned.assignees, ["Copilot"]);
    github.remove_assignees(shop, issue.number, &copilot).await.unwrap();
    let new = NewPull { title: "Heal CI", body: "b", head: "heal/1a2b", base: "main", is_draft: true };
    let pull = github.open_pull(shop, &new).await.unwrap();
    github.pull(shop, pull.number).await.unwrap();
    let edit = PullEdit { title: Some("t"), body: Some("b"), is_open: Some(true) };
    github.edit_pull(shop, pull.number, &edit).await.unwrap();
    github.request_reviewers(shop, pull.number, &["ann".to_owned()], &["core".to_owned()]).await.unwrap();
    // GitHub describes no GraphQL: that is asked past the proxy.
    fake.client().mark_ready(&pull.node_id).await.unwrap();
    let merge = Merge { sha: &pull.head_commit, method: MergeMethod::Squash, title: "Heal CI (#1)", message: "" };
    github.merge(shop, pull.number, &merge).await.unwrap();
    github.delete_branch(shop, "heal/1a2b").await.unwrap();
    github.rerun_failed(shop, 5).await.unwrap();
    github.cancel(shop, 5).await.unwrap();
    let waiting = Waiting { id: 161_088_068, name: "production", may_approve: true };
    fake.state().shop().waiting.insert(5, vec![waiting]);
    github.review_deployments(shop, 5, &[161_088_068], true, "approved by ann").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_one_that_github_describes() {
    let fake = Fake::start();
    {
        let mut state = fake.state();
        state.page_size = 2;
        let shop = state.shop();
        (1..=5).for_each(|id| shop.add_run(id, Some("failure")));
        shop.add_job(70, 5, b"the log");
        shop.add_artifact(11, 5, "junit", b"zip".to_vec());
        shop.add_archive(5, 2, b"zip".to_vec());
    }
    fake.commit("acme/shop", "main", &[(".github/auto-heal-config.yml", "enabled: true")]);
    fake.commit("acme/shop", "heal/1a2b", &[("x.py", "1")]);
    let prism = Prism::start(&fake.url);
    fake.state().url.clone_from(&prism.url);
    let github = Github::new(Setup { api_url: prism.url.clone(), ..fake.setup() }, Arc::new(SystemClock)).unwrap();
    let shop = "acme/shop";
    github.abilities().await.unwrap();
    github.repository(shop).await.unwrap();
    for query in [RunsQuery { branch: Some("main".to_owned()), max: 100 }, RunsQuery { branch: None, max: 1 }] {
        github.runs(shop, &query).await.unwrap();
    }
    github.run(shop, 5).await.unwrap();
    // What is known is asked for again with its mark.
    github.run(shop, 5).await.unwrap();
    assert_eq!(github.budget().unchanged, 1);
    github.jobs(shop, 5, None).await.unwrap();
    github.jobs(shop, 5, Some(2)).await.unwrap();
    // The proxy follows the redirect itself; what becomes of it is tested without the proxy.
    let _ = github.job_log(shop, 70, 1_000, &mut |_| true).await;
    github.checks(shop, "acb5820ced9479c074f688cc328bf03f341a511d").await.unwrap();
    github.branch(shop, "heal/1a2b").await.unwrap().unwrap();
    github.branches(shop, "heal/").await.unwrap();
    assert!(github.is_on(shop, "main", "main").await.unwrap());
    github.file(shop, ".github/auto-heal-config.yml", "main").await.unwrap().unwrap();
    let head = Some("acme:heal/1a2b".to_owned());
    let pulls = PullsQuery { is_open: true, head, max: 10 };
    github.pulls(shop, &pulls).await.unwrap();
    github.issues(shop, &["auto-heal", "a b"], 10).await.unwrap();
    github.comments(shop, 1).await.unwrap();
    github.commit(shop, "main").await.unwrap();
    github.folder(shop, ".github", "main").await.unwrap();
    github.artifacts(shop, 5).await.unwrap();
    github.annotations(shop, 70).await.unwrap();
    github.deployments(shop, 5).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _ = github.artifact(shop, 11, &folder.path().join("a"), 1_000).await;
    let _ = github.log_archive(shop, 5, 2, &folder.path().join("b"), 1_000).await;
    changes(&fake, &github).await;
    // What is asked in the name of an App.
    let key = AppKey::new(4_711, fake.app_key().as_bytes(), None, Some(shop.to_owned())).unwrap();
    let setup = Setup { credential: Credential::App(key), api_url: prism.url.clone(), ..fake.setup() };
    Github::new(setup, Arc::new(SystemClock)).unwrap().abilities().await.unwrap();

    assert_eq!(prism.violations(), Vec::<String>::new());
    let asked = fake.seen("").into_iter().filter(|it| !it.path.starts_with("/blob/") && it.path != "/graphql");
    let asked: Vec<Seen> = asked.collect();
    let used: BTreeSet<&str> = asked.iter().map(|it| described(it).unwrap_or_else(|| panic!("{it:?}"))).collect();
    let listed: BTreeSet<&str> = PATHS.lines().collect();
    assert_eq!(used, listed, "the list of paths is what the client asks");
    // It would have said so.
    let wrong = format!("{}/repos/acme/shop/actions/runs?per_page=many", prism.url);
    reqwest::get(wrong).await.unwrap();
    eventually("the proxy finds a wrong request", || (!prism.violations().is_empty()).then_some(()));
}
