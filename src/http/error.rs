//! What a request is refused with: a status and one JSON document of the same shape everywhere.
use crate::backlog::BacklogError;
use crate::domain::Status;
use crate::http::limits::TooOften;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::openapi::{Ref, RefOr, ResponseBuilder, ResponsesBuilder, content::ContentBuilder};
use utoipa::{IntoResponses, ToSchema};

/// How long a client should wait when nothing better is known, in seconds.
const RETRY_AFTER: u32 = 2;

/// Every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What is wrong, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable name of the kind of error, like `invalid` or `not_found`.
    pub code: String,
    /// Says what to do.
    pub message: String,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The state the run is in, which forbids the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Status>,
    /// The digest or version that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The digest or version there is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// A refusal on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    pub detail: Box<ErrorDetail>,
    /// Headers that belong to it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let detail = ErrorDetail {
            code: code.to_owned(),
            message: message.into(),
            field: None,
            state: None,
            named: None,
            now: None,
        };
        Self { status, detail: Box::new(detail), headers: Vec::new() }
    }

    /// Bad input that no field is to blame for.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// A bad field or parameter.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let mut problem = Self::invalid(message);
        problem.detail.field = Some(name.to_owned());
        problem
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// Nobody known asks.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// Not now; perhaps in a moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .with(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))
    }

    /// The body is larger than `max` bytes. The connection ends, because what is left of the body is not read.
    pub fn too_large(max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body may have at most {max} bytes"))
            .and_close()
    }

    /// Our fault; `why` is for the log alone.
    pub fn internal(why: &str) -> Self {
        tracing::error!(error = why, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed here; the server's log has the reason",
        )
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Ends the connection after the answer.
    #[must_use]
    pub fn and_close(self) -> Self {
        self.with(header::CONNECTION, HeaderValue::from_static("close"))
    }
}

impl From<TooOften> for Problem {
    fn from(too_often: TooOften) -> Self {
        let TooOften { seconds } = too_often;
        let message = format!("too many requests; come back in {seconds} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
            .with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl From<BacklogError> for Problem {
    fn from(error: BacklogError) -> Self {
        let text = error.to_string();
        match error {
            BacklogError::NotFound(_) => Self::not_found(text),
            BacklogError::Invalid(_) => Self::invalid(text),
            BacklogError::Illegal { state, .. } => {
                let mut problem = Self::new(StatusCode::CONFLICT, "illegal_state", text);
                problem.detail.state = Some(state);
                problem
            }
            BacklogError::Moved { named, now, .. } => {
                let mut problem = Self::new(StatusCode::CONFLICT, "moved", text);
                problem.detail.named = Some(named);
                problem.detail.now = Some(now);
                problem
            }
            BacklogError::Precondition(_) => Self::new(StatusCode::CONFLICT, "conflict", text),
            BacklogError::NotAuthenticated(_) => Self::unauthenticated(text),
            BacklogError::Refused(_) => Self::forbidden(text),
            BacklogError::Unreachable(why) => {
                tracing::warn!(error = why, "the backlog does not answer");
                Self::unavailable("the database does not answer; try again in a moment")
            }
            BacklogError::Forge(_) => Self::new(StatusCode::BAD_GATEWAY, "forge", text),
            BacklogError::Failed(why) => Self::internal(&why),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: *self.detail })).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// The refusals that any route may give, for the `OpenAPI` document.
#[derive(Debug)]
pub struct AnyRefusal;

/// The refusals of a route that needs an operator, for the `OpenAPI` document.
#[derive(Debug)]
pub struct Refusal;

/// The refusals of a route about one thing that may not be there, for the `OpenAPI` document.
#[derive(Debug)]
pub struct RefusalOfOne;

/// The refusals of a decision, for the `OpenAPI` document.
#[derive(Debug)]
pub struct RefusalOfDecision;

/// The refusals of a route that asks the forge, for the `OpenAPI` document.
#[derive(Debug)]
pub struct RefusalOfCi;

/// The refusals of what a person does at the forge, for the `OpenAPI` document.
#[derive(Debug)]
pub struct RefusalOfCiAct;

const ANY: &[(&str, &str)] = &[
    ("400", "A parameter, a header or the body is wrong; `field` names it"),
    ("414", "The address is too long"),
    ("429", "Too many requests; `Retry-After` says when to come back"),
    ("431", "The head of the request is too large"),
    ("500", "The server is at fault"),
    ("503", "The database does not answer, or the server is full; `Retry-After` says when to come back"),
];
const OPERATOR: &[(&str, &str)] =
    &[("401", "No operator's token, or one that is no longer accepted"), ("403", "This operator may not do this")];
const ONE: &[(&str, &str)] = &[("404", "There is no such thing")];
const DECISION: &[(&str, &str)] = &[
    ("408", "The body took too long"),
    ("409", "The run is not in a state for this (`state`), or moved since it was looked at (`named`, `now`)"),
    ("412", "The version in `If-Match` is not the one there is now (`named`, `now`)"),
    ("413", "The body is too large"),
    ("415", "The body is not `application/json`"),
];

const FORGE: &[(&str, &str)] = &[
    ("404", "The repository is not watched, or the forge has no such thing"),
    ("409", "The forge says no, or asks to wait; the message has its words"),
    ("502", "The forge does not answer, or not as it should; the message says whether something may have been done"),
];
const BODY: &[(&str, &str)] = &[
    ("408", "The body took too long"),
    ("413", "The body is too large"),
    ("415", "The body is not `application/json`"),
];

impl IntoResponses for RefusalOfCi {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[ANY, OPERATOR, FORGE])
    }
}

impl IntoResponses for RefusalOfCiAct {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[ANY, OPERATOR, FORGE, BODY])
    }
}

impl IntoResponses for AnyRefusal {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[ANY])
    }
}

impl IntoResponses for Refusal {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[ANY, OPERATOR])
    }
}

impl IntoResponses for RefusalOfOne {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[ANY, OPERATOR, ONE])
    }
}

impl IntoResponses for RefusalOfDecision {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[ANY, OPERATOR, ONE, DECISION])
    }
}

fn described(groups: &[&[(&str, &str)]]) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let mut responses = ResponsesBuilder::new();
    for (status, description) in groups.iter().copied().flatten() {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let response = ResponseBuilder::new().description(*description).content("application/json", content);
        responses = responses.response(*status, response);
    }
    responses.build().into()
}
