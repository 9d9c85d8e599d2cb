//! Whether this process lives, and whether it can serve.
use crate::http::error::AnyRefusal;
use crate::http::events::MAX_SEQ;
use crate::http::{Problem, Service};
use axum::extract::State;
use std::time::Duration;

/// How long the database may take to answer before this server counts as not ready.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", operation_id = "healthz",
    responses((status = 200, description = "It lives", content_type = "text/plain", body = String), AnyRefusal))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the database answers and the server is not about to stop.
#[utoipa::path(get, path = "/readyz", tag = "health", operation_id = "readyz",
    responses((status = 200, description = "It can serve", content_type = "text/plain", body = String), AnyRefusal))]
pub async fn readyz(State(service): State<Service>) -> Result<&'static str, Problem> {
    if service.shutdown.is_cancelled() {
        return Err(Problem::unavailable("the server is about to stop"));
    }
    match tokio::time::timeout(PATIENCE, service.backlog.events(MAX_SEQ, 1)).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::unavailable("the database does not answer"))
        }
        Err(_) => Err(Problem::unavailable("the database does not answer in time")),
    }
}
