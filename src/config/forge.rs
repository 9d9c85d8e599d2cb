//! `[github]` and `[dispatch]`: the forge, what is watched there and on which terms it is changed, and the repository that orders are for.
use crate::config::repositories::is_repository_name;
use crate::config::values::{parse_duration, truth};
use crate::config::{ConfigError, Environment};
use crate::domain::{CarryOut, ForgeTerms};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Variables that may hold the token, first the most specific.
pub const TOKEN_NAMES: &[&str] = &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_PAT"];

/// Variable that may hold the private key of an App.
pub const APP_KEY_NAME: &str = "GITHUB_APP_PRIVATE_KEY";

/// Variable that may name the branch orders start from and go to.
pub const BASE_BRANCH_NAME: &str = "GITHUB_BASE_BRANCH";

/// Repositories that one service watches, at most: at one look in ten minutes each, half of what GitHub lets a token ask.
const MAX_WATCHED: usize = 200;
/// In seconds.
const DAY: u64 = 24 * 60 * 60;

/// What a settings file may say of GitHub.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawGithub {
    /// Whether anything at GitHub is changed, once `safe_mode = false`; also, whether it is asked where nothing is watched. Default false.
    pub enabled: Option<bool>,
    /// Address of the REST API. Default `https://api.github.com`.
    pub api_url: Option<String>,
    /// Whether `gh auth token` is asked where no variable holds a token. Default true.
    pub gh_cli: Option<bool>,
    /// Number of a GitHub App to be instead of the owner of a token.
    pub app_id: Option<u64>,
    /// File with the App's private key (PEM).
    pub app_key_file: Option<String>,
    /// The App's installation. Default: the one of the first watched repository.
    pub app_installation: Option<u64>,
    /// Repositories that are watched, as owner/name. Watching only reads. Default none.
    pub watch: Option<Vec<String>>,
    /// How often a repository is looked at while something runs there, `3s` to `10s`. Default `5s`.
    pub poll_active: Option<String>,
    /// How often it is looked at while nothing does, at least `30s`. Default `1m`, slower with many repositories.
    pub poll_idle: Option<String>,
    /// How far back a start looks for red runs that were missed. Default `24h`.
    pub lookback: Option<String>,
    /// `squash`, `merge` or `rebase`. Default `squash`.
    pub merge_method: Option<String>,
    /// Whether an approve waits for the checks of the pull request. Default true.
    pub require_green: Option<bool>,
    /// Whether a draft becomes ready for review when its checks are green. Default false.
    pub ready_when_green: Option<bool>,
    /// After how long without any check of a pull request there is none. Default `10m`.
    pub checks_grace: Option<String>,
    /// Pull requests opened in a repository a day, at most. Default 5.
    pub prs_per_day: Option<u32>,
    /// Pull requests of ours that are open in a repository, at most. Default 3.
    pub open_prs: Option<u32>,
    /// Runs healed of one workflow a day, at most; the repository's own rules go before. Default 3.
    pub runs_per_day: Option<u32>,
    /// How long a failure is left alone after somebody denied, aborted or had to take over. Default `24h`.
    pub cooldown: Option<String>,
    /// How long the original workflow is watched after a merge. Default `2h`.
    pub watch_after_merge: Option<String>,
    /// After how many days a heal branch without an open pull request is stale. Default 7.
    pub stale_branch_days: Option<u32>,
    /// Whether stale heal branches are deleted; otherwise they are only told. Default false.
    pub delete_stale_branches: Option<bool>,
}

impl RawGithub {
    /// Lays another file's section over this one.
    pub fn overlay(&mut self, over: Self) {
        macro_rules! lay {
            ($($key:ident),+) => { $(self.$key = over.$key.or(self.$key.take());)+ };
        }
        lay!(enabled, api_url, gh_cli, app_id, app_key_file, app_installation, watch, poll_active, poll_idle, lookback);
        lay!(merge_method, require_green, ready_when_green, checks_grace, prs_per_day, open_prs, runs_per_day);
        lay!(cooldown, watch_after_merge, stale_branch_days, delete_stale_branches);
    }
}

/// What a settings file may say of dispatch orders.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDispatch {
    /// owner/name, or the absolute path of a local repository.
    pub repository: Option<String>,
    /// Who carries orders out where GitHub may be written to: `forge`, its own workflows, or `here`. Default `forge`.
    pub carry_out: Option<String>,
    /// The branch that orders start from and go to. Default: the repository's default branch.
    pub base_branch: Option<String>,
}

impl RawDispatch {
    /// Lays another file's section over this one.
    pub fn overlay(&mut self, over: Self) {
        self.repository = over.repository.or(self.repository.take());
        self.carry_out = over.carry_out.or(self.carry_out.take());
        self.base_branch = over.base_branch.or(self.base_branch.take());
    }
}

/// The forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GithubSettings {
    /// Whether anything may be changed there, once safe mode is off.
    pub enabled: bool,
    pub api_url: String,
    pub gh_cli: bool,
    pub app: Option<AppSettings>,
    #[serde(flatten)]
    pub terms: ForgeTerms,
}

/// A GitHub App that Paramedic acts as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppSettings {
    pub id: u64,
    /// None: the key is in `GITHUB_APP_PRIVATE_KEY`.
    pub key_file: Option<PathBuf>,
    /// None: the one of the first watched repository.
    pub installation: Option<u64>,
}

/// Where dispatch orders go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DispatchSettings {
    pub repository: Option<String>,
    pub carry_out: CarryOut,
    /// None: the repository's default branch.
    pub base_branch: Option<String>,
}

impl GithubSettings {
    /// Checks the section; the environment wins.
    pub fn check(raw: RawGithub, environment: &Environment) -> Result<Self, ConfigError> {
        let enabled = match environment.text("CI_HEALING_GITHUB_ENABLED") {
            Some(text) => truth("CI_HEALING_GITHUB_ENABLED", text)?,
            None => raw.enabled.unwrap_or(false),
        };
        let api_url = environment.text("GITHUB_API_URL").map(str::to_owned).or_else(|| raw.api_url.clone());
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
        Ok(Self {
            enabled,
            api_url: api_url.trim_end_matches('/').to_owned(),
            gh_cli: raw.gh_cli.unwrap_or(true),
            app: app(&raw, environment).map_err(|it| ConfigError(format!("github.{it}")))?,
            terms: terms(raw).map_err(|it| ConfigError(format!("github.{it}")))?,
        })
    }
}

/// Returns the App of the settings; the environment wins.
fn app(raw: &RawGithub, environment: &Environment) -> Result<Option<AppSettings>, String> {
    let id = match environment.text("GITHUB_APP_ID") {
        Some(text) => Some(text.parse().map_err(|_| format!("app_id: GITHUB_APP_ID is `{text}`, not a number"))?),
        None => raw.app_id,
    };
    let Some(id) = id else { return Ok(None) };
    let key_file = environment.path("GITHUB_APP_PRIVATE_KEY_FILE");
    let key_file = key_file.or_else(|| raw.app_key_file.as_ref().map(PathBuf::from));
    if key_file.is_none() && environment.text(APP_KEY_NAME).is_none() {
        return Err(format!("app_id: an App needs its key; name its file in `app_key_file`, or set {APP_KEY_NAME}"));
    }
    if let Some(name) = TOKEN_NAMES.iter().find(|it| environment.text(it).is_some()) {
        return Err(format!("app_id: {name} is set, too; act as an App or as the owner of a token, not both"));
    }
    Ok(Some(AppSettings { id, key_file, installation: raw.app_installation }))
}

/// Returns the terms on which repositories are watched and published to; the error begins with the key.
fn terms(raw: RawGithub) -> Result<ForgeTerms, String> {
    let default = ForgeTerms::default();
    let duration = |key: &str, text: Option<String>, default: Duration, from: u64, to: u64| {
        let Some(text) = text else { return Ok(default) };
        let length = parse_duration(&text).map_err(|it| format!("{key}: {it}"))?;
        if (from..=to).contains(&length.as_secs()) {
            return Ok(length);
        }
        Err(format!("{key}: `{text}` is out of bounds; choose {from} to {to} seconds"))
    };
    let watch = raw.watch.unwrap_or_default();
    if let Some(name) = watch.iter().find(|it| !is_repository_name(it) || it.split('/').count() != 2) {
        return Err(format!("watch: `{name}` is not the name of a repository; write it like owner/name"));
    }
    if watch.len() > MAX_WATCHED {
        return Err(format!("watch: {} repositories are too many for one service; at most {MAX_WATCHED}", watch.len()));
    }
    let merge_method = match raw.merge_method {
        Some(text) => text.parse().map_err(|it| format!("merge_method: {it}"))?,
        None => default.merge_method,
    };
    Ok(ForgeTerms {
        watch,
        poll_active: duration("poll_active", raw.poll_active, default.poll_active, 3, 10)?,
        poll_idle: duration("poll_idle", raw.poll_idle, default.poll_idle, 30, DAY)?,
        lookback: duration("lookback", raw.lookback, default.lookback, 60, DAY)?,
        merge_method,
        require_green: raw.require_green.unwrap_or(default.require_green),
        ready_when_green: raw.ready_when_green.unwrap_or(default.ready_when_green),
        checks_grace: duration("checks_grace", raw.checks_grace, default.checks_grace, 1, DAY)?,
        prs_per_day: raw.prs_per_day.unwrap_or(default.prs_per_day),
        open_prs: raw.open_prs.unwrap_or(default.open_prs),
        runs_per_day: raw.runs_per_day.unwrap_or(default.runs_per_day),
        cooldown: duration("cooldown", raw.cooldown, default.cooldown, 60, DAY)?,
        watch_after_merge: duration("watch_after_merge", raw.watch_after_merge, default.watch_after_merge, 60, DAY)?,
        stale_branch_days: raw.stale_branch_days.unwrap_or(default.stale_branch_days).max(1),
        delete_stale_branches: raw.delete_stale_branches.unwrap_or(default.delete_stale_branches),
    })
}

impl DispatchSettings {
    /// Checks the section; the environment wins.
    pub fn check(raw: RawDispatch, environment: &Environment) -> Result<Self, ConfigError> {
        let wrong = |why: String| Err(ConfigError(format!("dispatch.{why}")));
        let is_path = raw.repository.as_ref().is_some_and(|it| it.starts_with('/'));
        if let Some(it) = raw.repository.as_ref().filter(|it| !is_path && !is_repository_name(it)) {
            return wrong(format!("repository: `{it}` is neither owner/name nor an absolute path"));
        }
        if is_path && raw.base_branch.is_some() {
            return wrong("base_branch: an order for a path starts from what is checked out there".to_owned());
        }
        let carry_out = match raw.carry_out.as_deref().map(str::parse) {
            Some(Ok(carry_out)) => carry_out,
            Some(Err(why)) => return wrong(format!("carry_out: {why}")),
            None => CarryOut::Forge,
        };
        let base_branch = environment.text(BASE_BRANCH_NAME).map(str::to_owned).or(raw.base_branch);
        if let Some(it) = base_branch.as_ref().filter(|it| !is_branch_name(it)) {
            return wrong(format!(
                "base_branch: `{it}` cannot be the name of a branch ({BASE_BRANCH_NAME} goes before)"
            ));
        }
        Ok(Self { repository: raw.repository, carry_out, base_branch })
    }
}

/// Whether git takes a text for the name of a branch.
fn is_branch_name(text: &str) -> bool {
    let is_bad = |it: char| it.is_control() || it.is_whitespace() || "~^:?*[\\".contains(it);
    let is_part = |it: &str| {
        let is_lock = it.rsplit_once('.').is_some_and(|(_, end)| end == "lock");
        !it.is_empty() && !it.starts_with(['.', '-']) && !it.ends_with('.') && !is_lock
    };
    text.len() < 250
        && !text.contains(is_bad)
        && !text.contains("..")
        && !text.contains("@{")
        && text.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        let check = |raw: RawGithub| GithubSettings::check(raw, &Environment::default()).unwrap_err().0;
        let text = |it: &str| Some(it.to_owned());
        for (key, raw) in [
            ("github.watch", RawGithub { watch: Some(vec!["acme".to_owned()]), ..RawGithub::default() }),
            ("github.watch", RawGithub { watch: Some(vec!["acme/../x".to_owned()]), ..RawGithub::default() }),
            ("github.poll_active", RawGithub { poll_active: text("1s"), ..RawGithub::default() }),
            ("github.poll_idle", RawGithub { poll_idle: text("soon"), ..RawGithub::default() }),
            ("github.merge_method", RawGithub { merge_method: text("force"), ..RawGithub::default() }),
            ("github.app_id", RawGithub { app_id: Some(1), ..RawGithub::default() }),
        ] {
            assert!(check(raw).starts_with(key), "{key}");
        }
    }

    #[test]
    fn what_orders_cannot_be_for_is_refused_with_its_key() {
        let text = |it: &str| Some(it.to_owned());
        let raw = || RawDispatch { repository: text("acme/shop"), ..RawDispatch::default() };
        for (key, raw) in [
            ("dispatch.repository", RawDispatch { repository: text("shop?"), ..raw() }),
            ("dispatch.carry_out", RawDispatch { carry_out: text("there"), ..raw() }),
            ("dispatch.base_branch", RawDispatch { base_branch: text("-x"), ..raw() }),
            ("dispatch.base_branch", RawDispatch { base_branch: text("a..b"), ..raw() }),
            ("dispatch.base_branch", RawDispatch { base_branch: text("a/*"), ..raw() }),
            ("dispatch.base_branch", RawDispatch { repository: text("/srv/shop"), base_branch: text("next"), ..raw() }),
        ] {
            let error = DispatchSettings::check(raw, &Environment::default()).unwrap_err().0;
            assert!(error.starts_with(key), "{error}");
        }
        let of_file = RawDispatch { base_branch: text("release/1.x"), ..raw() };
        let settings = DispatchSettings::check(of_file.clone(), &Environment::default()).unwrap();
        assert_eq!((settings.carry_out, settings.base_branch.as_deref()), (CarryOut::Forge, Some("release/1.x")));
        let environment = Environment::from_pairs([(BASE_BRANCH_NAME.into(), "next".into())]);
        assert_eq!(DispatchSettings::check(of_file, &environment).unwrap().base_branch.as_deref(), Some("next"));
    }

    #[test]
    fn nothing_is_watched_unless_it_is_named() {
        let settings = GithubSettings::check(RawGithub::default(), &Environment::default()).unwrap();
        assert_eq!(settings.terms, ForgeTerms::default());
        let raw = RawGithub { watch: Some(vec!["Acme/Shop".to_owned()]), ..RawGithub::default() };
        assert!(GithubSettings::check(raw, &Environment::default()).unwrap().terms.watches("acme/shop"));
    }

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
