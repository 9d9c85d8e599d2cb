//! What the guard needs from the base commit: the policy that counts there, and the files a patch is laid over.
use crate::domain::Patch;
use crate::guard::policy::{POLICY_PATHS, PROTECTED_PATHS, Policy};
use crate::guard::{BaseFiles, wanted_files};
use crate::workspace::{Base, Workspace, WorkspaceError};

/// Reads the policy at `base`, or `own` in its place. The inner error is a policy that cannot be trusted, in words.
pub async fn policy_at(
    workspace: &dyn Workspace,
    base: &Base,
    own: Option<String>,
) -> Result<Result<Policy, String>, WorkspaceError> {
    let mut files = workspace.files_of(base, &[POLICY_PATHS, PROTECTED_PATHS].concat()).await?;
    let lists = files.split_off(POLICY_PATHS.len());
    let policy = own.or_else(|| files.into_iter().flatten().next());
    let lists: Vec<(&str, &str)> =
        PROTECTED_PATHS.iter().zip(&lists).filter_map(|(path, text)| Some((*path, text.as_deref()?))).collect();
    Ok(Policy::from_sources(policy.as_deref(), &lists).map_err(|it| format!("the policy is not valid: {it}")))
}

/// Reads the files at `base` that judging `patch` needs.
pub async fn base_files(workspace: &dyn Workspace, base: &Base, patch: &Patch) -> Result<BaseFiles, WorkspaceError> {
    let paths: Vec<String> = wanted_files(patch).into_iter().collect();
    let texts = workspace.files_of(base, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let files = paths.into_iter().zip(texts).filter_map(|(path, text)| Some((path, text?)));
    Ok(BaseFiles(files.collect()))
}
