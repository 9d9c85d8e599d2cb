//! Refusals as seed 000 writes them: `{detail}` with words, or with every field that is missing or wrong.
use crate::http::Problem;
use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// How much of a value that is refused is sent back.
const MAX_ECHO: usize = 200;

/// What went wrong, in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct Detail {
    pub detail: String,
}

/// Everything that is wrong with the body.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invalid {
    pub detail: Vec<Fault>,
}

/// One thing that is wrong with the body.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Fault {
    /// Stable name of the kind of fault
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is: `body`, then the field
    pub loc: Vec<String>,
    pub msg: String,
    /// What stood there, shortened
    pub input: Value,
    /// What was expected
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

impl Fault {
    /// Returns a fault at `place` below the body.
    pub fn new(kind: &str, place: &[&str], msg: &str, input: Value, ctx: Option<Value>) -> Self {
        let loc = ["body"].iter().chain(place).map(|it| (*it).to_owned()).collect();
        let whole = input.to_string();
        let input =
            if whole.len() > MAX_ECHO { json!(whole.chars().take(MAX_ECHO).collect::<String>()) } else { input };
        Self { kind: kind.to_owned(), loc, msg: msg.to_owned(), input, ctx }
    }
}

/// Writes a refusal as `{detail}`.
pub fn in_detail(problem: Problem) -> Response {
    let mut response = (problem.status, Json(Detail { detail: problem.detail.message })).into_response();
    response.headers_mut().extend::<Vec<(HeaderName, HeaderValue)>>(problem.headers);
    response
}
