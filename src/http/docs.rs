//! The `OpenAPI` document, from the code, and a page to read it that needs no other host.
use crate::http::Service;
use crate::http::error::{ErrorBody, ErrorDetail};
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// What stands in the document besides the routes.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Paramedic",
        description = "The backlog of red builds: what failed, what was tried, and what people decide. `/v1/ci-healing` is an alias of `/api/v1/ci-healing`."
    ),
    components(schemas(ErrorBody, ErrorDetail)),
    modifiers(&Bearer)
)]
pub struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An operator's token, from `paramedic operator add` or `POST /token`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Returns the document as it is committed and served.
pub fn text() -> String {
    let (_, document) = crate::http::router::documented().split_for_parts();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Returns the routes of the document and its page.
pub fn routes() -> Router<Service> {
    let document = text();
    let json =
        move || async move { ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document) };
    let config = Config::new(["/openapi.json"]).validator_url("none");
    let page: Router<Service> = SwaggerUi::new("/docs").config(config).into();
    Router::new().route("/openapi.json", axum::routing::get(json)).merge(page.layer(map_response(policy)))
}

/// The page may load its own scripts and styles, ask this server, and nothing else.
async fn policy(mut response: Response) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
