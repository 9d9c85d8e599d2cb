//! The webhook: senders report failures here, signed; each is answered when it is stored for good.
use crate::domain::{Provider, Receipt, Taken};
use crate::engine::StoreError;
use crate::engine::inbox::{Inbox, InboxError};
use crate::http::auth::ClientAddress;
use crate::http::body::{self, Whole, is_content_type};
use crate::http::error::AnyRefusal;
use crate::http::{Problem, Service};
use crate::signal;
use crate::signal::Head;
use crate::signal::signature::{Proof, SIGNATURE, Secrets, Unproved};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// From this size on checking a signature takes so long that it must not hold up the tasks of others.
const LARGE: usize = 256 << 10;
/// When a sender may ask again whether reports are taken in, in seconds: a setting has to change first.
const DISABLED_RETRY_AFTER: u32 = 300;

/// Where reports go, and whom to believe. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub inbox: Inbox,
    pub secrets: Secrets,
}

/// A failure in the words that any CI can send; it is read by the `signal` module, field by field.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    #[schema(schema_with = senders)]
    pub provider: Provider,
    /// owner/name
    #[schema(min_length = 1, max_length = 500, pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    pub repository: String,
    /// A branch below `heal/` is one of ours: its failures are ignored
    #[schema(min_length = 1, max_length = 255, pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    pub branch: String,
    #[schema(min_length = 1, max_length = 100, pattern = r"^(?!.*\.\.)[0-9A-Za-z][0-9A-Za-z._/-]*$")]
    pub commit_sha: String,
    #[schema(max_length = 2000, pattern = r"^https?://[0-9A-Za-z][!-~]*$")]
    pub pipeline_url: Option<String>,
    /// What the sender calls the failure; without it, what the log shows
    #[schema(max_length = 100)]
    pub error_type: Option<String>,
    /// The log of what failed; secrets in it are masked before it is stored
    #[schema(min_length = 1, pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    pub error_log: String,
}

fn senders() -> Schema {
    let all = Provider::ALL.iter().filter(|it| **it != Provider::Local).map(|it| it.as_str());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all)).build().into()
}

/// Takes a report of a failure. It may be the document below, a Jenkins notification, or a delivery of GitHub (`X-GitHub-Event`) or GitLab
/// (`X-Gitlab-Event`) as it is. Where a secret is set the body is signed: `sha256=` and the hex of HMAC-SHA256 over it, in `X-Hub-Signature-256` or
/// `x-ci-signature`; GitLab names the secret in `X-Gitlab-Token`. What says nothing of a red build is answered with `ignored` and a reason.
#[utoipa::path(post, path = "/webhook", tag = "webhook", operation_id = "report", request_body = Report,
    responses(
        (status = 202, description = "Stored, or found; or ignored with a reason", body = Receipt),
        (status = 401, description = "The signature is missing or wrong", body = crate::http::error::ErrorBody),
        (status = 408, description = "The body took too long", body = crate::http::error::ErrorBody),
        (status = 413, description = "The body is larger than 1 MiB, or 25 MiB for a delivery of GitHub or GitLab",
            body = crate::http::error::ErrorBody),
        AnyRefusal))]
pub async fn webhook(
    State(service): State<Service>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let Some(webhook) = &service.webhook else {
        let message = "CI healing is disabled here: nothing is taken in";
        let refusal = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disabled", message);
        return Err(refusal.with(header::RETRY_AFTER, HeaderValue::from(DISABLED_RETRY_AFTER)));
    };
    let headers = request.headers().clone();
    let head = head(&headers);
    // Only what is wrong is counted: a sender who signs is never held up, whoever else is at that address.
    let refusal = |unproved: Unproved| match service.guard.count_unsigned(address) {
        Ok(()) => Problem::new(StatusCode::UNAUTHORIZED, "unsigned", unproved.to_string()),
        Err(too_often) => too_often,
    };
    body::announced(&headers, head.max_bytes())?;
    // Whoever proves nothing is not listened to.
    webhook.secrets.check_head(&proof(&headers, &head)).map_err(|it| refusal(it).and_close())?;
    let whole = body::read(request, head.max_bytes(), &service.room, &service.settings).await?;
    check(&webhook.secrets, &headers, &head, &whole).await?.map_err(refusal)?;
    let receipt = webhook.inbox.receive(head, whole.bytes.clone()).await.map_err(problem)?;
    if let Receipt::Taken(Taken { provider: Some(provider), deduplicated, .. }) = &receipt {
        service.metrics.webhook(*provider, *deduplicated);
    }
    Ok((StatusCode::ACCEPTED, Json(receipt)))
}

fn head(headers: &HeaderMap) -> Head {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let github_event = text(signal::GITHUB_EVENT);
    Head {
        is_form: github_event.is_some() && is_content_type(headers, "application/x-www-form-urlencoded"),
        github_event,
        github_delivery: text(signal::GITHUB_DELIVERY),
        gitlab_event: text(signal::GITLAB_EVENT),
        gitlab_key: text(signal::GITLAB_KEY),
        gitlab_uuid: text(signal::GITLAB_UUID),
    }
}

fn proof<'a>(headers: &'a HeaderMap, head: &Head) -> Proof<'a> {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    Proof {
        hub: value(SIGNATURE),
        ci: value("x-ci-signature"),
        gitlab: value("x-gitlab-token").filter(|_| head.is_gitlab()),
    }
}

async fn check(
    secrets: &Secrets,
    headers: &HeaderMap,
    head: &Head,
    whole: &Whole,
) -> Result<Result<(), Unproved>, Problem> {
    if whole.bytes.len() < LARGE {
        return Ok(secrets.check(&proof(headers, head), &whole.bytes));
    }
    let (secrets, headers, head, body) = (secrets.clone(), headers.clone(), head.clone(), whole.bytes.clone());
    let check = move || secrets.check(&proof(&headers, &head), &body);
    tokio::task::spawn_blocking(check).await.map_err(|it| Problem::internal(&it.to_string()))
}

fn problem(error: InboxError) -> Problem {
    match error {
        InboxError::Signal(error) => match error.field {
            Some(field) => Problem::field(&shown(&field), shown(&error.message)),
            None => Problem::invalid(shown(&error.message)),
        },
        InboxError::Full | InboxError::Stopped => Problem::unavailable(error.to_string()),
        InboxError::Store(StoreError::Unavailable(why)) => {
            tracing::warn!(error = why, "a report could not be stored");
            Problem::unavailable("the database does not answer; send it again in a moment")
        }
        InboxError::Store(error) => Problem::internal(&error.to_string()),
    }
}

fn shown(text: &str) -> String {
    crate::evidence::text::clean_line(text)
}
