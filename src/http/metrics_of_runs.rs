//! Counts over the backlog: all of it, and by repository.
use crate::domain::{RepositorySummary, Summary};
use crate::http::auth::Reader;
use crate::http::error::Refusal;
use crate::http::query::Parameters;
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::State;

/// Counts the runs by state.
#[utoipa::path(get, path = "/metrics/summary", tag = "metrics", operation_id = "summary",
    responses((status = 200, description = "The counts", body = Summary), Refusal), security(("bearer" = [])))]
pub async fn summary(
    _: Reader,
    State(service): State<Service>,
    parameters: Parameters,
) -> Result<Json<Summary>, Problem> {
    parameters.finish()?;
    Ok(Json(service.backlog.summary().await?))
}

/// Counts the runs by state and repository, most runs first.
#[utoipa::path(get, path = "/metrics/repositories", tag = "metrics", operation_id = "repositories",
    responses((status = 200, description = "The counts", body = Vec<RepositorySummary>), Refusal),
    security(("bearer" = [])))]
pub async fn repositories(
    _: Reader,
    State(service): State<Service>,
    parameters: Parameters,
) -> Result<Json<Vec<RepositorySummary>>, Problem> {
    parameters.finish()?;
    Ok(Json(service.backlog.repositories().await?))
}
