//! Where the repository of a run is: in its order, or found by each worker through this port.
use crate::domain::Run;
use crate::engine::session::Session;
use crate::engine::{Engine, EngineError};
use crate::workspace::Remote;
use async_trait::async_trait;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// How runs of a repository are worked on, as far as their order does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    pub test_command: Option<String>,
    /// Agents in the order they are tried.
    pub agents: Vec<String>,
    pub max_attempts: u32,
    /// Time limit of each command, in milliseconds.
    pub timeout_ms: u64,
}

/// A repository on this machine.
#[derive(Debug)]
pub struct Located {
    pub path: PathBuf,
    /// Keeps it from being removed for as long as it is worked with.
    pub hold: Option<Box<dyn Debug + Send + Sync>>,
}

/// The newest commit of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub branch: String,
    pub commit: String,
}

/// Why a repository, or a commit of it, cannot be had; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotLocated(pub String);

/// Finds the repositories of runs that came from elsewhere. Only settings say where one is, never a run.
#[async_trait]
pub trait Repositories: Debug + Send + Sync {
    /// Returns how runs of a repository are worked on.
    fn terms(&self, repository: &str) -> Terms;

    /// Returns the checkout on this machine, if settings name one. Fetches nothing.
    fn at_hand(&self, repository: &str) -> Option<PathBuf>;

    /// Returns the repository, fetching the run's commit where that is needed. Whether a checkout has it is seen when it is looked up.
    async fn locate(&self, run: &Run) -> Result<Located, NotLocated>;

    /// Returns where a branch stands now, the default branch if none is named.
    async fn head(&self, repository: &str, branch: Option<&str>) -> Result<Head, NotLocated>;

    /// Returns where branches with fixes are pushed.
    async fn push_target(&self, repository: &str) -> Result<Remote, NotLocated>;
}

impl Engine {
    /// Returns the checkout of a run's repository on this machine, if there is one.
    pub fn checkout_of(&self, run: &Run) -> Option<PathBuf> {
        if run.order.repo_path.is_empty() {
            return self.repositories.at_hand(&run.repository);
        }
        Some(PathBuf::from(&run.order.repo_path))
    }
}

impl Session<'_> {
    /// Finds the repository, and fills in what the order leaves open.
    pub(super) async fn find_repository(&mut self) -> Result<Result<(), NotLocated>, EngineError> {
        if !self.run.order.repo_path.is_empty() {
            self.located = Some(Located { path: PathBuf::from(&self.run.order.repo_path), hold: None });
            return Ok(Ok(()));
        }
        self.settle_terms().await?;
        let located = tokio::select! {
            () = self.cancel.cancelled() => return Err(EngineError::Stopped),
            located = self.engine.repositories.locate(&self.run) => located,
        };
        Ok(located.map(|it| self.located = Some(it)))
    }

    /// Returns the folder of the repository.
    pub(super) fn repo(&self) -> Result<&Path, EngineError> {
        self.located.as_ref().map(|it| it.path.as_path()).ok_or(EngineError::Stopped)
    }

    /// Keeps the terms with the run: whichever worker goes on, it goes on by the same.
    async fn settle_terms(&mut self) -> Result<(), EngineError> {
        let terms = self.engine.repositories.terms(&self.run.repository);
        let mut told = self.run.told(Vec::new(), self.now())?;
        let order = &mut told.run.order;
        if order.agents.is_empty() {
            order.agents = terms.agents;
        }
        if order.timeout_ms == 0 {
            order.timeout_ms = terms.timeout_ms;
        }
        if order.test_command.is_none()
            && let Some(command) = terms.test_command
        {
            order.test_command = Some(command);
            order.test_reason = Some("settings".to_owned());
        }
        if *order == self.run.order { Ok(()) } else { self.commit(Ok(told)).await }
    }
}
