//! The stored outputs of a run: raw bytes, never anything a browser would run.
use crate::backlog::Output;
use crate::domain::RunId;
use crate::http::auth::Reader;
use crate::http::error::RefusalOfOne;
use crate::http::query::{PathTexts, RunPath};
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// How many bytes were left out between the head and the tail of an output.
pub const DROPPED: HeaderName = HeaderName::from_static("x-dropped-bytes");

/// One stored output.
#[derive(Debug, Serialize, ToSchema)]
pub struct Named {
    pub name: String,
    /// Stored bytes.
    pub bytes: u64,
}

/// Lists a run's outputs, oldest first.
#[utoipa::path(get, path = "/runs/{id}/outputs", tag = "runs", operation_id = "listOutputs",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = 200, description = "Names and sizes", body = Vec<Named>), RefusalOfOne),
    security(("bearer" = [])))]
pub async fn list(
    _: Reader,
    State(service): State<Service>,
    RunPath(id): RunPath,
) -> Result<Json<Vec<Named>>, Problem> {
    let outputs = service.backlog.outputs(id).await?;
    if outputs.is_empty() {
        // No outputs and no run look alike to the store.
        service.backlog.resolve(&id.to_string()).await?;
    }
    Ok(Json(outputs.into_iter().map(|(name, bytes)| Named { name, bytes }).collect()))
}

/// Returns an output as it is stored: masked, otherwise byte for byte as it was printed.
#[utoipa::path(get, path = "/runs/{id}/outputs/{name}", tag = "runs", operation_id = "showOutput",
    params(("id" = RunId, Path, description = "The run"),
        ("name" = String, Path, description = "Name of the output, as the list has it", min_length = 1)),
    responses((status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>,
        headers(("X-Dropped-Bytes" = u64, description = "Bytes left out between head and tail"))), RefusalOfOne),
    security(("bearer" = [])))]
pub async fn show(
    _: Reader,
    State(service): State<Service>,
    RunPath(id): RunPath,
    path: PathTexts,
) -> Result<Response, Problem> {
    let name = path.take("name");
    let missing = || Problem::not_found("this run has no output of this name");
    if name.chars().any(char::is_control) {
        return Err(missing());
    }
    let output = service.backlog.output(id, &name).await?.ok_or_else(missing)?;
    Ok(attachment(output))
}

/// Returns an output as bytes that a browser does nothing with.
pub fn attachment(output: Output) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (DROPPED, HeaderValue::from(output.dropped_bytes)),
    ];
    (headers, output.bytes).into_response()
}
