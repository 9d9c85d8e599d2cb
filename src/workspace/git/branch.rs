//! The one thing that is ever written to the user's repository: the commit of an approve and the branch at it.
use crate::evidence::text;
use crate::workspace::BranchCommit;
use crate::workspace::OUR_EMAIL;
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::apply;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;
use crate::workspace::git::repository::Repository;
use std::path::Path;

const NAME: &str = "Paramedic";

/// Where a commit of ours stands in the history.
pub(super) struct Place<'a> {
    /// Whose files the patch is made for.
    pub(super) base: &'a str,
    /// The commit before it.
    pub(super) parent: &'a str,
    /// Whether the patch is taken back, not applied.
    pub(super) is_reverse: bool,
}

/// Makes the commit and the branch, or finds that both are there already.
pub(super) async fn commit(
    workspace: &GitWorkspace,
    path: &Path,
    wanted: &BranchCommit<'_>,
) -> Result<String, WorkspaceError> {
    apply::check_size(wanted.patch)?;
    let repo = workspace.locate(path).await?;
    let git = repo.git(&workspace.launcher);
    let branch = full_name(&git, wanted.branch).await?;
    let base = repo.commit(&workspace.launcher, wanted.base).await?;
    let bench = workspace.bench(&repo.objects(), Some(&base)).await?;
    let index = bench.dir.path().join("index");
    let place = Place { base: &base, parent: &base, is_reverse: false };
    if let Some(there) = commit_at(&git, &branch).await? {
        // Made in the private repository to learn its id: a refused approve leaves no object behind.
        let private = Git::on(&workspace.launcher, bench.dir.path(), bench.git_dir.path()).index(&index);
        return settled(make(&private, &place, wanted).await?, &there, wanted.branch);
    }
    let made = make(&git.clone().index(&index), &place, wanted).await?;
    let nothing = "0".repeat(made.len());
    let output = git.output(&["update-ref", "--no-deref", &branch, &made, &nothing], None).await?;
    if output.code == Some(0) {
        return Ok(made);
    }
    if let Some(there) = commit_at(&git, &branch).await? {
        return settled(made, &there, wanted.branch);
    }
    let name = text::clean_line(wanted.branch);
    Err(WorkspaceError::Unusable(format!("cannot make branch {name}: {}", complaint(&output))))
}

/// Deletes a branch that is still where it was put. Gone already is fine.
pub(super) async fn delete(
    workspace: &GitWorkspace,
    path: &Path,
    name: &str,
    commit: &str,
) -> Result<(), WorkspaceError> {
    let repo = workspace.locate(path).await?;
    let git = repo.git(&workspace.launcher);
    let branch = full_name(&git, name).await?;
    match commit_at(&git, &branch).await? {
        None => return Ok(()),
        Some(there) if there == commit => {}
        Some(_) => return Err(WorkspaceError::BranchTaken { branch: text::clean_line(name) }),
    }
    if let Some(place) = checked_out_at(&repo, &git, &branch).await? {
        let name = text::clean_line(name);
        return Err(WorkspaceError::Unusable(format!(
            "branch {name} is checked out in {place}; switch to another first"
        )));
    }
    git.run(&["update-ref", "--no-deref", "-d", &branch, commit], None).await.map(|_| ())
}

fn settled(made: String, there: &str, branch: &str) -> Result<String, WorkspaceError> {
    if made == there { Ok(made) } else { Err(WorkspaceError::BranchTaken { branch: text::clean_line(branch) }) }
}

pub(super) async fn full_name(git: &Git, branch: &str) -> Result<String, WorkspaceError> {
    let name = format!("refs/heads/{branch}");
    let output = git.output(&["check-ref-format", &name], None).await?;
    if output.code == Some(0) && !branch.starts_with('-') {
        return Ok(name);
    }
    Err(WorkspaceError::Unusable(format!("`{}` cannot be the name of a branch", text::clean_line(branch))))
}

async fn commit_at(git: &Git, branch: &str) -> Result<Option<String>, WorkspaceError> {
    git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", branch]).await
}

async fn checked_out_at(repo: &Repository, git: &Git, branch: &str) -> Result<Option<String>, WorkspaceError> {
    let place = git.line(&["for-each-ref", "--format=%(worktreepath)", branch]).await?;
    let is_head = git.line(&["symbolic-ref", "--quiet", "HEAD"]).await?.is_some_and(|it| it == branch);
    let here = || is_head.then(|| repo.root.to_string_lossy().into_owned());
    Ok(place.or_else(here).map(|it| text::clean_line(&it)))
}

/// Makes the commit in the repository and index of `git`; the same input gives the same commit.
pub(super) async fn make(git: &Git, place: &Place<'_>, wanted: &BranchCommit<'_>) -> Result<String, WorkspaceError> {
    git.run(&["read-tree", place.base], None).await?;
    if !wanted.patch.is_empty() {
        let mut args = vec!["apply", "--cached", "--whitespace=nowarn"];
        args.extend(place.is_reverse.then_some("--reverse"));
        args.push("-");
        let output = git.output(&args, Some(wanted.patch.text().as_bytes())).await?;
        if output.code != Some(0) {
            return Err(WorkspaceError::DoesNotApply(complaint(&output)));
        }
    }
    let tree = one_line(&git.run(&["write-tree"], None).await?);
    let date = format!("@{} +0000", wanted.unix_seconds);
    let git = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].into_iter().fold(git.clone(), |git, it| git.env(it, NAME));
    let git = ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].into_iter().fold(git, |git, it| git.env(it, OUR_EMAIL));
    let git = ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].into_iter().fold(git, |git, it| git.env(it, date.as_str()));
    let message = format!("{}\n", wanted.message.replace('\0', "").trim_end());
    let args = ["commit-tree", "--no-gpg-sign", "-p", place.parent, "-F", "-", &tree];
    git.run(&args, Some(message.as_bytes())).await.map(|it| one_line(&it))
}

fn one_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().to_owned()
}
