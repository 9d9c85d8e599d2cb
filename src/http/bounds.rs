//! What is refused before any route sees it: addresses and heads that are too large, and what takes too long.
use crate::http::{Problem, Service};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const MAX_ADDRESS: usize = 8 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 32 * 1024;

/// Refuses a head that no honest client sends.
pub async fn head(request: Request, next: Next) -> Response {
    if request.uri().path_and_query().is_some_and(|it| it.as_str().len() > MAX_ADDRESS) {
        let message = format!("the address may have at most {MAX_ADDRESS} bytes");
        return Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", message).and_close().into_response();
    }
    let headers = request.headers();
    let n_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || n_bytes > MAX_HEAD {
        let message = format!("a request may have at most {MAX_HEADERS} headers with {MAX_HEAD} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::new(status, "head_too_large", message).and_close().into_response();
    }
    next.run(request).await
}

/// Gives up on a route that does not answer. What it decided meanwhile is carried out all the same.
pub async fn time(State(service): State<Service>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(service.settings.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("this took too long; try again in a moment").into_response(),
    }
}

/// Answers what no route is for.
pub async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing at this address; `/openapi.json` says what there is")
}

/// Answers a method that a route does not have; axum adds `Allow`.
pub async fn not_this_way() -> Problem {
    let message = "this address does not take this method; `Allow` says which";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
