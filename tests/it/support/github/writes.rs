//! What the fake does when it is asked to change something, and what it refuses, in GitHub's words.
use crate::support::github::state::{Repo, State};
use serde_json::{Value, json};

/// Status and document of an answer.
pub(super) type Said = (u16, Value);

fn refused(status: u16, message: &str) -> Said {
    (
        status,
        json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string() }),
    )
}

fn invalid(error: &Value) -> Said {
    (422, json!({ "message": "Validation Failed", "errors": [error], "status": "422" }))
}

fn not_found() -> Said {
    refused(404, "Not Found")
}

/// Does what is asked; `None`: nobody taught it this.
pub(super) fn write(state: &mut State, repository: &str, method: &str, rest: &[&str], body: &Value) -> Option<Said> {
    let (now, id, login) = (state.now(), state.new_id(), state.login.clone());
    let repo = state.repo(repository);
    if !repo.may_push {
        return Some(refused(403, "Resource not accessible by personal access token"));
    }
    let text = |at: &str| body[at].as_str().unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    Some(match (method, rest) {
        ("POST", ["dispatches"]) => (204, Value::Null),
        ("POST", ["issues"]) => {
            let labels: Vec<&str> = body["labels"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let row = repo.new_issue(repo.next_number(), text("title"), text("body"), &labels, &login);
            repo.issues.insert(0, row.clone());
            (201, row)
        }
        ("PATCH", ["issues", it]) => match repo.issue(number(it)) {
            Some(row) => (200, patched(row, body, &["title", "body", "state", "state_reason"])),
            None => not_found(),
        },
        ("POST", ["issues", it, "comments"]) => {
            let of = number(it);
            if repo.issue(of).is_none() && repo.pull(of).is_none() {
                return Some(not_found());
            }
            let row = json!({ "id": id, "body": text("body"), "user": { "login": login }, "created_at": now, "updated_at": now });
            repo.comments.push((of, row.clone()));
            (201, row)
        }
        ("PATCH", ["issues", "comments", it]) => {
            match repo.comments.iter_mut().find(|(_, row)| row["id"] == number(it)) {
                Some((_, row)) => (200, patched(row, body, &["body"])),
                None => not_found(),
            }
        }
        ("POST" | "DELETE", ["issues", it, "assignees"]) => assign(repo, number(it), method == "POST", body),
        ("POST", ["issues", it, "labels"]) => {
            let of = number(it);
            let row = if repo.issue(of).is_some() { repo.issue(of) } else { repo.pull(of) };
            let Some(labels) = row.and_then(|it| it["labels"].as_array_mut()) else { return Some(not_found()) };
            for name in body["labels"].as_array().into_iter().flatten() {
                if !labels.iter().any(|it| it["name"] == *name) {
                    labels.push(json!({ "name": name }));
                }
            }
            (200, json!(labels))
        }
        ("POST", ["pulls"]) => open_pull(repo, body, &login, &now),
        ("PATCH", ["pulls", it]) => match repo.pull(number(it)) {
            Some(row) => {
                let row = patched(row, body, &["title", "body", "state"]);
                (200, repo.told_pull(&row, true))
            }
            None => not_found(),
        },
        ("POST", ["pulls", it, "requested_reviewers"]) => request_reviewers(repo, number(it), body),
        ("PUT", ["pulls", it, "merge"]) => {
            let message = format!("{}\n\n{}", text("commit_title"), text("commit_message"));
            let of = number(it);
            let head = repo.pull(of).cloned().map(|it| repo.told_pull(&it, true)["head"]["sha"].clone());
            match head {
                None => not_found(),
                Some(head) if body.get("sha").is_some_and(|it| *it != head) => {
                    refused(409, "Head branch was modified. Review and try the merge again.")
                }
                Some(_) => match repo.merge(of, text("merge_method"), &message, &login, &now) {
                    Ok(sha) => {
                        (200, json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" }))
                    }
                    Err(words) => refused(405, &words),
                },
            }
        }
        ("DELETE", ["git", "refs", name]) => {
            match name.strip_prefix("heads/").filter(|it| repo.git.tip(it).is_some()) {
                Some(branch) => {
                    let tip = repo.git.tip(branch);
                    repo.git.delete_branch(branch);
                    for pull in repo.pulls.iter_mut().filter(|it| it["state"] == "open" && it["head"]["ref"] == branch)
                    {
                        pull["state"] = json!("closed");
                        pull["head"]["sha"] = json!(tip);
                    }
                    (204, Value::Null)
                }
                None => refused(422, "Reference does not exist"),
            }
        }
        (_, ["actions", "runs", it, what]) => return act(repo, number(it), method, what, body, id, &now),
        _ => return None,
    })
}

/// Assigns an issue, or takes it off. Whom it cannot be assigned to is left out in silence.
fn assign(repo: &mut Repo, number: u64, is_on: bool, body: &Value) -> Said {
    let has_copilot = repo.has_copilot;
    let Some(row) = repo.issue(number) else { return not_found() };
    let named = body["assignees"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let logins = named.map(|it| if it == "copilot-swe-agent[bot]" { "Copilot" } else { it });
    let logins: Vec<Value> =
        logins.filter(|it| has_copilot || *it != "Copilot").map(|it| json!({ "login": it })).collect();
    let assignees = row["assignees"].as_array_mut().unwrap();
    assignees.retain(|it| !logins.contains(it));
    if is_on {
        assignees.extend(logins);
    }
    (if is_on { 201 } else { 200 }, row.clone())
}

/// Does something to a run.
fn act(repo: &mut Repo, run: u64, method: &str, what: &str, body: &Value, id: u64, now: &str) -> Option<Said> {
    Some(match (method, what) {
        ("POST", "rerun-failed-jobs") => rerun(repo, run, id, now),
        ("POST", "cancel") => match repo.runs.iter_mut().find(|row| row["id"] == run) {
            Some(row) if row["status"] == "completed" => {
                refused(409, "Cannot cancel a workflow run that is completed.")
            }
            Some(row) => {
                (row["status"], row["conclusion"], row["updated_at"]) =
                    (json!("completed"), json!("cancelled"), json!(now));
                (202, json!({}))
            }
            None => not_found(),
        },
        ("POST", "pending_deployments") => review(repo, run, body),
        _ => return None,
    })
}

/// Makes a draft ready, as GraphQL does.
pub(super) fn graphql(state: &mut State, body: &Value) -> Value {
    const DRAFTS: [(&str, bool); 2] = [("markPullRequestReadyForReview", false), ("convertPullRequestToDraft", true)];
    let (query, id) = (body["query"].as_str().unwrap(), &body["variables"]["id"]);
    let change = DRAFTS.iter().find(|(name, _)| query.contains(name));
    let name = change.map_or("node", |(name, _)| name);
    let is_it = |it: &&mut Value| it["state"] == "open" && it["node_id"] == *id;
    let found =
        state.repos.values_mut().find_map(|it| Some((it.protection.needs_review, it.pulls.iter_mut().find(is_it)?)));
    let Some((needs_review, pull)) = found else {
        return json!({
            "data": { name: null },
            "errors": [{ "type": "NOT_FOUND", "path": [name], "message": format!("Could not resolve to a node with the global id of '{id}'") }],
        });
    };
    let Some((_, is_draft)) = change else {
        assert!(query.contains("reviewDecision"), "{body}");
        let decision = needs_review.then_some("REVIEW_REQUIRED");
        return json!({ "data": { "node": { "reviewDecision": decision, "mergeable": "UNKNOWN", "viewerCanMergeAsAdmin": false } } });
    };
    pull["draft"] = json!(is_draft);
    json!({ "data": { name: { "pullRequest": { "isDraft": is_draft } } } })
}

/// Changes these fields of a row, and returns it.
fn patched(row: &mut Value, body: &Value, fields: &[&str]) -> Value {
    for field in fields {
        if let Some(value) = body.get(*field) {
            row[*field] = value.clone();
        }
    }
    row.clone()
}

fn open_pull(repo: &mut Repo, body: &Value, login: &str, now: &str) -> Said {
    let text = |at: &str| body[at].as_str().unwrap_or_default();
    let (head, base) = (text("head"), text("base"));
    let bad = |field: &str| invalid(&json!({ "resource": "PullRequest", "field": field, "code": "invalid" }));
    let custom = |message: String| invalid(&json!({ "resource": "PullRequest", "code": "custom", "message": message }));
    let (Some(tip), Some(base_tip)) = (repo.git.tip(head), repo.git.tip(base)) else {
        return bad(if repo.git.tip(head).is_none() { "head" } else { "base" });
    };
    if repo.git.between(&base_tip, &tip).is_empty() {
        return custom(format!("No commits between {base} and {head}"));
    }
    let is_same = |it: &Value| it["state"] == "open" && it["head"]["ref"] == head && it["base"]["ref"] == base;
    if repo.pulls.iter().any(is_same) {
        let owner = repo.name.split('/').next().unwrap();
        return custom(format!("A pull request already exists for {owner}:{head}."));
    }
    let mut row = repo.new_pull(repo.next_number(), text("title"), text("body"), head, base, login);
    row["draft"] = json!(body["draft"] == true);
    (row["created_at"], row["updated_at"]) = (json!(now), json!(now));
    repo.pulls.insert(0, row.clone());
    (201, repo.told_pull(&row, true))
}

fn request_reviewers(repo: &mut Repo, number: u64, body: &Value) -> Said {
    let named = |at: &str| {
        body[at].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let (people, teams) = (named("reviewers"), named("team_reviewers"));
    if let Some(stranger) = people.iter().chain(&teams).find(|it| !repo.reviewers.contains(*it)) {
        let words = "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the";
        return refused(422, &format!("{words} {} repository. ({stranger})", repo.name));
    }
    let Some(row) = repo.pull(number) else { return not_found() };
    row["requested_reviewers"] = people.iter().map(|it| json!({ "login": it })).collect();
    row["requested_teams"] = teams.iter().map(|it| json!({ "slug": it })).collect();
    (201, row.clone())
}

fn rerun(repo: &mut Repo, run: u64, new_job: u64, now: &str) -> Said {
    let Some(row) = repo.runs.iter_mut().find(|it| it["id"] == run) else { return not_found() };
    if row["status"] != "completed" {
        return refused(403, "The workflow run containing this job is already running");
    }
    if row["conclusion"] == "success" {
        return refused(403, "This workflow run has no failed jobs to rerun");
    }
    let attempt = row["run_attempt"].as_u64().unwrap();
    row["run_attempt"] = json!(attempt + 1);
    (row["status"], row["conclusion"], row["updated_at"]) = (json!("queued"), Value::Null, json!(now));
    let failed = repo
        .jobs
        .iter()
        .filter(|it| it["run_id"] == run && it["run_attempt"] == attempt && it["conclusion"] == "failure");
    let mut again: Vec<Value> = failed.cloned().collect();
    for (n, job) in again.iter_mut().enumerate() {
        job["id"] = json!(new_job * 100 + n as u64);
        job["run_attempt"] = json!(attempt + 1);
        (job["status"], job["conclusion"], job["completed_at"]) = (json!("queued"), Value::Null, Value::Null);
    }
    repo.jobs.extend(again);
    (201, json!({}))
}

fn review(repo: &mut Repo, run: u64, body: &Value) -> Said {
    let waiting = repo.waiting.entry(run).or_default();
    let wanted: Vec<u64> = body["environment_ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let may = |id: &u64| waiting.iter().any(|it| it.id == *id && it.may_approve);
    if wanted.is_empty() || !wanted.iter().all(may) {
        return refused(422, "There are no pending deployment requests to approve or reject");
    }
    waiting.retain(|it| !wanted.contains(&it.id));
    if let Some(row) = repo.runs.iter_mut().find(|it| it["id"] == run) {
        if body["state"] == "approved" {
            row["status"] = json!("in_progress");
        } else {
            (row["status"], row["conclusion"]) = (json!("completed"), json!("failure"));
        }
    }
    (200, json!([{ "id": 1, "task": "deploy", "environment": "production" }]))
}

impl Repo {
    /// Returns what its branch still asks of a pull request, in GitHub's words.
    pub(super) fn unmet(&self, pull: &Value) -> Option<String> {
        let checks = self.check_runs.get(pull["head"]["sha"].as_str().unwrap()).map(Vec::as_slice).unwrap_or_default();
        for name in &self.protection.checks {
            match checks.iter().rev().find(|it| it["name"] == name.as_str()) {
                None => return Some(format!("Required status check \"{name}\" is expected.")),
                Some(it) if it["status"] != "completed" => {
                    return Some(format!("Required status check \"{name}\" is in progress."));
                }
                Some(it) if it["conclusion"] != "success" => {
                    return Some(format!("Required status check \"{name}\" is failing."));
                }
                Some(_) => {}
            }
        }
        let words = "At least 1 approving review is required by reviewers with write access.";
        self.protection.needs_review.then(|| words.to_owned())
    }

    /// Merges a pull request and returns the commit that it became, or why it cannot be merged, in GitHub's words.
    pub(super) fn merge(
        &mut self,
        number: u64,
        method: &str,
        message: &str,
        by: &str,
        now: &str,
    ) -> Result<String, String> {
        let kept = self.pull(number).cloned().ok_or("Not Found")?;
        let pull = self.told_pull(&kept, true);
        if pull["state"] != "open" {
            return Err("Pull Request is not mergeable".to_owned());
        }
        if pull["draft"] == true {
            return Err("Pull Request is still a draft".to_owned());
        }
        if let Some(words) = self.unmet(&pull) {
            return Err(words);
        }
        if !self.merge_methods.contains(&method) {
            return Err(match method {
                "squash" => "Squash merges are not allowed on this repository.",
                "rebase" => "Rebase merges are not allowed on this repository.",
                _ => "Merge commits are not allowed on this repository.",
            }
            .to_owned());
        }
        let sha = |side: &str| pull[side]["sha"].as_str().unwrap().to_owned();
        let (head, base, branch) = (sha("head"), sha("base"), pull["base"]["ref"].as_str().unwrap().to_owned());
        let Some(tree) = self.git.merged_tree(&base, &head) else {
            return Err("Pull Request has merge conflicts".to_owned());
        };
        let parents: &[&str] = if method == "merge" { &[&base, &head] } else { &[&base] };
        let merged = self.git.advance(&branch, &tree, parents, message);
        let kept = self.pull(number).ok_or("Not Found")?;
        (kept["state"], kept["merged_at"], kept["updated_at"]) = (json!("closed"), json!(now), json!(now));
        (kept["merge_commit_sha"], kept["merged_by"]) = (json!(merged), json!({ "login": by }));
        kept["merged"] = json!(true);
        kept["head"]["sha"] = json!(head);
        Ok(merged)
    }
}
