//! What operators decide. A decision is carried out even when the one who asked goes away in the middle of it.
use crate::access::{Attempted, Person};
use crate::backlog::{Acted, ActionKind, ActionRequest, BacklogError, HandMade};
use crate::domain::{Run, RunId};
use crate::evidence::text::is_blank;
use crate::http::auth::Decider;
use crate::http::body::Fields;
use crate::http::error::RefusalOfDecision;
use crate::http::query::{PathTexts, RunPath};
use crate::http::runs::etag;
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const MAX_NOTE: usize = 2_000;
const MAX_REV: usize = 80;
const MAX_HINT: usize = 4_000;
/// A patch is text of many lines, which JSON writes longer than it is.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// A decision with what was looked at; all of it may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Why; kept in the timeline
    #[schema(max_length = 2000)]
    pub note: Option<String>,
    /// Digest (or its first seven characters or more) of the patch that was looked at
    #[schema(max_length = 80)]
    pub rev: Option<String>,
    /// Version of the run that was looked at
    #[schema(maximum = 9_223_372_036_854_775_807_u64)]
    pub version: Option<u64>,
}

/// A fix by hand: either a patch or a hint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FixBody {
    Patch(PatchBody),
    Hint(HintBody),
}

/// A fix by hand as a patch, judged like any other.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchBody {
    /// A unified diff against the failing commit
    #[schema(pattern = "\\S")]
    pub patch: String,
    /// Why; kept in the timeline
    #[schema(max_length = 2000)]
    pub note: Option<String>,
    /// Digest (or its first seven characters or more) of the patch that was looked at
    #[schema(max_length = 80)]
    pub rev: Option<String>,
    /// Version of the run that was looked at
    #[schema(maximum = 9_223_372_036_854_775_807_u64)]
    pub version: Option<u64>,
}

/// Words for the agent, whose turn the next attempt is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HintBody {
    #[schema(max_length = 4000, pattern = "\\S")]
    pub hint: String,
    /// Why; kept in the timeline
    #[schema(max_length = 2000)]
    pub note: Option<String>,
    /// Digest (or its first seven characters or more) of the patch that was looked at
    #[schema(max_length = 80)]
    pub rev: Option<String>,
    /// Version of the run that was looked at
    #[schema(maximum = 9_223_372_036_854_775_807_u64)]
    pub version: Option<u64>,
}

/// What must be so for a decision to be carried out.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Required {
    /// Version of the run that was looked at, as its `ETag` has it; else 412
    #[param(rename = "If-Match", value_type = String, required = false, pattern = "^(\"?[0-9]{1,18}\"?|\\*)$")]
    pub if_match: Option<u64>,
}

/// What came of a decision.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    pub run: Run,
    pub message: String,
    /// It was done before by the same action: nothing changed.
    pub repeated: bool,
    /// This was the first of two keys; another person must approve too.
    pub needs_second_key: bool,
}

impl From<Acted> for Decided {
    fn from(acted: Acted) -> Self {
        let Acted { run, message, is_repeat, needs_second_key } = acted;
        Self { run, message, repeated: is_repeat, needs_second_key }
    }
}

/// Approves, denies, aborts, retries or publishes a run. The same decision again changes nothing.
#[utoipa::path(post, path = "/runs/{id}/actions/{action}", tag = "actions", operation_id = "decide",
    params(("id" = RunId, Path, description = "The run"),
        ("action" = inline(Plain), Path, description = "What to do"), Required),
    request_body = Option<DecisionBody>,
    responses((status = 200, description = "What came of it", body = Decided), RefusalOfDecision),
    security(("bearer" = [])))]
pub async fn decide(
    Decider(person): Decider,
    State(service): State<Service>,
    RunPath(id): RunPath,
    path: PathTexts,
    request: Request,
) -> Result<Response, Problem> {
    let action = path.take("action");
    let unknown = || {
        let known: Vec<&str> = ActionKind::ALL.iter().map(|it| it.as_str()).collect();
        Problem::field("action", format!("there is no such action; there are {}", known.join(", ")))
    };
    let kind = action.parse::<ActionKind>().map_err(|_| unknown())?;
    act(&service, id, kind, person, request).await
}

/// Takes a fix by hand, which is judged like any other attempt.
#[utoipa::path(post, path = "/runs/{id}/actions/human-fix", tag = "actions", operation_id = "humanFix",
    params(("id" = RunId, Path, description = "The run"), Required),
    request_body = FixBody,
    responses((status = 200, description = "What came of it", body = Decided), RefusalOfDecision),
    security(("bearer" = [])))]
pub async fn human_fix(
    Decider(person): Decider,
    State(service): State<Service>,
    RunPath(id): RunPath,
    request: Request,
) -> Result<Response, Problem> {
    act(&service, id, ActionKind::HumanFix, person, request).await
}

/// The actions without a fix, for the `OpenAPI` document.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Plain {
    Approve,
    Deny,
    Abort,
    Retry,
    Publish,
}

async fn act(
    service: &Service,
    id: RunId,
    kind: ActionKind,
    person: Person,
    request: Request,
) -> Result<Response, Problem> {
    let required = if_match(request.headers())?;
    let mut fields =
        Fields::read(request, MAX_BODY.max(service.settings.max_body), &service.room, &service.settings).await?;
    let note = fields.text("note", MAX_NOTE)?.filter(|it| !is_blank(it));
    let rev = fields.text("rev", MAX_REV)?.filter(|it| !it.is_empty());
    let version = fields.number("version")?;
    let fix = if kind == ActionKind::HumanFix { Some(fix(&mut fields)?) } else { None };
    fields.finish()?;
    if let (Some(required), Some(version)) = (required, version)
        && required != version
    {
        let message = "`version` and `If-Match` name different versions; both cannot be what there is now";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", message));
    }
    let version = required.or(version);
    let (by, machine) = (person.name.clone(), None);
    let decision = ActionRequest { kind, by, is_authenticated: true, note, rev, version, fix, machine };
    let (backlog, guard) = (service.backlog.clone(), service.guard.clone());
    let carried_out = service.tasks.spawn(async move {
        let acted = backlog.act(id, decision).await;
        if let Err(BacklogError::Refused(why)) = &acted {
            let attempted = Attempted { action: kind.as_str(), run: Some(id) };
            guard.gate().refused(&person.name, attempted, why).await;
        }
        acted
    });
    let acted = carried_out.await;
    match acted {
        Ok(Ok(acted)) => Ok((etag(&acted.run), Json(Decided::from(acted))).into_response()),
        Ok(Err(error)) => Err(refusal(error, required)),
        Err(error) => Err(Problem::internal(&error.to_string())),
    }
}

fn fix(fields: &mut Fields) -> Result<HandMade, Problem> {
    match (fields.text("patch", MAX_BODY)?, fields.text("hint", MAX_HINT)?) {
        (Some(_), Some(_)) => Err(Problem::field("hint", "give either a patch or a hint")),
        (Some(patch), None) => Ok(HandMade::Patch(patch)),
        (None, Some(hint)) => Ok(HandMade::Hint(hint)),
        (None, None) => Err(Problem::field("patch", "a human fix needs a patch or a hint")),
    }
}

/// A version that was required by header, and is not the one there is now, is a failed precondition.
fn refusal(error: BacklogError, required: Option<u64>) -> Problem {
    let is_required = |named: &str| required.is_some_and(|it| it.to_string() == named);
    let is_precondition = matches!(&error, BacklogError::Moved { named, .. } if is_required(named));
    let mut problem = Problem::from(error);
    if is_precondition {
        problem.status = StatusCode::PRECONDITION_FAILED;
    }
    problem
}

/// Returns the version that `If-Match` requires.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let wrong = || Problem::field("If-Match", "this is the version of the run, like \"7\"");
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| wrong())?.trim();
    if values.next().is_some() {
        return Err(wrong());
    }
    if text == "*" {
        return Ok(None);
    }
    let digits = text.trim_matches('"');
    let is_plain = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_version_is_required_by_header() {
        for (value, expected) in [
            ("\"7\"", Ok(Some(7))),
            ("*", Ok(None)),
            ("7", Ok(Some(7))),
            ("\"+7\"", Err(())),
            ("\"\"", Err(())),
            ("W/\"7\"", Err(())),
            ("\"7\", \"8\"", Err(())),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]);
            assert_eq!(if_match(&headers).map_err(|_| ()), expected, "{value}");
        }
    }

    #[test]
    fn only_the_version_of_the_header_fails_as_a_precondition() {
        let moved = |named: &str| BacklogError::Moved {
            message: "moved".to_owned(),
            named: named.to_owned(),
            now: "9".to_owned(),
        };
        assert_eq!(refusal(moved("7"), Some(7)).status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(refusal(moved("abcdef0"), Some(7)).status, StatusCode::CONFLICT);
        assert_eq!(refusal(moved("7"), None).status, StatusCode::CONFLICT);
    }
}
