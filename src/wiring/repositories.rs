//! Finds the repositories of runs by the settings: a checkout on this machine, or a mirror of a remote.
use crate::config::repositories::{Origin, RepositorySettings};
use crate::config::{Config, Environment};
use crate::domain::Run;
use crate::engine::repositories::{Head, Located, NotLocated, Repositories, Terms};
use crate::process::Launcher;
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
#[derive(Debug)]
pub(super) struct ConfiguredRepositories {
    config: Config,
    environment: Environment,
    workspace: Arc<GitWorkspace>,
    mirrors: Mirrors,
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
        Self { config: config.clone(), environment: environment.clone(), workspace, mirrors }
    }

    fn settings(&self, repository: &str) -> Result<(RepositorySettings, Origin), NotLocated> {
        let settings = self.config.repositories.of(repository);
        settings.and_then(|it| it.origin.clone().map(|origin| (it, origin))).ok_or_else(|| {
            NotLocated(format!(
                "no settings say where {repository} is; add [repositories.\"{repository}\"] with `path = \"/…\"` or \
                 `clone_url = \"https://…\"` to the workers' settings, or [repositories.default] with `clone_url` and `only`"
            ))
        })
    }

    fn remote(&self, repository: &str, settings: &RepositorySettings, url: String) -> Result<Remote, NotLocated> {
        let token = match &settings.token_env {
            None => None,
            Some(name) => Some(self.environment.text(name).map(str::to_owned).ok_or_else(|| {
                NotLocated(format!(
                    "{repository} cannot be fetched: the variable {name} is not set where this worker runs"
                ))
            })?),
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
                let remote = self.remote(&run.repository, &settings, url)?;
                let held =
                    self.mirrors.hold(&remote, run.working_commit(), &run.branch).await.map_err(|it| told(&it))?;
                Ok(Located { path: held.path.clone(), hold: Some(Box::new(held)) })
            }
        }
    }

    async fn head(&self, repository: &str) -> Result<Head, NotLocated> {
        let (settings, origin) = self.settings(repository)?;
        match origin {
            Origin::Path(path) => {
                let facts = self.workspace.facts(&path).await.map_err(|it| told(&it))?;
                Ok(Head { branch: facts.branch, commit: facts.head })
            }
            Origin::CloneUrl(url) => {
                let remote = self.remote(repository, &settings, url)?;
                let (branch, commit) = self.mirrors.head(&remote).await.map_err(|it| told(&it))?;
                Ok(Head { branch, commit })
            }
        }
    }
}
