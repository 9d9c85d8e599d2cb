//! Runs: pages of them, one in detail, one by its beginning, and what one prints right now.
use crate::domain::{Run, RunDetail, RunId, RunQuery, Status};
use crate::engine::live::Live;
use crate::http::auth::Reader;
use crate::http::error::{Refusal, RefusalOfOne};
use crate::http::query::{Parameters, RunPath};
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};

const MAX_PAGE: u64 = 1_000_000_000;
const MAX_PAGE_SIZE: u64 = 100;
const PAGE_SIZE: u64 = 20;
/// Names of repositories are shorter.
pub const MAX_REPOSITORY: usize = 500;
const MAX_RUN_TEXT: usize = 100;

/// Which runs to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct RunsParams {
    /// Number of the page
    #[param(minimum = 1, maximum = 1_000_000_000, default = 1)]
    pub page: Option<u64>,
    /// Runs on a page
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub page_size: Option<u64>,
    /// Only runs in this state; empty = all
    #[param(schema_with = status_or_empty)]
    pub status: Option<Status>,
    /// Only runs of this repository; empty = all
    #[param(max_length = 500, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub repository: Option<String>,
}

fn status_or_empty() -> Schema {
    let texts = Status::ALL.iter().map(|it| it.as_str()).chain([""]);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts)).build().into()
}

/// One page of runs, newest change first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub data: Vec<Run>,
    /// How many match altogether.
    pub total: u64,
    pub page: u64,
    pub page_size: u64,
}

/// Lists runs, newest change first.
#[utoipa::path(get, path = "/runs", tag = "runs", operation_id = "listRuns", params(RunsParams),
    responses((status = 200, description = "One page", body = Page), Refusal), security(("bearer" = [])))]
pub async fn list(
    _: Reader,
    State(service): State<Service>,
    mut parameters: Parameters,
) -> Result<Json<Page>, Problem> {
    let page = parameters.number("page", 1..=MAX_PAGE)?.unwrap_or(1);
    let page_size = parameters.number("pageSize", 1..=MAX_PAGE_SIZE)?.unwrap_or(PAGE_SIZE);
    let status = parameters.take("status")?.filter(|it| !it.is_empty());
    let status = status.map(|it| it.parse::<Status>().map_err(|_| not_a_status())).transpose()?;
    let repository = parameters.text("repository", MAX_REPOSITORY)?;
    parameters.finish()?;
    let query = RunQuery { status, repository, offset: (page - 1) * page_size, limit: page_size };
    let (data, total) = service.backlog.runs(&query).await?;
    Ok(Json(Page { data, total, page, page_size }))
}

fn not_a_status() -> Problem {
    let known: Vec<&str> = Status::ALL.iter().map(|it| it.as_str()).collect();
    Problem::field("status", format!("this is one of {}", known.join(", ")))
}

/// Returns one run with its attempts and events.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", operation_id = "showRun",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = 200, description = "The run in detail; its version is the `ETag`", body = RunDetail,
        headers(("ETag" = String, description = "The run's version, for `If-Match`"))), RefusalOfOne),
    security(("bearer" = [])))]
pub async fn show(_: Reader, State(service): State<Service>, RunPath(id): RunPath) -> Result<Response, Problem> {
    let detail = service.backlog.run(id).await?;
    let tag = etag(&detail.run);
    Ok((tag, Json(detail)).into_response())
}

/// Returns the header that names a run's version.
pub fn etag(run: &Run) -> [(header::HeaderName, HeaderValue); 1] {
    let value = HeaderValue::from_str(&format!("\"{}\"", run.version));
    [(header::ETAG, value.unwrap_or_else(|_| HeaderValue::from_static("\"0\"")))]
}

/// The run that a text names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    pub run_id: RunId,
}

/// Which run is meant.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResolveParams {
    /// An id, the beginning of one, or `latest`
    #[param(min_length = 1, max_length = 100)]
    pub run: String,
}

/// Finds the one run that a text names.
#[utoipa::path(get, path = "/resolve", tag = "runs", operation_id = "resolveRun", params(ResolveParams),
    responses((status = 200, description = "The run", body = Resolved), RefusalOfOne), security(("bearer" = [])))]
pub async fn resolve(
    _: Reader,
    State(service): State<Service>,
    mut parameters: Parameters,
) -> Result<Json<Resolved>, Problem> {
    let text = parameters.text("run", MAX_RUN_TEXT)?;
    parameters.finish()?;
    let text = text.ok_or_else(|| Problem::field("run", "name a run: an id, the beginning of one, or `latest`"))?;
    let run_id = service.backlog.resolve(&text).await?;
    Ok(Json(Resolved { run_id }))
}

/// What a running command prints right now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Printing {
    pub phase: String,
    /// The end of the output, clean and masked.
    pub tail: String,
    pub updated_at: Timestamp,
}

impl From<Live> for Printing {
    fn from(live: Live) -> Self {
        Self { phase: live.phase, tail: live.tail, updated_at: live.updated_at }
    }
}

/// Returns what a run's command prints right now; null while none runs.
#[utoipa::path(get, path = "/runs/{id}/live", tag = "runs", operation_id = "showLive",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = 200, description = "The end of the output, or null", body = Option<Printing>), RefusalOfOne),
    security(("bearer" = [])))]
pub async fn live(
    _: Reader,
    State(service): State<Service>,
    RunPath(id): RunPath,
) -> Result<Json<Option<Printing>>, Problem> {
    let live = service.backlog.live(id).await?;
    Ok(Json(live.map(Printing::from)))
}
