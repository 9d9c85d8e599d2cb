//! A generic webhook: the event and its run as JSON, signed, with a number by which a receiver knows what it already has.
use crate::domain::{Event, Run};
use crate::notify::post::Post;
use crate::notify::{Channel, Notice, NotifyError};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt;
use std::time::Duration;

/// `sha256=` and the HMAC-SHA256 of the body, as GitHub signs.
pub const SIGNATURE: &str = "x-paramedic-signature-256";
/// The event's number in the chain: the same again is the same event.
pub const DELIVERY: &str = "x-paramedic-delivery";
/// The event's type.
pub const EVENT: &str = "x-paramedic-event";

/// Posts events to one address.
pub struct Webhook {
    post: Post,
    secret: Option<String>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("is_signed", &self.secret.is_some()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Prepares to post to `url`, signed when there is a secret; the error does not repeat the address.
    pub fn new(url: &str, secret: Option<String>) -> Result<Self, String> {
        Ok(Self { post: Post::new(url)?, secret })
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, notice: &Notice, limit: Duration) -> Result<(), NotifyError> {
        let body = document(notice).to_string().into_bytes();
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set(DELIVERY, notice.event.seq.to_string());
        set(EVENT, notice.event.kind.to_string());
        if let Some(secret) = &self.secret {
            let signature = signature(secret.as_bytes(), &body).map_err(NotifyError::Never)?;
            set(SIGNATURE, signature);
        }
        self.post.send(headers, body, limit).await
    }
}

/// Returns `sha256=<hex>`, the HMAC-SHA256 (RFC 2104) of `body`.
pub fn signature(secret: &[u8], body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|it| it.to_string())?;
    mac.update(body);
    Ok(format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
}

/// Returns what is told about an event to a program: `{event, run, text}`; `run` is null for a fact about the backlog as a whole.
pub fn document(notice: &Notice) -> Value {
    json!({ "event": event(&notice.event), "run": notice.run.as_ref().map(run), "text": notice.text })
}

fn event(event: &Event) -> Value {
    json!({
        "seq": event.seq, "runId": event.run_id, "runVersion": event.run_version, "type": event.kind,
        "actor": event.actor, "message": event.message, "payload": event.payload, "createdAt": event.created_at,
    })
}

/// The run as lists show it, without what only a worker needs.
fn run(run: &Run) -> Value {
    json!({
        "id": run.id, "repository": run.repository, "branch": run.branch, "commitSha": run.commit_sha,
        "provider": run.provider, "source": run.source, "pipelineUrl": run.pipeline_url, "errorType": run.error_type,
        "errorSummary": run.error_summary, "status": run.status, "attemptCount": run.attempt_count,
        "maxAttempts": run.max_attempts, "escalationReason": run.escalation_reason, "resolvedBy": run.resolved_by,
        "approvedBy": run.approved_by, "prNumber": run.pr_number, "prUrl": run.pr_url, "prState": run.pr_state,
        "version": run.version, "createdAt": run.created_at, "updatedAt": run.updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector GitHub documents for `X-Hub-Signature-256`.
    #[test]
    fn the_signature_is_githubs() {
        assert_eq!(
            signature(b"It's a Secret to Everybody", b"Hello, World!").unwrap(),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
