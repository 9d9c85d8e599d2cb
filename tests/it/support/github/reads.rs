//! What the fake tells of a repository.
use crate::support::github::rows::page;
use crate::support::github::state::Repo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) enum Found {
    One(Value),
    /// Rows, and the key under which they stand.
    Many(&'static str, Vec<Value>),
    /// It lies at another host, under this name.
    Elsewhere(String),
    Nothing,
    /// GitHub refuses to look for it.
    Refused(u16, String),
    /// Nobody taught it this.
    Unknown,
}

/// Returns what is at a path of a repository.
pub(super) fn read(repo: &Repo, rest: &[&str], query: &BTreeMap<String, String>) -> Found {
    let is = |row: &Value, field: &str, asked: &str| query.get(asked).is_none_or(|it| row[field] == it.as_str());
    let one = |found: Option<Value>| found.map_or(Found::Nothing, Found::One);
    let blob = |name: String| if repo.blobs.contains_key(&name) { Found::Elsewhere(name) } else { Found::Nothing };
    let by_number = |rows: &[Value], wanted: &str| rows.iter().find(|it| is_number(&it["number"], wanted)).cloned();
    match rest {
        [] => Found::One(json!({
            "id": repo.id, "full_name": repo.name, "private": repo.is_private, "fork": false, "archived": false, "default_branch": repo.default_branch,
            "permissions": { "admin": false, "push": repo.may_push, "pull": true }, "html_url": page(&repo.name),
            "allow_squash_merge": repo.merge_methods.contains(&"squash"), "allow_merge_commit": repo.merge_methods.contains(&"merge"),
            "allow_rebase_merge": repo.merge_methods.contains(&"rebase"),
        })),
        ["compare", span] => {
            let (base, head) = span.split_once("...").unwrap();
            one(repo.git.compare(base, head).map(|it| json!({ "status": it, "commits": [], "files": [] })))
        }
        ["installation"] => Found::One(json!({ "id": 77, "app_id": 4_711, "app_slug": "medic", "permissions": {} })),
        ["actions", "runs"] => {
            let runs = repo.runs.iter().filter(|it| is(it, "head_branch", "branch") && is(it, "head_sha", "head_sha"));
            Found::Many("workflow_runs", runs.filter(|it| is(it, "event", "event")).cloned().collect())
        }
        ["actions", "runs", id] => one(repo.runs.iter().find(|it| is_number(&it["id"], id)).cloned()),
        ["actions", "runs", id, "jobs"] => {
            let jobs: Vec<&Value> = repo.jobs.iter().filter(|it| is_number(&it["run_id"], id)).collect();
            let latest = jobs.iter().filter_map(|it| it["run_attempt"].as_u64()).max();
            let jobs = jobs.into_iter().filter(|it| it["run_attempt"].as_u64() == latest);
            Found::Many("jobs", jobs.cloned().collect())
        }
        ["actions", "runs", id, "attempts", attempt, "jobs"] => {
            let jobs = repo.jobs.iter().filter(|it| is_number(&it["run_id"], id));
            Found::Many("jobs", jobs.filter(|it| is_number(&it["run_attempt"], attempt)).cloned().collect())
        }
        ["actions", "runs", id, "attempts", attempt, "logs"] => blob(format!("logs-{id}-{attempt}")),
        ["actions", "runs", id, "artifacts"] => {
            let rows = repo.artifacts.iter().filter(|(run, _)| run.to_string() == *id);
            Found::Many("artifacts", rows.map(|(_, it)| it.clone()).collect())
        }
        ["actions", "runs", id, "pending_deployments"] => {
            let waiting =
                id.parse().ok().and_then(|it: u64| repo.waiting.get(&it)).map(Vec::as_slice).unwrap_or_default();
            let rows = waiting.iter().map(|it| json!({
                "environment": { "id": it.id, "node_id": "MDExOkVudmlyb25tZW50MTYxMDg4MDY4", "name": it.name, "url": "https://api.github.com", "html_url": page(&repo.name) },
                "wait_timer": 0, "wait_timer_started_at": null, "current_user_can_approve": it.may_approve,
                "reviewers": [{ "type": "User", "reviewer": { "login": "ann" } }, { "type": "Team", "reviewer": { "slug": "core", "name": "The Core" } }],
            }));
            Found::One(rows.collect())
        }
        ["actions", "jobs", job, "logs"] => blob(format!("job-{job}")),
        ["actions", "artifacts", id, "zip"] => blob(format!("artifact-{id}")),
        ["check-runs", id, "annotations"] => {
            let rows = id.parse().ok().and_then(|it: u64| repo.annotations.get(&it));
            Found::Many("", rows.cloned().unwrap_or_default())
        }
        ["commits", name, "check-runs"] => Found::Many("check_runs", of_commit(repo, &repo.check_runs, name)),
        ["commits", name, "status"] => Found::Many("statuses", of_commit(repo, &repo.statuses, name)),
        ["commits", name] => match repo.git.resolve(name) {
            Some(sha) => Found::One(commit(repo, &sha)),
            None => Found::Refused(422, format!("No commit found for SHA: {name}")),
        },
        ["branches", branch] => {
            // As whoever follows where GitHub points to reads it.
            let branch = repo.renamed_branches.get(*branch).map_or(*branch, String::as_str);
            one(repo.git.tip(branch).map(|it| json!({ "name": branch, "commit": { "sha": it }, "protected": false })))
        }
        ["git", "matching-refs", prefix] => {
            let all = repo.git.branches().into_iter().map(|(name, commit)| (format!("heads/{name}"), commit));
            let found = all.filter(|(name, _)| name.starts_with(prefix));
            Found::Many("", found.map(|(name, sha)| json!({ "ref": format!("refs/{name}"), "object": { "type": "commit", "sha": sha } })).collect())
        }
        ["contents", path] => contents(repo, path, query.get("ref").map_or("main", String::as_str)),
        ["pulls"] => {
            let from = |it: &Value| {
                format!("{}:{}", repo.name.split('/').next().unwrap(), it["head"]["ref"].as_str().unwrap())
            };
            let rows = repo
                .pulls
                .iter()
                .filter(|it| query.get("state").is_some_and(|it| it == "all") || is(it, "state", "state"));
            let rows = rows.filter(|it| query.get("base").is_none_or(|base| it["base"]["ref"] == base.as_str()));
            let rows = rows.filter(|it| query.get("head").is_none_or(|head| from(it) == *head));
            Found::Many("", rows.map(|it| repo.told_pull(it, false)).collect())
        }
        ["pulls", number] => one(by_number(&repo.pulls, number).map(|it| repo.told_pull(&it, true))),
        ["issues"] => {
            let wanted: Vec<&str> = query.get("labels").map(|it| it.split(',').collect()).unwrap_or_default();
            let has = |it: &Value, label: &str| it["labels"].as_array().unwrap().iter().any(|it| it["name"] == label);
            let pulls = repo.pulls.iter().map(as_issue);
            let mut rows: Vec<Value> = repo.issues.iter().cloned().chain(pulls).collect();
            rows.retain(|it| wanted.iter().all(|label| has(it, label)));
            rows.retain(|it| query.get("state").is_some_and(|it| it == "all") || is(it, "state", "state"));
            rows.sort_by_key(|it| std::cmp::Reverse(it["number"].as_u64()));
            Found::Many("", rows)
        }
        ["issues", number] => {
            one(by_number(&repo.issues, number).or_else(|| by_number(&repo.pulls, number).map(|it| as_issue(&it))))
        }
        ["issues", number, "comments"] => {
            let rows = repo.comments.iter().filter(|(of, _)| of.to_string() == *number);
            Found::Many("", rows.map(|(_, it)| it.clone()).collect())
        }
        _ => Found::Unknown,
    }
}

fn is_number(value: &Value, wanted: &str) -> bool {
    wanted.parse::<u64>().is_ok_and(|it| *value == it)
}

/// Returns a pull request as it stands among the issues.
fn as_issue(pull: &Value) -> Value {
    json!({
        "number": pull["number"], "title": pull["title"], "body": pull["body"], "state": pull["state"], "labels": pull["labels"],
        "user": pull["user"], "html_url": pull["html_url"], "comments": 0, "pull_request": {},
    })
}

/// Returns the rows of a commit, or of the one a branch is at.
fn of_commit(repo: &Repo, rows: &BTreeMap<String, Vec<Value>>, name: &str) -> Vec<Value> {
    let sha = repo.git.resolve(name).unwrap_or_else(|| name.to_owned());
    rows.get(&sha).cloned().unwrap_or_default()
}

/// Returns a commit as GitHub tells it.
fn commit(repo: &Repo, sha: &str) -> Value {
    let [author, committer, message, date] = repo.git.facts(sha);
    let login = author.strip_suffix("@github.com").map(|it| json!({ "login": it }));
    json!({
        "sha": sha, "html_url": format!("{}/commit/{sha}", page(&repo.name)), "author": login,
        "commit": { "message": message, "author": { "email": author, "date": date }, "committer": { "email": committer, "date": date } },
        "files": [],
    })
}

fn contents(repo: &Repo, path: &str, at: &str) -> Found {
    if let Some(content) = repo.git.file(at, path) {
        let text = STANDARD.encode(&content);
        let lines: Vec<&str> = text.as_bytes().chunks(60).map(|it| std::str::from_utf8(it).unwrap()).collect();
        return Found::One(
            json!({ "type": "file", "encoding": "base64", "size": content.len(), "path": path, "content": lines.join("\n") }),
        );
    }
    match repo.git.folder(at, path) {
        Some(entries) => {
            let kind = |it: &str| if it == "tree" { "dir" } else { "file" };
            Found::One(entries.iter().map(|(it, path)| json!({ "type": kind(it), "path": path })).collect())
        }
        None => Found::Nothing,
    }
}
