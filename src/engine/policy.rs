//! What the guard needs from the base commit: the policy that counts there, and the files a patch is laid over.
use crate::domain::Patch;
use crate::guard::policy::{POLICY_PATHS, PROTECTED_PATHS, Policy};
use crate::guard::{BaseFiles, wanted_files};
use crate::workspace::{Workspace, WorkspaceError};
use std::path::Path;

/// Reads the policy at `commit`, or `own` in its place. The inner error is a policy that cannot be trusted, in words.
pub async fn policy_at(
    workspace: &dyn Workspace,
    repo: &Path,
    commit: &str,
    own: Option<String>,
) -> Result<Result<Policy, String>, WorkspaceError> {
    let mut policy = own;
    for path in POLICY_PATHS {
        if policy.is_none() {
            policy = workspace.file_at(repo, commit, path).await?;
        }
    }
    let mut lists = Vec::new();
    for path in PROTECTED_PATHS {
        lists.extend(workspace.file_at(repo, commit, path).await?.map(|text| (*path, text)));
    }
    let lists: Vec<(&str, &str)> = lists.iter().map(|(path, text)| (*path, text.as_str())).collect();
    Ok(Policy::from_sources(policy.as_deref(), &lists).map_err(|it| format!("the policy is not valid: {it}")))
}

/// Reads the files at `commit` that judging `patch` needs.
pub async fn base_files(
    workspace: &dyn Workspace,
    repo: &Path,
    commit: &str,
    patch: &Patch,
) -> Result<BaseFiles, WorkspaceError> {
    let mut files = BaseFiles::default();
    for path in wanted_files(patch) {
        if let Some(text) = workspace.file_at(repo, commit, &path).await? {
            files.0.insert(path, text);
        }
    }
    Ok(files)
}
