//! Pushes one commit to one branch of a remote, by a fast-forward or not at all.
use crate::evidence::mask::Masker;
use crate::evidence::text;
use crate::process::ToolOutput;
use crate::workspace::Push;
use crate::workspace::Pushed;
use crate::workspace::Remote;
use crate::workspace::WorkspaceError;
use crate::workspace::git::Bench;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::apply;
use crate::workspace::git::branch;
use crate::workspace::git::branch::Place;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;
use crate::workspace::git::network::is_object_id;
use std::fs;
use std::path::Path;

/// A branch of a remote, as git in a private repository reaches it.
struct Far<'a> {
    git: Git,
    remote: &'a Remote,
    /// Beginning with `refs/heads/`.
    branch: &'a str,
}

/// A private repository in which a commit is made for a remote.
struct Yard {
    bench: Bench,
    base: String,
    /// Beginning with `refs/heads/`.
    branch: String,
}

impl Yard {
    async fn new(workspace: &GitWorkspace, path: &Path, push: &Push<'_>) -> Result<Self, WorkspaceError> {
        apply::check_size(push.commit.patch)?;
        let repo = workspace.locate(path).await?;
        let branch = branch::full_name(&repo.git(&workspace.launcher), push.commit.branch).await?;
        let base = repo.commit(&workspace.launcher, push.commit.base).await?;
        let bench = workspace.bench(&repo.objects(), Some(&base)).await?;
        if let Ok(shallow) = fs::read(repo.common_dir.join("shallow")) {
            bench.git_dir.write_file("shallow", &shallow)?;
        }
        Ok(Self { bench, base, branch })
    }

    fn git(&self, workspace: &GitWorkspace) -> Git {
        let bench = &self.bench;
        Git::on(&workspace.launcher, bench.dir.path(), bench.git_dir.path()).index(&bench.dir.path().join("index"))
    }

    fn far<'a>(&'a self, workspace: &GitWorkspace, remote: &'a Remote) -> Far<'a> {
        Far { git: workspace.network.reach(self.git(workspace), remote), remote, branch: &self.branch }
    }
}

/// Returns the commit that the branch is at, if it has the same content and the same parent as the one that would be pushed.
pub(super) async fn find(
    workspace: &GitWorkspace,
    path: &Path,
    push: &Push<'_>,
) -> Result<Option<String>, WorkspaceError> {
    let yard = Yard::new(workspace, path, push).await?;
    let (git, far) = (yard.git(workspace), yard.far(workspace, push.remote));
    let Some(at) = far.commit().await? else { return Ok(None) };
    far.fetch(&at).await?;
    let place = Place { base: &yard.base, parent: &yard.base, is_reverse: push.is_reverse };
    let made = branch::make(&git, &place, &push.commit).await?;
    let content = async |it: &str| git.line(&["log", "-1", "--no-show-signature", "--format=%T %P", it]).await;
    let wanted = content(&made).await?;
    Ok((wanted.is_some() && content(&at).await? == wanted).then_some(at))
}

/// Makes the commit in a private repository and pushes it, or finds that it is there already.
pub(super) async fn push(workspace: &GitWorkspace, path: &Path, push: &Push<'_>) -> Result<Pushed, WorkspaceError> {
    let yard = Yard::new(workspace, path, push).await?;
    let (git, far) = (yard.git(workspace), yard.far(workspace, push.remote));
    let (base, name) = (yard.base.clone(), &yard.branch);
    let parent = push.parent.unwrap_or(&base);
    let before = far.commit().await?;
    let foreign = |at: String| WorkspaceError::Foreign { branch: text::clean_line(push.commit.branch), at };
    if parent != base
        && let Err(error) = far.fetch(parent).await
    {
        match &before {
            Some(at) if at == parent => return Err(error),
            Some(at) => {
                // Only a branch that was read, and does not hold what we pushed before, is somebody else's.
                far.fetch(at).await?;
                let wanted = format!("{parent}^{{commit}}");
                if git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).await?.is_none() {
                    return Err(foreign(at.clone()));
                }
            }
            None => return Err(foreign("nothing".to_owned())),
        }
    }
    let place = Place { base: &base, parent, is_reverse: push.is_reverse };
    let commit = branch::make(&git, &place, &push.commit).await?;
    match before {
        Some(at) if at == commit => return Ok(Pushed { commit, was_there: true }),
        Some(at) if at != parent => return Err(foreign(at)),
        Some(_) | None => {}
    }
    let refspec = format!("{commit}:{name}");
    let options = ["push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"];
    let output = far.git.output(&[&options[..], &["--", &push.remote.url, &refspec]].concat(), None).await?;
    // Not what git says counts, but where the branch is: an answer may be lost, and somebody may have been faster.
    match far.commit().await? {
        Some(at) if at == commit => Ok(Pushed { commit, was_there: false }),
        Some(at) if at != parent => Err(foreign(at)),
        Some(_) | None => Err(far.refused("pushed to", &output)),
    }
}

/// Returns the address to which `origin` is pushed.
pub(super) async fn origin(workspace: &GitWorkspace, path: &Path) -> Result<Option<String>, WorkspaceError> {
    let repo = workspace.locate(path).await?;
    Git::of_user(&workspace.launcher, &repo.root).line(&["remote", "get-url", "--push", "origin"]).await
}

impl Far<'_> {
    /// Returns where the branch is now.
    async fn commit(&self) -> Result<Option<String>, WorkspaceError> {
        let output = self.git.output(&["ls-remote", "--", &self.remote.url, self.branch], None).await?;
        if output.code != Some(0) {
            return Err(self.refused("reached", &output));
        }
        let listing = String::from_utf8_lossy(&output.stdout);
        // Patterns match the end of a name, too.
        let at = listing.lines().find_map(|it| it.split_once('\t').filter(|(_, name)| *name == self.branch));
        Ok(at.map(|(commit, _)| commit.to_owned()).filter(|it| is_object_id(it)))
    }

    /// Gets a commit of the remote into the private repository.
    async fn fetch(&self, commit: &str) -> Result<(), WorkspaceError> {
        let options = ["fetch", "--quiet", "--no-write-fetch-head", "--no-tags", "--no-recurse-submodules"];
        let output = self.git.output(&[&options[..], &["--", &self.remote.url, commit]].concat(), None).await?;
        if output.code == Some(0) { Ok(()) } else { Err(self.refused("fetched", &output)) }
    }

    fn refused(&self, what: &str, output: &ToolOutput) -> WorkspaceError {
        let said = Masker::new(self.remote.token.clone()).mask(&complaint(output)).into_owned();
        WorkspaceError::Unusable(format!("{} cannot be {what}: {said}", self.remote.name))
    }
}
