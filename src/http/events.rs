//! The chain of events, page by page, and whether it is intact; and who asks.
use crate::backlog::Audit;
use crate::domain::{Event, Role, RunId};
use crate::http::auth::{Auditor, Known, Reader};
use crate::http::error::Refusal;
use crate::http::query::Parameters;
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// The highest number an event can have.
pub const MAX_SEQ: u64 = i64::MAX as u64;
const MAX_LIMIT: u64 = 1_000;
const LIMIT: u64 = 200;

/// Which events to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsParams {
    /// Only events after this number
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_u64, default = 0)]
    pub after: Option<u64>,
    /// Events at most
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u64>,
}

/// Events in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Events {
    pub data: Vec<Event>,
}

/// Lists events of all runs, in order; none means that there are no more. Facts about no run are for admins.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "listEvents", params(EventsParams),
    responses((status = 200, description = "Events in order", body = Events), Refusal), security(("bearer" = [])))]
pub async fn list(
    reader: Reader,
    State(service): State<Service>,
    mut parameters: Parameters,
) -> Result<Json<Events>, Problem> {
    let mut after = parameters.number("after", 0..=MAX_SEQ)?.unwrap_or(0);
    let limit = parameters.number("limit", 1..=MAX_LIMIT)?.unwrap_or(LIMIT);
    parameters.finish()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let sees_all = reader.person.is_some_and(|it| it.role.includes(Role::Admin));
    loop {
        let mut data = service.backlog.events(after, limit).await?;
        let Some(last) = data.last().map(|it| it.seq) else { return Ok(Json(Events { data })) };
        data.retain(|it| sees_all || it.run_id != RunId::NONE);
        if !data.is_empty() {
            return Ok(Json(Events { data }));
        }
        after = last;
    }
}

/// The result of checking the audit chain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// How many events there are.
    pub events: u64,
    /// Digest of the newest event.
    pub head: String,
    /// What does not fit, in words; empty = intact.
    pub problems: Vec<String>,
}

/// Checks the whole audit chain.
#[utoipa::path(get, path = "/audit", tag = "events", operation_id = "verifyAudit",
    responses((status = 200, description = "What was found", body = Checked), Refusal), security(("bearer" = [])))]
pub async fn audit(
    _: Auditor,
    State(service): State<Service>,
    parameters: Parameters,
) -> Result<Json<Checked>, Problem> {
    parameters.finish()?;
    let Audit { events, head, problems } = service.backlog.verify().await?;
    Ok(Json(Checked { events, head, problems }))
}

/// The operator who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    pub name: String,
    pub role: Role,
    /// Version of the server.
    pub version: &'static str,
}

/// Says who the token belongs to.
#[utoipa::path(get, path = "/me", tag = "operators", operation_id = "me",
    responses((status = 200, description = "Name and role, and the version of the server", body = Me), Refusal), security(("bearer" = [])))]
pub async fn me(Known(person): Known, parameters: Parameters) -> Result<Json<Me>, Problem> {
    parameters.finish()?;
    Ok(Json(Me { name: person.name, role: person.role, version: env!("CARGO_PKG_VERSION") }))
}
