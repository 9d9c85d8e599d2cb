//! What is counted and logged of each request: its route, never its path, query, headers or body, in which secrets may be.
use crate::clock::instant;
use crate::domain::RunId;
use crate::http::Service;
use crate::http::headers::RequestId;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tracing::{Instrument as _, Span};

/// Stands for every path that no route matches: whoever asks must not make metrics.
const UNMATCHED: &str = "unmatched";
/// What a request counts as whose route panicked: what it is answered with further out.
const PANICKED: u16 = 500;
/// What a request counts as whose client did not wait for the answer, as nginx counts it.
const LEFT: u16 = 499;

/// Who asks, as soon as it is known: routes write it down, the log reads it.
#[derive(Debug, Clone, Default)]
pub struct Asker(Arc<OnceLock<String>>);

impl Asker {
    /// Notes the name of an operator who showed a token.
    pub fn is(&self, name: &str) {
        let _ = self.0.set(name.to_owned());
    }
}

/// Counts and logs a request when its answer begins, or when it breaks off.
struct Observed {
    service: Service,
    method: String,
    route: String,
    asker: Asker,
    since: Instant,
    span: Span,
    /// What it was answered with; none = the client left before, or the route panicked.
    status: Option<u16>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let operator = self.asker.0.get().map_or("-", String::as_str);
        let unanswered = if std::thread::panicking() { PANICKED } else { LEFT };
        let (method, route, status) = (&self.method, &self.route, self.status.unwrap_or(unanswered));
        self.service.metrics.request(method, route, status, took);
        self.span.in_scope(|| tracing::info!(method, route, status, duration_ms, operator, "request"));
    }
}

/// Observes one request.
pub async fn observe(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let request_id = request.extensions().get::<RequestId>().map_or("-", |it| &it.0).to_owned();
    let span = tracing::info_span!("request", request_id, run_id = tracing::field::Empty);
    if let Some(run) = run_in(&route, request.uri().path()) {
        span.record("run_id", run.to_string());
    }
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let method = request.method().as_str().chars().take(16).collect();
    let mut observed = Observed { service, method, route, asker, since: instant(), span: span.clone(), status: None };
    let response = next.run(request).instrument(span).await;
    observed.status = Some(response.status().as_u16());
    response
}

/// Returns the run that a path is about, where its route has an `{id}` and that is one.
fn run_in(route: &str, path: &str) -> Option<RunId> {
    let at = route.split('/').position(|it| it == "{id}")?;
    path.split('/').nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_where_the_route_has_it() {
        let id = "01234567-89ab-4def-8123-456789abcdef";
        let route = "/api/v1/ci-healing/runs/{id}/actions/{action}";
        assert_eq!(run_in(route, &format!("/api/v1/ci-healing/runs/{id}/actions/deny")), id.parse().ok());
        assert_eq!(run_in(route, "/api/v1/ci-healing/runs/s3cret/actions/deny"), None);
        assert_eq!(run_in("/token", &format!("/{id}")), None);
    }
}
