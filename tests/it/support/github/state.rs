//! What the fake knows and remembers.
use crate::support::github::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// As it was sent, percent-encoded.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) host: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// All of GitHub.
#[derive(Debug)]
pub(crate) struct State {
    /// Its address as clients know it.
    pub(crate) url: String,
    /// The host that keeps the logs: another one, as far as a client can see.
    pub(crate) logs_url: String,
    pub(crate) repos: BTreeMap<String, Repo>,
    /// Old names of repositories.
    pub(crate) renamed: BTreeMap<String, String>,
    pub(crate) seen: Vec<Seen>,
    /// Beginning of a request, what happens to it, and whether it always does.
    pub(crate) faults: Vec<(String, Fault, bool)>,
    /// Most rows of a page.
    pub(crate) page_size: usize,
    pub(crate) token: String,
    pub(crate) scopes: String,
    pub(crate) remaining: u32,
    /// Seconds by which its clock is ahead.
    pub(crate) skew_s: i64,
}

/// A repository.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) is_private: bool,
    pub(crate) may_push: bool,
    pub(crate) runs: Vec<Value>,
    pub(crate) jobs: Vec<Value>,
    pub(crate) logs: BTreeMap<u64, Vec<u8>>,
    pub(crate) issues: Vec<Value>,
    pub(crate) comments: Vec<Value>,
    pub(crate) pulls: Vec<Value>,
    pub(crate) check_runs: Vec<Value>,
    pub(crate) statuses: Vec<Value>,
    pub(crate) branches: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl State {
    pub(super) fn new(url: &str) -> Self {
        let shop = Repo { id: 1_296_269, may_push: true, ..Repo::default() };
        Self {
            url: url.to_owned(),
            logs_url: url.replace("127.0.0.1", "localhost"),
            repos: BTreeMap::from([("acme/shop".to_owned(), shop)]),
            renamed: BTreeMap::new(),
            seen: Vec::new(),
            faults: Vec::new(),
            page_size: 100,
            token: super::TOKEN.to_owned(),
            scopes: "repo, workflow".to_owned(),
            remaining: 5_000,
            skew_s: 0,
        }
    }

    pub(crate) fn shop(&mut self) -> &mut Repo {
        self.repos.get_mut("acme/shop").unwrap()
    }

    /// Takes the fault that is set for a request.
    pub(super) fn fault(&mut self, line: &str) -> Option<Fault> {
        let idx = self.faults.iter().position(|(begin, _, _)| line.starts_with(begin))?;
        Some(if self.faults[idx].2 { self.faults[idx].1.clone() } else { self.faults.remove(idx).1 })
    }
}

impl Repo {
    /// Adds a run of the workflow CI on main, as GitHub tells one.
    pub(crate) fn add_run(&mut self, id: u64, conclusion: Option<&str>) {
        let status = if conclusion.is_some() { "completed" } else { "in_progress" };
        self.runs.insert(0, json!({
            "id": id, "name": "CI", "node_id": "MDEyOldvcmtmbG93IFJ1bjI2OTI4OQ==", "check_suite_id": 42, "head_branch": "main",
            "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d", "path": ".github/workflows/ci.yml", "run_number": 562,
            "event": "push", "display_title": "Update README.md", "status": status, "conclusion": conclusion,
            "workflow_id": 159_038, "html_url": format!("https://github.com/acme/shop/actions/runs/{id}"), "pull_requests": [],
            "created_at": "2026-11-20T19:33:08Z", "updated_at": "2026-11-20T19:33:08Z", "run_attempt": 2,
            "actor": { "login": "octocat", "id": 1, "type": "User" }, "run_started_at": "2026-11-20T19:33:08Z",
            "head_commit": { "id": "acb5820ced9479c074f688cc328bf03f341a511d", "tree_id": "d23f6eedb1e1b9610bbc754ddb5197bfe7271223",
                "message": "Create linter.yaml", "timestamp": "2026-11-20T19:33:05Z",
                "author": { "name": "Octo Cat", "email": "octocat@github.com" }, "committer": { "name": "GitHub", "email": "noreply@github.com" } },
            "head_repository": { "id": 217_723_378, "full_name": "acme/shop", "private": false }, "a_new_field": { "of": "tomorrow" },
        }));
    }

    /// Adds a failed job of a run, with two steps.
    pub(crate) fn add_job(&mut self, id: u64, run: u64, log: &[u8]) {
        self.jobs.push(json!({
            "id": id, "run_id": run, "run_attempt": 2, "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d", "status": "completed",
            "conclusion": "failure", "name": "build", "started_at": "2026-11-20T17:42:40Z", "completed_at": "2026-11-20T17:44:39Z",
            "html_url": format!("https://github.com/acme/shop/actions/runs/{run}/job/{id}"), "labels": ["ubuntu-latest"], "runner_id": 1,
            "steps": [
                { "name": "Set up job", "status": "completed", "conclusion": "success", "number": 1 },
                { "name": "Run tests", "status": "completed", "conclusion": "failure", "number": 2 },
            ],
        }));
        self.logs.insert(id, log.to_vec());
    }

    pub(crate) fn add_issue(&mut self, number: u64, label: &str) {
        self.issues.insert(0, json!({
            "number": number, "title": format!("Issue {number}"), "body": null, "state": "open", "labels": [{ "id": 1, "name": label }],
            "user": { "login": "octocat" }, "html_url": format!("https://github.com/acme/shop/issues/{number}"), "comments": 0,
        }));
    }

    pub(crate) fn add_pull(&mut self, number: u64, branch: &str) {
        self.pulls.insert(0, json!({
            "number": number, "title": "Amazing new feature", "body": "Please pull", "state": "open", "draft": true, "merged_at": null,
            "head": { "ref": branch, "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e", "repo": { "full_name": "acme/shop" } },
            "base": { "ref": "main", "sha": "acb5820ced9479c074f688cc328bf03f341a511d" }, "user": { "login": "octocat" },
            "labels": [{ "name": "auto-heal" }], "html_url": format!("https://github.com/acme/shop/pull/{number}"),
        }));
        self.issues.insert(0, json!({ "number": number, "title": "Amazing new feature", "state": "open", "pull_request": {}, "labels": [] }));
    }
}
