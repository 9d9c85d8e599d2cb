//! The line to a server: requests with the token, bounded answers, and what went wrong in words.
use crate::backlog::BacklogError;
use crate::backlog::remote::address::Address;
use crate::backlog::remote::answer;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may say nothing while it answers.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an answer may take as a whole.
const WHOLE: Duration = Duration::from_mins(2);
/// The longest answer that is read.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// The longest answer to a decision, or explanation of an error.
const MAX_WORDS: usize = 1024 * 1024;
/// The longest that a read waits when the server asks for patience.
const MAX_PATIENCE: Duration = Duration::from_secs(10);
/// The longest token that is sent.
const MAX_TOKEN: usize = 4_096;

/// How a server is reached.
#[derive(Clone, Default)]
pub struct Access {
    /// `http://HOST[:PORT][/PATH]` or `https://…`.
    pub address: String,
    pub token: Option<String>,
    /// Certificates (PEM) of a private authority, trusted beside the machine's own.
    pub authority: Option<Vec<u8>>,
    /// Whether the token may go over plain http to another machine.
    pub allow_plain_http: bool,
}

/// Shows no token.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("has_token", &self.token.is_some()).finish_non_exhaustive()
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether there was more than is read.
    pub(super) is_cut: bool,
}

/// The line to one server.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) address: Address,
    pub(super) has_token: bool,
    reader: Client,
    /// Opens a connection for each decision: on a kept one that the server has just closed, nobody could say whether the decision arrived.
    decider: Client,
    listener: Client,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Line {
    /// Checks what is needed to ask a server; asks nothing yet.
    pub(super) fn new(access: &Access) -> Result<Self, String> {
        let address = Address::parse(&access.address)?;
        if access.token.is_some() && address.is_open_to_listeners() && !access.allow_plain_http {
            return Err(format!(
                "{address}: over plain http anybody on the way could read the token; use https://, or allow it with `allow_plain_http = true`"
            ));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = &access.token {
            headers.insert(AUTHORIZATION, bearer(token)?);
        }
        let authorities = match &access.authority {
            Some(pem) => Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|it| !it.is_empty())
                .ok_or("ca_file: there is no certificate (PEM) in it")?,
            None => Vec::new(),
        };
        let client = |shape: fn(ClientBuilder) -> ClientBuilder| {
            let mut builder = Client::builder()
                .user_agent(concat!("paramedic/", env!("CARGO_PKG_VERSION")))
                .default_headers(headers.clone())
                .connect_timeout(CONNECT)
                // A token or a decision must not follow whoever says that the server is elsewhere.
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .tls_certs_merge(authorities.clone());
            if address.is_this_machine() {
                builder = builder.no_proxy();
            }
            shape(builder).build().map_err(|it| format!("cannot prepare for {address}: {}", words(&it)))
        };
        Ok(Self {
            reader: client(|it| it.read_timeout(SILENCE).timeout(WHOLE))?,
            decider: client(|it| it.read_timeout(SILENCE).timeout(WHOLE).pool_max_idle_per_host(0))?,
            listener: client(|it| it.pool_max_idle_per_host(0))?,
            has_token: access.token.is_some(),
            address,
        })
    }

    /// Reads, once more if a kept connection broke or the server asks for patience.
    pub(super) async fn read(&self, url: Url, query: &[(&str, String)]) -> Result<Answer, BacklogError> {
        let mut is_last = false;
        loop {
            let request = self.reader.get(url.clone()).query(query);
            let error = match self.answer(request, MAX_BODY).await {
                Ok((_, answer)) if answer.is_cut => {
                    let text = format!("{} answers with more than {} MiB", self.address, MAX_BODY >> 20);
                    return Err(BacklogError::Failed(text));
                }
                Ok((status, answer)) if status.is_success() => return Ok(answer),
                Ok((status, answer)) => {
                    let patience = patience(status, &answer.headers).filter(|_| !is_last);
                    let Some(patience) = patience else { return Err(answer::error(status, &answer.body)) };
                    tokio::time::sleep(patience).await;
                    is_last = true;
                    continue;
                }
                Err(error) => error,
            };
            let may_be_stale = !is_last && !error.is_timeout() && !error.is_connect();
            if !may_be_stale {
                return Err(self.unreachable(&error));
            }
            is_last = true;
        }
    }

    /// Sends a decision, once. When the answer is lost, whether it arrived is not known, and the error says so and what to `look` at.
    pub(super) async fn decide(&self, url: Url, body: &impl Serialize, look: &str) -> Result<Answer, BacklogError> {
        self.send(self.decider.post(url).json(body), look).await
    }

    /// Sends a body as it is with these headers, once; `again` says what to do when the answer is lost.
    pub(super) async fn post(
        &self,
        url: Url,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        again: &str,
    ) -> Result<Answer, BacklogError> {
        let request = self.decider.post(url).header(CONTENT_TYPE, "application/json").body(body);
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)), again).await
    }

    async fn send(&self, request: RequestBuilder, look: &str) -> Result<Answer, BacklogError> {
        match self.answer(request, MAX_WORDS).await {
            Ok((status, answer)) if status.is_success() => Ok(answer),
            Ok((status, answer)) => Err(match answer::error(status, &answer.body) {
                // Something between here and the server, or the server on its way down.
                BacklogError::Unreachable(text) if status.is_server_error() => {
                    BacklogError::Unreachable(format!("{text}; whether it was done is not known, {look}"))
                }
                other => other,
            }),
            Err(error) if error.is_connect() || error.is_builder() => {
                Err(BacklogError::Unreachable(format!("{}; nothing was sent", self.unreachable(&error))))
            }
            Err(error) => Err(BacklogError::Unreachable(format!(
                "{}; whether it arrived is not known, {look}",
                self.unreachable(&error)
            ))),
        }
    }

    /// Opens the stream of events after `last`.
    pub(super) async fn listen(&self, last: Option<u64>) -> Result<Response, BacklogError> {
        let mut request = self.listener.get(self.address.route(&["stream"])).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        // Only the head must come soon; events come when they come.
        let response = match tokio::time::timeout(SILENCE, request.send()).await {
            Ok(response) => response.map_err(|it| self.unreachable(&it))?,
            Err(_) => return Err(self.silent(SILENCE)),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let read = tokio::time::timeout(SILENCE, bounded(response, MAX_WORDS)).await;
        let (body, _) = read.ok().and_then(Result::ok).unwrap_or_default();
        Err(answer::error(status, &body))
    }

    async fn answer(&self, request: RequestBuilder, max: usize) -> Result<(StatusCode, Answer), reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let max = if status.is_success() { max } else { MAX_WORDS };
        let (body, is_cut) = bounded(response, max).await?;
        Ok((status, Answer { headers, body, is_cut: is_cut && status.is_success() }))
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> BacklogError {
        BacklogError::Unreachable(format!("cannot reach {}: {}", self.address, words(error)))
    }

    pub(super) fn silent(&self, silence: Duration) -> BacklogError {
        BacklogError::Unreachable(format!("{} has said nothing for {} s", self.address, silence.as_secs()))
    }
}

/// Reads a body up to `max` bytes; the rest is not read. Returns whether there was more.
async fn bounded(mut response: Response, max: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if room < chunk.len() {
            return Ok((body, true));
        }
    }
    Ok((body, false))
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let is_token = !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|it| it.is_ascii_graphic());
    let value = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| is_token);
    let mut value = value.ok_or("the token has characters in it that no token has")?;
    value.set_sensitive(true);
    Ok(value)
}

/// How long to wait before a read is tried once more.
fn patience(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds)).filter(|it| *it <= MAX_PATIENCE)
}

/// Says what went wrong: the innermost reason, without the address, which is told beside it.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            format!("no connection within {} s", CONNECT.as_secs())
        } else {
            "no answer in time".to_owned()
        };
    }
    let mut reason = error.source();
    let mut text = reason.map_or_else(|| error.to_string(), ToString::to_string);
    while let Some(inner) = reason.and_then(std::error::Error::source) {
        text = inner.to_string();
        reason = Some(inner);
    }
    if text.contains("certificate") {
        text.push_str("; a private authority's certificate goes into `ca_file`");
    }
    if text.contains("InvalidContentType") {
        return "it does not speak TLS there; is it http://?".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str, token: &str) -> Access {
        Access { address: address.to_owned(), token: Some(token.to_owned()), ..Access::default() }
    }

    #[test]
    fn the_token_is_kept_from_the_network_and_from_print() {
        let error = Line::new(&access("http://ci.example", "s3cret")).unwrap_err();
        assert!(error.contains("plain http") && !error.contains("s3cret"), "{error}");
        let allowed = Access { allow_plain_http: true, ..access("http://ci.example", "s3cret") };
        let line = Line::new(&allowed).unwrap();
        assert!(!format!("{line:?} {allowed:?} {:?}", line.reader).contains("s3cret"));
        for token in ["", "a b", "a\nb", "ä", &"x".repeat(5_000)] {
            assert!(Line::new(&access("https://ci.example", token)).is_err(), "{token}");
        }
    }

    #[test]
    fn an_authority_must_be_a_certificate() {
        let access = Access { authority: Some(b"hello".to_vec()), ..access("https://ci.example", "t") };
        assert!(Line::new(&access).unwrap_err().contains("ca_file"));
    }

    #[test]
    fn patience_has_an_end() {
        let asked = |text: &'static str| {
            patience(
                StatusCode::TOO_MANY_REQUESTS,
                &HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]),
            )
        };
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        assert_eq!((asked("3600"), asked("soon"), asked("-1")), (None, None, None));
        assert_eq!(patience(StatusCode::OK, &HeaderMap::new()), None);
    }
}
