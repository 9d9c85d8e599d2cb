//! The port to a repository, by git: private repositories borrow the user's objects, so the user's own is only ever read.
mod apply;
mod base;
mod branch;
mod change;
mod command;
mod difference;
mod facts;
mod gitdir;
mod home;
mod ignore;
mod mend;
mod mirror;
mod network;
mod objects;
mod push;
mod remote;
pub(super) mod removal;
mod repository;
mod settings;
mod tree;

pub use base::Base;
pub use change::Change;
pub use mirror::{HeldMirror, Mirrors};
pub use network::{Network, Remote};

use crate::domain::Patch;
use crate::evidence::report::junit::Account;
use crate::process::Launcher;
use crate::workspace::BranchCommit;
use crate::workspace::Preparation;
use crate::workspace::Push;
use crate::workspace::Pushed;
use crate::workspace::RepositoryFacts;
use crate::workspace::TestCommand;
use crate::workspace::Tree;
use crate::workspace::Workspace;
use crate::workspace::WorkspaceError;
use crate::workspace::discover;
use crate::workspace::git::command::Git;
use crate::workspace::git::gitdir::GitDir;
use crate::workspace::git::gitdir::Objects;
use crate::workspace::git::home::Owner;
use crate::workspace::git::repository::Repository;
use crate::workspace::reports;
use async_trait::async_trait;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The largest patch that is kept or applied.
pub const MAX_PATCH_BYTES: usize = 4 << 20;

/// Git repositories on this machine. Trees live below `home`, which several processes may share.
#[derive(Debug)]
pub struct GitWorkspace {
    launcher: Launcher,
    home: PathBuf,
    network: Network,
    owner: OnceCell<Owner>,
}

/// A private repository for one operation: own configuration, own index, the user's objects to read.
#[derive(Debug)]
struct Bench {
    dir: TempDir,
    git_dir: GitDir,
}

impl GitWorkspace {
    /// Makes a workspace; `home` is created, private, when the first tree is.
    pub fn new(launcher: Launcher, home: PathBuf) -> Self {
        Self { launcher, home, network: Network::default(), owner: OnceCell::new() }
    }

    /// Lets it reach remotes.
    #[must_use]
    pub fn on(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// Returns the top folder of the checkout that `path` lies in; it needs no commit.
    pub async fn root(&self, path: &Path) -> Result<PathBuf, WorkspaceError> {
        Ok(self.locate(path).await?.root)
    }

    /// Returns the commit of a branch of a checkout, or of the one that its `origin` was last seen to have; `None` if there is no such branch.
    pub async fn tip(&self, path: &Path, branch: &str) -> Result<Option<String>, WorkspaceError> {
        let git = self.locate(path).await?.git(&self.launcher);
        for place in ["refs/heads", "refs/remotes/origin"] {
            let spec = format!("{place}/{branch}^{{commit}}");
            let commit = git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).await?;
            if commit.is_some() {
                return Ok(commit);
            }
        }
        Ok(None)
    }

    /// Returns the patch that a tree's state amounts to: what is stored after a patch written by a person was applied.
    pub async fn canonical(&self, tree: &Tree) -> Result<Patch, WorkspaceError> {
        self.difference(tree).await
    }

    async fn owner(&self) -> Result<&Owner, WorkspaceError> {
        self.owner.get_or_try_init(|| async { Owner::settle(&self.home) }).await
    }

    async fn bench(&self, objects: &Objects, head: Option<&str>) -> Result<Bench, WorkspaceError> {
        let dir = self.owner().await?.bench_dir()?;
        let git_dir = GitDir::write(dir.path(), objects, head)?;
        Ok(Bench { dir, git_dir })
    }

    async fn locate(&self, path: &Path) -> Result<Repository, WorkspaceError> {
        repository::locate(&self.launcher, path).await
    }
}

impl Bench {
    /// git on this repository and the files at `root`.
    fn git(&self, launcher: &Launcher, root: &Path) -> Git {
        Git::on(launcher, root, self.git_dir.path()).work_tree(root).index(&self.dir.path().join("index"))
    }
}

#[async_trait]
impl Workspace for GitWorkspace {
    async fn facts(&self, path: &Path) -> Result<RepositoryFacts, WorkspaceError> {
        facts::read(self, path).await
    }

    async fn base(&self, repo: &Path, commit: &str) -> Result<Base, WorkspaceError> {
        base::find(self, repo, commit).await
    }

    async fn tree_of(&self, base: &Base) -> Result<Tree, WorkspaceError> {
        tree::make(self, base).await
    }

    async fn files_of(&self, base: &Base, paths: &[&str]) -> Result<Vec<Option<String>>, WorkspaceError> {
        base.repository.files_at(&self.launcher, &base.commit, paths).await
    }

    async fn apply(&self, tree: &Tree, patch: &Patch) -> Result<(), WorkspaceError> {
        apply::to_tree(self, tree, patch).await
    }

    async fn difference(&self, tree: &Tree) -> Result<Patch, WorkspaceError> {
        difference::of_tree(self, tree).await
    }

    async fn difference_of(&self, repo: &Path, dir: &Path, commit: &str) -> Result<Patch, WorkspaceError> {
        difference::of_checkout(self, repo, dir, commit).await
    }

    async fn find_tests(&self, tree: &Tree) -> Result<Option<TestCommand>, WorkspaceError> {
        discover::find_tests(&self.launcher, tree).await
    }

    async fn find_preparation(&self, tree: &Tree, test_command: &str) -> Result<Option<Preparation>, WorkspaceError> {
        discover::find_preparation(&self.launcher, tree, test_command).await
    }

    async fn reports(&self, tree: &Tree, since: SystemTime) -> Result<Account, WorkspaceError> {
        let root = tree.root.clone();
        tokio::task::spawn_blocking(move || reports::read(&root, since))
            .await
            .map_err(|error| WorkspaceError::Git(error.to_string()))
    }

    async fn commit_branch(&self, repo: &Path, commit: &BranchCommit<'_>) -> Result<String, WorkspaceError> {
        branch::commit(self, repo, commit).await
    }

    async fn delete_branch(&self, repo: &Path, branch: &str, commit: &str) -> Result<(), WorkspaceError> {
        branch::delete(self, repo, branch, commit).await
    }

    async fn push(&self, repo: &Path, push: &Push<'_>) -> Result<Pushed, WorkspaceError> {
        push::push(self, repo, push).await
    }

    async fn find_patch(
        &self,
        repo: &Path,
        base: &str,
        patch: &Patch,
        branch: &str,
        remote: &Remote,
    ) -> Result<Option<String>, WorkspaceError> {
        // Only what is in the commit counts, not what it says.
        let commit = BranchCommit { base, branch, patch, message: "", unix_seconds: 0 };
        push::find(self, repo, &Push { commit, parent: None, is_reverse: false, remote }).await
    }

    async fn origin(&self, repo: &Path) -> Result<Option<String>, WorkspaceError> {
        push::origin(self, repo).await
    }

    async fn sweep(&self) -> Result<usize, WorkspaceError> {
        let home = self.home.clone();
        tokio::task::spawn_blocking(move || home::sweep(&home))
            .await
            .map_err(|error| WorkspaceError::Git(error.to_string()))?
    }
}
