//! `GET /metrics`: what this process counted, for Prometheus.
use crate::domain::Role;
use crate::http::auth::require;
use crate::http::error::Refusal;
use crate::http::{Problem, Service};
use crate::telemetry::metrics::CONTENT_TYPE;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use std::net::SocketAddr;

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs on this machine, and whoever has a token.
    Loopback,
    Public,
    /// Whoever has a token.
    Token,
}

/// Headers by which a proxy says that it asks for somebody else, who may be anywhere.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-host"];

/// Somebody who may read the metrics.
#[derive(Debug)]
pub struct Scraper;

impl FromRequestParts<Service> for Scraper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let is_free = match service.settings.metrics {
            Audience::Public => true,
            Audience::Loopback => is_from_here(parts),
            Audience::Token => false,
        };
        if !is_free {
            require(parts, service, Role::Viewer, "metrics").await?;
        }
        Ok(Self)
    }
}

/// Whether the request was made on this machine, and not passed on by a proxy that runs here.
fn is_from_here(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
        && !FORWARDED.iter().any(|it| parts.headers.contains_key(*it))
}

/// Returns what this process counted since it began, and what waits in the database now, as `OpenMetrics` text.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics", security((), ("bearer" = [])),
    responses((status = 200, description = "The metrics", content_type = "application/openmetrics-text", body = String), Refusal))]
pub async fn metrics(_: Scraper, State(service): State<Service>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], service.metrics.render().await)
}
