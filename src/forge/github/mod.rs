//! GitHub's REST API, of github.com or of an Enterprise server.
mod app;
mod auth;
mod cache;
mod graphql;
mod pace;
mod page;
mod path;
mod reads;
mod requests;
mod shapes;
mod transport;
mod writes;

pub use app::AppKey;
pub use auth::{Credential, Token};
pub use pace::Timing;

use crate::clock::Clock;
use crate::forge::ForgeError;
use crate::forge::github::app::Given;
use crate::forge::github::cache::Cache;
use crate::forge::github::pace::Pace;
use crate::forge::github::transport::Transport;
use std::sync::{Arc, Mutex};

/// What a client of GitHub is made from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Address of the API, such as `https://api.github.com`.
    pub api_url: String,
    pub credential: Credential,
    /// Whether this process is a job of a workflow, whose token is GitHub's own.
    pub is_of_workflow: bool,
    /// Whether every request but GET is refused before it is sent.
    pub is_read_only: bool,
    pub timing: Timing,
}

/// GitHub, or a GitHub Enterprise server.
#[derive(Debug)]
pub struct Github {
    api_url: String,
    credential: Credential,
    /// What an App was given.
    given: Given,
    clock: Arc<dyn Clock>,
    is_of_workflow: bool,
    transport: Transport,
    pace: Pace,
    cache: Mutex<Cache>,
}

impl Github {
    /// Makes the client; nothing is asked yet. Must be called inside the runtime.
    pub fn new(setup: Setup, clock: Arc<dyn Clock>) -> Result<Self, ForgeError> {
        let api_url = setup.api_url.trim_end_matches('/').to_owned();
        let odd = |_| ForgeError::Odd(format!("`{}` is no address", api_url.escape_debug()));
        let api = api_url.parse().map_err(odd)?;
        Ok(Self {
            transport: Transport::new(api, setup.timing, setup.is_read_only)?,
            pace: Pace::new(clock.clone(), setup.timing),
            cache: Mutex::new(Cache::new()),
            api_url,
            credential: setup.credential,
            given: Given::default(),
            clock,
            is_of_workflow: setup.is_of_workflow,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::forge::Reads as _;

    #[tokio::test]
    async fn pages_are_on_the_web_host_and_no_token_is_shown() {
        for (api, page) in [
            ("https://api.github.com", "https://github.com/acme/shop/actions"),
            ("https://ghe.test/api/v3/", "https://ghe.test/acme/shop/actions"),
        ] {
            let setup = Setup {
                api_url: api.to_owned(),
                credential: Credential::Token(Token::new("ghp_secret").unwrap()),
                is_of_workflow: false,
                is_read_only: false,
                timing: Timing::default(),
            };
            let github = Github::new(setup, Arc::new(SystemClock)).unwrap();
            assert_eq!(github.workflows_url("acme/shop"), page);
            assert_eq!(format!("{}/actions", github.git_url("acme/shop").trim_end_matches(".git")), page);
            assert!(!format!("{github:?}").contains("secret"));
        }
    }
}
