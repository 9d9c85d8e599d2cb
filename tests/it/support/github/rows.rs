//! Runs, jobs, checks, issues and pull requests as GitHub tells them, and how a test makes some.
use crate::support::github::state::{Repo, State};
use serde_json::{Value, json};

/// The page of a repository.
pub(super) fn page(repository: &str) -> String {
    format!("https://github.com/{repository}")
}

/// A run of a workflow, as a test describes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunSpec<'a> {
    pub(crate) workflow: &'a str,
    pub(crate) branch: &'a str,
    /// The tip of the branch, unless it is named.
    pub(crate) commit: Option<&'a str>,
    pub(crate) event: &'a str,
    /// None: it is under way.
    pub(crate) conclusion: Option<&'a str>,
    /// Name, conclusion and log of each job; the step `Run tests` ends as the job does.
    pub(crate) jobs: &'a [(&'a str, &'a str, &'a [u8])],
    /// Where the commit comes from, unless from here.
    pub(crate) fork: Option<&'a str>,
}

impl Default for RunSpec<'_> {
    fn default() -> Self {
        Self {
            workflow: "CI",
            branch: "main",
            commit: None,
            event: "push",
            conclusion: Some("failure"),
            jobs: &[],
            fork: None,
        }
    }
}

impl State {
    pub(super) fn add_run(&mut self, repository: &str, spec: &RunSpec<'_>) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        let job_ids: Vec<u64> = spec.jobs.iter().map(|_| self.new_id()).collect();
        let repo = self.repo(repository);
        let sha = spec.commit.map(str::to_owned).or_else(|| repo.git.tip(spec.branch)).unwrap();
        repo.add_run(id, spec.conclusion);
        let slug = spec.workflow.to_lowercase().replace(' ', "-");
        let number = repo.runs.len();
        let run = &mut repo.runs[0];
        run["name"] = json!(spec.workflow);
        run["path"] = json!(format!(".github/workflows/{slug}.yml"));
        run["workflow_id"] = json!(slug.bytes().fold(159_000, |it: u64, byte| it + u64::from(byte)));
        run["head_branch"] = json!(spec.branch);
        run["head_sha"] = json!(sha);
        run["head_commit"]["id"] = json!(sha);
        run["run_number"] = json!(number);
        run["run_attempt"] = json!(1);
        run["event"] = json!(spec.event);
        for field in ["created_at", "updated_at", "run_started_at"] {
            run[field] = json!(now);
        }
        if let Some(fork) = spec.fork {
            run["head_repository"]["full_name"] = json!(fork);
        }
        if let Some(sha) = repo.git.resolve(&sha) {
            let [author, committer, message, _] = repo.git.facts(&sha);
            let run = &mut repo.runs[0];
            run["head_commit"]["message"] = json!(message);
            run["head_commit"]["author"]["email"] = json!(author);
            run["head_commit"]["committer"]["email"] = json!(committer);
        }
        for ((name, conclusion, log), job) in spec.jobs.iter().zip(job_ids) {
            repo.add_job(job, id, log);
            let it = repo.jobs.last_mut().unwrap();
            it["name"] = json!(name);
            it["run_attempt"] = json!(1);
            it["head_sha"] = json!(sha);
            it["conclusion"] = json!(conclusion);
            it["steps"][1]["conclusion"] = json!(conclusion);
            (it["started_at"], it["completed_at"]) = (json!(now), json!(now));
            let check = json!({
                "id": job, "name": name, "status": "completed", "conclusion": conclusion, "head_sha": sha,
                "details_url": format!("{}/actions/runs/{id}/job/{job}", page(repository)), "app": { "slug": "github-actions" },
            });
            repo.check_runs.entry(sha.clone()).or_default().push(check);
        }
        id
    }

    pub(super) fn finish(&mut self, repository: &str, run: u64, conclusion: &str) {
        let now = self.now();
        let repo = self.repo(repository);
        let found = repo.runs.iter_mut().find(|it| it["id"] == run).unwrap();
        (found["status"], found["conclusion"], found["updated_at"]) =
            (json!("completed"), json!(conclusion), json!(now));
        let attempt = found["run_attempt"].clone();
        for job in repo.jobs.iter_mut().filter(|it| it["run_id"] == run && it["run_attempt"] == attempt) {
            (job["status"], job["conclusion"], job["completed_at"]) =
                (json!("completed"), json!(conclusion), json!(now));
        }
    }

    pub(super) fn set_checks(&mut self, repository: &str, head: &str, checks: &[(&str, &str)]) {
        let rows = checks.iter().map(|(name, word)| {
            let (status, conclusion) = match *word {
                "queued" | "in_progress" => (*word, Value::Null),
                conclusion => ("completed", json!(conclusion)),
            };
            json!({
                "id": self.new_id(), "name": name, "status": status, "conclusion": conclusion, "head_sha": head,
                "details_url": format!("https://ci.test/{name}"), "app": { "slug": "ci" },
            })
        });
        let rows = rows.collect::<Vec<_>>();
        self.repo(repository).check_runs.insert(head.to_owned(), rows);
    }
}

impl Repo {
    /// Adds a run of the workflow CI on main, as GitHub tells one.
    pub(crate) fn add_run(&mut self, id: u64, conclusion: Option<&str>) {
        let status = if conclusion.is_some() { "completed" } else { "in_progress" };
        let page = page(&self.name);
        self.runs.insert(0, json!({
            "id": id, "name": "CI", "node_id": "MDEyOldvcmtmbG93IFJ1bjI2OTI4OQ==", "check_suite_id": 42, "head_branch": "main",
            "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d", "path": ".github/workflows/ci.yml", "run_number": 562,
            "event": "push", "display_title": "Update README.md", "status": status, "conclusion": conclusion,
            "workflow_id": 159_038, "html_url": format!("{page}/actions/runs/{id}"), "pull_requests": [],
            "created_at": "2026-11-20T19:33:08Z", "updated_at": "2026-11-20T19:33:08Z", "run_attempt": 2,
            "actor": { "login": "octocat", "id": 1, "type": "User" }, "run_started_at": "2026-11-20T19:33:08Z",
            "head_commit": { "id": "acb5820ced9479c074f688cc328bf03f341a511d", "tree_id": "d23f6eedb1e1b9610bbc754ddb5197bfe7271223",
                "message": "Create linter.yaml", "timestamp": "2026-11-20T19:33:05Z",
                "author": { "name": "Octo Cat", "email": "octocat@github.com" }, "committer": { "name": "GitHub", "email": "noreply@github.com" } },
            "head_repository": { "id": self.id, "full_name": self.name, "private": false }, "a_new_field": { "of": "tomorrow" },
        }));
    }

    /// Adds a failed job of a run's second attempt, with two steps.
    pub(crate) fn add_job(&mut self, id: u64, run: u64, log: &[u8]) {
        let page = page(&self.name);
        self.jobs.push(json!({
            "id": id, "run_id": run, "run_attempt": 2, "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d", "status": "completed",
            "conclusion": "failure", "name": "build", "started_at": "2026-11-20T17:42:40Z", "completed_at": "2026-11-20T17:44:39Z",
            "html_url": format!("{page}/actions/runs/{run}/job/{id}"), "labels": ["ubuntu-latest"], "runner_id": 1,
            "check_run_url": format!("https://api.github.com/repos/{}/check-runs/{id}", self.name),
            "steps": [
                { "name": "Set up job", "status": "completed", "conclusion": "success", "number": 1 },
                { "name": "Run tests", "status": "completed", "conclusion": "failure", "number": 2 },
            ],
        }));
        self.blobs.insert(format!("job-{id}"), log.to_vec().into());
    }

    /// Keeps the archive of the logs of a run's attempt.
    pub(crate) fn add_archive(&mut self, run: u64, attempt: u32, zip: Vec<u8>) {
        self.blobs.insert(format!("logs-{run}-{attempt}"), zip.into());
    }

    /// Adds what a run left behind.
    pub(crate) fn add_artifact(&mut self, id: u64, run: u64, name: &str, zip: Vec<u8>) {
        let row = json!({ "id": id, "name": name, "size_in_bytes": zip.len(), "expired": false });
        self.artifacts.push((run, row));
        self.blobs.insert(format!("artifact-{id}"), zip.into());
    }

    /// Adds an issue that somebody else opened.
    pub(crate) fn add_issue(&mut self, number: u64, label: &str) {
        let row = self.new_issue(number, &format!("Issue {number}"), "", &[label], "mallory");
        self.issues.insert(0, row);
    }

    /// Adds a pull request that somebody else opened, from a branch that may not be there.
    pub(crate) fn add_pull(&mut self, number: u64, branch: &str) {
        let mut row = self.new_pull(number, "Amazing new feature", "Please pull", branch, "main", "mallory");
        row["draft"] = json!(true);
        row["labels"] = json!([{ "name": "auto-heal" }]);
        self.pulls.insert(0, row);
    }

    pub(super) fn new_issue(&self, number: u64, title: &str, body: &str, labels: &[&str], login: &str) -> Value {
        let labels: Vec<Value> = labels.iter().map(|it| json!({ "name": it })).collect();
        json!({
            "number": number, "title": title, "body": body, "state": "open", "labels": labels, "comments": 0,
            "user": { "login": login }, "html_url": format!("{}/issues/{number}", page(&self.name)),
        })
    }

    pub(super) fn new_pull(&self, number: u64, title: &str, body: &str, head: &str, base: &str, login: &str) -> Value {
        json!({
            "number": number, "node_id": format!("PR_{}_{number}", self.id), "title": title, "body": body, "state": "open",
            "draft": false, "merged_at": null, "merge_commit_sha": null, "user": { "login": login }, "labels": [],
            "head": { "ref": head, "sha": self.git.tip(head).unwrap_or_else(|| "0".repeat(40)), "repo": { "full_name": self.name } },
            "base": { "ref": base, "sha": self.git.tip(base) }, "requested_reviewers": [], "requested_teams": [],
            "html_url": format!("{}/pull/{number}", page(&self.name)), "created_at": null, "updated_at": null,
        })
    }

    /// Returns a pull request as it is told: one that is open is at the tip of its branch.
    pub(super) fn told_pull(&self, kept: &Value, is_alone: bool) -> Value {
        let mut told = kept.clone();
        if told["state"] == "open" {
            let tip = |side: &str| self.git.tip(told[side]["ref"].as_str().unwrap());
            let (head, base) = (tip("head"), tip("base"));
            let mergeable = match (&head, &base) {
                (Some(head), Some(base)) => Some(self.git.merged_tree(base, head).is_some()),
                _ => None,
            };
            if let Some(head) = head {
                told["head"]["sha"] = json!(head);
            }
            if let Some(base) = base {
                told["base"]["sha"] = json!(base);
            }
            told["mergeable"] = json!(mergeable);
            told["mergeable_state"] = json!(match (mergeable, told["draft"] == true) {
                (Some(false), _) => "dirty",
                (_, true) => "draft",
                (Some(true), _) if self.unmet(&told).is_some() => "blocked",
                (Some(true), _) => "clean",
                (None, _) => "unknown",
            });
        }
        if !is_alone {
            for field in ["mergeable", "mergeable_state", "merged_by"] {
                told.as_object_mut().unwrap().remove(field);
            }
        }
        told
    }
}
