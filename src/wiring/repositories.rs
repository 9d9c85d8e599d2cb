//! Finds the repositories of runs by the settings: a checkout on this machine, or a mirror of a remote.
use crate::config::repositories::{Origin, RepositorySettings, check_url};
use crate::config::{Config, Environment};
use crate::domain::Run;
use crate::engine::repositories::{Head, Located, NotLocated, Repositories, Terms};
use crate::forge::Reads;
use crate::process::Launcher;
use crate::wiring::forge::is_at;
use crate::workspace::{GitWorkspace, Mirrors, Network, Remote, Workspace, WorkspaceError};
use async_trait::async_trait;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// What git needs of our own environment to reach a remote.
const NETWORK: &[&str] = &[
    "ALL_PROXY",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "https_proxy",
    "no_proxy",
];

/// The repositories of the settings.
#[derive(Debug, Clone)]
pub(super) struct ConfiguredRepositories {
    config: Config,
    environment: Environment,
    workspace: Arc<GitWorkspace>,
    mirrors: Mirrors,
    forge: Option<Arc<dyn Reads>>,
}

impl ConfiguredRepositories {
    pub(super) fn new(
        config: &Config,
        environment: &Environment,
        launcher: &Launcher,
        workspace: Arc<GitWorkspace>,
    ) -> Self {
        let home = config.data_dir.join("mirrors");
        let network = network(environment);
        let mirrors = Mirrors::new(launcher.clone(), home, config.workers.mirror_cap, network);
        Self { config: config.clone(), environment: environment.clone(), workspace, mirrors, forge: None }
    }

    /// Lets it reach the repositories of a forge with the forge's own token.
    pub(super) fn at(self, forge: Option<Arc<dyn Reads>>) -> Self {
        Self { forge, ..self }
    }

    fn settings(&self, repository: &str) -> Result<(RepositorySettings, Origin), NotLocated> {
        let settings = self.config.repositories.of(repository);
        let named = settings.and_then(|it| it.origin.clone().map(|origin| (it, origin)));
        named.or_else(|| self.watched(repository)).ok_or_else(|| {
            NotLocated(format!(
                "no settings say where {repository} is; add [repositories.\"{repository}\"] with `path = \"/…\"` or \
                 `clone_url = \"https://…\"` to the workers' settings, or [repositories.default] with `clone_url` and `only`"
            ))
        })
    }

    /// Returns where a watched repository is that has no settings of its own.
    fn watched(&self, repository: &str) -> Option<(RepositorySettings, Origin)> {
        let forge = self.forge.as_ref().filter(|_| self.config.github.terms.watches(repository))?;
        let settings = RepositorySettings::cloned_from(forge.git_url(repository));
        settings.origin.clone().map(|origin| (settings, origin))
    }

    async fn remote(&self, repository: &str, settings: &RepositorySettings, url: String) -> Result<Remote, NotLocated> {
        let cannot = |why: String| NotLocated(format!("{repository} cannot be reached: {why}"));
        let is_https = url.starts_with("https://");
        let token = match (&settings.token_env, &self.forge) {
            (Some(name), _) if is_https => {
                let missing = || cannot(format!("the variable {name} is not set where this worker runs"));
                Some(self.environment.text(name).map(str::to_owned).ok_or_else(missing)?)
            }
            // The forge's token is for the forge's own host.
            (None, Some(forge)) if is_https && is_at(&self.config.github.api_url, &url) => {
                let token = forge.git_token().await.map_err(|it| cannot(it.to_string()))?;
                Some(token.reveal().to_owned())
            }
            _ => None,
        };
        Ok(Remote { url, name: repository.to_owned(), username: settings.username.clone(), token })
    }
}

/// Returns the way to remotes from this machine.
pub(super) fn network(environment: &Environment) -> Network {
    let variable = |name: &&'static str| Some((*name, OsString::from(environment.text(name)?)));
    Network::new(NETWORK.iter().filter_map(variable).collect())
}

fn told(error: &WorkspaceError) -> NotLocated {
    NotLocated(error.to_string())
}

#[async_trait]
impl Repositories for ConfiguredRepositories {
    fn terms(&self, repository: &str) -> Terms {
        let config = &self.config;
        let own = config.repositories.of(repository);
        let agents = [own.as_ref().map(|it| &it.agents), Some(&config.workers.agents), Some(&config.agents_by_default)];
        let agents = agents.into_iter().flatten().find(|it| !it.is_empty()).cloned().unwrap_or_default();
        Terms {
            test_command: own.as_ref().and_then(|it| it.test.clone()),
            agents,
            max_attempts: own.and_then(|it| it.max_attempts).unwrap_or(config.max_attempts),
            timeout_ms: u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn at_hand(&self, repository: &str) -> Option<PathBuf> {
        match self.settings(repository) {
            Ok((_, Origin::Path(path))) => Some(path),
            _ => None,
        }
    }

    async fn locate(&self, run: &Run) -> Result<Located, NotLocated> {
        let (settings, origin) = self.settings(&run.repository)?;
        match origin {
            Origin::Path(path) => Ok(Located { path, hold: None }),
            Origin::CloneUrl(url) => {
                let remote = self.remote(&run.repository, &settings, url).await?;
                let held =
                    self.mirrors.hold(&remote, run.working_commit(), &run.branch).await.map_err(|it| told(&it))?;
                Ok(Located { path: held.path.clone(), hold: Some(Box::new(held)) })
            }
        }
    }

    async fn head(&self, repository: &str, branch: Option<&str>) -> Result<Head, NotLocated> {
        let (settings, origin) = self.settings(repository)?;
        if let Some(branch) = branch {
            let found = match origin {
                Origin::Path(path) => self.workspace.tip(&path, branch).await,
                Origin::CloneUrl(url) => {
                    let remote = self.remote(repository, &settings, url).await?;
                    self.mirrors.tip(&remote, branch).await
                }
            };
            let commit = found.map_err(|it| told(&it))?;
            let commit = commit.ok_or_else(|| NotLocated(format!("{repository} has no branch `{branch}`")))?;
            return Ok(Head { branch: branch.to_owned(), commit });
        }
        match origin {
            Origin::Path(path) => {
                let facts = self.workspace.facts(&path).await.map_err(|it| told(&it))?;
                Ok(Head { branch: facts.branch, commit: facts.head })
            }
            Origin::CloneUrl(url) => {
                let remote = self.remote(repository, &settings, url).await?;
                let (branch, commit) = self.mirrors.head(&remote).await.map_err(|it| told(&it))?;
                Ok(Head { branch, commit })
            }
        }
    }

    async fn push_target(&self, repository: &str) -> Result<Remote, NotLocated> {
        let (settings, origin) = self.settings(repository)?;
        let url = match (&settings.push_url, origin) {
            (Some(url), _) => url.clone(),
            (None, Origin::CloneUrl(url)) => url,
            (None, Origin::Path(path)) => {
                let cannot = |why: &str| {
                    NotLocated(format!(
                        "fixes of {repository} cannot be pushed: {why}; name a `push_url` in its settings"
                    ))
                };
                let url = self.workspace.origin(&path).await.map_err(|it| told(&it))?;
                let url = url.ok_or_else(|| cannot("its checkout has no `origin`"))?;
                check_url(&url).map_err(|_| cannot("the address of `origin` is of another kind"))?;
                url
            }
        };
        self.remote(repository, &settings, url).await
    }
}
