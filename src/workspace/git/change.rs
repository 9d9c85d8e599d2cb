//! The change between two commits of a repository, as a reviewer sees it: from where the branch started.
use crate::domain::Patch;
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::MAX_PATCH_BYTES;
use crate::workspace::git::difference::OPTIONS;
use std::path::Path;

/// A change, the commit it starts from, and the one it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where the change left what it is for; the author of the change chooses it.
    pub base: String,
    /// What was named as its base, as it is now: its policy counts.
    pub target: String,
    pub patch: Patch,
}

impl GitWorkspace {
    /// Returns the change for `base` (default: origin's default branch, else HEAD itself) that `head` (default HEAD) brings.
    pub async fn change(&self, repo: &Path, base: Option<&str>, head: Option<&str>) -> Result<Change, WorkspaceError> {
        let repo = self.locate(repo).await?;
        let git = repo.git(&self.launcher);
        let head = repo.commit(&self.launcher, head.unwrap_or("HEAD")).await?;
        let target = match base {
            Some(base) => repo.commit(&self.launcher, base).await?,
            None => repo.commit(&self.launcher, "refs/remotes/origin/HEAD").await.unwrap_or_else(|_| head.clone()),
        };
        let base = git.line(&["merge-base", &target, &head]).await?.ok_or_else(|| {
            WorkspaceError::Unusable("the two commits have no common ancestor; name another --base".to_owned())
        })?;
        let mut args = vec!["diff-tree", "-r"];
        args.extend(OPTIONS);
        args.extend([base.as_str(), head.as_str(), "--"]);
        let output = git.max_output(MAX_PATCH_BYTES).run(&args, None).await?;
        let patch = String::from_utf8(output)
            .map_err(|_| WorkspaceError::BadPatch("the change is not UTF-8 text".to_owned()))?;
        Ok(Change { base, target, patch: Patch(patch) })
    }
}
