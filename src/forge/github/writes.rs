//! What is changed at GitHub, one call of its API each, made once.
use crate::forge::github::path::of_repository;
use crate::forge::github::transport::Answer;
use crate::forge::github::{Github, shapes};
use crate::forge::{Comment, ForgeError, Issue, IssueEdit, Merge, NewIssue, NewPull, PullEdit, PullRequest, Writes};
use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

#[async_trait]
impl Writes for Github {
    async fn repository_dispatch(
        &self,
        repository: &str,
        event_type: &str,
        client_payload: &Value,
    ) -> Result<(), ForgeError> {
        let body = json!({ "event_type": event_type, "client_payload": client_payload });
        let answer = self.write(Method::POST, &of_repository(repository, &["dispatches"])?, Some(&body)).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(()),
            status => {
                let text =
                    format!("GitHub answered {}, which is not what it says to an event that it takes", status.as_u16());
                Err(ForgeError::Odd(text))
            }
        }
    }

    async fn open_issue(&self, repository: &str, new: &NewIssue<'_>) -> Result<Issue, ForgeError> {
        let body = json!({ "title": new.title, "body": new.body, "labels": new.labels });
        let answer = self.write(Method::POST, &of_repository(repository, &["issues"])?, Some(&body)).await?;
        made(&answer, shapes::issue)
    }

    async fn edit_issue(&self, repository: &str, number: u64, edit: &IssueEdit<'_>) -> Result<(), ForgeError> {
        let mut body = changed(edit.title, edit.body, edit.is_open);
        if edit.is_open == Some(false) {
            body["state_reason"] = json!("completed");
        }
        let path = of_repository(repository, &["issues", &number.to_string()])?;
        self.write(Method::PATCH, &path, Some(&body)).await.map(drop)
    }

    async fn add_comment(&self, repository: &str, issue: u64, body: &str) -> Result<Comment, ForgeError> {
        let path = of_repository(repository, &["issues", &issue.to_string(), "comments"])?;
        let answer = self.write(Method::POST, &path, Some(&json!({ "body": body }))).await?;
        made(&answer, shapes::comment)
    }

    async fn edit_comment(&self, repository: &str, id: u64, body: &str) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["issues", "comments", &id.to_string()])?;
        self.write(Method::PATCH, &path, Some(&json!({ "body": body }))).await.map(drop)
    }

    async fn add_labels(&self, repository: &str, issue: u64, labels: &[String]) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["issues", &issue.to_string(), "labels"])?;
        self.write(Method::POST, &path, Some(&json!({ "labels": labels }))).await.map(drop)
    }

    async fn add_assignees(
        &self,
        repository: &str,
        issue: u64,
        logins: &[&str],
        base: Option<&str>,
    ) -> Result<Issue, ForgeError> {
        let path = of_repository(repository, &["issues", &issue.to_string(), "assignees"])?;
        let mut body = json!({ "assignees": logins });
        if let Some(base) = base {
            body["agent_assignment"] = json!({ "target_repo": repository, "base_branch": base });
        }
        made(&self.write(Method::POST, &path, Some(&body)).await?, shapes::issue)
    }

    async fn remove_assignees(&self, repository: &str, issue: u64, logins: &[&str]) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["issues", &issue.to_string(), "assignees"])?;
        self.write(Method::DELETE, &path, Some(&json!({ "assignees": logins }))).await.map(drop)
    }

    async fn request_reviewers(
        &self,
        repository: &str,
        pull: u64,
        people: &[String],
        teams: &[String],
    ) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["pulls", &pull.to_string(), "requested_reviewers"])?;
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        self.write(Method::POST, &path, Some(&body)).await.map(drop)
    }

    async fn open_pull(&self, repository: &str, new: &NewPull<'_>) -> Result<PullRequest, ForgeError> {
        let body = json!({
            "title": new.title, "body": new.body, "head": new.head, "base": new.base, "draft": new.is_draft,
        });
        let answer = self.write(Method::POST, &of_repository(repository, &["pulls"])?, Some(&body)).await?;
        made(&answer, shapes::pull)
    }

    async fn edit_pull(&self, repository: &str, number: u64, edit: &PullEdit<'_>) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["pulls", &number.to_string()])?;
        let body = changed(edit.title, edit.body, edit.is_open);
        self.write(Method::PATCH, &path, Some(&body)).await.map(drop)
    }

    async fn mark_ready(&self, node_id: &str) -> Result<(), ForgeError> {
        self.set_draft(node_id, false).await
    }

    async fn mark_draft(&self, node_id: &str) -> Result<(), ForgeError> {
        self.set_draft(node_id, true).await
    }

    async fn objection(&self, node_id: &str) -> Result<Option<String>, ForgeError> {
        self.objection_to(node_id).await
    }

    async fn merge(&self, repository: &str, number: u64, merge: &Merge<'_>) -> Result<String, ForgeError> {
        let path = of_repository(repository, &["pulls", &number.to_string(), "merge"])?;
        let body = json!({
            "sha": merge.sha, "merge_method": merge.method.as_str(),
            "commit_title": merge.title, "commit_message": merge.message,
        });
        let answer = self.write(Method::PUT, &path, Some(&body)).await?;
        made(&answer, |it| shapes::line_if(it, "/sha").filter(|_| it["merged"] == true))
    }

    async fn delete_branch(&self, repository: &str, name: &str) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["git", "refs", &format!("heads/{name}")])?;
        match self.write(Method::DELETE, &path, None).await {
            Ok(_) | Err(ForgeError::NotFound(_)) => Ok(()),
            Err(ForgeError::Refused { status: 422, message }) if message.contains("does not exist") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn rerun_failed(&self, repository: &str, run: u64) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["actions", "runs", &run.to_string(), "rerun-failed-jobs"])?;
        self.write(Method::POST, &path, None).await.map(drop)
    }

    async fn cancel(&self, repository: &str, run: u64) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["actions", "runs", &run.to_string(), "cancel"])?;
        self.write(Method::POST, &path, None).await.map(drop)
    }

    async fn review_deployments(
        &self,
        repository: &str,
        run: u64,
        environments: &[u64],
        is_approved: bool,
        comment: &str,
    ) -> Result<(), ForgeError> {
        let path = of_repository(repository, &["actions", "runs", &run.to_string(), "pending_deployments"])?;
        let state = if is_approved { "approved" } else { "rejected" };
        let body = json!({ "environment_ids": environments, "state": state, "comment": comment });
        self.write(Method::POST, &path, Some(&body)).await.map(drop)
    }
}

/// Returns what of an issue or a pull request is to change.
fn changed(title: Option<&str>, body: Option<&str>, is_open: Option<bool>) -> Value {
    let state = is_open.map(|it| if it { "open" } else { "closed" });
    let given = [("title", title), ("body", body), ("state", state)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    Value::Object(given.collect::<Map<_, _>>())
}

/// Returns what GitHub made. What it cannot tell was made all the same: somebody must look.
fn made<T>(answer: &Answer, shape: impl Fn(&Value) -> Option<T>) -> Result<T, ForgeError> {
    let document = serde_json::from_slice(&answer.body).ok();
    let made = document.and_then(|it: Value| shape(&it));
    made.ok_or_else(|| ForgeError::Unknown("GitHub's answer is not what it should be".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_changes() {
        assert_eq!(changed(None, None, None), json!({}));
        assert_eq!(changed(Some("t"), None, Some(false)), json!({ "title": "t", "state": "closed" }));
        assert_eq!(changed(None, Some(""), Some(true)), json!({ "body": "", "state": "open" }));
    }
}
