//! What a console or a script may ask of the backlog: one trait, two homes (embedded in this process, remote on a server).
pub mod embedded;
pub mod remote;

pub use crate::engine::Audit;
pub use crate::engine::ci::{CiAct, CiActKind};
pub use crate::engine::live::Live;

use crate::domain::names::named;
use crate::domain::{
    CiJob, CiView, Deployment, Event, RepositorySummary, Role, Run, RunDetail, RunId, RunQuery, Status, Summary,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::path::PathBuf;

/// Why the backlog did not do what was asked. The texts are for people and say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BacklogError {
    #[error("{0}")]
    NotFound(String),
    /// Bad input: an ambiguous prefix, a patch that does not apply.
    #[error("{0}")]
    Invalid(String),
    /// The run is not in a state for this.
    #[error("{message}")]
    Illegal { message: String, state: Status },
    /// The patch or the version that was named is not the one there is now.
    #[error("{message}")]
    Moved { message: String, named: String, now: String },
    /// Something else is in the way, or was decided already.
    #[error("{0}")]
    Precondition(String),
    /// Who asks is not known, or no longer.
    #[error("{0}")]
    NotAuthenticated(String),
    /// Policy or read-only mode refuses it.
    #[error("{0}")]
    Refused(String),
    /// The server or its database does not answer now. Whether the question arrived is not known.
    #[error("{0}")]
    Unreachable(String),
    /// The forge does not answer now, or not as it should. Whether something was done there is said.
    #[error("{0}")]
    Forge(String),
    #[error("{0}")]
    Failed(String),
}

named! {
    /// The operator's actions.
    ActionKind {
        Approve = "approve",
        Deny = "deny",
        Abort = "abort",
        Retry = "retry",
        HumanFix = "human-fix",
        /// Open a pull request that would not be opened otherwise.
        Publish = "publish",
    }
}

/// A fix by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandMade {
    /// A unified diff against the failing commit.
    Patch(String),
    /// The difference of this folder (a checkout or worktree of the repository) from the failing commit.
    Worktree(PathBuf),
    /// Words for the agent.
    Hint(String),
}

/// One decision of one person, with what they looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRequest {
    pub kind: ActionKind,
    /// The operator's name.
    pub by: String,
    /// Whether a server checked who they are: then nobody approves a patch of their own. On one machine (`false`) names are only names.
    pub is_authenticated: bool,
    pub note: Option<String>,
    /// Digest (or prefix) of the patch they saw.
    pub rev: Option<String>,
    /// Version of the run they saw.
    pub version: Option<u64>,
    pub fix: Option<HandMade>,
    /// The machine on which they heal the run in the foreground; none: any worker may take it.
    pub machine: Option<String>,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Acted {
    pub run: Run,
    pub message: String,
    /// Done before by the same action: nothing changed.
    pub is_repeat: bool,
    /// The first of two keys: kept, another person must approve too.
    pub needs_second_key: bool,
}

/// A stored output; raw bytes, to be cleaned before they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    pub bytes: Vec<u8>,
    pub dropped_bytes: u64,
}

/// Returns what the log of a job is called.
fn job_log(job: u64) -> String {
    format!("job_{job}.log")
}

/// Who asks, as the backlog knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    pub name: String,
    pub role: Role,
}

/// The backlog as a console or a script sees it.
#[async_trait]
pub trait Backlog: Debug + Send + Sync {
    /// Returns one page, newest change first, and the number of all that match.
    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), BacklogError>;

    /// Returns a run with its attempts and events.
    async fn run(&self, id: RunId) -> Result<RunDetail, BacklogError>;

    /// Finds the one run that `text` names: an id, a unique prefix of one, or `latest`.
    async fn resolve(&self, text: &str) -> Result<RunId, BacklogError>;

    async fn summary(&self) -> Result<Summary, BacklogError>;

    /// Returns the summaries by repository, most runs first.
    async fn repositories(&self) -> Result<Vec<RepositorySummary>, BacklogError>;

    /// Returns events of every run after `after`, in order, at most `limit`.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, BacklogError>;

    /// Checks the audit chain.
    async fn verify(&self) -> Result<Audit, BacklogError>;

    /// Returns `(name, stored bytes)` of a run's outputs, oldest first.
    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, BacklogError>;

    async fn output(&self, id: RunId, name: &str) -> Result<Option<Output>, BacklogError>;

    /// Returns what is being printed right now, whichever process runs it.
    async fn live(&self, id: RunId) -> Result<Option<Live>, BacklogError>;

    async fn act(&self, id: RunId, request: ActionRequest) -> Result<Acted, BacklogError>;

    /// Returns who asks; none where a name is only a name and each request brings its own.
    async fn me(&self) -> Result<Option<Me>, BacklogError> {
        Ok(None)
    }

    /// Returns the watched repositories as they were last seen; the forge is not asked.
    async fn ci(&self) -> Result<CiView, BacklogError>;

    /// Returns the jobs of a workflow run's attempt, of the latest if none is named. The forge is asked.
    async fn ci_jobs(&self, repository: &str, run: u64, attempt: Option<u32>) -> Result<Vec<CiJob>, BacklogError>;

    /// Returns the log of a job that is done. The forge is asked.
    async fn ci_log(&self, repository: &str, job: u64) -> Result<Output, BacklogError>;

    /// Returns the environments of a workflow run whose deployments wait for somebody. The forge is asked.
    async fn ci_deployments(&self, repository: &str, run: u64) -> Result<Vec<Deployment>, BacklogError>;

    /// Does something at the forge in the name of `by`, once; returns what was done, in words.
    async fn ci_act(&self, act: CiAct, by: &str) -> Result<String, BacklogError>;

    /// Waits until an event newer than `after` is stored, by whichever process, or a second has passed. Returns the newest number.
    async fn newest(&self, after: u64) -> Result<u64, BacklogError>;
}
