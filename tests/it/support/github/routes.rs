//! The routes of the fake.
use crate::support::github::app;
use crate::support::github::reads::{Found, read};
use crate::support::github::state::{Seen, State};
use crate::support::github::writes::{graphql, write};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use paramedic::domain::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Answers a request as GitHub would; `None`: nobody taught it this route.
pub(super) fn answer(state: &mut State, seen: &Seen) -> Option<Response> {
    let path = seen.path.strip_prefix("/api/v3").unwrap_or(&seen.path);
    let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let ["blob", name] = parts[..] {
        return Some(blob(state, seen, name));
    }
    let said = seen.authorization.as_deref().and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default();
    let is_app = app::is_app(state, said);
    if !is_app && said != state.token && !state.app_tokens.iter().any(|it| it == said) {
        return Some(refused(state, 401, "Bad credentials"));
    }
    match parts[..] {
        ["app"] if is_app => Some(document(state, seen, &json!({ "id": 4_711, "slug": "medic", "name": "Medic" }))),
        ["app", "installations", "77", "access_tokens"] if is_app => Some(app::new_token(state)),
        ["app", "installations", ..] if is_app => Some(refused(state, 404, "Not Found")),
        ["repos", _, _, "installation"] if !is_app => {
            Some(refused(state, 401, "A JSON web token could not be decoded"))
        }
        ["user"] => Some(document(state, seen, &json!({ "login": state.login, "id": 1, "type": "User" }))),
        ["rate_limit"] => Some(document(state, seen, &json!({ "resources": {}, "rate": {} }))),
        ["graphql"] | ["api", "graphql"] => {
            let said = graphql(state, &seen.json());
            Some(document(state, seen, &said))
        }
        ["repositories", id, ref rest @ ..] => {
            let name = state.repos.iter().find(|(_, it)| it.id.to_string() == id).map(|(name, _)| name.clone());
            match name {
                Some(name) => of_repository(state, seen, &name, rest),
                None => Some(refused(state, 404, "Not Found")),
            }
        }
        ["repos", owner, name, ref rest @ ..] => of_repository(state, seen, &format!("{owner}/{name}"), rest),
        _ => None,
    }
}

fn of_repository(state: &mut State, seen: &Seen, name: &str, rest: &[&str]) -> Option<Response> {
    if let Some(new) = state.renamed.get(name) {
        let id = state.repos[new].id;
        let tail = if rest.is_empty() { String::new() } else { format!("/{}", rest.join("/")) };
        let query = if seen.query.is_empty() { String::new() } else { format!("?{}", seen.query) };
        let status = if seen.method == "GET" { 301 } else { 307 };
        let base = base_of(state, seen);
        let moved =
            Response::builder().status(status).header("location", format!("{base}/repositories/{id}{tail}{query}"));
        return Some(moved.body(Body::from("{\"message\": \"Moved Permanently\"}")).unwrap());
    }
    if !state.repos.contains_key(name) {
        return Some(refused(state, 404, "Not Found"));
    }
    if seen.method != "GET" {
        let (status, document) = write(state, name, &seen.method, rest, &seen.json())?;
        return Some(told(state, status, &document));
    }
    match read(&state.repos[name], rest, &query_of(seen)) {
        Found::Unknown => None,
        Found::Nothing => Some(refused(state, 404, "Not Found")),
        Found::Refused(status, words) => Some(refused(state, status, &words)),
        Found::One(it) => Some(document(state, seen, &it)),
        Found::Many(key, rows) => Some(list(state, seen, key, &rows)),
        Found::Elsewhere(blob) => {
            let place = format!("{}/blob/{blob}?sig=s3cret", state.logs_url);
            Some(Response::builder().status(302).header("location", place).body(Body::empty()).unwrap())
        }
    }
}

/// Answers with one page of rows.
fn list(state: &mut State, seen: &Seen, key: &str, rows: &[Value]) -> Response {
    let query = query_of(seen);
    let number = |name: &str, otherwise: usize| query.get(name).map_or(otherwise, |it| it.parse().unwrap());
    let (page, per_page) = (number("page", 1), number("per_page", 30).min(state.page_size));
    let shown: Vec<Value> = rows.iter().skip((page - 1) * per_page).take(per_page).cloned().collect();
    let mut link = None;
    if page * per_page < rows.len() {
        let others = form_urlencoded::parse(seen.query.as_bytes()).filter(|(name, _)| name != "page");
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(others);
        let next = text.append_pair("page", &(page + 1).to_string()).finish();
        let path = seen.path.strip_prefix("/api/v3").unwrap_or(&seen.path);
        link =
            Some(format!("<{}{path}?{next}>; rel=\"next\", <{}/last>; rel=\"last\"", base_of(state, seen), state.url));
    }
    let document = if key.is_empty() { json!(shown) } else { json!({ "total_count": rows.len(), key: shown }) };
    marked(state, seen, &document, link)
}

fn document(state: &mut State, seen: &Seen, document: &Value) -> Response {
    marked(state, seen, document, None)
}

/// Answers with a document, or that it has not changed, which is not counted.
fn marked(state: &mut State, seen: &Seen, document: &Value, link: Option<String>) -> Response {
    let body = document.to_string();
    let etag = format!("W/\"{}\"", Digest::of(&body));
    let is_known = seen.etag.as_deref() == Some(etag.as_str());
    if !is_known {
        state.remaining = state.remaining.saturating_sub(1);
    }
    let mut answer = Response::builder()
        .status(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK })
        .header("etag", etag);
    if !is_known {
        answer = answer.header("content-type", "application/json; charset=utf-8");
    }
    for (name, value) in heads(state) {
        answer = answer.header(name, value);
    }
    if let Some(link) = link {
        answer = answer.header("link", link);
    }
    answer.body(if is_known { Body::empty() } else { Body::from(body) }).unwrap()
}

/// Returns what every answer tells: the time, the limits, and what the token is.
fn heads(state: &State) -> Vec<(&'static str, String)> {
    let now = state.clock();
    let mut heads = vec![
        ("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("x-ratelimit-limit", "5000".to_owned()),
        ("x-ratelimit-remaining", state.remaining.to_string()),
        ("x-ratelimit-reset", (now.as_second() + 1_800).to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
        ("github-authentication-token-expiration", "2030-12-31 10:00:00 UTC".to_owned()),
    ];
    if !state.scopes.is_empty() {
        heads.push(("x-oauth-scopes", state.scopes.clone()));
    }
    heads
}

/// Answers to something that was to be changed.
pub(super) fn told(state: &mut State, status: u16, document: &Value) -> Response {
    state.remaining = state.remaining.saturating_sub(1);
    let mut answer = Response::builder().status(status);
    for (name, value) in heads(state) {
        answer = answer.header(name, value);
    }
    if document.is_null() {
        return answer.body(Body::empty()).unwrap();
    }
    answer.header("content-type", "application/json; charset=utf-8").body(Body::from(document.to_string())).unwrap()
}

/// Hands out a log, to those who bring no token.
fn blob(state: &State, seen: &Seen, name: &str) -> Response {
    let content = state.repos.values().find_map(|it| it.blobs.get(name));
    match (content, &seen.authorization) {
        (_, Some(_)) => Response::builder().status(400).body(Body::from("Only one auth mechanism allowed")).unwrap(),
        (Some(content), None) => Response::new(Body::from(content.clone())),
        (None, None) => Response::builder().status(404).body(Body::empty()).unwrap(),
    }
}

fn refused(state: &mut State, status: u16, message: &str) -> Response {
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string() });
    told(state, status, &body)
}

/// Returns the address that the fake gives for itself: with the base path that it was asked with.
fn base_of(state: &State, seen: &Seen) -> String {
    let base = if seen.path.starts_with("/api/v3/") { "/api/v3" } else { "" };
    format!("{}{base}", state.url)
}

fn query_of(seen: &Seen) -> BTreeMap<String, String> {
    form_urlencoded::parse(seen.query.as_bytes()).into_owned().collect()
}

fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned()
}
