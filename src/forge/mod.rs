//! The port to a forge: what may be asked of the place where the team's repositories live. Only a configured forge is ever asked.
pub mod abilities;
pub mod archive;
pub mod changes;
pub mod github;
pub mod model;

pub use abilities::{Abilities, May, TokenKind};
pub use archive::Archive;
pub use changes::{IssueEdit, Merge, NewIssue, NewPull, PullEdit};
pub use model::{Annotation, Artifact, Check, Comment, CommitFacts, Issue, PullRequest, RepositoryFacts};

use crate::domain::{Budget, CiJob, CiRun, Deployment};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::{self, Debug};
use std::path::Path;

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
}

/// Which runs of workflows are asked for; the newest come first.
#[derive(Debug, Clone, Default)]
pub struct RunsQuery {
    pub branch: Option<String>,
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

/// What lets git in at the forge over https, as the password of the user `x-access-token`.
#[derive(Clone, PartialEq, Eq)]
pub struct GitToken(String);

impl GitToken {
    pub const fn new(token: String) -> Self {
        Self(token)
    }

    /// Returns the token itself, for the environment of git.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Debug for GitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What may be read of a forge. All of it is safe to ask again.
#[async_trait]
pub trait Reads: Debug + Send + Sync {
    /// Returns the page of a repository, such as `https://github.com/acme/shop`.
    fn web_url(&self, repository: &str) -> String;

    /// Returns the page on which a repository's workflows are seen.
    fn workflows_url(&self, repository: &str) -> String {
        format!("{}/actions", self.web_url(repository))
    }

    /// Returns where git finds a repository.
    fn git_url(&self, repository: &str) -> String {
        format!("{}.git", self.web_url(repository))
    }

    /// Returns what lets git in there: the token, or an App's that is valid for some minutes more. Without any: [`ForgeError::Unauthorised`].
    async fn git_token(&self) -> Result<GitToken, ForgeError>;

    /// Returns what the forge still lets us ask; no request.
    fn budget(&self) -> Budget;

    /// Returns the time by the forge's own clock, as far as its answers tell it; no request.
    fn now(&self) -> Timestamp;

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

    /// Writes the logs of a run's attempt, which are a zip archive, to a file; returns its size in bytes.
    /// [`Archive`] reads it. One larger than `max` is [`ForgeError::TooLarge`], and then there is no file.
    async fn log_archive(
        &self,
        repository: &str,
        run: u64,
        attempt: u32,
        to: &Path,
        max: u64,
    ) -> Result<u64, ForgeError>;

    /// Returns what a run left behind, newest first; at most 1,000.
    async fn artifacts(&self, repository: &str, run: u64) -> Result<Vec<Artifact>, ForgeError>;

    /// Writes an artifact, which is a zip archive, to a file, as [`Reads::log_archive`] does.
    async fn artifact(&self, repository: &str, id: u64, to: &Path, max: u64) -> Result<u64, ForgeError>;

    /// Returns what a check run, such as a job's, says of lines; at most 100.
    async fn annotations(&self, repository: &str, check_run: u64) -> Result<Vec<Annotation>, ForgeError>;

    /// Returns the environments whose deployment a run waits for.
    async fn deployments(&self, repository: &str, run: u64) -> Result<Vec<Deployment>, ForgeError>;

    /// Returns all check runs and statuses of a commit. [`ForgeError::TooLarge`]: there are more than 1,000 of either.
    async fn checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, ForgeError>;

    /// Returns a branch's commit, `None` if there is no such branch.
    async fn branch(&self, repository: &str, name: &str) -> Result<Option<String>, ForgeError>;

    /// Whether a commit is on a branch: its tip, or something that the tip came from.
    async fn is_on(&self, repository: &str, commit: &str, branch: &str) -> Result<bool, ForgeError>;

    /// Returns the branches whose names begin with `prefix`, with their commits; at most 1,000.
    async fn branches(&self, repository: &str, prefix: &str) -> Result<Vec<(String, String)>, ForgeError>;

    async fn commit(&self, repository: &str, sha: &str) -> Result<CommitFacts, ForgeError>;

    /// Returns a file of a commit or branch, `None` if it is not there; at most 1 MiB.
    async fn file(&self, repository: &str, path: &str, at: &str) -> Result<Option<Vec<u8>>, ForgeError>;

    /// Returns the paths of the files in a folder of a commit or branch, none if it is not there; at most 1,000.
    async fn folder(&self, repository: &str, path: &str, at: &str) -> Result<Vec<String>, ForgeError>;

    async fn pulls(&self, repository: &str, query: &PullsQuery) -> Result<Page<PullRequest>, ForgeError>;

    async fn pull(&self, repository: &str, number: u64) -> Result<PullRequest, ForgeError>;

    /// Returns the newest issues that have all these labels, open or not, pull requests left out.
    async fn issues(&self, repository: &str, labels: &[&str], max: usize) -> Result<Vec<Issue>, ForgeError>;

    async fn issue(&self, repository: &str, number: u64) -> Result<Issue, ForgeError>;

    /// Returns the comments on an issue or a pull request, oldest first; at most 1,000.
    async fn comments(&self, repository: &str, issue: u64) -> Result<Vec<Comment>, ForgeError>;
}

/// What may be changed at a forge. Each call makes one request and never repeats it: [`ForgeError::Unknown`] means that somebody must look
/// whether it was done, [`ForgeError::Later`] that it was not.
#[async_trait]
pub trait Writes: Reads {
    /// Starts the workflows of `repository` that listen to `event_type`. Success only when the forge says that it took the event.
    async fn repository_dispatch(
        &self,
        repository: &str,
        event_type: &str,
        client_payload: &Value,
    ) -> Result<(), ForgeError>;

    async fn open_issue(&self, repository: &str, new: &NewIssue<'_>) -> Result<Issue, ForgeError>;

    async fn edit_issue(&self, repository: &str, number: u64, edit: &IssueEdit<'_>) -> Result<(), ForgeError>;

    /// Writes a comment on an issue or a pull request.
    async fn add_comment(&self, repository: &str, issue: u64, body: &str) -> Result<Comment, ForgeError>;

    async fn edit_comment(&self, repository: &str, id: u64, body: &str) -> Result<(), ForgeError>;

    /// Adds labels to an issue or a pull request; those it has stay.
    async fn add_labels(&self, repository: &str, issue: u64, labels: &[String]) -> Result<(), ForgeError>;

    /// Assigns an issue to people or programs, and returns it. The forge leaves out in silence whom it cannot be assigned to. A program that
    /// makes a change of it begins at `base`; without one at the default branch.
    async fn add_assignees(
        &self,
        repository: &str,
        issue: u64,
        logins: &[&str],
        base: Option<&str>,
    ) -> Result<Issue, ForgeError>;

    /// Takes an issue off these people or programs; of those it is not assigned to nothing is said.
    async fn remove_assignees(&self, repository: &str, issue: u64, logins: &[&str]) -> Result<(), ForgeError>;

    /// Asks people and teams, each by its name alone, to look at a pull request.
    async fn request_reviewers(
        &self,
        repository: &str,
        pull: u64,
        people: &[String],
        teams: &[String],
    ) -> Result<(), ForgeError>;

    async fn open_pull(&self, repository: &str, new: &NewPull<'_>) -> Result<PullRequest, ForgeError>;

    async fn edit_pull(&self, repository: &str, number: u64, edit: &PullEdit<'_>) -> Result<(), ForgeError>;

    /// Makes a draft ready for review; [`PullRequest::node_id`] names it.
    async fn mark_ready(&self, node_id: &str) -> Result<(), ForgeError>;

    /// Makes what was made ready a draft again.
    async fn mark_draft(&self, node_id: &str) -> Result<(), ForgeError>;

    /// Returns why a draft would not be merged if it were none, as far as the forge tells. It changes nothing, but is not asked by a GET.
    async fn objection(&self, node_id: &str) -> Result<Option<String>, ForgeError>;

    /// Merges a pull request; returns the commit that it became. [`ForgeError::Conflict`]: its branch is not at that commit any more.
    async fn merge(&self, repository: &str, number: u64, merge: &Merge<'_>) -> Result<String, ForgeError>;

    /// Deletes a branch; one that is not there is deleted.
    async fn delete_branch(&self, repository: &str, name: &str) -> Result<(), ForgeError>;

    /// Runs the failed jobs of a run again.
    async fn rerun_failed(&self, repository: &str, run: u64) -> Result<(), ForgeError>;

    async fn cancel(&self, repository: &str, run: u64) -> Result<(), ForgeError>;

    /// Approves or rejects the deployment of a run to these environments.
    async fn review_deployments(
        &self,
        repository: &str,
        run: u64,
        environments: &[u64],
        is_approved: bool,
        comment: &str,
    ) -> Result<(), ForgeError>;
}
