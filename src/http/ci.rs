//! CI of the watched repositories: what was last seen, jobs, logs, waiting deployments, and what a person does there.
use crate::backlog::{CiAct, CiActKind};
use crate::domain::{CiJob, CiView, Deployment};
use crate::http::auth::{Decider, Known, Reader};
use crate::http::body::Fields;
use crate::http::error::{Refusal, RefusalOfCi, RefusalOfCiAct};
use crate::http::outputs::attachment;
use crate::http::query::{Parameters, PathTexts};
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const MAX_NOTE: usize = 2_000;
const MAX_ENVIRONMENTS: usize = 100;
/// Runs and jobs of a forge are counted by numbers that every JSON reader keeps.
const MAX_NUMBER: u64 = 9_007_199_254_740_991;

/// Returns the watched repositories as they were last seen, and what the forge still lets the watcher ask. Asks the forge nothing.
#[utoipa::path(get, path = "/ci", tag = "ci", operation_id = "showCi",
    responses((status = 200, description = "What is watched", body = CiView), Refusal), security(("bearer" = [])))]
pub async fn view(_: Reader, State(service): State<Service>) -> Result<Json<CiView>, Problem> {
    Ok(Json(service.backlog.ci().await?))
}

/// Which attempt of a workflow run.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AttemptParams {
    /// Counts from 1; left out = the latest
    #[param(minimum = 1, maximum = 100_000)]
    pub attempt: Option<u32>,
}

/// Lists the jobs of a workflow run, with their steps. Asks the forge, so that an operator's token is needed also where reads are public.
#[utoipa::path(get, path = "/ci/repositories/{owner}/{name}/runs/{run}/jobs", tag = "ci", operation_id = "listCiJobs",
    params(("owner" = String, Path, description = "Owner of the watched repository", min_length = 1),
        ("name" = String, Path, description = "Its name", min_length = 1),
        ("run" = u64, Path, description = "The workflow run", maximum = 9_007_199_254_740_991_u64), AttemptParams),
    responses((status = 200, description = "Its jobs", body = Vec<CiJob>), RefusalOfCi),
    security(("bearer" = [])))]
pub async fn jobs(
    _: Known,
    State(service): State<Service>,
    path: PathTexts,
    mut parameters: Parameters,
) -> Result<Json<Vec<CiJob>>, Problem> {
    let attempt = parameters.number("attempt", 1..=100_000)?;
    parameters.finish()?;
    let run = number(&path, "run")?;
    let attempt = attempt.and_then(|it| u32::try_from(it).ok());
    Ok(Json(service.backlog.ci_jobs(&repository(&path), run, attempt).await?))
}

/// Lists the environments of a workflow run whose deployments wait for somebody. Needs an operator's token also where reads are public.
#[utoipa::path(get, path = "/ci/repositories/{owner}/{name}/runs/{run}/deployments", tag = "ci",
    operation_id = "listCiDeployments",
    params(("owner" = String, Path, description = "Owner of the watched repository", min_length = 1),
        ("name" = String, Path, description = "Its name", min_length = 1),
        ("run" = u64, Path, description = "The workflow run", maximum = 9_007_199_254_740_991_u64)),
    responses((status = 200, description = "What waits", body = Vec<Deployment>), RefusalOfCi),
    security(("bearer" = [])))]
pub async fn deployments(
    _: Known,
    State(service): State<Service>,
    path: PathTexts,
) -> Result<Json<Vec<Deployment>>, Problem> {
    let run = number(&path, "run")?;
    Ok(Json(service.backlog.ci_deployments(&repository(&path), run).await?))
}

/// Returns the log of a job that is done: masked, its middle left out where it is too long. Needs an operator's token also where reads are public.
#[utoipa::path(get, path = "/ci/repositories/{owner}/{name}/jobs/{job}/log", tag = "ci", operation_id = "showCiLog",
    params(("owner" = String, Path, description = "Owner of the watched repository", min_length = 1),
        ("name" = String, Path, description = "Its name", min_length = 1),
        ("job" = u64, Path, description = "The job", maximum = 9_007_199_254_740_991_u64)),
    responses((status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>,
        headers(("X-Dropped-Bytes" = u64, description = "Bytes left out between head and tail"))), RefusalOfCi),
    security(("bearer" = [])))]
pub async fn log(_: Known, State(service): State<Service>, path: PathTexts) -> Result<Response, Problem> {
    let job = number(&path, "job")?;
    Ok(attachment(service.backlog.ci_log(&repository(&path), job).await?))
}

/// What belongs to an act; all of it may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CiActBody {
    /// Why; kept in the timeline, and told with a deployment
    #[schema(max_length = 2000)]
    pub note: Option<String>,
    /// The environments whose deployments are answered; none named = all that wait and may be answered
    #[schema(max_items = 100)]
    pub environments: Option<Vec<u64>>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct CiDone {
    pub message: String,
}

/// Runs the failed jobs of a workflow run again, cancels it, or answers its deployments that wait.
#[utoipa::path(post, path = "/ci/repositories/{owner}/{name}/runs/{run}/actions/{action}", tag = "ci",
    operation_id = "actOnCi",
    params(("owner" = String, Path, description = "Owner of the watched repository", min_length = 1),
        ("name" = String, Path, description = "Its name", min_length = 1),
        ("run" = u64, Path, description = "The workflow run", maximum = 9_007_199_254_740_991_u64),
        ("action" = inline(CiActKind), Path, description = "What to do")),
    request_body = Option<CiActBody>,
    responses((status = 200, description = "What was done", body = CiDone), RefusalOfCiAct),
    security(("bearer" = [])))]
pub async fn act(
    Decider(person): Decider,
    State(service): State<Service>,
    path: PathTexts,
    request: Request,
) -> Result<Json<CiDone>, Problem> {
    let run = number(&path, "run")?;
    let repository = repository(&path);
    let kind = path.take("action").parse::<CiActKind>().map_err(|it| Problem::field("action", it))?;
    let mut fields = Fields::read(request, service.settings.max_body, &service.room, &service.settings).await?;
    let note = fields.text("note", MAX_NOTE)?;
    let environments = fields.numbers("environments", MAX_ENVIRONMENTS)?;
    fields.finish()?;
    let act = CiAct { repository, run, kind, environments, note };
    let backlog = service.backlog.clone();
    // What was begun is brought to its end, whoever hangs up.
    let carried_out = service.tasks.spawn(async move { backlog.ci_act(act, &person.name).await });
    let message = carried_out.await.map_err(|it| Problem::internal(&it.to_string()))??;
    Ok(Json(CiDone { message }))
}

/// Returns the repository of the path. Only a watched one is ever asked about, so any text will do.
fn repository(path: &PathTexts) -> String {
    format!("{}/{}", path.get("owner"), path.get("name"))
}

fn number(path: &PathTexts, name: &str) -> Result<u64, Problem> {
    let text = path.get(name);
    let is_plain = !text.is_empty() && text.len() <= 20 && text.bytes().all(|it| it.is_ascii_digit());
    let number = text.parse().ok().filter(|it| is_plain && *it <= MAX_NUMBER);
    number.ok_or_else(|| Problem::field(name, format!("this is a whole number up to {MAX_NUMBER}")))
}
