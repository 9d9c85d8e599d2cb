//! One request and its answer: bounded in time and size, the token only to GitHub itself, and in safe mode nothing but GET.
use crate::forge::github::auth::Token;
use crate::forge::github::pace::Timing;
use crate::forge::{ForgeError, LogEnd, Take};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use octocrab::Octocrab;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::error::Error;
use std::fmt;

/// The most of an answer that is held.
const MAX_BODY: u64 = 8 * 1024 * 1024;
const ACCEPT: &str = "application/vnd.github+json";
const VERSION: &str = "2022-11-28";
const AGENT: &str = concat!("paramedic/", env!("CARGO_PKG_VERSION"));

/// The way to GitHub.
pub(super) struct Transport {
    /// Adds the host of the API.
    octocrab: Octocrab,
    /// For other hosts; knows no token.
    plain: Client,
    api: Url,
    timing: Timing,
    is_read_only: bool,
}

/// A request.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// One of the API, with or without its base.
    pub(super) path: &'a str,
    pub(super) token: Option<&'a Token>,
    /// Mark of the answer that is known.
    pub(super) etag: Option<&'a HeaderValue>,
    pub(super) body: Option<String>,
    /// Whether only the head of a success is taken, and its body left to be streamed.
    pub(super) is_stream: bool,
    /// Whether it changes nothing although it is not GET: an App asks for its token.
    pub(super) is_login: bool,
}

impl<'a> Call<'a> {
    /// Asks for a path alone.
    pub(super) const fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, token: None, etag: None, body: None, is_stream: false, is_login: false }
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The body of a success that was asked for piece by piece.
    pub(super) stream: Option<BoxBody<Bytes, octocrab::Error>>,
}

/// Why nothing came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    SafeMode,
    NotAnAddress,
    NoConnection,
    TooSlow,
    BrokeOff,
    TooLarge,
}

/// Where a redirect or a next page leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To the same API; path and query.
    Here(String),
    Elsewhere(Url),
}

impl Answer {
    #[cfg(test)]
    pub(super) fn whole(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { status, headers, body, stream: None }
    }

    /// Whether the words of a refusal hold these, in lower case.
    pub(super) fn says(&self, words: &str) -> bool {
        !self.status.is_success() && String::from_utf8_lossy(&self.body).to_lowercase().contains(words)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Transport {
    /// Makes the clients; nothing is asked yet. Must be called inside the runtime.
    pub(super) fn new(api: Url, timing: Timing, is_read_only: bool) -> Result<Self, ForgeError> {
        let client = || {
            // Redirects are not followed: the token is for one host.
            let builder = Client::builder().connect_timeout(timing.connect).read_timeout(timing.silence);
            let built = builder.redirect(Policy::none()).user_agent(AGENT).build();
            built.map_err(|it| ForgeError::Odd(format!("cannot make an HTTP client: {it}")))
        };
        let odd = |_| ForgeError::Odd(format!("`{api}` is no address of GitHub's API"));
        let builder = Octocrab::builder().base_uri(api.origin().ascii_serialization()).map_err(odd)?;
        let octocrab = builder.build_with_reqwest(client()?).map_err(odd)?;
        Ok(Self { octocrab, plain: client()?, api, timing, is_read_only })
    }

    /// Returns the path of the one place where GraphQL is spoken.
    pub(super) fn graphql(&self) -> String {
        let base = self.base();
        format!("{}/graphql", base.strip_suffix("/v3").unwrap_or(base))
    }

    /// Returns the path below which the whole REST API is: nothing, or an Enterprise server's `/api/v3`.
    fn base(&self) -> &str {
        self.api.path().trim_end_matches('/')
    }

    /// Asks once and takes the whole answer, or its head.
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<Answer, Broken> {
        let Call { method, path, token, etag, body, is_stream, is_login } = call;
        if self.is_read_only && method != Method::GET && !is_login {
            return Err(Broken::SafeMode);
        }
        let base = self.base();
        let is_whole = path.starts_with(&format!("{base}/")) || path == self.graphql();
        let path = if is_whole { path.to_owned() } else { format!("{base}{path}") };
        let mut request = Request::builder().method(method.clone()).uri(path);
        request = request.header("accept", ACCEPT).header("x-github-api-version", VERSION);
        if let Some(token) = token {
            let mut bearer =
                HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| Broken::NotAnAddress)?;
            bearer.set_sensitive(true);
            request = request.header("authorization", bearer);
        }
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        } else if method != Method::GET {
            // GitHub wants to be told that nothing follows.
            request = request.header("content-length", "0");
        }
        let request = request.body(body.unwrap_or_default()).map_err(|_| Broken::NotAnAddress)?;
        let asked = async {
            let answered = self.octocrab.execute(request).await.map_err(|it| broken(&it))?;
            let (head, body) = answered.into_parts();
            let mut answer = Answer { status: head.status, headers: head.headers, body: Vec::new(), stream: None };
            if is_stream && answer.status.is_success() {
                answer.stream = Some(body);
                return Ok(answer);
            }
            if answer.header("content-length").and_then(|it| it.parse().ok()).is_some_and(|it: u64| it > MAX_BODY) {
                return Err(Broken::TooLarge);
            }
            let kept = &mut answer.body;
            let mut keep = |piece: &[u8]| {
                kept.extend_from_slice(piece);
                true
            };
            let end = drain(body, MAX_BODY, &mut keep).await?;
            if end.is_cut { Err(Broken::TooLarge) } else { Ok(answer) }
        };
        tokio::time::timeout(self.timing.answer, asked).await.unwrap_or(Err(Broken::TooSlow))
    }

    /// Hands on the rest of an answer.
    pub(super) async fn stream(
        &self,
        body: BoxBody<Bytes, octocrab::Error>,
        max: u64,
        take: &mut Take<'_>,
    ) -> Result<LogEnd, Broken> {
        tokio::time::timeout(self.timing.log, drain(body, max, take)).await.unwrap_or(Err(Broken::TooSlow))
    }

    /// Hands on what lies at another host; it gets no token. Returns the status where it is no success.
    pub(super) async fn stream_elsewhere(
        &self,
        url: Url,
        max: u64,
        take: &mut Take<'_>,
    ) -> Result<Result<LogEnd, StatusCode>, Broken> {
        if !is_fetched(&self.api, &url) {
            return Err(Broken::NotAnAddress);
        }
        let asked = async {
            let answer = self.plain.get(url).send().await.map_err(|it| broken(&it))?;
            if !answer.status().is_success() {
                return Ok(Err(answer.status()));
            }
            drain(reqwest::Body::from(answer), max, take).await.map(Ok)
        };
        tokio::time::timeout(self.timing.log, asked).await.unwrap_or(Err(Broken::TooSlow))
    }

    /// Returns where an address leads that GitHub gave; `None` if it is none.
    pub(super) fn place(&self, address: &str) -> Option<Place> {
        let url = self.api.join(address).ok()?;
        let base = self.base();
        let is_below = url.path().strip_prefix(base).is_some_and(|it| it.starts_with('/'));
        if url.origin() != self.api.origin() || !is_below {
            return Some(Place::Elsewhere(url));
        }
        let query = url.query().map_or(String::new(), |it| format!("?{it}"));
        Some(Place::Here(format!("{}{query}", url.path())))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("api", &self.api.as_str()).finish_non_exhaustive()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SafeMode => "safe mode: nothing is sent to GitHub",
            Self::NotAnAddress => "GitHub is not asked at such an address",
            Self::NoConnection => "GitHub does not answer: no connection",
            Self::TooSlow => "GitHub does not answer: no answer in time",
            Self::BrokeOff => "GitHub does not answer: the connection broke off",
            Self::TooLarge => "GitHub's answer is too large",
        })
    }
}

/// Whether an API may send us to an address: to https; one on this machine to others here, too.
fn is_fetched(api: &Url, url: &Url) -> bool {
    let is_here = |it: &Url| matches!(it.host_str(), Some("127.0.0.1" | "localhost"));
    url.scheme() == "https" || (url.scheme() == "http" && is_here(url) && is_here(api))
}

/// Hands on at most `max` bytes of a body.
async fn drain<B>(mut body: B, max: u64, take: &mut Take<'_>) -> Result<LogEnd, Broken>
where
    B: BodyExt<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|it| broken(&it))?.into_data() else { continue };
        let room = usize::try_from(max - bytes).unwrap_or(usize::MAX);
        let taken = &piece[..piece.len().min(room)];
        bytes += taken.len() as u64;
        if !take(taken) || taken.len() < piece.len() {
            return Ok(LogEnd { bytes, is_cut: true });
        }
    }
    Ok(LogEnd { bytes, is_cut: false })
}

/// Returns what went wrong, without the address: that of a log is a key to it.
fn broken(error: &(dyn Error + 'static)) -> Broken {
    let mut causes = std::iter::successors(Some(error), |it| (*it).source());
    match causes.find_map(|it| it.downcast_ref::<reqwest::Error>()) {
        Some(cause) if cause.is_connect() => Broken::NoConnection,
        Some(cause) if cause.is_timeout() => Broken::TooSlow,
        _ => Broken::BrokeOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_elsewhere_sends_us_to_no_program_of_this_machine() {
        for (api, url, expected) in [
            ("https://api.github.com", "https://logs.blob.test/x?sig=1", true),
            ("https://api.github.com", "http://127.0.0.1:7171/metrics", false),
            ("https://api.github.com", "http://logs.blob.test/x", false),
            ("http://127.0.0.1:1", "http://localhost:1/x", true),
            ("http://127.0.0.1:1", "file:///etc/passwd", false),
        ] {
            assert_eq!(is_fetched(&api.parse().unwrap(), &url.parse().unwrap()), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn only_paths_of_the_api_itself_get_the_token() {
        let at = |api: &str, address: &str| {
            let transport = Transport::new(api.parse().unwrap(), Timing::default(), true).unwrap();
            transport.place(address).unwrap()
        };
        let here = |path: &str| Place::Here(path.to_owned());
        assert_eq!(at("https://api.github.com", "https://api.github.com/x?page=2"), here("/x?page=2"));
        assert_eq!(at("https://api.github.com", "/repositories/1"), here("/repositories/1"));
        assert_eq!(at("https://ghe.test/api/v3", "https://ghe.test/api/v3/x"), here("/api/v3/x"));
        for (api, address) in [
            ("https://api.github.com", "http://api.github.com/x"),
            ("https://api.github.com", "https://api.github.com:444/x"),
            ("https://api.github.com", "https://api.github.com.evil.test/x"),
            ("https://api.github.com", "//evil.test/x"),
            ("https://ghe.test/api/v3", "https://ghe.test/storage/x"),
            ("https://ghe.test/api/v3", "https://ghe.test/api/v3evil/x"),
        ] {
            assert!(matches!(at(api, address), Place::Elsewhere(_)), "{address}");
        }
    }
}
