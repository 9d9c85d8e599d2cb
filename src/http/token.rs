//! `POST /token`: a short-lived token for a name and a password, as seed 000 and OAuth 2 clients know it.
use crate::access::LoginError;
use crate::http::auth::ClientAddress;
use crate::http::body;
use crate::http::detail::{Detail, Fault, Invalid, in_detail};
use crate::http::error::ErrorBody;
use crate::http::{Problem, Service};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use utoipa::ToSchema;

/// Bytes of the form at most.
const MAX_BODY: usize = 16 * 1024;
const GRANT: &str = "password";

/// What `POST /token` takes.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form; the fields are read one by one, so that each can be named when it is wrong"
)]
pub struct TokenForm {
    #[schema(min_length = 1)]
    username: String,
    #[schema(min_length = 1, format = "password")]
    password: String,
    /// Nothing else is granted.
    #[schema(required = false, pattern = "^password$")]
    grant_type: String,
    /// Taken and not used: the operator's role decides.
    #[schema(required = false)]
    scope: String,
    /// Taken and not used.
    #[schema(required = false)]
    client_id: String,
    /// Taken and not used.
    #[schema(required = false)]
    client_secret: String,
}

/// A short-lived token, for `Authorization: Bearer`.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    access_token: String,
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: u64,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Log in
///
/// Gives an operator who has a password (`paramedic operator password`) a token that lasts half an hour unless set otherwise. It is used
/// like an access token and is worth nothing any more once the operator is revoked.
#[utoipa::path(
    post,
    path = "/token",
    tag = "operators",
    operation_id = "login",
    security(()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Logged in", body = TokenAnswer),
        (status = 401, description = "Wrong name or password", body = Detail,
            headers(("WWW-Authenticate" = String, description = "`Bearer`"))),
        (status = 400, description = "The body is not framed as HTTP says", body = Detail),
        (status = 408, description = "The body took too long", body = Detail),
        (status = 413, description = "The body is too large", body = Detail),
        (status = 414, description = "The address is too long", body = ErrorBody),
        (status = 422, description = "Something is missing in the form", body = Invalid),
        (status = 429, description = "Too many logins of this name or from this address", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 431, description = "The head of the request is too large", body = ErrorBody),
        (status = 500, description = "The server is at fault", body = Detail),
        (status = 503, description = "Operators cannot be looked up now", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    )
)]
pub async fn login(
    State(service): State<Service>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Response, Refused> {
    let is_form = body::is_content_type(request.headers(), "application/x-www-form-urlencoded");
    let whole = body::read(request, MAX_BODY, &service.room, &service.settings).await?;
    let (name, password) = read(if is_form { &whole.bytes } else { &[] }).map_err(Refused::Fields)?;
    service.guard.count_login(&name, address)?;
    let issued = service.guard.gate().login(&name, &password).await.map_err(|error| match error {
        LoginError::Wrong => Problem::unauthenticated(error.to_string()),
        LoginError::Unavailable(why) => {
            tracing::warn!(error = why, "operators cannot be looked up");
            Problem::unavailable("operators cannot be looked up now; try again in a moment")
        }
        LoginError::Failed(why) => Problem::internal(&why),
    })?;
    let answer = TokenAnswer { access_token: issued.access_token, token_type: "bearer", expires_in: issued.expires_in };
    Ok(Json(answer).into_response())
}

/// Reads name and password from a form; the last one of a name counts. What is wrong is named, a password never repeated.
fn read(form: &[u8]) -> Result<(String, String), Vec<Fault>> {
    let fields: Vec<_> = form_urlencoded::parse(form).collect();
    let text = |name: &str| {
        let found = fields.iter().rev().find(|(it, _)| it == name).map(|(_, value)| value.as_ref());
        found.filter(|it| !it.is_empty())
    };
    let mut wrong = Vec::new();
    if let Some(grant) = text("grant_type").filter(|it| *it != GRANT) {
        let input = json!(grant.chars().filter(|it| !it.is_control()).take(80).collect::<String>());
        let words = "String should match pattern '^password$'";
        wrong.push(Fault::new("string_pattern_mismatch", &["grant_type"], words, input, None));
    }
    let mut required = |name: &str| {
        let found = text(name).map(str::to_owned);
        if found.is_none() {
            wrong.push(Fault::new("missing", &[name], "Field required", Value::Null, None));
        }
        found.unwrap_or_default()
    };
    let named = (required("username"), required("password"));
    if wrong.is_empty() { Ok(named) } else { Err(wrong) }
}

/// Why there is no token.
#[derive(Debug)]
pub enum Refused {
    Fields(Vec<Fault>),
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Fields(detail) => (StatusCode::UNPROCESSABLE_ENTITY, Json(Invalid { detail })).into_response(),
            Self::Problem(problem) => in_detail(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_who_logs_in() {
        let both = ("ann lee".to_owned(), "a&b=c+ü".to_owned());
        let form = "grant_type=password&username=ann+lee&password=a%26b%3Dc%2B%C3%BC&scope=&client_id=x";
        assert_eq!(read(form.as_bytes()), Ok(both.clone()));
        assert_eq!(read(b"username=bob&password=a%26b%3Dc%2B%C3%BC&username=ann+lee"), Ok(both));
        let (_, password) = read(b"username=a&password=%ff%00").unwrap();
        assert_eq!(password, "\u{fffd}\0");
    }

    #[test]
    fn what_is_missing_is_named_and_no_password_repeated() {
        let named = |form: &str| {
            let wrong = read(form.as_bytes()).unwrap_err();
            wrong.iter().map(|it| format!("{} {}", it.kind, it.loc.join("."))).collect::<Vec<_>>()
        };
        assert_eq!(named(""), ["missing body.username", "missing body.password"]);
        assert_eq!(named("username=ann&password="), ["missing body.password"]);
        assert_eq!(named("{\"username\": \"ann\"}"), ["missing body.username", "missing body.password"]);
        assert_eq!(named("grant_type=implicit&username=a&password=b"), ["string_pattern_mismatch body.grant_type"]);
        let wrong = serde_json::to_value(Invalid { detail: read(b"password=hunter2").unwrap_err() }).unwrap();
        let expected = json!({ "detail": [
            { "type": "missing", "loc": ["body", "username"], "msg": "Field required", "input": null }
        ] });
        assert_eq!(wrong, expected);
    }
}
