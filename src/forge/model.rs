//! What there is at a forge: repositories, commits, checks, pull requests and issues, as far as they matter to healing.
use crate::domain::{CiState, MergeMethod};
use jiff::Timestamp;

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// What it is called now, `owner/name`; `None` where the forge does not say.
    pub name: Option<String>,
    pub default_branch: String,
    pub is_private: bool,
    pub is_fork: bool,
    pub is_archived: bool,
    /// Whether the owner of the token may push there; `None` where the forge does not say.
    pub may_push: Option<bool>,
    /// How pull requests may be merged there; every way where the forge does not say.
    pub merge_methods: Vec<MergeMethod>,
}

impl RepositoryFacts {
    /// Returns what the repository that was asked for as `known` is called now, `None` if that is its name.
    pub fn new_name(&self, known: &str) -> Option<&str> {
        self.name.as_deref().filter(|it| !it.eq_ignore_ascii_case(known))
    }
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    pub sha: String,
    pub committer_email: String,
    pub message: String,
    pub committed_at: Option<Timestamp>,
}

/// What says whether a commit is good: a check run or a commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub state: CiState,
    pub url: Option<String>,
    /// The run of a workflow that it stands for.
    pub run_id: Option<u64>,
    /// The job of that run.
    pub job_id: Option<u64>,
}

/// What a check says of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub path: String,
    pub line: u64,
    /// `failure`, `warning` or `notice`.
    pub level: String,
    pub title: String,
    pub message: String,
}

/// Files that a run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub id: u64,
    pub name: String,
    pub bytes: u64,
    pub is_expired: bool,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    /// By which [`crate::forge::Writes::mark_ready`] knows it.
    pub node_id: String,
    pub title: String,
    pub body: String,
    pub is_open: bool,
    pub is_merged: bool,
    pub is_draft: bool,
    /// Whether it can be merged without a conflict; `None`: the forge has not found out yet, and lists do not say.
    pub is_mergeable: Option<bool>,
    pub head_branch: String,
    pub head_commit: String,
    /// `None`: the repository it came from is gone.
    pub head_repository: Option<String>,
    pub base_branch: String,
    /// Where the base branch was when the forge last looked.
    pub base_commit: String,
    pub author: String,
    pub labels: Vec<String>,
    pub url: String,
    /// The commit that it became; only of one that is merged.
    pub merge_commit: Option<String>,
    /// Who merged it; lists do not say.
    pub merged_by: Option<String>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub merged_at: Option<Timestamp>,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub is_open: bool,
    pub labels: Vec<String>,
    /// Who is to work on it.
    pub assignees: Vec<String>,
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
