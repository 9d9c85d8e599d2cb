//! Dispatch orders, as seed 000 takes and answers them: `{detail}` for what goes wrong, and 422 in the shape of its validation.
use crate::domain::{Instruction, Intent, Role, RunId};
use crate::evidence::text::is_blank;
use crate::http::auth::require;
use crate::http::body;
use crate::http::detail::{Detail, Fault, Invalid, in_detail};
use crate::http::error::ErrorBody;

use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

const PATTERN: &str = "^(create|fix)$";
const MAX_TEXT: usize = 20_000;
/// How much of a value that is refused is sent back.
const MAX_ECHO: usize = 200;

/// An order for a change.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "read field by field, so that every fault is told; this is its description")]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// `create` or `fix`
    #[schema(pattern = "^(create|fix)$")]
    intent: String,
    /// The change, in words
    #[schema(min_length = 1, max_length = 20000, pattern = "\\S")]
    instruction: String,
    /// Further words or file paths
    #[schema(max_length = 20000)]
    context: Option<String>,
}

/// The order was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderTaken {
    pub success: bool,
    pub message: String,
    /// Where to look what comes of it.
    pub workflow_url: String,
    /// Our own run, where no forge took the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// Every way in which an order is not taken.
#[derive(Debug)]
pub enum Refused {
    Unauthenticated(&'static str),
    Forbidden(String),
    Invalid(Vec<Fault>),
    /// The settings take no orders; that is no failure of the server.
    Closed(&'static str),
    Failed(String),
    /// What any route may refuse: too large, too slow, too busy.
    Other(Problem),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let detail = |status, detail: String| (status, Json(Detail { detail })).into_response();
        match self {
            Self::Unauthenticated(why) => {
                let mut response = detail(StatusCode::UNAUTHORIZED, why.to_owned());
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::Forbidden(why) => detail(StatusCode::FORBIDDEN, why),
            Self::Invalid(faults) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(Invalid { detail: faults })).into_response()
            }
            Self::Closed(why) => detail(StatusCode::CONFLICT, why.to_owned()),
            Self::Failed(why) => detail(StatusCode::INTERNAL_SERVER_ERROR, why),
            Self::Other(problem) => in_detail(problem),
        }
    }
}

/// Somebody who may give orders.
#[derive(Debug)]
pub struct Orderer(String);

impl FromRequestParts<Service> for Orderer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        let has_credentials = parts.headers.contains_key(header::AUTHORIZATION);
        match require(parts, service, Role::Operator, "dispatch").await {
            Ok(person) => Ok(Self(person.name)),
            Err(problem) => Err(match problem.status {
                StatusCode::UNAUTHORIZED if has_credentials => {
                    Refused::Unauthenticated("Could not validate credentials")
                }
                StatusCode::UNAUTHORIZED => Refused::Unauthenticated("Not authenticated"),
                StatusCode::FORBIDDEN => Refused::Forbidden(problem.detail.message.clone()),
                _ => Refused::Other(problem),
            }),
        }
    }
}

/// Takes an order: sent on to the forge where one is configured, else it becomes a run.
#[utoipa::path(post, path = "/v1/jarvis/dispatch", tag = "dispatch", operation_id = "dispatch", request_body = OrderBody,
    responses(
        (status = 200, description = "The order was taken", body = OrderTaken),
        (status = 400, description = "The body broke off", body = Detail),
        (status = 401, description = "No operator's token, or one that is no longer accepted", body = Detail),
        (status = 403, description = "This operator may not do this", body = Detail),
        (status = 408, description = "The body took too long", body = Detail),
        (status = 413, description = "The body is too large", body = Detail),
        (status = 414, description = "The address is too long", body = ErrorBody),
        (status = 422, description = "The body is wrong", body = Invalid),
        (status = 409, description = "The settings of the server take no orders", body = Detail),
        (status = 429, description = "Too many requests", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 431, description = "The head of the request is too large", body = ErrorBody),
        (status = 500, description = "The order could not be carried on", body = Detail),
        (status = 503, description = "The server is full, or the database does not answer", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    ),
    security(("bearer" = [])))]
pub async fn dispatch(
    Orderer(by): Orderer,
    State(service): State<Service>,
    request: Request,
) -> Result<Json<OrderTaken>, Refused> {
    let is_json = body::is_content_type(request.headers(), "application/json");
    let whole = body::read(request, service.settings.max_body, &service.room, &service.settings).await;
    let order = read(&whole.map_err(Refused::Other)?.bytes, is_json).map_err(Refused::Invalid)?;
    let Some(desk) = service.desk.clone() else { return Err(Refused::Closed("orders are not taken here")) };
    if let Some(why) = desk.closed() {
        return Err(Refused::Closed(why));
    }
    // An order that was begun is brought to its end, whoever hangs up.
    let taking = service.tasks.spawn(async move { desk.take(order, &by).await });
    let taken =
        taking.await.map_err(|it| Refused::Failed(format!("Dispatch failed: {it}")))?.map_err(Refused::Failed)?;
    Ok(Json(OrderTaken {
        success: true,
        message: taken.message,
        workflow_url: taken.workflow_url,
        run_id: taken.run_id,
    }))
}

/// Reads an order, or tells everything that is wrong with it.
fn read(bytes: &[u8], is_json: bool) -> Result<Instruction, Vec<Fault>> {
    if bytes.is_empty() {
        return Err(vec![Fault::new("missing", &[], "Field required", Value::Null, None)]);
    }
    let parsed = if is_json { serde_json::from_slice(bytes) } else { Ok(text(bytes)) };
    let fields = match parsed {
        Ok(Value::Object(fields)) => fields,
        Ok(other) => {
            let words = "Input should be a valid dictionary or object to extract fields from";
            return Err(vec![Fault::new("model_attributes_type", &[], words, other, None)]);
        }
        Err(error) => {
            let ctx = Some(json!({ "error": error.to_string() }));
            let place = error.column().to_string();
            return Err(vec![Fault::new("json_invalid", &[&place], "JSON decode error", json!({}), ctx)]);
        }
    };
    let mut faults = Vec::new();
    let intent = required(&fields, "intent", &mut faults).and_then(|it| {
        let refuse = || {
            let words = format!("String should match pattern '{PATTERN}'");
            Fault::new("string_pattern_mismatch", &["intent"], &words, json!(it), Some(json!({ "pattern": PATTERN })))
        };
        it.parse::<Intent>().map_err(|_| faults.push(refuse())).ok()
    });
    let instruction = required(&fields, "instruction", &mut faults);
    if instruction == Some("") {
        let ctx = Some(json!({ "min_length": 1 }));
        faults.push(Fault::new(
            "string_too_short",
            &["instruction"],
            "String should have at least 1 character",
            json!(""),
            ctx,
        ));
    } else if instruction.is_some_and(is_blank) {
        let words = "Value error, instruction has nothing in it that can be read";
        faults.push(Fault::new("value_error", &["instruction"], words, json!(instruction), None));
    }
    let context = match fields.get("context") {
        None | Some(Value::Null) => None,
        Some(value) => string(value, "context", &mut faults),
    };
    for (name, value) in
        fields.iter().filter(|(name, _)| !["intent", "instruction", "context"].contains(&name.as_str()))
    {
        let name: String = name.chars().filter(|it| !it.is_control()).take(80).collect();
        faults.push(Fault::new("extra_forbidden", &[&name], "Extra inputs are not permitted", value.clone(), None));
    }
    match (intent, instruction) {
        (Some(intent), Some(text)) if faults.is_empty() => {
            Ok(Instruction { intent, text: text.to_owned(), context: context.map(str::to_owned) })
        }
        _ => Err(faults),
    }
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
    if let Some(value) = fields.get(name) {
        return string(value, name, faults);
    }
    faults.push(Fault::new("missing", &[name], "Field required", Value::Object(fields.clone()), None));
    None
}

fn string<'a>(value: &'a Value, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
    let Some(text) = value.as_str() else {
        faults.push(Fault::new("string_type", &[name], "Input should be a valid string", value.clone(), None));
        return None;
    };
    if text.chars().count() > MAX_TEXT {
        let words = format!("String should have at most {MAX_TEXT} characters");
        faults.push(Fault::new(
            "string_too_long",
            &[name],
            &words,
            json!(text),
            Some(json!({ "max_length": MAX_TEXT })),
        ));
        return None;
    }
    Some(text)
}

fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).chars().take(MAX_ECHO).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(body: &str) -> Vec<(String, String)> {
        let faults = read(body.as_bytes(), true).unwrap_err();
        faults.into_iter().map(|it| (it.kind, it.loc.join("."))).collect()
    }

    #[test]
    fn every_fault_is_told_where_it_is() {
        for (body, expected) in [
            ("", &[("missing", "body")][..]),
            ("[]", &[("model_attributes_type", "body")]),
            ("{}", &[("missing", "body.intent"), ("missing", "body.instruction")]),
            (r#"{"intent": "fix", "instruction": " \n"}"#, &[("value_error", "body.instruction")]),
            (r#"{"intent": "fix", "instruction": "\ufeff\u200b"}"#, &[("value_error", "body.instruction")]),
            (r#"{"intent": "drop", "instruction": "x"}"#, &[("string_pattern_mismatch", "body.intent")]),
            (r#"{"intent": "createx", "instruction": "x"}"#, &[("string_pattern_mismatch", "body.intent")]),
            (
                r#"{"intent": 1, "instruction": ""}"#,
                &[("string_type", "body.intent"), ("string_too_short", "body.instruction")],
            ),
            (r#"{"intent": "fix", "instruction": "x", "context": 5}"#, &[("string_type", "body.context")]),
            (
                r#"{"intent": "fix", "instruction": "x", "repository": "a/b"}"#,
                &[("extra_forbidden", "body.repository")],
            ),
        ] {
            let expected: Vec<_> = expected.iter().map(|(kind, loc)| ((*kind).to_owned(), (*loc).to_owned())).collect();
            assert_eq!(kinds(body), expected, "{body}");
        }
        assert_eq!(kinds("{")[0].0, "json_invalid");
    }

    #[test]
    fn a_good_order_is_read() {
        let body = br#"{"intent": "fix", "instruction": "x", "context": null}"#;
        let order = read(body, true).unwrap();
        assert_eq!((order.intent, order.text.as_str(), order.context), (Intent::Fix, "x", None));
        assert!(read(body, false).is_err());
    }

    #[test]
    fn what_is_refused_is_echoed_only_in_part() {
        let body = json!({ "intent": "x".repeat(1_000_000), "instruction": "x" }).to_string();
        let faults = read(body.as_bytes(), true).unwrap_err();
        assert!(serde_json::to_string(&faults).unwrap().len() < 1_000);
    }
}
