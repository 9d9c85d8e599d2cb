//! The one thing that only GitHub's GraphQL can do: a draft becomes ready for review.
use crate::forge::ForgeError;
use crate::forge::github::Github;
use crate::forge::github::requests::said;
use http::Method;
use serde_json::{Value, json};

const MARK_READY: &str = "mutation($id: ID!) { markPullRequestReadyForReview(input: { pullRequestId: $id }) \
                          { pullRequest { isDraft } } }";
/// Whether it is a draft afterwards.
const IS_DRAFT: &str = "/data/markPullRequestReadyForReview/pullRequest/isDraft";

impl Github {
    /// Makes a draft ready. GraphQL answers 200 to what it refuses, too.
    pub(super) async fn mark_pull_ready(&self, node_id: &str) -> Result<(), ForgeError> {
        let body = json!({ "query": MARK_READY, "variables": { "id": node_id } });
        let answer = self.write(Method::POST, &self.transport.graphql(), Some(&body)).await?;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if document.pointer(IS_DRAFT) == Some(&json!(false)) {
            return Ok(());
        }
        let Some(words) = said(&answer.body) else {
            return Err(ForgeError::Unknown("GitHub's answer is not what it should be".to_owned()));
        };
        let words = self.safe(&format!("GitHub did not make the draft ready: {words}"));
        Err(match document.pointer("/errors/0/type").and_then(Value::as_str) {
            Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => ForgeError::Unauthorised(words),
            Some("NOT_FOUND") => ForgeError::NotFound(words),
            Some("RATE_LIMITED") => ForgeError::Later { until: self.pace.later(), why: words },
            _ => ForgeError::Refused { status: answer.status.as_u16(), message: words },
        })
    }
}
