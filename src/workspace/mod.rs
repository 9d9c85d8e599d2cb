//! The port to a repository: facts, fresh work trees, applying patches, finding the test command, the commit of an approve.
mod discover;
mod git;
mod reports;

pub use crate::workspace::git::Base;
pub use crate::workspace::git::Change;
pub use crate::workspace::git::GitWorkspace;
pub use crate::workspace::git::HeldMirror;
pub use crate::workspace::git::MAX_PATCH_BYTES;
pub use crate::workspace::git::Mirrors;
pub use crate::workspace::git::Network;
pub use crate::workspace::git::Remote;

use crate::domain::Patch;
use crate::evidence::report::junit::Account;
use async_trait::async_trait;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Address of whoever commits for us.
pub const OUR_EMAIL: &str = "paramedic@localhost";

/// What can go wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// Not a git repository, no commit yet, commit not there: the user can mend it; the text says how.
    #[error("{0}")]
    Unusable(String),
    /// git refuses the patch; the text is git's, sanitised.
    #[error("the patch does not apply: {0}")]
    DoesNotApply(String),
    /// The change is not one that can be kept as a patch (not UTF-8, larger than the limit).
    #[error("{0}")]
    BadPatch(String),
    /// The branch exists with something else on it.
    #[error("branch {branch} exists already and holds something else; delete or rename it first")]
    BranchTaken { branch: String },
    /// The remote branch is at a commit that is none of ours.
    #[error("branch {branch} was changed by somebody else: it is at {at}")]
    Foreign { branch: String, at: String },
    #[error("git failed: {0}")]
    Git(String),
    #[error("cannot use {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

/// What a repository is and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// Root of the checkout.
    pub root: PathBuf,
    /// owner/name from `origin`, else the folder's name. Sanitised.
    pub name: String,
    /// Current branch, `HEAD` when detached. Sanitised.
    pub branch: String,
    pub head: String,
    /// Paths with changes that are not committed, at most ten; they are left alone and not healed.
    pub dirty: Vec<String>,
}

/// The test command and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCommand {
    /// Run by `sh -c` in the root of the tree.
    pub command: String,
    /// For people: `pytest.ini`, `package.json has a "test" script`.
    pub reason: String,
}

/// The command that fetches dependencies, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// Run by `sh -c` in the root of a tree, with network and `PARAMEDIC_SCRATCH`.
    pub command: String,
    pub reason: String,
    /// Trees with the same key need the same, and can share it; none: each tree needs its own.
    pub key: Option<String>,
}

impl Preparation {
    /// Returns `command` as it uses what was prepared in `PARAMEDIC_PREPARED`, a scratch folder.
    pub fn used_by(command: &str) -> String {
        format!("{}{command}", discover::USE_PREPARED)
    }
}

/// A fresh work tree at one commit, outside the user's checkout. Gone when dropped; `sweep` removes what a crash left.
#[derive(Debug)]
pub struct Tree {
    /// Where the files are.
    pub root: PathBuf,
    /// A private folder beside the tree for HOME, TMPDIR and environments, writable in the sandbox.
    pub scratch: PathBuf,
    /// git's folder for this tree: read-only for whatever runs in the tree.
    pub git_dir: PathBuf,
    pub commit: String,
    /// Removes the whole folder when the tree is dropped.
    pub guard: Option<tempfile::TempDir>,
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            // `TempDir` gives up on read-only and very deep folders; what resists even this is left to `sweep`.
            let _ = git::removal::remove(&guard.keep());
        }
    }
}

/// Works on local repositories without leaving a trace in them, except the one branch that an approve makes.
#[async_trait]
pub trait Workspace: Debug + Send + Sync {
    /// Reads what is at `path`, which may be any folder of the checkout.
    async fn facts(&self, path: &Path) -> Result<RepositoryFacts, WorkspaceError>;

    /// Looks a commit up, once for everything that is made of it.
    async fn base(&self, repo: &Path, commit: &str) -> Result<Base, WorkspaceError>;

    /// Makes a fresh tree with nothing in it that git does not track.
    async fn tree_of(&self, base: &Base) -> Result<Tree, WorkspaceError>;

    /// Makes the only tree of `repo` at `commit`.
    async fn tree(&self, repo: &Path, commit: &str) -> Result<Tree, WorkspaceError> {
        self.tree_of(&self.base(repo, commit).await?).await
    }

    /// Returns files of a commit as text, in the order of `paths`; `None` for what is not there.
    async fn files_of(&self, base: &Base, paths: &[&str]) -> Result<Vec<Option<String>>, WorkspaceError>;

    /// Returns the only wanted file of `commit` as text, `None` if it is not there.
    async fn file_at(&self, repo: &Path, commit: &str, path: &str) -> Result<Option<String>, WorkspaceError> {
        Ok(self.files_of(&self.base(repo, commit).await?, &[path]).await?.pop().flatten())
    }

    /// Applies a patch to a tree, whole or not at all.
    async fn apply(&self, tree: &Tree, patch: &Patch) -> Result<(), WorkspaceError>;

    /// Returns the whole difference of a tree from its commit, new files included, leftovers of tools and ignored files left out.
    async fn difference(&self, tree: &Tree) -> Result<Patch, WorkspaceError>;

    /// Returns the difference of the user's own folder `dir` (a worktree or checkout of the same repository) from `commit`.
    async fn difference_of(&self, repo: &Path, dir: &Path, commit: &str) -> Result<Patch, WorkspaceError>;

    /// Finds the command that runs the repository's tests.
    async fn find_tests(&self, tree: &Tree) -> Result<Option<TestCommand>, WorkspaceError>;

    /// Returns the command that fetches the tree's dependencies before the tests, if there is one to run.
    async fn find_preparation(&self, tree: &Tree, test_command: &str) -> Result<Option<Preparation>, WorkspaceError>;

    /// Reads the `JUnit` files that a run left in the tree since it began.
    async fn reports(&self, tree: &Tree, since: SystemTime) -> Result<Account, WorkspaceError>;

    /// Makes one commit of `patch` on `base` and the new branch `branch` at it, touching nothing else. Doing it again is a no-op.
    /// Returns the commit.
    async fn commit_branch(&self, repo: &Path, commit: &BranchCommit<'_>) -> Result<String, WorkspaceError>;

    /// Deletes `branch` if it still is at `commit`.
    async fn delete_branch(&self, repo: &Path, branch: &str, commit: &str) -> Result<(), WorkspaceError>;

    /// Makes one commit and puts the branch of the remote at it, by a fast-forward or not at all; nothing is written to the repository on
    /// this machine. The same push makes the same commit; again it is a no-op. [`WorkspaceError::Foreign`]: somebody else was there.
    async fn push(&self, repo: &Path, push: &Push<'_>) -> Result<Pushed, WorkspaceError>;

    /// Returns the commit at `branch` of the remote, if it is `patch` on `base` and nothing else, whoever made it; nothing is written.
    async fn find_patch(
        &self,
        repo: &Path,
        base: &str,
        patch: &Patch,
        branch: &str,
        remote: &Remote,
    ) -> Result<Option<String>, WorkspaceError>;

    /// Returns the address to which `origin` of this checkout is pushed, `None` without one.
    async fn origin(&self, repo: &Path) -> Result<Option<String>, WorkspaceError>;

    /// Removes trees that a crashed process left behind. Returns how many.
    async fn sweep(&self) -> Result<usize, WorkspaceError>;
}

/// The commit of an approve.
#[derive(Debug, Clone)]
pub struct BranchCommit<'a> {
    pub base: &'a str,
    pub branch: &'a str,
    pub patch: &'a Patch,
    pub message: &'a str,
    /// Seconds since 1970, for author and committer date: the same approve makes the same commit.
    pub unix_seconds: i64,
}

/// A commit on its way to a branch of a remote.
#[derive(Debug, Clone)]
pub struct Push<'a> {
    pub commit: BranchCommit<'a>,
    /// What the branch is at before, if it is there: a commit of ours. None: the commit's base.
    pub parent: Option<&'a str>,
    /// Whether the patch is taken back, not applied.
    pub is_reverse: bool,
    pub remote: &'a Remote,
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The commit that the branch is at.
    pub commit: String,
    /// Whether it was there already.
    pub was_there: bool,
}
