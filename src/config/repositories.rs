//! `[repositories."owner/name"]`: where a worker finds the repository of a run that came from elsewhere, and how it is worked on.
use crate::config::values::check_attempts;
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The section that stands for every repository that has none of its own.
const DEFAULT: &str = "default";
/// What the clone URL of that section has in place of `owner/name`.
const PLACE: &str = "{repository}";
const MAX_NAME: usize = 200;
/// User name that goes with a token.
const USERNAME: &str = "x-access-token";

/// What a settings file may say of one repository.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRepository {
    /// A checkout on this machine.
    pub path: Option<String>,
    /// `https://…`, `ssh://…`, `git@host:…`, `file:///…` or an absolute path; `{repository}` in the section `default`.
    pub clone_url: Option<String>,
    /// Where branches with fixes are pushed. Default: `clone_url`, else the `origin` of `path`.
    pub push_url: Option<String>,
    /// Name of the environment variable that holds the token for `https`.
    pub token_env: Option<String>,
    /// User name that goes with the token. Default `x-access-token`.
    pub username: Option<String>,
    /// The command whose red is healed. Default: found in the repository.
    pub test: Option<String>,
    /// Agents in the order they are tried.
    pub agents: Option<Vec<String>>,
    /// Attempts of a run, 1 to 5.
    pub max_attempts: Option<u32>,
    /// In the section `default`: globs of the repositories that it stands for.
    pub only: Option<Vec<String>>,
}

/// Where the files of a repository come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A checkout on this machine.
    Path(PathBuf),
    /// A remote that is mirrored.
    CloneUrl(String),
}

/// The settings of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositorySettings {
    pub origin: Option<Origin>,
    pub push_url: Option<String>,
    pub token_env: Option<String>,
    pub username: String,
    pub test: Option<String>,
    pub agents: Vec<String>,
    pub max_attempts: Option<u32>,
    pub only: Vec<String>,
}

/// All sections.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RepositoriesSettings {
    #[serde(flatten)]
    by_name: BTreeMap<String, RepositorySettings>,
    default: Option<RepositorySettings>,
    #[serde(skip)]
    only: Vec<GlobMatcher>,
}

impl PartialEq for RepositoriesSettings {
    fn eq(&self, other: &Self) -> bool {
        self.by_name == other.by_name && self.default == other.default
    }
}

impl Eq for RepositoriesSettings {}

impl RepositorySettings {
    /// Returns the settings of a repository that has none and is cloned from there.
    pub fn cloned_from(url: String) -> Self {
        Self {
            origin: Some(Origin::CloneUrl(url)),
            push_url: None,
            token_env: None,
            username: USERNAME.to_owned(),
            test: None,
            agents: Vec::new(),
            max_attempts: None,
            only: Vec::new(),
        }
    }
}

impl RepositoriesSettings {
    /// Checks all sections; the error names the key.
    pub fn check(raw: BTreeMap<String, RawRepository>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (name, raw) in raw {
            let at = |it: String| format!("repositories.\"{name}\": {it}");
            let is_default = name == DEFAULT;
            if !is_default && !is_repository_name(&name) {
                return Err(at("this is not the name of a repository; write it like owner/name".to_owned()));
            }
            let checked = check_one(raw, is_default).map_err(at)?;
            if is_default {
                let globs = checked.only.iter().map(|it| Glob::new(it).map(|it| it.compile_matcher()));
                settings.only = globs.collect::<Result<_, _>>().map_err(|it| at(format!("only: {it}")))?;
                settings.default = Some(checked);
            } else {
                settings.by_name.insert(name, checked);
            }
        }
        Ok(settings)
    }

    /// Returns the settings of a repository: its own, else the default ones where they allow it.
    pub fn of(&self, repository: &str) -> Option<RepositorySettings> {
        if let Some(own) = self.by_name.get(repository) {
            return Some(own.clone());
        }
        if !is_repository_name(repository) || !self.only.iter().any(|it| it.is_match(repository)) {
            return None;
        }
        let mut settings = self.default.clone()?;
        if let Some(Origin::CloneUrl(url)) = &mut settings.origin {
            *url = url.replace(PLACE, repository);
        }
        settings.push_url = settings.push_url.map(|it| it.replace(PLACE, repository));
        Some(settings)
    }

    /// Returns all sections by name, the one for all others last.
    pub fn all(&self) -> impl Iterator<Item = (&str, &RepositorySettings)> {
        self.by_name.iter().map(|(name, it)| (name.as_str(), it)).chain(self.default.iter().map(|it| (DEFAULT, it)))
    }

    /// Returns the names of all environment variables that hold a token.
    pub fn token_names(&self) -> Vec<&str> {
        self.by_name.values().chain(&self.default).filter_map(|it| it.token_env.as_deref()).collect()
    }
}

/// Whether `name` can be the name of a repository: `name`, `owner/name`, or more groups; nothing that a path or an option could be made of.
pub fn is_repository_name(name: &str) -> bool {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-' | '~' | '+');
    let is_part = |it: &str| !it.is_empty() && !it.starts_with(['.', '-']) && it.chars().all(is_plain);
    name.len() <= MAX_NAME && name.split('/').all(is_part)
}

fn check_one(raw: RawRepository, is_default: bool) -> Result<RepositorySettings, String> {
    let origin = match (raw.path, raw.clone_url) {
        (Some(_), Some(_)) => return Err("give `path` or `clone_url`, not both".to_owned()),
        (Some(_), None) if is_default => return Err("`path` belongs to one repository, not to all".to_owned()),
        (Some(path), None) if path.starts_with('/') => Some(Origin::Path(PathBuf::from(path))),
        (Some(_), None) => return Err("path: give an absolute path".to_owned()),
        (None, Some(url)) => {
            if url.contains(PLACE) != is_default {
                return Err(format!("clone_url: `{PLACE}` stands in the section `default` and only there"));
            }
            check_url(&url.replace(PLACE, "owner/name")).map_err(|it| format!("clone_url: {it}"))?;
            Some(Origin::CloneUrl(url))
        }
        (None, None) => None,
    };
    if let Some(url) = &raw.push_url {
        if url.contains(PLACE) != is_default {
            return Err(format!("push_url: `{PLACE}` stands in the section `default` and only there"));
        }
        check_url(&url.replace(PLACE, "owner/name")).map_err(|it| format!("push_url: {it}"))?;
    }
    let only = raw.only.unwrap_or_default();
    if is_default && only.is_empty() {
        return Err("`only` is missing: name the repositories that may be cloned, like [\"acme/*\"]".to_owned());
    }
    if !is_default && !only.is_empty() {
        return Err("`only` belongs to the section `default`".to_owned());
    }
    let is_variable = |it: &String| {
        !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') && it.len() <= MAX_NAME
    };
    if raw.token_env.as_ref().is_some_and(|it| !is_variable(it)) {
        return Err("token_env: give the name of an environment variable, not the token".to_owned());
    }
    let is_https = matches!(&origin, Some(Origin::CloneUrl(url)) if url.starts_with("https://"))
        || raw.push_url.as_ref().is_some_and(|it| it.starts_with("https://"));
    if raw.token_env.is_some() && !is_https {
        return Err("token_env: a token is sent by https only".to_owned());
    }
    if raw.test.as_ref().is_some_and(|it| it.trim().is_empty()) {
        return Err("test: it is empty; leave it out to have the tests found".to_owned());
    }
    if let Some(n) = raw.max_attempts {
        check_attempts(n).map_err(|it| format!("max_attempts: {it}"))?;
    }
    Ok(RepositorySettings {
        origin,
        push_url: raw.push_url,
        token_env: raw.token_env,
        username: raw.username.unwrap_or_else(|| USERNAME.to_owned()),
        test: raw.test,
        agents: raw.agents.unwrap_or_default(),
        max_attempts: raw.max_attempts,
        only,
    })
}

/// Checks a clone URL: https, ssh (also as `user@host:path`), file or an absolute path, without a password.
pub fn check_url(url: &str) -> Result<(), String> {
    let allowed = "use https://…, ssh://…, git@host:path, file:///… or an absolute path";
    if url.starts_with('-') || url.chars().any(|it| it.is_control() || it.is_whitespace()) || url.len() > 2_000 {
        return Err(allowed.to_owned());
    }
    if url.starts_with('/') {
        return Ok(());
    }
    let place = match url.split_once("://") {
        Some(("https" | "ssh", rest)) => rest.split('/').next().unwrap_or_default(),
        Some(("file", rest)) if rest.starts_with('/') => return Ok(()),
        Some(_) => return Err(allowed.to_owned()),
        None => match url.split_once(':') {
            // `ext::…` and the like run programs.
            Some((host, path)) if !path.starts_with(':') && !host.contains('/') && host.contains('@') => host,
            _ => return Err(allowed.to_owned()),
        },
    };
    let (user, host) = place.rsplit_once('@').unwrap_or(("", place));
    if user.contains(':') {
        return Err(
            "take the password out; put it into an environment variable and name that in `token_env`".to_owned()
        );
    }
    if host.is_empty() || host.starts_with('-') || user.starts_with('-') {
        return Err(allowed.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, raw: RawRepository) -> Result<RepositoriesSettings, String> {
        RepositoriesSettings::check(BTreeMap::from([(name.to_owned(), raw)]))
    }

    fn cloned(url: &str) -> RawRepository {
        RawRepository { clone_url: Some(url.to_owned()), ..RawRepository::default() }
    }

    #[test]
    fn only_urls_that_run_nothing_are_taken() {
        for url in [
            "https://github.com/acme/shop.git",
            "https://user@host/acme/shop",
            "ssh://git@host:22/acme/shop",
            "git@github.com:acme/shop.git",
            "file:///srv/shop.git",
            "/srv/shop.git",
        ] {
            assert!(checked("acme/shop", cloned(url)).is_ok(), "{url}");
        }
        for url in [
            "ext::sh -c evil",
            "ext::evil",
            "a@ext::evil",
            "--upload-pack=evil",
            "-oProxyCommand=evil:x",
            "ssh://-oProxyCommand=evil/x",
            "-x@host:path",
            "git@-oProxyCommand=evil:x",
            "http://host/x",
            "git://host/x",
            "file://host/x",
            "relative/path",
            "https://user:secret@host/x",
            "https:///x",
            "https://host/a b",
            "",
        ] {
            assert!(checked("acme/shop", cloned(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn the_default_is_for_those_it_names_and_no_payload_makes_the_url() {
        let raw =
            RawRepository { only: Some(vec!["acme/*".to_owned()]), ..cloned("https://github.com/{repository}.git") };
        let settings = checked("default", raw).unwrap();
        let url = |name: &str| settings.of(name).and_then(|it| it.origin);
        assert_eq!(url("acme/shop"), Some(Origin::CloneUrl("https://github.com/acme/shop.git".to_owned())));
        for name in ["other/shop", "acme", "acme/../other", "acme/-x", "acme/x@evil", "acme/x y", "acme/x:1", "acme/"] {
            assert_eq!(url(name), None, "{name}");
        }
    }

    #[test]
    fn the_default_must_say_whom_it_is_for() {
        assert!(checked("default", cloned("https://github.com/{repository}.git")).unwrap_err().contains("only"));
        assert!(checked("default", cloned("https://github.com/acme/shop.git")).is_err());
        assert!(checked("acme/shop", cloned("https://github.com/{repository}.git")).is_err());
    }

    #[test]
    fn a_token_is_named_not_told_and_goes_by_https_only() {
        let with = |url: &str, token: &str| RawRepository { token_env: Some(token.to_owned()), ..cloned(url) };
        assert!(checked("a/b", with("https://host/x", "GITHUB_TOKEN")).is_ok());
        assert!(checked("a/b", with("https://host/x", "ghp-abc/def")).is_err());
        assert!(checked("a/b", with("/srv/x", "GITHUB_TOKEN")).is_err());
    }
}
