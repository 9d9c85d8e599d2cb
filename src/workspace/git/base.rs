//! A commit that trees are made of, and what cannot change about it: looked up once, used for every tree and every file.
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::repository::Repository;
use std::fs;
use std::path::Path;

/// A commit of a repository on this machine.
#[derive(Debug)]
pub struct Base {
    /// Its full id.
    pub commit: String,
    pub(super) repository: Repository,
    /// Branches and tags as they were when it was looked up, which make `git describe` work.
    pub(super) refs: Vec<u8>,
    /// The end of a shallow history, which must be known as one.
    pub(super) shallow: Option<Vec<u8>>,
}

/// Looks up `rev` in the repository at `path`.
pub(super) async fn find(workspace: &GitWorkspace, path: &Path, rev: &str) -> Result<Base, WorkspaceError> {
    let repository = workspace.locate(path).await?;
    let commit = repository.commit(&workspace.launcher, rev).await?;
    let args = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"];
    let refs = repository.git(&workspace.launcher).run(&args, None).await?;
    let shallow = fs::read(repository.common_dir.join("shallow")).ok();
    Ok(Base { commit, repository, refs, shallow })
}
