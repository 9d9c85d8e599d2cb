//! Reads and writes as they are really made: what is known is not sent again, a read is tried three times, a write once.
use crate::forge::github::auth::{Credential, Token};
use crate::forge::github::cache::Known;
use crate::forge::github::path::with_query;
use crate::forge::github::transport::{Answer, Broken, Call, Place};
use crate::forge::github::{Github, page};
use crate::forge::{ForgeError, LogEnd, Page, Take};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError};

const MAX_REDIRECTS: usize = 5;
/// How often a read is tried again.
const RETRIES: u32 = 2;
const PAGE_ROWS: usize = 100;
const MAX_PAGES: usize = 50;
/// As many rows as are asked for in smaller pages where they are too long together.
const FEW_ROWS: usize = 10;
const MAX_WORDS: usize = 500;

/// A document that was read.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) document: Value,
    pub(super) headers: HeaderMap,
    /// Path of the next page.
    next: Option<String>,
}

impl Github {
    /// Reads a document; a renamed repository is read at its new place.
    pub(super) async fn get(&self, path: &str) -> Result<Fetched, ForgeError> {
        let _turn = self.pace.reader().await;
        let mut path = path.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let known = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&path);
            let answer = self.read(&path, known.as_deref(), false).await?;
            match (answer.status, known) {
                (StatusCode::NOT_MODIFIED, Some(known)) => return fetched(&known, answer.headers),
                (status, _) if status.is_redirection() => match self.target(&answer)? {
                    Place::Here(to) => path = to,
                    Place::Elsewhere(_) => return Err(ForgeError::Odd("GitHub points to another host".to_owned())),
                },
                (status, _) if status.is_success() => {
                    let next = match answer.header("link").and_then(page::next).and_then(|it| self.transport.place(it))
                    {
                        Some(Place::Here(next)) => Some(next),
                        Some(Place::Elsewhere(_)) => {
                            return Err(ForgeError::Odd("GitHub points to another host for the next page".to_owned()));
                        }
                        None => None,
                    };
                    let Answer { headers, body, .. } = answer;
                    let etag = headers.get("etag").cloned();
                    let is_marked = etag.is_some();
                    let etag = etag.unwrap_or_else(|| http::HeaderValue::from_static(""));
                    let known = Arc::new(Known { etag, body, next });
                    let read = fetched(&known, headers)?;
                    if is_marked {
                        self.cache.lock().unwrap_or_else(PoisonError::into_inner).put(&path, known);
                    }
                    return Ok(read);
                }
                _ => return Err(self.refusal(&Method::GET, &path, &answer)),
            }
        }
        Err(ForgeError::Odd("GitHub sends us in circles".to_owned()))
    }

    /// Reads a document that may not be there.
    pub(super) async fn get_if_there(&self, path: &str) -> Result<Option<Fetched>, ForgeError> {
        match self.get(path).await {
            Ok(it) => Ok(Some(it)),
            Err(ForgeError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a document of one shape.
    pub(super) async fn one<T>(&self, path: &str, shape: impl Fn(&Value) -> Option<T>) -> Result<T, ForgeError> {
        let read = self.get(path).await?;
        shape(&read.document).ok_or_else(|| ForgeError::Odd("GitHub's answer is not what it should be".to_owned()))
    }

    /// Reads the rows of a list, page by page, at most `max`; rows without a shape are left out. `key` names the list where it is inside a document.
    pub(super) async fn rows<T>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        key: &str,
        max: usize,
        shape: impl Fn(&Value) -> Option<T> + Send + Sync,
    ) -> Result<Page<T>, ForgeError> {
        let mut per_page = max.clamp(1, PAGE_ROWS);
        loop {
            match self.pages(path, query, key, (max, per_page), &shape).await {
                Err(ForgeError::TooLarge(_)) if max <= FEW_ROWS && per_page > 1 => per_page = per_page.div_ceil(4),
                read => return read,
            }
        }
    }

    async fn pages<T>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        key: &str,
        (max, per_page): (usize, usize),
        shape: impl Fn(&Value) -> Option<T> + Send + Sync,
    ) -> Result<Page<T>, ForgeError> {
        let per_page = per_page.to_string();
        let mut path = with_query(path, &[query, &[("per_page", per_page.as_str())]].concat());
        let mut page = Page { items: Vec::new(), is_last: false };
        let mut seen = HashSet::new();
        for _ in 0..MAX_PAGES {
            let read = self.get(&path).await?;
            let list = if key.is_empty() { Some(&read.document) } else { read.document.get(key) };
            let rows = list.and_then(Value::as_array);
            let rows =
                rows.ok_or_else(|| ForgeError::Odd("GitHub's answer is not the list it should be".to_owned()))?;
            // The row after the last of a full page changes nothing of the page itself.
            if read.next.is_none() && rows.len() >= PAGE_ROWS {
                self.cache.lock().unwrap_or_else(PoisonError::into_inner).forget(&path);
            }
            let found: Vec<T> = rows.iter().filter_map(&shape).collect();
            let room = max - page.items.len();
            let is_cut = found.len() > room;
            page.items.extend(found.into_iter().take(room));
            seen.insert(std::mem::take(&mut path));
            match read.next {
                None => {
                    page.is_last = !is_cut;
                    return Ok(page);
                }
                Some(_) if page.items.len() >= max => return Ok(page),
                Some(next) if seen.contains(&next) => {
                    return Err(ForgeError::Odd("the pages of GitHub's list go in circles".to_owned()));
                }
                Some(next) => path = next,
            }
        }
        Ok(page)
    }

    /// Hands on what an address leads to, piece by piece; at another host without the token.
    pub(super) async fn stream(&self, path: &str, max: u64, take: &mut Take<'_>) -> Result<LogEnd, ForgeError> {
        let _turn = self.pace.streamer().await;
        let mut path = path.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let mut answer = self.read(&path, None, true).await?;
            if let Some(body) = answer.stream.take() {
                return self
                    .transport
                    .stream(body, max, take)
                    .await
                    .map_err(|it| ForgeError::Unanswered(it.to_string()));
            }
            if !answer.status.is_redirection() {
                return Err(self.refusal(&Method::GET, &path, &answer));
            }
            match self.target(&answer)? {
                Place::Here(to) => path = to,
                Place::Elsewhere(url) => {
                    let read = self.transport.stream_elsewhere(url, max, take).await;
                    return match read.map_err(|it| ForgeError::Unanswered(it.to_string()))? {
                        Ok(end) => Ok(end),
                        Err(StatusCode::NOT_FOUND | StatusCode::GONE) => {
                            Err(ForgeError::NotFound("GitHub does not keep it any more".to_owned()))
                        }
                        Err(status) => {
                            let text = format!("the host that GitHub points to answered {}", status.as_u16());
                            Err(ForgeError::Unanswered(text))
                        }
                    };
                }
            }
        }
        Err(ForgeError::Odd("GitHub sends us in circles".to_owned()))
    }

    /// Writes what an address leads to to a new file; returns its size in bytes. If that does not work there is no file.
    pub(super) async fn download(&self, path: &str, to: &Path, max: u64) -> Result<u64, ForgeError> {
        let broken = |it: io::Error| ForgeError::Odd(format!("cannot write {}: {it}", to.display()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(broken)?;
        let mut written = Ok(());
        let mut take = |piece: &[u8]| {
            written = file.write_all(piece);
            written.is_ok()
        };
        let streamed = self.stream(path, max, &mut take).await;
        let end = match (streamed, written) {
            (_, Err(error)) => Err(broken(error)),
            (Ok(end), Ok(())) if end.is_cut => {
                Err(ForgeError::TooLarge(format!("what GitHub has there is larger than {max} bytes")))
            }
            (streamed, Ok(())) => streamed,
        };
        if end.is_err() {
            let _ = fs::remove_file(to);
        }
        end.map(|it| it.bytes)
    }

    /// Makes one request that changes something, never a second one.
    pub(super) async fn write(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, ForgeError> {
        let turn = self.pace.writer().await;
        let token = self.token().await?;
        self.pace.admit()?;
        let body = body.map(Value::to_string);
        let asked = self.transport.ask(Call { token: token.as_ref(), body, ..Call::new(method.clone(), path) }).await;
        drop(turn);
        let answer = asked.map_err(|it| match it {
            Broken::SafeMode => ForgeError::Unauthorised(it.to_string()),
            Broken::NotAnAddress => ForgeError::Odd(it.to_string()),
            Broken::NoConnection => ForgeError::Later { until: self.pace.later(), why: it.to_string() },
            Broken::TooSlow | Broken::BrokeOff | Broken::TooLarge => ForgeError::Unknown(it.to_string()),
        })?;
        let learned = self.pace.learn(&answer);
        if answer.status.is_server_error() {
            return Err(ForgeError::Unknown(format!("GitHub answered {}", answer.status.as_u16())));
        }
        learned?;
        self.forget_if_refused(&answer, token.as_ref());
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(&method, path, &answer)) }
    }

    /// Asks until there is an answer, at most three times.
    async fn read(&self, path: &str, known: Option<&Known>, is_stream: bool) -> Result<Answer, ForgeError> {
        let mut n_tries = 0;
        let mut is_renewed = false;
        loop {
            let token = self.token().await?;
            self.pace.admit()?;
            let etag = known.map(|it| &it.etag);
            let call = Call { token: token.as_ref(), etag, is_stream, ..Call::new(Method::GET, path) };
            let trouble = match self.transport.ask(call).await {
                Ok(answer) => {
                    self.pace.learn(&answer)?;
                    if self.forget_if_refused(&answer, token.as_ref()) && !is_renewed {
                        is_renewed = true;
                        continue;
                    }
                    if !answer.status.is_server_error() {
                        return Ok(answer);
                    }
                    let why = format!("GitHub answered {}", answer.status.as_u16());
                    ForgeError::Later { until: self.pace.later(), why }
                }
                Err(broken @ Broken::TooLarge) => return Err(ForgeError::TooLarge(broken.to_string())),
                Err(broken @ (Broken::NotAnAddress | Broken::SafeMode)) => {
                    return Err(ForgeError::Odd(broken.to_string()));
                }
                Err(broken) => ForgeError::Unanswered(broken.to_string()),
            };
            if n_tries == RETRIES {
                return Err(trouble);
            }
            tokio::time::sleep(self.pace.pause(n_tries)).await;
            n_tries += 1;
        }
    }

    /// Forgets an App's token that GitHub does not take; returns whether there may be a new one.
    fn forget_if_refused(&self, answer: &Answer, token: Option<&Token>) -> bool {
        let is_refused = answer.status == StatusCode::UNAUTHORIZED && matches!(self.credential, Credential::App(_));
        if let Some(token) = token.filter(|_| is_refused) {
            self.given.forget(token);
        }
        is_refused
    }

    /// Returns where a redirect leads.
    fn target(&self, answer: &Answer) -> Result<Place, ForgeError> {
        let place = answer.header("location").and_then(|it| self.transport.place(it));
        place.ok_or_else(|| ForgeError::Odd("GitHub sends us nowhere".to_owned()))
    }

    /// Returns GitHub's words as they may be shown: clean, and without the token.
    pub(super) fn safe(&self, text: &str) -> String {
        let text = crate::evidence::text::clean_line(text);
        match &self.credential {
            Credential::Token(token) => text.replace(token.reveal(), "***"),
            Credential::App(_) => self.given.hide(&text),
            Credential::None => text,
        }
    }

    /// Returns in words why GitHub did not do it.
    fn refusal(&self, method: &Method, path: &str, answer: &Answer) -> ForgeError {
        let status = answer.status.as_u16();
        let hint = match status {
            300..=399 => Some("the repository was renamed; set its new name".to_owned()),
            401 => Some("the token is not valid".to_owned()),
            403 if answer.header("x-github-sso").is_some() => {
                Some("the token is not authorised for the organisation's single sign-on".to_owned())
            }
            403 => answer.header("x-accepted-github-permissions").map(|it| format!("the token needs {it}")),
            404 => Some("there is no such thing, or the token may not see it".to_owned()),
            _ => None,
        };
        let path = path.split('?').next().unwrap_or_default();
        let mut text = format!("GitHub answered {status} to {method} {path}");
        for it in [hint, said(&answer.body)].into_iter().flatten() {
            text.push_str(": ");
            text.push_str(&it);
        }
        let text = self.safe(&text);
        match status {
            401 | 403 => ForgeError::Unauthorised(text),
            404 | 410 => ForgeError::NotFound(text),
            409 => ForgeError::Conflict(text),
            _ => ForgeError::Refused { status, message: text },
        }
    }
}

/// Returns the words of a refusal, `None` if there are none.
pub(super) fn said(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let text = |it: &Value| it.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
    let reasons = document["errors"].as_array().into_iter().flatten();
    let reasons = reasons.filter_map(|it| text(it).or_else(|| text(&it["message"])).or_else(|| text(&it["code"])));
    let words: Vec<String> = text(&document["message"]).into_iter().chain(reasons).collect();
    (!words.is_empty()).then(|| words.join("; ").chars().take(MAX_WORDS).collect())
}

fn fetched(known: &Known, headers: HeaderMap) -> Result<Fetched, ForgeError> {
    let document =
        serde_json::from_slice(&known.body).map_err(|_| ForgeError::Odd("GitHub's answer is not JSON".to_owned()))?;
    Ok(Fetched { document, headers, next: known.next.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_refusal_are_found_in_all_their_shapes() {
        for (body, expected) in [
            (
                r#"{"message": "Validation Failed", "errors": [{"code": "custom", "message": "No commits"}, "x", {"code": "invalid"}]}"#,
                Some("Validation Failed; No commits; x; invalid"),
            ),
            (r#"{"message": "Not Found", "documentation_url": "https://docs"}"#, Some("Not Found")),
            (r#"{"message": 7, "errors": "none"}"#, None),
            ("<html>502</html>", None),
            ("", None),
        ] {
            assert_eq!(said(body.as_bytes()).as_deref(), expected, "{body}");
        }
        assert_eq!(said(format!("{{\"message\": \"{}\"}}", "x".repeat(9_000)).as_bytes()).unwrap().len(), MAX_WORDS);
    }
}
