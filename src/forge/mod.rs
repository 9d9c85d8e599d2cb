//! The port to a forge: what may be asked of the place where the team's repositories live. Only a configured forge is ever asked.
pub mod abilities;
pub mod github;

pub use abilities::{Abilities, May, TokenKind};

use crate::domain::{Budget, CiJob, CiRun, CiState};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Debug;

/// Why the forge did not do it, in words; never with a token in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// The token is not valid, or may not do this.
    #[error("{0}")]
    Unauthorised(String),
    /// There is no such thing, or the token may not see it.
    #[error("{0}")]
    NotFound(String),
    /// Something else has changed meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// The forge says no to this very request; asking again does not help.
    #[error("{message}")]
    Refused { status: u16, message: String },
    /// Nothing was done; the forge may be asked again at that time.
    #[error("{why}; try again after {until:.0}")]
    Later { until: Timestamp, why: String },
    /// A write without an answer: it may have happened. Reads never say this.
    #[error("{0}; it is not known whether it was done")]
    Unknown(String),
    /// A read without an answer.
    #[error("{0}")]
    Unanswered(String),
    /// More than is taken in.
    #[error("{0}")]
    TooLarge(String),
    /// Not the shape it should have.
    #[error("{0}")]
    Odd(String),
}

/// Rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether these are all rows there are.
    pub is_last: bool,
    /// Whether the forge said of every page that it is the one that was read before.
    pub unchanged: bool,
}

/// Which runs of workflows are asked for; the newest come first.
#[derive(Debug, Clone, Default)]
pub struct RunsQuery {
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub event: Option<String>,
    /// How many rows at most.
    pub max: usize,
}

/// Which pull requests are asked for.
#[derive(Debug, Clone, Default)]
pub struct PullsQuery {
    /// Only open ones.
    pub is_open: bool,
    /// `owner:branch` that they come from.
    pub head: Option<String>,
    /// Branch that they go to.
    pub base: Option<String>,
    /// How many rows at most.
    pub max: usize,
}

/// Takes a piece of a log; returns whether it wants more.
pub type Take<'a> = dyn FnMut(&[u8]) -> bool + Send + 'a;

/// What became of a log that was streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// Bytes handed on.
    pub bytes: u64,
    /// Whether there is more than was handed on.
    pub is_cut: bool,
}

/// A repository, as far as it matters to healing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFacts {
    pub default_branch: String,
    pub is_private: bool,
    pub is_fork: bool,
    pub is_archived: bool,
    /// Whether the owner of the token may push there; `None` where the forge does not say.
    pub may_push: Option<bool>,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub is_open: bool,
    pub is_merged: bool,
    pub is_draft: bool,
    pub head_branch: String,
    pub head_commit: String,
    /// `None`: the repository it came from is gone.
    pub head_repository: Option<String>,
    pub base_branch: String,
    pub base_commit: String,
    pub author: String,
    pub labels: Vec<String>,
    pub url: String,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub is_open: bool,
    pub labels: Vec<String>,
    pub author: String,
    pub url: String,
}

/// A comment on an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub author: String,
    pub body: String,
}

/// What says whether a commit is good: a check run or a commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub state: CiState,
    pub url: Option<String>,
}

/// What may be read of a forge. All of it is safe to ask again.
#[async_trait]
pub trait Reads: Debug + Send + Sync {
    /// Returns the page on which a repository's workflows are seen.
    fn workflows_url(&self, repository: &str) -> String;

    /// Returns what the forge still lets us ask; no request.
    fn budget(&self) -> Budget;

    /// Returns what the token is, as far as the forge tells.
    async fn abilities(&self) -> Result<Abilities, ForgeError>;

    async fn repository(&self, repository: &str) -> Result<RepositoryFacts, ForgeError>;

    async fn runs(&self, repository: &str, query: &RunsQuery) -> Result<Page<CiRun>, ForgeError>;

    async fn run(&self, repository: &str, id: u64) -> Result<CiRun, ForgeError>;

    /// Returns the jobs of a run's attempt, of the latest if none is named; at most 1,000.
    async fn jobs(&self, repository: &str, run: u64, attempt: Option<u32>) -> Result<Vec<CiJob>, ForgeError>;

    /// Hands a finished job's log to `take`, piece by piece, at most `max` bytes; `take` returns false to stop early.
    /// [`ForgeError::NotFound`]: the log is not kept any more, or not there yet.
    async fn job_log(&self, repository: &str, job: u64, max: u64, take: &mut Take<'_>) -> Result<LogEnd, ForgeError>;

    /// Returns the check runs and statuses of a commit.
    async fn checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, ForgeError>;

    /// Returns a branch's commit, `None` if there is no such branch.
    async fn branch(&self, repository: &str, name: &str) -> Result<Option<String>, ForgeError>;

    /// Returns the branches whose names begin with `prefix`, with their commits; at most 1,000.
    async fn branches(&self, repository: &str, prefix: &str) -> Result<Vec<(String, String)>, ForgeError>;

    /// Returns a file of a commit or branch, `None` if it is not there; at most 1 MiB.
    async fn file(&self, repository: &str, path: &str, at: &str) -> Result<Option<Vec<u8>>, ForgeError>;

    async fn pulls(&self, repository: &str, query: &PullsQuery) -> Result<Page<PullRequest>, ForgeError>;

    /// Returns the newest issues that have all these labels, open or not, pull requests left out.
    async fn issues(&self, repository: &str, labels: &[&str], max: usize) -> Result<Vec<Issue>, ForgeError>;

    /// Returns the comments on an issue or a pull request, oldest first; at most 1,000.
    async fn comments(&self, repository: &str, issue: u64) -> Result<Vec<Comment>, ForgeError>;
}

/// What may be changed at a forge. Each call makes one request and never repeats it.
#[async_trait]
pub trait Writes: Reads {
    /// Starts the workflows of `repository` that listen to `event_type`. Success only when the forge says that it took the event.
    async fn repository_dispatch(
        &self,
        repository: &str,
        event_type: &str,
        client_payload: &Value,
    ) -> Result<(), ForgeError>;
}
