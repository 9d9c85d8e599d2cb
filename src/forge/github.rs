//! GitHub's REST API.
use crate::forge::{Forge, ForgeError};
use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// GitHub, or a GitHub Enterprise server.
pub struct Github {
    client: Client,
    api_url: String,
    token: String,
}

impl std::fmt::Debug for Github {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Github").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}

impl Github {
    /// Makes the adapter; nothing is asked yet. Redirects are not followed: the token is for one host.
    pub fn new(api_url: &str, token: &str) -> Result<Self, ForgeError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("paramedic/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|it| ForgeError(format!("cannot make an HTTP client: {it}")))?;
        Ok(Self { client, api_url: api_url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }
}

#[async_trait]
impl Forge for Github {
    async fn repository_dispatch(
        &self,
        repository: &str,
        event_type: &str,
        client_payload: &Value,
    ) -> Result<(), ForgeError> {
        let url = format!("{}/repos/{repository}/dispatches", self.api_url);
        let asked = self
            .client
            .post(url)
            .bearer_auth(&self.token)
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .json(&json!({ "event_type": event_type, "client_payload": client_payload }))
            .send()
            .await;
        let answer = asked.map_err(|it| ForgeError(format!("GitHub does not answer: {}", in_words(&it))))?;
        let status = answer.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let hint = match status.as_u16() {
            401 => "the token is not valid",
            403 => "the token may not do this, or a rate limit is reached",
            404 => "there is no such repository, or the token may not see it",
            422 => "GitHub refuses the event",
            301 | 302 | 307 | 308 => "the repository was renamed; set its new name",
            _ => "that is not what GitHub says to an event that it takes",
        };
        Err(ForgeError(format!("GitHub answered {} to the event for {repository}: {hint}", status.as_u16())))
    }

    fn workflows_url(&self, repository: &str) -> String {
        let web = match self.api_url.strip_prefix("https://api.") {
            Some(host) => format!("https://{host}"),
            None => self.api_url.trim_end_matches("/api/v3").to_owned(),
        };
        format!("{web}/{repository}/actions")
    }
}

fn in_words(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_on_the_web_host_and_no_token_is_shown() {
        for (api, page) in [
            ("https://api.github.com", "https://github.com/acme/shop/actions"),
            ("https://ghe.test/api/v3/", "https://ghe.test/acme/shop/actions"),
        ] {
            let github = Github::new(api, "ghp_secret").unwrap();
            assert_eq!(github.workflows_url("acme/shop"), page);
            assert!(!format!("{github:?}").contains("secret"));
        }
    }
}
