//! Posting JSON to an address of the settings: no redirects, a time limit, nothing of the address in an error.
use crate::notify::NotifyError;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use std::time::Duration;

/// One address that is posted to.
#[derive(Clone)]
pub(super) struct Post {
    client: Client,
    url: Url,
}

/// Shows no address: who knows it can post there.
impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Post")
    }
}

impl Post {
    /// Prepares to post to `url`; the error does not repeat it.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|_| "the address is none".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the address must be http or https".to_owned());
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .user_agent(concat!("paramedic/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|it| format!("cannot make a client: {}", it.without_url()))?;
        Ok(Self { client, url })
    }

    /// Posts once. Only a 2xx is success.
    pub(super) async fn send(&self, headers: HeaderMap, body: Vec<u8>, limit: Duration) -> Result<(), NotifyError> {
        let request = self.client.post(self.url.clone()).headers(headers).header(CONTENT_TYPE, "application/json");
        let answer = request.body(body).timeout(limit).send().await;
        match answer {
            // The body is not read: nothing in it changes what is done.
            Ok(response) => judge(&response),
            Err(error) => Err(NotifyError::Later { why: why(&error), after: None }),
        }
    }
}

fn judge(response: &Response) -> Result<(), NotifyError> {
    let status = response.status();
    let why = format!("it answered {}", status.as_u16());
    match status {
        it if it.is_success() => Ok(()),
        it if it.is_redirection() => Err(NotifyError::Never(format!("{why}: redirects are not followed"))),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(NotifyError::Later { why, after: retry_after(response.headers()) })
        }
        it if it.is_server_error() => Err(NotifyError::Later { why, after: retry_after(response.headers()) }),
        _ => Err(NotifyError::Never(why)),
    }
}

/// Returns the seconds of a `Retry-After`; a date is left aside, the usual waits do for it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(u64::from(seconds)))
}

/// Says what went wrong without the address, which the library would tell.
fn why(error: &reqwest::Error) -> String {
    let what = match error {
        it if it.is_timeout() => "it did not answer in time",
        it if it.is_connect() => "it cannot be reached",
        _ => "the connection broke",
    };
    what.to_owned()
}
