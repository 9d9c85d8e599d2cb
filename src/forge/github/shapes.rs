//! GitHub's JSON in our words. Lenient: what is missing or new is no error, only a row without its id is none.
use crate::domain::{CiJob, CiRun, CiState, CiStep, Deployment, MergeMethod};
use crate::forge::{Annotation, Artifact, Check, Comment, CommitFacts, Issue, PullRequest, RepositoryFacts};
use jiff::Timestamp;
use serde_json::Value;

const MAX_LINE: usize = 500;
const MAX_BODY: usize = 65_536;

pub(super) fn repository(it: &Value) -> RepositoryFacts {
    let methods = [
        ("/allow_squash_merge", MergeMethod::Squash),
        ("/allow_merge_commit", MergeMethod::Merge),
        ("/allow_rebase_merge", MergeMethod::Rebase),
    ];
    RepositoryFacts {
        name: line_if(it, "/full_name"),
        default_branch: line(it, "/default_branch"),
        is_private: flag(it, "/private").unwrap_or(true),
        is_fork: flag(it, "/fork").unwrap_or(false),
        is_archived: flag(it, "/archived").unwrap_or(false),
        may_push: flag(it, "/permissions/push"),
        merge_methods: methods.into_iter().filter(|(at, _)| flag(it, at) != Some(false)).map(|(_, it)| it).collect(),
    }
}

pub(super) fn run(it: &Value) -> Option<CiRun> {
    let conclusion = line_if(it, "/conclusion");
    Some(CiRun {
        id: number(it, "/id")?,
        attempt: small(it, "/run_attempt").unwrap_or(1),
        number: number(it, "/run_number").unwrap_or_default(),
        workflow: line(it, "/name"),
        workflow_id: number(it, "/workflow_id").unwrap_or_default(),
        workflow_path: line(it, "/path"),
        title: line(it, "/display_title"),
        event: line(it, "/event"),
        branch: line(it, "/head_branch"),
        commit_sha: line(it, "/head_sha"),
        state: CiState::of(&line(it, "/status"), conclusion.as_deref()),
        conclusion,
        actor: line(it, "/actor/login"),
        head_repository: line_if(it, "/head_repository/full_name"),
        author_email: line(it, "/head_commit/author/email"),
        commit_message: line(it, "/head_commit/message"),
        pull_numbers: rows(it, "/pull_requests").filter_map(|it| number(it, "/number")).collect(),
        url: line(it, "/html_url"),
        created_at: time(it, "/created_at").unwrap_or_default(),
        updated_at: time(it, "/updated_at").unwrap_or_default(),
    })
}

pub(super) fn job(it: &Value) -> Option<CiJob> {
    let conclusion = line_if(it, "/conclusion");
    Some(CiJob {
        id: number(it, "/id")?,
        run_id: number(it, "/run_id").unwrap_or_default(),
        attempt: small(it, "/run_attempt").unwrap_or(1),
        name: line(it, "/name"),
        state: CiState::of(&line(it, "/status"), conclusion.as_deref()),
        conclusion,
        check_run_id: line_if(it, "/check_run_url").and_then(|it| it.rsplit('/').next()?.parse().ok()),
        url: line(it, "/html_url"),
        steps: rows(it, "/steps").map(step).collect(),
        started_at: time(it, "/started_at"),
        completed_at: time(it, "/completed_at"),
    })
}

fn step(it: &Value) -> CiStep {
    let conclusion = line_if(it, "/conclusion");
    CiStep {
        number: small(it, "/number").unwrap_or_default(),
        name: line(it, "/name"),
        state: CiState::of(&line(it, "/status"), conclusion.as_deref()),
        conclusion,
    }
}

pub(super) fn check_run(it: &Value) -> Option<Check> {
    let state = CiState::of(&line(it, "/status"), line_if(it, "/conclusion").as_deref());
    let url = line_if(it, "/details_url");
    // Another CI's page may look the same, and lead to a run that is none of ours.
    let is_of_actions = line_if(it, "/app/slug").is_none_or(|it| it == "github-actions");
    let (run_id, job_id) = url.as_deref().filter(|_| is_of_actions).map_or((None, None), run_and_job);
    Some(Check { name: line_if(it, "/name")?, state, url, run_id, job_id })
}

pub(super) fn status(it: &Value) -> Option<Check> {
    let state = match line(it, "/state").as_str() {
        "pending" => CiState::Running,
        other => CiState::of("completed", Some(other)),
    };
    Some(Check { name: line_if(it, "/context")?, state, url: line_if(it, "/target_url"), run_id: None, job_id: None })
}

/// Returns the run and the job whose page `…/actions/runs/RUN/job/JOB` is.
fn run_and_job(url: &str) -> (Option<u64>, Option<u64>) {
    let after = |mark: &str| {
        let digits = url.split_once(mark)?.1;
        digits.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
    };
    (after("/actions/runs/"), after("/job/"))
}

pub(super) fn annotation(it: &Value) -> Option<Annotation> {
    Some(Annotation {
        path: line(it, "/path"),
        line: number(it, "/start_line").unwrap_or_default(),
        level: line(it, "/annotation_level"),
        title: line(it, "/title"),
        message: text(it, "/message", MAX_BODY)?,
    })
}

pub(super) fn artifact(it: &Value) -> Option<Artifact> {
    Some(Artifact {
        id: number(it, "/id")?,
        name: line(it, "/name"),
        bytes: number(it, "/size_in_bytes").unwrap_or_default(),
        is_expired: flag(it, "/expired").unwrap_or(false),
    })
}

pub(super) fn deployment(it: &Value) -> Option<Deployment> {
    let name = |it: &Value| line_if(it, "/reviewer/login").or_else(|| line_if(it, "/reviewer/slug"));
    Some(Deployment {
        environment_id: number(it, "/environment/id")?,
        environment: line(it, "/environment/name"),
        may_approve: flag(it, "/current_user_can_approve").unwrap_or(false),
        reviewers: rows(it, "/reviewers").filter_map(name).collect(),
    })
}

pub(super) fn commit(it: &Value) -> Option<CommitFacts> {
    Some(CommitFacts {
        sha: line_if(it, "/sha")?,
        committer_email: line(it, "/commit/committer/email"),
        message: text(it, "/commit/message", MAX_BODY).unwrap_or_default(),
        committed_at: time(it, "/commit/committer/date"),
    })
}

pub(super) fn pull(it: &Value) -> Option<PullRequest> {
    let merged_at = time(it, "/merged_at");
    Some(PullRequest {
        number: number(it, "/number")?,
        node_id: line(it, "/node_id"),
        title: line(it, "/title"),
        body: text(it, "/body", MAX_BODY).unwrap_or_default(),
        is_open: line(it, "/state") == "open",
        is_merged: merged_at.is_some(),
        is_draft: flag(it, "/draft").unwrap_or(false),
        is_mergeable: flag(it, "/mergeable"),
        head_branch: line(it, "/head/ref"),
        head_commit: line(it, "/head/sha"),
        head_repository: line_if(it, "/head/repo/full_name"),
        base_branch: line(it, "/base/ref"),
        base_commit: line(it, "/base/sha"),
        author: line(it, "/user/login"),
        labels: labels(it),
        url: line(it, "/html_url"),
        // Of an open one this is a merge that GitHub only tried.
        merge_commit: line_if(it, "/merge_commit_sha").filter(|_| merged_at.is_some()),
        merged_by: line_if(it, "/merged_by/login"),
        created_at: time(it, "/created_at"),
        updated_at: time(it, "/updated_at"),
        merged_at,
    })
}

/// Returns an issue; a pull request, which GitHub lists among them, is none.
pub(super) fn issue(it: &Value) -> Option<Issue> {
    if it.get("pull_request").is_some() {
        return None;
    }
    Some(Issue {
        number: number(it, "/number")?,
        title: line(it, "/title"),
        body: text(it, "/body", MAX_BODY).unwrap_or_default(),
        is_open: line(it, "/state") == "open",
        labels: labels(it),
        assignees: rows(it, "/assignees").filter_map(|it| line_if(it, "/login")).collect(),
        author: line(it, "/user/login"),
        url: line(it, "/html_url"),
    })
}

pub(super) fn comment(it: &Value) -> Option<Comment> {
    let body = text(it, "/body", MAX_BODY).unwrap_or_default();
    Some(Comment { id: number(it, "/id")?, author: line(it, "/user/login"), body })
}

/// Returns a branch and its commit from a reference.
pub(super) fn branch(it: &Value) -> Option<(String, String)> {
    let name = line_if(it, "/ref")?;
    Some((name.strip_prefix("refs/heads/")?.to_owned(), line_if(it, "/object/sha")?))
}

pub(super) fn line(it: &Value, at: &str) -> String {
    line_if(it, at).unwrap_or_default()
}

pub(super) fn line_if(it: &Value, at: &str) -> Option<String> {
    text(it, at, MAX_LINE)
}

pub(super) fn flag(it: &Value, at: &str) -> Option<bool> {
    it.pointer(at)?.as_bool()
}

pub(super) fn number(it: &Value, at: &str) -> Option<u64> {
    it.pointer(at)?.as_u64()
}

fn small(it: &Value, at: &str) -> Option<u32> {
    number(it, at).and_then(|it| u32::try_from(it).ok())
}

fn time(it: &Value, at: &str) -> Option<Timestamp> {
    it.pointer(at)?.as_str()?.parse().ok()
}

fn text(it: &Value, at: &str, max: usize) -> Option<String> {
    let text = it.pointer(at)?.as_str()?;
    Some(text.chars().take(max).collect())
}

fn rows<'a>(it: &'a Value, at: &str) -> impl Iterator<Item = &'a Value> {
    it.pointer(at).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the names of labels, which are words or have one.
fn labels(it: &Value) -> Vec<String> {
    rows(it, "/labels").filter_map(|it| line_if(it, "").or_else(|| line_if(it, "/name"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_null_or_new_is_no_error() {
        let sparse =
            run(&json!({ "id": 9, "status": "brand-new", "head_commit": null, "name": null, "pull_requests": 7 }));
        let sparse = sparse.unwrap();
        assert_eq!((sparse.id, sparse.attempt, sparse.state), (9, 1, CiState::Unknown));
        assert_eq!(run(&json!({ "id": "nine" })), None);
        assert_eq!(job(&json!({ "id": 1, "steps": [{ "number": 4_294_967_296_u64 }] })).unwrap().steps[0].number, 0);
        assert_eq!(pull(&json!({ "number": 1, "head": { "repo": null } })).unwrap().head_repository, None);
        assert_eq!(issue(&json!({ "number": 1, "pull_request": {} })), None);
        let labelled = issue(&json!({ "number": 1, "labels": ["a", { "name": "b" }, 7] })).unwrap();
        assert_eq!(labelled.labels, ["a", "b"]);
        assert_eq!(branch(&json!({ "ref": "refs/tags/x", "object": { "sha": "1" } })), None);
        assert_eq!(line(&json!({ "name": "x".repeat(9_000) }), "/name").len(), MAX_LINE);
    }
}
