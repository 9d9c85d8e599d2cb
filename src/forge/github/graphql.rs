//! What only GitHub's GraphQL can do: a draft becomes ready for review, or a draft again, and is told what stands in the way of its merge.
use crate::forge::ForgeError;
use crate::forge::github::Github;
use crate::forge::github::requests::said;
use http::Method;
use serde_json::{Value, json};

const OBJECTION: &str = "query($id: ID!) { node(id: $id) \
                         { ... on PullRequest { reviewDecision mergeable viewerCanMergeAsAdmin } } }";

impl Github {
    /// Makes a draft ready for review, or what is ready a draft.
    pub(super) async fn set_draft(&self, node_id: &str, is_draft: bool) -> Result<(), ForgeError> {
        let name = if is_draft { "convertPullRequestToDraft" } else { "markPullRequestReadyForReview" };
        let query =
            format!("mutation($id: ID!) {{ {name}(input: {{ pullRequestId: $id }}) {{ pullRequest {{ isDraft }} }} }}");
        let what = if is_draft { "make it a draft" } else { "make the draft ready" };
        let now = self.graphql(&query, node_id, &format!("/data/{name}/pullRequest/isDraft"), what).await?;
        if now == is_draft {
            return Ok(());
        }
        Err(ForgeError::Unknown("GitHub's answer is not what it should be".to_owned()))
    }

    /// Returns why a draft would not be merged if it were none, as far as GitHub tells; who may merge all the same is told nothing.
    pub(super) async fn objection_to(&self, node_id: &str) -> Result<Option<String>, ForgeError> {
        let pull = self.graphql(OBJECTION, node_id, "/data/node", "look at the pull request").await?;
        if pull["viewerCanMergeAsAdmin"] == true {
            return Ok(None);
        }
        let objection = match (pull["reviewDecision"].as_str(), pull["mergeable"].as_str()) {
            (Some("CHANGES_REQUESTED"), _) => "a reviewer asked for changes",
            (Some("REVIEW_REQUIRED"), _) => "an approving review is required",
            (_, Some("CONFLICTING")) => "it conflicts with its base branch",
            _ => return Ok(None),
        };
        Ok(Some(objection.to_owned()))
    }

    /// Returns what stands `at` a place of the answer. GraphQL answers 200 to what it refuses, too.
    async fn graphql(&self, query: &str, node_id: &str, at: &str, what: &str) -> Result<Value, ForgeError> {
        let body = json!({ "query": query, "variables": { "id": node_id } });
        let answer = self.write(Method::POST, &self.transport.graphql(), Some(&body)).await?;
        let mut document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(found) = document.pointer_mut(at).filter(|it| !it.is_null()) {
            return Ok(found.take());
        }
        let Some(words) = said(&answer.body) else {
            return Err(ForgeError::Unknown("GitHub's answer is not what it should be".to_owned()));
        };
        let words = self.safe(&format!("GitHub did not {what}: {words}"));
        Err(match document.pointer("/errors/0/type").and_then(Value::as_str) {
            Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => ForgeError::Unauthorised(words),
            Some("NOT_FOUND") => ForgeError::NotFound(words),
            Some("RATE_LIMITED") => ForgeError::Later { until: self.pace.later(), why: words },
            _ => ForgeError::Refused { status: answer.status.as_u16(), message: words },
        })
    }
}
