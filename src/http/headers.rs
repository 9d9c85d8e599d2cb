//! What every answer carries: the id of its request, and headers that keep browsers from doing more than showing it.
use crate::http::{Problem, Service};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use uuid::Uuid;

/// Names a request in answers and logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID: usize = 64;

/// The id of a request, in its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Gives the request its id and the answer its headers; turns a panic into an answer.
pub async fn dress(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = answer(next.run(request), &id).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    if service.settings.tls.is_some() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Returns the answer; a panic on the way to it becomes one too.
async fn answer(answering: impl Future<Output = Response>, id: &str) -> Response {
    AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(request = id, "a route panicked");
        let message = format!("something failed here; the server's log has the reason, under the request {id}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
    })
}

/// Takes the id that came with the request if it is a plain word, else makes one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|it| it.to_str().ok());
    let is_sane = |it: &&str| {
        !it.is_empty()
            && it.len() <= MAX_REQUEST_ID
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
    };
    given.filter(is_sane).map_or_else(new_request_id, str::to_owned)
}

/// Returns 16 hexadecimal digits drawn at random: enough to find one request in a log.
fn new_request_id() -> String {
    format!("{:016x}", Uuid::new_v4().as_u64_pair().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_with_the_id_of_its_request() {
        let response = answer(async { panic!("of a test") }, "abc").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "internal");
        assert!(body["error"]["message"].as_str().unwrap().ends_with("under the request abc"));
    }
}
