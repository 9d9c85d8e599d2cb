//! `[github]` and `[dispatch]`: the forge that `doctor` looks at and orders may reach, and the repository that orders are for.
use crate::config::checked::truth;
use crate::config::repositories::is_repository_name;
use crate::config::{ConfigError, Environment};
use serde::{Deserialize, Serialize};

/// Variables that may hold the token, first the most specific.
pub const TOKEN_NAMES: &[&str] = &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_PAT"];

/// What a settings file may say of GitHub.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawGithub {
    /// Whether GitHub is asked at all; what changes something there also needs `safe_mode = false`. Default false.
    pub enabled: Option<bool>,
    /// Address of the REST API. Default `https://api.github.com`.
    pub api_url: Option<String>,
    /// Whether `gh auth token` is asked where no variable holds a token. Default true.
    pub gh_cli: Option<bool>,
}

/// What a settings file may say of dispatch orders.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDispatch {
    /// owner/name, or the absolute path of a local repository.
    pub repository: Option<String>,
}

/// The forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GithubSettings {
    pub enabled: bool,
    pub api_url: String,
    pub gh_cli: bool,
}

/// Where dispatch orders go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DispatchSettings {
    pub repository: Option<String>,
}

impl GithubSettings {
    /// Checks the section; the environment wins.
    pub fn check(raw: RawGithub, environment: &Environment) -> Result<Self, ConfigError> {
        let enabled = match environment.text("CI_HEALING_GITHUB_ENABLED") {
            Some(text) => truth("CI_HEALING_GITHUB_ENABLED", text)?,
            None => raw.enabled.unwrap_or(false),
        };
        let api_url = environment.text("GITHUB_API_URL").map(str::to_owned).or(raw.api_url);
        let api_url = api_url.unwrap_or_else(|| "https://api.github.com".to_owned());
        let place = api_url.split_once("://").map(|(_, rest)| rest.split(['/', ':']).next().unwrap_or_default());
        let is_safe = match place {
            Some("localhost" | "127.0.0.1") => true,
            Some(host) => !host.is_empty() && api_url.starts_with("https://"),
            None => false,
        };
        if !is_safe || api_url.contains('@') {
            let text = "github.api_url: give an https address without a user (http only on 127.0.0.1)";
            return Err(ConfigError(text.to_owned()));
        }
        let gh_cli = raw.gh_cli.unwrap_or(true);
        Ok(Self { enabled, api_url: api_url.trim_end_matches('/').to_owned(), gh_cli })
    }
}

impl DispatchSettings {
    /// Checks the section.
    pub fn check(raw: RawDispatch) -> Result<Self, ConfigError> {
        match raw.repository {
            Some(it) if !it.starts_with('/') && !is_repository_name(&it) => {
                Err(ConfigError(format!("dispatch.repository: `{it}` is neither owner/name nor an absolute path")))
            }
            repository => Ok(Self { repository }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_sent_in_the_clear() {
        let at = |url: &str| {
            let raw = RawGithub { api_url: Some(url.to_owned()), ..RawGithub::default() };
            GithubSettings::check(raw, &Environment::default())
        };
        for url in ["https://ghe.acme.test/api/v3/", "http://127.0.0.1:8080", "http://localhost"] {
            assert!(at(url).is_ok(), "{url}");
        }
        for url in ["http://ghe.acme.test", "ftp://127.0.0.1x", "https://", "nothing", "https://u:p@host"] {
            assert!(at(url).is_err(), "{url}");
        }
    }
}
