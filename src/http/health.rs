//! Whether this process lives, and whether it can serve.
use crate::http::Service;
use crate::http::error::AnyRefusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the database may take to answer before this server counts as not ready.
const PATIENCE: Duration = Duration::from_secs(1);
/// When a client may ask again, in seconds.
const RETRY_AFTER: u32 = 2;

/// Whether the server can serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    /// What is in the way; empty when it is ready.
    pub reasons: Vec<String>,
}

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", operation_id = "healthz",
    responses((status = 200, description = "It lives", content_type = "text/plain", body = String), AnyRefusal))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the database answers within a second, its schema fits this program, and the server is not about to stop.
#[utoipa::path(get, path = "/readyz", tag = "health", operation_id = "readyz",
    responses(AnyRefusal, (status = 200, description = "It can serve", body = Readiness),
        (status = 503, description = "It cannot serve now; `reasons` says why", body = Readiness)))]
pub async fn readyz(State(service): State<Service>) -> Response {
    let mut reasons = Vec::new();
    if service.shutdown.is_cancelled() {
        reasons.push("the server is about to stop".to_owned());
    }
    if let Err(why) = service.metrics.ready(PATIENCE).await {
        tracing::warn!(why, "not ready");
        // What a database says of itself is for the log: anybody may ask here.
        let reason = if why.contains("schema") {
            "the schema of the database does not fit"
        } else {
            "the database does not answer"
        };
        reasons.push(reason.to_owned());
    }
    let readiness = Readiness { ready: reasons.is_empty(), reasons };
    if readiness.ready {
        return Json(readiness).into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(readiness)).into_response()
}
