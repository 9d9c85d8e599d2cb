//! The forge of the settings: asked only where they allow it, and only with a token.
use crate::config::forge::{APP_KEY_NAME, AppSettings, GithubSettings, TOKEN_NAMES};
use crate::config::{Config, Environment};
use crate::engine::Engine;
use crate::engine::forge::ForgeSeat;
use crate::forge::Writes;
use crate::forge::github::{AppKey, Credential, Github, Setup, Timing, Token};
use crate::process::{Launcher, Tool};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use crate::forge::{Abilities, ForgeError, May, PullsQuery, Reads, RunsQuery};

/// Where `gh` looks for what it knows, beside the home.
const GH_VARIABLES: &[&str] = &["XDG_CONFIG_HOME", "GH_CONFIG_DIR"];

/// Returns the engine's seat at GitHub. Only where the settings enable it and safe mode is off is there anything that can write. A client that cannot
/// be made is told where it is needed: much can be done without one.
pub async fn seat(engine: &Engine, config: &Config, environment: &Environment) -> ForgeSeat {
    let terms = config.github.terms.clone();
    let github = match github(engine, config, environment).await {
        Ok(github) => github,
        Err(why) => return ForgeSeat { terms, why_not: Some(why), ..ForgeSeat::default() },
    };
    let why_not = why_not(config, github.is_some());
    ForgeSeat {
        writes: github.clone().filter(|_| why_not.is_none()).map(|it| it as Arc<dyn Writes>),
        reads: github.map(|it| it as Arc<dyn Reads>),
        terms,
        why_not,
        ..ForgeSeat::default()
    }
}

/// Returns why nothing is changed at the forge.
fn why_not(config: &Config, has_client: bool) -> Option<String> {
    let why = match () {
        () if config.read_only => "it was started read-only",
        () if config.safe_mode => "safe mode is on (`safe_mode = false` turns it off)",
        () if !config.github.enabled => "the settings do not enable it (`[github] enabled = true`)",
        () if !has_client => "there is no token (set GITHUB_TOKEN, or log in with `gh auth login`)",
        () => return None,
    };
    Some(why.to_owned())
}

fn may_write(config: &Config) -> bool {
    config.github.enabled && !config.safe_mode && !config.read_only
}

/// Returns the client of GitHub, `None` where nothing is watched and the settings do not enable it, or there is no token. It can write only where
/// they do and safe mode is off.
pub async fn github(
    engine: &Engine,
    config: &Config,
    environment: &Environment,
) -> Result<Option<Arc<Github>>, String> {
    let settings = &config.github;
    if !settings.enabled && settings.terms.watch.is_empty() {
        return Ok(None);
    }
    let credential = match &settings.app {
        Some(app) => Credential::App(app_key(app, settings.terms.watch.first(), environment)?),
        None => match token(engine, settings, environment).await {
            Some(token) => Credential::Token(Token::new(&token).map_err(|it| it.to_string())?),
            None => return Ok(None),
        },
    };
    let setup = Setup {
        api_url: settings.api_url.clone(),
        credential,
        is_of_workflow: environment.text("GITHUB_ACTIONS") == Some("true"),
        is_read_only: !may_write(config),
        timing: Timing::default(),
    };
    Github::new(setup, engine.clock.clone()).map(|it| Some(Arc::new(it))).map_err(|it| it.to_string())
}

/// Returns the App of the settings with its key. Its installation is looked up in a watched repository unless it is set.
fn app_key(app: &AppSettings, watched: Option<&String>, environment: &Environment) -> Result<AppKey, String> {
    let pem = match &app.key_file {
        Some(path) => fs::read(path).map_err(|it| format!("github.app_key_file: {}: {it}", path.display()))?,
        // Where a variable can have one line only, its line ends are written as `\n`.
        None => environment.text(APP_KEY_NAME).unwrap_or_default().replace("\\n", "\n").into_bytes(),
    };
    AppKey::new(app.id, &pem, app.installation, watched.cloned()).map_err(|it| it.to_string())
}

/// Returns the token of the environment, or the one that `gh` has.
async fn token(engine: &Engine, settings: &GithubSettings, environment: &Environment) -> Option<String> {
    match environment.first(TOKEN_NAMES) {
        Some(token) => Some(token.to_owned()),
        None if settings.gh_cli => token_of_gh(&engine.launcher, environment, &settings.api_url).await,
        None => None,
    }
}

/// Returns the host on which the repositories of an API lie, with its port if it is given.
fn host_of(api_url: &str) -> Option<&str> {
    let host = api_url.split_once("://")?.1.split('/').next()?;
    Some(host.strip_prefix("api.").unwrap_or(host))
}

/// Whether a repository that is cloned from there lies at the forge of this API.
pub fn is_at(api_url: &str, clone_url: &str) -> bool {
    let place = clone_url.split_once("://").map_or(clone_url, |(_, rest)| rest);
    let place = place.split('/').next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let without_port = |host: &str| host.split(':').next().unwrap_or_default().to_lowercase();
    host_of(api_url).is_some_and(|it| without_port(it) == without_port(place))
}

/// Returns the token that `gh` has for the host, `None` where it is not installed or not logged in.
async fn token_of_gh(launcher: &Launcher, environment: &Environment, api_url: &str) -> Option<String> {
    let host = host_of(api_url)?;
    let env: Vec<(&str, &OsStr)> =
        GH_VARIABLES.iter().filter_map(|it| Some((*it, OsStr::new(environment.text(it)?)))).collect();
    let args = ["auth", "token", "--hostname", host].map(OsStr::new);
    let tool = Tool {
        program: "gh",
        args: &args,
        cwd: Path::new("/"),
        env: &env,
        stdin: None,
        timeout: Duration::from_secs(10),
        max_output: 4_096,
    };
    let output = launcher.tool(&tool).await.ok().filter(|it| it.code == Some(0))?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_url_tells_whether_the_forge_is_the_one() {
        for (api, clone, expected) in [
            ("https://api.github.com", "https://github.com/acme/shop.git", true),
            ("https://api.github.com", "git@GitHub.com:acme/shop.git", true),
            ("https://api.github.com", "ssh://git@github.com:22/acme/shop", true),
            ("https://api.github.com", "https://gitlab.com/acme/shop.git", false),
            ("https://api.github.com", "file:///srv/github.com", false),
            ("https://ghe.test:8443/api/v3", "https://ghe.test/acme/shop", true),
        ] {
            assert_eq!(is_at(api, clone), expected, "{clone}");
        }
    }
}
