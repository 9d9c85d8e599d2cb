//! The routes of the fake.
use crate::support::github::state::{Repo, Seen, State};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use paramedic::domain::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Answers a request as GitHub would; `None`: nobody taught it this route.
pub(super) fn answer(state: &mut State, seen: &Seen) -> Option<Response> {
    let path = seen.path.strip_prefix("/api/v3").unwrap_or(&seen.path);
    let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let ["blob", job] = parts[..] {
        return Some(blob(state, seen, job));
    }
    if seen.authorization.as_deref() != Some(&format!("Bearer {}", state.token)) {
        return Some(refused(state, 401, "Bad credentials"));
    }
    match parts[..] {
        ["user"] => Some(document(state, seen, &json!({ "login": "octocat", "id": 1, "type": "User" }))),
        ["rate_limit"] => Some(document(state, seen, &json!({ "resources": {}, "rate": {} }))),
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
    if seen.method == "POST" && rest == ["dispatches"] {
        return Some(Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).unwrap());
    }
    if seen.method != "GET" {
        return None;
    }
    if let ["actions", "jobs", job, "logs"] = rest {
        let place = &state.logs_url;
        let there = job.parse().is_ok_and(|it: u64| state.repos[name].logs.contains_key(&it));
        if !there {
            return Some(refused(state, 404, "Not Found"));
        }
        let found = Response::builder().status(302).header("location", format!("{place}/blob/{job}?sig=s3cret"));
        return Some(found.body(Body::empty()).unwrap());
    }
    let repo = &state.repos[name];
    match read(repo, name, rest, &query_of(seen)) {
        Found::Unknown => None,
        Found::Nothing => Some(refused(state, 404, "Not Found")),
        Found::One(it) => Some(document(state, seen, &it)),
        Found::Many(key, rows) => Some(list(state, seen, key, &rows)),
    }
}

enum Found {
    One(Value),
    /// Rows, and the key under which they stand.
    Many(&'static str, Vec<Value>),
    Nothing,
    /// Nobody taught it this.
    Unknown,
}

/// Returns what is at a path of a repository.
fn read(repo: &Repo, name: &str, rest: &[&str], query: &BTreeMap<String, String>) -> Found {
    let is = |row: &Value, field: &str, asked: &str| query.get(asked).is_none_or(|it| row[field] == it.as_str());
    let by_number = |rows: &[Value], field: &str, wanted: &str| {
        rows.iter().filter(|it| is_number(&it[field], wanted)).cloned().collect()
    };
    match rest {
        [] => Found::One(json!({
            "id": repo.id, "full_name": name, "private": repo.is_private, "fork": false, "archived": false, "default_branch": "main",
            "permissions": { "admin": false, "push": repo.may_push, "pull": true },
        })),
        ["actions", "runs"] => {
            let runs = repo.runs.iter().filter(|it| is(it, "head_branch", "branch") && is(it, "head_sha", "head_sha"));
            Found::Many("workflow_runs", runs.filter(|it| is(it, "event", "event")).cloned().collect())
        }
        ["actions", "runs", id] => match repo.runs.iter().find(|it| is_number(&it["id"], id)) {
            Some(run) => Found::One(run.clone()),
            None => Found::Nothing,
        },
        ["actions", "runs", id, "jobs"] | ["actions", "runs", id, "attempts", _, "jobs"] => {
            Found::Many("jobs", by_number(&repo.jobs, "run_id", id))
        }
        ["commits", _, "check-runs"] => Found::Many("check_runs", repo.check_runs.clone()),
        ["commits", _, "status"] => Found::Many("statuses", repo.statuses.clone()),
        ["branches", branch] => match repo.branches.get(*branch) {
            Some(commit) => Found::One(json!({ "name": branch, "commit": { "sha": commit }, "protected": false })),
            None => Found::Nothing,
        },
        ["git", "matching-refs", prefix] => {
            let found = repo.branches.iter().map(|(name, commit)| (format!("heads/{name}"), commit));
            let found = found.filter(|(name, _)| name.starts_with(prefix));
            Found::Many("", found.map(|(name, sha)| json!({ "ref": format!("refs/{name}"), "object": { "type": "commit", "sha": sha } })).collect())
        }
        ["contents", path] => match repo.files.get(*path) {
            Some(content) => {
                let text = STANDARD.encode(content);
                let lines: Vec<&str> = text.as_bytes().chunks(60).map(|it| std::str::from_utf8(it).unwrap()).collect();
                Found::One(
                    json!({ "type": "file", "encoding": "base64", "size": content.len(), "path": path, "content": lines.join("\n") }),
                )
            }
            None => Found::Nothing,
        },
        ["pulls"] => Found::Many(
            "",
            repo.pulls.iter().filter(|it| query["state"] == "all" || is(it, "state", "state")).cloned().collect(),
        ),
        ["issues"] => {
            let labelled =
                |it: &&Value| query.get("labels").is_none_or(|label| it["labels"][0]["name"] == label.as_str());
            Found::Many("", repo.issues.iter().filter(labelled).cloned().collect())
        }
        ["issues", _, "comments"] => Found::Many("", repo.comments.clone()),
        _ => Found::Unknown,
    }
}

fn is_number(value: &Value, wanted: &str) -> bool {
    wanted.parse::<u64>().is_ok_and(|it| *value == it)
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
    let now = Timestamp::try_from(std::time::SystemTime::now()).unwrap() + SignedDuration::from_secs(state.skew_s);
    let mut answer = Response::builder()
        .status(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK })
        .header("content-type", "application/json; charset=utf-8")
        .header("etag", etag)
        .header("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .header("x-ratelimit-limit", "5000")
        .header("x-ratelimit-remaining", state.remaining.to_string())
        .header("x-ratelimit-reset", (now.as_second() + 1_800).to_string())
        .header("x-ratelimit-resource", "core")
        .header("github-authentication-token-expiration", "2030-12-31 10:00:00 UTC");
    if !state.scopes.is_empty() {
        answer = answer.header("x-oauth-scopes", &state.scopes);
    }
    if let Some(link) = link {
        answer = answer.header("link", link);
    }
    answer.body(if is_known { Body::empty() } else { Body::from(body) }).unwrap()
}

/// Hands out a log, to those who bring no token.
fn blob(state: &State, seen: &Seen, job: &str) -> Response {
    let log = job.parse().ok().and_then(|job: u64| state.repos.values().find_map(|it| it.logs.get(&job)));
    match (log, &seen.authorization) {
        (_, Some(_)) => Response::builder().status(400).body(Body::from("Only one auth mechanism allowed")).unwrap(),
        (Some(log), None) => Response::new(Body::from(log.clone())),
        (None, None) => Response::builder().status(404).body(Body::empty()).unwrap(),
    }
}

fn refused(state: &mut State, status: u16, message: &str) -> Response {
    state.remaining = state.remaining.saturating_sub(1);
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string() });
    Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
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
