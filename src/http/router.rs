//! All routes, in one place.
use crate::http::docs::Document;
use crate::http::{
    Service, actions, bounds, ci, dispatch, docs, events, headers, health, metrics, metrics_of_runs, observe, outputs,
    runs, stream, token, webhook,
};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where seed 004 says the routes are.
pub const PREFIX: &str = "/api/v1/ci-healing";
/// Where its code has them.
const ALIAS: &str = "/v1/ci-healing";

/// Returns the whole service, ready to be served.
pub fn router(service: &Service) -> Router {
    let (routes, _) = documented().split_for_parts();
    routes
        .nest(ALIAS, healing().split_for_parts().0)
        .merge(docs::routes())
        .fallback(bounds::nothing_here)
        .method_not_allowed_fallback(bounds::not_this_way)
        .layer(from_fn_with_state(service.clone(), bounds::time))
        .layer(from_fn(bounds::head))
        .layer(from_fn_with_state(service.clone(), observe::observe))
        .layer(from_fn_with_state(service.clone(), headers::dress))
        .with_state(service.clone())
}

/// Returns every documented route.
pub fn documented() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Document::openapi())
        .nest(PREFIX, healing())
        .routes(routes!(dispatch::dispatch))
        .routes(routes!(token::login))
        .routes(routes!(metrics::metrics))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// Returns the routes below the prefix.
fn healing() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(webhook::webhook))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::live))
        .routes(routes!(runs::resolve))
        .routes(routes!(outputs::list))
        .routes(routes!(outputs::show))
        .routes(routes!(actions::human_fix))
        .routes(routes!(actions::decide))
        .routes(routes!(ci::view))
        .routes(routes!(ci::jobs))
        .routes(routes!(ci::deployments))
        .routes(routes!(ci::log))
        .routes(routes!(ci::act))
        .routes(routes!(metrics_of_runs::summary))
        .routes(routes!(metrics_of_runs::repositories))
        .routes(routes!(events::list))
        .routes(routes!(events::audit))
        .routes(routes!(events::me))
        .routes(routes!(stream::stream))
}
